//! What becomes of an index where everything that it lists is judged too.

use countersign_stand_in::{Fault, Lie};
use serde_json::Value;

use super::{Edit, Family};
use crate::world::World;

fn listed(verdict: &Value) -> Vec<(String, String)> {
    let children = verdict["children"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    children
        .map(|child| (text(&child["listedAs"]), text(&child["verdict"])))
        .collect()
}

#[test]
fn every_child_is_shown_and_judged() {
    for world in [World::ecr(), World::oci(), World::no_referrers()] {
        let family = Family::within(world);
        family.sign(&[]).ends(0);
        let verdict = family.verify(&["--output", "json"]).ends(0).json();
        let names = ["linux/amd64", "attestation", "unknown"];
        let expected = names.map(|name| (name.to_owned(), "verified".to_owned()));
        assert_eq!(listed(&verdict), expected);
        assert_eq!(verdict["pinned"], family.index.pinned());
        for (child, image) in verdict["children"]
            .as_array()
            .unwrap()
            .iter()
            .zip(&family.children)
        {
            assert_eq!(child["digest"], image.digest);
            assert_eq!(child["pinned"], image.pinned());
        }
        let run = family.verify(&["--pin"]).ends(0);
        assert_eq!(run.stdout, format!("{}\n", family.index.pinned()));
        family
            .verify(&[])
            .ends(0)
            .says(&format!("attestation {}: ok", family.children[1].digest));
    }
}

#[test]
fn one_child_that_nobody_signed_is_enough_for_a_no() {
    for missing in 0..4 {
        let family = Family::within(World::ecr());
        for (position, image) in family.all().into_iter().enumerate() {
            if position != missing {
                family.sign_one(&image.pinned(), &[]).ends(0);
            }
        }
        let verdict = family.verify(&["--output", "json"]).ends(1).json();
        assert_eq!(verdict["verdict"], "refused", "{missing}");
        assert_eq!(verdict["refusals"][0]["code"], "signature-missing");
        // Whoever looks for something to run finds nothing, neither here nor among the children.
        assert!(!verdict.to_string().contains("pinned"), "{verdict}");
        let run = family
            .verify(&["--pin"])
            .ends(1)
            .says("refused[signature-missing]");
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn a_signature_of_the_index_says_nothing_of_a_child_that_is_asked_for_by_its_digest() {
    let family = Family::within(World::ecr());
    family.sign_one(&family.index.tagged(), &[]).ends(0);
    family.verify_one(&family.index.tagged(), &[]).ends(0);
    let verdict = family.verify(&["--output", "json"]).ends(1).json();
    assert!(
        listed(&verdict)
            .iter()
            .all(|(_, verdict)| verdict == "refused")
    );
    assert_eq!(verdict["authenticity"]["status"], "passed");
}

#[test]
fn a_child_that_another_key_signed_is_refused() {
    let family = Family::within(World::ecr());
    let (other, _) = family.world.key_files("other", "p256");
    for image in &family.children[..2] {
        family.sign_one(&image.pinned(), &[]).ends(0);
    }
    family.sign_one(&family.index.pinned(), &[]).ends(0);
    let third = family.children[2].pinned();
    family
        .world
        .countersign(&["sign", "--key", &other, &third])
        .ends(0);
    family
        .verify(&[])
        .ends(1)
        .says(&format!(
            "unknown {}: REFUSED: key-unknown",
            family.children[2].digest
        ))
        .says("refused[key-unknown]: unknown sha256:");
}

#[test]
fn a_child_must_be_there_and_be_what_the_index_says() {
    let missing = |listed: &mut Vec<Value>| {
        listed[0]["digest"] = format!("sha256:{}", "ab".repeat(32)).into();
    };
    let longer = |listed: &mut Vec<Value>| listed[0]["size"] = 4_096.into();
    let nested = |listed: &mut Vec<Value>| {
        listed[0]["mediaType"] = "application/vnd.oci.image.index.v1+json".into();
    };
    let edits: [Edit<'_>; 3] = [
        ("child-missing", &missing),
        ("descriptor-mismatch", &longer),
        ("child-not-image", &nested),
    ];
    for (code, edit) in edits {
        let family = Family::edited(World::ecr(), edit);
        for image in family.all() {
            family.sign_one(&image.pinned(), &[]).ends(0);
        }
        let verdict = family.verify(&["--output", "json"]).ends(1).json();
        let codes: Vec<_> = verdict["refusals"]
            .as_array()
            .unwrap()
            .iter()
            .map(|refusal| refusal["code"].as_str().unwrap())
            .collect();
        assert_eq!(codes, [code], "{verdict}");
    }
}

#[test]
fn what_cannot_be_found_out_of_one_child_is_found_out_of_none() {
    let family = Family::within(World::ecr());
    family.sign(&[]).ends(0);
    for kind in ["manifests", "referrers"] {
        let child = format!("GET /v2/*/{kind}/{}*", family.children[1].digest);
        family
            .world
            .stand_in
            .faults()
            .push(Fault::on(&child, Lie::status(500)));
        let verdict = family.verify(&["--output", "json"]).ends(3).json();
        assert_eq!(verdict["verdict"], "undecided");
        assert_eq!(verdict["errors"][0]["code"], "registry-unavailable");
        family.world.stand_in.faults().clear();
        family.verify(&[]).ends(0);
    }
}

#[test]
fn a_child_that_takes_too_long_leaves_the_others_their_time() {
    let family = Family::within(World::ecr());
    family.sign(&[]).ends(0);
    let child = format!("GET /v2/*/manifests/{}", family.children[0].digest);
    family
        .world
        .stand_in
        .faults()
        .push(Fault::on(&child, Lie::Silence));
    let verdict = family
        .verify(&["--timeout", "3", "--output", "json"])
        .ends(3)
        .json();
    let outcomes: Vec<_> = listed(&verdict).into_iter().map(|(_, one)| one).collect();
    assert_eq!(outcomes, ["undecided", "verified", "verified"]);
    assert_eq!(verdict["errors"][0]["code"], "fetch-timeout");
}

#[test]
fn dates_are_demanded_of_each() {
    let family = Family::within(World::ecr());
    let (tsa, chain) = (family.world.tsa("one"), family.world.chain("one"));
    let dated = [
        "--tsa-chain",
        &chain,
        "--require",
        "dated",
        "--output",
        "json",
    ];
    for image in &family.children[..2] {
        family.sign_one(&image.pinned(), &["--tsa", &tsa]).ends(0);
    }
    family
        .sign_one(&family.children[2].pinned(), &["--no-tsa"])
        .ends(0);
    family
        .sign_one(&family.index.pinned(), &["--tsa", &tsa])
        .ends(0);
    let verdict = family.verify(&dated).ends(1).json();
    let outcomes: Vec<_> = listed(&verdict).into_iter().map(|(_, one)| one).collect();
    assert_eq!(outcomes, ["verified", "verified", "refused"]);
    family.sign(&["--tsa", &tsa]).ends(0);
    let verdict = family.verify(&dated).ends(0).json();
    assert_eq!(verdict["level"], "dated");
    // The least of all levels, where none is demanded.
    let at = [
        "--tsa-chain",
        &chain,
        "--at",
        "2999-01-01",
        "--output",
        "json",
    ];
    let verdict = family.verify(&at).json();
    assert_eq!(verdict["asOf"], true);
    assert_eq!(verdict["children"][0]["asOf"], true);
    assert!(!verdict.to_string().contains("pinned"));
}

#[test]
fn what_is_no_index_is_judged_alone() {
    let family = Family::within(World::ecr());
    let image = family.children[0].tagged();
    family.sign_one(&image, &[]).ends(0);
    let verdict = family
        .verify_one(&image, &["--recursive", "--output", "json"])
        .ends(0)
        .json();
    assert_eq!(verdict["children"], serde_json::json!([]));
    let verdict = family
        .verify_one(&image, &["--output", "json"])
        .ends(0)
        .json();
    assert_eq!(verdict.get("children"), None);
}
