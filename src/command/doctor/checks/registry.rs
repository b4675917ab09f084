//! A repository in any registry: whether the caller may read there, and push what signing pushes, and how signatures are
//! found. What is pushed is what no registry may take.

use std::time::Duration;

use countersign_common::{
    Code, Descriptor, Digest, Manifest, PinnedImage, Registry as _, Timestamp,
    manifest::Body,
    registry::{Error, Failure, Refusal},
};
use countersign_registry::{Client, EcrRepository, Listing, ReferrersApi, Tried};

use super::{aws::Access, clock, denied::Denied};
use crate::{
    arguments::doctor::DoctorPurpose,
    command::doctor::{
        code,
        finding::{Finding, Status},
        place::{Named, Place},
        statement::{self, Resource},
    },
};

/// Of a larger one only whether the registry gives it would be learnt, and it costs as much.
const BLOB_LIMIT: usize = 1 << 20;
/// Why nothing more is asked.
const UNREACHED: &str = "the registry could not be reached";

/// What is asked about a repository, and by whom.
#[derive(Clone, Copy)]
pub(in crate::command::doctor) struct Question<'a> {
    pub(in crate::command::doctor) place: &'a Place,
    pub(in crate::command::doctor) client: &'a Client,
    pub(in crate::command::doctor) purpose: DoctorPurpose,
    pub(in crate::command::doctor) access: &'a Access,
    pub(in crate::command::doctor) timeout: Duration,
}

/// What else is to be known of a repository.
pub(in crate::command::doctor) struct Seen {
    /// How it lists what refers to an image, if that was found out.
    pub(in crate::command::doctor) api: Option<ReferrersApi>,
}

impl Question<'_> {
    pub(in crate::command::doctor) async fn ask(self, findings: &mut Vec<Finding>) -> Seen {
        let mut seen = Seen { api: None };
        let absent = self.client.try_blob(self.place.image.repository()).await;
        let unreached = matches!(&absent, Err(failure) if is_unreached(failure));
        if unreached || matches!(absent, Ok(Tried::NoRepository)) {
            findings.push(self.without(&absent));
            let why = if unreached {
                UNREACHED
            } else {
                "there is no such repository"
            };
            let rest = self.codes().into_iter();
            let rest = rest.filter(|code| *code != code::REGISTRY_MANIFEST);
            findings.extend(rest.map(|code| Finding::skipped(code, why)));
            return seen;
        }
        let (manifest, pinned) = self.manifest().await;
        findings.push(manifest);
        findings.push(self.blob(absent, pinned.as_ref()).await);
        let asked = Timestamp::from(chrono::Utc::now());
        let listing = self.listing(pinned.as_ref()).await;
        findings.push(self.referrers(&listing));
        if let Ok(Listing { api, time }) = listing {
            seen.api = Some(api);
            let registry = self.place.image.repository().registry();
            findings.extend(time.map(|time| clock::compare(&registry, time, asked)));
        }
        if self.purpose == DoctorPurpose::Sign {
            findings.extend(self.pushing().await);
        }
        seen
    }

    /// Whether it is there and may be read, of another image in a repository that is looked at.
    pub(in crate::command::doctor) async fn image(self) -> Finding {
        self.manifest().await.0
    }

    /// What is found out.
    pub(in crate::command::doctor) fn codes(self) -> Vec<Code> {
        let mut codes = vec![
            code::REGISTRY_MANIFEST,
            code::REGISTRY_BLOB,
            code::REGISTRY_REFERRERS,
        ];
        if self.purpose == DoctorPurpose::Sign {
            codes.extend([
                code::REGISTRY_BLOB_CHECK,
                code::REGISTRY_UPLOAD,
                code::REGISTRY_PUSH,
            ]);
        }
        codes
    }

    /// Where nothing more can be asked.
    fn without(self, absent: &Result<Tried, Failure>) -> Finding {
        let code = code::REGISTRY_MANIFEST;
        let repository = self.place.image.repository();
        match absent {
            Err(failure) => Finding::explained(code, Status::Unknown, failure),
            Ok(_) => Finding::problem(
                code,
                format!("there is no repository {repository}"),
                &match self.ecr() {
                    Some(ecr) => format!(
                        "make it: `aws ecr create-repository --region {} --repository-name {}`; a push alone does not",
                        ecr.region(),
                        repository.path()
                    ),
                    None => "check its name, or push an image there first".to_owned(),
                },
            ),
        }
    }

    async fn manifest(self) -> (Finding, Option<PinnedImage>) {
        let code = code::REGISTRY_MANIFEST;
        match self.client.resolve(&self.place.image).await {
            Ok(pinned) => {
                let sentence = format!(
                    "{} is {}, and may be read",
                    self.place.image,
                    pinned.digest()
                );
                (Finding::ok(code, sentence), Some(pinned))
            }
            Err(Failure::Refusal(Refusal::ImageNotFound { .. }))
                if self.place.named == Named::Repository =>
            {
                (self.empty().await, None)
            }
            Err(failure) => (self.failed(code, &["ecr:BatchGetImage"], &failure), None),
        }
    }

    /// A repository without the image that a bare name stands for. A server that is no registry knows of none either.
    async fn empty(self) -> Finding {
        let code = code::REGISTRY_MANIFEST;
        let repository = self.place.image.repository();
        match self.client.try_reading(repository).await {
            Ok(Tried::Allowed) => {
                Finding::ok(code, format!("manifests of {repository} may be read"))
            }
            Ok(tried) => self.taken(code, tried),
            Err(failure) => self.failed(code, &["ecr:BatchGetImage"], &failure),
        }
    }

    /// A real one where there is one: Amazon ECR sends for it to another host, which must be reached too.
    async fn blob(self, absent: Result<Tried, Failure>, pinned: Option<&PinnedImage>) -> Finding {
        let code = code::REGISTRY_BLOB;
        let actions = ["ecr:GetDownloadUrlForLayer"];
        let repository = self.place.image.repository();
        let config = match pinned {
            Some(pinned) => self.config(&pinned.manifest).await,
            None => None,
        };
        let small = config.filter(|config| config.size <= BLOB_LIMIT as u64);
        let Some(config) = small else {
            return match absent {
                Ok(Tried::Allowed) => {
                    Finding::ok(code, format!("blobs of {repository} may be read"))
                }
                Ok(tried) => self.taken(code, tried),
                // Registries need not name an error, and where an image is there is one.
                Err(Failure::Error(Error::Status { status: 404, .. })) if pinned.is_some() => {
                    Finding::ok(code, format!("blobs of {repository} may be read"))
                }
                Err(failure) => self.failed(code, &actions, &failure),
            };
        };
        match self.client.blob(repository, &config, BLOB_LIMIT).await {
            Ok(Some(_)) => Finding::ok(code, format!("blobs of {repository} may be read")),
            Ok(None) => {
                let error = self.client.absent(repository, &config.digest);
                Finding::explained(code, Status::Problem, &error)
            }
            Err(failure) => self.failed(code, &actions, &failure),
        }
    }

    /// That of an image, or of the first image that an index lists and the registry has.
    async fn config(self, manifest: &Manifest) -> Option<Descriptor> {
        let of = |manifest: &Manifest| match manifest.body() {
            Body::Image(image) => Some(image.config.clone()),
            Body::Index(_) => None,
        };
        let children = manifest.children();
        let Some(child) = children.iter().find(|child| child.check_type().is_ok()) else {
            return of(manifest);
        };
        let repository = self.place.image.repository();
        // What is wrong with the child is for `verify` to say: without it, blobs are asked for as where nothing is.
        let found = self.client.manifest(repository, child).await.ok()??;
        of(&found)
    }

    async fn listing(self, pinned: Option<&PinnedImage>) -> Result<Listing, Failure> {
        let nobodys = Digest::sha256(b"countersign doctor");
        let subject = pinned.map_or(&nobodys, |pinned| pinned.digest());
        let repository = self.place.image.repository();
        self.client.try_referrers(repository, subject).await
    }

    fn referrers(self, listing: &Result<Listing, Failure>) -> Finding {
        let code = code::REGISTRY_REFERRERS;
        let registry = self.place.image.repository().registry();
        match listing {
            Ok(Listing {
                api: ReferrersApi::Present,
                ..
            }) => Finding::ok(code, format!("{registry} lists what refers to an image")),
            Ok(Listing {
                api: ReferrersApi::Absent,
                ..
            }) => Finding::note(
                code,
                format!(
                    "{registry} has no referrers API: signatures are listed under the tag `sha256-…`, which each signer moves"
                ),
                "let such tags be moved, and sign an image from one place at a time; or use a registry with OCI 1.1",
            ),
            Err(failure) => self.failed(code, &["ecr:BatchGetImage"], failure),
        }
    }

    async fn pushing(self) -> Vec<Finding> {
        let repository = self.place.image.repository();
        let check = self.client.try_blob_check(repository).await;
        let upload = self.client.try_upload(repository).await;
        let push = self.client.try_manifest(repository).await;
        let first: &[_] = &[
            "ecr:InitiateLayerUpload",
            "ecr:UploadLayerPart",
            "ecr:CompleteLayerUpload",
        ];
        let then: &[_] = &["ecr:UploadLayerPart", "ecr:CompleteLayerUpload"];
        let (actions, upload) = match (upload.begun, upload.finished) {
            (Ok(_), Some(finished)) => (then, finished),
            (begun, _) => (first, begun),
        };
        let asked = [
            (
                code::REGISTRY_BLOB_CHECK,
                &["ecr:BatchCheckLayerAvailability"][..],
                // Of a request without a body the answer has none either.
                check.map(|tried| match tried {
                    Tried::Taken => Tried::Allowed,
                    other => other,
                }),
                "it may be asked whether blobs are there",
            ),
            (
                code::REGISTRY_UPLOAD,
                actions,
                upload,
                "blobs may be uploaded",
            ),
            (
                code::REGISTRY_PUSH,
                &["ecr:PutImage"][..],
                push,
                "manifests may be pushed",
            ),
        ];
        asked
            .into_iter()
            .map(|(code, actions, tried, sentence)| match tried {
                Ok(Tried::Allowed) => Finding::ok(code, format!("{sentence} in {repository}")),
                Ok(tried) => self.taken(code, tried),
                Err(failure) => self.failed(code, actions, &failure),
            })
            .collect()
    }

    /// An answer that no registry should give.
    fn taken(self, code: Code, tried: Tried) -> Finding {
        let registry = self.place.image.repository().registry();
        let is_read = [code::REGISTRY_BLOB, code::REGISTRY_MANIFEST].contains(&code);
        match tried {
            Tried::Taken if is_read => Finding::problem(
                code,
                format!("{registry} gives out what nobody has pushed"),
                "check the name: it answers as no registry does",
            ),
            Tried::Taken => Finding::problem(
                code,
                format!("{registry} took what does not hash to its name"),
                "use another registry: what this one gives out need not be what was pushed",
            ),
            Tried::Allowed | Tried::NoRepository => {
                Finding::skipped(code, "there is no such repository")
            }
        }
    }

    fn failed(self, code: Code, actions: &[&'static str], failure: &Failure) -> Finding {
        match (failure, self.ecr()) {
            (Failure::Error(Error::Denied { message, .. }), Some(ecr)) => Denied {
                code,
                actions,
                resource: Resource::Arn(ecr.arn()),
                own_policy: Some(statement::Place::Repository(ecr.arn())),
                account: Some(ecr.account()),
                message,
            }
            .finding(self.access.caller()),
            (failure, _) => Finding::explained(code, weight(failure), failure),
        }
    }

    fn ecr(self) -> Option<EcrRepository> {
        EcrRepository::of(self.place.image.repository(), self.timeout)
    }
}

/// A refused login is an answer: whoever asks may not.
fn weight(failure: &Failure) -> Status {
    match failure {
        Failure::Error(Error::Denied { .. }) | Failure::Refusal(_) => Status::Problem,
        Failure::Error(_) => Status::Unknown,
    }
}

/// Whether the next question would wait as long, for nothing.
fn is_unreached(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Error(
            Error::Credentials { .. }
                | Error::Egress { .. }
                | Error::Silent { .. }
                | Error::TimedOut { .. }
                | Error::Unreachable { .. }
        )
    )
}
