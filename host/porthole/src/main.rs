//! Porthole: lets an AI agent look into a Kubernetes cluster and lets nothing climb through.
//!
//! This crate contains the command line, the configuration and the wiring; each layer is a crate of its own.

mod cli;
mod commands;
mod config;
mod demo;
mod health;
mod logging;
mod network;
#[cfg(feature = "registry")]
mod polling;
mod prompts;
#[cfg(feature = "registry")]
mod sources_lock;
mod wiring;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, PolicyCommand};

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(options) => commands::serve::run(*options).map(|()| ExitCode::SUCCESS),
        Command::Plugin(command) => commands::plugin::run(command),
        Command::Rbac(options) => commands::rbac::run(&options),
        Command::CompileChild { memory } => Ok(porthole_sandbox::compile_child(memory)),
        Command::Policy(PolicyCommand::Explain(options)) => commands::policy::explain(&options),
        Command::Config(command) => commands::config::run(command),
    };
    outcome.unwrap_or_else(|error| {
        #[expect(
            clippy::print_stderr,
            reason = "the last word of a command line, also where logging never began"
        )]
        {
            eprintln!("porthole: {error:#}");
        }
        ExitCode::from(2)
    })
}
