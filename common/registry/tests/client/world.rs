//! A stand-in and a client for it.

use std::time::Duration;

use countersign_common::{
    Code, Descriptor, Explain, ImageRef, Limits, Manifest, RegistryWriter, Repository,
    bundle::MEDIA_TYPE,
    manifest::{EMPTY_CONFIG, OCI_MANIFEST},
    registry::Failure,
};
use countersign_registry::{Client, Credentials, Options, PlainHttp};
use countersign_stand_in::{Fault, Lie, Login, Options as StandInOptions, RegistryMode, StandIn};

pub(crate) struct World {
    pub(crate) stand_in: StandIn,
    pub(crate) client: Client,
}

impl World {
    pub(crate) fn with(options: StandInOptions) -> Self {
        let stand_in = StandIn::start(options).unwrap();
        let client = client(&stand_in, credentials(&stand_in));
        Self { stand_in, client }
    }

    pub(crate) fn ecr() -> Self {
        Self::with(StandInOptions::default())
    }

    pub(crate) fn oci(login: Login) -> Self {
        Self::with(StandInOptions {
            registry: RegistryMode::PlainOci(login),
            ..StandInOptions::default()
        })
    }

    pub(crate) fn no_referrers() -> Self {
        Self::with(StandInOptions {
            registry: RegistryMode::NoReferrersApi(Login::Anonymous),
            ..StandInOptions::default()
        })
    }

    pub(crate) fn image(&self, tag: &str) -> ImageRef {
        let host = self.stand_in.registry_host();
        let config = self.stand_in.place_blob("app", b"{}".to_vec().into());
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{{"mediaType":"c","digest":"{config}","size":2}},"layers":[]}}"#
        );
        self.stand_in
            .place_manifest("app", tag, OCI_MANIFEST, manifest.into_bytes().into());
        ImageRef::parse(&format!("{host}/app:{tag}")).unwrap()
    }

    pub(crate) fn repository(&self) -> Repository {
        ImageRef::parse(&format!("{}/app", self.stand_in.registry_host()))
            .unwrap()
            .repository()
            .clone()
    }

    /// A signature-like manifest for an image, whose blobs are pushed.
    pub(crate) async fn referrer(&self, subject: &Manifest, content: &str) -> Manifest {
        let repository = self.repository();
        let blob = content.as_bytes().to_vec();
        let layer = Descriptor::of(MEDIA_TYPE, &blob);
        self.client
            .push_blob(&repository, blob.into())
            .await
            .unwrap();
        self.client
            .push_blob(&repository, b"{}".to_vec().into())
            .await
            .unwrap();
        let config = Descriptor::of(EMPTY_CONFIG, b"{}");
        let (subject, config, layer) = (
            serde_json::to_string(subject.descriptor()).unwrap(),
            serde_json::to_string(&config).unwrap(),
            serde_json::to_string(&layer).unwrap(),
        );
        let json = format!(
            r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","artifactType":"{MEDIA_TYPE}","config":{config},"layers":[{layer}],"subject":{subject}}}"#
        );
        Manifest::parse(json.into_bytes().into(), None, None, &Limits::TABLE).unwrap()
    }

    pub(crate) fn lie(&self, pattern: &str, lie: Lie) {
        self.stand_in.faults().push(Fault::on(pattern, lie));
    }
}

pub(crate) fn credentials(stand_in: &StandIn) -> Credentials {
    match stand_in.credentials() {
        Some((user, password)) => Credentials::Given {
            user: user.to_owned(),
            password,
        },
        None => Credentials::Anonymous,
    }
}

pub(crate) fn client(stand_in: &StandIn, credentials: Credentials) -> Client {
    Client::new(options(stand_in), credentials).unwrap()
}

/// A client that has one second for an answer.
pub(crate) fn hurried(stand_in: &StandIn) -> Client {
    let options = Options {
        timeout: Duration::from_secs(1),
        ..options(stand_in)
    };
    Client::new(options, credentials(stand_in)).unwrap()
}

fn options(stand_in: &StandIn) -> Options {
    Options {
        certificate_authorities: stand_in.authority_pem().map(|pem| pem.as_bytes().to_vec()),
        plain_http: PlainHttp::Loopback,
        timeout: Duration::from_secs(30),
        limits: Limits::TABLE,
    }
}

#[track_caller]
pub(crate) fn is_error<T: std::fmt::Debug>(result: Result<T, Failure>, code: &'static str) {
    match result {
        Err(Failure::Error(error)) => assert_eq!(error.code(), Code::new(code), "{error}"),
        other => panic!("{code} expected, got {other:?}"),
    }
}

#[track_caller]
pub(crate) fn is_refusal<T: std::fmt::Debug>(result: Result<T, Failure>, code: &'static str) {
    match result {
        Err(Failure::Refusal(refusal)) => assert_eq!(refusal.code(), Code::new(code), "{refusal}"),
        other => panic!("{code} expected, got {other:?}"),
    }
}
