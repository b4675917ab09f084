use proptest::prelude::*;

use super::*;

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn repository(name: &str) -> Repository {
    ImageRef::parse(name).unwrap().repository().clone()
}

#[test]
fn a_pattern_matches_what_it_stands_for_and_nothing_else() {
    for (text, yes, no) in [
        (
            "registry.example/shop/**",
            &["registry.example/shop/api", "registry.example/shop/a/b/c"][..],
            &[
                "registry.example/shop",
                "registry.example/shopping/api",
                "evil.example/shop/api",
            ][..],
        ),
        (
            "*.example.com/**",
            &["a.example.com/x"],
            &[
                "a.b.example.com/x",
                "evil.com/x.example.com/y",
                "example.com/x",
            ],
        ),
        (
            "registry.example/team-*/api",
            &[
                "registry.example/team-a/api",
                "registry.example/team-a-b/api",
            ],
            &[
                "registry.example/team-a/b/api",
                "registry.example/team/api",
                "registry.example/team-a/api2",
            ],
        ),
        (
            "registry.example/shop/api",
            &["registry.example/shop/api"],
            &["registry.example/shop/api/x", "registry.example/shop/ap"],
        ),
        (
            "docker.io/**",
            &["nginx", "docker.io/acme/api"],
            &["quay.io/nginx"],
        ),
        ("docker.io/acme/**", &["acme/api"], &["nginx", "other/api"]),
        (
            "localhost:5000/*",
            &["localhost:5000/x"],
            &["localhost:5001/x", "localhost:5000/x/y", "localhost/x"],
        ),
        // Another port is another registry.
        (
            "127.0.0.*/**",
            &["127.0.0.1/x", "127.0.0.27/x/y"],
            &["127.0.0.1:5000/x", "127.0.0.1:80/x"],
        ),
        (
            "[2001:db8::*]/**",
            &["[2001:db8::1]/x"],
            &["[2001:db8::1]:5000/x", "[2001:db7::1]/x"],
        ),
        (
            "registry.*:5000/*",
            &["registry.example:5000/x"],
            &[
                "registry.example/x",
                "registry.example:50001/x",
                "registry.example:5001/x",
            ],
        ),
        (
            "111122223333.dkr.ecr.*.amazonaws.com/shop/**",
            &["111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api"],
            &["111122223333.dkr.ecr.eu-west-1.evil.amazonaws.com/shop/api"],
        ),
    ] {
        for name in yes {
            assert!(pattern(text).matches(&repository(name)), "{text} {name}");
        }
        for name in no {
            assert!(!pattern(text).matches(&repository(name)), "{text} {name}");
        }
    }
}

#[test]
fn what_is_no_pattern_is_refused() {
    for text in [
        "",
        "*",
        "**",
        "**/x",
        "***.example/x",
        "registry.example",
        "registry.example/",
        "registry.example//x",
        "registry.example/shop/",
        "registry.example/**/api",
        "registry.example/shop**",
        "registry.example/a*b*c*d",
        "registry.example:*/x",
        "registry.example:50*/x",
        "registry.example*:/x",
        "Registry.example/shop/**",
        "registry.example/Shop/**",
        "registry.example/shop:1",
        "registry.example/shop@sha256:aa",
        "registry.example/shop /x",
        "registry.ex\u{430}mple/shop/**",
        "https://registry.example/shop",
        "registry.example/../x",
        "index.docker.io/library/nginx",
        "nginx",
        "shop/**",
    ] {
        assert!(Pattern::parse(text).is_err(), "{text}");
    }
    for text in [
        "*.*/**",
        "*.*.*/shop",
        "*:5000/x",
        "a*.*b/x",
        "*.**/x",
        "[*::*]/x",
    ] {
        assert_eq!(Pattern::parse(text), Err(PatternError::OpenHost), "{text}");
    }
    for text in ["*.example/**", "a.*/x", "[::1*]/x", "*.a.*:5000/x"] {
        pattern(text);
    }
    assert!(Pattern::parse(&format!("registry.example/{}", "a".repeat(512))).is_err());
    let error = Pattern::parse("index.docker.io/library/nginx").unwrap_err();
    assert!(
        error.to_string().contains("`docker.io/library/nginx`"),
        "{error}"
    );
    for (text, canonical) in [
        ("docker.io/*", "docker.io/library/*"),
        ("docker.io/shop*", "docker.io/library/shop*"),
        ("docker.io/nginx", "docker.io/library/nginx"),
        ("index.docker.io/acme/*", "docker.io/acme/*"),
        ("index.docker.io/**", "docker.io/**"),
        ("*.example:443/**", "*.example/**"),
    ] {
        let error = PatternError::NotCanonical(canonical.to_owned());
        assert_eq!(Pattern::parse(text), Err(error), "{text}");
        pattern(canonical);
    }
    assert_eq!(
        Pattern::parse("docker.io:443/Shop*"),
        Err(PatternError::NoName)
    );
}

#[test]
fn the_longest_literal_prefix_decides() {
    let choose = |texts: &[&'static str], name: &str| {
        let name = repository(name);
        let matching = texts.iter().filter(|text| pattern(text).matches(&name));
        choose(matching.map(|text| (pattern(text).specificity(), *text)))
    };
    let texts = [
        "registry.example/**",
        "registry.example/shop/**",
        "registry.example/shop/*",
        "registry.example/shop/api",
        "registry.example/shop/api*",
    ];
    assert_eq!(
        choose(&texts, "registry.example/shop/api"),
        Choice::One("registry.example/shop/api")
    );
    assert_eq!(
        choose(&texts, "registry.example/shop/api2"),
        Choice::One("registry.example/shop/api*")
    );
    assert_eq!(
        choose(&texts, "registry.example/shop/a/b"),
        Choice::One("registry.example/shop/**")
    );
    assert_eq!(
        choose(&texts, "registry.example/x"),
        Choice::One("registry.example/**")
    );
    assert_eq!(choose(&texts, "other.example/x"), Choice::None);
    assert_eq!(
        choose(&texts, "registry.example/shop/b"),
        Choice::Tie("registry.example/shop/**", "registry.example/shop/*")
    );
}

#[test]
fn an_open_prefix_is_literal() {
    assert_eq!(
        pattern("registry.example/shop/**").open_prefix(),
        Some("registry.example/shop/")
    );
    for text in [
        "registry.example/*/**",
        "registry.example/shop",
        "registry.example/*",
    ] {
        assert_eq!(pattern(text).open_prefix(), None, "{text}");
    }
}

#[test]
fn overlaps_are_found() {
    for (one, other, overlaps) in [
        ("a.example/**", "a.example/x/**", true),
        ("a.example/x/**", "a.example/y/**", false),
        ("*.example/x", "a.example/*", true),
        ("a.example/x*", "a.example/*y", true),
        ("a.example/x*y", "a.example/y*x", false),
        ("a.example/x", "a.example/x", true),
        ("a.example/x/**", "a.example/x", false),
        ("a.example/*", "a.example/x/**", false),
        ("a.example/*/z", "a.example/x/**", true),
        ("a.*/x", "a.example:5000/x", false),
        ("a.*:5000/x", "a.example:5000/*", true),
        ("a.*:5000/x", "*.example:5001/x", false),
    ] {
        assert_eq!(
            pattern(one).overlaps(&pattern(other)),
            overlaps,
            "{one} {other}"
        );
        assert_eq!(
            pattern(other).overlaps(&pattern(one)),
            overlaps,
            "{other} {one}"
        );
    }
}

proptest! {
    #[test]
    fn any_text_is_answered(text: String) {
        let _ = Pattern::parse(&text);
    }

    #[test]
    fn two_that_match_one_name_overlap(one in PATTERN, other in PATTERN, name in NAME) {
        if matches(&one, &name) && matches(&other, &name) {
            prop_assert!(overlap(&Parts::of(&one), &Parts::of(&other)), "{} {} {}", one, other, name);
        }
    }

    #[test]
    fn names_match_by_definition(pattern in PATTERN, name in NAME) {
        prop_assert_eq!(matches(&pattern, &name), defined(&pattern, &name), "{} {}", pattern, name);
    }

    #[test]
    fn globs_match_as_regular_expressions_do(pattern in "[ab*]{0,6}", text in "[ab]{0,8}") {
        prop_assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), slow(pattern.as_bytes(), text.as_bytes()));
    }
}

/// In each part few letters, so that they meet.
const PATTERN: &str = "[ab*]{1,3}(\\.[ab*]{1,2})?(:[12])?(/[ab*]{1,3}){1,2}(/\\*\\*)?";
const NAME: &str = "[ab]{1,2}(\\.[ab]{1,2})?(:[12])?(/[ab]{1,2}){1,3}";

/// Part by part, by definition.
fn defined(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (whole(pattern), whole(name));
    let (mut pattern, mut name) = (pattern.as_slice(), name.as_slice());
    while let Some((first, rest)) = pattern.split_first() {
        if first == "/**" && rest.is_empty() {
            return !name.is_empty() && name.iter().all(|part| part.starts_with('/'));
        }
        let Some((part, left)) = name.split_first() else {
            return false;
        };
        if !slow(first.as_bytes(), part.as_bytes()) {
            return false;
        }
        (pattern, name) = (rest, left);
    }
    name.is_empty()
}

/// Each part with what comes before it, and a port that is always there.
fn whole(text: &str) -> Vec<String> {
    let (host, path) = text.split_once('/').unwrap();
    let (labels, port) = host.split_once(':').unwrap_or((host, "none"));
    let labels = labels.split('.').map(|label| format!(".{label}"));
    let segments = path.split('/').map(|segment| format!("/{segment}"));
    labels.chain([format!(":{port}")]).chain(segments).collect()
}

/// By definition.
fn slow(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|from| slow(rest, &text[from..])),
        Some((byte, rest)) => text.first() == Some(byte) && slow(rest, &text[1..]),
    }
}
