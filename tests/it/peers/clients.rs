//! oras and crane: they list and copy what we attach.

use super::{cosign_verify, docker_registry::DockerRegistry, peer};
use crate::world::{Run, World, run};

fn crane(world: &World, arguments: &[&str]) -> Run {
    let mut command = peer(world, "crane");
    command.args(arguments);
    run(command).ends(0)
}

#[test]
fn oras_lists_and_copies_our_signature_with_its_image() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    let signed = world
        .countersign(&[
            "sign",
            "--key",
            &World::kms_key(),
            &image.tagged(),
            "--output",
            "json",
        ])
        .ends(0);
    let signature = signed.json()["manifest"].as_str().unwrap().to_owned();
    let mut discover = peer(&world, "oras");
    discover.args([
        "discover",
        "--plain-http",
        "--format",
        "json",
        &image.pinned(),
    ]);
    run(discover)
        .ends(0)
        .says(&signature)
        .says("application/vnd.dev.sigstore.bundle.v0.3+json");

    let mirror = format!("{}/mirror/api:1", world.stand_in.registry_host());
    let mut copy = peer(&world, "oras");
    copy.args([
        "copy",
        "-r",
        "--from-plain-http",
        "--to-plain-http",
        &image.tagged(),
        &mirror,
    ]);
    run(copy).ends(0);
    // The copy is intact, and it is a copy: it was signed for another repository.
    cosign_verify(&world, &World::kms_key(), &[], &mirror).ends(0);
    world
        .countersign(&["verify", "--key", &World::kms_key(), &mirror])
        .ends(1)
        .says("refused[repository-mismatch]");
    world
        .countersign(&["sign", "--key", &World::kms_key(), &mirror])
        .ends(0);
    world
        .countersign(&["verify", "--key", &World::kms_key(), &mirror])
        .ends(0);
}

#[test]
fn crane_reads_and_copies_our_signature() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    let signed = world
        .countersign(&[
            "sign",
            "--key",
            &World::kms_key(),
            &image.tagged(),
            "--output",
            "json",
        ])
        .ends(0);
    let signature = format!(
        "{}@{}",
        image.repository,
        signed.json()["manifest"].as_str().unwrap()
    );
    let crane = |arguments: &[&str]| crane(&world, arguments);
    let manifest = crane(&["manifest", "--insecure", &signature]).json();
    assert_eq!(manifest["subject"]["digest"], image.digest);
    let copy = format!("{}/copies/api", world.stand_in.registry_host());
    crane(&["copy", "--insecure", &image.pinned(), &format!("{copy}:1")]);
    crane(&[
        "copy",
        "--insecure",
        &signature,
        &format!("{copy}:signature"),
    ]);
    assert_eq!(
        crane(&["digest", "--insecure", &format!("{copy}:signature")])
            .stdout
            .trim(),
        signed.json()["manifest"]
    );
    cosign_verify(&world, &World::kms_key(), &[], &format!("{copy}:1")).ends(0);
}

#[test]
fn an_image_that_crane_pushes_and_moves_is_judged_by_its_digest() {
    let world = World::ecr();
    let layer = world.path("layer.tar");
    let mut tar = world.program("/usr/bin/tar");
    tar.args(["cf", &layer.display().to_string(), "-C", "/etc", "hostname"]);
    run(tar).ends(0);
    let reference = format!("{}/shop/built", world.stand_in.registry_host());
    let crane = |arguments: &[&str]| crane(&world, arguments);
    // crane writes Docker's manifest types.
    crane(&[
        "append",
        "--insecure",
        "-f",
        &layer.display().to_string(),
        "-t",
        &format!("{reference}:1"),
    ]);
    world
        .countersign(&[
            "sign",
            "--key",
            &World::kms_key(),
            &format!("{reference}:1"),
        ])
        .ends(0);
    world
        .countersign(&[
            "verify",
            "--key",
            &World::kms_key(),
            &format!("{reference}:1"),
        ])
        .ends(0);
    crane(&[
        "mutate",
        "--insecure",
        "--env",
        "A=changed",
        "-t",
        &format!("{reference}:2"),
        &format!("{reference}:1"),
    ]);
    crane(&[
        "copy",
        "--insecure",
        &format!("{reference}:2"),
        &format!("{reference}:1"),
    ]);
    world
        .countersign(&[
            "verify",
            "--key",
            &World::kms_key(),
            &format!("{reference}:1"),
        ])
        .ends(1)
        .says("refused[signature-missing]");
}

/// A folder packed by tar and pushed by others, to a registry that is not ours.
#[test]
fn images_that_others_build_are_verified_to_the_ground() {
    let world = World::oci();
    let registry = DockerRegistry::start(&world);
    std::fs::create_dir(world.path("content")).unwrap();
    for number in 0..50 {
        world.write(&format!("content/{number}"), &"a line\n".repeat(number));
    }
    let mut tar = world.program("/bin/tar");
    tar.args(["-cf", "layer.tar", "content"]);
    run(tar).ends(0);
    let mut gzip = world.program("/bin/gzip");
    gzip.args(["-k", "layer.tar"]);
    run(gzip).ends(0);
    let reference = |name: &str| format!("{}/{name}:1", registry.host);
    for (name, layer) in [("plain", "layer.tar"), ("packed", "layer.tar.gz")] {
        let image = reference(name);
        let append = ["append", "--insecure", "-f", layer, "-t", &image];
        crane(&world, &append);
    }
    let mut push = peer(&world, "oras");
    let artifact = "layer.tar.gz:application/vnd.example.content.v1.tar+gzip";
    push.args(["push", "--plain-http", &reference("artifact"), artifact]);
    run(push).ends(0);
    for (name, unpacked) in [("plain", 1), ("packed", 1), ("artifact", 0)] {
        let (key, image) = (World::kms_key(), reference(name));
        let sign = ["sign", "--key", &key, "--no-tsa", &image];
        world
            .countersign_with(&sign, &[("COUNTERSIGN_TSA", "")])
            .ends(0);
        let deep = [
            "verify",
            "--key",
            &key,
            "--deep=unpacked",
            &image,
            "--output",
            "json",
        ];
        let verdict = world.countersign(&deep).ends(0).json();
        assert_eq!(verdict["integrity"]["depth"], "unpacked");
        assert_eq!(
            verdict["integrity"]["layers"]["unpacked"], unpacked,
            "{verdict}"
        );
    }
}
