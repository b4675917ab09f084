//! Makes hostile text safe to show on a terminal, in a log and in a report.
//!
//! Called wherever text from a registry, a key service or evidence reaches an output. Text is never changed before
//! it is hashed or compared.

use std::fmt;

/// Characters shown of one hostile text; the rest is cut, since an error body may be as long as its sender likes.
const SHOWN: usize = 1024;

/// Shows a text with control characters, line breaks and bidirectional controls escaped, cut at 1,024 characters.
///
/// A registry must not be able to move the cursor, retitle the terminal, or forge a second line of a verdict.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars().take(SHOWN) {
            if is_unsafe(character) {
                write!(f, "{}", character.escape_unicode())?;
            } else {
                fmt::Write::write_char(f, character)?;
            }
        }
        if self.0.chars().nth(SHOWN).is_some() {
            f.write_str("…")?;
        }
        Ok(())
    }
}

/// Control characters (C0, DEL, C1), line and paragraph separators, bidirectional controls and invisible marks.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{061c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::Escaped;

    #[test]
    fn control_and_bidirectional_characters_are_shown_as_escapes() {
        let shown = Escaped("a\u{1b}[2Jb\r\nPASS\u{202e}c\u{9b}d\u{7f}").to_string();
        assert_eq!(shown, r"a\u{1b}[2Jb\u{d}\u{a}PASS\u{202e}c\u{9b}d\u{7f}");
    }

    #[test]
    fn ordinary_text_is_shown_as_it_is() {
        assert_eq!(Escaped("Grüße, 世界 — ok").to_string(), "Grüße, 世界 — ok");
    }

    #[test]
    fn a_long_text_is_cut() {
        let shown = Escaped(&"x".repeat(5_000)).to_string();
        assert_eq!(shown.chars().count(), 1_025);
        assert!(shown.ends_with('…'));
    }
}
