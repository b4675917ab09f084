//! One thing that was looked at: what it was, what was found out, and what mends it. Made by the checks, shown by `report`.

use countersign_common::{Code, Explain};

use super::statement::Grant;
use crate::{exit::Exit, output::Stop};

/// What was found out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Status {
    /// All is well.
    Ok,
    /// Worth knowing; nothing fails of it.
    Note,
    /// Not looked at, since there was nothing to look at.
    Skipped,
    /// Could not be found out.
    Unknown,
    /// Signing or verifying will fail of it.
    Problem,
}

impl Status {
    /// All, the best first.
    pub(super) const ALL: [Self; 5] = [
        Self::Ok,
        Self::Note,
        Self::Skipped,
        Self::Unknown,
        Self::Problem,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Skipped => "skipped",
            Self::Unknown => "unknown",
            Self::Problem => "problem",
        }
    }

    /// The same, of so many.
    pub(super) fn counted(self, count: usize) -> &'static str {
        match (self, count) {
            (Self::Ok, _) => "ok",
            (Self::Note, 1) => "note",
            (Self::Note, _) => "notes",
            (Self::Skipped, _) => "not checked",
            (Self::Unknown, _) => "could not be found out",
            (Self::Problem, 1) => "problem",
            (Self::Problem, _) => "problems",
        }
    }

    /// How a command ends that found nothing worse.
    pub(super) fn exit(self) -> Exit {
        match self {
            Self::Ok | Self::Note | Self::Skipped => Exit::Done,
            Self::Unknown => Exit::Undecided,
            Self::Problem => Exit::Refused,
        }
    }
}

/// One thing that was looked at.
#[derive(Debug)]
pub(super) struct Finding {
    /// What was looked at, the same whatever was found out.
    pub(super) code: Code,
    pub(super) status: Status,
    pub(super) sentence: String,
    /// What mends it, if anything is to be mended.
    pub(super) remedy: Option<String>,
    /// The code of the error or the refusal that it comes from.
    pub(super) cause: Option<Code>,
    /// What AWS must allow.
    pub(super) grants: Vec<Grant>,
}

impl Finding {
    pub(super) fn ok(code: Code, sentence: impl Into<String>) -> Self {
        Self {
            code,
            status: Status::Ok,
            sentence: sentence.into(),
            remedy: None,
            cause: None,
            grants: Vec::new(),
        }
    }

    pub(super) fn skipped(code: Code, why: &str) -> Self {
        Self {
            status: Status::Skipped,
            ..Self::ok(code, format!("not checked: {why}"))
        }
    }

    pub(super) fn note(code: Code, sentence: impl Into<String>, remedy: &str) -> Self {
        Self {
            status: Status::Note,
            remedy: Some(remedy.to_owned()),
            ..Self::ok(code, sentence)
        }
    }

    pub(super) fn problem(code: Code, sentence: impl Into<String>, remedy: &str) -> Self {
        Self {
            status: Status::Problem,
            ..Self::note(code, sentence, remedy)
        }
    }

    /// What an error or a refusal says of itself.
    pub(super) fn explained(code: Code, status: Status, what: &(impl Explain + ?Sized)) -> Self {
        Self {
            status,
            remedy: Some(what.remedy()),
            cause: Some(what.code()),
            ..Self::ok(code, what.to_string())
        }
    }

    /// What would have ended another command: by its exit code it was found out or not.
    pub(super) fn stopped(code: Code, stop: &Stop) -> Self {
        let document = stop.document();
        let status = match stop.exit() {
            Exit::Undecided => Status::Unknown,
            _ => Status::Problem,
        };
        Self {
            status,
            remedy: Some(document.remedy.to_owned()),
            cause: Some(document.code),
            ..Self::ok(code, document.message)
        }
    }

    /// The same, with how it comes to be looked at.
    pub(super) fn mended_by(self, remedy: &str) -> Self {
        Self {
            remedy: Some(remedy.to_owned()),
            ..self
        }
    }

    pub(super) fn granting(self, grants: Vec<Grant>) -> Self {
        Self { grants, ..self }
    }
}
