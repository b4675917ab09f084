//! A running stand-in and a client of it, which follows no redirect and sends no header by itself.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_stand_in::{Call, Login, Options, RegistryMode, StandIn};
use reqwest::{
    Certificate, Client, Method, Proxy,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use serde_json::{Value, json};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

pub(crate) struct World {
    pub(crate) stand_in: StandIn,
    client: Client,
    authorization: Option<String>,
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl World {
    pub(crate) fn new(options: Options) -> Self {
        let stand_in = StandIn::start(options).unwrap();
        // Another test of this process may have been first.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let mut client = Client::builder().redirect(Policy::none());
        client = match stand_in.proxy() {
            None => client.no_proxy(),
            Some(proxy) => client.proxy(Proxy::all(proxy.as_str()).unwrap()),
        };
        let authority = stand_in.authority_pem().map(str::as_bytes);
        if let Some(pem) = authority {
            client = client.tls_certs_only([Certificate::from_pem(pem).unwrap()]);
        }
        let authorization = stand_in.credentials().map(basic);
        Self {
            client: client.build().unwrap(),
            authorization,
            stand_in,
        }
    }

    pub(crate) fn ecr() -> Self {
        Self::new(Options::default())
    }

    pub(crate) fn plain() -> Self {
        Self::new(Options {
            registry: RegistryMode::PlainOci(Login::Anonymous),
            ..Options::default()
        })
    }

    /// An address of the registry.
    pub(crate) fn at(&self, path: &str) -> String {
        let scheme = self.stand_in.authority_pem().map_or("http", |_| "https");
        format!("{scheme}://{}{path}", self.stand_in.registry_host())
    }

    /// Asks exactly this.
    pub(crate) async fn ask(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let method: Method = method.parse().unwrap();
        let mut request = self.client.request(method, url).body(body.into());
        for (name, value) in headers {
            request = request.header(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        let response = request.send().await.unwrap();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await.unwrap().to_vec(),
        }
    }

    /// Whether a request does not even get there.
    pub(crate) async fn cannot_connect(&self, url: &str) -> bool {
        let sent = self.client.get(url).send().await;
        sent.is_err_and(|error| error.is_connect())
    }

    /// Asks the registry, logged in if it wants a user.
    pub(crate) async fn registry(
        &self,
        method: &str,
        path: &str,
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        self.typed(method, path, "application/octet-stream", body)
            .await
    }

    /// The same with a `Content-Type`.
    pub(crate) async fn typed(
        &self,
        method: &str,
        path: &str,
        media_type: &str,
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let url = match path.strip_prefix("http") {
            Some(_) => path.to_owned(),
            None => self.at(path),
        };
        let mut headers = vec![("content-type", media_type)];
        headers.extend(
            self.authorization
                .as_deref()
                .map(|value| ("authorization", value)),
        );
        self.ask(method, &url, &headers, body).await
    }

    /// Calls an operation by its target.
    pub(crate) async fn aws(&self, target: &str, parameters: Value) -> Answer {
        let endpoint = self.stand_in.aws_endpoint().as_str();
        let headers = [("x-amz-target", target)];
        let answer = self
            .ask("POST", endpoint, &headers, parameters.to_string())
            .await;
        assert!(answer.header("x-amzn-requestid").len() == 36, "{answer:?}");
        answer
    }

    /// Calls an operation of KMS in a region, as whoever signs for it: the error's name, or nothing, and what is answered.
    pub(crate) async fn kms_in(
        &self,
        region: &str,
        operation: &str,
        parameters: Value,
    ) -> (String, Value) {
        let endpoint = self.stand_in.aws_endpoint().as_str();
        let target = format!("TrentService.{operation}");
        let credential = format!(
            "AWS4-HMAC-SHA256 Credential=AKID/20300101/{region}/kms/aws4_request, Signature=0"
        );
        let headers = [
            ("x-amz-target", target.as_str()),
            ("authorization", &credential),
        ];
        let answer = self
            .ask("POST", endpoint, &headers, parameters.to_string())
            .await;
        let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let error = document["__type"].as_str().unwrap_or_default().to_owned();
        (error, document)
    }

    /// Calls an operation of KMS that must succeed.
    pub(crate) async fn kms(&self, operation: &str, parameters: Value) -> Value {
        let answer = self
            .aws(&format!("TrentService.{operation}"), parameters)
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        if answer.body.is_empty() {
            Value::Null
        } else {
            answer.json()
        }
    }

    /// Calls an operation of KMS that must fail with this error and a message.
    pub(crate) async fn kms_refuses(&self, operation: &str, parameters: Value, error: &str) {
        let answer = self
            .aws(&format!("TrentService.{operation}"), parameters)
            .await;
        let document = answer.json();
        assert_eq!(document["__type"], error, "{document}");
        assert_eq!(answer.status, 400);
        assert!(!document["message"].as_str().unwrap().is_empty());
    }

    /// Uploads a blob in one piece: its digest.
    pub(crate) async fn push_blob(&self, name: &str, content: &[u8]) -> String {
        let digest = sha256(content);
        let started = self
            .registry("POST", &format!("/v2/{name}/blobs/uploads/"), "")
            .await;
        assert_eq!(started.status, 202, "{started:?}");
        let location = format!("{}?digest={digest}", started.header("location"));
        let finished = self.registry("PUT", &location, content).await;
        assert_eq!(finished.status, 201, "{}", finished.text());
        digest
    }

    /// Pushes an image without layers under a tag or a digest: the answer.
    pub(crate) async fn push_image(&self, name: &str, tag: &str, more: Value) -> Answer {
        let config = self.push_blob(name, b"{}").await;
        let manifest = manifest(&config, more).to_string();
        let path = format!("/v2/{name}/manifests/{tag}");
        self.typed("PUT", &path, MANIFEST, manifest).await
    }

    pub(crate) fn last_call(&self) -> Call {
        self.stand_in.calls().pop().unwrap()
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Fails unless this is a registry's error with this status and code.
    #[track_caller]
    pub(crate) fn is_denied(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.json()["errors"][0]["code"], code, "{}", self.text());
    }
}

/// An image manifest with further members.
pub(crate) fn manifest(config: &str, more: Value) -> Value {
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": config, "size": 2},
        "layers": [],
    });
    manifest
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    manifest
}

pub(crate) fn sha256(content: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, content);
    format!("sha256:{}", hex::encode(digest))
}

pub(crate) fn basic((user, password): (&str, String)) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}
