//! Image layouts as crane and oras write them, signed here and carried to registries, and back.

use super::{cosign_sign, cosign_verify, docker_registry::DockerRegistry, peer};
use crate::world::{Image, Run, World, run};

impl World {
    fn peer(&self, name: &str, arguments: &[&str]) -> Run {
        let mut command = peer(self, name);
        command.args(arguments);
        run(command).ends(0)
    }

    fn pull(&self, image: &Image, folder: &str) {
        let pull = [
            "pull",
            "--insecure",
            "--format",
            "oci",
            &image.tagged(),
            folder,
        ];
        self.peer("crane", &pull);
    }

    fn on(&self, command: &str, layout: &str, repository: &str) -> Run {
        let key = Self::kms_key();
        self.countersign(&[command, "--key", &key, layout, "--repository", repository])
    }
}

#[test]
fn what_is_signed_in_a_folder_goes_with_its_image_to_every_registry() {
    let world = World::oci();
    let docker = DockerRegistry::start(&world);
    let image = world.image("built/api", "1", "a");
    for host in [world.stand_in.registry_host(), &docker.host] {
        // It is signed for where it will be, before it is there.
        let repository = format!("{host}/shop/api");
        let folder = host.replace(':', "-");
        world.pull(&image, &folder);
        world
            .on("verify", &format!("oci:{folder}"), &repository)
            .ends(1)
            .says("refused[signature-missing]");
        world
            .on("sign", &format!("oci:{folder}"), &repository)
            .ends(0);
        world
            .on("verify", &format!("oci:{folder}"), &repository)
            .ends(0);
        let pinned = format!("{folder}@{}", image.digest);
        let discover = ["discover", "--oci-layout", "--format", "json", &pinned];
        let discovered = world.peer("oras", &discover).json();
        assert_eq!(discovered["referrers"].as_array().unwrap().len(), 2);

        let tagged = format!("{repository}:1");
        let copy = [
            "copy",
            "-r",
            "--from-oci-layout",
            "--to-plain-http",
            &pinned,
            &tagged,
        ];
        world.peer("oras", &copy);
        world
            .countersign(&["verify", "--key", &World::kms_key(), &tagged])
            .ends(0);
        cosign_verify(&world, &World::kms_key(), &[], &tagged).ends(0);
    }
}

#[test]
fn what_is_signed_in_a_registry_is_verified_in_a_folder() {
    for world in [World::oci(), World::no_referrers()] {
        let image = world.image("shop/api", "1", "a");
        let repository = image.repository.clone();
        let (private, public) = world.key_files("theirs", "p256");
        cosign_sign(
            &world,
            &World::kms_key(),
            &["-a", "by=cosign"],
            &image.pinned(),
        )
        .ends(0);
        world
            .countersign(&["sign", "--key", &private, &image.tagged()])
            .ends(0);
        let copy = [
            "copy",
            "-r",
            "--from-plain-http",
            "--to-oci-layout",
            &image.tagged(),
            "folder:1",
        ];
        world.peer("oras", &copy);
        for key in [&World::kms_key(), &public] {
            for layout in [
                "oci:folder",
                "oci:folder:1",
                &format!("oci:folder@{}", image.digest),
            ] {
                world
                    .countersign(&["verify", "--key", key, layout, "--repository", &repository])
                    .ends(0);
            }
        }
        // Copied in part, it is not signed.
        let copy = [
            "copy",
            "--from-plain-http",
            "--to-oci-layout",
            &image.tagged(),
            "bare:1",
        ];
        world.peer("oras", &copy);
        world
            .on("verify", "oci:bare", &repository)
            .ends(1)
            .says("refused[signature-missing]");
    }
}

#[test]
fn oras_and_we_write_one_folder_and_keep_what_the_other_wrote() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    world.pull(&image, "folder");
    world.write("note.txt", "a note");
    let pinned = format!("folder@{}", image.digest);
    let attach = |kind: &str| {
        let attach = [
            "attach",
            "--oci-layout",
            "--artifact-type",
            kind,
            &pinned,
            "note.txt:text/plain",
        ];
        world.peer("oras", &attach);
    };
    attach("application/x.first");
    world.on("sign", "oci:folder", &image.repository).ends(0);
    attach("application/x.second");
    world.on("verify", "oci:folder", &image.repository).ends(0);
    let discovered = world.peer("oras", &["discover", "--oci-layout", &pinned]);
    discovered
        .says("application/x.first")
        .says("application/x.second")
        .says("application/vnd.dev.sigstore.bundle.v0.3+json");
    world.peer("oras", &["tag", "--oci-layout", &pinned, "later"]);
    world
        .on("verify", "oci:folder:later", &image.repository)
        .ends(0);
}

#[test]
fn an_index_is_one_image_however_its_children_are_listed() {
    let world = World::oci();
    let (index, children) = world.index("shop/api", "1", &["amd64", "arm64"]);
    world.pull(&index, "crane");
    let copy = [
        "copy",
        "--from-plain-http",
        "--to-oci-layout",
        &index.tagged(),
        "oras:1",
    ];
    world.peer("oras", &copy);
    for layout in ["oci:crane", "oci:oras"] {
        world.on("sign", layout, &index.repository).ends(0);
        let key = World::kms_key();
        let verify = [
            "verify",
            "--key",
            &key,
            layout,
            "--repository",
            &index.repository,
        ];
        let platform = ["--platform", "linux/arm64", "--output", "json"];
        let verdict = world.countersign(&[&verify[..], &platform].concat());
        assert_eq!(verdict.ends(0).json()["digest"], children[1].digest);
    }
}

#[test]
fn crane_names_an_image_with_its_whole_reference() {
    let world = World::oci();
    let image = world.image("shop/api", "1.4", "a");
    let pull = [
        "pull",
        "--insecure",
        "--annotate-ref",
        "--format",
        "oci",
        &image.tagged(),
        "folder",
    ];
    world.peer("crane", &pull);
    world
        .on("sign", "oci:folder:1.4", &image.repository)
        .ends(0);
    world
        .on("verify", "oci:folder:1.4", &image.repository)
        .ends(0);
    world
        .on("verify", "oci:folder:1", &image.repository)
        .ends(1)
        .says("it has ");
}
