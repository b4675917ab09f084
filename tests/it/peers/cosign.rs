//! cosign 3 on the stand-in.

use std::fs;

use countersign_stand_in::KeySpec;

use super::{cosign_sign, cosign_verify, peer};
use crate::world::{World, run};

#[test]
fn cosign_verifies_what_we_sign_with_kms_and_file_keys() {
    for world in [World::ecr(), World::oci(), World::no_referrers()] {
        world
            .stand_in
            .create_key(KeySpec::RSA_2048, "alias/rsa")
            .unwrap();
        let (file, file_pub) = world.key_files("file", "p256");
        let (rsa, rsa_pub) = world.key_files("rsa", "rsa-3072");
        for (number, (key, public)) in [
            (World::kms_key(), None),
            ("awskms:///alias/rsa".to_owned(), None),
            (file, Some(file_pub)),
            (rsa, Some(rsa_pub)),
        ]
        .into_iter()
        .enumerate()
        {
            let image = world.image("shop/api", &number.to_string(), &number.to_string());
            world
                .countersign(&["sign", "--key", &key, "-a", "env=prod", &image.tagged()])
                .ends(0);
            let public = public.unwrap_or_else(|| {
                let pem = world
                    .countersign(&["key", "public", "--key", &key])
                    .ends(0)
                    .stdout;
                world.write(&format!("{number}.pub"), &pem)
            });
            cosign_verify(&world, &public, &["-a", "env=prod"], &image.tagged()).ends(0);
            cosign_verify(&world, &public, &["-a", "env=test"], &image.tagged()).ends(1);
            let other = world.image("shop/api", "other", "other");
            assert_ne!(cosign_verify(&world, &public, &[], &other.tagged()).code, 0);
        }
    }
}

#[test]
fn cosign_verifies_our_p384_signatures_by_the_curves_own_hash() {
    let world = World::oci();
    world
        .stand_in
        .create_key(KeySpec::ECC_NIST_P384, "alias/p384")
        .unwrap();
    let image = world.image("shop/api", "1", "a");
    world
        .countersign(&["sign", "--key", "alias/p384", &image.tagged()])
        .ends(0);
    cosign_verify(&world, "awskms:///alias/p384", &[], &image.tagged()).ends(0);
}

#[test]
fn we_verify_what_cosign_signs_with_kms_and_file_keys() {
    for world in [World::ecr(), World::oci(), World::no_referrers()] {
        for spec in [KeySpec::ECC_NIST_P384, KeySpec::RSA_2048, KeySpec::RSA_4096] {
            world
                .stand_in
                .create_key(spec, &format!("alias/{}", spec.name()))
                .unwrap();
        }
        let mut generate = peer(&world, "cosign");
        generate.arg("generate-key-pair");
        run(generate).ends(0);
        let kms = |alias: &str| (format!("awskms:///{alias}"), format!("awskms:///{alias}"));
        for (number, (key, public)) in [
            kms(countersign_stand_in::DEFAULT_ALIAS),
            kms("alias/ECC_NIST_P384"),
            kms("alias/RSA_2048"),
            kms("alias/RSA_4096"),
            (
                world.path("cosign.key").display().to_string(),
                world.path("cosign.pub").display().to_string(),
            ),
        ]
        .into_iter()
        .enumerate()
        {
            let image = world.image("shop/api", &number.to_string(), &number.to_string());
            cosign_sign(&world, &key, &["-a", "env=prod"], &image.pinned()).ends(0);
            let verify = |more: &[&str]| {
                let arguments: Vec<&str> = ["verify", "--key", &public]
                    .into_iter()
                    .chain(more.iter().copied())
                    .collect();
                world.countersign(&arguments)
            };
            // cosign names no repository in what it signs.
            verify(&[&image.tagged()])
                .ends(0)
                .says("remark[repository-unbound]");
            verify(&["-a", "env=prod", &image.tagged()]).ends(0);
            verify(&["-a", "env=test", &image.tagged()])
                .ends(1)
                .says("annotation-mismatch");
            verify(&["--require-repository", &image.tagged()])
                .ends(1)
                .says("refused[repository-unbound]");
        }
    }
}

#[test]
fn we_verify_what_cosign_signs_in_its_older_format_where_that_is_asked_for() {
    for world in [World::ecr(), World::oci(), World::no_referrers()] {
        for spec in [KeySpec::ECC_NIST_P384, KeySpec::RSA_4096] {
            world
                .stand_in
                .create_key(spec, &format!("alias/{}", spec.name()))
                .unwrap();
        }
        let mut generate = peer(&world, "cosign");
        generate.arg("generate-key-pair");
        run(generate).ends(0);
        let kms = |alias: &str| (format!("awskms:///{alias}"), format!("awskms:///{alias}"));
        let file = |name: &str| world.path(name).display().to_string();
        let image = world.image("shop/api", "all", "all");
        let older = ["--new-bundle-format=false", "-a", "env=prod"];
        let keys = [
            kms(countersign_stand_in::DEFAULT_ALIAS),
            kms("alias/ECC_NIST_P384"),
            kms("alias/RSA_4096"),
            (file("cosign.key"), file("cosign.pub")),
        ];
        for (number, (key, public)) in keys.iter().enumerate() {
            let verify =
                |more: &[&str]| world.countersign(&[&["verify", "--key", public], more].concat());
            let alone = world.image("shop/api", &number.to_string(), &number.to_string());
            cosign_sign(&world, key, &older, &alone.pinned()).ends(0);
            verify(&[&alone.pinned()])
                .ends(1)
                .says("refused[signature-missing]")
                .says("`verify --legacy-signatures`");
            // cosign names the repository here, and compares it with nothing.
            let demands = ["-a", "env=prod", "--require-repository"];
            for image in [alone.pinned(), alone.tagged()] {
                verify(&[&demands[..], &["--legacy-signatures", &image]].concat()).ends(0);
            }
            verify(&["--legacy-signatures", "-a", "env=test", &alone.pinned()])
                .ends(1)
                .says("refused[annotation-mismatch]");
            cosign_sign(&world, key, &older, &image.pinned()).ends(0);
        }
        // Each added its signature to those at the tag.
        let mut arguments = vec!["verify", "--legacy-signatures", "--threshold", "4"];
        for (_, public) in &keys {
            arguments.extend(["--key", public]);
        }
        let image = image.pinned();
        arguments.push(&image);
        world.countersign(&arguments).ends(0);
    }
}

#[test]
fn we_sign_with_cosigns_encrypted_key_file() {
    let world = World::oci();
    let mut generate = peer(&world, "cosign");
    generate.arg("generate-key-pair");
    run(generate).ends(0);
    let (key, public) = (
        world.path("cosign.key").display().to_string(),
        world.path("cosign.pub").display().to_string(),
    );
    let image = world.image("shop/api", "1", "a");
    let arguments = ["sign", "--key", &key, &image.tagged()];
    world
        .countersign_with(&arguments, &[("COSIGN_PASSWORD", "wrong")])
        .ends(2)
        .says("remedy");
    world
        .countersign_with(&arguments, &[("COUNTERSIGN_KEY_PASSWORD", super::PASSWORD)])
        .ends(0);
    world
        .countersign_with(&arguments, &[("COSIGN_PASSWORD", super::PASSWORD)])
        .ends(0)
        .says("already signed");
    cosign_verify(&world, &public, &[], &image.tagged()).ends(0);
    world
        .countersign(&[
            "verify",
            "--key",
            &public,
            "--require-repository",
            &image.tagged(),
        ])
        .ends(0);
}

#[test]
fn cosigns_attestation_by_a_trusted_key_is_no_signature() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    let predicate = world.write("predicate.json", r#"{"passed":true}"#);
    let mut attest = peer(&world, "cosign");
    attest.args([
        "attest",
        "--yes",
        "--key",
        &World::kms_key(),
        "--type",
        "custom",
        "--predicate",
        &predicate,
    ]);
    attest.args([
        "--tlog-upload=false",
        "--use-signing-config=false",
        "--allow-http-registry",
        &image.pinned(),
    ]);
    run(attest).ends(0);
    let verify = ["verify", "--key", &World::kms_key(), &image.tagged()];
    world
        .countersign(&verify)
        .ends(1)
        .says("refused[signature-missing]")
        .says("cosign.sigstore.dev/attestation");
    cosign_sign(&world, &World::kms_key(), &[], &image.pinned()).ends(0);
    world.countersign(&verify).ends(0);
}

#[test]
fn signatures_by_both_count_as_two_signers() {
    let world = World::no_referrers();
    world
        .stand_in
        .create_key(KeySpec::RSA_2048, "alias/second")
        .unwrap();
    let image = world.image("shop/api", "1", "a");
    cosign_sign(&world, "awskms:///alias/second", &[], &image.pinned()).ends(0);
    world
        .countersign(&["sign", "--key", &World::kms_key(), &image.pinned()])
        .ends(0);
    let both = [
        "verify",
        "--threshold",
        "2",
        "--key",
        &World::kms_key(),
        "--key",
        "alias/second",
        &image.tagged(),
    ];
    world.countersign(&both).ends(0);
    cosign_verify(&world, "awskms:///alias/second", &[], &image.tagged()).ends(0);
    cosign_verify(&world, &World::kms_key(), &[], &image.tagged()).ends(0);
}

#[test]
fn our_manifest_is_the_one_that_cosign_writes() {
    let world = World::oci();
    let (ours, theirs) = (
        world.image("shop/api", "1", "a"),
        world.image("shop/api", "2", "b"),
    );
    let signed = world
        .countersign(&[
            "sign",
            "--key",
            &World::kms_key(),
            &ours.pinned(),
            "--output",
            "json",
        ])
        .ends(0);
    cosign_sign(&world, &World::kms_key(), &[], &theirs.pinned()).ends(0);
    let ours = manifest(
        &world,
        &ours.repository,
        signed.json()["manifest"].as_str().unwrap(),
    );
    let listed = referrers(&world, &theirs.path, &theirs.digest);
    let theirs = manifest(
        &world,
        &theirs.repository,
        listed["manifests"][0]["digest"].as_str().unwrap(),
    );
    for member in ["schemaVersion", "mediaType", "artifactType"] {
        assert_eq!(ours[member], theirs[member], "{member}");
    }
    for member in ["mediaType", "digest", "size"] {
        assert_eq!(
            ours["config"][member], theirs["config"][member],
            "config.{member}"
        );
    }
    assert_eq!(
        ours["layers"][0]["mediaType"],
        theirs["layers"][0]["mediaType"]
    );
    let names = |manifest: &serde_json::Value| -> Vec<String> {
        manifest["annotations"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    };
    assert_eq!(names(&ours), names(&theirs));
}

fn manifest(world: &World, repository: &str, digest: &str) -> serde_json::Value {
    let mut command = peer(world, "crane");
    command.args(["manifest", "--insecure", &format!("{repository}@{digest}")]);
    run(command).ends(0).json()
}

fn referrers(world: &World, path: &str, digest: &str) -> serde_json::Value {
    let mut command = world.program("/usr/bin/curl");
    command.args([
        "-sSf",
        &format!(
            "http://{}/v2/{path}/referrers/{digest}",
            world.stand_in.registry_host()
        ),
    ]);
    run(command).ends(0).json()
}

#[test]
fn a_key_file_of_ours_is_one_that_cosign_imports() {
    let world = World::oci();
    let (private, public) = world.key_files("ours", "p256");
    let mut import = peer(&world, "cosign");
    import.args([
        "import-key-pair",
        "--key",
        &private,
        "--output-key-prefix",
        "imported",
    ]);
    run(import).ends(0);
    assert_eq!(
        fs::read_to_string(world.path("imported.pub")).unwrap(),
        fs::read_to_string(&public).unwrap()
    );
    let image = world.image("shop/api", "1", "a");
    cosign_sign(
        &world,
        &world.path("imported.key").display().to_string(),
        &[],
        &image.pinned(),
    )
    .ends(0);
    world
        .countersign(&["verify", "--key", &public, &image.tagged()])
        .ends(0);
}

#[test]
fn a_demonstration_key_is_known_by_its_account_where_no_annotation_tells() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    cosign_sign(&world, &World::kms_key(), &[], &image.pinned()).ends(0);
    let verify = ["verify", "--key", &World::kms_key(), &image.tagged()];
    world
        .countersign_with(&verify, &[("COUNTERSIGN_ACCEPT_STAND_IN", "")])
        .ends(1)
        .says("refused[stand-in-key]");
    world
        .countersign(&verify)
        .ends(0)
        .says("A DEMONSTRATION KEY");
}

/// cosign's trusted root with these time-stamp authorities alone.
fn trusted_root(world: &World, authorities: &[&str]) -> String {
    let path = world.path("trusted-root.json").display().to_string();
    let _ = fs::remove_file(&path);
    let mut create = peer(world, "cosign");
    create.args(["trusted-root", "create", "--out", &path]);
    for authority in authorities {
        let (url, chain) = (world.tsa(authority), world.chain(authority));
        create.arg(format!("--tsa=url={url},certificate-chain={chain}"));
    }
    run(create).ends(0);
    path
}

fn verify_attestation(world: &World, key: &str, more: &[&str], image: &str) -> crate::world::Run {
    let mut command = peer(world, "cosign");
    command.args(["verify-attestation", "--key", key]);
    command.args(["--insecure-ignore-tlog=true", "--allow-http-registry"]);
    command.args(more).arg(image);
    run(command)
}

const PUBLICATION: &str = "https://countersign.dev/publication/v1";

#[test]
fn cosign_verifies_our_publications_and_their_stamps() {
    for world in [World::ecr(), World::oci(), World::no_referrers()] {
        let image = world.image("shop/api", "1", "a");
        let (one, two) = (world.tsa("one"), world.tsa("two"));
        world.signs(&["--tsa", &one, "--tsa", &two], &image).ends(0);
        let key = World::kms_key();
        let publication = ["--type", PUBLICATION];
        // With the key alone.
        verify_attestation(&world, &key, &publication, &image.tagged()).ends(0);
        let (_, other) = world.key_files("other", "p256");
        assert_ne!(
            verify_attestation(&world, &other, &publication, &image.tagged()).code,
            0
        );
        // And with the stamps.
        let root = trusted_root(&world, &["one", "two"]);
        let stamped = ["--use-signed-timestamps", "--trusted-root", &root];
        cosign_verify(&world, &key, &stamped, &image.tagged()).ends(0);
        let both = [&publication[..], &stamped].concat();
        verify_attestation(&world, &key, &both, &image.tagged()).ends(0);
        // Without a stamp, or without anybody who made one, it does not.
        let claimed = world.image("shop/api", "claimed", "b");
        world.signs(&["--no-tsa"], &claimed).ends(0);
        verify_attestation(&world, &key, &publication, &claimed.tagged()).ends(0);
        for (image, root) in [
            (&claimed, trusted_root(&world, &["one", "two"])),
            (&image, {
                let stranger = World::oci();
                let root = fs::read_to_string(trusted_root(&stranger, &["one"])).unwrap();
                world.write("stranger.json", &root)
            }),
        ] {
            let stamped = ["--use-signed-timestamps", "--trusted-root", &root];
            let run = cosign_verify(&world, &key, &stamped, &image.tagged());
            assert_ne!(run.code, 0, "{run:?}");
        }
    }
}

#[test]
fn cosign_verifies_what_we_attest() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    let predicate = world.write("sbom.json", r#"{"spdxVersion":"SPDX-2.3"}"#);
    let key = World::kms_key();
    for kind in ["spdx", "https://example.com/scan/v1"] {
        let arguments = [
            "attest",
            "--key",
            &key,
            "--type",
            kind,
            "--predicate",
            &predicate,
        ];
        world
            .countersign(&[&arguments[..], &[&image.tagged()]].concat())
            .ends(0);
        let root = trusted_root(&world, &["one"]);
        let stamped = [
            "--type",
            kind,
            "--use-signed-timestamps",
            "--trusted-root",
            &root,
        ];
        verify_attestation(&world, &key, &stamped, &image.tagged()).ends(0);
        let other = verify_attestation(&world, &key, &["--type", "vuln"], &image.tagged());
        assert_ne!(other.code, 0);
    }
}

#[test]
fn we_verify_what_cosign_attests() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    world.signs(&[], &image).ends(0);
    let predicate = world.write("sbom.json", r#"{"spdxVersion":"SPDX-2.3"}"#);
    let mut attest = peer(&world, "cosign");
    attest.args(["attest", "--yes", "--key", &World::kms_key()]);
    attest.args(super::OFFLINE);
    attest.args(["--type", "spdx", "--predicate", &predicate, &image.pinned()]);
    run(attest).ends(0);
    world
        .verifies(&["--attestation", "spdx"], &image)
        .ends(0)
        .says("https://spdx.dev/Document attested by");
    world
        .verifies(&["--attestation", "vuln"], &image)
        .ends(1)
        .says("refused[attestation-missing]");
}

#[test]
fn cosign_verifies_each_that_we_sign_recursively() {
    for world in [World::ecr(), World::no_referrers()] {
        let (index, children) = world.index("shop/api", "1", &["amd64", "arm64"]);
        world.signs(&["--recursive"], &index).ends(0);
        for image in children.iter().chain([&index]) {
            cosign_verify(&world, &World::kms_key(), &[], &image.pinned()).ends(0);
        }
    }
}

#[test]
fn we_verify_what_cosign_signs_recursively() {
    for world in [World::ecr(), World::no_referrers()] {
        let (index, children) = world.index("shop/api", "1", &["amd64", "arm64"]);
        let key = World::kms_key();
        cosign_sign(&world, &key, &[], &index.pinned()).ends(0);
        world
            .verifies(&["--recursive"], &index)
            .ends(1)
            .says("signature-missing");
        cosign_sign(&world, &key, &["--recursive"], &index.pinned()).ends(0);
        let run = world.verifies(&["--recursive"], &index).ends(0);
        for child in &children {
            assert!(run.stdout.contains(&child.digest), "{}", run.stdout);
        }
        // cosign names no repository in what it signs, which is said of each.
        assert_eq!(run.stdout.matches("remark[repository-unbound]").count(), 3);
    }
}
