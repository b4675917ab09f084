//! A fingerprint in words that two people read to each other, from the list that PGP has for it: two syllables at an even
//! place and three at an odd one, so that a word left out or two exchanged are heard. Called by `trust show --words`.

use countersign_common::Digest;

/// A line for each byte: its word at an even place, and at an odd one.
const LIST: &str = include_str!("words.txt");

/// The words of a fingerprint, in its order.
pub(super) fn of(digest: &Digest) -> Vec<&'static str> {
    let nibbles: Vec<u32> = digest
        .hex()
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .collect();
    let lines: Vec<&'static str> = LIST.lines().collect();
    nibbles
        .chunks_exact(2)
        .enumerate()
        .filter_map(|(position, byte)| {
            let byte = byte
                .iter()
                .fold(0, |value, nibble| value * 16 + *nibble as usize);
            let (even, odd) = lines.get(byte)?.split_once(' ')?;
            Some(if position % 2 == 0 { even } else { odd })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_list_has_two_words_for_each_byte_and_each_once() {
        let pairs: Vec<_> = LIST
            .lines()
            .map(|line| line.split_once(' ').unwrap())
            .collect();
        assert_eq!(pairs.len(), 256);
        let words: BTreeSet<_> = pairs.iter().flat_map(|(even, odd)| [*even, *odd]).collect();
        assert_eq!(words.len(), 512);
        let is_plain = |word: &&str| word.bytes().all(|byte| byte.is_ascii_lowercase());
        assert!(words.iter().all(is_plain));
        assert!(pairs.is_sorted_by_key(|(even, _)| *even));
        // Of both columns, by their bytes.
        for (byte, pair) in [
            (0x00, ("aardvark", "adroitness")),
            (0x7f, ("lockup", "integrate")),
            (0x80, ("merit", "intention")),
            (0xff, ("zulu", "yucatan")),
        ] {
            assert_eq!(pairs[byte], pair, "{byte:02x}");
        }
    }

    #[test]
    fn a_fingerprint_is_read_word_by_word() {
        // The example in every description of the list.
        let digest: Digest = format!(
            "sha256:e58294f2e9a227486e8b061b31cc528fd7fa3f19{}",
            "00ff".repeat(6)
        )
        .parse()
        .unwrap();
        let words = of(&digest);
        assert_eq!(
            words[..20].join(" "),
            "topmost istanbul pluto vagabond treadmill pacific brackish dictator goldfish medusa afflict bravado \
             chatter revolver dupont midsummer stopwatch whimsical cowbell bottomless"
        );
        assert_eq!(words[20..22], ["aardvark", "yucatan"]);
        assert_eq!(words.len(), 32);
    }
}
