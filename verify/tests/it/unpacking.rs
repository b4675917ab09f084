//! Packed layers at the edges of what is unpacked: limits to the byte, and headers that no packer here writes.

use countersign_common::{Digest, digest::HashAlgorithm};
use countersign_verify::Verdict;

use crate::{
    case::DepthName,
    fixtures::outcome,
    layering::{CONTENT, Layer, TAR, TAR_GZIP, TAR_ZSTD, gzip},
    layers::{assert_refused, to, unpacked},
    story::Story,
};

/// Verifies one layer with so many bytes for what it unpacks to, and so many for each of its own.
fn within(layer: &Layer, unpacked: usize, ratio: usize) -> Verdict {
    let story = Story::new("", "").layered(std::slice::from_ref(layer));
    let story = to(DepthName::Unpacked, story).with(|case| {
        case.limits.insert("unpacked".to_owned(), unpacked);
        case.limits.insert("unpackedRatio".to_owned(), ratio);
    });
    story.verify()
}

#[test]
fn as_much_is_unpacked_as_is_allowed_and_no_byte_more() {
    let content = vec![0; 64 << 10];
    for layer in [
        Layer::plain("plain", CONTENT),
        Layer::gzip("packed", CONTENT),
        Layer::gzip("zeros", &content),
    ] {
        let length = match layer.name.as_str() {
            "zeros.layer" => content.len(),
            _ => CONTENT.len(),
        };
        let ratio = length / layer.bytes.len();
        for (unpacked, ratio) in [(length, 0), (length - layer.bytes.len() * ratio, ratio)] {
            let verdict = within(&layer, unpacked, ratio);
            assert_eq!(outcome(&verdict), "verified", "{}: {verdict}", layer.name);
            if let Some(less) = unpacked.checked_sub(1) {
                assert_refused(&within(&layer, less, ratio), "layer-ratio");
            }
        }
    }
}

/// A frame of zstd of blocks that are not packed, each a third of the content.
fn frame(header: &[u8], content: &[u8], checksum: &[u8]) -> Vec<u8> {
    let pieces: Vec<_> = content.chunks(content.len().div_ceil(3)).collect();
    let mut frame = [&[0x28, 0xb5, 0x2f, 0xfd], header].concat();
    for (number, piece) in pieces.iter().enumerate() {
        let is_last = usize::from(number + 1 == pieces.len());
        frame.extend_from_slice(&(piece.len() << 3 | is_last).to_le_bytes()[..3]);
        frame.extend_from_slice(piece);
    }
    [&frame, checksum].concat()
}

#[test]
fn every_header_of_a_frame_is_as_long_as_it_says() {
    let content = CONTENT.repeat(6);
    let length = content.len();
    let long = length.to_le_bytes();
    let short = (length - 256).to_le_bytes();
    let no_checksum: &[u8] = &[];
    for (header, checksum) in [
        // Of one segment, its length in two, four and eight bytes.
        ([&[0x60][..], &short[..2]].concat(), no_checksum),
        ([&[0xa0][..], &long[..4]].concat(), no_checksum),
        ([&[0xe0][..], &long[..8]].concat(), no_checksum),
        // With a window; the length is said or not.
        (vec![0x00, 0x00], no_checksum),
        ([&[0x80, 0x00][..], &long[..4]].concat(), no_checksum),
        // With a checksum, which follows the last block alone, and which the digest makes idle.
        (vec![0x04, 0x00], &[1, 2, 3, 4]),
        // With the place for a dictionary that it does not need.
        (vec![0x01, 0x00, 0], no_checksum),
        (vec![0x02, 0x00, 0, 0], no_checksum),
        (vec![0x03, 0x00, 0, 0, 0, 0], no_checksum),
    ] {
        let packed = frame(&header, &content, checksum);
        let layer = Layer::new("one", TAR_ZSTD, &content, packed);
        let story = to(DepthName::Unpacked, Story::new("", "").layered(&[layer]));
        let verdict = story.verify();
        assert_eq!(outcome(&verdict), "verified", "{header:02x?}: {verdict}");
    }
}

#[test]
fn what_only_resembles_a_sign_of_its_packing_is_as_it_is() {
    for content in [
        &b"\x1f\x8a\x08\0"[..],
        b"\x28\xb5\x2f\xfc",
        b"\x4f\x2a\x4d\x18\0\0\0\0",
        b"\x60\x2a\x4d\x18\0\0\0\0",
    ] {
        let layer = Layer::new("one", TAR_GZIP, content, content.to_vec());
        let story = to(DepthName::Unpacked, Story::new("", "").layered(&[layer]));
        assert_eq!(outcome(&story.verify()), "verified", "{content:?}");
    }
    // Whatever is to be skipped holds nothing.
    for sign in [0x50, 0x5f] {
        let skipped = [&[sign, 0x2a, 0x4d, 0x18, 5, 0, 0, 0][..], b"abcde"].concat();
        let layer = Layer::new("one", TAR_ZSTD, b"", skipped);
        let story = to(DepthName::Unpacked, Story::new("", "").layered(&[layer]));
        assert_eq!(outcome(&story.verify()), "verified", "{sign:x}");
    }
}

#[test]
fn a_type_that_nobody_knows_is_unpacked_by_its_suffix_alone() {
    let unknown = "application/vnd.example.layer";
    let suffixed = unpacked(&format!("{unknown}+gzip"), gzip(CONTENT));
    assert_eq!(outcome(&suffixed), "verified", "{suffixed}");
    for media_type in [unknown, TAR] {
        let as_it_is = unpacked(media_type, CONTENT.to_vec());
        assert_eq!(outcome(&as_it_is), "verified", "{as_it_is}");
        assert_refused(&unpacked(media_type, gzip(CONTENT)), "diff-id-mismatch");
    }
}

/// Whichever of two names is the untrue one, and the message holds it against a digest of its own kind.
#[test]
fn one_true_name_does_not_stand_in_for_another() {
    let one = Layer::gzip("one", CONTENT);
    for (truth, lie) in [
        (HashAlgorithm::Sha256, HashAlgorithm::Sha512),
        (HashAlgorithm::Sha512, HashAlgorithm::Sha256),
    ] {
        let named = |diff_id| Layer {
            diff_id,
            ..one.clone()
        };
        let layers = [
            named(Digest::of(truth, CONTENT)),
            named(Digest::of(lie, b"another")),
        ];
        let story = Story::new("", "").layered(&layers);
        let verdict = to(DepthName::Unpacked, story).verify();
        assert_refused(&verdict, "diff-id-mismatch");
        let actual = format!("unpacks to {}", Digest::of(lie, CONTENT));
        assert!(verdict.to_string().contains(&actual), "{verdict}");
    }
}
