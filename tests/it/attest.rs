//! `countersign attest`, and what `countersign verify --attestation` demands.

use std::fs;

use countersign_stand_in::{Fault, Lie};

use crate::world::{Image, Run, World};

impl World {
    fn attests(&self, kind: &str, predicate: &str, more: &[&str], image: &Image) -> Run {
        let (key, image) = (Self::kms_key(), image.tagged());
        let arguments = [
            "attest",
            "--key",
            &key,
            "--type",
            kind,
            "--predicate",
            predicate,
            &image,
        ];
        self.countersign(&[&arguments, more].concat())
    }
}

#[test]
fn each_kind_is_attested_with_a_date_and_demanded_by_its_name() {
    for world in [World::ecr(), World::oci(), World::no_referrers()] {
        let image = world.image("shop/api", "1", "a");
        world.signs(&[], &image).ends(0);
        let predicate = world.write("predicate.json", "{\"a\": 1.0}\n");
        let chain = world.chain("one");
        for (kind, uri) in [
            ("slsaprovenance", "https://slsa.dev/provenance/v0.2"),
            ("spdx", "https://spdx.dev/Document"),
            ("cyclonedx", "https://cyclonedx.org/bom"),
            ("openvex", "https://openvex.dev/ns"),
            ("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"),
            ("https://example.com/scan/v1", "https://example.com/scan/v1"),
        ] {
            let demand = [
                "--attestation",
                kind,
                "--tsa-chain",
                &chain,
                "--output",
                "json",
            ];
            world
                .verifies(&demand, &image)
                .ends(1)
                .says("attestation-missing");
            let made = world.attests(kind, &predicate, &["--output", "json"], &image);
            let made = made.ends(0).json();
            assert_eq!(made["outcome"], "signed");
            assert_eq!(made["predicateType"], uri);
            let verdict = world.verifies(&demand, &image).ends(0).json();
            let attestation = &verdict["authenticity"]["attestations"][0];
            assert_eq!(attestation["predicateType"], uri);
            assert_eq!(attestation["artifact"], made["manifest"]);
            assert_eq!(attestation["notBefore"], made["notBefore"]);
            assert_eq!(attestation["notAfter"], made["notAfter"]);
        }
    }
}

#[test]
fn an_attestation_is_no_signature_and_a_strangers_is_none() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    let predicate = world.write("predicate.json", "{}");
    world.attests("spdx", &predicate, &[], &image).ends(0);
    world
        .verifies(&["--attestation", "spdx"], &image)
        .ends(1)
        .says("refused[signature-missing]");
    let (private, public) = world.key_files("other", "p256");
    world
        .countersign(&["sign", "--key", &private, &image.tagged()])
        .ends(0);
    world
        .countersign(&[
            "verify",
            "--key",
            &public,
            "--attestation",
            "spdx",
            &image.tagged(),
        ])
        .ends(1)
        .says("refused[attestation-missing]");
}

#[test]
fn attesting_again_adds_and_replaces_only_when_told() {
    for world in [World::ecr(), World::no_referrers()] {
        let image = world.image("shop/api", "1", "a");
        world.signs(&[], &image).ends(0);
        let predicate = world.write("predicate.json", "{}");
        let (private, _) = world.key_files("other", "p256");
        let of_other = ["--key", &private, &image.tagged()];
        let file = ["attest", "--type", "spdx", "--predicate", &predicate];
        world.countersign(&[&file[..], &of_other].concat()).ends(0);
        world.attests("vuln", &predicate, &[], &image).ends(0);
        for count in [1, 2] {
            world.attests("spdx", &predicate, &[], &image).ends(0);
            assert_eq!(counted(&world, "spdx", &image), count);
        }
        let replacing = world.attests(
            "spdx",
            &predicate,
            &["--replace", "--output", "json"],
            &image,
        );
        let replacing = replacing.ends(0).json();
        assert_eq!(replacing["replaced"].as_array().unwrap().len(), 2);
        assert_eq!(counted(&world, "spdx", &image), 1);
        // What others attested stays, and what is of another kind.
        assert_eq!(counted(&world, "vuln", &image), 1);
        let other = private.replace(".key", ".pub");
        let both = [
            "--key",
            &other,
            "--key",
            &World::kms_key(),
            "--attestation",
            "spdx",
        ];
        let verdict = world
            .countersign(&[&["verify", &image.tagged(), "--output", "json"], &both[..]].concat());
        let verdict = verdict.ends(0).json();
        let attestations = verdict["authenticity"]["attestations"].as_array().unwrap();
        assert_eq!(attestations.len(), 2);
    }
}

fn counted(world: &World, kind: &str, image: &Image) -> usize {
    let verdict = world.verifies(&["--attestation", kind, "--output", "json"], image);
    let verdict = verdict.ends(0).json();
    verdict["authenticity"]["attestations"]
        .as_array()
        .unwrap()
        .len()
}

#[test]
fn a_removal_that_fails_is_said_and_the_new_one_is_there() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    world.signs(&[], &image).ends(0);
    let predicate = world.write("predicate.json", "{}");
    world.attests("spdx", &predicate, &[], &image).ends(0);
    let refusing = Fault::on("DELETE /v2/*", Lie::status(405));
    world.stand_in.faults().push(refusing);
    world
        .attests("spdx", &predicate, &["--replace"], &image)
        .ends(1)
        .says("error[push-rejected]");
    assert_eq!(counted(&world, "spdx", &image), 2);
}

#[test]
fn what_verifiers_would_not_read_is_not_signed() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    for (name, content) in [
        ("array", "[]"),
        ("twice", r#"{"a":1,"a":2}"#),
        ("none", ""),
        ("xml", "<bom/>"),
    ] {
        let file = world.write(name, content);
        world
            .attests("spdx", &file, &[], &image)
            .ends(2)
            .says("error[predicate-invalid]");
    }
    let large = world.write("large", "");
    fs::write(&large, vec![b' '; 12 << 20]).unwrap();
    world
        .attests("spdx", &large, &[], &image)
        .ends(2)
        .says("error[file-too-large]");
    for kind in [
        "sbom",
        "https://sigstore.dev/cosign/sign/v1",
        "https://countersign.dev/publication/v1",
    ] {
        world.attests(kind, &large, &[], &image).ends(2).says(kind);
    }
    assert_eq!(world.kms_calls("Sign").len(), 0);
    assert_eq!(world.writes(), [""; 0]);
}

#[test]
fn a_large_attestation_is_read_where_it_is_demanded() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    world.signs(&[], &image).ends(0);
    // Twice what a signature may have.
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(8 << 20));
    let predicate = world.write("large.json", &long);
    world.attests("spdx", &predicate, &[], &image).ends(0);
    world.verifies(&["--attestation", "spdx"], &image).ends(0);
    world.verifies(&[], &image).ends(0);
}
