//! Command line of the testbed, called by `cargo xtask`: starts and stops a cluster or a node.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it talks to developers")]

mod commands;
mod kubelet;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};
use porthole_testbed::{binaries::Binaries, cluster::Cluster, faults::recording, fixtures, node::Node};

/// A real API server on loopback, and real nodes.
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
        /// Of the oldest Kubernetes that is tested
        #[arg(long)]
        oldest: bool,
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
    /// Run kubectl as the admin of a node, or if that is not running, of the cluster of a folder
    Kubectl {
        #[arg(long)]
        folder: PathBuf,
        /// Name of the node
        #[arg(long)]
        name: String,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Apply faults of tests/faults to a node, and write what a diagnosis reads of each (run within the node's network)
    Facts {
        /// Name of the node
        #[arg(long)]
        name: String,
        /// The repository
        #[arg(long)]
        root: PathBuf,
        /// Folder to write to
        #[arg(long)]
        into: PathBuf,
        /// It has add-ons: record those that need them
        #[arg(long)]
        addons: bool,
        /// Names of faults; all of them, if none is given
        faults: Vec<String>,
    },
    /// A real node in namespaces of its own
    #[command(subcommand)]
    Node(commands::NodeCommand),
}

#[tokio::main]
async fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Build => Binaries::find_or_build().map(|_| ()),
        Command::Up { folder, pods, oldest } => {
            let binaries = if oldest { Binaries::find_or_build_oldest } else { Binaries::find_or_build };
            let testbed = std::env::current_exe()?;
            let cluster = Cluster::open_or_start_of(binaries, &folder, &testbed, fixtures::shop).await?;
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
        Command::Kubectl { folder, name, arguments } => commands::kubectl(&folder, &name, &arguments),
        Command::Facts { name, root, into, addons, faults } => {
            recording::record(&Node::named(&name)?, &root, &into, addons, &faults).await
        }
        Command::Node(command) => commands::run(command).await,
    }
}
