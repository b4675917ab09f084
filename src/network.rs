//! How the command reaches the world: one runtime, one registry client.

use std::{
    collections::BTreeMap, fmt, future::Future, num::NonZero, thread::available_parallelism,
    time::Duration,
};

use countersign_common::{Code, Escaped, Explain, Limits};
use countersign_registry::{Client, Credentials, Options, PlainHttp};

use tokio::runtime::Builder;

use crate::{
    arguments::Network,
    attended,
    config::Config,
    exit::Exit,
    files,
    output::{FileError, Stop},
};

/// Runs a command's asynchronous part to its end.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
    drive(Builder::new_multi_thread().worker_threads(2), work)
}

/// The same of a command that hashes layers, as many at once as there are cores.
pub(crate) fn block_on_layers<T>(work: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
    let cores = available_parallelism().map_or(2, NonZero::get);
    let threads = cores.clamp(2, attended::AT_ONCE);
    drive(Builder::new_multi_thread().worker_threads(threads), work)
}

/// The same of a command that does one thing, of which other threads would do nothing but wake each other up.
pub(crate) fn block_on_one<T>(work: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
    drive(&mut Builder::new_current_thread(), work)
}

fn drive<T>(builder: &mut Builder, work: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
    let runtime = builder.enable_all().build();
    let runtime = runtime.map_err(|source| {
        Stop::new(
            Exit::Internal,
            &FileError::Read {
                path: "the system's threads".to_owned(),
                source,
            },
        )
    })?;
    let result = runtime.block_on(work);
    // A credential helper that hangs must not keep the command from ending.
    runtime.shutdown_background();
    result
}

/// A client for every registry that a command talks to.
pub(crate) fn client(network: &Network, timeout: u64, config: &Config) -> Result<Client, Stop> {
    let options = Options {
        certificate_authorities: certificate_authorities(network, config)?,
        plain_http: if network.plain_http {
            PlainHttp::Always
        } else {
            PlainHttp::Loopback
        },
        timeout: Duration::from_secs(timeout),
        limits: Limits::TABLE,
    };
    Client::new(options, Credentials::Environment).map_err(|error| Stop::new(Exit::Usage, &error))
}

/// Whom connections trust besides the system's authorities.
fn certificate_authorities(network: &Network, config: &Config) -> Result<Option<Vec<u8>>, Stop> {
    let configured = || {
        config
            .network
            .ca_file
            .as_deref()
            .map(|path| config.path(path))
    };
    let path = network.ca_file.clone().or_else(configured);
    path.as_deref().map(files::read).transpose()
}

/// Annotations by their keys, each once: of two values for one key, one would be lost without a word.
pub(crate) fn annotations(pairs: &[(String, String)]) -> Result<BTreeMap<String, String>, Stop> {
    let mut annotations = BTreeMap::new();
    for (key, value) in pairs {
        if annotations.insert(key.clone(), value.clone()).is_some() {
            return Err(Stop::new(
                Exit::Usage,
                &AnnotationRepeated { key: key.clone() },
            ));
        }
    }
    Ok(annotations)
}

/// An annotation was given twice.
#[derive(Debug)]
struct AnnotationRepeated {
    key: String,
}

impl fmt::Display for AnnotationRepeated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the annotation `{}` is given more than once",
            Escaped(&self.key)
        )
    }
}

impl Explain for AnnotationRepeated {
    fn code(&self) -> Code {
        Code::new("annotation-repeated")
    }

    fn remedy(&self) -> String {
        "give each annotation once".to_owned()
    }
}
