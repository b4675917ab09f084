//! Tables that people read on a terminal of 100 columns: whatever is longer goes on below, and nothing is cut.

use countersign_common::Escaped;

/// What a line may have.
const WIDTH: usize = 100;
/// Between two columns.
const GAP: usize = 2;
/// Before the first column.
const INDENT: usize = 2;

/// Lays out rows below a headline; each column is as wide as its longest cell, and at most as wide as is said. The last may
/// have what the others leave.
pub(super) fn table<const N: usize>(
    headline: [&str; N],
    widest: [usize; N],
    rows: &[[String; N]],
) -> String {
    let headline = headline.map(str::to_owned);
    let rows: Vec<[String; N]> = std::iter::once(headline)
        .chain(rows.iter().cloned())
        .map(|row| row.map(|cell| Escaped(&cell).to_string()))
        .collect();
    let mut widths = widest;
    let mut used = INDENT;
    for (column, width) in widths.iter_mut().enumerate() {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let longest = cells.map(|cell| cell.chars().count()).max();
        let longest = longest.unwrap_or_default();
        if column + 1 == N {
            *width = WIDTH.saturating_sub(used).max(*width);
        }
        *width = longest.clamp(1, *width);
        used += *width + GAP;
    }
    rows.iter().map(|row| lay_out(row, widths)).collect()
}

fn lay_out<const N: usize>(row: &[String; N], widths: [usize; N]) -> String {
    let cells: Vec<(Vec<String>, usize)> = row
        .iter()
        .zip(widths)
        .map(|(cell, width)| (pieces(cell, width), width))
        .collect();
    let height = cells.iter().map(|(pieces, _)| pieces.len()).max();
    let mut text = String::new();
    for line in 0..height.unwrap_or_default() {
        let mut shown = " ".repeat(INDENT);
        for (pieces, width) in &cells {
            let piece = pieces.get(line).map(String::as_str).unwrap_or_default();
            shown.push_str(piece);
            let rest = width.saturating_sub(piece.chars().count()) + GAP;
            shown.push_str(&" ".repeat(rest));
        }
        text.push_str(shown.trim_end());
        text.push('\n');
    }
    text
}

/// Breaks a line that is too long, at spaces where there are any.
pub(super) fn folded(line: &str, indent: usize) -> String {
    let mut text = String::new();
    for (position, piece) in pieces(line, WIDTH - indent - INDENT).iter().enumerate() {
        let indent = if position == 0 {
            indent
        } else {
            indent + INDENT
        };
        text.push_str(&" ".repeat(indent));
        text.push_str(piece);
        text.push('\n');
    }
    text
}

fn pieces(text: &str, width: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        loop {
            let Some(piece) = pieces.last_mut() else {
                return pieces;
            };
            let used = piece.chars().count();
            let gap = usize::from(used > 0);
            if used + gap + word.len() <= width {
                piece.push_str(" ".repeat(gap).as_str());
                piece.extend(word);
                break;
            }
            if used == 0 {
                let rest = word.split_off(width.min(word.len()));
                piece.extend(word);
                word = rest;
            }
            pieces.push(String::new());
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_goes_on_below() {
        let rows = [
            ["a".to_owned(), "short".to_owned()],
            ["b".repeat(7), "one two".to_owned()],
            ["c d e f".to_owned(), "z".repeat(92)],
        ];
        assert_eq!(
            table(["X", "Y"], [5, 8], &rows),
            format!(
                "  X      Y\n  a      short\n  bbbbb  one two\n  bb\n  c d e  {}\n  f      z\n",
                "z".repeat(91)
            )
        );
    }

    #[test]
    fn a_line_is_never_longer_than_the_terminal() {
        for text in [
            "x".repeat(400),
            "word ".repeat(80),
            format!("a {}", "é".repeat(200)),
        ] {
            let shown = folded(&text, 2);
            assert!(
                shown.lines().all(|line| line.chars().count() <= WIDTH),
                "{shown}"
            );
            let letters = |text: &str| {
                text.chars()
                    .filter(|letter| !letter.is_whitespace())
                    .count()
            };
            assert_eq!(letters(&shown), letters(&text));
        }
    }

    #[test]
    fn a_cell_begins_no_line_of_its_own() {
        let shown = table(["X"], [40], &[["a\nb\u{1b}[2J".to_owned()]]);
        assert_eq!(shown, "  X\n  a\\u{a}b\\u{1b}[2J\n");
    }
}
