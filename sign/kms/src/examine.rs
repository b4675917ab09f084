//! What KMS says of one key, question by question: whether it may be read, described and signed with, and what it is.
//!
//! Called by `countersign doctor`. Nothing is signed: KMS is asked whether it would, by a dry run.

use aws_sdk_kms::{
    error::ProvideErrorMetadata,
    primitives::{Blob, DateTime},
    types::{KeyMetadata, KeyState as State, MessageType, MultiRegionKeyType, OriginType},
};
use countersign_common::{
    Algorithm, Timestamp,
    signer::{self, Failure, SigningKey},
};

use crate::{
    KeyUri, Notice, Options, connection::Connection, failure::Request, key_spec, message::MU,
    signer::fetch,
};

/// Asks about one key.
#[derive(Debug)]
pub struct Examiner {
    connection: Connection,
    uri: KeyUri,
}

/// What a key is, as its owner set it up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Description {
    /// Its ARN.
    pub arn: String,
    /// What it is made for, by KMS's name.
    pub usage: String,
    /// Its kind, by KMS's name.
    pub spec: String,
    /// The algorithm that it signs with unless another is asked for; none of a key that cannot sign.
    pub algorithm: Option<Algorithm>,
    /// Its state.
    pub state: KeyState,
    /// Where it is too.
    pub regions: Regions,
    /// Where its private half comes from.
    pub material: Material,
}

/// The state of a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeyState {
    /// It can be used.
    Enabled,
    /// It is deleted then, and cannot be used before.
    PendingDeletion {
        /// When.
        at: Option<Timestamp>,
    },
    /// Another that forbids its use, by KMS's name.
    Unusable(String),
}

/// In which regions a key is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Regions {
    /// In its own alone.
    One,
    /// The primary of a multi-Region key.
    Primary {
        /// The regions of its replicas.
        replicas: Vec<String>,
    },
    /// A replica of a multi-Region key.
    Replica {
        /// The region of its primary.
        primary: String,
    },
}

/// Where the private half of a key comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Material {
    /// From outside: it exists elsewhere too.
    Imported {
        /// When KMS forgets it.
        until: Option<Timestamp>,
    },
    /// KMS made it, and nobody can copy it.
    Kms,
    /// Somewhere else, by KMS's name.
    Other(String),
}

impl Examiner {
    /// Finds out how the key is reached. No request is sent.
    pub async fn open(uri: &KeyUri, options: Options) -> Result<Self, signer::Error> {
        Ok(Self {
            connection: Connection::from_environment(uri, options).await?,
            uri: uri.clone(),
        })
    }

    /// What a person should see before the key is used.
    pub fn notices(&self) -> &[Notice] {
        &self.connection.notices
    }

    /// The region that is asked.
    pub fn region(&self) -> &str {
        &self.connection.region
    }

    /// Its public half, as a signer fetches it (`kms:GetPublicKey`).
    pub async fn public_key(&self, algorithm: Option<Algorithm>) -> Result<SigningKey, Failure> {
        fetch(&self.connection, &self.uri, algorithm).await
    }

    /// What it is (`kms:DescribeKey`, which no signer needs).
    pub async fn description(&self) -> Result<Description, Failure> {
        let request = Request::new("kms:DescribeKey", self.uri.name(), &self.connection);
        let output = self
            .connection
            .client
            .describe_key()
            .key_id(self.uri.name())
            .send()
            .await
            .map_err(|error| request.failure(&error))?;
        let metadata = output
            .key_metadata()
            .ok_or_else(|| request.protocol("it describes no key"))?;
        Description::of(metadata).ok_or_else(|| request.protocol("it leaves out what the key is"))
    }

    /// Whether KMS would sign with it (`kms:Sign`), by a dry run of the request that a signer sends.
    pub async fn would_sign(&self, arn: &str, algorithm: Algorithm) -> Result<(), Failure> {
        let request = Request::new("kms:Sign", arn, &self.connection);
        let (message, message_type) = message(algorithm);
        let answer = self
            .connection
            .client
            .sign()
            .key_id(arn)
            .message(message)
            .message_type(message_type)
            .signing_algorithm(key_spec::signing_algorithm(algorithm))
            .dry_run(true)
            .send()
            .await;
        match answer {
            Err(error) if error.code() == Some("DryRunOperationException") => Ok(()),
            Err(error) => Err(request.failure(&error)),
            Ok(_) => Err(request.protocol("it signed though it was asked not to")),
        }
    }
}

/// What looks like a message of the algorithm, and is the hash of none.
fn message(algorithm: Algorithm) -> (Blob, MessageType) {
    match (algorithm.message_digest(b""), algorithm) {
        (Some(digest), _) => (Blob::new(vec![0; digest.len()]), MessageType::Digest),
        (None, Algorithm::MlDsa44 | Algorithm::MlDsa65 | Algorithm::MlDsa87) => {
            (Blob::new([0; MU]), MessageType::ExternalMu)
        }
        (None, _) => (Blob::new([0]), MessageType::Raw),
    }
}

impl Description {
    fn of(key: &KeyMetadata) -> Option<Self> {
        let spec = key.key_spec()?;
        let arn: KeyUri = key.arn()?.parse().ok()?;
        if !arn.is_key_arn() {
            return None;
        }
        Some(Self {
            arn: arn.name().to_owned(),
            usage: key.key_usage()?.as_str().to_owned(),
            spec: spec.as_str().to_owned(),
            algorithm: key_spec::default_algorithm(spec),
            state: match key.key_state()? {
                State::Enabled => KeyState::Enabled,
                State::PendingDeletion | State::PendingReplicaDeletion => {
                    KeyState::PendingDeletion {
                        at: key.deletion_date().and_then(timestamp),
                    }
                }
                other => KeyState::Unusable(other.as_str().to_owned()),
            },
            regions: regions(key),
            material: match key.origin()? {
                OriginType::AwsKms => Material::Kms,
                OriginType::External => Material::Imported {
                    until: key.valid_to().and_then(timestamp),
                },
                other => Material::Other(other.as_str().to_owned()),
            },
        })
    }
}

fn regions(key: &KeyMetadata) -> Regions {
    let Some(configured) = key.multi_region_configuration() else {
        return Regions::One;
    };
    let region = |key: &aws_sdk_kms::types::MultiRegionKey| key.region().map(str::to_owned);
    match configured.multi_region_key_type() {
        Some(MultiRegionKeyType::Replica) => Regions::Replica {
            primary: configured
                .primary_key()
                .and_then(region)
                .unwrap_or_default(),
        },
        _ => Regions::Primary {
            replicas: configured
                .replica_keys()
                .iter()
                .filter_map(region)
                .collect(),
        },
    }
}

fn timestamp(time: &DateTime) -> Option<Timestamp> {
    Timestamp::from_unix_seconds(time.secs())
}
