//! `countersign sign`, through the stand-in: what is written, what is said, and what is asked of KMS.

mod failures;

use std::fs;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_stand_in::{Fault, KeySpec, Lie, Login, Mutability, Options, RegistryMode};
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

/// The lines of standard error that are about a signature, as JSON.
fn signature_lines(run: &Run) -> Vec<Value> {
    run.stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .filter(|line: &Value| line["target"] == "countersign::signature")
        .collect()
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
fn a_signature_costs_one_request_for_the_key_and_one_to_sign() {
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
    assert_eq!(asked, ["TrentService.GetPublicKey", "TrentService.Sign"]);
    let signing = &world.kms_calls("Sign")[0];
    assert_eq!(signing.parameter("MessageType"), Some("DIGEST"));
    assert_eq!(signing.parameter("SigningAlgorithm"), Some("ECDSA_SHA_256"));
    // By the key's own name, so that an alias that is moved meanwhile changes nothing.
    assert_eq!(signing.parameter("KeyId"), Some(key.arn.as_str()));
    // What KMS was given is what is said to have been signed.
    let message = STANDARD
        .decode(signing.parameter("Message").unwrap())
        .unwrap();
    let hexadecimal: String = message.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        run.json()["signedDigest"],
        format!("sha256:{hexadecimal}").as_str()
    );
}

#[test]
fn many_images_cost_one_request_for_the_key() {
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
    assert_eq!(world.kms_calls("Sign").len(), 5);
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
fn json_says_all_that_was_written() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    let (private, _) = world.key_files("team", "p256");
    let by_kms = sign(&world, &World::kms_key(), &["--output", "json"], &image)
        .ends(0)
        .json();
    let by_file = sign(&world, &private, &["--output", "json"], &image)
        .ends(0)
        .json();
    assert_eq!(by_kms["outcome"], "signed");
    assert_eq!(by_kms["image"], image.tagged());
    assert_eq!(by_kms["digest"], image.digest);
    assert!(
        by_kms["key"]
            .as_str()
            .unwrap()
            .starts_with("arn:aws:kms:us-east-1:000000000000:key/")
    );
    assert_eq!(by_kms["requestId"].as_str().unwrap().len(), 36);
    assert_eq!(by_file["key"], private);
    assert_eq!(by_file["requestId"], Value::Null);
    assert_eq!(by_file["keyId"].as_str().unwrap().len(), 64);
    // The digests name what lies in the registry.
    let pushed = world.writes().join("\n");
    for record in [&by_kms, &by_file] {
        let manifest = record["manifest"].as_str().unwrap();
        assert!(
            pushed.contains(&format!("PUT /v2/shop/api/manifests/{manifest}")),
            "{pushed}"
        );
        let queries: Vec<String> = world
            .calls(|call| call.line.starts_with("PUT "))
            .into_iter()
            .map(|call| call.query.replace("%3A", ":"))
            .collect();
        let bundle = record["bundle"].as_str().unwrap();
        assert!(
            queries.iter().any(|query| query.contains(bundle)),
            "{queries:?}"
        );
    }
}

#[test]
fn a_build_is_told_the_digests() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    let file = world.write("github-output", "before=1\n");
    let arguments = [
        "sign",
        "--key",
        &World::kms_key(),
        &image.tagged(),
        "--output",
        "json",
    ];
    let run = world
        .countersign_with(&arguments, &[("GITHUB_OUTPUT", &file)])
        .ends(0);
    let manifest = run.json()["manifest"].as_str().unwrap().to_owned();
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        format!("before=1\ndigest={}\nsignature={manifest}\n", image.digest)
    );
    // A build that does not hear of it must not go on as though it had.
    let folder = world.path("").display().to_string();
    world
        .countersign_with(&arguments, &[("GITHUB_OUTPUT", &folder)])
        .ends(3)
        .says("error[file-unwritable]");
}

#[test]
fn one_line_for_each_signature_joins_it_to_the_key_services_log() {
    let world = World::ecr();
    let (one, two) = (
        world.image("shop/api", "1", "a"),
        world.image("shop/api", "2", "b"),
    );
    let arguments = [
        "sign",
        "--key",
        &World::kms_key(),
        &one.tagged(),
        &two.tagged(),
        "--log-format",
        "json",
        "--output",
        "json",
    ];
    let run = world.countersign(&arguments).ends(0);
    let records: Vec<Value> = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let lines = signature_lines(&run);
    assert_eq!(lines.len(), 2, "{}", run.stderr);
    for ((line, record), image) in lines.iter().zip(&records).zip([&one, &two]) {
        assert_eq!(line["subject"], image.digest);
        assert_eq!(
            line["predicate_type"],
            "https://sigstore.dev/cosign/sign/v1"
        );
        assert_eq!(line["signed"], record["signedDigest"]);
        assert_eq!(line["key"], record["key"]);
        assert_eq!(line["request_id"], record["requestId"]);
    }
    let again = world.countersign(&arguments).ends(0);
    assert_eq!(signature_lines(&again), [Value::Null; 0]);
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

#[test]
fn no_secret_is_said_even_to_who_asks_for_everything() {
    for registry in [
        RegistryMode::Ecr,
        RegistryMode::PlainOci(Login::Basic),
        RegistryMode::PlainOci(Login::Bearer),
    ] {
        let world = World::with(Options {
            registry,
            ..Options::default()
        });
        let image = world.image("shop/api", "1", "a");
        let login = fs::read_to_string(world.path("docker/config.json")).unwrap();
        let login: Value = serde_json::from_str(&login).unwrap();
        let login = login["auths"][world.stand_in.registry_host()]["auth"]
            .as_str()
            .unwrap();
        let decoded = String::from_utf8(STANDARD.decode(login).unwrap()).unwrap();
        let password = decoded.split_once(':').unwrap().1;
        let aws = [
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMIsecret"),
            ("AWS_SESSION_TOKEN", "FwoGZXIvYXdzEtoken"),
        ];
        let key = World::kms_key();
        for command in ["sign", "verify"] {
            for format in ["text", "json"] {
                let run = world
                    .countersign_with(
                        &[
                            command,
                            "--key",
                            &key,
                            &image.tagged(),
                            "-vv",
                            "--log-format",
                            format,
                        ],
                        &aws,
                    )
                    .ends(0);
                let said = format!("{}{}", run.stdout, run.stderr);
                for secret in [login, password, aws[0].1, aws[1].1] {
                    assert!(!said.contains(secret), "{secret} is in {said}");
                }
            }
        }
    }
}
