//! What is printed, and where: results to standard output, errors to standard error.
//!
//! A full disk or a closed pipe is an error like any other, never a panic and never a silent success.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use countersign_common::{Code, Escaped, Explain};
use serde::Serialize;

use crate::{arguments::Output, exit::Exit};

const RED: Style = AnsiColor::Red.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const BOLD: Style = Style::new().bold();

/// Why a command ended before its end.
#[derive(Debug)]
pub(crate) struct Stop {
    exit: Exit,
    code: Code,
    message: String,
    remedy: String,
}

impl Stop {
    /// Ends with what an error or a refusal says of itself.
    pub(crate) fn new(exit: Exit, explained: &dyn Explain) -> Self {
        Self {
            exit,
            code: explained.code(),
            message: explained.to_string(),
            remedy: explained.remedy(),
        }
    }

    /// Says it on standard error alone, with where it is.
    pub(crate) fn note_within(&self, place: &str) {
        let message = format!("{place}: {}", self.message);
        say(&explanation("error", self.code, &message, &self.remedy));
    }

    /// How the command ends.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Shows it on standard error; in JSON on standard output too, where a program looks for it.
    pub(crate) fn report(&self, output: Output) {
        let mut stderr = anstream::stderr().lock();
        // There is no place left to complain to if this fails.
        let _ = write!(
            stderr,
            "{}",
            explanation("error", self.code, &self.message, &self.remedy)
        );
        if output == Output::Json {
            let _ = print_json(&serde_json::json!({ "error": self.document() }));
        }
    }

    /// It in JSON.
    pub(crate) fn document(&self) -> ErrorDocument<'_> {
        ErrorDocument {
            code: self.code,
            message: &self.message,
            remedy: &self.remedy,
        }
    }
}

/// An error or a refusal in JSON.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorDocument<'a> {
    pub(crate) code: Code,
    pub(crate) message: &'a str,
    pub(crate) remedy: &'a str,
}

/// Two lines: what is wrong, and what to do about it.
pub(crate) fn explanation(kind: &str, code: Code, message: &str, remedy: &str) -> String {
    let style = if ["remark", "warning"].contains(&kind) {
        YELLOW
    } else {
        RED
    };
    format!("{style}{kind}[{code}]{style:#}: {message}\n  {BOLD}remedy:{BOLD:#} {remedy}\n")
}

/// Prints a result, with colours on a terminal only.
pub(crate) fn print(text: &str) -> Result<(), Stop> {
    let mut stdout = anstream::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(stop_writing)
}

/// Prints a result as one line of JSON, so that many are a stream.
pub(crate) fn print_json<T: Serialize>(document: &T) -> Result<(), Stop> {
    print(&json_line(document)?)
}

/// A result as one line of JSON.
pub(crate) fn json_line<T: Serialize>(document: &T) -> Result<String, Stop> {
    serde_json::to_string(document)
        .map(|text| format!("{text}\n"))
        .map_err(|error| stop_writing(error.into()))
}

/// Says what happens, on standard error.
pub(crate) fn note(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Says an explanation, which ends its own lines, on standard error.
pub(crate) fn say(explanation: &str) {
    let _ = write!(anstream::stderr().lock(), "{explanation}");
}

/// Colours the first word of a verdict's headline.
pub(crate) fn coloured(headline: &str, exit: Exit) -> String {
    let style = match exit {
        Exit::Done => GREEN,
        Exit::Undecided => YELLOW,
        Exit::Refused | Exit::Usage | Exit::Internal => RED,
    };
    match headline.split_once(':') {
        Some((word, rest)) => format!("{style}{word}{style:#}:{rest}"),
        None => headline.to_owned(),
    }
}

fn stop_writing(source: io::Error) -> Stop {
    Stop::new(Exit::Undecided, &FileError::Output { source })
}

/// A file, or standard output, could not be read or written.
#[derive(Debug)]
pub(crate) enum FileError {
    /// It is there already.
    Exists { path: String },
    /// Standard output is closed or full.
    Output { source: io::Error },
    /// Not readable.
    Read { path: String, source: io::Error },
    /// Longer than any such file.
    TooLarge { path: String, limit: u64 },
    /// Not writable.
    Write { path: String, source: io::Error },
}

impl std::fmt::Display for FileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exists { path } => write!(f, "{} exists already", Escaped(path)),
            Self::Output { source } => write!(f, "standard output could not be written: {source}"),
            Self::Read { path, source } => {
                write!(f, "{} could not be read: {source}", Escaped(path))
            }
            Self::TooLarge { path, limit } => {
                write!(f, "{} has more than {limit} bytes", Escaped(path))
            }
            Self::Write { path, source } => {
                write!(f, "{} could not be written: {source}", Escaped(path))
            }
        }
    }
}

impl Explain for FileError {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::Exists { .. } => "file-exists",
            Self::Output { .. } => "output-failed",
            Self::Read { .. } => "file-unreadable",
            Self::TooLarge { .. } => "file-too-large",
            Self::Write { .. } => "file-unwritable",
        })
    }

    fn remedy(&self) -> String {
        match self {
            Self::Exists { path } => format!("choose another name, or move {} away", Escaped(path)),
            Self::Output { .. } => "check the disk, or what reads the output".to_owned(),
            Self::Read { path, .. } => {
                format!("check that {} exists and may be read", Escaped(path))
            }
            Self::TooLarge { path, .. } => {
                format!("check that {} is the file you mean", Escaped(path))
            }
            Self::Write { path, .. } => {
                format!(
                    "check the disk, the folder and the rights of {}",
                    Escaped(path)
                )
            }
        }
    }
}
