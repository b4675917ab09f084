//! How the time of a key ends: when it was said, and no later.

use std::fs;

use super::editing::term;
use crate::world::World;

#[test]
fn the_end_comes_for_the_old_key_though_the_new_one_is_there() {
    let world = World::with_root("acme");
    // The new one is listed first, with a role of the two.
    world
        .line("add-key --dir acme --key next.pub --owner next --role sign")
        .ends(0);
    world
        .line("add-key --dir acme --key next.pub --role release")
        .ends(0)
        .says("gets the role publish");
    world
        .line("add-key --dir acme --key next.pub --role release")
        .ends(2)
        .says("error[key-listed]");
    world
        .all_sign("acme", &["alice", "bob"])
        .says("2.root.json");
    let rotate = "rotate --dir acme --old release.pub --new next.pub --until 2027-03-01";
    world.line(rotate).ends(0).says("until 2027-03-01");
    assert_eq!(
        term(&world, "release team")["notAfter"],
        "2027-03-01T00:00:00Z"
    );
    world.line(rotate).ends(2).says("error[key-listed]");
    // Where it has one of the roles it gets the other.
    world
        .line("add-key --dir acme --key review.pub --owner review --role sign")
        .ends(0);
    world
        .line("rotate --dir acme --old next.pub --new review.pub")
        .ends(0)
        .says("gets the role publish");
}

#[test]
fn a_date_for_a_root_key_is_refused_and_not_lost() {
    let world = World::with_root("acme");
    let before = fs::read(world.path("acme/1.root.json")).unwrap();
    for (command, flag) in [
        (
            "rotate --old alice.pub --new dave.pub",
            "--until 2027-03-01",
        ),
        (
            "rotate --old alice.pub --new dave.pub",
            "--not-before 2027-01-01",
        ),
        ("remove-key --key carol.pub", "--at 2027-03-01"),
        (
            "add-key --key dave.pub --role root",
            "--not-before 2027-01-01",
        ),
        (
            "add-key --key dave.pub --role root",
            "--scope registry.example/shop/**",
        ),
    ] {
        world
            .line(&format!("{command} {flag} --dir acme"))
            .ends(2)
            .says("error[flag-misplaced]")
            .says(flag.split(' ').next().unwrap());
        assert!(!world.path("acme/draft.root.json").exists());
        world.line(&format!("{command} --dir acme")).ends(0);
        fs::remove_file(world.path("acme/draft.root.json")).unwrap();
    }
    assert_eq!(fs::read(world.path("acme/1.root.json")).unwrap(), before);
}

#[test]
fn what_was_to_count_no_more_counts_no_more() {
    let world = World::with_root("acme");
    let remove = |at: &str| world.line(&format!("remove-key --dir acme --key release.pub{at}"));
    let end = || term(&world, "release team")["notAfter"].clone();
    remove(" --at 2026-05-01").ends(0);
    remove(" --at 2026-05-02")
        .ends(2)
        .says("error[key-ended]")
        .says("remove acme/draft.root.json");
    // Now, where nothing is said, is later too.
    remove("").ends(0);
    assert_eq!(end(), "2026-05-01T00:00:00Z");
    remove(" --at 2026-04-01").ends(0);
    assert_eq!(end(), "2026-04-01T00:00:00Z");
    // What is still to come may be said otherwise.
    fs::remove_file(world.path("acme/draft.root.json")).unwrap();
    remove(" --at 2100-01-01").ends(0);
    remove(" --at 2100-02-01").ends(0);
    assert_eq!(end(), "2100-02-01T00:00:00Z");
}
