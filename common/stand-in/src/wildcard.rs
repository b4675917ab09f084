//! Matching with `*` for any run of characters: ECR's `WILDCARD` tag filters, and which calls a fault is for.

/// Whether the whole of `text` matches `pattern`.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, mut pattern)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    while let Some((part, rest)) = pattern.split_once('*') {
        let Some((_, after)) = text.split_once(part) else {
            return false;
        };
        (pattern, text) = (rest, after);
    }
    text.ends_with(pattern)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, text) in [
            ("*", ""),
            ("v1", "v1"),
            ("sha256-*", "sha256-ab.sig"),
            ("*.sig", "sha256-ab.sig"),
            ("GET /v2/*/manifests/*", "GET /v2/a/b/manifests/latest"),
            ("a*b*c", "aXbYbZc"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn the_whole_text_must_match() {
        for (pattern, text) in [
            ("", "x"),
            ("v1", "v1.0"),
            ("v1*", "av1"),
            ("*.sig", "x.sig2"),
            ("a*a", "a"),
            ("GET *", "HEAD /v2/"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
