//! Three years of a team, in simulated time and through the public commands: releases, keys that rotate, are lost and are
//! stolen, and people who come and go. At each step every image so far is judged again.

use std::{fs, path::PathBuf};

use countersign_common::Timestamp;
use countersign_stand_in::{Clock, KeySpec, TsaSetting, tsa::GenTime};
use serde_json::Value;

use crate::world::{Image, Run, World, run};

const ONE: &str = "awskms:///alias/release-2027";
const TWO: &str = "awskms:///alias/release-2028";
const THREE: &str = "awskms:///alias/release-2029";

/// What must become of an image.
type Expected = Result<(), &'static str>;

struct Team {
    world: World,
    now: &'static str,
    images: Vec<(Image, Expected)>,
}

impl Team {
    fn new(now: &'static str) -> Self {
        let world = World::with_people();
        for alias in [ONE, TWO, THREE] {
            let alias = alias.trim_start_matches("awskms:///");
            world
                .stand_in
                .create_key(KeySpec::ECC_NIST_P256, alias)
                .unwrap();
        }
        let mut team = Self {
            world,
            now,
            images: Vec::new(),
        };
        team.step(now);
        team
    }

    /// Time goes on, everywhere but where it is judged.
    fn step(&mut self, now: &'static str) {
        self.now = now;
        let seconds = Timestamp::parse(now).unwrap().unix_seconds();
        for name in ["one", "two"] {
            let setting = TsaSetting {
                clock: Clock::At(GenTime::seconds(seconds)),
                ..TsaSetting::default()
            };
            self.world.stand_in.set_tsa(name, setting);
        }
    }

    /// The command, on a machine whose clock says the time of the step.
    fn run(&self, arguments: &[&str]) -> Run {
        let mut command = self.world.command(arguments);
        command
            .env("LD_PRELOAD", library())
            .env(
                "FAKETIME",
                format!("@{}", self.now.replace(['T', 'Z'], " ").trim_end()),
            )
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("TZ", "UTC")
            .env_remove("COUNTERSIGN_TSA");
        // The policy is there once the root is.
        if self.world.path("policy.toml").exists() {
            command.env("COUNTERSIGN_POLICY", "policy.toml");
        }
        run(command)
    }

    fn trust(&self, words: &str) -> Run {
        let words: Vec<&str> = ["trust"].into_iter().chain(words.split(' ')).collect();
        self.run(&words)
    }

    fn signed_by(&self, names: &[&str]) {
        for name in names {
            self.trust(&format!("sign --dir acme --key {name}.key"))
                .ends(0);
        }
    }

    /// The draft becomes a version that verifiers can find.
    fn complete(&self, names: &[&str]) {
        self.signed_by(names);
        assert!(
            !self.world.path("acme/draft.root.json").exists(),
            "the draft is complete"
        );
        self.trust("publish --dir acme --to public").ends(0);
    }

    fn release(&mut self, tag: &'static str, key: &str) {
        let image = self.world.image("shop/api", tag, tag);
        self.run(&["sign", "--key", key, &image.pinned()]).ends(0);
        self.images.push((image, Ok(())));
    }

    /// From here on an image is refused for this.
    fn expect(&mut self, tag: &str, expected: Expected) {
        let found = self.images.iter_mut().find(|(image, _)| image.tag == tag);
        found.unwrap().1 = expected;
    }

    /// Every image, as of the time of the step, and by a verifier that remembers the steps before.
    fn judge_all(&self) {
        for (image, expected) in &self.images {
            self.judge(image, self.now, *expected);
            let words = ["verify", "--init-state", "--output", "json"];
            let verdict = self.run(&[&words[..], &[&image.pinned()]].concat());
            check(
                &verdict,
                *expected,
                &format!("{} at {}", image.tag, self.now),
            );
        }
    }

    /// What that verifier remembers.
    fn state(&self) -> Value {
        self.world.root_file(".local/state/countersign/state.json")
    }

    #[track_caller]
    fn judge(&self, image: &Image, at: &str, expected: Expected) {
        let variables = [("COUNTERSIGN_POLICY", "policy.toml")];
        let arguments = ["verify", "--at", at, "--output", "json", &image.pinned()];
        let verdict = self.world.countersign_with(&arguments, &variables);
        check(&verdict, expected, &format!("{} at {at}", image.tag));
    }

    fn image(&self, tag: &str) -> &Image {
        let found = self.images.iter().find(|(image, _)| image.tag == tag);
        &found.unwrap().0
    }
}

#[track_caller]
fn check(verdict: &Run, expected: Expected, what: &str) {
    let document: Value = verdict.json();
    let said = document["refusals"][0]["code"].as_str();
    let wanted = match expected {
        Ok(()) => (0, None),
        Err(code) => (1, Some(code)),
    };
    assert_eq!((verdict.code, said), wanted, "{what}: {document:#}");
}

/// What makes a program believe another time.
fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap();
    let found = folders
        .map(|folder| folder.unwrap().path().join("faketime/libfaketime.so.1"))
        .find(|path| path.exists());
    found.expect("libfaketime is missing: run ./tests/run")
}

#[test]
fn three_years_of_a_team() {
    let mut team = Team::new("2027-01-10T09:00:00Z");
    begin(&mut team);
    releases(&mut team);
    rotation(&mut team);
    lost_root_key(&mut team);
    stolen_release_key(&mut team);
    ceremony(&mut team);
    forgotten(&mut team);
}

fn begin(team: &mut Team) {
    let host = team.world.stand_in.registry_host().to_owned();
    let (url, chain) = (team.world.tsa("one"), team.world.chain("one"));
    team.run(&[
        "trust",
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
        &format!("{host}/shop/**"),
        "--release-key",
        &format!("release 2027={ONE}"),
        "--tsa",
        &url,
        "--tsa-chain",
        &chain,
        "--tsa-operator",
        "one.example",
    ])
    .ends(0);
    let (url, chain) = (team.world.tsa("two"), team.world.chain("two"));
    team.trust(&format!(
        "add-tsa --dir acme --url {url} --chain {chain} --operator two.example"
    ))
    .ends(0);
    fs::create_dir(team.world.path("public")).unwrap();
    team.complete(&["alice", "carol"]);
    let fingerprint = team.world.trust_json(&["show", "--dir", "acme"]);
    let fingerprint = fingerprint["root"]["fingerprint"]
        .as_str()
        .unwrap()
        .to_owned();
    let public = team.world.path("public").display().to_string();
    team.world.write(
        "policy.toml",
        &format!(
            "version = 1\n[roots.acme]\nfingerprint = \"{fingerprint}\"\nsources = [\"file:{public}\"]\n\
             [[policy]]\nmatch = \"{host}/shop/**\"\nroot = \"acme\"\nmode = \"enforce\"\nrequire = \"dated\"\n"
        ),
    );
}

fn releases(team: &mut Team) {
    team.step("2027-01-15T12:00:00Z");
    team.release("1.0", ONE);
    team.judge_all();
    team.step("2027-06-01T12:00:00Z");
    team.release("1.1", ONE);
    team.judge_all();
    // What nobody signed, and what was pushed by somebody who has no key here.
    let unsigned = team.world.image("shop/api", "0.9", "nobody signed it");
    team.judge(&unsigned, team.now, Err("signature-missing"));
}

fn rotation(team: &mut Team) {
    team.step("2027-11-20T08:00:00Z");
    team.run(&[
        "trust",
        "rotate",
        "--dir",
        "acme",
        "--old",
        ONE,
        "--new",
        TWO,
        "--owner",
        "release 2028",
        "--until",
        "2027-12-15",
    ])
    .ends(0);
    team.complete(&["alice", "bob"]);
    team.judge_all();
    // Both keys may sign while one takes over from the other.
    team.step("2027-12-01T12:00:00Z");
    team.release("1.2", ONE);
    team.judge_all();
    team.step("2028-01-05T12:00:00Z");
    let late = team.world.image("shop/api", "1.3", "late");
    team.run(&["sign", "--key", ONE, &late.pinned()])
        .ends(1)
        .says("error[key-outside-validity]");
    team.release("2.0", TWO);
    team.judge_all();
}

/// Carol's key is gone. The two others replace it by Dave's.
fn lost_root_key(team: &mut Team) {
    team.step("2028-03-01T10:00:00Z");
    team.trust("rotate --dir acme --old carol.pub --new dave.pub --owner dave")
        .ends(0);
    team.complete(&["alice", "bob"]);
    team.judge_all();
    found_root_key(team);
    team.step("2028-06-01T12:00:00Z");
    team.release("2.1", TWO);
    team.judge_all();
}

/// Whoever has found Carol's key since is one of nobody.
fn found_root_key(team: &Team) {
    let before = team.world.names_in("acme");
    let pattern = format!("{}/shop/**", team.world.stand_in.registry_host());
    team.trust(&format!(
        "set-scope --dir acme --repository {pattern} --epoch 2"
    ))
    .ends(0);
    team.signed_by(&["alice"]);
    team.trust("sign --dir acme --key carol.key")
        .ends(1)
        .says("error[key-unknown]");
    let draft = team.world.path("acme/draft.root.json");
    assert!(draft.exists(), "one of two has signed");
    fs::remove_file(draft).unwrap();
    assert_eq!(team.world.names_in("acme"), before);
}

/// The key was stolen on the first of September; found out on the tenth.
fn stolen_release_key(team: &mut Team) {
    team.step("2028-09-05T03:00:00Z");
    // The thief has the key, the registry, and honest authorities of time.
    team.release("6.6", TWO);
    team.judge_all();
    team.step("2028-09-10T15:00:00Z");
    team.run(&[
        "trust",
        "revoke",
        "--dir",
        "acme",
        "--key",
        TWO,
        "--compromised",
        "--at",
        "2028-09-01",
    ])
    .ends(0);
    for role in ["sign", "publish"] {
        team.run(&[
            "trust",
            "add-key",
            "--dir",
            "acme",
            "--key",
            THREE,
            "--owner",
            "release 2029",
            "--role",
            role,
        ])
        .ends(0);
    }
    team.complete(&["bob", "dave"]);
    team.expect("6.6", Err("key-compromised"));
    team.judge_all();
    let again = team.world.image("shop/api", "6.7", "again");
    team.run(&["sign", "--key", TWO, &again.pinned()])
        .ends(1)
        .says("error[key-compromised]");
    team.step("2028-10-01T12:00:00Z");
    team.release("3.0", THREE);
    team.judge_all();
}

/// Three people on three machines sign what one of them has made: erin's key for alice's, who leaves.
fn ceremony(team: &mut Team) {
    team.step("2029-01-10T10:00:00Z");
    let (_, _) = team.world.key_files("erin", "p256");
    team.trust("rotate --dir acme --old alice.pub --new erin.pub --owner erin")
        .ends(0);
    let newest = fs::read_dir(team.world.path("acme")).unwrap().count() - 1;
    for name in ["bob", "dave", "erin"] {
        fs::create_dir(team.world.path(name)).unwrap();
        for file in [format!("{newest}.root.json"), "draft.root.json".to_owned()] {
            fs::copy(
                team.world.path("acme").join(&file),
                team.world.path(name).join(&file),
            )
            .unwrap();
        }
        let (draft, previous) = (
            format!("{name}/draft.root.json"),
            format!("{name}/{newest}.root.json"),
        );
        team.run(&[
            "trust",
            "sign",
            "--file",
            &draft,
            "--previous",
            &previous,
            "--key",
            &format!("{name}.key"),
        ])
        .ends(0);
    }
    team.trust(
        "sign --dir acme --add bob/draft.root.json --add dave/draft.root.json --add erin/draft.root.json",
    )
    .ends(0);
    team.trust("publish --dir acme --to public").ends(0);
    team.judge_all();
    team.step("2029-06-01T12:00:00Z");
    team.release("3.1", THREE);
    team.judge_all();
    // As of then: the newest root knows more of the past than the one of that day did.
    team.judge(
        team.image("6.6"),
        "2028-09-06T00:00:00Z",
        Err("key-compromised"),
    );
    team.judge(team.image("1.0"), "2027-01-15T12:00:10Z", Ok(()));
}

/// Nobody signed a new version for a year.
fn forgotten(team: &mut Team) {
    team.step("2030-01-09T09:59:59Z");
    team.judge_all();
    team.step("2030-01-10T10:00:00Z");
    for tag in ["1.0", "1.1", "1.2", "2.0", "2.1", "3.0", "3.1", "6.6"] {
        team.expect(tag, Err("root-expired"));
    }
    team.judge_all();
    team.trust(
        "set-scope --dir acme --repository REPOSITORY"
            .replace(
                "REPOSITORY",
                &format!("{}/tools/**", team.world.stand_in.registry_host()),
            )
            .as_str(),
    )
    .ends(0);
    team.complete(&["dave", "erin"]);
    for tag in ["1.0", "1.1", "1.2", "2.0", "2.1", "3.0", "3.1"] {
        team.expect(tag, Ok(()));
    }
    team.expect("6.6", Err("key-compromised"));
    team.judge_all();
    // The newest root of all, and the youngest of the stamps.
    let state = team.state();
    let newest = team.world.names_in("public").len();
    assert_eq!(state["roots"]["acme"]["version"], newest);
    // Less the second that its authority may be wrong by.
    assert_eq!(state["timeFloor"], "2029-06-01T11:59:59Z");
}
