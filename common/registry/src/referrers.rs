//! What refers to a digest: the referrers API, page by page, or the fallback tag where a registry has no such API
//! ([OCI distribution specification, listing referrers](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers)).

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use countersign_common::{
    Descriptor, Digest, Limits, Manifest, Repository,
    json::{self, JsonError},
    manifest::OCI_INDEX,
    registry::{Error, Failure, Refusal},
};
use futures_util::future;
use reqwest::{
    StatusCode,
    header::{ACCEPT, HeaderValue, LINK},
};

use crate::{
    body,
    client::{Client, malformed},
    transport::{Answer, Fetched, Kind, Request, Whole, jitter},
};

/// How often a manifest is pushed whose digest is denied.
const PUSHES: u32 = 4;
/// The longest wait before it is pushed again.
const PAUSE: Duration = Duration::from_millis(400);

/// Whether a registry answers its referrers API.
pub(crate) enum Listed {
    Here(Vec<Descriptor>),
    NoApi,
}

impl Listed {
    /// What the registry itself lists, if it lists anything.
    pub(crate) fn own(self) -> Option<Vec<Descriptor>> {
        match self {
            Self::Here(referrers) => Some(referrers),
            Self::NoApi => None,
        }
    }
}

impl Client {
    pub(crate) async fn all_referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
        limit: usize,
    ) -> Result<Vec<Descriptor>, Failure> {
        let is_remembered = self.unlisted.has(repository);
        if let Listed::Here(referrers) = self.listed(repository, subject, limit).await? {
            return Ok(referrers);
        }
        let tagged = self.fallback(repository, subject).await?;
        if !is_remembered || !tagged.is_empty() {
            return Ok(tagged);
        }
        // What was said of the API once does not make an image unsigned.
        let listed = self.listed_by_api(repository, subject, limit).await?;
        Ok(listed.own().unwrap_or_default())
    }

    /// The whole list of at most so many bytes, without the registry's filter: listings may name another type than the artifact itself does.
    pub(crate) async fn listed(
        &self,
        repository: &Repository,
        subject: &Digest,
        limit: usize,
    ) -> Result<Listed, Failure> {
        if self.unlisted.has(repository) {
            return Ok(Listed::NoApi);
        }
        self.listed_by_api(repository, subject, limit).await
    }

    async fn listed_by_api(
        &self,
        repository: &Repository,
        subject: &Digest,
        limit: usize,
    ) -> Result<Listed, Failure> {
        let limits = self.limits();
        let too_many = || {
            Failure::Refusal(Refusal::ReferrersTooMany {
                repository: repository.clone(),
                subject: subject.clone(),
                limit: limits.referrers,
            })
        };
        let longest = usize::try_from(limits.image_bytes).unwrap_or(usize::MAX);
        let mut allowance = limit.min(longest);
        let mut referrers = Vec::new();
        let mut path = format!("referrers/{subject}");
        for page in 0..limits.referrer_pages {
            let request = Self::list(repository, path);
            let whole = match self.fetch(&request, allowance).await? {
                Fetched::Whole(whole) => whole,
                Fetched::Other(answer)
                    if page == 0 && answer.response.status() == StatusCode::NOT_FOUND =>
                {
                    self.learn(repository, &answer);
                    return Ok(Listed::NoApi);
                }
                Fetched::Other(answer) => return Err(answer.status()),
            };
            self.unlisted.answers(repository);
            let next = next_page(&whole)?;
            // Registries copy the annotations of whoever pushes into the list: bounded together, not page by page, a
            // few long ones hide nothing.
            allowance -= whole.body.len();
            let page = parse_page(&whole.body, limits);
            referrers.extend(page.map_err(|error| malformed(&whole.place, error.into()))?);
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

    fn learn(&self, repository: &Repository, answer: &Answer) {
        self.unlisted
            .learn(repository, &body::said(&answer.response));
    }

    pub(crate) fn list(repository: &Repository, path: String) -> Request<'_> {
        let mut request = Self::get(repository, path);
        request
            .headers
            .insert(ACCEPT, HeaderValue::from_static(OCI_INDEX));
        request
    }

    /// Pushes manifests that have this subject, and makes them findable.
    pub(crate) async fn attach(
        &self,
        repository: &Repository,
        subject: &Digest,
        manifests: &[Manifest],
    ) -> Result<(), Failure> {
        let begun = Instant::now();
        future::try_join_all(manifests.iter().map(async |manifest| {
            let digest = manifest.digest().to_string();
            self.put_surely(repository, &digest, manifest).await
        }))
        .await?;
        let pushed = begun.elapsed();
        if self.unlisted.has(repository) {
            return self.merge(repository, subject, manifests, pushed).await;
        }
        // The header `OCI-Subject` has been sent by registries that listed nothing; the API itself tells. One page: what
        // others have attached must not stop a signer.
        let request = Self::list(repository, format!("referrers/{subject}"));
        let answer = self.transport.send(&request).await?;
        match answer.response.status() {
            StatusCode::OK => Ok(()),
            StatusCode::NOT_FOUND => {
                self.learn(repository, &answer);
                self.merge(repository, subject, manifests, pushed).await
            }
            _ => Err(answer.status()),
        }
    }

    /// Pushes a manifest by its digest. A registry that denies that this is its digest has read, from its own storage, what
    /// others were writing at that moment: several who sign an image at once push the same empty configuration.
    async fn put_surely(
        &self,
        repository: &Repository,
        digest: &str,
        manifest: &Manifest,
    ) -> Result<(), Failure> {
        for _ in 1..PUSHES {
            match self
                .put_manifest(repository, digest, manifest, Kind::Bounded)
                .await
            {
                Err(Failure::Refusal(Refusal::Rejected { message, .. }))
                    if message.starts_with("DIGEST_INVALID") =>
                {
                    tokio::time::sleep(jitter(PAUSE)).await;
                }
                pushed => return pushed,
            }
        }
        self.put_manifest(repository, digest, manifest, Kind::Bounded)
            .await
    }

    /// Removes a manifest, and what finds it.
    pub(crate) async fn detach(
        &self,
        repository: &Repository,
        subject: &Digest,
        manifest: &Digest,
    ) -> Result<(), Failure> {
        self.delete_manifest(repository, manifest).await?;
        let request = Self::list(repository, format!("referrers/{subject}"));
        let answer = self.transport.send(&request).await?;
        match answer.response.status() {
            StatusCode::OK => Ok(()),
            StatusCode::NOT_FOUND => self.unmerge(repository, subject, manifest).await,
            _ => Err(answer.status()),
        }
    }
}

/// The entries of one page, without their annotations, which are hints.
pub(crate) fn parse_page(body: &[u8], limits: &Limits) -> Result<Vec<Descriptor>, JsonError> {
    #[derive(serde::Deserialize)]
    struct Page {
        manifests: Vec<Entry>,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Entry {
        media_type: String,
        digest: Digest,
        size: u64,
        #[serde(default)]
        artifact_type: Option<String>,
    }
    let page: Page = json::from_slice(body, limits)?;
    let describe = |entry: Entry| Descriptor {
        media_type: entry.media_type,
        digest: entry.digest,
        size: entry.size,
        artifact_type: entry.artifact_type,
        annotations: None,
        platform: None,
        data: None,
    };
    Ok(page.manifests.into_iter().map(describe).collect())
}

/// The first entry of each digest, in the order of the list.
pub(crate) fn distinct(descriptors: Vec<Descriptor>) -> Vec<Descriptor> {
    let mut seen = BTreeSet::new();
    descriptors
        .into_iter()
        .filter(|descriptor| seen.insert(descriptor.digest.clone()))
        .collect()
}

/// The path of the next page. A list that goes on where it cannot be followed is not a list that ends: what is missing
/// from it could be the signature.
pub(crate) fn next_page(whole: &Whole) -> Result<Option<String>, Failure> {
    let (here, place) = (&whole.url, &whole.place);
    let unusable = |target: &str| {
        Failure::Error(Error::Status {
            registry: place.registry.clone(),
            path: place.path.clone(),
            status: 200,
            message: format!("the list goes on at {target}, which cannot be followed"),
        })
    };
    for link in whole.headers.get_all(LINK) {
        let link = link.to_str().map_err(|_| unusable("an unreadable place"))?;
        let Some(target) = next_link(link).map_err(|()| unusable("a malformed place"))? else {
            continue;
        };
        let target = here
            .join(target)
            .map_err(|_| unusable("a malformed place"))?;
        // Only path and query are used, on the host that was asked: behind a proxy a registry may think that it speaks
        // HTTP, but it must not send us elsewhere.
        if target.host_str() != here.host_str() {
            return Err(unusable("another host"));
        }
        return Ok(Some(format!(
            "{}?{}",
            target.path(),
            target.query().unwrap_or_default()
        )));
    }
    Ok(None)
}

/// The target of `rel="next"` ([RFC 8288](https://www.rfc-editor.org/rfc/rfc8288)); `Err` if the header cannot be read.
pub(crate) fn next_link(header: &str) -> Result<Option<&str>, ()> {
    let mut rest = header.trim();
    while !rest.is_empty() {
        let (target, after) = rest
            .strip_prefix('<')
            .and_then(|rest| rest.split_once('>'))
            .ok_or(())?;
        let end = end_of_parameters(after);
        let (parameters, more) = after.split_at_checked(end).ok_or(())?;
        if parameters.split(';').any(names_next) {
            return Ok(Some(target));
        }
        rest = more.trim_start_matches(',').trim();
    }
    Ok(None)
}

/// The comma that separates two links, past commas in quotes.
fn end_of_parameters(text: &str) -> usize {
    let mut quoted = false;
    let ends = |(_, byte): &(usize, u8)| {
        quoted ^= *byte == b'"';
        *byte == b',' && !quoted
    };
    text.bytes()
        .enumerate()
        .find(ends)
        .map_or(text.len(), |(index, _)| index)
}

fn names_next(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, value)| {
        name.trim().eq_ignore_ascii_case("rel")
            && value
                .trim()
                .trim_matches('"')
                .split_whitespace()
                .any(|word| word.eq_ignore_ascii_case("next"))
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
            "</v2/a/referrers/b?last=c>; rel=\"first next\"",
            "</first>; rel=\"first\"; title=\"a, b\", </v2/a/referrers/b?last=c>; title=\"x\"; REL = \"NEXT\"",
        ] {
            assert_eq!(
                next_link(header),
                Ok(Some("/v2/a/referrers/b?last=c")),
                "{header}"
            );
        }
        assert_eq!(
            next_link("</x?last=a,b>; rel=\"next\""),
            Ok(Some("/x?last=a,b"))
        );
        for header in ["", "</x>", "</x>; rel=\"prev\"", "</x>; rel=\"nextlast\""] {
            assert_eq!(next_link(header), Ok(None), "{header}");
        }
        for header in ["/x; rel=next", "<unclosed; rel=next", "</x>; rel=prev, y"] {
            assert_eq!(next_link(header), Err(()), "{header}");
        }
    }

    proptest! {
        #[test]
        fn any_link_is_answered_without_a_panic(header: String) {
            let _ = next_link(&header);
        }
    }
}
