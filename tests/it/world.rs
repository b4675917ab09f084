//! What a test works with: a running stand-in, a folder of its own, images, keys, and the command itself.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use countersign_stand_in::{
    Call, Login, Options, RegistryMode, Service, StandIn, Transport, tsa::KeyKind,
};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const NO_CACHE: &str = "COUNTERSIGN_NO_CACHE";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A stand-in and what a program needs to use it. Nothing of the machine's own environment reaches the programs.
pub(crate) struct World {
    pub(crate) stand_in: StandIn,
    folder: TempDir,
    environment: Vec<(String, String)>,
}

/// An image in the stand-in's registry.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// `host:port/path`
    pub(crate) repository: String,
    pub(crate) path: String,
    pub(crate) tag: String,
    pub(crate) digest: String,
    pub(crate) manifest: Vec<u8>,
}

impl Image {
    pub(crate) fn tagged(&self) -> String {
        format!("{}:{}", self.repository, self.tag)
    }

    pub(crate) fn pinned(&self) -> String {
        format!("{}@{}", self.repository, self.digest)
    }
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }

    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        let said = format!("{}{}", self.stdout, self.stderr);
        assert!(
            said.contains(text),
            "`{text}` is missing from\nstdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// The one JSON document on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }
}

impl World {
    /// Signers ask the first time-stamp authority, unless they say otherwise.
    pub(crate) fn with(options: Options) -> Self {
        let stand_in = StandIn::start(Options {
            // An RSA key takes longer to make than most tests take.
            time_authorities: ["one", "two"]
                .map(|name| (name.to_owned(), KeyKind::EcdsaP256))
                .to_vec(),
            ..options
        })
        .unwrap();
        let folder = TempDir::new().unwrap();
        let mut environment = stand_in.environment(&folder.path().join("docker")).unwrap();
        let tsa = stand_in.tsa_url("one").unwrap();
        environment.push(("COUNTERSIGN_TSA".to_owned(), tsa.to_string()));
        // A registry that begins to lie must be asked again.
        environment.push((NO_CACHE.to_owned(), "1".to_owned()));
        Self {
            stand_in,
            folder,
            environment,
        }
    }

    pub(crate) fn ecr() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn ecr_over_tls() -> Self {
        Self::with(Options {
            transport: Transport::Tls,
            ..Options::default()
        })
    }

    pub(crate) fn oci() -> Self {
        Self::with(Options {
            registry: RegistryMode::PlainOci(Login::Anonymous),
            ..Options::default()
        })
    }

    pub(crate) fn no_referrers() -> Self {
        Self::with(Options {
            registry: RegistryMode::NoReferrersApi(Login::Anonymous),
            ..Options::default()
        })
    }

    /// The same, where the command keeps what it fetches, as it does for people.
    pub(crate) fn keeping(mut self) -> Self {
        self.environment.retain(|(name, _)| name != NO_CACHE);
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        // A private key that others can read is not used.
        if path.extension().is_some_and(|ending| ending == "key") {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        path.display().to_string()
    }

    /// A program with the stand-in's environment and no other.
    pub(crate) fn program(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .current_dir(self.folder.path())
            .envs(self.environment.iter().map(|(k, v)| (k, v)));
        command
            .env("HOME", self.folder.path())
            .env("PATH", "/usr/bin:/bin");
        command
    }

    /// The command under test.
    pub(crate) fn countersign<S: AsRef<str>>(&self, arguments: &[S]) -> Run {
        self.countersign_with(arguments, &[])
    }

    /// The command under test, not yet started.
    pub(crate) fn command<S: AsRef<str>>(&self, arguments: &[S]) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_countersign"));
        command.args(arguments.iter().map(AsRef::as_ref));
        command
    }

    /// The same with more variables; an empty value removes one.
    pub(crate) fn countersign_with<S: AsRef<str>>(
        &self,
        arguments: &[S],
        variables: &[(&str, &str)],
    ) -> Run {
        let mut command = self.command(arguments);
        for (name, value) in variables {
            if value.is_empty() {
                command.env_remove(name)
            } else {
                command.env(name, value)
            };
        }
        run(command)
    }

    /// The stand-in's own key.
    pub(crate) fn kms_key() -> String {
        format!("awskms:///{}", countersign_stand_in::DEFAULT_ALIAS)
    }

    /// A key pair in files: the private and the public one.
    pub(crate) fn key_files(&self, name: &str, spec: &str) -> (String, String) {
        let name = self.path(name).display().to_string();
        self.countersign(&["key", "generate", &name, "--spec", spec])
            .ends(0);
        (format!("{name}.key"), format!("{name}.pub"))
    }

    /// An image with one layer; `content` makes it another one.
    pub(crate) fn image(&self, path: &str, tag: &str, content: &str) -> Image {
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": { "Env": [content] },
            "rootfs": { "type": "layers", "diff_ids": [] },
        });
        let manifest = self.manifest(path, &config, content);
        self.place(path, tag, OCI_MANIFEST, manifest)
    }

    /// An index of one image for each architecture; each child is tagged `tag-architecture`.
    pub(crate) fn index(
        &self,
        path: &str,
        tag: &str,
        architectures: &[&str],
    ) -> (Image, Vec<Image>) {
        let child = |architecture: &&str| {
            let config = json!({ "architecture": architecture, "os": "linux", "config": {}, "rootfs": { "type": "layers", "diff_ids": [] } });
            let manifest = self.manifest(path, &config, architecture);
            self.place(
                path,
                &format!("{tag}-{architecture}"),
                OCI_MANIFEST,
                manifest,
            )
        };
        let children: Vec<Image> = architectures.iter().map(child).collect();
        let manifests: Vec<Value> = children
            .iter()
            .zip(architectures)
            .map(|(child, architecture)| {
                json!({
                    "mediaType": OCI_MANIFEST, "digest": child.digest, "size": child.manifest.len(),
                    "platform": { "os": "linux", "architecture": architecture },
                })
            })
            .collect();
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests });
        (
            self.place(path, tag, OCI_INDEX, serde_json::to_vec(&index).unwrap()),
            children,
        )
    }

    /// The bytes of an image manifest whose blobs are in place.
    pub(crate) fn manifest(&self, path: &str, config: &Value, layer: &str) -> Vec<u8> {
        let config = self.blob(path, OCI_CONFIG, &serde_json::to_vec(config).unwrap());
        let layer = self.blob(path, OCI_LAYER, layer.as_bytes());
        let manifest = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer] });
        serde_json::to_vec(&manifest).unwrap()
    }

    /// Puts a blob in place; its descriptor.
    pub(crate) fn blob(&self, path: &str, media_type: &str, bytes: &[u8]) -> Value {
        let digest = self.stand_in.place_blob(path, bytes.to_vec().into());
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    /// Puts a manifest in place.
    pub(crate) fn place(
        &self,
        path: &str,
        tag: &str,
        media_type: &str,
        manifest: Vec<u8>,
    ) -> Image {
        let digest = self
            .stand_in
            .place_manifest(path, tag, media_type, manifest.clone().into());
        let repository = format!("{}/{path}", self.stand_in.registry_host());
        Image {
            repository,
            path: path.to_owned(),
            tag: tag.to_owned(),
            digest,
            manifest,
        }
    }

    /// The calls so far that were about this.
    pub(crate) fn calls(&self, about: impl Fn(&Call) -> bool) -> Vec<Call> {
        self.stand_in.calls().into_iter().filter(about).collect()
    }
}

impl World {
    /// The requests so far that would change something in the registry.
    pub(crate) fn writes(&self) -> Vec<String> {
        let writing = |call: &Call| {
            call.service == Service::Registry
                && !call.line.starts_with("GET ")
                && !call.line.starts_with("HEAD ")
        };
        self.calls(writing)
            .into_iter()
            .map(|call| call.line)
            .collect()
    }

    /// The calls so far of one of KMS's operations.
    pub(crate) fn kms_calls(&self, operation: &str) -> Vec<Call> {
        let line = format!("TrentService.{operation}");
        self.calls(|call| call.line == line)
    }
}

/// Runs a program to its end.
pub(crate) fn run(mut command: Command) -> Run {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Run {
        code: output
            .status
            .code()
            .unwrap_or_else(|| panic!("{command:?} was ended by a signal: {output:?}")),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
