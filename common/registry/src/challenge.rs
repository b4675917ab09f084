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
