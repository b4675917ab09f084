//! Many processes sign one image at the same time, where signatures are listed under a tag that each of them writes.

use std::{collections::BTreeSet, thread};

use serde_json::Value;

use crate::{
    peers::{docker_registry::DockerRegistry, peer},
    world::{World, run},
};

const SIGNERS: usize = 8;
const ROUNDS: usize = 3;

/// Key pairs in files, of which each signs in a process of its own.
fn keys(world: &World) -> Vec<(String, String)> {
    (0..SIGNERS)
        .map(|number| world.key_files(&format!("signer-{number}"), "p256"))
        .collect()
}

/// Everybody signs at once; then everybody's signature counts.
fn sign_at_once(world: &World, keys: &[(String, String)], image: &str) {
    thread::scope(|scope| {
        for (private, _) in keys {
            let command = world.command(&["sign", "--no-tsa", "--key", private, image]);
            scope.spawn(move || {
                run(command)
                    .ends(0)
                    .says("has no referrers API")
                    .says("one tool at a time");
            });
        }
    });
    let count = SIGNERS.to_string();
    let named = keys.iter().flat_map(|(_, public)| ["--key", public]);
    let arguments = ["verify", "--output", "json", "--threshold", &count];
    let arguments: Vec<_> = arguments.into_iter().chain(named).chain([image]).collect();
    let verdict = world.countersign(&arguments).ends(0).json();
    let signatures = verdict["authenticity"]["signatures"].as_array().unwrap();
    let signers: BTreeSet<_> = signatures.iter().map(|one| one["keyId"].as_str()).collect();
    assert_eq!(signers.len(), SIGNERS, "{verdict}");
    // A publication date of each is there too.
    let inspected = world.countersign(&["inspect", "--output", "json", image]);
    let inspected: Value = inspected.json();
    let found = inspected["subject"]["attached"].as_array().unwrap();
    assert_eq!(found.len(), 2 * SIGNERS, "{inspected}");
}

#[test]
fn eight_who_sign_at_once_lose_nothing_without_the_referrers_api() {
    let world = World::no_referrers();
    let keys = keys(&world);
    for round in 0..ROUNDS {
        let round = round.to_string();
        let image = world.image("shop/api", &round, &round).tagged();
        sign_at_once(&world, &keys, &image);
    }
}

#[test]
fn eight_who_sign_at_once_lose_nothing_in_docker_registry() {
    let world = World::oci();
    let registry = DockerRegistry::start(&world);
    let keys = keys(&world);
    for round in 0..ROUNDS {
        let round = round.to_string();
        let image = world.image("shop/api", &round, &round).pinned();
        let pushed = format!("{}/shop/api:{round}", registry.host);
        let mut copy = peer(&world, "crane");
        copy.args(["copy", "--insecure", &image, &pushed]);
        run(copy).ends(0);
        sign_at_once(&world, &keys, &pushed);
    }
}

#[test]
fn who_signs_where_the_registry_lists_is_told_nothing_of_tags() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "one").tagged();
    let key = World::kms_key();
    let run = world.countersign(&["sign", "--key", &key, &image]).ends(0);
    assert_eq!(run.stderr.matches("referrers API").count(), 0);
}
