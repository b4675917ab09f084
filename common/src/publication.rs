//! Publications: signed statements that an image is published in a repository, with the date's evidence inside.
//!
//! Written by signers, read with every statement. A stamp in the payload makes the signature younger than the stamp: that
//! is why it lies here and not beside the signature. Whether a date is proven is decided elsewhere.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

use crate::{
    Descriptor, Limits, Repository, Timestamp,
    json::{self, JsonError},
    statement::{STATEMENT_V1, SubjectDocument, WrittenStatement},
};

/// The predicate type of a publication.
pub const PUBLICATION: &str = "https://countersign.dev/publication/v1";

/// The members that are understood, should a publication say that they must be.
const KNOWN: [&str; 6] = [
    "repository",
    "mediaType",
    "size",
    "supportedUntil",
    "beforeStamp",
    "claimedAt",
];

/// What a publication says about the image that is its subject. Only *claimed* until its signature was checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Publication {
    /// The canonical name of the repository that the image is published in.
    pub repository: String,
    /// The type of the image's manifest or index.
    pub media_type: String,
    /// The size of the manifest or index in bytes.
    pub size: u64,
    /// Until when the publisher supports the image; for as long as nothing else is said if absent.
    pub supported_until: Option<Timestamp>,
    /// When it was published.
    pub date: PublicationDate,
}

/// When an image was published, as its publisher says it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PublicationDate {
    /// By nothing but the publisher's word.
    Claimed(Timestamp),
    /// After these time stamps, each in base64.
    Stamped(Vec<String>),
}

impl PublicationDate {
    /// After these time stamps, each a `TimeStampResp` in DER.
    pub fn stamped(stamps: &[Vec<u8>]) -> Self {
        Self::Stamped(
            stamps
                .iter()
                .map(|stamp| BASE64_STANDARD.encode(stamp))
                .collect(),
        )
    }
}

impl Publication {
    /// A publication of an image in a repository.
    pub fn of(
        image: &Descriptor,
        repository: &Repository,
        date: PublicationDate,
        supported_until: Option<Timestamp>,
    ) -> Self {
        Self {
            repository: repository.to_string(),
            media_type: image.media_type.clone(),
            size: image.size,
            supported_until,
            date,
        }
    }

    /// Parses the predicate of a statement whose type says that it is one.
    pub(crate) fn parse(payload: &[u8], limits: &Limits) -> Result<Self, PublicationError> {
        let document: StatementDocument = json::from_slice(payload, limits)?;
        let document = document.predicate;
        if let Some(member) = document
            .critical
            .into_iter()
            .find(|member| !KNOWN.contains(&member.as_str()))
        {
            return Err(PublicationError::CriticalMember { member });
        }
        let time = |text: &str| Timestamp::parse(text).map_err(|_| PublicationError::Time);
        let date = match (document.claimed_at, document.before_stamp) {
            (Some(_), Some(_)) => return Err(PublicationError::TwoDates),
            (Some(claimed), None) => PublicationDate::Claimed(time(&claimed)?),
            (None, stamps) => PublicationDate::Stamped(stamps.unwrap_or_default().rfc3161),
        };
        if let PublicationDate::Stamped(stamps) = &date
            && stamps.len() > limits.time_stamps
        {
            return Err(PublicationError::TooManyTimeStamps {
                limit: limits.time_stamps,
            });
        }
        Ok(Self {
            repository: document.repository,
            media_type: document.media_type,
            size: document.size,
            supported_until: document.supported_until.as_deref().map(time).transpose()?,
            date,
        })
    }

    /// The payload that is signed: the statement about the image.
    pub fn to_payload(
        &self,
        image: &Descriptor,
        annotations: &BTreeMap<String, String>,
    ) -> Result<Vec<u8>, JsonError> {
        let annotations = annotations
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().into()))
            .collect();
        let (claimed_at, before_stamp) = match &self.date {
            PublicationDate::Claimed(time) => (Some(time.to_string()), None),
            PublicationDate::Stamped(stamps) => (
                None,
                Some(StampsDocument {
                    rfc3161: stamps.clone(),
                }),
            ),
        };
        json::to_vec(&WrittenStatement {
            kind: STATEMENT_V1,
            subject: [SubjectDocument::of(None, &image.digest, annotations)],
            predicate_type: PUBLICATION,
            predicate: PredicateDocument {
                repository: self.repository.clone(),
                media_type: self.media_type.clone(),
                size: self.size,
                supported_until: self.supported_until.map(|time| time.to_string()),
                claimed_at,
                before_stamp,
                critical: Vec::new(),
            },
        })
    }
}

/// The predicate is no publication that we read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublicationError {
    /// It must not be understood without a member that nobody here knows.
    #[error(
        "the publication must not be understood without its member `{}`, which is not known",
        crate::Escaped(member)
    )]
    CriticalMember {
        /// The member.
        member: String,
    },
    /// Not JSON, ambiguous JSON, or members missing.
    #[error("the publication is not strict JSON of its format: {0}")]
    Malformed(#[from] JsonError),
    /// None, or several.
    #[error("the publication is of {count} subjects where one is expected")]
    SubjectCount {
        /// How many.
        count: usize,
    },
    /// A time that is none.
    #[error("a time of the publication is not written in RFC 3339")]
    Time,
    /// Too many time stamps.
    #[error("more than {limit} time stamps lie inside")]
    TooManyTimeStamps {
        /// How many are read.
        limit: usize,
    },
    /// A date that is claimed beside one that is to be proven.
    #[error("the publication has both `claimedAt` and `beforeStamp`")]
    TwoDates,
}

#[derive(Deserialize)]
struct StatementDocument {
    predicate: PredicateDocument,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct PredicateDocument {
    repository: String,
    media_type: String,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    supported_until: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claimed_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before_stamp: Option<StampsDocument>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    critical: Vec<String>,
}

#[derive(Default, Deserialize, Serialize)]
struct StampsDocument {
    #[serde(default)]
    rfc3161: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Digest, ImageRef, Statement};

    const IMAGE: &[u8] = b"image";

    fn image() -> Descriptor {
        Descriptor::of("application/vnd.oci.image.index.v1+json", IMAGE)
    }

    fn publication(date: PublicationDate) -> Publication {
        let repository = ImageRef::parse("registry.example/shop/api").unwrap();
        let until = Timestamp::parse("2027-11-23T00:00:00Z").unwrap();
        Publication::of(&image(), repository.repository(), date, Some(until))
    }

    fn parse(json: &str) -> Result<Publication, PublicationError> {
        Publication::parse(json.as_bytes(), &Limits::TABLE)
    }

    #[test]
    fn what_is_written_is_as_specified_and_is_read() {
        let written = publication(PublicationDate::stamped(&[vec![0x30]]));
        let payload = written.to_payload(&image(), &BTreeMap::new()).unwrap();
        assert_eq!(
            String::from_utf8(payload.clone()).unwrap(),
            format!(
                r#"{{"_type":"{STATEMENT_V1}","subject":[{{"digest":{{"sha256":"{}"}}}}],"predicateType":"{PUBLICATION}","predicate":{{"repository":"registry.example/shop/api","mediaType":"application/vnd.oci.image.index.v1+json","size":5,"supportedUntil":"2027-11-23T00:00:00Z","beforeStamp":{{"rfc3161":["MA=="]}}}}}}"#,
                Digest::sha256(IMAGE).hex(),
            ),
        );
        let statement = Statement::parse(&payload, &Limits::TABLE).unwrap();
        assert_eq!(statement.publication(), Some(&written));

        let claimed = publication(PublicationDate::Claimed(
            Timestamp::from_unix_seconds(0).unwrap(),
        ));
        let payload = claimed.to_payload(&image(), &BTreeMap::new()).unwrap();
        let statement = Statement::parse(&payload, &Limits::TABLE).unwrap();
        assert_eq!(statement.publication(), Some(&claimed));
    }

    fn predicate(members: &str) -> String {
        format!(r#"{{"predicate":{{"repository":"r","mediaType":"m","size":1{members}}}}}"#)
    }

    #[test]
    fn no_date_at_all_is_read_and_proves_nothing() {
        for members in [
            "",
            r#","beforeStamp":{}"#,
            r#","beforeStamp":{"rfc3161":[]}"#,
        ] {
            let read = parse(&predicate(members)).unwrap();
            assert_eq!(read.date, PublicationDate::Stamped(Vec::new()));
        }
    }

    #[test]
    fn unknown_members_are_ignored_unless_they_are_critical() {
        parse(&predicate(r#","origin":1"#)).unwrap();
        parse(&predicate(r#","critical":["size","supportedUntil"]"#)).unwrap();
        assert!(matches!(
            parse(&predicate(r#","origin":1,"critical":["origin"]"#)),
            Err(PublicationError::CriticalMember { member }) if member == "origin"
        ));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        assert!(matches!(
            parse(&predicate(
                r#","claimedAt":"2026-11-24T10:00:00Z","beforeStamp":{"rfc3161":[]}"#
            )),
            Err(PublicationError::TwoDates)
        ));
        for members in [
            r#","claimedAt":"yesterday""#,
            r#","supportedUntil":"2027-11-23""#,
        ] {
            assert!(matches!(
                parse(&predicate(members)),
                Err(PublicationError::Time)
            ));
        }
        let json = predicate("");
        for broken in [
            json.replace(r#""size":1"#, r#""size":-1"#),
            json.replace(r#""size":1"#, r#""size":1.5"#),
            json.replace(r#","size":1"#, ""),
            json.replace(r#""repository":"r","#, ""),
        ] {
            assert!(
                matches!(parse(&broken), Err(PublicationError::Malformed(_))),
                "{broken}"
            );
        }
    }

    #[test]
    fn time_stamps_are_counted() {
        let stamps = |count: usize| {
            predicate(&format!(
                r#","beforeStamp":{{"rfc3161":[{}]}}"#,
                vec![r#""MA==""#; count].join(",")
            ))
        };
        parse(&stamps(8)).unwrap();
        assert!(matches!(
            parse(&stamps(9)),
            Err(PublicationError::TooManyTimeStamps { limit: 8 })
        ));
    }
}
