//! How one image would be judged, without a look at it: rule, root, scope and keys.

use std::{fmt::Write, path::Path};

use countersign_common::{Age, Escaped, ImageRef, Repository, Timestamp};
use countersign_trust_roots::{
    Revocation, Role, Term,
    document::StandIn,
    policy::{Exception, Matched, Rule},
    root::{Contents, Grant},
    time::Standing,
};
use serde_json::{Map, Value, json};

use super::{
    court, found,
    rule::{demands, rule_json},
};
use crate::{
    arguments::{Common, Output, PolicyExplain},
    config::Config,
    exit::Exit,
    judge::{self, Court, Needed, Obstacle, When},
    output::{self, Stop},
    places,
    roots::Opened,
};

pub(super) async fn explain(
    arguments: &PolicyExplain,
    common: &Common,
    now: Timestamp,
) -> Result<Exit, Stop> {
    let image = places::reference(&arguments.image)?;
    let config = Config::read(common.config.as_deref())?;
    let file = found(&arguments.governed, &config)?;
    let path = file.path.clone();
    let when = arguments.at.map_or(When::Now, When::AsOf);
    let (court, _) = court(
        file,
        Needed::ToExplain(std::slice::from_ref(&image)),
        (&arguments.governed, &arguments.network, arguments.timeout),
        (&config, judge::nothing_besides(StandIn::Refused)),
        (when, now),
    )
    .await?;
    let steps = Steps::of(&image, &path, &court);
    match common.output {
        Output::Json => output::print_json(&steps.json)?,
        Output::Text => output::print(&steps.text)?,
    }
    Ok(steps.exit)
}

/// The way to a judge, step by step, as far as it leads.
struct Steps {
    text: String,
    json: Map<String, Value>,
    exit: Exit,
}

impl Steps {
    fn of(image: &ImageRef, path: &Path, court: &Court) -> Self {
        let mut steps = Self::begun(image, path);
        if let Ok(matched) = court.policy().rule_for(image.repository()) {
            steps.matched(&matched, image.repository(), court);
            if let Some(Ok(opened)) = court.root(&matched.rule.root.name) {
                steps.root(opened, court.now());
                if let Ok(grant) = opened.root.grant(&matched.signed) {
                    steps.grant(&grant);
                }
            }
        }
        // As `verify` finds them, so that no way looks open which is not.
        let obstacles = court.verifier(image).err().unwrap_or_default();
        steps.ended(&obstacles);
        steps
    }

    fn begun(image: &ImageRef, path: &Path) -> Self {
        let shown = path.display().to_string();
        let mut steps = Self {
            text: format!(
                "{:<12}{}\n{:<12}{}\n",
                "image",
                image,
                "policy",
                Escaped(&shown)
            ),
            json: Map::new(),
            exit: Exit::Done,
        };
        steps.add("image", json!(image));
        steps.add("policy", json!(path.to_string_lossy()));
        steps
    }

    fn add(&mut self, name: &str, value: Value) {
        self.json.insert(name.to_owned(), value);
    }

    fn line(&mut self, name: &str, what: &str) {
        let _ = writeln!(self.text, "  {name:<10}{what}");
    }

    /// All that stands in the way of a judge, if anything does.
    fn ended(&mut self, obstacles: &[Obstacle<'_>]) {
        let mut errors = Vec::new();
        for obstacle in obstacles {
            let (exit, explained) = (obstacle.exit(), obstacle.explained());
            let kind = match exit {
                Exit::Refused => "refused",
                _ => "error",
            };
            let code = explained.code();
            let (message, remedy) = (explained.to_string(), explained.remedy());
            let text = output::explanation(kind, code, &message, &remedy);
            self.text.push_str(&text);
            errors.push(json!({ "code": code, "message": message, "remedy": remedy }));
            self.exit = self.exit.max(exit);
        }
        self.add("errors", json!(errors));
    }

    /// The rule of a place, the others that match it, and what its documents must name.
    fn matched(&mut self, matched: &Matched<'_>, place: &Repository, court: &Court) {
        let also = court
            .policy()
            .rules()
            .iter()
            .filter(|rule| rule.matches.matches(place) && rule.line != matched.rule.line);
        let also: Vec<String> = also.map(|rule| rule.matches.to_string()).collect();
        let exceptions = matched.rule.exceptions.iter();
        let exceptions = exceptions.filter(|exception| exception.image.repository() == place);
        let exceptions: Vec<_> = exceptions.collect();
        self.rule(matched.rule, &also, (&exceptions, court.now()));
        if matched.signed != *place {
            self.line(
                "mirrors",
                &format!("documents must name {}", matched.signed),
            );
        }
        self.add("signedRepository", json!(matched.signed.to_string()));
    }

    fn rule(
        &mut self,
        rule: &Rule,
        also: &[String],
        (exceptions, now): (&[&Exception], Timestamp),
    ) {
        let _ = writeln!(
            self.text,
            "{:<12}line {}: {}",
            "rule", rule.line, rule.matches
        );
        if !also.is_empty() {
            let also = also.join(", ");
            self.line(
                "",
                &format!("the most specific of those that match; also: {also}"),
            );
        }
        self.line("mode", rule.mode.name());
        for demand in demands(rule) {
            self.line("demands", &demand);
        }
        for exception in exceptions {
            let codes: Vec<_> = exception.codes.iter().map(|code| code.as_str()).collect();
            self.line(
                "excepted",
                &format!(
                    "{} from {} {} {}: {}",
                    exception.image,
                    codes.join(", "),
                    if now > exception.until {
                        "no longer, over since"
                    } else {
                        "until"
                    },
                    exception.until,
                    Escaped(&exception.reason)
                ),
            );
        }
        self.add("rule", rule_json(rule, exceptions.iter().copied(), now));
        self.add("alsoMatching", json!(also));
    }

    fn root(&mut self, opened: &Opened, now: Timestamp) {
        let root = opened.root.contents();
        let _ = writeln!(
            self.text,
            "{:<12}{} version {}, in force for another {} (until {})",
            "root",
            root.name(),
            root.version(),
            Age(root.expires().since(now)),
            root.expires()
        );
        self.line("file", &opened.root.sha256().to_string());
        self.add(
            "root",
            json!({
                "name": root.name().as_str(),
                "version": root.version(),
                "sha256": opened.root.sha256().to_string(),
                "expires": root.expires(),
            }),
        );
    }

    fn grant(&mut self, grant: &Grant<'_>) {
        let _ = writeln!(self.text, "{:<12}{}", "scope", grant.pattern());
        let root = grant.root().contents();
        let mut keys = Vec::new();
        for role in Role::ALL {
            for id in grant.scope().key_ids(role) {
                let term = root.term(id);
                let name = Escaped(&root.key_name(id)).to_string();
                self.line(role.name(), &format!("{name}{}", shown_term(&term)));
                keys.push(json!({
                    "role": role.name(), "id": id, "name": name,
                    "notBefore": term.valid.start, "notAfter": term.valid.end,
                    "revoked": revoked(&term),
                }));
            }
        }
        for authority in &root.time().authorities {
            let standing = match authority.standing {
                Standing::Compromised => ", compromised: void",
                Standing::Good => "",
            };
            let what = format!(
                "{} at {}{standing}",
                Escaped(&authority.operator),
                Escaped(&authority.uri)
            );
            self.line("time", &what);
        }
        if !root.time().authorities.is_empty() {
            let threshold = root.time().publication.threshold;
            let agree = format!("{threshold} of their operators must agree on each end of a date");
            self.line("", &agree);
        }
        self.add(
            "scope",
            json!({ "pattern": grant.pattern().as_str(), "keys": keys }),
        );
        self.add("timeAuthorities", time_json(root));
    }
}

fn time_json(root: &Contents) -> Value {
    let authorities = root.time().authorities.iter();
    authorities
        .map(|authority| {
            json!({
                "operator": Escaped(&authority.operator).to_string(),
                "uri": Escaped(&authority.uri).to_string(),
                "compromised": authority.standing == Standing::Compromised,
            })
        })
        .collect()
}

fn shown_term(term: &Term) -> String {
    let mut text = String::new();
    if let Some(start) = term.valid.start {
        let _ = write!(text, ", from {start}");
    }
    if let Some(end) = term.valid.end {
        let _ = write!(text, ", until {end}");
    }
    if let Some(revoked) = revoked(term) {
        let _ = write!(text, ", {revoked}");
    }
    text
}

fn revoked(term: &Term) -> Option<String> {
    term.revoked.map(|revoked| match revoked {
        Revocation::Compromised { at: Some(at) } => format!("compromised since {at}"),
        Revocation::Compromised { at: None } => "compromised, nobody knows since when".to_owned(),
        Revocation::Misused { from, to } => format!("misused from {from} to {to}"),
    })
}
