//! From the text of a policy to what it demands, or to what is wrong with it and where.
//!
//! Called by [`super::Policy::parse`]. Whatever could be met by nothing, or by everything by mistake, is refused here.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    ops::Range,
    sync::Arc,
    time::Duration,
};

use countersign_common::{
    Code, Digest, ImageRef, KeyId, Timestamp, age, digest::HashAlgorithm, predicate::PredicateType,
};
use serde::Deserialize;
use toml::de::{DeTable, DeValue};

use super::{
    Dating, Exception, Idle, PinnedRoot, Policy, PolicyInvalid, Position, Reaction, Reason,
    Require, RootSource, Rule, Signers, Unknown, Vain,
    document::{
        ExceptionDocument, Located, PolicyDocument, RootDocument, RuleDocument, SignersDocument,
    },
    exception,
};
use crate::{Pattern, RootName};

const BYTES: usize = 1 << 20;
const POLICIES: usize = 1_000;
const ROOTS: usize = 100;
const SOURCES: usize = 16;
const EXCEPTIONS: usize = 1_000;
const SIGNERS: usize = 64;
const ATTESTATIONS: usize = 64;
const REASON_BYTES: usize = 1_024;

pub(super) fn policy(text: &str) -> Result<Policy, PolicyInvalid> {
    let file = File(text);
    if text.len() > BYTES {
        return Err(file.wrong(0..0, too_long("policy.toml", BYTES)));
    }
    let table = DeTable::parse(text).map_err(|error| file.refused(&error))?;
    file.version(table.get_ref())?;
    let document = PolicyDocument::deserialize(toml::Deserializer::from(table))
        .map_err(|error| file.refused(&error))?;
    let roots = file.roots(&document.roots)?;
    let rules = file.rules(&document.policy, &roots)?;
    Ok(Policy {
        sha256: Digest::sha256(text.as_bytes()),
        roots,
        rules,
    })
}

type Roots = BTreeMap<RootName, Arc<PinnedRoot>>;

/// The file's text, in which every fault has a place.
#[derive(Clone, Copy)]
struct File<'a>(&'a str);

impl File<'_> {
    fn wrong(self, span: Range<usize>, reason: Reason) -> PolicyInvalid {
        PolicyInvalid {
            at: Position::of(self.0, span.start),
            reason,
        }
    }

    fn refused(self, error: &toml::de::Error) -> PolicyInvalid {
        self.wrong(
            error.span().unwrap_or_default(),
            Reason::of_parser(error.message()),
        )
    }

    /// Before all else, so that a later version is not called misspelt.
    fn version(self, table: &DeTable<'_>) -> Result<(), PolicyInvalid> {
        let Some(version) = table.get("version") else {
            return Err(self.wrong(0..0, Reason::Missing("version".to_owned())));
        };
        match version.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 && number.as_str() == "1" => Ok(()),
            _ => Err(self.wrong(version.span(), Reason::Version)),
        }
    }

    fn roots(
        self,
        documents: &BTreeMap<Located<String>, RootDocument>,
    ) -> Result<Roots, PolicyInvalid> {
        if let Some((name, _)) = documents.iter().nth(ROOTS) {
            return Err(name.wrong(self, too_many("roots", ROOTS)));
        }
        documents
            .iter()
            .map(|(name, document)| {
                let root = self.root(name, document)?;
                Ok((root.name.clone(), Arc::new(root)))
            })
            .collect()
    }

    fn root(
        self,
        name: &Located<String>,
        document: &RootDocument,
    ) -> Result<PinnedRoot, PolicyInvalid> {
        Ok(PinnedRoot {
            name: name
                .value()
                .parse()
                .map_err(|_| name.wrong(self, Reason::RootName))?,
            fingerprint: Digest::parse(document.fingerprint.value())
                .ok()
                .filter(|digest| digest.algorithm() == HashAlgorithm::Sha256)
                .ok_or_else(|| document.fingerprint.wrong(self, Reason::Fingerprint))?,
            sources: self
                .list(&document.sources, "sources", SOURCES)?
                .iter()
                .map(|source| {
                    RootSource::parse(source.value())
                        .map_err(|error| source.wrong(self, Reason::Source(error)))
                })
                .collect::<Result<_, _>>()?,
        })
    }

    fn rules(
        self,
        documents: &Located<Vec<Located<RuleDocument>>>,
        roots: &Roots,
    ) -> Result<Vec<Rule>, PolicyInvalid> {
        let documents = self.list(documents, "policy", POLICIES)?;
        let mut lines = BTreeMap::new();
        let mut rules = Vec::with_capacity(documents.len());
        for document in documents {
            let rule = self.rule(document, roots)?;
            if let Some(line) = lines.insert(rule.matches.clone(), rule.line) {
                let pattern = &document.value().pattern;
                return Err(pattern.wrong(self, Reason::PatternTwice { line }));
            }
            rules.push(rule);
        }
        Ok(rules)
    }

    fn rule(self, located: &Located<RuleDocument>, roots: &Roots) -> Result<Rule, PolicyInvalid> {
        let document = located.value();
        let matches = self.pattern(&document.pattern)?;
        let (min_age, max_age) = self.ages(document)?;
        Ok(Rule {
            line: located.at(self).line,
            mirrors: self.mirrors(document, &matches)?,
            root: self.root_of(document, roots)?,
            mode: self.word(&document.mode)?,
            require: self.word(&document.require)?,
            heartbeat_max_age: self.heartbeat_max_age(document)?,
            state: self.optional_word(document.state.as_ref())?,
            min_age,
            max_age,
            time_threshold: document
                .time_threshold
                .as_ref()
                .map(|count| self.count(count))
                .transpose()?,
            superseded: self.optional_word(document.superseded.as_ref())?,
            deprecated: self.optional_word(document.deprecated.as_ref())?,
            grace: self
                .duration(document.grace.as_ref())?
                .unwrap_or(Duration::ZERO),
            signers: document
                .signers
                .as_ref()
                .map(|signers| self.signers(signers))
                .transpose()?,
            attestations: self.attestations(document)?,
            exceptions: self.exceptions(document, &matches)?,
            idle: self.idle(document),
            dating: self.dating(document),
            matches,
        })
    }

    fn pattern(self, text: &Located<String>) -> Result<Pattern, PolicyInvalid> {
        Pattern::parse(text.value()).map_err(|error| text.wrong(self, Reason::Pattern(error)))
    }

    fn mirrors(
        self,
        document: &RuleDocument,
        matches: &Pattern,
    ) -> Result<Option<Pattern>, PolicyInvalid> {
        let Some(text) = &document.mirrors else {
            return Ok(None);
        };
        let mirrors = self.pattern(text)?;
        let both = |is: fn(&Pattern) -> bool| is(matches) && is(&mirrors);
        if both(|pattern| pattern.open_prefix().is_some())
            || both(|pattern| !pattern.as_str().contains('*'))
        {
            Ok(Some(mirrors))
        } else {
            Err(text.wrong(self, Reason::Mirrors))
        }
    }

    fn root_of(
        self,
        document: &RuleDocument,
        roots: &Roots,
    ) -> Result<Arc<PinnedRoot>, PolicyInvalid> {
        let name = document.root.value();
        roots.get(name.as_str()).cloned().ok_or_else(|| {
            let known = roots.keys().map(RootName::as_str);
            let reason = Reason::UnknownRoot(Unknown::new(name, known));
            document.root.wrong(self, reason)
        })
    }

    fn heartbeat_max_age(self, document: &RuleDocument) -> Result<Option<Duration>, PolicyInvalid> {
        let limit = document.heartbeat_max_age.as_ref();
        if limit.is_none() && *document.require.value() >= Require::Fresh {
            return Err(document.require.wrong(self, Reason::HeartbeatMaxAge));
        }
        self.limit(limit, "heartbeat-max-age")
    }

    fn ages(
        self,
        document: &RuleDocument,
    ) -> Result<(Option<Duration>, Option<Duration>), PolicyInvalid> {
        let min = self.duration(document.min_age.as_ref())?;
        let max = self.limit(document.max_age.as_ref(), "max-age")?;
        if let (Some(least), Some(most), Some(text)) = (min, max, &document.max_age)
            && most < least
        {
            return Err(text.wrong(self, Reason::AgesCross));
        }
        Ok((min, max))
    }

    /// Ages demand a date, whatever is required.
    fn dating(self, document: &RuleDocument) -> Dating {
        let is_required = *document.require.value() >= Require::Dated;
        let ages = [&document.max_age, &document.min_age];
        let age = || ages.into_iter().flatten().next();
        Dating {
            date: if is_required {
                Some(document.require.at(self))
            } else {
                age().map(|age| age.at(self))
            },
            threshold: document.time_threshold.as_ref().map(|count| count.at(self)),
        }
    }

    /// What is said in vain, in the order of the file.
    fn idle(self, document: &RuleDocument) -> Vec<Idle> {
        let mut idle = Vec::new();
        let mut push = |at, what: &str, vain| {
            let what = format!("`{what}`");
            idle.push(Idle { at, what, vain });
        };
        if *document.require.value() < Require::Fresh {
            let reactions = [
                ("superseded", &document.superseded),
                ("deprecated", &document.deprecated),
            ];
            for (member, reaction) in reactions {
                if let Some(reaction) = reaction
                    && *reaction.value() == Reaction::Deny
                {
                    push(reaction.at(self), member, Vain::BelowFresh);
                }
            }
            if let Some(limit) = &document.heartbeat_max_age {
                push(limit.at(self), "heartbeat-max-age", Vain::BelowFresh);
            }
            let codes = document.exception.iter();
            for code in codes.flat_map(|exception| exception.value().codes.value()) {
                if exception::OF_TABLES
                    .map(Code::as_str)
                    .contains(&code.value().as_str())
                {
                    push(code.at(self), code.value(), Vain::BelowFresh);
                }
            }
        }
        if let Some(grace) = &document.grace {
            push(grace.at(self), "grace", Vain::NoGate);
        }
        idle.sort_by_key(|one| one.at);
        idle
    }

    /// A length of time that something must be within.
    fn limit(
        self,
        text: Option<&Located<String>>,
        member: &'static str,
    ) -> Result<Option<Duration>, PolicyInvalid> {
        let limit = self.duration(text)?;
        match text {
            Some(text) if limit == Some(Duration::ZERO) => {
                Err(text.wrong(self, Reason::Zero(member)))
            }
            _ => Ok(limit),
        }
    }

    fn duration(self, text: Option<&Located<String>>) -> Result<Option<Duration>, PolicyInvalid> {
        text.map(|text| {
            age::parse_duration(text.value())
                .map_err(|error| text.wrong(self, Reason::Duration(error)))
        })
        .transpose()
    }

    /// In decimal digits alone, since `0x10` and `1_0` are read as other numbers by who reads quickly.
    fn count(self, number: &Located<i64>) -> Result<NonZeroUsize, PolicyInvalid> {
        let written = self.0.get(number.0.span()).unwrap_or_default();
        usize::try_from(*number.value())
            .ok()
            .filter(|count| *count <= SIGNERS)
            .filter(|_| written.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(NonZeroUsize::new)
            .ok_or_else(|| number.wrong(self, Reason::Number))
    }

    /// A word in quotes: the parser would take a table that has it as a name, too.
    fn word<T: Copy>(self, word: &Located<T>) -> Result<T, PolicyInvalid> {
        let written = self.0.get(word.0.span()).unwrap_or_default();
        if written.starts_with(['"', '\'']) {
            Ok(*word.value())
        } else {
            Err(word.wrong(self, Reason::Type("a string")))
        }
    }

    fn optional_word<T: Copy + Default>(
        self,
        word: Option<&Located<T>>,
    ) -> Result<T, PolicyInvalid> {
        word.map_or_else(|| Ok(T::default()), |word| self.word(word))
    }

    fn signers(self, document: &SignersDocument) -> Result<Signers, PolicyInvalid> {
        let at_least = self.count(&document.at_least)?;
        let mut of = BTreeSet::new();
        for text in self.list(&document.of, "of", SIGNERS)? {
            let key = KeyId::parse(text.value()).map_err(|_| text.wrong(self, Reason::Key))?;
            if !of.insert(key) {
                return Err(text.wrong(self, Reason::KeyTwice));
            }
        }
        if at_least.get() > of.len() {
            let reason = Reason::SignersTooFew {
                at_least: at_least.get(),
                listed: of.len(),
            };
            return Err(document.at_least.wrong(self, reason));
        }
        Ok(Signers {
            at_least,
            of,
            at: document.of.at(self),
        })
    }

    fn attestations(
        self,
        document: &RuleDocument,
    ) -> Result<BTreeSet<PredicateType>, PolicyInvalid> {
        let Some(list) = &document.attestations else {
            return Ok(BTreeSet::new());
        };
        self.list(list, "attestations", ATTESTATIONS)?
            .iter()
            .map(|text| {
                text.value().parse().map_err(|_| {
                    let unknown = Unknown::new(text.value(), PredicateType::names());
                    text.wrong(self, Reason::UnknownAttestation(unknown))
                })
            })
            .collect()
    }

    fn exceptions(
        self,
        document: &RuleDocument,
        matches: &Pattern,
    ) -> Result<Vec<Exception>, PolicyInvalid> {
        if let Some(document) = document.exception.get(EXCEPTIONS) {
            return Err(document.wrong(self, too_many("exception", EXCEPTIONS)));
        }
        document
            .exception
            .iter()
            .map(|document| self.exception(document.value(), matches))
            .collect()
    }

    fn exception(
        self,
        document: &ExceptionDocument,
        matches: &Pattern,
    ) -> Result<Exception, PolicyInvalid> {
        let image = ImageRef::parse(document.image.value())
            .ok()
            .filter(|image| image.digest().is_some())
            .ok_or_else(|| document.image.wrong(self, Reason::ExceptionImage))?;
        if !matches.matches(image.repository()) {
            return Err(document.image.wrong(self, Reason::ExceptionElsewhere));
        }
        Ok(Exception {
            image,
            codes: self
                .list(&document.codes, "codes", exception::CODES.len())?
                .iter()
                .map(|text| self.code(text))
                .collect::<Result<_, _>>()?,
            reason: self.reason(&document.reason)?,
            until: Timestamp::parse(document.until.value())
                .map_err(|_| document.until.wrong(self, Reason::Until))?,
            at: document.image.at(self),
        })
    }

    fn code(self, text: &Located<String>) -> Result<Code, PolicyInvalid> {
        exception::CODES
            .into_iter()
            .find(|code| code.as_str() == text.value())
            .ok_or_else(|| {
                let unknown = Unknown::new(text.value(), exception::CODES.map(Code::as_str));
                text.wrong(self, Reason::ExceptionCode(unknown))
            })
    }

    fn reason(self, text: &Located<String>) -> Result<String, PolicyInvalid> {
        if text.value().trim().is_empty() {
            return Err(text.wrong(self, Reason::Empty("reason")));
        }
        if text.value().len() > REASON_BYTES {
            return Err(text.wrong(self, too_long("reason", REASON_BYTES)));
        }
        Ok(text.value().clone())
    }

    /// A list of something, but not of everything.
    fn list<'a, T>(
        self,
        list: &'a Located<Vec<Located<T>>>,
        what: &'static str,
        limit: usize,
    ) -> Result<&'a [Located<T>], PolicyInvalid> {
        if list.value().is_empty() {
            return Err(list.wrong(self, Reason::Empty(what)));
        }
        match list.value().get(limit) {
            Some(item) => Err(item.wrong(self, too_many(what, limit))),
            None => Ok(list.value()),
        }
    }
}

impl<T> Located<T> {
    fn value(&self) -> &T {
        self.0.get_ref()
    }

    fn at(&self, file: File<'_>) -> Position {
        Position::of(file.0, self.0.span().start)
    }

    fn wrong(&self, file: File<'_>, reason: Reason) -> PolicyInvalid {
        file.wrong(self.0.span(), reason)
    }
}

fn too_long(what: &'static str, limit: usize) -> Reason {
    Reason::TooLong { what, limit }
}

fn too_many(what: &'static str, limit: usize) -> Reason {
    Reason::TooMany { what, limit }
}
