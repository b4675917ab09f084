use countersign_common::{Code, Explain, PublicKey, Signer as _};

use super::*;

const PASSWORD: &str = "correct horse";

macro_rules! key {
    ($name:literal) => {
        (
            include_str!(concat!("../../../fixtures/keys/", $name, ".key")),
            include_str!(concat!("../../../fixtures/keys/", $name, ".pub")),
        )
    };
}

fn unlocked(password: &str) -> impl FnOnce() -> std::io::Result<Zeroizing<String>> {
    let password = Zeroizing::new(password.to_owned());
    || Ok(password)
}

fn never_asked() -> std::io::Result<Zeroizing<String>> {
    panic!("a password was asked for")
}

fn refused(pem: &str) -> Code {
    Signer::read(pem, "test.key", None, unlocked(PASSWORD))
        .unwrap_err()
        .code()
}

async fn signs(signer: &Signer, public_pem: &str) {
    let public_key = PublicKey::from_pem(public_pem).unwrap();
    let algorithm = signer.key().public_key.algorithm();
    assert_eq!(signer.key().public_key.id(), public_key.id());
    let public_key = public_key.with_algorithm(algorithm).unwrap();
    let signature = signer.sign(b"message").await.unwrap().signature;
    public_key.verify(b"message", &signature).unwrap();
    public_key.verify(b"massage", &signature).unwrap_err();
}

#[tokio::test]
async fn keys_of_cosign_open_with_their_password() {
    for ((pem, public_pem), password) in [
        (key!("cosign-p256"), PASSWORD),
        (key!("cosign-empty-password"), ""),
        (key!("cosign-imported-rsa-2048"), PASSWORD),
    ] {
        for pem in [pem.to_owned(), pem.replace("SIGSTORE", "COSIGN")] {
            let signer = Signer::read(&pem, "test.key", None, unlocked(password)).unwrap();
            assert_eq!(signer.key().name, "test.key");
            assert_eq!(signer.key().origin, KeyOrigin::File);
            signs(&signer, public_pem).await;
        }
    }
}

#[tokio::test]
async fn keys_without_a_password_are_not_asked_for_one() {
    for (pem, public_pem) in [
        key!("p384"),
        key!("p521"),
        key!("ed25519"),
        key!("ml-dsa-44"),
        key!("ml-dsa-65"),
        key!("ml-dsa-87"),
        key!("rsa-2048"),
    ] {
        let signer = Signer::read(pem, "test.key", None, never_asked).unwrap();
        signs(&signer, public_pem).await;
    }
}

#[tokio::test]
async fn an_rsa_key_signs_with_each_of_its_algorithms() {
    let (pem, public_pem) = key!("rsa-2048");
    for algorithm in Algorithm::ALL {
        let read = Signer::read(pem, "test.key", Some(algorithm), never_asked);
        if algorithm.name().starts_with("rsa") {
            signs(&read.unwrap(), public_pem).await;
        } else {
            assert!(matches!(read, Err(KeyFileError::Key(_))), "{algorithm}");
        }
    }
}

#[tokio::test]
async fn what_is_generated_is_read_again() {
    for (spec, algorithm) in [
        (KeySpec::P256, Algorithm::EcdsaP256Sha256),
        (KeySpec::P384, Algorithm::EcdsaP384Sha384),
        (KeySpec::P521, Algorithm::EcdsaP521Sha512),
        (KeySpec::Ed25519, Algorithm::Ed25519),
        (KeySpec::MlDsa44, Algorithm::MlDsa44),
        (KeySpec::MlDsa65, Algorithm::MlDsa65),
        (KeySpec::MlDsa87, Algorithm::MlDsa87),
        (KeySpec::Rsa2048, Algorithm::RsaPkcs1Sha256),
        (KeySpec::Rsa3072, Algorithm::RsaPkcs1Sha256),
        (KeySpec::Rsa4096, Algorithm::RsaPkcs1Sha256),
    ] {
        let key = generate(spec).unwrap();
        let pem = key.private_pem(Form::Plain).unwrap();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        let signer = Signer::read(&pem, "new.key", None, never_asked).unwrap();
        assert_eq!(signer.key().public_key.algorithm(), algorithm);
        signs(&signer, &key.public_pem().unwrap()).await;
    }
}

#[test]
fn two_generated_keys_are_two() {
    let one = generate(KeySpec::P256).unwrap();
    let other = generate(KeySpec::P256).unwrap();
    assert_ne!(one.public_pem().unwrap(), other.public_pem().unwrap());
}

#[test]
fn a_wrong_password_and_a_changed_file_do_not_open() {
    let (pem, _) = key!("cosign-p256");
    let read = |pem: &str, password| Signer::read(pem, "test.key", None, unlocked(password));
    assert!(matches!(
        read(pem, "wrong").unwrap_err(),
        KeyFileError::WrongPassword
    ));
    let changed = encrypted(&json_of(pem).replace("ciphertext\":\"j8", "ciphertext\":\"j9"));
    assert!(matches!(
        read(&changed, PASSWORD).unwrap_err(),
        KeyFileError::WrongPassword
    ));
    read(&encrypted(&json_of(pem)), PASSWORD).unwrap();
}

#[test]
fn a_missing_password_is_told() {
    let (pem, _) = key!("cosign-p256");
    let error = Signer::read(pem, "test.key", None, || {
        Err(std::io::Error::other("no terminal"))
    })
    .unwrap_err();
    assert_eq!(error.code(), KeyFileError::PASSWORD);
    assert!(error.to_string().contains("no terminal"));
}

#[test]
fn hostile_key_files_are_refused_before_anything_is_derived() {
    let (pem, _) = key!("cosign-p256");
    let json = json_of(pem);
    for (from, to) in [
        ("\"N\":65536", "\"N\":1073741824"),
        ("\"N\":65536", "\"N\":65535"),
        ("\"N\":65536", "\"N\":-1"),
        ("\"N\":65536", "\"N\":65536,\"N\":2"),
        ("\"r\":8", "\"r\":4294967295"),
        ("\"p\":1", "\"p\":1000000"),
        ("DMpL", "DM=L"),
        ("DMpL", ""),
        ("{", "["),
    ] {
        let changed = json.replacen(from, to, 1);
        assert_ne!(changed, json);
        assert_eq!(refused(&encrypted(&changed)), KeyFileError::INVALID, "{to}");
    }
    for (from, to) in [("scrypt", "pbkdf2"), ("nacl/secretbox", "aes")] {
        let changed = json.replacen(from, to, 1);
        assert_eq!(
            refused(&encrypted(&changed)),
            KeyFileError::UNSUPPORTED,
            "{to}"
        );
    }
}

/// Every kind of key; what an encrypted file hides is the same for all.
fn pairs() -> Vec<KeyPair> {
    [
        KeySpec::P256,
        KeySpec::P521,
        KeySpec::Ed25519,
        KeySpec::MlDsa87,
        KeySpec::Rsa2048,
    ]
    .map(|spec| generate(spec).unwrap())
    .into()
}

#[tokio::test]
async fn what_is_encrypted_opens_with_its_password_only() {
    for pair in pairs() {
        for (form, label) in [
            (Form::Encrypted(PASSWORD), "ENCRYPTED PRIVATE KEY"),
            (Form::Cosign(PASSWORD), "ENCRYPTED SIGSTORE PRIVATE KEY"),
        ] {
            let pem = match pair.private_pem(form) {
                Err(KeyFileError::CosignKind) => continue,
                pem => pem.unwrap(),
            };
            assert!(pem.starts_with(&format!("-----BEGIN {label}-----\n")));
            // Neither salt nor nonce is used twice.
            assert_ne!(pem, pair.private_pem(form).unwrap());
            let signer = Signer::read(&pem, "test.key", None, unlocked(PASSWORD)).unwrap();
            signs(&signer, &pair.public_pem().unwrap()).await;
            let wrong = Signer::read(&pem, "test.key", None, unlocked("wrong")).unwrap_err();
            assert!(matches!(wrong, KeyFileError::WrongPassword));
        }
    }
}

#[test]
fn keys_that_cosign_has_not_are_not_written_for_it() {
    let pair = generate(KeySpec::MlDsa44).unwrap();
    let error = pair.private_pem(Form::Cosign(PASSWORD)).unwrap_err();
    assert_eq!(error.code(), KeyFileError::UNSUPPORTED);
}

/// The DER of an encrypted key with PBKDF2 at so many iterations, or with scrypt at this cost.
fn costing(kdf: pkcs8::pkcs5::pbes2::Kdf<'_>) -> String {
    let parameters = pkcs8::pkcs5::pbes2::Parameters {
        kdf,
        encryption: pkcs8::pkcs5::pbes2::EncryptionScheme::Aes256Cbc { iv: &[0; 16] },
    };
    let der = pkcs8::der::Encode::to_der(&pkcs8::EncryptedPrivateKeyInfo {
        encryption_algorithm: parameters.into(),
        encrypted_data: &[0; 32],
    })
    .unwrap();
    let ending = pkcs8::der::pem::LineEnding::LF;
    pkcs8::der::pem::encode_string("ENCRYPTED PRIVATE KEY", ending, &der).unwrap()
}

#[test]
fn hostile_encrypted_files_cost_nothing() {
    use pkcs8::pkcs5::pbes2::{Kdf, Pbkdf2Params, Pbkdf2Prf, ScryptParams};
    let scrypt = |cost_parameter, block_size, parallelization, key_length| {
        costing(Kdf::Scrypt(ScryptParams {
            salt: &[0; 8],
            cost_parameter,
            block_size,
            parallelization,
            key_length,
        }))
    };
    let pbkdf2 = |iteration_count, prf| {
        costing(Kdf::Pbkdf2(Pbkdf2Params {
            salt: &[0; 8],
            iteration_count,
            key_length: None,
            prf,
        }))
    };
    for pem in [
        scrypt(1 << 40, 8, 1, None),
        scrypt(1 << 17, 8, u16::MAX, None),
        scrypt(1 << 14, u16::MAX, 1, None),
        scrypt(0, 8, 1, None),
        scrypt(1 << 14, 8, 1, Some(16)),
        pbkdf2(u32::MAX, Pbkdf2Prf::HmacWithSha256),
        pbkdf2(0, Pbkdf2Prf::HmacWithSha256),
    ] {
        let error = Signer::read(&pem, "test.key", None, never_asked).unwrap_err();
        assert_eq!(error.code(), KeyFileError::INVALID);
    }
    for pem in [
        scrypt(1 << 4, 8, 1, Some(32)),
        pbkdf2(10, Pbkdf2Prf::HmacWithSha512),
    ] {
        assert_eq!(refused(&pem), KeyFileError::PASSWORD_WRONG);
    }
    assert_eq!(
        refused(&pbkdf2(10, Pbkdf2Prf::HmacWithSha224)),
        KeyFileError::UNSUPPORTED
    );
}

#[test]
fn the_way_that_openssl_encrypted_once_is_not_supported() {
    let text = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    assert_eq!(refused(text), KeyFileError::UNSUPPORTED);
}

#[test]
fn other_files_are_refused() {
    let (pem, public_pem) = key!("p384");
    let cut = pem.replacen("MIG2", "MIG1", 1);
    assert_ne!(cut, pem);
    let long = format!("{pem}{}", "\n".repeat(FILE_LIMIT));
    for (text, code) in [
        ("", KeyFileError::INVALID),
        ("not a key", KeyFileError::INVALID),
        (&cut, KeyFileError::INVALID),
        (&long, KeyFileError::INVALID),
        (public_pem, KeyFileError::UNSUPPORTED),
        (
            &pem.replace("PRIVATE KEY", "OPENSSH PRIVATE KEY"),
            KeyFileError::UNSUPPORTED,
        ),
        (
            &pem.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
            KeyFileError::INVALID,
        ),
    ] {
        assert_eq!(refused(text), code, "{text:.60}");
    }
}

#[test]
fn a_signer_does_not_show_its_private_key() {
    let (pem, _) = key!("p384");
    let signer = Signer::read(pem, "test.key", None, never_asked).unwrap();
    assert!(!format!("{signer:?}").contains("private"));
}

fn json_of(pem: &str) -> String {
    let (_, bytes) = pkcs8::der::pem::decode_vec(pem.as_bytes()).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn encrypted(json: &str) -> String {
    let label = "ENCRYPTED SIGSTORE PRIVATE KEY";
    let ending = pkcs8::der::pem::LineEnding::LF;
    pkcs8::der::pem::encode_string(label, ending, json.as_bytes()).unwrap()
}
