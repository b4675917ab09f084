//! Whose AWS credentials are used, which step of the chain gave them, and in which region the keys are looked up.

use std::time::Duration;

use countersign_common::{Escaped, Timestamp, signer};
use countersign_kms::KeyUri;
use countersign_registry::{
    Account, Caller, EcrRepository, FoundCredentials, FoundRegion, NoCredentials,
};

use crate::command::doctor::{
    code,
    finding::{Finding, Status},
};

/// Credentials that end sooner are told of: a pipeline may take as long.
const SOON: Duration = Duration::from_mins(15);

/// What the checks of keys and repositories go by.
pub(in crate::command::doctor) enum Access {
    /// Whoever asks is known.
    Known(Caller),
    /// There are no credentials to be had, so that nothing of AWS can be asked; and why.
    Missing(&'static str),
    /// There are some, and whose they are is not known.
    Nameless,
}

impl Access {
    pub(in crate::command::doctor) fn caller(&self) -> Option<&Caller> {
        match self {
            Self::Known(caller) => Some(caller),
            Self::Missing(_) | Self::Nameless => None,
        }
    }

    /// Why nothing of AWS can be asked.
    pub(in crate::command::doctor) fn obstacle(&self) -> Option<&'static str> {
        match self {
            Self::Missing(why) => Some(why),
            Self::Known(_) | Self::Nameless => None,
        }
    }
}

pub(in crate::command::doctor) async fn check(
    keys: &[&KeyUri],
    repositories: &[EcrRepository],
    (timeout, now): (Duration, Timestamp),
    findings: &mut Vec<Finding>,
) -> Access {
    if keys.is_empty() && repositories.is_empty() {
        let why = "no key in KMS and no repository in Amazon ECR is named";
        let codes = [code::AWS_REGION, code::AWS_CREDENTIALS, code::AWS_CALLER];
        findings.extend(codes.map(|code| Finding::skipped(code, why)));
        return Access::Missing(why);
    }
    // Off EC2 its metadata takes seconds to be missing.
    let is_needed = keys.iter().any(|key| key.region().is_none());
    let patience = if is_needed { timeout } else { Duration::ZERO };
    let found = FoundRegion::find(patience).await;
    findings.extend(regions(keys, found.as_ref()));
    let of_arn = keys.iter().find_map(|key| key.region());
    let named = of_arn.or_else(|| repositories.first().map(EcrRepository::region));
    let Some(region) = named.or(found.as_ref().map(|found| found.name.as_str())) else {
        let why = "no region is known in which to ask";
        let codes = [code::AWS_CREDENTIALS, code::AWS_CALLER];
        findings.extend(codes.map(|code| Finding::skipped(code, why)));
        return Access::Nameless;
    };
    let account = Account::of_environment(region, timeout).await;
    callers(&account, now, findings).await
}

fn regions(keys: &[&KeyUri], found: Option<&FoundRegion>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(key) = keys.iter().find(|key| key.region().is_none()) {
        findings.push(match found {
            Some(found) => known(found),
            None => Finding::explained(
                code::AWS_REGION,
                Status::Problem,
                &signer::Error::RegionUnknown {
                    key: key.name().to_owned(),
                },
            ),
        });
    } else {
        findings.push(found.map_or_else(
            || {
                Finding::ok(
                    code::AWS_REGION,
                    "none is set, and none is needed: all names tell theirs",
                )
            },
            known,
        ));
    }
    let differs = |key: &&&KeyUri| {
        let pair = key.region().zip(found.map(|found| found.name.as_str()));
        pair.is_some_and(|(arn, found)| arn != found)
    };
    let differing = keys.iter().filter(differs).map(|key| {
        let (name, region) = (Escaped(key.name()), key.region().unwrap_or_default());
        let sentence = match found {
            Some(found) => format!(
                "{name} is in {region}, which is asked; {} names {}",
                found.origin,
                Escaped(&found.name)
            ),
            None => String::new(),
        };
        Finding::note(
            code::AWS_REGION,
            sentence,
            "let both name one region: other tools go by the environment's",
        )
    });
    findings.extend(differing);
    findings
}

fn known(found: &FoundRegion) -> Finding {
    let (name, origin) = (Escaped(&found.name), found.origin);
    Finding::ok(
        code::AWS_REGION,
        format!("the region is {name}, by {origin}"),
    )
}

async fn callers(account: &Account, now: Timestamp, findings: &mut Vec<Finding>) -> Access {
    let credentials = match account.credentials().await {
        Ok(found) => found,
        Err(error) => {
            let (status, why) = match error {
                NoCredentials::None => (Status::Problem, "there are no AWS credentials"),
                NoCredentials::Invalid { .. } => (
                    Status::Problem,
                    "the configuration of AWS credentials cannot be used",
                ),
                _ => (Status::Unknown, "the AWS credentials could not be had"),
            };
            findings.push(Finding::explained(code::AWS_CREDENTIALS, status, &error));
            findings.push(Finding::skipped(code::AWS_CALLER, why));
            return Access::Missing(why);
        }
    };
    findings.push(given(&credentials, now));
    match account.caller().await {
        Ok(caller) => {
            let arn = Escaped(&caller.arn).to_string();
            let sentence = format!("they are those of {arn}");
            findings.push(Finding::ok(code::AWS_CALLER, sentence));
            Access::Known(caller)
        }
        Err(error) => {
            let status = if error.is_refusal() {
                Status::Problem
            } else {
                Status::Unknown
            };
            findings.push(Finding::explained(code::AWS_CALLER, status, &error));
            Access::Nameless
        }
    }
}

fn given(credentials: &FoundCredentials, now: Timestamp) -> Finding {
    let step = credentials.step;
    let Some(ends) = credentials.ends else {
        let sentence = format!("credentials come from {step}, and do not expire");
        return Finding::ok(code::AWS_CREDENTIALS, sentence);
    };
    let sentence = format!("credentials come from {step}, and expire at {ends}");
    let is_soon = now.plus(SOON).is_none_or(|soon| ends < soon);
    if is_soon {
        let remedy = "renew them, if nothing does so by itself";
        return Finding::note(code::AWS_CREDENTIALS, sentence, remedy);
    }
    Finding::ok(code::AWS_CREDENTIALS, sentence)
}

#[cfg(test)]
mod tests {
    use countersign_registry::Step;

    use super::*;

    #[test]
    fn credentials_that_end_within_a_quarter_of_an_hour_are_told_of() {
        let now = Timestamp::from_unix_seconds(1_800_000_000).unwrap();
        let ending = |seconds: i64| FoundCredentials {
            step: Step::SingleSignOn,
            ends: Timestamp::from_unix_seconds(1_800_000_000 + seconds),
        };
        assert_eq!(given(&ending(15 * 60), now).status, Status::Ok);
        assert_eq!(given(&ending(15 * 60 - 1), now).status, Status::Note);
    }
}
