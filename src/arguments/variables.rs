//! What variables say where nothing was typed. Called once, by `main`. No variable is read here but by the parser.
//!
//! An empty variable is none: pipelines pass on what nobody filled in. And one that contradicts what was typed gives way.

use std::{
    ffi::OsString,
    sync::atomic::{AtomicBool, Ordering},
};

use clap::{Arg, ArgMatches, Command, CommandFactory, Error, FromArgMatches, Id, error::ErrorKind};

use super::{Arguments, standard_input};

/// Parses what was typed, and what variables say besides.
pub(crate) fn parse() -> Result<Arguments, Error> {
    let mut matches = matches(&std::env::args_os().collect::<Vec<_>>())?;
    standard_input::check_once(&matches, Arguments::command)?;
    Arguments::from_arg_matches_mut(&mut matches)
        .map_err(|error| error.format(&mut Arguments::command()))
}

/// Whether variables that contradict other arguments say nothing either. For [`heard`], which captures nothing.
static CONTRADICTED_SAY_NOTHING: AtomicBool = AtomicBool::new(false);

fn matches(typed: &[OsString]) -> Result<ArgMatches, Error> {
    match heard(Arguments::command()).try_get_matches_from(typed) {
        Err(error) if error.kind() == ErrorKind::ArgumentConflict => {
            CONTRADICTED_SAY_NOTHING.store(true, Ordering::Relaxed);
            heard(Arguments::command()).try_get_matches_from(typed)
        }
        parsed => parsed,
    }
}

/// A command whose arguments hear the variables that say something.
pub(super) fn heard(command: Command) -> Command {
    let command = without_variables(command, &|_, arg| is_empty(arg));
    if CONTRADICTED_SAY_NOTHING.load(Ordering::Relaxed) {
        return without_variables(command, &is_contradicted);
    }
    command
}

/// The same command with deaf arguments.
fn without_variables(command: Command, is_deaf: &dyn Fn(&Command, &Arg) -> bool) -> Command {
    let deaf = command.get_arguments().filter(|arg| is_deaf(&command, arg));
    let deaf: Vec<Id> = deaf.map(|arg| arg.get_id().clone()).collect();
    let command = deaf.into_iter().fold(command, |command, id| {
        command.mut_arg(id, |arg| arg.env(None::<&str>))
    });
    command.mut_subcommands(|command| without_variables(command, is_deaf))
}

fn is_empty(arg: &Arg) -> bool {
    let value = arg.get_env().and_then(std::env::var_os);
    value.is_some_and(|value| value.is_empty())
}

/// Whether another argument is for use without this one.
fn is_contradicted(command: &Command, arg: &Arg) -> bool {
    let conflicts = command.get_arguments();
    let mut conflicts = conflicts.flat_map(|other| command.get_arg_conflicts_with(other));
    conflicts.any(|other| other.get_id() == arg.get_id())
}
