//! `countersign key generate`, `key import` and `key public`.

use std::path::{Path, PathBuf};

use countersign_common::Escaped;
use countersign_sign::file::{self, Form, KeyFileError, KeyPair};

use crate::{
    arguments::{
        Common, Output,
        key::{Key, KeyForm, KeyGenerate, KeyImport, KeyPublic, KeySpec},
    },
    exit::Exit,
    files::{self, Secrecy},
    keys::{self, KeySource},
    network,
    output::{self, Stop},
    passwords,
};

pub(crate) fn run(arguments: &Key, common: &Common) -> Result<Exit, Stop> {
    match arguments {
        Key::Generate(generate) => make(generate, common),
        Key::Import(import) => take(import, common),
        Key::Public(public) => network::block_on(show(public)),
    }
}

fn make(arguments: &KeyGenerate, common: &Common) -> Result<Exit, Stop> {
    let pair = absent_pair(&arguments.name)?;
    let key =
        file::generate(spec(arguments.spec)).map_err(|error| Stop::new(Exit::Internal, &error))?;
    write(&key, pair, arguments.format, common)
}

fn take(arguments: &KeyImport, common: &Common) -> Result<Exit, Stop> {
    let pair = absent_pair(&arguments.name)?;
    let source = &arguments.file;
    let shown = source.display().to_string();
    let key = KeyPair::read(&keys::private_pem(source)?, || {
        passwords::of_existing(&shown)
    })
    .map_err(|error| keys::private_stop(source, error))?;
    write(&key, pair, arguments.format, common)
}

/// The files of a private key and its public half, which are not there. Asked before anybody types a password that nothing
/// comes of.
fn absent_pair(name: &Path) -> Result<(PathBuf, PathBuf), Stop> {
    let (private, public) = (with_ending(name, ".key"), with_ending(name, ".pub"));
    files::absent(&private)?;
    files::absent(&public)?;
    Ok((private, public))
}

fn write(
    key: &KeyPair,
    (private, public): (PathBuf, PathBuf),
    form: KeyForm,
    common: &Common,
) -> Result<Exit, Stop> {
    let stop = |error| keys::private_stop(&private, error);
    let private_pem = match form {
        KeyForm::Cosign => key.private_pem(Form::Cosign(&new_password(&private)?)),
        KeyForm::Encrypted => key.private_pem(Form::Encrypted(&new_password(&private)?)),
        KeyForm::Plain => key.private_pem(Form::Plain),
    }
    .map_err(stop)?;
    let public_pem = key.public_pem().map_err(stop)?;
    files::create(&private, private_pem.as_bytes(), Secrecy::Private)?;
    files::create(&public, public_pem.as_bytes(), Secrecy::Public).inspect_err(|_| {
        // Made just now, and nobody has seen it: without its public half it would only be in the way.
        let _ = std::fs::remove_file(&private);
    })?;
    let (private, public) = (private.display().to_string(), public.display().to_string());
    if common.output == Output::Json {
        output::print_json(&serde_json::json!({ "privateKey": private, "publicKey": public }))?;
    } else if !common.quiet {
        let (private, public) = (Escaped(&private), Escaped(&public));
        let how = match form {
            KeyForm::Cosign | KeyForm::Encrypted => "encrypted",
            KeyForm::Plain => "not encrypted: keep it off shared disks",
        };
        output::print(&format!(
            "private key: {private} ({how})\npublic key:  {public}\n"
        ))?;
    }
    Ok(Exit::Done)
}

fn new_password(path: &Path) -> Result<zeroize::Zeroizing<String>, Stop> {
    passwords::of_new(&path.display().to_string())
        .map_err(|source| keys::private_stop(path, KeyFileError::Password { source }))
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
