//! What is remembered between runs: roots that never grow older, and the time that never runs back.

use std::fs;

use serde_json::Value;

use super::{SHOP, Team, everything_in, shop};
use crate::world::Image;

fn with_image() -> (Team, Image) {
    let team = Team::new();
    let image = team.signed("shop/api", "1", "release");
    team.policy(&shop("signed"));
    (team, image)
}

/// The same, with a memory of the second version.
fn remembered() -> (Team, Image) {
    let (team, image) = with_image();
    second(&team);
    team.remembering(&image, &["--init-state"]).ends(0);
    (team, image)
}

fn second(team: &Team) {
    team.trust("set-scope --dir acme --repository HOST/shop/** --epoch 2");
    team.publish();
}

fn version(team: &Team) -> Value {
    team.state()["roots"]["acme"]["version"].clone()
}

/// So many seconds after a time.
fn after(time: &str, seconds: i64) -> String {
    let time = chrono::DateTime::parse_from_rfc3339(time).unwrap();
    (time + chrono::Duration::seconds(seconds)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[test]
fn a_memory_is_begun_on_demand_and_then_kept() {
    let (team, image) = with_image();
    team.remembering(&image, &[]).ends(0);
    assert!(!team.world.path("state").exists());
    team.remembering(&image, &["--init-state"]).ends(0);
    let first = team.state();
    assert_eq!(version(&team), 1);
    assert!(first["timeFloor"].is_string(), "{first}");
    // Once there, it is kept without being asked for.
    second(&team);
    team.remembering(&image, &[]).ends(0);
    assert_eq!(version(&team), 2);
    // In the user's own place, where none is named.
    team.verify(&image, &["--init-state"]).ends(0);
    let own = team.world.path(".local/state/countersign/state.json");
    assert!(own.is_file());
}

#[test]
fn a_root_that_is_rolled_back_is_refused() {
    let (team, image) = remembered();
    fs::remove_file(team.world.path("roots/2.root.json")).unwrap();
    // What was kept is newer than what the source shows, and as good.
    team.remembering(&image, &[])
        .ends(0)
        .says("root acme version 2");
    fs::remove_dir_all(team.world.path("state/roots")).unwrap();
    let run = team.remembering(&image, &[]).ends(1);
    insta::assert_snapshot!(team.steady(&run.stdout));
    assert_eq!(version(&team), 2);
    team.command("policy explain", &image, &["--state-dir", "state"])
        .ends(1)
        .says("refused[root-rollback]");
    // Another one of the same version, that as many have signed.
    fs::rename(
        team.world.path("acme/2.root.json"),
        team.world.path("2.root.json"),
    )
    .unwrap();
    team.trust("set-scope --dir acme --repository HOST/shop/** --epoch 9");
    team.publish();
    let run = team.remembering(&image, &[]).ends(1);
    insta::assert_snapshot!("twin", team.steady(&run.stdout));
    team.world.copy("2.root.json", "roots/2.root.json");
    team.remembering(&image, &[]).ends(0);
}

#[test]
fn a_rule_may_demand_that_something_is_remembered() {
    let (team, image) = with_image();
    team.policy(&format!("{}state = \"required\"\n", shop("signed")));
    team.remembering(&image, &[])
        .ends(1)
        .says("refused[state-missing]")
        .says("countersign verify --init-state");
    assert!(!team.world.path("state").exists());
    // The remedy helps at once.
    team.remembering(&image, &["--init-state"]).ends(0);
    team.remembering(&image, &[]).ends(0);
}

/// What is worse is said first, and is not mended by a memory.
#[test]
fn a_memory_that_is_missing_hides_nothing_that_is_worse() {
    let (mut team, image) = with_image();
    let required = |rule: String| format!("{rule}state = \"required\"\n");
    let id = "5".repeat(64);
    let unlisted = format!("signers = {{ at-least = 1, of = [\"{id}\"] }}\n");
    for (rule, code) in [
        (
            format!("{}heartbeat-max-age = \"72h\"\n", shop("fresh")),
            "error[level-not-yet]",
        ),
        (
            format!("{}{unlisted}", shop("signed")),
            "error[policy-invalid]",
        ),
    ] {
        for mode in ["enforce", "report"] {
            team.policy(&required(rule.replace("enforce", mode)));
            for more in [&[][..], &["--init-state"]] {
                team.remembering(&image, more).ends(2).says(code);
                assert!(!team.world.path("state").exists());
            }
        }
    }
    let codes = |run: &crate::world::Run, member: &str| -> Vec<String> {
        let verdict = run.json();
        let found = verdict[member].as_array().unwrap().iter();
        let codes = found.map(|one| one["code"].as_str().unwrap().to_owned());
        codes.collect()
    };
    let json = ["--output", "json"];
    // A refusal of the root and that of the memory are said, and neither alone.
    let good = std::mem::replace(&mut team.fingerprint, format!("sha256:{}", "0".repeat(64)));
    team.policy(&required(shop("signed")));
    let run = team.remembering(&image, &json).ends(1);
    let both = ["root-fingerprint-mismatch", "state-missing"];
    assert_eq!(codes(&run, "refusals"), both);
    team.fingerprint = good;
    // What could not be found out is a remark beside a refusal, and the answer without one.
    team.policy_from(&["file:/absent/roots"], &required(shop("signed")));
    let run = team.remembering(&image, &json).ends(1);
    assert_eq!(codes(&run, "refusals"), ["state-missing"]);
    assert_eq!(codes(&run, "remarks"), ["root-unavailable"]);
    team.policy_from(&["file:/absent/roots"], &shop("signed"));
    team.remembering(&image, &json).ends(3);
}

#[test]
fn a_state_that_is_damaged_is_none_and_stays() {
    let (team, image) = remembered();
    let good = fs::read_to_string(team.world.path("state/state.json")).unwrap();
    for damaged in [
        "",
        "{}",
        "\u{0}",
        &good[..good.len() / 2],
        &good.replace("acme", "Acme"),
    ] {
        team.world.write("state/state.json", damaged);
        for more in [&[][..], &["--init-state"], &["--pin"]] {
            let run = team.remembering(&image, more).ends(1);
            assert_eq!(run.stdout, "");
            run.says("error[state-corrupt]");
        }
        let kept = fs::read_to_string(team.world.path("state/state.json")).unwrap();
        assert_eq!(kept, damaged);
    }
    team.world.write("state/state.json", &good);
    team.remembering(&image, &[]).ends(0);
}

#[test]
fn what_cannot_be_kept_is_said_after_the_verdict() {
    let (team, image) = with_image();
    // What could not be kept is said, and then nothing is named to run.
    let not_kept = |folder: &str, more: &[&str]| {
        let more = [&["--state-dir", folder], more].concat();
        let run = team.verify(&image, &more).ends(3);
        assert!(run.stdout.starts_with("verified: "), "{}", run.stdout);
        run.says("error[state-write-failed]");
        let pin = team
            .verify(&image, &[&more[..], &["--pin"]].concat())
            .ends(3);
        assert_eq!(pin.stdout, "");
        pin.says("error[state-write-failed]");
    };
    // A refusal weighs more than what could not be kept, and is said beside it.
    let unsigned = team.image("shop/api", "unsigned");
    team.world.write("file", "");
    for pin in [&[][..], &["--pin"]] {
        let more = [&["--state-dir", "file/state", "--init-state"], pin].concat();
        team.verify(&unsigned, &more)
            .ends(1)
            .says("refused[signature-missing]");
    }
    // A file where a folder would be.
    not_kept("file/state", &["--init-state"]);
    team.remembering(&image, &["--init-state"]).ends(0);
    second(&team);
    // Nobody can lock what is no file.
    fs::remove_file(team.world.path("state/state.lock")).unwrap();
    fs::create_dir(team.world.path("state/state.lock")).unwrap();
    not_kept("state", &[]);
    assert_eq!(version(&team), 1);
    fs::remove_dir(team.world.path("state/state.lock")).unwrap();
    team.remembering(&image, &["--pin"]).ends(0);
    assert_eq!(version(&team), 2);
}

/// Whoever never asked for a memory is judged without; whoever has begun one has it looked after.
#[cfg(unix)]
#[test]
fn a_home_that_anybody_can_write_is_no_place_for_a_memory_and_no_reason_to_refuse() {
    use std::os::unix::fs::PermissionsExt;

    let (team, image) = with_image();
    let image = image.tagged();
    let home = team.world.path("home");
    fs::create_dir(&home).unwrap();
    let allow = |mode| fs::set_permissions(&home, fs::Permissions::from_mode(mode)).unwrap();
    let verify = |more: &[&str]| {
        let words = ["verify", "--policy", "policy.toml", &image];
        let variable = [("HOME", home.to_str().unwrap())];
        let words = [&words[..], more].concat();
        team.world.countersign_with(&words, &variable)
    };
    let state = home.join(".local/state/countersign");
    allow(0o777);
    verify(&[]).ends(0);
    verify(&["--init-state"])
        .ends(1)
        .says("error[state-unsafe]");
    let named = state.display().to_string();
    verify(&["--state-dir", &named])
        .ends(1)
        .says("error[state-unsafe]");
    allow(0o755);
    verify(&["--init-state"]).ends(0);
    allow(0o777);
    verify(&[]).ends(1).says("error[state-unsafe]");
    // A link in its place is something, though it leads nowhere.
    allow(0o755);
    fs::remove_dir_all(&state).unwrap();
    std::os::unix::fs::symlink("nowhere", &state).unwrap();
    verify(&[]).ends(1).says("symbolic link");
}

#[test]
fn a_folder_is_needed_where_something_is_to_be_remembered() {
    let (team, image) = with_image();
    let image = image.tagged();
    let verify = |home: &str, more: &[&str]| {
        let words = ["verify", "--policy", "policy.toml", &image];
        team.world
            .countersign_with(&[&words[..], more].concat(), &[("HOME", home)])
    };
    for nowhere in ["home", ""] {
        verify(nowhere, &["--init-state"])
            .ends(2)
            .says("error[state-folder-unknown]")
            .says("set XDG_STATE_HOME to an absolute path");
        verify(nowhere, &[]).ends(0);
    }
    let home = team.world.path("home");
    verify(&home.display().to_string(), &["--init-state"]).ends(0);
    assert!(home.join(".local/state/countersign/state.json").is_file());
}

#[test]
fn what_cannot_be_read_is_not_taken_for_nothing() {
    let (team, image) = with_image();
    // No file system takes a name of more than 255 letters.
    for (length, exit) in [(255, 0), (256, 3)] {
        let folder = "s".repeat(length);
        for more in [&[][..], &["--init-state"]] {
            let run = team.verify(&image, &[&["--state-dir", &folder], more].concat());
            let run = run.ends(exit);
            assert_eq!(run.stderr.contains("error[state-unreadable]"), exit == 3);
            assert_eq!(run.stdout.is_empty(), exit == 3);
        }
    }
}

/// The memory says that it is at least this time.
fn set_floor(team: &Team, floor: &str) {
    let mut state = team.state();
    state["timeFloor"] = floor.into();
    team.world.write("state/state.json", &state.to_string());
}

#[test]
fn a_clock_that_was_set_back_makes_nothing_young_again() {
    let (team, image) = remembered();
    team.policy(&format!("{SHOP}require = \"dated\"\nmax-age = \"180d\"\n"));
    let expires = team.world.root_file("roots/2.root.json")["signed"]["expires"].clone();
    let expires = expires.as_str().unwrap();
    let floor = team.state()["timeFloor"].as_str().unwrap().to_owned();
    set_floor(&team, &after(&floor, 179 * 86_400));
    team.remembering(&image, &[])
        .ends(0)
        .says("published 179 days");
    let early = after(&floor, 181 * 86_400);
    set_floor(&team, &early);
    team.remembering(&image, &[])
        .ends(1)
        .says("refused[image-too-old]");
    // What was refused moves nothing.
    assert_eq!(team.state()["timeFloor"], *early);
    set_floor(&team, &after(expires, 0));
    team.remembering(&image, &[])
        .ends(1)
        .says("refused[root-expired]");
    // Another time than now is judged by that time.
    team.remembering(&image, &["--at", &floor]).ends(0);
}

#[test]
fn a_root_that_is_over_is_remembered_so_that_none_before_it_comes_back() {
    let (team, image) = with_image();
    team.remembering(&image, &["--init-state"]).ends(0);
    team.trust("set-scope --dir acme --repository HOST/shop/** --epoch 2 --valid-for 10d");
    team.publish();
    let floor = team.state()["timeFloor"].as_str().unwrap().to_owned();
    set_floor(&team, &after(&floor, 20 * 86_400));
    team.remembering(&image, &[])
        .ends(1)
        .says("refused[root-expired]");
    assert_eq!(version(&team), 2);
    // The first version is in force for a year.
    fs::remove_file(team.world.path("roots/2.root.json")).unwrap();
    fs::remove_dir_all(team.world.path("state/roots")).unwrap();
    team.remembering(&image, &[])
        .ends(1)
        .says("refused[root-rollback]");
}

/// Two of the first version's keys are stolen after the second replaced what they vouch for.
#[test]
fn another_way_past_the_remembered_version_is_refused() {
    let (team, image) = remembered();
    fs::create_dir(team.world.path("thief")).unwrap();
    team.world.copy("acme/1.root.json", "thief/1.root.json");
    for epoch in [8, 9] {
        team.trust(&format!(
            "set-scope --dir thief --repository HOST/shop/** --epoch {epoch}"
        ));
        team.trust("sign --dir thief --key alice.key");
        team.trust("sign --dir thief --key bob.key")
            .says("complete: ");
    }
    let stolen = format!("file:{}", team.world.path("thief").display());
    team.policy_from(&[&stolen], &shop("signed"));
    // Whoever remembers nothing cannot know.
    team.verify(&image, &[]).ends(0).says("root acme version 3");
    let before = team.state();
    fs::remove_dir_all(team.world.path("state/roots")).unwrap();
    team.remembering(&image, &[])
        .ends(1)
        .says("refused[root-rollback]");
    assert_eq!(team.state(), before);
    // An honest source beside it is followed, as far as it leads.
    team.policy_from(&[&stolen, &team.source()], &shop("signed"));
    fs::remove_file(team.world.path("thief/3.root.json")).unwrap();
    team.remembering(&image, &[])
        .ends(0)
        .says("root acme version 2");
    assert_eq!(
        team.state()["roots"]["acme"]["sha256"],
        before["roots"]["acme"]["sha256"]
    );
}

#[test]
fn a_successor_is_looked_for_once_a_root_is_over() {
    let team = Team::new();
    let image = team.signed("shop/api", "1", "release");
    super::roots::place(&team, 1);
    let source = team.spelled("oci://HOST/trust/acme");
    team.policy_from(&[&source], &shop("signed"));
    team.remembering(&image, &["--init-state"]).ends(0);
    team.trust("set-scope --dir acme --repository HOST/shop/** --epoch 2 --valid-for 1000d");
    team.publish();
    let expires = team.world.root_file("roots/1.root.json")["signed"]["expires"].clone();
    set_floor(&team, expires.as_str().unwrap());
    team.remembering(&image, &[])
        .ends(1)
        .says("refused[root-expired]");
    super::roots::place(&team, 2);
    team.remembering(&image, &[])
        .ends(0)
        .says("root acme version 2");
}

#[test]
fn whether_a_root_is_over_is_not_known_while_a_source_is_silent() {
    let (team, image) = with_image();
    team.remembering(&image, &["--init-state"]).ends(0);
    let expires = team.world.root_file("roots/1.root.json")["signed"]["expires"].clone();
    set_floor(&team, expires.as_str().unwrap());
    team.policy_from(&["file:/absent/roots", &team.source()], &shop("signed"));
    team.remembering(&image, &[])
        .ends(3)
        .says("error[root-unavailable]");
    team.policy(&shop("signed"));
    team.remembering(&image, &[])
        .ends(1)
        .says("refused[root-expired]");
}

#[test]
fn what_is_judged_as_of_another_time_leaves_no_trace() {
    let (team, image) = with_image();
    team.remembering(&image, &["--init-state"]).ends(0);
    second(&team);
    let before = everything_in(&team.world.path("state"));
    let floor = team.state()["timeFloor"].as_str().unwrap().to_owned();
    let run = team.remembering(&image, &["--at", &after(&floor, 60)]);
    run.ends(0).says("root acme version 2");
    assert_eq!(everything_in(&team.world.path("state")), before);
    team.remembering(&image, &["--at", &floor, "--init-state"])
        .ends(2);
}

#[test]
fn a_refused_image_moves_no_floor_and_the_root_is_remembered() {
    let (team, image) = with_image();
    team.remembering(&image, &["--init-state"]).ends(0);
    let floor = team.state()["timeFloor"].clone();
    second(&team);
    let stranger = team.signed("shop/api", "2", "other");
    team.remembering(&stranger, &[]).ends(1);
    assert_eq!(team.state()["timeFloor"], floor);
    assert_eq!(version(&team), 2);
}

#[test]
fn no_network_is_asked_twice_within_an_hour() {
    let team = Team::new();
    let image = team.signed("shop/api", "1", "release");
    super::roots::place(&team, 1);
    let source = team.spelled("oci://HOST/trust/acme");
    team.policy_from(&[&source], &shop("signed"));
    let asked = |more: &[&str]| {
        let count = || {
            let calls = team.world.calls(|call| call.line.contains("/trust/acme/"));
            calls.len()
        };
        let before = count();
        team.remembering(&image, more).ends(0);
        count() - before
    };
    assert!(asked(&["--init-state"]) > 0);
    assert_eq!(asked(&[]), 0);
    // It is as old as it says.
    let mut state = team.state();
    let probed = state["roots"]["acme"]["probed"]
        .as_str()
        .unwrap()
        .to_owned();
    for (seconds, is_asked) in [(-3_500, false), (-3_600, true), (600, true)] {
        state["roots"]["acme"]["probed"] = after(&probed, seconds).into();
        team.world.write("state/state.json", &state.to_string());
        assert_eq!(asked(&[]) > 0, is_asked, "{seconds}");
        // Neither after an old look nor after one that a clock ahead has left.
        assert_eq!(asked(&[]), 0, "{seconds}");
    }
    // A look at which a source was silent was none, though what is remembered says that it is still to come.
    state["roots"]["acme"]["probed"] = after(&probed, 600).into();
    team.world.write("state/state.json", &state.to_string());
    team.policy_from(&[&source, "file:/absent/roots"], &shop("signed"));
    assert!(asked(&[]) > 0);
    team.policy_from(&[&source], &shop("signed"));
    assert!(asked(&[]) > 0);
    assert_eq!(asked(&[]), 0);
    // Nor once more than needed where what was kept is gone.
    state["roots"]["acme"]["probed"] = probed.into();
    team.world.write("state/state.json", &state.to_string());
    fs::remove_dir_all(team.world.path("state/roots")).unwrap();
    assert!(asked(&[]) > 0);
    assert_eq!(asked(&[]), 0);
}

#[test]
fn fifty_at_once_end_well() {
    let (team, image) = with_image();
    team.remembering(&image, &["--init-state"]).ends(0);
    second(&team);
    let image = image.tagged();
    let words = [
        "verify",
        "--policy",
        "policy.toml",
        "--state-dir",
        "state",
        &image,
    ];
    let mut children: Vec<_> = (0..50)
        .map(|_| {
            let mut command = team.world.command(&words);
            command.stdout(std::process::Stdio::null());
            command.spawn().unwrap()
        })
        .collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(version(&team), 2);
    let names = team.world.names_in("state");
    assert_eq!(names, ["roots", "state.json", "state.lock"]);
}

#[test]
fn a_state_that_others_can_write_is_not_believed() {
    use std::os::unix::fs::PermissionsExt;

    let (team, image) = remembered();
    let folder = team.world.path("state");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let run = team.remembering(&image, &[]).ends(1);
    run.says("error[state-unsafe]");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    team.remembering(&image, &[]).ends(0);
    // Nor roots that others may have put there.
    for kept in ["state/roots", "state/roots/acme"] {
        let kept = team.world.path(kept);
        fs::set_permissions(&kept, fs::Permissions::from_mode(0o770)).unwrap();
        let run = team.remembering(&image, &[]).ends(1);
        run.says("error[state-unsafe]");
        fs::set_permissions(&kept, fs::Permissions::from_mode(0o700)).unwrap();
    }
    team.remembering(&image, &[]).ends(0);
}

#[test]
fn the_time_that_is_proven_of_a_child_is_remembered_where_children_are_judged() {
    let team = Team::new();
    let (index, children) = team.world.index("shop/api", "1", &["amd64", "arm64"]);
    for image in [&index, &children[0]] {
        let image = image.tagged();
        let sign = ["sign", "--key", "release.key", "--no-tsa", &image];
        team.world.countersign(&sign).ends(0);
    }
    team.policy(&shop("signed"));
    team.remembering(&index, &["--init-state"]).ends(0);
    assert!(team.state()["timeFloor"].is_null(), "{}", team.state());
    // One that nobody signed refuses the whole, which teaches nothing.
    team.remembering(&index, &["--recursive"])
        .ends(1)
        .says("refused[signature-missing]: linux/arm64");
    team.sign(&children[1], "release");
    team.remembering(&index, &["--recursive"])
        .ends(0)
        .says("policy");
    assert!(team.state()["timeFloor"].is_string(), "{}", team.state());
}
