//! What AWS denied, and the statements that allow it. Called by the checks that asked; asks nothing itself.

use countersign_common::{Code, Escaped};
use countersign_registry::Caller;

use crate::command::doctor::{
    finding::{Finding, Status},
    statement::{Grant, Place, Resource, explicit_deny, silent_bound},
};

/// A denied request.
pub(in crate::command::doctor) struct Denied<'a> {
    pub(in crate::command::doctor) code: Code,
    /// The actions that the request needs, and what follows it, in their order.
    pub(in crate::command::doctor) actions: &'a [&'static str],
    /// What it was asked of.
    pub(in crate::command::doctor) resource: Resource,
    /// The policy of what it was asked of, if it has one of its own.
    pub(in crate::command::doctor) own_policy: Option<Place>,
    /// The account of what it was asked of.
    pub(in crate::command::doctor) account: Option<&'a str>,
    /// What AWS said.
    pub(in crate::command::doctor) message: &'a str,
}

impl Denied<'_> {
    /// What mends it, as far as whoever calls is known.
    pub(in crate::command::doctor) fn finding(&self, caller: Option<&Caller>) -> Finding {
        let (denied, missing) = self.missing();
        let denied = shown(denied);
        let said = match self.message {
            "" => String::new(),
            message => format!(": {}", Escaped(message)),
        };
        let sentence = format!("{denied} is denied{said}");
        // No statement allows what another forbids.
        if let Some(place) = explicit_deny(self.message) {
            let remedy = format!(
                "{} forbids it, and no statement allows it beside that: have the denial taken back",
                Escaped(place)
            );
            return Finding::problem(self.code, sentence, &remedy);
        }
        if let Some(bound) = silent_bound(self.message) {
            let remedy = format!(
                "the {bound} must allow {} too, by the statement below: other policies allow no more than it does",
                shown(missing)
            );
            let grant = Grant::within(bound, missing, self.resource.clone());
            return Finding::problem(self.code, sentence, &remedy).granting(vec![grant]);
        }
        let remedy = format!("allow {} by the statement below", shown(missing));
        Finding::problem(self.code, sentence, &remedy).granting(self.grants(missing, caller))
    }

    /// The same where nothing that is asked for needs it.
    pub(in crate::command::doctor) fn note(
        &self,
        caller: Option<&Caller>,
        purpose: &str,
    ) -> Finding {
        let finding = self.finding(caller);
        let remedy = finding.remedy.unwrap_or_default();
        Finding {
            status: Status::Note,
            remedy: Some(format!("{purpose}; to have it looked at, {remedy}")),
            ..finding
        }
    }

    /// What is denied, and with it what would be asked for next and was not reached: the one that the denial names, or
    /// else all.
    fn missing(&self) -> (&[&'static str], &[&'static str]) {
        let is_named = |action: &&'static str| {
            let mut words = self.message.split_whitespace();
            words.any(|word| word == *action)
        };
        let named = self.actions.iter().position(is_named);
        let rest = named.and_then(|first| self.actions.get(first..));
        match rest.map(|rest| (rest.get(..1), rest)) {
            Some((Some(denied), missing)) => (denied, missing),
            _ => (self.actions, self.actions),
        }
    }

    fn grants(&self, actions: &[&'static str], caller: Option<&Caller>) -> Vec<Grant> {
        let own = || Grant::to_caller(actions, self.resource.clone());
        let (Some(caller), Some(place)) = (caller, &self.own_policy) else {
            return vec![own()];
        };
        let by_resource = || Grant::by(place.clone(), actions, caller);
        let is_foreign = self
            .account
            .is_some_and(|account| account != caller.account);
        // Between accounts both must allow it.
        if is_foreign {
            vec![own(), by_resource()]
        } else if self.message.contains("no resource-based policy allows") {
            vec![by_resource()]
        } else {
            vec![own()]
        }
    }
}

fn shown(actions: &[&str]) -> String {
    let quoted: Vec<_> = actions.iter().map(|action| format!("`{action}`")).collect();
    quoted.join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:ecr:eu-west-1:111122223333:repository/shop/api";

    fn denied(message: &str, caller: &str) -> Finding {
        let denied = Denied {
            code: Code::new("registry-upload"),
            actions: &["ecr:UploadLayerPart", "ecr:CompleteLayerUpload"],
            resource: Resource::Arn(ARN.to_owned()),
            own_policy: Some(Place::Repository(ARN.to_owned())),
            account: Some("111122223333"),
            message,
        };
        denied.finding(Some(&Caller {
            arn: format!("arn:aws:iam::{caller}:user/me"),
            account: caller.to_owned(),
        }))
    }

    fn statements(finding: &Finding) -> Vec<String> {
        finding
            .grants
            .iter()
            .map(|grant| grant.statement().to_string())
            .collect()
    }

    #[test]
    fn what_comes_before_what_the_denial_names_was_allowed() {
        let named =
            "User: arn:… is not authorized to perform: ecr:CompleteLayerUpload on resource: …";
        assert_eq!(
            statements(&denied(named, "111122223333")),
            [format!(
                r#"{{"Action":"ecr:CompleteLayerUpload","Effect":"Allow","Resource":"{ARN}"}}"#
            )]
        );
        assert_eq!(
            statements(&denied("DENIED", "111122223333")),
            [format!(
                r#"{{"Action":["ecr:UploadLayerPart","ecr:CompleteLayerUpload"],"Effect":"Allow","Resource":"{ARN}"}}"#
            )]
        );
    }

    #[test]
    fn between_accounts_both_policies_allow_it() {
        let both = statements(&denied("ecr:CompleteLayerUpload", "444455556666"));
        assert_eq!(
            both,
            [
                format!(
                    r#"{{"Action":"ecr:CompleteLayerUpload","Effect":"Allow","Resource":"{ARN}"}}"#
                ),
                r#"{"Action":"ecr:CompleteLayerUpload","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:user/me"}}"#.to_owned()
            ]
        );
        let own = denied(
            "ecr:UploadLayerPart because no resource-based policy allows it",
            "111122223333",
        );
        assert_eq!(own.grants.len(), 1);
        assert_eq!(own.grants[0].place, Place::Repository(ARN.to_owned()));
    }

    #[test]
    fn what_bounds_the_caller_must_allow_it_itself() {
        let said = |bound: &str| {
            let message = format!(
                "is not authorized to perform: ecr:CompleteLayerUpload on resource: {ARN} because no {bound} allows the ecr:CompleteLayerUpload action"
            );
            denied(&message, "111122223333")
        };
        let finding = said("permissions boundary");
        assert_eq!(
            finding.grants[0].place,
            Place::Bound("permissions boundary")
        );
        assert!(finding.remedy.as_ref().unwrap().contains("must allow"));
        assert_eq!(
            statements(&finding),
            statements(&said("identity-based policy"))
        );
        assert_eq!(said("identity-based policy").grants[0].place, Place::Caller);
        let endpoint = said("VPC endpoint policy");
        assert!(statements(&endpoint)[0].contains(r#""Principal":{"AWS":"*"}"#));
    }

    #[test]
    fn against_an_explicit_denial_no_statement_is_offered() {
        let finding = denied(
            "ecr:UploadLayerPart with an explicit deny in a service control policy",
            "111122223333",
        );
        assert_eq!(finding.grants, []);
        assert!(
            finding
                .remedy
                .unwrap()
                .starts_with("a service control policy forbids it")
        );
    }
}
