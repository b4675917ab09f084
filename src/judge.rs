//! Who judges each image: keys that were named by hand, or a policy and the trust roots that it pins.
//!
//! Made once for a command, before anything of an image is fetched: what is wrong with a policy, or cannot be met by its
//! roots, ends the command and judges nothing.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    num::NonZeroUsize,
    path::Path,
    time::Duration,
};

use countersign_common::{Code, Explain, ImageRef, Limits, Repository, Timestamp};
use countersign_registry::Client;
use countersign_trust_roots::{
    RootName,
    document::{StandIn, Unbound},
    policy::{Matched, NoRule, PinnedRoot, Policy, Rule, StateUse},
    state::{Advance, RootMemory, State},
};
use countersign_verify::{
    Asked, Basis, Besides, Class, Demand, Depth, Legacy, Level, Outcome, PolicyBasis, Reach,
    RootVersion, Signers, Ungoverned, Verdict, Verifier,
};
use futures_util::future;

use crate::{
    exit::Exit,
    output::Stop,
    policy_file::{self, PolicyFile},
    roots::{self, Means, Opened, Probe, RootError},
    state::Store,
};

/// Whose word decides.
pub(crate) enum Judge {
    /// That of keys named by hand.
    Keys(Box<Verifier>),
    /// That of a policy and its roots.
    Policy(Box<Court>),
}

/// A policy with its roots opened, and what is remembered.
pub(crate) struct Court {
    policy: Policy,
    roots: BTreeMap<RootName, Result<Opened, RootError>>,
    asked: Asked,
    memory: Memory,
    system: Timestamp,
    now: Timestamp,
}

/// What was remembered before, and whether there is anything to remember it by.
struct Memory {
    store: Option<Store>,
    state: Option<State>,
    begin: Begin,
}

impl Memory {
    /// Where what was learned is kept; `None` if there is no memory, and none is begun.
    fn kept(&self) -> Option<&Store> {
        let is_kept = self.state.is_some() || self.begin == Begin::Now;
        self.store.as_ref().filter(|_| is_kept)
    }
}

/// Whether a memory is begun where there is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Begin {
    /// It is.
    Now,
    /// It is not.
    Not,
}

/// What the time of a judgement is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    /// Another time than now: nothing is remembered.
    AsOf(Timestamp),
    /// Now.
    Now,
}

/// Demands nothing besides a policy.
pub(crate) fn nothing_besides(stand_in: StandIn) -> Asked {
    Asked {
        demand: Demand {
            threshold: NonZeroUsize::MIN,
            signers: Signers::Anybody,
            annotations: BTreeMap::new(),
            attestations: BTreeSet::new(),
            level: Level::Signed,
            dates: Vec::new(),
            exceptions: Vec::new(),
            besides: Besides::default(),
            depth: Depth::Manifest,
            reach: Reach::Resolved,
            unbound: Unbound::Refused,
            stand_in,
            legacy: Legacy::Ignored,
        },
        time_threshold: None,
        limits: Limits::TABLE,
    }
}

/// Which roots are needed.
#[derive(Clone, Copy)]
pub(crate) enum Needed<'a> {
    /// Those that decide about these images.
    For(&'a [ImageRef]),
    /// The same, where what is wrong with the policy is to be shown, and ends nothing.
    ToExplain(&'a [ImageRef]),
    /// Those of these names.
    Named(&'a BTreeSet<RootName>),
}

impl Needed<'_> {
    fn roots(self, policy: &Policy) -> Result<BTreeMap<RootName, PinnedRoot>, Stop> {
        let mut roots = BTreeMap::new();
        let images = match self {
            Self::Named(names) => return Ok(pinned(policy, names)),
            Self::For(images) | Self::ToExplain(images) => images,
        };
        for image in images {
            match policy.rule_for(image.repository()) {
                // Whatever its root says.
                Ok(Matched { rule, .. })
                    if matches!(self, Self::ToExplain(_))
                        && Ungoverned::check_level(rule).is_err() => {}
                Ok(Matched { rule, .. }) => {
                    roots.insert(rule.root.name.clone(), PinnedRoot::clone(&rule.root));
                }
                Err(ambiguous @ NoRule::Ambiguous { .. }) if matches!(self, Self::For(_)) => {
                    return Err(Stop::new(Exit::Usage, &ambiguous));
                }
                // Said of the image, beside the others.
                Err(_) => {}
            }
        }
        Ok(roots)
    }
}

fn pinned(policy: &Policy, names: &BTreeSet<RootName>) -> BTreeMap<RootName, PinnedRoot> {
    let needed = policy.roots().filter(|root| names.contains(&root.name));
    needed
        .map(|root| (root.name.clone(), root.clone()))
        .collect()
}

/// How a court is convened.
pub(crate) struct Summons<'a> {
    pub(crate) client: &'a Client,
    pub(crate) timeout: u64,
    pub(crate) state_dir: Option<&'a Path>,
    pub(crate) begin: Begin,
    pub(crate) when: When,
    /// The time of this machine's clock.
    pub(crate) system: Timestamp,
}

impl Court {
    /// Opens the roots that the images need, all at once.
    pub(crate) async fn convene(
        file: PolicyFile,
        needed: Needed<'_>,
        asked: Asked,
        summons: Summons<'_>,
    ) -> Result<Self, Stop> {
        if let Needed::For(images) = needed {
            check_levels(&file.policy, images)?;
        }
        let court = Self::open(file.policy, needed, (asked, Probe::Hourly), summons).await?;
        court.warn();
        if let Needed::For(images) = needed {
            court.check_configuration(images, &file.path)?;
        }
        Ok(court)
    }

    /// The same for a signer, who asks what the roots say and judges nothing.
    pub(crate) async fn of_signer(
        policy: Policy,
        needed: Needed<'_>,
        summons: Summons<'_>,
    ) -> Result<Self, Stop> {
        let asked = nothing_besides(StandIn::Refused);
        let court = Self::open(policy, needed, (asked, Probe::Now), summons).await?;
        court.warn();
        Ok(court)
    }

    /// The same for whoever wants to know what the sources have at this moment, and is told which could not be asked.
    pub(crate) async fn of_newest(
        policy: Policy,
        needed: Needed<'_>,
        summons: Summons<'_>,
    ) -> Result<Self, Stop> {
        let asked = nothing_besides(StandIn::Refused);
        Self::open(policy, needed, (asked, Probe::Now), summons).await
    }

    async fn open(
        policy: Policy,
        needed: Needed<'_>,
        (asked, probe): (Asked, Probe),
        summons: Summons<'_>,
    ) -> Result<Self, Stop> {
        let roots = needed.roots(&policy)?;
        let store = match Store::open(summons.state_dir) {
            // Without a home nothing is remembered, as where nothing ever was.
            Err(_) if summons.state_dir.is_none() && summons.begin == Begin::Not => None,
            store => Some(store?),
        };
        let state = store.as_ref().map(Store::read).transpose()?.flatten();
        let now = match (summons.when, &state) {
            (When::AsOf(time), _) => time,
            (When::Now, Some(state)) => state.now(summons.system),
            (When::Now, None) => summons.system,
        };
        let nothing = State::default();
        let memory = match (&store, &state, summons.begin) {
            (Some(store), Some(state), _) => Some((store, state)),
            (Some(store), None, Begin::Now) => Some((store, &nothing)),
            _ => None,
        };
        if let Some((store, _)) = memory {
            store.check_roots(roots.keys())?;
        }
        let means = Means {
            client: summons.client,
            timeout: Duration::from_secs(summons.timeout),
            probe,
            memory,
        };
        let opened = future::join_all(
            roots
                .values()
                .map(|root| roots::open(root, &means, (summons.system, now))),
        )
        .await;
        let names = roots.into_keys();
        Ok(Self {
            policy,
            roots: names.zip(opened).collect(),
            asked,
            memory: Memory {
                store,
                state,
                begin: summons.begin,
            },
            system: summons.system,
            now,
        })
    }

    /// Says which sources could not be asked, and which roots are soon over: on that day nothing is verified any more.
    fn warn(&self) {
        let opened = self.roots.values().filter_map(|root| root.as_ref().ok());
        for opened in opened {
            for failure in &opened.unavailable {
                tracing::warn!("{failure}");
            }
            let root = opened.root.contents();
            if roots::expires_soon(root, self.now) {
                tracing::warn!(
                    "version {} of trust root {} expires at {}: then nothing is trusted by it; ask those who hold its root keys for a new version",
                    root.version(),
                    root.name(),
                    root.expires()
                );
            }
        }
    }

    /// What a policy demands and no root can give is its own fault, and not an image's.
    fn check_configuration(&self, images: &[ImageRef], path: &Path) -> Result<(), Stop> {
        let obstacles = images
            .iter()
            .filter_map(|image| self.verifier(image).err())
            .flatten();
        for obstacle in obstacles {
            match obstacle {
                Obstacle::Ungoverned(Ungoverned::Policy(source)) => {
                    return Err(policy_file::unmeetable(path, source));
                }
                Obstacle::Ungoverned(other) if other.class() == Class::Configuration => {
                    return Err(Stop::new(Exit::Usage, &other));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The time that is judged by.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// The policy.
    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// A root that was opened.
    pub(crate) fn root(&self, name: &RootName) -> Option<&Result<Opened, RootError>> {
        self.roots.get(name)
    }

    /// What was remembered of a root before.
    pub(crate) fn remembered(&self, name: &RootName) -> Option<&RootMemory> {
        self.memory.state.as_ref()?.root(name)
    }

    /// The judge of an image, or all that stands in the way of one.
    pub(crate) fn verifier(&self, image: &ImageRef) -> Result<Verifier, Vec<Obstacle<'_>>> {
        let place = image.repository();
        let matched = match self.policy.rule_for(place) {
            Ok(matched) => matched,
            Err(no_rule) => return Err(vec![Obstacle::NoRule(no_rule)]),
        };
        let judge = self.by_root(&matched, place);
        // Beside what the root says: that nothing is remembered must hide nothing that is worse.
        let missing = self.check_state(matched.rule).err();
        match (judge, missing) {
            (Ok(verifier), None) => Ok(verifier),
            (judge, missing) => {
                let missing = missing.map(Obstacle::StateMissing);
                Err(judge.err().into_iter().chain(missing).collect())
            }
        }
    }

    fn by_root(&self, matched: &Matched<'_>, place: &Repository) -> Result<Verifier, Obstacle<'_>> {
        Ungoverned::check_level(matched.rule).map_err(Obstacle::Ungoverned)?;
        let opened = match self.roots.get(&matched.rule.root.name) {
            Some(Ok(opened)) => opened,
            Some(Err(error)) => return Err(Obstacle::Root(error)),
            None => return Err(Obstacle::NotOpened(NotOpened)),
        };
        Verifier::governed(matched, &opened.root, place, &self.asked).map_err(Obstacle::Ungoverned)
    }

    /// Whoever begins a memory here has met the demand with it.
    fn check_state(&self, rule: &Rule) -> Result<(), StateMissing> {
        if rule.state == StateUse::Required && self.memory.kept().is_none() {
            return Err(StateMissing {
                rule: rule.matches.to_string(),
            });
        }
        Ok(())
    }

    /// The rule for an image that nobody can judge by: its mode holds all the same. With what was seen of its root.
    fn basis(&self, image: &ImageRef) -> Basis {
        let Ok(matched) = self.policy.rule_for(image.repository()) else {
            return Basis::Keys;
        };
        let root = self.roots.get(&matched.rule.root.name);
        let version = root.and_then(roots::seen).map(|seen| RootVersion {
            number: seen.root.newest.version().get(),
            sha256: seen.root.newest.sha256().clone(),
        });
        Basis::Policy(Box::new(PolicyBasis {
            version,
            ..PolicyBasis::of(&matched)
        }))
    }

    /// Remembers what was learned: each root, and of the verified images the greatest moment that is proven to have passed.
    pub(crate) fn remember(&self, verdicts: &[Verdict]) -> Result<(), Stop> {
        let Some(store) = self.memory.kept() else {
            return Ok(());
        };
        let verified = verdicts
            .iter()
            .filter(|verdict| matches!(verdict.outcome(), Outcome::Verified(_)));
        let seen = || {
            let roots = self.roots.iter();
            roots.filter_map(|(name, root)| Some((name, roots::seen(root)?)))
        };
        let advance = Advance {
            floor: verified.filter_map(Verdict::proven_not_before).max(),
            roots: seen()
                .map(|(name, seen)| (name.clone(), seen.root.clone()))
                .collect(),
        };
        let verified: Vec<_> = seen()
            .flat_map(|(name, seen)| seen.verified(name))
            .collect();
        store.commit(&verified, &advance, self.system)
    }
}

/// What no root can change needs no request to be found.
fn check_levels(policy: &Policy, images: &[ImageRef]) -> Result<(), Stop> {
    images
        .iter()
        .filter_map(|image| policy.rule_for(image.repository()).ok())
        .try_for_each(|matched| Ungoverned::check_level(matched.rule))
        .map_err(|not_yet| Stop::new(Exit::Usage, &not_yet))
}

/// Why nobody can judge an image.
pub(crate) enum Obstacle<'a> {
    NoRule(NoRule),
    Root(&'a RootError),
    StateMissing(StateMissing),
    Ungoverned(Ungoverned),
    NotOpened(NotOpened),
}

impl Obstacle<'_> {
    pub(crate) fn explained(&self) -> &dyn Explain {
        match self {
            Self::NoRule(no_rule) => no_rule,
            Self::NotOpened(fault) => fault,
            Self::Root(error) => *error,
            Self::StateMissing(missing) => missing,
            Self::Ungoverned(ungoverned) => ungoverned,
        }
    }

    /// How a command ends for it that judges nothing.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::NoRule(NoRule::Ambiguous { .. }) => Exit::Usage,
            Self::NotOpened(_) => Exit::Internal,
            Self::Root(error) if error.is_undecided() => Exit::Undecided,
            Self::Ungoverned(ungoverned) if ungoverned.class() == Class::Configuration => {
                Exit::Usage
            }
            Self::NoRule(_) | Self::Root(_) | Self::StateMissing(_) | Self::Ungoverned(_) => {
                Exit::Refused
            }
        }
    }
}

/// Refused before could-not-decide: a definite no needs no second question.
fn unjudged(image: &ImageRef, obstacles: &[Obstacle<'_>], now: Timestamp) -> Verdict {
    // A fault of this program, which no mode excuses.
    let fault = |obstacle: &&Obstacle<'_>| obstacle.exit() == Exit::Internal;
    if let Some(fault) = obstacles.iter().find(fault) {
        return Verdict::unknown(image, now, fault.explained());
    }
    let (open, refusals): (Vec<_>, Vec<_>) = obstacles
        .iter()
        .partition(|obstacle| obstacle.exit() == Exit::Undecided);
    if let (Some(error), []) = (open.first(), refusals.as_slice()) {
        return Verdict::unknown(image, now, error.explained());
    }
    let refusals = refusals.into_iter().map(Obstacle::explained);
    Verdict::unjudged(image, now, refusals).beside(open.into_iter().map(Obstacle::explained))
}

impl Judge {
    /// Who judges an image, or the verdict where nobody can.
    pub(crate) fn verifier(&self, image: &ImageRef) -> Result<Cow<'_, Verifier>, Box<Verdict>> {
        match self {
            Self::Keys(verifier) => Ok(Cow::Borrowed(verifier)),
            Self::Policy(court) => court.verifier(image).map(Cow::Owned).map_err(|obstacles| {
                let verdict = unjudged(image, &obstacles, court.now);
                Box::new(verdict.based_on(court.basis(image)))
            }),
        }
    }

    /// The time that is judged by, where the system says this.
    pub(crate) fn now(&self, system: Timestamp) -> Timestamp {
        match self {
            Self::Keys(_) => system,
            Self::Policy(court) => court.now,
        }
    }

    /// What is demanded, whoever judges.
    pub(crate) fn demand(&self) -> &Demand {
        match self {
            Self::Keys(verifier) => &verifier.demand,
            Self::Policy(court) => &court.asked.demand,
        }
    }

    /// Remembers what was learned, where there is a memory.
    pub(crate) fn remember(&self, verdicts: &[Verdict]) -> Result<(), Stop> {
        match self {
            Self::Keys(_) => Ok(()),
            Self::Policy(court) => court.remember(verdicts),
        }
    }
}

/// A rule demands a memory, and there is none.
#[derive(Debug)]
pub(crate) struct StateMissing {
    rule: String,
}

impl fmt::Display for StateMissing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the policy for `{}` demands a state, and nothing was remembered here yet",
            self.rule
        )
    }
}

impl Explain for StateMissing {
    fn code(&self) -> Code {
        Code::new("state-missing")
    }

    fn remedy(&self) -> String {
        "make it once, where it will stay: `countersign verify --init-state …`".to_owned()
    }
}

/// An image that its command did not announce: a fault of this program, and no reason to let it run.
#[derive(Debug)]
pub(crate) struct NotOpened;

impl fmt::Display for NotOpened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the trust root of this image was not opened")
    }
}

impl Explain for NotOpened {
    fn code(&self) -> Code {
        Code::new("internal")
    }

    fn remedy(&self) -> String {
        "please report it, with the command that you ran".to_owned()
    }
}
