//! Control plane on loopback: etcd, API server and kubelet stub, each in a process.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::{binaries::Binaries, pki::Pki, prepared};

/// Maximum startup time of the control plane; it takes 3 s on an idle machine.
const START: Duration = Duration::from_secs(90);

/// A running control plane, persisted in its folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cluster {
    pub folder: PathBuf,
    /// URL of the API server: `https://127.0.0.1:…`.
    pub url: String,
    /// Port of the kubelet stub.
    pub kubelet: u16,
    /// Kubeconfig with the admin's client certificate.
    pub kubeconfig: PathBuf,
    pub kubectl: PathBuf,
    processes: Vec<u32>,
}

impl Cluster {
    /// Opens the control plane of `folder`; starts and fills one if none is running. `testbed` is this crate's own binary.
    pub async fn open_or_start(
        folder: &Path,
        testbed: &Path,
        fill: impl AsyncFn(&Self) -> Result<()>,
    ) -> Result<Self> {
        Self::open_or_start_of(Binaries::find_or_build, folder, testbed, fill).await
    }

    /// As [`open_or_start`](Self::open_or_start), of other programs.
    pub async fn open_or_start_of(
        binaries: impl FnOnce() -> Result<Binaries>,
        folder: &Path,
        testbed: &Path,
        fill: impl AsyncFn(&Self) -> Result<()>,
    ) -> Result<Self> {
        if let Ok(cluster) = Self::open(folder) {
            if cluster.answers().await {
                return Ok(cluster);
            }
            cluster.stop();
        }
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        let cluster = Self::start(&binaries()?, folder, testbed).await?;
        let filled = fill(&cluster).await;
        if filled.is_err() {
            cluster.stop();
        }
        filled.map(|()| cluster)
    }

    /// Starts a control plane in `folder`, which must not contain one.
    async fn start(binaries: &Binaries, folder: &Path, testbed: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder.join("logs"))?;
        let folder = folder.canonicalize()?;
        let pki = Pki::make(&folder)?;
        let [etcd, peer, api, kubelet] = free_ports()?;
        let text = |path: &Path| path.display().to_string();
        let mut cluster = Self {
            url: format!("https://127.0.0.1:{api}"),
            kubelet,
            kubeconfig: folder.join("kubeconfig"),
            kubectl: binaries.kubectl.clone(),
            processes: Vec::new(),
            folder: folder.clone(),
        };
        let started = async {
            cluster.spawn(
                "etcd",
                Command::new(&binaries.etcd).args([
                    format!("--data-dir={}", folder.join("etcd").display()),
                    format!("--listen-client-urls=http://127.0.0.1:{etcd}"),
                    format!("--advertise-client-urls=http://127.0.0.1:{etcd}"),
                    format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
                    "--unsafe-no-fsync".into(),
                    "--log-level=warn".into(),
                ]),
            )?;
            cluster.spawn(
                "kube-apiserver",
                Command::new(&binaries.kube_apiserver).args([
                    format!("--etcd-servers=http://127.0.0.1:{etcd}"),
                    "--bind-address=127.0.0.1".into(),
                    "--advertise-address=127.0.0.1".into(),
                    "--endpoint-reconciler-type=none".into(),
                    // By default an hour, and the suites before those that read the shop's events may take as long.
                    "--event-ttl=24h".into(),
                    format!("--secure-port={api}"),
                    format!("--tls-cert-file={}", text(&pki.server.0)),
                    format!("--tls-private-key-file={}", text(&pki.server.1)),
                    format!("--client-ca-file={}", text(&pki.ca)),
                    "--service-account-issuer=https://kubernetes.default.svc".into(),
                    format!("--service-account-signing-key-file={}", text(&pki.tokens.0)),
                    format!("--service-account-key-file={}", text(&pki.tokens.1)),
                    "--service-cluster-ip-range=10.96.0.0/16".into(),
                    "--authorization-mode=RBAC".into(),
                    // No controller creates the ServiceAccount `default` here, which that plugin would wait for.
                    "--disable-admission-plugins=ServiceAccount".into(),
                ]),
            )?;
            cluster.spawn(
                "kubelet",
                Command::new(testbed)
                    .arg("kubelet")
                    .arg("--folder")
                    .arg(&folder)
                    .args(["--port", &kubelet.to_string()]),
            )?;
            cluster.write_kubeconfig("kubeconfig", &cluster.user_with_certificate(&pki))?;
            cluster.ready().await
        }
        .await;
        match started {
            Ok(()) => {
                std::fs::write(folder.join("cluster.json"), serde_json::to_vec(&cluster)?)?;
                Ok(cluster)
            }
            Err(error) => {
                cluster.stop();
                Err(error)
            }
        }
    }

    /// Opens the control plane of `folder`.
    pub fn open(folder: &Path) -> Result<Self> {
        let file = folder.join("cluster.json");
        let text = std::fs::read(&file).with_context(|| format!("no cluster in {}", folder.display()))?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// Opens the control plane that `cargo xtask test` has started.
    pub fn for_tests() -> Self {
        Self::open(&prepared::path("PORTHOLE_TEST_CLUSTER")).expect("the tests' cluster")
    }

    /// True if the API server answers.
    async fn answers(&self) -> bool {
        let Ok(client) = self.admin().await else {
            return false;
        };
        tokio::time::timeout(Duration::from_secs(2), client.apiserver_version())
            .await
            .is_ok_and(|answer| answer.is_ok())
    }

    /// Stops its processes.
    pub fn stop(&self) {
        for process in self.processes.iter().rev() {
            // Only if the process is still the same program: process ids are reused.
            let command = std::fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
            if ["etcd", "kube-apiserver", "kubelet"].iter().any(|name| command.contains(name)) {
                let _ =
                    Command::new("kill").args(["-9", &process.to_string()]).stderr(Stdio::null()).status();
            }
        }
        let _ = std::fs::remove_file(self.folder.join("cluster.json"));
    }

    /// Pauses `etcd` or `kube-apiserver`, so that its connections stay open and nothing answers, or lets it go on.
    pub fn pause(&self, program: &str, is_paused: bool) -> Result<()> {
        self.signal(program, if is_paused { Signal::STOP } else { Signal::CONT })
    }

    fn signal(&self, program: &str, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.process(program)?)?;
        let id = Pid::from_raw(id).context("no process id")?;
        Ok(kill_process(id, signal)?)
    }

    /// Kills the API server, starts it again as it was, and waits until it is ready.
    ///
    /// A client that connects to the port while nobody listens can be given that port for its own end, and is connected to
    /// itself. The port is taken then, the API server ends, and is started again.
    pub async fn restart_api_server(&mut self) -> Result<()> {
        const PROGRAM: &str = "kube-apiserver";
        let before = self.process(PROGRAM)?;
        let line = std::fs::read(format!("/proc/{before}/cmdline"))?;
        let words: Vec<String> =
            line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let [binary, arguments @ .., _] = words.as_slice() else { bail!("{PROGRAM} has no command line") };
        self.signal(PROGRAM, Signal::KILL)?;
        let begun = Instant::now();
        let mut process = before;
        // Its last thread closes the port, when its first has ended.
        while runs(process) || TcpListener::bind(self.address()?).is_err() {
            anyhow::ensure!(begun.elapsed() < START, "{PROGRAM} does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        while !runs(process) {
            anyhow::ensure!(begun.elapsed() < START, "{PROGRAM} does not start");
            self.processes.retain(|other| *other != process);
            self.spawn(PROGRAM, Command::new(binary).args(arguments))?;
            process = self.processes.last().copied().context("no process")?;
            while runs(process) && !self.is_listening()? && begun.elapsed() < START {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        std::fs::write(self.folder.join("cluster.json"), serde_json::to_vec(self)?)?;
        self.ready().await
    }

    /// Address of the API server.
    fn address(&self) -> Result<std::net::SocketAddr> {
        Ok(self.url.trim_start_matches("https://").parse()?)
    }

    /// True if somebody else accepts connections to the API server's port.
    fn is_listening(&self) -> Result<bool> {
        let connected = std::net::TcpStream::connect(self.address()?);
        Ok(connected.is_ok_and(|stream| stream.local_addr().ok() != stream.peer_addr().ok()))
    }

    /// Process id of a program: `etcd`, `kube-apiserver`.
    pub fn process(&self, program: &str) -> Result<u32> {
        let is_it = |process: &&u32| {
            let line = std::fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
            line.split('\0').next().is_some_and(|binary| binary.ends_with(program))
        };
        self.processes.iter().find(is_it).copied().with_context(|| format!("{program} is not running"))
    }

    /// Client with all rights.
    pub async fn admin(&self) -> Result<kube::Client> {
        let kubeconfig = kube::config::Kubeconfig::read_from(&self.kubeconfig)?;
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await?;
        Ok(kube::Client::try_from(config)?)
    }

    /// Writes a kubeconfig of this cluster with a user, and returns its path.
    pub fn write_kubeconfig(&self, name: &str, user: &serde_json::Value) -> Result<PathBuf> {
        let path = self.folder.join(name);
        let kubeconfig = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": self.url, "certificate-authority": self.folder.join("ca.crt")}}],
            "users": [{"name": "test", "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        });
        std::fs::write(&path, serde_json::to_vec_pretty(&kubeconfig)?)?;
        Ok(path)
    }

    fn user_with_certificate(&self, pki: &Pki) -> serde_json::Value {
        serde_json::json!({"client-certificate": pki.admin.0, "client-key": pki.admin.1})
    }

    fn spawn(&mut self, name: &str, command: &mut Command) -> Result<()> {
        use std::os::unix::process::CommandExt;
        let log = std::fs::File::create(self.folder.join(format!("{name}.log")))?;
        // In a process group of its own, so that an interrupted test does not stop the cluster.
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        self.processes.push(child.id());
        Ok(())
    }

    /// Waits until the API server is ready.
    pub async fn ready(&self) -> Result<()> {
        let begun = Instant::now();
        let client = self.admin().await?;
        loop {
            let ready = client.request_text(http::Request::get("/readyz").body(Vec::new())?).await;
            let error = match ready {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            if begun.elapsed() > START {
                let log = std::fs::read_to_string(self.folder.join("kube-apiserver.log")).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(5).collect();
                bail!("the API server is not ready after {START:?}: {error}\n{}", last.join("\n"));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// True for a process that has not ended. One of this process's children stays as a zombie.
fn runs(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name stands in parentheses, and may hold others.
    let state = stat.rsplit_once(") ").and_then(|(_, state)| state.chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// Distinct free ports; all listeners are open at the same time.
fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let listeners: Vec<TcpListener> =
        (0..N).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<std::io::Result<_>>()?;
    let ports: Vec<u16> =
        listeners.iter().map(|l| Ok(l.local_addr()?.port())).collect::<std::io::Result<_>>()?;
    ports.try_into().map_err(|_| anyhow::anyhow!("ports"))
}
