//! `countersign doctor`: what is missing before signing and verifying work.
//!
//! Every check is made, whatever another has found, each within its time and all within that of the whole, those that do not
//! need each other at once. What they need of the world is asked so that nothing comes of it.

mod checks;
mod code;
mod finding;
mod patience;
mod place;
mod report;
mod statement;

use std::{collections::BTreeSet, num::NonZeroUsize, path::PathBuf, time::Duration};

use countersign_common::{Algorithm, Escaped, Timestamp, signer::SigningKey};
use countersign_kms::KeyUri;
use countersign_registry::{Client, EcrRepository};
use countersign_trust_roots::{TimeRules, TrustRoot};
use futures_util::future;

use self::{
    checks::{
        authorities::{self, Asked},
        aws::{self, Access},
        ecr, key_file, key_trusted, kms, network as surroundings, policy, registry, state,
    },
    finding::Finding,
    patience::Patience,
    place::{Named, Place},
};
use crate::{
    arguments::{
        Common,
        doctor::{Doctor, DoctorPurpose},
    },
    config::Config,
    exit::Exit,
    judge::Court,
    keys::{self, KeySource},
    licence, network,
    output::Stop,
    stamps,
};

pub(crate) async fn run(arguments: &Doctor, common: &Common, now: Timestamp) -> Result<Exit, Stop> {
    let places = place::parse(&arguments.images)?;
    let mut findings = Vec::new();
    let config = match Config::read(common.config.as_deref()) {
        Ok(config) => {
            findings.push(Finding::ok(code::CONFIGURATION, configured(&config)));
            config
        }
        // The rest can be looked at without it.
        Err(stop) => {
            findings.push(Finding::stopped(code::CONFIGURATION, &stop));
            Config::default()
        }
    };
    findings.extend(surroundings::check());
    let patient = Patient::of(arguments, &config, places)?;
    match network::client(&arguments.network, arguments.timeout, &config) {
        Ok(client) => findings.extend(patient.examine(&client, &config, now).await),
        Err(stop) => findings.push(Finding::stopped(code::NETWORK, &stop)),
    }
    let exit = findings.iter().map(|finding| finding.status.exit()).max();
    report::report(&findings, common)?;
    Ok(exit.unwrap_or(Exit::Done))
}

fn configured(config: &Config) -> String {
    match config.file() {
        Some(file) => {
            let file = file.display().to_string();
            format!("{} is understood", Escaped(&file))
        }
        None => "there is no configuration file, and none is needed".to_owned(),
    }
}

/// What is looked at.
struct Patient<'a> {
    arguments: &'a Doctor,
    purpose: DoctorPurpose,
    /// Of each repository one.
    places: Vec<Place>,
    /// The other images in them.
    others: Vec<Place>,
    keys: Vec<NamedKey>,
    wanted: Wanted,
    timeout: Duration,
    patience: Patience,
}

/// The algorithm that a key is to be used with.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    /// This one, if the key can use it: of several keys one must.
    IfUsable(Algorithm),
    /// This one.
    Only(Algorithm),
    /// Its own.
    Own,
}

impl Wanted {
    fn asked(self) -> Option<Algorithm> {
        match self {
            Self::IfUsable(algorithm) | Self::Only(algorithm) => Some(algorithm),
            Self::Own => None,
        }
    }

    fn demanded(self) -> Option<Algorithm> {
        match self {
            Self::Only(algorithm) => Some(algorithm),
            Self::IfUsable(_) | Self::Own => None,
        }
    }
}

/// A key, and what it was called.
struct NamedKey {
    name: String,
    source: KeySource,
}

impl<'a> Patient<'a> {
    fn of(arguments: &'a Doctor, config: &Config, places: Vec<Place>) -> Result<Self, Stop> {
        let is_signing = !arguments.keys.is_empty() || config.sign.key.is_some();
        let purpose = arguments.purpose.unwrap_or(if is_signing {
            DoctorPurpose::Sign
        } else {
            DoctorPurpose::Verify
        });
        let configured: &[String] = match purpose {
            DoctorPurpose::Sign => config.sign.key.as_slice(),
            DoctorPurpose::Verify => &config.verify.keys,
        };
        let names: Vec<_> = if arguments.keys.is_empty() {
            configured.iter().map(|key| config.key(key)).collect()
        } else {
            arguments.keys.clone()
        };
        let keys = names
            .into_iter()
            .map(|name| {
                let source = KeySource::parse(&name)?;
                Ok(NamedKey { name, source })
            })
            .collect::<Result<Vec<_>, Stop>>()?;
        let configured = config
            .sign
            .algorithm
            .filter(|_| arguments.keys.is_empty() && purpose == DoctorPurpose::Sign);
        let is_alone = keys.len() == 1 && purpose == DoctorPurpose::Sign;
        let wanted = match arguments.algorithm.or(configured) {
            Some(algorithm) if is_alone => Wanted::Only(algorithm),
            Some(algorithm) => Wanted::IfUsable(algorithm),
            None => Wanted::Own,
        };
        let (places, others) = of_each_repository(places);
        let timeout = Duration::from_secs(arguments.timeout);
        Ok(Self {
            arguments,
            purpose,
            wanted,
            places,
            others,
            keys,
            timeout,
            patience: Patience::of(timeout),
        })
    }

    async fn examine(&self, client: &Client, config: &Config, now: Timestamp) -> Vec<Finding> {
        let state = state::check(self.arguments.governed.state_dir.as_deref());
        let governing = async {
            let (of_policy, court) = self.policy(client, config, now).await;
            let of_time = self.time(client, config, (court.as_ref(), now)).await;
            (of_policy, court, of_time)
        };
        let asking = async {
            let (of_aws, access) = self.aws(now).await;
            let (keys, images) =
                future::join(self.keys(&access), self.repositories(client, &access)).await;
            (of_aws, keys, images)
        };
        let ((of_policy, court, of_time), (of_aws, keys, images)) =
            future::join(governing, asking).await;
        let (of_keys, known): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
        let together = self.together(&known);
        let trusted = self.trusted(court.as_ref(), &known, now);
        [state]
            .into_iter()
            .chain(of_policy)
            .chain(of_aws)
            .chain(of_keys.into_iter().flatten())
            .chain(together)
            .chain(trusted)
            .chain(images)
            .chain(of_time)
            .collect()
    }

    async fn policy(
        &self,
        client: &Client,
        config: &Config,
        now: Timestamp,
    ) -> (Vec<Finding>, Option<Court>) {
        let codes = [code::POLICY, code::TRUST_ROOT];
        let governed = &self.arguments.governed;
        let work = async |found: &mut Vec<Finding>| {
            let of = (self.places.as_slice(), self.purpose);
            let asking = (client, self.arguments.timeout, now);
            policy::check((governed, config), of, asking, found).await
        };
        let (findings, court) = self.patience.look(&codes, work).await;
        (findings, court.flatten())
    }

    async fn aws(&self, now: Timestamp) -> (Vec<Finding>, Access) {
        let codes = [code::AWS_REGION, code::AWS_CREDENTIALS, code::AWS_CALLER];
        let (uris, repositories) = (self.kms_keys(), self.ecr_repositories());
        let work = async |found: &mut Vec<Finding>| {
            aws::check(&uris, &repositories, (self.timeout, now), found).await
        };
        let (findings, access) = self.patience.look(&codes, work).await;
        (findings, access.unwrap_or(Access::Nameless))
    }

    fn kms_keys(&self) -> Vec<&KeyUri> {
        let uris = self.keys.iter().filter_map(|key| match &key.source {
            KeySource::Kms(uri) => Some(uri),
            KeySource::File(_) => None,
        });
        uris.collect()
    }

    fn ecr_repositories(&self) -> Vec<EcrRepository> {
        let places = self.places.iter();
        places
            .filter_map(|place| EcrRepository::of(place.image.repository(), self.timeout))
            .collect()
    }

    async fn keys(&self, access: &Access) -> Vec<(Vec<Finding>, Option<SigningKey>)> {
        if self.keys.is_empty() {
            let codes = [code::KMS_GET_PUBLIC_KEY, code::KEY_STATE];
            let skipped = codes.map(|code| {
                Finding::skipped(code, "no key is named").mended_by(
                    "name the key that is to sign: `--key awskms:///alias/NAME`, or a file",
                )
            });
            return vec![(skipped.into(), None)];
        }
        let wanted = self.wanted;
        future::join_all(self.keys.iter().map(async |key| match &key.source {
            KeySource::Kms(uri) => {
                let question = kms::Question {
                    uri,
                    wanted,
                    purpose: self.purpose,
                    access,
                    timeout: self.timeout,
                };
                let work = async |found: &mut Vec<Finding>| {
                    let (findings, known) = question.ask().await;
                    found.extend(findings);
                    known
                };
                let (findings, known) = self.patience.look(&question.codes(), work).await;
                (findings, known.flatten())
            }
            KeySource::File(path) => key_file::check(path, wanted, self.purpose),
        }))
        .await
    }

    /// What is wrong with keys beside each other, each by itself being well.
    fn together(&self, known: &[Option<SigningKey>]) -> Vec<Finding> {
        let mut ids = BTreeSet::new();
        let again = self.keys.iter().zip(known).filter(|(_, key)| {
            let id = key.as_ref().map(|key| key.public_key.id().to_string());
            id.is_some_and(|id| !ids.insert(id))
        });
        let mut stops: Vec<_> = again.map(|(named, _)| keys::twice(&named.name)).collect();
        if let Wanted::IfUsable(algorithm) = self.wanted
            && known.iter().all(|key| {
                let key = key.as_ref().map(|key| key.public_key.clone());
                key.is_some_and(|key| key.with_algorithm(algorithm).is_err())
            })
        {
            stops.push(keys::algorithm_unused(algorithm));
        }
        stops
            .iter()
            .map(|stop| Finding::stopped(code::KEY_SPEC, stop))
            .collect()
    }

    async fn repositories(&self, client: &Client, access: &Access) -> Vec<Finding> {
        let (purpose, timeout) = (self.purpose, self.timeout);
        if self.places.is_empty() {
            let codes = [code::REGISTRY_MANIFEST, code::REGISTRY_REFERRERS];
            let skipped = codes.map(|code| {
                Finding::skipped(code, "no repository is named")
                    .mended_by("name what is to be signed or verified: `countersign doctor IMAGE`")
            });
            return skipped.into();
        }
        let question = |place| registry::Question {
            place,
            client,
            purpose,
            access,
            timeout,
        };
        let each = future::join_all(self.places.iter().map(async |place| {
            let (question, ecr) = (
                question(place),
                EcrRepository::of(place.image.repository(), timeout),
            );
            let codes = [
                question.codes(),
                ecr.iter().flat_map(|_| ecr::ALL).collect(),
            ];
            let work = async |found: &mut Vec<Finding>| {
                let seen = question.ask(found).await;
                if let Some(ecr) = &ecr {
                    found.extend(ecr::check(ecr, seen.api, access).await);
                }
            };
            self.patience.look(&codes.concat(), work).await.0
        }));
        let others = future::join_all(self.others.iter().map(async |other| {
            let work = async |found: &mut Vec<Finding>| found.push(question(other).image().await);
            let codes = [code::REGISTRY_MANIFEST];
            self.patience.look(&codes, work).await.0
        }));
        let (each, others) = future::join(each, others).await;
        each.into_iter().chain(others).flatten().collect()
    }

    async fn time(
        &self,
        client: &Client,
        config: &Config,
        (court, now): (Option<&Court>, Timestamp),
    ) -> Vec<Finding> {
        if self.purpose == DoctorPurpose::Verify && self.arguments.tsa.is_empty() {
            let why = "who verifies asks no time-stamp authority";
            return vec![Finding::skipped(code::AUTHORITY, why)];
        }
        let asked = match self.asked(config, (court, now)) {
            Ok(asked) => asked,
            Err(stop) => return vec![Finding::stopped(code::AUTHORITY, &stop)],
        };
        let work = async |found: &mut Vec<Finding>| {
            let asking = (client, self.arguments.timeout);
            found.extend(authorities::check(asked, asking).await);
        };
        self.patience.look(&[code::AUTHORITY], work).await.0
    }

    /// Those that `sign` would ask, and by whose word it would judge them.
    fn asked(
        &self,
        config: &Config,
        (court, now): (Option<&Court>, Timestamp),
    ) -> Result<Asked, Stop> {
        let roots: Vec<_> = court.map(|court| self.roots(court)).unwrap_or_default();
        let root = roots
            .into_iter()
            .find(|root| !root.contents().time().authorities.is_empty());
        let named = &self.arguments.tsa;
        let Some(root) = root else {
            let urls = stamps::asked(named, config)?;
            let chains: &[PathBuf] = &self.arguments.tsa_chains;
            return Ok(Asked {
                urls,
                collect: 0,
                rules: stamps::rules(chains, NonZeroUsize::MIN, config)?,
            });
        };
        let rules = root.time_rules(None);
        let urls = if named.is_empty() {
            licence::asked(root, now)
        } else {
            stamps::asked(named, config)?
        };
        Ok(Asked {
            urls,
            collect: root.contents().time().publication.collect,
            rules: rules.unwrap_or_else(|_| TimeRules::none()),
        })
    }

    /// The roots that decide about the images, or all of them where none is named.
    fn roots<'c>(&self, court: &'c Court) -> Vec<&'c TrustRoot> {
        let rules = self.places.iter().filter_map(|place| {
            let matched = court.policy().rule_for(place.image.repository()).ok()?;
            Some(&matched.rule.root.name)
        });
        let mut names: Vec<_> = rules.collect();
        if self.places.is_empty() {
            names = court.policy().roots().map(|root| &root.name).collect();
        }
        let opened = names
            .into_iter()
            .filter_map(|name| court.root(name)?.as_ref().ok());
        opened.map(|opened| &opened.root).collect()
    }

    fn trusted(
        &self,
        court: Option<&Court>,
        known: &[Option<SigningKey>],
        now: Timestamp,
    ) -> Vec<Finding> {
        let skipped = |why| vec![Finding::skipped(code::KEY_TRUSTED, why)];
        let Some(court) = court else {
            return skipped("there is no policy whose trust root would say it");
        };
        if self.purpose == DoctorPurpose::Verify {
            return skipped("the policy says whose keys are trusted");
        }
        let keys: Vec<_> = self
            .keys
            .iter()
            .zip(known)
            .filter_map(|(named, key)| Some((named.name.as_str(), key.as_ref()?)))
            .collect();
        if keys.is_empty() || self.places.is_empty() {
            return skipped("a key that can be read and a repository must be named");
        }
        keys.iter()
            .flat_map(|key| {
                let places = self.places.iter();
                places.map(|place| key_trusted::check(court, *key, &place.image, now))
            })
            .collect()
    }
}

/// Of each repository one image, or itself where none is named, and the images besides.
fn of_each_repository(mut places: Vec<Place>) -> (Vec<Place>, Vec<Place>) {
    let mut images = BTreeSet::new();
    places.retain(|place| images.insert(place.image.to_string()));
    places.sort_by_key(|place| place.named == Named::Repository);
    let mut seen = BTreeSet::new();
    let (places, mut others): (Vec<_>, Vec<_>) = places
        .into_iter()
        .partition(|place| seen.insert(place.image.repository().to_string()));
    others.retain(|other| other.named == Named::Image);
    (places, others)
}
