//! Judges many images at the same time: each within its time, each digest once, and all of them within bounds on memory.
//!
//! Called by `verify` and by `policy test`. How one image is judged is for its judge to say.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use countersign_common::{Code, Digest, Registry, Repository, Timestamp};
use countersign_registry::Client;
use countersign_verify::{Deadline, Depth, Outcome, Seen, Timer, Verdict};
use futures_util::{StreamExt, stream};
use tokio::sync::OnceCell;

use crate::{
    arguments::Common,
    attended::Attendant,
    judge::{Judge, When},
    pauses::Pauses,
    places::Located,
    progress::Progress,
};

/// Judgements at the same time, of images and of what they list: a registry far away answers many questions while one of
/// them is on its way.
const PARALLEL: usize = 64;
/// The same where layers are read.
const PARALLEL_LAYERS: usize = 8;

/// Each image, some at a time, each within its time; the verdicts in the order of the images.
pub(in crate::command) async fn judged(
    judge: &Judge,
    located: &[Located],
    (client, (timeout, common)): (&Client, (u64, &Common)),
    (when, now): (When, Timestamp),
) -> Vec<Verdict> {
    let progress = Arc::new(Progress::of(located.len(), common));
    let judging = Judging {
        judge,
        client,
        attendant: Attendant::new(Arc::clone(&progress), judge.demand().reach.parallel()),
        timeout,
        now: judge.now(match when {
            When::AsOf(time) => time,
            When::Now => now,
        }),
    };
    let pauses = Pauses::new(located.len(), timeout, parallel(judge));
    let [first, anew] = [Known::of(located), Known::of(located)];
    let judge_one = async |(at, one): (usize, &Located)| {
        let mut begun = pauses.begin(one, client).await;
        // What waits is small: there may be thousands.
        let mut verdict = Box::pin(judging.judge(one, &first)).await;
        if is_throttled(&verdict) && pauses.begin_anew(&mut begun, one, client).await {
            verdict = Box::pin(judging.judge(one, &anew)).await;
        }
        drop(begun);
        let verdict = verdict.named(one.image.clone());
        progress.step();
        let verdict = match one.layout() {
            Some(layout) => verdict.in_layout(&layout),
            None => verdict,
        };
        let verdict = match when {
            When::AsOf(_) => verdict.as_of(),
            When::Now => verdict,
        };
        (at, verdict)
    };
    // Not one after the other in their order: one that is slow would hold up all others.
    let mut verdicts: Vec<_> = stream::iter(located.iter().enumerate())
        .map(judge_one)
        .buffer_unordered(located.len().max(1))
        .collect()
        .await;
    verdicts.sort_unstable_by_key(|(at, _)| *at);
    verdicts.into_iter().map(|(_, verdict)| verdict).collect()
}

/// What is the same for each image.
struct Judging<'a> {
    judge: &'a Judge,
    client: &'a Client,
    attendant: Attendant,
    timeout: u64,
    now: Timestamp,
}

impl Judging<'_> {
    /// One image, or what is known of its digest.
    async fn judge<'k>(&self, one: &'k Located, known: &Known<'k>) -> Verdict {
        let registry = self.attendant.attend(one.registry(self.client), &one.image);
        let time = Duration::from_secs(self.timeout);
        let timer: &Timer<'_> = &|| Box::pin(registry.clock().elapse(time));
        let deadline = Deadline::for_each(timer, self.timeout);
        let from: (&dyn Registry, _) = (&registry, known.seen(one));
        let judged = async {
            let verifier = self.judge.verifier(&one.image)?;
            if let Some(digest) = one.image.digest() {
                // Whoever cannot be resolved answers for itself alone.
                let judge = async || {
                    let sighted = verifier.resolve(&one.image, &registry, self.now, &deadline);
                    Ok(verifier
                        .verify_sighted(sighted.await?, from, self.now, &deadline)
                        .await)
                };
                let cell = known.cell(one, digest);
                return cell.get_or_try_init(judge).await.cloned();
            }
            let sighted = verifier.resolve(&one.image, &registry, self.now, &deadline);
            let sighted = sighted.await?;
            let cell = known.cell(one, sighted.image().digest());
            let judge = || verifier.verify_sighted(sighted, from, self.now, &deadline);
            Ok::<_, Box<Verdict>>(cell.get_or_init(judge).await.clone())
        };
        judged.await.unwrap_or_else(|verdict| *verdict)
    }
}

fn is_throttled(verdict: &Verdict) -> bool {
    let throttled = Code::new("registry-throttled");
    match verdict.outcome() {
        Outcome::Undecided(faults) => faults.iter().any(|fault| fault.as_ref().code == throttled),
        Outcome::Refused(_) | Outcome::Verified(_) => false,
    }
}

fn parallel(judge: &Judge) -> usize {
    let demand = judge.demand();
    let parallel = match demand.depth {
        Depth::Manifest => PARALLEL,
        Depth::Layers | Depth::Unpacked => PARALLEL_LAYERS,
    };
    parallel.div_ceil(demand.reach.parallel())
}

/// A digest, where it was looked at.
type Name = (Option<String>, Repository, Digest);

/// What was judged, so that a digest with many tags is judged once.
struct Known<'a> {
    verdicts: Mutex<HashMap<Name, Arc<OnceCell<Verdict>>>>,
    /// What one folder has says nothing of another, though both may be for one repository.
    seen: HashMap<Option<&'a str>, Seen>,
    of_none: Seen,
}

impl<'a> Known<'a> {
    fn of(located: &'a [Located]) -> Self {
        let folders = located.iter().map(Located::folder);
        Self {
            verdicts: Mutex::default(),
            seen: folders.map(|folder| (folder, Seen::default())).collect(),
            of_none: Seen::default(),
        }
    }

    fn seen(&self, one: &'a Located) -> &Seen {
        self.seen.get(&one.folder()).unwrap_or(&self.of_none)
    }

    fn cell(&self, one: &Located, digest: &Digest) -> Arc<OnceCell<Verdict>> {
        let folder = one.folder().map(str::to_owned);
        let name = (folder, one.image.repository().clone(), digest.clone());
        let mut known = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(name).or_default())
    }
}
