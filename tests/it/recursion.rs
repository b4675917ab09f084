//! `sign --recursive`, `verify --recursive` and `verify --platform`: an index and what it lists.

mod platforms;
mod signing;
mod verifying;

use serde_json::{Value, json};

use crate::world::{Image, OCI_INDEX, OCI_MANIFEST, Run, World};

/// An index of an image for `linux/amd64`, its attestation as `BuildKit` lists it, and an image for nobody knows what.
struct Family {
    world: World,
    index: Image,
    /// In the order of the index.
    children: Vec<Image>,
}

impl Family {
    fn within(world: World) -> Self {
        Self::edited(world, |_| ())
    }

    /// Each entry as it is listed may be changed.
    fn edited(world: World, edit: impl FnOnce(&mut Vec<Value>)) -> Self {
        let children = ["image", "attestation", "other"]
            .map(|name| world.image("shop/api", name, name))
            .to_vec();
        let mut listed: Vec<Value> = children.iter().map(entry).collect();
        listed[0]["platform"] = json!({ "os": "linux", "architecture": "amd64" });
        listed[1]["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
        listed[1]["annotations"] = json!({
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": children[0].digest,
        });
        edit(&mut listed);
        let index = place_index(&world, &listed);
        Self {
            world,
            index,
            children,
        }
    }

    fn sign(&self, more: &[&str]) -> Run {
        self.sign_one(&self.index.tagged(), &[&["--recursive"], more].concat())
    }

    fn sign_one(&self, image: &str, more: &[&str]) -> Run {
        let key = World::kms_key();
        let arguments = ["sign", "--key", &key, image];
        self.world.countersign(&[&arguments, more].concat())
    }

    fn verify(&self, more: &[&str]) -> Run {
        self.verify_one(&self.index.tagged(), &[&["--recursive"], more].concat())
    }

    fn verify_one(&self, image: &str, more: &[&str]) -> Run {
        let key = World::kms_key();
        let arguments = ["verify", "--key", &key, image];
        self.world.countersign(&[&arguments, more].concat())
    }

    /// The index and each child by its own digest.
    fn all(&self) -> Vec<&Image> {
        [&self.index].into_iter().chain(&self.children).collect()
    }

    fn is_untouched(&self) -> bool {
        self.world.writes().is_empty() && self.world.kms_calls("Sign").is_empty()
    }
}

/// A code, and the change of an index that leads to it.
type Edit<'a> = (&'a str, &'a dyn Fn(&mut Vec<Value>));

fn entry(child: &Image) -> Value {
    json!({ "mediaType": OCI_MANIFEST, "digest": child.digest, "size": child.manifest.len() })
}

fn place_index(world: &World, children: &[Value]) -> Image {
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children });
    world.place(
        "shop/api",
        "1",
        OCI_INDEX,
        serde_json::to_vec(&index).unwrap(),
    )
}

/// Every document on standard output.
fn documents(run: &Run) -> Vec<Value> {
    let documents = serde_json::Deserializer::from_str(&run.stdout).into_iter();
    documents.map(Result::unwrap).collect()
}
