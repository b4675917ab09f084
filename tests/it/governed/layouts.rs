//! Images in folders, by policies: the rule is that of the repository that they are said to be for.

use super::{Team, shop};

#[test]
fn an_image_in_a_folder_is_judged_by_the_rule_of_its_repository() {
    let team = Team::new();
    team.policy(&shop("signed"));
    team.world.layout("build", &["1"]);
    let name = team.spelled("HOST/shop/api");
    let line = |words: &str, name: &str| {
        let words = format!("{words} --policy policy.toml oci:build:1 --repository {name}");
        let words: Vec<_> = words.split(' ').collect();
        team.world.countersign(&words)
    };
    for command in ["verify", "policy test"] {
        line(command, &name).ends(1).says("signature-missing");
    }
    // A key of another scope is not admitted, before anything is signed.
    line("sign --key other.key", &name)
        .ends(1)
        .says("error[key-unknown]");
    line("sign --key release.key", &name).ends(0);
    for command in ["verify", "policy test"] {
        line(command, &name)
            .ends(0)
            .says("  layout        oci:build:1\n");
        line(command, &team.spelled("HOST/elsewhere/api"))
            .ends(1)
            .says("refused[policy-not-found]");
    }
}
