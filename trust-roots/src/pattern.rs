//! Patterns of repositories, as trust roots grant them and policies match them.
//!
//! Made from text once; asked for the most specific that matches. No regular expression, nothing that can take long.

use std::{cmp::Ordering, fmt};

use countersign_common::{ImageRef, Repository};

/// A pattern of canonical repositories, such as `registry.example/shop/**`.
///
/// `*` stands for any characters inside one label of the host or one segment of the path; `**` as the last segment of the
/// path for one or more segments. A host is never left open: `**` is not for it, labels are counted, and one of them is
/// literal. A port is literal, and where there is none there must be none: another port is another registry.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Pattern(String);

/// How exactly a pattern names what it matches: how much of it is literal, and whether all of it is.
///
/// Of several that match the greatest decides; two that are equal are ambiguous.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Specificity {
    prefix: usize,
    literal: bool,
}

impl Pattern {
    /// Longer than any repository's name.
    const LONGEST: usize = 512;

    /// Parses a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let (host, path) = text.split_once('/').ok_or(PatternError::NoPath)?;
        if text.len() > Self::LONGEST {
            return Err(PatternError::TooLong);
        }
        if host.contains("**") || is_anybodys(host) {
            return Err(PatternError::OpenHost);
        }
        let mut segments: Vec<&str> = path.split('/').collect();
        let is_open = segments.last() == Some(&"**");
        if is_open {
            segments.pop();
        }
        // `*a*a*a*…` is matched in time that grows with the product of both lengths, and no more: still, two are enough.
        let is_wild = |part: &&str| part.contains("**") || part.matches('*').count() > 2;
        if let Some(part) = segments
            .iter()
            .chain(&host.split('.').collect::<Vec<_>>())
            .find(|part| is_wild(part))
        {
            return Err(PatternError::Wild((*part).to_owned()));
        }
        // With letters in their place it must be a name that a repository can have, spelled as it is compared.
        let example = std::iter::once(host)
            .chain(segments)
            .collect::<Vec<_>>()
            .join("/")
            .replace('*', "a");
        // Two, since Docker Hub puts a segment of its own before a single one.
        let example = if is_open {
            format!("{example}/a/a")
        } else {
            example
        };
        let canonical = ImageRef::parse(&example)
            .ok()
            .filter(|image| {
                image.tag().is_none_or(|tag| tag == "latest") && image.digest().is_none()
            })
            .map(|image| image.repository().to_string());
        match canonical {
            Some(canonical) if canonical == example => Ok(Self(text.to_owned())),
            Some(canonical) if !text.contains('*') => Err(PatternError::NotCanonical(canonical)),
            Some(_) => {
                Err(respelled(host, path).map_or(PatternError::NoName, PatternError::NotCanonical))
            }
            None => Err(PatternError::NoName),
        }
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a repository is one of those it stands for.
    pub fn matches(&self, repository: &Repository) -> bool {
        matches(&self.0, &repository.to_string())
    }

    /// How exactly it names what it matches.
    pub fn specificity(&self) -> Specificity {
        let prefix = self.0.find('*');
        Specificity {
            prefix: prefix.unwrap_or(self.0.len()),
            literal: prefix.is_none(),
        }
    }

    /// The literal part before a `**` at the end, or `None` if it does not end in one or holds another `*`.
    pub fn open_prefix(&self) -> Option<&str> {
        self.0
            .strip_suffix("**")
            .filter(|prefix| !prefix.contains('*'))
    }

    /// Whether some repository is matched by both.
    pub fn overlaps(&self, other: &Self) -> bool {
        overlap(&Parts::of(&self.0), &Parts::of(&other.0))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether no label of a host is literal: whoever has any host of as many labels would be meant.
fn is_anybodys(host: &str) -> bool {
    // An address has no labels. What is literal of it are digits.
    if host.starts_with('[') {
        let address = host.split(']').next().unwrap_or(host);
        return !address.contains(|character: char| character.is_ascii_hexdigit());
    }
    let name = host.split(':').next().unwrap_or(host);
    name.split('.').all(|label| label.contains('*'))
}

/// A pattern as it would be compared, if only the spelling of its host or of Docker Hub's own images differs.
fn respelled(host: &str, path: &str) -> Option<String> {
    let name = host.strip_suffix(":443").unwrap_or(host);
    let name = if name == "index.docker.io" {
        "docker.io"
    } else {
        name
    };
    let is_single = name == "docker.io" && !path.contains('/') && path != "**";
    let library = if is_single { "library/" } else { "" };
    let text = format!("{name}/{library}{path}");
    let is_other = name != host || is_single;
    (is_other && Pattern::parse(&text).is_ok()).then_some(text)
}

/// What the most specific of several is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Choice<T> {
    /// None matches.
    None,
    /// This one.
    One(T),
    /// These are equally specific.
    Tie(T, T),
}

/// Chooses the most specific of those that match.
pub fn choose<T>(candidates: impl IntoIterator<Item = (Specificity, T)>) -> Choice<T> {
    let mut best: Option<(Specificity, T)> = None;
    let mut tied = None;
    for (specificity, candidate) in candidates {
        let order = best
            .as_ref()
            .map_or(Ordering::Greater, |(best, _)| specificity.cmp(best));
        match order {
            Ordering::Greater => {
                best = Some((specificity, candidate));
                tied = None;
            }
            Ordering::Equal => tied = tied.or(Some(candidate)),
            Ordering::Less => {}
        }
    }
    match (best, tied) {
        (None, _) => Choice::None,
        (Some((_, one)), None) => Choice::One(one),
        (Some((_, one)), Some(other)) => Choice::Tie(one, other),
    }
}

/// What is compared on its own: none of them stands for another.
struct Parts<'a> {
    labels: Vec<&'a str>,
    port: Option<&'a str>,
    segments: Vec<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let (host, path) = text.split_once('/').unwrap_or((text, ""));
        let (host, port) = match host.rsplit_once(':') {
            // Not what is inside the brackets of an address.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (host, None),
        };
        Self {
            labels: host.split('.').collect(),
            port,
            segments: path.split('/').collect(),
        }
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (Parts::of(pattern), Parts::of(name));
    let all = |patterns: &[&str], names: &[&str]| {
        patterns.len() == names.len()
            && patterns
                .iter()
                .zip(names)
                .all(|(pattern, name)| glob(pattern.as_bytes(), name.as_bytes()))
    };
    let path_matches = match pattern.segments.split_last() {
        Some((&"**", before)) => name
            .segments
            .split_at_checked(before.len())
            .is_some_and(|(begin, rest)| all(before, begin) && !rest.is_empty()),
        _ => all(&pattern.segments, &name.segments),
    };
    all(&pattern.labels, &name.labels) && pattern.port == name.port && path_matches
}

/// Whether a text without `*` is matched. Greedy with one way back, so its time is bounded by the product of the lengths.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while read < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                back = Some((at, read));
                at += 1;
            }
            Some(byte) if text.get(read) == Some(byte) => {
                at += 1;
                read += 1;
            }
            _ => {
                let Some((star, from)) = back else {
                    return false;
                };
                back = Some((star, from + 1));
                at = star + 1;
                read = from + 1;
            }
        }
    }
    pattern
        .get(at..)
        .is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

fn overlap(one: &Parts<'_>, other: &Parts<'_>) -> bool {
    let all = |one: &[&str], other: &[&str]| {
        one.len() == other.len()
            && one
                .iter()
                .zip(other)
                .all(|(one, other)| common(one.as_bytes(), other.as_bytes()))
    };
    let below = |open: &[&str], path: &[&str]| {
        path.split_at_checked(open.len())
            .is_some_and(|(begin, rest)| all(open, begin) && !rest.is_empty())
    };
    let paths = match (one.segments.split_last(), other.segments.split_last()) {
        (Some((&"**", one)), Some((&"**", other))) => {
            let length = one.len().min(other.len());
            all(
                one.get(..length).unwrap_or_default(),
                other.get(..length).unwrap_or_default(),
            )
        }
        (Some((&"**", open)), _) => below(open, &other.segments),
        (_, Some((&"**", open))) => below(open, &one.segments),
        _ => all(&one.segments, &other.segments),
    };
    all(&one.labels, &other.labels) && one.port == other.port && paths
}

/// Whether some text is matched by both: filled row by row, as the longest common subsequence is.
fn common(one: &[u8], other: &[u8]) -> bool {
    // reached[j]: what is left of `one` and `other[j..]` have a text in common.
    let mut reached = vec![false; other.len() + 1];
    for i in (0..=one.len()).rev() {
        let below = reached.clone();
        for j in (0..=other.len()).rev() {
            let (left, right) = (one.get(i), other.get(j));
            let at = |row: &[bool], j: usize| row.get(j).copied().unwrap_or(false);
            let both = match (left, right) {
                (None, None) => true,
                (Some(b'*'), _) => at(&below, j) || (right.is_some() && at(&reached, j + 1)),
                (_, Some(b'*')) => at(&reached, j + 1) || (left.is_some() && at(&below, j)),
                (Some(left), Some(right)) => left == right && at(&below, j + 1),
                _ => false,
            };
            if let Some(cell) = reached.get_mut(j) {
                *cell = both;
            }
        }
    }
    reached.first().copied().unwrap_or(false)
}

/// The text is no pattern.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// Not a name that a repository can have.
    #[error(
        "it is no name of repositories: lower-case letters, digits and `.`, `_`, `-`, with `*` in the place of some"
    )]
    NoName,
    /// No path.
    #[error("it names no path: `host/path`, such as `registry.example/shop/**`")]
    NoPath,
    /// Another spelling of a name.
    #[error("it is not spelled as it is compared: write `{}`", countersign_common::Escaped(.0))]
    NotCanonical(String),
    /// A host that anybody could have.
    #[error(
        "its host may be anybody's: `**` cannot stand for a part of one, and one label must be without `*`"
    )]
    OpenHost,
    /// Longer than any.
    #[error("it is longer than 512 bytes")]
    TooLong,
    /// `**` inside a part, or too many `*`.
    #[error("`{}` is no part of one: it has more than two `*`, or `**`, which can only be the whole last segment", countersign_common::Escaped(.0))]
    Wild(String),
}

#[cfg(test)]
mod tests;
