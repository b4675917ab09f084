//! Publication dates, through the stand-in: what proves one, what does not, and what is demanded of it.

use countersign_stand_in::{
    Clock, Fault, Lie, TsaSetting,
    tsa::{Defect, Mode},
};
use serde_json::Value;

use crate::world::{Image, Run, World};

impl World {
    /// Signs with the stand-in's key.
    pub(crate) fn signs(&self, more: &[&str], image: &Image) -> Run {
        let key = Self::kms_key();
        let image = image.tagged();
        self.countersign(&[&["sign", "--key", &key, &image], more].concat())
    }

    /// Verifies with the stand-in's key.
    pub(crate) fn verifies(&self, more: &[&str], image: &Image) -> Run {
        let key = Self::kms_key();
        let image = image.tagged();
        self.countersign(&[&["verify", "--key", &key, &image], more].concat())
    }

    /// The file of an authority's certificates.
    pub(crate) fn chain(&self, authority: &str) -> String {
        let pem = self.stand_in.tsa_chain_pem(authority).unwrap();
        self.write(&format!("{authority}.pem"), &pem)
    }

    pub(crate) fn tsa(&self, authority: &str) -> String {
        self.stand_in.tsa_url(authority).unwrap().to_string()
    }
}

fn every_world() -> [World; 4] {
    [
        World::ecr(),
        World::ecr_over_tls(),
        World::oci(),
        World::no_referrers(),
    ]
}

#[test]
fn a_date_is_proven_by_two_operators_in_every_kind_of_registry() {
    for world in every_world() {
        let image = world.image("shop/api", "1", "a");
        let (one, two) = (world.tsa("one"), world.tsa("two"));
        let asked = ["--tsa", &one, "--tsa", &two, "--output", "json"];
        let first = world.signs(&asked, &image).ends(0).json();
        let demand = [
            "--tsa-chain",
            &world.chain("one"),
            "--tsa-chain",
            &world.chain("two"),
            "--time-threshold",
            "2",
            "--max-age",
            "1h",
            "--output",
            "json",
        ];
        let verdict = world.verifies(&demand, &image).ends(0).json();
        assert_eq!(verdict["level"], "dated");
        assert_eq!(verdict["pinned"], image.pinned());
        let published = &verdict["freshness"]["published"];
        assert_eq!(published["first"], "not-proven");
        for operators in ["beforeOperators", "afterOperators"] {
            assert_eq!(published[operators].as_array().unwrap().len(), 2);
        }
        assert_eq!(published["notBefore"], first["publication"]["notBefore"]);
        assert_eq!(published["notAfter"], first["publication"]["notAfter"]);
        assert_eq!(published["artifact"], first["publication"]["manifest"]);
        // Doing it again makes no image younger.
        let again = world.signs(&asked, &image).ends(0).json();
        assert_eq!(again["outcome"], "already-signed");
        assert_eq!(again["publication"]["outcome"], "already-signed");
        for member in ["notBefore", "notAfter", "manifest", "signedDigest"] {
            assert_eq!(again["publication"][member], first["publication"][member]);
        }
        assert_eq!(world.kms_calls("Sign").len(), 2);
    }
}

#[test]
fn no_authority_is_built_in() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    let (key, tagged) = (World::kms_key(), image.tagged());
    for command in [
        &["sign", "--key", &key, &tagged][..],
        &["sign", "--key", &key, &tagged, "--dry-run"],
        &[
            "attest",
            "--key",
            &key,
            &tagged,
            "--type",
            "spdx",
            "--predicate",
            "x",
        ],
    ] {
        world.write("x", "{}");
        world
            .countersign_with(command, &[("COUNTERSIGN_TSA", "")])
            .ends(2)
            .says("error[tsa-not-configured]")
            .says("--no-tsa");
    }
    assert_eq!(world.kms_calls("Sign").len(), 0);
    assert_eq!(world.writes(), [""; 0]);
    world
        .verifies(&["--max-age", "1h"], &image)
        .ends(2)
        .says("error[tsa-not-configured]")
        .says("--tsa-chain");
}

#[test]
fn two_flags_that_contradict_each_other_are_a_usage_error() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    let (key, tagged, tsa) = (World::kms_key(), image.tagged(), world.tsa("one"));
    let both = ["sign", "--key", &key, &tagged, "--no-tsa", "--tsa", &tsa];
    world
        .countersign_with(&both, &[("COUNTERSIGN_TSA", "")])
        .ends(2)
        .says("error[tsa-contradicted]");
    // A variable that is set for many commands may be set aside for one.
    world.signs(&["--no-tsa"], &image).ends(0);
    assert_eq!(
        world.calls(|call| call.line.starts_with("POST /one")).len(),
        0
    );
    for (arguments, code) in [
        (&["--tsa", "ftp://tsa.example/"][..], "tsa-url-invalid"),
        (&["--tsa-chain", "nothing.pem"], "file-unreadable"),
        (&["--tsa-chain", "/dev/null"], "tsa-chain-invalid"),
    ] {
        world.signs(arguments, &image).ends(2).says(code);
    }
}

#[test]
fn a_claimed_date_says_so_and_proves_nothing() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    world
        .signs(&["--no-tsa"], &image)
        .ends(0)
        .says("which is claimed and not proven");
    let chain = world.chain("one");
    world
        .verifies(&[], &image)
        .ends(0)
        .says("(level `signed`)")
        .says("freshness     not proven: ");
    for demand in [
        &["--require", "dated"][..],
        &["--max-age", "30d"],
        &["--min-age", "0s"],
        &["--published-after", "2020-01-01"],
        &["--supported"],
    ] {
        world
            .verifies(&[demand, &["--tsa-chain", &chain]].concat(), &image)
            .ends(1)
            .says("refused[date-unproven]");
    }
    // A claim is made good by whoever signs again with proof.
    world.signs(&[], &image).ends(0);
    world
        .verifies(&["--tsa-chain", &chain, "--require", "dated"], &image)
        .ends(0)
        .says("(level `dated`)");
}

/// Seconds after 1970, from what a verdict or a record says.
fn seconds(time: &Value) -> i64 {
    let time = chrono::DateTime::parse_from_rfc3339(time.as_str().unwrap());
    time.unwrap().timestamp()
}

fn at(seconds: i64) -> String {
    chrono::DateTime::from_timestamp(seconds, 0)
        .unwrap()
        .to_rfc3339()
}

#[test]
fn each_demand_is_met_at_its_edge_and_not_a_second_beyond() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    let until = "2030-01-01T00:00:00Z";
    let signed = world.signs(&["--supported-until", until, "--output", "json"], &image);
    let signed = signed.ends(0).json();
    let begin = seconds(&signed["publication"]["notBefore"]);
    let end = seconds(&signed["publication"]["notAfter"]);
    let until = seconds(&until.into());
    let (chain, day) = (world.chain("one"), 86_400);
    for (demand, passes, refused, code) in [
        (
            vec!["--max-age".to_owned(), "1d".to_owned()],
            begin + day,
            begin + day + 1,
            "image-too-old",
        ),
        (
            vec!["--min-age".to_owned(), "1d".to_owned()],
            end + day,
            end + day - 1,
            "image-too-new",
        ),
        (
            vec!["--supported".to_owned()],
            until,
            until + 1,
            "image-end-of-life",
        ),
    ] {
        let verify = |now: i64| {
            let now = at(now);
            let more = ["--tsa-chain", &chain, "--at", &now];
            let demand: Vec<&str> = demand.iter().map(String::as_str).collect();
            world.verifies(&[&more[..], &demand].concat(), &image)
        };
        verify(passes).ends(0).says(", as of ");
        verify(refused).ends(1).says(&format!("refused[{code}]"));
    }
    for (flag, passes, refused, code) in [
        ("--published-after", begin, begin + 1, "image-too-old"),
        ("--published-before", end, end - 1, "image-too-new"),
    ] {
        let verify =
            |limit: i64| world.verifies(&["--tsa-chain", &chain, flag, &at(limit)], &image);
        verify(passes).ends(0);
        verify(refused).ends(1).says(&format!("refused[{code}]"));
    }
}

#[test]
fn a_judgement_as_of_another_time_lets_nothing_run() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    world.signs(&[], &image).ends(0);
    let as_of = world.verifies(&["--at", "2040-01-01", "--output", "json"], &image);
    let verdict = as_of.ends(0).json();
    assert_eq!(verdict["asOf"], true);
    assert_eq!(verdict["judgedAt"], "2040-01-01T00:00:00Z");
    assert_eq!(verdict["pinned"], Value::Null);
    let run = world
        .verifies(&["--at", "2040-01-01", "--pin"], &image)
        .ends(2);
    assert_eq!(run.stdout, "");
    // What was published after that time was not there then.
    world
        .verifies(
            &[
                "--at",
                "2020-01-01",
                "--require",
                "dated",
                "--tsa-chain",
                &world.chain("one"),
            ],
            &image,
        )
        .ends(1)
        .says("refused[clock-behind]");
}

#[test]
fn support_that_is_published_stays_as_it_is() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    let until = |until: &'static str| ["--supported-until", until];
    world.signs(&until("2030-01-01"), &image).ends(0);
    let calls = world.kms_calls("Sign").len();
    world
        .signs(&until("2031-01-01"), &image)
        .ends(1)
        .says("error[publication-differs]")
        .says("supported until 2030-01-01T00:00:00Z");
    assert_eq!(world.kms_calls("Sign").len(), calls);
    world
        .signs(&until("2030-01-01"), &image)
        .ends(0)
        .says("already");
    world.signs(&[], &image).ends(0).says("already");
}

#[test]
fn a_dry_run_asks_nobody() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    let plans = world.signs(&["--dry-run", "--output", "json"], &image);
    let plans = plans.ends(0).json();
    assert_eq!(
        plans["predicateType"],
        "https://sigstore.dev/cosign/sign/v1"
    );
    let publication = &plans["publication"];
    assert_eq!(
        publication["predicateType"],
        "https://countersign.dev/publication/v1"
    );
    assert_eq!(publication["signedDigest"], Value::Null);
    world
        .signs(&["--dry-run"], &image)
        .ends(0)
        .says("signs      the statement with time stamps inside");
    assert_eq!(world.calls(|call| call.line.starts_with("POST /")).len(), 0);
    assert_eq!(world.kms_calls("Sign").len(), 0);
    assert_eq!(world.writes(), [""; 0]);
}

#[test]
fn an_authority_that_is_away_is_an_error_unless_fewer_will_do() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    let (one, two) = (world.tsa("one"), world.tsa("two"));
    let asked = ["--tsa", &one, "--tsa", &two];
    world
        .stand_in
        .faults()
        .push(Fault::on("POST /two", Lie::status(503)));
    world
        .signs(&asked, &image)
        .ends(3)
        .says("error[tsa-unavailable]")
        .says("1 of 2");
    assert_eq!(world.writes(), [""; 0]);
    world
        .signs(&[&asked[..], &["--allow-fewer-stamps"]].concat(), &image)
        .ends(0);
    world
        .verifies(
            &["--tsa-chain", &world.chain("one"), "--require", "dated"],
            &image,
        )
        .ends(0);
    let both = [
        "--tsa-chain",
        &world.chain("one"),
        "--tsa-chain",
        &world.chain("two"),
        "--time-threshold",
        "2",
        "--require",
        "dated",
    ];
    world
        .verifies(&both, &image)
        .ends(1)
        .says("refused[time-evidence-insufficient]");
    world.stand_in.faults().clear();
    // What it advises helps whoever says so once: a publication with too few stamps does not stand in the way.
    let config = world.write("two.toml", "version = 1\n[verify]\ntime-threshold = 2\n");
    let asked = [&asked[..], &both[..4], &["--config", &config]].concat();
    world.signs(&asked, &image).ends(0).says("signed: ");
    world.verifies(&both, &image).ends(0);
    world.signs(&asked, &image).ends(0).says("already signed: ");
    let asked_one = ["--tsa", &one, "--tsa-chain", both[1], "--config", &config];
    world
        .signs(&asked_one, &image)
        .ends(2)
        .says("error[time-threshold-too-high]");
    let other = world.image("shop/api", "2", "b");
    world
        .signs(&["--tsa", "http://127.0.0.1:1/"], &other)
        .ends(3)
        .says("error[tsa-unavailable]");
}

#[test]
fn a_silent_authority_leaves_time_for_the_rest() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    let (one, two) = (world.tsa("one"), world.tsa("two"));
    let asked = ["--timeout", "12", "--tsa", &two, "--tsa", &one];
    world
        .stand_in
        .faults()
        .push(Fault::on("POST /two", Lie::Silence));
    world
        .signs(&asked, &image)
        .ends(3)
        .says("error[tsa-unavailable]")
        .says(&format!("{two} did not answer within 4 s"));
    assert_eq!(world.writes(), [""; 0]);
    world
        .signs(&[&asked[..], &["--allow-fewer-stamps"]].concat(), &image)
        .ends(0)
        .says("signed: ");
}

#[test]
fn an_authority_that_lies_stops_the_signer() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    let lies = |setting: TsaSetting| world.stand_in.set_tsa("one", setting);
    for (setting, code) in [
        (with(Defect::OtherNonce), "stamp-implausible"),
        (with(Defect::NoNonce), "stamp-implausible"),
        (with(Defect::OtherImprint), "stamp-invalid"),
        (with(Defect::SignatureFlipped), "stamp-invalid"),
        (with(Defect::EkuMore), "stamp-invalid"),
        (with(Defect::BareToken), "stamp-invalid"),
        (with(Defect::NoCertificates), "stamp-invalid"),
        (of(Clock::Offset(-400)), "stamp-implausible"),
        (of(Clock::Offset(400)), "stamp-implausible"),
    ] {
        lies(setting);
        // Not even where fewer would do: somebody should look at it.
        world
            .signs(
                &[
                    "--tsa",
                    &world.tsa("one"),
                    "--tsa",
                    &world.tsa("two"),
                    "--allow-fewer-stamps",
                ],
                &image,
            )
            .ends(1)
            .says(&format!("error[{code}]"));
    }
    lies(with(Defect::Rejected));
    world
        .signs(&[], &image)
        .ends(3)
        .says("error[tsa-unavailable]");
    assert_eq!(world.writes(), [""; 0]);
    lies(TsaSetting::default());
    world.signs(&[], &image).ends(0);
}

fn with(defect: Defect) -> TsaSetting {
    TsaSetting {
        mode: Mode::with(defect),
        ..TsaSetting::default()
    }
}

fn of(clock: Clock) -> TsaSetting {
    TsaSetting {
        clock,
        ..TsaSetting::default()
    }
}

#[test]
fn what_its_own_verifiers_would_not_believe_is_not_pushed() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    world
        .signs(&["--tsa-chain", &world.chain("two")], &image)
        .ends(1)
        .says("error[self-check-failed]")
        .says("no authority that is trusted here");
    assert_eq!(world.writes(), [""; 0]);
    world
        .signs(&["--tsa-chain", &world.chain("one")], &image)
        .ends(0);
}

#[test]
fn a_stamp_by_a_stranger_proves_nothing() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    world.signs(&[], &image).ends(0);
    let demand = ["--tsa-chain", &world.chain("two"), "--require", "dated"];
    world
        .verifies(&demand, &image)
        .ends(1)
        .says("refused[tsa-untrusted]");
    // Where nothing is demanded it is signed all the same.
    world
        .verifies(&demand[..2], &image)
        .ends(0)
        .says("(level `signed`)")
        .says("remark[tsa-untrusted]");
}

#[test]
fn one_authority_under_two_names_is_one_witness() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    world.signs(&[], &image).ends(0);
    let pem = world.stand_in.tsa_chain_pem("one").unwrap();
    let other = world.write("another-name.pem", &pem);
    world
        .verifies(
            &[
                "--tsa-chain",
                &world.chain("one"),
                "--tsa-chain",
                &other,
                "--time-threshold",
                "2",
            ],
            &image,
        )
        .ends(2)
        .says("error[tsa-chain-shared]");
    world
        .verifies(&["--tsa-chain", &other, "--time-threshold", "2"], &image)
        .ends(2)
        .says("error[time-threshold-too-high]");
}

#[test]
fn the_builders_date_is_shown_and_never_used() {
    let world = World::oci();
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": [] },
        "config": { "Labels": { "org.opencontainers.image.created": "1999-12-31T23:59:59Z\u{1b}[2J" } },
    });
    let manifest = world.manifest("shop/api", &config, "a");
    let image = world.place("shop/api", "1", crate::world::OCI_MANIFEST, manifest);
    world.signs(&[], &image).ends(0);
    let demand = ["--tsa-chain", &world.chain("one"), "--max-age", "1h"];
    let run = world
        .verifies(&demand, &image)
        .ends(0)
        .says("1999-12-31T23:59:59Z")
        .says("the builder's claim, never judged");
    assert!(!run.stdout.contains('\u{1b}'));
}
