//! Images that are looked at down to their layers: what is asked of a registry, and what is made of the answers.

use countersign_common::{Digest, digest::HashAlgorithm, manifest::DOCKER_MANIFEST};
use countersign_verify::{Depth, Hashed, Verdict, verdict::Integrity};
use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::{Value, json};

use crate::{
    case::DepthName,
    fixtures::{all, decisive_codes, document, outcome},
    layering::{
        CONTENT, Layer, TAR, TAR_GZIP, TAR_ZSTD, ZSTD, ZSTD_LONG, ZSTD_STREAMED, bytes, gzip,
    },
    signing::{Key, Signing},
    story::Story,
    world::{Fault, Request, World},
};

const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";

pub(crate) fn to(depth: DepthName, story: Story) -> Story {
    story
        .with(|case| case.demand.depth = Some(depth))
        .signed(&Signing::by(Key::Release))
}

/// Of an image of one layer, looked at to the ground.
pub(crate) fn unpacked(media_type: &str, packed: Vec<u8>) -> Verdict {
    let layer = Layer::new("one", media_type, CONTENT, packed);
    to(DepthName::Unpacked, Story::new("", "").layered(&[layer])).verify()
}

#[track_caller]
pub(crate) fn assert_refused(verdict: &Verdict, code: &str) {
    assert_eq!(decisive_codes(verdict), [code], "{verdict}");
    assert_eq!(outcome(verdict), "refused");
}

pub(crate) fn integrity(verdict: &Verdict) -> Value {
    let document: Value = serde_json::from_str(&document(verdict)).unwrap();
    document["integrity"].clone()
}

pub(crate) fn layers_asked(world: &World) -> Vec<Digest> {
    let requests = world.requests().into_iter();
    requests
        .filter_map(|request| match request {
            Request::Layer(digest) => Some(digest),
            _ => None,
        })
        .collect()
}

#[test]
fn each_layer_is_asked_for_once_and_last() {
    let (one, other) = (Layer::plain("one", b"1"), Layer::plain("other", b"2"));
    let layers = [one.clone(), other, one];
    for depth in [DepthName::Layers, DepthName::Unpacked] {
        let story = to(depth, Story::new("", "").layered(&layers));
        let world = story.world();
        let verdict = story.verify_in(&world);
        assert_eq!(outcome(&verdict), "verified", "{verdict}");
        assert_eq!(layers_asked(&world).len(), 2);
        let integrity = integrity(&verdict);
        assert_eq!(integrity["layers"]["count"], 2);
        assert_eq!(integrity["layers"]["bytes"], 2);
    }
    let shallow = Story::new("", "")
        .layered(&layers)
        .signed(&Signing::by(Key::Release));
    let world = shallow.world();
    let verdict = shallow.verify_in(&world);
    assert_eq!(outcome(&verdict), "verified");
    assert_eq!(layers_asked(&world), []);
    assert_eq!(integrity(&verdict)["depth"], Value::Null);
}

#[test]
fn layers_of_what_is_not_verified_are_not_asked_for() {
    let layers = [Layer::plain("one", b"1")];
    let story = |story: Story| story.layered(&layers);
    let demanding = |story: Story| story.with(|case| case.demand.depth = Some(DepthName::Layers));
    let unsigned = demanding(story(Story::new("", "")));
    let stranger = unsigned.clone().signed(&Signing::by(Key::Stranger));
    let other_platform = to(DepthName::Layers, story(Story::new("", "")))
        .with(|case| case.demand.platform = Some("linux/arm64".to_owned()));
    let unattested = to(DepthName::Layers, story(Story::new("", "")))
        .with(|case| case.demand.attestations = vec!["spdx".to_owned()]);
    let throttled = to(DepthName::Layers, story(Story::new("", ""))).with(|case| {
        let request = "referrers image.manifest.json".to_owned();
        case.faults.insert(request, Fault::Throttled);
    });
    for (story, expected) in [
        (unsigned, "refused"),
        (stranger, "refused"),
        (other_platform, "refused"),
        (unattested, "refused"),
        (throttled, "undecided"),
    ] {
        let world = story.world();
        let verdict = story.verify_in(&world);
        assert_eq!(outcome(&verdict), expected, "{verdict}");
        assert_eq!(layers_asked(&world), []);
        // Nothing is said of what nobody looked at, but that.
        assert!(!verdict.to_string().contains("layers-unchecked"));
        let said = verdict
            .to_string()
            .contains("its layers were not looked at");
        assert_eq!(said, matches!(verdict.integrity(), Integrity::Whole { .. }));
    }
}

#[test]
fn no_failure_of_a_layer_is_an_answer() {
    let layers = [Layer::plain("one", b"1"), Layer::gzip("other", b"2")];
    let story = to(DepthName::Unpacked, Story::new("", "").layered(&layers));
    for fault in Fault::ERRORS.into_iter().chain([Fault::Absent]) {
        for request in ["layer one.layer", "layer other.layer"] {
            let mut world = story.world();
            world.fail(story.request(request), fault);
            let verdict = story.verify_in(&world);
            assert_eq!(outcome(&verdict), "undecided", "{fault:?}: {verdict}");
            assert_eq!(verdict.pinned(), None);
        }
    }
}

#[test]
fn every_packing_of_a_runtime_is_unpacked() {
    let members = [gzip(&CONTENT[..20]), gzip(&[]), gzip(&CONTENT[20..])].concat();
    let skipped = [&[0x5f, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    let frames = [skipped.clone(), bytes(ZSTD), skipped].concat();
    for (media_type, packed) in [
        (TAR, CONTENT.to_vec()),
        (TAR_GZIP, gzip(CONTENT)),
        (TAR_GZIP, members.clone()),
        // Runtimes go by the bytes, and so do those who packed it so.
        (TAR_GZIP, CONTENT.to_vec()),
        (TAR_GZIP, bytes(ZSTD)),
        (TAR_ZSTD, bytes(ZSTD)),
        (TAR_ZSTD, bytes(ZSTD_STREAMED)),
        (TAR_ZSTD, bytes(ZSTD_LONG)),
        (TAR_ZSTD, frames),
        (DOCKER_LAYER, CONTENT.to_vec()),
        (DOCKER_LAYER, gzip(CONTENT)),
        (&format!("{DOCKER_LAYER}.gzip"), members),
        (&format!("{DOCKER_LAYER}.zstd"), bytes(ZSTD)),
        (
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            gzip(CONTENT),
        ),
        (
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            gzip(CONTENT),
        ),
    ] {
        let verdict = unpacked(media_type, packed);
        assert_eq!(outcome(&verdict), "verified", "{media_type}: {verdict}");
        let integrity = integrity(&verdict);
        assert_eq!(integrity["depth"], "unpacked");
        assert_eq!(integrity["layers"]["unpacked"], 1);
    }
}

#[test]
fn several_frames_and_long_ones_are_unpacked() {
    let line = |number: usize| format!("line {} of {}\n", number, number % 17);
    let content: String = (0..60_000).map(line).collect();
    let pack = |content: &[u8]| {
        ruzstd::encoding::compress_to_vec(content, ruzstd::encoding::CompressionLevel::Fastest)
    };
    let half = content.len() / 2;
    let (first, second) = content.as_bytes().split_at(half);
    for packed in [
        pack(content.as_bytes()),
        [pack(first), pack(second)].concat(),
        [gzip(first), gzip(second)].concat(),
        gzip(content.as_bytes()),
    ] {
        let layer = Layer::new("one", TAR_ZSTD, content.as_bytes(), packed);
        let story = to(DepthName::Unpacked, Story::new("", "").layered(&[layer]));
        assert_eq!(outcome(&story.verify()), "verified");
    }
}

#[test]
fn what_is_empty_or_shorter_than_any_sign_of_its_packing_is_as_it_is() {
    for content in [&b""[..], b"\x1f", b"\x28\xb5\x2f", b"\x1f\x8b\x08"] {
        let layer = Layer::new("one", TAR_GZIP, content, content.to_vec());
        let story = to(DepthName::Unpacked, Story::new("", "").layered(&[layer]));
        assert_eq!(outcome(&story.verify()), "verified", "{content:?}");
    }
}

#[test]
fn what_is_cut_off_or_goes_on_is_refused() {
    for packed in [
        gzip(CONTENT),
        [gzip(CONTENT), gzip(b"")].concat(),
        bytes(ZSTD),
        bytes(ZSTD_STREAMED),
    ] {
        for length in 4..packed.len() {
            let cut = packed[..length].to_vec();
            // Cut where a member or a frame ends it is whole.
            if cut != gzip(CONTENT) {
                assert_refused(&unpacked(TAR_GZIP, cut), "malformed");
            }
        }
        for garbage in [&b"\0"[..], b"garbage", &[0; 1_000]] {
            let longer = [&packed, garbage].concat();
            assert_refused(&unpacked(TAR_GZIP, longer), "malformed");
        }
    }
}

/// Most changes are noticed by an unpacker, and all that change what is unpacked by its digest.
#[test]
fn a_changed_bit_of_a_packed_layer_is_refused_or_changes_nothing() {
    for packed in [gzip(CONTENT), bytes(ZSTD), bytes(ZSTD_STREAMED)] {
        let mut refused = 0;
        for bit in 0..packed.len() * 8 {
            let mut changed = packed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let verdict = unpacked(TAR_GZIP, changed);
            if outcome(&verdict) == "verified" {
                continue;
            }
            refused += 1;
            assert_refused_or_whole(&verdict);
        }
        assert!(refused > packed.len() * 4, "{refused}");
    }
}

/// Some text, packed by each unpacker's counterpart.
fn texts() -> Vec<Vec<u8>> {
    let line = |number: usize| format!("line {} of {}\n", number * 7_919, number % 17);
    let text: String = (0..2_000).map(line).collect();
    let fastest = ruzstd::encoding::CompressionLevel::Fastest;
    vec![
        gzip(text.as_bytes()),
        ruzstd::encoding::compress_to_vec(text.as_bytes(), fastest),
        bytes(ZSTD),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_bytes_make_an_unpacker_panic(
        which in 0..3_usize,
        edits in vec((any::<Index>(), any::<u8>()), 0..8),
        tail in vec(any::<u8>(), 0..64),
        cut in any::<Index>(),
    ) {
        let mut packed = texts().swap_remove(which);
        for (position, byte) in edits {
            let position = position.index(packed.len());
            // What it is packed with stays as it is.
            if position >= 4 {
                packed[position] = byte;
            }
        }
        packed.truncate(4 + cut.index(packed.len() - 3));
        packed.extend(tail);
        assert_refused_or_whole(&unpacked(TAR_GZIP, packed));
    }
}

#[track_caller]
fn assert_refused_or_whole(verdict: &Verdict) {
    let codes = ["malformed", "diff-id-mismatch", "too-large", "layer-ratio"];
    let found = decisive_codes(verdict);
    assert!(found.iter().all(|code| codes.contains(code)), "{verdict}");
    assert_ne!(outcome(verdict), "undecided");
}

#[test]
fn an_archive_that_calls_itself_unpacked_is_taken_at_its_word() {
    assert_refused(&unpacked(TAR, gzip(CONTENT)), "diff-id-mismatch");
}

#[test]
fn what_nobody_can_unpack_is_refused_and_can_be_hashed() {
    for media_type in [
        "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
        "application/vnd.oci.image.layer.v1.tar+lz4",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+lz4",
        "application/vnd.docker.image.rootfs.diff.tar.xz",
    ] {
        assert_refused(
            &unpacked(media_type, CONTENT.to_vec()),
            "format-not-allowed",
        );
        let layer = Layer::new("one", media_type, b"", CONTENT.to_vec());
        let hashed = to(DepthName::Layers, Story::new("", "").layered(&[layer]));
        assert_eq!(outcome(&hashed.verify()), "verified");
    }
}

#[test]
fn a_configuration_must_name_each_layer_and_no_other() {
    let layers = [Layer::plain("one", b"1"), Layer::plain("two", b"2")];
    let with = |edit: fn(&mut Value)| {
        let story = Story::new("", "").layered_with(&layers, edit, |_| ());
        to(DepthName::Unpacked, story).verify()
    };
    assert_eq!(outcome(&with(|_| ())), "verified");
    for rootfs in [
        json!({"type": "layers", "diff_ids": []}),
        json!({"type": "layers", "diff_ids": null}),
        json!({}),
        Value::Null,
    ] {
        let story = Story::new("", "").layered_with(
            &layers,
            |config| config["rootfs"] = rootfs.clone(),
            |_| (),
        );
        let verdict = to(DepthName::Unpacked, story).verify();
        assert_refused(&verdict, "diff-id-mismatch");
    }
    assert_refused(
        &with(|config| {
            config["rootfs"]["diff_ids"]
                .as_array_mut()
                .unwrap()
                .truncate(1);
        }),
        "diff-id-mismatch",
    );
    assert_refused(
        &with(|config| {
            config["rootfs"]["diff_ids"]
                .as_array_mut()
                .unwrap()
                .reverse();
        }),
        "diff-id-mismatch",
    );
    assert_refused(
        &with(|config| {
            let named = config["rootfs"]["diff_ids"].as_array_mut().unwrap();
            named.push(named[0].clone());
        }),
        "diff-id-mismatch",
    );
    for broken in [
        json!("sha256:1"),
        json!(["sha256:1"]),
        json!({"0": 1}),
        json!([1, 2]),
    ] {
        let story = Story::new("", "").layered_with(
            &layers,
            |config| config["rootfs"]["diff_ids"] = broken.clone(),
            |_| (),
        );
        assert_refused(&to(DepthName::Unpacked, story).verify(), "malformed");
    }
}

#[test]
fn one_blob_must_be_all_that_several_say_of_it() {
    let one = Layer::gzip("one", CONTENT);
    let sha512 = Layer {
        diff_id: Digest::of(HashAlgorithm::Sha512, CONTENT),
        ..one.clone()
    };
    let lie = Layer {
        diff_id: Digest::of(HashAlgorithm::Sha512, b"another"),
        ..one.clone()
    };
    let story = |layers: &[Layer]| to(DepthName::Unpacked, Story::new("", "").layered(layers));
    let both = story(&[one.clone(), sha512]);
    let world = both.world();
    assert_eq!(outcome(&both.verify_in(&world)), "verified");
    assert_eq!(layers_asked(&world).len(), 1);
    assert_refused(&story(&[one, lie]).verify(), "diff-id-mismatch");
}

#[test]
fn a_layer_of_another_length_than_is_said_is_refused() {
    let layers = [Layer::plain("one", CONTENT)];
    for size in [0, CONTENT.len() - 1, CONTENT.len() + 1] {
        for depth in [DepthName::Layers, DepthName::Unpacked] {
            let story = Story::new("", "").layered_with(
                &layers,
                |_| (),
                |manifest| manifest["layers"][0]["size"] = size.into(),
            );
            assert_refused(&to(depth, story).verify(), "descriptor-mismatch");
        }
    }
}

#[test]
fn layers_of_artifacts_are_hashed_and_not_unpacked() {
    let layers = [Layer::new(
        "one",
        "application/vnd.example.chart.tar+gzip",
        b"",
        gzip(b"a"),
    )];
    let story = Story::new("", "").layered_with(
        &layers,
        |_| (),
        |manifest| manifest["config"]["mediaType"] = "application/vnd.example.config+json".into(),
    );
    let story = to(DepthName::Unpacked, story);
    let verdict = story.verify();
    assert_eq!(outcome(&verdict), "verified", "{verdict}");
    assert_eq!(integrity(&verdict)["layers"]["unpacked"], 0);
    assert!(
        verdict.to_string().contains("0 of them unpacked"),
        "{verdict}"
    );
    let mut world = story.world();
    world
        .blobs
        .insert(layers[0].descriptor().digest, b"b".to_vec().into());
    assert_refused(&story.verify_in(&world), "digest-mismatch");
}

#[test]
fn images_of_docker_are_unpacked() {
    let layers = [Layer::new(
        "one",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        CONTENT,
        gzip(CONTENT),
    )];
    let docker = |layers: &[Layer]| {
        let story = Story::new("", "").layered_with(
            layers,
            |_| (),
            |manifest| {
                manifest["mediaType"] = DOCKER_MANIFEST.into();
                manifest["config"]["mediaType"] =
                    "application/vnd.docker.container.image.v1+json".into();
            },
        );
        to(DepthName::Unpacked, story).verify()
    };
    assert_eq!(outcome(&docker(&layers)), "verified");
    let lying = Layer {
        diff_id: Digest::sha256(b""),
        ..layers[0].clone()
    };
    assert_refused(&docker(&[lying]), "diff-id-mismatch");
}

#[test]
fn limits_hold_at_their_edges() {
    let layers: Vec<_> = (0..4)
        .map(|number| Layer::plain(&format!("{number}"), number.to_string().as_bytes()))
        .collect();
    let limited = |name: &str, limit: usize, story: Story| {
        let story = to(DepthName::Unpacked, story);
        let name = name.to_owned();
        let story = story.with(|case| {
            case.limits.insert(name, limit);
        });
        (outcome(&story.verify()), decisive_codes(&story.verify()))
    };
    let four = || Story::new("", "").layered(&layers);
    assert_eq!(limited("layers", 4, four()).0, "verified");
    assert_eq!(limited("layers", 3, four()), ("refused", vec!["too-large"]));
    let window = |hexadecimal: &str| {
        let layer = Layer::new("one", TAR_ZSTD, CONTENT, bytes(hexadecimal));
        Story::new("", "").layered(&[layer])
    };
    let mib_128 = 128 << 20;
    assert_eq!(
        limited("zstdWindow", mib_128, window(ZSTD_LONG)).0,
        "verified"
    );
    assert_eq!(
        limited("zstdWindow", mib_128 - 1, window(ZSTD_LONG)),
        ("refused", vec!["too-large"])
    );
}

#[test]
fn a_few_bytes_that_stand_for_many_cost_no_memory_and_end_at_the_limit() {
    // Blocks of 128 KiB that repeat one byte: four bytes each.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58];
    let block: u32 = (128 << 10) << 3 | 1 << 1;
    for _ in 0..100_000 {
        frame.extend_from_slice(&block.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame.extend_from_slice(&[1, 0, 0]);
    assert_refused(&unpacked(TAR_ZSTD, frame), "layer-ratio");
    let members = gzip(&vec![0; 64 << 20]).repeat(20);
    assert_refused(&unpacked(TAR_GZIP, members), "layer-ratio");
}

#[test]
fn every_image_that_is_verified_can_be_verified_to_the_ground() {
    let verified = all()
        .into_iter()
        .filter(|story| story.name.starts_with("verified--"));
    for story in verified {
        let deep = story
            .clone()
            .with(|case| case.demand.depth = Some(DepthName::Unpacked));
        let verdict = deep.verify();
        assert_eq!(outcome(&verdict), "verified", "{}: {verdict}", story.name);
        // An index that is judged with its children has them hashed one by one, each blob once for each.
        match verdict.children() {
            Some([]) | None => assert_eq!(depth(&verdict), Depth::Unpacked, "{}", story.name),
            Some(children) => {
                assert_eq!(depth(&verdict), Depth::Manifest, "{}", story.name);
                for child in children {
                    assert_eq!(depth(child.verdict()), Depth::Unpacked, "{}", story.name);
                }
            }
        }
    }
}

fn depth(verdict: &Verdict) -> Depth {
    let Integrity::Whole { layers, .. } = verdict.integrity() else {
        panic!("{verdict}");
    };
    layers.hashed().map_or(Depth::Manifest, Hashed::depth)
}

#[test]
fn every_image_that_is_refused_stays_so() {
    let others = all()
        .into_iter()
        .filter(|story| !story.name.starts_with("verified--"));
    for story in others {
        let before = story.verify();
        let deep = story
            .clone()
            .with(|case| case.demand.depth = Some(DepthName::Unpacked));
        assert_eq!(outcome(&deep.verify()), outcome(&before), "{}", story.name);
    }
}
