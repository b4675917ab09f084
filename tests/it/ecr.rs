//! Amazon ECR by its true names: over TLS, through a proxy that lets nothing else pass, with AWS credentials alone.

use std::{fs, time::Duration};

use countersign_stand_in::{Call, Fault, Lie, Options, Service, Transport};

use crate::world::{Run, World};

/// A world in which nobody ran `docker login`.
fn world(options: Options) -> World {
    let world = World::with(Options {
        transport: Transport::AwsNames,
        ..options
    });
    fs::create_dir(world.path("no-login")).unwrap();
    world
}

fn run(world: &World, arguments: &[&str]) -> Run {
    let folder = world.path("no-login").display().to_string();
    world.countersign_with(arguments, &[("DOCKER_CONFIG", &folder)])
}

fn exchanges(world: &World) -> usize {
    world
        .calls(|call| call.line.contains("GetAuthorizationToken"))
        .len()
}

fn to_registry(call: &Call) -> bool {
    call.service == Service::Registry
}

#[test]
fn aws_credentials_are_exchanged_once_and_sent_unasked() {
    let world = world(Options::default());
    let image = world.image("shop/api", "1", "a");
    assert!(
        image
            .repository
            .starts_with("000000000000.dkr.ecr.us-east-1.amazonaws.com/")
    );
    run(
        &world,
        &["sign", "--key", &World::kms_key(), &image.tagged()],
    )
    .ends(0);
    run(
        &world,
        &["verify", "--key", &World::kms_key(), &image.tagged()],
    )
    .ends(0);
    world.stand_in.forget_calls();
    run(
        &world,
        &[
            "verify",
            "--key",
            &World::kms_key(),
            &image.tagged(),
            &image.pinned(),
        ],
    )
    .ends(0);
    assert_eq!(exchanges(&world), 1);
    let refused = world.calls(|call| to_registry(call) && call.status == 401);
    assert!(refused.is_empty(), "{refused:?}");
    // The blobs come from another host, which must not see the login.
    let elsewhere = world.calls(|call| call.service == Service::Blobs);
    assert!(!elsewhere.is_empty());
    assert!(
        elsewhere
            .iter()
            .all(|call| call.header("authorization").is_none()),
        "{elsewhere:?}"
    );
}

#[test]
fn a_refused_login_is_renewed_once() {
    let world = world(Options::default());
    let image = world.image("shop/api", "1", "a");
    run(
        &world,
        &["sign", "--key", &World::kms_key(), &image.tagged()],
    )
    .ends(0);
    world
        .stand_in
        .faults()
        .push(Fault::on("GET /v2/*/manifests/1", Lie::status(401)).times(1));
    world.stand_in.forget_calls();
    run(
        &world,
        &["verify", "--key", &World::kms_key(), &image.tagged()],
    )
    .ends(0);
    assert_eq!(exchanges(&world), 2);
}

#[test]
fn a_registry_that_always_refuses_is_an_error_after_one_renewal() {
    let world = world(Options {
        token_lifetime: Duration::ZERO,
        ..Options::default()
    });
    let image = world.image("shop/api", "1", "a");
    run(
        &world,
        &["verify", "--key", &World::kms_key(), &image.tagged()],
    )
    .ends(3)
    .says("error[registry-denied]");
    assert!(exchanges(&world) <= 3, "{}", exchanges(&world));
}

#[test]
fn a_login_of_docker_comes_first_and_a_stale_one_is_exchanged() {
    let world = world(Options::default());
    let image = world.image("shop/api", "1", "a");
    // The world's own Docker configuration has a login.
    world
        .countersign(&["sign", "--key", &World::kms_key(), &image.tagged()])
        .ends(0);
    assert_eq!(exchanges(&world), 0);
    world.stand_in.expire_tokens();
    world
        .countersign(&["verify", "--key", &World::kms_key(), &image.tagged()])
        .ends(0);
    assert_eq!(exchanges(&world), 1);
}

#[test]
fn denied_credentials_are_an_error_with_the_missing_action() {
    let world = world(Options::default());
    let image = world.image("shop/api", "1", "a");
    let denied = Lie::aws_error(
        400,
        "AccessDeniedException",
        "User: arn:aws:iam::111122223333:user/me is not authorized",
    );
    world
        .stand_in
        .faults()
        .push(Fault::on("*GetAuthorizationToken", denied));
    run(
        &world,
        &["verify", "--key", &World::kms_key(), &image.tagged()],
    )
    .ends(3)
    .says("error[credentials-unavailable]")
    .says("ecr:GetAuthorizationToken")
    .says("arn:aws:iam::111122223333:user/me");
}

#[test]
fn a_look_alike_host_gets_no_token() {
    let world = world(Options::default());
    for host in [
        "000000000000.dkr.ecr.us-east-1.amazonaws.com.evil.example",
        "000000000000.dkr.ecr.us-east-1.amazonaws.com:444",
        "evil.example/000000000000.dkr.ecr.us-east-1.amazonaws.com",
    ] {
        run(
            &world,
            &[
                "verify",
                "--key",
                &World::kms_key(),
                &format!("{host}/shop/api:1"),
            ],
        )
        .ends(3);
    }
    assert_eq!(exchanges(&world), 0);
}

#[test]
fn a_proxy_with_a_name_of_this_network_leads_to_the_blobs() {
    let world = world(Options::default());
    let image = world.image("shop/api", "1", "a");
    let folder = world.path("no-login").display().to_string();
    let port = world.stand_in.proxy().unwrap().port().unwrap();
    let proxy = format!("http://localhost:{port}");
    let names = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];
    let mut environment: Vec<(&str, &str)> = names.map(|name| (name, proxy.as_str())).into();
    environment.push(("DOCKER_CONFIG", &folder));
    for command in ["sign", "verify"] {
        world
            .countersign_with(
                &[command, "--key", &World::kms_key(), &image.tagged()],
                &environment,
            )
            .ends(0);
    }
}

#[test]
fn an_exchange_without_an_end_is_not_read_to_it() {
    let world = world(Options::default());
    let image = world.image("shop/api", "1", "a");
    world
        .stand_in
        .faults()
        .push(Fault::on("*GetAuthorizationToken*", Lie::Endless));
    run(
        &world,
        &["verify", "--key", &World::kms_key(), &image.tagged()],
    )
    .ends(3)
    .says("error[credentials-unavailable]");
    let long = world.calls(|call| call.sent() > 16 << 20);
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn an_exchange_that_is_silent_ends_and_is_named() {
    let world = world(Options::default());
    let image = world.image("shop/api", "1", "a");
    world
        .stand_in
        .faults()
        .push(Fault::on("*GetAuthorizationToken*", Lie::Silence));
    run(
        &world,
        &[
            "verify",
            "--timeout",
            "20",
            "--key",
            &World::kms_key(),
            &image.tagged(),
        ],
    )
    .ends(3)
    .says("error[credentials-unavailable]")
    .says("did not answer within 8 s");
}

/// Throttling as AWS's APIs tell it, and as something before them does.
fn throttled() -> [Lie; 4] {
    [
        Lie::aws_error(400, "ThrottlingException", "Rate exceeded"),
        Lie::aws_error(429, "TooManyRequestsException", "Rate exceeded"),
        Lie::status(429),
        Lie::Instead {
            status: 503,
            headers: vec![("Retry-After".to_owned(), "1".to_owned())],
            body: "slow down".into(),
        },
    ]
}

#[test]
fn an_exchange_that_is_throttled_for_a_while_is_asked_again() {
    let world = world(Options::default());
    let image = world.image("shop/api", "1", "a");
    for (lie, command) in throttled().into_iter().zip(["sign", "verify"].repeat(2)) {
        let fault = Fault::on("*GetAuthorizationToken", lie).times(2);
        world.stand_in.faults().push(fault);
        world.stand_in.forget_calls();
        let key = World::kms_key();
        run(&world, &[command, "--key", &key, &image.tagged()]).ends(0);
        assert_eq!(exchanges(&world), 3);
    }
}

#[test]
fn an_exchange_that_stays_throttled_is_told_as_that() {
    let world = world(Options::default());
    let image = world.image("shop/api", "1", "a");
    for lie in throttled() {
        world.stand_in.faults().clear();
        let fault = Fault::on("*GetAuthorizationToken", lie);
        world.stand_in.faults().push(fault);
        for command in ["sign", "verify"] {
            let key = World::kms_key();
            run(&world, &[command, "--key", &key, &image.tagged()])
                .ends(3)
                .says("error[registry-throttled]");
        }
        run(&world, &["inspect", &image.tagged()])
            .ends(3)
            .says("error[registry-throttled]");
    }
}

#[test]
fn an_archive_that_is_throttled_is_asked_again_or_told() {
    let world = world(Options::default());
    let image = world.image("shop/api", "1", "a").tagged();
    let [named, ..] = throttled();
    let fault = Fault::on("*ListImageReferrers", named);
    world.stand_in.faults().push(fault.clone().times(2));
    run(&world, &["inspect", &image]).ends(0);
    let struck = world.calls(|call| call.line.ends_with("ListImageReferrers"));
    assert_eq!(struck.len(), 3);
    world.stand_in.faults().push(fault);
    // Whatever is there: nothing but what was put away is missing.
    run(&world, &["inspect", &image])
        .ends(0)
        .says("remark[registry-throttled]: archived artifacts are not shown")
        .says("run it again later");
}
