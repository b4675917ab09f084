//! How many requests `verify` waits for one after another, and how many it sends: counted by the registry, whose answers
//! take long enough that what can be asked at once has to be asked at once.

use std::time::Duration;

use countersign_stand_in::{Call, Login, Options, RegistryMode, Service};
use serde_json::json;

use crate::{
    legacy::{FLAG, Older},
    world::{Image, OCI_INDEX, OCI_MANIFEST, World},
};

/// Much longer than this machine takes for anything in between.
const DELAY: Duration = Duration::from_millis(300);

/// A registry that is far away, a key in files, and an image.
struct Far {
    world: World,
    key: String,
    public: String,
    image: Image,
}

impl Far {
    fn with(registry: RegistryMode) -> Self {
        let world = World::with(Options {
            registry,
            delay: DELAY,
            ..Options::default()
        });
        let (key, public) = world.key_files("key", "p256");
        let image = world.image("shop/api", "1", "a");
        Self {
            world,
            key,
            public,
            image,
        }
    }

    fn oci() -> Self {
        Self::with(RegistryMode::PlainOci(Login::Anonymous))
    }

    fn sign(&self, more: &[&str]) {
        let sign = ["sign", "--plain-http", "--key", &self.key];
        self.world.countersign(&[&sign, more].concat()).ends(0);
    }

    /// How many requests follow one another, and all of them.
    fn verify(&self, more: &[&str]) -> (usize, Vec<String>) {
        self.world.stand_in.forget_calls();
        let verify = ["verify", "--plain-http", "--key", &self.public];
        self.world.countersign(&[&verify, more].concat()).ends(0);
        let calls = self.world.calls(|call| call.service != Service::Aws);
        let depth = depth(&calls);
        let mut lines: Vec<_> = calls.into_iter().map(|call| call.line).collect();
        lines.sort();
        (depth, lines)
    }
}

/// The longest chain of calls that each began after the one before was answered.
fn depth(calls: &[Call]) -> usize {
    let mut spans: Vec<_> = calls.iter().map(|call| call.span.clone()).collect();
    spans.sort_by_key(|span| span.end);
    let mut last = None;
    spans
        .into_iter()
        .filter(|span| {
            let follows = last.is_none_or(|end| span.start >= end);
            if follows {
                last = Some(span.end);
            }
            follows
        })
        .count()
}

#[test]
fn by_digest_what_we_signed_takes_two_round_trips_and_by_tag_three() {
    let far = Far::oci();
    far.sign(&[&far.image.pinned()]);
    let (depth, lines) = far.verify(&[&far.image.pinned()]);
    // Its manifest and its referrers; then its configuration, signature and publication, which carry their bundles.
    assert_eq!((depth, lines.len()), (2, 5), "{lines:#?}");
    let (depth, lines) = far.verify(&[&far.image.tagged()]);
    assert_eq!((depth, lines.len()), (3, 5), "{lines:#?}");
}

#[test]
fn a_bundle_that_is_not_carried_takes_one_round_trip_more() {
    let far = Far::oci();
    far.sign(&[&far.image.pinned()]);
    far.world.stand_in.drop_copies("shop/api");
    let (depth, lines) = far.verify(&[&far.image.pinned()]);
    assert_eq!((depth, lines.len()), (3, 7), "{lines:#?}");
    let (depth, lines) = far.verify(&[&far.image.tagged()]);
    assert_eq!((depth, lines.len()), (4, 7), "{lines:#?}");
}

#[test]
fn what_cosign_left_at_a_tag_takes_two_round_trips_where_it_counts_and_nothing_elsewhere() {
    let mut far = Far::oci();
    let older = Older::numbered(11);
    far.public = older.public(&far.world);
    older.sign(&far.world, &far.image);
    let (depth, lines) = far.verify(&[FLAG, &far.image.pinned()]);
    // Its manifest, its referrers and the tag; then its configuration and what was signed.
    assert_eq!((depth, lines.len()), (2, 5), "{lines:#?}");
    let (depth, lines) = far.verify(&[FLAG, &far.image.tagged()]);
    assert_eq!((depth, lines.len()), (3, 5), "{lines:#?}");
    // Beside what we sign it costs two requests and no round trip.
    far.sign(&[&far.image.pinned()]);
    let both = [
        "--key",
        &format!("{}.pub", far.world.path("key").display()),
        "--threshold",
        "2",
    ];
    let (depth, lines) = far.verify(&[&both[..], &[FLAG, &far.image.pinned()]].concat());
    assert_eq!((depth, lines.len()), (2, 7), "{lines:#?}");
    far.public = format!("{}.pub", far.world.path("key").display());
    let (depth, lines) = far.verify(&[&far.image.pinned()]);
    assert_eq!((depth, lines.len()), (2, 5), "{lines:#?}");
}

#[test]
fn other_signatures_cost_requests_and_no_round_trip() {
    let far = Far::oci();
    far.sign(&[&far.image.pinned()]);
    let (other, public) = far.world.key_files("other", "p384");
    let sign = ["sign", "--plain-http", "--key", &other, &far.image.pinned()];
    far.world.countersign(&sign).ends(0);
    let both = ["--key", &public, "--threshold", "2", &far.image.pinned()];
    let (depth, lines) = far.verify(&both);
    assert_eq!((depth, lines.len()), (2, 7), "{lines:#?}");
}

#[test]
fn an_index_and_its_children_take_no_longer_than_one_child_more() {
    let far = Far::oci();
    let children: Vec<_> = ["amd64", "arm64", "riscv64"]
        .map(|name| far.world.image("shop/api", name, name))
        .to_vec();
    let listed: Vec<_> = children
        .iter()
        .map(|child| {
            json!({
                "mediaType": OCI_MANIFEST, "digest": child.digest, "size": child.manifest.len(),
                "platform": { "os": "linux", "architecture": child.tag },
            })
        })
        .collect();
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed });
    let index = serde_json::to_vec(&index).unwrap();
    let index = far.world.place("shop/api", "all", OCI_INDEX, index);
    far.sign(&["--recursive", &index.tagged()]);
    let (depth, lines) = far.verify(&["--recursive", &index.pinned()]);
    // Of the index a manifest, a listing, a signature and a publication; of each child its configuration besides.
    assert_eq!((depth, lines.len()), (3, 4 + 3 * 5), "{lines:#?}");
    let (depth, _) = far.verify(&["--recursive", &index.tagged()]);
    assert_eq!(depth, 3);
}

#[test]
fn signing_by_digest_asks_for_the_listing_beside_the_image() {
    let far = Far::oci();
    let sign = |image: &str| {
        far.world.stand_in.forget_calls();
        far.sign(&["--no-tsa", image]);
        let calls = far.world.calls(|call| call.service != Service::Aws);
        (depth(&calls), calls.len())
    };
    let other = far.world.image("shop/api", "2", "b");
    // Its manifest and its listing; then it is signed, written and listed. The empty configuration is there the second time.
    assert_eq!(sign(&far.image.pinned()), (6, 14));
    assert_eq!(sign(&other.tagged()), (7, 12));
    // What is signed already costs no more than finding it.
    assert_eq!(sign(&far.image.pinned()), (3, 6));
    assert_eq!(sign(&other.tagged()), (4, 6));
}

#[test]
fn a_registry_without_a_referrers_api_costs_one_round_trip() {
    let far = Far::with(RegistryMode::NoReferrersApi(Login::Anonymous));
    far.sign(&[&far.image.pinned()]);
    let (depth, lines) = far.verify(&[&far.image.pinned()]);
    assert_eq!((depth, lines.len()), (3, 6), "{lines:#?}");
}
