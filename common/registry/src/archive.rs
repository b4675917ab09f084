//! What Amazon ECR put away and no longer lists as referrers: asked for by its API, `ListImageReferrers`.
//!
//! The registry's own list is silent about it, so that an image whose signature was archived looks unsigned. Called by the
//! client for whoever wants to see everything; never by a verifier, for whom nothing counts that cannot be fetched.

use aws_sdk_ecr::{
    error::{ProvideErrorMetadata, SdkError},
    operation::list_image_referrers::ListImageReferrersError,
    types::{
        ArtifactStatus, ArtifactStatusFilter, ImageReferrer, ListImageReferrersFilter,
        SubjectIdentifier,
    },
};
use countersign_common::{
    Descriptor, Digest, Limits, Repository,
    explain::with_causes,
    registry::{Channel, Error, Failure, Refusal},
};

use crate::{
    aws_again,
    ecr::{EXCHANGE_TIME, Ecr},
    place::Told,
};

/// The API gives no longer pages.
const PAGE: i32 = 50;

impl Ecr {
    /// What refers to a digest and is archived, or on its way back.
    pub(crate) async fn archived(
        &self,
        repository: &Repository,
        subject: &Digest,
        limits: &Limits,
    ) -> Result<Vec<Descriptor>, Failure> {
        // The SDK itself waits without end for an endpoint that is silent.
        let listed = tokio::time::timeout(EXCHANGE_TIME, self.list(repository, subject, limits));
        listed.await.unwrap_or_else(|_| {
            Err(Failure::Error(Error::TimedOut {
                registry: repository.registry(),
                path: OPERATION.to_owned(),
                seconds: EXCHANGE_TIME.as_secs(),
            }))
        })
    }

    async fn list(
        &self,
        repository: &Repository,
        subject: &Digest,
        limits: &Limits,
    ) -> Result<Vec<Descriptor>, Failure> {
        let malformed = |message: &str| malformed(repository, message);
        let subject_id = SubjectIdentifier::builder().image_digest(subject.to_string());
        let any = ListImageReferrersFilter::builder().artifact_status(ArtifactStatusFilter::Any);
        let request = self
            .api()
            .await
            .list_image_referrers()
            .registry_id(self.account())
            .repository_name(repository.path())
            .subject_id(subject_id.build().map_err(|_| malformed("no subject"))?)
            .filter(any.build())
            .max_results(PAGE);
        let (mut archived, mut listed, mut next) = (Vec::new(), 0, None);
        loop {
            let page = request.clone().set_next_token(next).send().await;
            let page = page.map_err(|error| failed(repository, &error))?;
            listed += page.referrers().len();
            if listed > limits.referrers {
                return Err(Failure::Refusal(Refusal::ReferrersTooMany {
                    repository: repository.clone(),
                    subject: subject.clone(),
                    limit: limits.referrers,
                }));
            }
            for referrer in page.referrers().iter().filter(|one| is_away(one)) {
                let described = describe(referrer);
                archived.push(described.ok_or_else(|| malformed("no descriptor"))?);
            }
            match page.next_token() {
                // It could go on for ever; and what comes after it is not known.
                Some(_) if page.referrers().is_empty() => {
                    return Err(malformed("an empty page that is not the last"));
                }
                Some(token) => next = Some(token.to_owned()),
                None => return Ok(archived),
            }
        }
    }
}

const OPERATION: &str = "ListImageReferrers";

/// What is active the registry lists itself.
fn is_away(referrer: &ImageReferrer) -> bool {
    !matches!(
        referrer.artifact_status(),
        None | Some(ArtifactStatus::Active)
    )
}

fn describe(referrer: &ImageReferrer) -> Option<Descriptor> {
    let annotations = referrer.annotations();
    let annotation = |(name, value): (&String, &String)| (name.clone(), value.clone());
    Some(Descriptor {
        media_type: referrer.media_type().to_owned(),
        digest: Digest::parse(referrer.digest()).ok()?,
        size: u64::try_from(referrer.size()).ok()?,
        artifact_type: referrer.artifact_type().map(str::to_owned),
        annotations: annotations.map(|all| all.iter().map(annotation).collect()),
        platform: None,
        data: None,
    })
}

fn malformed(repository: &Repository, message: &str) -> Failure {
    Failure::Error(Error::Status {
        registry: repository.registry(),
        path: OPERATION.to_owned(),
        status: 200,
        message: format!("the answer is none of this API: {message}"),
    })
}

fn failed(repository: &Repository, error: &SdkError<ListImageReferrersError>) -> Failure {
    let registry = repository.registry();
    let path = OPERATION.to_owned();
    let code = error.code().unwrap_or_default();
    let message = || {
        let message = error.message().unwrap_or_default();
        format!("{code}: {message}")
    };
    let status = error
        .raw_response()
        .map(|response| response.status().as_u16());
    if let Some(attempts) = aws_again::attempts_throttled(error) {
        return Failure::Error(Error::Throttled { registry, attempts });
    }
    Failure::Error(match status {
        Some(status)
            if ["AccessDenied", "Unauthorized"]
                .iter()
                .any(|no| code.starts_with(no)) =>
        {
            Error::Denied {
                registry,
                path,
                status,
                message: message(),
            }
        }
        Some(status) => Error::Status {
            registry,
            path,
            status,
            message: message(),
        },
        None => Error::Unreachable {
            channel: Channel::Secure,
            registry: format!("the ECR API for {registry}"),
            source: Box::new(Told(with_causes(error))),
        },
    })
}
