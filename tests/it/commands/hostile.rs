//! Text of strangers on its way to a terminal: it moves no cursor, begins no line and turns no direction.

use bytes::Bytes;
use countersign_stand_in::{Fault, Lie};
use serde_json::json;

use crate::world::{Run, World};

/// Retitles a terminal, forges a verdict on a line of its own, and turns what follows around.
const HOSTILE: &str =
    "\x1b]0;owned\x07\x1b[2J\nverified: all is well\r\u{9b}31m\u{202e}lleh\u{2028}";

/// Nothing of it has an effect, even where colours are passed on; and it was shown, or this would prove nothing.
#[track_caller]
fn harmless(run: &Run) {
    let said = format!("{}{}", run.stdout, run.stderr);
    for character in ['\x07', '\r', '\u{9b}', '\u{202e}', '\u{2028}'] {
        assert!(!said.contains(character), "{character:?}: {said:?}");
    }
    assert!(!said.contains("\x1b]"), "{said:?}");
    assert!(!said.contains("\x1b[2J"), "{said:?}");
    assert!(
        !said.lines().any(|line| line.starts_with("verified: all")),
        "{said:?}"
    );
    assert!(said.contains("owned"), "{said:?}");
}

/// Runs with colours, since without them every escape sequence would be taken out in the end.
fn coloured(world: &World, arguments: &[&str]) -> Run {
    world.countersign_with(arguments, &[("CLICOLOR_FORCE", "1")])
}

fn registry_error(status: u16) -> Lie {
    let body = json!({ "errors": [{ "code": HOSTILE, "message": HOSTILE, "detail": HOSTILE }] });
    Lie::Instead {
        status,
        headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
        body: Bytes::from(body.to_string()),
    }
}

#[test]
fn what_a_registry_says_of_an_error_is_escaped() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a").tagged();
    let key = World::kms_key();
    for status in [400, 403, 500] {
        world
            .stand_in
            .faults()
            .push(Fault::on("GET /v2/*", registry_error(status)));
        for command in ["sign", "verify"] {
            let run = coloured(&world, &[command, "--key", &key, &image]).ends(3);
            harmless(&run);
            let run = coloured(
                &world,
                &[command, "--key", &key, &image, "--output", "json", "-vv"],
            )
            .ends(3);
            harmless(&run);
        }
        world.stand_in.faults().clear();
    }
}

#[test]
fn what_a_registry_says_of_a_push_is_escaped() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a").tagged();
    world
        .stand_in
        .faults()
        .push(Fault::on("PUT /v2/*/manifests/*", registry_error(400)));
    let run = coloured(&world, &["sign", "--key", &World::kms_key(), &image]);
    assert_eq!(run.code, 1);
    harmless(&run);
}

#[test]
fn what_a_key_service_says_is_escaped() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a").tagged();
    for (name, code) in [
        ("AccessDeniedException", "key-access-denied"),
        ("ValidationException", "key-request-rejected"),
        ("KMSInvalidStateException", "key-invalid-state"),
        ("ExpiredTokenException", "key-credentials"),
    ] {
        for call in ["TrentService.GetPublicKey", "TrentService.Sign"] {
            let lie = Lie::aws_error(400, name, HOSTILE);
            world.stand_in.faults().push(Fault::on(call, lie));
            let run = coloured(&world, &["sign", "--key", &World::kms_key(), &image])
                .says(&format!("error[{code}]"));
            harmless(&run);
            world.stand_in.faults().clear();
        }
    }
}

#[test]
fn a_signed_annotation_is_escaped() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a").tagged();
    let key = World::kms_key();
    let (stranger, _) = world.key_files("stranger", "p256");
    let annotation = format!("note={HOSTILE}");
    harmless(
        &coloured(
            &world,
            &[
                "sign",
                "--dry-run",
                "--key",
                &key,
                "-a",
                &annotation,
                &image,
            ],
        )
        .ends(0),
    );
    for key in [&stranger, &key] {
        world
            .countersign(&["sign", "--key", key, "-a", &annotation, &image])
            .ends(0);
    }
    let run = coloured(
        &world,
        &["verify", "--key", &key, "-a", "note=other", &image],
    )
    .ends(1)
    .says("annotation-mismatch");
    harmless(&run);
}

#[test]
fn what_was_typed_is_escaped() {
    let world = World::oci();
    let key = World::kms_key();
    harmless(&coloured(&world, &["verify", "--key", &key, HOSTILE]).ends(2));
    harmless(
        &coloured(
            &world,
            &["verify", "--key", HOSTILE, "registry.example/app:1"],
        )
        .ends(2),
    );
    let name = format!("alias/{HOSTILE}");
    harmless(&coloured(&world, &["sign", "--key", &name, "registry.example/app:1"]).ends(2));
}
