//! A key in a file: whether it is one, and who can read it. One that is encrypted is not opened: nobody is asked for a
//! password here.

use std::{io, path::Path};

use countersign_common::{
    Algorithm, Escaped, Explain, PublicKey,
    signer::{KeyOrigin, SigningKey},
};
use countersign_sign::file::Signer;
use zeroize::Zeroizing;

use crate::{
    arguments::doctor::DoctorPurpose,
    command::doctor::{
        code,
        finding::{Finding, Status},
    },
    files,
};

pub(in crate::command::doctor) fn check(
    path: &Path,
    algorithm: Option<Algorithm>,
    purpose: DoctorPurpose,
) -> (Finding, Option<SigningKey>) {
    let code = code::KEY_FILE;
    let name = path.display().to_string();
    let shown = Escaped(&name);
    let pem = match files::read(path) {
        Ok(bytes) => Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()),
        Err(stop) => return (Finding::stopped(code, &stop), None),
    };
    if !pem.contains("PRIVATE KEY") {
        return public(&name, &pem, purpose);
    }
    if pem.contains("ENCRYPTED") {
        let sentence = format!("{shown} is an encrypted private key");
        return (private(path, &sentence, Status::Ok), None);
    }
    let unasked = || Err(io::Error::other("nobody is asked"));
    match Signer::read(&pem, &name, algorithm, unasked) {
        Ok(signer) => {
            let key = countersign_common::Signer::key(&signer).clone();
            let id = key.public_key.id().short();
            let sentence = format!("{shown} is the private key {id}…, and not encrypted");
            (private(path, &sentence, Status::Note), Some(key))
        }
        Err(error) => (unusable(&name, &error), None),
    }
}

fn public(name: &str, pem: &str, purpose: DoctorPurpose) -> (Finding, Option<SigningKey>) {
    let code = code::KEY_FILE;
    let shown = Escaped(name);
    let Ok(public_key) = PublicKey::from_pem(pem) else {
        let sentence = format!("{shown} is no key in PEM");
        let remedy = "give a key file in PEM, or a KMS key: `awskms:///alias/NAME`";
        return (Finding::problem(code, sentence, remedy), None);
    };
    if purpose == DoctorPurpose::Sign {
        let sentence = format!("{shown} is a public key, which signs nothing");
        let remedy =
            "name the private key, or the key in KMS; `--for verify` looks at verifying alone";
        return (Finding::problem(code, sentence, remedy), None);
    }
    let sentence = format!("{shown} is the public key {}…", public_key.id().short());
    let key = SigningKey {
        public_key,
        name: name.to_owned(),
        origin: KeyOrigin::File,
    };
    (Finding::ok(code, sentence), Some(key))
}

fn unusable(name: &str, error: &dyn Explain) -> Finding {
    let finding = Finding::explained(code::KEY_FILE, Status::Problem, error);
    Finding {
        sentence: format!("{}: {}", Escaped(name), finding.sentence),
        ..finding
    }
}

fn private(path: &Path, sentence: &str, otherwise: Status) -> Finding {
    let code = code::KEY_FILE;
    if let Some(mode) = open_to_others(path) {
        let shown = path.display().to_string();
        return Finding::problem(
            code,
            format!("{sentence}, and others can read or write it: its mode is {mode:04o}"),
            &format!(
                "`chmod 600 {}`, and use another key if others had the chance",
                Escaped(&shown)
            ),
        );
    }
    match otherwise {
        Status::Ok => Finding::ok(code, sentence),
        _ => Finding::note(
            code,
            sentence,
            "for production prefer a key in KMS, which nobody can copy",
        ),
    }
}

#[cfg(unix)]
fn open_to_others(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;

    const OTHERS: u32 = 0o077;
    let metadata = std::fs::metadata(path).ok()?;
    let mode = metadata.mode() & 0o7777;
    (metadata.is_file() && mode & OTHERS != 0).then_some(mode)
}

/// Elsewhere rights are not bits.
#[cfg(not(unix))]
fn open_to_others(_: &Path) -> Option<u32> {
    None
}
