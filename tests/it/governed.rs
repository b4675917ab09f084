//! Policies, trust roots and what is remembered of them, through the command.

mod inspect;
mod layouts;
mod policy;
mod refused;
mod roots;
mod rules;
mod selection;
mod state;
mod strangers;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use countersign_common::Digest;
use p256::{
    SecretKey,
    pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, LineEnding},
};

use crate::world::{Image, Run, World};

/// A team with a trust root that is published in the folder `roots`, and whoever judges its images by it.
pub(crate) struct Team {
    pub(crate) world: World,
    /// Of the first version.
    fingerprint: String,
}

/// Who has keys. They are the same in every run, so that what is shown of them is.
const NAMES: [(&str, u8); 8] = [
    ("alice", 1),
    ("bob", 2),
    ("carol", 3),
    ("release", 11),
    ("next", 12),
    ("review", 13),
    ("other", 14),
    ("clock", 15),
];

impl Team {
    pub(crate) fn new() -> Self {
        Self::within(World::oci())
    }

    /// A release key for `shop/**`, a key `other` for `lab/**`; two of alice, bob and carol sign.
    fn within(world: World) -> Self {
        for (name, number) in NAMES {
            let key = SecretKey::from_slice(&[number; 32]).unwrap();
            let private = key.to_pkcs8_pem(LineEnding::LF).unwrap();
            world.write(&format!("{name}.key"), &private);
            let public = key.public_key().to_public_key_pem(LineEnding::LF).unwrap();
            world.write(&format!("{name}.pub"), &public);
        }
        fs::create_dir(world.path("roots")).unwrap();
        let (url, chain) = (world.tsa("one"), world.chain("one"));
        let mut team = Self {
            world,
            fingerprint: String::new(),
        };
        team.trust(&format!(
            "init --dir acme --name acme --repository HOST/shop/** --release-key release=release.pub \
             --root-key alice=alice.pub --root-key bob=bob.pub --root-key carol=carol.pub \
             --tsa {url} --tsa-chain {chain} --tsa-operator one.example"
        ));
        team.trust("set-scope --dir acme --repository HOST/lab/**");
        team.trust(
            "add-key --dir acme --scope HOST/lab/** --role release --owner other --key other.pub",
        );
        team.publish();
        team.fingerprint = team.fingerprint_of("roots/1.root.json");
        team
    }

    /// `HOST` stands for the registry.
    fn spelled(&self, text: &str) -> String {
        text.replace("HOST", self.world.stand_in.registry_host())
    }

    /// `countersign trust` and these words, which succeeds.
    #[track_caller]
    fn trust(&self, words: &str) -> Run {
        let words = format!("trust {}", self.spelled(words));
        let words: Vec<_> = words.split(' ').collect();
        self.world.countersign(&words).ends(0)
    }

    /// Two people sign the draft, and it is published.
    #[track_caller]
    fn publish(&self) {
        self.trust("sign --dir acme --key alice.key");
        self.trust("sign --dir acme --key bob.key")
            .says("complete: ");
        self.trust("publish --dir acme --to roots");
    }

    fn fingerprint_of(&self, file: &str) -> String {
        let bytes = fs::read(self.world.path(file)).unwrap();
        Digest::sha256(&bytes).to_string()
    }

    fn source(&self) -> String {
        format!("file:{}", self.world.path("roots").display())
    }

    /// `policy.toml` with the team's root, from its folder.
    pub(crate) fn policy(&self, rules: &str) {
        self.policy_from(&[&self.source()], rules);
    }

    /// The same with sources; of rules `HOST` is the registry.
    fn policy_from(&self, sources: &[&str], rules: &str) {
        let rules = self.spelled(rules);
        let fingerprint = &self.fingerprint;
        self.world.write(
            "policy.toml",
            &format!(
                "version = 1\n[roots.acme]\nfingerprint = \"{fingerprint}\"\nsources = {sources:?}\n{rules}"
            ),
        );
    }

    fn image(&self, path: &str, content: &str) -> Image {
        self.world.image(path, content, content)
    }

    /// An image that was signed with this key.
    #[track_caller]
    pub(crate) fn signed(&self, path: &str, content: &str, key: &str) -> Image {
        let image = self.image(path, content);
        self.sign(&image, key);
        image
    }

    #[track_caller]
    fn sign(&self, image: &Image, key: &str) -> Run {
        let key = format!("{key}.key");
        let image = image.tagged();
        let run = self
            .world
            .countersign(&["sign", "--key", &key, &image, "--output", "json"]);
        run.ends(0)
    }

    /// Verifies by `policy.toml`.
    fn verify(&self, image: &Image, more: &[&str]) -> Run {
        self.command("verify", image, more)
    }

    fn command(&self, command: &str, image: &Image, more: &[&str]) -> Run {
        let image = image.tagged();
        let mut words: Vec<_> = command.split(' ').collect();
        words.extend(["--policy", "policy.toml", &image]);
        self.world.countersign(&[&words[..], more].concat())
    }

    /// Verifies with a memory in `state`.
    fn remembering(&self, image: &Image, more: &[&str]) -> Run {
        self.verify(image, &[&["--state-dir", "state"], more].concat())
    }

    fn state(&self) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.world.path("state/state.json")).unwrap()).unwrap()
    }

    /// What a run said, without what differs from run to run.
    fn steady(&self, text: &str) -> String {
        let folder = self.world.path("").display().to_string();
        let text = text
            .replace(&folder, "FOLDER/")
            .replace(&self.world.tsa("one"), "https://one.example/")
            .replace(self.world.stand_in.registry_host(), "HOST");
        let mut steady = String::new();
        let mut word = String::new();
        for character in text.chars().chain(['\n']) {
            if character.is_ascii_alphanumeric() || "-.:".contains(character) {
                word.push(character);
            } else {
                steady.push_str(&masked(&word));
                word.clear();
                steady.push(character);
            }
        }
        steady.pop();
        // How many seconds the run took.
        let Some((before, (_, after))) = steady
            .split_once("published ")
            .and_then(|(before, after)| Some((before, after.split_once(", between ")?)))
        else {
            return steady;
        };
        format!("{before}published AGO, between {after}")
    }
}

/// A time or a digest by its name; anything else as it is.
fn masked(word: &str) -> String {
    let (stem, end) = match word.strip_suffix([':', '.']) {
        Some(stem) => (stem, &word[stem.len()..]),
        None => (word, ""),
    };
    if stem.starts_with("sha256:") {
        return format!("sha256:DIGEST{end}");
    }
    if stem.len() >= 20 && stem.starts_with("20") && stem.ends_with('Z') && stem.contains('T') {
        return format!("TIME{end}");
    }
    word.to_owned()
}

/// Everything below a folder, and what is in it.
fn everything_in(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(everything_in(&path));
            found.insert(path, String::new());
        } else {
            let bytes = fs::read(&path).unwrap();
            found.insert(path, Digest::sha256(&bytes).to_string());
        }
    }
    found
}

/// A rule for the shop; what more it says comes after.
const SHOP: &str = "[[policy]]\nmatch = \"HOST/shop/**\"\nroot = \"acme\"\nmode = \"enforce\"\n";

/// The same at a level.
fn shop(require: &str) -> String {
    format!("{SHOP}require = \"{require}\"\n")
}
