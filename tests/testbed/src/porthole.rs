//! The host under test: a separate process, with its own port and log.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{http::send, prepared};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Maximum startup time of a host: it compiles every tool, on a busy machine, where one file may take two minutes.
const START: Duration = Duration::from_secs(300);

/// Maximum time from a signal to the end of a host, on a busy machine; its own limits are below ten seconds.
const STOP: Duration = Duration::from_secs(60);

/// A running host; stopped on drop.
pub struct Porthole {
    child: Child,
    pub origin: String,
    pub log: PathBuf,
    /// Captured stdout. It contains tokens with `--demo`, so it does not belong to the logs.
    printed: tempfile::NamedTempFile,
}

/// A host with its embedded cluster.
pub struct Demo {
    pub host: Porthole,
    /// Kubeconfig for `kubectl`, with the admin's token.
    pub kubeconfig: PathBuf,
    /// Output at startup.
    pub printed: String,
    _folder: tempfile::TempDir,
}

impl Demo {
    /// Starts a host on the shop (`None`) or on a folder of manifests, with all tools, and waits for its output.
    pub async fn start(manifests: Option<&Path>) -> Result<Self> {
        Self::with(manifests, &tools()).await
    }

    /// As [`start`](Self::start), with the tools of another folder.
    pub async fn with(manifests: Option<&Path>, plugins: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let kubeconfig = folder.path().join("kubeconfig");
        let (plugins, written) = (plugins.display().to_string(), kubeconfig.display().to_string());
        let mut options = vec!["--plugins", &plugins, "--demo-kubeconfig", &written, "--demo"];
        let manifests = manifests.map(|manifests| manifests.display().to_string());
        options.extend(manifests.as_deref());
        let host = Porthole::spawn(&options)?;
        let begun = Instant::now();
        let printed = loop {
            let printed = std::fs::read_to_string(host.printed.path())?;
            if printed.contains("Ctrl-C stops it") {
                break printed;
            }
            anyhow::ensure!(begun.elapsed() < START, "nothing to paste is printed");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        Ok(Self { host, kubeconfig, printed, _folder: folder })
    }

    /// Printed token of an account.
    pub fn token(&self, account: &str) -> String {
        token(&self.printed, account).unwrap_or_else(|| panic!("no account {account} in {}", self.printed))
    }
}

/// Token in the line of an account.
fn token(printed: &str, account: &str) -> Option<String> {
    let line = printed.lines().find(|line| line.trim_start().starts_with(account))?;
    line.split_whitespace().next_back().map(str::to_owned)
}

/// Binary under test.
pub fn binary() -> PathBuf {
    prepared::path("PORTHOLE_BIN")
}

/// Folder of the tools.
pub fn tools() -> PathBuf {
    prepared::path("PORTHOLE_TOOLS")
}

/// Number of tools.
pub fn number_of_tools() -> usize {
    std::fs::read_dir(tools()).expect("cargo xtask plugins").count()
}

/// Path of a component for tests.
pub fn guest(name: &str) -> PathBuf {
    prepared::path("PORTHOLE_GUESTS").join(format!("{name}.wasm"))
}

impl Porthole {
    /// Starts a host on the cluster of a kubeconfig, as callers, with all tools, and waits until they are served.
    pub async fn start(kubeconfig: &Path) -> Self {
        let plugins = tools().display().to_string();
        let host =
            Self::with(&["--kubeconfig", &kubeconfig.display().to_string(), "--plugins", &plugins]).await;
        host.expect("a host")
    }

    /// As [`start`](Self::start), with this text as its configuration file.
    pub async fn configured(kubeconfig: &Path, config: &str) -> Result<Self> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(&file, config)?;
        let (plugins, path) = (tools().display().to_string(), file.path().display().to_string());
        Self::with(&[
            "--kubeconfig",
            &kubeconfig.display().to_string(),
            "--plugins",
            &plugins,
            "--config",
            &path,
        ])
        .await
    }

    /// Starts a host with these options, and waits until a tool is served.
    pub async fn with(options: &[&str]) -> Result<Self> {
        let host = Self::spawn(options)?;
        host.until_loaded().await?;
        Ok(host)
    }

    /// Starts a host with these options, and waits until it listens.
    pub fn spawn(options: &[&str]) -> Result<Self> {
        Self::spawn_in(options, &[])
    }

    /// As [`spawn`](Self::spawn), with these environment variables; an empty one is removed.
    pub fn spawn_in(options: &[&str], environment: &[(&str, String)]) -> Result<Self> {
        Self::start_by(Command::new(binary()), options, environment)
    }

    /// As [`spawn_in`](Self::spawn_in), with a command that wraps the binary.
    pub fn start_by(mut command: Command, options: &[&str], environment: &[(&str, String)]) -> Result<Self> {
        let logs = std::env::var_os("PORTHOLE_TEST_LOGS").map_or_else(std::env::temp_dir, PathBuf::from);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let log = logs.join(format!("porthole-{}-{number}.log", std::process::id()));
        let printed = tempfile::NamedTempFile::new()?;
        command.env("RUST_LOG", "trace");
        for (name, value) in environment {
            match value.as_str() {
                "" => command.env_remove(name),
                value => command.env(name, value),
            };
        }
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(if options.contains(&"--admin-listen") { &[][..] } else { &["--admin-listen", "off"] })
            .args(options)
            .stdin(Stdio::null())
            .stdout(printed.reopen()?)
            .stderr(std::fs::File::create(&log)?)
            .spawn()
            .context("starting porthole")?;
        let begun = Instant::now();
        loop {
            if let Some(origin) = listening(&log)? {
                return Ok(Self { child, origin, log, printed });
            }
            if let Some(status) = child.try_wait()? {
                bail!("porthole ended with {status}: {}", std::fs::read_to_string(&log)?);
            }
            anyhow::ensure!(begun.elapsed() < START, "porthole does not listen; see {}", log.display());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until every file of the folder has been tried.
    pub async fn until_loaded(&self) -> Result<()> {
        self.until_logged("tools loaded from").await
    }

    /// Waits until the log contains a text; the host's log thread may write it after the answer was sent.
    pub async fn until_logged(&self, text: &str) -> Result<()> {
        let begun = Instant::now();
        while !std::fs::read_to_string(&self.log)?.contains(text) {
            anyhow::ensure!(begun.elapsed() < START, "{text:?} is not logged; see {}", self.log.display());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// URL of the admin page, once it is logged.
    pub async fn page(&self) -> Result<String> {
        self.until_logged("figures at /metrics").await?;
        let log = std::fs::read_to_string(&self.log)?;
        let told = log.split("the operator's page: ").nth(1).context("no page in the log")?;
        Ok(told.split('/').take(3).collect::<Vec<_>>().join("/"))
    }

    /// Output on stdout: audit lines, unless they go elsewhere.
    pub fn printed(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.printed.path())?)
    }

    /// JSON body of /readyz.
    pub async fn readiness(&self) -> Result<serde_json::Value> {
        let answer = send("GET", &format!("{}/readyz", self.origin), None, "").await?;
        Ok(serde_json::from_str(&answer.body)?)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM, and waits for the exit.
    pub async fn terminate(mut self) -> Result<(std::process::ExitStatus, Duration)> {
        let begun = Instant::now();
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok((status, begun.elapsed()));
            }
            anyhow::ensure!(begun.elapsed() < STOP, "porthole does not stop");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Porthole {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Printed tokens must not appear in any log.
        let printed = std::fs::read_to_string(self.printed.path()).unwrap_or_default();
        for account in ["admin", "developer", "nobody"] {
            if let Some(token) = token(&printed, account) {
                crate::accounts::remember(&token);
            }
        }
    }
}

/// Lines of calls in an audit log. Those of approvals have an `event`.
///
/// # Panics
///
/// If a whole line is not JSON.
pub fn audited_calls(text: &str) -> Vec<serde_json::Value> {
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .filter(|line: &serde_json::Value| line["event"].is_null())
        .collect()
}

/// Listen address in a log, once it is there.
pub fn listening(log: &Path) -> Result<Option<String>> {
    for line in BufReader::new(std::fs::File::open(log)?).lines() {
        let line = line?;
        if let Some((_, rest)) = line.split_once("listening on ") {
            return Ok(rest.split(": /sse").next().map(str::to_owned));
        }
    }
    Ok(None)
}

/// Waits until a host at `origin` serves tools.
pub async fn until_ready(origin: &str) -> Result<()> {
    let begun = Instant::now();
    loop {
        match send("GET", &format!("{origin}/readyz"), None, "").await {
            Ok(answer) if answer.status.is_success() => return Ok(()),
            _ if begun.elapsed() > START => bail!("{origin} serves nothing after {START:?}"),
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
