//! The name under which a root is known to a policy and remembered in a state.
//!
//! Parsed where a file says it. It becomes part of a path, so a [`RootName`] never holds anything but a plain word.

use std::{borrow::Borrow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Bytes of the longest name.
const LONGEST: usize = 64;

/// A name of 1 to 64 lower-case letters, digits and hyphens.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(into = "String", try_from = "String")]
pub struct RootName(String);

impl RootName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for RootName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RootName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<RootName> for String {
    fn from(name: RootName) -> Self {
        name.0
    }
}

impl FromStr for RootName {
    type Err = RootNameInvalid;

    fn from_str(text: &str) -> Result<Self, RootNameInvalid> {
        text.to_owned().try_into()
    }
}

impl TryFrom<String> for RootName {
    type Error = RootNameInvalid;

    fn try_from(text: String) -> Result<Self, RootNameInvalid> {
        let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if (1..=LONGEST).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text))
        } else {
            Err(RootNameInvalid)
        }
    }
}

/// The text is no name of a root.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a name of a root: it must be 1 to 64 lower-case letters, digits and hyphens")]
pub struct RootNameInvalid;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_plain_word() {
        for text in ["a", "acme", "acme-2026", "-", &"a".repeat(64)] {
            assert_eq!(text.parse::<RootName>().unwrap().as_str(), text);
        }
        for text in [
            "",
            ".",
            "..",
            "../acme",
            "a/b",
            "a\\b",
            "Acme",
            "acme_2026",
            "acme ",
            "acme\n",
            "acmé",
            "a\0",
            &"a".repeat(65),
        ] {
            assert_eq!(text.parse::<RootName>(), Err(RootNameInvalid), "{text:?}");
        }
    }
}
