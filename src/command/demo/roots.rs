//! The scenes with a trust root and a policy: nobody names a key any more.

use countersign_common::Digest;
use countersign_stand_in::KeySpec;

use super::{
    DemoError, RELEASE,
    stage::{Ending, Stage},
};
use crate::output::Stop;

/// Judges by the policy of this folder.
const BY_POLICY: [&str; 2] = ["--policy", "policy.toml"];

pub(super) fn play(stage: &mut Stage<'_>) -> Result<(), Stop> {
    root(stage)?;
    policy(stage)?;
    alias(stage)?;
    revocation(stage)
}

fn root(stage: &mut Stage<'_>) -> Result<(), Stop> {
    stage.scene("A trust root: who may sign what, signed by two of three people")?;
    for name in ["alice", "bob", "carol"] {
        stage.run(&["--quiet", "key", "generate", name], Ending::Done)?;
    }
    let (repositories, one, two) = (stage.name("shop/**"), stage.tsa("one"), stage.tsa("two"));
    let release = format!("release={RELEASE}");
    let people = [
        ["--root-key", "alice=alice.pub"],
        ["--root-key", "bob=bob.pub"],
        ["--root-key", "carol=carol.pub"],
    ]
    .concat();
    let begin = ["trust", "init", "--dir", "acme", "--name", "acme"];
    let scope = ["--repository", &repositories, "--release-key", &release];
    let time = [
        [
            "--tsa",
            &one,
            "--tsa-chain",
            "tsa-one.pem",
            "--tsa-operator",
            "one.example",
        ],
        [
            "--tsa",
            &two,
            "--tsa-chain",
            "tsa-two.pem",
            "--tsa-operator",
            "two.example",
        ],
    ]
    .concat();
    stage.run(&[&begin[..], &people, &scope, &time].concat(), Ending::Done)?;
    complete(stage)?;
    stage.run(&["trust", "show", "--dir", "acme"], Ending::Done)
}

/// Two of three sign.
fn complete(stage: &mut Stage<'_>) -> Result<(), Stop> {
    for key in ["alice.key", "bob.key"] {
        let sign = ["--quiet", "trust", "sign", "--dir", "acme", "--key", key];
        stage.run(&sign, Ending::Done)?;
    }
    Ok(())
}

fn policy(stage: &mut Stage<'_>) -> Result<(), Stop> {
    stage.scene(
        "A policy that pins this root and demands a proven date. Nobody names a key any more",
    )?;
    let fingerprint = Digest::sha256(&stage.read("acme/1.root.json")?);
    let (folder, pattern) = (stage.path("acme"), stage.name("shop/**"));
    let lines = [
        "version = 1".to_owned(),
        "[roots.acme]".to_owned(),
        format!("fingerprint = \"{fingerprint}\""),
        format!("sources = [\"file:{}\"]", folder.display()),
        "[[policy]]".to_owned(),
        format!("match = \"{pattern}\""),
        "root = \"acme\"".to_owned(),
        "mode = \"enforce\"".to_owned(),
        "require = \"dated\"".to_owned(),
        "max-age = \"30d\"".to_owned(),
    ];
    stage.write("policy.toml", &format!("{}\n", lines.join("\n")))?;
    let image = stage.name("shop/api:1.4.2");
    stage.run(
        &[&["verify"], &BY_POLICY[..], &[&image]].concat(),
        Ending::Done,
    )?;
    stage.run(
        &[&["policy", "explain"], &BY_POLICY[..], &[&image]].concat(),
        Ending::Done,
    )?;
    stage.scene("Refused: signed, but by nobody whom the root lists")?;
    let strange = stage.name("shop/api:1.4.3-rc1");
    stage.run(
        &[&["verify"], &BY_POLICY[..], &[&strange]].concat(),
        Ending::Refused("key-unknown"),
    )
}

fn alias(stage: &mut Stage<'_>) -> Result<(), Stop> {
    stage.scene("Refused while signing: somebody pointed the alias at another key")?;
    let image = stage.image("shop/api", "1.4.7", "release 1.4.7");
    let other = stage
        .stand_in
        .create_key(KeySpec::ECC_NIST_P256, "alias/other");
    let other = other.map_err(|error| DemoError::stage("the stand-in makes no key", error))?;
    let moved = stage.stand_in.move_alias("alias/release", &other.arn);
    moved.map_err(|error| DemoError::stage("the stand-in moves no alias", error))?;
    stage.run(
        &[&["sign", "--key", RELEASE], &BY_POLICY[..], &[&image]].concat(),
        Ending::Failed("key-unknown"),
    )
}

fn revocation(stage: &mut Stage<'_>) -> Result<(), Stop> {
    stage.scene(
        "Refused: by a key that was stolen, and nobody knows since when. The next root says so",
    )?;
    let shown = stage.ask(&["trust", "show", "--dir", "acme", "--output", "json"])?;
    let id = shown.pointer("/root/scopes/0/keys/0/id");
    let id = id.and_then(serde_json::Value::as_str).unwrap_or_default();
    let revoke = [
        "trust",
        "revoke",
        "--dir",
        "acme",
        "--key",
        id,
        "--compromised",
    ];
    stage.run(&revoke, Ending::Done)?;
    complete(stage)?;
    let image = stage.name("shop/api:1.4.2");
    stage.run(
        &[&["verify"], &BY_POLICY[..], &[&image]].concat(),
        Ending::Refused("key-compromised"),
    )
}
