//! The command line: what can be typed, and nothing of what follows.
//!
//! Each flag that does not weaken a check also has a `COUNTERSIGN_…` variable.

pub(crate) mod cache;
pub(crate) mod doctor;
pub(crate) mod images;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod lazily;
pub(crate) mod stand_in;
mod standard_input;
pub(crate) mod trust;
pub(crate) mod variables;

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use countersign_common::{
    Algorithm, Explain, Limits, Timestamp, age, manifest::Platform, predicate::PredicateType,
};
use countersign_trust_roots::document;
use serde::Deserialize;

use self::{
    cache::Caching, doctor::Doctor, images::Images, inspect::Inspect, key::Key, lazily::Lazily,
    stand_in::StandIn, trust::Trust,
};
use crate::time;

/// Signs container images with AWS KMS keys, proves when they were published, and verifies both, for Amazon ECR and any OCI registry
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Args, Debug)]
pub(crate) struct Common {
    /// Form of the output; JSON always goes to standard output
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "text",
        env = "COUNTERSIGN_OUTPUT"
    )]
    pub(crate) output: Output,
    /// Say nothing but results and errors
    #[arg(short, long, global = true, env = "COUNTERSIGN_QUIET", value_parser = clap::builder::FalseyValueParser::new(),
          action = clap::ArgAction::SetTrue)]
    pub(crate) quiet: bool,
    /// Say more of what happens, on standard error
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Form of what is said on standard error while working
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "text",
        env = "COUNTERSIGN_LOG_FORMAT"
    )]
    pub(crate) log_format: LogFormat,
    /// Configuration file; else `countersign/config.toml` in `$XDG_CONFIG_HOME` (or `~/.config`), else in `/etc`
    #[arg(long, global = true, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Read the passwords of encrypted key files here, a line each; else `COUNTERSIGN_KEY_PASSWORD`, else they are asked for
    #[arg(
        long,
        global = true,
        value_name = "NUMBER",
        env = "COUNTERSIGN_PASSWORD_FD"
    )]
    pub(crate) password_fd: Option<u32>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Output {
    Json,
    Text,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum LogFormat {
    Json,
    Text,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign images: a signature and a publication date beside each, bound to its repository
    ///
    /// Writes what cosign 3 reads: in-toto statements in Sigstore bundles, as referrers of the image. The date is proven by
    /// time-stamp authorities on both sides of the signature, so that it is not the signer's word. What is there already is
    /// found and said, and the first publication stays. Everything is checked with the key's own public half before it is
    /// pushed, and the key never leaves KMS. Where a policy has a rule for the image, its trust root says whether this key may
    /// sign there now, before it is used, and which authorities are asked.
    Sign(Lazily<Sign>),
    /// Attest something about images: provenance, a bill of materials, a vulnerability scan, …
    ///
    /// Writes what `cosign verify-attestation` reads: the predicate, byte for byte, in an in-toto statement. It is bound to the
    /// repository, and when it was signed is proven as by `sign`. What was attested before stays, unless it is replaced.
    Attest(Lazily<Attest>),
    /// Verify images: integrity, authenticity, and how much of freshness is proven
    ///
    /// Who may sign is for a policy and its trust root to say; `--key` names keys by hand, for a quick look. Only signatures of
    /// the image count; an attestation is no signature. What else is demanded here is demanded besides. What cannot be found
    /// out is an error (exit 3), never "unsigned" and never "fine".
    Verify(Lazily<Verify>),
    /// Show everything that is attached to images, of whatever format: by whom, when, and whether it is trusted
    ///
    /// Looks at the list of referrers, the fallback tag, cosign's older tags and, on Amazon ECR, the archive. Each document is
    /// judged alone, by the policy or by `--key`, as `verify` judges it; without either nothing is. What `verify` does not read
    /// is shown as not verified here. The image is not judged: that is for `verify`.
    Inspect(Lazily<Inspect>),
    /// Check policies, and see what they would do
    #[command(subcommand)]
    Policy(Lazily<Policy>),
    /// Make key files, and show public keys
    #[command(subcommand)]
    Key(Lazily<Key>),
    /// Make, change, sign and check trust roots: who may sign what, since when and until when
    #[command(subcommand)]
    Trust(Lazily<Trust>),
    /// Find out what is missing before signing and verifying work, and say how each of it is mended
    ///
    /// Looks at the AWS credentials, region and permissions, the keys, the registries, the time-stamp authorities, the trust
    /// roots and the files here. What is not named is not looked at. Nothing is signed (KMS is asked by a dry run) and nothing is
    /// written: the registry is asked to take what no registry may take, and its refusal tells whether the caller was let
    /// through. What AWS denies comes with the statement that allows it.
    Doctor(Lazily<Doctor>),
    /// See it work: a key, an image, a signature, and what is refused. No account, nothing leaves this machine
    Demo(Lazily<Demo>),
    /// Serve a loopback KMS, registry and time-stamp authorities, to test your own pipeline without an account. Ends on SIGTERM or Ctrl-C
    StandIn(Lazily<StandIn>),
    /// Print the completions of a shell
    Completions(Lazily<Completions>),
    /// Write the manual pages into a folder
    Man(Lazily<Man>),
}

/// By which policy images are judged, and what is remembered of that.
#[derive(Args, Debug)]
pub(crate) struct Governed {
    /// The policy to go by; else `policy.toml` beside the configuration file, if it is there
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_POLICY")]
    pub(crate) policy: Option<PathBuf>,
    /// Folder of what is remembered: newest roots, and the time; else `countersign` in `$XDG_STATE_HOME` (or `~/.local/state`)
    #[arg(long, value_name = "FOLDER", env = "COUNTERSIGN_STATE_DIR")]
    pub(crate) state_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    Check(PolicyCheck),
    Test(PolicyTest),
    Explain(PolicyExplain),
}

/// Check a policy: that it is understood, and that its trust roots can be followed and grant what it counts on
#[derive(Args, Debug)]
pub(crate) struct PolicyCheck {
    #[command(flatten)]
    pub(crate) governed: Governed,
    /// Look at the file alone, and at no trust root
    #[arg(long)]
    pub(crate) offline: bool,
    /// The most time to spend on one trust root, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", env = "COUNTERSIGN_TIMEOUT",
          value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) timeout: u64,
    #[command(flatten)]
    pub(crate) network: Network,
}

/// Say what a policy would do with images, without effect: nothing is remembered, and the exit code is as that of `verify`
///
/// By the policy alone: what `verify` is asked besides, by flags, variables or the configuration, is not asked here.
#[derive(Args, Debug)]
pub(crate) struct PolicyTest {
    #[command(flatten)]
    pub(crate) images: Images,
    #[command(flatten)]
    pub(crate) governed: Governed,
    /// Judge as of this time instead of now
    #[arg(long, value_name = "TIME", value_parser = time::moment)]
    pub(crate) at: Option<Timestamp>,
    #[command(flatten)]
    pub(crate) demonstration: Demonstration,
    /// The most time to spend on one image, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::TABLE.image_time.as_secs(), env = "COUNTERSIGN_TIMEOUT",
          value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) timeout: u64,
    #[command(flatten)]
    pub(crate) network: Network,
    #[command(flatten)]
    pub(crate) caching: Caching,
}

/// Say step by step which rule, which trust root, which scope and which keys decide about an image. The image is not fetched
#[derive(Args, Debug)]
pub(crate) struct PolicyExplain {
    /// The image: host/path, with a tag or a digest if you like
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    #[command(flatten)]
    pub(crate) governed: Governed,
    /// Explain as of this time instead of now
    #[arg(long, value_name = "TIME", value_parser = time::moment)]
    pub(crate) at: Option<Timestamp>,
    /// The most time to spend on its trust root, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", env = "COUNTERSIGN_TIMEOUT",
          value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) timeout: u64,
    #[command(flatten)]
    pub(crate) network: Network,
}

/// Whose signatures count, where no policy says it.
#[derive(Args, Debug)]
pub(crate) struct TrustedKeys {
    /// Trusted key, without any policy: a public key file (PEM), or a KMS key as in `sign`; repeatable. Where there is neither a
    /// policy nor this, `COUNTERSIGN_KEY`, one a line
    #[arg(short, long = "key", value_name = "KEY")]
    pub(crate) keys: Vec<String>,
    /// Algorithm of the RSA keys among them, if not rsa-pkcs1-sha256
    #[arg(long, value_name = "NAME", env = "COUNTERSIGN_ALGORITHM")]
    pub(crate) algorithm: Option<Algorithm>,
}

/// What becomes of keys that anybody may have.
#[derive(Args, Debug)]
pub(crate) struct Demonstration {
    /// Accept demonstration keys. Only for trying a pipeline against `countersign stand-in`
    #[arg(long, env = "COUNTERSIGN_ACCEPT_STAND_IN", value_parser = clap::builder::FalseyValueParser::new(),
          action = clap::ArgAction::SetTrue)]
    accept_stand_in: bool,
}

impl Demonstration {
    pub(crate) fn stand_in(&self) -> document::StandIn {
        if self.accept_stand_in {
            document::StandIn::Accepted
        } else {
            document::StandIn::Refused
        }
    }
}

/// How registries are reached.
#[derive(Args, Debug)]
pub(crate) struct Network {
    /// Trust the certificate authorities in this PEM file too
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CA_FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Reach registries without TLS. Registries on this machine need no flag
    #[arg(long)]
    pub(crate) plain_http: bool,
}

/// Who is asked about the time when something is signed.
#[derive(Args, Debug)]
pub(crate) struct Stamps {
    /// Time-stamp authority (RFC 3161) that proves when this is signed; repeatable, one for each operator; in the variable,
    /// blanks between them
    #[arg(
        long,
        value_name = "URL",
        env = "COUNTERSIGN_TSA",
        hide_env_values = true,
        value_delimiter = ' '
    )]
    pub(crate) tsa: Vec<String>,
    /// Check the stamps up to this certificate chain (PEM) before anything is pushed; repeatable, one for each operator; in
    /// the variable, colons between them
    #[arg(
        long = "tsa-chain",
        value_name = "FILE",
        env = "COUNTERSIGN_TSA_CHAIN",
        value_delimiter = ':'
    )]
    pub(crate) tsa_chains: Vec<PathBuf>,
    /// Ask nobody: the date is claimed, every verdict says so, and none that demands proof accepts it
    #[arg(long, conflicts_with = "allow_fewer_stamps")]
    pub(crate) no_tsa: bool,
    /// Do with fewer stamps if not every authority answers, or fewer can be asked than the trust root says
    #[arg(long = "allow-fewer-stamps", id = "allow_fewer_stamps")]
    pub(crate) allow_fewer: bool,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 done · 1 found out and no (key disabled, self-check failed) · 2 usage or \
configuration · 3 network, login, throttling, no time stamp, disk · 70 internal"
)]
pub(crate) struct Sign {
    #[command(flatten)]
    pub(crate) images: Images,
    #[command(flatten)]
    pub(crate) signers: SignerKeys,
    /// Signed annotation; repeatable
    #[arg(short, long = "annotation", value_name = "KEY=VALUE", value_parser = annotation)]
    pub(crate) annotations: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) governed: Governed,
    #[command(flatten)]
    pub(crate) stamps: Stamps,
    /// Publish that the image is supported until then: a time in RFC 3339, or a date
    #[arg(long, value_name = "TIME", value_parser = time::moment, env = "COUNTERSIGN_SUPPORTED_UNTIL")]
    pub(crate) supported_until: Option<Timestamp>,
    /// Sign everything that the index lists too, each as an image of its own: first the children, then the index. Attestations
    /// and children of unknown platform are signed as well; an index inside an index is refused, and so is an index of which
    /// a child is missing, before anything is signed
    #[arg(short, long)]
    pub(crate) recursive: bool,
    /// Show what would be signed, and sign nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The most time to spend on one image with one key, in seconds; each child that is signed too has as long again
    #[arg(long, value_name = "SECONDS", default_value = "60", env = "COUNTERSIGN_TIMEOUT",
          value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) timeout: u64,
    #[command(flatten)]
    pub(crate) network: Network,
}

/// Whose keys sign.
#[derive(Args, Debug)]
pub(crate) struct SignerKeys {
    /// Key that signs: `awskms:///alias/NAME`, `awskms:///ARN`, an ARN, alias/NAME, or a private key file (PKCS#8 or
    /// cosign's, encrypted or not); repeatable, in the variable one a line: each key signs each image, such as one of ECDSA and
    /// one of ML-DSA
    #[arg(
        short,
        long = "key",
        value_name = "KEY",
        env = "COUNTERSIGN_KEY",
        value_delimiter = '\n'
    )]
    pub(crate) keys: Vec<String>,
    /// Algorithm, for an RSA key: rsa-pkcs1-sha256 (the default), …384, …512, rsa-pss-sha256, …384, …512
    #[arg(long, value_name = "NAME", env = "COUNTERSIGN_ALGORITHM")]
    pub(crate) algorithm: Option<Algorithm>,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 done · 1 found out and no (key disabled, self-check failed) · 2 usage or \
configuration · 3 network, login, throttling, no time stamp, disk · 70 internal"
)]
pub(crate) struct Attest {
    #[command(flatten)]
    pub(crate) images: Images,
    #[command(flatten)]
    pub(crate) signers: SignerKeys,
    /// What is attested: a file with one JSON object
    #[arg(long, value_name = "FILE")]
    pub(crate) predicate: PathBuf,
    /// What it is: cyclonedx, link, openvex, slsaprovenance (0.2), slsaprovenance1, spdx, vuln, or a URI
    #[arg(long = "type", value_name = "TYPE", value_parser = predicate_type)]
    pub(crate) kind: PredicateType,
    /// Remove what the same key attested of this type before, once the new one is there
    #[arg(long)]
    pub(crate) replace: bool,
    #[command(flatten)]
    pub(crate) governed: Governed,
    #[command(flatten)]
    pub(crate) stamps: Stamps,
    /// The most time to spend on one image, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", env = "COUNTERSIGN_TIMEOUT",
          value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) timeout: u64,
    #[command(flatten)]
    pub(crate) network: Network,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 verified · 1 refused · 2 usage or configuration · 3 could not decide · 70 \
internal. With several images the worst wins: 70, 2, 1, 3, 0"
)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch that can be typed"
)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) images: Images,
    #[command(flatten)]
    pub(crate) trusted: TrustedKeys,
    #[command(flatten)]
    pub(crate) governed: Governed,
    /// Begin to remember: make the state, where there is none
    #[arg(long, conflicts_with = "at")]
    pub(crate) init_state: bool,
    /// How many distinct keys must have signed the image; 1 unless it is given
    #[arg(long, value_name = "N", env = "COUNTERSIGN_THRESHOLD")]
    pub(crate) threshold: Option<NonZeroUsize>,
    #[command(flatten)]
    pub(crate) dates: Dates,
    /// Demand an attestation of this type by a trusted key, named as in `attest`; repeatable; in the variable, blanks
    /// between them
    #[arg(
        long = "attestation",
        value_name = "TYPE",
        value_parser = predicate_type,
        env = "COUNTERSIGN_ATTESTATION",
        value_delimiter = ' '
    )]
    pub(crate) attestations: Vec<PredicateType>,
    /// Demand a signed annotation; repeatable
    #[arg(short, long = "annotation", value_name = "KEY=VALUE", value_parser = annotation)]
    pub(crate) annotations: Vec<(String, String)>,
    /// Judge the image for this platform, where the reference is an index: OS/ARCH, OS/ARCH/VARIANT or OS(VERSION)/ARCH. An
    /// attestation is none; if several images are for it, it is refused
    #[arg(long, value_name = "OS/ARCH", value_parser = platform, env = "COUNTERSIGN_PLATFORM")]
    pub(crate) platform: Option<Platform>,
    /// Judge everything that the index lists too, each as if it were asked for by its own digest. The worst of all decides. No
    /// child is exempt, also not attestations and those of unknown platform
    #[arg(short, long, conflicts_with = "platform")]
    pub(crate) recursive: bool,
    /// Hash everything that the digest reaches, each layer too, and of an index all of each child; `unpacked`: also what each
    /// layer of an image unpacks to
    ///
    /// Nothing is left out: what the registry does not have is an error (exit 3), wherever else it may lie. Layers are fetched
    /// if all else is verified, as long as they come with 8 KiB a second or more. What unpacks to more than 256 MiB and 200
    /// times its length is refused
    #[arg(long, value_enum, value_name = "DEPTH", num_args = 0..=1, require_equals = true,
          default_missing_value = "layers", env = "COUNTERSIGN_DEEP")]
    pub(crate) deep: Option<Deep>,
    /// Refuse signatures that name no repository, such as cosign's
    #[arg(long, env = "COUNTERSIGN_REQUIRE_REPOSITORY", value_parser = clap::builder::FalseyValueParser::new(),
          action = clap::ArgAction::SetTrue)]
    pub(crate) require_repository: bool,
    /// Count what cosign before version 3 signed with a key too, at the tag `sha256-….sig`. It proves no date
    #[arg(long)]
    pub(crate) legacy_signatures: bool,
    #[command(flatten)]
    pub(crate) demonstration: Demonstration,
    /// Print only the images by digest, one a line, and nothing unless all are verified; whatever `--output` says
    #[arg(long, conflicts_with = "at")]
    pub(crate) pin: bool,
    /// Write the verdicts to this file too, in JSON, whatever they are; what an earlier run left there is removed first
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_VERDICT_FILE")]
    pub(crate) verdict_file: Option<PathBuf>,
    /// The most time to spend on one image, in seconds, layers of `--deep` aside; each child that is judged too has as long
    /// again
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::TABLE.image_time.as_secs(), env = "COUNTERSIGN_TIMEOUT",
          value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) timeout: u64,
    #[command(flatten)]
    pub(crate) network: Network,
    #[command(flatten)]
    pub(crate) caching: Caching,
}

/// What a proven date must be like. Each of these demands that there is one.
#[derive(Args, Debug)]
pub(crate) struct Dates {
    /// Trust the time-stamp authority with this certificate chain (PEM); repeatable, one for each operator; in the
    /// variable, colons between them
    #[arg(
        long = "tsa-chain",
        value_name = "FILE",
        env = "COUNTERSIGN_TSA_CHAIN",
        value_delimiter = ':'
    )]
    pub(crate) tsa_chains: Vec<PathBuf>,
    /// How many distinct operators must prove each end of a date; 1 unless it is given
    #[arg(long, value_name = "N", env = "COUNTERSIGN_TIME_THRESHOLD")]
    pub(crate) time_threshold: Option<NonZeroUsize>,
    /// Demand this level: `signed`, or `dated`, which is a proven publication date
    #[arg(long, value_enum, value_name = "LEVEL", env = "COUNTERSIGN_REQUIRE")]
    pub(crate) require: Option<Require>,
    /// Refuse what may have been published longer ago: 45s, 30m, 2h, 180d, 26w
    #[arg(long, value_name = "TIME", value_parser = age::parse_duration, env = "COUNTERSIGN_MAX_AGE")]
    pub(crate) max_age: Option<Duration>,
    /// Refuse what may have been published less long ago
    #[arg(long, value_name = "TIME", value_parser = age::parse_duration, env = "COUNTERSIGN_MIN_AGE")]
    pub(crate) min_age: Option<Duration>,
    /// Refuse what may have been published before: a time in RFC 3339, or a date
    #[arg(long, value_name = "TIME", value_parser = time::moment, env = "COUNTERSIGN_PUBLISHED_AFTER")]
    pub(crate) published_after: Option<Timestamp>,
    /// Refuse what may have been published after
    #[arg(long, value_name = "TIME", value_parser = time::moment, env = "COUNTERSIGN_PUBLISHED_BEFORE")]
    pub(crate) published_before: Option<Timestamp>,
    /// Refuse what its publisher no longer supports
    #[arg(long, env = "COUNTERSIGN_SUPPORTED", value_parser = clap::builder::FalseyValueParser::new(),
          action = clap::ArgAction::SetTrue)]
    pub(crate) supported: bool,
    /// Judge as of this time instead of now; the verdict says so and names nothing to run
    #[arg(long, value_name = "TIME", value_parser = time::moment)]
    pub(crate) at: Option<Timestamp>,
}

/// How much must be proven.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Require {
    /// A trusted key signed the image
    Signed,
    /// And the date of its publication is proven
    Dated,
}

/// How far down an image is looked at.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Deep {
    /// Every layer, as it is in the registry
    Layers,
    /// And what it unpacks to, by the word of the image's configuration
    Unpacked,
}

#[derive(Args, Debug)]
pub(crate) struct Demo {}

#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Args, Debug)]
pub(crate) struct Man {
    /// The folder; it must exist
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
}

fn predicate_type(text: &str) -> Result<PredicateType, String> {
    text.parse::<PredicateType>()
        .map_err(|error| format!("{error}; {}", error.remedy()))
}

fn annotation(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("an annotation is written KEY=VALUE".to_owned()),
    }
}

fn platform(text: &str) -> Result<Platform, String> {
    match Platform::parse(text) {
        Some(platform) if platform.is_unknown() => Err(
            "builders list as unknown what is no image to run: name it by its digest, or use `--recursive`"
                .to_owned(),
        ),
        Some(platform) => Ok(platform),
        None => {
            Err("a platform is written OS/ARCH or OS/ARCH/VARIANT, such as linux/arm64".to_owned())
        }
    }
}
