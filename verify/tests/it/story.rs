//! One case: what lies in a registry, who is trusted, what is demanded, and when it is judged. It can be written to a
//! folder and read from there.

use std::{collections::BTreeMap, fs, num::NonZeroUsize, path::Path};

use bytes::Bytes;
use countersign_common::{
    Descriptor, Digest, ImageRef, Limits, Manifest, Timestamp,
    manifest::{OCI_INDEX, OCI_MANIFEST, Platform},
};
use countersign_trust_roots::{
    Authorities,
    document::{StandIn, Unbound},
};
use countersign_verify::{
    Deadline, Demand, Depth, Legacy, Level, Naming, Reach, Signers, Verdict, Verifier,
    verdict::Basis,
};
use serde_json::{Value, json};

use crate::{
    case::{
        BesidesDocument, CaseDocument, Choice, DatesDocument, DemandDocument, DemandedLevel,
        DepthName, PolicyDocument, RoleName, TermDocument, TimeAuthorityDocument,
    },
    signing::{Key, REPOSITORY, Signing, pretty},
    stamping::Tsa,
    world::{Request, World, block_on},
};

pub(crate) const IMAGE: &str = "registry.example/shop/api:1.4.2";

#[derive(Clone, Debug)]
pub(crate) struct Story {
    /// The folder: `OUTCOME--CASE`.
    pub(crate) name: String,
    /// The folder of its format.
    pub(crate) format: String,
    pub(crate) case: CaseDocument,
    /// Manifests (`*.manifest.json`), blobs (`*.blob.json`), layers (`*.layer`), public keys (`*.pub`), and the certificates of time-stamp
    /// authorities (`*.tsa.pem`).
    pub(crate) files: BTreeMap<String, Bytes>,
}

impl Story {
    /// A small image for `linux/amd64`, trusted key `release`, and nobody has signed.
    pub(crate) fn new(name: &str, about: &str) -> Self {
        let case = CaseDocument {
            about: about.to_owned(),
            image: IMAGE.to_owned(),
            signed_repository: None,
            policy: None,
            tags: BTreeMap::from([(IMAGE.to_owned(), "image.manifest.json".to_owned())]),
            now: "2026-11-24T10:00:00Z".to_owned(),
            trusted: Vec::new(),
            demonstration: Vec::new(),
            roles: BTreeMap::new(),
            terms: BTreeMap::new(),
            time_authorities: Vec::new(),
            time_threshold: None,
            max_interval_seconds: None,
            demand: DemandDocument {
                threshold: NonZeroUsize::MIN,
                signers: None,
                annotations: BTreeMap::new(),
                depth: None,
                platform: None,
                recursive: false,
                unbound: Choice::Accepted,
                stand_in: Choice::Refused,
                legacy: false,
                attestations: Vec::new(),
                level: None,
                dates: DatesDocument::default(),
                exceptions: Vec::new(),
                besides: BesidesDocument::default(),
            },
            limits: BTreeMap::new(),
            altered: BTreeMap::new(),
            listed: BTreeMap::new(),
            faults: BTreeMap::new(),
            twin: None,
        };
        let mut story = Self {
            name: name.to_owned(),
            format: "sigstore-bundle".to_owned(),
            case,
            files: BTreeMap::new(),
        };
        story.put_image("image", "linux/amd64");
        story.trusting(Key::Release)
    }

    pub(crate) fn put(&mut self, name: &str, bytes: impl Into<Bytes>) {
        self.files.insert(name.to_owned(), bytes.into());
    }

    /// An image of that name, with its configuration.
    pub(crate) fn put_image(&mut self, name: &str, platform: &str) {
        let platform = Platform::parse(platform).unwrap();
        let config = pretty(&json!({
            "architecture": platform.architecture,
            "os": platform.os,
            "config": {"Entrypoint": [format!("/{name}")]},
            "rootfs": {"type": "layers", "diff_ids": []},
        }));
        let described = Descriptor::of(
            "application/vnd.oci.image.config.v1+json",
            config.as_bytes(),
        );
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": described,
            "layers": [],
        });
        self.put(&format!("{name}-config.blob.json"), config);
        self.put(&format!("{name}.manifest.json"), pretty(&manifest));
    }

    /// Makes the image a child of an index, which the tag names instead.
    pub(crate) fn indexed(mut self, edit: fn(&mut Value)) -> Self {
        self.put_image("other-child", "linux/arm64");
        let child = |file: &str, architecture: &str| {
            let mut child = json!(self.descriptor(file));
            child["platform"] = json!({"os": "linux", "architecture": architecture});
            child
        };
        let mut index = json!({
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [
                child("other-child.manifest.json", "arm64"),
                child("image.manifest.json", "amd64"),
            ],
        });
        edit(&mut index);
        self.put("index.manifest.json", pretty(&index));
        self.case
            .tags
            .insert(IMAGE.to_owned(), "index.manifest.json".to_owned());
        self
    }

    pub(crate) fn trusting(mut self, key: Key) -> Self {
        let file = format!("{}.pub", key.name());
        self.put(&file, key.public().to_pem().unwrap());
        self.case.trusted.push(file);
        self
    }

    /// Trusting this key instead.
    pub(crate) fn trusting_only(mut self, key: Key) -> Self {
        for file in std::mem::take(&mut self.case.trusted) {
            self.files.remove(&file);
        }
        self.trusting(key)
    }

    /// Trusting a key that is trusted already for these documents alone.
    pub(crate) fn in_roles(mut self, key: Key, roles: &[RoleName]) -> Self {
        let roles = roles.iter().copied().collect();
        self.case.roles.insert(format!("{}.pub", key.name()), roles);
        self
    }

    /// Trusting a key that is trusted already for this time alone.
    pub(crate) fn for_term(mut self, key: Key, term: TermDocument) -> Self {
        self.case.terms.insert(format!("{}.pub", key.name()), term);
        self
    }

    /// Believing this authority about time.
    pub(crate) fn timed_by(self, authority: Tsa) -> Self {
        self.timed_by_as(authority, |_| ())
    }

    pub(crate) fn timed_by_as(
        mut self,
        authority: Tsa,
        edit: impl FnOnce(&mut TimeAuthorityDocument),
    ) -> Self {
        let name = authority.name();
        let mut document = TimeAuthorityDocument {
            operator: format!("{name}.example"),
            chain: format!("{name}.tsa.pem"),
            ..TimeAuthorityDocument::default()
        };
        edit(&mut document);
        self.put(&document.chain, authority.chain());
        self.case.time_authorities.push(document);
        self
    }

    pub(crate) fn signed(self, signing: &Signing) -> Self {
        self.signed_for("image.manifest.json", signing)
    }

    pub(crate) fn signed_for(mut self, subject: &str, signing: &Signing) -> Self {
        let sealed = signing.seal(&self.descriptor(subject));
        self.put(&format!("{}.blob.json", signing.name), sealed.blob);
        self.put(&format!("{}.manifest.json", signing.name), sealed.manifest);
        self
    }

    pub(crate) fn with(mut self, edit: impl FnOnce(&mut CaseDocument)) -> Self {
        edit(&mut self.case);
        self
    }

    pub(crate) fn twin(self, twin: &str) -> Self {
        self.with(|case| case.twin = Some(twin.to_owned()))
    }

    pub(crate) fn descriptor(&self, manifest: &str) -> Descriptor {
        let bytes = self.files[manifest].clone();
        Manifest::parse(bytes, None, None, &Limits::TABLE)
            .unwrap()
            .descriptor()
            .clone()
    }

    pub(crate) fn digest(&self, file: &str) -> Digest {
        Digest::sha256(&self.files[file])
    }

    pub(crate) fn world(&self) -> World {
        let mut world = World::default();
        world.limits = Some(self.limits());
        for (name, bytes) in &self.files {
            if name.ends_with(".manifest.json") {
                world.manifests.insert(Digest::sha256(bytes), bytes.clone());
            } else if is_blob(name) {
                world.blobs.insert(Digest::sha256(bytes), bytes.clone());
            }
        }
        for (named, served) in &self.case.altered {
            let (digest, bytes) = (self.digest(named), self.files[served].clone());
            let place = if is_blob(named) {
                &mut world.blobs
            } else {
                &mut world.manifests
            };
            place.insert(digest, bytes);
        }
        for (subject, manifests) in &self.case.listed {
            let listed = manifests
                .iter()
                .map(|manifest| self.descriptor(manifest))
                .collect();
            world.listed.insert(self.digest(subject), listed);
        }
        for (reference, manifest) in &self.case.tags {
            world.tags.insert(reference.clone(), self.digest(manifest));
        }
        for (request, fault) in &self.case.faults {
            world.fail(self.request(request), *fault);
        }
        world
    }

    pub(crate) fn request(&self, text: &str) -> Request {
        match text.split_once(' ') {
            None if text == "resolve" => Request::Resolve,
            Some(("blob", file)) => Request::Blob(self.digest(file)),
            Some(("layer", file)) => Request::Layer(self.digest(file)),
            Some(("manifest", file)) => Request::Manifest(self.digest(file)),
            Some(("referrers", file)) => Request::Referrers(self.digest(file)),
            Some(("tag", file)) => Request::Tag(signature_tag(&self.digest(file))),
            _ => panic!("no request: {text}"),
        }
    }

    fn limits(&self) -> Limits {
        let mut limits = Limits::TABLE;
        for (name, limit) in &self.case.limits {
            match name.as_str() {
                "config" => limits.config = *limit,
                "imageBytes" => limits.image_bytes = *limit as u64,
                "layers" => limits.layers = *limit,
                "unpacked" => limits.unpacked = *limit as u64,
                "unpackedRatio" => limits.unpacked_ratio = *limit as u64,
                "zstdWindow" => limits.zstd_window = *limit as u64,
                "referrers" => limits.referrers = *limit,
                "signatures" => limits.signatures = *limit,
                "simpleSigning" => limits.simple_signing = *limit,
                "simpleSignings" => limits.simple_signings = *limit,
                "publication" => limits.publication = *limit,
                "timeStampPaths" => limits.time_stamp_paths = *limit,
                "timeStampsChecked" => limits.time_stamps_checked = *limit,
                _ => panic!("no limit: {name}"),
            }
        }
        limits
    }

    pub(crate) fn verifier(&self) -> Verifier {
        let authority = |file: &String| self.case.authority(file, &self.files);
        let demand = &self.case.demand;
        Verifier {
            authorities: Authorities::new(self.case.trusted.iter().map(authority)).unwrap(),
            naming: match &self.case.signed_repository {
                Some(name) => Naming::As(ImageRef::parse(name).unwrap().repository().clone()),
                None => Naming::Asked,
            },
            time: self.case.time_rules(&self.files),
            demand: Demand {
                attestations: demand
                    .attestations
                    .iter()
                    .map(|kind| kind.parse().unwrap())
                    .collect(),
                level: match demand.level {
                    Some(DemandedLevel::Dated) => Level::Dated,
                    None => Level::Signed,
                },
                dates: demand.dates.demands(),
                exceptions: (demand.exceptions.iter())
                    .map(|exception| exception.excepted(&self.files))
                    .collect(),
                besides: demand.besides.besides(),
                threshold: demand.threshold,
                signers: self.signers(),
                annotations: demand.annotations.clone(),
                depth: match demand.depth {
                    None => Depth::Manifest,
                    Some(DepthName::Layers) => Depth::Layers,
                    Some(DepthName::Unpacked) => Depth::Unpacked,
                },
                reach: match &demand.platform {
                    _ if demand.recursive => Reach::Children,
                    Some(text) => Reach::Platform(Platform::parse(text).unwrap()),
                    None => Reach::Resolved,
                },
                unbound: match demand.unbound {
                    Choice::Accepted => Unbound::Reported,
                    Choice::Refused => Unbound::Refused,
                },
                stand_in: match demand.stand_in {
                    Choice::Accepted => StandIn::Accepted,
                    Choice::Refused => StandIn::Refused,
                },
                legacy: if demand.legacy {
                    Legacy::Counted
                } else {
                    Legacy::Ignored
                },
            },
            limits: self.limits(),
            basis: (self.case.policy.as_ref()).map_or(Basis::Keys, PolicyDocument::basis),
        }
    }

    fn signers(&self) -> Signers {
        let Some(signers) = &self.case.demand.signers else {
            return Signers::Anybody;
        };
        let key = |file: &String| self.case.authority(file, &self.files).key.id().clone();
        Signers::AtLeast(signers.at_least, signers.of.iter().map(key).collect())
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::parse(&self.case.now).unwrap()
    }

    pub(crate) fn verify(&self) -> Verdict {
        self.verify_in(&self.world())
    }

    pub(crate) fn verify_in(&self, world: &World) -> Verdict {
        let image = ImageRef::parse(&self.case.image).unwrap();
        block_on(
            self.verifier()
                .verify(&image, world, self.now(), &Deadline::never()),
        )
    }

    pub(crate) fn read(folder: &Path) -> Self {
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let case = fs::read(folder.join("case.json")).unwrap();
        let files = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                let name = name(path);
                is_blob(&name)
                    || [".manifest.json", ".pub", ".tsa.pem"]
                        .iter()
                        .any(|end| name.ends_with(end))
            })
            .map(|path| (name(&path), fs::read(&path).unwrap().into()))
            .collect();
        Self {
            name: name(folder),
            format: name(folder.parent().unwrap()),
            case: serde_json::from_slice(&case)
                .unwrap_or_else(|error| panic!("{}: {error}", folder.display())),
            files,
        }
    }

    /// All files but the expected verdicts.
    pub(crate) fn written(&self) -> BTreeMap<String, Bytes> {
        let mut files = self.files.clone();
        files.insert("case.json".to_owned(), pretty(&json!(self.case)).into());
        files
    }
}

fn is_blob(file: &str) -> bool {
    [".blob.json", ".layer"]
        .iter()
        .any(|end| file.ends_with(end))
}

/// The tag of the signatures that cosign made before version 3.
pub(crate) fn signature_tag(image: &Digest) -> String {
    format!("{}.sig", image.referrers_tag())
}

/// The digest form of the image's name, for asking about one manifest alone.
pub(crate) fn by_digest(digest: &Digest) -> String {
    format!("{REPOSITORY}@{digest}")
}
