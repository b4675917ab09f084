//! Whether a trust root lets a key sign in a repository now: the key that an alias points to at this moment, too.

use countersign_common::{Escaped, ImageRef, Timestamp, signer::SigningKey};
use countersign_trust_roots::{Role, policy::Matched};

use crate::{
    command::doctor::{
        code,
        finding::{Finding, Status},
    },
    judge::Court,
};

/// What a release needs: a signature of the image, and its publication.
const ROLES: [Role; 2] = [Role::Sign, Role::Publish];

pub(in crate::command::doctor) fn check(
    court: &Court,
    (named, key): (&str, &SigningKey),
    image: &ImageRef,
    now: Timestamp,
) -> Finding {
    let code = code::KEY_TRUSTED;
    let repository = image.repository();
    let Ok(Matched { rule, signed, .. }) = court.policy().rule_for(repository) else {
        return Finding::skipped(code, &format!("no rule of the policy is for {repository}"));
    };
    let Some(Ok(opened)) = court.root(&rule.root.name) else {
        let root = &rule.root.name;
        return Finding::skipped(code, &format!("the trust root {root} could not be used"));
    };
    let grant = match opened.root.grant(&signed) {
        Ok(grant) => grant,
        Err(refusal) => return Finding::explained(code, Status::Problem, &refusal),
    };
    for role in ROLES {
        if let Err(refusal) = grant.admits((&key.public_key, &key.name), role, now) {
            return Finding::explained(code, Status::Problem, &refusal);
        }
    }
    let (named, id) = (Escaped(named), key.public_key.id().short());
    let version = opened.root.contents().version();
    Finding::ok(
        code,
        format!(
            "root {} version {version} lets {named} (key {id}…) sign in {repository} now",
            rule.root.name
        ),
    )
}
