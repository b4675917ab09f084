//! Lists and tags: too many, moved, or with something left out.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_common::Descriptor;
use countersign_stand_in::{Fault, Lie};
use serde_json::{Value, json};

use super::super::{
    Asked, Case,
    End::{Honestly, Refused, Unknown},
    scene::{LIST, Rig, Scene, TAG, Told, body, each, header, told},
};
use crate::world::{OCI_INDEX, OCI_MANIFEST};

pub(super) const SIMPLE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// The tag at which clients before OCI 1.1 keep something about an image.
fn tag(scene: &Scene, ending: &str) -> String {
    format!("{}{ending}", scene.image.digest.replace(':', "-"))
}

fn junk(count: usize) -> Vec<Value> {
    let entry = |number| json!({ "mediaType": OCI_MANIFEST, "digest": format!("sha256:{number:064x}"), "size": 512 });
    (0..count).map(entry).collect()
}

fn index(entries: &[Value]) -> String {
    json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries }).to_string()
}

/// The tag leads to another image after so many requests.
fn moved(scene: &Scene, pattern: &str, after: u32) -> Told {
    let elsewhere = format!("/v2/shop/api/manifests/{}", scene.unsigned.digest);
    let fault = Fault::on(pattern, Lie::AnswerAs(elsewhere)).after(after);
    Told {
        faults: vec![fault],
        ..Told::default()
    }
}

/// A tag of signatures with these layers.
pub(super) fn tagged(layers: &[Value]) -> Lie {
    let config = json!({ "mediaType": "a/b", "digest": format!("sha256:{:064x}", 0), "size": 2 });
    let manifest = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers });
    Lie::Instead {
        status: 200,
        headers: vec![("Content-Type".to_owned(), OCI_MANIFEST.to_owned())],
        body: manifest.to_string().into(),
    }
}

fn endless_tag() -> Lie {
    tagged(&junk(100_000))
}

fn signature_tag(count: usize) -> Lie {
    let mut layers = junk(count);
    for layer in &mut layers {
        layer["mediaType"] = SIMPLE.into();
        layer["annotations"] = json!({ "dev.cosignproject.cosign/signature": "MAA=" });
    }
    tagged(&layers)
}

/// Signatures of which each brings the payload that it names, of many small objects.
fn nested_tag(scene: &Scene) -> Lie {
    let layers: Vec<_> = (0..20)
        .map(|number| {
            let payload = json!({
                "critical": {
                    "identity": { "docker-reference": "" },
                    "image": { "docker-manifest-digest": scene.image.digest },
                    "type": "cosign container image signature",
                },
                "optional": { "number": number, "nested": vec![json!({ "": 0 }); 9_000] },
            });
            let payload = payload.to_string();
            let mut layer = json!(Descriptor::of(SIMPLE, payload.as_bytes()));
            layer["data"] = STANDARD.encode(payload).into();
            layer["annotations"] = json!({ "dev.cosignproject.cosign/signature": "MAA=" });
            layer
        })
        .collect();
    tagged(&layers)
}

/// A lie about the tag of signatures, told to who counts them.
fn at_signature_tag(scene: &Scene, lie: Lie) -> Told {
    let request = format!("GET /v2/shop/api/manifests/{}", tag(scene, ".sig"));
    Told {
        more: vec!["--legacy-signatures".to_owned()],
        ..told(&request, lie)
    }
}

fn nothing() -> Lie {
    body(index(&[]))
}

/// With a demand for a publication of the last hour.
fn dated(scene: &Scene) -> Told {
    let chain = scene.world.path("docker/tsa.pem").display().to_string();
    let more = ["--tsa-chain", &chain, "--max-age", "1h"].map(str::to_owned);
    Told {
        more: more.into(),
        ..Told::default()
    }
}

pub(super) const CASES: &[Case] = &[
    Case::new(
        "referrers-without-end",
        "lists 1,001 referrers before the signature",
        |_| each(LIST, [Lie::JunkReferrers(1_001)]),
        Refused("referrers-too-many"),
    ),
    Case::new(
        "referrers-without-end",
        "says of each page of a list that there is another",
        |_| each(LIST, [Lie::EndlessPages]),
        Refused("referrers-too-many"),
    ),
    Case::new(
        "referrers-without-end",
        "lists a hundred thousand referrers on each of many pages",
        |_| vec![told(LIST, body(index(&junk(100_000)))).and(LIST, Lie::EndlessPages)],
        Refused("referrers-too-many"),
    )
    .memory(96),
    Case::new(
        "referrers-without-end",
        "announces a list of 400 MiB",
        |_| each(LIST, [Lie::Announce(400 << 20)]),
        Refused("too-large"),
    ),
    Case::new(
        "referrers-without-end",
        "goes on with a list on another host, at no address, or at an unreadable one",
        |scene| {
            let links = [
                format!(
                    "<{}>; rel=\"next\"",
                    scene.stranger("/v2/shop/api/referrers/x")
                ),
                "<http://169.254.169.254/>; rel=\"next\"".to_owned(),
                "<file:///etc/passwd>; rel=\"next\"".to_owned(),
                "/v2/next; rel=\"next\"".to_owned(),
                "<unclosed; rel=\"next\"".to_owned(),
            ];
            each(LIST, links.map(|link| header("Link", &link)))
        },
        Unknown("registry-unavailable"),
    ),
    Case::new(
        "referrers-without-end",
        "lists 49 referrers that are not there before the signature",
        |_| each(LIST, [Lie::JunkReferrers(49)]),
        Honestly,
    )
    .requests(120),
    Case::new(
        "signature-tags-without-end",
        "has a fallback tag with 1,001 entries",
        |scene| {
            let tag = tag(scene, "");
            vec![told(
                &format!("GET /v2/shop/api/manifests/{tag}"),
                body(index(&junk(1_001))),
            )]
        },
        Refused("too-large"),
    )
    .at(Rig::NoReferrers),
    Case::new(
        "signature-tags-without-end",
        "has a fallback tag of more than 4 MiB",
        |scene| {
            let tag = tag(scene, "");
            vec![told(
                &format!("GET /v2/shop/api/manifests/{tag}"),
                body(index(&junk(100_000))),
            )]
        },
        Refused("too-large"),
    )
    .at(Rig::NoReferrers),
    Case::new(
        "signature-tags-without-end",
        "has a fallback tag that is an image",
        |scene| {
            let line = format!("GET /v2/shop/api/manifests/{}", tag(scene, ""));
            vec![
                told(&line, body(scene.image.manifest.clone()))
                    .and(&line, header("Content-Type", OCI_MANIFEST))
                    .and(
                        &line,
                        Lie::WithoutHeader("Docker-Content-Digest".to_owned()),
                    ),
            ]
        },
        Refused("malformed"),
    )
    .at(Rig::NoReferrers),
    Case::new(
        "signature-tags-without-end",
        "fails at the fallback tag",
        |scene| {
            let line = format!("GET /v2/shop/api/manifests/{}", tag(scene, ""));
            each(&line, [Lie::status(500), Lie::status(502)])
        },
        Unknown("registry-unavailable"),
    )
    .at(Rig::NoReferrers),
    Case::new(
        "signature-tags-without-end",
        "has a `.sig` tag of 100,000 layers",
        |scene| {
            let line = format!("GET /v2/shop/api/manifests/{}", tag(scene, ".sig"));
            vec![told(&line, endless_tag())]
        },
        Unknown("too-large"),
    )
    .of(Asked::Inspect),
    Case::new(
        "signature-tags-without-end",
        "has a `.sig` tag of 100,000 layers, which counts beside the list",
        |scene| vec![at_signature_tag(scene, endless_tag())],
        Honestly,
    ),
    Case::new(
        "signature-tags-without-end",
        "has a `.sig` tag of 100,000 layers, and lists nothing beside it",
        |scene| vec![at_signature_tag(scene, endless_tag()).and(LIST, nothing())],
        Refused("too-large"),
    ),
    Case::new(
        "signature-tags-without-end",
        "has a `.sig` tag of 1,001 signatures, and lists nothing beside it",
        |scene| vec![at_signature_tag(scene, signature_tag(1_001)).and(LIST, nothing())],
        Refused("signatures-too-many"),
    ),
    Case::new(
        "signature-tags-without-end",
        "has a `.sig` tag of 1,000 signatures that are not there, beside the list",
        |scene| vec![at_signature_tag(scene, signature_tag(1_000))],
        Honestly,
    )
    .requests(120),
    Case::new(
        "signature-tags-without-end",
        "has a `.sig` tag of signatures that say thousands of small things, beside the list",
        |scene| vec![at_signature_tag(scene, nested_tag(scene))],
        Honestly,
    ),
    Case::new(
        "signature-tags-without-end",
        "fails at the `.sig` tag, which counts beside the list",
        |scene| vec![at_signature_tag(scene, Lie::status(500))],
        Honestly,
    ),
    Case::new(
        "signature-tags-without-end",
        "never answers at the `.sig` tag, which counts beside the list",
        |scene| vec![at_signature_tag(scene, Lie::Silence)],
        Honestly,
    ),
    Case::new(
        "signature-tags-without-end",
        "fails at the `.sig` tag, and lists nothing beside it",
        |scene| vec![at_signature_tag(scene, Lie::status(500)).and(LIST, nothing())],
        Unknown("registry-unavailable"),
    ),
    Case::new(
        "tag-flip",
        "moves a tag after its first answer",
        |scene| vec![moved(scene, "* /v2/shop/api/manifests/1", 1)],
        Honestly,
    ),
    Case::new(
        "tag-flip",
        "moves a tag after its first answer, while it is signed",
        |scene| vec![moved(scene, "* /v2/shop/api/manifests/fresh-*", 1)],
        Honestly,
    )
    .of(Asked::Sign),
    Case::new(
        "tag-flip",
        "moves a tag to an image that is not signed",
        |scene| vec![moved(scene, TAG, 0)],
        Refused("signature-missing"),
    ),
    Case::new(
        "tag-flip",
        "answers for a digest with another image",
        |scene| {
            let mut told = moved(
                scene,
                &format!("GET /v2/shop/api/manifests/{}", scene.image.digest),
                0,
            );
            told.image = Some(scene.image.pinned());
            vec![told]
        },
        Refused("digest-mismatch"),
    ),
    Case::new(
        "index-vs-child",
        "answers for a tag with an index of which one child is signed",
        |scene| {
            let child = json!({
                "mediaType": OCI_MANIFEST, "digest": scene.image.digest, "size": scene.image.manifest.len(),
                "platform": { "os": "linux", "architecture": "amd64" },
            });
            let (status, headers) = (200, vec![("Content-Type".to_owned(), OCI_INDEX.to_owned())]);
            let body = index(&[child]).into();
            each(
                TAG,
                [Lie::Instead {
                    status,
                    headers,
                    body,
                }],
            )
        },
        Refused("signature-missing"),
    ),
    Case::new(
        "hide-newest",
        "leaves every signature out of its list",
        |scene| {
            let omit = |told: Told, line: &String| {
                let (_, digest) = line.rsplit_once('/').unwrap();
                told.and(LIST, Lie::OmitReferrer(digest.to_owned()))
            };
            vec![scene.signatures.iter().fold(Told::default(), omit)]
        },
        Refused("signature-missing"),
    ),
    Case::new(
        "hide-newest",
        "leaves the publication out of its list, where a date is demanded",
        |scene| vec![dated(scene).and(LIST, Lie::OmitReferrer(scene.publication()))],
        Refused("publication-missing"),
    ),
    Case::new(
        "hide-newest",
        "leaves nothing out of its list, where a date is demanded",
        |scene| vec![dated(scene)],
        Honestly,
    ),
    Case::new(
        "hide-newest",
        "lists a signature and says that it is not there",
        |scene| {
            let absent = |told: Told, line: &String| told.and(line, Lie::status(404));
            vec![scene.signatures.iter().fold(Told::default(), absent)]
        },
        Unknown("registry-unavailable"),
    ),
    Case::new(
        "hide-newest",
        "has a signature and says that its bundle is not there",
        |scene| {
            let absent = |told: Told, line: &String| told.and(line, Lie::status(404));
            vec![scene.bundles.iter().fold(Told::default(), absent)]
        },
        Unknown("registry-unavailable"),
    ),
];
