//! `countersign verify`.

mod told;

use std::{num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use countersign_common::{Algorithm, Code, Explain, ImageRef, Limits, Registry, Timestamp};
use countersign_registry::{Client, Images};
use countersign_trust_roots::{Authorities, document::Unbound};
use countersign_verify::{
    Asked, Basis, Besides, DateDemand, Deadline, Demand, Depth, Level, Mode, Naming, Outcome,
    Reach, Seen, Signers, Timer, Verdict, Verifier,
    verdict::{Finding, document::VerdictDocument, render},
};
use futures_util::{StreamExt, stream};

use crate::{
    arguments::{Common, Deep, Output, Require, Verify},
    attended::Attendant,
    cache,
    config::Config,
    exit::Exit,
    judge::{Begin, Court, Judge, Needed, Summons, When},
    network,
    output::{self, Stop},
    places::{self, Located},
    policy_file::{self, PolicyFile},
    progress::Progress,
    stamps,
};

/// What names the keys of signers, and some for a quick look.
const KEY_VARIABLE: &str = "COUNTERSIGN_KEY";

/// Judgements at the same time, of images and of what they list.
const PARALLEL: usize = 8;

pub(crate) async fn run(arguments: &Verify, common: &Common, now: Timestamp) -> Result<Exit, Stop> {
    told::begin(arguments.verdict_file.as_deref())?;
    let located = places::locate(&arguments.images, arguments.timeout).await?;
    let images = places::references(&located);
    let config = Config::read(common.config.as_deref())?;
    let registry = network::client(&arguments.network, arguments.timeout, &config)?;
    let registry = cache::lend(registry, &arguments.caching, Images::Kept);
    let judge = judge(arguments, &images, &config, (&registry, now)).await?;
    let when = arguments.dates.at.map_or(When::Now, When::AsOf);
    let bounds = (arguments.timeout, common);
    let verdicts = judged(&judge, &located, (&registry, bounds), (when, now)).await;
    let remembered = match when {
        When::Now => judge.remember(&verdicts),
        When::AsOf(_) => Ok(()),
    };
    // The file is for whoever asks later why, so it is written in any case.
    let written = told::write(&verdicts, arguments.verdict_file.as_deref());
    let kept = remembered
        .and(written)
        .and_then(|()| told::tell_build(&verdicts));
    if arguments.pin {
        return pinned(&verdicts, kept);
    }
    show(&verdicts, common)?;
    Ok(worst(&verdicts).max(unsaved(kept, common.output)))
}

/// Each image, a few at a time, each within its time.
pub(super) async fn judged(
    judge: &Judge,
    located: &[Located],
    (client, (timeout, common)): (&Client, (u64, &Common)),
    (when, now): (When, Timestamp),
) -> Vec<Verdict> {
    let progress = Arc::new(Progress::of(located.len(), common));
    let attendant = Attendant::new(Arc::clone(&progress));
    let timer: &Timer<'_> = &|| Box::pin(tokio::time::sleep(Duration::from_secs(timeout)));
    let of_registries = Seen::default();
    let judge_one = async |one: &Located| {
        // What one folder has says nothing of another, though both may be for one repository.
        let of_layout = Seen::default();
        let seen = one.layout().map_or(&of_registries, |_| &of_layout);
        let deadline = Deadline::for_each(timer, timeout);
        let registry = attendant.attend(one.registry(client));
        let time = match when {
            When::AsOf(time) => time,
            When::Now => now,
        };
        let from: (&dyn Registry, _) = (&registry, seen);
        let verdict = judge.verify(&one.image, from, time, &deadline).await;
        progress.step();
        let verdict = match one.layout() {
            Some(layout) => verdict.in_layout(&layout),
            None => verdict,
        };
        match when {
            When::AsOf(_) => verdict.as_of(),
            When::Now => verdict,
        }
    };
    stream::iter(located)
        .map(judge_one)
        .buffered(PARALLEL.div_ceil(judge.reach().parallel()))
        .collect()
        .await
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
pub(super) fn worst(verdicts: &[Verdict]) -> Exit {
    let exits = verdicts
        .iter()
        .map(|verdict| match (exit(verdict), verdict.mode()) {
            (Exit::Refused, Mode::Report) => Exit::Done,
            (exit, _) => exit,
        });
    exits.max().unwrap_or(Exit::Internal)
}

pub(super) fn show(verdicts: &[Verdict], common: &Common) -> Result<(), Stop> {
    match common.output {
        Output::Json => verdicts
            .iter()
            .try_for_each(|verdict| output::print_json(&VerdictDocument::from(verdict))),
        Output::Text => {
            let shown = verdicts
                .iter()
                .filter(|verdict| !common.quiet || exit(verdict) != Exit::Done);
            shown.map(text).try_for_each(|text| output::print(&text))
        }
    }
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
fn pinned(verdicts: &[Verdict], kept: Result<(), Stop>) -> Result<Exit, Stop> {
    let pinned: Option<Vec<String>> = verdicts.iter().map(Verdict::pinned).collect();
    if let Some(pinned) = pinned {
        // What was seen and could not be kept may be rolled back the next time.
        kept?;
        output::print(&format!("{}\n", pinned.join("\n")))?;
    } else {
        for verdict in verdicts
            .iter()
            .filter(|verdict| exit(verdict) != Exit::Done)
        {
            output::note(text(verdict).trim_end());
        }
    }
    Ok(verdicts.iter().map(exit).max().unwrap_or(Exit::Internal))
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
