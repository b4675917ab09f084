//! `countersign verify`.

use std::time::Duration;

use countersign_common::{Code, Explain, ImageRef, Limits, Timestamp};
use countersign_trust_roots::document::{StandIn, Unbound};
use countersign_verify::{
    Deadline, Demand, Outcome, Verdict, Verifier,
    verdict::{Finding, document::VerdictDocument, render},
};
use futures_util::{StreamExt, stream};

use crate::{
    arguments::{Common, Output, Verify},
    exit::Exit,
    keys, network,
    output::{self, Stop},
    progress::Progress,
};

/// Images judged at the same time.
const PARALLEL: usize = 8;

pub(crate) async fn run(arguments: &Verify, common: &Common, now: Timestamp) -> Result<Exit, Stop> {
    let images = network::images(&arguments.images)?;
    let verifier = verifier(arguments).await?;
    let registry = network::client(&arguments.network, arguments.timeout)?;
    let progress = Progress::of(images.len(), common);
    let judge = async |image: &ImageRef| {
        let elapsed = tokio::time::sleep(Duration::from_secs(arguments.timeout));
        let deadline = Deadline::new(Box::pin(elapsed), arguments.timeout);
        let verdict = verifier.verify(image, &registry, now, &deadline).await;
        progress.step();
        verdict
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

async fn verifier(arguments: &Verify) -> Result<Verifier, Stop> {
    let authorities = keys::trusted(&arguments.keys, arguments.algorithm).await?;
    if arguments.threshold.get() > authorities.count() {
        let error = ThresholdTooHigh {
            threshold: arguments.threshold.get(),
            keys: authorities.count(),
        };
        return Err(Stop::new(Exit::Usage, &error));
    }
    let demand = Demand {
        threshold: arguments.threshold,
        annotations: network::annotations(&arguments.annotations)?,
        platform: arguments.platform.clone(),
        unbound: if arguments.require_repository {
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
    Ok(Verifier {
        authorities,
        demand,
        limits: Limits::TABLE,
    })
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
