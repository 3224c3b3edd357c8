//! `--demo`: the embedded cluster instead of a real one, and what a newcomer pastes to look into it.
//!
//! The rest of the host reaches the embedded cluster as any other, by its kubeconfig.

use std::{fmt::Write as _, io::Write as _, os::unix::fs::OpenOptionsExt, path::Path};

use anyhow::Context;
use porthole_demo::{Embedded, Role};

/// The embedded cluster; it ends when this is dropped.
pub(crate) struct Demo {
    cluster: Embedded,
    /// It is the built-in shop, and no folder of manifests.
    is_shop: bool,
}

impl Demo {
    /// Serves the shop, or the manifests of a folder, and writes a kubeconfig where one is asked for.
    pub(crate) async fn start(folder: Option<&Path>, kubeconfig: Option<&Path>) -> anyhow::Result<Self> {
        let cluster = Embedded::start(folder).await.context("--demo")?;
        tracing::info!("{} objects in an embedded cluster at https://{}", cluster.objects, cluster.address);
        if let Some(path) = kubeconfig {
            write_private(path, &cluster.kubeconfig())
                .with_context(|| format!("--demo-kubeconfig {}", path.display()))?;
        }
        Ok(Self { cluster, is_shop: folder.is_none() })
    }

    /// With the admin's token; for a host that reads as its callers only the address counts.
    pub(crate) fn kubeconfig(&self) -> String {
        self.cluster.kubeconfig()
    }

    /// Prints where it is served, the tokens, and three things to paste.
    pub(crate) fn welcome(&self, origin: &str) {
        // A closed stdout is somebody who does not want to read it. With --stdio this is never called.
        let _ = writeln!(std::io::stdout(), "{}", self.text(origin));
    }

    fn text(&self, origin: &str) -> String {
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

/// Writes a file that only its owner can read.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    // A file that is there already may be readable for others, and stays so when it is written over.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
