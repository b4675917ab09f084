//! What each kind of key is good for: the table in the README, made anew on the stand-in and with cosign.

use std::{fmt::Write as _, fs, path::Path};

use countersign_stand_in::KeySpec;

use super::cosign_verify;
use crate::world::World;

/// Where the table begins in the README.
const HEAD: &str = "| KMS key spec | key file | algorithm | we sign | we verify | cosign verifies |\n|---|---|---|---|---|---|\n";

/// A key spec of KMS, the same as a key file, and an algorithm of both.
type Row = (KeySpec, &'static str, &'static str);

const ROWS: [Row; 15] = [
    (KeySpec::ECC_NIST_P256, "p256", "ecdsa-p256-sha256"),
    (KeySpec::ECC_NIST_P384, "p384", "ecdsa-p384-sha384"),
    (KeySpec::ECC_NIST_P521, "p521", "ecdsa-p521-sha512"),
    (KeySpec::ECC_NIST_EDWARDS25519, "ed25519", "ed25519"),
    (KeySpec::ML_DSA_44, "ml-dsa-44", "ml-dsa-44"),
    (KeySpec::ML_DSA_65, "ml-dsa-65", "ml-dsa-65"),
    (KeySpec::ML_DSA_87, "ml-dsa-87", "ml-dsa-87"),
    (KeySpec::RSA_2048, "rsa-2048", "rsa-pkcs1-sha256"),
    (KeySpec::RSA_3072, "rsa-3072", "rsa-pkcs1-sha256"),
    (KeySpec::RSA_4096, "rsa-4096", "rsa-pkcs1-sha256"),
    (KeySpec::RSA_4096, "rsa-4096", "rsa-pkcs1-sha384"),
    (KeySpec::RSA_4096, "rsa-4096", "rsa-pkcs1-sha512"),
    (KeySpec::RSA_4096, "rsa-4096", "rsa-pss-sha256"),
    (KeySpec::RSA_4096, "rsa-4096", "rsa-pss-sha384"),
    (KeySpec::RSA_4096, "rsa-4096", "rsa-pss-sha512"),
];

#[test]
fn the_table_of_key_specs_in_the_readme_is_what_happens() {
    let world = World::ecr();
    let mut table = HEAD.to_owned();
    for (position, row) in ROWS.iter().enumerate() {
        let (spec, file, algorithm) = row;
        let cells = cells(&world, row, &position.to_string());
        let _ = writeln!(
            table,
            "| `{}` | `{file}` | `{algorithm}` | {} |",
            spec.name(),
            cells.join(" | ")
        );
    }
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    assert!(
        readme.contains(&table),
        "the README has another table than\n{table}"
    );
}

/// What happens with a key in KMS and with one in a file: whether we sign, we verify, and cosign verifies.
fn cells(world: &World, (spec, file, algorithm): &Row, name: &str) -> [String; 3] {
    let alias = format!("alias/{name}");
    world.stand_in.create_key(*spec, &alias).unwrap();
    let public = world
        .countersign(&["key", "public", "--key", &alias])
        .ends(0);
    let kms = (
        alias,
        world.write(&format!("{name}.kms.pub"), &public.stdout),
    );
    let file = world.key_files(name, file);
    let [in_kms, in_file] = [("kms", kms), ("file", file)].map(|(place, (key, public))| {
        let image = world.image(
            "shop/api",
            &format!("{name}-{place}"),
            &format!("{name}{place}"),
        );
        let tagged = image.tagged();
        let signed = world.countersign(&["sign", "--key", &key, "--algorithm", algorithm, &tagged]);
        let verified = world.countersign(&[
            "verify",
            "--key",
            &public,
            "--algorithm",
            algorithm,
            &tagged,
        ]);
        [
            yes_or_no(signed.code == 0),
            yes_or_no(verified.code == 0),
            cosign(world, &public, &tagged),
        ]
    });
    assert_eq!(in_kms, in_file, "{algorithm}");
    in_kms
}

/// Whether cosign verifies with the public key as it is, or where it is told of another hash.
fn cosign(world: &World, public: &str, image: &str) -> String {
    if cosign_verify(world, public, &[], image).code == 0 {
        return yes_or_no(true);
    }
    let hashes = ["sha384", "sha512"].into_iter();
    let told = hashes.map(|hash| ["--signature-digest-algorithm", hash]);
    let found = told
        .into_iter()
        .find(|flags| cosign_verify(world, public, flags, image).code == 0);
    found.map_or_else(
        || yes_or_no(false),
        |flags| format!("with `{}`", flags.join(" ")),
    )
}

fn yes_or_no(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}
