//! `countersign demo`: the command itself, run for real against the stand-in, and what it refuses.
//!
//! Each step is the command that a person would type, run as a program of its own. Only the attacks are staged: they
//! are what no command does.

mod attack;
mod roots;
mod stage;

use countersign_common::{Code, Explain};

use self::stage::{Ending, Stage};
use crate::{
    arguments::Common,
    exit::Exit,
    output::{self, Stop},
};

const INTRODUCTION: &str = "A KMS, a registry, two time-stamp authorities and an image, on this machine alone. Each line behind `$` was run; on AWS \
you would type the same, with your registry's name.\n";

/// The key that signs.
const RELEASE: &str = "awskms:///alias/release";

const ON_AWS: &str = "\nOn AWS, with Amazon ECR, the same is:

  aws kms create-key --key-spec ECC_NIST_P256 --key-usage SIGN_VERIFY
  aws kms create-alias --alias-name alias/release --target-key-id KEY-ID
  countersign sign --key awskms:///alias/release --tsa https://… ACCOUNT.dkr.ecr.REGION.amazonaws.com/shop/api@sha256:…
  countersign key public --key awskms:///alias/release > release.pub
  countersign verify --key release.pub --tsa-chain tsa.pem --max-age 90d \\
    ACCOUNT.dkr.ecr.REGION.amazonaws.com/shop/api:1.4.2

and with a trust root (`countersign trust init`) and a policy beside the configuration file:

  countersign verify ACCOUNT.dkr.ecr.REGION.amazonaws.com/shop/api:1.4.2
";

pub(crate) async fn run(common: &Common) -> Result<Exit, Stop> {
    let mut stage = Stage::set(common)?;
    stage.say(INTRODUCTION)?;
    sign_and_verify(&mut stage)?;
    refusals(&mut stage).await?;
    dates(&mut stage).await?;
    roots::play(&mut stage)?;
    outside(&mut stage)?;
    stage.say(ON_AWS)?;
    stage.end()
}

fn sign_and_verify(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let image = stage.image("shop/api", "1.4.2", "release 1.4.2");
    let (one, two) = (stage.tsa("one"), stage.tsa("two"));
    stage.scene("Sign an image with a key that never leaves KMS, and prove when")?;
    stage.run(
        &[
            "sign", "--key", RELEASE, "--tsa", &one, "--tsa", &two, &image,
        ],
        Ending::Done,
    )?;
    stage.scene("Keep its public half: whoever verifies needs no right in KMS")?;
    stage.run_into(&["key", "public", "--key", RELEASE], "release.pub")?;
    stage.scene("Verify: intact, signed, and published less than 30 days ago by the word of two authorities")?;
    stage.run(
        &[
            "verify",
            "--key",
            "release.pub",
            "--tsa-chain",
            "tsa-one.pem",
            "--tsa-chain",
            "tsa-two.pem",
            "--time-threshold",
            "2",
            "--max-age",
            "30d",
            &image,
        ],
        Ending::Done,
    )
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
    stage.run(
        &["sign", "--key", "mallory.key", "--no-tsa", &unsigned],
        Ending::Done,
    )?;
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
    )
}

/// What a date is worth that nobody but the key's holder vouches for.
async fn dates(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let (one, chain) = (stage.tsa("one"), "tsa-one.pem");

    stage.scene("Refused: a date that is only claimed")?;
    let claimed = stage.image("shop/api", "1.4.4", "release 1.4.4");
    stage.run(
        &["sign", "--key", RELEASE, "--no-tsa", &claimed],
        Ending::Done,
    )?;
    let demand = [
        "--key",
        "release.pub",
        "--tsa-chain",
        chain,
        "--max-age",
        "30d",
    ];
    stage.run(
        &[&["verify"], &demand[..], &[&claimed]].concat(),
        Ending::Refused("date-unproven"),
    )?;

    stage.scene("Refused: back-dated by the key's holder, with a stamp that is a month old")?;
    stage.run(&["key", "generate", "insider"], Ending::Done)?;
    let back_dated = stage.image("shop/api", "1.4.5", "built today");
    attack::back_dated(stage, &back_dated, "insider.key").await?;
    let demand = [
        "--key",
        "insider.pub",
        "--tsa-chain",
        chain,
        "--min-age",
        "7d",
    ];
    stage.run(
        &[&["verify"], &demand[..], &[&back_dated]].concat(),
        Ending::Refused("date-too-imprecise"),
    )?;

    stage.scene("Refused while signing: an authority, or whoever is between, that hands out stockpiled stamps")?;
    let image = stage.image("shop/api", "1.4.6", "release 1.4.6");
    attack::stockpile(stage);
    stage.run(
        &["sign", "--key", RELEASE, "--tsa", &one, &image],
        Ending::Failed("stamp-implausible"),
    )?;
    attack::tell_the_time(stage);
    Ok(())
}

fn outside(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let image = stage.name("shop/api:1.4.2");
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
