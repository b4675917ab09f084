//! STS's `GetCallerIdentity`, in AWS's query protocol: parameters in a form, answers in XML. Called for each call on the
//! AWS listener that has a form. Every caller is the same user, since no signature is checked here.

use url::form_urlencoded;

use crate::{ACCOUNT, answer::Answer, services::Asked};

/// What such a call is known by, to faults and tests.
const SERVICE: &str = "AWSSecurityTokenServiceV20110615";

/// The user that every caller is.
const USER: &str = "stand-in";

/// The service and operation of a call in the query protocol, if it is one.
pub(crate) fn target(asked: &Asked) -> Option<String> {
    let is_form = asked
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let action = form_urlencoded::parse(&asked.body)
        .find_map(|(name, value)| (name == "Action").then(|| value.into_owned()));
    action
        .filter(|_| is_form)
        .map(|action| format!("{SERVICE}.{action}"))
}

pub(crate) fn answer(target: &str) -> Answer {
    if target != format!("{SERVICE}.GetCallerIdentity") {
        let operation = target.split_once('.').map_or(target, |(_, name)| name);
        return error(
            400,
            "InvalidAction",
            &format!("the stand-in has no operation {operation}"),
        );
    }
    xml(
        200,
        &format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <Arn>arn:aws:iam::{ACCOUNT}:user/{USER}</Arn><UserId>AIDASTANDIN</UserId><Account>{ACCOUNT}</Account>\
             </GetCallerIdentityResult></GetCallerIdentityResponse>"
        ),
    )
}

/// An error as the SDKs read it.
pub(crate) fn error(status: u16, code: &str, message: &str) -> Answer {
    let (code, message) = (escaped(code), escaped(message));
    xml(
        status,
        &format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        ),
    )
}

fn xml(status: u16, document: &str) -> Answer {
    Answer::new(status)
        .with("Content-Type", "text/xml")
        .body(document.to_owned())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
