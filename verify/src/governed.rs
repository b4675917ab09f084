//! From a rule of a policy and the trust root that it names to a judge of images: what both allow, and never more.
//!
//! Called for each image before anything of it is fetched. Nothing here comes from evidence.

use std::{collections::BTreeSet, num::NonZeroUsize};

use countersign_common::{Code, Explain, KeyId, Limits, Repository};
use countersign_trust_roots::{
    Role, TrustRoot,
    document::Unbound,
    policy::{Matched, PolicyInvalid, Require, Rule},
    root::{self, Contents, Grant},
};

use crate::{
    Basis, Besides, DateDemand, Demand, Exceptable, Excepted, Level, Naming, PolicyBasis,
    RootVersion, Signers, Verifier,
};

/// A rule and its root allow no judgement.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Ungoverned {
    /// A level that this version does not prove.
    #[error("the policy for `{rule}` demands the level `{}`, which this version does not prove yet", require.name())]
    LevelNotYet {
        /// The rule's pattern.
        rule: String,
        /// What it demands.
        require: Require,
    },
    /// Nobody may sign there.
    #[error("root version {version} has no key that may sign in the scope of {repositories}")]
    Nobody {
        /// The root's version.
        version: u64,
        /// The repository, or a pattern.
        repositories: String,
    },
    /// The policy asks for more than the root has.
    #[error(transparent)]
    Policy(#[from] PolicyInvalid),
    /// The root does not grant it.
    #[error(transparent)]
    Root(#[from] root::Refusal),
    /// More keys must have signed than may, by what is asked besides.
    #[error(
        "besides the policy signatures by {threshold} distinct keys are demanded, and in its scope `{scope}` root version {version} lists {keys} that may sign"
    )]
    Threshold {
        /// What is demanded.
        threshold: usize,
        /// The root's version.
        version: u64,
        /// The pattern of the scope.
        scope: String,
        /// How many there are.
        keys: usize,
    },
    /// More operators must agree than the root lists, by what is asked besides.
    #[error(
        "besides the policy dates are demanded by as many operators as {threshold}, and root version {version} lists {operators}"
    )]
    TimeThreshold {
        /// What is demanded.
        threshold: usize,
        /// The root's version.
        version: u64,
        /// How many it lists.
        operators: usize,
    },
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// The policy's, before any judgement.
    Configuration,
    /// Nobody's: found out, and the answer is no.
    Refusal,
}

impl Ungoverned {
    /// Every code that is neither a policy's nor a root's.
    pub const CODES: &'static [Code] = &[
        Code::new("level-not-yet"),
        Code::new("threshold-too-high"),
        Code::new("time-threshold-too-high"),
    ];

    /// What is wrong with a rule whatever its root says: nobody needs to be asked.
    pub fn check_level(rule: &Rule) -> Result<(), Self> {
        level_of(rule).map(|_| ())
    }

    /// What is wrong with a rule wherever it is applied, as far as that can be told of a pattern.
    pub fn of_rule(rule: &Rule, root: &Contents) -> Result<(), Self> {
        Self::check_level(rule)?;
        rule.check_operators(operators(root))?;
        let granted = rule.mirrors.as_ref().unwrap_or(&rule.matches);
        let scopes = || {
            root.scopes().iter().filter(|scope| {
                let mut patterns = scope.repositories.iter();
                patterns.any(|pattern| pattern.overlaps(granted))
            })
        };
        let signs = |id: &String| names(root, id).any(|(_, key)| key.is_some());
        let mut ids = scopes().flat_map(|scope| {
            let roles = [Role::Sign, Role::Publish].into_iter();
            roles.flat_map(|role| scope.key_ids(role))
        });
        if !ids.any(signs) {
            return Err(Self::Nobody {
                version: root.version(),
                repositories: granted.to_string(),
            });
        }
        if let Some(wanted) = &rule.signers {
            let ids = scopes().flat_map(|scope| scope.key_ids(Role::Sign));
            wanted.keys(&ids.flat_map(|id| names(root, id)).collect())?;
        }
        Ok(())
    }

    /// Whose fault it is.
    pub fn class(&self) -> Class {
        match self {
            Self::LevelNotYet { .. }
            | Self::Policy(_)
            | Self::Threshold { .. }
            | Self::TimeThreshold { .. } => Class::Configuration,
            Self::Nobody { .. } | Self::Root(_) => Class::Refusal,
        }
    }
}

impl Explain for Ungoverned {
    fn code(&self) -> Code {
        match self {
            Self::LevelNotYet { .. } => Code::new("level-not-yet"),
            Self::Nobody { .. } => Code::new("scope-not-granted"),
            Self::Policy(invalid) => invalid.code(),
            Self::Root(refusal) => refusal.code(),
            Self::Threshold { .. } => Code::new("threshold-too-high"),
            Self::TimeThreshold { .. } => Code::new("time-threshold-too-high"),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::LevelNotYet { .. } => {
                "demand `dated` until then: `require = \"dated\"`".to_owned()
            }
            Self::Nobody { .. } => {
                "add a key to the scope: `countersign trust add-key --role sign`".to_owned()
            }
            Self::Policy(invalid) => invalid.remedy(),
            Self::Root(refusal) => refusal.remedy(),
            Self::Threshold { .. } => {
                "demand fewer with `--threshold`, or have keys added to the scope: `countersign trust add-key --role sign`".to_owned()
            }
            Self::TimeThreshold { .. } => {
                "demand fewer with `--time-threshold`, or add authorities of more operators: `countersign trust add-tsa`".to_owned()
            }
        }
    }
}

impl Verifier {
    /// Judges by a rule and its root. What is asked for besides is demanded besides: a person at a command may want more than
    /// a policy, and never less.
    pub fn governed(
        matched: &Matched<'_>,
        root: &TrustRoot,
        place: &Repository,
        asked: &Asked,
    ) -> Result<Self, Ungoverned> {
        let rule = matched.rule;
        let level = level_of(rule)?;
        rule.check_operators(operators(root.contents()))?;
        asked.check_operators(root.contents())?;
        let grant = root.grant(&matched.signed)?;
        let authorities = grant.authorities().map_err(|_| Ungoverned::Nobody {
            version: root.version(),
            repositories: matched.signed.to_string(),
        })?;
        let time_threshold = rule.time_threshold.max(asked.time_threshold);
        asked.check_signers(&grant)?;
        Ok(Self {
            authorities,
            time: root.time_rules(time_threshold)?,
            demand: Demand {
                threshold: asked.demand.threshold,
                signers: signers(rule, &grant)?,
                annotations: asked.demand.annotations.clone(),
                attestations: rule.attestations.clone(),
                level: level.max(asked.demand.level),
                dates: dates(rule, level.max(asked.demand.level())),
                exceptions: exceptions(rule, place),
                besides: Besides {
                    attestations: asked.demand.attestations.clone(),
                    dates: asked.demand.dates.clone(),
                },
                depth: asked.demand.depth,
                reach: asked.demand.reach.clone(),
                // Of several teams below one root, a signature without a name could be any one's.
                unbound: Unbound::Refused,
                stand_in: asked.demand.stand_in,
                legacy: asked.demand.legacy,
            },
            limits: asked.limits,
            naming: if matched.signed == *place {
                Naming::Asked
            } else {
                Naming::As(matched.signed.clone())
            },
            basis: Basis::Policy(Box::new(basis(matched, &grant))),
        })
    }
}

/// What is demanded besides a policy.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The demands; whose signatures count, what is excepted and what becomes of unbound ones is for the policy to say.
    pub demand: Demand,
    /// How many operators of time-stamp authorities must agree.
    pub time_threshold: Option<NonZeroUsize>,
    /// Bounds on evidence.
    pub limits: Limits,
}

impl Asked {
    /// A date that nobody can prove is not the image's fault.
    fn check_operators(&self, root: &Contents) -> Result<(), Ungoverned> {
        let is_dated = self.demand.level() >= Level::Dated;
        let wanted = self.time_threshold.map_or(0, NonZeroUsize::get);
        let threshold = wanted.max(usize::from(is_dated));
        let operators = operators(root);
        if threshold > operators {
            return Err(Ungoverned::TimeThreshold {
                threshold,
                version: root.version(),
                operators,
            });
        }
        Ok(())
    }

    /// More signatures than there are keys are not the image's fault either.
    fn check_signers(&self, grant: &Grant<'_>) -> Result<(), Ungoverned> {
        let ids = grant.scope().key_ids(Role::Sign).iter();
        let keys: BTreeSet<_> = ids.filter_map(|id| grant.key(Role::Sign, id)).collect();
        let threshold = self.demand.threshold.get();
        // One that published will do for one.
        if threshold > keys.len().max(1) {
            return Err(Ungoverned::Threshold {
                threshold,
                version: grant.root().version(),
                scope: grant.pattern().to_string(),
                keys: keys.len(),
            });
        }
        Ok(())
    }
}

fn level_of(rule: &Rule) -> Result<Level, Ungoverned> {
    match rule.require {
        Require::Signed => Ok(Level::Signed),
        Require::Dated => Ok(Level::Dated),
        Require::Fresh | Require::ProvenFresh => Err(Ungoverned::LevelNotYet {
            rule: rule.matches.to_string(),
            require: rule.require,
        }),
    }
}

/// How many operators of time-stamp authorities a root lists.
fn operators(root: &Contents) -> usize {
    let authorities = root.time().authorities.iter();
    let operators: BTreeSet<&str> = authorities.map(|one| one.operator.as_str()).collect();
    operators.len()
}

/// What a key of a root may be called in a policy, its id there or the hash of its material, and which it is.
fn names(root: &Contents, id: &str) -> impl Iterator<Item = (KeyId, Option<KeyId>)> {
    let declared = root.keys().get(id);
    let key = declared.and_then(|declared| declared.key.as_ref());
    let key = key.map(|key| key.id().clone());
    let by_hash = key.clone().map(|key| (key.clone(), Some(key)));
    let by_id = KeyId::parse(id).map(|id| (id, key));
    by_hash.into_iter().chain(by_id)
}

/// Which keys must have signed, and how many.
fn signers(rule: &Rule, grant: &Grant<'_>) -> Result<Signers, Ungoverned> {
    let Some(wanted) = &rule.signers else {
        return Ok(Signers::Anybody);
    };
    let root = grant.root().contents();
    let ids = grant.scope().key_ids(Role::Sign).iter();
    let keys = wanted.keys(&ids.flat_map(|id| names(root, id)).collect())?;
    Ok(Signers::AtLeast(wanted.at_least, keys))
}

/// Where a date is proven, whoever demands it, what its publisher no longer supports is refused.
fn dates(rule: &Rule, level: Level) -> Vec<DateDemand> {
    let ages = [
        rule.max_age.map(DateDemand::MaxAge),
        rule.min_age.map(DateDemand::MinAge),
    ];
    let mut dates: Vec<_> = ages.into_iter().flatten().collect();
    if level >= Level::Dated || !dates.is_empty() {
        dates.push(DateDemand::Supported);
    }
    dates
}

/// Those for images of this place.
fn exceptions(rule: &Rule, place: &Repository) -> Vec<Excepted> {
    let excepted = rule.exceptions.iter().filter_map(|exception| {
        let digest = exception.image.digest()?.clone();
        let codes = Exceptable::ALL
            .into_iter()
            .filter(|kind| exception.codes.contains(&kind.code()));
        (exception.image.repository() == place).then(|| Excepted {
            digest,
            codes: codes.collect(),
            until: exception.until,
            reason: exception.reason.clone(),
        })
    });
    excepted.collect()
}

fn basis(matched: &Matched<'_>, grant: &Grant<'_>) -> PolicyBasis {
    let root = grant.root();
    PolicyBasis {
        version: Some(RootVersion {
            number: root.version(),
            sha256: root.sha256().clone(),
        }),
        scope: Some(grant.pattern().to_string()),
        ..PolicyBasis::of(matched)
    }
}
