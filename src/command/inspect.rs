//! `countersign inspect`.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use countersign_common::{ImageRef, Limits, Timestamp, registry::Blind};
use countersign_trust_roots::document::Unbound;
use countersign_verify::{
    Asked, Basis, Deadline, Demand, Naming, Verifier,
    inspect::{
        self, Fault, Inspection, Missing, Question, Scope, document::InspectionDocument, render,
    },
    verdict::Finding,
};
use futures_util::{StreamExt, stream};

use super::verify::{self, Contradiction};
use crate::{
    arguments::{Common, Output, inspect::Inspect},
    attended::{Attendant, Attended},
    cache,
    config::Config,
    exit::Exit,
    judge::{self, Begin, Court, Needed, Summons, When},
    network,
    output::{self, Stop},
    pauses::{Pauses, THROTTLED},
    places::{self, Located},
    policy_file,
    progress::Progress,
    stamps,
};

/// Images looked at at the same time.
const PARALLEL: usize = 4;

pub(crate) async fn run(
    arguments: &Inspect,
    common: &Common,
    now: Timestamp,
) -> Result<Exit, Stop> {
    let places = places::locate(&arguments.images, arguments.timeout).await?;
    let located = &places.located;
    let images = places::references(located);
    let config = Config::read(common.config.as_deref())?;
    let client = network::client(&arguments.network, arguments.timeout, &config)?;
    let client = cache::lend(client, &arguments.caching);
    let summons = Summons {
        client: &client,
        timeout: arguments.timeout,
        state_dir: arguments.governed.state_dir.as_deref(),
        begin: Begin::Not,
        when: When::Now,
        system: now,
    };
    let bench = bench(arguments, &images, &config, summons).await?;
    let progress = Progress::of(located.len(), common);
    let pauses = Pauses::new(located, arguments.timeout, PARALLEL);
    let attendant = Attendant::new(Arc::new(Blind), 1);
    let look_at = async |one: &Located| {
        let (judge, exit) = bench.judge(&one.image);
        let question = Question {
            judge,
            scope: scope(arguments),
            limits: Limits::TABLE,
            now: bench.now(now),
        };
        let look = async || {
            let attended = attendant.attend(one.registry(&client), &one.image);
            look(&one.image, &attended, (&question, arguments.timeout)).await
        };
        let mut begun = pauses.begin(one, &client).await;
        let looked = pauses.work(&mut begun, (one, &client), look, is_throttled);
        let looked = looked.await;
        drop(begun);
        progress.step();
        let looked = match one.layout() {
            Some(layout) => looked.in_layout(layout),
            None => looked,
        };
        (looked, exit)
    };
    let looked: Vec<_> = stream::iter(located)
        .map(look_at)
        .buffered(located.len().max(1))
        .collect()
        .await;
    drop(progress);
    places.report(
        looked.iter().zip(located),
        |(_, one)| one,
        common.output,
        |((inspection, judged), _)| {
            show(inspection, common)?;
            Ok(exit(inspection).max(*judged))
        },
    )
}

async fn look(
    image: &ImageRef,
    registry: &Attended<'_>,
    (question, timeout): (&Question, u64),
) -> Inspection {
    let elapsed = registry.clock().elapse(Duration::from_secs(timeout));
    let deadline = Deadline::new(Box::pin(elapsed), timeout);
    inspect::inspect(image, registry, question, &deadline).await
}

fn is_throttled(looked: &Inspection) -> bool {
    let missing = match &looked.subject {
        Err(Missing::Undecided(why)) => Some(why),
        Err(Missing::Refused(_)) | Ok(_) => None,
    };
    let mut faults = looked.faults.iter().chain(missing);
    faults.any(|fault| fault.code == THROTTLED)
}

fn scope(arguments: &Inspect) -> Scope {
    match &arguments.platform {
        Some(platform) => Scope::For(platform.clone()),
        None if arguments.recursive => Scope::Recursive,
        None => Scope::Itself,
    }
}

/// Who judges what is found.
enum Bench {
    Keys(Box<Verifier>),
    Nobody,
    Policy(Box<Court>),
}

impl Bench {
    /// The judge of one image; and how the command ends at best, where whom to trust could not be found out.
    fn judge(&self, image: &ImageRef) -> (inspect::Judge, Exit) {
        let obstacles = match self {
            Self::Keys(verifier) => return (inspect::Judge::By(verifier.clone()), Exit::Done),
            Self::Nobody => {
                let nobody = Finding::of(&Fault::NobodyNamed);
                return (inspect::Judge::Nobody(nobody), Exit::Done);
            }
            Self::Policy(court) => match court.verifier(image) {
                Ok(verifier) => return (inspect::Judge::By(Box::new(verifier)), Exit::Done),
                Err(obstacles) => obstacles,
            },
        };
        // That a policy or a root trusts nobody here is an answer, and the image can be looked at all the same.
        let worst = obstacles.iter().map(|obstacle| match obstacle.exit() {
            Exit::Refused => Exit::Done,
            exit => exit,
        });
        let exit = worst.max().unwrap_or(Exit::Internal);
        let first = obstacles.first();
        let why = first.map_or_else(
            || Finding::of(&judge::NotOpened),
            |first| Finding::of(first.explained()),
        );
        (inspect::Judge::Nobody(why), exit)
    }

    fn now(&self, system: Timestamp) -> Timestamp {
        match self {
            Self::Keys(_) | Self::Nobody => system,
            Self::Policy(court) => court.now(),
        }
    }
}

/// As `verify` finds its judge; yet nobody will do.
async fn bench(
    arguments: &Inspect,
    images: &[ImageRef],
    config: &Config,
    summons: Summons<'_>,
) -> Result<Bench, Stop> {
    let stand_in = arguments.demonstration.stand_in();
    let asked = Asked {
        time_threshold: config.verify.time_threshold,
        ..judge::nothing_besides(stand_in)
    };
    match policy_file::find(&arguments.governed, config)? {
        Some(file) if arguments.trusted.keys.is_empty() => {
            verify::tell_unused(&arguments.tsa_chains, arguments.trusted.algorithm);
            let court = Court::convene(file, Needed::ToExplain(images), asked, summons).await?;
            return Ok(Bench::Policy(Box::new(court)));
        }
        Some(_) if arguments.governed.policy.is_some() => {
            return Err(Stop::new(Exit::Usage, &Contradiction::KeyAndPolicy));
        }
        Some(file) => verify::tell_not_asked(&file),
        None => {}
    }
    if !verify::is_anybody_named(&arguments.trusted.keys, config) {
        if !arguments.tsa_chains.is_empty() {
            tracing::warn!("neither a policy nor a key is given: `--tsa-chain` is not used");
        }
        return Ok(Bench::Nobody);
    }
    let threshold = asked.time_threshold.unwrap_or(NonZeroUsize::MIN);
    Ok(Bench::Keys(Box::new(Verifier {
        authorities: verify::trusted(&arguments.trusted.keys, arguments.trusted.algorithm, config)
            .await?,
        time: stamps::rules(&arguments.tsa_chains, threshold, config)?,
        demand: Demand {
            unbound: if config.verify.require_repository {
                Unbound::Refused
            } else {
                Unbound::Reported
            },
            ..asked.demand
        },
        limits: asked.limits,
        naming: Naming::Asked,
        basis: Basis::Keys,
    })))
}

fn exit(inspection: &Inspection) -> Exit {
    match &inspection.subject {
        Err(Missing::Refused(_)) => Exit::Refused,
        Ok(_) if inspection.is_complete() => Exit::Done,
        Err(Missing::Undecided(_)) | Ok(_) => Exit::Undecided,
    }
}

fn show(inspection: &Inspection, common: &Common) -> Result<(), Stop> {
    match common.output {
        Output::Json => output::print_json(&InspectionDocument::from(inspection)),
        Output::Text => output::print(&text(inspection, common)),
    }
}

fn text(inspection: &Inspection, common: &Common) -> String {
    let mut text = render::tree(inspection);
    let mut say = |kind: &str, finding: &Finding| {
        text.push_str(&output::explanation(
            kind,
            finding.code,
            &finding.message,
            &finding.remedy,
        ));
    };
    match &inspection.subject {
        Err(Missing::Refused(why)) => say("refused", why),
        Err(Missing::Undecided(why)) => say("error", why),
        Ok(_) => {}
    }
    for fault in &inspection.faults {
        say("error", fault);
    }
    if !common.quiet {
        for note in &inspection.notes {
            say("remark", note);
        }
    }
    text
}
