//! The statements of AWS policies that allow what was denied, each of no more than that. Written for people to paste.

use std::collections::BTreeMap;

use countersign_common::Escaped;
use countersign_kms::KeyUri;
use countersign_registry::{Caller, partition};
use serde_json::{Map, Value, json};

/// What AWS must allow, and where that is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Grant {
    pub(super) place: Place,
    actions: Vec<&'static str>,
    resource: Resource,
    /// Who is let in, where the policy is not the caller's own.
    principal: Option<Principal>,
}

/// Whom the policy of a resource lets in.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Principal {
    /// By this name.
    Named(String),
    /// Of this account, the roles that look so: their path is not told, and a principal takes no pattern.
    Roles { account: String, pattern: String },
}

/// Where a statement is written.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Place {
    /// In what bounds the policies of whoever calls, by AWS's name.
    Bound(&'static str),
    /// In the IAM policy of whoever calls.
    Caller,
    /// In the key policy of this key.
    Key(String),
    /// In the repository policy of this repository.
    Repository(String),
}

/// What a statement is about.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Resource {
    /// Everything, since the action takes no other.
    Any,
    /// This one.
    Arn(String),
    /// Any key of the region that has this alias now: IAM names no key by its alias.
    Alias { keys: String, alias: String },
}

impl Place {
    pub(super) fn sentence(&self) -> String {
        match self {
            Self::Bound(name) => format!("in the {name}"),
            Self::Caller => "in the IAM policy of the caller".to_owned(),
            Self::Key(arn) => format!("in the key policy of {}", Escaped(arn)),
            Self::Repository(arn) => format!("in the repository policy of {}", Escaped(arn)),
        }
    }
}

impl Grant {
    /// What whoever calls must be allowed by their own policy.
    pub(super) fn to_caller(actions: &[&'static str], resource: Resource) -> Self {
        Self {
            place: Place::Caller,
            actions: actions.to_vec(),
            resource,
            principal: None,
        }
    }

    /// The same, by what bounds it.
    pub(super) fn within(
        bound: &'static str,
        actions: &[&'static str],
        resource: Resource,
    ) -> Self {
        // The policy of an endpoint is no caller's own.
        let principal = (bound == ENDPOINT).then(|| Principal::Named("*".to_owned()));
        Self {
            place: Place::Bound(bound),
            principal,
            ..Self::to_caller(actions, resource)
        }
    }

    /// What the policy of a resource must allow whoever calls. In such a policy the resource is its own.
    pub(super) fn by(place: Place, actions: &[&'static str], caller: &Caller) -> Self {
        Self {
            place,
            actions: actions.to_vec(),
            resource: Resource::Any,
            principal: Some(principal(caller)),
        }
    }

    /// The statement.
    pub(super) fn statement(&self) -> Value {
        let mut statement = Map::new();
        statement.insert("Effect".to_owned(), "Allow".into());
        match &self.principal {
            None => {}
            Some(Principal::Named(principal)) => {
                statement.insert("Principal".to_owned(), json!({ "AWS": principal }));
            }
            Some(Principal::Roles { account, pattern }) => {
                statement.insert("Principal".to_owned(), json!({ "AWS": account }));
                let condition = json!({ "ArnLike": { "aws:PrincipalArn": pattern } });
                statement.insert("Condition".to_owned(), condition);
            }
        }
        let action = match self.actions.as_slice() {
            [only] => json!(only),
            several => json!(several),
        };
        statement.insert("Action".to_owned(), action);
        // The policy of a repository is of it alone, and takes no resource.
        if !matches!(self.place, Place::Repository(_)) {
            let resource = match &self.resource {
                Resource::Any => "*",
                Resource::Arn(arn) => arn,
                Resource::Alias { keys, .. } => keys,
            };
            statement.insert("Resource".to_owned(), resource.into());
        }
        if let Resource::Alias { alias, .. } = &self.resource {
            let condition = json!({ "ForAnyValue:StringEquals": { "kms:ResourceAliases": alias } });
            statement.insert("Condition".to_owned(), condition);
        }
        Value::Object(statement)
    }
}

/// The policies that allow all of it together: of each place one, of each resource one statement.
pub(super) fn policies<'a>(grants: impl Iterator<Item = &'a Grant>) -> BTreeMap<Place, Value> {
    let mut merged: BTreeMap<Place, Vec<Grant>> = BTreeMap::new();
    for grant in grants {
        let grants = merged.entry(grant.place.clone()).or_default();
        let same = grants
            .iter_mut()
            .find(|known| known.resource == grant.resource && known.principal == grant.principal);
        match same {
            Some(known) => known.actions.extend(&grant.actions),
            None => grants.push(grant.clone()),
        }
    }
    let policy = |mut grants: Vec<Grant>| {
        for grant in &mut grants {
            grant.actions.sort_unstable();
            grant.actions.dedup();
        }
        let statements: Vec<_> = grants.iter().map(Grant::statement).collect();
        json!({ "Version": "2012-10-17", "Statement": statements })
    };
    merged
        .into_iter()
        .map(|(place, grants)| (place, policy(grants)))
        .collect()
}

/// A key as a policy names it: by the ARN that KMS told, or by what the caller calls it.
pub(super) fn key(
    uri: &KeyUri,
    told: Option<&str>,
    (region, caller): (&str, Option<&Caller>),
) -> Resource {
    if let Some(arn) = told {
        return Resource::Arn(arn.to_owned());
    }
    if uri.is_key_arn() {
        return Resource::Arn(uri.name().to_owned());
    }
    let account = caller.map(|caller| caller.account.as_str());
    let account = uri.account().or(account).unwrap_or("ACCOUNT");
    let partition = partition(region);
    let keys = format!("arn:{partition}:kms:{region}:{account}:key");
    match uri.name().split_once("alias/") {
        Some((_, alias)) => Resource::Alias {
            keys: format!("{keys}/*"),
            alias: format!("alias/{alias}"),
        },
        None => Resource::Arn(format!("{keys}/{}", uri.name())),
    }
}

/// The ARN of a key that a denial names, as KMS has resolved it.
pub(super) fn told_key(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("on resource: ")?;
    let arn = rest.split_whitespace().next()?;
    let uri: KeyUri = arn.parse().ok()?;
    uri.is_key_arn().then_some(arn)
}

/// The explicit denial that a message tells of, against which no statement helps: where it is.
pub(super) fn explicit_deny(message: &str) -> Option<&str> {
    let (_, place) = message.split_once("explicit deny in ")?;
    Some(place.trim_end_matches('.'))
}

/// What bounds what policies allow, and did not allow it itself: a statement elsewhere does not help.
pub(super) fn silent_bound(message: &str) -> Option<&'static str> {
    let (_, rest) = message.split_once("because no ")?;
    let mut bounds = BOUNDS.into_iter();
    bounds.find(|bound| {
        rest.strip_prefix(bound)
            .is_some_and(|rest| rest.starts_with(" allows"))
    })
}

const ENDPOINT: &str = "VPC endpoint policy";
/// As AWS names them in a denial.
const BOUNDS: [&str; 5] = [
    ENDPOINT,
    "permissions boundary",
    "resource control policy",
    "service control policy",
    "session policy",
];

/// Who a policy must name: of the session of a role the role, whose path a session does not tell.
fn principal(caller: &Caller) -> Principal {
    let role = caller
        .arn
        .split_once(":assumed-role/")
        .and_then(|(begin, session)| {
            let partition = begin.split(':').nth(1)?;
            let role = session.split('/').next()?;
            let account = format!("arn:{partition}:iam::{}", caller.account);
            Some(if role.starts_with("AWSReservedSSO_") {
                Principal::Roles {
                    pattern: format!("{account}:role/aws-reserved/sso.amazonaws.com/*{role}"),
                    account: format!("{account}:root"),
                }
            } else {
                Principal::Named(format!("{account}:role/{role}"))
            })
        });
    role.unwrap_or_else(|| Principal::Named(caller.arn.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(arn: &str) -> Caller {
        Caller {
            arn: arn.to_owned(),
            account: "111122223333".to_owned(),
        }
    }

    const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    #[test]
    fn a_session_is_let_in_by_its_role() {
        for (arn, named) in [
            (
                "arn:aws:sts::111122223333:assumed-role/sign-releases/run-7",
                "arn:aws:iam::111122223333:role/sign-releases",
            ),
            (
                "arn:aws-cn:sts::111122223333:assumed-role/sign/run",
                "arn:aws-cn:iam::111122223333:role/sign",
            ),
            (
                "arn:aws:iam::111122223333:user/me",
                "arn:aws:iam::111122223333:user/me",
            ),
        ] {
            let named = Principal::Named(named.to_owned());
            assert_eq!(principal(&caller(arn)), named);
        }
        let signed_on =
            caller("arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_0123/me");
        let grant = Grant::by(Place::Key(KEY.to_owned()), &["kms:Sign"], &signed_on);
        assert_eq!(
            grant.statement(),
            json!({
                "Effect": "Allow", "Action": "kms:Sign", "Resource": "*",
                "Principal": { "AWS": "arn:aws:iam::111122223333:root" },
                "Condition": { "ArnLike": { "aws:PrincipalArn":
                    "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_Admin_0123" } },
            })
        );
    }

    #[test]
    fn what_bounds_policies_is_told_from_policies() {
        for (said, bound) in [
            (
                "because no permissions boundary allows the kms:Sign action",
                Some("permissions boundary"),
            ),
            (
                "because no VPC endpoint policy allows the kms:Sign action",
                Some("VPC endpoint policy"),
            ),
            (
                "because no identity-based policy allows the kms:Sign action",
                None,
            ),
            (
                "because no resource-based policy allows the kms:Sign action",
                None,
            ),
            ("because no session policy forbids it", None),
        ] {
            assert_eq!(silent_bound(said), bound, "{said}");
        }
    }

    #[test]
    fn a_key_is_named_as_exactly_as_it_is_known() {
        let named = |name: &str, told| {
            let uri = name.parse().unwrap();
            let caller = caller("arn:aws-cn:iam::111122223333:user/me");
            key(&uri, told, ("cn-north-1", Some(&caller)))
        };
        assert_eq!(named("alias/a", Some(KEY)), Resource::Arn(KEY.to_owned()));
        assert_eq!(named(KEY, None), Resource::Arn(KEY.to_owned()));
        assert_eq!(
            named("alias/a", None),
            Resource::Alias {
                keys: "arn:aws-cn:kms:cn-north-1:111122223333:key/*".to_owned(),
                alias: "alias/a".to_owned()
            }
        );
        let id = "1234abcd-12ab-34cd-56ef-1234567890ab";
        assert_eq!(
            named(&format!("awskms:///{id}"), None),
            Resource::Arn(format!("arn:aws-cn:kms:cn-north-1:111122223333:key/{id}"))
        );
    }

    #[test]
    fn what_a_denial_tells_is_read_and_nothing_else_is() {
        let said = format!(
            "User: arn:aws:iam::111122223333:user/me is not authorized to perform: kms:Sign on resource: {KEY} because no identity-based policy allows the kms:Sign action"
        );
        assert_eq!(told_key(&said), Some(KEY));
        assert_eq!(explicit_deny(&said), None);
        assert_eq!(told_key("on resource: arn:aws:kms:x:1:alias/a"), None);
        assert_eq!(told_key("denied"), None);
        assert_eq!(
            explicit_deny("… with an explicit deny in a service control policy"),
            Some("a service control policy")
        );
    }

    #[test]
    fn one_statement_is_made_for_each_resource() {
        let key = || Resource::Arn(KEY.to_owned());
        let stranger = caller("arn:aws:iam::444455556666:user/me");
        let grants = [
            Grant::to_caller(&["kms:Sign"], key()),
            Grant::to_caller(&["kms:GetPublicKey"], key()),
            Grant::to_caller(&["ecr:GetAuthorizationToken"], Resource::Any),
            Grant::by(Place::Key(KEY.to_owned()), &["kms:Sign"], &stranger),
            Grant::to_caller(&["kms:Sign"], key()),
        ];
        let policies: Vec<_> = policies(grants.iter()).into_values().collect();
        assert_eq!(
            policies,
            [
                json!({"Version": "2012-10-17", "Statement": [
                    {"Effect": "Allow", "Action": ["kms:GetPublicKey", "kms:Sign"], "Resource": KEY},
                    {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
                ]}),
                json!({"Version": "2012-10-17", "Statement": [
                    {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:user/me"},
                     "Action": "kms:Sign", "Resource": "*"},
                ]}),
            ]
        );
    }
}
