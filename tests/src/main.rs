//! Commands of the testbed, called by `cargo xtask`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "it talks to developers"
)]

mod bench;
mod peer;
mod reloads;
mod tokens;
mod up;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};
use porthole_testbed::{cluster::Cluster, fixtures, kubelet};

/// A real API server on loopback.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build etcd, kube-apiserver and kubectl where they are missing
    Build,
    /// Start a cluster in a folder and fill it
    Up {
        #[arg(long)]
        folder: PathBuf,
        /// Pods beyond those of the shop
        #[arg(long, default_value_t = 0)]
        pods: usize,
    },
    /// Stop the cluster of a folder
    Down {
        #[arg(long)]
        folder: PathBuf,
    },
    /// Serve logs as a kubelet does (started by `up`)
    Kubelet {
        #[arg(long)]
        folder: PathBuf,
        #[arg(long)]
        port: u16,
    },
    /// Time calls through the API server, Porthole and another server, in one run
    Bench {
        #[arg(long)]
        folder: PathBuf,
        #[arg(long)]
        porthole: PathBuf,
        #[arg(long)]
        plugins: PathBuf,
        /// The other server's program
        #[arg(long)]
        peer: Option<PathBuf>,
        /// Another binary of Porthole, to compare with
        #[arg(long)]
        beside: Option<PathBuf>,
    },
    /// Ask twenty questions of one cluster, of Porthole and of another server, and count what a model pays
    BenchTokens {
        #[arg(long)]
        folder: PathBuf,
        #[arg(long)]
        porthole: PathBuf,
        #[arg(long)]
        plugins: PathBuf,
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
    /// Time how tools are loaded, dropped and replaced
    BenchReload {
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
    match Cli::parse().command {
        Command::Build => porthole_testbed::binaries::Binaries::find_or_build().map(|_| ()),
        Command::Up { folder, pods } => {
            let cluster = up::filled(&folder).await?;
            if pods > 0 {
                eprintln!("making {pods} pods");
                fixtures::pods(&cluster, pods).await?;
            }
            println!("{}", cluster.kubeconfig.display());
            Ok(())
        }
        Command::Down { folder } => {
            match Cluster::open(&folder) {
                Ok(cluster) => {
                    cluster.stop();
                    eprintln!("stopped");
                }
                Err(_) => eprintln!("no cluster is running"),
            }
            if folder.exists() {
                std::fs::remove_dir_all(&folder)?;
            }
            Ok(())
        }
        Command::Kubelet { folder, port } => kubelet::serve(&folder, port).await,
        Command::Bench { folder, porthole, plugins, peer, beside } => {
            let beside = bench::ComparedPrograms { peer, porthole: beside };
            bench::run(&folder, &porthole, &plugins, beside).await
        }
        Command::BenchTokens { folder, porthole, plugins, peer, tokenizer, show } => {
            tokens::run(&folder, &porthole, &plugins, &peer, &tokenizer, show).await
        }
        Command::BenchReload { porthole, plugins, examples } => {
            reloads::run(&porthole, &plugins, examples.as_deref()).await
        }
    }
}
