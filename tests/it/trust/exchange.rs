//! `countersign trust diff`, `import` and `export`, and fingerprints in words: roots beside other roots, and beside cosign.

use std::fs;

use serde_json::{Value, json};

use crate::{
    peers,
    world::{Run, World, run},
};

/// The sentences that loosen something, and the others.
fn weighed(document: &Value) -> [Vec<String>; 2] {
    let changes = document["changes"].as_array().unwrap();
    [true, false].map(|loosens| {
        let of = changes.iter().filter(|change| change["loosens"] == loosens);
        of.map(|change| change["text"].as_str().unwrap().to_owned())
            .collect()
    })
}

fn says(sentences: &[String], text: &str) {
    assert!(
        sentences.iter().any(|sentence| sentence.contains(text)),
        "`{text}` is missing from {sentences:#?}"
    );
}

#[test]
fn what_loosens_is_told_from_what_does_not() {
    let world = World::with_root("acme");
    let before = fs::read(world.path("acme/1.root.json")).unwrap();
    for change in [
        "add-key --dir acme --role sign --key review.pub --owner review",
        "add-key --dir acme --role root --key dave.pub --owner dave",
        "set-scope --dir acme --repository registry.example/shop/** --repository registry.example/store/* --heartbeat-max 30d",
        "remove-key --dir acme --key clock.pub --at 2030-01-01",
    ] {
        world.line(change).ends(0);
    }
    let document = world.line_json("diff 1 draft --dir acme");
    assert_eq!(document["before"]["version"], 1);
    assert_eq!(document["after"]["version"], 2);
    let [loosens, others] = weighed(&document);
    says(&loosens, "review (");
    says(&loosens, "dave (");
    says(&loosens, "registry.example/store/* too");
    says(
        &loosens,
        "heartbeats may be 30d old; it was: heartbeats may be 7d old",
    );
    says(&others, "clock (");
    assert!(!loosens.iter().any(|text| text.contains("clock (")));

    // The other way about, it is the other way about.
    let [loosens, others] = weighed(&world.line_json("diff draft 1 --dir acme"));
    says(&loosens, "clock (");
    says(&others, "dave (");
    says(&others, "is not for registry.example/store/*");
    says(&others, "heartbeats may be 7d old");

    world
        .line("diff 1 draft --dir acme")
        .ends(0)
        .says("from version 1 of acme (complete) to version 2 of acme (a draft)")
        .says("LOOSENS: dave (");
    assert_eq!(fs::read(world.path("acme/1.root.json")).unwrap(), before);
}

/// A change of a root's file that nobody made by a command, and what the comparison says of it.
fn changed(world: &World, change: impl Fn(&mut Value, &mut Value)) -> [[Vec<String>; 2]; 2] {
    let mut root = world.root_file("acme/1.root.json");
    let before = root.to_string();
    let mut extension = root["signed"]["x-countersign"].take();
    change(&mut root["signed"], &mut extension);
    root["signed"]["x-countersign"] = extension;
    world.write("before.json", &before);
    world.write("after.json", &root.to_string());
    ["diff before.json after.json", "diff after.json before.json"]
        .map(|line| weighed(&world.line_json(line)))
}

#[test]
fn repositories_that_fall_to_a_more_general_scope_are_loosened() {
    let world = World::with_root("acme");
    let another = |patterns: &'static [&'static str]| {
        let world = &world;
        move || {
            changed(world, |_, extension| {
                let mut scope = extension["scopes"][0].clone();
                scope["repositories"] = json!(patterns);
                scope["sign"]["keyids"] = json!([]);
                extension["scopes"].as_array_mut().unwrap().push(scope);
            })
        }
    };
    let [_, [loosens, _]] = another(&["registry.example/shop/secret/**"])();
    says(
        &loosens,
        "no scope for registry.example/shop/secret/** any more: the scope for registry.example/shop/** decides there",
    );
    // Where nothing decides instead, nothing is loosened.
    let [_, [loosens, others]] = another(&["registry.example/store/**"])();
    says(&others, "no scope for registry.example/store/** any more");
    assert_eq!(loosens, [""; 0]);

    // A pattern of a scope that stays.
    let both = [
        "registry.example/shop/secret/**",
        "registry.example/store/**",
    ];
    let mut root = world.root_file("acme/1.root.json");
    for patterns in [&both[..], &both[1..]] {
        let scopes = root["signed"]["x-countersign"]["scopes"].as_array_mut();
        let scopes = scopes.unwrap();
        let mut scope = scopes[0].clone();
        scopes.truncate(1);
        scope["repositories"] = json!(patterns);
        scopes.push(scope);
        world.write(&format!("{}.json", patterns.len()), &root.to_string());
    }
    let [loosens, others] = weighed(&world.line_json("diff 2.json 1.json"));
    says(
        &loosens,
        "is not for registry.example/shop/secret/**: the scope for registry.example/shop/** decides there",
    );
    assert_eq!(others, [""; 0]);
}

#[test]
fn what_is_believed_for_longer_or_more_readily_is_loosened() {
    let world = World::with_root("acme");
    let [[later, _], [sooner, others]] = changed(&world, |signed, _| {
        signed["expires"] = json!("2099-01-01T00:00:00Z");
    });
    says(&later, "it expires at 2099-01-01T00:00:00Z");
    assert_eq!(sooner, [""; 0]);
    says(&others, "and not at 2099-01-01T00:00:00Z");

    let [[finer, _], [coarser, others]] = changed(&world, |_, extension| {
        extension["time"]["authorities"][0]["defaultAccuracySeconds"] = json!(0);
    });
    says(&finer, "is exact to 0s where it does not say");
    assert_eq!(coarser, [""; 0]);
    says(&others, "is exact to 1s where it does not say");
    // A minute is what is taken where nothing is said.
    let [[unsaid, _], [said, _]] = changed(&world, |_, extension| {
        extension["time"]["authorities"] = json!([]);
    });
    assert_eq!(unsaid, [""; 0]);
    says(&said, "is exact to 1s where it does not say");

    let [[certificates, _], _] = changed(&world, |_, extension| {
        let chain = &mut extension["trustedRoot"]["timestampAuthorities"][0]["certChain"];
        let certificates = chain["certificates"].as_array_mut().unwrap();
        assert_eq!(certificates.len(), 2);
        certificates.remove(0);
    });
    says(&certificates, "has other certificates");
}

#[test]
fn what_is_not_understood_is_told_where_it_differs() {
    let world = World::with_root("acme");
    let list = "`x-countersign.trustedRoot.timestampAuthorities.0.x-other`";
    let [[loosens, others], [back, _]] = changed(&world, |signed, extension| {
        signed["x-\u{1b}[2J"] = json!({ "deep": [1, 2] });
        extension["trustedRoot"]["timestampAuthorities"][0]["x-other"] = json!(1);
    });
    assert_eq!(others, [""; 0]);
    says(
        &loosens,
        &format!("{list} is there now, and is not understood"),
    );
    assert_eq!(loosens.len(), 2, "{loosens:#?}");
    assert!(loosens.iter().all(|text| !text.contains('\u{1b}')));
    says(&back, &format!("{list} is there no longer"));
    // In both, and once otherwise.
    let mut root = world.root_file("after.json");
    for (x, name) in [(1, "one.json"), (1, "same.json"), (2, "two.json")] {
        root["signed"]["x-countersign"]["trustedRoot"]["timestampAuthorities"][0]["x-other"] =
            json!(x);
        world.write(name, &root.to_string());
    }
    let [loosens, _] = weighed(&world.line_json("diff one.json two.json"));
    assert_eq!(loosens.len(), 1, "{loosens:#?}");
    says(&loosens, &format!("{list} says something else"));
    world
        .line("diff one.json same.json")
        .ends(0)
        .says("nothing that is understood here differs");
    world.line("diff one.json two.json").says("LOOSENS: `x-cou");
}

#[test]
fn a_root_is_compared_with_itself_and_with_another() {
    let world = World::with_root("acme");
    for same in [
        "acme/1.root.json acme",
        "acme/1.root.json --dir acme",
        "1 1 --dir acme",
    ] {
        world
            .line(&format!("diff {same}"))
            .ends(0)
            .says("nothing that is understood here differs");
    }
    world
        .line("init --dir other --name other --root-key alice.pub --root-key bob.pub --repository registry.example/other/** --release-key release.pub")
        .ends(0);
    world
        .line("diff acme other/draft.root.json")
        .ends(0)
        .says("two roots");
    for (line, code) in [
        ("diff 1 draft --dir acme", "draft-missing"),
        ("diff 1 2 --dir acme", "version-missing"),
        ("diff acme absent", "file-unreadable"),
        ("diff acme alice.pub", "malformed"),
    ] {
        let run = world.line(line);
        assert!([1, 2].contains(&run.code), "{line}: {run:?}");
        run.says(&format!("[{code}]"));
    }
}

#[test]
fn a_fingerprint_is_shown_in_words() {
    let world = World::with_root("acme");
    let shown = world.line_json("show --dir acme --words");
    let words = shown["words"].as_array().unwrap();
    assert_eq!(words.len(), 32);
    let text = world.line("show --dir acme --words").ends(0).stdout;
    let line: Vec<_> = words[24..]
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    assert!(text.contains(&line.join(" ")), "{text}");
    // Another root has others, and without the flag there are none.
    assert_eq!(world.line_json("show --dir acme")["words"], Value::Null);
    world
        .line("add-key --dir acme --role sign --key review.pub")
        .ends(0);
    let draft = world.line_json("show --file acme/draft.root.json --words");
    assert_eq!(draft["words"].as_array().unwrap().len(), 32);
    assert_ne!(draft["words"], shown["words"]);
}

/// cosign's trusted root with both time-stamp authorities of the world.
fn trusted_root(world: &World) -> Value {
    let mut create = peers::peer(world, "cosign");
    create.args(["trusted-root", "create", "--out", "made.json"]);
    for name in ["one", "two"] {
        let (url, chain) = (world.tsa(name), world.chain(name));
        create.arg(format!("--tsa=url={url},certificate-chain={chain}"));
    }
    run(create).ends(0);
    serde_json::from_slice(&fs::read(world.path("made.json")).unwrap()).unwrap()
}

#[test]
fn authorities_of_cosigns_trusted_root_are_imported() {
    let world = World::with_people();
    world
        .line("init --dir acme --name acme --root-key alice.pub --root-key bob.pub --repository registry.example/shop/** --release-key release.pub")
        .ends(0);
    let mut made = trusted_root(&world);
    // Nobody says who operates them, and a certificate's name is none.
    world
        .line("import --dir acme --sigstore made.json")
        .ends(2)
        .says("error[tsa-operator-missing]")
        .says("--tsa-operator");
    made["timestampAuthorities"][0]["subject"]["organization"] = json!("one.example");
    made["beacons"] = json!([{}]);
    let mut again = made["timestampAuthorities"][0].clone();
    again["validFor"] = json!({ "end": "2019-12-31T23:59:59Z" });
    let authorities = made["timestampAuthorities"].as_array_mut();
    authorities.unwrap().push(again);
    made["tlogs"] = json!([{ "baseUrl": "https://rekor.example" }]);
    made["certificateAuthorities"] = json!([{ "uri": "https://fulcio.example" }]);
    world.write("made.json", &made.to_string());
    world
        .line("import --dir acme --sigstore made.json --tsa-operator two.example --cosign-key review.pub --owner review")
        .ends(0)
        .says("not carried over: the transparency log https://rekor.example")
        .says("not carried over: the authority of signers' certificates https://fulcio.example")
        .says("not carried over: the member that is not known here, beacons")
        .says("once more, with the same root key and believed until 2019-12-31T23:59:59Z")
        .says("review (");
    let shown = world.line_json("show --dir acme");
    let authorities = shown["draft"]["time"]["authorities"].as_array().unwrap();
    let operators: Vec<_> = authorities.iter().map(|entry| &entry["operator"]).collect();
    assert_eq!(operators, ["one.example", "two.example"]);
    let review = super::id_of(&shown, "review");
    let keys = shown["draft"]["scopes"][0]["keys"].as_array().unwrap();
    let key = keys
        .iter()
        .find(|key| key["id"] == review.as_str())
        .unwrap();
    assert_eq!(key["roles"], json!(["sign"]));
    // Once more it is as before.
    let again = "import --dir acme --sigstore made.json --tsa-operator two.example";
    world
        .line(again)
        .ends(0)
        .says("nothing is otherwise than before");
}

#[test]
fn what_is_no_trusted_root_changes_no_draft() {
    let world = World::with_root("acme");
    let made = trusted_root(&world);
    let with = |change: fn(&mut Value)| {
        let mut changed = made.clone();
        change(&mut changed);
        changed.to_string()
    };
    let long = format!("{}{}", made, " ".repeat(1 << 22));
    for (text, code) in [
        ("no JSON".to_owned(), "trusted-root-invalid"),
        (json!([]).to_string(), "trusted-root-invalid"),
        (long, "file-too-large"),
        (
            with(|root| root["mediaType"] = json!("text/plain")),
            "trusted-root-invalid",
        ),
        (
            with(|root| root["timestampAuthorities"][0]["uri"] = json!("ftp://tsa.example")),
            "tsa-url-invalid",
        ),
        (
            with(|root| {
                root["timestampAuthorities"][0]["certChain"]["certificates"][0]["rawBytes"] =
                    json!("AAAA");
            }),
            "tsa-chain-invalid",
        ),
        (
            with(|root| root["timestampAuthorities"][0]["certChain"]["certificates"] = json!([])),
            "tsa-chain-invalid",
        ),
    ] {
        world.write("bad.json", &text);
        world
            .line("import --dir acme --sigstore bad.json --tsa-operator two.example")
            .ends(2)
            .says(&format!("error[{code}]"));
        assert_eq!(world.names_in("acme"), ["1.root.json"]);
    }
    world.line("import --dir acme").ends(2);
    world
        .line("import --dir acme --sigstore made.json --tsa-operator one.example")
        .ends(0);
}

#[test]
fn cosign_verifies_with_what_is_exported() {
    let world = World::oci();
    let world = world.people();
    world.begin_for(
        "acme",
        &format!("{}/shop/**", world.stand_in.registry_host()),
    );
    world.all_sign("acme", &["alice", "bob"]);
    let exported = world
        .line("export --dir acme --cosign-keys keys --sigstore out.json")
        .ends(0)
        .says("lost: release team (")
        .says("alone; cosign takes its");
    let names = world.names_in("keys");
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(names[0].starts_with("release-team-"), "{names:?}");
    let file = format!("keys/{}", names[0]);
    assert!(exported.stdout.contains(&file), "{}", exported.stdout);
    assert_eq!(
        fs::read_to_string(world.path(&file)).unwrap(),
        fs::read_to_string(world.path("release.pub")).unwrap()
    );

    let image = world.image("shop/api", "1", "a").tagged();
    let tsa = world.tsa("one");
    world
        .countersign(&["sign", "--key", "release.key", "--tsa", &tsa, &image])
        .ends(0);
    let verify = |root: &str| -> Run {
        let stamped = ["--use-signed-timestamps", "--trusted-root", root];
        peers::cosign_verify(&world, &file, &stamped, &image)
    };
    verify("out.json").ends(0);
    // Without the authority it does not.
    let mut empty: Value =
        serde_json::from_slice(&fs::read(world.path("out.json")).unwrap()).unwrap();
    empty["timestampAuthorities"] = json!([]);
    world.write("empty.json", &empty.to_string());
    assert_ne!(verify("empty.json").code, 0);

    // What is there is never overwritten.
    world
        .line("export --dir acme --sigstore out.json")
        .ends(2)
        .says("error[file-exists]");
    world
        .line("export --dir acme --cosign-keys keys")
        .ends(2)
        .says("error[file-exists]");
    // Nor is anything else written then, so that it can be tried again.
    world
        .line("export --dir acme --cosign-keys others --sigstore out.json")
        .ends(2);
    assert!(!fs::exists(world.path("others")).unwrap());
    world
        .line("export --dir acme --cosign-keys keys --sigstore other.json")
        .ends(2);
    assert!(!fs::exists(world.path("other.json")).unwrap());
}

#[test]
fn keys_that_may_not_sign_now_are_not_exported() {
    let world = World::with_root("acme");
    world.key_files("lattice", "ml-dsa-65");
    world.key_files("wide", "p384");
    for change in [
        "add-key --dir acme --role sign --key review.pub --owner ../review",
        "add-key --dir acme --role sign --key lattice.pub --owner lattice",
        "add-key --dir acme --role sign --key wide.pub --owner wide",
        "revoke --dir acme --key release.pub --compromised",
    ] {
        world.line(change).ends(0);
    }
    // Never what is only a draft.
    world.line("export --dir acme --cosign-keys before").ends(0);
    let before = world.names_in("before");
    assert_eq!(before.len(), 1);
    assert!(before[0].starts_with("release-team-"));

    world.all_sign("acme", &["alice", "bob"]);
    world
        .line("export --dir acme --cosign-keys after")
        .ends(0)
        .says("lattice (")
        .says("cosign verifies no such key")
        .says("--signature-digest-algorithm");
    let after = world.names_in("after");
    assert_eq!(after.len(), 2, "{after:?}");
    assert!(after[0].starts_with("---review-"), "{after:?}");
    assert!(after[1].starts_with("wide-"), "{after:?}");
    // Who is left out is named: the stolen, the retired, and authorities that are void.
    let one = world.tsa("one");
    for change in [
        "remove-key --dir acme --key wide.pub",
        &format!("revoke --dir acme --tsa {one} --compromised"),
    ] {
        world.line(change).ends(0);
    }
    world.all_sign("acme", &["alice", "bob"]);
    let exported = world.line_json("export --dir acme --cosign-keys later --sigstore void.json");
    assert_eq!(world.names_in("later").len(), 1);
    let lost = exported["lost"].as_array().unwrap();
    for (who, why) in [
        (
            "release team (",
            "what it signs now does not count (compromised: nothing counts)",
        ),
        ("wide (", "what it signs now does not count (until 20"),
        (
            &format!("the time-stamp authority {one} of "),
            "it is compromised",
        ),
    ] {
        let is_named = |text: &str| {
            text.starts_with(who) && text.contains("is not exported: ") && text.contains(why)
        };
        let is_said = lost.iter().any(|text| is_named(text.as_str().unwrap()));
        assert!(is_said, "{who}: {lost:#?}");
    }
    world.line("export --dir acme").ends(2);
    world
        .line("export --dir absent --cosign-keys keys")
        .ends(2)
        .says("error[file-unreadable]");
}
