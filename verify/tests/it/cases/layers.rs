//! Images that are looked at down to their layers.

use countersign_common::Digest;

use super::{refused, release};
use crate::{
    case::DepthName,
    layering::{CONTENT, Layer, TAR_ZSTD, ZSTD, bytes, gzip},
    story::Story,
    world::Fault,
};

const LAYERS: &str = "verified--layers";
const UNPACKED: &str = "verified--layers-unpacked";
const AS_FAR_AS_ALLOWED: &str = "verified--layer-unpacked-as-far-as-allowed";

fn to(depth: DepthName, story: Story, layers: &[Layer]) -> Story {
    story
        .layered(layers)
        .with(|case| case.demand.depth = Some(depth))
        .signed(&release())
}

fn hashed(name: &str, about: &str) -> Story {
    let layers = [
        Layer::plain("base", CONTENT),
        Layer::gzip("program", b"a program"),
    ];
    to(DepthName::Layers, Story::new(name, about), &layers)
}

fn zeros(name: &str, about: &str, limit: usize) -> Story {
    let zeros = vec![0; 100_000];
    let layers = [Layer::gzip("zeros", &zeros)];
    let packed = gzip(&zeros).len();
    to(DepthName::Unpacked, Story::new(name, about), &layers).with(|case| {
        case.limits.insert("unpackedRatio".to_owned(), 200);
        case.limits
            .insert("unpacked".to_owned(), limit - 200 * packed);
    })
}

pub(super) fn layers() -> Vec<Story> {
    let three = || {
        [
            Layer::plain("base", CONTENT),
            Layer::gzip("program", b"a program"),
            Layer::new("data", TAR_ZSTD, CONTENT, bytes(ZSTD)),
        ]
    };
    vec![
        hashed(LAYERS, "Each layer hashes to its name."),
        hashed(
            "refused--layer-altered",
            "The registry serves another layer.",
        )
        .twin(LAYERS)
        .with(|case| {
            case.altered
                .insert("program.layer".to_owned(), "base.layer".to_owned());
        }),
        hashed(
            "undecided--layer-throttled",
            "Signed, but not seen to its ground.",
        )
        .twin(LAYERS)
        .with(|case| {
            case.faults
                .insert("layer program.layer".to_owned(), Fault::Throttled);
        }),
        hashed(
            "undecided--layer-absent",
            "What a manifest names must be there.",
        )
        .twin(LAYERS)
        .with(|case| {
            case.faults
                .insert("layer base.layer".to_owned(), Fault::Absent);
        }),
        to(
            DepthName::Unpacked,
            Story::new(
                UNPACKED,
                "Each layer unpacks to what the configuration names.",
            ),
            &three(),
        ),
        {
            let mut layers = three();
            layers[1].diff_id = Digest::sha256(b"another program");
            to(
                DepthName::Unpacked,
                refused(
                    "layer-unpacks-to-another",
                    "It is the layer of the manifest, and not the one that the configuration was written for.",
                    UNPACKED,
                ),
                &layers,
            )
        },
        zeros(
            AS_FAR_AS_ALLOWED,
            "Its last byte is the last that may be.",
            100_000,
        ),
        zeros(
            "refused--layer-expands",
            "It unpacks to one byte more than may be.",
            99_999,
        )
        .twin(AS_FAR_AS_ALLOWED),
        {
            let story = refused(
                "unsigned-with-layers",
                "Its layers are not even asked for.",
                LAYERS,
            );
            let layers = [Layer::plain("base", CONTENT)];
            story
                .layered(&layers)
                .with(|case| case.demand.depth = Some(DepthName::Unpacked))
        },
    ]
}
