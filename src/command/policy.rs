//! `countersign policy check`, `test` and `explain`.

use std::{fmt::Write, path::Path};

use countersign_common::{Age, Code, Escaped, Explain, ImageRef, Timestamp};
use countersign_registry::Client;
use countersign_trust_roots::{
    Pattern, Revocation, Role, Term,
    document::StandIn,
    policy::{Exception, Mode, NoRule, Require, Rule, StateUse},
    root::{Contents, Grant},
    time::Standing,
};
use countersign_verify::{Asked, Class, Ungoverned};
use serde_json::{Map, Value, json};

use super::verify;
use crate::{
    arguments::{
        Common, Governed, Network, Output, Policy, PolicyCheck, PolicyExplain, PolicyTest,
    },
    config::Config,
    exit::Exit,
    judge::{self, Begin, Court, Judge, Needed, PolicyFile, Summons, When},
    network,
    output::{self, Stop},
    roots::Opened,
};

pub(crate) async fn run(arguments: &Policy, common: &Common, now: Timestamp) -> Result<Exit, Stop> {
    match arguments {
        Policy::Check(check) => self::check(check, common, now).await,
        Policy::Test(test) => self::test(test, common, now).await,
        Policy::Explain(explain) => self::explain(explain, common, now).await,
    }
}

/// The policy that was named or configured; there must be one.
pub(super) fn found(governed: &Governed, config: &Config) -> Result<PolicyFile, Stop> {
    judge::policy(governed, config)?.ok_or_else(|| Stop::new(Exit::Usage, &NoPolicy))
}

/// Convenes a court that leaves no trace.
async fn court(
    file: PolicyFile,
    needed: Needed<'_>,
    (governed, network, timeout): (&Governed, &Network, u64),
    (config, asked): (&Config, Asked),
    (when, system): (When, Timestamp),
) -> Result<(Court, Client), Stop> {
    let client = network::client(network, timeout, config)?;
    let summons = Summons {
        client: &client,
        timeout,
        state_dir: governed.state_dir.as_deref(),
        begin: Begin::Not,
        when,
        system,
    };
    let court = Court::convene(file, needed, asked, summons).await?;
    Ok((court, client))
}

async fn test(arguments: &PolicyTest, common: &Common, now: Timestamp) -> Result<Exit, Stop> {
    let images = network::images(&arguments.images)?;
    let config = Config::read(common.config.as_deref())?;
    let file = found(&arguments.governed, &config)?;
    let when = arguments.at.map_or(When::Now, When::AsOf);
    let stand_in = if arguments.accept_stand_in {
        StandIn::Accepted
    } else {
        StandIn::Refused
    };
    let (court, client) = court(
        file,
        Needed::For(&images),
        (&arguments.governed, &arguments.network, arguments.timeout),
        (&config, judge::nothing_besides(stand_in)),
        (when, now),
    )
    .await?;
    let judge = Judge::Policy(Box::new(court));
    let bounds = (arguments.timeout, common);
    let verdicts = verify::judged(&judge, &images, (&client, bounds), (when, now)).await;
    verify::show(&verdicts, common)?;
    Ok(verify::worst(&verdicts))
}

async fn check(arguments: &PolicyCheck, common: &Common, now: Timestamp) -> Result<Exit, Stop> {
    let config = Config::read(common.config.as_deref())?;
    let file = found(&arguments.governed, &config)?;
    let path = file.path.clone();
    let rules = file.policy.rules().to_vec();
    let mut findings = Vec::new();
    if !arguments.offline {
        let client = network::client(&arguments.network, arguments.timeout, &config)?;
        let summons = Summons {
            client: &client,
            timeout: arguments.timeout,
            state_dir: arguments.governed.state_dir.as_deref(),
            begin: Begin::Not,
            when: When::Now,
            system: now,
        };
        let court = Court::convene(
            file,
            Needed::All,
            judge::nothing_besides(StandIn::Refused),
            summons,
        )
        .await?;
        findings = rules
            .iter()
            .filter_map(|rule| finding(rule, &court))
            .collect();
    }
    let exit = findings
        .iter()
        .map(|finding| finding.exit)
        .max()
        .unwrap_or(Exit::Done);
    match common.output {
        Output::Json => output::print_json(&json!({
            "policy": path.to_string_lossy(),
            "rules": rules.iter().map(rule_json).collect::<Vec<_>>(),
            "findings": findings.iter().map(Finding::json).collect::<Vec<_>>(),
        }))?,
        Output::Text => output::print(&checked(&path, &rules, &findings))?,
    }
    Ok(exit)
}

/// What is wrong with one rule.
struct Finding {
    line: usize,
    exit: Exit,
    code: Code,
    message: String,
    remedy: String,
}

impl Finding {
    fn of(rule: &Rule, exit: Exit, explained: &dyn Explain) -> Self {
        Self {
            line: rule.line,
            exit,
            code: explained.code(),
            message: explained.to_string(),
            remedy: explained.remedy(),
        }
    }

    fn json(&self) -> Value {
        json!({
            "line": self.line,
            "code": self.code,
            "message": self.message,
            "remedy": self.remedy,
        })
    }
}

/// Whether a rule can judge anything.
fn finding(rule: &Rule, court: &Court) -> Option<Finding> {
    let opened = match court.root(&rule.root.name)? {
        Ok(opened) => opened,
        Err(error) if error.is_undecided() => {
            return Some(Finding::of(rule, Exit::Undecided, error));
        }
        Err(error) => return Some(Finding::of(rule, Exit::Refused, error)),
    };
    let granted = rule.mirrors.as_ref().unwrap_or(&rule.matches);
    let scopes = opened.root.contents().scopes().iter();
    let mut patterns = scopes.flat_map(|scope| &scope.repositories);
    if !patterns.any(|pattern| pattern.overlaps(granted)) {
        let error = NothingGranted {
            rule: granted.to_string(),
            version: opened.root.contents().version(),
        };
        return Some(Finding::of(rule, Exit::Refused, &error));
    }
    let ungoverned = Ungoverned::of_rule(rule, opened.root.contents()).err()?;
    let exit = match ungoverned.class() {
        Class::Configuration => Exit::Usage,
        Class::Refusal => Exit::Refused,
    };
    Some(Finding::of(rule, exit, &ungoverned))
}

fn checked(path: &Path, rules: &[Rule], findings: &[Finding]) -> String {
    let shown = path.display().to_string();
    let mut text = format!("policy {}\n", Escaped(&shown));
    for rule in rules {
        let _ = writeln!(
            text,
            "  line {:<4} {}: {}, {}, root {}",
            rule.line,
            rule.matches,
            mode(rule.mode),
            require(rule.require),
            rule.root.name
        );
        for finding in findings.iter().filter(|finding| finding.line == rule.line) {
            let kind = if finding.exit == Exit::Undecided {
                "error"
            } else {
                "refused"
            };
            text.push_str(&output::explanation(
                kind,
                finding.code,
                &format!("line {}: {}", finding.line, finding.message),
                &finding.remedy,
            ));
        }
    }
    text
}

async fn explain(arguments: &PolicyExplain, common: &Common, now: Timestamp) -> Result<Exit, Stop> {
    let image = network::images(std::slice::from_ref(&arguments.image))?;
    let config = Config::read(common.config.as_deref())?;
    let file = found(&arguments.governed, &config)?;
    let path = file.path.clone();
    let when = arguments.at.map_or(When::Now, When::AsOf);
    let (court, _) = court(
        file,
        Needed::ToExplain(&image),
        (&arguments.governed, &arguments.network, arguments.timeout),
        (&config, judge::nothing_besides(StandIn::Refused)),
        (when, now),
    )
    .await?;
    let Some(image) = image.first() else {
        return Ok(Exit::Internal);
    };
    let steps = Steps::of(image, &path, &court);
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
        let place = image.repository();
        let matched = match court.policy().rule_for(place) {
            Ok(matched) => matched,
            Err(no_rule) => {
                let exit = match no_rule {
                    NoRule::Ambiguous { .. } => Exit::Usage,
                    _ => Exit::Refused,
                };
                return steps.ended(exit, &no_rule);
            }
        };
        let also = court
            .policy()
            .rules()
            .iter()
            .filter(|rule| rule.matches.matches(place) && rule.line != matched.rule.line);
        let also: Vec<String> = also.map(|rule| rule.matches.to_string()).collect();
        steps.rule(matched.rule, &also);
        if matched.signed != *place {
            steps.line(
                "mirrors",
                &format!("documents must name {}", matched.signed),
            );
        }
        steps.add("signedRepository", json!(matched.signed.to_string()));
        let opened = match court.root(&matched.rule.root.name) {
            Some(Ok(opened)) => opened,
            Some(Err(error)) if error.is_undecided() => return steps.ended(Exit::Undecided, error),
            Some(Err(error)) => return steps.ended(Exit::Refused, error),
            None => return steps,
        };
        steps.root(opened, court.now());
        match opened.root.grant(&matched.signed) {
            Ok(grant) => steps.grant(&grant),
            Err(refusal) => return steps.ended(Exit::Refused, &refusal),
        }
        match court.governed(&matched, &opened.root, place) {
            Ok(_) => steps,
            Err(ungoverned) => {
                let exit = match ungoverned.class() {
                    Class::Configuration => Exit::Usage,
                    Class::Refusal => Exit::Refused,
                };
                steps.ended(exit, &ungoverned)
            }
        }
    }

    fn add(&mut self, name: &str, value: Value) {
        self.json.insert(name.to_owned(), value);
    }

    fn line(&mut self, name: &str, what: &str) {
        let _ = writeln!(self.text, "  {name:<10}{what}");
    }

    fn ended(mut self, exit: Exit, explained: &dyn Explain) -> Self {
        let kind = match exit {
            Exit::Refused => "refused",
            _ => "error",
        };
        let (message, remedy) = (explained.to_string(), explained.remedy());
        self.text.push_str(&output::explanation(
            kind,
            explained.code(),
            &message,
            &remedy,
        ));
        let code = explained.code();
        self.add(
            "error",
            json!({ "code": code, "message": message, "remedy": remedy }),
        );
        self.exit = exit;
        self
    }

    fn rule(&mut self, rule: &Rule, also: &[String]) {
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
        self.line("mode", mode(rule.mode));
        for demand in demands(rule) {
            self.line("demands", &demand);
        }
        for exception in &rule.exceptions {
            let codes: Vec<_> = exception.codes.iter().map(|code| code.as_str()).collect();
            self.line(
                "excepted",
                &format!(
                    "{} from {} until {}: {}",
                    exception.image,
                    codes.join(", "),
                    exception.until,
                    Escaped(&exception.reason)
                ),
            );
        }
        self.add("rule", rule_json(rule));
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

fn demands(rule: &Rule) -> Vec<String> {
    let mut demands = vec![format!("level `{}`", require(rule.require))];
    if let Some(age) = rule.max_age {
        demands.push(format!("published at most {} ago", Age(age)));
    }
    if let Some(age) = rule.min_age {
        demands.push(format!("published at least {} ago", Age(age)));
    }
    if let Some(threshold) = rule.time_threshold {
        let plural = if threshold.get() == 1 { "" } else { "s" };
        demands.push(format!(
            "dates proven by at least {threshold} operator{plural}"
        ));
    }
    if let Some(signers) = &rule.signers {
        let keys: Vec<_> = signers
            .of
            .iter()
            .map(|key| format!("{}…", key.short()))
            .collect();
        demands.push(format!(
            "signed by at least {} of {}",
            signers.at_least,
            keys.join(", ")
        ));
    }
    for attestation in &rule.attestations {
        demands.push(format!("attestation {}", Escaped(attestation.as_str())));
    }
    if rule.state == StateUse::Required {
        demands.push("a state of what was seen before".to_owned());
    }
    demands
}

fn rule_json(rule: &Rule) -> Value {
    json!({
        "line": rule.line,
        "match": rule.matches.as_str(),
        "mirrors": rule.mirrors.as_ref().map(Pattern::as_str),
        "root": rule.root.name.as_str(),
        "mode": mode(rule.mode),
        "require": require(rule.require),
        "demands": demands(rule),
        "exceptions": rule.exceptions.iter().map(exception_json).collect::<Vec<_>>(),
    })
}

fn exception_json(exception: &Exception) -> Value {
    json!({
        "image": exception.image,
        "codes": exception.codes,
        "reason": Escaped(&exception.reason).to_string(),
        "until": exception.until,
    })
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "enforce",
        Mode::Report => "report",
    }
}

fn require(require: Require) -> &'static str {
    match require {
        Require::Signed => "signed",
        Require::Dated => "dated",
        Require::Fresh => "fresh",
        Require::ProvenFresh => "proven-fresh",
    }
}

/// There is no policy to look at.
#[derive(Debug)]
struct NoPolicy;

impl std::fmt::Display for NoPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no policy is named, and none is beside the configuration")
    }
}

impl Explain for NoPolicy {
    fn code(&self) -> Code {
        Code::new("policy-missing")
    }

    fn remedy(&self) -> String {
        "name one with `--policy FILE`, or write `policy.toml` beside the configuration file"
            .to_owned()
    }
}

/// A rule for what its root grants nobody.
#[derive(Debug)]
struct NothingGranted {
    rule: String,
    version: u64,
}

impl std::fmt::Display for NothingGranted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "root version {} grants nobody anything in `{}`",
            self.version, self.rule
        )
    }
}

impl Explain for NothingGranted {
    fn code(&self) -> Code {
        Code::new("scope-not-granted")
    }

    fn remedy(&self) -> String {
        "grant it in the root: `countersign trust set-scope --repository PATTERN`; or correct the policy".to_owned()
    }
}
