//! What can be typed after `countersign key`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    Generate(KeyGenerate),
    Import(KeyImport),
    Public(KeyPublic),
}

/// Make a key pair in two files. For production prefer a key in KMS, which nobody can copy
#[derive(Args, Debug)]
pub(crate) struct KeyGenerate {
    /// Where to write: NAME.key, readable by you alone, and NAME.pub
    #[arg(value_name = "NAME")]
    pub(crate) name: PathBuf,
    /// Kind of key
    #[arg(long, value_enum, default_value = "p256")]
    pub(crate) spec: KeySpec,
    /// Form of NAME.key
    #[arg(long, value_enum, default_value = "plain")]
    pub(crate) format: KeyForm,
}

/// Write a private key that you have in another form, encrypted unless you say otherwise, and its public half
#[derive(Args, Debug)]
pub(crate) struct KeyImport {
    /// The key's file: PKCS#8, SEC1, PKCS#1 or cosign's, encrypted or not. It stays as it is
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Where to write: NAME.key, readable by you alone, and NAME.pub
    #[arg(value_name = "NAME")]
    pub(crate) name: PathBuf,
    /// Form of NAME.key
    #[arg(long, value_enum, default_value = "encrypted")]
    pub(crate) format: KeyForm,
}

/// The form of a private key's file.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum KeyForm {
    /// cosign's, under a password: `cosign sign --key` takes it
    Cosign,
    /// PKCS#8 under a password, as OpenSSL reads it
    Encrypted,
    /// PKCS#8, not encrypted
    Plain,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum KeySpec {
    P256,
    P384,
    P521,
    Ed25519,
    #[value(name = "ml-dsa-44")]
    MlDsa44,
    #[value(name = "ml-dsa-65")]
    MlDsa65,
    #[value(name = "ml-dsa-87")]
    MlDsa87,
    #[value(name = "rsa-2048")]
    Rsa2048,
    #[value(name = "rsa-3072")]
    Rsa3072,
    #[value(name = "rsa-4096")]
    Rsa4096,
}

/// Print the public half of a key, as PEM
#[derive(Args, Debug)]
pub(crate) struct KeyPublic {
    /// A KMS key or a key file, private or public, as in `sign`
    #[arg(short, long, value_name = "KEY", env = "COUNTERSIGN_KEY")]
    pub(crate) key: String,
}
