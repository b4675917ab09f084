//! Judges many images at the same time: each within its time, each digest once, and all of them within bounds on memory.
//!
//! Called by `verify` and by `policy test`. How one image is judged is for its judge to say.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use countersign_common::{ImageRef, Registry, Timestamp};
use countersign_registry::Client;
use countersign_verify::{Deadline, Depth, Outcome, Seen, Timer, Verdict};
use futures_util::{StreamExt, stream};
use tokio::sync::OnceCell;

use crate::{
    arguments::Common,
    attended::Attendant,
    judge::{Judge, When},
    pauses::{Pauses, THROTTLED},
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
        attendant: Attendant::new(
            Arc::<Progress>::clone(&progress),
            judge.demand().reach.parallel(),
        ),
        timeout,
        now: judge.now(match when {
            When::AsOf(time) => time,
            When::Now => now,
        }),
    };
    let pauses = Pauses::new(located, timeout, parallel(judge));
    let known = Known::of(located);
    let judge_one = async |(at, one): (usize, &Located)| {
        let mut begun = pauses.begin(one, client).await;
        let judge = async || judging.judge(one, &known).await;
        let verdict = pauses.work(&mut begun, (one, client), judge, is_throttled);
        let verdict = verdict.await;
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
        let timer: &Timer<'_> = &|part| Box::pin(registry.clock().elapse(time / part));
        let deadline = Deadline::for_each(timer, self.timeout);
        let from: (&dyn Registry, _) = (&registry, known.seen(one));
        let judged = async {
            let verifier = self.judge.verifier(&one.image)?;
            let resolve = |image| verifier.resolve(image, &registry, self.now, &deadline);
            let verify = |sighted| verifier.verify_sighted(sighted, from, self.now, &deadline);
            let by_digest = |digest| ImageRef::by_digest(one.image.repository(), digest);
            let (pinned, mut sighted) = if let Some(digest) = one.image.digest() {
                (by_digest(digest), None)
            } else {
                let sighted = resolve(&one.image).await?;
                (by_digest(sighted.image().digest()), Some(sighted))
            };
            let (cell, is_first) = known.cell(one, &pinned);
            // Whoever waits for another's judgement must hold nothing that the other waits for. All of them are one task, so
            // that the first to ask is who judges.
            if !is_first && registry.leave().await {
                sighted = None;
            }
            let judge = async || match sighted.take() {
                Some(sighted) => Ok(verify(sighted).await),
                None => Ok(verify(resolve(&pinned).await?).await),
            };
            let became = cell.get_or_init(judge).await.clone();
            if is_throttled(became.as_ref().unwrap_or_else(|verdict| verdict)) {
                known.forget(one, &pinned, &cell);
            }
            match (became, sighted) {
                // What cannot be resolved answers for itself alone.
                (Err(_), Some(sighted)) => Ok(verify(sighted).await),
                (became, _) => became,
            }
        };
        judged.await.unwrap_or_else(|verdict| *verdict)
    }
}

fn is_throttled(verdict: &Verdict) -> bool {
    match verdict.outcome() {
        Outcome::Undecided(faults) => faults.iter().any(|fault| fault.as_ref().code == THROTTLED),
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

/// An image by its digest, where it was looked at.
type Name = (Option<String>, ImageRef);

/// What became of a digest; `Err` if it could not be resolved.
type Cell = Arc<OnceCell<Result<Verdict, Box<Verdict>>>>;

/// What was judged, so that a digest with many names is judged once.
struct Known<'a> {
    verdicts: Mutex<HashMap<Name, Cell>>,
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

    /// What is known of an image, and whether nobody has asked for it before.
    fn cell(&self, one: &Located, pinned: &ImageRef) -> (Cell, bool) {
        match self.verdicts().entry(name(one, pinned)) {
            Entry::Occupied(known) => (Arc::clone(known.get()), false),
            Entry::Vacant(unknown) => (Arc::clone(unknown.insert(Cell::default())), true),
        }
    }

    /// What was throttled was so at that moment: whoever comes later asks anew.
    fn forget(&self, one: &Located, pinned: &ImageRef, cell: &Cell) {
        let mut verdicts = self.verdicts();
        if let Entry::Occupied(known) = verdicts.entry(name(one, pinned))
            && Arc::ptr_eq(known.get(), cell)
        {
            known.remove();
        }
    }

    fn verdicts(&self) -> MutexGuard<'_, HashMap<Name, Cell>> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name(one: &Located, pinned: &ImageRef) -> Name {
    (one.folder().map(str::to_owned), pinned.clone())
}
