use super::*;
use crate::explain::tests::{HOSTILE, assert_explained};

fn errors() -> Vec<Error> {
    let image = ImageRef::parse("registry.example/app").unwrap();
    let registry = || "registry.example".to_owned();
    let path = || "app/manifests/1".to_owned();
    let source = || Cause::from(HOSTILE);
    vec![
        Error::BlobAbsent {
            repository: image.repository().clone(),
            digest: Digest::sha256(b""),
        },
        Error::Credentials {
            registry: registry(),
            source: source(),
        },
        Error::Denied {
            registry: registry(),
            path: path(),
            status: 403,
            message: HOSTILE.to_owned(),
        },
        Error::Egress {
            registry: registry(),
            target: HOSTILE.to_owned(),
            reason: "it is a private address",
        },
        Error::FileAbsent {
            layout: "oci:build".to_owned(),
            path: "blobs/sha256/0".to_owned(),
        },
        Error::ForeignLayer {
            repository: image.repository().clone(),
            digest: Digest::sha256(b""),
            media_type: HOSTILE.to_owned(),
        },
        Error::Silent {
            registry: registry(),
            requests: 128,
            seconds: 60,
        },
        Error::Status {
            registry: registry(),
            path: path(),
            status: 500,
            message: HOSTILE.to_owned(),
        },
        Error::Throttled {
            registry: registry(),
            attempts: 3,
        },
        Error::TimedOut {
            registry: registry(),
            path: path(),
            seconds: 10,
        },
        Error::Unreachable {
            registry: registry(),
            source: source(),
            channel: Channel::Secure,
        },
        Error::Unreadable {
            layout: "oci:build".to_owned(),
            path: "index.json".to_owned(),
            source: std::io::Error::other("it is no file"),
        },
        Error::Unwritable {
            layout: "oci:build".to_owned(),
            path: "index.json".to_owned(),
            source: std::io::Error::other("it is no file"),
        },
    ]
}

fn refusals() -> Vec<Refusal> {
    let image = ImageRef::parse("registry.example/app").unwrap();
    let registry = || "registry.example".to_owned();
    let path = || "app/manifests/1".to_owned();
    let digest = || Digest::sha256(b"");
    let malformed = |source| Refusal::Malformed {
        registry: registry(),
        path: path(),
        source,
    };
    let hostile = || vec![HOSTILE.to_owned(); 11];
    vec![
        Refusal::Ambiguous {
            layout: "oci:build".to_owned(),
            asked: "tagged `1`".to_owned(),
            found: hostile(),
        },
        Refusal::Damaged {
            layout: "oci:build".to_owned(),
            path: "index.json".to_owned(),
            source: Damage::Malformed(ManifestError::MediaType {
                media_type: HOSTILE.to_owned(),
            }),
        },
        Refusal::DigestMismatch {
            registry: registry(),
            path: path(),
            named: digest(),
            actual: digest(),
        },
        Refusal::FormatNotAllowed {
            registry: registry(),
            path: path(),
            format: HOSTILE.to_owned(),
        },
        Refusal::ImageNotFound {
            image: image.clone(),
        },
        malformed(ManifestError::Contradiction {
            header: HOSTILE.to_owned(),
            body: HOSTILE.to_owned(),
        }),
        Refusal::NotInLayout {
            layout: "oci:build".to_owned(),
            asked: "tagged `1`".to_owned(),
            found: hostile(),
        },
        Refusal::ReferrersFull {
            repository: image.repository().clone(),
            subject: digest(),
            limit: 1_000,
        },
        Refusal::ReferrersTooMany {
            repository: image.repository().clone(),
            subject: digest(),
            limit: 1_000,
        },
        Refusal::Rejected {
            registry: registry(),
            path: path(),
            status: 400,
            message: HOSTILE.to_owned(),
        },
        Refusal::SizeMismatch {
            registry: registry(),
            digest: digest(),
            size: 1,
        },
        Refusal::TagImmutable {
            repository: image.repository().clone(),
            tag: "sha256-0".to_owned(),
        },
        Refusal::TooLarge {
            registry: registry(),
            path: path(),
            limit: 1,
        },
    ]
}

/// Does not compile while a new error is missing from the tests.
fn error_position(error: &Error) -> usize {
    match error {
        Error::BlobAbsent { .. } => 0,
        Error::Credentials { .. } => 1,
        Error::Denied { .. } => 2,
        Error::Egress { .. } => 3,
        Error::FileAbsent { .. } => 4,
        Error::ForeignLayer { .. } => 5,
        Error::Silent { .. } => 6,
        Error::Status { .. } => 7,
        Error::Throttled { .. } => 8,
        Error::TimedOut { .. } => 9,
        Error::Unreachable { .. } => 10,
        Error::Unreadable { .. } => 11,
        Error::Unwritable { .. } => 12,
    }
}

/// Does not compile while a new refusal is missing from the tests.
fn refusal_position(refusal: &Refusal) -> usize {
    match refusal {
        Refusal::Ambiguous { .. } => 0,
        Refusal::Damaged { .. } => 1,
        Refusal::DigestMismatch { .. } => 2,
        Refusal::FormatNotAllowed { .. } => 3,
        Refusal::ImageNotFound { .. } => 4,
        Refusal::Malformed { .. } => 5,
        Refusal::NotInLayout { .. } => 6,
        Refusal::ReferrersFull { .. } => 7,
        Refusal::ReferrersTooMany { .. } => 8,
        Refusal::Rejected { .. } => 9,
        Refusal::SizeMismatch { .. } => 10,
        Refusal::TagImmutable { .. } => 11,
        Refusal::TooLarge { .. } => 12,
    }
}

#[test]
fn every_failure_is_explained_and_shows_no_hostile_text() {
    let (errors, refusals) = (errors(), refusals());
    assert!(errors.iter().map(error_position).eq(0..13));
    assert!(refusals.iter().map(refusal_position).eq(0..13));
    let errors = errors.iter().map(|error| error as &dyn Explain);
    let refusals = refusals.iter().map(|refusal| refusal as &dyn Explain);
    assert_explained(&errors.chain(refusals).collect::<Vec<_>>(), CODES);
}

#[test]
fn an_error_and_a_refusal_never_share_a_code() {
    let errors: Vec<_> = errors().iter().map(Explain::code).collect();
    assert!(
        refusals()
            .iter()
            .all(|refusal| !errors.contains(&refusal.code()))
    );
}

#[test]
fn a_failure_says_what_its_part_says() {
    for error in errors() {
        let (code, text, remedy) = (error.code(), error.to_string(), error.remedy());
        let failure = Failure::from(error);
        assert_eq!(
            (failure.code(), failure.to_string(), failure.remedy()),
            (code, text, remedy)
        );
    }
    for refusal in refusals() {
        let (code, text, remedy) = (refusal.code(), refusal.to_string(), refusal.remedy());
        let failure = Failure::from(refusal);
        assert_eq!(
            (failure.code(), failure.to_string(), failure.remedy()),
            (code, text, remedy)
        );
    }
}

#[test]
fn what_lies_in_a_folder_is_not_said_of_a_registry() {
    let (layout, path) = ("oci:build".to_owned(), "index.json".to_owned());
    for (damage, code) in [
        (
            Damage::Digest {
                actual: Digest::sha256(b""),
            },
            "digest-mismatch",
        ),
        (Damage::Size { size: 1 }, "descriptor-mismatch"),
        (ManifestError::Mixed.into(), "malformed"),
        (
            ManifestError::Digest {
                named: Digest::sha256(b""),
                actual: Digest::sha256(b"x"),
            }
            .into(),
            "digest-mismatch",
        ),
        (ManifestError::TooLarge { limit: 1 }.into(), "too-large"),
    ] {
        let refusal = Refusal::Damaged {
            layout: layout.clone(),
            path: path.clone(),
            source: damage,
        };
        assert_eq!(refusal.code().as_str(), code);
        let said = format!("{refusal}; {}", refusal.remedy());
        assert!(
            said.starts_with("index.json of oci:build ") && !said.contains("registry"),
            "{said}"
        );
        assert!(!said.contains("push"), "{said}");
    }
    let absent = Error::FileAbsent { layout, path };
    assert_eq!(absent.code().as_str(), "layout-unreadable");
    assert!(absent.remedy().contains("folder"));
}

#[test]
fn what_is_wrong_with_a_manifest_decides_its_code() {
    let digest = || Digest::sha256(b"");
    let code = |source| {
        let (registry, path) = (String::new(), String::new());
        let refusal = Refusal::Malformed {
            registry,
            path,
            source,
        };
        refusal.code().as_str()
    };
    let named = ManifestError::Digest {
        named: digest(),
        actual: digest(),
    };
    assert_eq!(code(named), "digest-mismatch");
    let media_type = String::new();
    assert_eq!(
        code(ManifestError::MediaType { media_type }),
        "format-not-allowed"
    );
    assert_eq!(code(ManifestError::TooLarge { limit: 1 }), "too-large");
    assert_eq!(
        code(ManifestError::TooManyChildren { limit: 1 }),
        "too-large"
    );
    assert_eq!(code(ManifestError::Mixed), "malformed");
    assert_eq!(
        code(ManifestError::Missing { member: "config" }),
        "malformed"
    );
}

#[test]
fn who_was_asked_without_tls_is_not_told_to_leave_it_out() {
    let unreachable = |channel| Error::Unreachable {
        registry: "registry.example".to_owned(),
        source: "connection refused".into(),
        channel,
    };
    let named = |channel| unreachable(channel).remedy().contains("--plain-http");
    assert!(named(Channel::Secure));
    assert!(!named(Channel::Plain));
}
