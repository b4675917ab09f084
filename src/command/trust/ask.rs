//! Questions to whoever sits at a terminal, where something required was not given. Elsewhere the flag is named instead.

use std::io::{BufRead, IsTerminal, Read, Write};

use countersign_common::Escaped;

use super::error::TrustError;
use crate::output;

/// The longest answer, in bytes.
const LONGEST: u64 = 4_096;

/// Whether somebody can read a question and answer it.
pub(super) fn is_somebody_there() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// What was given, or the answer to a question.
pub(super) fn required<T>(
    given: Option<T>,
    flag: &'static str,
    question: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, TrustError> {
    let asked = || {
        is_somebody_there()
            .then(|| asked(question, parse))
            .flatten()
    };
    given.or_else(asked).ok_or(TrustError::FlagMissing { flag })
}

/// What was given, or the answers to a question until one is empty; at least one.
pub(super) fn several<T: Clone>(
    given: &[T],
    flag: &'static str,
    question: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, TrustError> {
    let mut all = given.to_vec();
    if all.is_empty() && is_somebody_there() {
        let question = format!("{question} (nothing more: Enter)");
        all.extend(std::iter::from_fn(|| asked(&question, &parse)));
    }
    if all.is_empty() {
        Err(TrustError::FlagMissing { flag })
    } else {
        Ok(all)
    }
}

/// Asks until an answer is understood; none if there is no answer. One that is not understood would end a list that goes on.
fn asked<T>(question: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
    loop {
        let answer = answer(question);
        if answer.is_empty() {
            return None;
        }
        match parse(&answer) {
            Ok(parsed) => return Some(parsed),
            // The answer is not repeated: it may hold a password.
            Err(reason) => output::note(&format!("not understood: {}", Escaped(&reason))),
        }
    }
}

/// Any text.
#[expect(clippy::unnecessary_wraps, reason = "as others parse")]
pub(super) fn text<T: From<String>>(answer: &str) -> Result<T, String> {
    Ok(answer.to_owned().into())
}

/// Whether the answer is yes. Where nobody is there nobody is asked: whoever wrote the script has decided.
pub(super) fn confirm(question: &str) -> Result<(), TrustError> {
    if !is_somebody_there() || ["y", "yes"].contains(&answer(&format!("{question} [y/N]")).as_str())
    {
        Ok(())
    } else {
        Err(TrustError::Declined)
    }
}

/// One line. Whoever hangs up has said nothing.
fn answer(question: &str) -> String {
    let mut stderr = anstream::stderr().lock();
    let _ = write!(stderr, "{question}: ");
    let _ = stderr.flush();
    let mut line = String::new();
    let _ = std::io::stdin().lock().take(LONGEST).read_line(&mut line);
    line.trim().to_owned()
}
