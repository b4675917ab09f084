//! The cases that the fixtures are generated from. A case that is refused or undecided differs from its twin, which is
//! verified, in what decides.

#![allow(
    clippy::too_many_lines,
    reason = "lists of cases are as long as they are"
)]

mod ages;
mod attestations;
mod children;
mod dates;
mod documents;
mod images;
mod keys;
mod layers;
mod legacy;
mod legacy_crowds;
mod limits;
mod policies;
mod publications;
mod stamps;

use serde_json::json;

use crate::{
    case::DemandedLevel,
    signing::{Key, Signing},
    stamping::Tsa,
    story::Story,
    world::Fault,
};

const SIGNED: &str = "verified--signed";
const OF_THE_INDEX: &str = "verified--child-by-a-signature-of-its-index";
const DATED: &str = "verified--dated";
const ATTESTED: &str = "verified--attested";

pub(crate) fn all() -> Vec<Story> {
    [
        verified(),
        unsigned(),
        strangers(),
        altered(),
        documents::unreadable(),
        documents::about_something_else(),
        documents::annotations(),
        documents::stand_in(),
        images::platforms(),
        images::thresholds(),
        images::undecided(),
        children::platforms(),
        children::recursive(),
        children::dated_recursively(),
        limits::limits(),
        layers::layers(),
        legacy::counted(),
        legacy::named(),
        legacy_crowds::damaged(),
        legacy_crowds::crossed(),
        legacy_crowds::crowded(),
        legacy_crowds::beside(),
        legacy::undecided(),
        legacy::retired(),
        stamps::legitimate(),
        stamps::invalid(),
        stamps::outside_validity(),
        stamps::bounds(),
        dates::witnesses(),
        dates::intervals(),
        dates::clocks(),
        dates::claimed(),
        ages::edges(),
        ages::several(),
        publications::missing(),
        publications::about_something_else(),
        publications::unreadable(),
        publications::as_signatures(),
        publications::of_indexes(),
        attestations::attestations(),
        attestations::dated(),
        keys::roles(),
        keys::windows(),
        keys::unproven(),
        keys::compromised(),
        keys::misused(),
        keys::attested(),
        keys::several(),
        policies::modes(),
        policies::mirrors(),
        policies::signers(),
        policies::signers_beside_others(),
        policies::exceptions(),
        policies::exceptions_of_indexes(),
        policies::exceptions_beside_demands(),
    ]
    .concat()
}

fn release() -> Signing {
    Signing::by(Key::Release)
}

/// With a proven date demanded, and authority `one` believed about time.
fn dated(story: Story) -> Story {
    demanding_a_date(story.timed_by(Tsa::One))
}

fn demanding_a_date(story: Story) -> Story {
    story.with(|case| case.demand.level = Some(DemandedLevel::Dated))
}

fn publication() -> Signing {
    Signing::publication(Key::Release)
}

fn refused(case: &str, about: &str, twin: &str) -> Story {
    Story::new(&format!("refused--{case}"), about).twin(twin)
}

fn broken(name: &str) -> Signing {
    Signing {
        edit_signature: |signature| *signature.last_mut().unwrap() ^= 1,
        ..release().named(name)
    }
}

fn verified() -> Vec<Story> {
    vec![
        Story::new(
            SIGNED,
            "A trusted key signed the image for this repository.",
        )
        .signed(&release()),
        Story::new(
            "verified--signed-with-rsa",
            "The same with RSA, PKCS#1 v1.5.",
        )
        .trusting_only(Key::Rsa)
        .signed(&Signing::by(Key::Rsa)),
        Story::new(
            "verified--without-a-hint",
            "Nothing names the key; each trusted one is tried.",
        )
        .trusting(Key::Review)
        .signed(&Signing {
            hint: Some(String::new()),
            ..Signing::by(Key::Review)
        }),
        Story::new(
            "verified--beside-junk",
            "Bad, foreign and damaged neighbours deny nothing.",
        )
        .signed(&broken("bad-signature"))
        .signed(&Signing::by(Key::Stranger))
        .signed(&Signing {
            edit_blob: |_| "{".to_owned(),
            ..release().named("damaged")
        })
        .signed(&release()),
        Story::new(
            "verified--beside-what-fails",
            "A neighbour that cannot be fetched denies nothing.",
        )
        .signed(&Signing::by(Key::Stranger))
        .signed(&release())
        .with(|case| {
            case.faults.insert(
                "blob stranger-signature.blob.json".to_owned(),
                Fault::Throttled,
            );
        }),
    ]
}

fn unsigned() -> Vec<Story> {
    vec![
        refused("unsigned", "Nothing refers to the image.", SIGNED),
        refused(
            "only-an-attestation",
            "A trusted key's statement of another kind is no signature.",
            SIGNED,
        )
        .signed(&Signing {
            predicate_type: "https://spdx.dev/Document",
            ..release().named("attestation")
        }),
        refused(
            "only-foreign-artifacts",
            "Something else refers to the image.",
            SIGNED,
        )
        .signed(&Signing {
            edit_manifest: |manifest| {
                manifest["artifactType"] = "application/vnd.example.sbom\u{1b}[2J\nverified".into();
                manifest["layers"][0]["mediaType"] = "text/plain".into();
            },
            ..release().named("sbom")
        }),
        refused("no-such-tag", "Nothing has the name.", SIGNED)
            .signed(&release())
            .with(|case| case.tags.clear()),
    ]
}

fn strangers() -> Vec<Story> {
    vec![
        refused(
            "signed-by-a-stranger",
            "The key is nobody's who is trusted.",
            SIGNED,
        )
        .signed(&Signing::by(Key::Stranger)),
        refused(
            "signed-by-a-stranger-without-a-hint",
            "No trusted key fits.",
            SIGNED,
        )
        .signed(&Signing {
            hint: Some("Cg==".to_owned()),
            ..Signing::by(Key::Stranger)
        }),
        refused(
            "stranger-names-a-trusted-key",
            "A hint proves nothing.",
            SIGNED,
        )
        .signed(&Signing {
            hint: Some(Key::Release.public().hint()),
            ..Signing::by(Key::Stranger)
        }),
        refused(
            "signed-by-a-certificate",
            "A certificate is no trusted key.",
            SIGNED,
        )
        .signed(&Signing {
            edit_bundle: |bundle| {
                bundle["verificationMaterial"] = json!({"certificate": {"rawBytes": "MAA="}});
            },
            ..release()
        }),
    ]
}

fn altered() -> Vec<Story> {
    let swapped = |story: Story, from: &str, to: &str| {
        let (from, to) = (from.to_owned(), to.to_owned());
        story.with(|case| {
            case.altered.insert(from, to);
        })
    };
    let with_another = |mut story: Story| {
        story.put("another.blob.json", "{}\n");
        story
    };
    vec![
        refused(
            "one-bit-of-the-signature",
            "The last bit of the signature is flipped.",
            SIGNED,
        )
        .signed(&broken("release-signature")),
        refused(
            "one-bit-of-the-payload",
            "One bit of what was signed is flipped.",
            SIGNED,
        )
        .signed(&Signing {
            edit_sealed: |payload| {
                let value = br#""a":"b""#;
                let position = payload
                    .windows(value.len())
                    .position(|found| found == value)
                    .unwrap();
                payload[position + value.len() - 2] ^= 1;
            },
            edit_payload: |payload| {
                payload.replace(r#""predicate":{}"#, r#""predicate":{"a":"b"}"#)
            },
            ..release()
        }),
        swapped(
            with_another(
                refused(
                    "configuration-altered",
                    "The registry serves another configuration.",
                    SIGNED,
                )
                .signed(&release()),
            ),
            "image-config.blob.json",
            "another.blob.json",
        ),
        swapped(
            with_another(
                refused(
                    "bundle-altered",
                    "The registry serves another bundle.",
                    SIGNED,
                )
                .signed(&release()),
            ),
            "release-signature.blob.json",
            "another.blob.json",
        ),
        swapped(
            refused(
                "image-altered",
                "The registry serves another manifest than it was asked for.",
                SIGNED,
            )
            .signed(&release())
            .signed(&Signing::by(Key::Stranger)),
            "image.manifest.json",
            "stranger-signature.manifest.json",
        ),
    ]
}
