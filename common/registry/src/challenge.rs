//! What a registry asks for with a 401: `WWW-Authenticate`.
//!
//! Parsed strictly, since the answer to it may be a credential ([RFC 9110 section 11.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1)).

/// What a registry asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Challenge {
    /// A user and a password with each request.
    Basic,
    /// A token, to be had from a realm
    /// ([distribution token specification](https://distribution.github.io/distribution/spec/auth/token/)).
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

/// Challenges in one header, and parameters of one challenge, that are looked at.
const MOST: usize = 16;

/// Parses the first challenge of a kind that we answer; `Bearer` before `Basic`.
pub(crate) fn parse<'a>(headers: impl IntoIterator<Item = &'a str>) -> Option<Challenge> {
    let challenges: Vec<_> = headers.into_iter().take(MOST).filter_map(one).collect();
    let bearer = challenges
        .iter()
        .find(|challenge| **challenge != Challenge::Basic);
    bearer.or(challenges.first()).cloned()
}

fn one(header: &str) -> Option<Challenge> {
    let header = header.trim();
    let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let parameters = parameters(rest)?;
    // Two values for one name: readers would differ on which realm gets the credential.
    let value = |name: &str| {
        let mut values = parameters
            .iter()
            .filter(|(found, _)| found.eq_ignore_ascii_case(name));
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Ok(Some(value.clone())),
            (None, _) => Ok(None),
            (Some(_), Some(_)) => Err(()),
        }
    };
    match (value("realm"), value("service"), value("scope")) {
        (Ok(Some(realm)), Ok(service), Ok(scope)) => Some(Challenge::Bearer {
            realm,
            service,
            scope,
        }),
        _ => None,
    }
}

/// `name="value"` or `name=value`, separated by commas.
fn parameters(text: &str) -> Option<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() && found.len() < MOST {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = value(after)?;
        found.push((name.trim().to_owned(), value));
        rest = match after.trim_start().strip_prefix(',') {
            Some(more) => more.trim_start(),
            None if after.trim().is_empty() => "",
            None => return None,
        };
    }
    Some(found)
}

fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(',').unwrap_or(text.len());
        let (value, rest) = text.split_at_checked(end)?;
        return Some((value.trim().to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(characters.next()?),
            character => value.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        }
    }

    #[test]
    fn what_registries_send_is_read() {
        assert_eq!(
            parse([r#"Basic realm="https://x/",service="ecr.amazonaws.com""#]),
            Some(Challenge::Basic)
        );
        assert_eq!(parse(["basic"]), Some(Challenge::Basic));
        assert_eq!(
            parse([
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#
            ]),
            Some(bearer(
                "https://auth.docker.io/token",
                Some("registry.docker.io"),
                Some("repository:a/b:pull,push")
            )),
        );
        assert_eq!(
            parse([r#"bearer realm=https://x/token , service="a\"b""#]),
            Some(bearer("https://x/token", Some("a\"b"), None))
        );
    }

    #[test]
    fn a_token_is_preferred_to_a_password() {
        let both = ["Basic realm=\"x\"", "Bearer realm=\"https://x/token\""];
        assert_eq!(parse(both), Some(bearer("https://x/token", None, None)));
    }

    #[test]
    fn anything_doubtful_is_no_challenge() {
        for header in [
            "",
            "Negotiate",
            "Bearer",
            "Bearer service=\"x\"",
            "Bearer realm=\"unclosed",
            "Bearer realm=\"x\"garbage",
            "Bearer realm=\"https://good/\",realm=\"https://evil/\"",
            "Bearer realm=\"x\",service=\"a\",SERVICE=\"b\"",
        ] {
            assert_eq!(parse([header]), None, "{header}");
        }
        assert_eq!(parse(std::iter::repeat_n("Negotiate", 1_000)), None);
    }

    proptest! {
        #[test]
        fn any_header_is_answered_without_a_panic(header: String) {
            let _ = parse([header.as_str(), &format!("Bearer {header}")]);
        }
    }
}
