//! Parsers alone.

use bytes::Bytes;
use countersign_common::{
    Bundle, Digest, Escaped, ImageRef, Limits, Manifest, PublicKey, Repository, Statement,
    Timestamp, json as strict,
    manifest::Body,
    rfc3161::{Anchor, Response, Stamped},
};
use countersign_registry::{Layout, fuzzing};
use countersign_trust_roots::{
    policy::Policy,
    root::{Contents, Draft, SigstoreRoot},
    state::State,
};
use serde_json::Value;

const LIMITS: &Limits = &Limits::TABLE;

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Nothing that is shown steers a terminal.
pub(super) fn is_harmless(shown: &str) {
    let steers = |character: char| {
        (character.is_control() && character != '\n')
            || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!shown.contains(steers), "{shown:?}");
}

/// What the strict reader accepts, any reader does, and reads the same.
pub(super) fn json(bytes: &[u8]) -> bool {
    let Ok(value) = strict::from_slice::<Value>(bytes, LIMITS) else {
        return false;
    };
    let other: Value = serde_json::from_slice(bytes).unwrap();
    // Of two numbers that are none, or of a name given twice, they would differ.
    assert_eq!(value, other);
    true
}

pub(super) fn manifest(bytes: &[u8]) -> bool {
    let bytes = Bytes::copy_from_slice(bytes);
    let Ok(manifest) = Manifest::parse(bytes.clone(), None, None, LIMITS) else {
        return false;
    };
    assert_eq!(manifest.bytes(), &bytes);
    assert_eq!(manifest.digest(), &Digest::sha256(&bytes));
    assert_eq!(manifest.descriptor().size, bytes.len() as u64);
    match manifest.body() {
        Body::Image(_) => assert!(manifest.children().is_empty()),
        Body::Index(_) => assert!(manifest.children().len() <= LIMITS.children),
    }
    true
}

/// A reference is what it says it is, however often it is read again.
pub(super) fn reference(bytes: &[u8]) -> bool {
    let Some(text) = text(bytes) else {
        return false;
    };
    let _ = Repository::parse(text);
    let Ok(image) = ImageRef::parse(text) else {
        return false;
    };
    let shown = image.to_string();
    is_harmless(&shown);
    assert_eq!(ImageRef::parse(&shown).unwrap(), image);
    assert!(!image.repository().path().contains(".."));
    true
}

pub(super) fn digest(bytes: &[u8]) -> bool {
    let parsed = text(bytes).and_then(|text| Digest::parse(text).ok());
    let Some(digest) = parsed else {
        return false;
    };
    assert_eq!(digest.to_string().as_bytes(), bytes);
    true
}

pub(super) fn bundle(bytes: &[u8]) -> bool {
    let Ok(bundle) = Bundle::parse(bytes, LIMITS) else {
        return false;
    };
    let _ = statement(bundle.payload());
    for one in bundle.stamps() {
        let _ = countersign_common::rfc3161::decode(one, LIMITS).map(|der| stamp(&der));
    }
    true
}

pub(super) fn statement(bytes: &[u8]) -> bool {
    let Ok(statement) = Statement::parse(bytes, LIMITS) else {
        return false;
    };
    assert!(statement.subjects().len() <= LIMITS.subjects);
    for subject in statement.subjects() {
        assert!(subject.digests().count() <= LIMITS.subject_digests);
    }
    true
}

pub(super) fn stamp(bytes: &[u8]) -> bool {
    let Ok(response) = Response::parse(bytes, LIMITS) else {
        return false;
    };
    let _ = response.check_unanchored(Stamped::Before);
    true
}

pub(super) fn anchor(bytes: &[u8]) -> bool {
    Anchor::from_pem(bytes, LIMITS).is_ok()
}

pub(super) fn key(bytes: &[u8]) -> bool {
    let _ = PublicKey::from_spki_der(bytes);
    let parsed = text(bytes).and_then(|text| PublicKey::from_pem(text).ok());
    let Some(key) = parsed else {
        return false;
    };
    let again = PublicKey::from_pem(&key.to_pem().unwrap()).unwrap();
    assert_eq!(again.id(), key.id());
    true
}

pub(super) fn timestamp(bytes: &[u8]) -> bool {
    let parsed = text(bytes).and_then(|text| Timestamp::parse(text).ok());
    let Some(time) = parsed else {
        return false;
    };
    let shown = time.to_rfc3339();
    assert_eq!(
        Timestamp::parse(&shown).unwrap().unix_seconds(),
        time.unix_seconds()
    );
    true
}

pub(super) fn escape(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let shown = Escaped(&text).to_string();
    is_harmless(&shown);
    assert!(!shown.contains('\n'));
    true
}

pub(super) fn challenge(bytes: &[u8]) -> bool {
    text(bytes).is_some_and(fuzzing::challenge)
}

pub(super) fn link(bytes: &[u8]) -> bool {
    text(bytes).is_some_and(fuzzing::link)
}

pub(super) fn token(bytes: &[u8]) -> bool {
    fuzzing::token(bytes, LIMITS)
}

pub(super) fn referrers(bytes: &[u8]) -> bool {
    fuzzing::referrers(bytes, LIMITS)
}

/// Whatever it is, something is said of it.
pub(super) fn error_body(bytes: &[u8]) -> bool {
    is_harmless(&Escaped(&fuzzing::error_body(bytes)).to_string());
    true
}

pub(super) fn policy(bytes: &[u8]) -> bool {
    let Some(text) = text(bytes) else {
        return false;
    };
    match Policy::parse(text) {
        Ok(_) => true,
        Err(invalid) => {
            is_harmless(&invalid.to_string());
            false
        }
    }
}

/// The same bytes are read as a root, as a draft of one, and as one that was pinned.
pub(super) fn root(bytes: &[u8]) -> bool {
    let _ = Draft::read(bytes, LIMITS);
    let _ = countersign_trust_roots::Chain::pin(bytes, &Digest::sha256(bytes), LIMITS);
    match Contents::read(bytes, LIMITS) {
        Ok(contents) => {
            let _ = countersign_trust_roots::root::lints(&contents, None, contents.expires());
            true
        }
        Err(fault) => {
            is_harmless(&fault.to_string());
            false
        }
    }
}

pub(super) fn sigstore_root(bytes: &[u8]) -> bool {
    SigstoreRoot::read(bytes, LIMITS).is_ok()
}

pub(super) fn state(bytes: &[u8]) -> bool {
    let Ok(state) = State::parse(bytes) else {
        return false;
    };
    assert_eq!(State::parse(&state.to_json()).unwrap(), state);
    true
}

/// A folder whose list is this. Its only image is really there.
pub(super) fn layout(bytes: &[u8]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let blobs = folder.path().join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    for blob in super::seeds::manifests().iter().take(1) {
        std::fs::write(blobs.join(Digest::sha256(blob).hex()), blob).unwrap();
    }
    std::fs::write(folder.path().join("oci-layout"), super::seeds::LAYOUT).unwrap();
    std::fs::write(folder.path().join("index.json"), bytes).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let path = folder.path().to_str().unwrap().to_owned();
    runtime.block_on(async {
        let opened = Layout::open(&path, std::time::Duration::from_secs(9), Limits::TABLE).await;
        let Ok(layout) = opened else {
            return false;
        };
        let image = ImageRef::parse("registry.example/shop/api:1").unwrap();
        match countersign_common::Registry::resolve(&layout, &image).await {
            Ok(_) => true,
            Err(failure) => {
                is_harmless(&failure.to_string());
                false
            }
        }
    })
}
