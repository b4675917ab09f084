//! How fast `verify --deep` reads and hashes the layers of images, beside what this machine does at most.
//!
//! Run by hand, `cargo bench --bench layers`. Floors and command are measured in turn in the same run, against the same
//! registry on the loopback, which shares the cores with whoever reads from it: ratios mean something, milliseconds do not.
//! Nothing fails here for being slow.

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
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use countersign_common::digest::{HashAlgorithm, Hasher};
use countersign_stand_in::{Login, Options, RegistryMode, StandIn};
use serde_json::{Value, json};
use tempfile::TempDir;

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Odd, so that one run is in the middle.
const RUNS: usize = 7;
const LAYERS: usize = 8;
const LAYER: usize = 64 << 20;

struct Bench {
    stand_in: StandIn,
    environment: Vec<(String, String)>,
    folder: TempDir,
    layers: Vec<Value>,
    contents: Vec<Vec<u8>>,
    image: String,
}

/// What is measured.
type Way = (&'static str, fn(&Bench));

const WAYS: [Way; 5] = [
    ("SHA-256 of the layers, in memory", Bench::hash),
    ("reading them, and nothing else", |bench| bench.read(false)),
    ("reading and hashing them, bare", |bench| bench.read(true)),
    ("countersign verify", |bench| bench.verify(&[])),
    ("countersign verify --deep", |bench| {
        bench.verify(&["--deep"]);
    }),
];

fn main() {
    let bench = Bench::new();
    let mut times = [const { Vec::new() }; WAYS.len()];
    for _ in 0..RUNS {
        for (number, (_, way)) in WAYS.iter().enumerate() {
            let began = Instant::now();
            way(&bench);
            times[number].push(began.elapsed());
        }
    }
    let bytes = (LAYERS * LAYER) as f64;
    let medians = times.map(median);
    // Starting, the signature and the rest are no part of the layers.
    let deep = medians[4].saturating_sub(medians[3]);
    println!(
        "{LAYERS} layers of {} MiB, median of {RUNS} runs in turn, {} cores\n",
        LAYER >> 20,
        cores()
    );
    for ((name, _), median) in WAYS.iter().zip(medians) {
        println!(
            "{name:<34} {:>8.1} ms  {:>6.0} MB/s",
            median.as_secs_f64() * 1e3,
            bytes / median.as_secs_f64() / 1e6
        );
    }
    println!(
        "\nthe layers alone, by countersign   {:>8.1} ms",
        deep.as_secs_f64() * 1e3
    );
    for number in 0..3 {
        println!(
            "  speed, of {:<34} {:.2}",
            WAYS[number].0,
            medians[number].as_secs_f64() / deep.as_secs_f64()
        );
    }
}

fn cores() -> usize {
    thread::available_parallelism().unwrap().get()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

impl Bench {
    fn new() -> Self {
        let stand_in = StandIn::start(Options {
            registry: RegistryMode::PlainOci(Login::Anonymous),
            ..Options::default()
        })
        .unwrap();
        let folder = TempDir::new().unwrap();
        let environment = stand_in.environment(&folder.path().join("docker")).unwrap();
        let contents: Vec<_> = (0..LAYERS).map(content).collect();
        let layers = contents
            .iter()
            .map(|content| blob(&stand_in, content))
            .collect::<Vec<_>>();
        let config = json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": [] } });
        let config = blob(&stand_in, config.to_string().as_bytes());
        let manifest = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers });
        let manifest = manifest.to_string().into_bytes().into();
        let digest = stand_in.place_manifest("bench", "", OCI_MANIFEST, manifest);
        let image = format!("{}/bench@{digest}", stand_in.registry_host());
        let bench = Self {
            stand_in,
            environment,
            folder,
            layers,
            contents,
            image,
        };
        bench.run(&["key", "generate", "key"]);
        bench.run(&[
            "sign",
            "--plain-http",
            "--no-tsa",
            "--key",
            "key.key",
            &bench.image,
        ]);
        bench
    }

    /// On as many threads as there are cores.
    fn hash(&self) {
        let share = LAYERS.div_ceil(cores());
        thread::scope(|scope| {
            for contents in self.contents.chunks(share) {
                scope.spawn(move || {
                    for content in contents {
                        let mut hasher = Hasher::new(HashAlgorithm::Sha256);
                        hasher.update(content);
                        std::hint::black_box(hasher.finish());
                    }
                });
            }
        });
    }

    /// Each layer by a connection of its own, with nothing between the socket and the buffer.
    fn read(&self, and_hash: bool) {
        thread::scope(|scope| {
            for layer in &self.layers {
                scope.spawn(move || self.read_one(layer["digest"].as_str().unwrap(), and_hash));
            }
        });
    }

    fn read_one(&self, digest: &str, and_hash: bool) {
        let host = self.stand_in.registry_host();
        let mut stream = TcpStream::connect(host).unwrap();
        write!(
            stream,
            "GET /v2/bench/blobs/{digest} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut reader = BufReader::with_capacity(256 << 10, stream);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            assert_ne!(reader.read_line(&mut line).unwrap(), 0);
        }
        let mut hasher = Hasher::new(HashAlgorithm::Sha256);
        let mut buffer = vec![0; 256 << 10];
        let mut left = LAYER;
        while left > 0 {
            let count = reader.read(&mut buffer).unwrap();
            assert_ne!(count, 0);
            left -= count;
            if and_hash {
                hasher.update(&buffer[..count]);
            }
        }
        if and_hash {
            assert_eq!(hasher.finish().to_string(), digest);
        }
    }

    fn verify(&self, more: &[&str]) {
        let verify = [
            "verify",
            "--quiet",
            "--plain-http",
            "--key",
            "key.pub",
            &self.image,
        ];
        self.run(&[&verify, more].concat());
    }

    fn run(&self, arguments: &[&str]) {
        let output = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("HOME", self.folder.path())
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
    }
}

/// Bytes that no two layers share; what they are does not matter, since nothing is unpacked.
fn content(number: usize) -> Vec<u8> {
    let seed = number as u64 + 1;
    (0..LAYER as u64 / 8)
        .flat_map(|place| (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed).to_le_bytes())
        .collect()
}

fn blob(stand_in: &StandIn, bytes: &[u8]) -> Value {
    let digest = stand_in.place_blob("bench", bytes.to_vec().into());
    json!({ "mediaType": "application/octet-stream", "digest": digest, "size": bytes.len() })
}
