//! What must hold for any evidence, not only for the cases that somebody thought of.

use std::{collections::BTreeSet, sync::LazyLock};

use bytes::Bytes;
use countersign_common::{Bundle, Descriptor, Limits, bundle::MEDIA_TYPE};
use countersign_verify::{Verdict, verdict::Authenticity};
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, RngSeed},
};
use serde_json::{Value, json};

use crate::{
    case::{Choice, RoleName},
    fixtures::outcome,
    signing::{Key, Sealed, Signing, pretty, twin},
    story::Story,
    world::Fault,
};

pub(crate) fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(2_026),
        ..ProptestConfig::default()
    }
}

/// What may lie beside an image. The first four count, if their key is trusted and they are what is demanded.
static KINDS: LazyLock<Vec<Signing>> = LazyLock::new(|| {
    let release = || Signing::by(Key::Release);
    vec![
        release(),
        Signing::by(Key::Review).annotated("env", "prod"),
        Signing {
            repository: None,
            ..Signing::by(Key::Stranger).annotated("env", "prod")
        },
        release()
            .annotated("dev.countersign.stand-in", "true")
            .annotated("env", "prod"),
        Signing {
            edit_signature: twin,
            ..release()
        },
        Signing {
            edit_signature: |signature| *signature.last_mut().unwrap() ^= 1,
            ..Signing::by(Key::Review)
        },
        Signing {
            hint: Some(Key::Review.public().hint()),
            ..release()
        },
        Signing {
            repository: Some("registry.example/other"),
            ..release()
        },
        Signing {
            predicate_type: "https://spdx.dev/Document",
            ..Signing::by(Key::Review)
        },
        Signing {
            edit_blob: |blob| blob.replace("dsse", "DSSE"),
            ..release()
        },
        Signing {
            edit_manifest: |manifest| {
                manifest["artifactType"] = "text/plain".into();
                manifest["layers"][0]["mediaType"] = "text/plain".into();
            },
            ..Signing::by(Key::Review)
        },
    ]
});

/// Sealed once: private keys are slow without optimisation.
static SEALED: LazyLock<Vec<Sealed>> = LazyLock::new(|| {
    let image = Story::new("", "").descriptor("image.manifest.json");
    KINDS.iter().map(|signing| signing.seal(&image)).collect()
});

/// Which lie there, which of them cannot be fetched, who is trusted, and what is demanded.
#[derive(Clone, Debug)]
struct Plan {
    artifacts: BTreeSet<usize>,
    unavailable: BTreeSet<usize>,
    trusted: BTreeSet<usize>,
    /// Those that may publish and not sign images.
    publishers: BTreeSet<usize>,
    threshold: usize,
    annotated: bool,
    unbound: bool,
    stand_in: bool,
}

const SIGNATURE: &str = "release-signature";
const KEYS: [Key; 3] = [Key::Release, Key::Review, Key::Stranger];

fn plans() -> impl Strategy<Value = Plan> {
    let some_of = |count: usize| proptest::collection::btree_set(0..count, 0..=count);
    (
        some_of(11),
        proptest::collection::btree_set(0..11_usize, 0..3),
        proptest::collection::btree_set(0..3_usize, 1..=3),
        proptest::collection::btree_set(0..3_usize, 0..=1),
        1..=3_usize,
        any::<[bool; 3]>(),
    )
        .prop_map(
            |(
                artifacts,
                unavailable,
                trusted,
                publishers,
                threshold,
                [annotated, unbound, stand_in],
            )| Plan {
                artifacts,
                unavailable,
                trusted,
                publishers,
                threshold,
                annotated,
                unbound,
                stand_in,
            },
        )
}

impl Plan {
    fn story(&self) -> Story {
        let mut story = Story::new("", "");
        story.case.trusted.clear();
        for key in &self.trusted {
            story = story.trusting(KEYS[*key]);
        }
        for key in &self.publishers {
            story = story.in_roles(KEYS[*key], &[RoleName::Publish]);
        }
        for kind in &self.artifacts {
            let Sealed { manifest, blob } = &SEALED[*kind];
            story.put(&format!("{kind}.manifest.json"), manifest.clone());
            story.put(&format!("{kind}.blob.json"), blob.clone());
        }
        for kind in self.unavailable.intersection(&self.artifacts) {
            let request = format!("manifest {kind}.manifest.json");
            story.case.faults.insert(request, Fault::Throttled);
        }
        story.with(|case| {
            case.demand.threshold = self.threshold.try_into().unwrap();
            case.demand.unbound = if self.unbound {
                Choice::Accepted
            } else {
                Choice::Refused
            };
            case.demand.stand_in = if self.stand_in {
                Choice::Accepted
            } else {
                Choice::Refused
            };
            if self.annotated {
                case.demand
                    .annotations
                    .insert("env".to_owned(), "prod".to_owned());
            }
        })
    }

    fn verify(&self) -> Verdict {
        self.story().verify()
    }

    fn is_verified(&self) -> bool {
        outcome(&self.verify()) == "verified"
    }

    /// What the plan means, told without any of the code that judges.
    fn expected(&self) -> &'static str {
        let counts = |kind: &usize| {
            let signs = |key| self.trusted.contains(&key) && !self.publishers.contains(&key);
            let trusts = |key: usize| signs(key).then_some(key);
            match kind {
                0 | 4 if !self.annotated => trusts(0),
                1 => trusts(1),
                2 if self.unbound => trusts(2),
                3 if self.stand_in => trusts(0),
                _ => None,
            }
        };
        let seen = self.artifacts.difference(&self.unavailable);
        let signers: BTreeSet<_> = seen.filter_map(counts).collect();
        if signers.len() >= self.threshold {
            "verified"
        } else if self.artifacts.is_disjoint(&self.unavailable) {
            "refused"
        } else {
            "undecided"
        }
    }

    /// Every plan that is stricter, or has less evidence, by one step.
    fn stricter(&self) -> Vec<Self> {
        let mut plans = Vec::new();
        for artifact in &self.artifacts {
            let mut plan = self.clone();
            plan.artifacts.remove(artifact);
            plans.push(plan);
            let mut plan = self.clone();
            plan.unavailable.insert(*artifact);
            plans.push(plan);
        }
        if self.trusted.len() > 1 {
            for key in &self.trusted {
                let mut plan = self.clone();
                plan.trusted.remove(key);
                plans.push(plan);
            }
        }
        for key in 0..KEYS.len() {
            let mut plan = self.clone();
            plan.publishers.insert(key);
            plans.push(plan);
        }
        plans.push(Self {
            threshold: self.threshold + 1,
            ..self.clone()
        });
        plans.push(Self {
            annotated: true,
            ..self.clone()
        });
        plans.push(Self {
            unbound: false,
            ..self.clone()
        });
        plans.push(Self {
            stand_in: false,
            ..self.clone()
        });
        plans
    }
}

proptest! {
    #![proptest_config(config(128))]

    #[test]
    fn the_outcome_is_what_the_evidence_means(plan in plans()) {
        let verdict = plan.verify();
        prop_assert_eq!(outcome(&verdict), plan.expected(), "{}", verdict);
        if let Authenticity::Signed { signatures, .. } = verdict.authenticity() {
            let keys: BTreeSet<_> = signatures.iter().map(|signature| &signature.key_id).collect();
            prop_assert_eq!(keys.len(), signatures.len());
        }
    }

    #[test]
    fn the_order_of_a_list_changes_nothing(plan in plans(), seed: u64) {
        let story = plan.story();
        let image = story.digest("image.manifest.json");
        let mut listed: Vec<Descriptor> =
            plan.artifacts.iter().map(|kind| story.descriptor(&format!("{kind}.manifest.json"))).collect();
        listed.sort_by_key(|descriptor| descriptor.digest.hex().bytes().fold(seed, |sum, byte| {
            sum.rotate_left(7) ^ u64::from(byte)
        }));
        let mut world = story.world();
        world.listed.insert(image, listed);
        prop_assert_eq!(story.verify_in(&world), story.verify());
    }
}

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn nothing_that_is_stricter_makes_it_verified(plan in plans()) {
        if !plan.is_verified() {
            for stricter in plan.stricter() {
                prop_assert!(!stricter.is_verified(), "{:?}", stricter);
            }
        }
    }
}

/// Evidence with one bundle changed, and everything that names it told so: only what is signed protects it.
pub(crate) fn with_bundle(story: &Story, name: &str, blob: Bytes) -> Story {
    let mut story = story.clone();
    let file = format!("{name}.manifest.json");
    let mut manifest: Value = serde_json::from_slice(&story.files[&file]).unwrap();
    manifest["layers"][0] = json!(Descriptor::of(MEDIA_TYPE, &blob));
    story.put(&file, pretty(&manifest));
    story.put(&format!("{name}.blob.json"), blob);
    story
}

fn signed() -> &'static Story {
    static STORY: LazyLock<Story> =
        LazyLock::new(|| Story::new("", "").signed(&Signing::by(Key::Release)));
    &STORY
}

proptest! {
    #![proptest_config(config(512))]

    /// Hints and unknown members may change; what was signed, its type and its signature may not.
    #[test]
    fn a_bundle_with_a_flipped_bit_is_refused_unless_it_says_the_same(flip: prop::sample::Index) {
        let story = signed();
        let good = &story.files["release-signature.blob.json"];
        let bit = flip.index(good.len() * 8);
        let mut blob = good.to_vec();
        blob[bit / 8] ^= 1 << (bit % 8);
        let altered = with_bundle(story, SIGNATURE, blob.clone().into());
        if outcome(&altered.verify()) == "verified" {
            let [before, after] = [good.as_ref(), &blob].map(|bytes| Bundle::parse(bytes, &Limits::TABLE).unwrap());
            prop_assert_eq!(before.payload(), after.payload());
            prop_assert_eq!(before.payload_type(), after.payload_type());
            prop_assert_eq!(before.signature(), after.signature());
        }
    }

    #[test]
    fn a_payload_or_signature_with_a_flipped_bit_is_refused(flip: prop::sample::Index, of_payload: bool) {
        use base64::{Engine, prelude::BASE64_STANDARD};
        let story = signed();
        let mut bundle: Value = serde_json::from_slice(&story.files["release-signature.blob.json"]).unwrap();
        let part = if of_payload { "/dsseEnvelope/payload" } else { "/dsseEnvelope/signatures/0/sig" };
        let text = bundle.pointer_mut(part).unwrap();
        let mut bytes = BASE64_STANDARD.decode(text.as_str().unwrap()).unwrap();
        let bit = flip.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        *text = BASE64_STANDARD.encode(bytes).into();
        let verdict = with_bundle(story, SIGNATURE, pretty(&bundle).into()).verify();
        prop_assert_eq!(outcome(&verdict), "refused");
    }

    #[test]
    fn any_bytes_as_a_bundle_are_answered(bytes: Vec<u8>) {
        let verdict = with_bundle(signed(), SIGNATURE, bytes.into()).verify();
        prop_assert_eq!(outcome(&verdict), "refused");
    }

    #[test]
    fn any_bytes_as_a_configuration_are_answered(bytes: Vec<u8>, asked: bool) {
        let mut story = Story::new("", "");
        let mut manifest: Value = serde_json::from_slice(&story.files["image.manifest.json"]).unwrap();
        manifest["config"] = json!(Descriptor::of("application/vnd.oci.image.config.v1+json", &bytes));
        story.put("image.manifest.json", pretty(&manifest));
        story.put("image-config.blob.json", bytes);
        let story = story.with(|case| case.demand.platform = asked.then(|| "linux/amd64".to_owned()));
        prop_assert_eq!(outcome(&story.verify()), "refused");
    }
}

#[test]
fn every_cut_of_a_bundle_is_refused() {
    let story = signed();
    let good = &story.files["release-signature.blob.json"];
    assert_eq!(
        outcome(&with_bundle(story, SIGNATURE, good.clone()).verify()),
        "verified"
    );
    for length in 0..good.len() - 2 {
        let verdict = with_bundle(story, SIGNATURE, good.slice(..length)).verify();
        assert_eq!(outcome(&verdict), "refused", "{length}");
    }
}
