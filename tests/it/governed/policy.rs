//! `countersign policy check`, `test` and `explain`.

use countersign_stand_in::Service;
use serde_json::Value;

use super::{SHOP, Team, everything_in, shop};
use crate::world::{Run, run};

impl Team {
    fn check(&self, more: &[&str]) -> Run {
        let check = ["policy", "check", "--policy", "policy.toml"];
        self.world.countersign(&[&check[..], more].concat())
    }

    fn explain(&self, path: &str, more: &[&str]) -> Run {
        let image = self.spelled(&format!("HOST/{path}"));
        let explain = ["policy", "explain", "--policy", "policy.toml", &image];
        self.world.countersign(&[&explain[..], more].concat())
    }

    /// The text and the document of an explanation.
    fn explained(&self, path: &str, code: i32) -> String {
        let text = self.explain(path, &[]).ends(code);
        assert_eq!(text.stderr, "");
        let document = self.explain(path, &["--output", "json"]).ends(code);
        let document = serde_json::to_string_pretty(&document.json()).unwrap();
        self.steady(&format!("{}\n{document}\n", text.stdout))
    }
}

#[test]
fn a_good_policy_is_listed_rule_by_rule() {
    let team = Team::new();
    let lab = shop("signed")
        .replace("shop", "lab")
        .replace("enforce", "report");
    team.policy(&format!("{}{lab}", shop("dated")));
    let run = team.check(&[]).ends(0);
    insta::assert_snapshot!(team.steady(&run.stdout));
    let document = team.check(&["--output", "json"]).ends(0).json();
    assert_eq!(document["findings"], serde_json::json!([]));
    assert_eq!(document["rules"][1]["mode"], "report");
    // Alone it asks nobody.
    team.policy_from(&["file:/absent"], &shop("signed"));
    team.check(&["--offline"]).ends(0);
    team.check(&[]).ends(3).says("error[root-unavailable]");
}

/// Nothing could be judged by it, or not what was meant.
#[test]
fn what_a_policy_says_in_vain_of_places_is_found_before_any_image_is() {
    let team = Team::new();
    let star = shop("signed").replace("HOST/shop/**", "HOST/shop/*");
    team.policy(&format!("{}{star}", shop("signed")));
    for more in [&[][..], &["--offline"]] {
        let run = team.check(more).ends(2);
        run.says(&team.spelled(
            "error[policy-ambiguous]: line 10: some repositories are matched by `HOST/shop/**` of line 5 too",
        ));
    }
    // As long a beginning of something else, and a longer one of the same, are no tie.
    let nearby = shop("signed").replace("HOST/shop/**", "HOST/shop/a*");
    let other = shop("signed").replace("HOST/shop/**", "HOST/labs/**");
    team.policy(&format!("{}{nearby}{other}", shop("signed")));
    team.check(&["--offline"]).ends(0);
    // A scope that lists nobody grants nothing.
    team.trust("set-scope --dir acme --repository HOST/void/**");
    team.publish();
    team.policy(&shop("signed").replace("shop", "void"));
    team.check(&[])
        .ends(1)
        .says("refused[scope-not-granted]")
        .says("root version 2 has no key that may sign in the scope of ");
    team.policy(&shop("signed").replace("shop", "lab"));
    team.check(&[]).ends(0);
}

#[test]
fn an_exception_that_excepts_nothing_is_said() {
    let team = Team::new();
    let exception = |path: &str, until: &str| {
        let digest = "e".repeat(64);
        format!(
            "[[policy.exception]]\nimage = \"HOST/{path}@sha256:{digest}\"\ncodes = [\"image-too-old\"]\n\
             reason = \"moves\"\nuntil = \"{until}\"\n"
        )
    };
    let (past, future) = ("2025-12-15T00:00:00Z", "2100-01-01T00:00:00Z");
    let all = shop("signed").replace("shop/**", "**");
    let in_lab = shop("signed").replace("shop", "lab");
    team.policy(&format!(
        "{all}{}{}{}{in_lab}{}",
        exception("shop/api", future),
        exception("shop/api", past),
        exception("lab/api", future),
        exception("lab/api", future),
    ));
    for more in [&[][..], &["--offline"]] {
        let run = team.check(more).ends(0);
        assert_eq!(run.stdout.matches("warning[").count(), 2, "{}", run.stdout);
        run.says("warning[exception-unused]: line 16, column 9: this exception is over since 2025-12-15T00:00:00Z")
            .says(&team.spelled(
                "warning[exception-unused]: line 21, column 9: this exception is never asked for: `HOST/lab/**` of line 25 decides about its image",
            ));
    }
}

/// Who writes it expects something of it.
#[test]
fn what_has_no_effect_is_said() {
    let team = Team::new();
    let digest = "e".repeat(64);
    let settings = "superseded = \"deny\"\ndeprecated = \"deny\"\nheartbeat-max-age = \"72h\"\ngrace = \"7d\"\n";
    let excepting = |codes: &str| {
        format!(
            "[[policy.exception]]\nimage = \"HOST/shop/api@sha256:{digest}\"\ncodes = [{codes}]\n\
             reason = \"moves\"\nuntil = \"2100-01-01T00:00:00Z\"\n"
        )
    };
    let all =
        excepting("\"image-withdrawn\", \"image-too-old\", \"image-deprecated\", \"superseded\"");
    for level in ["signed", "dated"] {
        team.policy(&format!("{}{settings}{all}", shop(level)));
        for more in [&[][..], &["--offline"]] {
            let run = team.check(more).ends(0);
            insta::allow_duplicates! {
                let said = team.steady(&run.stdout).replace(level, "LEVEL");
                insta::assert_snapshot!(said);
            }
        }
    }
    let document = team.check(&["--output", "json"]).ends(0).json();
    let found = document["findings"].as_array().unwrap().iter();
    let kinds: Vec<_> = found
        .map(|finding| (&finding["kind"], &finding["code"]))
        .collect();
    assert_eq!(kinds, [(&"warning".into(), &"policy-idle".into()); 7]);
    // It refuses nothing, and what is as it would be without it is not mentioned.
    let image = team.signed("shop/api", "1", "release");
    team.verify(&image, &[]).ends(0);
    let reporting = "superseded = \"report\"\ndeprecated = \"report\"\n";
    let old = excepting("\"image-too-old\"");
    team.policy(&format!("{}{reporting}{old}", shop("dated")));
    let document = team.check(&["--output", "json"]).ends(0).json();
    assert_eq!(document["findings"], serde_json::json!([]));
}

#[test]
fn what_is_misspelled_is_shown_where_it_stands_with_what_was_meant() {
    let team = Team::new();
    team.policy(&format!("{}atestations = []\n", shop("signed")));
    for more in [&[][..], &["--offline"]] {
        let run = team.check(more).ends(2);
        assert_eq!(run.stdout, "");
        insta::allow_duplicates! {
            insta::assert_snapshot!(team.steady(&run.stderr));
        }
    }
    let image = team.image("shop/api", "1");
    for command in ["verify", "policy test", "policy explain"] {
        team.command(command, &image, &[])
            .ends(2)
            .says("error[policy-invalid]")
            .says("did you mean `attestations`?");
    }
}

#[test]
fn what_no_root_can_give_is_found_before_any_image_is() {
    let team = Team::new();
    let office = shop("signed").replace("shop", "office");
    let id = "5".repeat(64);
    let unlisted = format!(
        "{}signers = {{ at-least = 1, of = [\"{id}\"] }}\n",
        shop("signed")
    );
    team.policy(&office);
    let run = team.check(&[]).ends(1);
    insta::assert_snapshot!("nothing_granted", team.steady(&run.stdout));
    team.policy(&format!("{office}{unlisted}"));
    let run = team.check(&[]).ends(2);
    // What a root refuses and what is wrong in the file are told apart, and the place is said once.
    run.says("refused[scope-not-granted]: line 5: root version 1 grants nobody")
        .says(&format!(
            "error[policy-invalid]: line 15, column 32: the root does not let the key `{id}` sign in these repositories"
        ));
    let document = team.check(&["--output", "json"]).ends(2).json();
    let findings = document["findings"].as_array().unwrap();
    let codes: Vec<&Value> = findings.iter().map(|finding| &finding["code"]).collect();
    assert_eq!(codes, ["scope-not-granted", "policy-invalid"]);
    let places = findings
        .iter()
        .map(|finding| (&finding["kind"], &finding["line"], &finding["column"]));
    assert_eq!(
        places.collect::<Vec<_>>(),
        [
            (&"refused".into(), &5.into(), &Value::Null),
            (&"error".into(), &15.into(), &32.into())
        ]
    );
    team.check(&["--offline"]).ends(0);
}

#[test]
fn a_test_says_what_verify_would_say_and_leaves_no_trace() {
    let team = Team::new();
    let good = team.signed("shop/api", "1", "release");
    let bad = team.signed("shop/api", "2", "other");
    team.policy(&shop("dated"));
    team.remembering(&good, &["--init-state"]).ends(0);
    team.trust("set-scope --dir acme --repository HOST/shop/** --epoch 2");
    team.publish();
    let state = team.world.path("state");
    let before = everything_in(&state);
    let images = [&*bad.tagged(), "--state-dir", "state", "--output", "json"];
    let tested = team.command("policy test", &good, &images).ends(1);
    team.command("policy explain", &good, &["--state-dir", "state"])
        .ends(0);
    team.check(&["--state-dir", "state"]).ends(0);
    assert_eq!(everything_in(&state), before);
    // And begins none.
    team.command("policy test", &good, &["--state-dir", "none"])
        .ends(0);
    assert!(!team.world.path("none").exists());
    let verified = team.verify(&good, &images).ends(1);
    assert_ne!(everything_in(&state), before);
    let verdicts = |run: &Run| -> Vec<Value> {
        let documents = serde_json::Deserializer::from_str(&run.stdout).into_iter::<Value>();
        let timeless = |document: serde_json::Result<Value>| {
            let mut document = document.unwrap();
            document["judgedAt"].take();
            document["freshness"]["published"]["ageSeconds"].take();
            document
        };
        documents.map(timeless).collect()
    };
    assert_eq!(verdicts(&tested), verdicts(&verified));
    assert_eq!(verdicts(&tested)[0]["policy"]["rootVersion"], 2);
}

#[test]
fn a_match_is_explained_without_a_look_at_the_image() {
    let team = Team::new();
    team.trust("add-key --dir acme --scope HOST/shop/** --role sign --owner review --key review.pub --not-before 2026-01-01");
    team.publish();
    let all = shop("signed").replace("shop/**", "**");
    let digest = "e".repeat(64);
    team.policy(&format!(
        "{all}{SHOP}require = \"dated\"\nmax-age = \"180d\"\nmin-age = \"2h\"\ntime-threshold = 1\nstate = \"required\"\n\
         attestations = [\"slsaprovenance1\"]\n[[policy.exception]]\nimage = \"HOST/shop/api@sha256:{digest}\"\n\
         codes = [\"image-too-old\"]\nreason = \"moves in spring\"\nuntil = \"2027-04-01T00:00:00Z\"\n"
    ));
    let before = team
        .world
        .calls(|call| call.service == Service::Registry)
        .len();
    insta::assert_snapshot!(team.explained("shop/api:1", 1));
    let after = team
        .world
        .calls(|call| call.service == Service::Registry)
        .len();
    assert_eq!(before, after);
}

/// What `verify` refuses before it looks at the image is no open way.
#[test]
fn a_memory_that_is_missing_is_explained() {
    let team = Team::new();
    let image = team.signed("shop/api", "1", "release");
    team.policy(&format!("{}state = \"required\"\n", shop("signed")));
    let more = ["--state-dir", "state"];
    let missing = "refused[state-missing]";
    for command in ["verify", "policy test", "policy explain"] {
        team.command(command, &image, &more).ends(1).says(missing);
    }
    team.remembering(&image, &["--init-state"]).ends(0);
    team.command("policy explain", &image, &more).ends(0);
    // Beside what else stands in the way.
    team.policy(&format!(
        "{}state = \"required\"\n",
        shop("signed").replace("shop", "office")
    ));
    let office = team.explain("office/api:1", &["--output", "json"]).ends(1);
    let document = office.json();
    let errors = document["errors"].as_array().unwrap().iter();
    let codes: Vec<_> = errors.map(|error| &error["code"]).collect();
    assert_eq!(codes, ["scope-not-granted", "state-missing"]);
}

#[test]
fn only_exceptions_that_count_for_a_place_are_explained() {
    let team = Team::new();
    let exception = |path: &str, until: &str| {
        let digest = "e".repeat(64);
        format!(
            "[[policy.exception]]\nimage = \"HOST/shop/{path}@sha256:{digest}\"\ncodes = [\"image-too-old\"]\n\
             reason = \"{path} moves\"\nuntil = \"{until}\"\n"
        )
    };
    team.policy(&format!(
        "{}{}{}{}",
        shop("signed"),
        exception("api", "2025-12-15T00:00:00Z"),
        exception("api", "2100-01-01T00:00:00Z"),
        exception("web", "2100-01-01T00:00:00Z"),
    ));
    let run = team.explain("shop/api:1", &[]).ends(0);
    assert_eq!(run.stdout.matches("excepted").count(), 2, "{}", run.stdout);
    run.says("from image-too-old no longer, over since 2025-12-15T00:00:00Z: api moves")
        .says("from image-too-old until 2100-01-01T00:00:00Z: api moves");
    let document = team.explain("shop/api:1", &["--output", "json"]).json();
    let exceptions = document["rule"]["exceptions"].as_array().unwrap().iter();
    let over: Vec<_> = exceptions.map(|one| &one["isOver"]).collect();
    assert_eq!(over, [true, false]);
}

#[test]
fn a_root_that_believes_nobody_about_time_is_explained() {
    let mut team = Team::new();
    team.trust(
        "init --dir timeless --name acme --repository HOST/shop/** --release-key release=release.pub \
         --root-key alice=alice.pub --root-key bob=bob.pub --root-key carol=carol.pub",
    );
    for name in ["alice", "bob"] {
        team.trust(&format!("sign --dir timeless --key {name}.key"));
    }
    team.fingerprint = team.fingerprint_of("timeless/1.root.json");
    let source = format!("file:{}", team.world.path("timeless").display());
    team.policy_from(&[&source], &shop("signed"));
    let run = team.explain("shop/api:1", &[]).ends(0);
    assert!(!run.stdout.contains("operators"), "{}", run.stdout);
    // No rule can have it prove a date, and nobody who asks for one besides.
    team.check(&[]).ends(0);
    let image = team.image("shop/api", "1");
    team.verify(&image, &["--max-age", "1d"])
        .ends(2)
        .says("error[time-threshold-too-high]");
    for rule in [
        shop("dated"),
        format!("{}max-age = \"1d\"\n", shop("signed")),
    ] {
        team.policy_from(&[&source], &rule);
        let said = "a proven date is demanded, and the root lists no time-stamp authority";
        team.check(&[]).ends(2).says("[policy-invalid]").says(said);
        team.verify(&image, &[]).ends(2).says(said);
    }
}

#[test]
fn no_match_is_explained() {
    let team = Team::new();
    team.policy(&shop("signed"));
    insta::assert_snapshot!(team.explained("lab/api:1", 1));
}

#[test]
fn a_tie_is_explained() {
    let team = Team::new();
    let one = shop("signed").replace("HOST/shop/**", "HOST/shop/*");
    team.policy(&format!("{one}{}", shop("signed")));
    insta::assert_snapshot!(team.explained("shop/api:1", 2));
}

#[test]
fn a_revoked_key_is_explained() {
    let team = Team::new();
    team.trust(
        "rotate --dir acme --old release.pub --new next.pub --owner next --until 2027-03-01",
    );
    team.trust("revoke --dir acme --key release.pub --compromised --at 2026-09-01");
    team.trust(
        "add-key --dir acme --scope HOST/shop/** --role sign --owner review --key review.pub",
    );
    team.trust("revoke --dir acme --key review.pub --misused --from 2026-05-01 --to 2026-05-02");
    team.publish();
    team.policy(&shop("signed"));
    insta::assert_snapshot!(team.explained("shop/api:1", 0));
}

#[test]
fn a_mirror_is_explained() {
    let team = Team::new();
    let rule = SHOP.replace("HOST/shop/**", "mirror.example/acme/**");
    team.policy(&format!(
        "{rule}require = \"signed\"\nmirrors = \"HOST/shop/**\"\n"
    ));
    let explain = |image: &str, more: &[&str]| {
        let explain = ["policy", "explain", "--policy", "policy.toml", image];
        team.world.countersign(&[&explain[..], more].concat())
    };
    let image = "mirror.example/acme/team/api:1";
    let document = explain(image, &["--output", "json"]).ends(0).json();
    assert_eq!(
        document["signedRepository"],
        team.spelled("HOST/shop/team/api")
    );
    explain(image, &[])
        .ends(0)
        .says(&team.spelled("documents must name HOST/shop/team/api"));
}

#[test]
fn the_name_of_a_policy_need_be_no_text() {
    use std::os::unix::ffi::OsStrExt;

    let team = Team::new();
    team.policy(&shop("signed"));
    let name = std::ffi::OsStr::from_bytes(b"p\xff.toml");
    std::fs::copy(
        team.world.path("policy.toml"),
        team.world.path("").join(name),
    )
    .unwrap();
    let image = team.spelled("HOST/shop/api:1");
    for words in [
        &["policy", "check"][..],
        &["policy", "check", "--output", "json"],
        &["policy", "explain", &image],
        &["policy", "explain", &image, "--output", "json"],
    ] {
        let mut command = team.world.command(words);
        command.arg("--policy").arg(name);
        run(command).ends(0).says("p\u{fffd}.toml");
    }
}

#[test]
fn an_unmet_demand_is_explained_up_to_where_it_fails() {
    let team = Team::new();
    team.policy(&format!("{}heartbeat-max-age = \"72h\"\n", shop("fresh")));
    insta::assert_snapshot!(team.explained("shop/api:1", 2));
}
