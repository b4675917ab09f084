//! Publications that are missing, that cannot be read, or that are of something else; and what else they count for.

use countersign_common::{
    Digest,
    statement::{STAND_IN_ANNOTATION, STATEMENT_V0_1},
};

use super::{DATED, dated, publication, refused, release};
use crate::{
    signing::{Key, Signing},
    stamping::{AFTER, BEFORE, Tsa},
    story::Story,
    world::Fault,
};

pub(super) fn missing() -> Vec<Story> {
    vec![
        dated(refused(
            "not-published",
            "It is signed, and nothing says when.",
            DATED,
        ))
        .signed(&release()),
        dated(refused(
            "not-published-and-unsigned",
            "Nothing refers to the image.",
            DATED,
        )),
        dated(refused(
            "signature-with-stamps-is-no-publication",
            "A signature between two stamps says nothing of a publication.",
            DATED,
        ))
        .signed(&release().stamped([Tsa::One.at(BEFORE)], [Tsa::One.at(AFTER)])),
        dated(refused(
            "published-by-a-stranger",
            "The key is nobody's who is trusted.",
            DATED,
        ))
        .signed(&release())
        .signed(&Signing::publication(Key::Stranger)),
        dated(
            Story::new(
                "undecided--publication-throttled",
                "What did not come may have been the publication.",
            )
            .twin(DATED),
        )
        .signed(&release())
        .signed(&publication())
        .with(|case| {
            let request = "blob release-publication.blob.json".to_owned();
            case.faults.insert(request, Fault::Throttled);
        }),
        Story::new(
            "verified--signature-stamped",
            "A signature with a stamp was made by then.",
        )
        .timed_by(Tsa::One)
        .signed(&release().stamped([], [Tsa::One.at(AFTER)])),
        Story::new(
            "verified--signature-with-a-bad-stamp",
            "The signature counts, and the stamp is named.",
        )
        .timed_by(Tsa::One)
        .signed(&release().stamped([], [Tsa::Two.at(AFTER)])),
    ]
}

pub(super) fn about_something_else() -> Vec<Story> {
    let of = |case: &str, about: &str, signing: Signing| {
        dated(refused(case, about, DATED)).signed(&signing)
    };
    let repository = |repository: &'static str| Signing {
        repository: Some(repository),
        ..publication()
    };
    let payload = |edit_payload: fn(String) -> String| Signing {
        edit_payload,
        ..publication()
    };
    vec![
        of(
            "publication-of-another-repository",
            "It was published there, not here.",
            repository("registry.example/shop/web"),
        ),
        of(
            "publication-of-a-confusable-repository",
            "One letter of the name is Cyrillic.",
            repository("registry.example/shop/\u{430}pi"),
        ),
        of(
            "publication-of-another-image",
            "The digest in the statement decides.",
            Signing {
                about: Some(Digest::sha256(b"another")),
                ..publication()
            },
        ),
        of(
            "publication-of-two-images",
            "One publication is of one image.",
            payload(|payload| {
                payload.replacen(
                    "\"subject\":[",
                    "\"subject\":[{\"digest\":{\"sha256\":\"0000000000000000000000000000000000000000000000000000000000000000\"}},",
                    1,
                )
            }),
        ),
        of(
            "publication-of-one-image-twice",
            "Nor is it of the same image twice.",
            payload(|payload| {
                let (_, rest) = payload.split_once("\"subject\":[").unwrap();
                let (subject, _) = rest.split_once(']').unwrap();
                let twice = format!("\"subject\":[{subject},");
                payload.replacen("\"subject\":[", &twice, 1)
            }),
        ),
        of(
            "publication-of-another-size",
            "The content of that digest is shorter.",
            payload(|payload| payload.replacen("\"size\":", "\"size\":1", 1)),
        ),
        of(
            "publication-of-another-type",
            "A manifest is no index.",
            payload(|payload| payload.replace("oci.image.manifest.v1", "oci.image.index.v1")),
        ),
        of(
            "publication-altered",
            "Its signature is of another text.",
            Signing {
                edit_sealed: |payload| {
                    let text = String::from_utf8(payload.clone()).unwrap();
                    *payload = text.replace("\"size\":287", "\"size\":288").into_bytes();
                },
                ..publication()
            },
        ),
        of(
            "publication-by-a-demonstration-key",
            "Anybody may have its private half.",
            publication().annotated(STAND_IN_ANNOTATION, "true"),
        ),
    ]
}

/// What cannot be read, and its limits.
pub(super) fn unreadable() -> Vec<Story> {
    let edited = |story: Story, edit_payload: fn(String) -> String| {
        dated(story).signed(&Signing {
            edit_payload,
            ..publication()
        })
    };
    let junk = |story: Story, before: fn(String) -> String, after: usize| {
        let mut signing = publication();
        signing.edit_payload = before;
        signing.after = vec![Tsa::Two.at(AFTER); after];
        signing.after.push(Tsa::One.at(AFTER));
        dated(story).signed(&signing)
    };
    let understood = "verified--publication-with-critical-members-that-are-known";
    let full = "verified--eight-stamps-on-each-side";
    vec![
        edited(Story::new(understood, "They are understood."), |payload| {
            payload.replacen(
                "\"mediaType\"",
                "\"critical\":[\"size\",\"beforeStamp\"],\"mediaType\"",
                1,
            )
        }),
        edited(
            refused(
                "publication-with-an-unknown-critical-member",
                "It must not be understood without it.",
                understood,
            ),
            |payload| {
                payload.replacen(
                    "\"mediaType\"",
                    "\"critical\":[\"size\",\"origin\"],\"mediaType\"",
                    1,
                )
            },
        ),
        edited(
            Story::new(
                "verified--publication-with-an-unknown-member",
                "What is not critical may be ignored.",
            ),
            |payload| payload.replacen("\"mediaType\"", "\"origin\":{},\"mediaType\"", 1),
        ),
        edited(
            refused(
                "publication-with-two-dates",
                "Which of them would be its date?",
                DATED,
            ),
            |payload| {
                payload.replacen(
                    "\"beforeStamp\"",
                    "\"claimedAt\":\"2026-11-24T08:00:00Z\",\"beforeStamp\"",
                    1,
                )
            },
        ),
        edited(
            refused(
                "publication-with-a-date-that-is-none",
                "No time zone, no time.",
                DATED,
            ),
            |payload| {
                payload.replacen(
                    "\"mediaType\"",
                    "\"supportedUntil\":\"2027-11-24\",\"mediaType\"",
                    1,
                )
            },
        ),
        edited(
            refused("publication-without-a-size", "A member is missing.", DATED),
            |payload| payload.replacen("\"size\"", "\"length\"", 1),
        ),
        dated(refused(
            "publication-of-statement-version-0.1",
            "A publication has version 1.",
            DATED,
        ))
        .signed(&Signing {
            kind: STATEMENT_V0_1,
            ..publication()
        }),
        junk(
            Story::new(full, "Seven that do not count, and one that does."),
            |payload| with_junk(&payload, 7),
            7,
        ),
        junk(
            refused("nine-stamps-inside", "Eight are read.", full),
            |payload| with_junk(&payload, 8),
            7,
        ),
        junk(
            refused("nine-stamps-of-the-signature", "Eight are read.", full),
            |payload| with_junk(&payload, 7),
            8,
        ),
    ]
}

/// So many stamps inside that are none, and the good one last.
fn with_junk(payload: &str, count: usize) -> String {
    let junk = "\"MA==\",".repeat(count);
    payload.replacen("\"rfc3161\":[", &format!("\"rfc3161\":[{junk}"), 1)
}

/// Where a publication counts as a signature, and where it does not.
pub(super) fn as_signatures() -> Vec<Story> {
    let annotated = || publication().annotated("env", "prod");
    let demanding = |story: Story| {
        story.with(|case| {
            case.demand
                .annotations
                .insert("env".to_owned(), "prod".to_owned());
        })
    };
    let two = |story: Story| {
        story
            .trusting(Key::Review)
            .with(|case| case.demand.threshold = 2.try_into().unwrap())
    };
    let pair = "verified--two-signatures-and-a-publication";
    let annotated_twin = "verified--annotated-and-published";
    vec![
        Story::new(
            "verified--published-alone",
            "A publication says more than a signature, by the same key.",
        )
        .signed(&publication()),
        two(Story::new(pair, "Two keys signed, and one published."))
            .signed(&release())
            .signed(&Signing::by(Key::Review))
            .signed(&publication()),
        two(refused(
            "one-signed-and-one-published",
            "Where two are to agree, both sign the same.",
            pair,
        ))
        .signed(&Signing::by(Key::Review))
        .signed(&publication()),
        two(refused(
            "two-published",
            "Two who published it signed no image.",
            pair,
        ))
        .signed(&publication())
        .signed(&Signing::publication(Key::Review)),
        demanding(Story::new(
            annotated_twin,
            "The signature has the demanded annotation.",
        ))
        .signed(&release().annotated("env", "prod"))
        .signed(&publication()),
        demanding(refused(
            "annotated-in-its-publication",
            "The annotation is demanded of a signature.",
            annotated_twin,
        ))
        .signed(&annotated()),
        refused(
            "published-alone-by-a-stranger",
            "The key is nobody's who is trusted.",
            "verified--published-alone",
        )
        .signed(&Signing::publication(Key::Stranger)),
        refused(
            "published-alone-elsewhere",
            "It was published there, not here.",
            "verified--published-alone",
        )
        .signed(&Signing {
            repository: Some("registry.example/shop/web"),
            ..publication()
        }),
    ]
}

/// An index, or its child: all that is demanded is met on one of them.
pub(super) fn of_indexes() -> Vec<Story> {
    const INDEX: &str = "index.manifest.json";
    let asking = |story: Story| {
        dated(story)
            .indexed(|_| ())
            .with(|case| case.demand.platform = Some("linux/amd64".to_owned()))
    };
    let annotated = |story: Story| {
        asking(story).with(|case| {
            case.demand
                .annotations
                .insert("env".to_owned(), "prod".to_owned());
        })
    };
    let signature = || release().annotated("env", "prod");
    let by_index = "verified--child-dated-by-its-index";
    let by_child = "verified--child-dated-by-itself";
    vec![
        annotated(Story::new(
            by_index,
            "The index that leads to the image is signed and published.",
        ))
        .signed_for(INDEX, &signature())
        .signed_for(INDEX, &publication()),
        annotated(Story::new(
            by_child,
            "The image itself is signed and published, the index is not.",
        ))
        .signed(&signature())
        .signed(&publication()),
        annotated(refused(
            "child-signed-and-index-published",
            "The signature of one and the date of another are not both of anything.",
            by_index,
        ))
        .signed(&signature())
        .signed_for(INDEX, &publication()),
        annotated(refused(
            "index-signed-and-child-published",
            "Nor the other way round.",
            by_child,
        ))
        .signed_for(INDEX, &signature())
        .signed(&publication()),
        asking(Story::new(
            "verified--child-signed-and-index-published",
            "Where one signature is enough, the publication of the index is one too.",
        ))
        .signed(&release())
        .signed_for(INDEX, &publication()),
        asking(refused(
            "index-published-as-its-child",
            "A publication of the index with the size and type of the child.",
            by_index,
        ))
        .signed_for(
            INDEX,
            &Signing {
                edit_payload: |payload| {
                    payload.replace("oci.image.index.v1", "oci.image.manifest.v1")
                },
                ..publication()
            },
        ),
    ]
}
