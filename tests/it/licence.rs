//! What trust roots let signers do: asked before a key is used.

use countersign_stand_in::{KeySpec, Service};
use serde_json::Value;

use crate::world::{Image, Run, World};

/// A world whose root lets the key `release` in KMS sign and publish in `shop`, by a policy that pins it.
struct Team {
    world: World,
}

const RELEASE: &str = "awskms:///alias/release";

impl Team {
    fn new() -> Self {
        let world = World::with_people();
        let key = world
            .stand_in
            .create_key(KeySpec::ECC_NIST_P256, "alias/release");
        key.unwrap();
        let team = Self { world };
        let (pattern, url, chain) = (
            team.pattern(),
            team.world.tsa("one"),
            team.world.chain("one"),
        );
        team.world
            .trust(&[
                "init",
                "--dir",
                "acme",
                "--name",
                "acme",
                "--root-key",
                "alice=alice.pub",
                "--root-key",
                "bob=bob.pub",
                "--root-key",
                "carol=carol.pub",
                "--repository",
                &pattern,
                "--release-key",
                &format!("release={RELEASE}"),
                "--sign-key",
                "review=review.pub",
                "--tsa",
                &url,
                "--tsa-chain",
                &chain,
                "--tsa-operator",
                "one.example",
            ])
            .ends(0);
        team.complete();
        let fingerprint = team.world.trust_json(&["show", "--dir", "acme"]);
        let fingerprint = fingerprint["root"]["fingerprint"]
            .as_str()
            .unwrap()
            .to_owned();
        let policy = format!(
            "version = 1\n[roots.acme]\nfingerprint = \"{fingerprint}\"\nsources = [\"file:{}\"]\n\
             [[policy]]\nmatch = \"{pattern}\"\nroot = \"acme\"\nmode = \"enforce\"\nrequire = \"dated\"\n",
            team.world.path("acme").display()
        );
        team.world.write("policy.toml", &policy);
        team
    }

    fn pattern(&self) -> String {
        format!("{}/shop/**", self.world.stand_in.registry_host())
    }

    fn complete(&self) {
        self.world
            .all_sign("acme", &["alice", "bob"])
            .says("complete: ");
    }

    /// By the root's authorities, and no other.
    fn run(&self, arguments: &[&str]) -> Run {
        let variables = [
            ("COUNTERSIGN_POLICY", "policy.toml"),
            ("COUNTERSIGN_TSA", ""),
        ];
        self.world.countersign_with(arguments, &variables)
    }

    fn sign(&self, key: &str, image: &Image) -> Run {
        self.run(&["sign", "--key", key, &image.pinned()])
    }

    /// Lists a second operator in the draft. Where it is asked.
    fn add_second_tsa(&self) -> String {
        let (url, chain) = (self.world.tsa("two"), self.world.chain("two"));
        let add = ["add-tsa", "--dir", "acme", "--operator", "two.example"];
        self.world
            .trust(&[&add[..], &["--url", &url, "--chain", &chain]].concat())
            .ends(0);
        url
    }

    /// Nothing was signed in KMS and nothing pushed.
    #[track_caller]
    fn nothing_was_done(&self) {
        assert_eq!(self.world.kms_calls("Sign").len(), 0);
        assert_eq!(self.world.writes(), Vec::<String>::new());
    }
}

#[test]
fn the_root_names_the_authorities_of_time() {
    let team = Team::new();
    let image = team.world.image("shop/api", "1", "one");
    team.sign(RELEASE, &image).ends(0).says("by time stamps");
    let stamps = team.world.calls(|call| call.service == Service::Tsa);
    assert!(
        stamps.iter().all(|call| call.line.ends_with("/one")),
        "{stamps:?}"
    );
    assert_eq!(stamps.len(), 3, "one inside, and one of each signature");
    team.run(&["verify", &image.pinned()])
        .ends(0)
        .says("level `dated`");
}

#[test]
fn as_many_operators_stamp_as_the_root_says_or_it_is_allowed_to_be_fewer() {
    let team = Team::new();
    let url = team.add_second_tsa();
    // Nobody can ask where it is.
    let draft = team.world.root_file("acme/draft.root.json").to_string();
    let draft = draft.replace(&url, "mailto:two@example.com");
    team.world.write("acme/draft.root.json", &draft);
    team.complete();
    let image = team.world.image("shop/api", "1", "one");
    team.sign(RELEASE, &image)
        .ends(3)
        .says("error[tsa-unavailable]")
        .says("stamps of 2 operators, and 1 of");
    team.nothing_was_done();
    let pinned = image.pinned();
    team.run(&["sign", "--key", RELEASE, "--allow-fewer-stamps", &pinned])
        .ends(0);
    // Void it is no second, and the root asks for one alone.
    team.world
        .trust(&[
            "revoke",
            "--dir",
            "acme",
            "--tsa",
            "mailto:two@example.com",
            "--compromised",
        ])
        .ends(0);
    team.complete();
    let second = team.world.image("shop/api", "2", "two");
    team.sign(RELEASE, &second).ends(0);
}

/// What flags and variables name is held against the root.
#[test]
fn authorities_that_are_named_besides_must_be_as_many_and_believed() {
    let team = Team::new();
    let image = team.world.image("shop/api", "1", "one").pinned();
    let [one, two] = ["one", "two"].map(|name| team.world.tsa(name));
    let sign = |tsa: &str| team.run(&["sign", "--key", RELEASE, "--tsa", tsa, &image]);
    sign(&two)
        .ends(1)
        .says("error[self-check-failed]")
        .says("by no authority that is trusted here");
    assert_eq!(team.world.writes(), Vec::<String>::new());
    sign(&one).ends(0);
    team.run(&["verify", &image]).ends(0).says("level `dated`");
    team.add_second_tsa();
    team.complete();
    let second = team.world.image("shop/api", "2", "two").pinned();
    team.run(&["sign", "--key", RELEASE, "--tsa", &one, &second])
        .ends(3)
        .says("error[tsa-unavailable]");
    let both = ["--tsa", &one, "--tsa", &two, &second];
    team.run(&[&["sign", "--key", RELEASE][..], &both].concat())
        .ends(0);
}

/// What is signed there would name another place than the rule wants.
#[test]
fn copies_are_not_signed() {
    let team = Team::new();
    let host = team.world.stand_in.registry_host();
    let policy = std::fs::read_to_string(team.world.path("policy.toml")).unwrap();
    let rule = "[[policy]]\nmatch = \"HOST/mirror/**\"\nmirrors = \"HOST/shop/**\"\nroot = \"acme\"\n\
                mode = \"enforce\"\nrequire = \"dated\"\n";
    let policy = format!("{policy}\n{}", rule.replace("HOST", host));
    team.world.write("policy.toml", &policy);
    let copy = team.world.image("mirror/api", "1", "one");
    team.sign(RELEASE, &copy)
        .ends(2)
        .says("error[repository-mismatch]")
        .says("sign the image in");
    team.nothing_was_done();
    let original = team.world.image("shop/api", "1", "one");
    team.sign(RELEASE, &original).ends(0);
}

/// Nobody who goes by the root would believe another.
#[test]
fn no_other_authority_is_asked_where_the_root_s_own_are_over() {
    let team = Team::new();
    let one = team.world.tsa("one");
    team.world
        .trust(&["revoke", "--dir", "acme", "--tsa", &one, "--compromised"])
        .ends(0);
    team.complete();
    let config = format!(
        "version = 1\n[[tsa]]\noperator = \"two.example\"\nurl = \"{}\"\nchain = \"{}\"\n",
        team.world.tsa("two"),
        team.world.chain("two"),
    );
    team.world.write("config.toml", &config);
    let image = team.world.image("shop/api", "1", "one").pinned();
    team.run(&["--config", "config.toml", "sign", "--key", RELEASE, &image])
        .ends(3)
        .says("error[tsa-unavailable]");
    team.nothing_was_done();
}

#[test]
fn an_alias_that_was_pointed_at_another_key_is_an_alarm() {
    let team = Team::new();
    let image = team.world.image("shop/api", "1", "one");
    let other = team
        .world
        .stand_in
        .create_key(KeySpec::ECC_NIST_P256, "alias/other")
        .unwrap();
    team.world
        .stand_in
        .move_alias("alias/release", &other.arn)
        .unwrap();
    team.sign(RELEASE, &image)
        .ends(1)
        .says("error[key-unknown]")
        .says("root version 1 does not list")
        .says("find out who pointed the alias at another key");
    team.nothing_was_done();
}

#[test]
fn a_key_signs_in_its_roles_alone() {
    let team = Team::new();
    let image = team.world.image("shop/api", "1", "one");
    team.sign("review.key", &image)
        .ends(1)
        .says("error[role-not-authorized]")
        .says("as sign, not as publish");
    team.nothing_was_done();
    let predicate = team.world.write("scan.json", "{}");
    team.run(&[
        "attest",
        "--key",
        "review.key",
        "--type",
        "vuln",
        "--predicate",
        &predicate,
        &image.pinned(),
    ])
    .ends(0);
    team.sign("clock.key", &image)
        .ends(1)
        .says("error[key-unknown]");
}

#[test]
fn a_key_whose_time_is_over_signs_no_more() {
    let team = Team::new();
    let image = team.world.image("shop/api", "1", "one");
    team.world
        .trust(&[
            "rotate",
            "--dir",
            "acme",
            "--old",
            RELEASE,
            "--new",
            "next.pub",
            "--until",
            "2026-01-01",
        ])
        .ends(0);
    team.complete();
    team.sign(RELEASE, &image)
        .ends(1)
        .says("error[key-outside-validity]")
        .says("until 2026-01-01T00:00:00Z");
    team.nothing_was_done();
    team.sign("next.key", &image).ends(0);
    team.world
        .trust(&[
            "revoke",
            "--dir",
            "acme",
            "--key",
            "next.pub",
            "--compromised",
            "--at",
            "2030-01-01",
        ])
        .ends(0);
    team.complete();
    let second = team.world.image("shop/api", "2", "two");
    team.sign("next.key", &second)
        .ends(1)
        .says("error[key-compromised]")
        .says("it is revoked");
}

#[test]
fn a_root_that_cannot_be_followed_lets_nobody_sign() {
    let team = Team::new();
    let image = team.world.image("shop/api", "1", "one");
    std::fs::rename(team.world.path("acme"), team.world.path("away")).unwrap();
    team.sign(RELEASE, &image)
        .ends(3)
        .says("error[root-unavailable]");
    team.nothing_was_done();
}

#[test]
fn where_no_rule_is_no_root_decides() {
    let team = Team::new();
    let image = team.world.image("tools/lint", "1", "one");
    team.run(&["sign", "--key", "clock.key", &image.pinned()])
        .ends(2)
        .says("tsa-not-configured");
    let tsa = team.world.tsa("one");
    team.run(&["sign", "--key", "clock.key", "--tsa", &tsa, &image.pinned()])
        .ends(0);
    team.run(&["verify", &image.pinned()])
        .ends(1)
        .says("refused[policy-not-found]");
}

#[test]
fn rsa_keys_sign_as_the_root_says() {
    let team = Team::new();
    let (private, public) = team.world.key_files("rsa", "rsa-2048");
    team.world
        .trust(&[
            "add-key",
            "--dir",
            "acme",
            "--key",
            &public,
            "--owner",
            "rsa",
            "--role",
            "sign",
            "--role",
            "publish",
            "--algorithm",
            "rsa-pss-sha256",
        ])
        .ends(0);
    team.complete();
    let image = team.world.image("shop/api", "1", "one");
    team.sign(&private, &image)
        .ends(1)
        .says("error[algorithm-not-allowed]")
        .says("`--algorithm rsa-pss-sha256`");
    team.run(&[
        "sign",
        "--key",
        &private,
        "--algorithm",
        "rsa-pss-sha256",
        &image.pinned(),
    ])
    .ends(0);
    team.run(&["verify", &image.pinned()]).ends(0);
}

#[test]
fn an_image_that_does_not_admit_the_key_keeps_no_other_from_being_signed() {
    let team = Team::new();
    let shop = team.world.image("shop/api", "1", "one");
    let tools = team.world.image("tools/lint", "1", "two");
    let list = format!("{}\n{}\nX\n", shop.pinned(), tools.pinned());
    let list = team.world.write("list", &list);
    let tsa = team.world.tsa("one");
    let key = ["--key", "clock.key", "--tsa", &tsa, "-f", &list];
    let predicate = team.world.write("scan.json", "{}");
    let attest = ["attest", "--type", "vuln", "--predicate", &predicate];
    for command in [&["sign"][..], &["sign", "--dry-run"], &attest] {
        let arguments = [command, &["--output", "json"], &key].concat();
        let run = team.run(&arguments).ends(2);
        let told: Vec<Value> = run
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(told.len(), 3, "{}", run.stdout);
        assert_eq!(told[0]["outcome"], "failed");
        assert_eq!(told[0]["image"], shop.pinned());
        assert_eq!(told[0]["error"]["code"], "key-unknown");
        assert!(told[0].get("line").is_none());
        assert!(told[1].get("error").is_none(), "{}", told[1]);
        assert_eq!(told[2]["line"], 3);
        run.says(&format!("error[key-unknown]: {}: ", shop.pinned()));
    }
    let pushed = team.world.writes();
    assert!(pushed.iter().any(|line| line.contains("/v2/tools/lint/")));
    assert!(!pushed.iter().any(|line| line.contains("/v2/shop/api/")));

    // With several keys an image is signed by all of them, or by none.
    let both = ["sign", "--key", "clock.key", "--key", RELEASE, "-f", &list];
    let run = team.run(&[&both[..], &["--tsa", &tsa]].concat()).ends(2);
    assert_eq!(run.stdout.matches("signed: ").count(), 2, "{}", run.stdout);
    assert_eq!(team.world.kms_calls("Sign").len(), 2);
    assert!(
        !team
            .world
            .writes()
            .iter()
            .any(|line| line.contains("/v2/shop/api/"))
    );

    // The worst of those that are right is a refusal.
    let right = team
        .world
        .write("right", &format!("{}\n{}", shop.pinned(), tools.pinned()));
    let sign = ["sign", "--key", "clock.key", "--tsa", &tsa, "-f", &right];
    team.run(&sign).ends(1);
}

#[test]
fn what_concerns_every_image_ends_a_list_before_it_is_begun() {
    let team = Team::new();
    let shop = team.world.image("shop/api", "1", "one");
    let tools = team.world.image("tools/lint", "1", "two");
    let list = format!("{}\n{}\n", shop.pinned(), tools.pinned());
    let list = team.world.write("list", &list);
    let tsa = team.world.tsa("one");
    let rest = ["--tsa", &tsa, "-f", &list];
    for (key, code) in [
        (&[][..], "error[key-missing]"),
        (&["--key", "absent.key"], "error[file-unreadable]"),
        (
            &["--key", RELEASE, "--policy", "absent.toml"],
            "error[file-unreadable]",
        ),
    ] {
        let run = team
            .run(&[&["sign"], key, &rest].concat())
            .ends(2)
            .says(code);
        assert_eq!(run.stdout, "");
    }
    team.nothing_was_done();
}

#[test]
fn a_root_that_cannot_be_followed_keeps_no_image_of_another_place_from_being_signed() {
    let team = Team::new();
    let shop = team.world.image("shop/api", "1", "one");
    let tools = team.world.image("tools/lint", "1", "two");
    std::fs::rename(team.world.path("acme"), team.world.path("away")).unwrap();
    let tsa = team.world.tsa("one");
    let images = [shop.pinned(), tools.pinned()];
    let run = team
        .run(&[
            "sign", "--key", RELEASE, "--tsa", &tsa, &images[0], &images[1],
        ])
        .ends(3);
    run.says(&format!("error[root-unavailable]: {}: ", images[0]));
    assert_eq!(team.world.kms_calls("Sign").len(), 2);
    assert!(
        !team
            .world
            .writes()
            .iter()
            .any(|line| line.contains("/v2/shop/api/"))
    );
}

/// As other tools sign: ours refuse to sign such a root.
#[test]
fn what_a_root_says_of_time_that_cannot_be_met_keeps_no_image_of_another_place_from_being_signed() {
    let team = Team::new();
    team.add_second_tsa();
    team.complete();
    let images = [("shop/api", "one"), ("tools/lint", "two")];
    let images = images.map(|(path, content)| team.world.image(path, "1", content).pinned());
    let tsa = [team.world.tsa("one"), team.world.tsa("two")];
    let rest = ["--tsa", &tsa[0], "--tsa", &tsa[1], &images[0], &images[1]];
    let sign = [&["sign", "--key", RELEASE][..], &rest].concat();
    team.world.edit_root("acme/2.root.json", |root| {
        let stamps = &mut root["x-countersign"]["time"]["stamps"];
        stamps["publication"]["threshold"] = 3.into();
    });
    let run = team.run(&sign).ends(1);
    run.says(&format!("error[root-lint]: {}: ", images[0]))
        .says(&format!("signed: {}", images[1]));
    let pushed = team.world.writes();
    assert!(!pushed.iter().any(|line| line.contains("/v2/shop/api/")));
    // Nobody is asked about time.
    let claimed = [
        "sign",
        "--key",
        RELEASE,
        "--no-tsa",
        "--dry-run",
        &images[0],
    ];
    team.run(&claimed).ends(0);
    team.world.edit_root("acme/2.root.json", |root| {
        let stamps = &mut root["x-countersign"]["time"]["stamps"];
        stamps["publication"]["threshold"] = 2.into();
    });
    team.run(&sign).ends(0);
}

#[test]
fn a_policy_is_tested_on_every_image_of_a_list() {
    let team = Team::new();
    let image = team.world.image("shop/api", "1", "one");
    team.sign(RELEASE, &image).ends(0);
    let list = format!("X\n{}\n", image.pinned());
    let list = team.world.write("list", &list);
    let test = ["policy", "test", "--output", "json", "-f"];
    let run = team.run(&[&test[..], &[&list]].concat()).ends(2);
    let told: Vec<Value> = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(told[0]["line"], 1);
    assert_eq!(told[0]["outcome"], "failed");
    assert_eq!(told[1]["verdict"], "verified");
    let right = team.world.write("right", &image.pinned());
    team.run(&[&test[..], &[&right]].concat()).ends(0);
}
