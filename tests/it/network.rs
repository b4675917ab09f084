//! How registries are reached: TLS, proxies, deadlines, and registries that lie, through the command.

use countersign_stand_in::{Elsewhere, Fault, Lie, Login, Options, RegistryMode, Service};

use crate::world::{Image, Run, World, run};

fn verify(world: &World, key: &str, more: &[&str], image: &Image) -> Run {
    let arguments: Vec<&str> = ["verify", "--key", key]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
    world.countersign(&[arguments, vec![&image.tagged()]].concat())
}

/// A world with a signed image, and the public key that verifies it.
fn signed(world: &World) -> (Image, String) {
    let image = world.image("shop/api", "1", "a");
    let (private, public) = world.key_files("team", "p256");
    world
        .countersign(&["sign", "--key", &private, &image.tagged()])
        .ends(0);
    (image, public)
}

#[test]
fn an_unknown_certificate_authority_is_refused_unless_it_is_named() {
    let world = World::ecr_over_tls();
    let (image, public) = signed(&world);
    let authority = world.write("authority.pem", world.stand_in.authority_pem().unwrap());
    let empty = world.write("empty.pem", "nothing");
    let untrusting = [("SSL_CERT_FILE", ""), ("AWS_CA_BUNDLE", "")];
    let run = |more: &[&str]| {
        let tagged = image.tagged();
        let arguments = [&["verify", "--key", &public], more, &[&tagged]].concat();
        world.countersign_with(&arguments, &untrusting)
    };
    run(&[])
        .ends(3)
        .says("error[registry-unavailable]")
        // And nobody goes on without TLS, who would be told of another error.
        .says("certificate")
        .says("--ca-file");
    run(&["--ca-file", &authority]).ends(0);
    run(&["--ca-file", &empty])
        .ends(2)
        .says("error[ca-file-invalid]");
    run(&["--ca-file", "absent.pem"])
        .ends(2)
        .says("error[file-unreadable]");
}

#[test]
fn an_authority_counts_in_the_systems_bundle_and_in_its_folders() {
    let world = World::ecr_over_tls();
    let (image, public) = signed(&world);
    let pem = world.stand_in.authority_pem().unwrap();
    let ours = world.write("ours.pem", pem);
    std::fs::create_dir(world.path("folder")).unwrap();
    world.write("folder/authority.pem", pem);
    std::fs::create_dir(world.path("bare")).unwrap();
    let stranger = rcgen::generate_simple_self_signed([]).unwrap();
    let other = world.write("other.pem", &stranger.cert.pem());
    let [folder, bare] = ["folder", "bare"].map(|name| world.path(name).display().to_string());
    let absent = world.path("absent").display().to_string();
    for (file, folders, exit) in [
        (&ours, &bare, 0),
        (&ours, &absent, 0),
        (&other, &folder, 0),
        (&absent, &folder, 0),
        (&other, &bare, 3),
        (&absent, &bare, 3),
    ] {
        let variables = [("SSL_CERT_FILE", file.as_str()), ("SSL_CERT_DIR", folders)];
        world
            .countersign_with(&["verify", "--key", &public, &image.tagged()], &variables)
            .ends(exit);
    }
}

#[test]
fn without_tls_no_certificate_authorities_are_read() {
    let world = World::oci();
    let (image, public) = signed(&world);
    // Whoever opens it waits for somebody who writes, and nobody does.
    let endless = world.path("authorities.pem").display().to_string();
    let mut make = world.program("/usr/bin/mkfifo");
    make.arg(&endless);
    run(make).ends(0);
    world
        .countersign_with(
            &["verify", "--key", &public, &image.tagged()],
            &[("SSL_CERT_FILE", &endless)],
        )
        .ends(0);
}

#[test]
fn a_proxy_is_passed_by_for_this_machine() {
    let world = World::oci();
    let (image, public) = signed(&world);
    let dead = "http://127.0.0.1:9";
    let proxies = [
        ("HTTPS_PROXY", dead),
        ("https_proxy", dead),
        ("HTTP_PROXY", dead),
        ("http_proxy", dead),
    ];
    world
        .countersign_with(&["verify", "--key", &public, &image.tagged()], &proxies)
        .ends(0);
    world
        .countersign_with(
            &["verify", "--key", &public, "registry.example/app:1"],
            &proxies,
        )
        .ends(3);
}

#[test]
fn throttling_is_never_unsigned() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    let (_, public) = world.key_files("team", "p256");
    for pattern in ["GET /v2/*/manifests/1", "GET /v2/*/referrers/*"] {
        world
            .stand_in
            .faults()
            .push(Fault::on(pattern, Lie::throttled("0")));
        verify(&world, &public, &[], &image)
            .ends(3)
            .says("error[registry-throttled]");
        world.stand_in.faults().clear();
    }
    verify(&world, &public, &[], &image)
        .ends(1)
        .says("refused[signature-missing]");
}

#[test]
fn a_signature_that_cannot_be_fetched_leaves_the_question_open() {
    let world = World::oci();
    let (image, public) = signed(&world);
    for lie in [
        Lie::status(500),
        Lie::status(403),
        Lie::status(404),
        Lie::ResetAfter(10),
    ] {
        world
            .stand_in
            .faults()
            .push(Fault::on("GET /v2/*/blobs/*", lie));
        verify(&world, &public, &[], &image).ends(3);
        world.stand_in.faults().clear();
    }
    verify(&world, &public, &[], &image).ends(0);
}

#[test]
fn altered_evidence_is_refused_and_altered_once_is_not_kept() {
    let world = World::oci();
    let (image, public) = signed(&world);
    world
        .stand_in
        .faults()
        .push(Fault::on("GET /v2/*/blobs/*", Lie::FlipByte(40)));
    verify(&world, &public, &[], &image)
        .ends(1)
        .says("digest-mismatch");
    world.stand_in.faults().clear();
    verify(&world, &public, &[], &image).ends(0);
}

#[test]
fn a_tag_that_moves_between_two_requests_changes_nothing() {
    let world = World::oci();
    let (image, public) = signed(&world);
    let unsigned = world.image("shop/api", "2", "b");
    // After the first answer for the tag, the registry shows another image.
    let moved = Lie::AnswerAs(format!("/v2/shop/api/manifests/{}", unsigned.digest));
    world
        .stand_in
        .faults()
        .push(Fault::on("* /v2/shop/api/manifests/1", moved).after(1));
    world.stand_in.forget_calls();
    verify(&world, &public, &[], &image)
        .ends(0)
        .says(&image.pinned());
    assert_eq!(
        world
            .calls(|call| call.line.ends_with("/manifests/1"))
            .len(),
        1,
        "a tag is asked for once"
    );
}

#[test]
fn junk_beside_an_image_hides_no_signature() {
    let world = World::no_referrers();
    let (image, public) = signed(&world);
    let world = {
        // Somebody who may push signs the image fifty times with keys of his own.
        let (stranger, _) = world.key_files("stranger", "p256");
        for number in 0..50 {
            let note = format!("n={number}");
            world
                .countersign(&["sign", "--key", &stranger, "-a", &note, &image.tagged()])
                .ends(0);
        }
        world
    };
    verify(&world, &public, &[], &image).ends(0);
    let (_, nobody) = world.key_files("nobody", "p256");
    let refused = verify(&world, &nobody, &[], &image)
        .ends(1)
        .says("refused[key-unknown]");
    assert!(
        refused.stdout.contains("more like these"),
        "{}",
        refused.stdout
    );
}

#[test]
fn more_referrers_than_are_read_are_refused_by_name() {
    let world = World::oci();
    let (image, public) = signed(&world);
    world.stand_in.faults().push(Fault::on(
        "GET /v2/*/referrers/*",
        Lie::JunkReferrers(1_001),
    ));
    verify(&world, &public, &[], &image)
        .ends(1)
        .says("refused[referrers-too-many]");
}

#[test]
fn a_redirect_takes_no_login_along() {
    let world = World::with(Options {
        elsewhere: Elsewhere::Listening,
        registry: RegistryMode::PlainOci(Login::Basic),
        ..Options::default()
    });
    let (image, public) = signed(&world);
    let elsewhere = world.stand_in.elsewhere().unwrap().clone();
    let redirected = |target: &str, code: i32, says: &str| {
        world
            .stand_in
            .faults()
            .push(Fault::on("GET /v2/*/blobs/*", Lie::redirect(307, target)));
        verify(&world, &public, &[], &image).ends(code).says(says);
        world.stand_in.faults().clear();
    };
    // Another host of this machine may be asked, and what it answers is hashed.
    redirected(elsewhere.as_str(), 1, "refused[digest-mismatch]");
    redirected(
        "http://169.254.169.254/latest/meta-data/",
        3,
        "error[egress-refused]",
    );
    redirected("https://10.0.0.1/", 3, "error[egress-refused]");
    let strangers = world.calls(|call| call.service == Service::Elsewhere);
    assert!(!strangers.is_empty());
    assert!(
        strangers
            .iter()
            .all(|call| call.header("authorization").is_none()),
        "{strangers:?}"
    );
    verify(&world, &public, &[], &image).ends(0);
}

#[test]
fn a_silent_registry_ends_at_the_time_that_was_given() {
    let world = World::oci();
    let (image, public) = signed(&world);
    world
        .stand_in
        .faults()
        .push(Fault::on("GET /v2/*", Lie::Silence));
    verify(&world, &public, &["--timeout", "1"], &image)
        .ends(3)
        .says("error[fetch-timeout]")
        .says("--timeout");
}

#[test]
fn verifying_by_digest_asks_for_no_more_than_it_needs() {
    let world = World::oci();
    let (image, public) = signed(&world);
    world.stand_in.forget_calls();
    world
        .countersign(&["verify", "--key", &public, &image.pinned()])
        .ends(0);
    let lines: Vec<String> = world
        .stand_in
        .calls()
        .into_iter()
        .map(|call| call.line)
        .collect();
    // The image, its configuration, the list, and the manifests of signature and publication, which carry their bundles; no
    // ping.
    assert_eq!(lines.len(), 5, "{lines:#?}");
}

#[test]
fn a_credential_helper_that_fails_is_run_once() {
    let world = World::with(Options {
        registry: RegistryMode::PlainOci(Login::Basic),
        ..Options::default()
    });
    let (image, public) = signed(&world);
    let folder = world.path("helper");
    std::fs::create_dir(&folder).unwrap();
    let log = folder.join("log");
    // Written by a program of its own: a file that this process writes may still be open in a child of another test, and
    // then cannot be run.
    let mut write = world.program("/bin/sh");
    write.args([
        "-c",
        "printf '#!/bin/sh\necho run >> %s\nexit 1\n' \"$1\" > \"$0\"; chmod 755 \"$0\"",
    ]);
    write.arg(folder.join("docker-credential-broken")).arg(&log);
    run(write).ends(0);
    std::fs::write(folder.join("config.json"), r#"{"credsStore":"broken"}"#).unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let folder = folder.display().to_string();
    let tagged = image.tagged();
    let pinned = image.pinned();
    world
        .countersign_with(
            &["verify", "--key", &public, &tagged, &pinned, &tagged],
            &[("DOCKER_CONFIG", &folder), ("PATH", &path)],
        )
        .ends(3)
        .says("error[credentials-unavailable]");
    assert_eq!(std::fs::read_to_string(log).unwrap(), "run\n");
}
