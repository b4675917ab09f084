//! Whether one input is asked for twice: what one reader takes of standard input, another does not find there.
//!
//! Called once, when what was typed has been parsed. Nothing is read here.

use std::ffi::OsStr;

use clap::{Arg, ArgMatches, Command, Error, Id, error::ErrorKind};

/// Names of standard input that are paths, whoever reads them.
const PATHS: [&str; 3] = ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];

/// Refuses two arguments that both read standard input, from wherever they came. The command is made to say so alone.
pub(super) fn check_once(matches: &ArgMatches, command: fn() -> Command) -> Result<(), Error> {
    let typed = innermost(matches);
    if typed.ids().map(|id| times(typed, id)).sum::<usize>() < 2 {
        return Ok(());
    }
    let mut command = command();
    // Arguments of every command are handed on to the subcommand when it is built.
    command.build();
    let mut readers = readers(&command, matches);
    readers.sort_unstable();
    let error = Error::raw(
        ErrorKind::ArgumentConflict,
        format_args!(
            "{} read standard input, which can be read once: give all of them but one another file or descriptor",
            readers.join(" and ")
        ),
    );
    Err(error.format(&mut command))
}

/// What was typed of the command that is run. Arguments of every command are among its own.
fn innermost(matches: &ArgMatches) -> &ArgMatches {
    let subcommand = matches.subcommand();
    subcommand.map_or(matches, |(_, matches)| innermost(matches))
}

/// How often an argument reads it.
fn times(matches: &ArgMatches, id: &Id) -> usize {
    let values = matches.try_get_raw(id.as_str()).ok().flatten();
    let values = values.into_iter().flatten();
    values.filter(|value| is_read(id, value)).count()
}

fn is_read(id: &Id, value: &OsStr) -> bool {
    match id.as_str() {
        "password_fd" => value == "0",
        "listed" if value == "-" => true,
        _ => PATHS.iter().any(|path| value == *path),
    }
}

/// What reads it, as it is typed, once for each time.
fn readers(command: &Command, matches: &ArgMatches) -> Vec<String> {
    if let Some((name, matches)) = matches.subcommand()
        && let Some(command) = command.find_subcommand(name)
    {
        return readers(command, matches);
    }
    let each = |arg: &Arg| vec![format!("`{}`", name(arg)); times(matches, arg.get_id())];
    command.get_arguments().flat_map(each).collect()
}

fn name(arg: &Arg) -> String {
    match arg.get_long() {
        Some(long) => format!("--{long}"),
        None => arg.get_id().to_string().to_uppercase(),
    }
}
