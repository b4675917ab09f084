//! What refers to a digest: the referrers API, page by page, or the fallback tag where a registry has no such API
//! ([OCI distribution specification, listing referrers](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers)).

use std::collections::BTreeSet;

use countersign_common::{
    Descriptor, Digest, Limits, Manifest, Repository, json,
    manifest::{Body, ManifestError, OCI_INDEX},
    registry::{Error, Failure, Refusal},
};
use reqwest::{
    Response, StatusCode,
    header::{ACCEPT, HeaderValue, LINK},
};

use crate::{
    body,
    client::{Client, malformed},
    transport::Answer,
};

/// How often a fallback tag that others write too is written again.
const MERGES: usize = 8;

/// Whether a registry answers its referrers API.
enum Listed {
    Here(Vec<Descriptor>),
    NoApi,
}

impl Client {
    pub(crate) async fn all_referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>, Failure> {
        match self.listed(repository, subject).await? {
            Listed::Here(referrers) => Ok(referrers),
            Listed::NoApi => Ok(self
                .fallback(repository, subject)
                .await?
                .unwrap_or_default()),
        }
    }

    /// The whole list, without the registry's filter: listings may name another type than the artifact itself does.
    async fn listed(&self, repository: &Repository, subject: &Digest) -> Result<Listed, Failure> {
        let limits = self.limits();
        let too_many = || {
            Failure::Refusal(Refusal::ReferrersTooMany {
                repository: repository.clone(),
                subject: subject.clone(),
                limit: limits.referrers,
            })
        };
        let mut referrers = Vec::new();
        let mut path = format!("referrers/{subject}");
        for page in 0..limits.referrer_pages {
            let mut request = Self::get(repository, path);
            request
                .headers
                .insert(ACCEPT, HeaderValue::from_static(OCI_INDEX));
            let answer = self.transport.send(&request).await?;
            match answer.response.status() {
                StatusCode::OK => {}
                StatusCode::NOT_FOUND if page == 0 => return Ok(Listed::NoApi),
                _ => return Err(self.transport.status(answer).await),
            }
            let next = next_page(&answer.response);
            referrers.extend(self.page(answer).await?);
            if referrers.len() > limits.referrers {
                return Err(too_many());
            }
            match next {
                Some(next) => path = next,
                None => return Ok(Listed::Here(distinct(referrers))),
            }
        }
        Err(too_many())
    }

    async fn page(&self, Answer { response, place }: Answer) -> Result<Vec<Descriptor>, Failure> {
        #[derive(serde::Deserialize)]
        struct Page {
            manifests: Vec<Descriptor>,
        }
        let bytes = body::read(response, self.limits().manifest, &place).await?;
        let page: Page = json::from_slice(&bytes, self.limits())
            .map_err(|error| malformed(&place, error.into()))?;
        Ok(page.manifests)
    }

    /// The index at the fallback tag; `None` if there is none.
    async fn fallback(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Option<Vec<Descriptor>>, Failure> {
        let tag = fallback_tag(subject);
        let limits = Limits {
            children: self.limits().referrers,
            ..*self.limits()
        };
        let Some(manifest) = self.fetch_manifest(repository, &tag, None, &limits).await? else {
            return Ok(None);
        };
        match manifest.body() {
            Body::Index(index) => Ok(Some(distinct(index.manifests.clone()))),
            Body::Image(_) => Err(Failure::Refusal(Refusal::Malformed {
                registry: repository.registry(),
                path: format!("{}/manifests/{tag}", repository.path()),
                source: ManifestError::Missing {
                    member: "manifests",
                },
            })),
        }
    }

    /// Pushes a manifest that has a subject, and makes it findable.
    pub(crate) async fn attach(
        &self,
        repository: &Repository,
        manifest: &Manifest,
    ) -> Result<(), Failure> {
        self.put_manifest(repository, &manifest.digest().to_string(), manifest)
            .await?;
        let Body::Image(body) = manifest.body() else {
            return Ok(());
        };
        let Some(subject) = &body.subject else {
            return Ok(());
        };
        // The header `OCI-Subject` has been sent by registries that listed nothing; the API itself tells.
        match self.listed(repository, &subject.digest).await? {
            Listed::Here(_) => Ok(()),
            Listed::NoApi => {
                let mut entry = manifest.descriptor().clone();
                entry.artifact_type = Some(body.artifact_type.clone());
                entry.annotations =
                    Some(body.annotations.clone()).filter(|annotations| !annotations.is_empty());
                self.merge(repository, &subject.digest, entry).await
            }
        }
    }

    /// Adds an entry to the fallback tag. Two writers may both read before either writes, so what was written is read
    /// again, and written again if the other's write has replaced it.
    async fn merge(
        &self,
        repository: &Repository,
        subject: &Digest,
        entry: Descriptor,
    ) -> Result<(), Failure> {
        let tag = fallback_tag(subject);
        for _ in 0..MERGES {
            let mut entries = self
                .fallback(repository, subject)
                .await?
                .unwrap_or_default();
            if entries.iter().any(|known| known.digest == entry.digest) {
                return Ok(());
            }
            entries.push(entry.clone());
            let index = fallback_index(&entries).map_err(|source| {
                Failure::Refusal(Refusal::Malformed {
                    registry: repository.registry(),
                    path: tag.clone(),
                    source,
                })
            })?;
            self.put_manifest(repository, &tag, &index)
                .await
                .map_err(|failure| immutable(failure, repository, &tag))?;
        }
        let mut entries = self
            .fallback(repository, subject)
            .await?
            .unwrap_or_default();
        entries.retain(|known| known.digest == entry.digest);
        if entries.is_empty() {
            Err(lost(repository, &tag))
        } else {
            Ok(())
        }
    }
}

/// The tag at which clients list referrers where the registry does not.
fn fallback_tag(subject: &Digest) -> String {
    format!("{}-{}", subject.algorithm().name(), subject.hex())
}

fn fallback_index(entries: &[Descriptor]) -> Result<Manifest, ManifestError> {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Index<'a> {
        schema_version: u8,
        media_type: &'static str,
        manifests: &'a [Descriptor],
    }
    let index = Index {
        schema_version: 2,
        media_type: OCI_INDEX,
        manifests: entries,
    };
    let bytes =
        serde_json::to_vec(&index).map_err(|error| ManifestError::Malformed(error.into()))?;
    let limits = Limits {
        children: usize::MAX,
        ..Limits::TABLE
    };
    Manifest::parse(bytes.into(), None, None, &limits)
}

fn immutable(failure: Failure, repository: &Repository, tag: &str) -> Failure {
    match failure {
        Failure::Refusal(Refusal::Rejected { message, .. })
            if message.starts_with("TAG_INVALID") =>
        {
            Failure::Refusal(Refusal::TagImmutable {
                repository: repository.clone(),
                tag: tag.to_owned(),
            })
        }
        other => other,
    }
}

fn lost(repository: &Repository, tag: &str) -> Failure {
    Failure::Error(Error::Status {
        registry: repository.registry(),
        path: format!("{}/manifests/{tag}", repository.path()),
        status: 409,
        message: format!(
            "others kept writing this list of signatures; it was written {MERGES} times"
        ),
    })
}

/// The first entry of each digest, in the order of the list.
fn distinct(descriptors: Vec<Descriptor>) -> Vec<Descriptor> {
    let mut seen = BTreeSet::new();
    descriptors
        .into_iter()
        .filter(|descriptor| seen.insert(descriptor.digest.clone()))
        .collect()
}

/// The next page, on the same host: a listing must not send us elsewhere.
fn next_page(response: &Response) -> Option<String> {
    let link = response
        .headers()
        .get_all(LINK)
        .iter()
        .filter_map(|link| link.to_str().ok())
        .find_map(next_link)?;
    let target = response.url().join(link).ok()?;
    (target.origin() == response.url().origin())
        .then(|| format!("{}?{}", target.path(), target.query().unwrap_or_default()))
}

/// The target of `rel="next"` ([RFC 8288](https://www.rfc-editor.org/rfc/rfc8288)).
fn next_link(header: &str) -> Option<&str> {
    header.split(',').find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters.split(';').any(|parameter| {
            matches!(
                parameter
                    .trim()
                    .replace(['"', ' '], "")
                    .to_ascii_lowercase()
                    .as_str(),
                "rel=next"
            )
        });
        is_next.then_some(target)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_next_page_is_found() {
        for header in [
            "</v2/a/referrers/b?last=c>; rel=\"next\"",
            "</v2/a/referrers/b?last=c>;rel=next",
            "</first>; rel=\"first\", </v2/a/referrers/b?last=c>; title=\"x\"; REL = \"next\"",
        ] {
            assert_eq!(
                next_link(header),
                Some("/v2/a/referrers/b?last=c"),
                "{header}"
            );
        }
        for header in [
            "",
            "</x>",
            "</x>; rel=\"prev\"",
            "/x; rel=next",
            "<unclosed; rel=next",
        ] {
            assert_eq!(next_link(header), None, "{header}");
        }
    }

    proptest! {
        #[test]
        fn any_link_is_answered_without_a_panic(header: String) {
            let _ = next_link(&header);
        }
    }
}
