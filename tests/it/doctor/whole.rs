//! Whole reports, and that each code is seen both when all is well and when it is not.

use std::collections::BTreeSet;

use countersign_stand_in::Lie;

use super::{Clinic, RELEASE, Report};

/// What differs from run to run, by its name.
fn steady(clinic: &Clinic, text: &str) -> String {
    let world = &clinic.world;
    let proxy = world.stand_in.proxy().unwrap().port().unwrap().to_string();
    let text = text
        .replace(&world.path("").display().to_string(), "FOLDER/")
        .replace(&world.tsa("one"), "https://one.example/")
        .replace(&clinic.arn, "arn:aws:kms:us-east-1:000000000000:key/KEY")
        .replace(&format!("127.0.0.1:{proxy}"), "PROXY")
        .replace(&clinic.image.digest, "sha256:DIGEST");
    let mut steady = String::new();
    for line in text.split_inclusive('\n') {
        let words = line.split(' ').map(|word| {
            let bare = word.trim_end_matches([',', '\n', ';']);
            if bare.len() >= 20
                && bare.starts_with("20")
                && bare.contains('T')
                && bare.ends_with('Z')
            {
                word.replace(bare, "TIME")
            } else {
                word.to_owned()
            }
        });
        steady.push_str(&words.collect::<Vec<_>>().join(" "));
    }
    // Random, and shown by its beginning.
    let key = steady
        .split_once("(key ")
        .map(|(_, rest)| rest.split('…').next().unwrap().to_owned());
    match key {
        Some(key) => steady.replace(&key, "KEY"),
        None => steady,
    }
}

fn well() -> Clinic {
    let clinic = Clinic::new().remembered();
    clinic.world.stand_in.set_lifecycle_policy(
        "shop/api",
        r#"{"rules":[{"rulePriority":1,"selection":{"tagStatus":"tagged","tagPatternList":["pr-*"],"countType":"imageCountMoreThan","countNumber":9},"action":{"type":"expire"}}]}"#,
    );
    clinic
}

/// One to which everything is denied.
fn denied() -> Clinic {
    let clinic = Clinic::new();
    for operation in ["GetPublicKey", "Sign"] {
        clinic.deny_kms(operation);
    }
    for operation in ["DescribeRepositories", "GetLifecyclePolicy"] {
        clinic.deny_ecr(operation);
    }
    for (call, action) in [
        ("GET /v2/*/manifests/*", "ecr:BatchGetImage"),
        ("GET /v2/*/blobs/*", "ecr:GetDownloadUrlForLayer"),
        ("GET /v2/*/referrers/*", "ecr:BatchGetImage"),
        ("PUT /v2/*/blobs/uploads/*", "ecr:UploadLayerPart"),
        ("PUT /v2/*/manifests/*", "ecr:PutImage"),
    ] {
        clinic.deny(call, action);
    }
    // Of this one the answer has no body.
    clinic.lie("HEAD /v2/*/blobs/*", Lie::status(403));
    clinic.lie("POST /one", Lie::status(503));
    clinic
}

#[test]
fn when_all_is_well_it_is_said_of_each() {
    let clinic = well();
    let image = clinic.image.tagged();
    let run = clinic
        .run(&["doctor", "--key", RELEASE, &image], &[])
        .ends(0);
    insta::assert_snapshot!(steady(&clinic, &run.stdout));
    clinic.nothing_was_done();
}

#[test]
fn what_is_denied_is_said_with_the_statements_that_allow_it() {
    let clinic = denied();
    let image = clinic.image.tagged();
    let run = clinic
        .run(&["doctor", "--key", RELEASE, &image], &[])
        .ends(1);
    insta::assert_snapshot!(steady(&clinic, &run.stdout));
    clinic.nothing_was_done();
    // The same for programs.
    let report = clinic.report().ends(1);
    let policies = report.document["policies"].as_array().unwrap();
    assert_eq!(policies.len(), 1, "{policies:#?}");
    assert_eq!(policies[0]["in"], "caller");
    assert_eq!(policies[0]["policy"]["Version"], "2012-10-17");
}

#[test]
fn each_code_is_seen_when_all_is_well_and_when_it_is_not() {
    let clinic = well();
    let good = [
        clinic.report(),
        clinic.report_with(&["--for", "verify", "--key", "release.pub"], &[]),
    ];
    let ill = denied();
    let mut codes = seen(&good, |status| status == "ok");
    // Who cannot read the key does not learn that it is the stand-in's.
    let described = ill.report();
    codes.extend(seen(std::slice::from_ref(&described), |status| {
        status == "ok"
    }));
    assert_eq!(codes, all());

    let broken = well();
    broken.world.write("config.toml", "version = 2");
    broken.world.write("policy.toml", "version = 2");
    broken.world.stand_in.set_lifecycle_policy("shop/api", "{}");
    broken.lie(
        "GET /v2/*/referrers/*",
        Lie::Header(
            "Date".to_owned(),
            "Fri, 01 Jan 2021 00:00:00 GMT".to_owned(),
        ),
    );
    let (mode, variables) = (
        std::os::unix::fs::PermissionsExt::from_mode(0o777),
        [
            ("AWS_REGION", ""),
            ("AWS_DEFAULT_REGION", ""),
            ("COUNTERSIGN_CONFIG", "config.toml"),
            ("SSL_CERT_DIR", "nowhere"),
        ],
    );
    std::fs::set_permissions(broken.world.path("state"), mode).unwrap();
    let image = broken.image.tagged();
    let mut bad = vec![
        described,
        broken.report_with(
            &["--key", RELEASE, "--key", "nothing.key", &image],
            &variables,
        ),
    ];
    let moved = well();
    moved
        .world
        .stand_in
        .move_alias("alias/release", "alias/stand-in")
        .unwrap();
    let other = moved.world.chain("two");
    std::fs::write(moved.world.path("two.pem"), std::fs::read(other).unwrap()).unwrap();
    let image = moved.image.tagged();
    let two = moved.world.tsa("two");
    bad.push(moved.report_with(&["--key", RELEASE, "--tsa", &two, &image], &[]));
    let mut state = moved
        .world
        .stand_in
        .set_key_state("alias/release", countersign_stand_in::KeyState::Disabled);
    state = state.and(
        moved
            .world
            .stand_in
            .create_key_for(
                countersign_stand_in::KeyUsage::EncryptDecrypt,
                countersign_stand_in::KeySpec::RSA_2048,
                "alias/wrong",
            )
            .map(|_| ()),
    );
    state.unwrap();
    bad.push(moved.report_with(&["--key", RELEASE, "--key", "alias/wrong"], &[]));
    bad.push(moved.report_with(&["--key", RELEASE], &[("AWS_ACCESS_KEY_ID", "")]));
    moved.deny_kms("DescribeKey");
    moved.lie(
        "AWSSecurityTokenService*",
        Lie::sts_error(
            403,
            "ExpiredToken",
            "The security token included in the request is expired",
        ),
    );
    moved.deny_ecr("GetAuthorizationToken");
    // So that the root cannot be followed.
    std::fs::rename(moved.world.path("acme"), moved.world.path("away")).unwrap();
    let image = moved.image.tagged();
    bad.push(moved.report_with(
        &["--key", RELEASE, &image],
        &[("COUNTERSIGN_STATE_DIR", "none")],
    ));
    assert_eq!(
        seen(&bad, |status| ["note", "problem", "unknown"]
            .contains(&status)),
        all()
    );
}

fn seen(reports: &[Report], is_meant: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let findings = reports.iter().flat_map(Report::all);
    let meant = findings.filter(|finding| is_meant(finding["status"].as_str().unwrap()));
    meant
        .map(|finding| finding["code"].as_str().unwrap().to_owned())
        .collect()
}

/// Every code that there is.
fn all() -> BTreeSet<String> {
    let source = include_str!("../../../src/command/doctor/code.rs");
    let codes = source.split("Code::new(\"").skip(1);
    codes
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect()
}
