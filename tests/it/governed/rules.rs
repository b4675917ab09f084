//! What a rule demands, and what it accepts.

use std::fs;

use countersign_stand_in::{Clock, KeySpec, Service, TsaSetting};
use serde_json::Value;

use super::{SHOP, Team, shop};
use crate::world::{Run, run};

/// When it was published at the latest, by what `sign` said.
fn published(signed: &Run) -> String {
    let document = signed.json();
    document["publication"]["notAfter"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// So many seconds after a time.
fn after(time: &str, seconds: i64) -> String {
    let time = chrono::DateTime::parse_from_rfc3339(time).unwrap();
    (time + chrono::Duration::seconds(seconds)).to_rfc3339()
}

#[test]
fn an_image_that_a_listed_key_signed_is_verified_at_each_level() {
    let team = Team::new();
    let image = team.signed("shop/api", "1", "release");
    for level in ["signed", "dated"] {
        team.policy(&shop(level));
        let verdict = team.verify(&image, &["--output", "json"]).ends(0).json();
        assert_eq!(verdict["verdict"], "verified");
        // What is proven is said, whatever is demanded.
        assert_eq!(verdict["level"], "dated");
        assert_eq!(verdict["pinned"], image.pinned());
        assert_eq!(verdict["policy"]["rootVersion"], 1);
    }
    let run = team.verify(&image, &[]).ends(0);
    insta::assert_snapshot!(team.steady(&run.stdout));
    assert_eq!(run.stderr, "");
}

#[test]
fn a_key_that_was_rotated_counts_for_what_it_signed_in_its_time() {
    let team = Team::new();
    // Authorities whose clock is three minutes behind: as if it had been signed then.
    let behind = |seconds| {
        let clock = TsaSetting {
            clock: Clock::Offset(seconds),
            ..TsaSetting::default()
        };
        team.world.stand_in.set_tsa("one", clock);
    };
    behind(-180);
    let old = team.image("shop/api", "old");
    let end = after(&published(&team.sign(&old, "release")), 60);
    behind(0);
    team.trust(&format!(
        "rotate --dir acme --old release.pub --new next.pub --owner next --until {end}"
    ));
    team.publish();
    let late = team.signed("shop/api", "late", "release");
    let new = team.signed("shop/api", "new", "next");
    team.policy(&shop("dated"));
    for image in [&old, &new] {
        team.verify(image, &[]).ends(0).says("root acme version 2");
    }
    team.verify(&late, &[])
        .ends(1)
        .says("refused[key-outside-validity]");
    // Without a date nobody knows when it was signed, but for the stamp on the signature itself.
    team.policy(&shop("signed"));
    team.verify(&old, &[]).ends(0);
    team.verify(&late, &[])
        .ends(1)
        .says("refused[key-outside-validity]");
}

#[test]
fn a_compromised_key_counts_for_what_is_proven_to_be_older() {
    let team = Team::new();
    let image = team.signed("shop/api", "1", "release");
    team.policy(&shop("dated"));
    for (at, exit) in [
        ("--at 2100-01-01T00:00:00Z", 0),
        ("--at 2020-01-01T00:00:00Z", 1),
    ] {
        team.trust(&format!(
            "revoke --dir acme --key release.pub --compromised {at}"
        ));
        team.publish();
        let run = team.verify(&image, &[]).ends(exit);
        if exit == 1 {
            run.says("refused[key-compromised]");
        }
    }
    let team = Team::new();
    let image = team.signed("shop/api", "1", "release");
    team.policy(&shop("signed"));
    team.trust("revoke --dir acme --key release.pub --compromised");
    team.publish();
    team.verify(&image, &[])
        .ends(1)
        .says("refused[key-compromised]");
}

#[test]
fn an_image_grows_too_old_and_is_excepted_for_a_while() {
    let team = Team::new();
    let image = team.image("shop/api", "1");
    let published = published(&team.sign(&image, "release"));
    team.policy(&format!("{}max-age = \"180d\"\n", shop("dated")));
    let later = |days: i64| after(&published, days * 86_400);
    team.verify(&image, &["--at", &later(179)]).ends(0);
    team.verify(&image, &["--at", &later(181)])
        .ends(1)
        .says("refused[image-too-old]");
    team.policy(&format!(
        "{}max-age = \"180d\"\n[[policy.exception]]\nimage = \"{}\"\ncodes = [\"image-too-old\"]\n\
         reason = \"replacement ships soon\"\nuntil = \"{}\"\n",
        shop("dated"),
        image.pinned(),
        later(200)
    ));
    let run = team.verify(&image, &["--at", &later(190)]).ends(0);
    run.says("replacement ships soon")
        .says("remark[image-too-old]");
    let run = team.verify(&image, &["--at", &later(201)]).ends(1);
    run.says("refused[image-too-old]");
    // Another image is not meant.
    let other = team.signed("shop/api", "2", "release");
    team.verify(&other, &["--at", &later(190)])
        .ends(1)
        .says("refused[image-too-old]");
}

/// A date is proven for it as well, whoever demands one.
#[test]
fn what_is_no_longer_supported_is_refused_wherever_a_date_is_demanded() {
    let team = Team::new();
    let image = team.image("shop/api", "1");
    let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let end = after(&now, 3_600);
    let words = ["sign", "--key", "release.key", "--supported-until", &end];
    let signed = team
        .world
        .countersign(&[&words[..], &[&image.tagged()]].concat());
    signed.ends(0);
    let later = after(&end, 3_600);
    let old = format!("{}max-age = \"180d\"\n", shop("signed"));
    let new = format!("{}min-age = \"1s\"\n", shop("signed"));
    for (rule, more) in [
        (shop("dated"), &[][..]),
        (old, &[]),
        (new, &[]),
        (shop("signed"), &["--require", "dated"]),
        (shop("signed"), &["--max-age", "180d"]),
    ] {
        team.policy(&rule);
        team.verify(&image, &[&["--at", &later], more].concat())
            .ends(1)
            .says("refused[image-end-of-life]");
        team.verify(&image, &[&["--at", &end], more].concat())
            .ends(0);
    }
    // Nobody asks when it was published.
    team.policy(&shop("signed"));
    team.verify(&image, &["--at", &later]).ends(0);
}

/// A policy excuses what it demands itself, whatever is asked besides, and nothing that is.
#[test]
fn an_exception_is_for_what_the_policy_demands_and_for_nothing_besides() {
    let team = Team::new();
    let image = team.signed("shop/api", "1", "release");
    let later = |seconds| after(&chrono::Utc::now().to_rfc3339(), seconds);
    let (at, until) = (later(3_600), later(86_400));
    let rule = |demand: &str, code: &str| {
        team.policy(&format!(
            "{}{demand}\n[[policy.exception]]\nimage = \"{}\"\ncodes = [\"{code}\"]\nreason = \"moves soon\"\nuntil = \"{until}\"\n",
            shop("dated"),
            image.pinned(),
        ));
    };
    rule("max-age = \"1s\"", "image-too-old");
    let verify = |more: &[&str]| team.verify(&image, &[&["--at", &at], more].concat());
    let old = ["remark[image-too-old]", "refused[image-too-old]"];
    verify(&[]).ends(0).says(old[0]);
    verify(&["--max-age", "400d"]).ends(0).says(old[0]);
    verify(&["--max-age", "2s"]).ends(1).says(old[1]);
    verify(&["--published-after", "2100-01-01"])
        .ends(1)
        .says(old[1]);
    // Of variables and of a configuration the same is true.
    let tagged = image.tagged();
    let words = ["verify", "--policy", "policy.toml", "--at", &at, &tagged];
    for (age, code) in [("400d", 0), ("2s", 1)] {
        let variable = [("COUNTERSIGN_MAX_AGE", age)];
        team.world.countersign_with(&words, &variable).ends(code);
        let config = format!("version = 1\n[verify]\nmax-age = \"{age}\"\n");
        team.world.write("config.toml", &config);
        let configured = [&words[..], &["--config", "config.toml"]].concat();
        team.world.countersign(&configured).ends(code);
    }
    rule(
        "attestations = [\"slsaprovenance1\"]",
        "attestation-missing",
    );
    let missing = "refused[attestation-missing]";
    verify(&[]).ends(0);
    verify(&["--attestation", "slsaprovenance1"])
        .ends(1)
        .says(missing);
    let run = verify(&["--attestation", "spdx"]).ends(1).says(missing);
    assert_eq!(run.stdout.matches(missing).count(), 1, "{}", run.stdout);
    run.says("has no attestation of type https://spdx.dev/Document");
}

#[test]
fn an_attestation_is_demanded_by_the_rule() {
    let team = Team::new();
    let image = team.signed("shop/api", "1", "release");
    team.policy(&format!(
        "{}attestations = [\"slsaprovenance1\"]\n",
        shop("signed")
    ));
    team.verify(&image, &[])
        .ends(1)
        .says("refused[attestation-missing]");
    team.world.write("predicate.json", "{}");
    let attest = |key: &str| {
        let words = [
            "attest",
            "--type",
            "slsaprovenance1",
            "--predicate",
            "predicate.json",
            "--key",
            key,
        ];
        let image = image.tagged();
        team.world
            .countersign(&[&words[..], &[&image]].concat())
            .ends(0);
    };
    attest("other.key");
    team.verify(&image, &[])
        .ends(1)
        .says("refused[attestation-missing]");
    attest("release.key");
    team.verify(&image, &[]).ends(0).says("attested by release");
}

/// The ids of keys in the root.
fn ids(team: &Team) -> (String, String) {
    let shown = team.trust("show --dir acme --output json").json();
    let id = |owner: &str| crate::trust::id_of(&shown, owner);
    (id("release"), id("review"))
}

#[test]
fn several_keys_of_those_named_must_have_signed() {
    let team = Team::new();
    team.trust(
        "add-key --dir acme --scope HOST/shop/** --role sign --owner review --key review.pub",
    );
    team.trust(
        "add-key --dir acme --scope HOST/shop/** --role release --owner next --key next.pub",
    );
    team.publish();
    let (release, review) = ids(&team);
    let two_of = |one: &str, other: &str| {
        team.policy(&format!(
            "{}signers = {{ at-least = 2, of = [\"{one}\", \"{other}\"] }}\n",
            shop("signed")
        ));
    };
    two_of(&release, &review);
    let image = team.signed("shop/api", "1", "release");
    team.verify(&image, &[])
        .ends(1)
        .says("refused[threshold-not-met]");
    // One that the rule does not name adds nothing.
    team.sign(&image, "next");
    team.verify(&image, &[])
        .ends(1)
        .says("refused[threshold-not-met]");
    team.sign(&image, "review");
    let verdict = team.verify(&image, &["--output", "json"]).ends(0).json();
    assert_eq!(verdict["authenticity"]["threshold"], 2);
    // By the names that verdicts have for keys.
    let signatures = verdict["authenticity"]["signatures"].as_array().unwrap();
    let by = |name: &str| {
        let mut by = signatures
            .iter()
            .filter(|signature| signature["signer"].as_str().unwrap().starts_with(name));
        by.next().unwrap()["keyId"].as_str().unwrap().to_owned()
    };
    let (release, review) = (by("release"), by("review"));
    two_of(&release, &review);
    team.verify(&image, &[]).ends(0);
}

/// What the rule demands of its keys, and what is demanded besides of all that the scope lists: each is met by itself.
#[test]
fn more_signers_may_be_demanded_besides_those_of_the_rule() {
    let team = Team::new();
    team.trust(
        "add-key --dir acme --scope HOST/shop/** --role sign --owner review --key review.pub",
    );
    team.publish();
    let (release, _) = ids(&team);
    let image = team.signed("shop/api", "1", "release");
    let signers = format!("signers = {{ at-least = 1, of = [\"{release}\"] }}\n");
    let two = ["--threshold", "2"];
    let by_one = "1 of 2 required distinct keys signed";
    for rule in [String::new(), signers.clone()] {
        team.policy(&format!("{}{rule}", shop("signed")));
        team.verify(&image, &[]).ends(0);
        team.verify(&image, &two).ends(1).says(by_one);
        // More than there are is no fault of an image.
        for more in [&["--threshold", "3"][..], &["--threshold", "3", "--pin"]] {
            let run = team.verify(&image, more).ends(2);
            run.says("error[threshold-too-high]")
                .says("root version 2 lists 2 that may sign");
        }
    }
    team.world
        .write("config.toml", "version = 1\n[verify]\nthreshold = 2\n");
    let config = ["--config", "config.toml"];
    team.verify(&image, &config).ends(1).says(by_one);
    team.sign(&image, "review");
    team.verify(&image, &config).ends(0);
    let run = team.verify(&image, &two).ends(0);
    run.says("release (").says("review (").says("(2 required)");
    // Others are as many as are demanded, and not who.
    let other = team.signed("shop/api", "2", "review");
    team.verify(&other, &[])
        .ends(1)
        .says("0 of 1 required distinct keys signed");
}

#[test]
fn a_rule_that_reports_says_what_it_found_and_lets_nothing_run() {
    let team = Team::new();
    let image = team.signed("shop/api", "1", "other");
    team.policy(&shop("signed").replace("enforce", "report"));
    let run = team.verify(&image, &[]).ends(0);
    assert!(
        run.stdout.starts_with("refused, reported only: "),
        "{}",
        run.stdout
    );
    let pin = team.verify(&image, &["--pin"]).ends(1);
    assert_eq!(pin.stdout, "");
    let json = team.verify(&image, &["--output", "json"]).ends(0).json();
    assert_eq!(
        (&json["verdict"], &json["policy"]["mode"]),
        (&"refused".into(), &"report".into())
    );
    assert_eq!(json["pinned"], Value::Null);
    // What could not be found out is no less unknown.
    let fault =
        countersign_stand_in::Fault::on("GET /v2/*", countersign_stand_in::Lie::status(503));
    team.world.stand_in.faults().push(fault);
    team.verify(&image, &[]).ends(3).says("undecided: ");
}

#[test]
fn a_mirror_is_judged_by_the_name_of_what_it_mirrors() {
    let team = Team::new();
    let image = team.image("shop/api", "1");
    let signed = team.sign(&image, "release").json();
    let copied = [
        image.pinned(),
        format!(
            "{}@{}",
            image.repository,
            signed["manifest"].as_str().unwrap()
        ),
        format!(
            "{}@{}",
            image.repository,
            signed["publication"]["manifest"].as_str().unwrap()
        ),
    ];
    let mirror = team.spelled("HOST/mirror/acme/api");
    for (number, from) in copied.iter().enumerate() {
        let mut crane = crate::peers::peer(&team.world, "crane");
        crane.args([
            "copy",
            "--insecure",
            from,
            &format!("{mirror}:{}", number + 1),
        ]);
        run(crane).ends(0);
    }
    let mirrored = crate::world::Image {
        repository: mirror,
        path: "mirror/acme/api".to_owned(),
        ..image.clone()
    };
    let rule = SHOP.replace("HOST/shop/**", "HOST/mirror/acme/**");
    team.policy(&format!(
        "{rule}require = \"dated\"\nmirrors = \"HOST/shop/**\"\n"
    ));
    let run = team.verify(&mirrored, &[]).ends(0);
    insta::assert_snapshot!(team.steady(&run.stdout));
    let explained = team.command("policy explain", &mirrored, &[]).ends(0);
    insta::assert_snapshot!("mirror_explained", team.steady(&explained.stdout));
    // Without `mirrors` the documents are of another repository, which the root grants nobody.
    team.policy(&format!("{rule}require = \"dated\"\n"));
    team.verify(&mirrored, &[])
        .ends(1)
        .says("refused[scope-not-granted]");
    team.trust("set-scope --dir acme --repository HOST/shop/** --repository HOST/mirror/acme/**");
    team.publish();
    team.verify(&mirrored, &[])
        .ends(1)
        .says("refused[repository-mismatch]");
}

/// What a root says of a key in KMS is for those who sign with it.
#[test]
fn a_verifier_never_asks_kms() {
    let team = Team::new();
    let stand_in = &team.world.stand_in;
    for alias in ["root", "release"] {
        let made = stand_in.create_key(KeySpec::ECC_NIST_P256, &format!("alias/{alias}"));
        made.unwrap();
    }
    team.trust("rotate --dir acme --old carol.pub --new awskms:///alias/root --owner carol");
    team.trust(
        "add-key --dir acme --scope HOST/shop/** --role release --owner kms --key awskms:///alias/release",
    );
    team.publish();
    team.policy(&shop("dated"));
    let image = team.image("shop/api", "1");
    let asked = || team.world.calls(|call| call.service == Service::Aws).len();
    let before = asked();
    let image = image.tagged();
    let sign = ["sign", "--key", "awskms:///alias/release", &image];
    team.world.countersign(&sign).ends(0);
    let signing = asked();
    assert!(signing > before, "whoever signs asks");
    let root = fs::read_to_string(team.world.path("roots/2.root.json")).unwrap();
    assert_eq!(root.matches("\"arn:aws:kms:").count(), 2, "{root}");

    // It could, and has no need to.
    let verify = ["verify", "--policy", "policy.toml", &image];
    team.world.countersign(&verify).ends(0);
    let without = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| (name, ""));
    team.world.countersign_with(&verify, &without).ends(0);
    assert_eq!(asked(), signing);
    assert_ne!(team.world.countersign_with(&sign, &without).code, 0);
}

#[test]
fn layers_are_demanded_besides_a_rule() {
    let team = Team::new();
    team.policy(&shop("signed"));
    let image = team.signed("shop/api", "1", "release");
    let depth = |run: Run| run.ends(0).json()["integrity"]["depth"].clone();
    let json = ["--output", "json"];
    assert_eq!(depth(team.verify(&image, &json)), serde_json::Value::Null);
    let deep = [&json[..], &["--deep"]].concat();
    assert_eq!(depth(team.verify(&image, &deep)), "layers");
    // The image of these tests has a layer that its configuration does not name.
    let run = team.verify(&image, &[&json[..], &["--deep=unpacked"]].concat());
    assert_eq!(
        run.ends(1).json()["refusals"][0]["code"],
        "diff-id-mismatch"
    );
    // What `policy test` says is by the policy alone.
    team.command("policy test", &image, &json).ends(0);
}
