//! What is shown of what is attached: as much as the judgement says of it, and nothing else.

use std::collections::BTreeSet;

use countersign_common::{
    Descriptor, Digest, Escaped, Explain, ImageRef, Limits,
    manifest::{OCI_MANIFEST, Platform},
    registry::Error,
    statement::IMAGE_SIGNATURE,
};
use countersign_verify::{
    Deadline, Outcome, Reach,
    inspect::{
        self, Artifact, CODES, ChildState, Entry, EntryKind, Fault, Inspection, Judge, Missing,
        Question, Scope, Standing, Vouched, document::InspectionDocument, render,
    },
    verdict::{Authenticity, Finding},
};
use proptest::{prelude::ProptestConfig, prop_assert, prop_assert_eq, proptest};
use serde_json::{Value, json};

use crate::{
    fixtures::{all, outcome},
    signing::{Key, Signing},
    stamping::Tsa,
    story::Story,
    world::{Fault as Broken, Request, World, block_on},
};

pub(crate) fn question(story: &Story) -> Question {
    let verifier = story.verifier();
    Question {
        scope: match &verifier.demand.reach {
            Reach::Children => Scope::Recursive,
            Reach::Platform(platform) => Scope::For(platform.clone()),
            Reach::Resolved => Scope::Itself,
        },
        limits: verifier.limits,
        now: story.now(),
        judge: Judge::By(Box::new(verifier)),
    }
}

pub(crate) fn ask(story: &Story, world: &World, question: &Question) -> Inspection {
    let image = ImageRef::parse(&story.case.image).unwrap();
    block_on(inspect::inspect(
        &image,
        world,
        question,
        &Deadline::never(),
    ))
}

pub(crate) fn inspected(story: &Story) -> Inspection {
    ask(story, &story.world(), &question(story))
}

pub(crate) fn document(inspection: &Inspection) -> Value {
    json!(InspectionDocument::from(inspection))
}

/// All artifacts, of the image and of its children.
pub(crate) fn artifacts(inspection: &Inspection) -> Vec<&Artifact> {
    fn below(artifacts: &[Artifact]) -> Vec<&Artifact> {
        artifacts
            .iter()
            .flat_map(|one| [vec![one], below(&one.attached)].concat())
            .collect()
    }
    let Ok(subject) = &inspection.subject else {
        return Vec::new();
    };
    let children = subject
        .children
        .iter()
        .flat_map(|child| match &child.state {
            ChildState::Inspected(child) => below(&child.attached),
            ChildState::Counted(_) | ChildState::Unknown(_) => Vec::new(),
        });
    below(&subject.attached)
        .into_iter()
        .chain(children)
        .collect()
}

pub(crate) fn entries(inspection: &Inspection) -> Vec<&Entry> {
    let content = |artifact: &&Artifact| artifact.content.is_ok();
    let artifacts = artifacts(inspection).into_iter().filter(content);
    let items = artifacts.flat_map(|artifact| &artifact.content.as_ref().unwrap().items);
    items.filter_map(|item| item.entry.as_ref().ok()).collect()
}

pub(crate) fn trusted(inspection: &Inspection) -> usize {
    let is_trusted = |entry: &&Entry| matches!(entry.standing, Standing::Trusted(_));
    entries(inspection).into_iter().filter(is_trusted).count()
}

/// What is said of the artifact that cannot be shown.
fn problem(inspection: &Inspection) -> &Finding {
    let mut problems = artifacts(inspection).into_iter();
    problems.find_map(|one| one.content.as_ref().err()).unwrap()
}

#[test]
fn what_makes_an_image_verified_is_trusted_and_nothing_is_where_no_key_made_anything() {
    for story in all() {
        let (verdict, inspection) = (story.verify(), inspected(&story));
        let codes: BTreeSet<_> = match verdict.outcome() {
            Outcome::Refused(reasons) => {
                let reasons = reasons.iter().map(AsRef::as_ref);
                reasons.map(|reason| reason.code.as_str()).collect()
            }
            _ => BTreeSet::new(),
        };
        // What is asked for at an older tag is shown and not judged.
        if outcome(&verdict) == "verified" && !story.case.demand.legacy {
            assert!(trusted(&inspection) > 0, "{}", story.name);
        }
        let of_nobody = ["key-unknown", "signature-invalid", "signature-missing"];
        let is_unsigned = matches!(verdict.authenticity(), Authenticity::NotSigned { .. });
        // Of an index and its children some may be signed, and the others not.
        if is_unsigned
            && verdict.children().is_none()
            && codes.iter().all(|code| of_nobody.contains(code))
        {
            let is_signature = |entry: &&Entry| entry.kind == EntryKind::ImageSignature;
            let signatures = entries(&inspection).into_iter().filter(is_signature);
            for signature in signatures {
                let standing = &signature.standing;
                let is_untrusted = !matches!(standing, Standing::Trusted(_));
                assert!(is_untrusted, "{}: {standing:?}", story.name);
            }
        }
        // Shown twice the same, and without a character that a terminal would obey.
        let text = render::tree(&inspection);
        assert_eq!(text, render::tree(&inspected(&story)), "{}", story.name);
        for line in text.lines() {
            assert_eq!(
                line.len(),
                line.replace('\u{1b}', "").len(),
                "{}",
                story.name
            );
        }
    }
}

pub(crate) fn signed() -> Story {
    Story::new("", "").signed(&Signing::by(Key::Release))
}

#[test]
fn a_signature_is_trusted_by_its_key_alone() {
    let inspection = inspected(&signed());
    assert_eq!(trusted(&inspection), 1);
    assert!(inspection.is_complete());
    let stranger = Story::new("", "").signed(&Signing::by(Key::Stranger));
    let inspection = inspected(&stranger);
    assert_eq!(trusted(&inspection), 0);
    let Standing::Untrusted(why) = &entries(&inspection)[0].standing else {
        panic!("{inspection:?}");
    };
    assert_eq!(why.code.as_str(), "key-unknown");
}

#[test]
fn a_threshold_that_is_not_met_makes_no_signature_untrusted() {
    let story = signed().trusting(Key::Review).with(|case| {
        case.demand.threshold = 2.try_into().unwrap();
    });
    assert_eq!(outcome(&story.verify()), "refused");
    assert_eq!(trusted(&inspected(&story)), 1);
}

/// What is said of the only document, which is trusted.
fn vouched(story: &Story) -> Vouched {
    let inspection = inspected(story);
    match entries(&inspection)[..] {
        [
            Entry {
                standing: Standing::Trusted(vouched),
                ..
            },
        ] => (**vouched).clone(),
        _ => panic!("{inspection:?}"),
    }
}

#[test]
fn a_date_is_shown_by_whoever_is_believed_and_of_a_publication_why_there_is_none() {
    let signings = [
        Signing::publication(Key::Release),
        Signing::attestation(Key::Release, "https://spdx.dev/Document"),
        Signing {
            predicate_type: IMAGE_SIGNATURE,
            ..Signing::publication(Key::Release)
        },
    ];
    // Of a signature of the image nothing but its latest time is judged.
    for (signing, is_dated, undated) in [
        (&signings[0], true, 1),
        (&signings[1], true, 0),
        (&signings[2], false, 0),
    ] {
        let story = Story::new("", "").signed(signing);
        let nobody = vouched(&story);
        assert_eq!((nobody.interval, nobody.signature.not_after), (None, None));
        assert_eq!(nobody.remarks, []);
        let one = vouched(&story.clone().timed_by(Tsa::One));
        assert_eq!(one.interval.is_some(), is_dated);
        assert!(one.signature.not_after.is_some());
        assert_eq!(one.remarks, []);
        let other = vouched(&story.timed_by(Tsa::Three));
        assert_eq!(other.interval, None);
        // What is wrong with the stamp of the signature is said of each.
        assert_eq!(other.remarks.len(), 1 + undated, "{:?}", other.remarks);
    }
}

#[test]
fn without_a_judge_nothing_is_trusted_or_untrusted() {
    let story = signed();
    let nobody = Question {
        judge: Judge::Nobody(Finding::of(&Fault::NobodyNamed)),
        ..question(&story)
    };
    let inspection = ask(&story, &story.world(), &nobody);
    let [entry] = entries(&inspection)[..] else {
        panic!("{inspection:?}");
    };
    assert!(
        matches!(&entry.standing, Standing::NotJudged(why) if why.code.as_str() == "not-judged")
    );
    assert!(inspection.is_complete());
}

#[test]
fn more_signatures_of_trusted_keys_than_are_tried_are_not_judged() {
    let story = |limit| {
        let mut story = signed().trusting(Key::Review);
        story = story.signed(&Signing::by(Key::Review).named("second"));
        story.with(|case| {
            case.limits.insert("signatures".to_owned(), limit);
        })
    };
    assert_eq!(trusted(&inspected(&story(2))), 2);
    let inspection = inspected(&story(1));
    assert_eq!(trusted(&inspection), 1);
    let is_left = |entry: &&Entry| matches!(&entry.standing, Standing::NotJudged(why) if why.code.as_str() == "signatures-too-many");
    assert_eq!(entries(&inspection).into_iter().filter(is_left).count(), 1);
}

#[test]
fn junk_about_another_content_uses_no_tries_up_before_a_signature_does() {
    let junk = Signing {
        about: Some(Digest::sha256(b"other")),
        // Shorter, and therefore looked at first.
        edit_manifest: |manifest| {
            manifest.as_object_mut().unwrap().remove("annotations");
        },
        ..Signing::by(Key::Release).named("junk")
    };
    let story = signed().signed(&junk).with(|case| {
        case.limits.insert("signatures".to_owned(), 1);
    });
    assert_eq!(outcome(&story.verify()), "verified");
    assert_eq!(trusted(&inspected(&story)), 1);
}

#[test]
fn whatever_cannot_be_fetched_is_said_and_hides_nothing_else() {
    let story = signed();
    for (request, shown) in [
        ("blob image-config.blob.json", 1),
        ("referrers image.manifest.json", 0),
        ("manifest release-signature.manifest.json", 0),
        ("blob release-signature.blob.json", 0),
        ("referrers release-signature.manifest.json", 1),
    ] {
        for fault in Broken::ERRORS {
            let mut world = story.world();
            world.fail(story.request(request), fault);
            let inspection = ask(&story, &world, &question(&story));
            assert!(!inspection.is_complete(), "{request}");
            assert_eq!(trusted(&inspection), shown, "{request}");
            assert_eq!(document(&inspection)["complete"], false);
        }
    }
    let mut world = story.world();
    world.fail(Request::Resolve, Broken::Unreachable);
    let inspection = ask(&story, &world, &question(&story));
    assert!(matches!(&inspection.subject, Err(Missing::Undecided(_))));
    let mut world = story.world();
    world.fail(Request::Resolve, Broken::Absent);
    let inspection = ask(&story, &world, &question(&story));
    assert!(
        matches!(&inspection.subject, Err(Missing::Refused(why)) if why.code.as_str() == "image-not-found")
    );
}

#[test]
fn what_a_list_names_and_a_registry_does_not_have_is_no_error() {
    let story = signed();
    let mut world = story.world();
    let gone = Descriptor::of(OCI_MANIFEST, b"gone");
    world
        .listed
        .insert(story.digest("image.manifest.json"), vec![gone]);
    let inspection = ask(&story, &world, &question(&story));
    assert!(inspection.is_complete());
    assert_eq!(trusted(&inspection), 1);
    assert_eq!(problem(&inspection).code.as_str(), "registry-unavailable");
}

#[test]
fn what_is_listed_for_another_content_is_shown_as_misplaced() {
    let misplaced = Signing {
        edit_manifest: |manifest| {
            manifest["subject"]["digest"] = Digest::sha256(b"").to_string().into();
        },
        ..Signing::by(Key::Release).named("misplaced")
    };
    let story = Story::new("", "").signed(&misplaced);
    let mut world = story.world();
    let manifest = story.descriptor("misplaced.manifest.json");
    world
        .listed
        .insert(story.digest("image.manifest.json"), vec![manifest]);
    let inspection = ask(&story, &world, &question(&story));
    assert_eq!(problem(&inspection).code.as_str(), "subject-mismatch");
    assert!(inspection.is_complete());
}

#[test]
fn what_lists_itself_and_what_it_is_attached_to_ends() {
    let story = signed();
    let mut world = story.world();
    let image = story.descriptor("image.manifest.json");
    let signature = story.descriptor("release-signature.manifest.json");
    for subject in [&image, &signature] {
        let listed = vec![image.clone(), signature.clone()];
        world.listed.insert(subject.digest.clone(), listed);
    }
    let inspection = ask(&story, &world, &question(&story));
    assert_eq!(artifacts(&inspection).len(), 2);
    assert_eq!(trusted(&inspection), 1);
}

#[test]
fn as_many_artifacts_are_looked_at_as_are_allowed_and_the_rest_is_said() {
    let story = |limit| {
        let story = signed().signed(&Signing::by(Key::Stranger));
        story.with(|case| {
            case.limits.insert("referrers".to_owned(), limit);
        })
    };
    let looked = inspected(&story(2));
    assert!(looked.is_complete());
    assert_eq!(artifacts(&looked).len(), 2);
    // The registry's own bound; that of a tree is the same, over all of its levels.
    let looked = inspected(&story(1));
    assert_eq!(looked.faults[0].code.as_str(), "referrers-too-many");
    let story = signed();
    let one = Question {
        limits: Limits {
            referrers: 0,
            ..Limits::TABLE
        },
        ..question(&story)
    };
    let looked = ask(&story, &story.world(), &one);
    assert_eq!(looked.faults[0].code.as_str(), "too-large");
    assert!(!looked.is_complete());
}

#[test]
fn no_more_bytes_are_fetched_than_are_allowed() {
    let story = signed();
    let sizes = [
        "release-signature.manifest.json",
        "release-signature.blob.json",
    ];
    let sizes: u64 = sizes
        .iter()
        .map(|file| story.files[*file].len() as u64)
        .sum();
    for (allowed, is_complete) in [(sizes, true), (sizes - 1, false)] {
        let few = Question {
            limits: Limits {
                image_bytes: allowed,
                ..Limits::TABLE
            },
            ..question(&story)
        };
        let inspection = ask(&story, &story.world(), &few);
        assert_eq!(inspection.is_complete(), is_complete);
        assert_eq!(trusted(&inspection), usize::from(is_complete));
    }
}

#[test]
fn what_older_tags_name_counts_among_the_bytes_too() {
    let story = Story::new("", "");
    let image = story.descriptor("image.manifest.json");
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "a/b",
        "config": Descriptor::of("c", b""), "layers": [],
    });
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let asked = ImageRef::parse(&story.case.image).unwrap();
    let tag = format!("{}:sha256-{}.sig", asked.repository(), image.digest.hex());
    for (allowed, is_complete) in [(manifest.len(), true), (manifest.len() - 1, false)] {
        let mut world = story.world();
        let digest = Digest::sha256(&manifest);
        world
            .manifests
            .insert(digest.clone(), manifest.clone().into());
        world.tags.insert(tag.clone(), digest);
        let few = Question {
            limits: Limits {
                image_bytes: allowed as u64,
                ..Limits::TABLE
            },
            ..question(&story)
        };
        let inspection = ask(&story, &world, &few);
        assert_eq!(inspection.is_complete(), is_complete);
        assert_eq!(artifacts(&inspection).len(), usize::from(is_complete));
    }
}

#[test]
fn of_an_index_children_are_counted_or_looked_into() {
    let story = Story::new("", "")
        .indexed(|_| ())
        .signed(&Signing::by(Key::Release))
        .with(|case| case.demand.platform = None);
    let shown = |scope| {
        let asked = Question {
            scope,
            ..question(&story)
        };
        ask(&story, &story.world(), &asked)
    };
    let counted = shown(Scope::Itself);
    let children = &counted.subject.as_ref().unwrap().children;
    let counts = children.iter().map(|child| match &child.state {
        ChildState::Counted(count) => *count,
        other => panic!("{other:?}"),
    });
    assert_eq!(counts.sum::<usize>(), 1);
    assert_eq!(trusted(&counted), 0);
    assert_eq!(trusted(&shown(Scope::Recursive)), 1);
    let platform = |text| Scope::For(Platform::parse(text).unwrap());
    assert_eq!(trusted(&shown(platform("linux/amd64"))), 1);
    let missing = shown(platform("plan9/mips"));
    assert!(
        matches!(&missing.subject, Err(Missing::Refused(why)) if why.code.as_str() == "platform-missing")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a blob holds, of whatever format it is said to be, and whether it begins well.
    #[test]
    fn any_blob_is_shown_without_a_panic(
        bytes: Vec<u8>,
        begun in proptest::sample::select(vec!["", "{", "\u{fffd}", "{\"payload\":\"e30\",\"protected\":\""]),
        media_type in proptest::sample::select(vec![
            "application/vnd.dev.sigstore.bundle.v0.3+json",
            "application/jose+json",
            "application/cose",
            "application/vnd.dev.cosign.simplesigning.v1+json",
            "application/vnd.dsse.envelope.v1+json",
            "application/vnd.countersign.root.v1+json",
        ]),
    ) {
        let blob = [begun.as_bytes(), &bytes].concat();
        let story = Story::new("", "");
        let mut world = story.world();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": media_type,
            "config": Descriptor::of("c", b""), "layers": [Descriptor::of(media_type, &blob)],
            "subject": story.descriptor("image.manifest.json"),
        });
        let manifest = serde_json::to_vec(&manifest).unwrap();
        world.manifests.insert(Digest::sha256(&manifest), manifest.into());
        world.blobs.insert(Digest::sha256(&blob), blob.into());
        let inspection = ask(&story, &world, &question(&story));
        prop_assert!(inspection.is_complete());
        prop_assert_eq!(artifacts(&inspection).len(), 1);
        prop_assert_eq!(trusted(&inspection), 0);
    }
}

#[test]
fn every_fault_is_explained() {
    let source = || {
        countersign_common::registry::Failure::Error(Error::Throttled {
            registry: "registry.example".to_owned(),
            attempts: 4,
        })
    };
    let digest = Digest::sha256(b"");
    let json = countersign_common::json::from_slice::<Value>(b"{", &Limits::TABLE).unwrap_err();
    let faults = [
        Fault::ArchiveUnseen { source: source() },
        Fault::Archived,
        Fault::Base64 { part: "payload" },
        Fault::Cose { reason: "no" },
        Fault::Json(json),
        Fault::NobodyNamed,
        Fault::NotRequired,
        Fault::Revoked {
            key: "release".to_owned(),
        },
        Fault::TooLarge { size: 2, limit: 1 },
        Fault::TooMuch { limit: 1 },
        Fault::TooManyLayers {
            artifact: digest.clone(),
            count: 2,
            limit: 1,
        },
        Fault::TooMany {
            what: "certificates",
            limit: 10,
        },
        Fault::Unlisted,
        Fault::Unseen {
            subject: digest,
            count: 1,
            limit: 1_000,
        },
    ];
    let codes: BTreeSet<_> = faults.iter().map(Explain::code).collect();
    let of_registries = source().code();
    let listed = CODES.iter().copied().chain([of_registries]).collect();
    assert_eq!(codes, listed);
    assert!(CODES.is_sorted());
    let explained =
        faults.map(|fault| format!("[{}] {fault}\n  {}\n", fault.code(), fault.remedy()));
    for text in &explained {
        assert_eq!(
            Escaped(text.trim_end()).to_string().matches("\\u").count(),
            1,
            "{text}"
        );
    }
    insta::assert_snapshot!(explained.concat());
}
