//! How the roots of a policy are followed to their newest versions, and what nobody can make a verifier follow.

use std::fs;

use countersign_stand_in::{Call, Fault, Lie, Login, Options, RegistryMode, Service, Transport};
use serde_json::{Value, json};

use super::SHOP;
use crate::{
    peers::{docker_registry::DockerRegistry, peer},
    world::{OCI_MANIFEST, Run, World, run},
};

const STATE: &str = ".local/state/countersign/state.json";
const ROOTS: &str = ".local/state/countersign/roots/acme";

impl World {
    fn fingerprint(&self, dir: &str) -> String {
        let shown = self.trust_json(&["show", "--dir", dir, "--version", "1"]);
        shown["root"]["fingerprint"].as_str().unwrap().to_owned()
    }

    /// A policy that pins the first version in a folder, and looks for others there.
    fn pin(&self, dir: &str, sources: &[&str]) {
        let table = self.pinned("acme", dir, sources);
        self.write_policy(&table, SHOP);
    }

    fn pinned(&self, name: &str, dir: &str, sources: &[&str]) -> String {
        let fingerprint = self.fingerprint(dir);
        format!("[roots.{name}]\nfingerprint = \"{fingerprint}\"\nsources = {sources:?}\n")
    }

    fn write_policy(&self, roots: &str, pattern: &str) {
        let rule = format!(
            "[[policy]]\nmatch = \"{pattern}\"\nroot = \"acme\"\nmode = \"enforce\"\nrequire = \"dated\"\n"
        );
        self.write("policy.toml", &format!("version = 1\n{roots}{rule}"));
    }

    fn artifact(&self) -> String {
        format!("oci://{}", self.shelf())
    }

    fn update(&self, more: &[&str]) -> Run {
        let update = ["update", "--policy", "policy.toml"];
        self.trust(&[&update[..], more].concat())
    }

    fn update_json(&self) -> Value {
        self.update(&["--output", "json"]).ends(0).json()["roots"][0].clone()
    }

    fn state(&self) -> Value {
        self.root_file(STATE)["roots"]["acme"].clone()
    }

    /// A next version that only one person has signed, where everybody looks for it.
    fn forge(&self, folder: &str) {
        self.line(&format!(
            "set-scope --dir acme --repository {SHOP} --epoch 9"
        ))
        .ends(0);
        self.all_sign("acme", &["alice"]);
        self.copy("acme/draft.root.json", &format!("{folder}/2.root.json"));
    }

    /// Puts a file under the tag of a version, as anybody can who may write there.
    fn place_root(&self, version: u64, file: &[u8]) {
        let layer = self.blob(
            "trust/acme",
            "application/vnd.countersign.root.v1+json",
            file,
        );
        let config = self.blob("trust/acme", "application/vnd.oci.empty.v1+json", b"{}");
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer],
        });
        self.place(
            "trust/acme",
            &format!("countersign-root-v{version}"),
            OCI_MANIFEST,
            serde_json::to_vec(&manifest).unwrap(),
        );
    }
}

/// A root in `acme`, published in the registry, and a policy that looks for it there.
fn published(world: World) -> World {
    let world = world.root("acme");
    world.publish("acme").ends(0);
    world.pin("acme", &[&world.artifact()]);
    world
}

#[test]
fn a_root_is_followed_at_once_from_every_kind_of_registry() {
    for world in [World::ecr(), World::oci(), World::no_referrers()] {
        let world = published(world);
        world
            .update(&[])
            .ends(0)
            .says("trust root acme, version 1, seen here for the first time")
            .says("  expires      ")
            .says(&world.fingerprint("acme"));
        assert_eq!(world.state()["version"], 1);
        assert_eq!(world.names_in(ROOTS), ["1.root.json"]);
        let world = world.next("acme", 2);
        world.publish("acme").ends(0);
        // Everybody else asks again in an hour.
        let explain = [
            "policy",
            "explain",
            "--policy",
            "policy.toml",
            "registry.example/shop/api",
        ];
        world.countersign(&explain).ends(0).says("acme version 1,");
        let updated = world.update_json();
        assert_eq!(
            (&updated["before"], &updated["version"]),
            (&1.into(), &2.into())
        );
        let change = format!("{SHOP}: epoch 2; it was: epoch 1");
        let changes = updated["changes"].as_array().unwrap();
        assert!(changes.contains(&change.into()), "{changes:?}");
        assert_eq!(updated["warnings"], json!([]));
        let state = world.state();
        assert_eq!(state["version"], 2);
        assert_eq!(
            updated["fingerprint"],
            format!("sha256:{}", state["sha256"].as_str().unwrap())
        );
        assert_eq!(world.names_in(ROOTS), ["1.root.json", "2.root.json"]);
        world.countersign(&explain).ends(0).says("acme version 2,");
        world
            .update(&[])
            .ends(0)
            .says("trust root acme, version 2, as before\n");
    }
}

#[test]
fn what_changed_is_said_in_sentences() {
    let world = published(World::oci());
    world.update(&[]).ends(0);
    world
        .line("rotate --dir acme --old carol.pub --new dave.pub --owner dave")
        .ends(0);
    world.all_sign("acme", &["alice", "bob"]);
    let world = world.next("acme", 2);
    world.publish("acme").ends(0);
    // Two versions at once are one change.
    world
        .update(&[])
        .ends(0)
        .says("trust root acme, version 3, after version 1\n")
        .says("\n  dave (")
        .says(") becomes a root key\n")
        .says("is a root key no longer\n")
        .says("epoch 2; it was: epoch 1\n");
    let quiet = world.update(&["--quiet"]).ends(0);
    assert_eq!(quiet.stdout, "");
}

#[test]
fn a_root_is_followed_from_a_folder_and_from_the_web() {
    let world = World::with(Options {
        registry: RegistryMode::PlainOci(Login::Anonymous),
        transport: Transport::Tls,
        ..Options::default()
    });
    let world = world.root("acme").next("acme", 2);
    let web = format!("https://{}/roots/", world.stand_in.registry_host());
    for version in [1, 2] {
        let body = fs::read(world.path(&format!("acme/{version}.root.json"))).unwrap();
        let served = Lie::Instead {
            status: 200,
            headers: Vec::new(),
            body: body.into(),
        };
        let path = format!("GET /roots/{version}.root.json");
        world.stand_in.faults().push(Fault::on(&path, served));
    }
    world.pin("acme", &[&web]);
    let ca = world.write("ca.pem", world.stand_in.authority_pem().unwrap());
    world
        .update(&["--ca-file", &ca])
        .ends(0)
        .says("version 2, seen here for the first time");
    let folder = format!("file:{}", world.path("acme").display());
    world.pin("acme", &[&folder]);
    let world = world.next("acme", 3);
    world.update(&[]).ends(0).says("version 3, after version 2");
}

#[test]
fn nothing_but_the_fingerprint_makes_anybody_believe_a_root() {
    let world = World::oci().root("acme");
    // Of the same name and version, by other people, where the real one should be.
    world
        .line(&format!(
            "init --dir other --name acme --root-key dave.pub --root-key next.pub --root-key review.pub \
             --repository {SHOP} --release-key clock.pub"
        ))
        .ends(0);
    world.all_sign("other", &["dave", "next"]);
    world.publish("other").ends(0);
    world.pin("acme", &[&world.artifact()]);
    world
        .update(&[])
        .ends(1)
        .says("refused[root-fingerprint-mismatch]")
        .says(&world.fingerprint("acme"));
    assert!(!world.path(STATE).exists(), "nothing was learned");
    world.pin("other", &[&world.artifact()]);
    world.update(&[]).ends(0);
    // And later neither, by those whose root it was not.
    world.pin("acme", &[&format!("file:{}", world.path("acme").display())]);
    world.update(&[]).ends(1).says("refused[root-rollback]");
}

#[test]
fn a_refused_next_version_leaves_the_one_before_in_place() {
    let host_pattern = |world: &World| format!("{}/shop/**", world.stand_in.registry_host());
    let world = World::oci().people();
    world.begin_for("acme", &host_pattern(&world));
    world.all_sign("acme", &["alice", "bob"]);
    world.publish("acme").ends(0);
    let table = world.pinned("acme", "acme", &[&world.artifact()]);
    world.write_policy(&table, &host_pattern(&world));
    world.update(&[]).ends(0);
    let image = world.image("shop/api", "1", "one");
    world
        .countersign(&["sign", "--key", "release.key", &image.pinned()])
        .ends(0);
    let before = (fs::read(world.path(STATE)).unwrap(), world.names_in(ROOTS));

    world.forge("forged");
    let forged = fs::read(world.path("forged/2.root.json")).unwrap();
    world.place_root(2, &forged);
    world
        .update(&[])
        .ends(1)
        .says("refused[threshold-not-met]")
        .says("trust root acme: 1 of 2");
    let document = world.update(&["--output", "json"]).ends(1).json();
    let root = &document["roots"][0];
    assert_eq!(
        (&root["before"], &root["name"]),
        (&1.into(), &"acme".into())
    );
    assert_eq!(root["error"]["code"], "threshold-not-met");
    let after = (fs::read(world.path(STATE)).unwrap(), world.names_in(ROOTS));
    assert_eq!(after, before);

    // A new process goes on with the old one within the hour that an answer holds, and after it asks, or has not found out.
    world
        .stand_in
        .faults()
        .push(Fault::on("* /v2/trust/*", Lie::status(503)));
    world
        .countersign(&["verify", "--policy", "policy.toml", &image.pinned()])
        .ends(0)
        .says("level `dated`");
    world.update(&[]).ends(3).says("error[root-unavailable]");
    world.stand_in.faults().clear();

    // The honest one comes after all.
    fs::remove_file(world.path("acme/draft.root.json")).unwrap();
    world
        .line(&format!(
            "set-scope --dir acme --repository {} --epoch 2",
            host_pattern(&world)
        ))
        .ends(0);
    world.all_sign("acme", &["alice", "bob"]);
    world.place_root(2, &fs::read(world.path("acme/2.root.json")).unwrap());
    world.update(&[]).ends(0).says("version 2, after version 1");
}

#[test]
fn a_root_that_was_rolled_back_is_refused() {
    let world = World::with_root("acme").next("acme", 2);
    world.pin("acme", &[&format!("file:{}", world.path("acme").display())]);
    world.update(&[]).ends(0);
    let before = fs::read(world.path(STATE)).unwrap();
    fs::remove_file(world.path("acme/2.root.json")).unwrap();
    fs::remove_dir_all(world.path(ROOTS)).unwrap();
    world
        .update(&[])
        .ends(1)
        .says("refused[root-rollback]")
        .says("has version 1, and version 2 was seen before");
    assert_eq!(fs::read(world.path(STATE)).unwrap(), before);
}

#[test]
fn a_root_that_expired_is_refused_and_one_that_soon_will_is_a_warning() {
    let world = World::with_root("acme");
    world.pin("acme", &[&format!("file:{}", world.path("acme").display())]);
    fs::create_dir_all(world.path(ROOTS)).unwrap();
    world.write(
        STATE,
        "{\"schema\":1,\"timeFloor\":\"2099-01-01T00:00:00Z\",\"roots\":{}}",
    );
    world
        .update(&[])
        .ends(1)
        .says("refused[root-expired]")
        .says("it is 2099-01-01T00:00:00Z");
    assert_eq!(world.state()["version"], 1, "an older one must not come");
    fs::remove_file(world.path(STATE)).unwrap();
    for (days, is_soon) in [("59d", true), ("62d", false)] {
        world
            .line(&format!(
                "set-scope --dir acme --repository {SHOP} --tag-table-max {days} --valid-for {days}"
            ))
            .ends(0);
        world.all_sign("acme", &["alice", "bob"]).says("complete: ");
        let run = world.update(&["--quiet"]).ends(0);
        assert_eq!(
            run.stdout.contains("warning[root-expires-soon]"),
            is_soon,
            "{run:?}"
        );
        let warnings = world.update_json()["warnings"].as_array().unwrap().len();
        assert_eq!(warnings, usize::from(is_soon));
    }
}

#[test]
fn a_source_that_cannot_be_asked_is_needed_or_it_is_a_warning() {
    let world = published(World::oci());
    let folder = format!("file:{}", world.path("acme").display());
    world
        .stand_in
        .faults()
        .push(Fault::on("* /v2/trust/*", Lie::status(503)));
    world.update(&[]).ends(3).says("error[root-unavailable]");
    assert!(!world.path(STATE).exists());
    world.pin("acme", &[&world.artifact(), &folder]);
    let both = world.update_json();
    let warnings = both["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 1, "once for each source: {warnings:?}");
    assert_eq!(warnings[0]["code"], "root-unavailable");
    assert_eq!(both["version"], 1);
    world.update(&[]).ends(0).says("warning[root-unavailable]");
}

#[test]
fn what_cannot_be_remembered_is_no_success() {
    let world = published(World::oci());
    world
        .update(&["--state-dir", "/proc/countersign"])
        .ends(3)
        .says("trust root acme, version 1")
        .says("error[state-write-failed]");
    world.write("damaged", "");
    fs::remove_file(world.path("damaged")).unwrap();
    fs::create_dir(world.path("damaged")).unwrap();
    world.write("damaged/state.json", "{");
    world
        .update(&["--state-dir", "damaged"])
        .ends(1)
        .says("error[state-corrupt]");
}

#[test]
fn what_is_to_be_followed_must_be_pinned() {
    let world = World::with_root("acme");
    world.line("update").ends(2).says("error[policy-missing]");
    world.line("update --policy absent.toml").ends(2);
    world.pin("acme", &[&format!("file:{}", world.path("acme").display())]);
    world
        .update(&["--root", "nobody"])
        .ends(2)
        .says("error[root-not-pinned]")
        .says("it pins acme");
    world.update(&["--root", "Not a name"]).ends(2);
    assert!(!world.path(STATE).exists());
}

#[test]
fn each_root_is_followed_by_itself() {
    let world = World::with_root("acme").next("acme", 2);
    world.begin("lost");
    world.all_sign("lost", &["bob", "carol"]);
    let folder = |dir: &str| format!("file:{}", world.path(dir).display());
    fs::create_dir(world.path("empty")).unwrap();
    let table = format!(
        "{}{}",
        world.pinned("acme", "acme", &[&folder("acme")]),
        world.pinned("lost", "lost", &[&folder("empty")])
    );
    world.write_policy(&table, SHOP);
    world
        .update(&["--root", "lost"])
        .ends(1)
        .says("refused[root-fingerprint-mismatch]");
    world.update(&["--root", "acme"]).ends(0);
    fs::remove_file(world.path(STATE)).unwrap();
    // The worst is the exit code, and what is good is remembered all the same.
    let both = world.update(&["--output", "json"]).ends(1).json();
    assert_eq!(both["roots"][0]["version"], 2);
    assert_eq!(
        both["roots"][1]["error"]["code"],
        "root-fingerprint-mismatch"
    );
    assert_eq!(world.state()["version"], 2);
    world
        .update(&["--state-dir", "/proc/countersign"])
        .ends(1)
        .says("error[state-write-failed]");
}

#[test]
fn an_artifact_that_oras_pushed_is_followed() {
    let world = World::oci().root("acme").next("acme", 2);
    for version in [1, 2] {
        let mut push = peer(&world, "oras");
        push.current_dir(world.path("acme")).args([
            "push",
            "--plain-http",
            "--artifact-type",
            "application/vnd.countersign.root.v1+json",
            &format!("{}:countersign-root-v{version}", world.shelf()),
            &format!("{version}.root.json:application/vnd.countersign.root.v1+json"),
        ]);
        run(push).ends(0);
    }
    world.pin("acme", &[&world.artifact()]);
    world.update(&[]).ends(0).says("trust root acme, version 2");
    world.publish("acme").ends(0).says("published already: ");
}

#[test]
fn a_root_goes_through_docker_registry() {
    let world = World::with_root("acme");
    let registry = DockerRegistry::start(&world);
    let to = format!("oci://{}/trust/acme", registry.host);
    let publish = ["publish", "--dir", "acme", "--to", &to];
    world.trust(&publish).ends(0).says("published: ");
    world.trust(&publish).ends(0).says("published already: ");
    world.pin("acme", &[&to]);
    world.update(&[]).ends(0).says("trust root acme, version 1");
    let world = world.next("acme", 2);
    world.trust(&publish).ends(0);
    world.update(&[]).ends(0).says("version 2, after version 1");
}

/// An image that the root's release key signed, and a policy that looks for the root in the same registry.
fn signed(world: &World) -> String {
    let pattern = format!("{}/shop/**", world.stand_in.registry_host());
    world.begin_for("acme", &pattern);
    world.all_sign("acme", &["alice", "bob"]);
    let table = world.pinned("acme", "acme", &[&world.artifact()]);
    world.write_policy(&table, &pattern);
    let image = world.image("shop/api", "1", "one");
    world
        .countersign(&["sign", "--key", "release.key", &image.pinned()])
        .ends(0);
    image.pinned()
}

#[test]
fn images_are_judged_by_a_root_in_a_registry() {
    for world in [World::ecr(), World::oci(), World::no_referrers()] {
        let world = world.people();
        let image = signed(&world);
        let verify = ["verify", "--policy", "policy.toml", &image];
        // Nobody has the pinned file yet.
        world
            .countersign(&verify)
            .ends(3)
            .says("error[root-unavailable]");
        world.publish("acme").ends(0);
        world.countersign(&verify).ends(0).says("level `dated`");
    }
}

#[test]
fn a_root_in_ecr_is_published_and_followed_with_aws_credentials_alone() {
    let world = World::with(Options {
        transport: Transport::AwsNames,
        ..Options::default()
    });
    let world = world.people();
    let image = signed(&world);
    fs::create_dir(world.path("no-login")).unwrap();
    let login = ("DOCKER_CONFIG", "no-login");
    let to = world.artifact();
    assert!(to.contains(".amazonaws.com/"));
    let publish = ["trust", "publish", "--dir", "acme", "--to", &to];
    let update = ["trust", "update", "--policy", "policy.toml"];
    let verify = ["verify", "--policy", "policy.toml", &image];
    let without = [
        login,
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
    ];
    world.stand_in.forget_calls();
    world
        .countersign_with(&publish, &without)
        .ends(3)
        .says("error[credentials-unavailable]");
    assert_eq!(world.writes(), Vec::<String>::new());
    world.countersign_with(&publish, &[login]).ends(0);
    world
        .countersign_with(&update, &without)
        .ends(3)
        .says("error[root-unavailable]")
        .says("no credentials for");
    world.countersign_with(&verify, &without).ends(3);
    world.stand_in.forget_calls();
    world.countersign_with(&update, &[login]).ends(0);
    world
        .countersign_with(&verify, &[login])
        .ends(0)
        .says("level `dated`");
    // The root was asked for by the one, and remembered by the other.
    let asked =
        |call: &Call| call.service == Service::Registry && call.line.contains("countersign-root-v");
    assert_eq!(world.calls(asked).len(), 2);
}
