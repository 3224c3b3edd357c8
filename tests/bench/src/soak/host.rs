//! The host of a soak: a few tools in a folder of its own, so that one of them can be replaced.

use std::{path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use porthole_testbed::{cluster::Cluster, porthole::until_ready, proxy::Proxy};

use crate::setup::Setup;

/// Time limit of a call.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);
/// Tools that are called.
const TOOLS: [&str; 5] =
    ["namespaces_list", "pods_get", "pods_list", "pods_list_in_namespace", "resources_get"];
/// The tool that is replaced.
const REPLACED: &str = "namespaces_list";

/// A host, stopped on drop.
pub(crate) struct Host {
    process: tokio::process::Child,
    pub(crate) origin: String,
    folder: tempfile::TempDir,
    replacements: u8,
}

impl Host {
    /// Starts a host that reads the cluster by way of the proxy.
    pub(crate) async fn start(setup: &Setup, cluster: &Cluster, proxy: &Proxy) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        for tool in TOOLS {
            let file = format!("{tool}.wasm");
            std::fs::copy(setup.plugins.join(&file), folder.path().join(&file)).context(file)?;
        }
        let config = cluster.folder.join("soak.yaml");
        std::fs::write(&config, format!("limits:\n  timeout: {}s\n", TIMEOUT.as_secs()))?;
        // Free at this moment; nothing else on this machine asks for a port that was just given back.
        let listen = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = cluster.folder.join("logs/soak.log");
        let process = tokio::process::Command::new(&setup.porthole)
            .args(["serve", "--listen", &listen.to_string(), "--admin-listen", "off", "--log", "warn"])
            .args(["--audit", "/dev/null", "--plugins"])
            .arg(folder.path())
            .arg("--kubeconfig")
            .arg(&proxy.kubeconfig)
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(log)?)
            .kill_on_drop(true)
            .spawn()
            .context("starting porthole")?;
        let origin = format!("http://{listen}");
        until_ready(&origin).await?;
        Ok(Self { process, origin, folder, replacements: 0 })
    }

    /// Process id; an error if the host has ended.
    pub(crate) fn id(&mut self) -> Result<u32> {
        let ended = self.process.try_wait()?;
        ensure!(ended.is_none(), "the host has ended: {ended:?}");
        self.process.id().context("the host has ended")
    }

    /// Replaces a tool by one that does the same and has another digest.
    pub(crate) fn replace_tool(&mut self) -> Result<()> {
        let path: PathBuf = self.folder.path().join(format!("{REPLACED}.wasm"));
        let mut component = std::fs::read(&path)?;
        self.replacements = self.replacements.wrapping_add(1);
        // A custom section: its id, its size, the size of its name, the name, a byte.
        component.extend([0, 6, 4, b's', b'o', b'a', b'k', self.replacements]);
        let next = path.with_extension("next");
        std::fs::write(&next, component)?;
        Ok(std::fs::rename(next, path)?)
    }

    /// Stops it, and waits for its end.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.id()?;
        Ok(self.process.kill().await?)
    }
}
