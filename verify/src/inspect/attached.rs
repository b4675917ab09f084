//! The tree of what is attached to something: fetched level by level, each artifact once, a bounded number of them.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashSet},
};

use countersign_common::{
    Descriptor, Digest, Manifest, Repository,
    manifest::{Body, ImageBody},
    registry::Failure,
};
use futures_util::{StreamExt, future, stream};

use super::{
    Fault, Question,
    format::{self, Format, SHOWN},
    list::{Listed, Source},
    model::{Artifact, Content, Entry, EntryKind, Item, Layer, Noticed, Place},
    standing::{Bench, Standing},
};
use crate::{Refusal, collect::in_parallel, verdict::Finding};

/// What names an artifact in a layer.
const TITLE: &str = "org.opencontainers.image.title";

/// Lists asked for at the same time: each may be as long as all that is fetched for an image.
pub(super) const LISTS: usize = 4;

/// An artifact, and what it is attached to.
struct Node {
    /// Its place among the nodes, if it is not the root.
    parent: Option<usize>,
    subject: Descriptor,
    /// Whether verifiers look where it was found.
    is_looked_for: bool,
    artifact: Artifact,
}

/// What is still to be fetched.
struct Wanted {
    parent: Option<usize>,
    subject: Descriptor,
    listed: Listed,
}

/// Everything that is attached to a subject.
pub(super) async fn all(
    source: Source<'_, '_>,
    question: &Question,
    subject: &Descriptor,
) -> (Vec<Artifact>, Noticed) {
    let (archived, (mut nodes, mut away, mut noticed)) =
        future::join(source.archived(&subject.digest), gather(source, subject)).await;
    noticed.add(archived.1);
    away.extend(wanted(None, subject, archived.0));
    noticed.faults.extend(cut(&mut away, 0, source));
    for one in away {
        add_archived(&mut nodes, one);
    }
    judge(&mut nodes, question, source.repository);
    (tree(nodes), noticed)
}

/// What is there, and what was put away of what refers to that.
async fn gather(source: Source<'_, '_>, subject: &Descriptor) -> (Vec<Node>, Vec<Wanted>, Noticed) {
    let (listed, mut noticed) = source.everywhere(&subject.digest).await;
    let mut level = wanted(None, subject, listed);
    let mut nodes: Vec<Node> = Vec::new();
    let mut away = Vec::new();
    let mut seen = HashSet::new();
    for depth in 1..=source.limits.referrer_depth {
        level.retain(|one| seen.insert(one.listed.descriptor.digest.clone()));
        noticed.faults.extend(cut(&mut level, nodes.len(), source));
        let first = nodes.len();
        for (node, more) in in_parallel(level.into_iter().map(|one| open(source, one))).await {
            noticed.add(more);
            nodes.push(node);
        }
        if depth == source.limits.referrer_depth {
            break;
        }
        let next = async |(position, node): (usize, &Node)| {
            let subject = node.artifact.descriptor.clone();
            let archived = source.archived(&subject.digest);
            let listed = future::join(source.own(&subject.digest), archived).await;
            (position, subject, listed)
        };
        let fetched = nodes.iter().enumerate().skip(first);
        let fetched = fetched.filter(|(_, node)| node.artifact.content.is_ok());
        let mut lists = stream::iter(fetched.map(next)).buffered(LISTS);
        level = Vec::new();
        while let Some((position, subject, (own, archived))) = lists.next().await {
            noticed.add(own.1);
            noticed.add(archived.1);
            level.extend(wanted(Some(position), &subject, own.0));
            away.extend(wanted(Some(position), &subject, archived.0));
            // What would be cut in the end is not kept until then.
            noticed.faults.extend(cut(&mut level, nodes.len(), source));
            noticed.faults.extend(cut(&mut away, 0, source));
        }
    }
    (nodes, away, noticed)
}

fn wanted(parent: Option<usize>, subject: &Descriptor, listed: Vec<Listed>) -> Vec<Wanted> {
    let wanted = |listed| Wanted {
        parent,
        subject: subject.clone(),
        listed,
    };
    listed.into_iter().map(wanted).collect()
}

/// The smallest first: large junk must not push a signature out. Says what is left out.
fn cut(level: &mut Vec<Wanted>, known: usize, source: Source<'_, '_>) -> Option<Finding> {
    level.sort_by(|one, other| {
        let order = |one: &Wanted| {
            (
                one.listed.descriptor.size,
                one.listed.descriptor.digest.clone(),
            )
        };
        order(one).cmp(&order(other))
    });
    let left_out = level.split_off(
        level
            .len()
            .min(source.limits.referrers.saturating_sub(known)),
    );
    let first = left_out.first()?;
    Some(Finding::of(&Fault::Unseen {
        subject: first.subject.digest.clone(),
        count: left_out.len(),
        limit: source.limits.referrers,
    }))
}

async fn open(source: Source<'_, '_>, wanted: Wanted) -> (Node, Noticed) {
    let Wanted {
        parent,
        subject,
        listed,
    } = wanted;
    let mut noticed = Noticed::default();
    let manifest = match listed.manifest {
        Some(manifest) => Ok(manifest),
        None => fetch(source, &listed.descriptor, &mut noticed).await,
    };
    let (artifact_type, content) = match manifest {
        Ok(manifest) => {
            let artifact_type = artifact_type(&manifest, &listed.descriptor);
            let about = (&subject, &listed.places);
            let content = content(source, about, &manifest, &mut noticed).await;
            (artifact_type, content)
        }
        Err(finding) => (listed.descriptor.artifact_type.clone(), Err(finding)),
    };
    let artifact = Artifact {
        descriptor: listed.descriptor,
        artifact_type,
        places: listed.places,
        content,
        attached: Vec::new(),
    };
    let node = Node {
        parent,
        subject,
        is_looked_for: listed.is_looked_for,
        artifact,
    };
    (node, noticed)
}

async fn fetch(
    source: Source<'_, '_>,
    descriptor: &Descriptor,
    noticed: &mut Noticed,
) -> Result<Manifest, Finding> {
    if descriptor.size <= source.limits.manifest as u64 && !source.afford(descriptor.size) {
        return Err(unaffordable(source, noticed));
    }
    let manifest = source.registry.manifest(source.repository, descriptor);
    match source.within(manifest).await {
        Ok(Some(manifest)) => Ok(manifest),
        // A list may go on naming what was removed.
        Ok(None) => Err(Finding::of(&source.absent(&descriptor.digest))),
        Err(failure) => Err(failed(&descriptor.digest, failure, noticed)),
    }
}

/// What could not be fetched is open; what came and is not what it was named is that.
fn failed(artifact: &Digest, failure: Failure, noticed: &mut Noticed) -> Finding {
    match failure {
        Failure::Error(error) => {
            noticed.faults.push(Finding::of(&error));
            Finding::of(&error)
        }
        Failure::Refusal(source) => Finding::of(&Refusal::Transfer {
            artifact: artifact.clone(),
            source,
        }),
    }
}

fn unaffordable(source: Source<'_, '_>, noticed: &mut Noticed) -> Finding {
    let finding = Finding::of(&Fault::TooMuch {
        limit: source.limits.image_bytes,
    });
    noticed.faults.push(finding.clone());
    finding
}

fn artifact_type(manifest: &Manifest, listed: &Descriptor) -> Option<String> {
    match manifest.body() {
        Body::Image(body) => Some(body.artifact_type.clone()),
        Body::Index(_) => listed.artifact_type.clone(),
    }
}

async fn content(
    source: Source<'_, '_>,
    (subject, places): (&Descriptor, &BTreeSet<Place>),
    manifest: &Manifest,
    noticed: &mut Noticed,
) -> Result<Content, Finding> {
    let Body::Image(body) = manifest.body() else {
        return Ok(Content {
            format: ("index", "index"),
            annotations: std::collections::BTreeMap::new(),
            layers: Vec::new(),
            items: Vec::new(),
        });
    };
    // Anybody can list anything; the artifact itself must say so. cosign's older tags say it by their names.
    let is_listed = places.contains(&Place::Referrers) || places.contains(&Place::FallbackTag);
    let named = body.subject.as_ref().map(|named| &named.digest);
    if is_listed && named != Some(&subject.digest) {
        let artifact = manifest.digest().clone();
        return Err(Finding::of(&Refusal::Misplaced { artifact }));
    }
    let format = format::of(body);
    let annotations = body.annotations.clone().into_iter().take(SHOWN);
    Ok(Content {
        format: (format.name, format.title),
        annotations: annotations.collect(),
        layers: layers(body),
        items: items(source, format, (subject, manifest, body), noticed).await,
    })
}

/// Its layers, a bounded number of them.
pub(super) fn layers(body: &ImageBody) -> Vec<Layer> {
    let layer = |descriptor: &Descriptor| {
        let annotations = descriptor.annotations.as_ref();
        let title = annotations.and_then(|annotations| annotations.get(TITLE).cloned());
        let descriptor = Descriptor {
            annotations: None,
            ..descriptor.clone()
        };
        Layer { descriptor, title }
    };
    body.layers.iter().take(SHOWN).map(layer).collect()
}

async fn items(
    source: Source<'_, '_>,
    format: &Format,
    (subject, manifest, body): (&Descriptor, &Manifest, &ImageBody),
    noticed: &mut Noticed,
) -> Vec<Item> {
    let mut blobs = (format.blobs)(body);
    let left_out = blobs.split_off(blobs.len().min(source.limits.signatures));
    if !left_out.is_empty() {
        noticed.faults.push(Finding::of(&Fault::TooManyLayers {
            artifact: manifest.digest().clone(),
            count: source.limits.signatures + left_out.len(),
            limit: source.limits.signatures,
        }));
    }
    let limit = (format.limit)(source.limits);
    let mut items = Vec::new();
    for layer in blobs {
        let blob = blob(source, (layer, limit), manifest.digest(), noticed).await;
        let described = blob.and_then(|blob| {
            let fetched = format::Fetched {
                subject,
                manifest,
                layer,
                blob: &blob,
            };
            (format.describe)(&fetched, source.limits).map_err(|fault| Finding::of(&fault))
        });
        items.push(Item {
            blob: layer.digest.clone(),
            entry: described,
        });
    }
    items
}

async fn blob(
    source: Source<'_, '_>,
    (layer, limit): (&Descriptor, usize),
    artifact: &Digest,
    noticed: &mut Noticed,
) -> Result<bytes::Bytes, Finding> {
    if layer.size > limit as u64 {
        return Err(Finding::of(&Fault::TooLarge {
            size: layer.size,
            limit: limit as u64,
        }));
    }
    if !source.afford(layer.size) {
        return Err(unaffordable(source, noticed));
    }
    let blob = source.registry.blob(source.repository, layer, limit);
    match source.within(blob).await {
        Ok(Some(blob)) => Ok(blob),
        Ok(None) => Err(Finding::of(&source.absent(&layer.digest))),
        Err(failure) => Err(failed(artifact, failure, noticed)),
    }
}

fn add_archived(nodes: &mut Vec<Node>, archived: Wanted) {
    let Wanted {
        parent,
        subject,
        listed,
    } = archived;
    let digest = &listed.descriptor.digest;
    let known = nodes
        .iter_mut()
        .find(|node| node.artifact.descriptor.digest == *digest);
    if let Some(node) = known {
        node.artifact.places.extend(listed.places);
        return;
    }
    nodes.push(Node {
        parent,
        subject,
        is_looked_for: false,
        artifact: Artifact {
            artifact_type: listed.descriptor.artifact_type.clone(),
            descriptor: listed.descriptor,
            places: listed.places,
            content: Err(Finding::of(&Fault::Archived)),
            attached: Vec::new(),
        },
    });
}

/// Judges every entry, those first that name a trusted key. What verifiers see is judged as they judge it, without the rest.
fn judge(nodes: &mut [Node], question: &Question, repository: &Repository) {
    let (seen, unseen): (Vec<_>, Vec<_>) = nodes.iter_mut().partition(|node| node.is_looked_for);
    settle(seen, Bench::new(question, repository));
    for entry in settle(unseen, Bench::new(question, repository)) {
        // What verifiers never see counts for nothing, whoever made it.
        if matches!(entry.standing, Standing::Trusted(_)) {
            entry.standing = Standing::Untrusted(Finding::of(&Fault::Unlisted));
        }
    }
}

fn settle<'n>(mut nodes: Vec<&'n mut Node>, bench: Bench<'_>) -> Vec<&'n mut Entry> {
    nodes.sort_by(|one, other| {
        let digest = |node: &Node| node.artifact.descriptor.digest.clone();
        digest(one).cmp(&digest(other))
    });
    let mut entries: Vec<(&Descriptor, &mut Entry)> = Vec::new();
    for node in nodes {
        if let Ok(content) = &mut node.artifact.content {
            let items = content.items.iter_mut();
            let found = items.filter_map(|item| item.entry.as_mut().ok());
            entries.extend(found.map(|entry| (&node.subject, entry)));
        }
    }
    entries.sort_by_key(|(_, entry)| Reverse(bench.is_named(entry)));
    bench.settle(&mut entries);
    entries.into_iter().map(|(_, entry)| entry).collect()
}

/// Puts each node into what it is attached to. A parent comes before what is attached to it.
fn tree(mut nodes: Vec<Node>) -> Vec<Artifact> {
    let mut roots = Vec::new();
    while let Some(mut node) = nodes.pop() {
        node.artifact
            .attached
            .sort_by(|one, other| order(one).cmp(&order(other)));
        match node.parent.and_then(|parent| nodes.get_mut(parent)) {
            Some(parent) => parent.artifact.attached.push(node.artifact),
            None => roots.push(node.artifact),
        }
    }
    roots.sort_by(|one, other| order(one).cmp(&order(other)));
    roots
}

/// The order in which artifacts are told: what is known before what is not, what is trusted before what is not, and the
/// same each time.
fn order(artifact: &Artifact) -> (usize, Option<(EntryKind, u8)>, &Digest) {
    let content = artifact.content.as_ref().ok();
    let format = content.map_or(usize::MAX, |content| format::rank(content.format.0));
    let first = content.and_then(|content| content.items.first());
    let entry = first.and_then(|item| item.entry.as_ref().ok());
    let entry = entry.map(|entry| (entry.kind, entry.standing.rank()));
    (format, entry, &artifact.descriptor.digest)
}
