//! Commands about a node, and kubectl.

use std::{os::unix::process::CommandExt, path::Path, process::Command};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use porthole_testbed::{
    cluster::Cluster,
    node::{self, Extent, Node, Program},
};

#[derive(Subcommand)]
pub(crate) enum NodeCommand {
    /// Fail with the reason if no node can run here
    Check,
    /// Print Debian's packages that are missing
    Packages,
    /// Start a node, and print its kubeconfig
    Up {
        #[arg(long)]
        name: String,
        /// With CoreDNS, metrics-server, a default StorageClass, and network policies that are enforced
        #[arg(long)]
        addons: bool,
        /// Number of Kubernetes nodes
        #[arg(long, default_value_t = 1)]
        nodes: u8,
    },
    /// Stop a node, and delete everything of it
    Down {
        #[arg(long)]
        name: String,
    },
    /// Run a command in a node's network
    Enter {
        #[arg(long)]
        name: String,
        #[arg(trailing_var_arg = true, required = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Enforce network policies and provide volumes (started by `up`)
    Addons {
        #[arg(long)]
        name: String,
        #[arg(long)]
        number: u8,
    },
    /// Start a program of a node again (run within the node's namespaces)
    Program {
        #[arg(long)]
        name: String,
        program: String,
    },
    /// First process of a Kubernetes node (started by `up`)
    Init {
        #[arg(long)]
        name: String,
        #[arg(long)]
        number: u8,
    },
}

pub(crate) async fn run(command: NodeCommand) -> Result<()> {
    match command {
        NodeCommand::Check => node::check_machine()?,
        NodeCommand::Packages => {
            for package in node::missing_packages() {
                println!("{package}");
            }
        }
        NodeCommand::Up { name, addons, nodes } => {
            let extent = Extent { addons, nodes };
            println!("{}", Node::named(&name)?.up(&std::env::current_exe()?, extent)?.display());
        }
        NodeCommand::Down { name } => {
            let was_running = Node::named(&name)?.down()?;
            eprintln!("{}", if was_running { "the node is stopped" } else { "no node is running" });
        }
        NodeCommand::Enter { name, command } => {
            let node = Node::named(&name)?;
            let (program, arguments) = command.split_first().context("no command")?;
            // The node's folder has kubectl, which the machine may lack.
            let path = std::env::var("PATH").unwrap_or_default();
            let error = node
                .enter(program)?
                .args(arguments)
                .env("KUBECONFIG", node.kubeconfig())
                .env("PATH", format!("{path}:{}", node.folder().display()))
                .exec();
            return Err(error).context("cannot run nsenter");
        }
        NodeCommand::Addons { name, number } => node::addons(&Node::named(&name)?, number).await?,
        NodeCommand::Init { name, number } => node::init(&Node::named(&name)?, number)?,
        NodeCommand::Program { name, program } => {
            let program = Program::named(&program).with_context(|| format!("no program is {program}"))?;
            Node::named(&name)?.spawn(program)?;
        }
    }
    Ok(())
}

/// Replaces this process by kubectl, with the kubeconfig of the node that runs, or else of the cluster.
pub(crate) fn kubectl(folder: &Path, name: &str, arguments: &[String]) -> Result<()> {
    let node = Node::named(name)?;
    let (mut kubectl, kubeconfig) = if node.process().is_ok() {
        (node.enter(node.folder().join("kubectl"))?, node.kubeconfig())
    } else {
        let Ok(cluster) = Cluster::open(folder) else {
            bail!("neither a node nor a cluster is running; `cargo xtask kube up` starts one");
        };
        (Command::new(cluster.kubectl), cluster.kubeconfig)
    };
    let error = kubectl.args(arguments).env("KUBECONFIG", kubeconfig).exec();
    Err(error).context("cannot run kubectl")
}
