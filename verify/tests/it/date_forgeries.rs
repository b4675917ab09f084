//! Evidence of a date that somebody has tampered with, or put junk beside.

use std::sync::LazyLock;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use countersign_common::dsse::{IN_TOTO_PAYLOAD_TYPE, pre_authentication_encoding};
use countersign_stand_in::tsa::Defect;
use countersign_trust_roots::time::Interval;
use countersign_verify::Verdict;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    case::{CaseDocument, DemandedLevel},
    date_crowds::{assert_outcome, honest},
    fixtures::{decisive_codes, outcome},
    properties::{config, with_bundle},
    signing::{Key, Sealed, Signing, pretty},
    stamping::{AFTER, BEFORE, Over, Stamping, Tsa},
    story::Story,
};

const PUBLICATION: &str = "release-publication";

/// A publication stamped by one authority, that is believed.
fn verified() -> &'static Story {
    static STORY: LazyLock<Story> = LazyLock::new(|| {
        Story::new("", "")
            .timed_by(Tsa::One)
            .signed(&Signing::publication(Key::Release))
            .with(|case| case.demand.level = Some(DemandedLevel::Dated))
    });
    &STORY
}

/// The same, refused by one second or by one authority.
fn refused() -> &'static [Story] {
    static STORIES: LazyLock<Vec<Story>> = LazyLock::new(|| {
        let with = |edit: fn(&mut CaseDocument)| verified().clone().with(edit);
        vec![
            with(|case| case.demand.dates.max_age = Some(3_600)),
            with(|case| case.demand.dates.min_age = Some(3_598)),
            with(|case| case.max_interval_seconds = Some(3)),
            with(|case| "2026-11-24T08:54:58Z".clone_into(&mut case.now)),
            with(|case| case.time_authorities[0].compromised = true),
            with(|case| case.time_authorities[0].end = Some(BEFORE.to_owned())),
            with(|case| case.time_authorities.clear()).timed_by(Tsa::Two),
        ]
    });
    &STORIES
}

/// A bundle taken apart.
struct Parts {
    bundle: Value,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl Parts {
    fn of(story: &Story) -> Self {
        let bundle: Value =
            serde_json::from_slice(&story.files[&format!("{PUBLICATION}.blob.json")]).unwrap();
        let decoded = |part: &str| {
            let text = bundle.pointer(part).unwrap().as_str().unwrap();
            BASE64_STANDARD.decode(text).unwrap()
        };
        Self {
            payload: decoded("/dsseEnvelope/payload"),
            signature: decoded("/dsseEnvelope/signatures/0/sig"),
            bundle,
        }
    }

    fn stamps(&self) -> Vec<Vec<u8>> {
        let stamps = &self.bundle["verificationMaterial"]["timestampVerificationData"];
        let stamps = stamps["rfc3161Timestamps"].as_array().unwrap();
        let text = |stamp: &Value| stamp["signedTimestamp"].as_str().unwrap().to_owned();
        stamps
            .iter()
            .map(|stamp| BASE64_STANDARD.decode(text(stamp)).unwrap())
            .collect()
    }

    fn after(&self, stamping: &Stamping) -> Vec<u8> {
        stamping.after(&self.payload, &self.signature)
    }

    fn stamped(mut self, stamps: &[Vec<u8>]) -> Self {
        let stamp = |der: &Vec<u8>| json!({"signedTimestamp": BASE64_STANDARD.encode(der)});
        let stamps: Vec<_> = stamps.iter().map(stamp).collect();
        self.bundle["verificationMaterial"]["timestampVerificationData"] =
            json!({"rfc3161Timestamps": stamps});
        self
    }

    /// With another stamp inside, signed again: by a publisher who lies. Its stamps are those of the new signature.
    fn resigned(mut self, edit: impl FnOnce(&mut Vec<u8>), after: &[Stamping]) -> Self {
        let mut statement: Value = serde_json::from_slice(&self.payload).unwrap();
        let inside = &mut statement["predicate"]["beforeStamp"]["rfc3161"][0];
        let mut der = BASE64_STANDARD.decode(inside.as_str().unwrap()).unwrap();
        edit(&mut der);
        *inside = BASE64_STANDARD.encode(der).into();
        self.payload = statement.to_string().into_bytes();
        self.signature = Key::Release.sign(&pre_authentication_encoding(
            IN_TOTO_PAYLOAD_TYPE,
            &self.payload,
        ));
        let envelope = &mut self.bundle["dsseEnvelope"];
        envelope["payload"] = BASE64_STANDARD.encode(&self.payload).into();
        envelope["signatures"][0]["sig"] = BASE64_STANDARD.encode(&self.signature).into();
        let after: Vec<_> = after.iter().map(|stamping| self.after(stamping)).collect();
        self.stamped(&after)
    }

    fn beside(&self, story: &Story) -> Story {
        with_bundle(story, PUBLICATION, pretty(&self.bundle).into())
    }
}

fn flip(bytes: &mut [u8], flip: prop::sample::Index) {
    let bit = flip.index(bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
}

fn interval(verdict: &Verdict) -> Option<Interval> {
    verdict
        .freshness()
        .published()
        .map(|published| published.interval)
}

/// The date stays where it is or is not proven any more, and what was refused stays refused.
fn moves_nothing(edited: impl Fn(&Story) -> Story) -> Result<(), TestCaseError> {
    static WHOLE: LazyLock<Option<Interval>> = LazyLock::new(|| interval(&verified().verify()));
    let verdict = edited(verified()).verify();
    if outcome(&verdict) == "verified" {
        prop_assert_eq!(interval(&verdict), *WHOLE);
    } else {
        prop_assert_eq!(interval(&verdict), None);
    }
    for story in refused() {
        prop_assert_eq!(
            outcome(&edited(story).verify()),
            "refused",
            "{:?}",
            story.case
        );
    }
    Ok(())
}

#[test]
fn what_is_flipped_is_verified_or_refused_before() {
    assert_eq!(outcome(&verified().verify()), "verified");
    for story in refused() {
        assert_eq!(outcome(&story.verify()), "refused", "{:?}", story.case);
    }
    let again = Parts::of(verified()).resigned(|_| (), &[Tsa::One.at(AFTER)]);
    let verdict = again.beside(verified()).verify();
    assert_eq!(interval(&verdict), interval(&verified().verify()));
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn a_flipped_bit_of_a_publication_moves_no_date(index: prop::sample::Index) {
        moves_nothing(|story| {
            let mut blob = story.files[&format!("{PUBLICATION}.blob.json")].to_vec();
            flip(&mut blob, index);
            with_bundle(story, PUBLICATION, blob.into())
        })?;
    }

    #[test]
    fn a_flipped_bit_of_a_stamp_of_the_signature_moves_no_date(index: prop::sample::Index) {
        let parts = Parts::of(verified());
        let mut stamps = parts.stamps();
        flip(&mut stamps[0], index);
        let parts = parts.stamped(&stamps);
        moves_nothing(|story| parts.beside(story))?;
    }

    /// Even by whoever has the key.
    #[test]
    fn a_flipped_bit_of_a_stamp_inside_moves_no_date(index: prop::sample::Index) {
        let parts = Parts::of(verified()).resigned(|der| flip(der, index), &[Tsa::One.at(AFTER)]);
        moves_nothing(|story| parts.beside(story))?;
    }

    /// A second witness keeps a date that may become wider, never narrower.
    #[test]
    fn a_flipped_bit_beside_a_second_witness_only_widens(index: prop::sample::Index) {
        let signing = Signing::publication(Key::Release).stamped(
            [Tsa::One.at("2026-11-24T09:00:00Z"), Tsa::Two.at("2026-11-24T09:00:02Z")],
            [Tsa::One.at("2026-11-24T09:00:10Z"), Tsa::Two.at("2026-11-24T09:00:05Z")],
        );
        let story = Story::new("", "").timed_by(Tsa::One).timed_by(Tsa::Two).signed(&signing);
        let whole = interval(&story.verify()).unwrap();
        let parts = Parts::of(&story);
        let mut stamps = parts.stamps();
        flip(&mut stamps[1], index);
        let flipped = interval(&parts.stamped(&stamps).beside(&story).verify()).unwrap();
        prop_assert_eq!(flipped.not_before(), whole.not_before());
        prop_assert!(flipped.not_after() >= whole.not_after());
    }
}

/// Stamps that anybody may put beside a signature: of other things, by others, broken, or later.
fn junk_stamps() -> impl Strategy<Value = Vec<(Junk, prop::sample::Index)>> {
    let one = || Tsa::One.at("2026-11-24T08:59:00Z");
    let stampings = vec![
        one().over(Over::Other(b"another signature")),
        one().over(Over::Payload),
        one().with(Defect::SignatureFlipped),
        one().with(Defect::OtherRoot),
        one().with(Defect::Rejected),
        Tsa::Three.at("2026-11-24T08:59:00Z"),
        Tsa::One.at("2026-11-24T09:07:00Z"),
        Tsa::One.at("2030-11-24T09:00:00Z"),
    ];
    let junk = prop_oneof![
        prop::sample::select(stampings).prop_map(Junk::Stamp),
        prop::collection::vec(any::<u8>(), 0..64).prop_map(Junk::Bytes),
    ];
    prop::collection::vec((junk, any::<prop::sample::Index>()), 0..=7)
}

#[derive(Clone, Debug)]
enum Junk {
    Bytes(Vec<u8>),
    Stamp(Stamping),
}

proptest! {
    #![proptest_config(config(32))]

    #[test]
    fn stamps_that_anybody_adds_change_no_date(junk in junk_stamps()) {
        let parts = Parts::of(verified());
        let mut stamps = parts.stamps();
        for (junk, position) in junk {
            let stamp = match junk {
                Junk::Bytes(bytes) => bytes,
                Junk::Stamp(stamping) => parts.after(&stamping),
            };
            stamps.insert(position.index(stamps.len() + 1), stamp);
        }
        let parts = parts.stamped(&stamps);
        let verdict = parts.beside(verified()).verify();
        prop_assert_eq!(outcome(&verdict), "verified", "{}", verdict);
        moves_nothing(|story| parts.beside(story))?;
    }

    /// Strangers' publications, and copies of the good one with other stamps of its signature.
    #[test]
    fn publications_that_anybody_adds_change_no_date(
        strangers in 0..3_usize,
        copies in prop::collection::vec(junk_stamps(), 0..3),
    ) {
        static STRANGER: LazyLock<Sealed> = LazyLock::new(|| {
            let image = verified().descriptor("image.manifest.json");
            let (before, after) = (Tsa::One.at("2026-11-24T08:00:00Z"), Tsa::One.at("2026-11-24T08:00:01Z"));
            Signing::publication(Key::Stranger).stamped([before], [after]).seal(&image)
        });
        let added = |story: &Story| {
            let mut story = story.clone();
            for number in 0..strangers {
                let name = format!("stranger-{number}");
                put(&mut story, &name, &STRANGER.manifest, STRANGER.blob.clone());
            }
            for (number, junk) in copies.iter().enumerate() {
                let parts = Parts::of(verified());
                let stamps: Vec<_> = junk
                    .iter()
                    .map(|(junk, _)| match junk {
                        Junk::Bytes(bytes) => bytes.clone(),
                        Junk::Stamp(stamping) => parts.after(stamping),
                    })
                    .collect();
                let blob = pretty(&parts.stamped(&stamps).bundle);
                let manifest = story.files[&format!("{PUBLICATION}.manifest.json")].clone();
                put(&mut story, &format!("copy-{number}"), &manifest, blob.into());
            }
            story
        };
        let (alone, crowded) = (verified().verify(), added(verified()).verify());
        prop_assert_eq!(outcome(&crowded), "verified", "{}", crowded);
        // Which of the copies is named is nobody's business.
        let shown = |verdict: &Verdict| {
            let published = verdict.freshness().published()?.clone();
            Some((published.interval, published.before, published.after, published.payload))
        };
        prop_assert_eq!(shown(&crowded), shown(&alone), "{}", crowded);
        moves_nothing(added)?;
    }
}

/// Puts one more artifact beside the image.
fn put(story: &mut Story, name: &str, manifest: &[u8], blob: Bytes) {
    let mut manifest: Value = serde_json::from_slice(manifest).unwrap();
    manifest["annotations"]["org.opencontainers.image.title"] = name.into();
    story.put(&format!("{name}.manifest.json"), pretty(&manifest));
    *story = with_bundle(story, name, blob);
}

/// Where nobody is believed, that is what is said; the publication itself is there.
#[test]
fn no_date_is_proven_where_nobody_is_believed() {
    for (signing, code) in [
        (honest(), "tsa-untrusted"),
        (
            Signing::claiming(Key::Release, "2026-11-24T09:00:00Z"),
            "date-unproven",
        ),
    ] {
        let story = Story::new("", "")
            .signed(&signing)
            .with(|case| case.demand.level = Some(DemandedLevel::Dated));
        let verdict = assert_outcome(&story, "refused");
        assert_eq!(decisive_codes(&verdict), [code], "{verdict}");
    }
}

/// What was left out may be what is missing, and is said in its place.
#[test]
fn a_publication_that_is_too_much_is_not_said_to_be_missing() {
    let story = verified();
    let size = |part: &str| story.files[&format!("{PUBLICATION}.{part}.json")].len();
    for (less, expected) in [(0, "verified"), (1, "refused")] {
        let limited = story.clone().with(|case| {
            let limit = size("manifest") + size("blob") - less;
            case.limits.insert("imageBytes".to_owned(), limit);
        });
        let verdict = assert_outcome(&limited, expected);
        let codes: &[&str] = if less == 0 { &[] } else { &["too-large"] };
        assert_eq!(decisive_codes(&verdict), codes, "{verdict}");
    }
}
