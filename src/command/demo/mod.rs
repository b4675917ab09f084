//! `countersign demo`: the command itself, run for real against the stand-in, and what it refuses.
//!
//! Each step is the command that a person would type, run as a program of its own. Only the attacks are staged: they
//! are what no command does.

mod attack;
mod stage;

use countersign_common::{Code, Explain};

use self::stage::{Ending, Stage};
use crate::{
    arguments::Common,
    exit::Exit,
    output::{self, Stop},
};

const INTRODUCTION: &str = "A KMS, a registry and an image, on this machine alone. Each line behind `$` was run; on AWS \
you would type the same, with your registry's name.\n";

const ON_AWS: &str = "\nOn AWS, with Amazon ECR, the same is:

  aws kms create-key --key-spec ECC_NIST_P256 --key-usage SIGN_VERIFY
  aws kms create-alias --alias-name alias/release --target-key-id KEY-ID
  countersign sign --key awskms:///alias/release ACCOUNT.dkr.ecr.REGION.amazonaws.com/shop/api@sha256:…
  countersign key public --key awskms:///alias/release > release.pub
  countersign verify --key release.pub ACCOUNT.dkr.ecr.REGION.amazonaws.com/shop/api:1.4.2
";

pub(crate) async fn run(common: &Common) -> Result<Exit, Stop> {
    let mut stage = Stage::set(common)?;
    stage.say(INTRODUCTION)?;
    sign_and_verify(&mut stage)?;
    refusals(&mut stage).await?;
    stage.say(ON_AWS)?;
    stage.end()
}

fn sign_and_verify(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let image = stage.image("shop/api", "1.4.2", "release 1.4.2");
    stage.scene("Sign an image with a key that never leaves KMS")?;
    stage.run(
        &["sign", "--key", "awskms:///alias/release", &image],
        Ending::Done,
    )?;
    stage.scene("Keep its public half: whoever verifies needs no right in KMS")?;
    stage.run_into(
        &["key", "public", "--key", "awskms:///alias/release"],
        "release.pub",
    )?;
    stage.scene("Verify")?;
    stage.run(&["verify", "--key", "release.pub", &image], Ending::Done)
}

async fn refusals(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let image = stage.name("shop/api:1.4.2");

    stage.scene("Refused: an image that nobody signed")?;
    let unsigned = stage.image("shop/api", "1.4.3-rc1", "not released");
    stage.run(
        &["verify", "--key", "release.pub", &unsigned],
        Ending::Refused("signature-missing"),
    )?;

    stage.scene("Refused: signed, but by a key that is not trusted")?;
    stage.run(&["key", "generate", "mallory"], Ending::Done)?;
    stage.run(&["sign", "--key", "mallory.key", &unsigned], Ending::Done)?;
    stage.run(
        &["verify", "--key", "release.pub", &unsigned],
        Ending::Refused("key-unknown"),
    )?;

    stage.scene("Refused: a registry that answers with a changed manifest")?;
    let pinned = stage.pinned("shop/api", "1.4.2");
    stage.change_manifests();
    stage.run(
        &["verify", "--key", "release.pub", &pinned],
        Ending::Refused("digest-mismatch"),
    )?;
    stage.tell_the_truth();

    stage.scene("Refused: an attestation by a trusted key, dressed up as a signature")?;
    stage.run(&["key", "generate", "builder"], Ending::Done)?;
    let scanned = stage.image("shop/api", "1.4.3-rc2", "scanned, not released");
    attack::attestation_as_signature(stage, &scanned, "builder.key").await?;
    stage.run(
        &["verify", "--key", "builder.pub", &scanned],
        Ending::Refused("signature-missing"),
    )?;

    stage.scene("Refused: a true signature, copied from another repository")?;
    let copy = stage.image("shop/unreviewed", "1.4.2", "release 1.4.2");
    attack::copied_signature(stage, &image, "shop/unreviewed").await?;
    stage.run(
        &["verify", "--key", "release.pub", &copy],
        Ending::Refused("repository-mismatch"),
    )?;

    stage.scene("Refused outside this demonstration: its key, which anybody could have")?;
    stage.run_without_stand_in(
        &["verify", "--key", "release.pub", &image],
        Ending::Refused("stand-in-key"),
    )
}

/// The demonstration itself went wrong.
#[derive(Debug)]
enum DemoError {
    /// The stage could not be set.
    Stage { what: &'static str, cause: String },
    /// A command did not end as it should have.
    Surprise { count: usize },
}

impl std::fmt::Display for DemoError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stage { what, cause } => {
                write!(f, "{what}: {}", countersign_common::Escaped(cause))
            }
            Self::Surprise { count } => {
                write!(f, "{count} commands did not end as they should have")
            }
        }
    }
}

impl Explain for DemoError {
    fn code(&self) -> Code {
        Code::new("demo-failed")
    }

    fn remedy(&self) -> String {
        "check that programs may listen on 127.0.0.1; if so, please report it with the output"
            .to_owned()
    }
}

impl DemoError {
    fn stage(what: &'static str, cause: impl std::fmt::Display) -> Stop {
        Stop::new(
            Exit::Internal,
            &Self::Stage {
                what,
                cause: cause.to_string(),
            },
        )
    }
}

fn print(common: &Common, text: &str) -> Result<(), Stop> {
    if common.quiet {
        Ok(())
    } else {
        output::print(text)
    }
}
