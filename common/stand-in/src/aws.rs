//! AWS's JSON 1.1 protocol: which service and operation a call is for, and how results and errors are written.
//! Called for each call on the AWS listener; one with a form is passed on to `sts`. Knows no operation itself, and checks
//! no signature.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{answer::Answer, ecr::Ecr, kms::Kms, services::Asked, sts};

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// The AWS services behind one endpoint, told apart by `X-Amz-Target`.
#[derive(Debug)]
pub(crate) struct Aws {
    pub(crate) ecr: Ecr,
    pub(crate) kms: Kms,
}

/// An error as the SDKs read it: the name decides, the message is for people.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct AwsError {
    pub(crate) status: u16,
    pub(crate) name: &'static str,
    pub(crate) message: String,
}

impl Aws {
    pub(crate) fn answer(&self, asked: &Asked) -> Answer {
        if let Some(target) = sts::target(asked) {
            return sts::answer(&target);
        }
        let target = asked.header("x-amz-target").unwrap_or_default();
        let outcome = match target.split_once('.') {
            Some(("TrentService", operation)) => {
                self.kms.call(operation, asked.region(), &asked.body)
            }
            Some(("AmazonEC2ContainerRegistry_V20150921", operation)) => {
                self.ecr.call(operation, &asked.body)
            }
            _ => Err(unknown_operation(target)),
        };
        match outcome {
            // Operations without a result have an empty body, which is not JSON.
            Ok(Value::Null) => Answer::new(200).with("Content-Type", CONTENT_TYPE),
            Ok(result) => Answer::new(200)
                .with("Content-Type", CONTENT_TYPE)
                .body(result.to_string()),
            Err(error) => error.answer(),
        }
    }
}

impl AwsError {
    /// An error of the caller, HTTP 400 as almost all of them are.
    pub(crate) fn new(name: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            name,
            message: message.into(),
        }
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    pub(crate) fn answer(&self) -> Answer {
        let document = json!({"__type": self.name, "message": self.message});
        Answer::new(self.status)
            .with("Content-Type", CONTENT_TYPE)
            .body(document.to_string())
    }
}

/// Reads an operation's parameters.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, AwsError> {
    serde_json::from_slice(body)
        .map_err(|error| AwsError::new("SerializationException", error.to_string()))
}

pub(crate) fn unknown_operation(operation: &str) -> AwsError {
    AwsError::new(
        "UnknownOperationException",
        format!("the stand-in has no operation '{operation}'"),
    )
}
