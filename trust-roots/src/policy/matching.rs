//! Which rule is for a place, and what its documents must name.
//!
//! Asked once for each image. No rule is a refusal, and so are two that are equally specific: nothing is allowed
//! because nobody thought of it, or because of the order of a file.

use countersign_common::{Code, Digest, Explain, ImageRef, Repository};

use super::{Policy, Rule};
use crate::{
    Pattern,
    pattern::{Choice, choose},
};

/// The rule for a place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Matched<'a> {
    /// SHA-256 of the policy's file.
    pub policy: &'a Digest,
    /// What is demanded.
    pub rule: &'a Rule,
    /// The repository that signed documents must name: the place, or what it mirrors.
    pub signed: Repository,
}

/// A place has no rule.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NoRule {
    /// Two match, and neither is more specific.
    #[error(
        "two policies match {place} and neither has the longer literal beginning: `{one}` and `{other}`"
    )]
    Ambiguous {
        /// The place.
        place: Repository,
        /// One of them.
        one: Pattern,
        /// Another.
        other: Pattern,
    },
    /// None matches.
    #[error("no policy matches {place}; there are: {}", listed(patterns))]
    NotFound {
        /// The place.
        place: Repository,
        /// All that there are.
        patterns: Vec<Pattern>,
    },
    /// The repository that it mirrors could not have its name.
    #[error(
        "{place} would mirror a repository below `{mirrors}` whose name no repository can have"
    )]
    Unmappable {
        /// The place.
        place: Repository,
        /// What its rule mirrors.
        mirrors: Pattern,
    },
}

impl NoRule {
    /// The code of [`NoRule::Ambiguous`].
    pub const AMBIGUOUS: Code = Code::new("policy-ambiguous");
    /// The code of [`NoRule::NotFound`].
    pub const NOT_FOUND: Code = Code::new("policy-not-found");
    /// The code of [`NoRule::Unmappable`].
    pub const UNMAPPABLE: Code = Code::new("reference-invalid");
}

impl Explain for NoRule {
    fn code(&self) -> Code {
        match self {
            Self::Ambiguous { .. } => Self::AMBIGUOUS,
            Self::NotFound { .. } => Self::NOT_FOUND,
            Self::Unmappable { .. } => Self::UNMAPPABLE,
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Ambiguous { place, .. } => {
                format!("make one literal for longer, or add a policy for `{place}`")
            }
            Self::NotFound { place, .. } => {
                format!("add a `[[policy]]` whose `match` stands for `{place}`")
            }
            Self::Unmappable { .. } => {
                "give the mirror a shorter path, or correct `mirrors` in its policy".to_owned()
            }
        }
    }
}

/// Two rules of which neither is more specific, and that match some places both: nobody can judge there.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "some repositories are matched by `{}` of line {} too, and neither has the longer literal beginning",
    other.matches, other.line
)]
pub struct Tie<'a> {
    /// The later of them.
    pub rule: &'a Rule,
    /// The earlier.
    pub other: &'a Rule,
}

impl Explain for Tie<'_> {
    fn code(&self) -> Code {
        NoRule::AMBIGUOUS
    }

    fn remedy(&self) -> String {
        "make one literal for longer, or add a policy for what both match".to_owned()
    }
}

impl Policy {
    /// Those of its rules that tie somewhere.
    pub fn ties(&self) -> impl Iterator<Item = Tie<'_>> {
        let ties = |rule: &Rule, other: &Rule| {
            // No longer beginning can cover all that both match, since both are open after theirs.
            rule.matches.specificity() == other.matches.specificity()
                && rule.matches.overlaps(&other.matches)
        };
        self.rules
            .iter()
            .enumerate()
            .flat_map(move |(index, rule)| {
                let earlier = self.rules.iter().take(index);
                earlier
                    .filter(move |other| ties(rule, other))
                    .map(move |other| Tie { rule, other })
            })
    }

    /// The rule for a place: of those that match, the one with the longest literal beginning.
    pub fn rule_for(&self, place: &Repository) -> Result<Matched<'_>, NoRule> {
        // In an order of their own, so that what is said does not depend on the file's.
        let mut rules: Vec<&Rule> = self.rules.iter().collect();
        rules.sort_by_key(|rule| &rule.matches);
        let matching = rules.iter().filter(|rule| rule.matches.matches(place));
        match choose(matching.map(|rule| (rule.matches.specificity(), *rule))) {
            Choice::One(rule) => Ok(Matched {
                policy: &self.sha256,
                rule,
                signed: rule.signed(place)?,
            }),
            Choice::None => Err(NoRule::NotFound {
                place: place.clone(),
                patterns: rules.iter().map(|rule| rule.matches.clone()).collect(),
            }),
            Choice::Tie(one, other) => Err(NoRule::Ambiguous {
                place: place.clone(),
                one: one.matches.clone(),
                other: other.matches.clone(),
            }),
        }
    }
}

impl Rule {
    /// What documents about a place must name. What `**` matched is copied.
    fn signed(&self, place: &Repository) -> Result<Repository, NoRule> {
        let Some(mirrors) = &self.mirrors else {
            return Ok(place.clone());
        };
        let name = place.to_string();
        let rest = self
            .matches
            .open_prefix()
            .and_then(|prefix| name.strip_prefix(prefix));
        let signed = match (mirrors.open_prefix(), rest) {
            (Some(prefix), Some(rest)) => format!("{prefix}{rest}"),
            _ => mirrors.to_string(),
        };
        ImageRef::parse(&signed)
            .map(|image| image.repository().clone())
            .map_err(|_| NoRule::Unmappable {
                place: place.clone(),
                mirrors: mirrors.clone(),
            })
    }
}

/// Few of them: a thousand would hide the sentence.
fn listed(patterns: &[Pattern]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<_> = patterns
        .iter()
        .take(SHOWN)
        .map(|pattern| format!("`{pattern}`"))
        .collect();
    match patterns.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
