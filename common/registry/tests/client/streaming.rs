//! Blobs that are too long to be kept.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use countersign_common::{Descriptor, Registry, registry::Onlooker};
use countersign_stand_in::{Fault, Lie, Login, Part};

use crate::world::{World, is_error, is_refusal};

const BLOBS: &str = "GET /v2/*/blobs/*";

/// Keeps what it sees.
#[derive(Default)]
struct Witness(Mutex<Vec<u8>>);

impl Onlooker for Witness {
    fn see(&self, bytes: &[u8]) {
        self.0.lock().unwrap().extend_from_slice(bytes);
    }
}

fn large() -> Vec<u8> {
    (0..3_000_000_u32).flat_map(u32::to_be_bytes).collect()
}

fn placed(world: &World, bytes: &[u8]) -> Descriptor {
    world.stand_in.place_blob("app", bytes.to_vec().into());
    Descriptor::of("application/octet-stream", bytes)
}

async fn check(
    world: &World,
    blob: &Descriptor,
) -> (
    Result<Option<u64>, countersign_common::registry::Failure>,
    Vec<u8>,
) {
    let witness = Arc::new(Witness::default());
    let checked = world
        .client
        .check_blob(&world.repository(), blob, witness.clone())
        .await;
    let seen = std::mem::take(&mut *witness.0.lock().unwrap());
    (checked, seen)
}

#[tokio::test]
async fn an_onlooker_sees_each_byte_once_and_in_order() {
    for world in [World::oci(Login::Anonymous), World::ecr()] {
        world.image("1");
        for bytes in [large(), Vec::new()] {
            let blob = placed(&world, &bytes);
            let (checked, seen) = check(&world, &blob).await;
            assert_eq!(checked.unwrap(), Some(bytes.len() as u64));
            assert!(seen == bytes);
        }
        let absent = Descriptor::of("x", b"absent");
        assert_eq!(check(&world, &absent).await.0.unwrap(), None);
    }
}

#[tokio::test]
async fn a_blob_is_taken_up_where_its_connection_broke() {
    let world = World::oci(Login::Anonymous);
    let bytes = large();
    let blob = placed(&world, &bytes);
    for length in [0, 1, 1_000_000] {
        let breaking = Fault::on(BLOBS, Lie::ResetAfter(length)).times(3);
        world.stand_in.faults().push(breaking);
        let (checked, seen) = check(&world, &blob).await;
        assert_eq!(checked.unwrap(), Some(blob.size));
        assert!(seen == bytes, "{length}");
        world.stand_in.faults().clear();
    }
    // A registry that breaks each time is given up.
    world.lie(BLOBS, Lie::ResetAfter(1));
    is_error(check(&world, &blob).await.0, "registry-unavailable");
}

/// Nobody waits for it any more: the time of its image is over, or another part of it was refused.
#[tokio::test]
async fn a_blob_that_is_given_up_is_read_no_further() {
    let world = World::oci(Login::Anonymous);
    let blob = placed(&world, &large());
    world.lie(
        BLOBS,
        Lie::Drip {
            every: Duration::from_millis(1),
            part: Part::Body,
        },
    );
    let witness = Arc::new(Witness::default());
    let seen = || witness.0.lock().unwrap().len();
    let repository = world.repository();
    let check = world.client.check_blob(&repository, &blob, witness.clone());
    let brief = Duration::from_millis(300);
    assert!(tokio::time::timeout(brief, check).await.is_err());
    assert!(seen() > 0);
    // What was on its way when it was given up.
    tokio::time::sleep(brief).await;
    let then = seen();
    tokio::time::sleep(brief).await;
    assert_eq!(seen(), then);
}

#[tokio::test]
async fn a_blob_of_which_only_the_end_was_not_seen_is_asked_for_no_second_time() {
    let world = World::oci(Login::Anonymous);
    for bytes in [large(), Vec::new()] {
        let blob = placed(&world, &bytes);
        world.lie(BLOBS, Lie::Announce(blob.size + 1));
        let asked = || world.stand_in.calls().len();
        let before = asked();
        let (checked, seen) = check(&world, &blob).await;
        assert_eq!(checked.unwrap(), Some(blob.size));
        assert!(seen == bytes);
        assert_eq!(asked() - before, 1);
        world.stand_in.faults().clear();
    }
}

#[tokio::test]
async fn a_registry_that_begins_again_is_followed() {
    let world = World::oci(Login::Anonymous);
    let bytes = large();
    let blob = placed(&world, &bytes);
    let broken = || Fault::on(BLOBS, Lie::ResetAfter(1_000_000)).times(1);
    let instead = |status: u16, headers: &[(&str, &str)], body: &[u8]| Lie::Instead {
        status,
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: body.to_vec().into(),
    };
    world.stand_in.faults().push(broken());
    world
        .stand_in
        .faults()
        .push(Fault::on(BLOBS, instead(200, &[], &bytes)));
    let (checked, seen) = check(&world, &blob).await;
    assert_eq!(checked.unwrap(), Some(blob.size));
    assert!(seen == bytes);
    // One that goes on somewhere else is not.
    world.stand_in.faults().clear();
    world.stand_in.faults().push(broken());
    let elsewhere = [("Content-Range", "bytes 0-11999999/12000000")];
    world
        .stand_in
        .faults()
        .push(Fault::on(BLOBS, instead(206, &elsewhere, &bytes)));
    is_error(check(&world, &blob).await.0, "registry-unavailable");
    // Nor is one that answers with a part unasked.
    world.stand_in.faults().clear();
    world.lie(BLOBS, instead(206, &elsewhere, &bytes));
    is_error(check(&world, &blob).await.0, "registry-unavailable");
}

#[tokio::test]
async fn what_is_longer_or_other_is_refused_and_no_more_is_read() {
    let world = World::oci(Login::Anonymous);
    let bytes = large();
    let blob = placed(&world, &bytes);
    world.lie(BLOBS, Lie::Endless);
    let (checked, seen) = check(&world, &blob).await;
    is_refusal(checked, "descriptor-mismatch");
    assert!(seen.len() as u64 <= blob.size);
    world.stand_in.faults().clear();
    // Another one after a break.
    world
        .stand_in
        .faults()
        .push(Fault::on(BLOBS, Lie::ResetAfter(1_000)).times(1));
    world.lie(BLOBS, Lie::FlipByte(5_000));
    is_refusal(check(&world, &blob).await.0, "digest-mismatch");
    world.stand_in.faults().clear();
    world.lie(BLOBS, Lie::Body(bytes[1..].to_vec().into()));
    is_refusal(check(&world, &blob).await.0, "digest-mismatch");
    for encoding in ["gzip", "zstd"] {
        world.stand_in.faults().clear();
        world.lie(
            BLOBS,
            Lie::Header("Content-Encoding".to_owned(), encoding.to_owned()),
        );
        is_refusal(check(&world, &blob).await.0, "format-not-allowed");
    }
}
