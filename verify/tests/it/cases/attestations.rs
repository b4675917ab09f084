//! Attestations that are demanded: there, missing, by somebody else, or of something else.

use countersign_common::{Digest, predicate::BEFORE_STAMP_ANNOTATION, statement::STATEMENT_V0_1};
use serde_json::json;

use super::{ATTESTED, DATED, refused, release};
use crate::{
    signing::{Key, Signing},
    stamping::{AFTER, Tsa},
    story::Story,
    world::Fault,
};

const SPDX: &str = "https://spdx.dev/Document";
const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// As cosign writes it: without stamps.
fn spdx() -> Signing {
    Signing::attestation(Key::Release, SPDX).stamped([], [])
}

fn demanding(story: Story, kinds: &[&str]) -> Story {
    let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
    story
        .signed(&release())
        .with(|case| case.demand.attestations = kinds)
}

pub(super) fn attestations() -> Vec<Story> {
    let spdx_of = |case: &str, about: &str, signing: Signing| {
        demanding(refused(case, about, ATTESTED), &["spdx"]).signed(&signing)
    };
    let both = "verified--attested-twice";
    let provenance = || {
        Signing::attestation(Key::Release, PROVENANCE)
            .stamped([], [])
            .named("provenance")
    };
    vec![
        demanding(
            Story::new(ATTESTED, "A trusted key attested what is demanded."),
            &["spdx"],
        )
        .signed(&spdx()),
        demanding(
            refused("not-attested", "Nothing is attested.", ATTESTED),
            &["spdx"],
        ),
        spdx_of(
            "attested-by-a-stranger",
            "The key is nobody's who is trusted.",
            Signing::attestation(Key::Stranger, SPDX).stamped([], []),
        ),
        spdx_of(
            "attested-something-else",
            "A trusted key attested another thing.",
            Signing {
                predicate_type: "https://cyclonedx.org/bom",
                ..spdx()
            },
        ),
        spdx_of(
            "attested-in-another-version-of-its-type",
            "Another URI is another type.",
            Signing {
                predicate_type: "https://spdx.dev/Document/v2.3",
                ..spdx()
            },
        ),
        spdx_of(
            "attested-of-another-image",
            "The digest in the statement decides.",
            Signing {
                about: Some(Digest::sha256(b"another")),
                ..spdx()
            },
        ),
        spdx_of(
            "attested-for-another-repository",
            "It was attested there.",
            Signing {
                repository: Some("registry.example/shop/web"),
                ..spdx()
            },
        ),
        spdx_of(
            "attestation-altered",
            "Its signature is of another text.",
            Signing {
                edit_sealed: |payload| payload.push(b' '),
                ..spdx()
            },
        ),
        demanding(
            Story::new(
                "verified--attested-in-statement-version-0.1",
                "The older version is in the field.",
            ),
            &["spdx"],
        )
        .signed(&Signing {
            kind: STATEMENT_V0_1,
            ..spdx()
        }),
        demanding(
            Story::new(both, "Both types are there."),
            &["spdx", PROVENANCE],
        )
        .signed(&spdx())
        .signed(&provenance()),
        demanding(
            refused("attested-one-of-two", "One type is missing.", both),
            &["spdx", PROVENANCE],
        )
        .signed(&spdx()),
        refused(
            "attested-and-not-signed",
            "An attestation is no signature of the image.",
            ATTESTED,
        )
        .signed(&spdx())
        .with(|case| case.demand.attestations = vec!["spdx".to_owned()]),
        demanding(
            Story::new(
                "undecided--attestation-throttled",
                "What did not come may have been the attestation.",
            )
            .twin(ATTESTED),
            &["spdx"],
        )
        .signed(&spdx())
        .with(|case| {
            let request = "blob release-attestation.blob.json".to_owned();
            case.faults.insert(request, Fault::Throttled);
        }),
    ]
}

/// An attestation may have a date too. Nothing depends on it.
pub(super) fn dated() -> Vec<Story> {
    let stamped = || Signing::attestation(Key::Release, SPDX);
    let timed = |story: Story| demanding(story, &["spdx"]).timed_by(Tsa::One);
    let full = "verified--attested-with-eight-stamps-inside";
    let junk = |count: usize| spdx().annotated(BEFORE_STAMP_ANNOTATION, json!(vec!["MA=="; count]));
    vec![
        timed(Story::new(
            "verified--attested-and-dated",
            "It was attested between two stamps.",
        ))
        .signed(&stamped()),
        timed(Story::new(
            "verified--attested-with-a-bad-stamp",
            "What it says holds whenever it was said.",
        ))
        .signed(&stamped().stamped([], [Tsa::Two.at(AFTER)])),
        timed(Story::new(full, "Eight are read.")).signed(&junk(8)),
        timed(refused(
            "attested-with-nine-stamps-inside",
            "Eight are read.",
            full,
        ))
        .signed(&junk(9)),
        super::dated(demanding(
            refused(
                "attested-and-not-published",
                "The date of an attestation is not that of a publication.",
                DATED,
            ),
            &["spdx"],
        ))
        .signed(&stamped()),
    ]
}
