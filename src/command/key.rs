//! `countersign key generate` and `countersign key public`.

use std::path::{Path, PathBuf};

use countersign_sign::file::{self, GeneratedKey};

use crate::{
    arguments::{Common, Key, KeyGenerate, KeyPublic, KeySpec, Output},
    exit::Exit,
    files::{self, Secrecy},
    keys::{self, KeySource},
    network,
    output::{self, Stop},
};

pub(crate) fn run(arguments: &Key, common: &Common) -> Result<Exit, Stop> {
    match arguments {
        Key::Generate(generate) => make(generate, common),
        Key::Public(public) => network::block_on(show(public)),
    }
}

fn make(arguments: &KeyGenerate, common: &Common) -> Result<Exit, Stop> {
    let (private, public) = (
        with_ending(&arguments.name, ".key"),
        with_ending(&arguments.name, ".pub"),
    );
    let key: GeneratedKey =
        file::generate(spec(arguments.spec)).map_err(|error| Stop::new(Exit::Internal, &error))?;
    files::create(&private, key.private_pem.as_bytes(), Secrecy::Private)?;
    files::create(&public, key.public_pem.as_bytes(), Secrecy::Public).inspect_err(|_| {
        // Made just now, and nobody has seen it: without its public half it would only be in the way.
        let _ = std::fs::remove_file(&private);
    })?;
    if common.output == Output::Json {
        output::print_json(&serde_json::json!({ "privateKey": private, "publicKey": public }))?;
    } else if !common.quiet {
        let (private, public) = (private.display(), public.display());
        output::print(&format!(
            "private key: {private} (not encrypted: keep it off shared disks)\npublic key:  {public}\n"
        ))?;
    }
    Ok(Exit::Done)
}

/// A dot in the name is part of it: `release-1.4` becomes `release-1.4.key`.
fn with_ending(name: &Path, ending: &str) -> PathBuf {
    let mut name = name.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn spec(spec: KeySpec) -> file::KeySpec {
    match spec {
        KeySpec::P256 => file::KeySpec::P256,
        KeySpec::P384 => file::KeySpec::P384,
        KeySpec::P521 => file::KeySpec::P521,
        KeySpec::Ed25519 => file::KeySpec::Ed25519,
        KeySpec::MlDsa44 => file::KeySpec::MlDsa44,
        KeySpec::MlDsa65 => file::KeySpec::MlDsa65,
        KeySpec::MlDsa87 => file::KeySpec::MlDsa87,
        KeySpec::Rsa2048 => file::KeySpec::Rsa2048,
        KeySpec::Rsa3072 => file::KeySpec::Rsa3072,
        KeySpec::Rsa4096 => file::KeySpec::Rsa4096,
    }
}

async fn show(arguments: &KeyPublic) -> Result<Exit, Stop> {
    let pem = keys::public_pem(&KeySource::parse(&arguments.key)?).await?;
    output::print(&pem)?;
    Ok(Exit::Done)
}
