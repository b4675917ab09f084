//! `countersign completions` and `countersign man`.

use clap::CommandFactory;

use crate::{
    arguments::{Arguments, Completions, Man},
    exit::Exit,
    output::{self, FileError, Stop},
};

pub(crate) fn completions(arguments: &Completions) -> Result<Exit, Stop> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut Arguments::command(),
        "countersign",
        &mut script,
    );
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

/// One page a command, as `countersign-verify.1`.
pub(crate) fn man(arguments: &Man) -> Result<Exit, Stop> {
    clap_mangen::generate_to(Arguments::command(), &arguments.folder).map_err(|source| {
        Stop::new(
            Exit::Undecided,
            &FileError::Write {
                path: arguments.folder.display().to_string(),
                source,
            },
        )
    })?;
    Ok(Exit::Done)
}
