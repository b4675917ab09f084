//! What is on this machine: configuration, policy and roots, state, the network's settings; and the time-stamp authorities.

use std::{fs, os::unix::fs::PermissionsExt as _};

use countersign_stand_in::{Clock, Lie, TsaSetting};

use super::{Clinic, RELEASE, Report};
use crate::world::World;

#[test]
fn a_configuration_that_is_not_understood_hides_nothing_else() {
    let clinic = Clinic::new();
    let config = clinic.world.write("config.toml", "version = 2");
    let image = clinic.image.tagged();
    let arguments = ["--config", &config, "--key", RELEASE, &image];
    clinic
        .report_with(&arguments, &[])
        .ends(1)
        .has("configuration", "problem", "`version` is 2")
        .has("kms-sign", "ok", "");
    clinic.world.write(
        "config.toml",
        &format!("version = 1\n[sign]\nkey = \"{RELEASE}\""),
    );
    // And the key that it names is looked at.
    clinic
        .report_with(&["--config", &config, &image], &[])
        .ends(0)
        .has("configuration", "ok", "config.toml is understood")
        .has("kms-sign", "ok", "");
}

#[test]
fn who_names_nothing_is_told_what_to_name() {
    let world = World::oci();
    let run = world.countersign_with(&["doctor"], &[("COUNTERSIGN_TSA", "")]);
    run.ends(0)
        .says("not checked: no key is named\n  remedy: name the key")
        .says("not checked: no repository is named\n  remedy: name what is to be signed")
        .says("not checked: there is no policy\n  remedy: name one with `--policy`");
}

#[test]
fn what_is_no_key_or_image_is_usage() {
    let clinic = Clinic::new();
    for arguments in [
        ["doctor", "--key", "awskms://alias/release"],
        ["doctor", "--", "Not An Image"],
        ["doctor", "--for", "nothing"],
    ] {
        clinic.run(&arguments, &[]).ends(2);
    }
    clinic
        .run(&["doctor", "oci:folder:1"], &[])
        .ends(2)
        .says(
            "error[repository-missing]: oci:folder:1 is a folder, and `doctor` looks at registries",
        )
        .says("remedy: name the repository that its images come from");
}

#[test]
fn a_policy_and_its_roots_are_looked_at() {
    let clinic = Clinic::new();
    clinic.report().ends(0).has("policy", "ok", "1 rule").has(
        "trust-root",
        "ok",
        "root acme is followed to version 1",
    );
    // No rule is for it.
    let lab = format!("{}/lab/tool", clinic.world.stand_in.registry_host());
    clinic
        .world
        .stand_in
        .set_repository("lab/tool", countersign_stand_in::Mutability::Immutable);
    clinic
        .report_with(&["--for", "verify", &lab], &[])
        .ends(1)
        .has("policy", "problem", "lab/tool");
    clinic
        .report_with(&["--for", "sign", &lab], &[])
        .ends(0)
        .has("policy", "note", "lab/tool");
    fs::rename(clinic.world.path("acme"), clinic.world.path("away")).unwrap();
    let report = clinic.report().ends(3);
    assert_eq!(
        report.finding("trust-root", "unknown")["cause"],
        "root-unavailable"
    );
    report.has("key-trusted", "skipped", "trust root acme");
    clinic
        .world
        .write("policy.toml", "version = 1\n[[policy]]\n");
    clinic
        .report()
        .ends(1)
        .has("policy", "problem", "policy.toml");
}

#[test]
fn a_state_is_trusted_and_can_be_written_or_is_a_problem() {
    let clinic = Clinic::new().remembered();
    let mode = |mode| {
        let folder = clinic.world.path("state");
        fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
    };
    clinic
        .report()
        .ends(0)
        .has("state", "ok", "trust roots are remembered");
    mode(0o777);
    let report = clinic.report().ends(1);
    assert_eq!(report.finding("state", "problem")["cause"], "state-unsafe");
    mode(0o700);
    clinic.world.write("state/state.json", "{}");
    clinic.report().ends(1).has("state", "problem", "");
    clinic
        .report_with(&[], &[("COUNTERSIGN_STATE_DIR", "none")])
        .ends(0)
        .has("state", "note", "--init-state");
    assert!(!clinic.world.path("none").exists());
}

#[test]
fn proxies_and_certificates_that_are_set_are_told() {
    let clinic = Clinic::new();
    clinic.report_with(&[], &[]).ends(0).has(
        "network",
        "ok",
        "the proxy of `HTTPS_PROXY` is 127.0.0.1:",
    );
    clinic
        .report_with(&[], &[("SSL_CERT_FILE", "absent.pem")])
        .ends(1)
        .has("network", "problem", "`SSL_CERT_FILE` names absent.pem");
    clinic
        .report_with(&[], &[("SSL_CERT_FILE", "")])
        .has("network", "note", "`AWS_CA_BUNDLE`");
    clinic
        .report_with(&[], &[("ALL_PROXY", "http://")])
        .ends(1)
        .has("network", "problem", "`ALL_PROXY` names no proxy");
    clinic
        .report_with(&["--ca-file", "absent.pem"], &[])
        .ends(1)
        .has("network", "problem", "absent.pem");
    // Where KMS is asked elsewhere, that is told.
    let world = World::oci();
    let run = world.countersign(&["doctor", "--output", "json", "--key", &World::kms_key()]);
    Report::of(run)
        .ends(0)
        .has("network", "note", "not at AWS's own address");
}

#[test]
fn an_authority_stamps_and_is_believed_or_is_a_problem() {
    let clinic = Clinic::new();
    clinic
        .report()
        .ends(0)
        .has("authority", "ok", "/one stamps")
        .has("authority-trusted", "ok", "one.example")
        .has("clock", "ok", "/one");
    let (two, image) = (clinic.world.tsa("two"), clinic.image.tagged());
    clinic
        .report_with(&["--key", RELEASE, "--tsa", &two, &image], &[])
        .ends(1)
        .has("authority-trusted", "problem", "countersign trust add-tsa");
    clinic.lie("POST /one", Lie::status(500));
    clinic.report().ends(3).has("authority", "unknown", "/one");
    clinic.world.stand_in.faults().clear();
    for (seconds, code, status) in [(-3_600, 1, "problem"), (-60, 0, "note"), (0, 0, "ok")] {
        let setting = TsaSetting {
            clock: Clock::Offset(seconds),
            ..TsaSetting::default()
        };
        clinic.world.stand_in.set_tsa("one", setting);
        let report = clinic.report().ends(code);
        report.finding("clock", status);
    }
}

#[test]
fn without_a_root_authorities_are_those_that_are_named() {
    let world = World::oci();
    let ask = |arguments: &[&str], tsa: &str| {
        let words = [&["doctor", "--output", "json", "--for", "sign"], arguments].concat();
        Report::of(world.countersign_with(&words, &[("COUNTERSIGN_TSA", tsa)]))
    };
    let (one, chain, other) = (world.tsa("one"), world.chain("one"), world.chain("two"));
    ask(&[], "").ends(0).has("authority", "note", "--no-tsa");
    ask(&[], &one)
        .ends(0)
        .has("authority", "ok", "/one")
        .has("authority-trusted", "skipped", "");
    ask(&["--tsa-chain", &chain], &one)
        .ends(0)
        .has("authority-trusted", "ok", "");
    ask(&["--tsa-chain", &other], &one)
        .ends(1)
        .has("authority-trusted", "problem", "--tsa-chain");
    ask(&["--tsa-chain", "absent.pem"], &one)
        .ends(1)
        .has("authority", "problem", "absent.pem");
    let words = ["doctor", "--output", "json", "--for", "verify"];
    let skipped = Report::of(world.countersign_with(&words, &[("COUNTERSIGN_TSA", "")])).ends(0);
    skipped.has("authority", "skipped", "who verifies asks no");
}

#[test]
fn fewer_authorities_than_the_root_wants_are_a_problem() {
    let clinic = Clinic::new();
    let (url, chain) = (clinic.world.tsa("two"), clinic.world.chain("two"));
    let words = [
        "add-tsa",
        "--dir",
        "acme",
        "--operator",
        "two.example",
        "--url",
        &url,
    ];
    clinic
        .world
        .trust(&[&words[..], &["--chain", &chain]].concat())
        .ends(0);
    clinic
        .world
        .all_sign("acme", &["alice", "bob"])
        .says("complete: ");
    clinic
        .report()
        .ends(0)
        .has("authority", "ok", "/two stamps");
    let one = clinic.world.tsa("one");
    clinic
        .report_with(
            &["--key", RELEASE, "--tsa", &one, &clinic.image.tagged()],
            &[],
        )
        .ends(1)
        .has("authority", "problem", "the stamps of 2 operators");
}

#[test]
fn no_secret_is_shown() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a").tagged();
    let one = world.tsa("one").replace("://", "://me:hunter2@");
    let environment = [
        ("COUNTERSIGN_TSA", format!("{one}?token=hunter2")),
        ("HTTPS_PROXY", "http://me:hunter2@127.0.0.1:9/".to_owned()),
        ("HTTP_PROXY", "http://me:hunter2@ 127.0.0.1:9/".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "hunter2".to_owned()),
        ("AWS_SESSION_TOKEN", "hunter2".to_owned()),
    ];
    let environment: Vec<_> = environment.iter().map(|(k, v)| (*k, v.as_str())).collect();
    for output in ["text", "json"] {
        let key = World::kms_key();
        let words = ["-vv", "doctor", "--output", output, "--key", &key, &image];
        let run = world.countersign_with(&words, &environment);
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains("127.0.0.1:9"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}
