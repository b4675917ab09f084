//! `countersign verify`.

use std::{num::NonZeroUsize, time::Duration};

use countersign_common::{Code, Explain, ImageRef, Limits, Timestamp};
use countersign_trust_roots::{
    Authorities,
    document::{StandIn, Unbound},
};
use countersign_verify::{
    DateDemand, Deadline, Demand, Level, Naming, Outcome, Signers, Verdict, Verifier,
    verdict::{Basis, Finding, document::VerdictDocument, render},
};
use futures_util::{StreamExt, stream};

use crate::{
    arguments::{Common, Output, Require, Verify},
    config::Config,
    exit::Exit,
    keys, network,
    output::{self, Stop},
    progress::Progress,
    stamps,
};

/// Images judged at the same time.
const PARALLEL: usize = 8;

pub(crate) async fn run(arguments: &Verify, common: &Common, now: Timestamp) -> Result<Exit, Stop> {
    let images = network::images(&arguments.images)?;
    let config = Config::read(common.config.as_deref())?;
    let verifier = verifier(arguments, &config).await?;
    let registry = network::client(&arguments.network, arguments.timeout, &config)?;
    let progress = Progress::of(images.len(), common);
    let judge = async |image: &ImageRef| {
        let elapsed = tokio::time::sleep(Duration::from_secs(arguments.timeout));
        let deadline = Deadline::new(Box::pin(elapsed), arguments.timeout);
        let when = arguments.dates.at.unwrap_or(now);
        let verdict = verifier.verify(image, &registry, when, &deadline).await;
        progress.step();
        match arguments.dates.at {
            Some(_) => verdict.as_of(),
            None => verdict,
        }
    };
    let verdicts: Vec<Verdict> = stream::iter(&images)
        .map(judge)
        .buffered(PARALLEL)
        .collect()
        .await;
    drop(progress);
    show(&verdicts, arguments, common)?;
    Ok(verdicts.iter().map(exit).max().unwrap_or(Exit::Internal))
}

async fn verifier(arguments: &Verify, config: &Config) -> Result<Verifier, Stop> {
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
        platform: arguments.platform.clone(),
        unbound: if arguments.require_repository || configured.require_repository {
            Unbound::Refused
        } else {
            Unbound::Reported
        },
        stand_in: if arguments.accept_stand_in {
            StandIn::Accepted
        } else {
            StandIn::Refused
        },
    };
    let time_threshold = arguments.dates.time_threshold.or(configured.time_threshold);
    let time = stamps::rules(
        &arguments.dates.tsa_chains,
        time_threshold.unwrap_or(NonZeroUsize::MIN),
        config,
    )?;
    let wants_proof = demand.level == Level::Dated || !demand.dates.is_empty();
    if (wants_proof || time_threshold.is_some()) && time.authorities().is_empty() {
        return Err(stamps::nobody_believed());
    }
    let authorities = trusted(arguments, config).await?;
    if demand.threshold.get() > authorities.count() {
        let error = ThresholdTooHigh {
            threshold: demand.threshold.get(),
            keys: authorities.count(),
        };
        return Err(Stop::new(Exit::Usage, &error));
    }
    Ok(Verifier {
        authorities,
        naming: Naming::Asked,
        time,
        demand,
        limits: Limits::TABLE,
        basis: Basis::Keys,
    })
}

/// The keys that are named, or else those of the configuration.
async fn trusted(arguments: &Verify, config: &Config) -> Result<Authorities, Stop> {
    if !arguments.keys.is_empty() {
        return keys::trusted(&arguments.keys, arguments.algorithm).await;
    }
    let configured: Vec<_> = config
        .verify
        .keys
        .iter()
        .map(|key| config.key(key))
        .collect();
    keys::trusted(&configured, arguments.algorithm).await
}

fn level(arguments: &Verify, config: &Config) -> Level {
    match arguments.dates.require.or(config.verify.require) {
        None | Some(Require::Signed) => Level::Signed,
        Some(Require::Dated) => Level::Dated,
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

fn show(verdicts: &[Verdict], arguments: &Verify, common: &Common) -> Result<(), Stop> {
    if arguments.pin {
        return pin(verdicts);
    }
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

/// Nothing at all unless everything passed, so that `run $(countersign verify --pin …)` runs nothing unverified.
fn pin(verdicts: &[Verdict]) -> Result<(), Stop> {
    let pinned: Option<Vec<String>> = verdicts.iter().map(Verdict::pinned).collect();
    if let Some(pinned) = pinned {
        return output::print(&format!("{}\n", pinned.join("\n")));
    }
    for verdict in verdicts
        .iter()
        .filter(|verdict| exit(verdict) != Exit::Done)
    {
        output::note(text(verdict).trim_end());
    }
    Ok(())
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
