//! Other implementations of what we implement, as libraries: `RustCrypto`'s P-256, Sigstore's bundle types and keys, and
//! `oci-client`.

use oci_client::{
    Client, Reference,
    client::{ClientConfig, ClientProtocol},
    secrets::RegistryAuth,
};
use p256::{
    ecdsa::{Signature, VerifyingKey, signature::Verifier},
    pkcs8::DecodePublicKey,
};
use sigstore_crypto::VerificationKey;
use sigstore_types::{Bundle, DerPublicKey, SignatureContent};

use crate::world::World;

/// The bundles beside an image, fetched by `oci-client`, and the public key that made them, as PEM.
fn bundles(spec: &str) -> (Vec<String>, String) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    let (private, public) = world.key_files("key", spec);
    world
        .countersign(&["sign", "--key", &private, &image.tagged()])
        .ends(0);
    let client = Client::new(ClientConfig {
        protocol: ClientProtocol::Http,
        ..ClientConfig::default()
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let content = runtime.block_on(async {
        let reference: Reference = image.pinned().parse().unwrap();
        client
            .auth(
                &reference,
                &RegistryAuth::Anonymous,
                oci_client::RegistryOperation::Pull,
            )
            .await
            .unwrap();
        let referrers = client.pull_referrers(&reference, None).await.unwrap();
        let mut bundles = Vec::new();
        for document in &referrers.manifests {
            let document = reference.clone_with_digest(document.digest.clone());
            let (manifest, _) = client
                .pull_image_manifest(&document, &RegistryAuth::Anonymous)
                .await
                .unwrap();
            let mut content = Vec::new();
            client
                .pull_blob(&document, &manifest.layers[0], &mut content)
                .await
                .unwrap();
            bundles.push(String::from_utf8(content).unwrap());
        }
        bundles
    });
    // The signature and the publication.
    assert_eq!(content.len(), 2);
    (content, std::fs::read_to_string(public).unwrap())
}

#[test]
fn rustcrypto_verifies_our_signatures() {
    let (bundles, public) = bundles("p256");
    for bundle in bundles {
        let bundle = Bundle::from_json(&bundle).unwrap();
        let SignatureContent::DsseEnvelope(envelope) = &bundle.content else {
            panic!("{bundle:?}")
        };
        let key = VerifyingKey::from_public_key_pem(&public).unwrap();
        let signature = Signature::from_der(envelope.signature.sig.as_bytes()).unwrap();
        key.verify(&envelope.pae(), &signature).unwrap();
        assert!(key.verify(b"something else", &signature).is_err());
    }
}

#[test]
fn sigstores_own_library_verifies_our_bundles() {
    for spec in ["p256", "p384", "rsa-2048"] {
        let (bundles, public) = bundles(spec);
        for bundle in bundles {
            let bundle = Bundle::from_json(&bundle).unwrap();
            let SignatureContent::DsseEnvelope(envelope) = &bundle.content else {
                panic!("{bundle:?}")
            };
            let stamps = &bundle.verification_material.timestamp_verification_data;
            assert_eq!(stamps.rfc3161_timestamps.len(), 1);
            let der = DerPublicKey::from_pem(&public).unwrap();
            let key = VerificationKey::from_spki(&der).unwrap();
            key.verify(envelope.pae(), &envelope.signature.sig).unwrap();
        }
    }
}
