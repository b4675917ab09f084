//! `countersign sign`, through the stand-in: what is written, what is said, and what is asked of KMS.

mod at_once;
mod failures;
mod hybrid;
mod replicas;
mod said;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_stand_in::{Fault, KeySpec, Lie, Mutability};
use serde_json::Value;

use crate::world::{Image, Run, World};

fn every_world() -> [World; 4] {
    [
        World::ecr(),
        World::ecr_over_tls(),
        World::oci(),
        World::no_referrers(),
    ]
}

fn sign(world: &World, key: &str, more: &[&str], image: &Image) -> Run {
    let tagged = image.tagged();
    world.countersign(&[&["sign", "--key", key], more, &[&tagged]].concat())
}

fn verify(world: &World, key: &str, more: &[&str], image: &Image) -> Run {
    let tagged = image.tagged();
    world.countersign(&[&["verify", "--key", key], more, &[&tagged]].concat())
}

/// How many signatures of an image count for a key.
fn counted(world: &World, key: &str, image: &Image) -> usize {
    let run = verify(world, key, &["--output", "json"], image).ends(0);
    run.json()["authenticity"]["signatures"]
        .as_array()
        .unwrap()
        .len()
}

#[test]
fn kms_keys_of_every_kind_sign_in_every_kind_of_registry() {
    for world in every_world() {
        for spec in [
            KeySpec::ECC_NIST_P256,
            KeySpec::ECC_NIST_P384,
            KeySpec::RSA_2048,
        ] {
            let name = spec.name().to_lowercase().replace('_', "-");
            let key = world
                .stand_in
                .create_key(spec, &format!("alias/{name}"))
                .unwrap();
            let image = world.image("shop/api", &name, &name);
            verify(&world, &key.arn, &[], &image)
                .ends(1)
                .says("signature-missing");
            sign(&world, &key.arn, &[], &image)
                .ends(0)
                .says("signed: ")
                .says(&key.arn);
            verify(&world, &key.arn, &[], &image).ends(0);
            let public = world.write(&format!("{name}.pub"), &key.public_key_pem);
            verify(&world, &public, &[], &image).ends(0);
        }
    }
}

#[test]
fn key_files_of_every_kind_sign_in_every_kind_of_registry() {
    for world in every_world() {
        for spec in ["p256", "p384", "rsa-2048"] {
            let (private, public) = world.key_files(spec, spec);
            let image = world.image("shop/api", spec, spec);
            verify(&world, &public, &[], &image)
                .ends(1)
                .says("signature-missing");
            sign(&world, &private, &[], &image)
                .ends(0)
                .says("signed: ")
                .says(&private);
            verify(&world, &public, &[], &image).ends(0);
        }
    }
}

#[test]
fn a_key_is_named_in_every_way_that_aws_names_it() {
    // A host in the key's name is reached over TLS, always.
    let world = World::ecr_over_tls();
    let key = world
        .stand_in
        .create_key(KeySpec::ECC_NIST_P256, "alias/release")
        .unwrap();
    let endpoint = world.stand_in.aws_endpoint().as_str().to_owned();
    let host = endpoint
        .trim_start_matches("https://")
        .trim_end_matches('/');
    let id = key.arn.rsplit('/').next().unwrap();
    for (number, name) in [
        "awskms:///alias/release".to_owned(),
        "alias/release".to_owned(),
        key.arn.clone(),
        format!("awskms:///{}", key.arn),
        format!("awskms:///{id}"),
        format!("awskms://{host}/alias/release"),
    ]
    .iter()
    .enumerate()
    {
        let image = world.image("shop/api", &number.to_string(), name);
        let run = sign(&world, name, &["--output", "json"], &image).ends(0);
        assert_eq!(run.json()["key"], key.arn, "{name}");
    }
}

#[test]
fn an_image_costs_one_request_for_the_key_and_one_for_each_document() {
    let world = World::ecr();
    let key = world
        .stand_in
        .create_key(KeySpec::ECC_NIST_P256, "alias/release")
        .unwrap();
    let image = world.image("shop/api", "1", "a");
    let run = sign(
        &world,
        "awskms:///alias/release",
        &["--output", "json"],
        &image,
    )
    .ends(0);
    let asked: Vec<String> = world
        .calls(|call| call.line.starts_with("TrentService."))
        .into_iter()
        .map(|call| call.line)
        .collect();
    assert_eq!(asked[0], "TrentService.GetPublicKey");
    assert_eq!(asked[1..], ["TrentService.Sign", "TrentService.Sign"]);
    let signed = world.kms_calls("Sign").into_iter().map(|signing| {
        assert_eq!(signing.parameter("MessageType"), Some("DIGEST"));
        assert_eq!(signing.parameter("SigningAlgorithm"), Some("ECDSA_SHA_256"));
        // By the key's own name, so that an alias that is moved meanwhile changes nothing.
        assert_eq!(signing.parameter("KeyId"), Some(key.arn.as_str()));
        let message = STANDARD.decode(signing.parameter("Message").unwrap());
        message
            .unwrap()
            .iter()
            .fold("sha256:".to_owned(), |text, byte| {
                format!("{text}{byte:02x}")
            })
    });
    // What KMS was given is what is said to have been signed.
    let said = run.json();
    let said = [&said["signedDigest"], &said["publication"]["signedDigest"]];
    let said = said.map(|digest| digest.as_str().unwrap().to_owned());
    assert_eq!(
        signed.collect::<BTreeSet<_>>(),
        said.into_iter().collect::<BTreeSet<_>>()
    );
}

#[test]
fn many_images_share_the_key_and_the_stamp_before() {
    let world = World::ecr();
    let images: Vec<String> = (0..5)
        .map(|number| {
            world
                .image("shop/api", &number.to_string(), &number.to_string())
                .tagged()
        })
        .collect();
    let key = World::kms_key();
    let mut arguments = vec!["sign", "--key", &key];
    arguments.extend(images.iter().map(String::as_str));
    world.countersign(&arguments).ends(0);
    assert_eq!(world.kms_calls("GetPublicKey").len(), 1);
    assert_eq!(world.kms_calls("Sign").len(), 10);
    // A stamp of the time before, once for all of them; one of each signature.
    assert_eq!(world.calls(|call| call.line == "POST /one").len(), 11);
}

#[test]
fn pss_is_verified_by_who_asks_for_it_only() {
    let world = World::ecr();
    let key = world
        .stand_in
        .create_key(KeySpec::RSA_2048, "alias/rsa")
        .unwrap();
    let (private, public) = world.key_files("rsa", "rsa-2048");
    let kms_public = world.write("kms.pub", &key.public_key_pem);
    for (number, (signing, verifying)) in [(key.arn.as_str(), &kms_public), (&private, &public)]
        .into_iter()
        .enumerate()
    {
        let image = world.image("shop/api", &number.to_string(), signing);
        let pss = ["--algorithm", "rsa-pss-sha256"];
        sign(&world, signing, &pss, &image).ends(0);
        verify(&world, verifying, &pss, &image).ends(0);
        verify(&world, verifying, &[], &image).ends(1);
        verify(
            &world,
            verifying,
            &["--algorithm", "rsa-pss-sha512"],
            &image,
        )
        .ends(1);
    }
}

#[test]
fn an_algorithm_that_the_key_does_not_have_is_a_usage_error() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    let (private, _) = world.key_files("team", "p256");
    for key in [&private, &World::kms_key()] {
        sign(&world, key, &["--algorithm", "rsa-pss-sha256"], &image).ends(2);
        sign(&world, key, &["--algorithm", "md5"], &image)
            .ends(2)
            .says("--algorithm");
    }
    assert_eq!(world.writes(), [""; 0]);
    sign(&world, &private, &[], &image).ends(0);
}

#[test]
fn a_signature_that_is_there_is_found_and_nothing_is_done() {
    for world in every_world() {
        let image = world.image("shop/api", "1", "a");
        let key = World::kms_key();
        let first = sign(&world, &key, &["--output", "json"], &image).ends(0);
        world.stand_in.forget_calls();
        sign(&world, &key, &[], &image)
            .ends(0)
            .says("already signed: ");
        let second = sign(&world, &key, &["--output", "json"], &image).ends(0);
        assert_eq!(second.json()["outcome"], "already-signed");
        for member in ["digest", "manifest", "bundle", "signedDigest", "keyId"] {
            assert_eq!(second.json()[member], first.json()[member], "{member}");
        }
        assert_eq!(world.kms_calls("Sign").len(), 0);
        assert_eq!(world.writes(), [""; 0]);
        assert_eq!(counted(&world, &key, &image), 1);
    }
}

#[test]
fn another_statement_or_another_key_signs_again() {
    let world = World::no_referrers();
    let image = world.image("shop/api", "1", "a");
    let (one, public) = world.key_files("one", "p256");
    let (two, _) = world.key_files("two", "p256");
    let outcome = |key: &str, more: &[&str]| {
        let run = sign(&world, key, &[&["--output", "json"], more].concat(), &image).ends(0);
        run.json()["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!(outcome(&one, &[]), "signed");
    assert_eq!(outcome(&two, &[]), "signed");
    assert_eq!(outcome(&one, &["-a", "env=prod"]), "signed");
    assert_eq!(outcome(&one, &["-a", "env=test"]), "signed");
    assert_eq!(outcome(&one, &["-a", "env=prod"]), "already-signed");
    assert_eq!(outcome(&one, &[]), "already-signed");
    verify(&world, &public, &["-a", "env=prod"], &image).ends(0);
    verify(&world, &public, &["-a", "env=test"], &image).ends(0);
    verify(&world, &public, &["-a", "env=none"], &image).ends(1);
}

#[test]
fn a_dry_run_says_what_would_be_signed_and_does_nothing() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    let key = World::kms_key();
    let flags = ["--dry-run", "-a", "env=prod"];
    let text = sign(&world, &key, &flags, &image).ends(0);
    let plan = sign(
        &world,
        &key,
        &[&flags[..], &["--output", "json"]].concat(),
        &image,
    )
    .ends(0)
    .json();
    assert_eq!(world.kms_calls("Sign").len(), 0);
    assert_eq!(world.writes(), [""; 0]);
    assert_eq!(plan["digest"], image.digest);
    assert_eq!(plan["repository"], image.repository);
    assert_eq!(plan["predicateType"], "https://sigstore.dev/cosign/sign/v1");
    assert_eq!(plan["annotations"]["env"], "prod");
    let text = text
        .says("annotation env=prod")
        .says(plan["signedDigest"].as_str().unwrap());
    assert!(text.stdout.contains(&image.digest), "{}", text.stdout);
    // What is done afterwards is what was shown.
    let run = sign(
        &world,
        &key,
        &["-a", "env=prod", "--output", "json"],
        &image,
    )
    .ends(0);
    assert_eq!(run.json()["signedDigest"], plan["signedDigest"]);
}

#[test]
fn one_image_that_is_missing_keeps_no_other_from_being_signed() {
    let world = World::ecr();
    let (one, two) = (
        world.image("shop/api", "1", "a"),
        world.image("shop/api", "2", "b"),
    );
    let absent = format!("{}:absent", one.repository);
    let key = World::kms_key();
    let run = world
        .countersign(&[
            "sign",
            "--key",
            &key,
            &one.tagged(),
            &absent,
            &two.tagged(),
            "--output",
            "json",
        ])
        .ends(1)
        .says("error[image-not-found]");
    let outcomes: Vec<Value> = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["outcome"].clone())
        .collect();
    assert_eq!(outcomes, ["signed", "failed", "signed"]);
    verify(&world, &key, &[], &one).ends(0);
    verify(&world, &key, &[], &two).ends(0);
    world
        .countersign(&["sign", "--key", &key, &one.tagged(), &two.tagged()])
        .ends(0);
}

#[test]
fn an_image_that_is_not_there_is_refused_before_anything_is_listed_for_it() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    let absent = format!("{}@sha256:{}", image.repository, "0".repeat(64));
    let silence = Fault::on("GET /v2/*/referrers/*", Lie::Silence);
    world.stand_in.faults().push(silence);
    let (private, _) = world.key_files("team", "p256");
    let sign = ["sign", "--no-tsa", "--key", &private, "--timeout", "20"];
    let began = Instant::now();
    world
        .countersign(&[&sign[..], &[&absent]].concat())
        .ends(1)
        .says("error[image-not-found]");
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn an_annotation_that_only_the_product_writes_is_refused() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    let key = World::kms_key();
    sign(
        &world,
        &key,
        &["-a", "dev.countersign.stand-in=false"],
        &image,
    )
    .ends(2)
    .says("error[annotation-refused]");
    assert_eq!(world.stand_in.calls().len(), 0);
    sign(&world, &key, &["-a", "dev.countersigned=x"], &image).ends(0);
}

#[test]
fn immutable_tags_hinder_only_where_a_tag_is_needed() {
    let key = World::kms_key();
    let twice = |world: &World, mutability: Mutability| {
        let image = world.image("shop/api", "1", "a");
        world.stand_in.set_repository("shop/api", mutability);
        sign(world, &key, &[], &image).ends(0);
        sign(world, &key, &["-a", "n=2"], &image)
    };
    let exception = || Mutability::ImmutableExcept(vec!["sha256-*".to_owned()]);
    twice(&World::ecr(), Mutability::Immutable).ends(0);
    twice(&World::no_referrers(), exception()).ends(0);
    let world = World::no_referrers();
    twice(&world, Mutability::Immutable)
        .ends(1)
        .says("error[tag-immutable]")
        .says("remedy: ");
    // What was there before counts still.
    let image = world.image("shop/api", "1", "a");
    assert_eq!(counted(&world, &key, &image), 1);
}

#[test]
fn a_push_that_fails_is_done_again_without_a_duplicate() {
    for world in every_world() {
        let image = world.image("shop/api", "1", "a");
        let key = World::kms_key();
        let failing = Fault::on("PUT /v2/*/manifests/*", Lie::status(500));
        world.stand_in.faults().push(failing);
        sign(&world, &key, &[], &image)
            .ends(3)
            .says("error[registry-unavailable]");
        verify(&world, &key, &[], &image)
            .ends(1)
            .says("signature-missing");
        world.stand_in.faults().clear();
        sign(&world, &key, &[], &image).ends(0).says("signed: ");
        assert_eq!(counted(&world, &key, &image), 1);
    }
}

#[test]
fn a_push_whose_answer_is_lost_is_found_again() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    let key = World::kms_key();
    let lost = Fault::on("PUT /v2/*/manifests/*", Lie::Silence);
    world.stand_in.faults().push(lost);
    sign(&world, &key, &["--timeout", "1"], &image)
        .ends(3)
        .says("error[fetch-timeout]");
    world.stand_in.faults().clear();
    sign(&world, &key, &[], &image)
        .ends(0)
        .says("already signed: ");
    assert_eq!(counted(&world, &key, &image), 1);
}
