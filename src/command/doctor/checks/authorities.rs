//! Time-stamp authorities: whether each stamps, whether its stamps will be believed, and what its clock says. The stamp that
//! is asked for is of the constant that lies in every payload; nothing is signed.

use countersign_common::{
    Escaped, Limits, Timestamp, TimestampAuthority as _,
    rfc3161::{Response, Stamped},
    time_authority::{Error, Failure, Refusal},
};
use countersign_registry::{Client, shown};
use countersign_trust_roots::{TimeRules, time::Standing};
use futures_util::future;
use url::Url;

use super::clock;
use crate::{
    command::doctor::{
        code,
        finding::{Finding, Status},
    },
    stamps,
};

/// Who is asked, and by whose word that is enough.
pub(in crate::command::doctor) struct Asked {
    pub(in crate::command::doctor) urls: Vec<Url>,
    /// How many operators must stamp; one, where no root says more.
    pub(in crate::command::doctor) collect: usize,
    pub(in crate::command::doctor) rules: TimeRules,
}

pub(in crate::command::doctor) async fn check(
    asked: Asked,
    (client, timeout): (&Client, u64),
) -> Vec<Finding> {
    let Asked {
        urls,
        collect,
        rules,
    } = asked;
    if urls.is_empty() && collect == 0 {
        let sentence = "no time-stamp authority is named: no date can be proven, and `sign` demands `--no-tsa`";
        let remedy = "name one with `--tsa URL`, in the configuration or in the trust root";
        return vec![Finding::note(code::AUTHORITY, sentence, remedy)];
    }
    let mut findings = Vec::new();
    if urls.len() < collect {
        let too_few = Error::TooFew {
            asked: urls.len(),
            wanted: collect,
        };
        findings.push(Finding::explained(
            code::AUTHORITY,
            Status::Problem,
            &too_few,
        ));
    }
    let clients = client.time_authorities(urls.iter().cloned(), stamps::patience(timeout));
    let asking = clients.iter().zip(&urls).map(async |(client, url)| {
        let answer = client.before().await;
        // When it came: the other answers may take longer.
        (url, answer, Timestamp::from(chrono::Utc::now()))
    });
    for (url, answer, came) in future::join_all(asking).await {
        findings.extend(judge(url, answer, came, &rules));
    }
    findings
}

fn judge(
    url: &Url,
    answer: Result<Vec<u8>, Failure>,
    came: Timestamp,
    rules: &TimeRules,
) -> Vec<Finding> {
    let name = shown(url);
    let stamp = match answer {
        Ok(stamp) => stamp,
        Err(Failure::Refusal(refusal @ Refusal::TimeImplausible { .. })) => {
            return vec![Finding::explained(code::CLOCK, Status::Problem, &refusal)];
        }
        Err(failure) => {
            let status = match &failure {
                Failure::Error(_) => Status::Unknown,
                Failure::Refusal(_) => Status::Problem,
            };
            return vec![Finding::explained(code::AUTHORITY, status, &failure)];
        }
    };
    let mut findings = vec![Finding::ok(
        code::AUTHORITY,
        format!("the time-stamp authority {name} stamps"),
    )];
    findings.push(trusted(&name, &stamp, rules));
    if let Ok(response) = Response::parse(&stamp, &Limits::TABLE)
        && let Ok(stamped) = response.check_unanchored(Stamped::Before)
    {
        findings.push(clock::compare(&name, stamped.moment().time(), came));
    }
    findings
}

fn trusted(name: &str, stamp: &[u8], rules: &TimeRules) -> Finding {
    let code = code::AUTHORITY_TRUSTED;
    if rules.authorities().is_empty() {
        return Finding::skipped(
            code,
            &format!("nobody says whose stamps are believed, so nothing is known of {name}"),
        );
    }
    let Ok(response) = Response::parse(stamp, &Limits::TABLE) else {
        return Finding::problem(
            code,
            format!("the stamp of {name} cannot be read"),
            "use another time-stamp authority",
        );
    };
    let believed = rules.authorities().iter().find_map(|authority| {
        let stamp = response.verify(Stamped::Before, &authority.anchor).ok()?;
        Some((authority, stamp.moment().time()))
    });
    match believed {
        Some((authority, _)) if authority.standing == Standing::Compromised => Finding::problem(
            code,
            format!("{name} is an authority that is marked as compromised"),
            "ask another time-stamp authority",
        ),
        Some((authority, time)) if !authority.valid.contains(time) => Finding::problem(
            code,
            format!("stamps of {name} do not count at {time}"),
            "ask another time-stamp authority, or give this one a longer time: `countersign trust add-tsa`",
        ),
        Some((authority, _)) => {
            let operator = Escaped(&authority.operator).to_string();
            Finding::ok(
                code,
                format!("stamps of {name} are believed, as those of {operator}"),
            )
        }
        None => Finding::problem(
            code,
            format!("stamps of {name} lead to none of the certificate chains that are trusted"),
            "give its chain with `--tsa-chain`, or list it in the trust root: `countersign trust add-tsa`; else ask another",
        ),
    }
}
