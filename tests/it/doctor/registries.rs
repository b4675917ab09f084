//! Registries: Amazon ECR, where each action is denied by itself, and others.

use std::time::{Duration, Instant};

use countersign_stand_in::{
    Fault, Lie, Login, Mutability, Options, RegistryMode, Repositories, Transport,
};
use serde_json::Value;

use super::{Clinic, RELEASE, Report, nothing_was_written};
use crate::world::World;

const REPOSITORY: &str = "arn:aws:ecr:us-east-1:000000000000:repository/shop/api";

#[test]
fn each_action_that_is_denied_is_told_by_itself_with_its_statement() {
    for (call, code, action) in [
        (
            "GET /v2/*/manifests/*",
            "registry-manifest",
            "ecr:BatchGetImage",
        ),
        (
            "GET /v2/*/blobs/*",
            "registry-blob",
            "ecr:GetDownloadUrlForLayer",
        ),
        (
            "GET /v2/*/referrers/*",
            "registry-referrers",
            "ecr:BatchGetImage",
        ),
        (
            "POST /v2/*/blobs/uploads/",
            "registry-upload",
            "ecr:InitiateLayerUpload",
        ),
        (
            "PUT /v2/*/blobs/uploads/*",
            "registry-upload",
            "ecr:CompleteLayerUpload",
        ),
        ("PUT /v2/*/manifests/*", "registry-push", "ecr:PutImage"),
    ] {
        let clinic = Clinic::new();
        clinic.deny(call, action);
        let report = clinic.report().ends(1);
        // And what comes after it, which was not reached.
        let actions = match action {
            "ecr:InitiateLayerUpload" => {
                r#"["ecr:InitiateLayerUpload","ecr:UploadLayerPart","ecr:CompleteLayerUpload"]"#
                    .to_owned()
            }
            only => format!("\"{only}\""),
        };
        let expected =
            format!(r#"{{"Action":{actions},"Effect":"Allow","Resource":"{REPOSITORY}"}}"#);
        assert_eq!(report.statement(code), expected, "{call}");
        let problems = report.all().iter();
        let problems = problems.filter(|finding| finding["status"] == "problem");
        assert_eq!(problems.count(), 1, "{:#}", report.document);
        clinic.nothing_was_done();
    }
}

#[test]
fn a_denial_without_a_word_is_of_all_that_the_request_needs() {
    let clinic = Clinic::new();
    clinic.lie("HEAD /v2/*/blobs/*", Lie::status(403));
    clinic.lie("PUT /v2/*/blobs/uploads/*", Lie::status(403));
    let report = clinic.report().ends(1);
    assert!(
        report
            .statement("registry-blob-check")
            .contains("ecr:BatchCheckLayerAvailability")
    );
    let finding = report.finding("registry-upload", "problem");
    assert_eq!(
        finding["statements"][0]["statement"]["Action"],
        serde_json::json!(["ecr:UploadLayerPart", "ecr:CompleteLayerUpload"])
    );
    // All of it together, each once.
    assert_eq!(
        report.document["policies"][0]["policy"]["Statement"],
        serde_json::json!([{
            "Effect": "Allow", "Resource": REPOSITORY,
            "Action": ["ecr:BatchCheckLayerAvailability", "ecr:CompleteLayerUpload", "ecr:UploadLayerPart"],
        }])
    );
}

#[test]
fn a_login_that_is_denied_is_for_every_repository() {
    let clinic = Clinic::new();
    clinic.deny_ecr("GetAuthorizationToken");
    let report = clinic.report().ends(1);
    assert_eq!(
        report.statement("ecr-login"),
        r#"{"Action":"ecr:GetAuthorizationToken","Effect":"Allow","Resource":"*"}"#
    );
    let report = report.has("registry-manifest", "unknown", "no credentials for");
    assert_eq!(
        report.finding("registry-manifest", "unknown")["cause"],
        "credentials-unavailable"
    );
    // With a login of Docker's it is not needed yet.
    let docker = clinic.world.path("docker").display().to_string();
    clinic
        .report_with(
            &["--key", RELEASE, &clinic.image.tagged()],
            &[("DOCKER_CONFIG", &docker)],
        )
        .ends(0)
        .has("ecr-login", "note", "Docker's configuration has a login")
        .has("registry-manifest", "ok", "");
}

#[test]
fn what_only_doctor_would_need_is_a_note() {
    let clinic = Clinic::new();
    clinic.deny_ecr("DescribeRepositories");
    clinic.deny_ecr("GetLifecyclePolicy");
    clinic
        .report()
        .ends(0)
        .has("ecr-tags", "note", "nothing of Countersign needs it")
        .has("ecr-lifecycle", "note", "`ecr:GetLifecyclePolicy`");
    clinic.world.stand_in.faults().clear();
    clinic.lie("*.DescribeRepositories", Lie::Silence);
    clinic
        .report_with(
            &["--timeout", "2", "--key", RELEASE, &clinic.image.tagged()],
            &[],
        )
        .ends(3)
        .has("ecr-tags", "unknown", "did not answer within 2 s");
}

#[test]
fn what_aws_throttles_is_asked_again_or_not_known() {
    let clinic = Clinic::new();
    let calls = [
        ("*.DescribeRepositories", "ecr-tags"),
        ("*.GetLifecyclePolicy", "ecr-lifecycle"),
        ("*.GetAuthorizationToken", "registry-manifest"),
        ("TrentService.GetPublicKey", "kms-get-public-key"),
    ];
    let words = ["--timeout", "30", "--key", RELEASE, &clinic.image.tagged()];
    for (call, code) in calls {
        let fault = Fault::on(call, Lie::kms_throttled());
        clinic.world.stand_in.faults().push(fault.times(1));
        clinic.report_with(&words, &[]).ends(0).has(code, "ok", "");
        for lie in [Lie::kms_throttled(), Lie::status(429)] {
            clinic.lie(call, lie);
            let report = clinic.report_with(&words, &[]).ends(3);
            let found = report.finding(code, "unknown");
            clinic.world.stand_in.faults().clear();
            match code {
                "registry-manifest" => assert_eq!(found["cause"], "registry-throttled"),
                "kms-get-public-key" => assert_eq!(found["cause"], "key-throttled"),
                _ => {}
            }
        }
    }
}

#[test]
fn who_verifies_needs_no_right_to_push() {
    let clinic = Clinic::new();
    for call in ["POST *", "PUT *", "HEAD /v2/*/blobs/*", "TrentService.Sign"] {
        clinic.lie(call, Lie::status(403));
    }
    clinic.world.stand_in.forget_calls();
    let report = clinic
        .report_with(&["--for", "verify", &clinic.image.tagged()], &[])
        .ends(0);
    assert_eq!(report.found("registry-push").len(), 0);
    assert_eq!(clinic.world.writes(), Vec::<String>::new());
    clinic
        .report_with(&["--for", "sign", &clinic.image.tagged()], &[])
        .ends(1);
}

#[test]
fn a_repository_that_is_not_there_is_told_with_how_it_is_made() {
    let clinic = Clinic::new();
    let host = clinic.world.stand_in.registry_host();
    let other = format!("{host}/shop/other");
    clinic
        .report_with(&["--key", RELEASE, &other], &[])
        .ends(1)
        .has(
            "registry-manifest",
            "problem",
            "aws ecr create-repository --region us-east-1 --repository-name shop/other",
        )
        .has("registry-push", "skipped", "no such repository")
        .has("ecr-tags", "skipped", "no such repository");
    // Named by itself it may be empty; an image must be there.
    clinic
        .world
        .stand_in
        .set_repository("shop/other", Mutability::Immutable);
    clinic
        .report_with(&["--key", RELEASE, &other], &[])
        .ends(0)
        .has("registry-manifest", "ok", "may be read");
    clinic
        .report_with(&["--key", RELEASE, &format!("{other}:1")], &[])
        .ends(1)
        .has("registry-manifest", "problem", "there is no manifest");
}

#[test]
fn a_policy_that_would_delete_signatures_is_a_problem() {
    let clinic = Clinic::new();
    let rule = |selection: &str| {
        format!(
            r#"{{"rules":[{{"rulePriority":7,"selection":{{{selection},"countType":"imageCountMoreThan","countNumber":9}},"action":{{"type":"expire"}}}}]}}"#
        )
    };
    for (selection, code, status) in [
        (r#""tagStatus":"untagged""#, 1, "problem"),
        (r#""tagStatus":"any""#, 1, "problem"),
        (
            r#""tagStatus":"tagged","tagPatternList":["*"]"#,
            1,
            "problem",
        ),
        (r#""tagStatus":"tagged","tagPatternList":["pr-*"]"#, 0, "ok"),
    ] {
        clinic
            .world
            .stand_in
            .set_lifecycle_policy("shop/api", &rule(selection));
        clinic.report().ends(code).has("ecr-lifecycle", status, "");
    }
    clinic
        .world
        .stand_in
        .set_lifecycle_policy("shop/api", "\u{1b}[2J");
    let report = clinic.report().ends(3).has("ecr-lifecycle", "unknown", "");
    assert!(!report.run.stdout.contains('\u{1b}'));
}

#[test]
fn tags_that_can_be_moved_are_told_of_and_lists_that_cannot_are_a_problem() {
    let clinic = Clinic::new();
    let set = |mutability| {
        clinic.world.stand_in.set_repository("shop/api", mutability);
    };
    clinic
        .report()
        .ends(0)
        .has("ecr-tags", "ok", "cannot be moved");
    set(Mutability::Mutable);
    clinic
        .report()
        .ends(0)
        .has("ecr-tags", "note", "can be moved");
    clinic.lie("GET /v2/*/referrers/*", Lie::status(404));
    set(Mutability::Immutable);
    clinic
        .report()
        .ends(1)
        .has("ecr-tags", "problem", "exclude `sha256-*`")
        .has("registry-referrers", "note", "no referrers API");
    set(Mutability::ImmutableExcept(vec!["sha256-*".to_owned()]));
    clinic
        .report()
        .ends(0)
        .has("ecr-tags", "ok", "but for sha256-*");
}

/// A registry that is no ECR, with an image.
fn registry(mode: RegistryMode) -> (World, String) {
    let world = World::with(Options {
        registry: mode,
        repositories: Repositories::MustExist,
        ..Options::default()
    });
    let image = world.image("shop/api", "1", "a").tagged();
    (world, image)
}

fn report(world: &World, arguments: &[&str]) -> Report {
    let words = [&["doctor", "--output", "json"], arguments].concat();
    Report::of(world.countersign(&words))
}

#[test]
fn other_registries_are_looked_at_too() {
    for (mode, status) in [
        (RegistryMode::PlainOci(Login::Anonymous), "ok"),
        (RegistryMode::PlainOci(Login::Basic), "ok"),
        (RegistryMode::PlainOci(Login::Bearer), "ok"),
        (RegistryMode::NoReferrersApi(Login::Bearer), "note"),
    ] {
        let (world, image) = registry(mode);
        let report = report(&world, &["--for", "sign", &image])
            .ends(0)
            .has("registry-referrers", status, "")
            .has("registry-push", "ok", "manifests may be pushed")
            .has("registry-upload", "ok", "blobs may be uploaded")
            .has("clock", "ok", "");
        assert_eq!(report.found("ecr-tags").len(), 0);
        nothing_was_written(&world);
    }
}

#[test]
fn who_may_only_pull_is_told_what_to_log_in_with() {
    let (world, image) = registry(RegistryMode::PlainOci(Login::Bearer));
    std::fs::create_dir(world.path("no-login")).unwrap();
    let folder = world.path("no-login").display().to_string();
    let ask = |purpose: &str| {
        let words = ["doctor", "--output", "json", "--for", purpose, &image];
        Report::of(world.countersign_with(&words, &[("DOCKER_CONFIG", &folder)]))
    };
    ask("verify").ends(0).has("registry-blob", "ok", "");
    let report = ask("sign")
        .ends(1)
        .has("registry-push", "problem", "docker login")
        .has("registry-upload", "problem", "docker login")
        .has("registry-manifest", "ok", "");
    assert_eq!(
        report.finding("registry-push", "problem")["cause"],
        "registry-denied"
    );
    assert_eq!(report.document["policies"], serde_json::json!([]));
}

#[test]
fn a_registry_that_takes_anything_is_a_problem() {
    let (world, image) = registry(RegistryMode::PlainOci(Login::Anonymous));
    let taken = Lie::Instead {
        status: 201,
        headers: Vec::new(),
        body: Vec::new().into(),
    };
    for (call, code) in [
        ("PUT /v2/*/manifests/*", "registry-push"),
        ("PUT /v2/*/blobs/uploads/*", "registry-upload"),
    ] {
        world.stand_in.faults().push(Fault::on(call, taken.clone()));
        report(&world, &["--for", "sign", &image]).ends(1).has(
            code,
            "problem",
            "does not hash to its name",
        );
        world.stand_in.faults().clear();
    }
}

#[test]
fn a_registry_that_takes_no_push_at_all_is_a_problem() {
    let (world, image) = registry(RegistryMode::PlainOci(Login::Anonymous));
    for call in ["POST *", "PUT *"] {
        let fault = Fault::on(call, Lie::status(405));
        world.stand_in.faults().push(fault);
    }
    let words = ["--for", "sign", image.as_str()];
    let found = report(&world, &words)
        .ends(1)
        .has("registry-upload", "problem", "with status 405")
        .has("registry-push", "problem", "with status 405")
        .has("registry-blob", "ok", "");
    // As signing says it.
    let cause = &found.finding("registry-upload", "problem")["cause"];
    assert_eq!(cause, "push-rejected");
    world.stand_in.faults().clear();
    // So does Amazon ECR refuse a manifest that is wrong.
    let lie = Lie::Instead {
        status: 405,
        headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
        body: r#"{"errors":[{"code":"UNSUPPORTED","message":"Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'"}]}"#.into(),
    };
    let fault = Fault::on("PUT /v2/*/manifests/*", lie);
    world.stand_in.faults().push(fault);
    report(&world, &words)
        .ends(0)
        .has("registry-push", "ok", "");
}

#[test]
fn a_registry_that_is_silent_is_asked_once_and_not_known() {
    let (world, image) = registry(RegistryMode::PlainOci(Login::Anonymous));
    world
        .stand_in
        .faults()
        .push(Fault::on("GET *", Lie::Silence));
    world.stand_in.forget_calls();
    report(&world, &["--timeout", "1", "--for", "sign", &image])
        .ends(3)
        .has("registry-manifest", "unknown", "within 1 s")
        .has("registry-push", "skipped", "could not be reached");
    assert_eq!(world.writes(), Vec::<String>::new());
    world.stand_in.faults().clear();
    for (status, code) in [(429, "registry-throttled"), (500, "registry-unavailable")] {
        let fault = Fault::on("GET /v2/*/manifests/*", Lie::status(status));
        world.stand_in.faults().push(fault);
        let report = report(&world, &["--timeout", "2", &image]).ends(3);
        let found = report.finding("registry-manifest", "unknown");
        assert_eq!(found["cause"], code);
        world.stand_in.faults().clear();
    }
}

#[test]
fn a_registry_that_is_slow_each_time_does_not_hold_the_command_for_ever() {
    let world = World::with(Options {
        registry: RegistryMode::PlainOci(Login::Anonymous),
        delay: Duration::from_millis(700),
        ..Options::default()
    });
    world.index("shop/api", "many", &["amd64"]);
    let image = format!("{}/shop/api:many", world.stand_in.registry_host());
    let words = ["--timeout", "1", "--for", "sign", &image];
    let begun = Instant::now();
    let late = "not found out within 6 s, which is all the time";
    let report = report(&world, &words)
        .ends(3)
        .has("registry-manifest", "ok", "")
        .has("registry-blob", "ok", "")
        .has("registry-referrers", "ok", "")
        .has("registry-upload", "unknown", late)
        .has("registry-push", "unknown", late);
    assert!(begun.elapsed() < Duration::from_mins(1));
    let found = report.finding("registry-push", "unknown");
    assert_eq!(found["cause"], "out-of-time");
    assert_eq!(report.found("registry-manifest").len(), 1);
}

#[test]
fn a_registry_whose_certificate_is_not_trusted_is_not_reached() {
    let world = World::with(Options {
        transport: Transport::Tls,
        ..Options::default()
    });
    let image = world.image("shop/api", "1", "a").tagged();
    report(&world, &[&image])
        .ends(0)
        .has("registry-manifest", "ok", "");
    let words = ["doctor", "--output", "json", &image];
    let other = world.chain("one");
    let run = world.countersign_with(&words, &[("SSL_CERT_FILE", &other)]);
    Report::of(run)
        .ends(3)
        .has("registry-manifest", "unknown", "certificate");
}

#[test]
fn a_clock_that_is_wrong_is_held_against_the_registry() {
    let (world, image) = registry(RegistryMode::PlainOci(Login::Anonymous));
    let date = "Fri, 01 Jan 2021 00:00:00 GMT".to_owned();
    let lie = Lie::Header("Date".to_owned(), date);
    world
        .stand_in
        .faults()
        .push(Fault::on("GET /v2/*/referrers/*", lie));
    report(&world, &[&image])
        .ends(1)
        .has("clock", "problem", "set the clock");
}

#[test]
fn a_repository_is_looked_at_once_and_each_of_its_images() {
    let (world, image) = registry(RegistryMode::PlainOci(Login::Anonymous));
    let (other, repository) = (image.replace(":1", ":2"), image.replace("/api:1", "/api"));
    world.image("shop/api", "2", "b");
    for images in [
        &[image.as_str(), &other][..],
        &[&repository, &image, &image, &other],
    ] {
        let found = report(&world, images).ends(0);
        assert_eq!(found.found("registry-blob").len(), 1);
        assert_eq!(found.found("registry-manifest").len(), 2);
    }
    let absent = image.replace(":1", ":3");
    for images in [[image.as_str(), &absent], [repository.as_str(), &absent]] {
        report(&world, &images)
            .ends(1)
            .has("registry-manifest", "problem", "/api:3");
    }
}

#[test]
fn a_server_that_is_no_registry_is_not_taken_for_one() {
    let (world, image) = registry(RegistryMode::PlainOci(Login::Anonymous));
    let page = Lie::Instead {
        status: 404,
        headers: vec![("Content-Type".to_owned(), "text/html".to_owned())],
        body: "<h1>Not Found</h1>".into(),
    };
    let blobs = Fault::on("GET /v2/*/blobs/*", page.clone());
    let all = Fault::on("*", page);
    world.stand_in.faults().push(all);
    let repository = image.replace(":1", "");
    report(&world, &["--for", "verify", &repository])
        .ends(3)
        .has("registry-manifest", "unknown", "with status 404")
        .has("registry-blob", "unknown", "with status 404");
    report(&world, &["--for", "sign", &repository])
        .ends(1)
        .has("registry-upload", "problem", "with status 404")
        .has("registry-push", "problem", "with status 404");
    // One that answers everything lists nothing.
    world.stand_in.faults().clear();
    let welcome = |call: &str, body: &str| {
        let lie = Lie::Instead {
            status: 200,
            headers: vec![("Content-Type".to_owned(), "text/html".to_owned())],
            body: body.as_bytes().to_vec().into(),
        };
        world.stand_in.faults().push(Fault::on(call, lie));
    };
    welcome("*", "<h1>Welcome</h1>");
    report(&world, &["--for", "verify", &repository])
        .ends(1)
        .has("registry-manifest", "problem", "not a strict manifest")
        .has(
            "registry-blob",
            "problem",
            "gives out what nobody has pushed",
        )
        .has("registry-referrers", "problem", "not a strict manifest");
    for (list, code, status) in [
        ("{}", 1, "problem"),
        (r#"{"manifests":{}}"#, 1, "problem"),
        (r#"{"schemaVersion":2,"manifests":[]}"#, 0, "ok"),
    ] {
        world.stand_in.faults().clear();
        welcome("GET /v2/*/referrers/*", list);
        report(&world, &[&image])
            .ends(code)
            .has("registry-referrers", status, "");
    }
    // Where an image is there is a registry, whatever it says of blobs.
    world.stand_in.faults().clear();
    world.index("shop/api", "many", &[]);
    world.stand_in.faults().push(blobs);
    report(&world, &[&format!("{repository}:many")])
        .ends(0)
        .has("registry-blob", "ok", "");
}

#[test]
fn of_an_index_a_blob_of_what_it_lists_is_read() {
    let (world, image) = registry(RegistryMode::PlainOci(Login::Anonymous));
    let (_, children) = world.index("shop/api", "many", &["amd64"]);
    let child: Value = serde_json::from_slice(&children[0].manifest).unwrap();
    let config = child["config"]["digest"].as_str().unwrap();
    report(&world, &[&image.replace(":1", ":many")])
        .ends(0)
        .has("registry-blob", "ok", "");
    let read = format!("GET /v2/shop/api/blobs/{config}");
    let calls = world.stand_in.calls();
    assert!(calls.iter().any(|call| call.line == read), "{calls:#?}");
}

/// What the README lets signers and verifiers do is all that doctor ever asks for, and the module for Terraform grants it.
#[test]
fn all_that_is_ever_asked_for_is_what_the_documents_allow() {
    let asked = |purpose: &str, denials: &[(&str, &str)], login: bool| {
        let clinic = Clinic::new();
        for operation in ["GetPublicKey", "Sign", "DescribeKey"] {
            clinic.deny_kms(operation);
        }
        if login {
            clinic.deny_ecr("GetAuthorizationToken");
        }
        for (call, action) in denials {
            clinic.deny(call, action);
        }
        let image = clinic.image.tagged();
        let words = ["--for", purpose, &image, "--key", RELEASE];
        // A verifier has the public key in a file.
        let words = if purpose == "sign" {
            &words[..]
        } else {
            &words[..3]
        };
        let report = clinic.report_with(words, &[]).ends(1);
        let policy = &report.document["policies"][0]["policy"];
        crate::pipelines::rights(policy)
            .into_iter()
            .map(|(_, action, _)| action)
            .collect::<Vec<_>>()
    };
    let reading = [
        ("GET /v2/*/manifests/*", "ecr:BatchGetImage"),
        ("GET /v2/*/blobs/*", "ecr:GetDownloadUrlForLayer"),
    ];
    let pushing = [
        ("HEAD /v2/*/blobs/*", "ecr:BatchCheckLayerAvailability"),
        ("POST /v2/*/blobs/uploads/", "ecr:InitiateLayerUpload"),
        ("PUT /v2/*/manifests/*", "ecr:PutImage"),
    ];
    let both = [&reading[..], &pushing].concat();
    for (purpose, denials, place) in [("sign", &both[..], 0), ("verify", &reading, 1)] {
        let mut all = asked(purpose, denials, false);
        all.extend(asked(purpose, &[], true));
        all.sort();
        all.dedup();
        let documented = &crate::pipelines::documented()[place];
        let mut allowed: Vec<_> = crate::pipelines::rights(documented)
            .into_iter()
            .filter(|(effect, ..)| effect == "Allow")
            .map(|(_, action, _)| action)
            .collect();
        allowed.sort();
        assert_eq!(all, allowed, "{purpose}");
    }
}
