//! Patterns of repositories, as trust roots grant them and policies match them.
//!
//! Made from text once; asked for the most specific that matches. No regular expression, nothing that can take long.

use std::{cmp::Ordering, fmt};

use countersign_common::{ImageRef, Repository};

/// A pattern of canonical repositories, such as `registry.example/shop/**`.
///
/// `*` stands for any characters inside one label of the host or one segment of the path; `**` as the last segment of the
/// path for one or more segments. A host is never left open: `**` is not for it, and labels are counted. A port is literal,
/// and where there is none there must be none: another port is another registry.
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
        if host.contains("**") {
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
            _ => Err(PatternError::NoName),
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
    #[error("`**` cannot stand for a host, or a part of one")]
    OpenHost,
    /// Longer than any.
    #[error("it is longer than 512 bytes")]
    TooLong,
    /// `**` inside a part, or too many `*`.
    #[error("`{}` is no part of one: it has more than two `*`, or `**`, which can only be the whole last segment", countersign_common::Escaped(.0))]
    Wild(String),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn repository(name: &str) -> Repository {
        ImageRef::parse(name).unwrap().repository().clone()
    }

    #[test]
    fn a_pattern_matches_what_it_stands_for_and_nothing_else() {
        for (text, yes, no) in [
            (
                "registry.example/shop/**",
                &["registry.example/shop/api", "registry.example/shop/a/b/c"][..],
                &[
                    "registry.example/shop",
                    "registry.example/shopping/api",
                    "evil.example/shop/api",
                ][..],
            ),
            (
                "*.example.com/**",
                &["a.example.com/x"],
                &[
                    "a.b.example.com/x",
                    "evil.com/x.example.com/y",
                    "example.com/x",
                ],
            ),
            (
                "registry.example/team-*/api",
                &[
                    "registry.example/team-a/api",
                    "registry.example/team-a-b/api",
                ],
                &[
                    "registry.example/team-a/b/api",
                    "registry.example/team/api",
                    "registry.example/team-a/api2",
                ],
            ),
            (
                "registry.example/shop/api",
                &["registry.example/shop/api"],
                &["registry.example/shop/api/x", "registry.example/shop/ap"],
            ),
            (
                "docker.io/**",
                &["nginx", "docker.io/acme/api"],
                &["quay.io/nginx"],
            ),
            ("docker.io/acme/**", &["acme/api"], &["nginx", "other/api"]),
            (
                "localhost:5000/*",
                &["localhost:5000/x"],
                &["localhost:5001/x", "localhost:5000/x/y", "localhost/x"],
            ),
            // Another port is another registry.
            (
                "127.0.0.*/**",
                &["127.0.0.1/x", "127.0.0.27/x/y"],
                &["127.0.0.1:5000/x", "127.0.0.1:80/x"],
            ),
            (
                "[2001:db8::*]/**",
                &["[2001:db8::1]/x"],
                &["[2001:db8::1]:5000/x", "[2001:db7::1]/x"],
            ),
            (
                "registry.*:5000/*",
                &["registry.example:5000/x"],
                &[
                    "registry.example/x",
                    "registry.example:50001/x",
                    "registry.example:5001/x",
                ],
            ),
            (
                "111122223333.dkr.ecr.*.amazonaws.com/shop/**",
                &["111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api"],
                &["111122223333.dkr.ecr.eu-west-1.evil.amazonaws.com/shop/api"],
            ),
        ] {
            for name in yes {
                assert!(pattern(text).matches(&repository(name)), "{text} {name}");
            }
            for name in no {
                assert!(!pattern(text).matches(&repository(name)), "{text} {name}");
            }
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "",
            "*",
            "**",
            "**/x",
            "***.example/x",
            "registry.example",
            "registry.example/",
            "registry.example//x",
            "registry.example/shop/",
            "registry.example/**/api",
            "registry.example/shop**",
            "registry.example/a*b*c*d",
            "registry.example:*/x",
            "registry.example:50*/x",
            "registry.example*:/x",
            "Registry.example/shop/**",
            "registry.example/Shop/**",
            "registry.example/shop:1",
            "registry.example/shop@sha256:aa",
            "registry.example/shop /x",
            "registry.ex\u{430}mple/shop/**",
            "https://registry.example/shop",
            "registry.example/../x",
            "index.docker.io/library/nginx",
            "nginx",
            "shop/**",
        ] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
        assert!(Pattern::parse(&format!("registry.example/{}", "a".repeat(512))).is_err());
        let error = Pattern::parse("index.docker.io/library/nginx").unwrap_err();
        assert!(
            error.to_string().contains("`docker.io/library/nginx`"),
            "{error}"
        );
    }

    #[test]
    fn the_longest_literal_prefix_decides() {
        let choose = |texts: &[&'static str], name: &str| {
            let name = repository(name);
            let matching = texts.iter().filter(|text| pattern(text).matches(&name));
            choose(matching.map(|text| (pattern(text).specificity(), *text)))
        };
        let texts = [
            "registry.example/**",
            "registry.example/shop/**",
            "registry.example/shop/*",
            "registry.example/shop/api",
            "registry.example/shop/api*",
        ];
        assert_eq!(
            choose(&texts, "registry.example/shop/api"),
            Choice::One("registry.example/shop/api")
        );
        assert_eq!(
            choose(&texts, "registry.example/shop/api2"),
            Choice::One("registry.example/shop/api*")
        );
        assert_eq!(
            choose(&texts, "registry.example/shop/a/b"),
            Choice::One("registry.example/shop/**")
        );
        assert_eq!(
            choose(&texts, "registry.example/x"),
            Choice::One("registry.example/**")
        );
        assert_eq!(choose(&texts, "other.example/x"), Choice::None);
        assert_eq!(
            choose(&texts, "registry.example/shop/b"),
            Choice::Tie("registry.example/shop/**", "registry.example/shop/*")
        );
    }

    #[test]
    fn an_open_prefix_is_literal() {
        assert_eq!(
            pattern("registry.example/shop/**").open_prefix(),
            Some("registry.example/shop/")
        );
        for text in [
            "registry.example/*/**",
            "registry.example/shop",
            "registry.example/*",
        ] {
            assert_eq!(pattern(text).open_prefix(), None, "{text}");
        }
    }

    #[test]
    fn overlaps_are_found() {
        for (one, other, overlaps) in [
            ("a.example/**", "a.example/x/**", true),
            ("a.example/x/**", "a.example/y/**", false),
            ("*.example/x", "a.example/*", true),
            ("a.example/x*", "a.example/*y", true),
            ("a.example/x*y", "a.example/y*x", false),
            ("a.example/x", "a.example/x", true),
            ("a.example/x/**", "a.example/x", false),
            ("a.example/*", "a.example/x/**", false),
            ("a.example/*/z", "a.example/x/**", true),
            ("a.*/x", "a.example:5000/x", false),
            ("a.*:5000/x", "a.example:5000/*", true),
            ("a.*:5000/x", "*.example:5001/x", false),
        ] {
            assert_eq!(
                pattern(one).overlaps(&pattern(other)),
                overlaps,
                "{one} {other}"
            );
            assert_eq!(
                pattern(other).overlaps(&pattern(one)),
                overlaps,
                "{other} {one}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text: String) {
            let _ = Pattern::parse(&text);
        }

        #[test]
        fn two_that_match_one_name_overlap(one in PATTERN, other in PATTERN, name in NAME) {
            if matches(&one, &name) && matches(&other, &name) {
                prop_assert!(overlap(&Parts::of(&one), &Parts::of(&other)), "{} {} {}", one, other, name);
            }
        }

        #[test]
        fn names_match_by_definition(pattern in PATTERN, name in NAME) {
            prop_assert_eq!(matches(&pattern, &name), defined(&pattern, &name), "{} {}", pattern, name);
        }

        #[test]
        fn globs_match_as_regular_expressions_do(pattern in "[ab*]{0,6}", text in "[ab]{0,8}") {
            prop_assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), slow(pattern.as_bytes(), text.as_bytes()));
        }
    }

    /// In each part few letters, so that they meet.
    const PATTERN: &str = "[ab*]{1,3}(\\.[ab*]{1,2})?(:[12])?(/[ab*]{1,3}){1,2}(/\\*\\*)?";
    const NAME: &str = "[ab]{1,2}(\\.[ab]{1,2})?(:[12])?(/[ab]{1,2}){1,3}";

    /// Part by part, by definition.
    fn defined(pattern: &str, name: &str) -> bool {
        let (pattern, name) = (whole(pattern), whole(name));
        let (mut pattern, mut name) = (pattern.as_slice(), name.as_slice());
        while let Some((first, rest)) = pattern.split_first() {
            if first == "/**" && rest.is_empty() {
                return !name.is_empty() && name.iter().all(|part| part.starts_with('/'));
            }
            let Some((part, left)) = name.split_first() else {
                return false;
            };
            if !slow(first.as_bytes(), part.as_bytes()) {
                return false;
            }
            (pattern, name) = (rest, left);
        }
        name.is_empty()
    }

    /// Each part with what comes before it, and a port that is always there.
    fn whole(text: &str) -> Vec<String> {
        let (host, path) = text.split_once('/').unwrap();
        let (labels, port) = host.split_once(':').unwrap_or((host, "none"));
        let labels = labels.split('.').map(|label| format!(".{label}"));
        let segments = path.split('/').map(|segment| format!("/{segment}"));
        labels.chain([format!(":{port}")]).chain(segments).collect()
    }

    /// By definition.
    fn slow(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|from| slow(rest, &text[from..])),
            Some((byte, rest)) => text.first() == Some(byte) && slow(rest, &text[1..]),
        }
    }
}
