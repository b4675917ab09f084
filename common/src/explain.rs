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
