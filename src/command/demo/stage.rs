//! The stage: a running stand-in, a folder, and the commands that are run on it.

use std::{path::PathBuf, process::Command};

use countersign_common::Digest;
use countersign_stand_in::{Fault, KeySpec, Lie, Options, StandIn, tsa::KeyKind};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{DemoError, print};
use crate::{
    arguments::Common,
    exit::Exit,
    files::{self, Secrecy},
    output::Stop,
};

/// The time-stamp authorities, and the files of their certificates.
pub(super) const AUTHORITIES: [(&str, &str); 2] = [("one", "tsa-one.pem"), ("two", "tsa-two.pem")];

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// How a command should end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    /// With exit code 0.
    Done,
    /// With exit code 1, and this code on standard error: it did nothing.
    Failed(&'static str),
    /// With exit code 1, and this code as its first reason.
    Refused(&'static str),
}

pub(super) struct Stage<'a> {
    common: &'a Common,
    pub(super) stand_in: StandIn,
    folder: TempDir,
    environment: Vec<(String, String)>,
    program: PathBuf,
    scenes: usize,
    surprises: usize,
}

impl<'a> Stage<'a> {
    pub(super) fn set(common: &'a Common) -> Result<Self, Stop> {
        let stand_in = StandIn::start(Options {
            // An RSA key takes longer to make than all the rest.
            time_authorities: AUTHORITIES
                .map(|(name, _)| (name.to_owned(), KeyKind::EcdsaP256))
                .to_vec(),
            ..Options::default()
        });
        let stand_in =
            stand_in.map_err(|error| DemoError::stage("the stand-in does not start", error))?;
        let key = stand_in.create_key(KeySpec::ECC_NIST_P256, "alias/release");
        key.map_err(|error| DemoError::stage("the stand-in makes no key", error))?;
        let folder = TempDir::new()
            .map_err(|error| DemoError::stage("no folder for the demonstration", error))?;
        let environment = stand_in.environment(&folder.path().join("docker"));
        let mut environment = environment
            .map_err(|error| DemoError::stage("no environment for the commands", error))?;
        // The person's own configuration must not decide what is shown.
        let config = folder.path().join("config.toml");
        files::create(&config, b"version = 1\n", Secrecy::Public)?;
        environment.push((
            "COUNTERSIGN_CONFIG".to_owned(),
            config.display().to_string(),
        ));
        // Its registry begins to lie about what was fetched before; and none of it is worth keeping.
        environment.push(("COUNTERSIGN_NO_CACHE".to_owned(), "1".to_owned()));
        for (name, file) in AUTHORITIES {
            let chain = stand_in.tsa_chain_pem(name).unwrap_or_default();
            files::create(&folder.path().join(file), chain.as_bytes(), Secrecy::Public)?;
        }
        let program = std::env::current_exe()
            .map_err(|error| DemoError::stage("this program is not found", error))?;
        Ok(Self {
            common,
            stand_in,
            folder,
            environment,
            program,
            scenes: 0,
            surprises: 0,
        })
    }

    /// Where a time-stamp authority is asked.
    pub(super) fn tsa(&self, name: &str) -> String {
        let url = self.stand_in.tsa_url(name);
        url.map(|url| url.to_string()).unwrap_or_default()
    }

    pub(super) fn say(&self, text: &str) -> Result<(), Stop> {
        print(self.common, text)
    }

    pub(super) fn scene(&mut self, title: &str) -> Result<(), Stop> {
        self.scenes += 1;
        self.say(&format!("\n{}. {title}\n", self.scenes))
    }

    /// The full reference of an image in the stand-in.
    pub(super) fn name(&self, path: &str) -> String {
        format!("{}/{path}", self.stand_in.registry_host())
    }

    /// Puts an image into the registry.
    pub(super) fn image(&self, path: &str, tag: &str, content: &str) -> String {
        let manifest = self.manifest(path, content);
        self.stand_in
            .place_manifest(path, tag, OCI_MANIFEST, manifest.into());
        self.name(&format!("{path}:{tag}"))
    }

    fn manifest(&self, path: &str, content: &str) -> Vec<u8> {
        let layer = self.blob(
            path,
            "application/vnd.oci.image.layer.v1.tar",
            content.into(),
        );
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {},
            "rootfs": { "type": "layers", "diff_ids": [Digest::sha256(content.as_bytes())] },
        });
        let config = self.blob(
            path,
            "application/vnd.oci.image.config.v1+json",
            config.to_string().into(),
        );
        json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer] }).to_string().into()
    }

    /// Puts a blob into the registry; its descriptor.
    fn blob(&self, path: &str, media_type: &str, bytes: Vec<u8>) -> Value {
        let size = bytes.len();
        json!({ "mediaType": media_type, "digest": self.stand_in.place_blob(path, bytes.into()), "size": size })
    }

    /// The release of this tag, by its digest.
    pub(super) fn pinned(&self, path: &str, tag: &str) -> String {
        let manifest = self.manifest(path, &format!("release {tag}"));
        self.name(&format!("{path}@{}", Digest::sha256(&manifest)))
    }

    /// From here on the registry changes one byte of each image's manifest.
    pub(super) fn change_manifests(&self) {
        self.stand_in
            .faults()
            .push(Fault::on("GET /v2/*/manifests/*", Lie::FlipByte(20)));
    }

    pub(super) fn tell_the_truth(&self) {
        self.stand_in.faults().clear();
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file that is shown.
    pub(super) fn write(&self, name: &str, content: &str) -> Result<(), Stop> {
        self.say(&format!("   {name}:\n{}", indented(content)))?;
        files::create(&self.path(name), content.as_bytes(), Secrecy::Public)
    }

    /// Runs the command for what it says, without showing it.
    pub(super) fn ask(&mut self, arguments: &[&str]) -> Result<Value, Stop> {
        let output = self.command().args(arguments).output();
        let output =
            output.map_err(|error| DemoError::stage("the command does not start", error))?;
        self.surprises += usize::from(!output.status.success());
        serde_json::from_slice(&output.stdout)
            .map_err(|error| DemoError::stage("the command says no JSON", error))
    }

    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>, Stop> {
        files::read(&self.folder.path().join(name))
    }

    /// Runs the command and shows it with what it says.
    pub(super) fn run(&mut self, arguments: &[&str], ending: Ending) -> Result<(), Stop> {
        let command = self.command();
        self.finish(command, arguments, ending)
    }

    /// The same, as whoever did not choose to accept demonstration keys.
    pub(super) fn run_without_stand_in(
        &mut self,
        arguments: &[&str],
        ending: Ending,
    ) -> Result<(), Stop> {
        let mut command = self.command();
        command.env_remove("COUNTERSIGN_ACCEPT_STAND_IN");
        self.finish(command, arguments, ending)
    }

    /// Runs the command and keeps what it prints in a file.
    pub(super) fn run_into(&mut self, arguments: &[&str], file: &str) -> Result<(), Stop> {
        let output = self.command().args(arguments).output();
        let output =
            output.map_err(|error| DemoError::stage("the command does not start", error))?;
        self.say(&format!("   $ countersign {} > {file}\n", typed(arguments)))?;
        self.surprises += usize::from(!output.status.success());
        files::create(
            &self.folder.path().join(file),
            &output.stdout,
            Secrecy::Public,
        )
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .current_dir(self.folder.path())
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        // What the person has set for real registries must not reach the demonstration.
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_ours(name)) {
            if !self.environment.iter().any(|(set, _)| name == set.as_str()) {
                command.env_remove(name);
            }
        }
        command.env_remove("GITHUB_OUTPUT");
        command
    }

    fn finish(
        &mut self,
        mut command: Command,
        arguments: &[&str],
        ending: Ending,
    ) -> Result<(), Stop> {
        let output = command.args(arguments).output();
        let output =
            output.map_err(|error| DemoError::stage("the command does not start", error))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let complained = String::from_utf8_lossy(&output.stderr);
        let as_expected = match ending {
            Ending::Done => output.status.code() == Some(0),
            Ending::Failed(code) => {
                output.status.code() == Some(1) && complained.contains(&format!("error[{code}]"))
            }
            Ending::Refused(code) => {
                output.status.code() == Some(1) && said.contains(&format!("refused[{code}]"))
            }
        };
        self.surprises += usize::from(!as_expected);
        self.say(&format!(
            "   $ countersign {}\n{}",
            typed(arguments),
            indented(&said)
        ))?;
        if let Ending::Failed(_) = ending {
            self.say(&indented(&complained))?;
        }
        if !as_expected {
            self.say(&format!(
                "{}   UNEXPECTED: it ended with {:?}\n",
                indented(&complained),
                output.status.code()
            ))?;
        }
        Ok(())
    }

    pub(super) fn end(self) -> Result<Exit, Stop> {
        match self.surprises {
            0 => Ok(Exit::Done),
            count => Err(Stop::new(Exit::Internal, &DemoError::Surprise { count })),
        }
    }
}

fn is_ours(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy();
    [
        "AWS_",
        "COUNTERSIGN_",
        "DOCKER_",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ]
    .iter()
    .any(|prefix| name.starts_with(prefix))
}

/// Words as they can be typed: what a shell would read otherwise is quoted.
fn typed(words: &[&str]) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "@%+=:,./_-".contains(letter);
    let quoted = |word: &&str| {
        if !word.is_empty() && word.chars().all(is_plain) {
            (*word).to_owned()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

fn indented(text: &str) -> String {
    text.lines()
        .flat_map(|line| ["     ", line, "\n"])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::typed;

    #[test]
    fn what_a_shell_would_read_otherwise_is_quoted() {
        for (word, as_typed) in [
            ("awskms:///alias/release-1", "awskms:///alias/release-1"),
            ("a@sha256:0,b+c=%d_e", "a@sha256:0,b+c=%d_e"),
            ("127.0.0.1:5000/shop/**", "'127.0.0.1:5000/shop/**'"),
            ("release team=r.pub", "'release team=r.pub'"),
            ("it's $HOME", r"'it'\''s $HOME'"),
            ("", "''"),
        ] {
            assert_eq!(typed(&["sign", word]), format!("sign {as_typed}"));
        }
    }
}
