//! Places that images are in, each behind its adapter.

use std::{any::Any, fs, path::PathBuf, time::Duration};

use bytes::Bytes;
use countersign_common::{
    Code, Descriptor, Digest, Explain, ImageRef, LayoutRef, Limits, Manifest, PinnedImage,
    RegistryWriter, Repository,
    bundle::MEDIA_TYPE,
    manifest::{EMPTY_CONFIG, OCI_INDEX, OCI_MANIFEST},
    registry::Failure,
};
use countersign_registry::{Cache, Client, Credentials, Layout, LayoutError, Options, PlainHttp};
use countersign_stand_in::{Login, Mutability, Options as StandInOptions, RegistryMode, StandIn};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A place with one repository, and what keeps it alive.
pub(crate) struct Place {
    pub(crate) name: &'static str,
    pub(crate) registry: Box<dyn RegistryWriter>,
    pub(crate) repository: Repository,
    _kept: Box<dyn Any>,
}

impl Place {
    /// One behind each adapter, in each of its ways to keep referrers.
    pub(crate) async fn all() -> Vec<Self> {
        let (folder, layout) = Folder::empty().opened().await;
        vec![
            Self::in_registry("ecr", RegistryMode::Ecr),
            Self::in_registry("oci", RegistryMode::PlainOci(Login::Anonymous)),
            Self::in_registry("fallback", RegistryMode::NoReferrersApi(Login::Anonymous)),
            Self::in_registry("cached", RegistryMode::PlainOci(Login::Anonymous)),
            Self {
                name: "layout",
                registry: Box::new(layout),
                repository: shop(),
                _kept: Box::new(folder),
            },
        ]
    }

    fn in_registry(name: &'static str, registry: RegistryMode) -> Self {
        let stand_in = StandIn::start(StandInOptions {
            registry,
            ..StandInOptions::default()
        })
        .unwrap();
        stand_in.set_repository("app", Mutability::Mutable);
        let credentials = match stand_in.credentials() {
            Some((user, password)) => Credentials::Given {
                user: user.to_owned(),
                password,
            },
            None => Credentials::Anonymous,
        };
        let options = Options {
            certificate_authorities: None,
            plain_http: PlainHttp::Loopback,
            timeout: Duration::from_secs(30),
            limits: Limits::TABLE,
        };
        let host = stand_in.registry_host();
        let client = Client::new(options, credentials).unwrap();
        let home = TempDir::new().unwrap();
        let client = if name == "cached" {
            let cache = Cache::open(home.path(), Limits::TABLE.cache).unwrap();
            client.cached(cache)
        } else {
            client
        };
        Self {
            name,
            repository: Repository::parse(&format!("{host}/app")).unwrap(),
            registry: Box::new(client),
            _kept: Box::new((stand_in, home)),
        }
    }

    pub(crate) fn reference(&self, rest: &str) -> ImageRef {
        ImageRef::parse(&format!("{}{rest}", self.repository)).unwrap()
    }

    pub(crate) async fn push_blob(&self, bytes: &[u8]) -> Digest {
        let bytes = Bytes::copy_from_slice(bytes);
        self.registry
            .push_blob(&self.repository, bytes)
            .await
            .unwrap()
    }

    /// Pushes an image and its blobs.
    pub(crate) async fn push_image(&self, tag: &str, content: &str) -> PinnedImage {
        self.push_blob(b"{}").await;
        self.push_blob(content.as_bytes()).await;
        let manifest = image(content);
        let reference = self.reference(&format!(":{tag}"));
        self.registry
            .push_manifest(&reference, &manifest)
            .await
            .unwrap();
        PinnedImage {
            reference,
            manifest,
        }
    }

    /// Pushes artifacts that refer to an image.
    pub(crate) async fn push_referrers(
        &self,
        image: &PinnedImage,
        contents: &[&str],
    ) -> Vec<Manifest> {
        self.push_blob(b"{}").await;
        for content in contents {
            self.push_blob(content.as_bytes()).await;
        }
        let manifests: Vec<_> = contents
            .iter()
            .map(|content| referrer(image.manifest.descriptor(), content))
            .collect();
        self.registry
            .push_referrers(&self.repository, image.digest(), &manifests)
            .await
            .unwrap();
        manifests
    }

    pub(crate) async fn referrers(&self, subject: &Digest) -> Vec<Descriptor> {
        self.registry
            .referrers(&self.repository, subject)
            .await
            .unwrap()
    }
}

/// A layout's folder, written by hand.
pub(crate) struct Folder {
    pub(crate) folder: TempDir,
}

impl Folder {
    pub(crate) fn empty() -> Self {
        let folder = Self {
            folder: TempDir::new().unwrap(),
        };
        folder.write("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
        folder.list(&[]);
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn list(&self, entries: &[Value]) {
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries });
        self.write("index.json", index.to_string().as_bytes());
    }

    pub(crate) fn listed(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path("index.json")).unwrap()).unwrap()
    }

    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.path(&format!("blobs/sha256/{}", digest.hex()))
    }

    /// Writes a blob, and nothing that finds it.
    pub(crate) fn put(&self, bytes: &[u8]) -> Digest {
        let digest = Digest::sha256(bytes);
        self.write(&format!("blobs/sha256/{}", digest.hex()), bytes);
        digest
    }

    /// Writes a manifest with its blobs, and says what lists it.
    pub(crate) fn put_manifest(&self, manifest: &Manifest, content: &str) -> Value {
        self.put(b"{}");
        self.put(content.as_bytes());
        self.put(manifest.bytes());
        json!(manifest.descriptor())
    }

    pub(crate) fn put_image(&self, content: &str) -> Value {
        self.put_manifest(&image(content), content)
    }

    pub(crate) async fn opened(self) -> (Self, Layout) {
        let layout = self.open(&Limits::TABLE).await.unwrap();
        (self, layout)
    }

    pub(crate) async fn open(&self, limits: &Limits) -> Result<Layout, LayoutError> {
        let path = self.folder.path().to_str().unwrap();
        Layout::open(path, Duration::from_secs(30), *limits).await
    }
}

pub(crate) fn shop() -> Repository {
    Repository::parse("registry.example/shop").unwrap()
}

/// A reference to an image in a layout, such as `:1`.
pub(crate) fn in_layout(rest: &str) -> ImageRef {
    let named = LayoutRef::parse(&format!("oci:build{rest}")).unwrap();
    named.unwrap().of(&shop())
}

/// The entry with a tag.
pub(crate) fn tagged(mut entry: Value, name: &str) -> Value {
    entry["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
    entry
}

pub(crate) fn image(content: &str) -> Manifest {
    parse(&json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": Descriptor::of("application/vnd.oci.image.config.v1+json", b"{}"),
        "layers": [Descriptor::of("application/vnd.oci.image.layer.v1.tar", content.as_bytes())],
    }))
}

/// An artifact like a signature.
pub(crate) fn referrer(subject: &Descriptor, content: &str) -> Manifest {
    parse(&json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": MEDIA_TYPE,
        "config": Descriptor::of(EMPTY_CONFIG, b"{}"),
        "layers": [Descriptor::of(MEDIA_TYPE, content.as_bytes())],
        "subject": subject,
        "annotations": { "org.opencontainers.image.ref.name": "1", "note": content },
    }))
}

/// A list of artifacts that refers to an image itself.
pub(crate) fn referring_index(subject: &Descriptor, children: &[&Manifest]) -> Manifest {
    let children: Vec<_> = children.iter().map(|child| child.descriptor()).collect();
    parse(&json!({
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "artifactType": "application/vnd.example.set",
        "manifests": children,
        "subject": subject,
        "annotations": { "note": "set" },
    }))
}

pub(crate) fn index(children: &[&Manifest]) -> Manifest {
    let children: Vec<_> = children.iter().map(|child| child.descriptor()).collect();
    parse(&json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children }))
}

pub(crate) fn parse(document: &Value) -> Manifest {
    let bytes = document.to_string().into_bytes().into();
    let limits = Limits {
        children: Limits::TABLE.referrers,
        ..Limits::TABLE
    };
    Manifest::parse(bytes, None, None, &limits).unwrap()
}

#[track_caller]
pub(crate) fn is_error<T: std::fmt::Debug>(result: Result<T, Failure>, code: &'static str) {
    match result {
        Err(Failure::Error(error)) => assert_eq!(error.code(), Code::new(code), "{error}"),
        other => panic!("{code} expected, got {other:?}"),
    }
}

#[track_caller]
pub(crate) fn is_refusal<T: std::fmt::Debug>(
    result: Result<T, Failure>,
    code: &'static str,
) -> String {
    match result {
        Err(Failure::Refusal(refusal)) => {
            assert_eq!(refusal.code(), Code::new(code), "{refusal}");
            refusal.to_string()
        }
        other => panic!("{code} expected, got {other:?}"),
    }
}
