//! `countersign trust update`: the roots that a policy pins, followed to their newest versions, and remembered.
//!
//! Begins at the pinned fingerprint each time, and never at what a source offers. A root that is refused leaves what was
//! remembered of it as it was.

use std::{collections::BTreeSet, fmt};

use countersign_common::{Code, Explain, Limits, Timestamp, root_source::Unavailable};
use countersign_trust_roots::{RootName, policy::Policy, root::Contents, state::RootMemory};
use serde_json::{Value, json};

use super::{changes::changes, error::TrustError, table::folded, wording};
use crate::{
    arguments::{Common, Output, trust::TrustUpdate},
    command::{policy, verify},
    config::Config,
    exit::Exit,
    judge::{Begin, Court, Needed, Summons, When},
    network,
    output::{self, Stop},
    roots::{self, Opened, RootError},
};

pub(super) async fn run(
    arguments: &TrustUpdate,
    common: &Common,
    now: Timestamp,
) -> Result<Exit, Stop> {
    let config = Config::read(common.config.as_deref())?;
    let file = policy::found(&arguments.governed, &config)?;
    let names = chosen(&file.policy, &arguments.roots)?;
    let client = network::client(&arguments.network, arguments.timeout, &config)?;
    let summons = Summons {
        client: &client,
        timeout: arguments.timeout,
        state_dir: arguments.governed.state_dir.as_deref(),
        begin: Begin::Now,
        when: When::Now,
        system: now,
    };
    let court = Court::of_newest(file.policy, Needed::Named(&names), summons).await?;
    let updates: Vec<_> = names
        .iter()
        .filter_map(|name| Update::of(name, &court))
        .collect();
    let mut opened = names.iter().filter_map(|name| court.root(name));
    // Where no root could be followed nothing was learned, and no memory is begun.
    let remembered = if opened.any(|root| roots::seen(root).is_some()) {
        court.remember(&[])
    } else {
        Ok(())
    };
    match common.output {
        Output::Json => output::print_json(&json!({
            "policy": file.path,
            "roots": updates.iter().map(Update::document).collect::<Vec<_>>(),
        }))?,
        Output::Text => {
            let text: String = updates.iter().map(|update| update.text(common)).collect();
            output::print(&text)?;
        }
    }
    let worst = updates.iter().map(Update::exit).max();
    Ok(worst
        .unwrap_or(Exit::Done)
        .max(verify::unsaved(remembered, common.output)))
}

/// The roots that were named, or all; each once.
fn chosen(policy: &Policy, named: &[RootName]) -> Result<BTreeSet<RootName>, TrustError> {
    let pinned = || policy.roots().map(|root| root.name.clone());
    match named.iter().find(|name| policy.root(name).is_none()) {
        Some(name) => Err(TrustError::RootNotPinned {
            name: name.clone(),
            pinned: pinned().map(|name| name.to_string()).collect(),
        }),
        None if named.is_empty() => Ok(pinned().collect()),
        None => Ok(named.iter().cloned().collect()),
    }
}

/// What became of one root.
struct Update<'c> {
    name: &'c RootName,
    /// What was remembered of it.
    before: Option<&'c RootMemory>,
    followed: Result<Followed<'c>, &'c RootError>,
    now: Timestamp,
}

/// A root that is in force.
struct Followed<'c> {
    opened: &'c Opened,
    /// A sentence for each thing that is otherwise than in the version before.
    changes: Vec<String>,
}

impl<'c> Update<'c> {
    /// `None` only for a root that the court was not asked about.
    fn of(name: &'c RootName, court: &'c Court) -> Option<Self> {
        let before = court.remembered(name);
        let followed = court.root(name)?.as_ref();
        Some(Self {
            name,
            before,
            followed: followed.map(|opened| Followed::of(opened, before)),
            now: court.now(),
        })
    }

    fn exit(&self) -> Exit {
        match &self.followed {
            Ok(_) => Exit::Done,
            Err(error) if error.is_undecided() => Exit::Undecided,
            Err(_) => Exit::Refused,
        }
    }

    fn text(&self, common: &Common) -> String {
        let followed = match &self.followed {
            Ok(followed) => followed,
            Err(error) => {
                let kind = match self.exit() {
                    Exit::Undecided => "error",
                    _ => "refused",
                };
                return self.explanation(kind, *error);
            }
        };
        let mut text = String::new();
        if !common.quiet {
            text.push_str(&self.shown(followed));
        }
        for warning in followed.warnings(self.now) {
            text.push_str(&self.explanation("warning", &warning));
        }
        text
    }

    fn explanation(&self, kind: &str, what: &dyn Explain) -> String {
        let message = format!("trust root {}: {what}", self.name);
        output::explanation(kind, what.code(), &message, &what.remedy())
    }

    fn version_before(&self) -> Option<u64> {
        self.before.map(|memory| memory.version().get())
    }

    fn shown(&self, followed: &Followed<'_>) -> String {
        let root = &followed.opened.root;
        let since = match self.version_before() {
            None => "seen here for the first time".to_owned(),
            Some(before) if before == root.version() => "as before".to_owned(),
            Some(before) => format!("after version {before}"),
        };
        let mut text = format!(
            "trust root {}, version {}, {since}\n  expires      {}, {}\n  fingerprint  {}\n",
            self.name,
            root.version(),
            root.expires(),
            wording::distance(root.expires(), self.now),
            root.sha256()
        );
        for change in &followed.changes {
            text.push_str(&folded(change, 2));
        }
        text
    }

    fn document(&self) -> Value {
        let followed = match &self.followed {
            Ok(followed) => followed,
            Err(error) => {
                return json!({ "name": self.name.as_str(), "before": self.version_before(), "error": explained(*error) });
            }
        };
        let root = &followed.opened.root;
        let warnings = followed.warnings(self.now);
        let warnings: Vec<_> = warnings.iter().map(|one| explained(one)).collect();
        json!({
            "name": self.name.as_str(),
            "before": self.version_before(),
            "version": root.version(),
            "fingerprint": root.sha256().to_string(),
            "expires": root.expires(),
            "changes": followed.changes,
            "warnings": warnings,
        })
    }
}

fn explained(what: &dyn Explain) -> Value {
    json!({ "code": what.code(), "message": what.to_string(), "remedy": what.remedy() })
}

impl<'c> Followed<'c> {
    fn of(opened: &'c Opened, before: Option<&RootMemory>) -> Self {
        let file = before.and_then(|memory| opened.file_of(memory));
        let before = file.and_then(|file| Contents::read(file, &Limits::TABLE).ok());
        Self {
            opened,
            changes: before.map_or_else(Vec::new, |before| {
                changes(Some(&before), opened.root.contents())
            }),
        }
    }

    /// What somebody should hear of though the root is in force.
    fn warnings(&self, now: Timestamp) -> Vec<Warning<'c>> {
        let root = self.opened.root.contents();
        let expires = roots::expires_soon(root, now).then_some(Warning::ExpiresSoon { root, now });
        let silent = self.opened.unavailable.iter().map(Warning::Unavailable);
        expires.into_iter().chain(silent).collect()
    }
}

/// What may soon be a reason to refuse.
enum Warning<'a> {
    /// In force, and not for long.
    ExpiresSoon { root: &'a Contents, now: Timestamp },
    /// Another source gave the answer.
    Unavailable(&'a Unavailable),
}

impl fmt::Display for Warning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExpiresSoon { root, now } => write!(
                f,
                "version {} expires at {}, {}: then nothing is trusted by it",
                root.version(),
                root.expires(),
                wording::distance(root.expires(), *now)
            ),
            Self::Unavailable(source) => write!(f, "{source}"),
        }
    }
}

impl Explain for Warning<'_> {
    fn code(&self) -> Code {
        match self {
            Self::ExpiresSoon { .. } => Code::new("root-expires-soon"),
            Self::Unavailable(source) => source.code(),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::ExpiresSoon { .. } => {
                "ask those who hold its root keys to publish a new version".to_owned()
            }
            Self::Unavailable(source) => source.remedy(),
        }
    }
}
