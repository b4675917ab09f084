//! What is signed of an index, in which order, and what is refused before anything is.

use std::fs;

use countersign_stand_in::{Fault, KeySpec, Lie};
use serde_json::{Value, json};

use super::{Edit, Family, documents, entry, place_index};
use crate::world::{OCI_INDEX, World};

#[test]
fn the_index_and_all_that_it_lists_are_signed_and_each_is_verified_by_itself() {
    for world in [World::ecr(), World::oci(), World::no_referrers()] {
        let family = Family::within(world);
        let signed = documents(&family.sign(&["--output", "json"]).ends(0));
        let said: Vec<_> = signed
            .iter()
            .map(|one| (one["digest"].as_str(), one["child"]["listedAs"].as_str()))
            .collect();
        let children = &family.children;
        // The index comes last: whoever finds it signed finds its children signed.
        assert_eq!(
            said,
            [
                (Some(children[0].digest.as_str()), Some("linux/amd64")),
                (Some(children[1].digest.as_str()), Some("attestation")),
                (Some(children[2].digest.as_str()), Some("unknown")),
                (Some(family.index.digest.as_str()), None),
            ]
        );
        assert_eq!(signed[0]["image"], children[0].pinned());
        assert_eq!(signed[0]["child"]["index"], family.index.digest);
        assert_eq!(signed[3]["image"], family.index.tagged());
        for image in family.all() {
            family.verify_one(&image.pinned(), &[]).ends(0);
        }
        family.verify(&[]).ends(0);

        let calls = family.world.kms_calls("Sign").len();
        let again = documents(&family.sign(&["--output", "json"]).ends(0));
        let is_there = |one: &Value| {
            [one, &one["publication"]]
                .iter()
                .all(|made| made["outcome"] == "already-signed")
        };
        assert!(again.len() == 4 && again.iter().all(is_there), "{again:?}");
        assert_eq!(family.world.kms_calls("Sign").len(), calls);
    }
}

#[test]
fn people_read_as_what_each_is_listed() {
    let family = Family::within(World::ecr());
    family
        .sign(&[])
        .ends(0)
        .says(&format!("signed: {}", family.children[1].pinned()))
        .says(&format!(
            "as attestation by the index {}",
            family.index.digest
        ))
        .says("as unknown by the index")
        .says(&format!("signed: {}", family.index.tagged()));
}

#[test]
fn the_index_is_pushed_after_everything_else() {
    let family = Family::within(World::ecr());
    family.sign(&[]).ends(0);
    let referrers = |digest: &str| {
        let line = format!("GET /v2/shop/api/referrers/{digest}");
        let calls = family.world.stand_in.calls();
        calls.iter().position(|call| call.line.starts_with(&line))
    };
    let index = referrers(&family.index.digest).unwrap();
    let calls = family.world.stand_in.calls();
    let pushed = |calls: &[countersign_stand_in::Call]| {
        let is_push = |call: &&countersign_stand_in::Call| {
            call.line.starts_with("PUT /v2/shop/api/manifests/")
        };
        calls.iter().filter(is_push).count()
    };
    assert_eq!(pushed(&calls[..index]), 6);
    assert_eq!(pushed(&calls[index..]), 2);
}

#[test]
fn what_is_no_index_is_signed_as_without_the_flag() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    let key = World::kms_key();
    let sign = ["sign", "--key", &key, "--output", "json", &image.tagged()];
    let with = world.countersign(&[&sign[..], &["-r"]].concat()).ends(0);
    let without = world.countersign(&sign).ends(0);
    let (with, without) = (with.json(), without.json());
    assert_eq!(with["outcome"], "signed");
    assert_eq!(without["outcome"], "already-signed");
    for member in ["image", "digest", "manifest", "child"] {
        assert_eq!(with[member], without[member], "{member}");
    }
}

#[test]
fn each_of_several_keys_signs_each() {
    let family = Family::within(World::ecr());
    let lattice = family
        .world
        .stand_in
        .create_key(KeySpec::ML_DSA_44, "alias/lattice")
        .unwrap();
    let public = family.world.write("lattice.pub", &lattice.public_key_pem);
    let signed = family.sign(&["--key", "alias/lattice", "--output", "json"]);
    assert_eq!(documents(&signed.ends(0)).len(), 8);
    family
        .verify(&["--key", &public, "--threshold", "2"])
        .ends(0);
}

#[test]
fn a_dry_run_shows_all_and_signs_nothing() {
    let family = Family::within(World::ecr());
    let planned = documents(&family.sign(&["--dry-run", "--output", "json"]).ends(0));
    let said: Vec<_> = planned
        .iter()
        .map(|plan| (plan["digest"].clone(), plan["child"]["listedAs"].clone()))
        .collect();
    let children = &family.children;
    assert_eq!(
        said,
        [
            (json!(children[0].digest), json!("linux/amd64")),
            (json!(children[1].digest), json!("attestation")),
            (json!(children[2].digest), json!("unknown")),
            (json!(family.index.digest), Value::Null),
        ]
    );
    family
        .sign(&["--dry-run"])
        .ends(0)
        .says("as attestation by the index");
    assert!(family.is_untouched());
}

#[test]
fn an_index_is_refused_before_anything_of_it_is_signed() {
    let nested = |listed: &mut Vec<Value>| listed[2]["mediaType"] = OCI_INDEX.into();
    let missing = |listed: &mut Vec<Value>| {
        listed[2]["digest"] = format!("sha256:{}", "ab".repeat(32)).into();
    };
    let longer = |listed: &mut Vec<Value>| listed[2]["size"] = 4_096.into();
    let typed = |listed: &mut Vec<Value>| {
        listed[2]["mediaType"] = "application/vnd.docker.distribution.manifest.v2+json".into();
    };
    let many = |listed: &mut Vec<Value>| {
        let one = listed[2].clone();
        listed.resize(257, one);
    };
    let edits: [Edit<'_>; 5] = [
        ("child-not-image", &nested),
        ("child-missing", &missing),
        ("descriptor-mismatch", &longer),
        ("descriptor-mismatch", &typed),
        ("too-large", &many),
    ];
    for (code, edit) in edits {
        let family = Family::edited(World::ecr(), edit);
        let run = family.sign(&["--output", "json"]).ends(1);
        let [failed] = documents(&run).try_into().unwrap();
        assert_eq!(failed["error"]["code"], code, "{failed}");
        assert_eq!(failed["outcome"], "failed");
        assert!(family.is_untouched(), "{code}");
    }
}

#[test]
fn two_hundred_and_fifty_six_entries_of_one_child_are_one_child() {
    let family = Family::edited(World::ecr(), |listed| {
        let one = listed[2].clone();
        listed.resize(256, one);
    });
    let signed = documents(&family.sign(&["--output", "json"]).ends(0));
    assert_eq!(signed.len(), 4);
}

#[test]
fn an_index_stays_unsigned_while_a_child_of_it_is() {
    let family = Family::within(World::ecr());
    let of_child = format!("GET /v2/*/referrers/{}*", family.children[1].digest);
    family
        .world
        .stand_in
        .faults()
        .push(Fault::on(&of_child, Lie::status(500)));
    let run = family.sign(&["--output", "json"]).ends(3);
    let said = documents(&run);
    let outcomes: Vec<_> = said.iter().map(|one| one["outcome"].clone()).collect();
    assert_eq!(outcomes, ["signed", "failed", "signed"]);
    assert_eq!(said[1]["image"], family.children[1].pinned());
    assert_eq!(said[1]["child"]["listedAs"], "attestation");
    assert_eq!(said[1]["error"]["code"], "registry-unavailable");
    assert!(
        run.stderr.contains("the index itself is left as it is"),
        "{}",
        run.stderr
    );

    family.world.stand_in.faults().clear();
    family
        .verify_one(&family.index.pinned(), &[])
        .ends(1)
        .says("signature-missing");
    // What is there already is found, and the rest is made up for.
    family.sign(&[]).ends(0).says("already signed");
    family.verify(&[]).ends(0);
}

#[test]
fn a_registry_that_fails_while_looking_is_not_one_without_the_child() {
    let family = Family::within(World::ecr());
    let child = format!("GET /v2/*/manifests/{}", family.children[2].digest);
    family
        .world
        .stand_in
        .faults()
        .push(Fault::on(&child, Lie::status(500)));
    family.sign(&[]).ends(3).says("error[registry-unavailable]");
    assert!(family.is_untouched());
}

#[test]
fn one_image_that_fails_does_not_keep_the_others_from_being_signed() {
    let family = Family::within(World::ecr());
    let absent = format!("{}:absent", family.index.repository);
    let run = family.sign(&[&absent, "--output", "json"]).ends(1);
    let said = documents(&run);
    assert_eq!(said.len(), 5);
    assert_eq!(said[4]["error"]["code"], "image-not-found");
}

#[test]
fn a_build_hears_of_the_index_by_name_and_of_all_in_the_list() {
    let family = Family::within(World::ecr());
    let file = family.world.write("output", "");
    let key = World::kms_key();
    let sign = ["sign", "-r", "--key", &key, &family.index.tagged()];
    family
        .world
        .countersign_with(&sign, &[("GITHUB_OUTPUT", &file)])
        .ends(0);
    let said = fs::read_to_string(&file).unwrap();
    assert!(
        said.contains(&format!("\ndigest={}\n", family.index.digest)),
        "{said}"
    );
    let list = said.lines().next().unwrap().split_once('=').unwrap().1;
    let list: Value = serde_json::from_str(list).unwrap();
    let digests: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["digest"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<_> = (family.children.iter().chain([&family.index]))
        .map(|image| image.digest.clone())
        .collect();
    assert_eq!(digests, expected);
}

#[test]
fn many_children_are_signed_few_at_a_time() {
    let world = World::ecr();
    let children: Vec<Value> = (0..40)
        .map(|number| entry(&world.image("shop/api", &format!("c{number}"), &number.to_string())))
        .collect();
    let index = place_index(&world, &children);
    let key = World::kms_key();
    let run = |command: &str| {
        let arguments = [
            command,
            "-r",
            "--key",
            &key,
            &index.tagged(),
            "--output",
            "json",
        ];
        documents(&world.countersign(&arguments).ends(0))
    };
    assert_eq!(run("sign").len(), 41);
    let verdicts = run("verify");
    assert_eq!(verdicts[0]["children"].as_array().unwrap().len(), 40);
}
