//! Where the versions of a root are published: in folders and registries, whole, once, and never over something else.

use std::fs;

use countersign_stand_in::{Fault, Lie, Mutability, Options, Repositories};
use serde_json::{Value, json};

use super::SHOP;
use crate::{
    peers::peer,
    world::{OCI_INDEX, OCI_MANIFEST, Run, World, run},
};

const MEDIA_TYPE: &str = "application/vnd.countersign.root.v1+json";

impl World {
    /// One more version of the root in a folder, complete: the epoch of its scope.
    pub(crate) fn next(self, dir: &str, epoch: u64) -> Self {
        self.line(&format!(
            "set-scope --dir {dir} --repository {SHOP} --epoch {epoch}"
        ))
        .ends(0);
        self.all_sign(dir, &["alice", "bob"]).says("complete: ");
        self
    }

    /// Where a root is published here.
    pub(crate) fn shelf(&self) -> String {
        format!("{}/trust/acme", self.stand_in.registry_host())
    }

    pub(crate) fn publish(&self, dir: &str) -> Run {
        let to = format!("oci://{}", self.shelf());
        self.trust(&["publish", "--dir", dir, "--to", &to])
    }
}

fn kinds() -> [World; 3] {
    [World::ecr(), World::oci(), World::no_referrers()]
}

fn crane_manifest(world: &World, reference: &str) -> Value {
    let mut crane = peer(world, "crane");
    crane.args(["manifest", "--insecure", reference]);
    run(crane).ends(0).json()
}

#[test]
fn complete_versions_are_published_once_and_the_draft_never() {
    let world = World::with_root("acme").next("acme", 2);
    fs::create_dir(world.path("out")).unwrap();
    let publish = ["publish", "--dir", "acme", "--to", "out"];
    world
        .trust(&publish)
        .ends(0)
        .says("published: out/1.root.json")
        .says("published: out/2.root.json")
        .says("fingerprint of version 2: sha256:");
    assert_eq!(world.names_in("out"), ["1.root.json", "2.root.json"]);
    for name in world.names_in("out") {
        let bytes = |folder: &str| fs::read(world.path(folder).join(&name)).unwrap();
        assert_eq!(bytes("out"), bytes("acme"));
    }
    world
        .trust(&publish)
        .ends(0)
        .says("published already: out/2.root.json");
    fs::remove_file(world.path("out/1.root.json")).unwrap();
    let again = world.line_json("publish --dir acme --to file:out");
    assert_eq!(
        again["destinations"],
        json!([{ "to": "out", "published": [1], "alreadyThere": [2] }])
    );
    // Another file of a version there: somebody trusts it, and nothing is written.
    world.write("out/2.root.json", "something else");
    fs::remove_file(world.path("out/1.root.json")).unwrap();
    world
        .trust(&publish)
        .ends(1)
        .says("error[root-differs]")
        .says("2.root.json");
    assert_eq!(world.names_in("out"), ["2.root.json"]);
    assert_eq!(
        fs::read_to_string(world.path("out/2.root.json")).unwrap(),
        "something else"
    );
}

#[test]
fn what_cannot_be_published_to_or_from_is_said() {
    let world = World::with_people();
    world.begin("acme");
    fs::create_dir(world.path("out")).unwrap();
    world
        .line("publish --dir acme --to out")
        .ends(2)
        .says("error[root-incomplete]");
    world.all_sign("acme", &["alice", "bob"]);
    world.line("publish --dir acme").ends(2).says("`--to`");
    for to in [
        "absent",
        "https://registry.example/x",
        "alice.pub",
        "oci://",
        "oci://registry.example",
        "oci://registry.example/Trust",
        "oci://registry.example/trust:1",
    ] {
        world
            .trust(&["publish", "--dir", "acme", "--to", to])
            .ends(2)
            .says("error[destination-unknown]");
    }
}

#[test]
fn versions_are_published_once_in_every_kind_of_registry() {
    for world in kinds() {
        let world = world.root("acme").next("acme", 2);
        let shelf = world.shelf();
        world
            .publish("acme")
            .ends(0)
            .says(&format!("published: {shelf}:countersign-root-v1\n"))
            .says(&format!("published: {shelf}:countersign-root-v2\n"));
        world.stand_in.forget_calls();
        world
            .publish("acme")
            .ends(0)
            .says(&format!("published already: {shelf}:countersign-root-v1\n"))
            .says(&format!("published already: {shelf}:countersign-root-v2\n"));
        assert_eq!(world.writes(), Vec::<String>::new());
        let world = world.next("acme", 3);
        fs::create_dir(world.path("out")).unwrap();
        let both = world.trust_json(&[
            "publish",
            "--dir",
            "acme",
            "--to",
            "out",
            "--to",
            &format!("oci://{shelf}"),
        ]);
        assert_eq!(
            both["destinations"],
            json!([
                { "to": "out", "published": [1, 2, 3], "alreadyThere": [] },
                { "to": format!("oci://{shelf}"), "published": [3], "alreadyThere": [1, 2] },
            ])
        );
        assert_eq!(both["newest"], 3);
    }
}

#[test]
fn a_published_version_is_an_artifact_that_other_clients_read() {
    for world in kinds() {
        let world = world.root("acme");
        world.publish("acme").ends(0);
        let reference = format!("{}:countersign-root-v1", world.shelf());
        let file = fs::read(world.path("acme/1.root.json")).unwrap();
        let manifest = crane_manifest(&world, &reference);
        assert_eq!(manifest["mediaType"], OCI_MANIFEST);
        assert_eq!(manifest["artifactType"], MEDIA_TYPE);
        assert_eq!(
            manifest["config"],
            json!({
                "mediaType": "application/vnd.oci.empty.v1+json", "size": 2,
                "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            })
        );
        let shown = world.line_json("show --dir acme");
        assert_eq!(
            manifest["layers"],
            json!([{
                "mediaType": MEDIA_TYPE, "size": file.len(), "digest": shown["root"]["fingerprint"],
                "annotations": { "org.opencontainers.image.title": "1.root.json" },
            }])
        );
        let mut fetch = peer(&world, "oras");
        fetch.args(["manifest", "fetch", "--plain-http", &reference]);
        assert_eq!(run(fetch).ends(0).json(), manifest);
        let mut pull = peer(&world, "oras");
        let pulled = world.path("pulled").display().to_string();
        pull.args(["pull", "--plain-http", "--output", &pulled, &reference]);
        run(pull).ends(0);
        assert_eq!(fs::read(world.path("pulled/1.root.json")).unwrap(), file);
    }
}

/// So many looks at the tag of the first version find nothing.
fn hidden(looks: u32) -> Fault {
    let look = "GET /v2/*/manifests/countersign-root-v1";
    Fault::on(look, Lie::status(404)).times(looks)
}

#[test]
fn what_is_under_a_tag_is_never_overwritten() {
    let tag = "countersign-root-v1";
    for world in kinds() {
        let world = world.root("acme");
        world.begin("other");
        world.all_sign("other", &["bob", "carol"]);
        world.publish("other").ends(0);
        fs::create_dir(world.path("out")).unwrap();
        let to = format!("oci://{}", world.shelf());
        world.stand_in.forget_calls();
        world
            .trust(&["publish", "--dir", "acme", "--to", "out", "--to", &to])
            .ends(1)
            .says("error[root-differs]")
            .says(&format!("{}:{tag} is another file", world.shelf()));
        assert_eq!(world.writes(), Vec::<String>::new());
        assert_eq!(world.names_in("out"), [""; 0], "nothing anywhere");
        // Nor is one that came between the first look and the write.
        world.stand_in.faults().push(hidden(1));
        world.publish("acme").ends(1).says("error[root-differs]");
        assert_eq!(world.writes(), Vec::<String>::new());
        // Neither what is no root at all.
        let image = world.manifest("trust/acme", &json!({}), "a layer");
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [] });
        for (media_type, manifest) in [
            (OCI_MANIFEST, image),
            (OCI_INDEX, serde_json::to_vec(&index).unwrap()),
        ] {
            world.place("trust/acme", tag, media_type, manifest);
            world
                .publish("acme")
                .ends(1)
                .says("error[root-differs]")
                .says("nothing is overwritten");
        }
        assert_eq!(world.writes(), Vec::<String>::new());
    }
}

#[test]
fn tags_that_cannot_be_moved_need_not_be() {
    let world = World::with_root("acme");
    world
        .stand_in
        .set_repository("trust/acme", Mutability::Immutable);
    world.publish("acme").ends(0).says("published: ");
    world.publish("acme").ends(0).says("published already: ");
    world.begin("other");
    world.all_sign("other", &["bob", "carol"]);
    // Whoever is too late for both looks is stopped by the registry.
    world.stand_in.faults().push(hidden(2));
    world.publish("other").ends(1).says("error[push-rejected]");
    let world = world.next("acme", 2);
    world
        .publish("acme")
        .ends(0)
        .says("published already: ")
        .says("published: ");
}

#[test]
fn what_the_registry_does_not_keep_is_not_called_published() {
    let world = World::oci().root("acme");
    let put = "PUT /v2/*/manifests/*";
    world
        .stand_in
        .faults()
        .push(Fault::on(put, Lie::status(201)));
    let run = world.publish("acme").ends(3);
    assert_eq!(run.stdout, "");
    run.says("error[registry-unavailable]")
        .says("took")
        .says("does not have it");
    world.stand_in.faults().clear();
    // Something else than what it was given.
    let tampered = Fault::on("GET /v2/*/blobs/*", Lie::FlipByte(10));
    world.stand_in.faults().push(tampered);
    world.publish("acme").ends(1).says("error[digest-mismatch]");
    world.stand_in.faults().clear();
    world.publish("acme").ends(0);
}

/// After a revocation the news must reach whom it can.
#[test]
fn a_destination_that_is_out_of_reach_keeps_nothing_from_the_others() {
    let world = World::with_root("acme");
    fs::create_dir(world.path("out")).unwrap();
    let dead = "oci://127.0.0.1:1/trust/acme";
    for to in [[dead, "out"], ["out", dead]] {
        let run = world
            .trust(&["publish", "--dir", "acme", "--to", to[0], "--to", to[1]])
            .ends(3)
            .says("error[registry-unavailable]")
            .says("out/1.root.json")
            .says("fingerprint of version 1");
        assert_eq!(run.stderr.matches("error[").count(), 1);
    }
    assert_eq!(world.names_in("out"), ["1.root.json"]);
    world
        .trust(&["publish", "--dir", "acme", "--to", dead])
        .ends(3)
        .says("error[registry-unavailable]");
}

#[test]
fn what_could_not_be_published_is_no_success() {
    let world = World::with(Options {
        repositories: Repositories::MustExist,
        ..Options::default()
    });
    let world = world.root("acme");
    world
        .publish("acme")
        .ends(1)
        .says("error[push-rejected]")
        .says("the repository must exist before the push");
    world
        .stand_in
        .set_repository("trust/acme", Mutability::Mutable);
    // Whether it is there is not known: that is not absent.
    world
        .stand_in
        .faults()
        .push(Fault::on("GET /v2/*/manifests/*", Lie::status(503)));
    world.stand_in.forget_calls();
    world
        .publish("acme")
        .ends(3)
        .says("error[registry-unavailable]");
    assert_eq!(world.writes(), Vec::<String>::new());
    world.stand_in.faults().clear();
    // What was published before the failure is said, and the next run goes on from there.
    let world = world.next("acme", 2);
    world.stand_in.faults().push(Fault::on(
        "PUT /v2/*/manifests/countersign-root-v2",
        Lie::status(403),
    ));
    world
        .publish("acme")
        .ends(3)
        .says(":countersign-root-v1")
        .says("error[registry-denied]");
    world.stand_in.faults().clear();
    world
        .publish("acme")
        .ends(0)
        .says("published already: ")
        .says("published: ");
}
