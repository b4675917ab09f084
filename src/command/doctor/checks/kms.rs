//! A key in KMS: whether the caller may read it and sign with it, and whether it can sign at all. Nothing is signed.

use std::time::Duration;

use countersign_common::{
    Algorithm, Code, Escaped,
    signer::{Failure, KeyOrigin, Refusal, SigningKey},
};
use countersign_kms::{
    Description, Examiner, KeyState, KeyUri, Material, Notice, Options, Regions,
};

use super::{aws::Access, denied::Denied};
use crate::{
    arguments::doctor::DoctorPurpose,
    command::{
        doctor::{
            Wanted, code,
            finding::{Finding, Status},
            statement::{self, Place, told_key},
        },
        signing::outside_of_cosign,
    },
};

/// What is asked about a key, and by whom.
#[derive(Clone, Copy)]
pub(in crate::command::doctor) struct Question<'a> {
    pub(in crate::command::doctor) uri: &'a KeyUri,
    pub(in crate::command::doctor) wanted: Wanted,
    pub(in crate::command::doctor) purpose: DoctorPurpose,
    pub(in crate::command::doctor) access: &'a Access,
    pub(in crate::command::doctor) timeout: Duration,
}

/// What KMS answered.
struct Answers {
    public_key: Result<SigningKey, Failure>,
    description: Result<Description, Failure>,
    /// `None` where nobody knows what to ask.
    signing: Option<Result<(), Failure>>,
    /// Where it was asked.
    region: String,
}

const ALL: [Code; 6] = [
    code::KMS_GET_PUBLIC_KEY,
    code::KMS_DESCRIBE_KEY,
    code::KMS_SIGN,
    code::KEY_STATE,
    code::KEY_SPEC,
    code::KEY_ORIGIN,
];

impl Question<'_> {
    /// What was found out, and the key itself if it could be read.
    pub(in crate::command::doctor) async fn ask(self) -> (Vec<Finding>, Option<SigningKey>) {
        let name = Escaped(self.uri.name());
        if let Some(obstacle) = self.access.obstacle() {
            let why = format!("{obstacle}, and {name} can only be asked about with some");
            return (self.skipped(&why), None);
        }
        let options = Options {
            timeout: self.timeout,
        };
        let Ok(examiner) = Examiner::open(self.uri, options).await else {
            // What mends it is said of the region.
            let why = format!("no region is known for {name}");
            return (self.skipped(&why), None);
        };
        let answers = self.answers(&examiner).await;
        let mut findings = endpoint(&examiner);
        findings.extend(self.findings(&answers));
        (findings, answers.public_key.ok())
    }

    fn skipped(self, why: &str) -> Vec<Finding> {
        let codes = self.codes().into_iter();
        codes.map(|code| Finding::skipped(code, why)).collect()
    }

    /// What is found out.
    pub(in crate::command::doctor) fn codes(self) -> Vec<Code> {
        let is_asked = |code: &Code| self.purpose == DoctorPurpose::Sign || *code != code::KMS_SIGN;
        ALL.into_iter().filter(is_asked).collect()
    }

    async fn answers(self, examiner: &Examiner) -> Answers {
        let (public_key, description) =
            futures_util::future::join(self.fetched(examiner), examiner.description()).await;
        let by_key = || {
            let key = public_key.as_ref().ok()?;
            Some((key.name.as_str(), key.public_key.algorithm()))
        };
        let by_description = || {
            let described = description.as_ref().ok()?;
            Some((
                described.arn.as_str(),
                self.wanted.demanded().or(described.algorithm)?,
            ))
        };
        let signing = match (by_key().or_else(by_description), self.purpose) {
            (_, DoctorPurpose::Verify) => None,
            (Some((arn, algorithm)), _) => Some(examiner.would_sign(arn, algorithm).await),
            (None, _) => self.guessed(examiner, &public_key).await,
        };
        Answers {
            public_key,
            description,
            signing,
            region: examiner.region().to_owned(),
        }
    }

    /// The public half, for its own algorithm where another is only for keys that can use it.
    async fn fetched(self, examiner: &Examiner) -> Result<SigningKey, Failure> {
        let fetched = examiner.public_key(self.wanted.asked()).await;
        match (&fetched, self.wanted) {
            (Err(Failure::Refusal(Refusal::WrongUsage { .. })), Wanted::IfUsable(_)) => {
                examiner.public_key(None).await
            }
            _ => fetched,
        }
    }

    /// By the algorithm of most keys, where none may be known: who may not sign is denied by any. Other answers say nothing.
    async fn guessed(
        self,
        examiner: &Examiner,
        public_key: &Result<SigningKey, Failure>,
    ) -> Option<Result<(), Failure>> {
        let Err(Failure::Refusal(Refusal::AccessDenied { .. })) = public_key else {
            return None;
        };
        let algorithm = self.wanted.asked().unwrap_or(Algorithm::EcdsaP256Sha256);
        let answer = examiner.would_sign(self.uri.name(), algorithm).await;
        let is_said = match &answer {
            Ok(()) | Err(Failure::Refusal(Refusal::AccessDenied { .. })) => true,
            Err(failure) => is_by_state(failure),
        };
        is_said.then_some(answer)
    }

    fn findings(self, answers: &Answers) -> Vec<Finding> {
        let mut findings = vec![self.public_key(answers), self.description(answers)];
        if self.purpose == DoctorPurpose::Sign {
            findings.push(self.signing(answers));
        }
        findings.push(state(self.uri, answers, self.purpose));
        findings.push(spec(self.uri, answers));
        findings.push(origin(self.uri, answers));
        findings
    }

    fn public_key(self, answers: &Answers) -> Finding {
        let code = code::KMS_GET_PUBLIC_KEY;
        match &answers.public_key {
            Ok(key) => Finding::ok(
                code,
                format!("`kms:GetPublicKey` is allowed on {}", key.name),
            ),
            // It was read, and is told of beside its spec.
            Err(Failure::Refusal(Refusal::WrongUsage { .. })) => Finding::ok(
                code,
                format!(
                    "`kms:GetPublicKey` is allowed on {}",
                    Escaped(self.uri.name())
                ),
            ),
            Err(failure) if is_by_state(failure) => {
                Finding::skipped(code, "the key's state forbids it")
            }
            Err(failure) => self.failed(code, failure, answers),
        }
    }

    fn description(self, answers: &Answers) -> Finding {
        let code = code::KMS_DESCRIBE_KEY;
        match (&answers.description, &answers.public_key) {
            (Ok(described), _) => {
                let arn = Escaped(&described.arn).to_string();
                Finding::ok(code, format!("`kms:DescribeKey` is allowed on {arn}"))
            }
            (Err(Failure::Refusal(Refusal::AccessDenied { message, .. })), _) => self
                .denied(code, &["kms:DescribeKey"], message, answers)
                .note(
                    self.access.caller(),
                    "nothing of Countersign needs it but this; cosign does",
                ),
            (Err(Failure::Refusal(Refusal::NotFound { .. })), Err(_)) => {
                Finding::skipped(code, "there is no such key")
            }
            (Err(failure), _) => Finding::explained(code, weight(failure), failure),
        }
    }

    fn signing(self, answers: &Answers) -> Finding {
        let code = code::KMS_SIGN;
        match &answers.signing {
            None => Finding::skipped(
                code,
                "neither the public half nor a description of the key could be read",
            ),
            Some(Ok(())) => {
                let name = Escaped(self.uri.name());
                Finding::ok(
                    code,
                    format!("`kms:Sign` is allowed on {name}, by a dry run"),
                )
            }
            Some(Err(failure)) if is_by_state(failure) => {
                Finding::skipped(code, "the key's state forbids it")
            }
            Some(Err(failure)) => self.failed(code, failure, answers),
        }
    }

    fn failed(self, code: Code, failure: &Failure, answers: &Answers) -> Finding {
        match failure {
            Failure::Refusal(Refusal::AccessDenied {
                action, message, ..
            }) => self
                .denied(code, &[action], message, answers)
                .finding(self.access.caller()),
            failure => Finding::explained(code, weight(failure), failure),
        }
    }

    fn denied<'a>(
        &'a self,
        code: Code,
        actions: &'a [&'static str],
        message: &'a str,
        answers: &'a Answers,
    ) -> Denied<'a> {
        let key = answers
            .public_key
            .as_ref()
            .ok()
            .map(|key| key.name.as_str());
        let described = || Some(answers.description.as_ref().ok()?.arn.as_str());
        let arn = key.or_else(described).or_else(|| told_key(message));
        let account = arn.or_else(|| self.uri.account().map(|_| self.uri.name()));
        Denied {
            code,
            actions,
            resource: statement::key(self.uri, arn, (&answers.region, self.access.caller())),
            own_policy: arn.map(|arn| Place::Key(arn.to_owned())).or_else(|| {
                self.uri
                    .account()
                    .map(|_| Place::Key(self.uri.name().to_owned()))
            }),
            account: account.and_then(|arn| arn.split(':').nth(4)),
            message,
        }
    }
}

/// What is known of a failure: whether it was found out that it will not do.
fn weight(failure: &Failure) -> Status {
    match failure {
        Failure::Error(_) => Status::Unknown,
        Failure::Refusal(_) => Status::Problem,
    }
}

fn is_by_state(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Refusal(Refusal::Disabled { .. } | Refusal::InvalidState { .. })
    )
}

fn endpoint(examiner: &Examiner) -> Vec<Finding> {
    let notices = examiner.notices().iter();
    let elsewhere = notices.filter(|notice| matches!(notice, Notice::Endpoint { .. }));
    elsewhere
        .map(|notice| {
            let remedy =
                "unset `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_KMS`, unless that is meant";
            Finding::note(code::NETWORK, notice.to_string(), remedy)
        })
        .collect()
}

fn state(uri: &KeyUri, answers: &Answers, purpose: DoctorPurpose) -> Finding {
    let code = code::KEY_STATE;
    let name = Escaped(uri.name());
    if let Ok(described) = &answers.description {
        return described_state(&described.state, name, purpose);
    }
    let failures = [
        answers
            .signing
            .as_ref()
            .and_then(|signing| signing.as_ref().err()),
        answers.public_key.as_ref().err(),
    ];
    let by_state = failures.into_iter().flatten().find(|one| is_by_state(one));
    match (by_state, &answers.signing) {
        (Some(failure), _) => Finding::explained(code, Status::Problem, failure),
        (None, Some(Ok(()))) => Finding::ok(code, format!("key {name} would sign")),
        _ => Finding::skipped(code, "the key could not be described"),
    }
}

fn described_state(state: &KeyState, name: Escaped<'_>, purpose: DoctorPurpose) -> Finding {
    let code = code::KEY_STATE;
    let (sentence, remedy) = match state {
        KeyState::Enabled => return Finding::ok(code, format!("key {name} is enabled")),
        KeyState::PendingDeletion { at } => {
            let at = at.map(|at| format!(" at {at}")).unwrap_or_default();
            (
                format!("key {name} will be deleted{at}"),
                "take it back with `aws kms cancel-key-deletion` and `aws kms enable-key`, or use another key",
            )
        }
        KeyState::Unusable(state) => (
            format!("key {name} cannot be used: its state is {}", Escaped(state)),
            "enable it with `aws kms enable-key`, or use another key",
        ),
    };
    match purpose {
        DoctorPurpose::Sign => Finding::problem(code, sentence, remedy),
        // Its public half can be kept in a file, and what it signed goes on to count.
        DoctorPurpose::Verify => Finding::note(code, sentence, remedy),
    }
}

fn spec(uri: &KeyUri, answers: &Answers) -> Finding {
    let code = code::KEY_SPEC;
    match (&answers.public_key, &answers.description) {
        (Ok(key), described) => {
            let algorithm = key.public_key.algorithm();
            let spec = described.as_ref().map(|described| described.spec.as_str());
            let spec = spec.map(|spec| format!(" is an {} key and", Escaped(spec)));
            let name = Escaped(uri.name());
            let sentence = format!(
                "{name}{} signs with `{algorithm}`",
                spec.unwrap_or_default()
            );
            match outside_of_cosign(algorithm) {
                None => Finding::ok(code, sentence),
                Some(warning) => Finding::note(
                    code,
                    format!("{sentence}; {warning}"),
                    "where cosign verifies too, use a key of ECC_NIST_P256",
                ),
            }
        }
        (Err(failure @ Failure::Refusal(Refusal::WrongUsage { .. })), _) => {
            Finding::explained(code, Status::Problem, failure)
        }
        (Err(_), Ok(described))
            if described.algorithm.is_none() || described.usage != "SIGN_VERIFY" =>
        {
            let (spec, usage) = (Escaped(&described.spec), Escaped(&described.usage));
            Finding::problem(
                code,
                format!("{} is an {spec} key for {usage}", Escaped(uri.name())),
                "use a key with usage SIGN_VERIFY; ECC_NIST_P256 is the spec that every verifier knows",
            )
        }
        (Err(_), Ok(described)) => {
            let (name, spec) = (Escaped(uri.name()), Escaped(&described.spec));
            Finding::ok(code, format!("{name} is an {spec} key, which can sign"))
        }
        (Err(_), Err(_)) => Finding::skipped(code, "the key could not be read"),
    }
}

fn origin(uri: &KeyUri, answers: &Answers) -> Finding {
    let code = code::KEY_ORIGIN;
    let name = Escaped(uri.name());
    if answers
        .public_key
        .as_ref()
        .is_ok_and(|key| key.origin == KeyOrigin::StandIn)
    {
        return Finding::note(
            code,
            format!("{name} lives in `countersign stand-in`, for demonstrations only"),
            "make a real key: `aws kms create-key --key-spec ECC_NIST_P256 --key-usage SIGN_VERIFY`",
        );
    }
    let Ok(described) = &answers.description else {
        return Finding::skipped(code, "the key could not be described");
    };
    let sentence = match &described.material {
        Material::Kms => format!("{name} was made in KMS, and nobody can copy it"),
        Material::Imported { until } => {
            let until = until.map(|until| format!("; KMS forgets it at {until}"));
            let sentence = format!(
                "{name} was imported: whoever made it may have a copy{}",
                until.unwrap_or_default()
            );
            return Finding::note(code, sentence, "prefer a key that was made in KMS");
        }
        Material::Other(origin) => format!("{name} is kept outside of KMS ({})", Escaped(origin)),
    };
    let regions = match &described.regions {
        Regions::One => String::new(),
        Regions::Primary { replicas } if replicas.is_empty() => {
            "; it is multi-Region, without a replica yet".to_owned()
        }
        Regions::Primary { replicas } => {
            let replicas = Escaped(&replicas.join(", ")).to_string();
            format!("; it has replicas in {replicas}, whose signatures are the same key's")
        }
        Regions::Replica { primary } => {
            let primary = Escaped(primary).to_string();
            format!(
                "; it is a replica of the key in {primary}, whose signatures are the same key's"
            )
        }
    };
    Finding::ok(code, format!("{sentence}{regions}"))
}
