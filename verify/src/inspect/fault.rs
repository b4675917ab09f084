//! What is wrong with an artifact, or with what was asked for it, where no other package has a word for it.

use countersign_common::{
    Code, Digest, Escaped, Explain, json::JsonError, registry::Failure, statement::StatementError,
};

/// Why something is shown as less than whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// What was put away could not be asked for.
    #[error("archived artifacts are not shown, if there are any: {source}")]
    ArchiveUnseen {
        /// Why not.
        source: Failure,
    },
    /// Put away: known, and not to be had.
    #[error("it is archived, and can be read only after it was brought back")]
    Archived,
    /// No base64 of the kind that its format wants.
    #[error("its {part} is no base64")]
    Base64 {
        /// Which part.
        part: &'static str,
    },
    /// Not CBOR, or not an envelope.
    #[error("it is no COSE envelope with one signature: {reason}")]
    Cose {
        /// What is wrong.
        reason: &'static str,
    },
    /// Not JSON, ambiguous, or members missing.
    #[error("it is not strict JSON of its format: {0}")]
    Json(#[from] JsonError),
    /// About something else.
    #[error("it is about {}, not about what it is attached to", Escaped(named))]
    OtherSubject {
        /// What it names.
        named: String,
    },
    /// No statement in the envelope.
    #[error(transparent)]
    Statement {
        /// What is wrong with it.
        source: StatementError,
    },
    /// More than is read.
    #[error("it has more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are read.
        limit: usize,
    },
    /// Longer than is read.
    #[error("it has {size} bytes; {limit} are read")]
    TooLarge {
        /// How many it has.
        size: u64,
        /// How many are read.
        limit: u64,
    },
    /// More artifacts, or bytes of them, than are looked at for one image.
    #[error("{count} more are attached to {subject}, which were not looked at: {limit}")]
    Unseen {
        /// How many.
        count: usize,
        /// To what.
        subject: Digest,
        /// What was used up.
        limit: &'static str,
    },
    /// Nobody was named who could be trusted.
    #[error("neither a policy nor a key was given")]
    NobodyNamed,
    /// A signature by a key that is trusted, of which more is required than that.
    #[error("the policy requires signatures by other keys")]
    NotRequired,
}

/// Every code of this module, besides those of registries.
pub const CODES: &[Code] = &[
    Code::new("artifact-archived"),
    Code::new("malformed"),
    Code::new("not-judged"),
    Code::new("signer-not-required"),
    Code::new("subject-mismatch"),
    Code::new("too-large"),
];

impl Explain for Fault {
    fn code(&self) -> Code {
        match self {
            Self::ArchiveUnseen { source } => source.code(),
            Self::Archived => Code::new("artifact-archived"),
            Self::Base64 { .. } | Self::Cose { .. } | Self::Json(_) | Self::Statement { .. } => {
                Code::new("malformed")
            }
            Self::NobodyNamed => Code::new("not-judged"),
            Self::NotRequired => Code::new("signer-not-required"),
            Self::OtherSubject { .. } => Code::new("subject-mismatch"),
            Self::TooLarge { .. } | Self::TooMany { .. } | Self::Unseen { .. } => {
                Code::new("too-large")
            }
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::ArchiveUnseen { .. } => {
                "give AWS credentials that allow `ecr:BatchGetImage`, by which Amazon ECR lists what is archived"
            }
            Self::Archived => {
                "bring it back: `aws ecr update-image-storage-class --target-storage-class STANDARD …`"
            }
            Self::Base64 { .. }
            | Self::Cose { .. }
            | Self::Json(_)
            | Self::Statement { .. } => {
                "find out who wrote this artifact, and write it again"
            }
            Self::NobodyNamed => "name a policy with `--policy`, or a trusted key with `--key`",
            Self::NotRequired => "let those sign whose signatures the policy requires",
            Self::OtherSubject { .. } => {
                "find out who attached it: it says nothing of this content"
            }
            Self::TooLarge { .. } | Self::TooMany { .. } => {
                "use something smaller: the limit protects whoever looks at it"
            }
            Self::Unseen { .. } => "remove what should not be attached there",
        }
        .to_owned()
    }
}
