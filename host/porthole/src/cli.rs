//! The command line.

#[cfg(feature = "registry")]
pub(crate) mod registry;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Lets an AI agent look into a Kubernetes cluster and lets nothing climb through.
#[derive(Debug, Parser)]
#[command(version, about, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "Examples:
  porthole serve --kubeconfig ~/.kube/config            http://127.0.0.1:8080/sse and /mcp, each caller with its own token
  porthole serve --listen 0.0.0.0:8080                  the same in a pod, or for other machines
  porthole serve --stdio                                for a desktop client; reads as your kubeconfig's account
  porthole serve --demo                                 no cluster needed: a small shop with a dozen faults, and tokens to paste
  porthole serve --demo manifests/                      the same with your own: kubectl get all,events -A -o yaml > manifests/all.yaml
  porthole plugin new team_quotas --lang python         begin a tool of your own
  porthole config check porthole.yaml                   whether a configuration file would be taken";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the tools of a folder to MCP clients
    #[command(after_help = EXAMPLES)]
    Serve(Box<Serve>),
    /// Write, look at and try a tool
    #[command(subcommand, after_help = PLUGIN_EXAMPLES)]
    Plugin(Plugin),
    /// Print the ClusterRole that an account needs to use the tools
    #[command(after_help = RBAC_EXAMPLES)]
    Rbac(Rbac),
    /// Work with configuration files
    #[command(subcommand, after_help = CONFIG_EXAMPLES)]
    Config(ConfigCommand),
    /// Ask what the policy of a configuration file opens to a caller
    #[command(subcommand, after_help = POLICY_EXAMPLES)]
    Policy(PolicyCommand),
    /// Compile the component on stdin; what the host starts for each file
    #[command(hide = true)]
    CompileChild {
        /// Bytes of memory
        memory: u64,
    },
}

const PLUGIN_EXAMPLES: &str = "Examples:
  porthole plugin new team_quotas --lang python      a project of its own, with a test on a small embedded cluster
  porthole plugin check team_quotas.wasm             everything the host would check, and what to mend
  porthole plugin inspect team_quotas.wasm           what it is, what it imports, and what it may read, as an RBAC rule
  porthole plugin call team_quotas.wasm --args '{\"namespace\": \"shop\"}' --demo
  cp team_quotas.wasm plugins/dist/                  and a running host serves it within a second
  porthole plugin compile                            the cache filled ahead of a start
  porthole plugin approve team_quotas.wasm           what it may read, as lines for `tools.approved`";

const CONFIG_EXAMPLES: &str = "Examples:
  porthole config reference > porthole.yaml          a file to begin with
  porthole config check porthole.yaml                whether it would be taken
  porthole serve --config porthole.yaml";

const POLICY_EXAMPLES: &str = "Examples:
  porthole policy explain --config porthole.yaml --as system:serviceaccount:dify:agent
  porthole policy explain --config porthole.yaml --as jane --group oncall --tool pods_log --namespace shop";

const COMPILE_EXAMPLES: &str = "Examples:
  porthole plugin compile                                          what `porthole serve` would compile at its start
  porthole plugin compile --plugins /plugins --cache /var/cache/porthole/compiled      in an init container";

const APPROVE_EXAMPLES: &str = "Examples:
  porthole plugin approve team_quotas.wasm                                 lines to commit under `tools.approved`
  porthole plugin approve plugins/*.wasm --lock /var/lib/porthole/tools.lock    and a running host serves them
  porthole plugin approve plugins/*.wasm --kinds --context production      of any kind, those that production serves now;
                                                                           others need another approval, also where a version names them";

const RBAC_EXAMPLES: &str = "Examples:
  porthole rbac | kubectl apply -f -
  porthole rbac --plugins plugins/ --with nodes      also a role for what needs the kubelets";

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Show which rules name a caller and what they leave (exit code 1 where the tool or the namespace is closed)
    #[command(after_help = POLICY_EXAMPLES)]
    Explain(Explain),
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// User name of the caller, as `kubectl auth whoami` tells it
    #[arg(long = "as", value_name = "USER")]
    pub(crate) user: String,
    /// Group of the caller (may be repeated); those that Kubernetes gives to each account are added
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Vec<String>,
    /// Tool that it would call
    #[arg(long, value_name = "TOOL")]
    pub(crate) tool: Option<String>,
    /// Namespace that it would read
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    /// Make a new project for a tool; it needs nothing of Porthole's repository
    #[command(after_help = PLUGIN_EXAMPLES)]
    New {
        /// Name of the tool: a-z, 0-9 and _; also the name of the new folder
        name: String,
        /// The language to write it in
        #[arg(long, value_enum)]
        lang: Language,
    },
    /// Show what a component is, what it imports and what it may read
    #[command(after_help = PLUGIN_EXAMPLES)]
    Inspect {
        /// The tool, a .wasm file
        file: PathBuf,
        #[command(flatten)]
        lock: LockArgs,
        #[command(flatten)]
        load: LoadArgs,
    },
    /// Approve what tools may read: print the lines for `tools.approved` of the configuration, and with --lock write them
    /// there, too (exit code 1 where a file would not be served; then nothing is written)
    #[command(after_help = APPROVE_EXAMPLES)]
    Approve {
        /// The tools, .wasm files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Name the kinds that the cluster serves now, for tools that declare any kind (`*`): kinds that are installed later
        /// stay closed to them until they are approved [default: the kinds that the earlier approval names; any if it names
        /// none]
        #[arg(long)]
        kinds: bool,
        /// Approve any kind of tools that declare `*`, also where the earlier approval names kinds
        #[arg(long, conflicts_with = "kinds")]
        any_kind: bool,
        #[command(flatten)]
        cluster: ClusterArgs,
        #[command(flatten)]
        lock: LockArgs,
        #[command(flatten)]
        load: LoadArgs,
    },
    /// Check everything that the host would, and say what to mend (exit code 1 where one would not be served)
    #[command(after_help = PLUGIN_EXAMPLES)]
    Check {
        /// The tools, .wasm files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        load: LoadArgs,
    },
    /// Compile the tools of a folder into the cache, so that a host that starts with it serves at once (exit code 1 where one
    /// cannot be compiled)
    #[command(after_help = COMPILE_EXAMPLES)]
    Compile {
        /// Folder of the tools
        #[arg(long, value_name = "DIR", env = "PORTHOLE_PLUGINS", default_value = "plugins/dist")]
        plugins: PathBuf,
        #[command(flatten)]
        load: LoadArgs,
    },
    /// Bring the tools of tools.sources into a folder, each verified (exit code 1 where one is not)
    #[cfg(feature = "registry")]
    #[command(after_help = registry::PULL_EXAMPLES)]
    Pull(registry::Pull),
    /// Put a tool into a registry or a folder in OCI layout, and sign it (exit code 1 where it is not taken)
    #[cfg(feature = "registry")]
    #[command(after_help = registry::PUSH_EXAMPLES)]
    Push(registry::Push),
    /// Say by which key a tool of a registry is signed (exit code 1 where by none)
    #[cfg(feature = "registry")]
    #[command(after_help = registry::VERIFY_EXAMPLES)]
    Verify(registry::Verify),
    /// Print or write the digests that the sources have now, each verified (exit code 1 where one is not)
    #[cfg(feature = "registry")]
    #[command(after_help = registry::LOCK_EXAMPLES)]
    Lock(registry::Lock),
    /// Call a tool once; its answer goes to stdout, and what it took to stderr (exit code 1 where it is an error)
    #[command(after_help = PLUGIN_EXAMPLES)]
    Call(Box<CallArgs>),
}

/// The languages of `plugin new`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Rust,
    Js,
    Python,
}

/// Options that affect how tools are loaded.
#[derive(Debug, Clone, Args)]
pub(crate) struct LoadArgs {
    /// Folder for compiled tools, which only this user may write, or "off": then every start compiles them anew
    /// [default: porthole/compiled in $XDG_CACHE_HOME or ~/.cache]
    #[arg(long, value_name = "DIR|off", env = "PORTHOLE_CACHE", value_parser = cache)]
    pub(crate) cache: Option<Cache>,
    /// Configuration file (YAML): which tools are served, kinds that none of them reads, limits
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Option that names the lock of approvals.
#[derive(Debug, Clone, Args)]
pub(crate) struct LockArgs {
    /// File that remembers what tools may read [default: `tools.lock` of the configuration]
    #[arg(long, value_name = "FILE", env = "PORTHOLE_LOCK")]
    pub(crate) lock: Option<PathBuf>,
}

/// Options that select the cluster.
#[derive(Debug, Clone, Args)]
pub(crate) struct ClusterArgs {
    /// Kubeconfig of the cluster [default: $KUBECONFIG, ~/.kube/config, or the pod's own cluster]
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// Where a pod finds its cluster's CA and its namespace
    #[arg(
        long,
        value_name = "DIR",
        env = "PORTHOLE_SERVICE_ACCOUNT",
        hide_env = true,
        default_value = "/var/run/secrets/kubernetes.io/serviceaccount"
    )]
    pub(crate) service_account: PathBuf,
    /// Read an embedded cluster instead of a real one: a small shop, or the manifests in DIR (*.yaml, *.json, and
    /// logs/NAMESPACE/POD/CONTAINER.log)
    #[arg(long, value_name = "DIR", num_args = 0..=1, conflicts_with_all = ["kubeconfig", "context"])]
    pub(crate) demo: Option<Option<PathBuf>>,
}

#[derive(Debug, Args)]
pub(crate) struct CallArgs {
    /// The tool, a .wasm file
    pub(crate) file: PathBuf,
    /// The arguments, as a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub(crate) args: String,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Rbac {
    /// Folder of the tools
    #[arg(long, value_name = "DIR", env = "PORTHOLE_PLUGINS", default_value = "plugins/dist")]
    pub(crate) plugins: PathBuf,
    /// Name of the ClusterRole
    #[arg(long, default_value = "porthole-reader")]
    pub(crate) name: String,
    /// Roles beside it for what is more than looking: nodes (the kubelets' logs and stats), helm (releases, which are
    /// Secrets)
    #[arg(long, value_enum, value_name = "ROLES", value_delimiter = ',')]
    pub(crate) with: Vec<ExtraRole>,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
}

/// Roles with rights that no account should have by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExtraRole {
    Nodes,
    Helm,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say whether FILE would be taken, and what is wrong with it (exit code 2)
    #[command(after_help = CONFIG_EXAMPLES)]
    Check {
        /// The configuration file (YAML)
        file: PathBuf,
    },
    /// Print every key with its default and what it does, as a file to begin with
    #[command(after_help = CONFIG_EXAMPLES)]
    Reference,
}

/// Account that reads the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Identity {
    /// As the owner of the bearer token that each request carries
    Caller,
    /// As the account of the kubeconfig, or of the pod
    Host,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Address of the main port: /sse, /mcp, /healthz, /readyz
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Address of the operator's page, or "off"
    #[arg(long, value_name = "ADDR|off", default_value = "127.0.0.1:9090", value_parser = address_or_off)]
    pub(crate) admin_listen: AddressOrOff,
    /// Folder of the tools, one .wasm file each
    #[arg(long, value_name = "DIR", env = "PORTHOLE_PLUGINS", default_value = "plugins/dist")]
    pub(crate) plugins: PathBuf,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    #[command(flatten)]
    pub(crate) lock: LockArgs,
    /// Lock of sources, which says out of which images `porthole plugin pull` brought the tools: audit lines, /readyz and
    /// the operator's page show it [default: sources.lock in the folder of the tools]
    #[cfg(feature = "registry")]
    #[arg(long, value_name = "FILE")]
    pub(crate) sources_lock: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// With --demo: write a kubeconfig of the embedded cluster to FILE, with its admin's token in it
    #[arg(long, value_name = "FILE", requires = "demo")]
    pub(crate) demo_kubeconfig: Option<PathBuf>,
    /// As whom the cluster is read [default: caller; host with --stdio]
    #[arg(long, value_enum)]
    pub(crate) identity: Option<Identity>,
    /// With --identity host over HTTP: file with the token that every client must send
    #[arg(long, value_name = "FILE")]
    pub(crate) shared_token_file: Option<PathBuf>,
    /// A name under which this host may be asked for (may be repeated) [default: loopback's when listening there, else any]
    #[arg(long, value_name = "NAME")]
    pub(crate) allow_host: Vec<String>,
    /// Time to go on serving after SIGTERM while /readyz says no, for example 5s: in a cluster new connections still
    /// come until every node has learnt that the pod ends. A second signal stops at once
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = humantime::parse_duration)]
    pub(crate) drain: Duration,
    /// Certificate chain (PEM) to serve HTTPS with
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key (PEM) of the certificate
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Serve one client over stdin and stdout instead of HTTP
    #[arg(long)]
    pub(crate) stdio: bool,
    /// Where the audit log goes, one JSON object a call: a file (appended to), "stdout", "stderr", or "off"
    /// [default: stdout; stderr with --stdio and --demo, which use stdout themselves]
    #[arg(long, value_name = "FILE|stdout|stderr|off")]
    pub(crate) audit: Option<PathBuf>,
    /// What to log, for example info, debug, or porthole=debug,rmcp=trace
    #[arg(long, value_name = "FILTER", env = "RUST_LOG", default_value = "info,rmcp=error")]
    pub(crate) log: String,
    /// Log as JSON, one object a line
    #[arg(long)]
    pub(crate) log_json: bool,
}

/// An address, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddressOrOff {
    Address(SocketAddr),
    Off,
}

fn address_or_off(text: &str) -> Result<AddressOrOff, String> {
    if text == "off" {
        return Ok(AddressOrOff::Off);
    }
    text.parse().map(AddressOrOff::Address).map_err(|_| "an address like 127.0.0.1:9090, or off".to_owned())
}

/// Folder of the compile cache, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cache {
    Folder(PathBuf),
    Off,
}

fn cache(text: &str) -> Result<Cache, String> {
    Ok(if text == "off" { Cache::Off } else { Cache::Folder(text.into()) })
}

impl Cache {
    /// Default folder; `Off` without a home directory.
    pub(crate) fn default_folder() -> Self {
        let folder = |variable: &str| {
            let path = PathBuf::from(std::env::var_os(variable)?);
            path.is_absolute().then_some(path)
        };
        let cache = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
        cache.map_or(Self::Off, |cache| Self::Folder(cache.join("porthole/compiled")))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
