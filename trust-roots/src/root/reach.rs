//! Which scopes decide about the repositories of a pattern. Asked where scopes come and go, by lints and by drafts.
//!
//! Where it is not clear whether a scope decides, it is taken to: nothing is missed here.

use super::{Contents, Scope};
use crate::Pattern;

impl Contents {
    /// The scopes that decide about some of the repositories of a pattern.
    pub fn deciding(&self, pattern: &Pattern) -> Vec<&Scope> {
        let patterns = self.scopes.iter().flat_map(|scope| {
            let patterns = scope.repositories.iter();
            patterns.map(move |pattern| (pattern, scope))
        });
        let found = deciding(pattern, patterns).into_iter();
        found.map(|(_, scope)| scope).collect()
    }
}

/// Those of the patterns that decide about some repository that `pattern` stands for, if none that is more specific than it
/// decides there.
pub(super) fn deciding<'p, T>(
    pattern: &Pattern,
    among: impl Iterator<Item = (&'p Pattern, T)>,
) -> Vec<(&'p Pattern, T)> {
    let own = pattern.specificity();
    let mut found: Vec<_> = among
        .filter(|(other, _)| other.specificity() <= own && overlap(other, pattern))
        .collect();
    let covering = found.iter().filter(|(other, _)| covers(other, pattern));
    let nearest = covering.map(|(other, _)| other.specificity()).max();
    if let Some(nearest) = nearest {
        found.retain(|(other, _)| other.specificity() >= nearest);
    }
    found
}

/// Whether some repository is matched by both. Most patterns are told apart by how they begin.
pub(super) fn overlap(one: &Pattern, other: &Pattern) -> bool {
    let (one_begins, other_begins) = (beginning(one), beginning(other));
    (one_begins.starts_with(other_begins) || other_begins.starts_with(one_begins))
        && one.overlaps(other)
}

/// What every repository that it matches begins with.
pub(super) fn beginning(pattern: &Pattern) -> &str {
    let text = pattern.as_str();
    text.split_once('*').map_or(text, |(begin, _)| begin)
}

/// Whether all that `inner` stands for is matched by `outer`; not found out where both hold a `*` inside.
fn covers(outer: &Pattern, inner: &Pattern) -> bool {
    let is_literal = !inner.as_str().contains('*');
    let prefix = outer.open_prefix();
    outer == inner
        || prefix.is_some_and(|prefix| inner.as_str().starts_with(prefix))
        || (is_literal && outer.overlaps(inner))
}
