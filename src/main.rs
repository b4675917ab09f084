//! The `countersign` command: arguments, a request, its run, an exit code. Nothing is judged here.

#![allow(
    clippy::disallowed_methods,
    reason = "the binary: it samples the clock and reads files and the environment for the libraries below it"
)]

mod arguments;
mod attended;
mod cache;
mod clock;
mod command;
mod config;
mod exit;
mod files;
mod judge;
mod keys;
mod licence;
mod log;
mod network;
mod output;
mod passwords;
mod pauses;
mod places;
mod policy_file;
mod progress;
mod references;
mod roots;
mod secrets;
mod stamps;
mod state;
mod time;

use std::{panic, process::ExitCode};

use countersign_common::Timestamp;

use crate::{
    arguments::{Arguments, Command, Output, lazily::Lazily, variables},
    exit::Exit,
    output::Stop,
};

fn main() -> ExitCode {
    // Whoever runs this takes 0 for "verified": a fault of ours must never look like it, on any thread.
    panic::set_hook(Box::new(|fault| {
        output::note(&format!(
            "internal error: {fault}\n  please report it, with the command that you ran"
        ));
        std::process::exit(Exit::Internal.code().into());
    }));
    let arguments = match variables::parse() {
        Ok(arguments) => arguments,
        // Help and version are results: a full disk must not look like success.
        Err(help) if !help.use_stderr() => {
            return show(&help.render().ansi().to_string()).into();
        }
        Err(error) => error.exit(),
    };
    log::start(&arguments.common);
    if let Some(number) = arguments.common.password_fd
        && let Err(stop) = passwords::use_descriptor(number)
    {
        stop.report(arguments.common.output);
        return stop.exit().into();
    }
    let exit = run(&arguments).unwrap_or_else(|stop| {
        stop.report(arguments.common.output);
        stop.exit()
    });
    exit.into()
}

fn show(text: &str) -> Exit {
    match output::print(text) {
        Ok(()) => Exit::Done,
        Err(stop) => {
            stop.report(Output::Text);
            stop.exit()
        }
    }
}

fn run(arguments: &Arguments) -> Result<Exit, Stop> {
    let Arguments { common, command } = arguments;
    let now = Timestamp::from(chrono::Utc::now());
    match command {
        Command::Sign(Lazily(sign)) => network::block_on(command::sign::run(sign, common, now)),
        Command::Attest(Lazily(attest)) => {
            network::block_on(command::attest::run(attest, common, now))
        }
        Command::Verify(Lazily(verify)) if verify.images.is_one() && verify.deep.is_none() => {
            network::block_on_one(command::verify::run(verify, common, now))
        }
        Command::Verify(Lazily(verify)) if verify.deep.is_some() => {
            network::block_on_layers(command::verify::run(verify, common, now))
        }
        Command::Verify(Lazily(verify)) => {
            network::block_on(command::verify::run(verify, common, now))
        }
        Command::Inspect(Lazily(inspect)) => {
            network::block_on(command::inspect::run(inspect, common, now))
        }
        Command::Policy(Lazily(policy)) => {
            network::block_on(command::policy::run(policy, common, now))
        }
        Command::Key(Lazily(key)) => command::key::run(key, common),
        Command::Trust(Lazily(trust)) => network::block_on(command::trust::run(trust, common, now)),
        Command::Doctor(Lazily(doctor)) => {
            network::block_on(command::doctor::run(doctor, common, now))
        }
        Command::Demo(_) => network::block_on(command::demo::run(common)),
        Command::StandIn(Lazily(stand_in)) => command::stand_in::run(stand_in, common),
        Command::Completions(Lazily(completions)) => command::shell::completions(completions),
        Command::Man(Lazily(man)) => command::shell::man(man),
    }
}
