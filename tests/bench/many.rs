//! How many images a second one `verify` of a whole registry judges, beside cosign's programs started by hand for the same.
//!
//! Run by hand, `cargo bench --profile dist --bench many`; with `COUNTERSIGN_PEERS` naming the folder of the peers, cosign is
//! measured in the same run. A thousand images of two hundred repositories, each signed by one key, in the stand-in: over
//! plain HTTP that answers at once, and over TLS where each answer takes 20 ms. The registry shares the cores with whoever
//! asks it: ratios mean something, and nothing fails here for being slow.

#![allow(
    clippy::cast_precision_loss,
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
    fmt::Write as _,
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use countersign_stand_in::{Login, Options, RegistryMode, Service, StandIn, Transport};
use serde_json::{Value, json};
use tempfile::TempDir;

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const REPOSITORIES: usize = 200;
const TAGS: usize = 5;
/// Odd, so that one run is in the middle.
const RUNS: usize = 5;

/// How a registry is reached, and how many programs of a peer at a time, each for how many images, are the fastest there.
struct Condition {
    name: &'static str,
    transport: Transport,
    delay: Duration,
    peer: [&'static str; 2],
}

const CONDITIONS: [Condition; 2] = [
    Condition {
        name: "http, no delay",
        transport: Transport::Plain,
        delay: Duration::ZERO,
        peer: ["2", "500"],
    },
    Condition {
        name: "tls, 20 ms",
        transport: Transport::Tls,
        delay: Duration::from_millis(20),
        peer: ["16", "63"],
    },
];

struct Bench {
    stand_in: StandIn,
    environment: Vec<(String, String)>,
    folder: TempDir,
}

fn main() {
    println!(
        "{} images of {REPOSITORIES} repositories, median of {RUNS} runs\n",
        REPOSITORIES * TAGS
    );
    for condition in &CONDITIONS {
        let bench = Bench::new(condition);
        let mut rows = Vec::new();
        for (name, tagged) in [("by tag", true), ("by digest", false)] {
            let list = if tagged { "tagged" } else { "pinned" };
            let verify = [
                "verify",
                "--quiet",
                "--no-cache",
                "--key",
                "key.pub",
                "-f",
                list,
            ];
            rows.push((
                format!("countersign verify -f, {name}"),
                bench.median(|| bench.ours(&verify)),
            ));
        }
        if let Ok(peers) = env::var("COUNTERSIGN_PEERS") {
            let [parallel, each] = condition.peer;
            let name = format!("cosign verify, {parallel} at a time, {each} images each, by tag");
            rows.push((name, bench.median(|| bench.cosign(&peers, parallel, each))));
        }
        println!("{}", condition.name);
        for (name, (time, requests)) in rows {
            let speed = (REPOSITORIES * TAGS) as f64 / time.as_secs_f64();
            println!(
                "  {name:<62} {:>7.2} s  {speed:>6.0} images/s  {requests:>6} requests",
                time.as_secs_f64()
            );
        }
    }
}

impl Bench {
    fn new(condition: &Condition) -> Self {
        let stand_in = StandIn::start(Options {
            registry: RegistryMode::PlainOci(Login::Anonymous),
            transport: condition.transport,
            delay: condition.delay,
            ..Options::default()
        })
        .unwrap();
        let folder = TempDir::new().unwrap();
        let environment = stand_in.environment(&folder.path().join("docker")).unwrap();
        let bench = Self {
            stand_in,
            environment,
            folder,
        };
        let host = bench.stand_in.registry_host();
        let (mut tagged, mut pinned) = (String::new(), String::new());
        for repository in 0..REPOSITORIES {
            for tag in 0..TAGS {
                let path = format!("team/app-{repository}");
                let digest = bench.image(&path, &tag.to_string());
                writeln!(tagged, "{host}/{path}:{tag}").unwrap();
                writeln!(pinned, "{host}/{path}@{digest}").unwrap();
            }
        }
        for (name, list) in [("tagged", tagged), ("pinned", pinned)] {
            fs::write(bench.folder.path().join(name), list).unwrap();
        }
        if let Some(authority) = bench.stand_in.authority_pem() {
            fs::write(bench.folder.path().join("ca.pem"), authority).unwrap();
        }
        bench.ours(&["key", "generate", "key"]);
        bench.ours(&[
            "sign", "--quiet", "--no-tsa", "--key", "key.key", "-f", "pinned",
        ]);
        // As cosign writes it, so that both read the same.
        for repository in 0..REPOSITORIES {
            bench
                .stand_in
                .drop_copies(&format!("team/app-{repository}"));
        }
        bench
    }

    fn image(&self, path: &str, content: &str) -> String {
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": { "Env": [path, content] },
            "rootfs": { "type": "layers", "diff_ids": [] },
        });
        let config = self.blob(path, config.to_string());
        let layer = self.blob(path, content.to_owned());
        let manifest = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer] });
        let manifest = manifest.to_string().into_bytes().into();
        self.stand_in
            .place_manifest(path, content, OCI_MANIFEST, manifest)
    }

    fn blob(&self, path: &str, content: String) -> Value {
        let size = content.len();
        let digest = self.stand_in.place_blob(path, content.into_bytes().into());
        json!({ "mediaType": "application/octet-stream", "digest": digest, "size": size })
    }

    /// The middle time, and the requests of the last run.
    fn median(&self, run: impl Fn()) -> (Duration, usize) {
        let mut times = Vec::new();
        for _ in 0..RUNS {
            self.stand_in.forget_calls();
            let began = Instant::now();
            run();
            times.push(began.elapsed());
        }
        times.sort();
        let calls = self.stand_in.calls();
        let requests = calls
            .iter()
            .filter(|call| call.service == Service::Registry);
        (times[RUNS / 2], requests.count())
    }

    fn ours(&self, arguments: &[&str]) {
        let mut command = self.program(env!("CARGO_BIN_EXE_countersign"));
        run(command.args(arguments));
    }

    fn cosign(&self, peers: &str, parallel: &str, each: &str) {
        let mut command = self.program("xargs");
        command.args(["-a", "tagged", "-P", parallel, "-n", each]);
        command.arg(format!("{peers}/cosign"));
        command.args(["verify", "--key", "key.pub", "--insecure-ignore-tlog"]);
        if self.stand_in.authority_pem().is_some() {
            command.env("SSL_CERT_FILE", "ca.pem");
        }
        run(&mut command);
    }

    fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("HOME", self.folder.path())
            .env("PATH", "/usr/bin:/bin")
            .current_dir(self.folder.path())
            .stdout(Stdio::null());
        command
    }
}

fn run(command: &mut Command) {
    let output = command.stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}
