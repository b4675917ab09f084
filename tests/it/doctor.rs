//! `countersign doctor`, against the stand-in by AWS's own names: what is well, what is missing, and what mends it.

mod aws;
mod here;
mod keys;
mod registries;
mod whole;

use std::fs;

use countersign_stand_in::{Fault, KeySpec, Lie, Mutability, Options, Service, Transport};
use serde_json::Value;

use crate::world::{Image, Run, World};

const RELEASE: &str = "awskms:///alias/release";
const CALLER: &str = "arn:aws:iam::000000000000:user/stand-in";

/// A team whose release key in KMS may sign the image in Amazon ECR, by a trust root that its policy pins. All is well.
struct Clinic {
    world: World,
    image: Image,
    /// Of the release key.
    arn: String,
}

/// What was found out.
struct Report {
    run: Run,
    document: Value,
}

impl Clinic {
    fn new() -> Self {
        let world = World::with(Options {
            transport: Transport::AwsNames,
            ..Options::default()
        })
        .people();
        // Nobody ran `docker login`.
        fs::create_dir(world.path("no-login")).unwrap();
        let key = world
            .stand_in
            .create_key(KeySpec::ECC_NIST_P256, "alias/release");
        let arn = key.unwrap().arn;
        let image = world.image("shop/api", "1", "a");
        world
            .stand_in
            .set_repository("shop/api", Mutability::Immutable);
        let clinic = Self { world, image, arn };
        clinic.make_root();
        clinic
    }

    fn make_root(&self) {
        let world = &self.world;
        let (url, chain) = (world.tsa("one"), world.chain("one"));
        let pattern = format!("{}/shop/**", world.stand_in.registry_host());
        world
            .trust(&[
                "init",
                "--dir",
                "acme",
                "--name",
                "acme",
                "--root-key",
                "alice=alice.pub",
                "--root-key",
                "bob=bob.pub",
                "--root-key",
                "carol=carol.pub",
                "--repository",
                &pattern,
                "--release-key",
                &format!("release={RELEASE}"),
                "--tsa",
                &url,
                "--tsa-chain",
                &chain,
                "--tsa-operator",
                "one.example",
            ])
            .ends(0);
        world.all_sign("acme", &["alice", "bob"]).says("complete: ");
        let shown = world.trust_json(&["show", "--dir", "acme"]);
        let fingerprint = shown["root"]["fingerprint"].as_str().unwrap();
        let policy = format!(
            "version = 1\n[roots.acme]\nfingerprint = \"{fingerprint}\"\nsources = [\"file:{}\"]\n\
             [[policy]]\nmatch = \"{pattern}\"\nroot = \"acme\"\nmode = \"enforce\"\nrequire = \"dated\"\n",
            world.path("acme").display()
        );
        world.write("policy.toml", &policy);
    }

    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
        let folder = self.world.path("no-login").display().to_string();
        let own = [
            ("COUNTERSIGN_POLICY", "policy.toml"),
            ("COUNTERSIGN_STATE_DIR", "state"),
            ("COUNTERSIGN_TSA", ""),
            ("DOCKER_CONFIG", &folder),
        ];
        self.world
            .countersign_with(arguments, &[&own[..], variables].concat())
    }

    /// A release that was signed and verified once, so that there is a memory.
    fn remembered(self) -> Self {
        let image = self.image.pinned();
        self.run(&["sign", "--key", RELEASE, &image], &[]).ends(0);
        self.run(&["verify", "--init-state", &image], &[]).ends(0);
        self.world.stand_in.forget_calls();
        self
    }

    /// What is found out about signing the image with the release key.
    fn report(&self) -> Report {
        self.report_with(&["--key", RELEASE, &self.image.tagged()], &[])
    }

    fn report_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Report {
        let words = [&["doctor", "--output", "json"], arguments].concat();
        Report::of(self.run(&words, variables))
    }

    fn lie(&self, call: &str, lie: Lie) {
        self.world.stand_in.faults().push(Fault::on(call, lie));
    }

    /// KMS denies an operation.
    fn deny_kms(&self, operation: &str) {
        let message = format!(
            "User: {CALLER} is not authorized to perform: kms:{operation} on resource: {} because no identity-based policy allows the kms:{operation} action",
            self.arn
        );
        let lie = Lie::aws_error(400, "AccessDeniedException", &message);
        self.lie(&format!("TrentService.{operation}"), lie);
    }

    /// ECR's API denies an operation.
    fn deny_ecr(&self, operation: &str) {
        let message =
            format!("User: {CALLER} is not authorized to perform: ecr:{operation} on resource: *");
        let lie = Lie::aws_error(400, "AccessDeniedException", &message);
        self.lie(&format!("*.{operation}"), lie);
    }

    /// The registry denies a request, and names the action that is missing.
    fn deny(&self, call: &str, action: &str) {
        let message = format!("User: {CALLER} is not authorized to perform: {action}");
        self.lie(call, denial(&message));
    }

    /// Nothing was signed, and nothing is in the registry that was not there before.
    #[track_caller]
    fn nothing_was_done(&self) {
        for call in self.world.kms_calls("Sign") {
            assert_eq!(call.status, 400, "a dry run is an error");
        }
        nothing_was_written(&self.world);
    }
}

/// Every write was refused, but for the begin of an upload.
#[track_caller]
fn nothing_was_written(world: &World) {
    let is_write = |line: &str| !line.starts_with("GET ") && !line.starts_with("HEAD ");
    let written = world.calls(|call| {
        let is_begin = call.line.starts_with("POST ") && call.line.ends_with("/blobs/uploads/");
        call.service == Service::Registry && is_write(&call.line) && call.status < 400 && !is_begin
    });
    assert!(written.is_empty(), "{written:?}");
}

fn denial(message: &str) -> Lie {
    let document = serde_json::json!({"errors": [{"code": "DENIED", "message": message}]});
    Lie::Instead {
        status: 403,
        headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
        body: document.to_string().into(),
    }
}

impl Report {
    fn of(run: Run) -> Self {
        let document = run.json();
        Self { run, document }
    }

    #[track_caller]
    fn ends(self, code: i32) -> Self {
        assert_eq!(self.run.code, code, "{:#}", self.document);
        self
    }

    fn all(&self) -> &[Value] {
        self.document["findings"].as_array().unwrap()
    }

    fn found(&self, code: &str) -> Vec<&Value> {
        let findings = self.all().iter();
        findings.filter(|finding| finding["code"] == code).collect()
    }

    /// The one finding of this code that has this status.
    #[track_caller]
    fn finding(&self, code: &str, status: &str) -> &Value {
        let found = self.found(code);
        let mut of_status = found.iter().filter(|finding| finding["status"] == status);
        of_status
            .next()
            .unwrap_or_else(|| panic!("{code} is not {status}: {found:#?}"))
    }

    #[track_caller]
    fn has(self, code: &str, status: &str, said: &str) -> Self {
        let found = self.found(code);
        let is_said = found.iter().any(|finding| {
            let sentence = finding["sentence"].as_str().unwrap();
            let remedy = finding["remedy"].as_str().unwrap_or_default();
            finding["status"] == status && format!("{sentence} {remedy}").contains(said)
        });
        assert!(is_said, "{code} {status} `{said}`: {found:#?}");
        self
    }

    /// The statement that mends the one finding of this code, as text.
    #[track_caller]
    fn statement(&self, code: &str) -> String {
        let finding = self.finding(code, "problem");
        finding["statements"][0]["statement"].to_string()
    }
}
