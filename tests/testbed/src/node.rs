//! A real node: control plane, kubelet, containerd and kube-proxy, in namespaces of their own.
//!
//! Its first process is process 1 of namespaces for processes, mounts and the network, and everything else is started
//! within them. So no address, mount or kernel setting of a node reaches the machine, nodes of any number have the same
//! addresses and ports, and when that process is killed the kernel ends and unmounts the rest. Outside are a folder and
//! control groups, both named after the node.

mod building;
mod cgroups;
mod files;
mod images;
mod init;
mod needs;
mod pki;
mod programs;

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::binaries::cache;

pub use images::Image;
pub use init::run as init;
pub use needs::{check_machine, missing_packages};
pub use programs::Program;

/// Address of the node, within its own network; its gateway to the pods has the first of theirs.
pub const ADDRESS: &str = "10.88.0.1";
/// Name of the one node.
pub const NODE_NAME: &str = "node-1";

/// Maximum startup time; it takes 9 s on an idle machine.
const START: Duration = Duration::from_secs(120);
/// Maximum time until the kernel has ended every process of a node.
const END: Duration = Duration::from_secs(30);
/// Names longer than this would not fit into the paths of sockets.
const MAX_NAME: usize = 40;

/// A node, running or not, identified by its name.
#[derive(Debug, Clone)]
pub struct Node {
    name: String,
    folder: PathBuf,
}

/// First process of a node, as seen from the machine.
#[derive(Debug, Clone, PartialEq)]
struct Init {
    process: u32,
    /// Start time in ticks since boot: process ids are reused.
    started: String,
}

impl Node {
    /// Node of this name: lower-case letters, digits and hyphens.
    pub fn named(name: &str) -> Result<Self> {
        let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        ensure!(
            !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(valid),
            "{name:?} is no name for a node: at most {MAX_NAME} lower-case letters, digits and hyphens"
        );
        Ok(Self { name: name.to_owned(), folder: cache().join("nodes").join(name) })
    }

    /// Node that `cargo xtask test` has started.
    pub fn for_tests() -> Self {
        let name = crate::prepared::path("PORTHOLE_TEST_NODE");
        Self::named(&name.display().to_string()).expect("the name of the tests' node")
    }

    /// Starts it with this crate's binary, unless it runs already; returns its kubeconfig. A part of one is stopped first.
    pub fn up(&self, testbed: &Path) -> Result<PathBuf> {
        needs::check()?;
        let programs = building::Programs::find_or_build()?;
        if self.init().is_some() && self.is_ready() {
            return Ok(self.kubeconfig());
        }
        self.down()?;
        files::write(&self.folder, &self.group(), &programs)?;
        cgroups::create(&self.group())?;
        let started = self.start(testbed);
        if started.is_err() {
            // Its folder has the reason; the rest must not stay behind.
            self.kill()?;
            cgroups::remove(&self.group())?;
        }
        started.map(|()| self.kubeconfig())
    }

    fn start(&self, testbed: &Path) -> Result<()> {
        let log = std::fs::File::create(self.folder.join("init.log"))?;
        // A session of its own, and no child of this process: an interrupt ends neither, and nothing waits to be reaped.
        let status = Command::new("setsid")
            .args([
                "--fork",
                "unshare",
                "--net",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--propagation=private",
            ])
            .arg(testbed)
            .args(["node", "init", "--name", &self.name])
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()
            .context("setsid and unshare (util-linux)")?;
        ensure!(status.success(), "unshare ended with {status}");
        let begun = Instant::now();
        while !self.is_ready() {
            if begun.elapsed() > START || (begun.elapsed() > Duration::from_secs(5) && self.init().is_none())
            {
                bail!("the node {} does not start:\n{}", self.name, self.last_words());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// True if the node is ready for pods.
    fn is_ready(&self) -> bool {
        // A pod is refused before its ServiceAccount exists.
        self.folder.join("ready").exists()
            && self.kubectl(&["get", "serviceaccount", "default"]).is_ok()
            && self
                .kubectl(&["wait", "--for=condition=Ready", &format!("node/{NODE_NAME}"), "--timeout=1s"])
                .is_ok()
    }

    /// Last lines of the first process's log.
    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.folder.join("init.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    /// Ends it, and deletes everything of it. True if it was running.
    pub fn down(&self) -> Result<bool> {
        let was_running = self.kill()?;
        cgroups::remove(&self.group())?;
        if self.folder.exists() {
            std::fs::remove_dir_all(&self.folder).with_context(|| self.folder.display().to_string())?;
        }
        Ok(was_running)
    }

    fn kill(&self) -> Result<bool> {
        let Some(init) = self.init() else { return Ok(false) };
        // `unshare`, which ends after process 1; read before its child has another parent.
        let parent = parent(&init.process.to_string()).filter(|parent| parent != "1");
        let parent = parent.and_then(|parent| Some((start_time(&parent)?, parent)));
        let runs = || {
            let waits = |(started, process): &(String, String)| start_time(process).as_ref() == Some(started);
            // Process 1 is the last of its namespace to end.
            self.init().is_some() || parent.as_ref().is_some_and(waits)
        };
        let _ = Command::new("kill").args(["-9", &init.process.to_string()]).stderr(Stdio::null()).status();
        let begun = Instant::now();
        while runs() {
            ensure!(begun.elapsed() < END, "the node's processes do not end; process {}", init.process);
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(true)
    }

    /// Its first process, if that is alive.
    fn init(&self) -> Option<Init> {
        let text = std::fs::read_to_string(self.folder.join("init")).ok()?;
        let (process, started) = text.trim().split_once(' ')?;
        let init = Init { process: process.parse().ok()?, started: started.to_owned() };
        (start_time(&init.process.to_string()).as_ref() == Some(&init.started)).then_some(init)
    }

    /// Process id of its first process.
    pub fn process(&self) -> Result<u32> {
        let init = self.init().with_context(|| format!("the node {} is not running", self.name))?;
        Ok(init.process)
    }

    /// Name of its control group, below the root of each hierarchy.
    pub fn group(&self) -> String {
        format!("porthole-{}", self.name)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Kubeconfig of the admin; its server can be reached within the node's network only.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("admin.kubeconfig")
    }

    /// Command that runs a program in the node's network, with the machine's files.
    pub fn enter(&self, program: impl AsRef<OsStr>) -> Result<Command> {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.process()?)).args(["--net", "--"]).arg(program);
        Ok(command)
    }

    /// Command that runs a program among the node's own processes, mounts and addresses.
    pub fn enter_wholly(&self, program: impl AsRef<OsStr>) -> Result<Command> {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.process()?))
            .args(["--net", "--mount", "--pid", "--"])
            .arg(program);
        Ok(command)
    }

    /// Sends a signal, such as `KILL` or `STOP`, to a program of the node.
    pub fn signal(&self, program: Program, signal: &str) -> Result<()> {
        let process = std::fs::read_to_string(program.process_file(&self.folder))?;
        let output = self.enter_wholly("kill")?.args([&format!("-{signal}"), process.trim()]).output()?;
        stdout(&format!("kill -{signal} of {}", program.name()), output).map(|_| ())
    }

    /// Starts a program again that has ended, with this crate's binary.
    pub fn start_again(&self, testbed: &Path, program: Program) -> Result<()> {
        let mut command = self.enter_wholly(testbed)?;
        let output = command.args(["node", "program", "--name", &self.name, program.name()]).output()?;
        stdout(&format!("starting {} again", program.name()), output).map(|_| ())
    }

    /// Starts a program. Called within the node's namespaces, where its first process becomes the program's parent.
    pub fn spawn(&self, program: Program) -> Result<()> {
        program.spawn(&self.folder).map(|_| ())
    }

    /// Output of kubectl as the admin; an error has what it printed.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let mut kubectl = self.enter(self.folder.join("kubectl"))?;
        let output = kubectl.arg("--kubeconfig").arg(self.kubeconfig()).args(arguments).output()?;
        stdout(&format!("kubectl {}", arguments.join(" ")), output)
    }

    /// Client with all rights; works within the node's network only.
    pub async fn admin(&self) -> Result<kube::Client> {
        let kubeconfig = kube::config::Kubeconfig::read_from(self.kubeconfig())?;
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await?;
        Ok(kube::Client::try_from(config)?)
    }

    /// Imports an image from the folder of its files.
    pub fn import(&self, files: &Path, image: &Image) -> Result<()> {
        let archive = self.folder.join(format!("image-{}.tar", std::process::id()));
        images::archive(files, image, &archive)?;
        let output =
            self.enter_wholly("ctr")?.args(["-n", "k8s.io", "images", "import"]).arg(&archive).output()?;
        std::fs::remove_file(&archive)?;
        stdout("ctr images import", output).map(|_| ())
    }
}

/// Output of a program, or an error with everything that it printed.
fn stdout(what: &str, output: Output) -> Result<String> {
    ensure!(
        output.status.success(),
        "{what} ended with {}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// Runs a program to its end; an error has what it printed.
fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().with_context(|| program.to_owned())?;
    stdout(&format!("{program} {}", arguments.join(" ")), output)
}

/// Start time of a process that is alive, in ticks since boot.
fn start_time(process: &str) -> Option<String> {
    let stat = status(process)?;
    (stat.first()? != "Z").then(|| stat.get(19).cloned()).flatten()
}

/// Process id of the parent of a process.
fn parent(process: &str) -> Option<String> {
    status(process)?.get(1).cloned()
}

/// Fields of a process's status from the third on, its state (proc_pid_stat(5)).
fn status(process: &str) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program, in parentheses, may contain spaces.
    Some(stat.trim_end().rsplit_once(") ")?.1.split(' ').map(str::to_owned).collect())
}
