//! What a policy and its root refuse, and what is said of it.

use super::{SHOP, Team, shop};
use crate::world::World;

#[test]
fn a_key_that_the_scope_does_not_list_is_refused_and_the_listed_are_named() {
    let team = Team::new();
    team.policy(&shop("signed"));
    let unsigned = team.image("shop/api", "0");
    team.verify(&unsigned, &[])
        .ends(1)
        .says("refused[signature-missing]");
    // A stranger's, and one of another scope.
    for (content, key) in [("1", "next"), ("2", "other")] {
        let image = team.signed("shop/api", content, key);
        let run = team.verify(&image, &[]).ends(1);
        run.says("refused[key-unknown]").says("release");
    }
    let image = team.signed("shop/api", "3", "next");
    let run = team.verify(&image, &[]).ends(1);
    insta::assert_snapshot!(team.steady(&run.stdout));
}

#[test]
fn a_key_counts_only_for_what_its_role_is() {
    let team = Team::new();
    for (role, key) in [
        ("sign", "review"),
        ("publish", "next"),
        ("heartbeat", "clock"),
    ] {
        team.trust(&format!(
            "add-key --dir acme --scope HOST/shop/** --role {role} --owner {key} --key {key}.pub"
        ));
    }
    team.publish();
    let signs = team.signed("shop/api", "1", "review");
    let publishes = team.signed("shop/api", "2", "next");
    let beats = team.signed("shop/api", "3", "clock");
    team.policy(&shop("signed"));
    team.verify(&signs, &[]).ends(0);
    // A publication is by somebody who may publish; its image signature is not.
    team.verify(&publishes, &[])
        .ends(0)
        .says("remark[role-not-authorized]")
        .says("does not have the role `sign`");
    team.verify(&beats, &[])
        .ends(1)
        .says("refused[role-not-authorized]");
    team.policy(&shop("dated"));
    team.verify(&signs, &[])
        .ends(1)
        .says("refused[role-not-authorized]")
        .says("does not have the role `publish`");
    team.verify(&publishes, &[]).ends(0);
    team.sign(&signs, "release");
    team.verify(&signs, &[]).ends(0);
}

#[test]
fn a_repository_without_a_rule_is_refused() {
    let team = Team::new();
    team.policy(&shop("signed"));
    let image = team.signed("lab/api", "1", "other");
    let run = team.verify(&image, &[]).ends(1);
    insta::assert_snapshot!(team.steady(&run.stdout));
    let json = team.verify(&image, &["--output", "json"]).ends(1).json();
    assert_eq!(json["refusals"][0]["code"], "policy-not-found");
    // Beside one that is verified.
    let good = team.signed("shop/api", "1", "release");
    team.verify(&image, &[&good.tagged()])
        .ends(1)
        .says("verified: ");
}

#[test]
fn two_rules_that_tie_end_the_command_before_any_request() {
    let team = Team::new();
    let image = team.signed("shop/api", "1", "release");
    let rule = |pattern: &str| shop("signed").replace("HOST/shop/**", pattern);
    team.policy(&format!("{}{}", rule("HOST/shop/*"), rule("HOST/shop/**")));
    let before = team.world.calls(|_| true).len();
    let run = team
        .verify(&image, &[])
        .ends(2)
        .says("error[policy-ambiguous]");
    assert_eq!(run.stdout, "");
    assert_eq!(team.world.calls(|_| true).len(), before);
    team.policy(&format!(
        "{}{}",
        rule("HOST/shop/api"),
        rule("HOST/shop/**")
    ));
    team.verify(&image, &[]).ends(0);
}

#[test]
fn what_the_root_does_not_grant_no_rule_does() {
    let team = Team::new();
    team.policy(&shop("signed").replace("shop", "office"));
    let image = team.signed("office/api", "1", "release");
    let run = team.verify(&image, &[]).ends(1);
    insta::assert_snapshot!(team.steady(&run.stdout));
}

#[test]
fn a_signer_that_the_root_does_not_list_is_the_policys_fault() {
    let team = Team::new();
    let image = team.signed("shop/api", "1", "release");
    let id = "5".repeat(64);
    team.policy(&format!(
        "{}signers = {{ at-least = 1, of = [\"{id}\"] }}\n",
        shop("signed")
    ));
    let before = team.world.calls(|_| true).len();
    let run = team.verify(&image, &[]).ends(2);
    assert_eq!(team.world.calls(|_| true).len(), before);
    insta::assert_snapshot!(team.steady(&run.stderr));
    let run = team.command("policy explain", &image, &[]).ends(2);
    run.says("error[policy-invalid]");
}

#[test]
fn a_level_that_is_not_proven_yet_is_said() {
    let team = Team::new();
    let image = team.signed("shop/api", "1", "release");
    for level in ["fresh", "proven-fresh"] {
        team.policy(&format!("{}heartbeat-max-age = \"72h\"\n", shop(level)));
        for command in ["verify", "policy test", "policy explain"] {
            team.command(command, &image, &[])
                .ends(2)
                .says("error[level-not-yet]")
                .says("require = \"dated\"");
        }
        team.world
            .countersign(&["policy", "check", "--policy", "policy.toml"])
            .ends(2)
            .says("error[level-not-yet]");
    }
}

/// It cannot become anything else, so nobody is asked.
#[test]
fn a_level_that_is_not_proven_yet_needs_no_root_to_be_found() {
    let team = Team::new();
    let image = team.signed("shop/api", "1", "release");
    let source = team.spelled("oci://HOST/trust/acme");
    let fresh = format!("{}heartbeat-max-age = \"72h\"\n", shop("fresh"));
    let check = ["policy", "check", "--policy", "policy.toml"];
    team.policy_from(&[&source], &fresh);
    let before = team.world.calls(|_| true).len();
    for command in ["verify", "policy test", "policy explain"] {
        team.command(command, &image, &[])
            .ends(2)
            .says("error[level-not-yet]");
    }
    for more in [&[][..], &["--offline"]] {
        team.world
            .countersign(&[&check[..], more].concat())
            .ends(2)
            .says("error[level-not-yet]");
    }
    assert_eq!(team.world.calls(|_| true).len(), before);
    // Of the rules beside it the roots are asked, and a level that there is waits for its root.
    let lab = shop("signed").replace("shop", "lab");
    let absent = ["file:/absent/roots"];
    team.policy_from(&absent, &format!("{fresh}{lab}"));
    let document = [&check[..], &["--output", "json"]].concat();
    let document = team.world.countersign(&document).ends(2).json();
    let found = document["findings"].as_array().unwrap().iter();
    let codes: Vec<_> = found.map(|finding| &finding["code"]).collect();
    assert_eq!(codes, ["level-not-yet", "root-unavailable"]);
    team.policy_from(&absent, &shop("signed"));
    team.verify(&image, &[]).ends(3);
    team.world
        .countersign(&[&check[..], &["--offline"]].concat())
        .ends(0);
    // Signers judge nothing: they go on to sign where more is demanded than can be proven.
    team.policy(&fresh);
    let policy = [("COUNTERSIGN_POLICY", "policy.toml")];
    let sign = ["sign", "--key", "release.key", &image.tagged()];
    team.world.countersign_with(&sign, &policy).ends(0);
}

#[test]
fn a_demonstration_key_is_refused_though_the_root_lists_it() {
    let team = Team::new();
    let key = World::kms_key();
    team.trust(&format!(
        "add-key --dir acme --scope HOST/shop/** --role release --owner demo --key {key}"
    ));
    team.publish();
    team.policy(&shop("dated"));
    let image = team.image("shop/api", "1");
    team.world.signs(&[], &image).ends(0);
    let bare = [("COUNTERSIGN_ACCEPT_STAND_IN", "")];
    let image = image.tagged();
    let verify = ["verify", "--policy", "policy.toml", &image];
    team.world
        .countersign_with(&verify, &bare)
        .ends(1)
        .says("refused[stand-in-key]");
    team.world
        .countersign_with(&[&verify[..], &["--accept-stand-in"]].concat(), &bare)
        .ends(0)
        .says("A DEMONSTRATION KEY");
    team.world
        .countersign_with(
            &["policy", "test", "--policy", "policy.toml", &image],
            &bare,
        )
        .ends(1)
        .says("refused[stand-in-key]");
}

#[test]
fn what_is_demanded_at_the_command_is_demanded_besides_and_never_less() {
    let team = Team::new();
    let image = team.signed("shop/api", "1", "release");
    team.policy(&format!("{SHOP}require = \"dated\"\nmin-age = \"2h\"\n"));
    team.verify(&image, &["--require", "signed", "--min-age", "1s"])
        .ends(1)
        .says("refused[image-too-new]");
    team.policy(&shop("signed"));
    team.verify(&image, &["--published-before", "2020-01-01"])
        .ends(1)
        .says("refused[image-too-new]");
    team.verify(&image, &["--tsa-chain", "two.pem"])
        .ends(0)
        .says("`--tsa-chain` is not used");
}

#[test]
fn more_operators_than_the_root_has_cannot_agree() {
    let team = Team::new();
    let image = team.signed("shop/api", "1", "release");
    team.policy(&format!("{}time-threshold = 2\n", shop("dated")));
    let said = "`time-threshold` is 2, and of operators of time-stamp authorities the root lists 1";
    team.verify(&image, &[])
        .ends(2)
        .says("error[policy-invalid]")
        .says("policy.toml cannot be met: line 10, column 18: ")
        .says(said);
    let check = ["policy", "check", "--policy", "policy.toml"];
    team.world.countersign(&check).ends(2).says(said);
    team.policy(&format!("{}time-threshold = 1\n", shop("dated")));
    team.verify(&image, &[]).ends(0);
    // What is asked at the command is the command's fault.
    team.verify(&image, &["--time-threshold", "2"])
        .ends(2)
        .says("error[time-threshold-too-high]");
    team.verify(&image, &["--time-threshold", "1"]).ends(0);
}

#[test]
fn one_key_by_two_names_is_no_two_signers() {
    let team = Team::new();
    let image = team.signed("shop/api", "1", "release");
    team.policy(&shop("signed"));
    let verdict = team.verify(&image, &["--output", "json"]).ends(0).json();
    let hash = verdict["authenticity"]["signatures"][0]["keyId"].clone();
    let shown = team.trust("show --dir acme --output json").json();
    let id = crate::trust::id_of(&shown, "release");
    let of = |count: u8| {
        team.policy(&format!(
            "{}signers = {{ at-least = {count}, of = [\"{id}\", {hash}] }}\n",
            shop("signed")
        ));
    };
    let said = "`at-least` is 2, and distinct keys that can sign are among these: 1";
    let check = ["policy", "check", "--policy", "policy.toml"];
    of(2);
    team.verify(&image, &[])
        .ends(2)
        .says("error[policy-invalid]")
        .says(said);
    team.world.countersign(&check).ends(2).says(said);
    of(1);
    team.verify(&image, &[]).ends(0);
    team.world.countersign(&check).ends(0);
}

/// What nobody can judge is refused by its rule, whose mode holds.
#[test]
fn a_rule_that_only_reports_stops_nothing_where_nobody_can_judge() {
    let team = Team::new();
    let shop_image = team.signed("shop/api", "1", "release");
    let office = team.image("office/api", "1");
    let required = format!("{}state = \"required\"\n", shop("signed"));
    let later = ["--at", "2100-01-01T00:00:00Z"];
    for (rules, image, more, code) in [
        (
            shop("signed").replace("shop", "office"),
            &office,
            &[][..],
            "scope-not-granted",
        ),
        (required, &shop_image, &[], "state-missing"),
        (shop("signed"), &shop_image, &later, "root-expired"),
    ] {
        let more = [more, &["--output", "json"]].concat();
        for (mode, exit) in [("enforce", 1), ("report", 0)] {
            team.policy(&rules.replace("enforce", mode));
            for command in ["verify", "policy test"] {
                let verdict = team.command(command, image, &more).ends(exit).json();
                assert_eq!(verdict["verdict"], "refused");
                assert_eq!(verdict["refusals"][0]["code"], code);
                assert_eq!(verdict["pinned"], serde_json::Value::Null);
                let policy = &verdict["policy"];
                assert_eq!(
                    (&policy["mode"], &policy["root"]),
                    (&mode.into(), &"acme".into())
                );
                assert_eq!(policy["sha256"], team.fingerprint_of("policy.toml"));
                assert_eq!(policy["rootVersion"], 1);
                assert_eq!(policy["rootSha256"], team.fingerprint);
            }
        }
        if code != "root-expired" {
            let pin = team.verify(image, &["--pin"]).ends(1);
            assert_eq!(pin.stdout, "");
        }
    }
    // What could not be found out stays unknown, and what no rule is for is refused.
    let nothing =
        |verdict: &serde_json::Value, member: &str| verdict["policy"].get(member).is_none();
    team.policy_from(
        &["file:/absent"],
        &shop("signed").replace("enforce", "report"),
    );
    let verdict = team
        .verify(&shop_image, &["--output", "json"])
        .ends(3)
        .json();
    assert_eq!(verdict["policy"]["mode"], "report");
    assert!(
        nothing(&verdict, "rootVersion") && nothing(&verdict, "scope"),
        "{verdict}"
    );
    team.policy(&shop("signed").replace("enforce", "report"));
    let verdict = team.verify(&office, &["--output", "json"]).ends(1).json();
    assert_eq!(verdict["policy"], serde_json::Value::Null);
}
