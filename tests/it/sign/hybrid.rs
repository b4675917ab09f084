//! Two keys that sign each image: an ECDSA one that every verifier knows, and an ML-DSA one that stays safe after it.

use countersign_stand_in::KeySpec;

use crate::{
    peers,
    world::{Run, World},
};

/// The public halves of a key of ECDSA and of one of ML-DSA, whose aliases are theirs.
fn keys(world: &World) -> [String; 2] {
    let create = |name: &str, spec| {
        let key = world
            .stand_in
            .create_key(spec, &format!("alias/{name}"))
            .unwrap();
        world.write(&format!("{name}.pub"), &key.public_key_pem)
    };
    [
        create("classic", KeySpec::ECC_NIST_P256),
        create("lattice", KeySpec::ML_DSA_65),
    ]
}

const BOTH: [&str; 4] = ["--key", "alias/classic", "--key", "alias/lattice"];

#[test]
fn an_image_that_two_keys_sign_at_once_is_verified_by_both_and_by_cosign() {
    for world in [World::ecr(), World::no_referrers()] {
        let [classic, lattice] = keys(&world);
        let image = world.image("shop/api", "1", "a");
        let tagged = image.tagged();
        let sign = [&["sign"], &BOTH[..], &[&tagged, "--output", "json"]].concat();
        let lines = |run: Run| -> Vec<serde_json::Value> {
            let lines = serde_json::Deserializer::from_str(&run.stdout).into_iter();
            lines.map(Result::unwrap).collect()
        };
        let signed = lines(world.countersign(&sign).ends(0));
        let algorithms: Vec<_> = signed.iter().map(|outcome| &outcome["outcome"]).collect();
        assert_eq!(algorithms, ["signed", "signed"]);
        let again = lines(world.countersign(&sign).ends(0));
        assert!(again.iter().all(|made| made["outcome"] == "already-signed"));

        let both = [
            "verify",
            "--key",
            &classic,
            "--key",
            &lattice,
            "--threshold",
            "2",
            &tagged,
        ];
        world.countersign(&both).ends(0);
        for key in [&classic, &lattice] {
            world
                .countersign(&["verify", "--key", key, &tagged])
                .ends(0);
        }
        peers::cosign_verify(&world, &classic, &[], &tagged).ends(0);

        let half = world.image("shop/api", "2", "b").tagged();
        world
            .countersign(&["sign", "--key", "alias/classic", &half])
            .ends(0);
        let both = [&both[..7], &[half.as_str()]].concat();
        world
            .countersign(&both)
            .ends(1)
            .says("refused[threshold-not-met]");
    }
}

#[test]
fn a_variable_names_both_keys_a_line_each() {
    let world = World::ecr();
    let [classic, lattice] = keys(&world);
    let image = world.image("shop/api", "1", "a").tagged();
    let with = |words: &[&str], keys: &str| {
        world.countersign_with(&[words, &[&image]].concat(), &[("COUNTERSIGN_KEY", keys)])
    };
    let both = ["verify", "--threshold", "2"];
    // A line without a name is one that somebody forgot: the image would be signed with fewer keys than was meant.
    for keys in ["alias/classic\n", "alias/classic\n\nalias/lattice"] {
        with(&["sign"], keys)
            .ends(2)
            .says("error[key-missing]: the name of a key is empty")
            .says("one a line");
    }
    with(&both, &format!("{classic}\n"))
        .ends(2)
        .says("error[key-missing]");
    with(&["sign"], "alias/classic\nalias/lattice").ends(0);
    with(&both, &format!("{classic}\n{lattice}")).ends(0);
    with(&["doctor", "--for", "sign"], "alias/classic\nalias/lattice")
        .ends(0)
        .says("classic is an ECC_NIST_P256 key")
        .says("lattice is an ML_DSA_65 key");
    // Other blanks and commas are of the name.
    let odd = world.write("a, b c.pub", &std::fs::read_to_string(&classic).unwrap());
    with(&["verify"], &odd).ends(0);
    with(&both, &format!("{odd}\n{lattice}")).ends(0);
}

#[test]
fn a_policy_demands_signatures_by_both() {
    let world = World::ecr();
    keys(&world);
    for name in ["alice", "bob"] {
        world.countersign(&["key", "generate", name]).ends(0);
    }
    let pattern = format!("{}/shop/**", world.stand_in.registry_host());
    world
        .trust(&[
            "init",
            "--dir",
            "acme",
            "--name",
            "acme",
            "--threshold",
            "1",
            "--repository",
            &pattern,
            "--root-key",
            "alice.pub",
            "--root-key",
            "bob.pub",
            "--release-key",
            "alias/classic",
            "--release-key",
            "alias/lattice",
        ])
        .ends(0);
    world
        .trust(&["sign", "--dir", "acme", "--key", "alice.key"])
        .ends(0);
    let shown = world.trust_json(&["show", "--dir", "acme"]);
    let ids = ["classic.pub", "lattice.pub"].map(|file| {
        let pem = std::fs::read_to_string(world.path(file)).unwrap();
        countersign_common::PublicKey::from_pem(&pem)
            .unwrap()
            .id()
            .to_string()
    });
    let policy = format!(
        "version = 1\n[roots.acme]\nfingerprint = {}\nsources = [\"file:{}\"]\n[[policy]]\nmatch = \"{pattern}\"\n\
         root = \"acme\"\nmode = \"enforce\"\nrequire = \"signed\"\nsigners = {{ at-least = 2, of = {ids:?} }}\n",
        shown["root"]["fingerprint"],
        world.path("acme").display(),
    );
    world.write("policy.toml", &policy);
    let verify = |image: &str| {
        let words = [
            "verify",
            "--policy",
            "policy.toml",
            "--accept-stand-in",
            image,
        ];
        world.countersign(&words)
    };
    let image = world.image("shop/api", "1", "a").tagged();
    let sign = |keys: &[&str]| {
        let words = [&["sign", "--policy", "policy.toml", &image], keys].concat();
        world.countersign(&words).ends(0);
    };
    sign(&BOTH[..2]);
    verify(&image).ends(1).says("refused[threshold-not-met]");
    sign(&BOTH);
    verify(&image).ends(0);
}

#[test]
fn both_keys_attest_and_each_replaces_its_own() {
    let world = World::ecr();
    let [classic, lattice] = keys(&world);
    let image = world.image("shop/api", "1", "a");
    let tagged = image.tagged();
    let predicate = world.write("sbom.json", r#"{"spdxVersion":"SPDX-2.3"}"#);
    let about = ["--type", "spdx", "--predicate", &predicate, &tagged];
    let attest = [&["attest"], &BOTH[..], &about].concat();
    world.countersign(&attest).ends(0);
    world
        .countersign(&[&attest[..], &["--replace"]].concat())
        .ends(0);
    world
        .countersign(&[&["sign"], &BOTH[..], &[&tagged]].concat())
        .ends(0);
    for key in [&classic, &lattice] {
        let verify = ["verify", "--key", key, "--attestation", "spdx", &tagged];
        world.countersign(&verify).ends(0);
    }
}

#[test]
fn a_key_that_may_not_be_used_stops_both_before_anything_is_signed() {
    let world = World::ecr();
    keys(&world);
    let image = world.image("shop/api", "1", "a").tagged();
    let sign = |keys: [&str; 2], code, says: &str| {
        world.stand_in.forget_calls();
        world
            .countersign(&["sign", "--key", keys[0], "--key", keys[1], &image])
            .ends(code)
            .says(says);
        assert_eq!(
            world
                .calls(|call| call.line.contains("TrentService.Sign"))
                .len(),
            0
        );
    };
    sign(["alias/classic", "alias/absent"], 2, "key-not-found");
    sign(["alias/classic", "alias/classic"], 2, "error[key-twice]");
    let rsa = [
        &["sign", "--algorithm", "rsa-pss-sha256"],
        &BOTH[..],
        &[&image],
    ]
    .concat();
    world
        .countersign(&rsa)
        .ends(2)
        .says("error[algorithm-not-allowed]");
    world
        .stand_in
        .create_key(KeySpec::RSA_2048, "alias/rsa")
        .unwrap();
    let mixed = [
        "sign",
        "--algorithm",
        "rsa-pss-sha256",
        "--key",
        "alias/classic",
        "--key",
        "alias/rsa",
        &image,
    ];
    world.countersign(&mixed).ends(0);
}
