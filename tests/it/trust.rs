//! `countersign trust`, on folders and files.

mod ceremony;
mod editing;
mod ending;
mod exchange;
mod hostile;
mod kms;
mod looking;
mod publishing;
mod scopes;
mod sent;
pub(crate) mod terminal;
mod updating;

use std::fs;

use p256::{
    SecretKey,
    ecdsa::{Signature, SigningKey, signature::Signer as _},
    pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, LineEnding},
};
use serde_json::Value;

use crate::world::{Run, World};

pub(crate) const SHOP: &str = "registry.example/shop/**";

/// Those who have keys here. Their keys are the same in every run, so that what is shown of them is.
const NAMES: [(&str, u8); 8] = [
    ("alice", 1),
    ("bob", 2),
    ("carol", 3),
    ("dave", 4),
    ("release", 11),
    ("next", 12),
    ("review", 13),
    ("clock", 14),
];

impl World {
    /// A world with key files of everybody: `alice.key`, `alice.pub`, …
    pub(crate) fn with_people() -> Self {
        Self::ecr().people()
    }

    /// The same with these files.
    pub(crate) fn people(self) -> Self {
        for (name, number) in NAMES {
            let key = SecretKey::from_slice(&[number; 32]).unwrap();
            let private = key.to_pkcs8_pem(LineEnding::LF).unwrap();
            self.write(&format!("{name}.key"), &private);
            let public = key.public_key().to_public_key_pem(LineEnding::LF).unwrap();
            self.write(&format!("{name}.pub"), &public);
        }
        self
    }

    /// `countersign trust` in the folder of the world.
    pub(crate) fn trust(&self, arguments: &[&str]) -> Run {
        self.countersign(&[&["trust"], arguments].concat())
    }

    /// The same from words that a space divides.
    pub(crate) fn line(&self, words: &str) -> Run {
        self.trust(&words.split(' ').collect::<Vec<_>>())
    }

    /// The same, and its document.
    pub(crate) fn line_json(&self, words: &str) -> Value {
        self.trust_json(&words.split(' ').collect::<Vec<_>>())
    }

    /// The same, and its document.
    pub(crate) fn trust_json(&self, arguments: &[&str]) -> Value {
        self.trust(&[arguments, &["--output", "json"]].concat())
            .ends(0)
            .json()
    }

    /// A draft of the first version: three people, a release key, a key that beats, an authority.
    pub(crate) fn begin(&self, dir: &str) -> Run {
        self.begin_for(dir, SHOP)
    }

    /// The same for other repositories.
    pub(crate) fn begin_for(&self, dir: &str, pattern: &str) -> Run {
        let (chain, url) = (self.chain("one"), self.tsa("one"));
        self.trust(&[
            "init",
            "--dir",
            dir,
            "--name",
            "acme",
            "--root-key",
            "alice=alice.pub",
            "--root-key",
            "bob=bob.pub",
            "--root-key",
            "carol=carol.pub",
            "--repository",
            pattern,
            "--release-key",
            "release team=release.pub",
            "--heartbeat-key",
            "clock=clock.pub",
            "--tsa",
            &url,
            "--tsa-chain",
            &chain,
            "--tsa-operator",
            "one.example",
        ])
        .ends(0)
    }

    /// Everybody signs the draft.
    pub(crate) fn all_sign(&self, dir: &str, names: &[&str]) -> Run {
        let mut last = None;
        for name in names {
            let key = format!("{name}.key");
            last = Some(self.trust(&["sign", "--dir", dir, "--key", &key]).ends(0));
        }
        last.unwrap()
    }

    /// A complete first version.
    pub(crate) fn with_root(dir: &str) -> Self {
        Self::ecr().root(dir)
    }

    /// The same in this world.
    pub(crate) fn root(self, dir: &str) -> Self {
        let world = self.people();
        world.begin(dir);
        world.all_sign(dir, &["alice", "bob"]).says("complete: ");
        world
    }

    /// Changes a root, and signs it again with the same keys: as whoever has them could by other tools.
    pub(crate) fn edit_root(&self, path: &str, edit: impl FnOnce(&mut Value)) {
        let mut file = self.root_file(path);
        edit(&mut file["signed"]);
        // TUF's canonical form escapes no line feed.
        let canonical = file["signed"].to_string().replace("\\n", "\n");
        let keys = file["signed"]["keys"].clone();
        for signature in file["signatures"].as_array_mut().unwrap() {
            let public = &keys[signature["keyid"].as_str().unwrap()]["keyval"]["public"];
            let is_theirs = |key: &SecretKey| {
                let pem = key.public_key().to_public_key_pem(LineEnding::LF).unwrap();
                pem.trim() == public.as_str().unwrap().trim()
            };
            let keys = NAMES.map(|(_, number)| SecretKey::from_slice(&[number; 32]).unwrap());
            let key = keys.into_iter().find(is_theirs).unwrap();
            let signed: Signature = SigningKey::from(&key).sign(canonical.as_bytes());
            let signed = signed.to_der();
            let hex = signed.as_bytes().iter().map(|byte| format!("{byte:02x}"));
            signature["sig"] = hex.collect::<String>().into();
        }
        self.write(path, &file.to_string());
    }

    pub(crate) fn root_file(&self, path: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(path)).unwrap()).unwrap()
    }

    /// What lies in a folder.
    pub(crate) fn names_in(&self, dir: &str) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.path(dir))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub(crate) fn copy(&self, from: &str, to: &str) {
        let to = self.path(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(self.path(from), to).unwrap();
    }
}

/// The id of somebody's key in a shown root.
pub(crate) fn id_of(document: &Value, owner: &str) -> String {
    let root = if document["root"].is_null() {
        &document["draft"]
    } else {
        &document["root"]
    };
    let scopes = root["scopes"].as_array().unwrap().iter();
    let online = scopes.flat_map(|scope| scope["keys"].as_array().unwrap());
    let keys = root["rootKeys"].as_array().unwrap().iter().chain(online);
    let mut keys = keys.filter(|key| key["owner"] == owner);
    keys.next().unwrap()["id"].as_str().unwrap().to_owned()
}
