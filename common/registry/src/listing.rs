//! Lists of what refers to an image, edited so that the entries of others stay as they are, members that nobody knows
//! included.
//!
//! Used wherever several write one list. Never decides what an entry is worth.

use std::collections::BTreeSet;

use countersign_common::{
    Descriptor, Digest, Limits, Manifest,
    manifest::{Body, ManifestError, OCI_INDEX},
};
use serde_json::json;

use crate::{
    merging::{Edit, Entry},
    object::Object,
};

/// What a list says of an artifact.
pub(crate) fn entry(manifest: &Manifest) -> Descriptor {
    let (artifact_type, annotations) = match manifest.body() {
        Body::Image(body) => (Some(&body.artifact_type), &body.annotations),
        Body::Index(body) => (body.artifact_type.as_ref(), &body.annotations),
    };
    Descriptor {
        artifact_type: artifact_type.cloned(),
        annotations: Some(annotations.clone()).filter(|annotations| !annotations.is_empty()),
        ..manifest.descriptor().clone()
    }
}

/// The same, as it will stand there.
pub(crate) fn written(manifest: &Manifest) -> Result<Entry, ManifestError> {
    let entry = entry(manifest);
    Ok(Entry {
        value: Object::of(&entry)?,
        digest: entry.digest,
    })
}

/// The entries of an index as they stand there, the first of each digest.
pub(crate) fn entries(index: &Manifest) -> Result<Vec<Entry>, ManifestError> {
    let mut seen = BTreeSet::new();
    let entry = |value: Object| {
        let digest = value.digest()?;
        seen.insert(digest.clone())
            .then_some(Entry { digest, value })
    };
    let list = list(&Object::parse(index.bytes())?)?;
    Ok(list.into_iter().filter_map(entry).collect())
}

fn list(index: &Object) -> Result<Vec<Object>, ManifestError> {
    let member = "manifests";
    index.read(member).ok_or(ManifestError::Missing { member })
}

/// The index with more entries. All that is there already stays, whoever wrote it and whatever it means.
pub(crate) fn with_entries(
    known: Option<&Manifest>,
    missing: &[&Descriptor],
) -> Result<Manifest, ManifestError> {
    edited(known, |list| {
        for entry in missing {
            list.push(Object::of(entry)?);
        }
        Ok(())
    })
}

/// The index with a change. All else stays.
pub(crate) fn with_edit(known: Option<&Manifest>, edit: Edit) -> Result<Manifest, ManifestError> {
    edited(known, |list| {
        if let Some(removed) = &edit.removed {
            list.retain(|entry| !entry.has_digest(removed));
        }
        list.extend(edit.added);
        Ok(())
    })
}

/// The index without what has this digest. All else stays.
pub(crate) fn without_entry(known: &Manifest, digest: &Digest) -> Result<Manifest, ManifestError> {
    edited(Some(known), |list| {
        list.retain(|entry| !entry.has_digest(digest));
        Ok(())
    })
}

/// The index with another list. All else stays.
pub(crate) fn edited(
    known: Option<&Manifest>,
    edit: impl FnOnce(&mut Vec<Object>) -> Result<(), ManifestError>,
) -> Result<Manifest, ManifestError> {
    let mut index = match known {
        Some(known) => Object::parse(known.bytes())?,
        None => {
            Object::of(&json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [] }))?
        }
    };
    let mut list = list(&index)?;
    edit(&mut list)?;
    index.set("manifests", &list)?;
    let media_type = known
        .map_or(OCI_INDEX, |known| known.descriptor().media_type.as_str())
        .to_owned();
    let limits = Limits {
        children: usize::MAX,
        ..Limits::TABLE
    };
    Manifest::parse(index.to_bytes()?.into(), Some(&media_type), None, &limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What others may write, and a machine's numbers and strings are not.
    const FOREIGN: [&str; 6] = [
        "\"org.example.big\":123456789012345678901234567890",
        "\"org.example.long\":0.10000000000000000555111512312578270211815834",
        "\"org.example.exponent\":1.50E+02",
        "\"org.example.zero\":-0.0",
        "\"org.example.text\":\"\\u00e9\\/\\ud83d\\ude00\"",
        "\"org.example.more\":{ \"b\" : [1e0 , 2.0],\t\"a\":null }",
    ];

    fn theirs() -> Manifest {
        let foreign = FOREIGN.join(",");
        let digests = ["one", "two"].map(|name| Digest::sha256(name.as_bytes()));
        let entry = |digest: &Digest| {
            format!("{{{foreign},\"mediaType\":\"x\",\"digest\":\"{digest}\",\"size\":3}}")
        };
        let list = digests.iter().map(entry).collect::<Vec<_>>().join(",");
        let text = format!("{{\"schemaVersion\":2,{foreign},\"manifests\":[{list}]}}");
        Manifest::parse(
            text.into_bytes().into(),
            Some(OCI_INDEX),
            None,
            &Limits::TABLE,
        )
        .unwrap()
    }

    /// How often each foreign member stands there, byte for byte.
    fn kept(index: &Manifest) -> [usize; 6] {
        let text = std::str::from_utf8(index.bytes()).unwrap();
        FOREIGN.map(|member| text.matches(member).count())
    }

    #[test]
    fn what_others_have_written_stays_byte_for_byte() {
        let known = theirs();
        assert_eq!(kept(&known), [3; 6]);
        let mine = Descriptor::of("y", b"mine");
        let more = with_entries(Some(&known), &[&mine]).unwrap();
        assert_eq!(kept(&more), [3; 6]);
        let Body::Index(body) = more.body() else {
            panic!("{more:?}");
        };
        assert_eq!(body.manifests.len(), 3);
        assert_eq!(body.manifests[2], mine);

        let two = Digest::sha256(b"two");
        assert_eq!(kept(&without_entry(&more, &two).unwrap()), [2; 6]);

        // What one writer takes away, another puts back as it was.
        let removed = entries(&known).unwrap().remove(1);
        let edit = Edit {
            added: vec![removed.value],
            removed: Some(two),
        };
        let again = with_edit(Some(&known), edit).unwrap();
        assert_eq!(kept(&again), [3; 6]);
    }
}
