//! A signed image in a registry that is about to lie, and what the lies are made of.

use std::{
    any::Any,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use countersign_stand_in::{Call, Elsewhere, Fault, Lie, Login, Options, RegistryMode, Transport};
use serde_json::{Value, json};

use super::{
    Asked, Case,
    measured::{Measured, measured},
};
use crate::world::{Image, OCI_INDEX, OCI_MANIFEST, World};

/// What kind of registry lies.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Rig {
    Oci,
    Basic,
    Bearer,
    NoReferrers,
    Tls,
    AwsNames,
}

impl Rig {
    fn world(self) -> World {
        let options = |login| Options {
            elsewhere: Elsewhere::Listening,
            registry: RegistryMode::PlainOci(login),
            ..Options::default()
        };
        match self {
            Self::Oci => World::with(options(Login::Anonymous)),
            Self::Basic => World::with(options(Login::Basic)),
            Self::Bearer => World::with(options(Login::Bearer)),
            Self::NoReferrers => World::no_referrers(),
            Self::Tls => World::with(Options {
                transport: Transport::Tls,
                ..options(Login::Basic)
            }),
            Self::AwsNames => World::with(Options {
                transport: Transport::AwsNames,
                ..Options::default()
            }),
        }
    }
}

/// One lie, or several that belong together, and whom it is told of.
#[derive(Default)]
pub(super) struct Told {
    pub(super) faults: Vec<Fault>,
    /// Another image than the signed one.
    pub(super) image: Option<String>,
    pub(super) more: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    /// What must be there while it is told.
    #[expect(dead_code, reason = "held until it was told")]
    pub(super) stage: Option<Box<dyn Any>>,
}

impl Told {
    pub(super) fn of(image: impl Into<String>) -> Self {
        Self {
            image: Some(image.into()),
            ..Self::default()
        }
    }

    pub(super) fn and(mut self, pattern: &str, lie: Lie) -> Self {
        self.faults.push(Fault::on(pattern, lie));
        self
    }
}

/// One lie to every such request.
pub(super) fn told(pattern: &str, lie: Lie) -> Told {
    Told::default().and(pattern, lie)
}

/// Each of them by itself.
pub(super) fn each(pattern: &str, lies: impl IntoIterator<Item = Lie>) -> Vec<Told> {
    lies.into_iter().map(|lie| told(pattern, lie)).collect()
}

pub(super) fn body(bytes: impl Into<Bytes>) -> Lie {
    Lie::Body(bytes.into())
}

/// The tag leads to this, and no header says otherwise.
pub(super) fn image_is(bytes: impl Into<Bytes>) -> Told {
    let name = "Docker-Content-Digest".to_owned();
    told(TAG, body(bytes)).and(TAG, Lie::WithoutHeader(name))
}

pub(super) fn header(name: &str, value: &str) -> Lie {
    Lie::Header(name.to_owned(), value.to_owned())
}

/// The image by its tag.
pub(super) const TAG: &str = "GET /v2/shop/api/manifests/1";
pub(super) const LIST: &str = "GET /v2/shop/api/referrers/*";
pub(super) const BLOBS: &str = "GET /v2/*/blobs/*";
pub(super) const MANIFESTS: &str = "GET /v2/*/manifests/sha256:*";
pub(super) const ALL: &str = "GET /v2/*";
pub(super) const TOKEN: &str = "GET /token";

pub(super) struct Scene {
    pub(super) world: World,
    pub(super) image: Image,
    /// An image that nobody signed.
    pub(super) unsigned: Image,
    private: String,
    pub(super) public: String,
    /// The bundles of the signed image, as `GET` lines.
    pub(super) bundles: Vec<String>,
    /// The manifests of its signatures, as `GET` lines.
    pub(super) signatures: Vec<String>,
    /// What honest runs take, in MiB.
    idle: u64,
    images: AtomicUsize,
    caches: AtomicUsize,
}

impl Scene {
    pub(super) fn new(rig: Rig) -> Self {
        let world = rig.world();
        let image = world.image("shop/api", "1", "a");
        let unsigned = world.image("shop/api", "2", "b");
        let (private, public) = world.key_files("team", "p256");
        world
            .countersign(&["sign", "--key", &private, &image.tagged()])
            .ends(0);
        world.stand_in.drop_copies("shop/api");
        let mut scene = Self {
            world,
            image,
            unsigned,
            private,
            public,
            bundles: Vec::new(),
            signatures: Vec::new(),
            idle: 0,
            images: AtomicUsize::new(0),
            caches: AtomicUsize::new(0),
        };
        scene.look();
        scene
    }

    /// What an honest verification asks for.
    fn look(&mut self) {
        self.world.stand_in.forget_calls();
        self.idle = self.ask(Asked::Verify, 10, &Told::default()).peak;
        let config = serde_json::from_slice::<Value>(&self.image.manifest).unwrap();
        let config = config["config"]["digest"].as_str().unwrap().to_owned();
        for call in self.world.stand_in.calls() {
            let line = call.line;
            if line.contains("/blobs/") && !line.ends_with(&config) {
                self.bundles.push(line);
            } else if line.contains("/manifests/sha256:") && !line.ends_with(&self.image.digest) {
                self.signatures.push(line);
            }
        }
        assert!(!self.bundles.is_empty());
    }

    /// Runs the command of a case, and nothing but what it was told.
    pub(super) fn ask(&self, asked: Asked, seconds: u64, told: &Told) -> Measured {
        for fault in &told.faults {
            self.world.stand_in.faults().push(fault.clone());
        }
        self.world.stand_in.forget_calls();
        let image = told.image.clone().unwrap_or_else(|| match asked {
            Asked::Sign => self.fresh().tagged(),
            Asked::Verify | Asked::Inspect => self.image.tagged(),
        });
        let seconds = seconds.to_string();
        let mut arguments = match asked {
            Asked::Verify => vec!["verify", "--key", &self.public],
            Asked::Sign => vec!["sign", "--key", &self.private],
            Asked::Inspect => vec!["inspect"],
        };
        arguments.extend(["--timeout", &seconds]);
        arguments.extend(told.more.iter().map(String::as_str));
        arguments.extend(image.split(' '));
        let mut command = self.world.command(&arguments);
        let cache = self.caches.load(Ordering::Relaxed);
        command.env("XDG_CACHE_HOME", self.world.path(&format!("cache-{cache}")));
        command.envs(told.environment.iter().cloned());
        let measured = measured(command);
        self.world.stand_in.faults().clear();
        measured
    }

    /// What was kept of earlier runs is out of reach of later ones: each lie is to be heard.
    pub(super) fn forget(&self) {
        self.caches.fetch_add(1, Ordering::Relaxed);
    }

    /// An image that was not there before.
    fn fresh(&self) -> Image {
        let number = self.images.fetch_add(1, Ordering::Relaxed).to_string();
        self.world
            .image("shop/api", &format!("fresh-{number}"), &number)
    }

    /// Memory beyond that of an honest run, in MiB.
    pub(super) fn beyond(&self, measured: &Measured) -> u64 {
        measured.peak.saturating_sub(self.idle)
    }

    /// The list of what refers to the image, as it is.
    pub(super) fn list(&self) -> Value {
        let honest: Vec<Value> = self
            .signatures
            .iter()
            .map(|line| self.entry(line))
            .collect();
        json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": honest })
    }

    fn entry(&self, line: &str) -> Value {
        let (_, digest) = line.rsplit_once('/').unwrap();
        let size = self.bytes(line).len();
        json!({ "mediaType": OCI_MANIFEST, "digest": digest, "size": size })
    }

    /// What the registry has at a line, asked without a login.
    fn bytes(&self, line: &str) -> Vec<u8> {
        let path = line.strip_prefix("GET ").unwrap();
        let mut stream = TcpStream::connect(self.world.stand_in.registry_host()).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        answer.split_off(end.unwrap() + 4)
    }

    /// The bundle of the image's signature.
    pub(super) fn bundle(&self) -> Vec<u8> {
        let mut bundles = self.bundles.iter().map(|line| self.bytes(line));
        bundles.find(|bundle| !is_publication(bundle)).unwrap()
    }

    /// The digest of what says when the image was published.
    pub(super) fn publication(&self) -> String {
        let is_its = |line: &&String| {
            let manifest: Value = serde_json::from_slice(&self.bytes(line)).unwrap();
            let bundle = manifest["layers"][0]["digest"].as_str().unwrap();
            is_publication(&self.bytes(&format!("GET /v2/shop/api/blobs/{bundle}")))
        };
        let line = self.signatures.iter().find(is_its).unwrap();
        line.rsplit_once('/').unwrap().1.to_owned()
    }

    /// A list that names an artifact with this bundle and no other; `shape` changes its manifest.
    pub(super) fn only(&self, bundle: &[u8], shape: impl Fn(&mut Value)) -> Told {
        let bundle = self.world.blob("shop/api", BUNDLE, bundle);
        let config = self.world.blob("shop/api", EMPTY, b"{}");
        let subject = json!({ "mediaType": OCI_MANIFEST, "digest": self.image.digest, "size": self.image.manifest.len() });
        let mut manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": BUNDLE,
            "config": config, "layers": [bundle], "subject": subject,
        });
        shape(&mut manifest);
        self.listing(&[manifest.to_string()])
    }

    /// A list that names these manifests and no other.
    pub(super) fn listing(&self, manifests: &[String]) -> Told {
        let place = |manifest: &String| {
            let digest = self.world.stand_in.place_manifest(
                "shop/api",
                "",
                OCI_MANIFEST,
                manifest.clone().into(),
            );
            json!({ "mediaType": OCI_MANIFEST, "digest": digest, "size": manifest.len(), "artifactType": BUNDLE })
        };
        let manifests: Vec<Value> = manifests.iter().map(place).collect();
        let list = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests });
        told(LIST, body(list.to_string()))
    }

    /// The list, with one of its entries changed.
    pub(super) fn list_with(&self, change: impl Fn(&mut Value)) -> Told {
        let mut list = self.list();
        for entry in list["manifests"].as_array_mut().unwrap() {
            change(entry);
        }
        told(LIST, body(list.to_string()))
    }

    pub(super) fn stranger(&self, path: &str) -> String {
        let stranger = self.world.stand_in.elsewhere().unwrap();
        format!("{}{path}", stranger.as_str().trim_end_matches('/'))
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.world.stand_in.calls()
    }

    /// No output holds a password, and no host but the registry was given one.
    #[track_caller]
    pub(super) fn kept_its_secrets(&self, case: &Case, measured: &Measured) {
        if let Some((_, password)) = self.world.stand_in.credentials() {
            let said = format!("{}{}", measured.run.stdout, measured.run.stderr);
            assert!(!said.contains(&password), "{}: {said}", case.does);
        }
    }
}

pub(super) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

fn is_publication(bundle: &[u8]) -> bool {
    let bundle: Value = serde_json::from_slice(bundle).unwrap();
    let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
    let payload = STANDARD.decode(payload).unwrap();
    String::from_utf8(payload).unwrap().contains("publication")
}

/// A listener that is no registry: each connection is handed to a script.
pub(super) struct Listener {
    pub(super) address: String,
}

impl Listener {
    pub(super) fn start(script: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let script = Arc::new(script);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let script = Arc::clone(&script);
                thread::spawn(move || script(stream));
            }
        });
        Self { address }
    }

    /// An image that would be there.
    pub(super) fn image(&self) -> Told {
        Told::of(format!("{}/app:1", self.address))
    }
}
