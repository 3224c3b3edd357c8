//! Developer tasks: `cargo xtask demo | test | fuzz | lint | plugins | release | kube | facts | bench | profile |
//! soak`. Each installs its dependencies.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it talks to developers")]

mod bench;
mod demo;
mod examples;
mod facts;
mod fuzz;
mod kube;
mod libtest;
mod lint;
mod packages;
mod plugins;
mod release;
mod removals;
mod shell;
mod suites;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Porthole's own tasks
#[derive(Parser)]
#[command(
    bin_name = "cargo xtask",
    after_help = "Examples:\n  cargo xtask demo              an embedded cluster, a host, tokens to paste\n  cargo xtask test              every test; installs what the suites need\n  cargo xtask kube up --pods 2000"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve an embedded cluster with a small shop in it, and print URLs and tokens to paste (Ctrl-C stops it)
    Demo {
        /// Address to serve at
        #[arg(long, default_value = "127.0.0.1:8080")]
        listen: String,
    },
    /// Run every test; exits 2 where a suite could not be run
    #[command(
        after_help = "Examples:\n  cargo xtask test unit            one suite\n  cargo xtask test attacks helm    the attacks whose name contains helm"
    )]
    Test {
        /// Only suites whose name contains this
        suite: Option<String>,
        /// Of them, only tests whose name contains this
        name: Option<String>,
        /// The long suites too: minutes of waiting until faults show, and the oldest Kubernetes
        #[arg(long)]
        long: bool,
    },
    /// Look for inputs that break a parser; exits 2 where there is no C++ compiler
    #[command(
        after_help = "Examples:\n  cargo xtask fuzz json_splitter --seconds 600\n  cargo xtask fuzz              every target, a minute each\n\nWhat breaks a target is kept under tests/fuzz/regressions, which every `cargo xtask test unit` replays.\nOther inputs that reach new code are kept in ~/.cache/porthole/fuzz."
    )]
    Fuzz {
        /// One of the folders in tests/fuzz/corpus; all of them, one after the other, if none is named
        target: Option<String>,
        /// Seconds for each target
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
    /// Formatting, clippy, documentation, licences and sources of dependencies
    Lint,
    /// Build the tools into plugins/dist
    Plugins,
    /// Build static programs, tools and image, and describe them: SBOM, provenance, checksums, signature
    #[command(after_help = release::HELP)]
    Release(release::Options),
    /// A real API server with etcd and a kubelet stub on loopback, or a whole node
    #[command(subcommand)]
    Kube(Kube),
    /// Facts of a real node, for the corpus of the diagnosis
    #[command(subcommand)]
    Facts(Facts),
    /// Print tables of figures: all of them but `field`, or one
    Bench {
        table: Option<bench::Table>,
        #[command(flatten)]
        options: bench::Options,
    },
    /// Processor time of the host by layer, and a flame graph, from samples of `perf` under load
    #[command(
        after_help = "Examples:\n  cargo xtask profile\n  cargo xtask profile pods_list --clients 1 --seconds 30"
    )]
    Profile(bench::ProfileOptions),
    /// Half load with faults, one after the other: no call may be lost or hang, memory and file descriptors stay flat
    Soak {
        /// Minutes; every fault has its turn at least once
        #[arg(long, default_value_t = 30)]
        minutes: u64,
    },
}

#[derive(Subcommand)]
enum Facts {
    /// Put faults of tests/faults on a node, ask about them, and write what was read to plugins/diagnosis/corpus/node
    #[command(
        after_help = "Examples:\n  cargo xtask facts record                     every fault and look-alike, in ten minutes\n  cargo xtask facts record claim-class lint    two of them\n  cargo xtask facts record --check             which cases are no longer what the node says"
    )]
    Record {
        /// Names of files of tests/faults and tests/faults/healthy, without their ending; all, if none is named
        faults: Vec<String>,
        /// On a node with CoreDNS and network policies: those faults that need them
        #[arg(long)]
        addons: bool,
        /// Writes nothing, and fails if the causes of a recorded case are others on the node
        #[arg(long)]
        check: bool,
    },
}

#[derive(Subcommand)]
enum Kube {
    /// Start it where it is not running, and print the path of a kubeconfig
    Up {
        /// Pods to make beyond those of the shop
        #[arg(long, default_value_t = 0)]
        pods: usize,
        /// A whole node instead, without the shop: kubelet, containerd, kube-proxy and controllers, in namespaces of
        /// its own (needs Linux, root and control groups; $PORTHOLE_NODE names it, if there is to be more than one)
        #[arg(long, conflicts_with = "pods")]
        node: bool,
        /// On that node: CoreDNS, metrics-server, a default StorageClass, and network policies that are enforced
        #[arg(long, requires = "node")]
        addons: bool,
        /// Number of Kubernetes nodes: each after the first has a kubelet and a network of its own
        #[arg(long, requires = "node", default_value_t = 1)]
        nodes: u8,
    },
    /// Run a command in the node's network, with $KUBECONFIG set
    #[command(
        after_help = "Examples:\n  cargo xtask kube enter -- kubectl get pods -A\n  cargo xtask kube enter -- curl http://10.88.0.1:30080/readyz"
    )]
    Enter {
        /// The command and its arguments
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Run kubectl as the admin: of the node if it runs, or else of the cluster
    #[command(
        after_help = "Examples:\n  cargo xtask kube kubectl -- get pods -A -o wide\n  cargo xtask kube kubectl -- apply -f tests/fixtures/node.yaml"
    )]
    Kubectl {
        /// Arguments of kubectl
        #[arg(last = true, required = true)]
        arguments: Vec<String>,
    },
    /// Stop them and delete their data
    Down,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Demo { listen } => demo::demo(&listen).map(|never| match never {}),
        Command::Test { suite, name, long } => suites::test(suite.as_deref(), name, long),
        Command::Fuzz { target, seconds } => match fuzz::can_run() {
            Err(missing) => {
                eprintln!("xtask: {missing:#}");
                Ok(ExitCode::from(2))
            }
            Ok(()) => fuzz::fuzz(target.as_deref(), seconds, fuzz::Inputs::New).map(|()| ExitCode::SUCCESS),
        },
        Command::Lint => lint::lint().map(|()| ExitCode::SUCCESS),
        Command::Plugins => plugins::build().map(|()| ExitCode::SUCCESS),
        Command::Release(options) => release::release(&options).map(|()| ExitCode::SUCCESS),
        Command::Kube(Kube::Up { node: true, addons, nodes, .. }) => {
            kube::node_up(addons, nodes).map(|()| ExitCode::SUCCESS)
        }
        Command::Kube(Kube::Up { pods, .. }) => kube::up(pods).map(|()| ExitCode::SUCCESS),
        Command::Kube(Kube::Enter { command }) => kube::enter(&command).map(|()| ExitCode::SUCCESS),
        Command::Kube(Kube::Kubectl { arguments }) => kube::kubectl(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Kube(Kube::Down) => kube::down().map(|()| ExitCode::SUCCESS),
        Command::Facts(Facts::Record { faults, addons, check }) => {
            facts::record(&faults, addons, check).map(|()| ExitCode::SUCCESS)
        }
        Command::Bench { table, options } => bench::bench(table, &options).map(|()| ExitCode::SUCCESS),
        Command::Profile(options) => bench::profile(&options).map(|()| ExitCode::SUCCESS),
        Command::Soak { minutes } => bench::soak(minutes).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}
