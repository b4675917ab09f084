//! An index and everything that it lists, each judged as if it were asked for by its own digest.
//!
//! Called where a demand reaches the children. No kind of child is exempt: what an index says of a child, such as that it is
//! an attestation or for no platform, is said by whoever wrote the index. Nothing is believed here that the judgement of one
//! image would not believe.

use countersign_common::{Descriptor, ImageRef, PinnedImage, Registry, Timestamp, manifest::Body};
use futures_util::{StreamExt, future, stream};

use crate::{
    Deadline, Seen, Verdict, Verifier,
    ahead::{Listing, Sighted},
    collect,
    evidence::ContentFault,
    verdict::Child,
};

/// Children of one index judged at the same time, beside the index itself.
///
/// As many as an index has platforms, mostly, so that they take no longer than one. There are at most as many as an index
/// may list (`Limits::children`), each within the bounds of one image on bytes, signatures and time: the whole takes at
/// most an eighth of their number times what one may take.
pub(crate) const PARALLEL: usize = 8;

/// What is the same for each child.
#[derive(Clone, Copy)]
struct Family<'a, 'd> {
    verifier: &'a Verifier,
    index: &'a PinnedImage,
    from: (&'a dyn Registry, &'a Seen),
    now: Timestamp,
    deadline: &'a Deadline<'d>,
}

/// Judges an image and what it lists, which of an image is nothing.
pub(crate) async fn judge(
    verifier: &Verifier,
    sighted: Sighted<'_>,
    from: (&dyn Registry, &Seen),
    now: Timestamp,
    deadline: &Deadline<'_>,
) -> Verdict {
    let image = sighted.image.clone();
    let family = Family {
        verifier,
        index: &image,
        from,
        now,
        deadline,
    };
    let children = stream::iter(image.manifest.children())
        .map(|child| family.judge(child))
        .buffered(PARALLEL)
        .collect::<Vec<_>>();
    // Each child is judged down to the depth that is demanded: through the index all layers would be read once more.
    let alone = verifier.without_layers();
    let verifier = match image.manifest.body() {
        Body::Index(_) => &alone,
        Body::Image(_) => verifier,
    };
    let index = verifier.judge(sighted, from, now, deadline);
    let (index, children) = future::join(index, children).await;
    index.with_children(children)
}

impl Family<'_, '_> {
    async fn judge(self, child: Descriptor) -> Child {
        let deadline = self.deadline.again();
        let (verifier, repository) = (self.verifier, self.index.repository());
        let reference = ImageRef::by_digest(repository, &child.digest);
        let fetching = async {
            let manifest = collect::child(self.from.0, repository, &child).await?;
            Ok(PinnedImage {
                reference: reference.clone(),
                manifest,
            })
        };
        let listing = Listing::of(
            self.from.0,
            repository,
            &child.digest,
            verifier.demand.legacy,
        );
        let sighted = Sighted::collect(fetching, Some(listing));
        let fault = match deadline.within(sighted).await {
            Some(Ok(sighted)) => {
                let verdict = verifier.judge(sighted, self.from, self.now, &deadline);
                return Child::of(child.listed(), verdict.await);
            }
            Some(Err(fault)) => fault,
            None => ContentFault::Error(deadline.missed(repository)),
        };
        let verdict = match fault {
            ContentFault::Error(error) => Verdict::undecided(&reference, self.now, &error),
            ContentFault::Refusal(refusal) => Verdict::refused(&reference, self.now, &refusal),
        };
        Child::of(child.listed(), verdict.based_on(verifier.basis.clone()))
    }
}
