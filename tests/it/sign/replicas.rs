//! Keys that live in several regions, and keys of another account: one key, whatever it is called.

use countersign_stand_in::{KeySpec, OTHER_ACCOUNT, Sharing};

use crate::world::World;

/// The ARNs of a multi-Region key: of its primary, and of its replica.
fn replicated(world: &World) -> [String; 2] {
    let key = world
        .stand_in
        .create_multi_region_key(KeySpec::ECC_NIST_P256, "alias/release", &["eu-west-1"])
        .unwrap();
    let replica = key.arn.replace("us-east-1", "eu-west-1");
    [key.arn, replica]
}

#[test]
fn what_one_replica_signs_the_other_verifies() {
    let world = World::ecr();
    let [here, there] = replicated(&world);
    let image = world.image("shop/api", "1", "a").tagged();
    world.countersign(&["sign", "--key", &here, &image]).ends(0);
    world
        .countersign(&["verify", "--key", &there, &image])
        .ends(0);
    // A name without a region is looked up where the environment says.
    let id = format!("awskms:///{}", here.rsplit_once('/').unwrap().1);
    for name in [&id, "alias/release"] {
        let verify = ["verify", "--key", name, &image];
        let variables = [("AWS_REGION", "eu-west-1")];
        world.countersign_with(&verify, &variables).ends(0);
        let asked = world.calls(|call| call.line == "TrentService.GetPublicKey");
        assert!(
            asked
                .last()
                .unwrap()
                .headers
                .iter()
                .any(|(name, value)| { name == "authorization" && value.contains("eu-west-1") })
        );
    }
    // Signed by the other, it is the same signature again.
    let again = ["sign", "--key", &there, &image, "--output", "json"];
    let again = world.countersign(&again).ends(0).json();
    assert_eq!(again["outcome"], "already-signed");
}

#[test]
fn a_key_in_two_regions_counts_once() {
    let world = World::ecr();
    let [here, there] = replicated(&world);
    let image = world.image("shop/api", "1", "a").tagged();
    world
        .countersign(&["sign", "--key", &here, "--key", &there, &image])
        .ends(2)
        .says("error[key-twice]")
        .says(&there);
    world.countersign(&["sign", "--key", &here, &image]).ends(0);
    let both = ["verify", "--key", &here, "--key", &there, &image];
    world.countersign(&both).ends(0);
    world
        .countersign(&[&both[..], &["--threshold", "2"]].concat())
        .ends(2);
}

#[test]
fn a_root_that_lists_one_replica_admits_the_other() {
    let world = World::ecr();
    let [here, there] = replicated(&world);
    for name in ["alice", "bob"] {
        world.countersign(&["key", "generate", name]).ends(0);
    }
    let host = world.stand_in.registry_host();
    let pattern = format!("{host}/shop/**");
    world
        .line(&format!(
            "init --dir acme --name acme --threshold 1 --repository {pattern} --root-key alice.pub --root-key bob.pub --release-key {there}"
        ))
        .ends(0);
    world.line("sign --dir acme --key alice.key").ends(0);
    let policy = format!(
        "version = 1\n[roots.acme]\nfingerprint = {}\nsources = [\"file:{}\"]\n[[policy]]\nmatch = \"{pattern}\"\n\
         root = \"acme\"\nmode = \"enforce\"\nrequire = \"signed\"\n",
        world.line_json("show --dir acme")["root"]["fingerprint"],
        world.path("acme").display(),
    );
    world.write("policy.toml", &policy);
    let image = world.image("shop/api", "1", "a").tagged();
    let governed = ["--policy", "policy.toml", &image];
    world
        .countersign(&[&["sign", "--key", &here], &governed[..]].concat())
        .ends(0);
    world
        .countersign(&[&["verify"], &governed[..]].concat())
        .ends(0);
    world
        .countersign(&[&["sign", "--key", "alias/stand-in"], &governed[..]].concat())
        .ends(1);
}

#[test]
fn a_key_of_another_account_signs_if_both_accounts_let_it() {
    let world = World::ecr();
    let create = |sharing| {
        let spec = KeySpec::ECC_NIST_P256;
        let key = world.stand_in.create_key_elsewhere(spec, sharing).unwrap();
        world.write("other.pub", &key.public_key_pem);
        key.arn
    };
    let image = world.image("shop/api", "1", "a").tagged();
    let denied = create(Sharing::Denied);
    world
        .countersign(&["sign", "--key", &denied, &image])
        .ends(2)
        .says("error[key-access-denied]")
        .says("kms:GetPublicKey")
        .says("in its IAM policy and in the key policy: a key of another account needs both");
    let granted = create(Sharing::Granted);
    world
        .countersign(&["sign", "--key", &granted, &image])
        .ends(0);
    // It is a demonstration key, whosever it is.
    let verify = ["verify", "--key", "other.pub", &image];
    world
        .countersign_with(&verify, &[("COUNTERSIGN_ACCEPT_STAND_IN", "")])
        .ends(1)
        .says("stand-in-key");
    world.countersign(&verify).ends(0);
    // Without its account it is one of the caller's own, which is not there.
    assert!(granted.contains(OTHER_ACCOUNT));
    let id = format!("awskms:///{}", granted.rsplit_once('/').unwrap().1);
    world
        .countersign(&["sign", "--key", &id, &image])
        .ends(2)
        .says("error[key-not-found]");
}
