//! What `sign --recursive` does with an index: everything that it lists first, and then the index itself.
//!
//! Nothing of an index is signed before all that it lists was found, and the index not before all of that is signed: whoever
//! finds the index signed finds the children signed.

use countersign_common::{ImageRef, Limits, PinnedImage};
use countersign_sign::{Child, Entry, Family, SignError};
use futures_util::{StreamExt, future, stream};
use serde::Serialize;

use super::signing::{PARALLEL, Tools, Workshop};
use crate::{
    arguments::Common,
    attended::Attended,
    output,
    places::{self, Located},
    progress::Progress,
};

/// What something was done with.
pub(super) struct Subject<'a> {
    /// What was asked for.
    pub(super) located: &'a Located,
    /// The image as it was asked for, or a child by its digest.
    pub(super) image: ImageRef,
    /// Where it is listed, if it is a child.
    pub(super) child: Option<Entry>,
}

impl<'a> Subject<'a> {
    /// An image that was asked for.
    pub(super) fn asked(located: &'a Located) -> Self {
        Self {
            located,
            image: located.image.clone(),
            child: None,
        }
    }

    fn child(located: &'a Located, child: &Child) -> Self {
        Self {
            located,
            image: child.image.reference.clone(),
            child: Some(child.entry.clone()),
        }
    }

    /// What is told of it in JSON, with where it is.
    pub(super) fn document<T: Serialize>(&self, told: T) -> impl Serialize {
        #[derive(Serialize)]
        struct Document<T> {
            #[serde(flatten)]
            told: T,
            #[serde(skip_serializing_if = "Option::is_none")]
            child: Option<Entry>,
        }
        Document {
            told: self.located.document(told),
            child: self.child.clone(),
        }
    }
}

/// What became of each, in the order in which it was done.
pub(super) type Results<'a, T> = Vec<(Subject<'a>, Result<T, SignError>)>;

impl Workshop {
    /// Does something with each image and everything that it lists, with each key.
    pub(super) async fn each_with_children<'i, T>(
        &self,
        located: &'i [Located],
        common: &Common,
        work: impl AsyncFn(&PinnedImage, Tools<'_>) -> Result<T, SignError>,
    ) -> Results<'i, T> {
        let progress = Progress::of(located.len(), common);
        let one = async |one| {
            let results = self.with_children(one, &work).await;
            progress.step();
            results
        };
        // A few of each registry, since what they list is held: one that pauses keeps no other waiting.
        let of_each = places::by_registry(located).into_values().map(|located| {
            stream::iter(located)
                .map(&one)
                .buffered(PARALLEL)
                .collect::<Vec<_>>()
        });
        let results = future::join_all(of_each).await;
        results.into_iter().flatten().flatten().collect()
    }

    async fn with_children<'i, T>(
        &self,
        asked: &'i Located,
        work: &impl AsyncFn(&PinnedImage, Tools<'_>) -> Result<T, SignError>,
    ) -> Results<'i, T> {
        let family = async |attended: &Attended<'_>| {
            Family::collect(&asked.image, attended, &Limits::TABLE).await
        };
        let mut begun = self.begin(asked).await;
        let family = match self.in_turn(&mut begun, asked, family).await {
            Ok(family) => family,
            Err(error) => return vec![(Subject::asked(asked), Err(error))],
        };
        drop(begun);
        let one = async |child: &'_ Child| {
            let results = self.with_each_key(asked, async |tools: Tools<'_>| {
                work(&child.image, tools).await
            });
            let results = results.await.into_iter();
            results
                .map(|result| (Subject::child(asked, child), result))
                .collect()
        };
        let children: Vec<Results<'_, T>> = stream::iter(&family.children)
            .map(one)
            .buffered(PARALLEL)
            .collect()
            .await;
        let mut results: Results<'_, T> = children.into_iter().flatten().collect();
        if results.iter().any(|(_, result)| result.is_err()) {
            output::note(&format!(
                "{}: the index itself is left as it is, since not all that it lists is signed",
                asked.image
            ));
            return results;
        }
        let image = &family.image;
        let index = self.with_each_key(asked, async |tools: Tools<'_>| work(image, tools).await);
        let index = index.await.into_iter();
        results.extend(index.map(|result| (Subject::asked(asked), result)));
        results
    }
}
