//! Redirects: where they may lead, and what goes along.

use countersign_common::Registry;
use countersign_stand_in::{Elsewhere, Fault, Lie, Login, Options as StandInOptions, RegistryMode};

use crate::world::{World, is_error};

#[tokio::test]
async fn redirects_go_nowhere_private_and_carry_no_login() {
    let world = World::with(StandInOptions {
        elsewhere: Elsewhere::Listening,
        registry: RegistryMode::PlainOci(Login::Basic),
        ..StandInOptions::default()
    });
    let image = world.image("1");
    world.client.resolve(&image).await.unwrap();
    for target in [
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/",
        "https://[fd00:ec2::254]/",
        "https://10.0.0.1/",
        "https://[::ffff:169.254.169.254]/",
        "http://example.com/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
    ] {
        world.lie("GET /v2/*", Lie::redirect(307, target));
        is_error(world.client.resolve(&image).await, "egress-refused");
        world.stand_in.faults().clear();
    }
    let elsewhere = world.stand_in.elsewhere().unwrap().clone();
    world.stand_in.faults().push(
        Fault::on(
            "GET /v2/app/manifests/1",
            Lie::redirect(307, elsewhere.as_str()),
        )
        .times(1),
    );
    world.stand_in.forget_calls();
    let _ = world.client.resolve(&image).await;
    let calls = world.stand_in.calls();
    let strangers: Vec<_> = calls
        .iter()
        .filter(|call| call.service == countersign_stand_in::Service::Elsewhere)
        .collect();
    assert!(!strangers.is_empty());
    assert!(
        strangers
            .iter()
            .all(|call| call.header("authorization").is_none()),
        "{strangers:?}"
    );
}
