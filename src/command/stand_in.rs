//! `countersign stand-in`.

use std::{fmt::Write, time::Duration};

use countersign_common::{Code, Explain};
use countersign_stand_in::{
    DEFAULT_ALIAS, EnvironmentError, Login, Options, Ports, RegistryMode, StandIn as Services,
    StartError, Transport,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    arguments::{
        Common,
        stand_in::{RegistryKind, StandIn},
    },
    exit::Exit,
    network,
    output::{self, Stop},
};

/// The time-stamp authorities that every stand-in has.
const AUTHORITIES: [&str; 2] = ["one", "two"];

pub(crate) fn run(arguments: &StandIn, common: &Common) -> Result<Exit, Stop> {
    let services =
        Services::start(options(arguments)).map_err(|error| stop(&StandInError::Start(error)))?;
    if let Some(file) = &arguments.env_file {
        services
            .write_env_file(file)
            .map_err(|error| stop(&StandInError::Environment(error)))?;
    }
    if !common.quiet {
        introduce(&services, arguments)?;
    }
    network::block_on(until_told())?;
    services.shutdown();
    Ok(Exit::Done)
}

fn options(arguments: &StandIn) -> Options {
    Options {
        delay: Duration::from_millis(arguments.delay),
        ports: Ports {
            aws: arguments.aws_port,
            registry: arguments.registry_port,
            tsa: arguments.tsa_port,
            ..Ports::default()
        },
        registry: match arguments.registry {
            RegistryKind::Ecr => RegistryMode::Ecr,
            RegistryKind::NoReferrers => RegistryMode::NoReferrersApi(Login::Anonymous),
            RegistryKind::Oci => RegistryMode::PlainOci(Login::Anonymous),
        },
        transport: if arguments.tls {
            Transport::Tls
        } else {
            Transport::Plain
        },
        ..Options::default()
    }
}

fn introduce(services: &Services, arguments: &StandIn) -> Result<(), Stop> {
    let registry = services.registry_host();
    let mut text = format!(
        "registry  {registry}\nKMS       {}\nkey       awskms:///{DEFAULT_ALIAS}\n",
        services.aws_endpoint()
    );
    for name in AUTHORITIES {
        if let Some(url) = services.tsa_url(name) {
            let _ = writeln!(text, "TSA       {url}");
        }
    }
    if let Some(file) = &arguments.env_file {
        let file = file.display();
        let _ = writeln!(
            text,
            "In another shell:\n  . {file}\n  crane copy IMAGE $REGISTRY/app:1\n  countersign sign --key $KMS_KEY --tsa $TSA_URL $REGISTRY/app:1\n  countersign verify --key $KMS_KEY --tsa-chain $TSA_CHAIN --max-age 1d $REGISTRY/app:1",
        );
    }
    text.push_str("Its keys are for demonstrations: anybody could have them, and `verify` refuses them by default.\n");
    output::print(&text)
}

async fn until_told() -> Result<(), Stop> {
    let signal = |kind| signal(kind).map_err(|error| stop(&StandInError::Signal(error)));
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

fn stop(error: &StandInError) -> Stop {
    Stop::new(Exit::Undecided, error)
}

/// Why the stand-in does not run.
#[derive(Debug)]
pub(crate) enum StandInError {
    Environment(EnvironmentError),
    Signal(std::io::Error),
    Start(StartError),
}

impl std::fmt::Display for StandInError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Environment(error) => write!(f, "{error}: {}", error.source),
            Self::Signal(error) => write!(f, "signals cannot be awaited: {error}"),
            Self::Start(error) => {
                let cause = std::error::Error::source(error)
                    .map(|cause| format!(": {cause}"))
                    .unwrap_or_default();
                write!(f, "{error}{cause}")
            }
        }
    }
}

impl Explain for StandInError {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::Environment(_) => "file-unwritable",
            Self::Signal(_) | Self::Start(_) => "stand-in-failed",
        })
    }

    fn remedy(&self) -> String {
        match self {
            Self::Environment(error) => format!(
                "check the disk, the folder and the rights of {}",
                error.path.display()
            ),
            Self::Signal(_) | Self::Start(_) => {
                "choose other ports, or let the system choose by giving none".to_owned()
            }
        }
    }
}
