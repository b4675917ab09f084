//! An image itself, and of an index its children: fetched, and shown with what is attached.

use std::sync::atomic::{AtomicBool, AtomicU64};

use bytes::Bytes;
use countersign_common::{
    Descriptor, Limits, Manifest, PinnedImage, Registry, json,
    manifest::{Body, ImageBody, Platform},
    registry::Failure,
};
use futures_util::{StreamExt, future, stream};

use super::{
    Question, attached,
    list::Source,
    model::{Child, ChildState, Missing, Noticed, Scope, Subject},
};
use crate::{
    Deadline, Refusal, collect,
    evidence::{ContentFault, ImageContent, created},
    verdict::Finding,
};

/// Looks at an image that was resolved.
pub(super) async fn subject(
    pinned: &PinnedImage,
    registry: &dyn Registry,
    question: &Question,
    deadline: &Deadline<'_>,
) -> (Result<Subject, Missing>, Noticed) {
    let children = match chosen(&pinned.manifest, &question.scope) {
        Ok(children) => children,
        Err(refusal) => {
            let missing = Missing::Refused(Finding::of(&refusal));
            return (Err(missing), Noticed::default());
        }
    };
    let source = Source {
        registry,
        repository: pinned.repository(),
        limits: &question.limits(),
        deadline,
        allowance: &AtomicU64::new(question.limits.image_bytes),
        archive: &AtomicBool::new(true),
    };
    let (mut subject, mut noticed) = one(source, question, &pinned.manifest).await;
    let look = |(child, look)| of_child(source, question, child, look);
    let mut looked = stream::iter(children.into_iter().map(look)).buffered(attached::LISTS);
    while let Some((child, more)) = looked.next().await {
        noticed.add(more);
        subject.children.push(child);
    }
    (Ok(subject), noticed)
}

/// How closely a child is looked at.
#[derive(Clone, Copy)]
enum Look {
    Count,
    Inspect,
}

fn chosen(manifest: &Manifest, scope: &Scope) -> Result<Vec<(Descriptor, Look)>, Refusal> {
    // By any entry of a child, as `verify` picks it.
    let inspected = manifest.children_listed(|entry| match scope {
        Scope::Recursive => true,
        Scope::For(wanted) => {
            let platform = entry.platform.as_ref();
            platform.is_some_and(|platform| platform.satisfies(wanted))
        }
        Scope::Itself => false,
    });
    let look = |child: Descriptor| match inspected.iter().find(|one| one.names_the_same_as(&child))
    {
        Some(found) => (found.clone(), Look::Inspect),
        None => (child, Look::Count),
    };
    let children: Vec<_> = manifest.children().into_iter().map(look).collect();
    match (scope, manifest.body()) {
        (Scope::For(wanted), Body::Index(_)) if inspected.is_empty() => {
            Err(Refusal::PlatformMissing {
                wanted: wanted.clone(),
                available: children
                    .into_iter()
                    .filter_map(|(child, _)| child.platform)
                    .collect(),
            })
        }
        _ => Ok(children),
    }
}

async fn of_child(
    source: Source<'_, '_>,
    question: &Question,
    descriptor: Descriptor,
    look: Look,
) -> (Child, Noticed) {
    let (state, noticed) = match look {
        Look::Count => {
            let (listed, noticed) = source.everywhere(&descriptor.digest).await;
            match noticed.faults.first() {
                Some(fault) => (ChildState::Unknown(fault.clone()), noticed),
                None => (ChildState::Counted(listed.len()), noticed),
            }
        }
        Look::Inspect => inspected(source, question, &descriptor).await,
    };
    (Child { descriptor, state }, noticed)
}

async fn inspected(
    source: Source<'_, '_>,
    question: &Question,
    descriptor: &Descriptor,
) -> (ChildState, Noticed) {
    let child = collect::child(source.registry, source.repository, descriptor);
    let missed = || ContentFault::Error(source.deadline.missed(source.repository));
    let fetched = source.deadline.within(child).await;
    match fetched.unwrap_or_else(|| Err(missed())) {
        Ok(manifest) => {
            let (subject, noticed) = one(source, question, &manifest).await;
            (ChildState::Inspected(Box::new(subject)), noticed)
        }
        Err(ContentFault::Error(error)) => {
            let finding = Finding::of(&error);
            let noticed = Noticed {
                faults: vec![finding.clone()],
                ..Noticed::default()
            };
            (ChildState::Unknown(finding), noticed)
        }
        // That it is not there, or no image, was found out: there is nothing to look at.
        Err(ContentFault::Refusal(refusal)) => {
            let finding = Finding::of(&refusal);
            (ChildState::Unknown(finding), Noticed::default())
        }
    }
}

/// One manifest with what is attached to it, without its children.
async fn one(
    source: Source<'_, '_>,
    question: &Question,
    manifest: &Manifest,
) -> (Subject, Noticed) {
    let attached = attached::all(source, question, manifest.descriptor());
    let config = config(source, manifest);
    let (attached, config) = future::join(attached, config).await;
    let (attached, mut noticed) = attached;
    let config = config.unwrap_or_else(|failure| {
        noticed.faults.push(Finding::of(&failure));
        None
    });
    let body = match manifest.body() {
        Body::Image(body) => Some(body),
        Body::Index(_) => None,
    };
    let subject = Subject {
        descriptor: manifest.descriptor().clone(),
        platform: config
            .as_ref()
            .and_then(|config| platform(config, source.limits)),
        layers: body.map(|body| attached::layers(body)).unwrap_or_default(),
        base: body.and_then(|body| base(body)),
        created: created(&ImageContent {
            manifest: manifest.clone(),
            config,
        }),
        attached,
        children: Vec::new(),
    };
    (subject, noticed)
}

async fn config(source: Source<'_, '_>, manifest: &Manifest) -> Result<Option<Bytes>, Failure> {
    let Body::Image(body) = manifest.body() else {
        return Ok(None);
    };
    let limit = source.limits.config;
    let config = source.registry.blob(source.repository, &body.config, limit);
    let config = source.within(config).await?;
    let absent = || Failure::Error(source.absent(&body.config.digest));
    config.map(Some).ok_or_else(absent)
}

/// What a configuration says that it runs on; that of an artifact says nothing.
fn platform(config: &Bytes, limits: &Limits) -> Option<Platform> {
    let platform: Platform = json::from_slice(config, limits).ok()?;
    (!platform.os.is_empty()).then_some(platform)
}

/// What the builder says that the image was built on.
fn base(body: &ImageBody) -> Option<String> {
    let annotation = |name| body.annotations.get(name).cloned();
    let digest = annotation("org.opencontainers.image.base.digest");
    match (annotation("org.opencontainers.image.base.name"), digest) {
        (Some(name), Some(digest)) => Some(format!("{name}@{digest}")),
        (name, digest) => name.or(digest),
    }
}
