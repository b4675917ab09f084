//! `countersign demo` and `countersign stand-in`: what a person tries first.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::world::{OCI_INDEX, Run, World, run};

/// A `countersign stand-in` that listens. Ended when it is dropped.
struct Served {
    process: Option<Child>,
    variables: BTreeMap<String, String>,
    env_file: String,
}

impl Served {
    fn start(world: &World, flags: &[&str]) -> Self {
        // A name that a shell would fall over if it were not quoted.
        let folder = world.path("it's here");
        fs::create_dir_all(&folder).unwrap();
        let env_file = folder.join("env file").display().to_string();
        let mut command = alone(world);
        command
            .args(["stand-in", "--env-file", &env_file])
            .args(flags)
            .stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut introduction = String::new();
        BufReader::new(process.stdout.as_mut().unwrap())
            .read_line(&mut introduction)
            .unwrap();
        assert!(
            introduction.starts_with("registry  127.0.0.1:"),
            "{introduction}"
        );
        let mut served = Self {
            process: Some(process),
            variables: BTreeMap::new(),
            env_file,
        };
        let shell = served.shell(world, "env");
        served.variables = shell
            .ends(0)
            .stdout
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        served
    }

    /// Runs a script as a person would, after reading the file; `$COUNTERSIGN` is the command.
    fn shell(&self, world: &World, script: &str) -> Run {
        let mut shell = Command::new("/bin/sh");
        shell
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", world.path(""))
            .env("COUNTERSIGN", env!("CARGO_BIN_EXE_countersign"))
            .env("ENV_FILE", &self.env_file)
            .current_dir(world.path(""))
            .args(["-c", &format!("set -e; . \"$ENV_FILE\"; {script}")]);
        run(shell)
    }

    fn signal(mut self, name: &str) -> Option<i32> {
        let mut process = self.process.take().unwrap();
        let mut kill = Command::new("/bin/sh");
        kill.args(["-c", &format!("kill -{name} {}", process.id())]);
        assert!(kill.status().unwrap().success());
        process.wait().unwrap().code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// The command without any variable of a stand-in.
fn alone(world: &World) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command
        .env_clear()
        .env("HOME", world.path(""))
        .current_dir(world.path(""));
    command
}

/// Pushes an image without anything but curl, then signs and verifies it as `stand-in` says.
const PIPELINE: &str = r#"
auth=$(sed -n 's/.*"auth":"\([^"]*\)".*/\1/p' "$DOCKER_CONFIG/config.json")
scheme=http
[ -z "$SSL_CERT_FILE" ] || scheme=https
curl -sSf ${auth:+-H "Authorization: Basic $auth"} -X PUT --data-binary @index.json \
  -H "Content-Type: application/vnd.oci.image.index.v1+json" "$scheme://$REGISTRY/v2/app/manifests/1"
"$COUNTERSIGN" sign --key "$KMS_KEY" --tsa "$TSA_URL" --tsa "$TSA_URL_2" "$REGISTRY/app:1"
"$COUNTERSIGN" verify --key "$KMS_KEY" --tsa-chain "$TSA_CHAIN" --tsa-chain "$TSA_CHAIN_2" --time-threshold 2 \
  --max-age 1h "$REGISTRY/app:1"
"#;

#[test]
fn a_pipeline_signs_and_verifies_through_every_stand_in() {
    let world = World::ecr();
    let index = format!("{{\"schemaVersion\":2,\"mediaType\":\"{OCI_INDEX}\",\"manifests\":[]}}");
    world.write("index.json", &index);
    for flags in [
        &[][..],
        &["--tls"],
        &["--registry", "oci"],
        &["--registry", "no-referrers"],
    ] {
        let served = Served::start(&world, flags);
        served
            .shell(&world, PIPELINE)
            .ends(0)
            .says("signed: ")
            .says("(level `dated`)")
            .says("each end stamped by 2 operators (2 required)")
            .says("A DEMONSTRATION KEY");
    }
}

#[test]
fn the_variables_of_a_stand_in_are_all_there() {
    let world = World::ecr();
    let served = Served::start(&world, &[]);
    let value = |name: &str| {
        served
            .variables
            .get(name)
            .unwrap_or_else(|| panic!("{name} is missing"))
            .as_str()
    };
    assert!(value("REGISTRY").starts_with("127.0.0.1:"));
    assert!(value("KMS_KEY").starts_with("awskms:///"));
    assert!(value("AWS_ENDPOINT_URL_KMS").starts_with("http://127.0.0.1:"));
    assert!(value("AWS_ENDPOINT_URL_ECR").starts_with("http://127.0.0.1:"));
    assert_eq!(value("AWS_REGION"), "us-east-1");
    assert!(!value("AWS_ACCESS_KEY_ID").is_empty());
    assert!(!value("AWS_SECRET_ACCESS_KEY").is_empty());
    assert_eq!(value("COUNTERSIGN_ACCEPT_STAND_IN"), "1");
    let login = Path::new(value("DOCKER_CONFIG")).join("config.json");
    assert!(
        fs::read_to_string(login)
            .unwrap()
            .contains(value("REGISTRY"))
    );
    assert!(!served.variables.contains_key("SSL_CERT_FILE"));
}

#[test]
fn a_stand_in_with_tls_says_whom_to_trust() {
    let world = World::ecr();
    let served = Served::start(&world, &["--tls"]);
    assert!(served.variables["AWS_ENDPOINT_URL_KMS"].starts_with("https://127.0.0.1:"));
    let authority = fs::read_to_string(&served.variables["SSL_CERT_FILE"]).unwrap();
    assert!(authority.starts_with("-----BEGIN CERTIFICATE-----"));
}

#[test]
fn a_stand_in_ends_cleanly_when_told() {
    let world = World::ecr();
    for signal in ["TERM", "INT"] {
        assert_eq!(
            Served::start(&world, &[]).signal(signal),
            Some(0),
            "{signal}"
        );
    }
}

#[test]
fn a_stand_in_whose_port_is_taken_says_so() {
    let world = World::ecr();
    let (_, port) = world.stand_in.registry_host().rsplit_once(':').unwrap();
    let mut command = alone(&world);
    command.args(["stand-in", "--registry-port", port]);
    run(command)
        .ends(3)
        .says("error[stand-in-failed]")
        .says(port)
        .says("remedy: ");
}

#[test]
fn a_stand_in_that_cannot_say_where_it_is_ends() {
    let world = World::ecr();
    world.write("file", "no folder");
    let mut command = alone(&world);
    command.args(["stand-in", "--env-file", "file/env"]);
    run(command).ends(3).says("error[file-unwritable]");
}

#[test]
fn the_demonstration_shows_every_refusal_and_needs_nothing() {
    let world = World::ecr();
    // Ends one that hangs.
    let mut command = Command::new("/usr/bin/timeout");
    command
        .env_clear()
        .env("HOME", world.path("absent"))
        .current_dir(world.path(""))
        .args(["120", env!("CARGO_BIN_EXE_countersign"), "demo"]);
    let run = run(command).ends(0);
    for code in [
        "signature-missing",
        "key-unknown",
        "digest-mismatch",
        "repository-mismatch",
        "stand-in-key",
    ] {
        assert!(
            run.stdout.contains(&format!("refused[{code}]")),
            "{code}: {}",
            run.stdout
        );
    }
    assert!(run.stdout.contains("verified: "), "{}", run.stdout);
    assert!(run.stdout.contains("awskms:///alias/release"));
    // What is shown can be typed, and is English.
    assert!(run.stdout.contains("/shop/**' "), "{}", run.stdout);
    assert!(run.stdout.contains(" 1 operator, of whom 1 "));
    for slip in ["/shop/** --", "1 operators", "request_id=\"\""] {
        let said = [&run.stdout, &run.stderr];
        assert!(
            !said.iter().any(|said| said.contains(slip)),
            "{slip}: {run:?}"
        );
    }
    // It leaves nothing behind where it was run.
    assert_eq!(fs::read_dir(world.path("")).unwrap().count(), 1);
}
