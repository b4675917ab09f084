//! The configuration file: what would otherwise be typed each time.
//!
//! Read once, before any work; a flag or its variable wins over it. It is looked for in the places that belong to the user
//! or to the machine, never in the current folder: whoever can write there must not change a verdict. Nothing in it weakens
//! a check.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use countersign_common::{
    Algorithm, Code, Escaped, Explain, Timestamp, age, predicate::PredicateType,
};
use serde::{Deserialize, Deserializer, de::Error as _};
use url::Url;

use crate::{
    arguments::{Deep, Require},
    exit::Exit,
    files,
    output::Stop,
    time,
};

/// The policy, beside it.
const POLICY: &str = "policy.toml";
/// Where it is below a folder of configurations.
const PLACE: &str = "countersign/config.toml";

/// What a configuration says; nothing, if there is none.
#[derive(Debug, Default)]
pub(crate) struct Config {
    pub(crate) sign: SignConfig,
    pub(crate) verify: VerifyConfig,
    pub(crate) network: NetworkConfig,
    pub(crate) authorities: Vec<TsaConfig>,
    folder: PathBuf,
    /// The file, if there is one.
    file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct SignConfig {
    pub(crate) key: Option<String>,
    #[serde(deserialize_with = "parsed")]
    pub(crate) algorithm: Option<Algorithm>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct VerifyConfig {
    pub(crate) keys: Vec<String>,
    pub(crate) threshold: Option<std::num::NonZeroUsize>,
    pub(crate) time_threshold: Option<std::num::NonZeroUsize>,
    pub(crate) require: Option<Require>,
    #[serde(deserialize_with = "duration")]
    pub(crate) max_age: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    pub(crate) min_age: Option<Duration>,
    pub(crate) supported: bool,
    pub(crate) require_repository: bool,
    #[serde(deserialize_with = "all_parsed")]
    pub(crate) attestations: Vec<PredicateType>,
    pub(crate) deep: Option<Deep>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct NetworkConfig {
    pub(crate) ca_file: Option<PathBuf>,
}

/// A time-stamp authority: asked by signers where it has a URL, believed where it has a chain.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct TsaConfig {
    #[serde(default)]
    pub(crate) operator: Option<String>,
    #[serde(default, deserialize_with = "url")]
    pub(crate) url: Option<Url>,
    #[serde(default)]
    pub(crate) chain: Option<PathBuf>,
    #[serde(default, deserialize_with = "duration")]
    pub(crate) default_accuracy: Option<Duration>,
    #[serde(default, deserialize_with = "moment")]
    pub(crate) valid_from: Option<Timestamp>,
    #[serde(default, deserialize_with = "moment")]
    pub(crate) valid_until: Option<Timestamp>,
    /// All its stamps are void, those of before too.
    #[serde(default)]
    pub(crate) compromised: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Document {
    version: u32,
    #[serde(default)]
    sign: SignConfig,
    #[serde(default)]
    verify: VerifyConfig,
    #[serde(default)]
    network: NetworkConfig,
    #[serde(default)]
    tsa: Vec<TsaConfig>,
}

impl Config {
    /// Reads the file that was named, or else the user's, or else the machine's.
    pub(crate) fn read(named: Option<&Path>) -> Result<Self, Stop> {
        let path = match named {
            Some(path) => Some(path.to_owned()),
            // What cannot be looked at is there, and reading it says why.
            None => places()
                .into_iter()
                .find(|place| !matches!(place.try_exists(), Ok(false))),
        };
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let text = String::from_utf8(files::read(&path)?).map_err(|error| error.to_string());
        text.and_then(|text| Self::parse(&text, &path))
            .map_err(|reason| {
                Stop::new(
                    Exit::Usage,
                    &ConfigError {
                        path: path.clone(),
                        reason,
                    },
                )
            })
    }

    fn parse(text: &str, path: &Path) -> Result<Self, String> {
        // Its line is named and not shown: it may hold a password.
        let document: Document = toml::from_str(text).map_err(|error| {
            let end = error.span().map_or(0, |span| span.start);
            let line = text.get(..end).unwrap_or_default().matches('\n').count() + 1;
            format!("line {line}: {}", error.message())
        })?;
        if document.version != 1 {
            return Err(format!(
                "`version` is {}: version 1 is read",
                document.version
            ));
        }
        Ok(Self {
            sign: document.sign,
            verify: document.verify,
            network: document.network,
            authorities: document.tsa,
            folder: path.parent().map(Path::to_owned).unwrap_or_default(),
            file: Some(path.to_owned()),
        })
    }

    /// The policy beside the file, or in the places of the user and the machine if there is no file.
    pub(crate) fn policy_path(&self) -> Option<PathBuf> {
        let beside = |place: &Path| place.parent().map(|folder| folder.join(POLICY));
        let places = match &self.file {
            Some(file) => vec![file.clone()],
            None => places(),
        };
        let mut policies = places.iter().filter_map(|place| beside(place));
        // What cannot be looked at is there, and reading it says why.
        policies.find(|path| !matches!(path.try_exists(), Ok(false)))
    }

    /// The file that was read, if there is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// A path of the file, from the file's own folder.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    /// A key of the file: a path from the file's own folder, unless it names a key in KMS.
    pub(crate) fn key(&self, name: &str) -> String {
        if crate::keys::is_kms(name) {
            name.to_owned()
        } else {
            self.path(Path::new(name)).display().to_string()
        }
    }
}

fn places() -> Vec<PathBuf> {
    let absolute = |name: &str| {
        let path = std::env::var_os(name).map(PathBuf::from);
        // The specification of these variables has relative ones ignored; they would be the current folder.
        path.filter(|path| path.is_absolute())
    };
    let user = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
    user.into_iter()
        .chain([PathBuf::from("/etc")])
        .map(|folder| folder.join(PLACE))
        .collect()
}

fn parsed<'de, D: Deserializer<'de>, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: std::str::FromStr<Err: fmt::Display>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(D::Error::custom)
}

fn all_parsed<'de, D: Deserializer<'de>, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: std::str::FromStr<Err: fmt::Display>,
{
    let texts = Vec::<String>::deserialize(deserializer)?;
    let parsed = texts.iter().map(|text| text.parse());
    parsed.collect::<Result<_, _>>().map_err(D::Error::custom)
}

/// Without what is wrong with it: it may hold a password.
fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parsed = Url::parse(&text).map_err(|error| format!("`url` is no URL: {error}"));
    parsed.map(Some).map_err(D::Error::custom)
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    age::parse_duration(&text)
        .map(Some)
        .map_err(D::Error::custom)
}

fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = String::deserialize(deserializer)?;
    time::moment(&text).map(Some).map_err(D::Error::custom)
}

/// The file says something that is not understood.
#[derive(Debug)]
struct ConfigError {
    path: PathBuf,
    reason: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display().to_string();
        let (path, reason) = (Escaped(&path), Escaped(&self.reason));
        write!(f, "the configuration {path} is not understood, {reason}")
    }
}

impl Explain for ConfigError {
    fn code(&self) -> Code {
        Code::new("config-invalid")
    }

    fn remedy(&self) -> String {
        "mend it; the README lists every member".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("/etc/countersign/config.toml"))
    }

    #[test]
    fn all_that_can_be_said_is_understood() {
        let config = parse(
            r#"
            version = 1
            [sign]
            key = "awskms:///alias/release"
            algorithm = "rsa-pss-sha256"
            [verify]
            keys = ["release.pub", "alias/review"]
            threshold = 2
            time-threshold = 1
            require = "dated"
            max-age = "180d"
            min-age = "2h"
            supported = true
            require-repository = true
            attestations = ["spdx", "https://example.com/scan"]
            [network]
            ca-file = "ca.pem"
            [[tsa]]
            operator = "tsa.example"
            url = "https://tsa.example/rfc3161"
            chain = "tsa.pem"
            default-accuracy = "1s"
            valid-from = "2024-01-01"
            valid-until = "2034-01-01T00:00:00Z"
            compromised = true
            "#,
        )
        .unwrap();
        assert_eq!(config.key("release.pub"), "/etc/countersign/release.pub");
        assert_eq!(config.key("alias/review"), "alias/review");
        assert_eq!(config.verify.attestations.len(), 2);
        assert_eq!(config.authorities.len(), 1);
        assert_eq!(config.verify.max_age, Some(Duration::from_hours(180 * 24)));
        parse("version = 1").unwrap();
    }

    #[test]
    fn a_slip_is_an_error_that_names_its_line_and_what_there_is() {
        for (text, said) in [
            ("", "version"),
            ("version = 2", "version 1"),
            ("version = 1\n[verfy]\n", "line 2"),
            ("version = 1\n[verify]\nmaxage = \"1d\"", "max-age"),
            ("version = 1\n[verify]\nmax-age = \"1.5h\"", "unit"),
            ("version = 1\n[verify]\nmax-age = 5", "string"),
            ("version = 1\n[verify]\nthreshold = 0", "nonzero"),
            ("version = 1\n[verify]\nrequire = \"fresh\"", "dated"),
            ("version = 1\n[verify]\nattestations = [\"sbom\"]", "sbom"),
            (
                "version = 1\n[verify]\naccept-stand-in = true",
                "unknown field",
            ),
            ("version = 1\n[network]\nplain-http = true", "unknown field"),
            ("version = 1\n[sign]\nalgorithm = \"md5\"", "line 3"),
            ("version = 1\n[[tsa]]\nurl = \"tsa\"", "line 3"),
            (
                "version = 1\n[sign]\nkey = \"a\"\nkey = \"b\"",
                "duplicate key",
            ),
        ] {
            let reason = parse(text).unwrap_err();
            assert!(reason.contains(said), "{text}: {reason}");
        }
    }
}
