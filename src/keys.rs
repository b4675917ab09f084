//! Keys as people name them: a KMS key, or a file.

use std::path::{Path, PathBuf};

use countersign_common::{
    Algorithm, Code, Escaped, Explain, PublicKey, Signer,
    key::KeyError,
    signer::{self, KeyOrigin, SigningKey},
};
use countersign_kms::KeyUri;
use countersign_sign::file;
use countersign_trust_roots::{Authorities, Authority};
use zeroize::Zeroizing;

use crate::{
    config::Config,
    exit::Exit,
    output::{self, Stop},
    passwords,
    secrets::{self, Exposure, Secret},
};

/// Where a key is.
#[derive(Clone, Debug)]
pub(crate) enum KeySource {
    Kms(KeyUri),
    File(PathBuf),
}

impl KeySource {
    /// What looks like a KMS key is one; everything else is a file.
    pub(crate) fn parse(text: &str) -> Result<Self, Stop> {
        // A variable without a value, or a line without one.
        if text.is_empty() {
            return Err(Stop::new(Exit::Usage, &KeyFileError::Nameless));
        }
        if is_kms(text) {
            let uri = text
                .parse::<KeyUri>()
                .map_err(|error| Stop::new(Exit::Usage, &error))?;
            Ok(Self::Kms(uri))
        } else {
            Ok(Self::File(PathBuf::from(text)))
        }
    }
}

/// Whether a key is named as one in KMS.
pub(crate) fn is_kms(name: &str) -> bool {
    ["awskms:", "arn:", "alias/"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// The keys that a verifier trusts. An algorithm is for the keys that can use it, and there must be one.
pub(crate) async fn trusted(
    keys: &[String],
    algorithm: Option<Algorithm>,
) -> Result<Authorities, Stop> {
    let mut authorities = Vec::new();
    let mut unused = algorithm;
    for name in keys {
        let mut authority = authority(&KeySource::parse(name)?).await?;
        let asked =
            algorithm.and_then(|algorithm| authority.key.clone().with_algorithm(algorithm).ok());
        if let Some(key) = asked {
            authority.key = key;
            unused = None;
        }
        authorities.push(authority);
    }
    match unused {
        Some(algorithm) => Err(algorithm_unused(algorithm)),
        None => Authorities::new(authorities)
            .map_err(|_| Stop::new(Exit::Usage, &KeyFileError::NobodyTrusted)),
    }
}

/// A key by its public half; of a file only a public key. What KMS cannot show is a matter of configuration: no image
/// was judged yet.
async fn authority(source: &KeySource) -> Result<Authority, Stop> {
    match source {
        KeySource::Kms(uri) => {
            let signer = open(uri, None).await.map_err(|failure| match &failure {
                signer::Failure::Error(_) => Stop::new(Exit::Undecided, &failure),
                signer::Failure::Refusal(_) => Stop::new(Exit::Usage, &failure),
            })?;
            let SigningKey {
                public_key,
                name,
                origin,
            } = signer.key().clone();
            Ok(Authority::unlimited(name, public_key, origin))
        }
        KeySource::File(path) => {
            let (pem, _) = read_text(path)?;
            let key = public_key(path, &pem)?;
            let shown = path.display().to_string();
            Ok(Authority::unlimited(shown, key, KeyOrigin::File))
        }
    }
}

fn public_key(path: &Path, pem: &str) -> Result<PublicKey, Stop> {
    PublicKey::from_pem(pem).map_err(|source| {
        let path = path.display().to_string();
        Stop::new(Exit::Usage, &KeyFileError::Unusable { path, source })
    })
}

/// A KMS key, and what a person should know of where it was found: an endpoint in the environment decides whom a
/// verifier trusts.
async fn open(
    uri: &KeyUri,
    algorithm: Option<Algorithm>,
) -> Result<countersign_kms::Signer, signer::Failure> {
    let signer =
        countersign_kms::Signer::open(uri, algorithm, countersign_kms::Options::default()).await?;
    for notice in signer.notices() {
        tracing::warn!("{notice}");
    }
    Ok(signer)
}

/// The text of a key's file, and who else can have it. Of whichever half it is, nothing is left in memory: a private key may be
/// named by mistake.
fn read_text(path: &Path) -> Result<(Zeroizing<String>, Vec<Exposure>), Stop> {
    let Secret {
        mut text,
        exposures,
    } = secrets::read(path)?;
    let text = String::from_utf8(std::mem::take(&mut text)).map_err(|error| {
        drop(Zeroizing::new(error.into_bytes()));
        let path = path.display().to_string();
        Stop::new(Exit::Usage, &KeyFileError::NotText { path })
    })?;
    Ok((Zeroizing::new(text), exposures))
}

/// Keys that sign, ready: a KMS key was asked for its public half, a file was decrypted.
pub(crate) async fn signers(
    names: &[String],
    algorithm: Option<Algorithm>,
    config: &Config,
) -> Result<Vec<Box<dyn Signer>>, Stop> {
    match names {
        [] => {
            let configured = config.sign.key.as_deref().map(|key| config.key(key));
            let name = configured.ok_or_else(|| Stop::new(Exit::Usage, &KeyFileError::NoKey))?;
            // An algorithm is configured for the key beside it, not for one that is named instead.
            let algorithm = algorithm.or(config.sign.algorithm);
            Ok(vec![named_signer(&name, algorithm).await?])
        }
        [name] => Ok(vec![named_signer(name, algorithm).await?]),
        _ => several_signers(names, algorithm).await,
    }
}

/// Of several keys, an algorithm is for those that can use it.
async fn several_signers(
    names: &[String],
    algorithm: Option<Algorithm>,
) -> Result<Vec<Box<dyn Signer>>, Stop> {
    let mut signers: Vec<Box<dyn Signer>> = Vec::with_capacity(names.len());
    let mut unused = algorithm;
    for name in names {
        let (signer, uses) = willing_signer(name, algorithm).await?;
        let public = &signer.key().public_key;
        if signers
            .iter()
            .any(|known| known.key().public_key.id() == public.id())
        {
            return Err(twice(name));
        }
        unused = unused.filter(|_| uses.is_none());
        signers.push(signer);
    }
    unused.map_or(Ok(signers), |algorithm| Err(algorithm_unused(algorithm)))
}

/// A key with this algorithm if it can use it, and else with its own; and whether it does.
async fn willing_signer(
    name: &str,
    algorithm: Option<Algorithm>,
) -> Result<(Box<dyn Signer>, Option<Algorithm>), Stop> {
    let usable = |key: &SigningKey| {
        algorithm.filter(|algorithm| key.public_key.clone().with_algorithm(*algorithm).is_ok())
    };
    // A file is opened once: it may ask for a password.
    if let KeySource::File(path) = KeySource::parse(name)? {
        let signer = read_private(&path, None)?;
        let Some(algorithm) = usable(signer.key()) else {
            return Ok((Box::new(signer), None));
        };
        let signer = signer
            .with_algorithm(algorithm)
            .map_err(|source| private_stop(&path, source))?;
        return Ok((Box::new(signer), Some(algorithm)));
    }
    let signer = named_signer(name, None).await?;
    match usable(signer.key()) {
        Some(algorithm) => Ok((named_signer(name, Some(algorithm)).await?, Some(algorithm))),
        None => Ok((signer, None)),
    }
}

/// The same by its name alone.
pub(crate) async fn named_signer(
    name: &str,
    algorithm: Option<Algorithm>,
) -> Result<Box<dyn Signer>, Stop> {
    match KeySource::parse(name)? {
        KeySource::Kms(uri) => {
            let signer = open(&uri, algorithm)
                .await
                .map_err(|failure| signer_stop(&failure))?;
            Ok(Box::new(signer))
        }
        KeySource::File(path) => Ok(Box::new(read_private(&path, algorithm)?)),
    }
}

/// The public half of any key, and the ARN of one that lives in KMS.
pub(crate) async fn public_half(
    source: &KeySource,
    algorithm: Option<Algorithm>,
) -> Result<(PublicKey, Option<String>), Stop> {
    let (key, kms) = match source {
        KeySource::File(path) => {
            // Read once: it may be a pipe.
            let pem = private_pem(path)?;
            let key = if is_private(&pem) {
                file_signer(path, &pem, None)?.key().public_key.clone()
            } else {
                public_key(path, &pem)?
            };
            (key, None)
        }
        KeySource::Kms(_) => {
            let Authority { name, key, .. } = authority(source).await?;
            (key, Some(name))
        }
    };
    // Of several keys, an algorithm is for those that can use it.
    let asked = algorithm.and_then(|algorithm| key.clone().with_algorithm(algorithm).ok());
    Ok((asked.unwrap_or(key), kms))
}

/// The public half of any key, as PEM.
pub(crate) async fn public_pem(source: &KeySource) -> Result<String, Stop> {
    let (key, _) = public_half(source, None).await?;
    pem(&key)
}

/// The same of a public key that is there.
pub(crate) fn pem(key: &PublicKey) -> Result<String, Stop> {
    key.to_pem().map_err(|source| {
        Stop::new(
            Exit::Internal,
            &KeyFileError::Unusable {
                path: String::new(),
                source,
            },
        )
    })
}

fn read_private(path: &Path, algorithm: Option<Algorithm>) -> Result<file::Signer, Stop> {
    file_signer(path, &private_pem(path)?, algorithm)
}

fn file_signer(path: &Path, pem: &str, algorithm: Option<Algorithm>) -> Result<file::Signer, Stop> {
    let shown = path.display().to_string();
    file::Signer::read(pem, &shown, algorithm, || passwords::of_existing(&shown))
        .map_err(|source| private_stop(path, source))
}

/// The text of a file with a key. If it is a private one, nobody else can have it.
pub(crate) fn private_pem(path: &Path) -> Result<Zeroizing<String>, Stop> {
    let (pem, exposures) = read_text(path)?;
    for exposure in of_private(exposures, &pem) {
        if exposure.is_mendable() {
            return Err(Stop::new(Exit::Usage, &exposure));
        }
        output::say(&output::explanation(
            "warning",
            exposure.code(),
            &exposure.to_string(),
            &exposure.remedy(),
        ));
    }
    Ok(pem)
}

/// Who else can have the private key in this text, if it is one.
pub(crate) fn of_private(exposures: Vec<Exposure>, pem: &str) -> Vec<Exposure> {
    let is_encrypted = pem.contains("-----BEGIN ENCRYPTED ");
    let of_file = |exposure: Exposure| {
        if is_encrypted {
            exposure.of_encrypted()
        } else {
            exposure
        }
    };
    let all = exposures.into_iter().map(of_file);
    all.filter(|_| is_private(pem)).collect()
}

fn is_private(pem: &str) -> bool {
    pem.contains("PRIVATE KEY-----")
}

/// A private key's file that cannot be used, or not be written so.
pub(crate) fn private_stop(path: &Path, source: file::KeyFileError) -> Stop {
    let path = path.display().to_string();
    Stop::new(Exit::Usage, &KeyFileError::Private { path, source })
}

/// What a person can mend in the request itself is usage; what KMS says of the key's state is a refusal.
pub(crate) fn signer_stop(failure: &signer::Failure) -> Stop {
    let exit = match failure {
        signer::Failure::Error(_) => Exit::Undecided,
        signer::Failure::Refusal(
            signer::Refusal::NotFound { .. }
            | signer::Refusal::WrongUsage { .. }
            | signer::Refusal::AccessDenied { .. },
        ) => Exit::Usage,
        signer::Failure::Refusal(_) => Exit::Refused,
    };
    Stop::new(exit, failure)
}

/// No key can be used with the algorithm that was asked for.
pub(crate) fn algorithm_unused(algorithm: Algorithm) -> Stop {
    Stop::new(Exit::Usage, &KeyFileError::AlgorithmUnused { algorithm })
}

/// A key that was named before, by this name or another.
pub(crate) fn twice(name: &str) -> Stop {
    let key = name.to_owned();
    Stop::new(Exit::Usage, &KeyFileError::Twice { key })
}

/// A key that cannot be used as it was named.
#[derive(Debug)]
enum KeyFileError {
    AlgorithmUnused {
        algorithm: Algorithm,
    },
    Nameless,
    NobodyTrusted,
    NoKey,
    NotText {
        path: String,
    },
    Private {
        path: String,
        source: file::KeyFileError,
    },
    Twice {
        key: String,
    },
    Unusable {
        path: String,
        source: KeyError,
    },
}

impl std::fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AlgorithmUnused { algorithm } => {
                write!(f, "none of the keys can be used with `{algorithm}`")
            }
            Self::Nameless => f.write_str("the name of a key is empty"),
            Self::NobodyTrusted => f.write_str("neither a policy nor a key is given"),
            Self::NoKey => f.write_str("no key is given"),
            Self::NotText { path } => write!(f, "{} is not a PEM file", Escaped(path)),
            Self::Private { path, source } => write!(f, "{}: {source}", Escaped(path)),
            Self::Twice { key } => write!(f, "{} is named twice", Escaped(key)),
            Self::Unusable { path, source } => write!(f, "{}: {source}", Escaped(path)),
        }
    }
}

impl Explain for KeyFileError {
    fn code(&self) -> Code {
        match self {
            Self::AlgorithmUnused { .. } => Code::new("algorithm-not-allowed"),
            Self::Nameless | Self::NobodyTrusted | Self::NoKey => Code::new("key-missing"),
            Self::NotText { .. } | Self::Unusable { .. } => Code::new("key-file-invalid"),
            Self::Private { source, .. } => source.code(),
            Self::Twice { .. } => Code::new("key-twice"),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::AlgorithmUnused { .. } => "leave `--algorithm` out, or name an algorithm of the key's own kind".to_owned(),
            Self::Nameless => {
                "name each key; `COUNTERSIGN_KEY` has one a line, and no line break after the last".to_owned()
            }
            Self::NobodyTrusted => {
                "name a policy with `--policy`, or keys with `--key`; or write either beside the configuration".to_owned()
            }
            Self::NoKey => "name a key with `--key`, or in the configuration".to_owned(),
            Self::NotText { .. } => "give a key file in PEM, or a KMS key: `awskms:///alias/NAME`".to_owned(),
            Self::Private { source, .. } => source.remedy(),
            Self::Twice { .. } => "name each key once: signatures of distinct keys are counted".to_owned(),
            Self::Unusable { .. } => {
                "give a public key in PEM; `countersign key public --key KEY` prints the one of any key".to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_into_buffers_that_are_wiped() {
        use secrets::{LIMIT, USUAL};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("team.key");
        for (length, capacity) in [
            (0, USUAL),
            (USUAL - 1, USUAL),
            (USUAL, LIMIT + 1),
            (USUAL + 1, LIMIT + 1),
            (LIMIT, LIMIT + 1),
        ] {
            let text: String = ('a'..='z').cycle().take(length).collect();
            std::fs::write(&path, &text).unwrap();
            let (read, _) = read_text(&path).unwrap();
            assert_eq!(*read, text);
            // A buffer that had grown would have left pieces behind.
            assert_eq!(read.capacity(), capacity, "{length}");
        }
        std::fs::write(&path, vec![b'a'; LIMIT + 1]).unwrap();
        assert!(read_text(&path).is_err());
    }
}
