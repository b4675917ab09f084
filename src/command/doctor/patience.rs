//! How long the whole command looks. Made once by `run`; every check is looked at by it. Never decides how long one question
//! may take.

use std::{collections::BTreeSet, fmt, time::Duration};

use countersign_common::{Code, Explain};
use tokio::time::Instant;

use super::finding::{Finding, Status};

/// How many questions, one after another, may each take all of their time. A server that answers each at the last moment would
/// hold the command for minutes.
const QUESTIONS: u32 = 6;

/// Until when is looked.
pub(super) struct Patience {
    end: Instant,
    whole: Duration,
}

impl Patience {
    /// That of a command whose questions may take so long each.
    pub(super) fn of(timeout: Duration) -> Self {
        let whole = timeout * QUESTIONS;
        Self {
            end: Instant::now() + whole,
            whole,
        }
    }

    /// Looks at something for as long as there is time. What was found until then stays, and of these codes those that are
    /// missing are told to be.
    pub(super) async fn look<T>(
        &self,
        codes: &[Code],
        work: impl AsyncFnOnce(&mut Vec<Finding>) -> T,
    ) -> (Vec<Finding>, Option<T>) {
        let mut findings = Vec::new();
        let done = tokio::time::timeout_at(self.end, work(&mut findings)).await;
        if done.is_err() {
            let found: BTreeSet<Code> = findings.iter().map(|finding| finding.code).collect();
            let missing = codes.iter().filter(|code| !found.contains(code));
            let late = OutOfTime { whole: self.whole };
            findings.extend(missing.map(|code| Finding::explained(*code, Status::Unknown, &late)));
        }
        (findings, done.ok())
    }
}

/// The time of the whole command is over.
#[derive(Debug)]
struct OutOfTime {
    whole: Duration,
}

impl fmt::Display for OutOfTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not found out within {} s, which is all the time that `doctor` takes",
            self.whole.as_secs()
        )
    }
}

impl Explain for OutOfTime {
    fn code(&self) -> Code {
        Code::new("out-of-time")
    }

    fn remedy(&self) -> String {
        "name fewer images and keys at once, or give more time with `--timeout`: it is for one question, and all take six times as long at most"
            .to_owned()
    }
}
