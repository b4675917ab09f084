//! Time-stamp authorities as people name them: those that signers ask, and those that are believed.

use std::{fmt, num::NonZeroUsize, path::Path, time::Duration};

use countersign_common::{
    Code, Escaped, Explain, Limits, TimestampAuthority,
    rfc3161::{Anchor, AnchorError},
};
use countersign_registry::Client;
use countersign_sign::{Fewer, Stamping};
use countersign_trust_roots::{
    TimeAuthority, TimeRules,
    time::{Standing, Window},
};
use url::Url;

use crate::{arguments::Stamps, config::Config, exit::Exit, files, licence::Rooted, output::Stop};

/// The longest time for one stamp.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long an authority may take for a stamp of an image that has so many seconds. Each is asked twice, one after the
/// other: who is silent must leave time for the rest.
pub(crate) fn patience(timeout: u64) -> Duration {
    TIMEOUT.min(Duration::from_millis(timeout.saturating_mul(1_000) / 3))
}

/// Whom a signer asks, or `None` if its own word is to do.
pub(crate) fn stamping(
    arguments: &Stamps,
    (client, timeout): (&Client, u64),
    config: &Config,
) -> Result<Option<Stamping>, Stop> {
    if arguments.no_tsa {
        // A variable is set for many commands, and may be set aside for one; two flags contradict each other.
        let is_flag = !arguments.tsa.is_empty() && std::env::var_os("COUNTERSIGN_TSA").is_none();
        return if is_flag {
            Err(Stop::new(Exit::Usage, &StampsError::Contradiction))
        } else {
            Ok(None)
        };
    }
    let asked = asked(&arguments.tsa, config)?;
    // What their own verifiers would not believe is not signed, and does not stand in the way of what they would.
    let threshold = config
        .verify
        .time_threshold
        .filter(|_| !arguments.allow_fewer)
        .unwrap_or(NonZeroUsize::MIN);
    let clients = client.time_authorities(asked, patience(timeout));
    let authorities: Vec<_> = clients
        .into_iter()
        .map(|client| Box::new(client) as Box<dyn TimestampAuthority>)
        .collect();
    let collect = authorities.len();
    let fewer = if arguments.allow_fewer {
        Fewer::Accepted
    } else {
        Fewer::Refused
    };
    let rules = rules(&arguments.tsa_chains, threshold, config)?;
    // No authority is built in: whose word counts about time is for the user to say.
    Stamping::new((authorities, collect), rules, fewer)
        .map_err(|error| Stop::new(Exit::Undecided, &error))?
        .map(Some)
        .ok_or_else(|| Stop::new(Exit::Usage, &StampsError::NotConfigured))
}

/// Those that a trust root names, or flags in their place: asked, and judged as the root's verifiers will judge them.
pub(crate) fn rooted(
    arguments: &Stamps,
    rooted: Rooted,
    (client, timeout): (&Client, u64),
) -> Result<Option<Stamping>, Stop> {
    let urls = if arguments.tsa.is_empty() {
        rooted.urls
    } else {
        parsed(&arguments.tsa)?
    };
    let authorities = client
        .time_authorities(urls, patience(timeout))
        .into_iter()
        .map(|client| Box::new(client) as Box<dyn TimestampAuthority>)
        .collect();
    let fewer = if arguments.allow_fewer {
        Fewer::Accepted
    } else {
        Fewer::Refused
    };
    Stamping::new((authorities, rooted.collect), rooted.rules, fewer)
        .map_err(|error| Stop::new(Exit::Undecided, &error))?
        .map(Some)
        .ok_or_else(|| Stop::new(Exit::Usage, &StampsError::NotConfigured))
}

/// Each once: the flags, or else the configuration.
pub(crate) fn asked(named: &[String], config: &Config) -> Result<Vec<Url>, Stop> {
    if !named.is_empty() {
        return parsed(named);
    }
    let configured = config.authorities.iter();
    each_once(configured.filter_map(|authority| authority.url.clone()))
}

/// Those of the flags.
fn parsed(named: &[String]) -> Result<Vec<Url>, Stop> {
    // A variable may hold several, on lines of their own too, which an address would otherwise be taken across.
    let each = named.iter().flat_map(|text| text.split_whitespace());
    let parsed = each.map(|text| {
        // What is wrong with it is not shown: it may hold a password.
        Url::parse(text).map_err(|source| Stop::new(Exit::Usage, &StampsError::NoUrl { source }))
    });
    each_once(parsed.collect::<Result<Vec<_>, _>>()?)
}

fn each_once(urls: impl IntoIterator<Item = Url>) -> Result<Vec<Url>, Stop> {
    let mut asked: Vec<Url> = Vec::new();
    for url in urls {
        if !["http", "https"].contains(&url.scheme()) {
            return Err(Stop::new(Exit::Usage, &StampsError::Url { url }));
        }
        if !asked.contains(&url) {
            asked.push(url);
        }
    }
    if asked.len() > Limits::TABLE.time_stamps {
        return Err(Stop::new(
            Exit::Usage,
            &StampsError::TooMany {
                limit: Limits::TABLE.time_stamps,
            },
        ));
    }
    Ok(asked)
}

/// Whom a verifier believes: the chains that are given, or else those of the configuration.
pub(crate) fn rules(
    chains: &[std::path::PathBuf],
    threshold: NonZeroUsize,
    config: &Config,
) -> Result<TimeRules, Stop> {
    let mut authorities = Vec::new();
    for path in chains {
        authorities.push(TimeAuthority {
            operator: path.display().to_string(),
            anchor: anchor(path)?,
            valid: Window::default(),
            accuracy: TimeRules::ACCURACY,
            standing: Standing::Good,
        });
    }
    if chains.is_empty() {
        for authority in &config.authorities {
            let Some(chain) = &authority.chain else {
                continue;
            };
            authorities.push(TimeAuthority {
                // Several that name nobody are one witness.
                operator: authority.operator.clone().unwrap_or_default(),
                anchor: anchor(&config.path(chain))?,
                valid: Window {
                    start: authority.valid_from,
                    end: authority.valid_until,
                },
                accuracy: authority.default_accuracy.unwrap_or(TimeRules::ACCURACY),
                standing: if authority.compromised {
                    Standing::Compromised
                } else {
                    Standing::Good
                },
            });
        }
    }
    if authorities.is_empty() {
        return Ok(TimeRules::none());
    }
    TimeRules::new(authorities, threshold, TimeRules::MAX_INTERVAL)
        .map_err(|error| Stop::new(Exit::Usage, &error))
}

fn anchor(path: &Path) -> Result<Anchor, Stop> {
    let pem = files::read(path)?;
    Anchor::from_pem(&pem, &Limits::TABLE).map_err(|source| no_chain(path, source))
}

/// The file is no chain of an authority.
pub(crate) fn no_chain(path: &Path, source: AnchorError) -> Stop {
    Stop::new(
        Exit::Usage,
        &StampsError::Chain {
            path: path.display().to_string(),
            source,
        },
    )
}

/// A proven date is demanded, and nobody is believed about time.
pub(crate) fn nobody_believed() -> Stop {
    Stop::new(Exit::Usage, &StampsError::NobodyBelieved)
}

/// Authorities that cannot be used as they were named.
#[derive(Debug)]
enum StampsError {
    Chain { path: String, source: AnchorError },
    Contradiction,
    NobodyBelieved,
    NoUrl { source: url::ParseError },
    NotConfigured,
    TooMany { limit: usize },
    Url { url: Url },
}

impl fmt::Display for StampsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain { path, source } => {
                write!(
                    f,
                    "{} is no chain of a time-stamp authority: {source}",
                    Escaped(path)
                )
            }
            Self::Contradiction => f.write_str("both `--tsa` and `--no-tsa` are given"),
            Self::NobodyBelieved => f.write_str(
                "a proven date is demanded, and no time-stamp authority is trusted to prove one",
            ),
            Self::NoUrl { source } => {
                write!(f, "a time-stamp authority is named by no URL: {source}")
            }
            Self::NotConfigured => {
                f.write_str("no time-stamp authority is named, so no date can be proven")
            }
            Self::TooMany { limit } => {
                write!(f, "more than {limit} time-stamp authorities are named")
            }
            Self::Url { url } => write!(
                f,
                "a time-stamp authority is reached by http: or https:, not by {}:",
                Escaped(url.scheme())
            ),
        }
    }
}

impl Explain for StampsError {
    fn code(&self) -> Code {
        match self {
            Self::Chain { .. } => AnchorError::CODE,
            Self::Contradiction => Code::new("tsa-contradicted"),
            Self::NobodyBelieved | Self::NotConfigured => Code::new("tsa-not-configured"),
            Self::TooMany { .. } => Code::new("tsa-too-many"),
            Self::NoUrl { .. } | Self::Url { .. } => Code::new("tsa-url-invalid"),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Chain { source, .. } => source.remedy(),
            Self::Contradiction => "give one of them".to_owned(),
            Self::NobodyBelieved => {
                "name its certificate chain with `--tsa-chain FILE`, or in the configuration".to_owned()
            }
            Self::NotConfigured => {
                "name one with `--tsa URL`, or in the configuration; or sign with `--no-tsa`, and the date is only claimed"
                    .to_owned()
            }
            Self::TooMany { .. } => "name the few whose word you want to rely on".to_owned(),
            Self::NoUrl { .. } | Self::Url { .. } => "give the URL of an RFC 3161 service: `--tsa https://…`".to_owned(),
        }
    }
}
