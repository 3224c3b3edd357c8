//! Porthole: lets an AI agent look into a Kubernetes cluster and lets nothing climb through.
//!
//! One call passes these rooms, each of which knows only the one below it:
//! `mcp` → `identity` → `plugins` → `sandbox` → `guard` → `kube` → the API server.

mod admin;
mod cli;
mod config;
mod demo;
mod guard;
mod identity;
mod kube;
mod limits;
mod mcp;
mod plugins;
mod sandbox;
mod serve;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, ConfigCommand};

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(options) => serve::run(*options),
        Command::Config(ConfigCommand::Check { file }) => check(&file),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(
                clippy::print_stderr,
                reason = "the last word of a command line, also where logging never began"
            )]
            {
                eprintln!("porthole: {error:#}");
            }
            ExitCode::from(2)
        }
    }
}

fn check(file: &std::path::Path) -> anyhow::Result<()> {
    config::Config::read(file)?;
    #[expect(clippy::print_stdout, reason = "the answer of the command")]
    {
        println!("{} is fine", file.display());
    }
    Ok(())
}
