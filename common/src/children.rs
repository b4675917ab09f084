//! What an index lists: which manifests those are, and what they must be.
//!
//! Signers and verifiers that go through an index ask here, so that the one signs what the other demands. Nothing is
//! fetched, and nobody is trusted.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::{
    Code, Descriptor, Digest, Explain, Manifest, Repository,
    manifest::{Body, DOCKER_MANIFEST, OCI_MANIFEST},
    platform::Platform,
};

/// What `BuildKit` calls a child that says something about another.
const REFERENCE_TYPE: (&str, &str) = ("vnd.docker.reference.type", "attestation-manifest");

/// As what an index lists a manifest. Its word alone: nothing is let pass for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Listed {
    /// As what a builder says about another child, such as its provenance.
    Attestation,
    /// As an image for this platform.
    Image(Platform),
    /// As neither.
    Unknown,
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attestation => f.write_str("attestation"),
            Self::Image(platform) => fmt::Display::fmt(platform, f),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

impl Serialize for Listed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Descriptor {
    /// As what an index lists it.
    pub fn listed(&self) -> Listed {
        let (key, value) = REFERENCE_TYPE;
        let annotation = self.annotations.as_ref().and_then(|all| all.get(key));
        match &self.platform {
            _ if annotation.is_some_and(|found| found == value) => Listed::Attestation,
            Some(platform) if !platform.is_unknown() => Listed::Image(platform.clone()),
            _ => Listed::Unknown,
        }
    }

    /// Whether both name the same bytes, of the same size and type, whatever else they say.
    pub fn names_the_same_as(&self, other: &Self) -> bool {
        (&self.digest, self.size, &self.media_type)
            == (&other.digest, other.size, &other.media_type)
    }

    /// Refuses a child that is listed as something else than an image: an index inside an index could hide, behind one
    /// signature, whatever its next level lists.
    pub fn check_type(&self) -> Result<(), ChildRefusal> {
        if [OCI_MANIFEST, DOCKER_MANIFEST].contains(&self.media_type.as_str()) {
            return Ok(());
        }
        Err(self.not_image())
    }

    /// That it is no image, and therefore no child that can be used.
    pub fn not_image(&self) -> ChildRefusal {
        ChildRefusal::NotImage {
            child: self.digest.clone(),
            media_type: self.media_type.clone(),
        }
    }

    /// The manifest that was fetched for a child, if it is there and is what its index says.
    pub fn check_child(
        &self,
        found: Option<Manifest>,
        repository: &Repository,
    ) -> Result<Manifest, ChildRefusal> {
        self.check_type()?;
        let manifest = found.ok_or_else(|| ChildRefusal::Missing {
            child: self.digest.clone(),
            repository: repository.clone(),
        })?;
        if self.names_the_same_as(manifest.descriptor()) {
            return Ok(manifest);
        }
        Err(ChildRefusal::DescriptorMismatch {
            child: self.digest.clone(),
        })
    }
}

impl Manifest {
    /// Each child once; an image has none. Two entries for one child that contradict each other are two, so that the untrue
    /// one is seen.
    pub fn children(&self) -> Vec<Descriptor> {
        self.children_listed(|_| true)
    }

    /// The same of those that any entry lists so, as that entry lists them: another entry for the same child hides none.
    pub fn children_listed(&self, so: impl Fn(&Descriptor) -> bool) -> Vec<Descriptor> {
        let listed = match self.body() {
            Body::Image(_) => &[],
            Body::Index(index) => index.manifests.as_slice(),
        };
        let mut children: Vec<Descriptor> = Vec::new();
        for one in listed.iter().filter(|one| so(one)) {
            if !children.iter().any(|other| one.names_the_same_as(other)) {
                children.push(one.clone());
            }
        }
        children
    }
}

/// A child of an index that cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ChildRefusal {
    /// An index that lies about its child.
    #[error("the child {child} has another size or type than its index says")]
    DescriptorMismatch {
        /// The child.
        child: Digest,
    },
    /// A child that is listed and not there.
    #[error("{repository} does not have {child}, which the index lists")]
    Missing {
        /// The child.
        child: Digest,
        /// Where was looked.
        repository: Repository,
    },
    /// A child that is no image.
    #[error(
        "the child {child} is of type {}, not an image",
        crate::Escaped(media_type)
    )]
    NotImage {
        /// The child.
        child: Digest,
        /// Its type.
        media_type: String,
    },
}

/// Every code of this module.
pub const CODES: &[Code] = &[
    Code::new("child-missing"),
    Code::new("child-not-image"),
    Code::new("descriptor-mismatch"),
];

impl Explain for ChildRefusal {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::DescriptorMismatch { .. } => "descriptor-mismatch",
            Self::Missing { .. } => "child-missing",
            Self::NotImage { .. } => "child-not-image",
        })
    }

    fn remedy(&self) -> String {
        match self {
            Self::DescriptorMismatch { .. } => {
                "push the index again with a tool that writes true descriptors"
            }
            Self::Missing { .. } => {
                "copy the image with all its platforms, push an index of those that are there, or name one image by its digest"
            }
            Self::NotImage { .. } => "name the image itself, by its digest",
        }
        .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        ImageRef, Limits,
        explain::tests::assert_explained,
        manifest::{OCI_INDEX, OCI_MANIFEST},
    };

    fn manifest(document: &Value) -> Manifest {
        Manifest::parse(document.to_string().into(), None, None, &Limits::TABLE).unwrap()
    }

    fn image() -> Manifest {
        manifest(&json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [],
            "config": Descriptor::of("text/plain", b"{}"),
        }))
    }

    fn listed(edit: impl FnOnce(&mut Value)) -> Descriptor {
        let mut child = json!(image().descriptor());
        edit(&mut child);
        serde_json::from_value(child).unwrap()
    }

    #[test]
    fn what_an_index_lists_is_called_what_it_is_listed_as() {
        let platform = json!({"os": "linux", "architecture": "amd64"});
        let attestation = json!({"vnd.docker.reference.type": "attestation-manifest"});
        for (edit, expected) in [
            (json!({"platform": platform}), "linux/amd64"),
            (
                json!({"platform": {"os": "unknown", "architecture": "unknown"}}),
                "unknown",
            ),
            (json!({"platform": {}}), "unknown"),
            (json!({}), "unknown"),
            (
                json!({"platform": platform, "annotations": attestation}),
                "attestation",
            ),
            (json!({"annotations": attestation}), "attestation"),
            (
                json!({"platform": platform, "annotations": {"vnd.docker.reference.type": "x"}}),
                "linux/amd64",
            ),
        ] {
            let child = listed(|child| {
                for (name, member) in edit.as_object().unwrap() {
                    child[name] = member.clone();
                }
            });
            assert_eq!(child.listed().to_string(), expected, "{edit}");
        }
    }

    #[test]
    fn a_child_is_what_its_index_says_or_refused() {
        let repository = ImageRef::parse("registry.example/a:1").unwrap();
        let check = |child: Descriptor, found| {
            let checked = child.check_child(found, repository.repository());
            checked.map_err(|refusal| refusal.code().as_str())
        };
        assert_eq!(check(listed(|_| ()), Some(image())), Ok(image()));
        for (edit, found, code) in [
            (json!({"size": 1}), Some(image()), "descriptor-mismatch"),
            (
                json!({"mediaType": DOCKER_MANIFEST}),
                Some(image()),
                "descriptor-mismatch",
            ),
            (
                json!({"mediaType": OCI_INDEX}),
                Some(image()),
                "child-not-image",
            ),
            (json!({"mediaType": OCI_INDEX}), None, "child-not-image"),
            (json!({}), None, "child-missing"),
        ] {
            let child = listed(|child| {
                for (name, member) in edit.as_object().unwrap() {
                    child[name] = member.clone();
                }
            });
            assert_eq!(check(child, found), Err(code), "{edit}");
        }
    }

    #[test]
    fn each_child_is_one_and_an_entry_that_contradicts_it_another() {
        let untrue = listed(|child| child["size"] = 1.into());
        let again = listed(|child| child["platform"] = json!({"os": "linux", "architecture": "a"}));
        let (first, untrue) = (json!(image().descriptor()), json!(untrue));
        let index = manifest(&json!({
            "schemaVersion": 2, "mediaType": OCI_INDEX,
            "manifests": [first, again, untrue, first],
        }));
        let children: Vec<_> = index.children().iter().map(|child| json!(child)).collect();
        assert_eq!(children, [first, untrue]);
        assert!(image().children().is_empty());
        let with_platform = index.children_listed(|entry| entry.platform.is_some());
        let [found] = with_platform.as_slice() else {
            panic!("{with_platform:?}")
        };
        assert_eq!(found.listed().to_string(), "linux/a");
    }

    #[test]
    fn every_refusal_is_explained() {
        let child = Digest::sha256(b"");
        let refusals = [
            ChildRefusal::DescriptorMismatch {
                child: child.clone(),
            },
            ChildRefusal::Missing {
                child: child.clone(),
                repository: ImageRef::parse("registry.example/a:1")
                    .unwrap()
                    .repository()
                    .clone(),
            },
            ChildRefusal::NotImage {
                child,
                media_type: "hostile\u{1b}[2J type".to_owned(),
            },
        ];
        let refusals: Vec<&dyn Explain> = refusals.iter().map(|one| one as &dyn Explain).collect();
        assert_explained(&refusals, CODES);
    }
}
