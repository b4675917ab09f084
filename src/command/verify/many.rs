//! Judges many images at the same time: each within its time, each digest once, and all of them within bounds on memory.
//!
//! Called by `verify` and by `policy test`. How one image is judged is for its judge to say.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use countersign_common::{Digest, Registry, Repository, Timestamp};
use countersign_registry::Client;
use countersign_verify::{Deadline, Depth, Seen, Timer, Verdict};
use futures_util::{StreamExt, stream};
use tokio::sync::OnceCell;

use crate::{
    arguments::Common,
    attended::Attendant,
    judge::{Judge, When},
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
    let attendant = Attendant::new(Arc::clone(&progress), judge.demand().reach.parallel());
    let timer: &Timer<'_> = &|| Box::pin(tokio::time::sleep(Duration::from_secs(timeout)));
    let time = judge.now(match when {
        When::AsOf(time) => time,
        When::Now => now,
    });
    let known = Known::default();
    // What one folder has says nothing of another, though both may be for one repository.
    let seen: HashMap<_, _> = located
        .iter()
        .map(|one| (one.folder(), Seen::default()))
        .collect();
    let of_none = Seen::default();
    let judge_one = async |(at, one): (usize, &Located)| {
        let deadline = Deadline::for_each(timer, timeout);
        let registry = attendant.attend(one.registry(client), &one.image);
        let seen = seen.get(&one.folder()).unwrap_or(&of_none);
        let from: (&dyn Registry, _) = (&registry, seen);
        let judged = async {
            let verifier = judge.verifier(&one.image)?;
            if let Some(digest) = one.image.digest() {
                // Whoever cannot be resolved answers for itself alone.
                let judge = async || {
                    let sighted = verifier.resolve(&one.image, &registry, time, &deadline);
                    Ok(verifier
                        .verify_sighted(sighted.await?, from, time, &deadline)
                        .await)
                };
                let cell = known.cell(one, digest);
                return cell.get_or_try_init(judge).await.cloned();
            }
            let sighted = verifier.resolve(&one.image, &registry, time, &deadline);
            let sighted = sighted.await?;
            let cell = known.cell(one, sighted.image().digest());
            let judge = || verifier.verify_sighted(sighted, from, time, &deadline);
            Ok::<_, Box<Verdict>>(cell.get_or_init(judge).await.clone())
        };
        let verdict = judged.await.unwrap_or_else(|verdict| *verdict);
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
        .buffer_unordered(parallel(judge))
        .collect()
        .await;
    verdicts.sort_unstable_by_key(|(at, _)| *at);
    verdicts.into_iter().map(|(_, verdict)| verdict).collect()
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
#[derive(Default)]
struct Known(Mutex<HashMap<Name, Arc<OnceCell<Verdict>>>>);

impl Known {
    fn cell(&self, one: &Located, digest: &Digest) -> Arc<OnceCell<Verdict>> {
        let folder = one.folder().map(str::to_owned);
        let name = (folder, one.image.repository().clone(), digest.clone());
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(name).or_default())
    }
}
