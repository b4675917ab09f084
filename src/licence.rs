//! What trust roots let a signer do: found out before its key is used.
//!
//! A signer whose images no rule of a policy is for is not held to any root. For the others a root that cannot be followed is
//! an error: whoever keeps it from the signer must not make it sign with a key that was taken back.

use std::collections::BTreeSet;

use countersign_common::{Code, Explain, ImageRef, Repository, Timestamp, signer::SigningKey};
use countersign_registry::Client;
use countersign_trust_roots::{Role, TimeRules, TrustRoot};
use url::Url;

use crate::{
    arguments::{Governed, Stamps},
    config::Config,
    exit::Exit,
    judge::{Begin, Court, Needed, Summons, When},
    output::Stop,
    places::Located,
    policy_file,
};

/// The roots that decide about what is to be signed.
pub(crate) struct Licence {
    /// `None` if there is no policy.
    court: Option<Court>,
    now: Timestamp,
}

/// Whom a root has asked about time, and how it judges what they say.
pub(crate) struct Rooted {
    pub(crate) urls: Vec<Url>,
    /// How many operators a signer has stamp.
    pub(crate) collect: usize,
    pub(crate) rules: TimeRules,
}

impl Licence {
    /// Opens the roots of those images that a rule is for.
    pub(crate) async fn of(
        governed: &Governed,
        images: &[ImageRef],
        config: &Config,
        (client, timeout, now): (&Client, u64, Timestamp),
    ) -> Result<Self, Stop> {
        let file = policy_file::find(governed, config)?;
        let Some(file) = file else {
            return Ok(Self { court: None, now });
        };
        let summons = Summons {
            client,
            timeout,
            state_dir: governed.state_dir.as_deref(),
            begin: Begin::Not,
            when: When::Now,
            system: now,
        };
        let court = Court::of_signer(file.policy, Needed::For(images), summons).await?;
        Ok(Self {
            court: Some(court),
            now,
        })
    }

    /// Refuses an image that nobody may sign: its root cannot be followed, or it is a copy. What is signed names where the image
    /// is, and a rule for mirrors wants the original named.
    pub(crate) fn check(&self, image: &ImageRef) -> Result<(), Stop> {
        match self.governed(image)? {
            Some((original, _)) if original != *image.repository() => {
                let image = image.clone();
                Err(Stop::new(Exit::Usage, &Copied { image, original }))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a key that may not sign an image now.
    pub(crate) fn admit(
        &self,
        image: &ImageRef,
        key: &SigningKey,
        roles: &[Role],
    ) -> Result<(), Stop> {
        let Some((signed, root)) = self.governed(image)? else {
            return Ok(());
        };
        let grant = root
            .grant(&signed)
            .map_err(|refusal| Stop::new(Exit::Refused, &refusal))?;
        for role in roles {
            grant
                .admits((&key.public_key, &key.name), *role, self.now)
                .map_err(|refusal| Stop::new(Exit::Refused, &refusal))?;
        }
        Ok(())
    }

    /// Refuses an image whose root says of time what nobody can go by.
    pub(crate) fn check_time(&self, stamps: &Stamps, image: &ImageRef) -> Result<(), Stop> {
        match self.governed(image)? {
            Some((_, root)) if !stamps.no_tsa => time_rules(root).map(|_| ()),
            _ => Ok(()),
        }
    }

    /// Whom to ask about time, and what their stamps must come to: by the root, if all images have the same. Those that are
    /// named besides are asked in the place of its own, and must be as many, and believed by it.
    pub(crate) fn time(
        &self,
        stamps: &Stamps,
        located: &[Located],
    ) -> Result<Option<Rooted>, Stop> {
        if stamps.no_tsa {
            return Ok(None);
        }
        let mut first = None;
        for one in located {
            match (self.governed(&one.image)?, first) {
                (Some((_, root)), None) => first = Some(root),
                (Some((_, other)), Some(root)) if other.sha256() != root.sha256() => {
                    return Err(Stop::new(Exit::Usage, &SeveralRoots));
                }
                _ => {}
            }
        }
        let Some(root) = first else {
            return Ok(None);
        };
        Ok(time_rules(root)?.map(|rules| Rooted {
            urls: asked(root, self.now),
            collect: root.contents().time().publication.collect,
            rules,
        }))
    }

    /// The repository that documents about an image must name, and its root; `None` if no rule is for it.
    fn governed(&self, image: &ImageRef) -> Result<Option<(Repository, &TrustRoot)>, Stop> {
        let Some(court) = &self.court else {
            return Ok(None);
        };
        let Ok(matched) = court.policy().rule_for(image.repository()) else {
            return Ok(None);
        };
        match court.root(&matched.rule.root.name) {
            Some(Ok(opened)) => Ok(Some((matched.signed.clone(), &opened.root))),
            Some(Err(error)) if error.is_undecided() => Err(Stop::new(Exit::Undecided, error)),
            Some(Err(error)) => Err(Stop::new(Exit::Refused, error)),
            None => Ok(None),
        }
    }
}

/// How a root judges what is said of time. Where it lists no authority, whoever signs may have others. Where it lists some,
/// verifiers believe nobody else.
fn time_rules(root: &TrustRoot) -> Result<Option<TimeRules>, Stop> {
    if root.contents().time().authorities.is_empty() {
        return Ok(None);
    }
    root.time_rules(None)
        .map(Some)
        .map_err(|refusal| Stop::new(Exit::Refused, &refusal))
}

/// The first authority of each operator that is believed now, as many as the root has signers collect.
pub(crate) fn asked(root: &TrustRoot, now: Timestamp) -> Vec<Url> {
    let contents = root.contents();
    let mut operators = BTreeSet::new();
    let believed = contents
        .believed()
        .filter(|entry| entry.valid.contains(now));
    let reachable = believed.filter_map(|entry| {
        let url = Url::parse(&entry.uri).ok()?;
        ["http", "https"]
            .contains(&url.scheme())
            .then_some((entry, url))
    });
    reachable
        .filter(|(entry, _)| operators.insert(&entry.operator))
        .map(|(_, url)| url)
        .take(contents.time().publication.collect)
        .collect()
}

/// An image that a rule calls a copy.
#[derive(Debug)]
struct Copied {
    image: ImageRef,
    original: Repository,
}

impl std::fmt::Display for Copied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} is a mirror's copy by the policy, and signatures must be for {}",
            self.image, self.original
        )
    }
}

impl Explain for Copied {
    fn code(&self) -> Code {
        Code::new("repository-mismatch")
    }

    fn remedy(&self) -> String {
        format!(
            "sign the image in {}, and copy it with its signatures",
            self.original
        )
    }
}

/// The images of one command have several roots, which have others to ask.
#[derive(Debug)]
struct SeveralRoots;

impl std::fmt::Display for SeveralRoots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "the images have several trust roots, and each has its own time-stamp authorities",
        )
    }
}

impl Explain for SeveralRoots {
    fn code(&self) -> Code {
        Code::new("tsa-not-configured")
    }

    fn remedy(&self) -> String {
        "sign the images of each root in a call of their own".to_owned()
    }
}
