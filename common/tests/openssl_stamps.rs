//! Time stamps made by `openssl ts`, read and believed by us: an authority that shares no code with ours.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test: it runs openssl on files"
)]

use std::{fs, path::Path, process::Command, time::Duration};

use countersign_common::{
    Limits, Signature,
    rfc3161::{Anchor, Invalid, Request, Response, Stamped},
};
use tempfile::TempDir;

const CONFIGURATION: &str = "
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[tsa]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[stamps]
serial = serial
default_policy = 1.3.6.1.4.1.99999.1
digests = sha256, sha384, sha512
signer_digest = SIGNER_DIGEST
ess_cert_id_alg = ESS_ALGORITHM
accuracy = secs:1, millisecs:500, microsecs:100
clock_precision_digits = 3
ordering = yes
tsa_name = yes
ess_cert_id_chain = yes
";

struct Authority(TempDir);

impl Authority {
    fn new(key: &[&str], signer_digest: &str, ess_algorithm: &str) -> Self {
        let authority = Self(TempDir::new().unwrap());
        let configuration = CONFIGURATION
            .replace("SIGNER_DIGEST", signer_digest)
            .replace("ESS_ALGORITHM", ess_algorithm);
        fs::write(authority.path().join("openssl.cnf"), configuration).unwrap();
        fs::write(authority.path().join("serial"), "01\n").unwrap();
        for name in ["ca", "tsa"] {
            let new = ["genpkey", "-out", &format!("{name}.key")];
            authority.openssl(&[&new, key].concat());
        }
        let root = "req -new -x509 -key ca.key -subj /CN=Root -days 3650 -config openssl.cnf -extensions ca -out ca.pem";
        authority.openssl(&root.split(' ').collect::<Vec<_>>());
        let request = "req -new -key tsa.key -subj /CN=Stamps -out tsa.csr";
        authority.openssl(&request.split(' ').collect::<Vec<_>>());
        let leaf = "x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -set_serial 128 -days 365 -extfile openssl.cnf -extensions tsa -out tsa.pem";
        authority.openssl(&leaf.split(' ').collect::<Vec<_>>());
        authority
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl")
            .args(arguments)
            .env("OPENSSL_CONF", "/dev/null")
            .current_dir(self.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments:?}: {said}");
    }

    fn answer(&self, request: &Request) -> Vec<u8> {
        fs::write(self.path().join("query"), request.to_der()).unwrap();
        let reply = "ts -reply -config openssl.cnf -section stamps -queryfile query -signer tsa.pem -inkey tsa.key -out reply";
        self.openssl(&reply.split(' ').collect::<Vec<_>>());
        fs::read(self.path().join("reply")).unwrap()
    }

    fn anchor(&self) -> Anchor {
        let pem = fs::read(self.path().join("ca.pem")).unwrap();
        Anchor::from_pem(&pem, &Limits::TABLE).unwrap()
    }
}

const P256: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
const P384: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
const RSA: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"];

#[test]
fn stamps_of_every_kind_of_key_and_hash_count() {
    let signature = Signature::from(b"a signature".to_vec());
    for (key, digest, ess) in [
        (P256, "sha256", "sha256"),
        (P384, "sha384", "sha384"),
        (P384, "sha256", "sha512"),
        (P384, "sha512", "sha256"),
        (RSA, "sha256", "sha1"),
        (RSA, "sha512", "sha256"),
    ] {
        let authority = Authority::new(key, digest, ess);
        let anchor = authority.anchor();
        for stamped in [Stamped::Before, Stamped::Signature(&signature)] {
            let request = Request::new(stamped, u64::MAX);
            let answer = authority.answer(&request);
            let response = Response::parse(&answer, &Limits::TABLE).unwrap();
            let stamp = response.verify(stamped, &anchor).unwrap();
            let unanchored = response.check_unanchored(stamped).unwrap();
            assert_eq!(unanchored.moment(), stamp.moment());
            assert_eq!(unanchored.signer(), stamp.signer());
            assert!(response.repeats(u64::MAX) && !response.repeats(u64::MAX - 1));
            let moment = stamp.moment();
            let (earliest, latest) = (
                moment.earliest(Duration::ZERO).unwrap(),
                moment.latest(Duration::ZERO).unwrap(),
            );
            // 1.5001 s on either side, and one millisecond that the clock stood in (or more: trailing zeros are cut).
            let width = latest.since(earliest);
            let units = width.saturating_sub(Duration::from_micros(3_000_200));
            assert!(
                [1, 10, 100, 1_000]
                    .map(Duration::from_millis)
                    .contains(&units),
                "{width:?}"
            );
        }
    }
}

/// Beside the signature some name the key alone, others the hash too. Nobody signs that name.
#[test]
fn a_signature_is_named_with_its_hash_or_without() {
    // rsaEncryption, and sha256-, sha384- and sha512WithRSAEncryption: as long as each other.
    let name = |last: u8| {
        [
            &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01][..],
            &[last],
        ]
        .concat()
    };
    let with_hash = [("sha256", 11), ("sha384", 12), ("sha512", 13)];
    for (digest, right) in with_hash {
        let authority = Authority::new(RSA, digest, "sha256");
        let anchor = authority.anchor();
        let answer = authority.answer(&Request::new(Stamped::Before, 1));
        let known = name(1);
        let start = answer
            .windows(known.len())
            .rposition(|window| window == known);
        let named = |last: u8| {
            let mut answer = answer.clone();
            answer[start.unwrap()..][..known.len()].copy_from_slice(&name(last));
            answer
        };
        for last in [1, 11, 12, 13] {
            let answer = named(last);
            let response = Response::parse(&answer, &Limits::TABLE).unwrap();
            let found = response.verify(Stamped::Before, &anchor).map(drop);
            let counts = last == 1 || last == right;
            let expected = if counts {
                Ok(())
            } else {
                Err(Invalid::Signature)
            };
            assert_eq!(found, expected, "{digest}, {last}");
        }
    }
}

#[test]
fn a_certificate_in_a_stamp_is_no_longer_than_is_read() {
    let authority = Authority::new(P256, "sha256", "sha256");
    let answer = authority.answer(&Request::new(Stamped::Before, 1));
    authority.openssl(&[
        "x509", "-in", "tsa.pem", "-outform", "DER", "-out", "tsa.der",
    ]);
    let length = fs::read(authority.path().join("tsa.der")).unwrap().len();
    for (certificate, is_read) in [(length, true), (length + 1, true), (length - 1, false)] {
        let limits = Limits {
            certificate,
            ..Limits::TABLE
        };
        assert_eq!(Response::parse(&answer, &limits).is_ok(), is_read);
    }
}

#[test]
fn a_stamp_of_something_else_or_by_somebody_else_does_not_count() {
    let authority = Authority::new(P256, "sha256", "sha256");
    let anchor = authority.anchor();
    let signature = Signature::from(b"a signature".to_vec());
    let answer = authority.answer(&Request::new(Stamped::Signature(&signature), 1));
    let response = Response::parse(&answer, &Limits::TABLE).unwrap();
    let another = Signature::from(b"another".to_vec());
    for stamped in [Stamped::Before, Stamped::Signature(&another)] {
        assert_eq!(response.verify(stamped, &anchor), Err(Invalid::Imprint));
    }
    // The same names, other keys.
    let stranger = Authority::new(P256, "sha256", "sha256").anchor();
    let stamped = Stamped::Signature(&signature);
    assert_eq!(response.verify(stamped, &stranger), Err(Invalid::Untrusted));
    let _ = response.verify(stamped, &anchor).unwrap();
}

/// Each byte of a stamp is either signed, or makes no difference to what is believed.
#[test]
fn no_flipped_byte_moves_a_stamp() {
    let authority = Authority::new(RSA, "sha256", "sha256");
    let anchor = authority.anchor();
    let good = authority.answer(&Request::new(Stamped::Before, 1));
    let moment = |der: &[u8]| {
        let response = Response::parse(der, &Limits::TABLE).ok()?;
        let stamp = response.verify(Stamped::Before, &anchor).ok()?;
        Some(stamp.moment().clone())
    };
    let honest = moment(&good).unwrap();
    let mut refused = 0;
    for position in 0..good.len() {
        let mut flipped = good.clone();
        flipped[position] ^= 0x01;
        match moment(&flipped) {
            Some(moment) => assert_eq!(moment, honest, "byte {position}"),
            None => refused += 1,
        }
    }
    assert!(refused > good.len() / 2, "{refused} of {}", good.len());
}
