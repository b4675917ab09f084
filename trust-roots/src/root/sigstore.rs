//! Sigstore's `trusted_root.json`, a foreign file: its time-stamp authorities become those of a root, and a root's become
//! its. Called by `countersign trust import` and `export`. What one side cannot say is named, and never dropped unsaid.

use base64::{Engine, prelude::BASE64_STANDARD};
use countersign_common::{Code, Explain, Limits, json, json::JsonError};
use serde_json::{Value, json};

use super::{
    Contents, Draft, Fault,
    contents::maybe,
    document::{TimestampAuthorityDocument, TrustedRootDocument},
};
use crate::time::{Standing, Window};

/// How its media types begin, of every version.
const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.trustedroot";
/// The one that every reader knows.
const MEDIA_TYPE_WRITTEN: &str = "application/vnd.dev.sigstore.trustedroot+json;version=0.1";

/// What a trusted root of Sigstore has for one of ours, and what it has besides.
#[derive(Debug)]
pub struct SigstoreRoot {
    /// Whom it believes about time.
    pub authorities: Vec<SigstoreAuthority>,
    /// What a root of ours cannot hold.
    pub left: Vec<Left>,
}

/// A time-stamp authority, as Sigstore lists it.
#[derive(Debug)]
pub struct SigstoreAuthority {
    /// Who operates it, if the file says so. A certificate's own name says nothing of that.
    pub operator: Option<String>,
    /// Where it is asked.
    pub uri: String,
    /// Its certificates in DER.
    pub certificates: Vec<Vec<u8>>,
    /// Which of its stamps count.
    pub valid: Window,
}

/// Something that is not carried over.
#[derive(Debug, Eq, PartialEq)]
pub struct Left {
    /// The list that it is in, as the file calls it; `compromised` of a time-stamp authority of which no stamp counts, and empty
    /// of a member of the file that is not known.
    pub list: &'static str,
    /// Where it is reached, or what it is called; empty if the file does not say.
    pub name: String,
}

impl SigstoreRoot {
    /// Reads the file, bounded.
    pub fn read(bytes: &[u8], limits: &Limits) -> Result<Self, SigstoreInvalid> {
        if bytes.len() > limits.root {
            return Err(SigstoreInvalid::TooLarge { limit: limits.root });
        }
        let mut file: Value = json::from_slice(bytes, limits)?;
        without_nulls(&mut file);
        let document: TrustedRootDocument = json::from_slice(file.to_string().as_bytes(), limits)?;
        if !document.media_type.starts_with(MEDIA_TYPE) {
            return Err(SigstoreInvalid::MediaType {
                found: document.media_type,
            });
        }
        if document.timestamp_authorities.len() > limits.root_entries {
            return Err(SigstoreInvalid::TooMany {
                limit: limits.root_entries,
            });
        }
        // In a root of ours its stamps are void: what is imported must not bring them back.
        let (void, believed): (Vec<_>, Vec<_>) = document
            .timestamp_authorities
            .iter()
            .partition(|entry| entry.compromised);
        let void = void.into_iter().map(|entry| Left {
            list: "compromised",
            name: entry.uri.clone(),
        });
        let (named, unnamed): (Vec<_>, Vec<_>) = believed
            .into_iter()
            .partition(|entry| !entry.uri.is_empty());
        let nowhere = unnamed.into_iter().map(|entry| Left {
            list: "timestampAuthorities",
            name: subject(entry, "commonName").unwrap_or_default(),
        });
        let unknown = document.other.keys().map(|name| Left {
            list: "",
            name: name.clone(),
        });
        Ok(Self {
            authorities: named
                .into_iter()
                .map(|entry| authority(entry, limits))
                .collect::<Result<_, _>>()?,
            left: left(&document)
                .chain(void)
                .chain(nowhere)
                .chain(unknown)
                .collect(),
        })
    }
}

/// Protocol Buffers' JSON has a null where a member is not set
/// ([ProtoJSON format](https://protobuf.dev/programming-guides/json/)).
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(without_nulls);
        }
        Value::Array(entries) => entries.iter_mut().for_each(without_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn authority(
    entry: &TimestampAuthorityDocument,
    limits: &Limits,
) -> Result<SigstoreAuthority, SigstoreInvalid> {
    let invalid = || SigstoreInvalid::Authority {
        uri: entry.uri.clone(),
    };
    let certificates = entry.cert_chain.certificates.iter();
    let certificates = certificates
        .take(limits.certificates.saturating_add(1))
        .map(|certificate| BASE64_STANDARD.decode(&certificate.raw_bytes))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| invalid())?;
    let time = |text: &Option<String>| maybe(text.as_ref(), "validFor").map_err(|_| invalid());
    let named = Some(entry.operator.clone()).filter(|operator| !operator.is_empty());
    Ok(SigstoreAuthority {
        operator: named.or_else(|| subject(entry, "organization")),
        uri: entry.uri.clone(),
        certificates,
        valid: Window {
            start: time(&entry.valid_for.start)?,
            end: time(&entry.valid_for.end)?,
        },
    })
}

fn subject(entry: &TimestampAuthorityDocument, member: &str) -> Option<String> {
    let text = entry.other.get("subject")?.get(member)?.as_str()?;
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn left(document: &TrustedRootDocument) -> impl Iterator<Item = Left> {
    let lists = [
        ("tlogs", &document.tlogs, "baseUrl"),
        ("ctlogs", &document.ctlogs, "baseUrl"),
        (
            "certificateAuthorities",
            &document.certificate_authorities,
            "uri",
        ),
    ];
    lists.into_iter().flat_map(|(list, entries, member)| {
        entries.iter().map(move |entry| Left {
            list,
            name: entry
                .get(member)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
        })
    })
}

/// A root's time-stamp authorities, as Sigstore lists them: all that are believed about any time.
pub fn sigstore_root(bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, Fault> {
    let contents = Contents::read(bytes, limits)?;
    let draft = Draft::read(bytes, limits)?;
    let documents = &draft.extension.trusted_root.timestamp_authorities;
    let good = documents
        .iter()
        .zip(&contents.time().authorities)
        .filter(|(_, entry)| entry.standing == Standing::Good);
    let authorities: Vec<_> = good
        .map(|(document, _)| {
            json!({
                "subject": { "organization": document.operator },
                "uri": document.uri,
                "certChain": document.cert_chain,
                "validFor": document.valid_for,
            })
        })
        .collect();
    let file = json!({
        "mediaType": MEDIA_TYPE_WRITTEN,
        "tlogs": [],
        "certificateAuthorities": [],
        "ctlogs": [],
        "timestampAuthorities": authorities,
    });
    let mut bytes =
        serde_json::to_vec_pretty(&file).map_err(|source| Fault::Json(source.into()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// A file that is no trusted root of Sigstore's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SigstoreInvalid {
    /// A certificate or a time in it cannot be read.
    #[error(
        "the certificates or the times of its time-stamp authority {} cannot be read",
        countersign_common::Escaped(uri)
    )]
    Authority {
        /// Where it is asked.
        uri: String,
    },
    /// Broken JSON.
    #[error("it is not strict JSON of this format: {0}")]
    Json(#[from] JsonError),
    /// Another kind of file.
    #[error(
        "its media type is `{}`, which is no trusted root's",
        countersign_common::Escaped(found)
    )]
    MediaType {
        /// What it says that it is.
        found: String,
    },
    /// Longer than any.
    #[error("it has more than {limit} bytes")]
    TooLarge {
        /// How many are read.
        limit: usize,
    },
    /// More authorities than a root holds.
    #[error("it has more than {limit} time-stamp authorities")]
    TooMany {
        /// How many are read.
        limit: usize,
    },
}

impl Explain for SigstoreInvalid {
    fn code(&self) -> Code {
        Code::new("trusted-root-invalid")
    }

    fn remedy(&self) -> String {
        "give Sigstore's `trusted_root.json`, as `cosign trusted-root create` writes it".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(document: &Value) -> Result<SigstoreRoot, SigstoreInvalid> {
        SigstoreRoot::read(document.to_string().as_bytes(), &Limits::TABLE)
    }

    fn file(authorities: &Value) -> Value {
        json!({
            "mediaType": MEDIA_TYPE_WRITTEN,
            "tlogs": [{ "baseUrl": "https://rekor.example", "logId": {} }],
            "ctlogs": [{ "logId": {} }],
            "certificateAuthorities": [{ "uri": "https://fulcio.example" }],
            "timestampAuthorities": authorities,
        })
    }

    fn entry(more: &Value) -> Value {
        let mut entry = json!({ "uri": "https://tsa.example", "certChain": { "certificates": [{ "rawBytes": "AAAA" }] } });
        let (Value::Object(entry_members), Value::Object(more)) = (&mut entry, more) else {
            panic!("objects");
        };
        entry_members.extend(more.clone());
        entry
    }

    #[test]
    fn what_cannot_be_carried_over_is_named() {
        let nowhere = entry(&json!({ "uri": "", "subject": { "commonName": "a clock" } }));
        let mut file = file(&json!([nowhere]));
        file["beacons"] = json!([{}]);
        let read = read(&file).unwrap();
        assert!(read.authorities.is_empty());
        let names: Vec<_> = read
            .left
            .iter()
            .map(|left| (left.list, left.name.as_str()))
            .collect();
        assert_eq!(
            names,
            [
                ("tlogs", "https://rekor.example"),
                ("ctlogs", ""),
                ("certificateAuthorities", "https://fulcio.example"),
                ("timestampAuthorities", "a clock"),
                ("", "beacons"),
            ]
        );
    }

    #[test]
    fn whose_stamps_are_void_is_not_believed_again() {
        for (compromised, believed) in [(true, 0), (false, 1)] {
            let entry = entry(&json!({ "compromised": compromised }));
            let read = read(&file(&json!([entry]))).unwrap();
            assert_eq!(read.authorities.len(), believed);
            let void = Left {
                list: "compromised",
                name: "https://tsa.example".to_owned(),
            };
            assert_eq!(read.left.contains(&void), compromised);
        }
    }

    #[test]
    fn a_certificates_name_is_no_operators() {
        for (more, operator) in [
            (json!({ "operator": "one.example" }), Some("one.example")),
            (json!({ "subject": { "organization": "two" } }), Some("two")),
            (json!({ "subject": { "commonName": "three" } }), None),
            (json!({ "subject": { "organization": "" } }), None),
        ] {
            let read = read(&file(&json!([entry(&more)]))).unwrap();
            assert_eq!(read.authorities[0].operator.as_deref(), operator, "{more}");
        }
    }

    #[test]
    fn a_null_is_what_is_not_set() {
        let unset = json!({
            "validFor": null, "subject": null, "operator": null, "compromised": null,
        });
        let mut file = file(&json!([
            entry(&unset),
            entry(&json!({ "validFor": { "end": null } }))
        ]));
        file["tlogs"] = json!(null);
        let read = read(&file).unwrap();
        assert_eq!(read.authorities.len(), 2);
        for authority in read.authorities {
            assert_eq!(authority.valid, Window::default());
        }
        assert!(read.left.iter().all(|left| left.list != "tlogs"));
    }

    #[test]
    fn hostile_files_are_refused() {
        let many = vec![entry(&json!({})); Limits::TABLE.root_entries + 1];
        let certificates = json!({ "certChain": { "certificates": [{ "rawBytes": "%" }] } });
        for document in [
            json!({}),
            json!([]),
            json!({ "mediaType": "application/json" }),
            json!({ "mediaType": null }),
            file(&json!({})),
            file(&json!([null])),
            file(&json!([{ "uri": "https://tsa.example" }])),
            file(&json!([entry(&certificates)])),
            file(&json!([entry(&json!({ "validFor": { "start": "soon" } }))])),
            file(&Value::Array(many)),
            file(&json!(["x".repeat(Limits::TABLE.root)])),
        ] {
            let error = read(&document).unwrap_err();
            assert_eq!(error.code().as_str(), "trusted-root-invalid");
        }
        let twice =
            file(&json!([]))
                .to_string()
                .replacen("\"ctlogs\"", "\"tlogs\":[],\"ctlogs\"", 1);
        SigstoreRoot::read(twice.as_bytes(), &Limits::TABLE).unwrap_err();
        read(&file(&json!([]))).unwrap();
    }
}
