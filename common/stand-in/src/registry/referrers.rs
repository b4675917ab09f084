//! The lists: a repository's tags, and what refers to a manifest, both in pages with a `Link` to the next. Called by
//! `registry`. A subject that nobody pushed has an empty list; a registry without the API has no list at all.

use serde_json::{Value, json};
use url::form_urlencoded;

use super::{Registry, denial::Denial};
use crate::{answer::Answer, options::ReferrersFilter, services::Asked};

impl Registry {
    pub(super) fn tags(&self, asked: &Asked, name: &str) -> Result<Answer, Denial> {
        let tags: Vec<_> = self.with_repository(name, |repository| {
            Ok(repository.tags.keys().cloned().collect())
        })?;
        let (page, link) = self.page(asked, tags, |tag| tag);
        let answer = Answer::json(200, &json!({"name": name, "tags": page}));
        Ok(linked(answer, link))
    }

    pub(super) fn referrers(
        &self,
        asked: &Asked,
        name: &str,
        digest: &str,
    ) -> Result<Answer, Denial> {
        if !self.has_referrers() {
            return Err(Denial::NoSuchPage);
        }
        let mut entries = self.with_repository(name, |repository| {
            let mut entries = repository
                .referrers
                .get(digest)
                .cloned()
                .unwrap_or_default();
            entries.retain(|entry| !repository.archived.contains(member(entry, "digest")));
            Ok(entries)
        })?;
        let filter = asked
            .parameter("artifactType")
            .filter(|_| self.filter == ReferrersFilter::Applied);
        if let Some(wanted) = &filter {
            entries.retain(|entry| member(entry, "artifactType") == wanted);
        }
        let (page, link) = self.page(asked, entries, |entry| member(entry, "digest"));
        let index = json!({
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": page,
        });
        let mut answer = linked(Answer::json(200, &index), link);
        answer.set_header("Content-Type", INDEX);
        if filter.is_some() {
            answer.set_header("OCI-Filters-Applied", "artifactType");
        }
        Ok(answer)
    }

    /// All of them with their status, as ECR's API lists them; `None` if there is no such repository.
    pub(crate) fn referrers_of_any_status(&self, name: &str, digest: &str) -> Option<Vec<Value>> {
        let mut store = self.store();
        let repository = store.repositories.get_mut(name)?;
        let mut entries = repository
            .referrers
            .get(digest)
            .cloned()
            .unwrap_or_default();
        for entry in &mut entries {
            let is_archived = repository.archived.contains(member(entry, "digest"));
            let status = if is_archived { "ARCHIVED" } else { "ACTIVE" };
            if let Value::Object(members) = entry {
                members.insert("artifactStatus".into(), status.into());
            }
        }
        Some(entries)
    }

    /// The page after the entry that the client had last, and the address of the next.
    fn page<T>(
        &self,
        asked: &Asked,
        mut entries: Vec<T>,
        key: impl Fn(&T) -> &str,
    ) -> (Vec<T>, Option<String>) {
        if let Some(last) = asked.parameter("last") {
            let position = entries.iter().position(|entry| key(entry) == last);
            entries.drain(..position.map_or(0, |position| position + 1));
        }
        let wanted = asked.parameter("n").and_then(|n| n.parse().ok());
        let size = wanted.unwrap_or(self.page_size).clamp(1, self.page_size);
        let more = entries.len() > size;
        entries.truncate(size);
        let last = entries.last().filter(|_| more).map(&key);
        let link = last.map(|last| next(asked, last));
        (entries, link)
    }
}

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn linked(answer: Answer, link: Option<String>) -> Answer {
    match link {
        None => answer,
        Some(link) => answer.with("Link", link),
    }
}

/// The same request, after the entry named last.
fn next(asked: &Asked, last: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let kept = form_urlencoded::parse(asked.query.as_bytes()).filter(|(name, _)| name != "last");
    query.extend_pairs(kept).append_pair("last", last);
    format!("<{}?{}>; rel=\"next\"", asked.path, query.finish())
}

fn member<'a>(entry: &'a Value, name: &str) -> &'a str {
    entry.get(name).and_then(Value::as_str).unwrap_or_default()
}
