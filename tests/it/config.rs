//! The configuration file: where it is found, what it says, and what wins over it.

use std::fs;

use crate::world::World;

/// A configuration in the user's own folder.
fn configured(world: &World, text: &str) -> String {
    let folder = world.path(".config/countersign");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("config.toml");
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn authorities_keys_and_demands_come_from_the_users_file() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    let (_, public) = world.key_files("team", "p256");
    let folder = world.path(".config/countersign");
    fs::create_dir_all(&folder).unwrap();
    for name in ["team.key", "team.pub"] {
        fs::copy(world.path(name), folder.join(name)).unwrap();
    }
    fs::write(
        folder.join("tsa.pem"),
        world.stand_in.tsa_chain_pem("two").unwrap(),
    )
    .unwrap();
    let tsa = world.tsa("two");
    configured(
        &world,
        &format!(
            "version = 1\n[sign]\nkey = \"team.key\"\n[verify]\nkeys = [\"team.pub\"]\nmax-age = \"1d\"\n\
             [[tsa]]\noperator = \"two.example\"\nurl = \"{tsa}\"\nchain = \"tsa.pem\"\n"
        ),
    );
    let bare = [("COUNTERSIGN_TSA", "")];
    let run = |arguments: &[&str]| world.countersign_with(arguments, &bare);
    run(&["sign", &image.tagged()]).ends(0);
    let verdict = run(&["verify", &image.tagged(), "--output", "json"])
        .ends(0)
        .json();
    assert_eq!(verdict["level"], "dated");
    assert_eq!(
        verdict["freshness"]["published"]["beforeOperators"],
        serde_json::json!(["two.example"])
    );
    // The file's demand holds, and a flag's wins over it.
    run(&["verify", &image.tagged(), "--at", "2100-01-01"])
        .ends(1)
        .says("refused[image-too-old]");
    run(&[
        "verify",
        &image.tagged(),
        "--at",
        "2100-01-01",
        "--max-age",
        "52000d",
    ])
    .ends(0);
    let other = world.path("other.pub").display().to_string();
    world.key_files("other", "p256");
    run(&["verify", "--key", &other, &image.tagged()])
        .ends(1)
        .says("refused[key-unknown]");
    run(&["verify", "--key", &public, &image.tagged()]).ends(0);
    run(&[
        "verify",
        &image.tagged(),
        "--tsa-chain",
        &world.chain("one"),
    ])
    .ends(1)
    .says("refused[tsa-untrusted]");
}

#[test]
fn a_slip_in_the_file_stops_every_command_that_reads_it() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    let path = configured(&world, "version = 1\n[verify]\nmax-agee = \"1d\"\n");
    for command in ["sign", "verify"] {
        world
            .countersign(&[command, "--key", &World::kms_key(), &image.tagged()])
            .ends(2)
            .says("error[config-invalid]")
            .says(&path)
            .says("max-age");
    }
    // Another file is named instead.
    let good = world.write("good.toml", "version = 1\n");
    world
        .countersign(&[
            "sign",
            "--config",
            &good,
            "--key",
            &World::kms_key(),
            &image.tagged(),
        ])
        .ends(0);
    let variable = [("COUNTERSIGN_CONFIG", good.as_str())];
    world
        .countersign_with(
            &["verify", "--key", &World::kms_key(), &image.tagged()],
            &variable,
        )
        .ends(0);
    world
        .countersign(&[
            "verify",
            "--config",
            "absent.toml",
            "--key",
            &World::kms_key(),
            &image.tagged(),
        ])
        .ends(2)
        .says("error[file-unreadable]");
}

#[test]
fn the_current_folder_configures_nothing() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    fs::create_dir_all(world.path("countersign")).unwrap();
    for place in ["config.toml", "countersign/config.toml"] {
        world.write(place, "nonsense");
    }
    // A relative folder of configurations would be in the current one.
    let relative = [("XDG_CONFIG_HOME", ".")];
    world
        .countersign_with(
            &["sign", "--key", &World::kms_key(), &image.tagged()],
            &relative,
        )
        .ends(0);
}

#[test]
fn without_a_key_there_is_nothing_to_do() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    for command in ["sign", "verify"] {
        world
            .countersign(&[command, &image.tagged()])
            .ends(2)
            .says("error[key-missing]");
    }
}
