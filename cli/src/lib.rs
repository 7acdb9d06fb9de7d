//! `mpong`: the Mental-Pong task, latent predictors of it, and their evaluation, on the command line.
//!
//! It holds no science: [`main`] reads arguments, shows progress, and turns errors into exit codes. The program and the
//! command that the Python package installs are both this function.

mod args;
mod commands;
mod config;
mod failure;
mod progress;
mod stimuli_args;

use std::ffi::OsString;
use std::io::Write as _;

use clap::Parser;

use crate::args::{Cli, Command, LatentsWhat, RecordingsWhat, TrainWhat, WeightsWhat};
use crate::failure::Failure;
use crate::progress::Progress;

/// Runs the command that `arguments` say, the program's name first, and gives its exit code: 0 done, 1 a check said no,
/// 2 wrong usage or bad input, 3 internal error, 4 the machine refused, 75 stopped and resumable.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(said) => {
            // Help and version are no error. Nothing is left to do if the terminal is gone.
            let _ = said.print();
            let _ = std::io::stdout().flush();
            return u8::try_from(said.exit_code()).unwrap_or(2);
        }
    };
    let progress = match Progress::new(cli.quiet) {
        Ok(progress) => progress,
        Err(failure) => return failure.report(),
    };
    let done = match &cli.command {
        Command::Run(args) => commands::run::run(args, &progress),
        Command::Eval(args) => commands::eval::eval(args, &progress),
        Command::Verify(args) => commands::run::verify(args, &progress),
        Command::Conditions(args) => commands::task::conditions(args),
        Command::Trajectory(args) => commands::task::trajectory(args),
        Command::Splits(args) => commands::task::splits(args),
        Command::Stimuli(args) => commands::stimuli::stimuli(args, &progress),
        Command::Shards(args) => commands::stimuli::shards(args, &progress),
        Command::Play(args) => commands::play::play(args, &progress),
        Command::Predict(args) => commands::predict::predict(args, &progress),
        Command::Latents(args) => match &args.what {
            LatentsWhat::Check(args) => commands::latents::check(args),
        },
        Command::Train(args) => match &args.what {
            TrainWhat::Encoder(args) => commands::train::encoder(args, &progress),
            TrainWhat::Dynamics(args) => commands::train::dynamics(args, &progress),
        },
        Command::Probe(args) => commands::probe::run(args, &progress),
        Command::Walls(args) => commands::walls::run(args, &progress),
        Command::Recordings(args) => match &args.what {
            RecordingsWhat::Info(args) => commands::recordings::info(args, &progress),
            RecordingsWhat::Convert(args) => commands::recordings::convert(args, &progress),
            RecordingsWhat::Trials(args) => commands::recordings::trials(args, &progress),
            RecordingsWhat::Simulate(args) => commands::recordings::simulate(args, &progress),
            RecordingsWhat::Mapping(args) => commands::recordings::mapping(args),
        },
        Command::Weights(args) => match &args.what {
            WeightsWhat::List(args) => commands::weights::list(args),
            WeightsWhat::Fetch(args) => commands::fetch::fetch(args, &progress),
            WeightsWhat::Convert(args) => commands::weights::convert(args),
            WeightsWhat::Check(args) => commands::weights::check(args),
        },
        Command::Doctor(args) => commands::about::doctor(args),
        Command::Cite => commands::about::cite(),
        Command::Completions { shell } => commands::about::completions(*shell),
        Command::Man { command } => commands::about::man(command),
    };
    progress.finish();
    match done {
        Ok(()) => 0,
        Err(failure) => failure.report(),
    }
}

/// What a command gives back.
type Done = Result<(), Failure>;
