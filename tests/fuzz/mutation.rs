//! Makes inputs of inputs: bytes flipped, cut, doubled and mixed, and members of JSON put in each other's place.

use serde_json::{Value, json};

/// What looks like chance, and is the same for the same seed (xorshift64*).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below a bound; of nothing, nothing.
    fn below(&mut self, bound: usize) -> usize {
        if bound == 0 {
            return 0;
        }
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// Bytes that parsers have stumbled over.
const WORDS: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"=",
    b";",
    b"<",
    b">",
    b"@",
    b"/",
    b"..",
    b"%00",
    b"\0",
    b"\xff",
    b"\xc0\x80",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xae",
    b"\x1b[2J",
    b"\r\n",
    b"\\u0000",
    b"\\ud800",
    b"null",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"0.1",
    b"sha256:",
    b"sha512:",
    b"next",
    b"Bearer ",
    b"realm=",
    b"\x30\x80",
    b"\x30\x84\xff\xff\xff\xff",
    b"\xa0\x03",
    b"\x9f",
    b"\xbf",
    b"\xd2",
];

/// One of the seeds, changed in one or several places.
pub(crate) fn mutated(seeds: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = chance.one_of(seeds).clone();
    if chance.below(3) == 0
        && let Ok(mut value) = serde_json::from_slice::<Value>(&bytes)
    {
        for _ in 0..=chance.below(3) {
            change(&mut value, chance);
        }
        return serde_json::to_vec(&value).unwrap();
    }
    for _ in 0..=chance.below(4) {
        edit(&mut bytes, seeds, chance);
    }
    bytes
}

fn edit(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], chance: &mut Chance) {
    let at = chance.below(bytes.len() + 1);
    let end = (at + chance.below(32)).min(bytes.len());
    match chance.below(8) {
        0 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << chance.below(8);
            }
        }
        1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = chance.below(256).try_into().unwrap();
            }
        }
        2 => drop(bytes.drain(at..end)),
        3 => {
            let part = bytes[at..end].to_vec();
            drop(bytes.splice(at..at, part));
        }
        4 => drop(bytes.splice(at..at, chance.one_of(WORDS).iter().copied())),
        5 => bytes.truncate(at),
        6 => drop(bytes.splice(at..end, chance.one_of(WORDS).iter().copied())),
        _ => {
            let other = chance.one_of(seeds);
            let from = chance.below(other.len() + 1);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
    }
}

/// Changes something somewhere in a document.
fn change(value: &mut Value, chance: &mut Chance) {
    let goes_on = chance.below(5) != 0;
    match value {
        Value::Object(members) if goes_on && !members.is_empty() => {
            let name = members
                .keys()
                .nth(chance.below(members.len()))
                .unwrap()
                .clone();
            match chance.below(12) {
                0 => drop(members.remove(&name)),
                1 => {
                    let member = members[&name].clone();
                    members.insert(name.to_uppercase(), member);
                }
                _ => change(&mut members[&name], chance),
            }
        }
        Value::Array(items) if goes_on && !items.is_empty() => {
            let at = chance.below(items.len());
            match chance.below(12) {
                0 => drop(items.remove(at)),
                1 => {
                    let item = items[at].clone();
                    let times = chance.below(300);
                    items.extend(std::iter::repeat_n(item, times));
                }
                _ => change(&mut items[at], chance),
            }
        }
        Value::String(text) if chance.below(2) == 0 => {
            let mut bytes = std::mem::take(text).into_bytes();
            edit(&mut bytes, &[Vec::new()], chance);
            *text = String::from_utf8_lossy(&bytes).into_owned();
        }
        _ => *value = strange(chance),
    }
}

fn strange(chance: &mut Chance) -> Value {
    match chance.below(12) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(u64::MAX),
        4 => json!(1.5),
        5 => json!(""),
        6 => json!("\u{202e}\u{1b}[2J\u{0}"),
        7 => json!([]),
        8 => json!({}),
        9 => (0..100).fold(json!(0), |inner, _| json!([inner])),
        10 => json!("sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"),
        _ => json!("x".repeat(chance.below(5_000))),
    }
}
