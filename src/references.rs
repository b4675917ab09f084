//! References to images that are listed in a file, one a line.
//!
//! Called where a command finds out what it is about. Bounded in bytes and lines; what a line names is for others to say.

use std::{
    fmt,
    io::{self, Read},
    path::Path,
};

use countersign_common::{Code, Escaped, Explain};

use crate::{exit::Exit, files, output::Stop};

/// The longest list.
const MOST_BYTES: u64 = 4 << 20;
/// The most images in one list.
const MOST: usize = 10_000;
/// What `-` is called where something is said about it.
const STANDARD_INPUT: &str = "standard input";

/// A line that names something.
pub(crate) struct Line {
    /// Counted from one.
    pub(crate) number: usize,
    pub(crate) text: String,
}

/// Reads a list; `-` is standard input. Blank lines and comments name nothing.
pub(crate) fn read(path: &Path) -> Result<Vec<Line>, Stop> {
    let (shown, bytes) = if path == Path::new("-") {
        (STANDARD_INPUT.to_owned(), from_standard_input()?)
    } else {
        let bytes = files::read_within(path, MOST_BYTES)?;
        (path.display().to_string(), bytes)
    };
    // Whatever is no text names no image either, and is told as a line that does not.
    let lines: Vec<_> = String::from_utf8_lossy(&bytes)
        .trim_start_matches('\u{feff}')
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| Line {
            number,
            text: line.to_owned(),
        })
        .take(MOST + 1)
        .collect();
    match lines.len() {
        // Nothing verified must not look like everything verified.
        0 => Err(Stop::new(Exit::Usage, &ListError::Empty(shown))),
        count if count > MOST => Err(Stop::new(Exit::Usage, &ListError::TooMany(shown))),
        _ => Ok(lines),
    }
}

fn from_standard_input() -> Result<Vec<u8>, Stop> {
    let mut bytes = Vec::new();
    let read = io::stdin().take(MOST_BYTES + 1).read_to_end(&mut bytes);
    match read {
        Ok(_) if bytes.len() as u64 > MOST_BYTES => {
            let error = ListError::TooMany(STANDARD_INPUT.to_owned());
            Err(Stop::new(Exit::Usage, &error))
        }
        Ok(_) => Ok(bytes),
        Err(source) => Err(Stop::new(
            Exit::Usage,
            &crate::output::FileError::Read {
                path: STANDARD_INPUT.to_owned(),
                source,
            },
        )),
    }
}

/// A list cannot be gone by.
#[derive(Debug)]
enum ListError {
    Empty(String),
    TooMany(String),
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty(path) => write!(f, "{} lists no image", Escaped(path)),
            Self::TooMany(path) => {
                write!(
                    f,
                    "{} lists more than {MOST} images, or is longer than {MOST_BYTES} bytes",
                    Escaped(path)
                )
            }
        }
    }
}

impl Explain for ListError {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::Empty(_) => "references-missing",
            Self::TooMany(_) => "references-too-many",
        })
    }

    fn remedy(&self) -> String {
        match self {
            Self::Empty(_) => "name one image a line",
            Self::TooMany(_) => "make several lists of it, and run this once for each",
        }
        .to_owned()
    }
}
