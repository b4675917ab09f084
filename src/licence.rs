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
    policy_file,
};

/// The roots that decide about what is to be signed.
pub(crate) struct Licence {
    /// `None` if there is no policy.
    court: Option<Court>,
    images: Vec<ImageRef>,
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
        let images: Vec<ImageRef> = images.to_vec();
        let Some(file) = file else {
            return Ok(Self {
                court: None,
                images,
                now,
            });
        };
        let summons = Summons {
            client,
            timeout,
            state_dir: governed.state_dir.as_deref(),
            begin: Begin::Not,
            when: When::Now,
            system: now,
        };
        let court = Court::of_signer(file.policy, Needed::For(&images), summons).await?;
        Ok(Self {
            court: Some(court),
            images,
            now,
        })
    }

    /// Refuses a key that may not sign one of the images now.
    pub(crate) fn admit(&self, key: &SigningKey, roles: &[Role]) -> Result<(), Stop> {
        for (image, root) in self.governed()? {
            let grant = root
                .grant(&image)
                .map_err(|refusal| Stop::new(Exit::Refused, &refusal))?;
            for role in roles {
                grant
                    .admits((&key.public_key, &key.name), *role, self.now)
                    .map_err(|refusal| Stop::new(Exit::Refused, &refusal))?;
            }
        }
        Ok(())
    }

    /// Whom to ask about time, and what their stamps must come to: by the root, if all images have the same. Those that are
    /// named besides are asked in the place of its own, and must be as many, and believed by it.
    pub(crate) fn time(&self, stamps: &Stamps) -> Result<Option<Rooted>, Stop> {
        if stamps.no_tsa {
            return Ok(None);
        }
        let mut roots = self.governed()?.into_iter().map(|(_, root)| root);
        let Some(root) = roots.next() else {
            return Ok(None);
        };
        if roots.any(|other| other.sha256() != root.sha256()) {
            return Err(Stop::new(Exit::Usage, &SeveralRoots));
        }
        // Where it lists none, whoever signs may have others. Where it lists some, verifiers believe nobody else.
        if root.contents().time().authorities.is_empty() {
            return Ok(None);
        }
        let rules = root
            .time_rules(None)
            .map_err(|refusal| Stop::new(Exit::Refused, &refusal))?;
        Ok(Some(Rooted {
            urls: asked(root, self.now),
            collect: root.contents().time().publication.collect,
            rules,
        }))
    }

    /// Refuses to sign copies: what is signed names where the image is, and a rule for mirrors wants the original named.
    pub(crate) fn check_places(&self) -> Result<(), Stop> {
        let Some(court) = &self.court else {
            return Ok(());
        };
        for image in &self.images {
            if let Ok(matched) = court.policy().rule_for(image.repository())
                && matched.signed != *image.repository()
            {
                let copy = Copied {
                    image: image.clone(),
                    original: matched.signed.clone(),
                };
                return Err(Stop::new(Exit::Usage, &copy));
            }
        }
        Ok(())
    }

    /// The repositories that documents must name, each with its root.
    fn governed(&self) -> Result<Vec<(Repository, &TrustRoot)>, Stop> {
        let Some(court) = &self.court else {
            return Ok(Vec::new());
        };
        let mut governed = Vec::new();
        for image in &self.images {
            let Ok(matched) = court.policy().rule_for(image.repository()) else {
                continue;
            };
            match court.root(&matched.rule.root.name) {
                Some(Ok(opened)) => governed.push((matched.signed.clone(), &opened.root)),
                Some(Err(error)) if error.is_undecided() => {
                    return Err(Stop::new(Exit::Undecided, error));
                }
                Some(Err(error)) => return Err(Stop::new(Exit::Refused, error)),
                None => {}
            }
        }
        Ok(governed)
    }
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
        "sign the images of each root by themselves, or name the authorities with `--tsa`"
            .to_owned()
    }
}
