//! What a pipeline is told of verdicts, besides what is printed: a file of them, and a GitHub Actions job's outputs. Called by
//! `verify`. Judges nothing, and names no image that may not be used.

use std::path::{Path, PathBuf};

use countersign_verify::verdict::document::VerdictDocument;

use super::Answer;
use crate::{
    files,
    output::{self, Stop},
};

/// Takes away what an earlier run said: where this one ends before it judges, that would be taken for its verdicts.
pub(super) fn begin(file: Option<&Path>) -> Result<(), Stop> {
    match file {
        Some(file) if !files::is_stream(file) => files::remove(file),
        _ => Ok(()),
    }
}

/// Writes the verdicts to the file that is named, whatever they are, a line of JSON each.
pub(super) fn write(answers: &[Answer<'_>], file: Option<&Path>) -> Result<(), Stop> {
    let Some(file) = file else { return Ok(()) };
    let lines: String = answers
        .iter()
        .map(|answer| match answer {
            Ok(verdict) => output::json_line(&VerdictDocument::from(*verdict)),
            Err(unusable) => output::json_line(&unusable.document()),
        })
        .collect::<Result<_, _>>()?;
    if files::is_stream(file) {
        return files::append(file, &lines);
    }
    files::replace(file, lines.as_bytes())
}

/// Tells a GitHub Actions job what its later steps may run: of one image by name, of several as a list. Nothing at all unless
/// everything passed.
pub(super) fn tell_build(answers: &[Answer<'_>]) -> Result<(), Stop> {
    let path = std::env::var_os("GITHUB_OUTPUT").filter(|path| !path.is_empty());
    let pinned: Option<Vec<String>> = answers.iter().map(|answer| answer.ok()?.pinned()).collect();
    let (Some(path), Some(pinned)) = (path, pinned) else {
        return Ok(());
    };
    let mut text = format!("verified={}\n", serde_json::Value::from(pinned.as_slice()));
    // A line break would be another output, of any name.
    if let [pinned] = pinned.as_slice()
        && !pinned.contains(char::is_control)
    {
        text = format!("{text}pinned={pinned}\n");
    }
    files::append(&PathBuf::from(path), &text)
}
