//! Many images in one call: a list of them, each with its own outcome, and each digest once.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    process::Stdio,
    time::{Duration, Instant},
};

use bytes::Bytes;
use countersign_common::Digest;
use countersign_stand_in::{Fault, Lie};
use serde_json::{Value, json};

use crate::world::{Image, Run, World};

fn lines(run: &Run) -> Vec<Value> {
    let lines = run.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Images that are signed with the stand-in's key.
fn signed(world: &World, count: usize) -> Vec<Image> {
    let images: Vec<_> = (0..count)
        .map(|number| {
            let name = number.to_string();
            world.image("shop/api", &name, &name)
        })
        .collect();
    let tagged: Vec<_> = images.iter().map(Image::tagged).collect();
    let key = World::kms_key();
    let arguments = ["sign", "--key", &key].map(str::to_owned);
    let arguments: Vec<_> = arguments.into_iter().chain(tagged).collect();
    world.countersign(&arguments).ends(0);
    images
}

fn verify(world: &World, more: &[&str]) -> Run {
    let key = World::kms_key();
    let arguments = [&["verify", "--key", &key, "--output", "json"], more].concat();
    world.countersign(&arguments)
}

/// What became of an image, or of a line that names none.
fn outcome(one: &Value) -> &str {
    let told = one.get("verdict").or(one.get("outcome"));
    told.and_then(Value::as_str).unwrap()
}

#[test]
fn each_line_of_a_list_has_its_own_outcome_in_its_own_place() {
    let world = World::ecr();
    let images = signed(&world, 2);
    let unsigned = world.image("shop/api", "unsigned", "unsigned");
    let list = format!(
        "\u{feff}# what runs\r\n\n  {}  \r\nNot A Reference\n{}\n\t# {}\n{}\n",
        images[0].tagged(),
        unsigned.tagged(),
        images[0].tagged(),
        images[1].pinned(),
    );
    let list = world.write("list", &list);
    let kept = world.path("verdicts").display().to_string();
    let run = verify(
        &world,
        &["-f", &list, "--verdict-file", &kept, &images[1].tagged()],
    )
    .ends(2);
    let told = lines(&run);
    let outcomes: Vec<_> = told.iter().map(outcome).collect();
    assert_eq!(
        outcomes,
        ["verified", "verified", "failed", "refused", "verified"]
    );
    assert_eq!(told[0]["image"], images[1].tagged());
    assert_eq!(told[1]["image"], images[0].tagged());
    assert_eq!(told[2]["image"], "Not A Reference");
    assert_eq!(told[2]["line"], 4);
    assert_eq!(told[2]["error"]["code"], "reference-invalid");
    assert_eq!(told[3]["image"], unsigned.tagged());
    assert_eq!(told[4]["image"], images[1].pinned());
    assert_eq!(fs::read_to_string(kept).unwrap(), run.stdout);
    run.says("line 4: ");

    // What was typed must be right before anything is done; a list that is right ends as its images do.
    verify(&world, &["-f", &list, "Not A Reference"])
        .ends(2)
        .says("reference-invalid");
    let right = world.write(
        "right",
        &format!("{}\n{}", unsigned.tagged(), images[0].tagged()),
    );
    verify(&world, &["-f", &right]).ends(1);
}

#[test]
fn a_list_that_names_one_thing_wrong_pins_nothing() {
    let world = World::ecr();
    let image = signed(&world, 1).remove(0);
    let key = World::kms_key();
    for (more, code, pinned) in [
        ("", 0, format!("{}\n", image.pinned())),
        ("\nX", 2, String::new()),
    ] {
        let list = world.write("list", &format!("{}{more}", image.tagged()));
        let outputs = world.write("outputs", "");
        let arguments = ["verify", "--key", &key, "--pin", "--from", &list];
        let run = world.countersign_with(&arguments, &[("GITHUB_OUTPUT", &outputs)]);
        assert_eq!(run.ends(code).stdout, pinned);
        assert_eq!(fs::read_to_string(outputs).unwrap().is_empty(), code != 0);
    }
}

#[test]
fn a_list_comes_through_a_pipe_too() {
    let world = World::ecr();
    let image = signed(&world, 1).remove(0);
    let key = World::kms_key();
    let mut command = world.command(&["verify", "--key", &key, "-f", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{}", image.tagged()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains(&image.tagged()));
}

#[test]
fn a_list_without_images_or_with_too_many_is_no_list() {
    let world = World::ecr();
    for nothing in ["", "\n# nothing\n"] {
        let list = world.write("list", nothing);
        verify(&world, &["-f", &list])
            .ends(2)
            .says("references-missing");
    }
    let list = world.write("list", &"X\n".repeat(10_001));
    verify(&world, &["-f", &list])
        .ends(2)
        .says("references-too-many");
    let list = world.write("list", &"X\n".repeat(10_000));
    let run = verify(&world, &["-f", &list]).ends(2);
    assert_eq!(lines(&run).len(), 10_000);
    let long = world.write("list", &"#".repeat((4 << 20) + 1));
    verify(&world, &["-f", &long])
        .ends(2)
        .says("file-too-large");
    verify(&world, &["-f", "missing"]).ends(2);
}

#[test]
fn a_digest_with_many_tags_is_judged_once_and_reported_under_each() {
    let world = World::ecr();
    let image = signed(&world, 1).remove(0);
    let tags: Vec<_> = (1..30)
        .map(|tag| world.image("shop/api", &tag.to_string(), "0").tagged())
        .collect();
    let tags: Vec<_> = tags.iter().map(String::as_str).collect();
    world.stand_in.forget_calls();
    let run = verify(&world, &tags).ends(0);
    let told = lines(&run);
    let images: Vec<_> = told
        .iter()
        .map(|one| one["image"].as_str().unwrap())
        .collect();
    assert_eq!(images, tags);
    assert!(told.iter().all(|one| one["digest"] == image.digest));
    let lists = world.calls(|call| call.line.contains("/referrers/"));
    assert_eq!(lists.len(), 1, "{lists:?}");
}

#[test]
fn what_becomes_of_one_image_stops_no_other() {
    let world = World::ecr();
    let images = signed(&world, 20);
    let (refused, undecided) = (&images[3], &images[7]);
    let fault = format!("GET /v2/shop/api/manifests/{}", undecided.tag);
    world
        .stand_in
        .faults()
        .push(Fault::on(&fault, Lie::status(429)));
    let tagged: Vec<_> = images.iter().map(Image::tagged).collect();
    let list = tagged.join("\n");
    let list = list.replace(&refused.tagged(), &format!("{}:absent", refused.repository));
    let list = world.write("list", &list);
    let told = lines(&verify(&world, &["-f", &list, "--timeout", "30"]).ends(1));
    for (number, one) in told.iter().enumerate() {
        let expected = match number {
            3 => "refused",
            7 => "undecided",
            _ => "verified",
        };
        assert_eq!(outcome(one), expected, "{one}");
    }
    assert_eq!(told.len(), 20);
}

#[test]
fn what_is_large_is_judged_a_few_at_a_time_and_all_the_same() {
    let world = World::oci();
    let key = World::kms_key();
    let predicate = format!("{{\"long\":\"{}\"}}", "x".repeat(2 << 20));
    let predicate = world.write("long.json", &predicate);
    let images: Vec<_> = (0..12)
        .map(|number| {
            world
                .image("shop/api", &number.to_string(), &number.to_string())
                .tagged()
        })
        .collect();
    let images: Vec<_> = images.iter().map(String::as_str).collect();
    world
        .countersign(&[&["sign", "--no-tsa", "--key", &key], &images[..]].concat())
        .ends(0);
    let attest = [
        "attest",
        "--no-tsa",
        "--key",
        &key,
        "--type",
        "https://example.com/long",
        "--predicate",
        &predicate,
    ];
    world
        .countersign(&[&attest[..], &images[..]].concat())
        .ends(0);
    let demand = [
        "--attestation",
        "https://example.com/long",
        "--timeout",
        "60",
    ];
    let run = verify(&world, &[&demand[..], &images[..]].concat()).ends(0);
    assert_eq!(lines(&run).len(), 12);
}

#[test]
fn a_digest_with_many_tags_is_signed_once() {
    let world = World::ecr();
    let tags: Vec<_> = (0..6)
        .map(|tag| world.image("shop/api", &tag.to_string(), "same").tagged())
        .collect();
    let list = world.write("list", &format!("{}\nno reference\n", tags.join("\n")));
    let key = World::kms_key();
    let run = world
        .countersign(&["sign", "--key", &key, "--output", "json", "-f", &list])
        .ends(2)
        .says("line 7: ");
    let told = lines(&run);
    let outcomes: Vec<_> = told
        .iter()
        .map(|one| one["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes.iter().filter(|one| **one == "signed").count(), 1);
    assert_eq!(
        outcomes
            .iter()
            .filter(|one| **one == "already-signed")
            .count(),
        5
    );
    assert_eq!(outcomes.last(), Some(&"failed"));
    // The signature and the publication.
    assert_eq!(world.kms_calls("Sign").len(), 2);
    let manifests: BTreeSet<_> = told.iter().map(|one| one["manifest"].to_string()).collect();
    assert_eq!(manifests.len(), 2, "that of all, and none");
}

#[test]
fn a_line_that_names_nothing_keeps_no_other_from_being_attested_or_shown() {
    let world = World::ecr();
    let images = signed(&world, 2);
    let list = format!(
        "{}\nno reference\n{}\n",
        images[0].tagged(),
        images[1].tagged()
    );
    let list = world.write("list", &list);
    let predicate = world.write("predicate.json", "{}");
    let key = World::kms_key();
    let kind = "https://example.com/x";
    let attest = ["attest", "--key", &key, "--type", kind];
    for command in [
        &[&attest[..], &["--predicate", &predicate]].concat()[..],
        &["inspect"],
    ] {
        let arguments = [command, &["--output", "json", "-f", &list]].concat();
        let run = world.countersign(&arguments).ends(2).says("line 2: ");
        let told = lines(&run);
        assert_eq!(told.len(), 3, "{}", run.stdout);
        assert_eq!(told[1]["outcome"], "failed");
        assert_eq!(told[1]["image"], "no reference");
        assert_eq!(told[1]["line"], 2);
        assert_eq!(told[1]["error"]["code"], "reference-invalid");
        for (one, image) in [(&told[0], &images[0]), (&told[2], &images[1])] {
            assert!(one.get("error").is_none(), "{one}");
            assert!(one.to_string().contains(&image.digest), "{one}");
        }
        // A list that is right ends as its images do.
        let right = world.write("right", &images[0].tagged());
        world
            .countersign(&[command, &["-f", &right]].concat())
            .ends(0);
    }
    for image in &images {
        let demand = ["--attestation", kind, &image.tagged()];
        verify(&world, &demand).ends(0);
    }
}

#[test]
fn what_cannot_be_resolved_answers_for_itself_alone() {
    let world = World::oci();
    let image = &signed(&world, 1)[0];
    let line = format!("GET /v2/shop/api/manifests/{}", image.digest);
    world
        .stand_in
        .faults()
        .push(Fault::on(&line, Lie::status(500)));
    let run = verify(&world, &[&image.pinned(), &image.tagged()]).ends(3);
    let told: Vec<_> = lines(&run)
        .iter()
        .map(|one| outcome(one).to_owned())
        .collect();
    assert_eq!(told, ["undecided", "verified"]);
}

#[test]
fn what_is_large_and_named_in_two_ways_waits_for_nobody_for_ever() {
    let world = World::oci();
    let image = world.image("shop/api", "0", "0");
    let mut manifest: Value = serde_json::from_slice(&image.manifest).unwrap();
    manifest["annotations"] = json!({ "x": "x".repeat(200 << 10) });
    let manifest = Bytes::from(manifest.to_string());
    let digest = Digest::sha256(&manifest);
    let lies = [
        Lie::Body(manifest),
        Lie::WithoutHeader("Docker-Content-Digest".to_owned()),
    ];
    let is_there = Lie::AnswerAs("/v2/shop/api/manifests/0".to_owned());
    let pinned = format!("GET /v2/shop/api/manifests/{digest}");
    world.stand_in.faults().push(Fault::on(&pinned, is_there));
    for lie in lies {
        let fault = Fault::on("GET /v2/shop/api/manifests/*", lie);
        world.stand_in.faults().push(fault);
    }
    for tag in 1..8 {
        world.image("shop/api", &tag.to_string(), "0");
    }
    let tagged = (0..8).map(|tag| format!("{}:{tag}", image.repository));
    let pinned = format!("{}@{digest}", image.repository);
    let mut names: Vec<_> = tagged.collect();
    // Begun when the first of the others have begun, and before they are known.
    names.insert(4, pinned);
    let list = world.write("list", &names.join("\n"));
    for more in [&["-f", &list][..], &["-f", &list, "--recursive"]] {
        let run = verify(&world, more).ends(1);
        let told = lines(&run);
        assert_eq!(told.len(), 9);
        for one in &told {
            assert_eq!(one["refusals"][0]["code"], "signature-missing", "{one}");
        }
    }
}

#[test]
fn a_digest_that_is_named_often_and_never_comes_takes_the_time_of_one() {
    let world = World::oci();
    let image = world.image("shop/api", "0", "0");
    world
        .stand_in
        .faults()
        .push(Fault::on("GET /v2/*", Lie::Silence));
    let list = world.write("list", &[image.pinned().as_str(); 8].join("\n"));
    let began = Instant::now();
    let run = verify(&world, &["--timeout", "2", "-f", &list]).ends(3);
    assert!(began.elapsed() < Duration::from_secs(6));
    assert!(lines(&run).iter().all(|one| outcome(one) == "undecided"));
}

#[test]
fn a_digest_with_many_tags_has_one_attestation_that_replaces() {
    let world = World::oci();
    let tags: Vec<_> = (0..4)
        .map(|tag| world.image("shop/api", &tag.to_string(), "same").tagged())
        .collect();
    let list = world.write("list", &tags.join("\n"));
    let predicate = world.write("predicate.json", "{}");
    let key = World::kms_key();
    let kind = ["--type", "https://example.com/x", "--predicate", &predicate];
    let attest = [
        "attest",
        "--no-tsa",
        "--key",
        &key,
        "--replace",
        "-f",
        &list,
    ];
    world.countersign(&[&attest[..], &kind].concat()).ends(0);
    let inspect = ["inspect", "--output", "json", &tags[0]];
    let run = world.countersign(&inspect).ends(0);
    assert_eq!(
        lines(&run)[0]["subject"]["attached"]
            .as_array()
            .unwrap()
            .len(),
        1,
        "{}",
        run.stdout
    );
}
