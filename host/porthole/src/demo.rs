//! `--demo`: runs an embedded cluster, and prints the commands for a first look.
//!
//! The rest of the host reaches the embedded cluster like any other, by its kubeconfig.

use std::{fmt::Write as _, io::Write as _, os::unix::fs::OpenOptionsExt, path::Path};

use anyhow::Context;
use porthole_demo::{EmbeddedCluster, Role};

/// The embedded cluster; stopped on drop.
pub(crate) struct Demo {
    cluster: EmbeddedCluster,
    /// True for the built-in shop, false for a folder of manifests.
    is_shop: bool,
}

impl Demo {
    /// Serves the shop or the manifests of a folder, and writes a kubeconfig if requested.
    pub(crate) async fn start(folder: Option<&Path>, kubeconfig: Option<&Path>) -> anyhow::Result<Self> {
        let cluster = EmbeddedCluster::start(folder).await.context("--demo")?;
        tracing::info!("{} objects in an embedded cluster at https://{}", cluster.objects, cluster.address);
        if let Some(path) = kubeconfig {
            write_private(path, &cluster.kubeconfig())
                .with_context(|| format!("--demo-kubeconfig {}", path.display()))?;
        }
        Ok(Self { cluster, is_shop: folder.is_none() })
    }

    /// Kubeconfig with the admin's token; a host that reads as its callers uses only the address.
    pub(crate) fn kubeconfig(&self) -> String {
        self.cluster.kubeconfig()
    }

    /// Prints the address, the tokens, and three commands to paste.
    pub(crate) fn welcome(&self, origin: &str) {
        // A closed stdout is no error: its reader is not interested. Never called with --stdio, which owns stdout.
        let _ = writeln!(std::io::stdout(), "{}", self.welcome_text(origin));
    }

    fn welcome_text(&self, origin: &str) -> String {
        let mut accounts = String::new();
        let mut admin = "";
        for account in &self.cluster.accounts {
            let rights = match account.role {
                Role::Admin => {
                    admin = &account.token;
                    "reads everything".to_owned()
                }
                Role::Developer => format!("reads namespace {}", account.namespace),
                Role::Nobody => "may read nothing".to_owned(),
            };
            let _ = writeln!(accounts, "  {:<10} {rights:<24} {}", account.name, account.token);
        }
        let place = if self.is_shop { "the namespaces shop and payments" } else { "the cluster" };
        format!(
            "
Porthole serves an embedded cluster: {} objects that look like a real one's, and nothing that runs.

  account    may                      token
{accounts}
Three things to paste:

  1. Dify: Tools > MCP > Add MCP Server (HTTP). URL {origin}/sse, identifier porthole,
     header name Authorization, value Bearer and a token from above.
  2. claude mcp add --transport http porthole {origin}/mcp --header \"Authorization: Bearer {admin}\"
  3. curl -s {origin}/mcp -H \"Authorization: Bearer {admin}\" -H 'Content-Type: application/json' \\
       -d '{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\"pods_list\",\"arguments\":{{}}}}}}'

Then ask, for example: \"What is wrong in {place}?\"
Ctrl-C stops it.",
            self.cluster.objects
        )
    }
}

/// Writes a file with mode 0600.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    // An existing file keeps its mode when it is overwritten, which may let others read it.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
