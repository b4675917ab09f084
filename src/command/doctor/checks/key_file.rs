//! A key in a file: whether it can be used as it is to be, and who else can read it, as signing and verifying see it. One that
//! is encrypted is opened if its password is given; nobody is asked for one here.

use std::{cell::Cell, io, path::Path};

use countersign_common::{
    Escaped, PublicKey,
    signer::{KeyOrigin, SigningKey},
};
use countersign_sign::file::Signer;
use zeroize::Zeroizing;

use crate::{
    arguments::doctor::DoctorPurpose,
    command::doctor::{
        Wanted, code,
        finding::{Finding, Status},
    },
    keys, passwords,
    secrets::{self, Secret},
};

pub(in crate::command::doctor) fn check(
    path: &Path,
    wanted: Wanted,
    purpose: DoctorPurpose,
) -> (Vec<Finding>, Option<SigningKey>) {
    let code = code::KEY_FILE;
    let name = path.display().to_string();
    let Secret {
        mut text,
        exposures,
    } = match secrets::read(path) {
        Ok(secret) => secret,
        Err(stop) => return (vec![Finding::stopped(code, &stop)], None),
    };
    let pem = match String::from_utf8(std::mem::take(&mut text)) {
        Ok(pem) => Zeroizing::new(pem),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            return (vec![no_key(&name)], None);
        }
    };
    if !pem.contains("PRIVATE KEY-----") {
        let (finding, key) = public(&name, &pem, purpose);
        return (vec![finding], key);
    }
    let (found, key) = match purpose {
        DoctorPurpose::Sign => private((path, &name), &pem, wanted),
        DoctorPurpose::Verify => {
            let sentence = format!(
                "{} is a private key, which verifies nothing",
                Escaped(&name)
            );
            let remedy = "give the public key: `countersign key public --key KEY` prints it";
            (Finding::problem(code, sentence, remedy), None)
        }
    };
    let exposed = keys::of_private(exposures, &pem)
        .into_iter()
        .map(|exposure| {
            let status = if exposure.is_mendable() {
                Status::Problem
            } else {
                Status::Note
            };
            Finding::explained(code, status, &exposure)
        });
    ([found].into_iter().chain(exposed).collect(), key)
}

fn private(
    (path, name): (&Path, &str),
    pem: &str,
    wanted: Wanted,
) -> (Finding, Option<SigningKey>) {
    let code = code::KEY_FILE;
    let shown = Escaped(name);
    let (is_asked, is_given) = (Cell::new(false), Cell::new(true));
    let password = || {
        is_asked.set(true);
        let given = passwords::given()?;
        is_given.set(given.is_some());
        given.ok_or_else(|| io::Error::other("nobody is asked"))
    };
    let signer = match Signer::read(pem, name, wanted.demanded(), password) {
        Ok(signer) => signer,
        Err(_) if !is_given.get() => {
            let sentence =
                format!("{shown} is an encrypted private key, whose password is not given");
            return (Finding::ok(code, sentence), None);
        }
        Err(error) => {
            let stop = keys::private_stop(path, error);
            return (Finding::stopped(code, &stop), None);
        }
    };
    let mut key = countersign_common::Signer::key(&signer).clone();
    let asked = wanted.asked();
    let usable = asked.and_then(|asked| key.public_key.clone().with_algorithm(asked).ok());
    if let Some(usable) = usable {
        key.public_key = usable;
    }
    let id = key.public_key.id().short();
    let finding = if is_asked.get() {
        let sentence =
            format!("{shown} is the private key {id}…, encrypted with the password that is given");
        Finding::ok(code, sentence)
    } else {
        let sentence = format!("{shown} is the private key {id}…, and not encrypted");
        let remedy = "for production prefer a key in KMS, which nobody can copy";
        Finding::note(code, sentence, remedy)
    };
    (finding, Some(key))
}

fn public(name: &str, pem: &str, purpose: DoctorPurpose) -> (Finding, Option<SigningKey>) {
    let code = code::KEY_FILE;
    let shown = Escaped(name);
    let Ok(public_key) = PublicKey::from_pem(pem) else {
        return (no_key(name), None);
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

fn no_key(name: &str) -> Finding {
    let sentence = format!("{} is no key in PEM", Escaped(name));
    let remedy = "give a key file in PEM, or a KMS key: `awskms:///alias/NAME`";
    Finding::problem(code::KEY_FILE, sentence, remedy)
}
