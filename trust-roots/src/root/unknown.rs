//! What in a root's own object is of another version: which member, where, and which was probably meant. Asked where the
//! parser has refused it.
//!
//! The parser tells a place in a text that nobody has, and all names that it knows. Whoever has misspelled one of a hundred
//! scopes must be told which.

use super::document::MEMBER;
use crate::policy::Unknown;

/// The longest path that is told; names of members are as long as whoever wrote them likes.
const LONGEST: usize = 200;

/// What is unknown, from the parser's error about this text, or `None` if the error is another.
pub(super) fn told(error: &str, text: &[u8]) -> Option<String> {
    // serde's own words; the fixtures hold them.
    let (what, place) = error.rsplit_once(" at line 1 column ")?;
    let (unknown, expected) = what.rsplit_once(", expected ")?;
    let is_member = unknown.starts_with("unknown field `");
    if !is_member && !unknown.starts_with("unknown variant `") {
        return None;
    }
    let path = path(text.get(..place.parse().ok()?)?);
    let name = if is_member {
        path.last()?.as_str()
    } else {
        unknown.split_once('`')?.1.trim_end_matches('`')
    };
    let known = expected.split('`').skip(1).step_by(2);
    let unknown = Unknown::new(name, known);
    let all: Vec<_> = std::iter::once(MEMBER)
        .chain(path.iter().map(String::as_str))
        .collect();
    let place: String = all.join(".").chars().take(LONGEST).collect();
    Some(if is_member {
        format!("`{place}`{}", unknown.hint())
    } else {
        format!("`{place}` is {unknown}")
    })
}

/// Where a JSON text without spaces ends that is cut off: the members and positions that lead there.
fn path(text: &[u8]) -> Vec<String> {
    let mut frames: Vec<Frame> = Vec::new();
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        match (byte, frames.last_mut()) {
            (b'{', _) => frames.push(Frame::Object {
                name: String::new(),
                is_name: true,
            }),
            (b'[', _) => frames.push(Frame::Array(0)),
            (b'}' | b']', _) => drop(frames.pop()),
            (b',', Some(Frame::Array(position))) => *position += 1,
            (b',', Some(Frame::Object { is_name, .. })) => *is_name = true,
            (b':', Some(Frame::Object { is_name, .. })) => *is_name = false,
            (b'"', frame) => {
                let string = string(&mut rest);
                if let Some(Frame::Object {
                    name,
                    is_name: true,
                }) = frame
                {
                    *name = string;
                }
            }
            _ => {}
        }
    }
    let parts = frames.into_iter().map(|frame| match frame {
        Frame::Array(position) => position.to_string(),
        Frame::Object { name, .. } => name,
    });
    parts.collect()
}

/// What is not closed yet.
enum Frame {
    Array(usize),
    Object {
        name: String,
        /// Whether the next string is a member's name.
        is_name: bool,
    },
}

/// The rest of a string, as it is written.
fn string(rest: &mut std::slice::Iter<'_, u8>) -> String {
    let mut bytes = Vec::new();
    while let Some(byte) = rest.next() {
        match byte {
            b'"' => break,
            b'\\' => bytes.extend([Some(byte), rest.next()].into_iter().flatten()),
            _ => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_by_what_leads_there() {
        for (text, expected) in [
            (r#"{"a"#, "a"),
            (r#"{"a":1,"b""#, "b"),
            (r#"{"a":{"b":[1,{"c":2},{"d":"e""#, "a.b.2.d"),
            (r#"{"a":["{\"x\",[",3],"b":{"c""#, "b.c"),
            ("[[],[],[1,2", "2.1"),
            ("", ""),
        ] {
            assert_eq!(path(text.as_bytes()).join("."), expected, "{text}");
        }
    }
}
