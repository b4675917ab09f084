//! The signer: one key, fetched and pinned once, then asked by its own ARN.

use aws_sdk_kms::{
    operation::{RequestId, get_public_key::GetPublicKeyOutput, sign::SignOutput},
    primitives::Blob,
    types::KeyUsageType,
};
use countersign_common::{
    Algorithm, PublicKey, Task,
    signer::{Failure, KeyOrigin, Refusal, Signed, SigningKey},
};

use crate::{
    KeyUri, Options,
    connection::{Connection, Notice},
    failure::Request,
    key_spec, message,
};

/// A signature of ML-DSA-87 has 4,627 bytes.
const SIGNATURE_LIMIT: usize = 8 << 10;

/// Signs with one key in AWS KMS.
///
/// Its [`SigningKey::name`] is the ARN of the key itself, so that an alias that is moved meanwhile changes nothing.
#[derive(Debug)]
pub struct Signer {
    connection: Connection,
    key: SigningKey,
}

impl Signer {
    /// Fetches the key and checks that it can sign with the algorithm: its own by default.
    ///
    /// Region, endpoint and credentials come from the environment, as for every AWS tool.
    pub async fn open(
        uri: &KeyUri,
        algorithm: Option<Algorithm>,
        options: Options,
    ) -> Result<Self, Failure> {
        let connection = Connection::from_environment(uri, options).await?;
        Self::connect(connection, uri, algorithm).await
    }

    pub(crate) async fn connect(
        connection: Connection,
        uri: &KeyUri,
        algorithm: Option<Algorithm>,
    ) -> Result<Self, Failure> {
        let key = fetch(&connection, uri, algorithm).await?;
        Ok(Self { connection, key })
    }

    /// What a person should see before the key is used.
    pub fn notices(&self) -> &[Notice] {
        &self.connection.notices
    }

    async fn ask(&self, message: &[u8]) -> Result<Signed, Failure> {
        let algorithm = self.key.public_key.algorithm();
        let (message, message_type) = message::of(message, &self.key)?;
        let request = Request::new("kms:Sign", &self.key.name, &self.connection);
        let output = self
            .connection
            .client
            .sign()
            .key_id(&self.key.name)
            .message(message)
            .message_type(message_type)
            .signing_algorithm(key_spec::signing_algorithm(algorithm))
            .send()
            .await
            .map_err(|error| request.failure(&error))?;
        check_signature(output, &self.key, &request)
    }
}

impl countersign_common::Signer for Signer {
    fn key(&self) -> &SigningKey {
        &self.key
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> Task<'a, Result<Signed, Failure>> {
        Box::pin(self.ask(message))
    }
}

/// Whether the answer comes from the key and the algorithm that were asked for.
fn check_signature(
    output: SignOutput,
    key: &SigningKey,
    request: &Request<'_>,
) -> Result<Signed, Failure> {
    let answered = output
        .key_id()
        .ok_or_else(|| request.protocol("it names no key"))?;
    if answered != key.name {
        return Err(Refusal::AnotherKey {
            answered: answered.to_owned(),
            key: key.name.clone(),
        }
        .into());
    }
    let asked = key_spec::signing_algorithm(key.public_key.algorithm());
    if output.signing_algorithm() != Some(&asked) {
        return Err(request.protocol("it signed with another algorithm than asked"));
    }
    let request_id = output.request_id().map(str::to_owned);
    let signature = output
        .signature
        .map(Blob::into_inner)
        .filter(|signature| (1..=SIGNATURE_LIMIT).contains(&signature.len()))
        .ok_or_else(|| request.protocol("it has no signature"))?;
    Ok(Signed {
        signature: signature.into(),
        request_id,
    })
}

pub(crate) async fn fetch(
    connection: &Connection,
    uri: &KeyUri,
    algorithm: Option<Algorithm>,
) -> Result<SigningKey, Failure> {
    let request = Request::new("kms:GetPublicKey", uri.name(), connection);
    let output = connection
        .client
        .get_public_key()
        .key_id(uri.name())
        .send()
        .await
        .map_err(|error| request.failure(&error))?;
    let (name, origin) = pin(&output, uri, &request)?;
    Ok(SigningKey {
        public_key: read_key(&output, algorithm, &request)?,
        name,
        origin,
    })
}

/// The ARN of the key that answered. From here on the key has no other name.
fn pin(
    output: &GetPublicKeyOutput,
    uri: &KeyUri,
    request: &Request<'_>,
) -> Result<(String, KeyOrigin), Failure> {
    let arn: KeyUri = output
        .key_id()
        .and_then(|arn| arn.parse().ok())
        .filter(KeyUri::is_key_arn)
        .ok_or_else(|| request.protocol("it does not name the key by its ARN"))?;
    if uri.is_key_arn() && uri.name() != arn.name() {
        return Err(request.protocol("it is about another key"));
    }
    let origin = arn.account().map_or(KeyOrigin::Kms, KeyOrigin::of_account);
    Ok((arn.name().to_owned(), origin))
}

fn read_key(
    output: &GetPublicKeyOutput,
    algorithm: Option<Algorithm>,
    request: &Request<'_>,
) -> Result<PublicKey, Failure> {
    let wrong_usage = |message: String| -> Failure {
        Refusal::WrongUsage {
            key: request.key.to_owned(),
            message,
        }
        .into()
    };
    let usage = output.key_usage().map_or("nothing", KeyUsageType::as_str);
    if output.key_usage() != Some(&KeyUsageType::SignVerify) {
        return Err(wrong_usage(format!("its usage is {usage}")));
    }
    let spec = output
        .key_spec()
        .ok_or_else(|| request.protocol("it has no key spec"))?;
    let default = key_spec::default_algorithm(spec)
        .ok_or_else(|| wrong_usage(format!("its spec is {}", spec.as_str())))?;
    let der = output
        .public_key()
        .ok_or_else(|| request.protocol("it has no public key"))?;
    let key = PublicKey::from_spki_der(der.as_ref())
        .ok()
        .filter(|key| key.algorithm() == default)
        .ok_or_else(|| request.protocol("its public key is not one of its spec"))?;
    let key = key
        .with_algorithm(algorithm.unwrap_or(default))
        .map_err(|error| wrong_usage(error.to_string()))?;
    if output
        .signing_algorithms()
        .contains(&key_spec::signing_algorithm(key.algorithm()))
    {
        Ok(key)
    } else {
        Err(wrong_usage(format!(
            "it does not offer {}",
            key.algorithm()
        )))
    }
}

#[cfg(test)]
mod tests;
