//! A repository in Amazon ECR beyond what a registry shows: whether it gives a login, whether tags can be moved, and whether
//! its lifecycle policy would delete signatures.

use countersign_common::{Code, Escaped};
use countersign_registry::{
    EcrFailure, EcrRepository, Lifecycle, Mutability, ReferrersApi, TagMutability,
};
use futures_util::future;

use super::{aws::Access, denied::Denied, lifecycle};
use crate::command::doctor::{
    code,
    finding::{Finding, Status},
    statement::{Place, Resource},
};

/// A tag that lists signatures where a registry has no referrers API.
const FALLBACK: &str = "sha256-0000000000000000000000000000000000000000000000000000000000000000";

/// What is found out.
pub(in crate::command::doctor) const ALL: [Code; 3] =
    [code::ECR_LOGIN, code::ECR_TAGS, code::ECR_LIFECYCLE];

/// Whether AWS gives a login, and what it says of the repository.
pub(in crate::command::doctor) async fn check(
    ecr: &EcrRepository,
    api: Option<ReferrersApi>,
    access: &Access,
) -> Vec<Finding> {
    if let Some(obstacle) = access.obstacle() {
        return ALL.map(|code| Finding::skipped(code, obstacle)).into();
    }
    let (login, tags, lifecycle) = future::join3(
        Box::pin(ecr.log_in()),
        Box::pin(ecr.tag_mutability()),
        Box::pin(ecr.lifecycle()),
    )
    .await;
    let login = match login {
        Ok(()) => Finding::ok(code::ECR_LOGIN, "`ecr:GetAuthorizationToken` is allowed"),
        Err(failure) => {
            let failed = failed(code::ECR_LOGIN, &failure, ecr, access);
            match api {
                // The registry itself has let in whom AWS gives no login.
                Some(_) if failed.status == Status::Problem => by_docker(failed),
                _ => failed,
            }
        }
    };
    let tags = match tags {
        Ok(tags) => of_tags(ecr, &tags, api),
        Err(failure) => failed(code::ECR_TAGS, &failure, ecr, access),
    };
    let lifecycle = match lifecycle {
        Ok(Lifecycle::Absent) => vec![Finding::ok(
            code::ECR_LIFECYCLE,
            format!("{} has no lifecycle policy: nothing expires", ecr.arn()),
        )],
        Ok(Lifecycle::Text(text)) => lifecycle::check(&ecr.arn(), &text),
        Err(failure) => vec![failed(code::ECR_LIFECYCLE, &failure, ecr, access)],
    };
    [login, tags].into_iter().chain(lifecycle).collect()
}

/// With a login that Docker keeps none is exchanged, until it has expired.
fn by_docker(failed: Finding) -> Finding {
    let remedy = failed.remedy.unwrap_or_default();
    Finding {
        status: Status::Note,
        remedy: Some(format!(
            "Docker's configuration has a login, which expires within 12 hours; to need none, {remedy}"
        )),
        ..failed
    }
}

fn failed(code: Code, failure: &EcrFailure, ecr: &EcrRepository, access: &Access) -> Finding {
    let (action, message) = match failure {
        EcrFailure::Denied { action, message } => (*action, message),
        // The registry says so too, and what mends it.
        EcrFailure::Answered { .. } => {
            return Finding::skipped(code, "there is no such repository");
        }
        _ => {
            let remedy = "check the network and `HTTPS_PROXY`; in a closed VPC make an endpoint for `ecr.api`";
            return Finding {
                status: Status::Unknown,
                ..Finding::note(code, failure.to_string(), remedy)
            };
        }
    };
    let is_login = code == code::ECR_LOGIN;
    let denied = Denied {
        code,
        actions: &[action],
        // A login is for all repositories.
        resource: if is_login {
            Resource::Any
        } else {
            Resource::Arn(ecr.arn())
        },
        own_policy: (!is_login).then(|| Place::Repository(ecr.arn())),
        account: Some(ecr.account()),
        message,
    };
    if is_login {
        denied.finding(access.caller())
    } else {
        denied.note(access.caller(), "nothing of Countersign needs it but this")
    }
}

fn of_tags(ecr: &EcrRepository, tags: &TagMutability, api: Option<ReferrersApi>) -> Finding {
    let code = code::ECR_TAGS;
    let arn = ecr.arn();
    let excepted = if tags.exclusions.is_empty() {
        String::new()
    } else {
        let exclusions: Vec<_> = tags
            .exclusions
            .iter()
            .map(|one| Escaped(one).to_string())
            .collect();
        format!(", but for {}", exclusions.join(", "))
    };
    match tags.setting {
        Mutability::Immutable if !fixes(tags, FALLBACK) => {
            Finding::ok(code, format!("tags of {arn} cannot be moved{excepted}"))
        }
        Mutability::Immutable if api == Some(ReferrersApi::Absent) => Finding::problem(
            code,
            format!(
                "tags of {arn} cannot be moved{excepted}, and a second signature must move the tag `sha256-…`"
            ),
            "exclude `sha256-*` from immutability: `aws ecr put-image-tag-mutability --image-tag-mutability IMMUTABLE_WITH_EXCLUSION …`",
        ),
        Mutability::Immutable => Finding::ok(
            code,
            format!(
                "tags of {arn} cannot be moved{excepted}; signatures need none. Who also signs by tags, as cosign 2 does, must exclude `sha256-*`"
            ),
        ),
        Mutability::Mutable => Finding::note(
            code,
            format!("tags of {arn} can be moved by whoever may push{excepted}"),
            "sign and run images by their digest, or make tags immutable: `aws ecr put-image-tag-mutability --image-tag-mutability IMMUTABLE …`",
        ),
    }
}

/// Whether a tag stays where it is.
fn fixes(tags: &TagMutability, tag: &str) -> bool {
    let mut exclusions = tags.exclusions.iter();
    let is_excepted = exclusions.any(|pattern| lifecycle::matches(pattern, tag));
    match tags.setting {
        Mutability::Immutable => !is_excepted,
        Mutability::Mutable => is_excepted,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use countersign_common::ImageRef;

    use super::*;

    fn ecr() -> EcrRepository {
        let host = "111122223333.dkr.ecr.eu-west-1.amazonaws.com";
        let image = ImageRef::parse(&format!("{host}/shop/api")).unwrap();
        EcrRepository::of(image.repository(), Duration::ZERO).unwrap()
    }

    #[test]
    fn a_signature_list_that_cannot_be_moved_is_a_problem_only_where_there_must_be_one() {
        let tags = |setting, exclusions: &[&str]| TagMutability {
            setting,
            exclusions: exclusions.iter().map(|one| (*one).to_owned()).collect(),
        };
        for (tags, api, status) in [
            (
                tags(Mutability::Immutable, &[]),
                ReferrersApi::Absent,
                Status::Problem,
            ),
            (
                tags(Mutability::Immutable, &["latest"]),
                ReferrersApi::Absent,
                Status::Problem,
            ),
            (
                tags(Mutability::Immutable, &["sha256-*"]),
                ReferrersApi::Absent,
                Status::Ok,
            ),
            (
                tags(Mutability::Immutable, &[]),
                ReferrersApi::Present,
                Status::Ok,
            ),
            (
                tags(Mutability::Mutable, &[]),
                ReferrersApi::Present,
                Status::Note,
            ),
        ] {
            let finding = of_tags(&ecr(), &tags, Some(api));
            assert_eq!(finding.status, status, "{tags:?}");
        }
    }
}
