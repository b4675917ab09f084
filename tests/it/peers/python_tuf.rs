//! python-tuf, the reference implementation of TUF: it accepts our chains of roots and refuses forgeries of them, and we
//! read the roots that it writes.
//!
//! Where the two differ it says so by name, so that a change on either side is noticed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::Command,
};

use countersign_common::{
    Algorithm, Digest, Explain, Limits, PublicKey, Signature, Signer as _, Timestamp,
};
use countersign_sign::file::Signer;
use countersign_trust_roots::{
    Chain, Pattern, Role,
    root::{Contents, Draft, NewKey, Refusal, ScopeEdit},
};
use futures_util::FutureExt as _;
use p256::pkcs8::{EncodePrivateKey as _, LineEnding};
use serde::{Deserialize, de::DeserializeOwned};
use tempfile::TempDir;

use super::program;
use crate::world::run;

const EXPIRES: &str = "2027-11-23T00:00:00Z";
const LAST_SECOND: &str = "2027-11-22T23:59:59Z";

/// Chains that we refuse and python-tuf accepts: what TUF leaves to others, or does not ask for.
const REFUSED_BY_US_ALONE: [(&str, &[&str]); 8] = [
    (
        "who is asked about, which TUF does not know",
        &["no-scope", "no-scope-on-another-host", "two-scopes-tie"],
    ),
    (
        "a fingerprint, which python-tuf is not given",
        &["another-file-than-pinned"],
    ),
    (
        "the time, which decides nothing there",
        &["expired", "expired-and-not-followed"],
    ),
    (
        "signers by their key, and not by its id",
        &["one-key-under-two-ids"],
    ),
    (
        "that an id is the hash of its key",
        &["key-under-another-id"],
    ),
    (
        "nothing in a root that is not checked",
        &["key-with-more-members", "member-twice", "role-names-no-key"],
    ),
    (
        "witnesses of time that can be enough, and are not one under two names",
        &["one-clock-under-two-operators", "three-clocks-must-agree"],
    ),
    (
        "what `x-countersign` means",
        &[
            "authority-begins-at-no-time",
            "authority-ends-before-it-begins",
            "certificate-authority",
            "certificate-that-is-none",
            "epoch-of-no-repository",
            "epoch-of-zero",
            "epoch-of-zero-in-a-repository",
            "identities",
            "misuse-without-end",
            "name-with-a-slash",
            "not-about-images",
            "object-as-a-list",
            "release-key-under-two-ids",
            "renamed",
            "revocation-for-another-reason",
            "revocation-of-neither-kind",
            "schema-2",
            "schema-missing",
            "scope-key-twice",
            "scope-of-any-host",
            "scope-of-nothing",
            "stamps-by-nobody",
            "status-of-no-key",
            "threshold-in-a-scope",
            "transparency-log",
            "window-begins-at-no-time",
            "window-ends-before-it-begins",
        ],
    ),
];

/// A chain that we accept and python-tuf refuses: it reads no root with a key of a kind that it does not know, even one that
/// nobody counts.
const REFUSED_BY_PYTHON_TUF_ALONE: &str = "root-key-of-a-kind-that-is-not-known";

/// Kinds of keys whose signatures of roots python-tuf counts and our chains do not, so that no draft takes them; scopes may
/// have them.
const COUNTED_BY_PYTHON_TUF_ALONE: [Algorithm; 4] = [
    Algorithm::EcdsaP521Sha512,
    Algorithm::RsaPkcs1Sha256,
    Algorithm::RsaPkcs1Sha384,
    Algorithm::RsaPkcs1Sha512,
];

/// What python-tuf says about a chain.
#[derive(Debug, Deserialize)]
struct Judgement {
    accepted: bool,
    /// The version that it followed to.
    version: Option<u64>,
    error: Option<String>,
}

/// What python-tuf says about a root that it wrote.
#[derive(Debug, Deserialize)]
struct Written {
    version: u64,
    keys: BTreeSet<String>,
    root_keys: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct WrittenChain {
    versions: Vec<Written>,
    /// The id of the key in its scope.
    release: String,
    owner: String,
}

fn oracle<T: DeserializeOwned>(command: &str, paths: &[PathBuf]) -> T {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut python = Command::new(program("python-tuf/bin/python"));
    python
        .arg("-I")
        .arg(folder.join("tests/peers/tuf_oracle.py"))
        .arg(command)
        .args(paths);
    serde_json::from_value(run(python).ends(0).json()).unwrap()
}

/// What python-tuf says about the chain of these files.
fn judged(files: &[Vec<u8>]) -> Judgement {
    let folder = TempDir::new().unwrap();
    for (position, file) in files.iter().enumerate() {
        fs::write(folder.path().join(format!("{position:03}.root.json")), file).unwrap();
    }
    let chains: BTreeMap<String, Judgement> = oracle("accept", &[folder.path().to_owned()]);
    chains.into_values().next().unwrap()
}

#[track_caller]
fn accepted_by_both(files: &[Vec<u8>]) -> Chain {
    let chain = followed(files).unwrap();
    let judgement = judged(files);
    assert!(judgement.accepted, "{judgement:?}");
    assert_eq!(judgement.version, Some(chain.newest().version()));
    chain
}

/// Both refuse the last of these files, and for the same reason.
#[track_caller]
fn refused_by_both(files: &[Vec<u8>], code: &str, error: &str) {
    let refusal = followed(files).unwrap_err();
    assert_eq!(refusal.code().to_string(), code, "{refusal}");
    let judgement = judged(files);
    assert!(!judgement.accepted);
    assert_eq!(judgement.version, Some(files.len() as u64 - 1));
    let said = judgement.error.unwrap();
    assert!(said.starts_with(error), "{said}");
}

fn followed(files: &[Vec<u8>]) -> Result<Chain, Refusal> {
    let mut chain = Chain::pin(&files[0], &Digest::sha256(&files[0]), &Limits::TABLE)?;
    for file in &files[1..] {
        chain.advance(file)?;
    }
    Ok(chain)
}

/// A person with a key in a file.
struct Person {
    pem: String,
    signer: Signer,
}

impl Person {
    fn new(pem: &str, algorithm: Option<Algorithm>) -> Self {
        let signer = Signer::read(pem, "a key", algorithm, || unreachable!());
        Self {
            pem: pem.to_owned(),
            signer: signer.unwrap(),
        }
    }

    fn with_p256(number: u8) -> Self {
        let key = p256::SecretKey::from_slice(&[number; 32]).unwrap();
        Self::new(&key.to_pkcs8_pem(LineEnding::LF).unwrap(), None)
    }

    fn with(algorithm: Algorithm) -> Self {
        let name = match algorithm {
            Algorithm::EcdsaP256Sha256 => return Self::with_p256(20),
            Algorithm::EcdsaP384Sha384 => "p384.key",
            Algorithm::EcdsaP521Sha512 => "p521.key",
            Algorithm::Ed25519 => "ed25519.key",
            Algorithm::MlDsa44 => "ml-dsa-44.key",
            Algorithm::MlDsa65 => "ml-dsa-65.key",
            Algorithm::MlDsa87 => "ml-dsa-87.key",
            _ => "rsa-2048.key",
        };
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/keys");
        let pem = fs::read_to_string(folder.join(name)).unwrap();
        Self::new(&pem, Some(algorithm))
    }

    fn public(&self) -> &PublicKey {
        &self.signer.key().public_key
    }

    fn sign(&self, message: &[u8]) -> Signature {
        let signed = self.signer.sign(message).now_or_never().unwrap();
        signed.unwrap().signature
    }

    fn new_key(&self, owner: &str) -> NewKey {
        NewKey {
            public: self.public().clone(),
            owner: Some(owner.to_owned()),
            kms: None,
        }
    }
}

fn shop() -> Pattern {
    Pattern::parse("registry.example/shop/**").unwrap()
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// The first version: two of these people, and whoever signs and publishes.
fn first(people: &[&Person], team: &[&Person]) -> Draft {
    let mut draft = Draft::first("acme", time(EXPIRES));
    for person in people {
        draft.add_root_key(&person.new_key("a person")).unwrap();
    }
    draft.set_root_threshold(NonZeroUsize::new(2).unwrap());
    draft.set_scope(&[shop()], &ScopeEdit::default()).unwrap();
    for member in team {
        let key = member.new_key("the \"release\" team\\Zürich\n東京 🗝");
        for role in [Role::Sign, Role::Publish] {
            draft.add_key(&key, role, &shop()).unwrap();
        }
    }
    draft
}

fn after(previous: &[u8]) -> Draft {
    Draft::after(previous, time(EXPIRES), &Limits::TABLE).unwrap()
}

fn signed(mut draft: Draft, previous: Option<&[u8]>, by: &[&Person]) -> Vec<u8> {
    let previous = previous.map(|bytes| Contents::read(bytes, &Limits::TABLE).unwrap());
    for person in by {
        let signature = person.sign(&draft.message_for(person.public()).unwrap());
        draft
            .sign(
                person.public(),
                &signature,
                previous.as_ref(),
                &Limits::TABLE,
            )
            .unwrap();
    }
    draft.to_json().unwrap()
}

#[test]
fn python_tuf_judges_the_fixtures_as_we_do_except_where_we_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/roots");
    let folders: Vec<PathBuf> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    let chains: BTreeMap<String, Judgement> = oracle("accept", &folders);
    assert_eq!(chains.len(), folders.len());
    let (mut ours_alone, mut theirs_alone) = (BTreeSet::new(), BTreeSet::new());
    for folder in &folders {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let judgement = &chains[name];
        let (kind, case) = name.split_once("--").unwrap();
        match (kind, judgement.accepted) {
            ("trusted", true) => {
                let said = fs::read_to_string(folder.join("expected.txt")).unwrap();
                let version = format!("root acme version {},", judgement.version.unwrap());
                assert!(said.starts_with(&version), "{name}: {version} {said}");
            }
            ("refused", false) => same_reason(folder, judgement),
            ("refused", true) => drop(ours_alone.insert(case)),
            _ => drop(theirs_alone.insert(case)),
        }
    }
    let named: BTreeSet<&str> = REFUSED_BY_US_ALONE
        .iter()
        .flat_map(|(_, names)| names.iter().copied())
        .collect();
    assert_eq!(ours_alone, named, "refused by us alone");
    assert_eq!(
        theirs_alone,
        BTreeSet::from([REFUSED_BY_PYTHON_TUF_ALONE]),
        "refused by python-tuf alone"
    );
}

/// A forgery that is refused by chance would be accepted after the next change.
fn same_reason(folder: &Path, judgement: &Judgement) {
    let said = fs::read_to_string(folder.join("expected.txt")).unwrap();
    let code = said.split(['[', ']']).nth(1).unwrap();
    let errors: &[&str] = match code {
        "malformed" => &["DeserializationError", "SerializationError"],
        "root-version-gap" => &["BadVersionNumberError"],
        // It reads no file in which a key signs twice.
        "threshold-not-met" => &[
            "UnsignedMetadataError",
            "DeserializationError: Multiple sig",
        ],
        "too-large" => &["DownloadLengthMismatchError"],
        code => panic!("{}: {code} {judgement:?}", folder.display()),
    };
    let error = judgement.error.as_ref().unwrap();
    assert!(
        errors.iter().any(|wanted| error.starts_with(wanted)),
        "{}: {code}, {error}",
        folder.display()
    );
}

#[test]
fn python_tuf_accepts_roots_that_grant_scopes_to_keys_of_every_kind() {
    let people = [21, 22, 23].map(Person::with_p256);
    let people: Vec<&Person> = people.iter().collect();
    for algorithm in Algorithm::ALL {
        let member = Person::with(algorithm);
        let draft = first(&people, &[&member, &Person::with_p256(31)]);
        let chain = accepted_by_both(&[signed(draft, None, &people[..2])]);
        let contents = chain.newest();
        let id = &contents.scopes()[0].key_ids(Role::Sign)[0];
        let key = contents.keys()[id].key.as_ref().unwrap();
        assert_eq!((key, key.algorithm()), (member.public(), algorithm));
    }
}

#[test]
fn root_keys_of_every_kind_sign_what_python_tuf_accepts() {
    let (one, other, release) = (
        &Person::with_p256(21),
        &Person::with_p256(22),
        &Person::with_p256(31),
    );
    for algorithm in Algorithm::ALL {
        let person = &Person::with(algorithm);
        if COUNTED_BY_PYTHON_TUF_ALONE.contains(&algorithm) {
            let added =
                Draft::first("acme", time(EXPIRES)).add_root_key(&person.new_key("a person"));
            assert_eq!(
                added.unwrap_err().code().to_string(),
                "algorithm-not-allowed"
            );
            continue;
        }
        let first = signed(
            first(&[one, other, person], &[release]),
            None,
            &[one, person],
        );
        let second = |by: &[&Person]| signed(after(&first), Some(&first), by);
        accepted_by_both(&[first.clone(), second(&[other, person])]);
        refused_by_both(
            &[first.clone(), second(&[person])],
            "threshold-not-met",
            "UnsignedMetadataError: root was signed by 1/2 keys",
        );
    }
}

#[test]
fn we_follow_a_chain_that_python_tuf_wrote() {
    let folder = TempDir::new().unwrap();
    let rsa = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/keys/rsa-2048.key");
    let written: WrittenChain = oracle("write", &[folder.path().to_owned(), rsa]);
    let files: Vec<Vec<u8>> = (1..=3)
        .map(|version| fs::read(folder.path().join(format!("{version}.root.json"))).unwrap())
        .collect();
    assert_eq!(written.versions.len(), files.len());
    for (position, said) in written.versions.iter().enumerate() {
        let chain = accepted_by_both(&files[..=position]);
        let read = chain.newest();
        assert_eq!(read.version(), said.version);
        assert_eq!(
            read.keys().keys().cloned().collect::<BTreeSet<_>>(),
            said.keys
        );
        assert_eq!(read.root_role().key_ids, said.root_keys);
        assert_eq!(read.root_role().threshold, 2);
        let release = &read.keys()[&written.release];
        assert_eq!(release.owner.as_ref(), Some(&written.owner));
        let publishers = read.scopes()[0].key_ids(Role::Publish);
        assert_eq!(publishers, std::slice::from_ref(&written.release));
    }
    let chain = followed(&files).unwrap();
    assert_eq!(
        chain.clone().in_force(time(LAST_SECOND)).unwrap().version(),
        3
    );
    let refusal = chain.in_force(time(EXPIRES)).unwrap_err();
    assert_eq!(refusal.code().to_string(), "root-expired");
    refused_by_both(
        &[files[0].clone(), files[0].clone()],
        "root-version-gap",
        "BadVersionNumberError",
    );
}

#[test]
fn python_tuf_and_we_sign_one_chain_in_turns() {
    let people = [
        Person::with_p256(21),
        Person::with(Algorithm::EcdsaP384Sha384),
        Person::with(Algorithm::RsaPssSha256),
    ];
    let [one, two, three] = &people;
    let release = Person::with_p256(31);
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (name, person) in ["one", "two", "three"].iter().zip(&people) {
        fs::write(path(name), &person.pem).unwrap();
    }
    let theirs = |previous: &[u8], keys: [&str; 2]| {
        fs::write(path("previous"), previous).unwrap();
        let paths = ["previous", "next", keys[0], keys[1]].map(path);
        let _: Written = oracle("next", &paths);
        fs::read(path("next")).unwrap()
    };
    let ours = |previous: &[u8], by: &[&Person]| signed(after(previous), Some(previous), by);
    let mut files = vec![signed(
        first(&[one, two, three], &[&release]),
        None,
        &[one, two],
    )];
    files.push(theirs(&files[0], ["two", "three"]));
    files.push(ours(&files[1], &[one, three]));
    files.push(theirs(&files[2], ["one", "two"]));
    files.push(ours(&files[3], &[two, three]));
    assert_eq!(accepted_by_both(&files).newest().version(), 5);
}
