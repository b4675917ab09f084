//! Images in OCI image-layout folders: signed, attested and verified without a registry.

use std::{fs, process::Command};

use countersign_common::Digest;
use countersign_stand_in::Service;
use serde_json::{Value, json};

use crate::world::{OCI_INDEX, OCI_MANIFEST, Run, World, run};

/// Whose the images of these tests are.
pub(crate) const NAME: &str = "registry.example/shop/api";

impl World {
    /// A layout in the world's folder, with an image for each tag.
    pub(crate) fn layout(&self, name: &str, tags: &[&str]) -> Vec<String> {
        let mut digests = Vec::new();
        let mut entries = Vec::new();
        fs::create_dir_all(self.path(name)).unwrap();
        for tag in tags {
            let mut entry = self.layout_image(name, tag);
            digests.push(entry["digest"].as_str().unwrap().to_owned());
            entry["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
            entries.push(entry);
        }
        self.write(
            &format!("{name}/oci-layout"),
            r#"{"imageLayoutVersion":"1.0.0"}"#,
        );
        self.list(name, &entries);
        digests
    }

    pub(crate) fn list(&self, name: &str, entries: &[Value]) {
        let index = json!({ "schemaVersion": 2, "manifests": entries });
        self.write(&format!("{name}/index.json"), &index.to_string());
    }

    pub(crate) fn listed(&self, name: &str) -> Vec<Value> {
        let text = fs::read(self.path(name).join("index.json")).unwrap();
        let index: Value = serde_json::from_slice(&text).unwrap();
        index["manifests"].as_array().unwrap().clone()
    }

    pub(crate) fn layout_blob(&self, name: &str, media_type: &str, bytes: &str) -> Value {
        let digest = Digest::sha256(bytes.as_bytes());
        fs::create_dir_all(self.path(name).join("blobs/sha256")).unwrap();
        self.write(&format!("{name}/blobs/sha256/{}", digest.hex()), bytes);
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    fn layout_image(&self, name: &str, content: &str) -> Value {
        let config = json!({ "architecture": content, "os": "linux", "rootfs": { "type": "layers", "diff_ids": [] } });
        let config = self.layout_blob(
            name,
            "application/vnd.oci.image.config.v1+json",
            &config.to_string(),
        );
        let layer = self.layout_blob(name, "application/vnd.oci.image.layer.v1.tar", content);
        let manifest = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer] });
        self.layout_blob(name, OCI_MANIFEST, &manifest.to_string())
    }

    /// A command with the stand-in's key, on an image in a layout of that name.
    pub(crate) fn in_layout(&self, command: &str, image: &str, more: &[&str]) -> Run {
        let key = Self::kms_key();
        let words = [command, "--key", &key, image, "--repository", NAME];
        self.countersign(&[&words, more].concat())
    }
}

#[test]
fn what_one_folder_has_says_nothing_of_the_layers_of_another() {
    let world = World::ecr();
    for folder in ["one", "other"] {
        world.layout(folder, &["1"]);
        let image = format!("oci:{folder}:1");
        world.in_layout("sign", &image, &["--no-tsa"]).ends(0);
    }
    let deep = ["oci:other:1", "--deep", "--pin"];
    world.in_layout("verify", "oci:one:1", &deep).ends(0);
    let layer = Digest::sha256(b"1");
    world.write(&format!("other/blobs/sha256/{}", layer.hex()), "2");
    let run = world.in_layout("verify", "oci:one:1", &deep).ends(1);
    run.says("refused[digest-mismatch]");
}

#[test]
fn an_image_in_a_folder_is_signed_and_verified_without_a_registry() {
    let world = World::ecr();
    let digest = &world.layout("build", &["1"])[0];
    world
        .in_layout("verify", "oci:build:1", &[])
        .ends(1)
        .says("refused[signature-missing]")
        .says("  layout        oci:build:1\n");
    let signed = world.in_layout("sign", "oci:build:1", &["--output", "json"]);
    let signed = signed.ends(0).json();
    assert_eq!(signed["outcome"], "signed");
    assert_eq!(signed["layout"], "oci:build:1");
    assert_eq!(signed["digest"], **digest);
    // The signature and the publication, beside the image.
    let listed = world.listed("build");
    assert_eq!(listed.len(), 3);
    assert_eq!(listed[1]["digest"], signed["manifest"]);
    assert_eq!(
        listed[1]["artifactType"],
        "application/vnd.dev.sigstore.bundle.v0.3+json"
    );
    world
        .in_layout("sign", "oci:build:1", &[])
        .ends(0)
        .says(&format!(
            "already signed: {NAME}:1\n  layout       oci:build:1\n"
        ));
    assert_eq!(world.listed("build"), listed);

    let chain = world.chain("one");
    for typed in [
        "oci:build",
        "oci:build:1",
        "oci:./build/:1",
        &format!("oci:build@{digest}"),
    ] {
        let dated = [
            "--tsa-chain",
            &chain,
            "--require",
            "dated",
            "--output",
            "json",
        ];
        let verdict = world.in_layout("verify", typed, &dated).ends(0).json();
        assert_eq!(verdict["level"], "dated");
        assert_eq!(verdict["layout"], typed);
        assert_eq!(verdict["pinned"], format!("{NAME}@{digest}"));
        let pinned = world.in_layout("verify", typed, &["--pin"]).ends(0);
        assert_eq!(pinned.stdout, format!("{NAME}@{digest}\n"));
    }
    assert_eq!(
        world.calls(|call| call.service == Service::Registry).len(),
        0
    );
}

#[test]
fn what_is_signed_in_a_folder_is_for_one_repository() {
    let world = World::ecr();
    world.layout("build", &["1"]);
    world.in_layout("sign", "oci:build", &[]).ends(0);
    let key = World::kms_key();
    let verify = |name: &str| {
        world.countersign(&["verify", "--key", &key, "oci:build", "--repository", name])
    };
    verify("registry.example/other")
        .ends(1)
        .says("refused[repository-mismatch]");
    verify("REGISTRY.example:443/shop/api").ends(0);
    // What the folder calls its images decides nothing.
    let mut entries = world.listed("build");
    entries[0]["annotations"] =
        json!({ "org.opencontainers.image.ref.name": "registry.example/other:1" });
    world.list("build", &entries);
    verify("registry.example/other").ends(1);
    verify(NAME).ends(0);
}

#[test]
fn folders_and_registries_stand_in_one_call() {
    let world = World::ecr();
    world.layout("build", &["1", "2"]);
    let image = world.image("shop/api", "1", "a");
    let arguments = ["oci:build:2", "--repository", NAME];
    world.signs(&arguments, &image).ends(0);
    let run = world.verifies(&arguments, &image).ends(0);
    assert_eq!(
        run.stdout.matches("verified: ").count(),
        2,
        "{}",
        run.stdout
    );
    assert_eq!(run.stdout.matches("  layout ").count(), 1, "{}", run.stdout);
    world
        .verifies(&["oci:build:1", "--repository", NAME], &image)
        .ends(1);
}

#[test]
fn whose_an_image_in_a_folder_is_must_be_said_and_of_nothing_else() {
    let world = World::ecr();
    world.layout("build", &["1"]);
    let predicate = world.write("predicate.json", "{}");
    let attest = ["attest", "--type", "spdx", "--predicate", &predicate];
    for command in [&["sign"][..], &["verify"], &attest, &["policy", "test"]] {
        let line = |more: &[&str]| world.countersign(&[command, more].concat());
        line(&["oci:build:1"])
            .ends(2)
            .says("error[repository-missing]");
        line(&["registry.example/app:1", "--repository", NAME])
            .ends(2)
            .says("error[repository-unused]");
        for name in ["registry.example/app:1", "Registry/App", ""] {
            line(&["oci:build:1", "--repository", name])
                .ends(2)
                .says("error[reference-invalid]");
        }
        for image in [
            "oci:",
            "oci:build:",
            "oci:a:b:c",
            "oci://registry.example/app",
            "oci:build@sha256:1",
        ] {
            line(&[image, "--repository", NAME])
                .ends(2)
                .says("error[reference-invalid]");
        }
        // Somebody signed here for another repository, or gave too little else; but this was understood.
        let near = line(&["oci:build:1", "--repository", NAME]);
        assert!(!near.stderr.contains("[repository-"), "{}", near.stderr);
    }
    // What is never fetched has a name alone.
    world
        .countersign(&["policy", "explain", "oci:build:1"])
        .ends(2)
        .says("error[repository-missing]");
    // An image in a registry may be called so, too.
    let oci = world.countersign(&["verify", "--key", &World::kms_key(), "library/oci"]);
    assert!(!oci.stderr.contains("[repository-"), "{}", oci.stderr);
    assert_eq!(world.kms_calls("Sign").len(), 0);
}

#[test]
fn what_is_no_layout_and_what_cannot_be_read_are_told_apart() {
    let world = World::ecr();
    world.layout("build", &["1", "2"]);
    fs::create_dir(world.path("empty")).unwrap();
    for command in ["sign", "verify"] {
        let on = |image: &str| world.in_layout(command, image, &[]);
        on("oci:absent:1").ends(2).says("error[layout-invalid]");
        on("oci:empty:1").ends(2).says("has no file `oci-layout`");
        on("oci:build/index.json:1")
            .ends(2)
            .says("error[layout-invalid]");
        on("oci:build:3")
            .ends(1)
            .says("[image-not-found]")
            .says("it has 1, 2");
        on("oci:build")
            .ends(1)
            .says("[image-ambiguous]")
            .says("1 (sha256:");
        on("oci:build:1").ends(0);
    }
    for (text, says) in [
        ("1.0.0", "its `oci-layout` says no version: "),
        (
            r#"{"imageLayoutVersion":"2.0.0"}"#,
            "its `oci-layout` says `2.0.0`",
        ),
    ] {
        world.write("empty/oci-layout", text);
        let run = world.in_layout("verify", "oci:empty:1", &[]).ends(2);
        run.says("error[layout-invalid]").says(says);
    }
    // A pipe that nobody writes into would be waited for.
    let marker = world.path("build/oci-layout");
    fs::remove_file(&marker).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(&marker)
            .status()
            .unwrap()
            .success()
    );
    for command in ["sign", "verify"] {
        world
            .in_layout(command, "oci:build:1", &[])
            .ends(3)
            .says("error[layout-unreadable]");
    }
}

#[test]
fn damage_in_a_folder_is_refused_and_what_cannot_be_read_is_undecided() {
    let world = World::ecr();
    let digest = world.layout("build", &["1"])[0].clone();
    let signed = world.in_layout("sign", "oci:build:1", &["--output", "json"]);
    let signature = signed.ends(0).json()["manifest"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = |digest: &str| world.path("build/blobs").join(digest.replace(':', "/"));
    let verify = |code: i32| world.in_layout("verify", "oci:build:1", &[]).ends(code);
    let manifest = fs::read(path(&digest)).unwrap();
    fs::write(path(&digest), [&manifest[..], b" "].concat()).unwrap();
    let file = format!("blobs/{} of oci:build ", digest.replace(':', "/"));
    let again = "remedy: copy the image into the folder again";
    verify(1)
        .says("refused[descriptor-mismatch]")
        .says(&file)
        .says(again);
    fs::write(path(&digest), &manifest).unwrap();
    verify(0);
    let config = serde_json::from_slice::<Value>(&manifest).unwrap();
    let config = path(config["config"]["digest"].as_str().unwrap());
    let bytes = fs::read(&config).unwrap();
    fs::remove_file(&config).unwrap();
    verify(3)
        .says("error[layout-unreadable]: blobs/sha256/")
        .says("of oci:build is missing, though a manifest in it names it")
        .says(again);
    fs::write(&config, bytes).unwrap();
    verify(0);
    // With its publication alone it would be verified too.
    let listed = world.listed("build");
    world.list("build", &listed[..2]);
    let bytes = fs::read(path(&signature)).unwrap();
    fs::remove_file(path(&signature)).unwrap();
    verify(3);
    std::os::unix::fs::symlink("/etc/hostname", path(&signature)).unwrap();
    verify(3).says("[layout-unreadable]");
    fs::remove_file(path(&signature)).unwrap();
    fs::write(path(&signature), bytes).unwrap();
    verify(0);
    world.write("build/index.json", "{");
    verify(1).says("refused[malformed]");
}

#[test]
fn an_attestation_replaces_another_in_a_folder() {
    let world = World::ecr();
    world.layout("build", &["1"]);
    world.in_layout("sign", "oci:build:1", &[]).ends(0);
    let attest = |predicate: &str, more: &[&str]| {
        let predicate = world.write("predicate.json", predicate);
        let more = [
            &[
                "--type",
                "spdx",
                "--predicate",
                &predicate,
                "--output",
                "json",
            ],
            more,
        ]
        .concat();
        world
            .in_layout("attest", "oci:build:1", &more)
            .ends(0)
            .json()
    };
    let demand = ["--attestation", "spdx"];
    world
        .in_layout("verify", "oci:build:1", &demand)
        .ends(1)
        .says("refused[attestation-missing]");
    let first = attest(r#"{"a":1}"#, &[]);
    assert_eq!(first["layout"], "oci:build:1");
    world.in_layout("verify", "oci:build:1", &demand).ends(0);
    let second = attest(r#"{"a":2}"#, &["--replace"]);
    assert_eq!(second["replaced"], json!([first["manifest"]]));
    let listed = world.listed("build");
    let lists = |manifest: &Value| listed.iter().any(|entry| entry["digest"] == *manifest);
    assert!(lists(&second["manifest"]) && !lists(&first["manifest"]));
    world.in_layout("verify", "oci:build:1", &demand).ends(0);
}

#[test]
fn a_child_of_an_index_in_a_folder_is_judged_for_its_platform() {
    let world = World::ecr();
    world.layout("build", &[]);
    let children = ["amd64", "arm64"].map(|architecture| {
        let mut child = world.layout_image("build", architecture);
        child["platform"] = json!({ "os": "linux", "architecture": architecture });
        child
    });
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children });
    let index = world.layout_blob("build", OCI_INDEX, &index.to_string());
    world.list("build", &[index]);
    world.in_layout("sign", "oci:build", &[]).ends(0);
    let platform = ["--platform", "linux/arm64", "--output", "json"];
    let verdict = world
        .in_layout("verify", "oci:build", &platform)
        .ends(0)
        .json();
    assert_eq!(verdict["digest"], children[1]["digest"]);
    let child = format!("oci:build@{}", children[0]["digest"].as_str().unwrap());
    world
        .in_layout("verify", &child, &[])
        .ends(1)
        .says("refused[signature-missing]");
    let all = ["--recursive"];
    world.in_layout("sign", &child, &[]).ends(0);
    world.in_layout("verify", &child, &[]).ends(0);
    let refused = world.in_layout("verify", "oci:build", &all).ends(1);
    assert!(refused.stdout.contains("linux/arm64"), "{}", refused.stdout);
    let other = format!("oci:build@{}", children[1]["digest"].as_str().unwrap());
    world.in_layout("sign", &other, &[]).ends(0);
    let all = ["--recursive", "--output", "json"];
    let verdict = world.in_layout("verify", "oci:build", &all).ends(0).json();
    for one in [&verdict, &verdict["children"][0], &verdict["children"][1]] {
        assert_eq!(one["layout"], "oci:build", "{one}");
    }
    world
        .in_layout("verify", "oci:build", &["--platform", "linux/s390x"])
        .ends(1)
        .says("refused[platform-missing]");
}

#[test]
fn what_is_attached_in_a_folder_is_shown_by_whatever_lists_it() {
    let world = World::ecr();
    let digest = world.layout("build", &["1"])[0].clone();
    let inspect = |code: i32| world.in_layout("inspect", "oci:build:1", &[]).ends(code);
    inspect(0)
        .says(&format!("{NAME}:1\n"))
        .says("read from oci:build:1\n")
        .says("nothing is attached");
    world.in_layout("sign", "oci:build:1", &[]).ends(0);
    inspect(0)
        .says("signature (Sigstore bundle)")
        .says("publication (Sigstore bundle)");
    // As cosign once named signatures, by a tag alone.
    let mut entries = world.listed("build");
    let mut legacy = world.layout_image("build", "legacy");
    let tag = format!("{}.sig", digest.replace(':', "-"));
    legacy["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
    entries.push(legacy);
    world.list("build", &entries);
    let json = ["--output", "json"];
    let inspection = world.in_layout("inspect", "oci:build:1", &json).json();
    assert_eq!(inspection["layout"], "oci:build:1");
    let attached = inspection["subject"]["attached"].as_array().unwrap();
    assert_eq!(attached.len(), 3, "{attached:?}");
    inspect(0);
    world
        .in_layout("inspect", "oci:build:2", &[])
        .ends(1)
        .says("refused[image-not-found]");
    assert_eq!(
        world.calls(|call| call.service == Service::Registry).len(),
        0
    );
}

#[test]
fn what_is_only_planned_is_not_written() {
    let world = World::ecr();
    world.layout("build", &["1"]);
    let before = world.listed("build");
    let plan = world.in_layout("sign", "oci:build:1", &["--dry-run", "--output", "json"]);
    assert_eq!(plan.ends(0).json()["layout"], "oci:build:1");
    assert_eq!(world.listed("build"), before);
}

#[test]
fn a_full_disk_leaves_the_layout_as_it_was() {
    let world = World::ecr();
    world.layout("build", &["1"]);
    let before = world.listed("build");
    let key = World::kms_key();
    let confined = |limits: &str| {
        let mut command = world.program("/bin/sh");
        let binary = env!("CARGO_BIN_EXE_countersign");
        let line = format!(
            "trap '' XFSZ; {limits} exec {binary} sign --key {key} oci:build:1 --repository {NAME}"
        );
        command.args(["-c", &line]);
        run(command)
    };
    // A file may have no byte at all: what a full disk looks like to whoever writes one.
    confined("ulimit -f 0;")
        .ends(3)
        .says("error[layout-unwritable]");
    assert_eq!(world.listed("build"), before);
    let left = fs::read_dir(world.path("build")).unwrap().count();
    assert_eq!(left, 3, "nothing but blobs, the list and the marker");
    confined("").ends(0);
    world.in_layout("verify", "oci:build:1", &[]).ends(0);
}

#[test]
fn who_keeps_a_writer_waiting_is_said() {
    let world = World::ecr();
    world.layout("build", &["1"]);
    let before = world.listed("build");
    let marker = fs::File::open(world.path("build/oci-layout")).unwrap();
    marker.lock().unwrap();
    let sign = || world.in_layout("sign", "oci:build:1", &["--timeout", "4"]);
    sign()
        .ends(3)
        .says("error[layout-unwritable]")
        .says("another process has held it for 2 s");
    assert_eq!(world.listed("build"), before);
    drop(marker);
    sign().ends(0);
}

#[test]
fn of_many_processes_that_sign_at_once_none_loses_a_signature() {
    let world = World::ecr();
    world.layout("build", &["1"]);
    let keys: Vec<_> = (0..6)
        .map(|one| world.key_files(&format!("key-{one}"), "p256"))
        .collect();
    let signers: Vec<_> = keys
        .iter()
        .map(|(key, _)| {
            let arguments = [
                "sign",
                "--no-tsa",
                "--key",
                key,
                "oci:build:1",
                "--repository",
                NAME,
            ];
            world.command(&arguments).spawn().unwrap()
        })
        .collect();
    for signer in signers {
        assert!(signer.wait_with_output().unwrap().status.success());
    }
    let trusted = keys.iter().flat_map(|(_, public)| ["--key", public]);
    let arguments = [
        "verify",
        "oci:build:1",
        "--repository",
        NAME,
        "--threshold",
        "6",
    ];
    let arguments: Vec<_> = arguments.into_iter().chain(trusted).collect();
    world.countersign(&arguments).ends(0);
    assert_eq!(world.listed("build").len(), 13);
}
