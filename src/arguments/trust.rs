//! What can be typed after `countersign trust`.

use std::{
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use countersign_common::{Algorithm, Timestamp, age};
use countersign_trust_roots::{Pattern, RootName};

use super::{Governed, Network};
use crate::time;

/// How each of these commands ends.
const EXITS: &str = "Exit codes: 0 done · 1 found out and no (an unsafe root, a bad signature) · 2 usage or \
configuration · 3 disk or KMS out of reach · 70 internal";

#[derive(Debug, Subcommand)]
pub(crate) enum Trust {
    Init(TrustInit),
    AddKey(TrustAddKey),
    RemoveKey(TrustRemoveKey),
    Rotate(TrustRotate),
    Revoke(TrustRevoke),
    AddTsa(TrustAddTsa),
    SetScope(TrustSetScope),
    Sign(TrustSign),
    Show(TrustShow),
    Diff(TrustDiff),
    Doctor(TrustDoctor),
    Publish(TrustPublish),
    Update(TrustUpdate),
    Import(TrustImport),
    Export(TrustExport),
}

/// Where a trust root lies.
#[derive(Args, Debug)]
pub(crate) struct TrustFolder {
    /// Folder of the trust root: `1.root.json`, `2.root.json`, …, and `draft.root.json`, the next version
    #[arg(long, value_name = "FOLDER", env = "COUNTERSIGN_TRUST_DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// What every change takes.
#[derive(Args, Debug)]
pub(crate) struct TrustChange {
    #[command(flatten)]
    pub(crate) folder: TrustFolder,
    /// When the version expires, from now; 365d where one is begun
    #[arg(long, value_name = "TIME", value_parser = age::parse_duration, env = "COUNTERSIGN_TRUST_VALID_FOR")]
    pub(crate) valid_for: Option<Duration>,
}

/// Begin a trust root: its people, its repositories, and the keys that may sign there
///
/// Writes `draft.root.json` into the folder. It becomes `1.root.json` once enough root keys have signed it: `countersign
/// trust sign`. A key is a file, public or private, or a KMS key, and may have its owner in front: `alice=alice.pub`.
#[derive(Args, Debug)]
#[command(after_help = EXITS)]
pub(crate) struct TrustInit {
    #[command(flatten)]
    pub(crate) change: TrustChange,
    /// Name of the trust root, in lower case: `acme`. One of its own for each root that the same people sign: with the same
    /// name and the same root keys, versions of one would be taken for versions of the other
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Key that signs the root itself; repeatable: three, with three people, are a good number
    #[arg(long = "root-key", value_name = "[OWNER=]KEY")]
    pub(crate) root_keys: Vec<String>,
    /// How many root keys must sign each version; 2 unless it is given
    #[arg(long, value_name = "N")]
    pub(crate) threshold: Option<NonZeroUsize>,
    /// Repositories that the keys are for: `registry.example/shop/**`; repeatable
    #[arg(long = "repository", value_name = "PATTERN", value_parser = pattern)]
    pub(crate) repositories: Vec<Pattern>,
    /// Key that signs images and publishes them; repeatable
    #[arg(long = "release-key", value_name = "[OWNER=]KEY")]
    pub(crate) release_keys: Vec<String>,
    /// Key that signs images and attestations, and does not publish; repeatable
    #[arg(long = "sign-key", value_name = "[OWNER=]KEY")]
    pub(crate) sign_keys: Vec<String>,
    /// Key that publishes, and does not sign images; repeatable
    #[arg(long = "publish-key", value_name = "[OWNER=]KEY")]
    pub(crate) publish_keys: Vec<String>,
    /// Key that says again and again that a table of tags is the latest; repeatable
    #[arg(long = "heartbeat-key", value_name = "[OWNER=]KEY")]
    pub(crate) heartbeat_keys: Vec<String>,
    /// Algorithm of the RSA keys among them, if not rsa-pkcs1-sha256
    #[arg(long, value_name = "NAME")]
    pub(crate) algorithm: Option<Algorithm>,
    /// Time-stamp authority to believe, with a `--tsa-chain` and a `--tsa-operator`; repeatable, all three in one order
    #[arg(long = "tsa", value_name = "URL", value_parser = tsa_url)]
    pub(crate) tsa_urls: Vec<String>,
    /// Its certificate chain (PEM)
    #[arg(long = "tsa-chain", value_name = "FILE")]
    pub(crate) tsa_chains: Vec<PathBuf>,
    /// Who operates it
    #[arg(long = "tsa-operator", value_name = "NAME")]
    pub(crate) tsa_operators: Vec<String>,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum TrustRole {
    /// Signs the root itself
    Root,
    /// Signs images and attestations
    Sign,
    /// Publishes images
    Publish,
    /// Says that a table of tags is the latest
    Heartbeat,
    /// Signs and publishes
    Release,
}

/// Add a key: to the root itself, or to the roles of a scope
#[derive(Args, Debug)]
#[command(after_help = EXITS)]
pub(crate) struct TrustAddKey {
    #[command(flatten)]
    pub(crate) change: TrustChange,
    /// The key: a file, public or private, or a KMS key
    #[arg(short, long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Who has it
    #[arg(long, value_name = "NAME")]
    pub(crate) owner: Option<String>,
    /// What it is for; repeatable
    #[arg(long = "role", value_enum, value_name = "ROLE")]
    pub(crate) roles: Vec<TrustRole>,
    /// Scope, by one of its patterns; the only one unless it is given
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    pub(crate) scope: Option<Pattern>,
    /// Nothing that it signed before counts. Not for a root key
    #[arg(long, value_name = "TIME", value_parser = time::moment)]
    pub(crate) not_before: Option<Timestamp>,
    /// Algorithm, for an RSA key, if not rsa-pkcs1-sha256
    #[arg(long, value_name = "NAME")]
    pub(crate) algorithm: Option<Algorithm>,
    /// How many root keys must sign each version from this one on; with `--role root`
    #[arg(long, value_name = "N")]
    pub(crate) threshold: Option<NonZeroUsize>,
}

/// Retire a key: what it signed goes on to count, what it signs later does not. A root key leaves
#[derive(Args, Debug)]
#[command(after_help = EXITS)]
pub(crate) struct TrustRemoveKey {
    #[command(flatten)]
    pub(crate) change: TrustChange,
    /// The key, or at least 8 digits of its id
    #[arg(short, long, value_name = "KEY|ID")]
    pub(crate) key: Option<String>,
    /// `root` for a root key that is also listed in a scope
    #[arg(long, value_enum, value_name = "ROLE")]
    pub(crate) role: Option<RootAlone>,
    /// The last moment whose signatures count; now, unless it is given. Not for a root key, which leaves with the version
    #[arg(long, value_name = "TIME", value_parser = time::moment)]
    pub(crate) at: Option<Timestamp>,
    /// How many root keys must sign each version from this one on; for a root key
    #[arg(long, value_name = "N")]
    pub(crate) threshold: Option<NonZeroUsize>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum RootAlone {
    /// The root itself
    Root,
}

/// Put a new key beside an old one, whose time ends. A root key is replaced at once
#[derive(Args, Debug)]
#[command(after_help = EXITS)]
pub(crate) struct TrustRotate {
    #[command(flatten)]
    pub(crate) change: TrustChange,
    /// The old key, or at least 8 digits of its id
    #[arg(long, value_name = "KEY|ID")]
    pub(crate) old: Option<String>,
    /// The new key: a file, public or private, or a KMS key
    #[arg(long, value_name = "KEY")]
    pub(crate) new: Option<String>,
    /// Who has the new one
    #[arg(long, value_name = "NAME")]
    pub(crate) owner: Option<String>,
    /// Nothing that the new one signed before counts. Not for a root key
    #[arg(long, value_name = "TIME", value_parser = time::moment)]
    pub(crate) not_before: Option<Timestamp>,
    /// The last moment at which what the old one signs counts; in 30 days, unless it is given. Not for a root key
    #[arg(long, value_name = "TIME", value_parser = time::moment)]
    pub(crate) until: Option<Timestamp>,
    /// Algorithm of the new one, for an RSA key, if not rsa-pkcs1-sha256
    #[arg(long, value_name = "NAME")]
    pub(crate) algorithm: Option<Algorithm>,
}

/// Take back what a key signed that was stolen, or misused; or what a time-stamp authority stamped
///
/// A key that was stolen signs for its thief for ever: only what is proven to be older than the theft goes on to count. A key
/// in KMS cannot be stolen, but its use can: what may have been signed meanwhile counts no more, and the key lives on.
#[derive(Args, Debug)]
#[command(after_help = EXITS)]
#[command(group = ArgGroup::new("what").required(true).args(["key", "tsa"]))]
#[command(group = ArgGroup::new("how").required(true).args(["compromised", "misused"]))]
pub(crate) struct TrustRevoke {
    #[command(flatten)]
    pub(crate) change: TrustChange,
    /// The key, or at least 8 digits of its id
    #[arg(short, long, value_name = "KEY|ID")]
    pub(crate) key: Option<String>,
    /// The time-stamp authority at this address: all its stamps are void
    #[arg(long, value_name = "URL", conflicts_with = "misused")]
    pub(crate) tsa: Option<String>,
    /// It was stolen
    #[arg(long)]
    pub(crate) compromised: bool,
    /// Since when it may have been; without it nothing that it ever signed counts
    #[arg(long, value_name = "TIME", value_parser = time::moment, requires = "compromised", conflicts_with = "tsa")]
    pub(crate) at: Option<Timestamp>,
    /// Somebody else had it sign, and has not got it
    #[arg(long, requires_all = ["from", "to"])]
    pub(crate) misused: bool,
    /// The first moment of the misuse
    #[arg(long, value_name = "TIME", value_parser = time::moment, requires = "misused")]
    pub(crate) from: Option<Timestamp>,
    /// Its last moment
    #[arg(long, value_name = "TIME", value_parser = time::moment, requires = "misused")]
    pub(crate) to: Option<Timestamp>,
}

/// Add a time-stamp authority to believe, or change which of its stamps count
#[derive(Args, Debug)]
#[command(after_help = EXITS)]
pub(crate) struct TrustAddTsa {
    #[command(flatten)]
    pub(crate) change: TrustChange,
    /// Where it is asked
    #[arg(long, value_name = "URL", value_parser = tsa_url)]
    pub(crate) url: Option<String>,
    /// Its certificate chain (PEM), its root included
    #[arg(long, value_name = "FILE")]
    pub(crate) chain: Option<PathBuf>,
    /// Who operates it. Authorities of one operator are one witness
    #[arg(long, value_name = "NAME")]
    pub(crate) operator: Option<String>,
    /// How exact its stamps are where they do not say so; 1s for a new one
    #[arg(long, value_name = "TIME", value_parser = age::parse_duration)]
    pub(crate) accuracy: Option<Duration>,
    /// The first moment whose stamps count
    #[arg(long, value_name = "TIME", value_parser = time::moment)]
    pub(crate) from: Option<Timestamp>,
    /// The last moment whose stamps count
    #[arg(long, value_name = "TIME", value_parser = time::moment)]
    pub(crate) until: Option<Timestamp>,
    /// How many distinct operators must have stamped each side of a publication
    #[arg(long, value_name = "N")]
    pub(crate) time_threshold: Option<NonZeroUsize>,
}

/// Make a scope for repositories, or change the one that has any of these patterns
#[derive(Args, Debug)]
#[command(after_help = EXITS)]
pub(crate) struct TrustSetScope {
    #[command(flatten)]
    pub(crate) change: TrustChange,
    /// Its repositories: `registry.example/shop/**`; repeatable
    #[arg(long = "repository", value_name = "PATTERN", value_parser = pattern)]
    pub(crate) repositories: Vec<Pattern>,
    /// Epoch of its tables of tags; a higher one voids those of before
    #[arg(long, value_name = "N")]
    pub(crate) epoch: Option<NonZeroU64>,
    /// How old a table of tags may become
    #[arg(long, value_name = "TIME", value_parser = age::parse_duration)]
    pub(crate) tag_table_max: Option<Duration>,
    /// How old a heartbeat may become
    #[arg(long, value_name = "TIME", value_parser = age::parse_duration)]
    pub(crate) heartbeat_max: Option<Duration>,
    /// Where the statements about its repositories lie
    #[arg(long, value_enum, value_name = "WHERE")]
    pub(crate) statements: Option<TrustStatements>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum TrustStatements {
    /// In the repository itself
    Same,
    /// In `<repository>.countersign`
    Sibling,
}

/// Sign the draft with a root key, or collect the signatures of others
///
/// Refuses an unsafe root before any key is used. Each person signs a copy on a machine of their own, with `--dir` or with
/// `--file`; whoever collects them names the copies with `--add`. Once enough have signed, the draft becomes a version.
#[derive(Args, Debug)]
#[command(after_help = EXITS)]
pub(crate) struct TrustSign {
    #[command(flatten)]
    pub(crate) folder: TrustFolder,
    /// A draft that somebody sent, instead of one in a folder
    #[arg(long, value_name = "FILE", conflicts_with = "added")]
    pub(crate) file: Option<PathBuf>,
    /// The version before it, with `--file`
    #[arg(long, value_name = "FILE", requires = "file")]
    pub(crate) previous: Option<PathBuf>,
    /// Root key that signs: a KMS key or a private key file, as in `countersign sign`
    #[arg(short, long, value_name = "KEY", env = "COUNTERSIGN_ROOT_KEY")]
    pub(crate) key: Option<String>,
    /// Copy of the draft that somebody else signed; repeatable
    #[arg(long = "add", id = "added", value_name = "COPY")]
    pub(crate) added: Vec<PathBuf>,
    /// Ask no question on a terminal
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// Show a trust root: who may sign what, and who must still sign its draft
#[derive(Args, Debug)]
#[command(after_help = EXITS)]
pub(crate) struct TrustShow {
    #[command(flatten)]
    pub(crate) folder: TrustFolder,
    /// A root or a draft in a file, instead of those in a folder
    #[arg(long, value_name = "FILE", conflicts_with = "version")]
    pub(crate) file: Option<PathBuf>,
    /// A version; the newest unless it is given
    #[arg(long, value_name = "N")]
    pub(crate) version: Option<u64>,
    /// Show the fingerprint, or what is signed of a draft, as words too, to read to each other
    #[arg(long)]
    pub(crate) words: bool,
}

/// Say what one version of a trust root says otherwise than another, and what of it loosens what is believed
///
/// Ends with 0 whether anything differs or not.
#[derive(Args, Debug)]
#[command(after_help = EXITS)]
pub(crate) struct TrustDiff {
    /// The older one: the number of a version, `draft`, a file, or another folder
    #[arg(value_name = "BEFORE")]
    pub(crate) before: String,
    /// The newer one, named likewise; the newest version of the folder unless it is given
    #[arg(value_name = "AFTER")]
    pub(crate) after: Option<String>,
    #[command(flatten)]
    pub(crate) folder: TrustFolder,
}

/// Take over what others list: the time-stamp authorities of Sigstore's trusted root, and keys of cosign
///
/// Into the draft, as by `add-tsa` and by `add-key --role sign`. What a root cannot hold is named.
#[derive(Args, Debug)]
#[command(after_help = EXITS)]
#[command(group = ArgGroup::new("source").required(true).multiple(true).args(["sigstore", "cosign_keys"]))]
pub(crate) struct TrustImport {
    #[command(flatten)]
    pub(crate) change: TrustChange,
    /// Sigstore's `trusted_root.json`
    #[arg(long, value_name = "FILE")]
    pub(crate) sigstore: Option<PathBuf>,
    /// Who operates those of its authorities of which it does not say so
    #[arg(long, value_name = "NAME", requires = "sigstore")]
    pub(crate) tsa_operator: Option<String>,
    /// Public key with which `cosign verify` is run; repeatable
    #[arg(long = "cosign-key", id = "cosign_keys", value_name = "FILE")]
    pub(crate) cosign_keys: Vec<String>,
    /// Who has the keys
    #[arg(long, value_name = "NAME", requires = "cosign_keys")]
    pub(crate) owner: Option<String>,
    /// Scope of the keys, by one of its patterns; the only one unless it is given
    #[arg(long, value_name = "PATTERN", value_parser = pattern, requires = "cosign_keys")]
    pub(crate) scope: Option<Pattern>,
}

/// Write the newest complete version for tools that know no roots, and say what these do not learn
#[derive(Args, Debug)]
#[command(after_help = EXITS)]
#[command(group = ArgGroup::new("target").required(true).multiple(true).args(["cosign_keys", "sigstore"]))]
pub(crate) struct TrustExport {
    #[command(flatten)]
    pub(crate) folder: TrustFolder,
    /// Folder for the public keys that may sign images now, a file each: `cosign verify --key FILE`
    #[arg(long, value_name = "FOLDER")]
    pub(crate) cosign_keys: Option<PathBuf>,
    /// File for the time-stamp authorities: `cosign verify --use-signed-timestamps --trusted-root FILE`
    #[arg(long, value_name = "FILE")]
    pub(crate) sigstore: Option<PathBuf>,
}

/// Say what is wrong with a trust root, or soon will be, and what to do about it
#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 nothing, or warnings · 1 something that would be fatal · 2 usage or configuration · \
3 disk out of reach · 70 internal"
)]
pub(crate) struct TrustDoctor {
    #[command(flatten)]
    pub(crate) folder: TrustFolder,
}

/// Publish the complete versions that are not there yet. Never the draft
///
/// A version that is there is not changed. In a registry version `N` is the tag `countersign-root-vN`, and it is read back
/// before it is called published. Where tags can be moved, two who publish different versions at once may both succeed, and
/// the later one stays: make the tags immutable. On Amazon ECR the repository must exist.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 done · 1 found out and no (another file is there, the registry refuses) · 2 usage or \
configuration · 3 disk or network out of reach · 70 internal"
)]
pub(crate) struct TrustPublish {
    #[command(flatten)]
    pub(crate) folder: TrustFolder,
    /// Where to: a folder that exists, or `oci://HOST/PATH`; repeatable
    #[arg(long, value_name = "FOLDER|oci://HOST/PATH")]
    pub(crate) to: Vec<String>,
    /// The most time to wait for an answer of a registry, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", env = "COUNTERSIGN_TIMEOUT",
          value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) timeout: u64,
    #[command(flatten)]
    pub(crate) network: Network,
}

/// Follow the trust roots of a policy to their newest versions, now, and remember them
///
/// Asks every source of a root, whatever was asked within the last hour. A policy pins a root by its fingerprint: nothing
/// else is believed at first, and from there each version is vouched for by the one before. What is refused changes nothing
/// of what is remembered. Where nothing was remembered yet, that is begun, as by `verify --init-state`.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 followed · 1 refused (forged, rolled back, expired) · 2 usage or configuration · \
3 no source can be asked (or not all, where the newest root found is over or older than one seen), or nothing be \
remembered · 70 internal. With several roots the worst wins: 70, 1, 3, 0"
)]
pub(crate) struct TrustUpdate {
    #[command(flatten)]
    pub(crate) governed: Governed,
    /// Root to follow, by its name in the policy; repeatable; all unless one is given
    #[arg(long = "root", value_name = "NAME")]
    pub(crate) roots: Vec<RootName>,
    /// The most time to spend on one trust root, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", env = "COUNTERSIGN_TIMEOUT",
          value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) timeout: u64,
    #[command(flatten)]
    pub(crate) network: Network,
}

/// A pattern of repositories.
pub(crate) fn pattern(text: &str) -> Result<Pattern, String> {
    Pattern::parse(text).map_err(|error| error.to_string())
}

/// As it is written, since it is compared so. It is published, so it must hold no password.
pub(crate) fn tsa_url(text: &str) -> Result<String, String> {
    let url = url::Url::parse(text).map_err(|error| error.to_string())?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err("an authority is reached by http: or https:".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("everybody reads a trust root: leave name and password out".to_owned());
    }
    Ok(text.to_owned())
}
