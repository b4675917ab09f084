//! Questions to whoever sits at a terminal, where something required was not given. Elsewhere the flag is named instead.

use std::io::{BufRead, IsTerminal, Read, Write};

use super::error::TrustError;

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
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, TrustError> {
    let missing = TrustError::FlagMissing { flag };
    match given {
        Some(given) => Ok(given),
        None if is_somebody_there() => parse(&answer(question)).ok_or(missing),
        None => Err(missing),
    }
}

/// What was given, or the answers to a question until one is empty; at least one.
pub(super) fn several<T: Clone>(
    given: &[T],
    flag: &'static str,
    question: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, TrustError> {
    let mut all = given.to_vec();
    if all.is_empty() && is_somebody_there() {
        while let Some(one) = parse(&answer(&format!("{question} (nothing more: Enter)"))) {
            all.push(one);
        }
    }
    if all.is_empty() {
        Err(TrustError::FlagMissing { flag })
    } else {
        Ok(all)
    }
}

/// A text that is not empty.
pub(super) fn text(answer: &str) -> Option<String> {
    (!answer.is_empty()).then(|| answer.to_owned())
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
