//! Throttling at any request of any command: it ends in success, or is told as throttling, and never as a missing signature.

use std::collections::BTreeMap;

use countersign_stand_in::{Call, Fault, Lie, Login, Options, RegistryMode, Service};

use crate::{
    legacy::{FLAG, Older},
    world::World,
};

/// The codes of those who may throttle.
const CODES: [&str; 3] = ["registry-throttled", "key-throttled", "tsa-unavailable"];

/// How long whoever throttles wants to be left alone.
#[derive(Clone, Copy, Debug)]
enum For {
    AnHour,
    NoTime,
}

/// What is done; where it changes something, each time to another image.
type Work = fn(&World, u32) -> Vec<String>;

fn arguments(fixed: &[&str], rest: &[String]) -> Vec<String> {
    let fixed = fixed.iter().map(|argument| (*argument).to_owned());
    fixed.chain(rest.iter().cloned()).collect()
}

/// The same image each time.
fn signed(world: &World, number: u32) -> String {
    let image = unsigned(world, 1);
    if number == 1 {
        let key = World::kms_key();
        world.countersign(&["sign", "--key", &key, &image]).ends(0);
    }
    image
}

/// In a repository of its own: what was uploaded for one image is not uploaded for the next beside it.
fn unsigned(world: &World, number: u32) -> String {
    world.image(&format!("shop/{number}"), "1", "a").tagged()
}

fn verify(world: &World, number: u32) -> Vec<String> {
    let rest = [World::kms_key(), signed(world, number)];
    arguments(&["verify", "--accept-stand-in", "--key"], &rest)
}

/// By what cosign before version 3 left at a tag, and nothing else.
fn verify_older(world: &World, number: u32) -> Vec<String> {
    let older = Older::numbered(11);
    let image = world.image("shop/older", "1", "a");
    if number == 1 {
        older.sign(world, &image);
    }
    let rest = [older.public(world), image.tagged()];
    arguments(&["verify", FLAG, "--key"], &rest)
}

fn inspect(world: &World, number: u32) -> Vec<String> {
    arguments(&["inspect"], &[signed(world, number)])
}

fn sign(world: &World, number: u32) -> Vec<String> {
    let rest = [World::kms_key(), unsigned(world, number)];
    arguments(&["sign", "--key"], &rest)
}

fn attest(world: &World, number: u32) -> Vec<String> {
    let predicate = world.write("predicate.json", "{}");
    let rest = [predicate, World::kms_key(), unsigned(world, number)];
    let mut arguments = arguments(&["attest", "--type", "spdx", "--predicate"], &rest);
    arguments.insert(5, "--key".to_owned());
    arguments
}

/// A call as a pattern: whatever is another one for another image is left open.
fn pattern(call: &Call) -> String {
    let parts = call.line.split('/').map(|part| {
        let is_open = part.starts_with("sha256") || part.parse::<u32>().is_ok() || part.len() > 30;
        if is_open && call.service != Service::Aws {
            "*"
        } else {
            part
        }
    });
    parts.collect::<Vec<_>>().join("/")
}

fn lie(service: Service, long: For) -> Lie {
    match (service, long) {
        (Service::Aws, _) => Lie::kms_throttled(),
        (_, For::AnHour) => Lie::throttled("3600"),
        (_, For::NoTime) => Lie::throttled("0"),
    }
}

/// Each request that the work makes is throttled once, in a run of its own.
#[track_caller]
fn is_never_unsigned(world: &World, work: Work) {
    let mut number = 0;
    let mut next = || {
        number += 1;
        let arguments = work(world, number);
        world.stand_in.forget_calls();
        arguments
    };
    world.countersign(&next()).ends(0);
    let honest = world.stand_in.calls();
    assert!(honest.len() > 4, "{honest:?}");
    let mut before: BTreeMap<String, u32> = BTreeMap::new();
    let mut told = 0;
    for call in &honest {
        let pattern = pattern(call);
        let earlier = before.entry(pattern.clone()).or_default();
        for long in [For::NoTime, For::AnHour] {
            let arguments = next();
            let fault = Fault::on(&pattern, lie(call.service, long));
            world.stand_in.faults().push(fault.after(*earlier).times(1));
            let run = world.countersign(&arguments);
            world.stand_in.faults().clear();
            let said = format!("{} {long:?}: {}{}", call.line, run.stdout, run.stderr);
            let struck = |call: &Call| call.status == 429 || call.status == 400;
            assert_eq!(world.calls(struck).len(), 1, "{said}");
            match (run.code, long) {
                (0, _) => {}
                (3, For::AnHour) => {
                    assert!(CODES.iter().any(|code| said.contains(code)), "{said}");
                    told += 1;
                }
                (code, _) => panic!("it ended with {code}: {said}"),
            }
        }
        *earlier += 1;
    }
    assert!(told > 2, "nothing of {honest:?} was needed");
}

fn bearer() -> World {
    World::with(Options {
        registry: RegistryMode::PlainOci(Login::Bearer),
        ..Options::default()
    })
}

#[test]
fn verifying() {
    is_never_unsigned(&World::ecr(), verify);
}

#[test]
fn verifying_where_there_is_a_login_realm() {
    is_never_unsigned(&bearer(), verify);
}

#[test]
fn verifying_by_the_fallback_tag() {
    is_never_unsigned(&World::no_referrers(), verify);
}

#[test]
fn verifying_by_a_tag_of_signatures() {
    is_never_unsigned(&World::ecr(), verify_older);
}

#[test]
fn inspecting() {
    is_never_unsigned(&World::ecr(), inspect);
}

#[test]
fn inspecting_by_the_fallback_tag() {
    is_never_unsigned(&World::no_referrers(), inspect);
}

#[test]
fn signing() {
    is_never_unsigned(&World::ecr(), sign);
}

#[test]
fn signing_with_the_fallback_tag() {
    is_never_unsigned(&World::no_referrers(), sign);
}

#[test]
fn attesting() {
    is_never_unsigned(&World::ecr(), attest);
}

#[test]
fn a_key_that_is_throttled_for_a_while_is_asked_again() {
    let world = World::ecr();
    let calls = [
        ("sign", "TrentService.GetPublicKey"),
        ("sign", "TrentService.Sign"),
        ("verify", "TrentService.GetPublicKey"),
    ];
    for (command, call) in calls {
        let image = world.image("shop/api", call, call).tagged();
        let arguments = |command| [command, "--key", &World::kms_key(), &image].map(str::to_owned);
        if command == "verify" {
            world.countersign(&arguments("sign")).ends(0);
        }
        world.stand_in.forget_calls();
        // By KMS itself, and by something before it.
        let lies = [
            Lie::kms_throttled(),
            bare(429, None),
            bare(503, Some("1")),
            bare(429, Some("0")),
        ];
        for (before, lie) in (0..).zip(lies) {
            let fault = Fault::on(call, lie).after(before).times(1);
            world.stand_in.faults().push(fault);
        }
        world.countersign(&arguments(command)).ends(0);
        let struck = world.calls(|called| called.line == call && called.status >= 400);
        assert_eq!(struck.len(), 4, "{struck:#?}");
    }
}

#[test]
fn a_key_that_stays_throttled_is_told_as_that() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a").tagged();
    let key = World::kms_key();
    world.countersign(&["sign", "--key", &key, &image]).ends(0);
    for (lie, calls) in [
        (Lie::kms_throttled(), 5),
        (bare(429, None), 5),
        (bare(503, Some("0")), 5),
        (bare(429, Some("3600")), 1),
        (bare(503, Some("3600")), 1),
        (long(429), 5),
    ] {
        world.stand_in.faults().clear();
        world
            .stand_in
            .faults()
            .push(Fault::on("TrentService.*", lie));
        for command in ["sign", "verify"] {
            world.stand_in.forget_calls();
            world
                .countersign(&[command, "--key", &key, &image])
                .ends(3)
                .says("error[key-throttled]");
            let asked = world.calls(|call| call.line.contains("TrentService"));
            assert_eq!(asked.len(), calls, "{asked:#?}");
        }
    }
}

#[test]
fn what_is_too_long_for_an_error_of_kms_is_no_refusal_of_it() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a").tagged();
    let key = World::kms_key();
    for (lie, exit, code) in [
        (long(502), 3, "key-unavailable"),
        (long(403), 3, "key-unavailable"),
        (long(200), 1, "key-protocol"),
    ] {
        world.stand_in.faults().clear();
        let fault = Fault::on("TrentService.GetPublicKey", lie);
        world.stand_in.faults().push(fault);
        world
            .countersign(&["sign", "--key", &key, &image])
            .ends(exit)
            .says(&format!("error[{code}]"));
    }
}

/// The page of a proxy, longer than anything that KMS says.
fn long(status: u16) -> Lie {
    Lie::Instead {
        status,
        headers: Vec::new(),
        body: vec![b' '; 100 << 10].into(),
    }
}

/// What a proxy says that throttles, without a word of AWS's.
fn bare(status: u16, after: Option<&str>) -> Lie {
    let header = |after: &str| ("Retry-After".to_owned(), after.to_owned());
    Lie::Instead {
        status,
        headers: after.map(header).into_iter().collect(),
        body: "slow down".into(),
    }
}
