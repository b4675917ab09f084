//! What every error and refusal can say of itself: a code for programs, a sentence, and what to do about it.
//!
//! Implemented by each error enum of each package; rendered by the command. Nothing is decided here.

use std::fmt;

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

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use super::{Code, Explain};

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
