//! What `countersign sign` says of what it did: to a program, to a build, to the log; and what it never says.

use std::fs;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_stand_in::{Fault, Lie, Login, Options, RegistryMode};
use serde_json::Value;

use super::sign;
use crate::world::{Image, Run, World};

/// The lines of standard error that are about a signature, as JSON.
fn signature_lines(run: &Run) -> Vec<Value> {
    run.stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .filter(|line: &Value| line["target"] == "countersign::signature")
        .collect()
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
    let list = |images: &[(&Image, &str)]| {
        let list: Vec<String> = images
            .iter()
            .map(|(image, manifest)| {
                format!(
                    "{{\"digest\":\"{}\",\"signature\":\"{manifest}\"}}",
                    image.digest
                )
            })
            .collect();
        format!("signatures=[{}]\n", list.join(","))
    };
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        format!(
            "before=1\n{}digest={}\nsignature={manifest}\n",
            list(&[(&image, &manifest)]),
            image.digest
        )
    );
    let other = world.image("shop/api", "2", "b");
    let several = world.write("several", "");
    let run = world
        .countersign_with(
            &[&arguments[..], &[&other.tagged()]].concat(),
            &[("GITHUB_OUTPUT", &several)],
        )
        .ends(0);
    let second: Value = serde_json::from_str(run.stdout.lines().nth(1).unwrap()).unwrap();
    assert_eq!(
        fs::read_to_string(&several).unwrap(),
        list(&[
            (&image, &manifest),
            (&other, second["manifest"].as_str().unwrap())
        ])
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
    assert_eq!(lines.len(), 4, "{}", run.stderr);
    let records = records
        .iter()
        .flat_map(|record| [record, &record["publication"]]);
    for record in records {
        // In the order in which they were made.
        let line = lines
            .iter()
            .find(|line| line["signed"] == record["signedDigest"])
            .unwrap();
        assert_eq!(line["subject"], record["digest"]);
        assert_eq!(line["predicate_type"], record["predicateType"]);
        assert_eq!(line["key"], record["key"]);
        assert_eq!(line["request_id"], record["requestId"]);
    }
    let again = world.countersign(&arguments).ends(0);
    assert_eq!(signature_lines(&again), [Value::Null; 0]);
}

#[test]
fn a_signature_that_was_made_and_not_pushed_is_logged() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    let failing = Fault::on("PUT /v2/*/manifests/*", Lie::status(403));
    world.stand_in.faults().push(failing);
    let run = sign(
        &world,
        &World::kms_key(),
        &["--log-format", "json", "--output", "json"],
        &image,
    )
    .ends(3);
    assert!(
        run.stderr.contains("\"target\":\"countersign::signature\""),
        "{}",
        run.stderr
    );
    assert_eq!(world.kms_calls("Sign").len(), 2);
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
