//! Porthole: lets an AI agent look into a Kubernetes cluster and lets nothing climb through.
//!
//! One call passes these rooms, each of which knows only the one below it:
//! `mcp` → `identity` → `plugins` → `sandbox` → `guard` → `kube` → the API server.

mod account;
mod admin;
mod cli;
mod config;
mod demo;
mod foreign;
mod guard;
mod identity;
mod kube;
mod limits;
mod listening;
mod logging;
mod mcp;
mod memory;
mod near;
mod plugin;
mod plugins;
mod rbac;
mod sandbox;
mod serve;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, ConfigCommand};

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(options) => serve::run(*options).map(|()| ExitCode::SUCCESS),
        Command::Plugin(command) => plugin::run(command),
        Command::Rbac(options) => rbac::run(&options),
        Command::CompileChild { memory } => Ok(sandbox::compile::child::run(memory)),
        Command::Config(ConfigCommand::Check { file }) => check(&file),
        Command::Config(ConfigCommand::Reference) => Ok(reference()),
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

fn reference() -> ExitCode {
    #[expect(clippy::print_stdout, reason = "the answer of the command")]
    {
        print!("{}", config::reference::text());
    }
    ExitCode::SUCCESS
}

fn check(file: &std::path::Path) -> anyhow::Result<ExitCode> {
    config::Config::read(file)?;
    #[expect(clippy::print_stdout, reason = "the answer of the command")]
    {
        println!("{} is fine", file.display());
    }
    Ok(ExitCode::SUCCESS)
}
