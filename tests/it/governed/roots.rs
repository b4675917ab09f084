//! Where a root comes from, how it is followed, and what is not believed of a source.

use std::fs;

use bytes::Bytes;
use countersign_common::{Digest, Limits, PublicKey, Signature, Timestamp};
use countersign_stand_in::{Fault, Lie};
use countersign_trust_roots::{
    Pattern,
    root::{Draft, ScopeEdit},
};
use p256::{
    ecdsa::{Signature as Ecdsa, SigningKey, signature::Signer as _},
    pkcs8::{EncodePublicKey as _, LineEnding},
};
use serde_json::{Value, json};

use super::{Team, shop};
use crate::world::{Image, OCI_MANIFEST, World};

/// A team with an image that its release key signed, and a policy for it.
fn with_image() -> (Team, Image) {
    let team = Team::new();
    let image = team.signed("shop/api", "1", "release");
    team.policy(&shop("signed"));
    (team, image)
}

/// Something new in the root, which is published.
fn next_version(team: &Team) {
    let epoch = team.world.names_in("roots").len() + 1;
    team.trust(&format!(
        "set-scope --dir acme --repository HOST/shop/** --epoch {epoch}"
    ));
    team.publish();
}

#[test]
fn an_expired_root_judges_nothing_but_what_was_before() {
    let (team, image) = with_image();
    let root = team.world.root_file("roots/1.root.json");
    let expires = root["signed"]["expires"].as_str().unwrap().to_owned();
    let run = team.verify(&image, &["--at", &expires]).ends(1);
    run.says("refused[root-expired]");
    let end = chrono::DateTime::parse_from_rfc3339(&expires).unwrap();
    let before = (end - chrono::Duration::seconds(1)).to_rfc3339();
    team.verify(&image, &["--at", &before])
        .ends(0)
        .says("as of");
    for command in ["policy test", "policy explain"] {
        team.command(command, &image, &["--at", &expires])
            .ends(1)
            .says("refused[root-expired]");
    }
}

#[test]
fn a_root_that_is_soon_over_is_told_of_by_whoever_judges_or_signs() {
    let (team, image) = with_image();
    let other = team.world.image("shop/api", "2", "two").tagged();
    let sign = [
        "sign",
        "--policy",
        "policy.toml",
        "--key",
        "release.key",
        &other,
    ];
    for (days, is_told) in [(61, false), (59, true)] {
        team.trust(&format!(
            "set-scope --dir acme --repository HOST/shop/** --valid-for {days}d"
        ));
        team.publish();
        let mut runs = vec![team.verify(&image, &[]), team.world.countersign(&sign)];
        for command in ["policy test", "policy explain"] {
            runs.push(team.command(command, &image, &[]));
        }
        for run in runs {
            let run = run.ends(0);
            let text = "of trust root acme expires at ";
            assert_eq!(run.stderr.contains(text), is_told, "{run:?}");
        }
    }
}

#[test]
fn only_the_file_with_the_pinned_fingerprint_is_believed() {
    let (mut team, image) = with_image();
    team.fingerprint = format!("sha256:{}", "0".repeat(64));
    team.policy(&shop("signed"));
    let run = team.verify(&image, &[]).ends(1);
    insta::assert_snapshot!(team.steady(&run.stdout));
    // Any version may be pinned; what was before it is not looked at.
    next_version(&team);
    team.fingerprint = team.fingerprint_of("roots/2.root.json");
    team.policy(&shop("signed"));
    team.verify(&image, &[]).ends(0).says("root acme version 2");
    fs::remove_file(team.world.path("roots/1.root.json")).unwrap();
    team.verify(&image, &[]).ends(0);
}

#[test]
fn a_source_that_is_not_there_is_no_answer() {
    let (team, image) = with_image();
    team.policy_from(&["file:/absent/roots"], &shop("signed"));
    let run = team.verify(&image, &[]).ends(3);
    insta::assert_snapshot!(team.steady(&run.stdout));
    for command in ["policy test", "policy explain"] {
        team.command(command, &image, &[])
            .ends(3)
            .says("error[root-unavailable]");
    }
    team.world
        .countersign(&["policy", "check", "--policy", "policy.toml"])
        .ends(3)
        .says("error[root-unavailable]");
    // Beside one that is, it is a warning, said once.
    team.policy_from(&["file:/absent/roots", &team.source()], &shop("signed"));
    let run = team.verify(&image, &[]).ends(0);
    insta::assert_snapshot!("one_dead_source", team.steady(&run.stderr));
}

#[test]
fn a_newer_version_is_found_at_the_next_run_and_a_forged_one_is_not_believed() {
    let (team, image) = with_image();
    team.verify(&image, &[]).ends(0).says("root acme version 1");
    next_version(&team);
    team.verify(&image, &[]).ends(0).says("root acme version 2");
    let second = team.world.path("roots/2.root.json");
    let good = fs::read(&second).unwrap();
    let edited = |edit: &dyn Fn(&mut Value)| {
        let mut root: Value = serde_json::from_slice(&good).unwrap();
        edit(&mut root);
        fs::write(&second, root.to_string()).unwrap();
    };
    edited(&|root| root["signed"]["expires"] = "2099-01-01T00:00:00Z".into());
    team.verify(&image, &[])
        .ends(1)
        .says("refused[threshold-not-met]");
    edited(&|root| {
        root["signatures"].as_array_mut().unwrap().pop();
    });
    team.verify(&image, &[])
        .ends(1)
        .says("refused[threshold-not-met]")
        .says("1 of 2");
    // A good source beside a lying one is believed.
    fs::create_dir(team.world.path("lies")).unwrap();
    fs::rename(&second, team.world.path("lies/2.root.json")).unwrap();
    fs::write(&second, &good).unwrap();
    let lies = format!("file:{}", team.world.path("lies").display());
    team.policy_from(&[&lies, &team.source()], &shop("signed"));
    team.verify(&image, &[]).ends(0).says("root acme version 2");
    // A version that is missing: the third in the place of the second, and nothing in its place.
    next_version(&team);
    team.policy(&shop("signed"));
    let third = team.world.path("roots/3.root.json");
    fs::copy(&third, &second).unwrap();
    team.verify(&image, &[])
        .ends(1)
        .says("refused[root-version-gap]");
    fs::remove_file(&second).unwrap();
    team.verify(&image, &[]).ends(0).says("root acme version 1");
}

/// The registry's port answers for the versions so far, and has no next one.
fn serve(team: &Team) {
    let faults = team.world.stand_in.faults();
    faults.clear();
    let names = team.world.names_in("roots");
    for name in &names {
        let lie = Lie::Instead {
            status: 200,
            headers: Vec::new(),
            body: Bytes::from(fs::read(team.world.path("roots").join(name)).unwrap()),
        };
        faults.push(Fault::on(&format!("GET /roots/{name}"), lie));
    }
    let next = format!("GET /roots/{}.root.json", names.len() + 1);
    faults.push(Fault::on(&next, Lie::status(404)));
}

#[test]
fn a_root_comes_over_https_and_only_from_a_host_that_is_trusted() {
    let team = Team::within(World::ecr_over_tls());
    let image = team.signed("shop/api", "1", "release");
    serve(&team);
    let source = team.spelled("https://HOST/roots/");
    team.policy_from(&[&source], &shop("dated"));
    team.verify(&image, &[]).ends(0).says("root acme version 1");
    next_version(&team);
    serve(&team);
    team.verify(&image, &[]).ends(0).says("root acme version 2");
    let image = image.tagged();
    let verify = ["verify", "--policy", "policy.toml", &image];
    let alone = [("SSL_CERT_FILE", "")];
    team.world
        .countersign_with(&verify, &alone)
        .ends(3)
        .says("error[root-unavailable]");
    let trusting = [&verify[..], &["--ca-file", "docker/authority.pem"]].concat();
    team.world.countersign_with(&trusting, &alone).ends(0);
}

/// Places a version as `trust publish` would.
pub(super) fn place(team: &Team, version: u64) {
    let file = fs::read(team.world.path(&format!("roots/{version}.root.json"))).unwrap();
    let world = &team.world;
    let layer = world.blob(
        "trust/acme",
        "application/vnd.countersign.root.v1+json",
        &file,
    );
    let config = world.blob("trust/acme", "application/vnd.oci.empty.v1+json", b"{}");
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer],
        "artifactType": "application/vnd.countersign.root.v1+json",
    });
    world.place(
        "trust/acme",
        &format!("countersign-root-v{version}"),
        OCI_MANIFEST,
        serde_json::to_vec(&manifest).unwrap(),
    );
}

#[test]
fn a_root_comes_from_a_registry() {
    let (team, image) = with_image();
    let source = team.spelled("oci://HOST/trust/acme");
    team.policy_from(&[&source], &shop("signed"));
    // There may be a version above those that are tried.
    team.verify(&image, &[])
        .ends(3)
        .says("error[root-unavailable]")
        .says("add a folder");
    place(&team, 1);
    team.verify(&image, &[]).ends(0).says("root acme version 1");
    next_version(&team);
    place(&team, 2);
    team.verify(&image, &[]).ends(0).says("root acme version 2");
    // A registry that does not answer is not one that has no newer version.
    let fault = Fault::on("*/countersign-root-v3", Lie::status(503));
    team.world.stand_in.faults().push(fault);
    team.verify(&image, &[])
        .ends(3)
        .says("error[root-unavailable]");
}

#[test]
fn what_is_no_root_is_refused_wherever_it_lies() {
    let team = Team::within(World::ecr_over_tls());
    let image = team.signed("shop/api", "1", "release");
    place(&team, 1);
    next_version(&team);
    let second = team.world.path("roots/2.root.json");
    let good = fs::read(&second).unwrap();
    let mut longest = good.clone();
    longest.resize(512_000, b' ');
    let folder = team.source();
    let sources = ["https://HOST/roots/", "oci://HOST/trust/acme"].map(|text| team.spelled(text));
    for source in [&folder, &sources[0], &sources[1]] {
        team.policy_from(&[source], &shop("dated"));
        for (file, code) in [(&longest, 0), (&[&longest[..], b" "].concat(), 1)] {
            fs::write(&second, file).unwrap();
            serve(&team);
            place(&team, 2);
            let run = team.verify(&image, &[]).ends(code);
            assert_eq!(
                code == 1,
                run.stdout.contains("refused[too-large]"),
                "{run:?}"
            );
        }
    }
    // The right file is at another source.
    fs::write(&second, &good).unwrap();
    team.policy_from(&[&sources[1], &folder], &shop("dated"));
    team.verify(&image, &[]).ends(0).says("root acme version 2");
    // A tag that names something else, and a layer that is another.
    team.policy_from(&[&sources[1]], &shop("dated"));
    team.world.place(
        "trust/acme",
        "countersign-root-v2",
        OCI_MANIFEST,
        no_root(&team),
    );
    team.verify(&image, &[])
        .ends(1)
        .says("refused[root-differs]");
    place(&team, 2);
    team.verify(&image, &[]).ends(0);
    let lie = Lie::Instead {
        status: 200,
        headers: Vec::new(),
        body: vec![b' '; good.len()].into(),
    };
    let blob = Digest::sha256(&good);
    let fault = Fault::on(&format!("GET /v2/trust/acme/blobs/{blob}"), lie);
    team.world.stand_in.faults().push(fault);
    team.verify(&image, &[])
        .ends(1)
        .says("refused[digest-mismatch]");
}

fn no_root(team: &Team) -> Vec<u8> {
    let config = team
        .world
        .blob("trust/acme", "application/vnd.oci.empty.v1+json", b"{}");
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [],
    });
    serde_json::to_vec(&manifest).unwrap()
}

/// The version after this file, signed by alice and bob whatever the command would say to it.
fn signed_after(previous: &[u8], edit: impl FnOnce(&mut Draft)) -> Vec<u8> {
    let expires = Timestamp::parse("2099-01-01T00:00:00Z").unwrap();
    let mut draft = Draft::after(previous, expires, &Limits::TABLE).unwrap();
    edit(&mut draft);
    let message = draft.message().unwrap();
    for number in [1, 2] {
        let key = SigningKey::from_slice(&[number; 32]).unwrap();
        let public = key.verifying_key().to_public_key_pem(LineEnding::LF);
        let signature: Ecdsa = key.sign(&message);
        draft
            .sign(
                &PublicKey::from_pem(&public.unwrap()).unwrap(),
                &Signature::from(signature.to_der().as_bytes().to_vec()),
                None,
                &Limits::TABLE,
            )
            .unwrap();
    }
    draft.to_json().unwrap()
}

#[test]
fn a_root_of_a_later_form_is_not_half_understood() {
    let (team, image) = with_image();
    next_version(&team);
    let second = team.world.path("roots/2.root.json");
    let good = fs::read(&second).unwrap();
    for (member, value) in [("schema", json!(2)), ("identities", json!([]))] {
        let mut root: Value = serde_json::from_slice(&good).unwrap();
        root["signed"]["x-countersign"][member] = value;
        fs::write(&second, root.to_string()).unwrap();
        for command in ["verify", "policy test", "policy explain"] {
            team.command(command, &image, &[])
                .ends(1)
                .says("refused[root-schema-unsupported]")
                .says("upgrade countersign");
        }
        team.world
            .line("show --file roots/2.root.json")
            .ends(1)
            .says("error[root-schema-unsupported]")
            .says("upgrade countersign");
    }
    fs::write(&second, good).unwrap();
    team.verify(&image, &[]).ends(0).says("root acme version 2");
}

#[test]
fn what_two_scopes_grant_alike_nobody_may_sign() {
    let (team, image) = with_image();
    let deeper = team.signed("shop/api/v2", "1", "release");
    let first = fs::read(team.world.path("roots/1.root.json")).unwrap();
    let pattern = Pattern::parse(&team.spelled("HOST/shop/*")).unwrap();
    let second = signed_after(&first, |draft| {
        draft.set_scope(&[pattern], &ScopeEdit::default()).unwrap();
    });
    fs::write(team.world.path("roots/2.root.json"), second).unwrap();
    for command in ["verify", "policy test", "policy explain"] {
        team.command(command, &image, &[])
            .ends(1)
            .says("refused[scope-ambiguous]")
            .says("  remedy: ");
        team.command(command, &deeper, &[]).ends(0);
    }
}

#[test]
fn a_root_is_followed_for_256_versions_and_no_further() {
    let (team, image) = with_image();
    let path = |version: usize| team.world.path(&format!("roots/{version}.root.json"));
    let mut newest = fs::read(path(1)).unwrap();
    for version in 2..=258 {
        newest = signed_after(&newest, |_| {});
        fs::write(path(version), &newest).unwrap();
    }
    team.verify(&image, &[])
        .ends(1)
        .says("refused[root-too-many]")
        .says("pin a newer version");
    fs::remove_file(path(258)).unwrap();
    team.verify(&image, &[])
        .ends(0)
        .says("root acme version 257");
}
