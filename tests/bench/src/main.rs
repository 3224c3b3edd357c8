//! Benchmarks: one command for each table of `cargo xtask bench`, and for `cargo xtask profile` and `soak`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "it talks to developers"
)]

mod calls;
mod causes;
mod field;
mod peer;
mod process;
mod profile;
mod reloads;
mod setup;
mod soak;
mod tokens;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

use setup::Setup;

/// Tables of figures about a host.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    table: Table,
}

#[derive(Subcommand)]
enum Table {
    /// Time calls through the API server, Porthole and another server, in one run
    Calls {
        #[command(flatten)]
        setup: Setup,
        /// The other server's program
        #[arg(long)]
        peer: Option<PathBuf>,
        /// Another binary of Porthole, to compare with
        #[arg(long)]
        beside: Option<PathBuf>,
    },
    /// Ask twenty questions of one cluster, of Porthole and of another server, and count what a model pays
    Tokens {
        #[command(flatten)]
        setup: Setup,
        /// The other server's program
        #[arg(long)]
        peer: PathBuf,
        /// A folder of npm modules with gpt-tokenizer in it
        #[arg(long)]
        tokenizer: PathBuf,
        /// Print our answers too
        #[arg(long)]
        show: bool,
    },
    /// Ask about faults on a node, of Porthole and of another server: facts found, wrong causes, calls, tokens, time
    Causes(causes::Options),
    /// One run by many clients on clusters of several sizes, beside the API server itself and another server
    Field(field::Options),
    /// Sample a host under load, and print its processor time by layer
    Profile(profile::Options),
    /// Render the page of the results in a folder anew
    Render {
        /// Folder with benchmarks.json
        #[arg(long)]
        out: PathBuf,
    },
    /// Answer Dify visits from memory, to compare with
    #[command(hide = true)]
    Memory {
        #[arg(long)]
        listen: String,
    },
    /// Half load with faults: counts calls that are lost or hang, and watches memory and file descriptors
    Soak(soak::Options),
    /// Time how tools are loaded, dropped and replaced
    Reload {
        #[arg(long)]
        porthole: PathBuf,
        #[arg(long)]
        plugins: PathBuf,
        /// The built examples in other languages
        #[arg(long)]
        examples: Option<PathBuf>,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    match Cli::parse().table {
        Table::Calls { setup, peer, beside } => {
            calls::run(&setup, calls::ComparedPrograms { peer, porthole: beside }).await
        }
        Table::Tokens { setup, peer, tokenizer, show } => tokens::run(&setup, &peer, &tokenizer, show).await,
        Table::Causes(options) => causes::run(&options).await,
        Table::Field(options) => field::run(&options).await,
        Table::Profile(options) => profile::run(&options).await,
        Table::Render { out } => field::render(&out),
        Table::Memory { listen } => field::memory::serve(&listen).await,
        Table::Soak(options) => soak::run(&options).await,
        Table::Reload { porthole, plugins, examples } => {
            reloads::run(&porthole, &plugins, examples.as_deref()).await
        }
    }
}
