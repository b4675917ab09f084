//! Commands whose arguments are made when they are typed: making those of all of them takes longer than parsing one's.
//! What each command is for stands at its variant, since the list of all of them shows it.

use clap::{ArgMatches, Args, Command, Error, FromArgMatches, Subcommand, builder::Resettable};

use super::variables::heard;

/// The arguments of a command, or its own commands, made when that command is typed.
#[derive(Debug)]
pub(crate) struct Lazily<T>(pub(crate) T);

impl<T: FromArgMatches> FromArgMatches for Lazily<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches(matches).map(Self)
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches_mut(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl<T: Args> Args for Lazily<T> {
    fn augment_args(command: Command) -> Command {
        command.defer(|command| made(command, T::augment_args))
    }

    fn augment_args_for_update(command: Command) -> Command {
        command.defer(T::augment_args_for_update)
    }
}

impl<T: Subcommand> Subcommand for Lazily<T> {
    fn augment_subcommands(command: Command) -> Command {
        command.defer(|command| made(command, T::augment_subcommands))
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        command.defer(T::augment_subcommands_for_update)
    }

    fn has_subcommand(name: &str) -> bool {
        T::has_subcommand(name)
    }
}

/// What it is for stays what its variant says: parts that commands share would say what they are for.
fn made(command: Command, augment: fn(Command) -> Command) -> Command {
    let about = command.get_about().cloned().unwrap_or_default();
    let long_about = command.get_long_about().cloned();
    let long_about = long_about.map_or(Resettable::Reset, Resettable::Value);
    heard(augment(command)).about(about).long_about(long_about)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use crate::arguments::Arguments;

    /// Those of commands that nobody types here too.
    #[test]
    fn the_arguments_of_every_command_are_sound() {
        Arguments::command().debug_assert();
    }
}
