//! What a proven date costs: requests, bytes and time of `sign` and `verify` with no, one and two time-stamp authorities.
//!
//! Run by hand, `cargo bench --bench stamps` (or with `--profile dev`, which compiles less). Every kind is measured in the
//! same run against the same loopback services, in turn, so that the ratios mean something wherever it runs; the
//! milliseconds do not. `DELAY=20` waits so long before each answer, as a network would. Nothing fails here for being slow.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark: it starts programs, looks at the clock, and prints"
)]

use std::{
    env,
    process::Command,
    time::{Duration, Instant},
};

use countersign_stand_in::{Options, Service, StandIn, tsa::KeyKind};
use serde_json::{Value, json};
use tempfile::TempDir;

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Of each kind; odd, so that one of them is in the middle.
const RUNS: usize = 15;

/// How a date is proven.
struct Kind {
    name: &'static str,
    signing: Vec<String>,
    verifying: Vec<String>,
}

/// What one run cost.
#[derive(Clone, Copy)]
struct Cost {
    requests: usize,
    received: u64,
    sent: u64,
    time: Duration,
}

struct Bench {
    stand_in: StandIn,
    environment: Vec<(String, String)>,
    folder: TempDir,
}

fn main() {
    let bench = Bench::new();
    let kinds = bench.kinds();
    let mut signing: Vec<Vec<Cost>> = vec![Vec::new(); kinds.len()];
    let mut verifying = signing.clone();
    for run in 0..RUNS {
        for (number, kind) in kinds.iter().enumerate() {
            let image = bench.image(&format!("{run}-{number}"));
            let sign = ["sign", "--quiet", "--key", "key.key", &image];
            signing[number].push(bench.cost(&sign, &kind.signing));
            let verify = ["verify", "--quiet", "--key", "key.pub", &image];
            verifying[number].push(bench.cost(&verify, &kind.verifying));
        }
    }
    println!("median of {RUNS} runs each, in turn; ratio to the first line of its kind\n");
    println!(
        "                                  requests  to services  from services      time  ratio"
    );
    show("sign", &kinds, &signing);
    show("verify", &kinds, &verifying);
}

fn show(command: &str, kinds: &[Kind], costs: &[Vec<Cost>]) {
    let floor = median(&costs[0]);
    for (kind, costs) in kinds.iter().zip(costs) {
        let cost = median(costs);
        println!(
            "{:<33} {:>8}  {:>9} B  {:>11} B  {:>5.1} ms  {:>5.2}",
            format!("{command}, {}", kind.name),
            format!("{}", cost.requests),
            cost.received,
            cost.sent,
            cost.time.as_secs_f64() * 1e3,
            cost.time.as_secs_f64() / floor.time.as_secs_f64(),
        );
    }
}

/// The run that took the middle time. Requests and bytes are the same in each, or nearly.
fn median(costs: &[Cost]) -> Cost {
    let mut costs = costs.to_vec();
    costs.sort_by_key(|cost| cost.time);
    costs[costs.len() / 2]
}

impl Bench {
    fn new() -> Self {
        let delay = env::var("DELAY").map_or(0, |delay| delay.parse().expect("milliseconds"));
        let options = Options {
            delay: Duration::from_millis(delay),
            time_authorities: ["one", "two"]
                .map(|name| (name.to_owned(), KeyKind::Rsa2048))
                .to_vec(),
            ..Options::default()
        };
        let stand_in = StandIn::start(options).unwrap();
        let folder = TempDir::new().unwrap();
        let environment = stand_in.environment(&folder.path().join("docker")).unwrap();
        for name in ["one", "two"] {
            let chain = stand_in.tsa_chain_pem(name).unwrap();
            std::fs::write(folder.path().join(format!("{name}.pem")), chain).unwrap();
        }
        let bench = Self {
            stand_in,
            environment,
            folder,
        };
        bench.run(&["key", "generate", "key"], &[]);
        bench
    }

    fn kinds(&self) -> Vec<Kind> {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let (one, two) = (self.tsa("one"), self.tsa("two"));
        vec![
            Kind {
                name: "no authority",
                signing: texts(&["--no-tsa"]),
                verifying: Vec::new(),
            },
            Kind {
                name: "one authority",
                signing: texts(&["--tsa", &one]),
                verifying: texts(&["--tsa-chain", "one.pem", "--max-age", "1d"]),
            },
            Kind {
                name: "two authorities",
                signing: texts(&["--tsa", &one, "--tsa", &two]),
                verifying: texts(&[
                    "--tsa-chain",
                    "one.pem",
                    "--tsa-chain",
                    "two.pem",
                    "--time-threshold",
                    "2",
                    "--max-age",
                    "1d",
                ]),
            },
        ]
    }

    fn tsa(&self, name: &str) -> String {
        self.stand_in.tsa_url(name).unwrap().to_string()
    }

    fn image(&self, content: &str) -> String {
        let config = json!({ "architecture": "amd64", "os": "linux", "config": { "Env": [content] }, "rootfs": { "type": "layers", "diff_ids": [] } });
        let config = self.blob(&config.to_string());
        let layer = self.blob(content);
        let manifest = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer] });
        let manifest = manifest.to_string().into_bytes().into();
        let digest = self
            .stand_in
            .place_manifest("bench", "", OCI_MANIFEST, manifest);
        format!("{}/bench@{digest}", self.stand_in.registry_host())
    }

    fn blob(&self, content: &str) -> Value {
        let digest = self
            .stand_in
            .place_blob("bench", content.as_bytes().to_vec().into());
        json!({ "mediaType": "application/octet-stream", "digest": digest, "size": content.len() })
    }

    fn cost(&self, arguments: &[&str], more: &[String]) -> Cost {
        self.stand_in.forget_calls();
        let began = Instant::now();
        self.run(arguments, more);
        let time = began.elapsed();
        let calls = self.stand_in.calls();
        let calls: Vec<_> = calls
            .iter()
            .filter(|call| call.service != Service::Proxy)
            .collect();
        Cost {
            requests: calls.len(),
            received: calls.iter().map(|call| call.received).sum(),
            sent: calls.iter().map(|call| call.sent()).sum(),
            time,
        }
    }

    fn run(&self, arguments: &[&str], more: &[String]) {
        let output = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(arguments)
            .args(more)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("HOME", self.folder.path())
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?} {more:?}: {said}");
    }
}
