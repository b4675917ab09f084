//! What every error and refusal can say of itself: a code for programs, a sentence, and what to do about it.
//!
//! Implemented by each error enum of each package; rendered by the command. Nothing is decided here.

use std::{error::Error, fmt};

use serde::Serialize;

/// A stable name of one error or refusal, in kebab-case, for programs and documentation.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Code(&'static str);

impl Code {
    /// Names a code. Each package lists its own in a `CODES` constant.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The code as it is printed.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// An error or a refusal that a person can act on.
///
/// `Display` is one plain sentence with names and numbers, without a final full stop and with hostile text escaped.
pub trait Explain: fmt::Display {
    /// The stable code.
    fn code(&self) -> Code;

    /// What to do, in the imperative, naming the flag, the file, the IAM action or the person.
    fn remedy(&self) -> String;
}

/// An error and its causes, on one line: the outermost alone may say no more than that something failed.
pub fn with_causes(error: &dyn Error) -> String {
    let mut said = vec![printable(error.to_string())];
    let mut next = error.source();
    while let Some(cause) = next {
        said.push(printable(cause.to_string()));
        next = cause.source();
    }
    said.dedup();
    let said = said.join(": ");
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// AWS's SDK quotes what a program printed that failed to give credentials. Nobody knows that none are in it.
fn printable(mut said: String) -> String {
    if let Some(quoted) = said.find("Stderr:") {
        said.truncate(quoted);
        said.truncate(said.trim_end_matches(['.', ' ']).len());
    }
    said
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use super::{Code, Explain, with_causes};

    #[derive(Debug, thiserror::Error)]
    #[error("{said}")]
    struct Told {
        said: &'static str,
        source: Option<Box<Told>>,
    }

    #[test]
    fn causes_are_told_once_each_and_not_what_a_program_printed() {
        let told = |said, source: Option<Told>| Told {
            said,
            source: source.map(Box::new),
        };
        let cause = told("program ended with 1. Stderr: a\nsecret", None);
        let error = told("it failed", Some(told("it failed", Some(cause))));
        assert_eq!(with_causes(&error), "it failed: program ended with 1");
        let over_lines = told("it\n  failed.", None);
        assert_eq!(with_causes(&over_lines), "it failed.");
    }

    /// Text that would clear a terminal and forge a second line, wherever it were shown as it is.
    pub(crate) const HOSTILE: &str = "\u{1b}[2J\r\nverified: all\u{202e}\u{9b}\u{7f}";

    /// Each has a listed code, a sentence and a remedy, and no two packages' lists drift from what is really said.
    #[track_caller]
    pub(crate) fn assert_explained(explained: &[&dyn Explain], codes: &[Code]) {
        let said: BTreeSet<Code> = explained.iter().map(|one| one.code()).collect();
        assert_eq!(said, codes.iter().copied().collect());
        assert_eq!(said.len(), codes.len(), "a code is listed twice");
        assert!(codes.is_sorted());
        for one in explained {
            assert_sentence(*one);
        }
    }

    #[track_caller]
    pub(crate) fn assert_sentence(explained: &dyn Explain) {
        let code = explained.code();
        let kebab = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
        assert!(code.as_str().bytes().all(kebab), "{code}");
        for text in [explained.to_string(), explained.remedy()] {
            assert!(
                text.split(' ').count() >= 3 || text.len() > 12,
                "{code}: {text:?}"
            );
            assert!(!text.ends_with(['.', ' ']), "{code}: {text:?}");
            assert_eq!(text, crate::Escaped(&text).to_string(), "{code}");
        }
    }
}
