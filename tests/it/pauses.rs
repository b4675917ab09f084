//! A registry that wants to be left alone for longer than one image may take: many images wait for it together, before the time
//! of each begins, and images elsewhere do not.

use std::{
    thread,
    time::{Duration, Instant},
};

use countersign_stand_in::{Fault, Lie, Login, Options, Part, RegistryMode};
use serde_json::{Value, json};

use crate::world::{Image, OCI_INDEX, Run, World};

/// The time of one image, in seconds, and a pause that is longer.
const TIMEOUT: &str = "2";
const PAUSE: &str = "3";

/// Images of one repository, and with which keys they are signed and verified.
struct Stage {
    world: World,
    images: Vec<Image>,
    private: String,
    public: String,
}

impl Stage {
    fn of(world: World, count: usize) -> Self {
        let images = (0..count).map(|number| number.to_string());
        let images = images.map(|name| world.image("shop/api", &name, &name));
        let images = images.collect();
        let (private, public) = world.key_files("team", "p256");
        Self {
            world,
            images,
            private,
            public,
        }
    }

    fn signed(count: usize) -> Self {
        let stage = Self::of(World::oci(), count);
        stage.sign("60").ends(0);
        stage.world.stand_in.forget_calls();
        stage
    }

    fn names(&self) -> Vec<String> {
        self.images.iter().map(Image::tagged).collect()
    }

    fn sign(&self, timeout: &str) -> Run {
        let fixed = ["sign", "--no-tsa", "--key", &self.private];
        self.run(&fixed, timeout, &self.names())
    }

    fn verify(&self, timeout: &str, images: &[String]) -> Run {
        let fixed = ["verify", "--key", &self.public];
        self.run(&fixed, timeout, images)
    }

    fn run(&self, fixed: &[&str], timeout: &str, images: &[String]) -> Run {
        let list = self.world.write("list", &images.join("\n"));
        let more = ["--output", "json", "--timeout", timeout, "-f", &list];
        self.world.countersign(&[fixed, &more].concat())
    }

    fn throttle(&self, pattern: &str, after: &str) {
        let fault = Fault::on(pattern, Lie::throttled(after)).times(1);
        self.world.stand_in.faults().push(fault);
    }

    /// When the registry said that it wants to be left alone.
    fn throttled(&self) -> Instant {
        let calls = self.world.calls(|call| call.status == 429);
        calls[0].span.end
    }

    /// How many requests came a while after that, and before its end.
    fn asked_meanwhile(&self) -> usize {
        let throttled = self.throttled();
        let [soon, end] = [500, 2_900].map(|millis| throttled + Duration::from_millis(millis));
        let calls = self
            .world
            .calls(|call| (soon..end).contains(&call.span.start));
        calls.len()
    }
}

fn codes(run: &Run) -> Vec<String> {
    let documents = run.stdout.lines().map(serde_json::from_str::<Value>);
    documents
        .map(|document| document.unwrap().to_string())
        .collect()
}

#[test]
fn a_pause_that_is_longer_than_one_image_may_take_fails_no_image_of_a_list() {
    // More than are judged at once: those that have begun and those that have not.
    let stage = Stage::signed(70);
    stage.throttle("GET /v2/*/manifests/3", PAUSE);
    stage.verify(TIMEOUT, &stage.names()).ends(0);
    assert_eq!(stage.asked_meanwhile(), 0);
}

#[test]
fn a_digest_that_was_throttled_under_one_tag_is_asked_for_again_under_those_that_come_later() {
    let mut stage = Stage::signed(1);
    let tags = (0..70).map(|tag| stage.world.image("shop/api", &format!("again-{tag}"), "0"));
    stage.images = tags.collect();
    stage.throttle("GET /v2/*/referrers/*", PAUSE);
    stage.verify(TIMEOUT, &stage.names()).ends(0);
    assert_eq!(stage.asked_meanwhile(), 0);
}

#[test]
fn images_of_other_registries_go_on_during_a_pause() {
    let paused = Stage::signed(70);
    let other = Stage::of(World::oci(), 70);
    let fixed = ["sign", "--no-tsa", "--key", &paused.private];
    other.run(&fixed, "60", &other.names()).ends(0);
    other.world.stand_in.forget_calls();
    paused.throttle("GET /v2/*", PAUSE);
    let images = [paused.names(), other.names()].concat();
    paused.verify(TIMEOUT, &images).ends(0);
    assert_eq!(paused.asked_meanwhile(), 0);
    let end = paused.throttled() + Duration::from_secs(3);
    assert_eq!(other.world.calls(|call| call.span.end > end).len(), 0);
}

#[test]
fn a_pause_that_is_longer_than_a_run_can_wait_is_told_at_once() {
    let stage = Stage::signed(5);
    let image = Image::tagged(&stage.images[0]);
    for (pause, images) in [("301", stage.names()), (PAUSE, vec![image])] {
        stage.throttle("GET /v2/*", pause);
        let began = Instant::now();
        let run = stage.verify(TIMEOUT, &images).ends(3);
        assert!(began.elapsed() < Duration::from_millis(2_500));
        let told = codes(&run);
        assert_eq!(told.len(), images.len());
        assert!(told.iter().all(|told| told.contains("registry-throttled")));
    }
}

#[test]
fn a_registry_that_never_recovers_is_given_up() {
    let stage = Stage::signed(3);
    let lie = Lie::throttled(PAUSE);
    stage
        .world
        .stand_in
        .faults()
        .push(Fault::on("GET /v2/*", lie));
    let run = stage.verify(TIMEOUT, &stage.names()).ends(3);
    let told = codes(&run);
    assert!(told.iter().all(|told| told.contains("registry-throttled")));
}

#[test]
fn a_list_is_signed_after_a_pause() {
    for pattern in [
        "GET /v2/*/manifests/4",
        "POST /v2/*",
        "PUT /v2/*/manifests/*",
    ] {
        let stage = Stage::of(World::oci(), 6);
        stage.throttle(pattern, PAUSE);
        stage.sign(TIMEOUT).ends(0);
        assert_eq!(stage.world.calls(|call| call.status == 429).len(), 1);
        stage.verify("10", &stage.names()).ends(0);
    }
}

#[test]
fn a_list_is_shown_after_a_pause_and_images_of_other_registries_during_it() {
    let paused = Stage::of(World::oci(), 9);
    let other = Stage::of(World::oci(), 1);
    for pattern in ["GET /v2/*/manifests/*", "GET /v2/*/referrers/*"] {
        paused.world.stand_in.forget_calls();
        other.world.stand_in.forget_calls();
        paused.throttle(pattern, PAUSE);
        let images = [paused.names(), other.names()].concat();
        paused.run(&["inspect"], TIMEOUT, &images).ends(0);
        assert_eq!(paused.asked_meanwhile(), 0);
        let end = paused.throttled() + Duration::from_millis(2_500);
        assert_eq!(other.world.calls(|call| call.span.end > end).len(), 0);
    }
}

#[test]
fn indexes_are_signed_after_a_pause_and_those_of_other_registries_during_it() {
    let paused = Stage::of(World::oci(), 9);
    let other = Stage::of(World::oci(), 1);
    paused.throttle("GET /v2/*", PAUSE);
    let images = [paused.names(), other.names()].concat();
    let fixed = ["sign", "--recursive", "--no-tsa", "--key", &paused.private];
    paused.run(&fixed, TIMEOUT, &images).ends(0);
    assert_eq!(paused.asked_meanwhile(), 0);
    let end = paused.throttled() + Duration::from_millis(2_500);
    assert_eq!(other.world.calls(|call| call.span.end > end).len(), 0);
}

#[test]
fn what_one_index_lists_is_signed_after_a_pause() {
    let stage = Stage::of(World::oci(), 0);
    let names: Vec<_> = (0..12).map(|number| format!("arch{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let (index, children) = stage.world.index("shop/api", "all", &names);
    let referrers = format!("GET /v2/*/referrers/{}", children[1].digest);
    stage.throttle(&referrers, PAUSE);
    let fixed = ["sign", "--recursive", "--no-tsa", "--key", &stage.private];
    let images = [index.tagged()];
    stage.run(&fixed, TIMEOUT, &images).ends(0);
    assert_eq!(stage.asked_meanwhile(), 0);
    // One that is longer than a run can wait is told at once.
    let (index, _) = stage.world.index("shop/other", "all", &names);
    stage.world.stand_in.forget_calls();
    stage.throttle("GET /v2/shop/other/referrers/*", "301");
    let began = Instant::now();
    let run = stage.run(&fixed, TIMEOUT, &[index.tagged()]).ends(3);
    assert!(run.stdout.contains("registry-throttled"), "{}", run.stdout);
    assert!(began.elapsed() < Duration::from_mins(1));
}

#[test]
fn waiting_for_others_that_are_large_takes_nothing_of_an_images_time() {
    let stage = Stage::of(slow(Duration::from_millis(400)), 32);
    let predicate = format!("{{\"long\":\"{}\"}}", "x".repeat(2 << 20));
    let predicate = stage.world.write("long.json", &predicate);
    let kind = "https://example.com/long";
    let signing = ["--no-tsa", "--key", &stage.private];
    let attesting = ["--type", kind, "--predicate", &predicate];
    let sign = [&["sign"], &signing[..]].concat();
    let attest = [&["attest"], &signing[..], &attesting].concat();
    // Many at once, since each waits for a slow registry.
    thread::scope(|scope| {
        for images in stage.names().chunks(4) {
            let images = images.to_vec();
            let (stage, fixed) = (&stage, [&sign, &attest]);
            scope.spawn(move || {
                let images: Vec<&str> = images.iter().map(String::as_str).collect();
                for fixed in fixed {
                    let arguments = [fixed.as_slice(), &images].concat();
                    stage.world.countersign(&arguments).ends(0);
                }
            });
        }
    });
    let fixed = ["verify", "--key", &stage.public, "--attestation", kind];
    stage.run(&fixed, "3", &stage.names()).ends(0);
}

#[test]
fn what_is_large_in_one_registry_waits_for_no_other() {
    let slow = Stage::of(World::oci(), 9);
    let other = Stage::of(World::oci(), 1);
    let predicate = format!("{{\"long\":\"{}\"}}", "x".repeat(2 << 20));
    let predicate = slow.world.write("long.json", &predicate);
    let kind = "https://example.com/long";
    let signing = ["--no-tsa", "--key", &slow.private];
    let attesting = ["--type", kind, "--predicate", &predicate];
    for stage in [&slow, &other] {
        let images = stage.names();
        let sign = [&["sign"], &signing[..]].concat();
        stage.run(&sign, "60", &images).ends(0);
        let attest = [&["attest"], &signing[..], &attesting].concat();
        stage.run(&attest, "60", &images).ends(0);
        stage.world.stand_in.forget_calls();
    }
    let silence = Fault::on("GET /v2/*/blobs/*", Lie::Silence);
    slow.world.stand_in.faults().push(silence);
    let images = [slow.names(), other.names()].concat();
    let fixed = ["verify", "--key", &slow.public, "--attestation", kind];
    let run = slow.run(&fixed, "8", &images).ends(3);
    let told = codes(&run);
    let verified = |told: &&String| told.contains(r#""verdict":"verified""#);
    assert_eq!(told.iter().filter(verified).count(), 1);
    // Before the first of the slow ones has given up.
    let calls = [&slow, &other].map(|stage| stage.world.calls(|_| true));
    let [begun, ended] = [&calls[0][0].span.start, &calls[1].last().unwrap().span.end];
    assert!(ended.duration_since(*begun) < Duration::from_secs(7));
}

#[test]
fn a_registry_that_never_answers_leaves_places_for_images_of_others() {
    let silent = Stage::of(World::oci(), 1);
    let other = Stage::of(World::oci(), 70);
    let fixed = ["sign", "--no-tsa", "--key", &silent.private];
    other.run(&fixed, "60", &other.names()).ends(0);
    other.world.stand_in.forget_calls();
    let silence = Fault::on("GET /v2/*", Lie::Silence);
    silent.world.stand_in.faults().push(silence);
    let name = silent.images[0].tagged();
    let silent_names = (0..70).map(|number| format!("{name}-{number}"));
    let images: Vec<_> = silent_names.chain(other.names()).collect();
    let start = Instant::now();
    let run = silent.verify("6", &images).ends(3);
    // Two times the time of one, since in the end nobody else is there to leave places for.
    assert!(start.elapsed() < Duration::from_secs(17));
    let told = codes(&run);
    let verified = |told: &&String| told.contains(r#""verdict":"verified""#);
    assert_eq!(told.iter().filter(verified).count(), 70);
    // Before the first of those that wait has given up.
    let calls = [&silent, &other].map(|stage| stage.world.calls(|_| true));
    let [begun, ended] = [&calls[0][0].span.start, &calls[1].last().unwrap().span.end];
    assert!(ended.duration_since(*begun) < Duration::from_secs(6));
}

#[test]
fn a_long_list_that_never_ends_keeps_none_of_another_registry_waiting() {
    let slow = Stage::of(World::oci(), 9);
    let other = Stage::of(World::oci(), 1);
    let annotations = json!({ "x": "x".repeat(5 << 20) });
    let list = json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "annotations": annotations,
    });
    let list = Lie::Body(list.to_string().into());
    for stage in [&slow, &other] {
        let long = Fault::on("GET /v2/*/referrers/*", list.clone());
        stage.world.stand_in.faults().push(long);
    }
    let every = Duration::from_secs(1);
    let part = Part::Body;
    let drip = Fault::on("GET /v2/*/referrers/*", Lie::Drip { every, part });
    slow.world.stand_in.faults().push(drip);
    let images = [slow.names(), other.names()].concat();
    let told = codes(&slow.verify("4", &images).ends(1));
    assert!(told[9].contains("signature-missing"), "{}", told[9]);
    assert!(told[..9].iter().all(|told| told.contains("fetch-timeout")));
}

#[test]
fn a_registry_that_answers_nothing_is_not_asked_for_the_rest_of_a_list() {
    let silent = Stage::of(World::oci(), 1);
    let other = Stage::of(World::oci(), 3);
    let sign = ["sign", "--no-tsa", "--key", &silent.private];
    other.run(&sign, "60", &other.names()).ends(0);
    let silence = Fault::on("GET /v2/*", Lie::Silence);
    silent.world.stand_in.faults().push(silence);
    let name = silent.images[0].tagged();
    let verify = ["verify", "--key", &silent.public];
    // Each as many as would take five times the time of one.
    for (fixed, count) in [(&verify[..], 320), (&["inspect"], 20), (&sign, 20)] {
        silent.world.stand_in.forget_calls();
        let names = (0..count).map(|number| format!("{name}-{number}"));
        let images: Vec<_> = names.chain(other.names()).collect();
        let start = Instant::now();
        let run = silent.run(fixed, TIMEOUT, &images).ends(3);
        // As README says.
        assert!(start.elapsed() < Duration::from_secs(8), "{fixed:?}");
        let told = codes(&run);
        assert_eq!(told.len(), images.len());
        let (told, others) = told.split_at(count);
        assert!(told.iter().all(|told| told.contains("fetch-timeout")));
        assert!(told[count - 1].contains("requests in a row, for 6 s, and is not asked any more"));
        assert!(!others.concat().contains("timeout"), "{others:?}");
        let asked = silent.world.calls(|_| true).len();
        assert!(asked < count, "{asked}");
    }
    let text = ["inspect", "--timeout", "1", "-f", "list"];
    let run = silent.world.countersign(&text).ends(3);
    run.says("error[fetch-timeout]: 127.0.0.1:")
        .says("and is not asked any more");
}

#[test]
fn a_registry_that_answers_now_and_then_is_asked_to_the_end() {
    let stage = Stage::of(World::oci(), 20);
    for number in (0..20).filter(|number| number % 4 != 3) {
        let call = format!("GET /v2/shop/api/manifests/{number}");
        stage
            .world
            .stand_in
            .faults()
            .push(Fault::on(&call, Lie::Silence));
    }
    let told = codes(&stage.run(&["inspect"], TIMEOUT, &stage.names()).ends(3));
    for (number, told) in told.iter().enumerate() {
        assert_eq!(told.contains("fetch-timeout"), number % 4 != 3, "{told}");
        assert!(!told.contains("not asked any more"), "{told}");
    }
}

#[test]
fn waiting_for_others_whose_lists_are_long_takes_nothing_of_an_images_time() {
    let stage = Stage::of(slow(Duration::from_millis(300)), 16);
    let annotations = json!({ "x": "x".repeat(5 << 20) });
    let list = json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "annotations": annotations,
    });
    let long = Lie::Body(list.to_string().into());
    let long = Fault::on("GET /v2/*/referrers/*", long);
    stage.world.stand_in.faults().push(long);
    // They are read one after the other.
    let told = codes(&stage.verify("4", &stage.names()).ends(1));
    let missing = |told: &String| told.contains("signature-missing");
    assert!(told.iter().all(missing), "{told:?}");
}

#[test]
fn waiting_for_another_who_signs_the_same_takes_nothing_of_an_images_time() {
    let stage = Stage::of(slow(Duration::from_millis(500)), 1);
    let tags = (0..4).map(|tag| stage.world.image("shop/api", &format!("again-{tag}"), "0"));
    let names: Vec<_> = tags.map(|image| image.tagged()).collect();
    let predicate = stage.world.write("predicate.json", "{}");
    let signing = ["--no-tsa", "--key", &stage.private];
    let kind = ["--type", "https://example.com/x", "--predicate", &predicate];
    let sign = [&["sign"], &signing[..]].concat();
    let attest = [&["attest"], &signing[..], &kind].concat();
    for fixed in [&sign, &attest] {
        stage.run(fixed, "8", &names).ends(0);
    }
}

/// A registry that takes so long for each answer.
fn slow(delay: Duration) -> World {
    World::with(Options {
        delay,
        registry: RegistryMode::PlainOci(Login::Anonymous),
        ..Options::default()
    })
}
