//! Keys: in KMS, where actions are denied one by one, and in files.

use std::{fs, os::unix::fs::PermissionsExt as _};

use countersign_stand_in::{KeySpec, KeyState, KeyUsage, Lie};

use super::{CALLER, Clinic, RELEASE};

#[test]
fn a_denied_action_comes_with_the_statement_that_allows_it() {
    for (operation, code, action) in [
        ("GetPublicKey", "kms-get-public-key", "kms:GetPublicKey"),
        ("Sign", "kms-sign", "kms:Sign"),
    ] {
        let clinic = Clinic::new();
        clinic.deny_kms(operation);
        let report = clinic.report().ends(1);
        let expected = format!(
            r#"{{"Action":"{action}","Effect":"Allow","Resource":"{}"}}"#,
            clinic.arn
        );
        assert_eq!(report.statement(code), expected);
        clinic.nothing_was_done();
        clinic.world.stand_in.faults().clear();
        clinic.report().ends(0).has(code, "ok", action);
    }
}

#[test]
fn who_may_not_describe_the_key_may_sign_with_it() {
    let clinic = Clinic::new();
    clinic.deny_kms("DescribeKey");
    let report = clinic.report().ends(0).has("key-state", "ok", "would sign");
    let finding = report.finding("kms-describe-key", "note");
    assert_eq!(
        finding["statements"][0]["statement"]["Action"],
        "kms:DescribeKey"
    );
}

#[test]
fn who_may_neither_read_nor_describe_a_key_still_learns_whether_they_may_sign() {
    let clinic = Clinic::new();
    for operation in ["GetPublicKey", "DescribeKey", "Sign"] {
        clinic.deny_kms(operation);
    }
    let report = clinic.report().ends(1);
    report.finding("kms-sign", "problem");
    assert_eq!(
        report.document["policies"][0]["policy"]["Statement"][0]["Action"],
        serde_json::json!(["kms:GetPublicKey", "kms:Sign"])
    );
    clinic.nothing_was_done();
    clinic.world.stand_in.faults().clear();
    for operation in ["GetPublicKey", "DescribeKey"] {
        clinic.deny_kms(operation);
    }
    clinic
        .report()
        .ends(1)
        .has("kms-sign", "ok", "by a dry run");
    // A key of another kind was not asked rightly, so that nothing is known.
    let stand_in = &clinic.world.stand_in;
    stand_in
        .create_key(KeySpec::ECC_NIST_P384, "alias/p384")
        .unwrap();
    clinic
        .report_with(&["--key", "alias/p384"], &[])
        .ends(1)
        .has("kms-sign", "skipped", "");
}

#[test]
fn what_bounds_the_caller_is_told_from_its_own_policy() {
    let clinic = Clinic::new();
    let message = format!(
        "User: {CALLER} is not authorized to perform: kms:Sign on resource: {} because no permissions boundary allows the kms:Sign action",
        clinic.arn
    );
    clinic.lie(
        "TrentService.Sign",
        Lie::aws_error(400, "AccessDeniedException", &message),
    );
    let report = clinic.report().ends(1);
    let statement = &report.finding("kms-sign", "problem")["statements"][0];
    assert_eq!(statement["in"], "permissions boundary");
    assert_eq!(statement["statement"]["Resource"], clinic.arn);
}

#[test]
fn of_a_key_in_another_account_both_policies_must_allow_it() {
    let clinic = Clinic::new();
    let caller = "arn:aws:sts::444455556666:assumed-role/release/run-7";
    let xml = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult><Arn>{caller}</Arn><UserId>A</UserId><Account>444455556666</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
    );
    clinic.lie("AWSSecurityTokenService*", Lie::Body(xml.into()));
    clinic.deny_kms("Sign");
    let report = clinic.report().ends(1);
    let finding = report.finding("kms-sign", "problem");
    assert_eq!(finding["statements"][0]["in"], "caller");
    assert_eq!(finding["statements"][1]["in"], "key");
    assert_eq!(finding["statements"][1]["of"], clinic.arn);
    assert_eq!(
        finding["statements"][1]["statement"]["Principal"]["AWS"],
        "arn:aws:iam::444455556666:role/release"
    );
    assert_eq!(report.document["policies"].as_array().unwrap().len(), 2);
}

#[test]
fn against_an_explicit_denial_no_statement_is_offered() {
    let clinic = Clinic::new();
    let message = format!(
        "User: {CALLER} is not authorized to perform: kms:Sign on resource: {} with an explicit deny in a service control policy",
        clinic.arn
    );
    clinic.lie(
        "TrentService.Sign",
        Lie::aws_error(400, "AccessDeniedException", &message),
    );
    let report =
        clinic
            .report()
            .ends(1)
            .has("kms-sign", "problem", "a service control policy forbids it");
    assert_eq!(report.document["policies"], serde_json::json!([]));
}

#[test]
fn a_key_that_cannot_be_used_is_a_problem_once() {
    for (state, said) in [
        (KeyState::Disabled, "its state is Disabled"),
        (KeyState::PendingDeletion, "will be deleted"),
        (KeyState::PendingImport, "its state is PendingImport"),
    ] {
        let clinic = Clinic::new();
        clinic
            .world
            .stand_in
            .set_key_state(RELEASE.trim_start_matches("awskms:///"), state)
            .unwrap();
        clinic
            .report_with(&["--key", RELEASE], &[])
            .ends(1)
            .has("key-state", "problem", said)
            .has("kms-sign", "skipped", "the key's state forbids it");
        // What it signed goes on to count.
        clinic
            .report_with(&["--for", "verify", "--key", RELEASE], &[])
            .has("key-state", "note", said);
    }
}

#[test]
fn a_key_that_is_for_something_else_is_a_problem() {
    let clinic = Clinic::new();
    let stand_in = &clinic.world.stand_in;
    let usage = KeyUsage::EncryptDecrypt;
    stand_in
        .create_key_for(usage, KeySpec::RSA_2048, "alias/wrong")
        .unwrap();
    stand_in
        .create_key(KeySpec::ECC_NIST_P384, "alias/p384")
        .unwrap();
    clinic
        .report_with(&["--key", "alias/wrong"], &[])
        .ends(1)
        .has("key-spec", "problem", "SIGN_VERIFY");
    clinic
        .report_with(&["--key", "alias/p384"], &[])
        .ends(0)
        .has("key-spec", "note", "cosign");
    clinic
        .report_with(&["--key", "alias/nothing"], &[])
        .ends(1)
        .has(
            "kms-get-public-key",
            "problem",
            "there is no key alias/nothing",
        );
}

#[test]
fn an_alias_that_was_pointed_elsewhere_is_held_against_the_root() {
    let clinic = Clinic::new();
    clinic
        .report()
        .ends(0)
        .has("key-trusted", "ok", "lets awskms:///alias/release");
    let stand_in = &clinic.world.stand_in;
    stand_in
        .move_alias("alias/release", "alias/stand-in")
        .unwrap();
    let report =
        clinic
            .report()
            .ends(1)
            .has("key-trusted", "problem", "find out who pointed the alias");
    assert_eq!(
        report.finding("key-trusted", "problem")["cause"],
        "key-unknown"
    );
    // Beside another repository nobody holds it against anything.
    let other = format!("{}/lab/tool", stand_in.registry_host());
    stand_in.set_repository("lab/tool", countersign_stand_in::Mutability::Mutable);
    clinic
        .report_with(&["--key", RELEASE, &other], &[])
        .ends(0)
        .has("key-trusted", "skipped", "no rule");
}

#[test]
fn keys_come_from_where_imported_ones_and_replicas_say() {
    let clinic = Clinic::new();
    let metadata = |more: &str| {
        format!(
            r#"{{"Arn":"{}","KeyId":"k","KeySpec":"ECC_NIST_P256","KeyState":"Enabled","KeyUsage":"SIGN_VERIFY",{more}}}"#,
            clinic.arn
        )
    };
    clinic.deny_kms("GetPublicKey");
    for (more, status, said) in [
        (r#""Origin":"AWS_KMS""#, "ok", "nobody can copy it"),
        (
            r#""Origin":"EXTERNAL","ValidTo":4102444800"#,
            "note",
            "KMS forgets it at 2100-01-01T00:00:00Z",
        ),
        (r#""Origin":"AWS_CLOUDHSM""#, "ok", "AWS_CLOUDHSM"),
        (
            r#""Origin":"AWS_KMS","MultiRegion":true,"MultiRegionConfiguration":{"MultiRegionKeyType":"REPLICA","PrimaryKey":{"Region":"eu-west-1"}}"#,
            "ok",
            "a replica of the key in eu-west-1",
        ),
        (
            r#""Origin":"AWS_KMS","MultiRegion":true,"MultiRegionConfiguration":{"MultiRegionKeyType":"PRIMARY","ReplicaKeys":[{"Region":"eu-west-1"}]}"#,
            "ok",
            "replicas in eu-west-1",
        ),
        (
            r#""Origin":"AWS_KMS","MultiRegion":true,"MultiRegionConfiguration":{"MultiRegionKeyType":"PRIMARY","ReplicaKeys":[]}"#,
            "ok",
            "without a replica yet",
        ),
    ] {
        let lie = Lie::Member("KeyMetadata".to_owned(), metadata(more));
        let fault = countersign_stand_in::Fault::on("TrentService.DescribeKey", lie);
        clinic.world.stand_in.faults().push(fault.times(1));
        clinic
            .report_with(&["--key", RELEASE], &[])
            .has("key-origin", status, said);
    }
}

#[test]
fn a_key_file_is_looked_at_and_not_opened_to_others() {
    let clinic = Clinic::new();
    let (private, public) = clinic.world.key_files("mine", "p256");
    let words = ["--key", private.as_str()];
    clinic
        .report_with(&words, &[])
        .ends(0)
        .has("key-file", "note", "not encrypted");
    fs::set_permissions(&private, fs::Permissions::from_mode(0o640)).unwrap();
    clinic
        .report_with(&words, &[])
        .ends(1)
        .has("key-file", "problem", "mode is 0640");
    clinic.report_with(&["--key", &public], &[]).ends(1).has(
        "key-file",
        "problem",
        "signs nothing",
    );
    clinic
        .report_with(&["--for", "verify", "--key", &public], &[])
        .ends(0)
        .has("key-file", "ok", "the public key");
    // Which verifying does not take.
    clinic
        .report_with(&["--for", "verify", "--key", &private], &[])
        .ends(1)
        .has("key-file", "problem", "countersign key public");
    let nonsense = clinic.world.write("nonsense.pem", "no key");
    clinic.report_with(&["--key", &nonsense], &[]).ends(1).has(
        "key-file",
        "problem",
        "no key in PEM",
    );
    clinic
        .report_with(&["--key", "absent.key"], &[])
        .ends(1)
        .has("key-file", "problem", "absent.key");
}

#[test]
fn an_encrypted_key_file_is_what_signing_says_it_is() {
    let clinic = Clinic::new();
    let world = &clinic.world;
    let password = [("COUNTERSIGN_KEY_PASSWORD", "secret")];
    for form in ["encrypted", "cosign"] {
        let words = ["key", "generate", form, "--format", form];
        world.countersign_with(&words, &password).ends(0);
    }
    let pem =
        |label: &str, body: &str| format!("-----BEGIN {label}-----\n{body}-----END {label}-----\n");
    let legacy = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n";
    for (name, text) in [
        ("broken.key", pem("ENCRYPTED PRIVATE KEY", "AAAA\n")),
        ("legacy.key", pem("RSA PRIVATE KEY", legacy)),
    ] {
        let file = world.write(name, &text);
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let image = clinic.image.pinned();
    let wrong = [("COUNTERSIGN_KEY_PASSWORD", "wrong")];
    let nothing: [(&str, &str); 0] = [];
    for (file, variables, is_well, said) in [
        (
            "encrypted.key",
            &nothing[..],
            None,
            "whose password is not given",
        ),
        (
            "encrypted.key",
            &password[..],
            Some(true),
            "with the password that is given",
        ),
        (
            "cosign.key",
            &password[..],
            Some(true),
            "with the password that is given",
        ),
        ("encrypted.key", &wrong[..], Some(false), "password"),
        ("broken.key", &password[..], Some(false), "broken.key"),
        ("broken.key", &nothing[..], Some(false), "broken.key"),
        (
            "legacy.key",
            &password[..],
            Some(false),
            "encrypted in another way",
        ),
    ] {
        // What a rule says of the key is not asked here.
        let variables = [variables, &[("COUNTERSIGN_POLICY", "")]].concat();
        let report = clinic.report_with(&["--key", file], &variables);
        let status = if is_well == Some(false) {
            "problem"
        } else {
            "ok"
        };
        let report = report.has("key-file", status, said);
        assert!(!report.run.stdout.contains("secret"));
        let Some(is_well) = is_well else { continue };
        let words = ["sign", "--no-tsa", "--key", file, &image];
        let signed = clinic.run(&words, &variables);
        assert_eq!(signed.code == 0, is_well, "{file}: {}", signed.stderr);
    }
    // It is used though others can read it.
    let exposed = world.path("encrypted.key");
    fs::set_permissions(exposed, fs::Permissions::from_mode(0o644)).unwrap();
    clinic
        .report_with(&["--key", "encrypted.key"], &[])
        .ends(0)
        .has("key-file", "note", "mode is 0644");
    // Whoever writes its folder can put another in its place.
    let folder = world.path("open");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    fs::rename(world.path("cosign.key"), folder.join("cosign.key")).unwrap();
    clinic
        .report_with(&["--key", "open/cosign.key"], &[])
        .ends(0)
        .has("key-file", "note", "everybody may write the folder");
}

#[test]
fn an_algorithm_is_for_those_of_several_keys_that_can_use_it() {
    let clinic = Clinic::new();
    let (file, _) = clinic.world.key_files("ed", "ed25519");
    let stand_in = &clinic.world.stand_in;
    stand_in.create_key(KeySpec::RSA_2048, "alias/rsa").unwrap();
    let ask = |keys: &[&str], algorithm: &str| {
        let mut words = vec!["--algorithm", algorithm];
        words.extend(keys.iter().flat_map(|key| ["--key", key]));
        clinic.report_with(&words, &[])
    };
    ask(&["alias/rsa", RELEASE, &file], "rsa-pss-sha256")
        .ends(0)
        .has(
            "key-spec",
            "note",
            "alias/rsa is an RSA_2048 key and signs with `rsa-pss-sha256`",
        )
        .has("key-spec", "ok", "signs with `ecdsa-p256-sha256`")
        .has("kms-sign", "ok", "");
    ask(&[RELEASE, &file], "rsa-pss-sha256").ends(1).has(
        "key-spec",
        "problem",
        "none of the keys can be used with",
    );
    ask(&[RELEASE], "rsa-pss-sha256")
        .ends(1)
        .has("key-spec", "problem", "P-256");
    let found = clinic
        .report_with(&["--key", RELEASE, "--key", "alias/release"], &[])
        .ends(1)
        .has("key-spec", "problem", "alias/release is named twice");
    assert_eq!(found.found("kms-sign").len(), 2);
    // The one of the configuration is for its key.
    let config = "version = 1\n[sign]\nkey = \"alias/rsa\"\nalgorithm = \"rsa-pss-sha512\"";
    let config = clinic.world.write("config.toml", config);
    clinic
        .report_with(&["--config", &config], &[])
        .has("key-spec", "note", "`rsa-pss-sha512`");
}

#[test]
fn a_key_service_that_is_silent_or_throttles_is_not_known() {
    let clinic = Clinic::new();
    clinic.lie("TrentService.*", Lie::Silence);
    clinic
        .report_with(&["--timeout", "2", "--key", RELEASE], &[])
        .ends(3)
        .has("kms-get-public-key", "unknown", "within 2 s")
        .has("kms-sign", "skipped", "");
    clinic.world.stand_in.faults().clear();
    clinic.lie(
        "TrentService.Sign",
        Lie::aws_error(500, "KMSInternalException", "later"),
    );
    clinic
        .report_with(&["--timeout", "2", "--key", RELEASE], &[])
        .ends(3)
        .has("kms-sign", "unknown", "");
}

#[test]
fn every_kind_of_key_is_asked_by_a_dry_run_that_it_would_take() {
    let clinic = Clinic::new();
    let stand_in = &clinic.world.stand_in;
    let mut words = vec![
        "doctor".to_owned(),
        "--output".to_owned(),
        "json".to_owned(),
    ];
    for (number, spec) in [
        KeySpec::ECC_NIST_P256,
        KeySpec::ECC_NIST_P384,
        KeySpec::ECC_NIST_P521,
        KeySpec::ECC_NIST_EDWARDS25519,
        KeySpec::ML_DSA_44,
        KeySpec::ML_DSA_65,
        KeySpec::ML_DSA_87,
        KeySpec::RSA_2048,
    ]
    .into_iter()
    .enumerate()
    {
        let alias = format!("alias/kind-{number}");
        stand_in.create_key(spec, &alias).unwrap();
        words.extend(["--key".to_owned(), alias]);
    }
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let report = super::Report::of(clinic.run(&words, &[])).ends(0);
    let allowed = report.found("kms-sign");
    assert_eq!(allowed.len(), 8);
    assert!(
        allowed.iter().all(|finding| finding["status"] == "ok"),
        "{allowed:#?}"
    );
    clinic.nothing_was_done();
}

#[test]
fn a_service_that_signs_in_a_dry_run_is_a_problem() {
    let clinic = Clinic::new();
    let signed = serde_json::json!({
        "KeyId": clinic.arn, "Signature": "AAAA", "SigningAlgorithm": "ECDSA_SHA_256",
    });
    let lie = Lie::Instead {
        status: 200,
        headers: vec![(
            "Content-Type".to_owned(),
            "application/x-amz-json-1.1".to_owned(),
        )],
        body: signed.to_string().into(),
    };
    clinic.lie("TrentService.Sign", lie);
    clinic.report_with(&["--key", RELEASE], &[]).ends(1).has(
        "kms-sign",
        "problem",
        "it signed though it was asked not to",
    );
}
