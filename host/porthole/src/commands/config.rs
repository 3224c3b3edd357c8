//! `porthole config`: checks a configuration file, or prints the reference of its keys.
#![expect(clippy::print_stdout, reason = "the answers of the commands")]

use std::process::ExitCode;

use crate::{
    cli::ConfigCommand,
    config::{Config, reference},
    prompts,
};

/// Runs a subcommand.
pub(crate) fn run(command: ConfigCommand) -> anyhow::Result<ExitCode> {
    match command {
        ConfigCommand::Check { file } => {
            let config = Config::read(&file)?;
            prompts::load(config.prompts.as_deref())?;
            #[cfg(feature = "registry")]
            super::plugin::registry::sources(&config.sources)?;
            println!("{} is fine", file.display());
        }
        ConfigCommand::Reference => print!("{}", reference::render()),
    }
    Ok(ExitCode::SUCCESS)
}
