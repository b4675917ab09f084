//! What is attached, judged by a policy and its root.

use serde_json::{Value, json};

use super::{Team, shop};

#[test]
fn by_the_policy_a_key_of_its_root_is_trusted_and_another_is_not() {
    let team = Team::new();
    team.policy(&shop("signed"));
    let image = team.signed("shop/api", "1", "release");
    team.sign(&image, "other");
    let run = team.command("inspect", &image, &[]).ends(0);
    let run = run
        .says("judged by the policy's rule for")
        .says("trusted: by release")
        .says("untrusted[key-unknown]");
    assert!(!run.stdout.contains("not judged"), "{}", run.stdout);
    let document = team
        .command("inspect", &image, &["--output", "json"])
        .ends(0)
        .json();
    assert_eq!(document["policy"]["root"], "acme");
    assert_eq!(document["policy"]["rootVersion"], 1);
}

#[test]
fn where_a_policy_says_nothing_nothing_is_judged() {
    let team = Team::new();
    team.policy(&shop("signed"));
    let image = team.signed("elsewhere/api", "1", "release");
    let run = team.command("inspect", &image, &[]).ends(0);
    assert!(!run.stdout.contains("trusted"), "{}", run.stdout);
    let document = team
        .command("inspect", &image, &["--output", "json"])
        .ends(0)
        .json();
    assert_eq!(
        document["notJudged"]["code"], "policy-not-found",
        "{document}"
    );
    // A root that cannot be had is another matter.
    team.policy_from(&["file:/nowhere"], &shop("signed"));
    let image = team.signed("shop/api", "2", "release");
    let document = team
        .command("inspect", &image, &["--output", "json"])
        .json();
    assert!(document["notJudged"]["code"].is_string(), "{document}");
    assert_eq!(document["subject"]["digest"], image.digest);
}

#[test]
fn what_the_configuration_demands_of_dates_is_demanded_beside_a_policy_as_by_verify() {
    let team = Team::new();
    team.policy(&shop("signed"));
    let image = team.signed("shop/api", "1", "release");
    let config = "version = 1\n[verify]\ntime-threshold = ";
    let judged = |threshold: &str| {
        let config = team
            .world
            .write("config.toml", &format!("{config}{threshold}\n"));
        let more = ["--config", &config, "--output", "json"];
        let verified = team.verify(&image, &more).code;
        let inspected = team.command("inspect", &image, &more).json();
        (verified, inspected["notJudged"]["code"].clone())
    };
    assert_eq!(judged("1"), (0, Value::Null));
    assert_eq!(judged("2"), (2, json!("time-threshold-too-high")));
}

#[test]
fn what_decides_nothing_beside_a_policy_is_said() {
    let team = Team::new();
    team.policy(&shop("signed"));
    let image = team.signed("shop/api", "1", "release");
    let unused = ["--tsa-chain", "/nowhere.pem"];
    team.command("inspect", &image, &unused)
        .ends(0)
        .says("`--tsa-chain` is not used");
}

#[test]
fn a_key_whose_signature_the_policy_does_not_require_is_told_from_one_that_is() {
    let team = Team::new();
    team.trust(
        "add-key --dir acme --scope HOST/shop/** --role sign --owner review --key review.pub",
    );
    team.publish();
    team.policy(&shop("signed"));
    let image = team.signed("shop/api", "1", "release");
    team.sign(&image, "review");
    let document = team
        .command("inspect", &image, &["--output", "json"])
        .ends(0)
        .json();
    let entries = document["subject"]["attached"].as_array().unwrap().iter();
    let entries = entries.flat_map(|one| one["entries"].as_array().unwrap());
    let mut review = entries.filter(|entry| {
        let signer = entry["trusted"]["signer"].as_str().unwrap_or_default();
        signer.starts_with("review") && entry["kind"] == "signature"
    });
    let review = review.next().unwrap();
    let id = review["trusted"]["keyId"].as_str().unwrap();
    let required = format!(
        "{}signers = {{ at-least = 1, of = [\"{id}\"] }}\n",
        shop("signed")
    );
    team.policy(&required);
    let run = team.command("inspect", &image, &[]).ends(0);
    assert_eq!(
        run.stdout.matches("remark[signer-not-required]").count(),
        1,
        "{}",
        run.stdout
    );
}
