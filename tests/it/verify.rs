//! `countersign verify`, through the stand-in.

use crate::world::World;

#[test]
fn what_was_signed_is_verified_in_every_kind_of_registry() {
    for world in [
        World::ecr(),
        World::ecr_over_tls(),
        World::oci(),
        World::no_referrers(),
    ] {
        let image = world.image("shop/api", "1", "a");
        world
            .countersign(&["sign", "--key", &World::kms_key(), &image.tagged()])
            .ends(0);
        let run = world
            .countersign(&[
                "verify",
                "--key",
                &World::kms_key(),
                &image.tagged(),
                "--output",
                "json",
            ])
            .ends(0);
        let verdict = run.json();
        assert_eq!(verdict["verdict"], "verified");
        assert_eq!(verdict["level"], "signed");
        assert_eq!(verdict["digest"], image.digest);
        assert_eq!(verdict["pinned"], image.pinned());
        assert_eq!(
            verdict["authenticity"]["signatures"][0]["repository"],
            image.repository
        );
    }
}

#[test]
fn an_unsigned_image_is_refused() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    world
        .countersign(&["verify", "--key", &World::kms_key(), &image.tagged()])
        .ends(1)
        .says("refused[signature-missing]")
        .says("remedy: ");
}

#[test]
fn an_image_that_is_not_there_is_refused_and_says_so() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    let absent = format!("{}:2", image.repository);
    world
        .countersign(&["verify", "--key", &World::kms_key(), &absent])
        .ends(1)
        .says("image-not-found");
}

#[test]
fn another_key_is_refused() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    let (private, _) = world.key_files("one", "p256");
    let (_, other) = world.key_files("other", "p256");
    world
        .countersign(&["sign", "--key", &private, &image.tagged()])
        .ends(0);
    world
        .countersign(&["verify", "--key", &other, &image.tagged()])
        .ends(1)
        .says("refused[key-unknown]");
}

#[test]
fn a_demonstration_key_is_refused_unless_it_is_accepted() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    world
        .countersign(&["sign", "--key", &World::kms_key(), &image.tagged()])
        .ends(0);
    let arguments = ["verify", "--key", &World::kms_key(), &image.tagged()];
    world
        .countersign_with(&arguments, &[("COUNTERSIGN_ACCEPT_STAND_IN", "")])
        .ends(1)
        .says("refused[stand-in-key]");
    world
        .countersign_with(&arguments, &[("COUNTERSIGN_ACCEPT_STAND_IN", "0")])
        .ends(1)
        .says("refused[stand-in-key]");
    world
        .countersign(&arguments)
        .ends(0)
        .says("A DEMONSTRATION KEY");
}

#[test]
fn a_signature_counts_in_its_own_repository_only() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    let elsewhere = world.image("shop/copy", "1", "a");
    assert_eq!(image.digest, elsewhere.digest);
    let (private, public) = world.key_files("team", "p256");
    let run = world
        .countersign(&[
            "sign",
            "--key",
            &private,
            &image.tagged(),
            "--output",
            "json",
        ])
        .ends(0);
    copy_signature(
        &world,
        &image.path,
        &elsewhere.path,
        run.json()["manifest"].as_str().unwrap(),
    );
    world
        .countersign(&["verify", "--key", &public, &image.tagged()])
        .ends(0);
    world
        .countersign(&["verify", "--key", &public, &elsewhere.tagged()])
        .ends(1)
        .says("refused[repository-mismatch]");
}

#[test]
fn pin_prints_digests_and_only_if_everything_passed() {
    let world = World::ecr();
    let (one, two) = (
        world.image("shop/api", "1", "a"),
        world.image("shop/api", "2", "b"),
    );
    let (private, public) = world.key_files("team", "p256");
    world
        .countersign(&["sign", "--key", &private, &one.tagged()])
        .ends(0);
    let arguments = [
        "verify",
        "--pin",
        "--key",
        &public,
        &one.tagged(),
        &two.tagged(),
    ];
    let run = world
        .countersign(&arguments)
        .ends(1)
        .says("signature-missing");
    assert_eq!(run.stdout, "");
    world
        .countersign(&["sign", "--key", &private, &two.tagged()])
        .ends(0);
    let run = world.countersign(&arguments).ends(0);
    assert_eq!(run.stdout, format!("{}\n{}\n", one.pinned(), two.pinned()));
}

#[test]
fn the_worst_of_several_images_decides_and_each_is_reported() {
    let world = World::ecr();
    let (signed, unsigned) = (
        world.image("shop/api", "1", "a"),
        world.image("shop/api", "2", "b"),
    );
    let (private, public) = world.key_files("team", "p256");
    world
        .countersign(&["sign", "--key", &private, &signed.tagged()])
        .ends(0);
    let dead = "127.0.0.1:9/shop/api:1";
    let verify = |images: &[&str]| {
        let arguments: Vec<&str> = ["verify", "--key", &public, "--output", "json"]
            .into_iter()
            .chain(images.iter().copied())
            .collect();
        world.countersign(&arguments)
    };
    let run = verify(&[&signed.tagged(), &unsigned.tagged(), dead]).ends(1);
    let verdicts: Vec<String> = run
        .stdout
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["verdict"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(verdicts, ["verified", "refused", "undecided"]);
    verify(&[&signed.tagged(), dead])
        .ends(3)
        .says("registry-unavailable");
}

#[test]
fn annotations_are_demanded_by_value() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    let (private, public) = world.key_files("team", "p256");
    world
        .countersign(&[
            "sign",
            "--key",
            &private,
            "-a",
            "env=prod",
            "-a",
            "note=a=b",
            &image.tagged(),
        ])
        .ends(0);
    let verify = |annotation: &str| {
        world.countersign(&[
            "verify",
            "--key",
            &public,
            "-a",
            annotation,
            &image.tagged(),
        ])
    };
    verify("env=prod").ends(0);
    verify("note=a=b").ends(0);
    verify("env=test")
        .ends(1)
        .says("refused[annotation-mismatch]");
    verify("missing=x")
        .ends(1)
        .says("refused[annotation-mismatch]");
}

#[test]
fn a_threshold_counts_distinct_keys() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    let ((one, one_pub), (two, two_pub)) = (
        world.key_files("one", "p256"),
        world.key_files("two", "rsa-2048"),
    );
    let copy = world.write("copy.pub", &std::fs::read_to_string(&one_pub).unwrap());
    world
        .countersign(&["sign", "--key", &one, &image.tagged()])
        .ends(0);
    let verify = |keys: [&str; 2]| {
        world.countersign(&[
            "verify",
            "--threshold",
            "2",
            "--key",
            keys[0],
            "--key",
            keys[1],
            &image.tagged(),
        ])
    };
    verify([&one_pub, &two_pub])
        .ends(1)
        .says("refused[threshold-not-met]");
    verify([&one_pub, &copy]).ends(2).says("threshold-too-high");
    world
        .countersign(&["sign", "--key", &two, &image.tagged()])
        .ends(0);
    verify([&one_pub, &two_pub]).ends(0);
}

#[test]
fn a_child_is_vouched_for_by_itself_or_by_the_index_it_was_reached_through() {
    let world = World::ecr();
    let (private, public) = world.key_files("team", "p256");
    let (index, children) = world.index("shop/api", "1", &["amd64", "arm64"]);
    let verify = |more: &[&str]| {
        let arguments: Vec<&str> = ["verify", "--key", &public]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        world.countersign(&arguments)
    };
    world
        .countersign(&["sign", "--key", &private, &index.tagged()])
        .ends(0);
    verify(&[&index.tagged()]).ends(0);
    verify(&["--platform", "linux/arm64", &index.tagged()])
        .ends(0)
        .says(&children[1].digest);
    verify(&["--platform", "linux/s390x", &index.tagged()])
        .ends(1)
        .says("refused[platform-missing]");
    // Reached without its index, the index's signature says nothing about it.
    verify(&[&children[1].pinned()])
        .ends(1)
        .says("refused[signature-missing]");
    world
        .countersign(&["sign", "--key", &private, &children[1].pinned()])
        .ends(0);
    verify(&[&children[1].pinned()]).ends(0);
}

/// Copies a signature's manifest and blobs to another repository, as somebody who may push there could.
pub(crate) fn copy_signature(world: &World, from: &str, to: &str, digest: &str) {
    let source = format!("http://{}/v2/{from}", world.stand_in.registry_host());
    let fetch = |path: &str| {
        let (user, password) = world.stand_in.credentials().unwrap();
        let mut command = world.program("/usr/bin/curl");
        command.args([
            "-sSfL",
            "-u",
            &format!("{user}:{password}"),
            "-H",
            "Accept: */*",
            &format!("{source}/{path}"),
        ]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    let manifest = fetch(&format!("manifests/{digest}"));
    let parsed: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let blobs = parsed["layers"]
        .as_array()
        .unwrap()
        .iter()
        .chain([&parsed["config"]]);
    for blob in blobs {
        let bytes = fetch(&format!("blobs/{}", blob["digest"].as_str().unwrap()));
        world.stand_in.place_blob(to, bytes.into());
    }
    world
        .stand_in
        .place_manifest(to, "", crate::world::OCI_MANIFEST, manifest.into());
}

#[test]
fn a_key_that_kms_does_not_show_is_a_matter_of_configuration() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    let key = world
        .stand_in
        .create_key(countersign_stand_in::KeySpec::ECC_NIST_P256, "alias/going")
        .unwrap();
    world
        .stand_in
        .set_key_state(&key.arn, countersign_stand_in::KeyState::PendingDeletion)
        .unwrap();
    // No image was judged: this is no refusal of one.
    world
        .countersign(&["verify", "--key", "alias/going", &image.tagged()])
        .ends(2);
    world
        .countersign(&["verify", "--key", "alias/absent", &image.tagged()])
        .ends(2)
        .says("error[key-not-found]");
}

#[test]
fn an_annotation_is_demanded_once() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    let (_, public) = world.key_files("team", "p256");
    let arguments = [
        "verify",
        "--key",
        &public,
        "-a",
        "env=prod",
        "-a",
        "env=test",
        &image.tagged(),
    ];
    world
        .countersign(&arguments)
        .ends(2)
        .says("error[annotation-repeated]");
}
