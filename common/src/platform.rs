//! What an image runs on.
//!
//! Indexes list a platform for each child, configurations say it of themselves, and people ask for one. None of it is
//! signed by itself. Nothing is looked up here.

use serde::{Deserialize, Serialize};

use crate::Escaped;

/// Operating system, processor and its variant.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Platform {
    /// Such as `linux`.
    #[serde(default)]
    pub os: String,
    /// Such as `amd64`.
    #[serde(default)]
    pub architecture: String,
    /// Such as `v8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Such as `10.0.20348.2700`, for Windows.
    #[serde(
        default,
        rename = "os.version",
        skip_serializing_if = "Option::is_none"
    )]
    pub os_version: Option<String>,
}

impl Platform {
    /// Parses `os/architecture[/variant]`, where a version of the system may follow its name: `windows(10.0.20348.2700)/amd64`.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<_> = text.split('/').collect();
        let (os, rest) = parts.split_first()?;
        let (os, os_version) = match os.strip_suffix(')').map(|os| os.split_once('(')) {
            Some(versioned) => versioned.map(|(os, version)| (os, Some(version)))?,
            None => (*os, None),
        };
        let (architecture, variant) = match rest {
            [architecture] => (*architecture, None),
            [architecture, variant] => (*architecture, Some(*variant)),
            _ => return None,
        };
        let mut words = [os, architecture]
            .into_iter()
            .chain(variant)
            .chain(os_version);
        words.all(is_word).then(|| Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.map(str::to_owned),
            os_version: os_version.map(str::to_owned),
        })
    }

    /// Whether a child for `self` is what was asked for by `wanted`, as runtimes compare platforms. A variant and a version
    /// that were not asked for do not matter.
    pub fn satisfies(&self, wanted: &Self) -> bool {
        let ((os, architecture, variant), other) = (self.normal(), wanted.normal());
        os == other.0
            && architecture == other.1
            && (wanted.variant.is_none() || variant == other.2)
            && (wanted.os_version.is_none() || self.os_version == wanted.os_version)
    }

    /// Whether it names nothing that runs: builders list as `unknown/unknown` what is no image.
    pub fn is_unknown(&self) -> bool {
        let (os, architecture, _) = self.normal();
        [os, architecture]
            .iter()
            .any(|word| ["", "unknown"].contains(&word.as_str()))
    }

    /// System, processor and variant by the names that runtimes take others for: whoever lists `linux/x86_64` must not be
    /// taken for another than `linux/amd64`, since runtimes run it in its place.
    fn normal(&self) -> (String, String, String) {
        let lower = |text: &str| text.to_ascii_lowercase();
        let (os, architecture) = (lower(&self.os), lower(&self.architecture));
        let variant = lower(self.variant.as_deref().unwrap_or_default());
        let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
            ("i386", _) => ("386", ""),
            ("amd64" | "x86_64" | "x86-64", "v1") => ("amd64", ""),
            ("x86_64" | "x86-64", variant) => ("amd64", variant),
            ("arm64" | "aarch64", "8" | "v8") => ("arm64", ""),
            ("aarch64", variant) => ("arm64", variant),
            ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
            ("armel", _) | ("arm", "6") => ("arm", "v6"),
            ("arm", "5") => ("arm", "v5"),
            ("arm", "8") => ("arm", "v8"),
            other => other,
        };
        let os = if os == "macos" { "darwin" } else { &os };
        (os.to_owned(), architecture.to_owned(), variant.to_owned())
    }
}

fn is_word(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !text.is_empty() && text.bytes().all(known)
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&shown(&self.os))?;
        self.os_version
            .iter()
            .try_for_each(|version| write!(f, "({})", shown(version)))?;
        write!(f, "/{}", shown(&self.architecture))?;
        self.variant
            .iter()
            .try_for_each(|variant| write!(f, "/{}", shown(variant)))
    }
}

/// Characters shown of each word; the longest that is known has half as many. An index names many platforms.
const SHOWN: usize = 32;

fn shown(word: &str) -> String {
    let cut = word.chars().take(SHOWN).collect::<String>();
    let more = if cut.len() < word.len() { "…" } else { "" };
    format!("{}{more}", Escaped(&cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        Platform::parse(text).unwrap()
    }

    #[test]
    fn a_long_word_is_cut_where_it_is_shown() {
        let long = Platform {
            os: "o".repeat(SHOWN),
            architecture: "a".repeat(200_000),
            variant: Some("\u{1b}".repeat(200_000)),
            os_version: Some("1".repeat(SHOWN + 1)),
        };
        let (whole, cut) = ("o".repeat(SHOWN), "1".repeat(SHOWN));
        let escaped = r"\u{1b}".repeat(SHOWN);
        let architecture = "a".repeat(SHOWN);
        assert_eq!(
            long.to_string(),
            format!("{whole}({cut}…)/{architecture}…/{escaped}…")
        );
    }

    #[test]
    fn a_platform_without_variant_takes_any() {
        let arm = platform("linux/arm64/v9");
        assert!(arm.satisfies(&platform("linux/arm64")));
        assert!(!arm.satisfies(&platform("linux/arm64/v8")));
        assert!(!arm.satisfies(&platform("linux/amd64")));
    }

    #[test]
    fn a_platform_without_version_takes_any() {
        let windows = platform("windows(10.0.20348.2700)/amd64");
        assert!(windows.satisfies(&platform("windows/amd64")));
        assert!(windows.satisfies(&windows));
        for other in [
            "windows(10.0.20348.2701)/amd64",
            "windows(10.0.20348.2700)/arm64",
        ] {
            assert!(!windows.satisfies(&platform(other)), "{other}");
        }
        assert!(!platform("windows/amd64").satisfies(&windows));
    }

    #[test]
    fn what_runtimes_take_for_one_platform_is_one() {
        for (one, other) in [
            ("linux/arm64", "linux/arm64/v8"),
            ("linux/aarch64", "linux/arm64/8"),
            ("linux/x86_64", "linux/amd64/v1"),
            ("Linux/AMD64", "linux/amd64"),
            ("linux/i386", "linux/386"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/armhf", "linux/arm/7"),
            ("linux/armel", "linux/arm/6"),
            ("macos/arm64", "darwin/arm64"),
        ] {
            let (one, other) = (platform(one), platform(other));
            assert!(one.satisfies(&other), "{one} {other}");
            assert!(other.satisfies(&one), "{other} {one}");
        }
        for (one, other) in [
            ("linux/amd64", "linux/386"),
            ("linux/amd64/v3", "linux/amd64/v1"),
            ("linux/arm/v6", "linux/arm/v7"),
            ("linux/arm", "linux/arm/v6"),
            ("linux/arm/v8", "linux/arm64/v8"),
        ] {
            assert!(!platform(one).satisfies(&platform(other)), "{one} {other}");
        }
    }

    #[test]
    fn what_names_no_platform_is_unknown() {
        for text in ["unknown/unknown", "linux/unknown", "Unknown/amd64"] {
            assert!(platform(text).is_unknown(), "{text}");
        }
        let empty: Platform = serde_json::from_str("{}").unwrap();
        assert!(empty.is_unknown());
        assert!(!platform("linux/amd64").is_unknown());
    }

    #[test]
    fn a_platform_is_written_as_it_was_read() {
        for text in [
            "linux/amd64",
            "linux/arm/v7",
            "windows(10.0.20348.2700)/amd64",
            "windows(10.0.20348.2700)/arm/v7",
        ] {
            assert_eq!(platform(text).to_string(), text);
        }
        for text in [
            "",
            "linux",
            "linux/",
            "linux/a/b/c",
            "li nux/amd64",
            "windows(/amd64",
            "windows()/amd64",
            "windows)/amd64",
            "windows(1)(2)/amd64",
            "(1)/amd64",
        ] {
            assert_eq!(Platform::parse(text), None, "{text}");
        }
    }
}
