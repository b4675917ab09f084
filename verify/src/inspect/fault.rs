//! What is wrong with an artifact, or with what was asked for it, where no other package has a word for it.

use countersign_common::{
    Code, Digest, Escaped, Explain,
    json::JsonError,
    registry::{Error, Failure},
};
use countersign_trust_roots::format::ReadError;

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
    /// An envelope without a statement that can be read.
    #[error(transparent)]
    Read(#[from] ReadError),
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
    /// An artifact with more that must be read than is.
    #[error("the artifact {} holds {count} documents; {limit} are read", artifact.short())]
    TooManyLayers {
        /// The artifact's manifest.
        artifact: Digest,
        /// How many it holds.
        count: usize,
        /// How many are read.
        limit: usize,
    },
    /// Not fetched, for what was fetched already.
    #[error("it was not fetched: with all the others it would be more than {limit} bytes")]
    TooMuch {
        /// How many are fetched for one image.
        limit: u64,
    },
    /// Found only where verifiers do not look.
    #[error("`verify` does not find it: it is in no list of referrers that `verify` reads")]
    Unlisted,
    /// More artifacts than are looked at for one image.
    #[error(
        "{count} artifacts that are attached to {subject} or others beside it were not looked at: {limit} are at the most"
    )]
    Unseen {
        /// To what one of them is attached.
        subject: Digest,
        /// How many.
        count: usize,
        /// How many are looked at.
        limit: usize,
    },
    /// Nobody was named who could be trusted.
    #[error("neither a policy nor a key was given")]
    NobodyNamed,
    /// A signature by a key that is trusted, of which more is required than that.
    #[error("the policy requires signatures by other keys")]
    NotRequired,
    /// A signature whose time nobody proved, by a key that was stolen or misused.
    #[error(
        "the key {} is revoked, and nothing here proves when this was signed",
        Escaped(key)
    )]
    Revoked {
        /// The key's name.
        key: String,
    },
}

/// Every code of this module, besides those of registries and of what verifiers read.
pub const CODES: &[Code] = &[
    Code::new("artifact-archived"),
    Code::new("artifact-unlisted"),
    Code::new("key-compromised"),
    Code::new("malformed"),
    Code::new("not-judged"),
    Code::new("signer-not-required"),
    Code::new("too-large"),
];

impl Explain for Fault {
    fn code(&self) -> Code {
        match self {
            Self::ArchiveUnseen { source } => source.code(),
            Self::Read(source) => source.code(),
            Self::Archived => Code::new("artifact-archived"),
            Self::Unlisted => Code::new("artifact-unlisted"),
            Self::Base64 { .. } | Self::Cose { .. } | Self::Json(_) => Code::new("malformed"),
            Self::NobodyNamed => Code::new("not-judged"),
            Self::NotRequired => Code::new("signer-not-required"),
            Self::Revoked { .. } => Code::new("key-compromised"),
            Self::TooLarge { .. }
            | Self::TooMany { .. }
            | Self::TooManyLayers { .. }
            | Self::TooMuch { .. }
            | Self::Unseen { .. } => Code::new("too-large"),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::ArchiveUnseen {
                source: source @ Failure::Error(Error::Throttled { .. }),
            } => return source.remedy(),
            Self::ArchiveUnseen { .. } => {
                "give AWS credentials that allow `ecr:BatchGetImage`, by which Amazon ECR lists what is archived"
            }
            Self::Archived => {
                "bring it back: `aws ecr update-image-storage-class --target-storage-class STANDARD …`"
            }
            Self::Base64 { .. } | Self::Cose { .. } | Self::Json(_) | Self::Read(_) => {
                "find out who wrote this artifact, and write it again"
            }
            Self::Unlisted => "sign the image again, or let the registry list what refers to it",
            Self::NobodyNamed => "name a policy with `--policy`, or a trusted key with `--key`",
            Self::Revoked { .. } => "sign again with a key that is in use: whoever stole this one can sign too",
            Self::NotRequired => "let those sign whose signatures the policy requires",
            Self::TooLarge { .. } | Self::TooMany { .. } => {
                "use something smaller: the limit protects whoever looks at it"
            }
            Self::TooManyLayers { .. } | Self::TooMuch { .. } | Self::Unseen { .. } => "remove what should not be attached there",
        }
        .to_owned()
    }
}
