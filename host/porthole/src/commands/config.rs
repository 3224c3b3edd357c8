//! `porthole config`: checks a configuration file, or prints the reference of its keys.
#![expect(clippy::print_stdout, reason = "the answers of the commands")]

use std::process::ExitCode;

use crate::{
    cli::ConfigCommand,
    config::{Config, reference},
};

/// Runs a subcommand.
pub(crate) fn run(command: ConfigCommand) -> anyhow::Result<ExitCode> {
    match command {
        ConfigCommand::Check { file } => {
            Config::read(&file)?;
            println!("{} is fine", file.display());
        }
        ConfigCommand::Reference => print!("{}", reference::render()),
    }
    Ok(ExitCode::SUCCESS)
}
