//! `countersign verify`.

mod many;
mod told;

use std::{num::NonZeroUsize, path::PathBuf};

use countersign_common::{Algorithm, Code, Explain, ImageRef, Limits, Timestamp};
use countersign_registry::Client;
use countersign_trust_roots::{Authorities, document::Unbound};
use countersign_verify::{
    Asked, Basis, Besides, DateDemand, Demand, Depth, Legacy, Level, Mode, Naming, Outcome, Reach,
    Signers, Verdict, Verifier,
    verdict::{Finding, document::VerdictDocument, render},
};

use crate::{
    arguments::{Common, Deep, Output, Require, Verify},
    cache,
    config::Config,
    exit::Exit,
    judge::{Begin, Court, Judge, Needed, Summons, When},
    network,
    output::{self, Stop},
    places::{self, Places, Unusable},
    policy_file::{self, PolicyFile},
    stamps,
};

pub(super) use self::many::judged;

/// What names the keys of signers, and some for a quick look.
const KEY_VARIABLE: &str = "COUNTERSIGN_KEY";

/// A verdict, or a line of a list that names no image.
type Answer<'a> = Result<&'a Verdict, &'a Unusable>;

pub(crate) async fn run(arguments: &Verify, common: &Common, now: Timestamp) -> Result<Exit, Stop> {
    told::begin(arguments.verdict_file.as_deref())?;
    let places = places::locate(&arguments.images, arguments.timeout).await?;
    let images = places::references(&places.located);
    let config = Config::read(common.config.as_deref())?;
    let registry = network::client(&arguments.network, arguments.timeout, &config)?;
    let registry = cache::lend(registry, &arguments.caching);
    let judge = judge(arguments, &images, &config, (&registry, now)).await?;
    let when = arguments.dates.at.map_or(When::Now, When::AsOf);
    let bounds = (arguments.timeout, common);
    let verdicts = judged(&judge, &places.located, (&registry, bounds), (when, now)).await;
    let remembered = match when {
        When::Now => judge.remember(&verdicts),
        When::AsOf(_) => Ok(()),
    };
    // The file is for whoever asks later why, so it is written in any case.
    let answers = answers(&places, &verdicts);
    let written = told::write(&answers, arguments.verdict_file.as_deref());
    let kept = remembered
        .and(written)
        .and_then(|()| told::tell_build(&answers));
    if arguments.pin {
        return pinned(&answers, kept);
    }
    show(&answers, common)?;
    Ok(worst(&answers).max(unsaved(kept, common.output)))
}

/// The verdicts on all that was named, in the order in which it was.
pub(super) fn answers<'a>(places: &'a Places, verdicts: &'a [Verdict]) -> Vec<Answer<'a>> {
    let answers = places.in_order(verdicts.iter().zip(&places.located), |(_, one)| one);
    let answers = answers.into_iter();
    answers.map(|one| one.map(|(verdict, _)| verdict)).collect()
}

/// Who judges: keys that are named here, or else a policy, or else the keys of the configuration.
async fn judge(
    arguments: &Verify,
    images: &[ImageRef],
    config: &Config,
    (client, system): (&Client, Timestamp),
) -> Result<Judge, Stop> {
    let policy = policy_file::find(&arguments.governed, config)?;
    let asked = asked(arguments, config)?;
    match policy {
        Some(file) if arguments.trusted.keys.is_empty() => {
            tell_unused(&arguments.dates.tsa_chains, arguments.trusted.algorithm);
            let summons = Summons {
                client,
                timeout: arguments.timeout,
                state_dir: arguments.governed.state_dir.as_deref(),
                begin: if arguments.init_state {
                    Begin::Now
                } else {
                    Begin::Not
                },
                when: arguments.dates.at.map_or(When::Now, When::AsOf),
                system,
            };
            let court = Court::convene(file, Needed::For(images), asked, summons).await?;
            return Ok(Judge::Policy(Box::new(court)));
        }
        Some(_) if arguments.governed.policy.is_some() => {
            return Err(Stop::new(Exit::Usage, &Contradiction::KeyAndPolicy));
        }
        Some(file) => tell_not_asked(&file),
        None => {}
    }
    if arguments.init_state {
        return Err(Stop::new(Exit::Usage, &Contradiction::NothingToRemember));
    }
    verifier(arguments, config, asked)
        .await
        .map(|verifier| Judge::Keys(Box::new(verifier)))
}

/// Says what decides nothing where a policy does.
pub(super) fn tell_unused(tsa_chains: &[PathBuf], algorithm: Option<Algorithm>) {
    if !keys_of_environment().is_empty() {
        tracing::warn!("there is a policy, which decides: `{KEY_VARIABLE}` is not used");
    }
    let unused = [
        ("--tsa-chain", !tsa_chains.is_empty()),
        ("--algorithm", algorithm.is_some()),
    ];
    for (flag, _) in unused.iter().filter(|(_, is_given)| *is_given) {
        tracing::warn!(
            "whom to believe about time, and how keys sign, is for the trust root to say: `{flag}` is not used"
        );
    }
}

/// Says that a policy decides nothing where keys are named.
pub(super) fn tell_not_asked(file: &PolicyFile) {
    tracing::warn!(
        "keys are named by hand: the policy {} is not asked",
        file.path.display()
    );
}

/// The keys that a pipeline signs with, one a line, whose variable its verifiers have too. They must not take a policy's place,
/// nor that of a key that was typed.
fn keys_of_environment() -> Vec<String> {
    let keys = std::env::var_os(KEY_VARIABLE).unwrap_or_default();
    let keys = keys.to_string_lossy();
    let lines = (!keys.is_empty()).then(|| keys.split('\n').map(str::to_owned));
    lines.into_iter().flatten().collect()
}

/// What is demanded here, whoever judges.
fn asked(arguments: &Verify, config: &Config) -> Result<Asked, Stop> {
    let configured = &config.verify;
    let threshold = arguments.threshold.or(configured.threshold);
    let demand = Demand {
        threshold: threshold.unwrap_or(NonZeroUsize::MIN),
        signers: Signers::Anybody,
        annotations: network::annotations(&arguments.annotations)?,
        attestations: arguments
            .attestations
            .iter()
            .chain(&configured.attestations)
            .cloned()
            .collect(),
        level: level(arguments, config),
        dates: dates(arguments, config),
        exceptions: Vec::new(),
        besides: Besides::default(),
        depth: depth(arguments, config),
        reach: match &arguments.platform {
            _ if arguments.recursive => Reach::Children,
            Some(platform) => Reach::Platform(platform.clone()),
            None => Reach::Resolved,
        },
        unbound: if arguments.require_repository || configured.require_repository {
            Unbound::Refused
        } else {
            Unbound::Reported
        },
        stand_in: arguments.demonstration.stand_in(),
        legacy: if arguments.legacy_signatures {
            Legacy::Counted
        } else {
            Legacy::Ignored
        },
    };
    Ok(Asked {
        demand,
        time_threshold: arguments.dates.time_threshold.or(configured.time_threshold),
        limits: Limits::TABLE,
    })
}

/// Judges by keys that are named, and by the authorities of time beside them.
async fn verifier(arguments: &Verify, config: &Config, asked: Asked) -> Result<Verifier, Stop> {
    let Asked {
        demand,
        time_threshold,
        limits,
    } = asked;
    let time = stamps::rules(
        &arguments.dates.tsa_chains,
        time_threshold.unwrap_or(NonZeroUsize::MIN),
        config,
    )?;
    let wants_proof = demand.level == Level::Dated || !demand.dates.is_empty();
    if (wants_proof || time_threshold.is_some()) && time.authorities().is_empty() {
        return Err(stamps::nobody_believed());
    }
    let authorities = trusted(&arguments.trusted.keys, arguments.trusted.algorithm, config).await?;
    if demand.threshold.get() > authorities.count() {
        let error = ThresholdTooHigh {
            threshold: demand.threshold.get(),
            keys: authorities.count(),
        };
        return Err(Stop::new(Exit::Usage, &error));
    }
    Ok(Verifier {
        authorities,
        time,
        demand,
        limits,
        naming: Naming::Asked,
        basis: Basis::Keys,
    })
}

/// Whether any key is named, anywhere.
pub(super) fn is_anybody_named(keys: &[String], config: &Config) -> bool {
    !keys.is_empty() || !keys_of_environment().is_empty() || !config.verify.keys.is_empty()
}

/// The keys that are named, or else those of the configuration.
pub(super) async fn trusted(
    keys: &[String],
    algorithm: Option<Algorithm>,
    config: &Config,
) -> Result<Authorities, Stop> {
    let environment = keys_of_environment();
    let named = if keys.is_empty() { &environment } else { keys };
    if !named.is_empty() {
        return crate::keys::trusted(named, algorithm).await;
    }
    let configured: Vec<_> = config
        .verify
        .keys
        .iter()
        .map(|key| config.key(key))
        .collect();
    crate::keys::trusted(&configured, algorithm).await
}

fn level(arguments: &Verify, config: &Config) -> Level {
    match arguments.dates.require.or(config.verify.require) {
        None | Some(Require::Signed) => Level::Signed,
        Some(Require::Dated) => Level::Dated,
    }
}

fn depth(arguments: &Verify, config: &Config) -> Depth {
    match arguments.deep.or(config.verify.deep) {
        None => Depth::Manifest,
        Some(Deep::Layers) => Depth::Layers,
        Some(Deep::Unpacked) => Depth::Unpacked,
    }
}

fn dates(arguments: &Verify, config: &Config) -> Vec<DateDemand> {
    let (dates, configured) = (&arguments.dates, &config.verify);
    let supported = dates.supported || configured.supported;
    let demands = [
        dates.max_age.or(configured.max_age).map(DateDemand::MaxAge),
        dates.min_age.or(configured.min_age).map(DateDemand::MinAge),
        dates.published_after.map(DateDemand::PublishedAfter),
        dates.published_before.map(DateDemand::PublishedBefore),
        supported.then_some(DateDemand::Supported),
    ];
    demands.into_iter().flatten().collect()
}

fn exit(verdict: &Verdict) -> Exit {
    match verdict.outcome() {
        Outcome::Verified(_) => Exit::Done,
        Outcome::Refused(_) => Exit::Refused,
        Outcome::Undecided(_) => Exit::Undecided,
    }
}

/// How a command ends that only says what it found. A rule that only reports refuses nothing; what could not be found out
/// is no less unknown.
pub(super) fn worst(answers: &[Answer<'_>]) -> Exit {
    let exits = answers.iter().map(|answer| match answer {
        Err(unusable) => unusable.exit(),
        Ok(verdict) => match (exit(verdict), verdict.mode()) {
            (Exit::Refused, Mode::Report) => Exit::Done,
            (exit, _) => exit,
        },
    });
    exits.max().unwrap_or(Exit::Internal)
}

pub(super) fn show(answers: &[Answer<'_>], common: &Common) -> Result<(), Stop> {
    answers.iter().try_for_each(|answer| match answer {
        Err(unusable) => unusable.report(common.output).map(|_| ()),
        Ok(verdict) => match common.output {
            Output::Json => output::print_json(&VerdictDocument::from(*verdict)),
            Output::Text if common.quiet && exit(verdict) == Exit::Done => Ok(()),
            Output::Text => output::print(&text(verdict)),
        },
    })
}

/// How a command ends that could not keep what it should: a refusal is worse.
pub(super) fn unsaved(kept: Result<(), Stop>, output: Output) -> Exit {
    match kept {
        Ok(()) => Exit::Done,
        Err(stop) => {
            stop.report(output);
            stop.exit()
        }
    }
}

/// Nothing at all unless everything passed, so that `run $(countersign verify --pin …)` runs nothing unverified, whatever
/// the mode of its rule.
fn pinned(answers: &[Answer<'_>], kept: Result<(), Stop>) -> Result<Exit, Stop> {
    let pinned: Option<Vec<String>> = answers.iter().map(|answer| answer.ok()?.pinned()).collect();
    if let Some(pinned) = pinned {
        // What was seen and could not be kept may be rolled back the next time.
        kept?;
        output::print(&format!("{}\n", pinned.join("\n")))?;
        return Ok(Exit::Done);
    }
    let mut worst = None;
    for answer in answers {
        let ended = match answer {
            Err(unusable) => {
                unusable.note();
                unusable.exit()
            }
            Ok(verdict) => exit(verdict),
        };
        if let (Ok(verdict), true) = (answer, ended != Exit::Done) {
            output::note(text(verdict).trim_end());
        }
        worst = worst.max(Some(ended));
    }
    Ok(worst.unwrap_or(Exit::Internal))
}

fn text(verdict: &Verdict) -> String {
    let (headline, lines) = (verdict.headline(), render::lines(verdict));
    let findings: String = render::findings(verdict)
        .map(|(kind, finding): (&str, &Finding)| {
            output::explanation(kind, finding.code, &finding.message, &finding.remedy)
        })
        .collect();
    let more = render::more(verdict)
        .map(|more| format!("{more}\n"))
        .unwrap_or_default();
    format!(
        "{}\n{lines}{findings}{more}",
        output::coloured(&headline, exit(verdict))
    )
}

/// Flags that cannot be used together.
#[derive(Debug)]
pub(super) enum Contradiction {
    KeyAndPolicy,
    NothingToRemember,
}

impl std::fmt::Display for Contradiction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::KeyAndPolicy => "both `--key` and `--policy` are given",
            Self::NothingToRemember => {
                "`--init-state` is given, and without a policy nothing is remembered"
            }
        })
    }
}

impl Explain for Contradiction {
    fn code(&self) -> Code {
        Code::new("policy-contradicted")
    }

    fn remedy(&self) -> String {
        match self {
            Self::KeyAndPolicy => "give one of them; `COUNTERSIGN_POLICY` counts as `--policy`",
            Self::NothingToRemember => "name a policy with `--policy`, or leave it out",
        }
        .to_owned()
    }
}

/// More signers are demanded than are trusted: nothing could ever pass.
#[derive(Debug)]
struct ThresholdTooHigh {
    threshold: usize,
    keys: usize,
}

impl std::fmt::Display for ThresholdTooHigh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "signatures by {} distinct keys are demanded, but only {} are trusted",
            self.threshold, self.keys
        )
    }
}

impl Explain for ThresholdTooHigh {
    fn code(&self) -> Code {
        Code::new("threshold-too-high")
    }

    fn remedy(&self) -> String {
        "name more keys with `--key`, or lower `--threshold`".to_owned()
    }
}
