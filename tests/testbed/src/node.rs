//! A real node: control plane, kubelet, containerd and kube-proxy, in namespaces of their own.
//!
//! Its first process is process 1 of namespaces for processes, mounts and the network, and everything else is started
//! within them. So no address, mount or kernel setting of a node reaches the machine, nodes of any number have the same
//! addresses and ports, and when that process is killed the kernel ends and unmounts the rest. Outside are a folder and
//! control groups, both named after the node.
//!
//! It may consist of several Kubernetes nodes (`member.rs`): each after the first has a kubelet, a containerd and a
//! kube-proxy in namespaces within the first's.

mod addons;
mod building;
mod cgroups;
mod files;
mod images;
mod init;
mod member;
mod needs;
mod network;
mod pki;
mod programs;
mod start;

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::binaries::cache;
use member::Member;

pub use addons::run as addons;
pub use images::Image;
pub use init::run as init;
pub use member::{MAX_NODES, address, name};
pub use needs::{check_machine, missing_packages};
pub use programs::Program;

/// Address of the node, within its own network; its gateway to the pods has the first of theirs.
pub const ADDRESS: &str = "10.88.0.1";
/// Name of the first Kubernetes node.
pub const NODE_NAME: &str = "node-1";

/// Maximum startup time; it takes 9 s on an idle machine.
const START: Duration = Duration::from_secs(300);
/// Maximum time until the kernel has ended every process of a node.
const END: Duration = Duration::from_secs(120);
/// Names longer than this would not fit into the paths of sockets.
const MAX_NAME: usize = 40;

/// Arguments of unshare for a Kubernetes node, beside its network.
const NAMESPACES: [&str; 5] = ["--mount", "--pid", "--fork", "--kill-child", "--propagation=private"];

/// What a node consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// CoreDNS, metrics-server, a default StorageClass, and network policies that are enforced.
    pub addons: bool,
    /// Number of Kubernetes nodes, at most [`MAX_NODES`].
    pub nodes: u8,
}

impl Default for Extent {
    fn default() -> Self {
        Self { addons: false, nodes: 1 }
    }
}

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

impl Init {
    fn read(folder: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(folder.join("init")).ok()?;
        let (process, started) = text.trim().split_once(' ')?;
        Some(Self { process: process.parse().ok()?, started: started.to_owned() })
    }
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

    /// Starts it with this crate's binary, unless it runs already; returns its kubeconfig. A part of one, or one that has
    /// less than is asked for, is stopped first.
    pub fn up(&self, testbed: &Path, extent: Extent) -> Result<PathBuf> {
        ensure!((1..=MAX_NODES).contains(&extent.nodes), "{} nodes: 1 to {MAX_NODES}", extent.nodes);
        needs::check()?;
        let programs = building::Programs::find_or_build()?;
        let addons = extent.addons.then(addons::Addons::find_or_build).transpose()?;
        let has_nodes = Member::all(&self.folder).len() >= extent.nodes.into();
        let suffices = has_nodes && (addons.is_none() || addons::has_addons(&self.folder));
        if suffices && self.init().is_some() && self.is_ready() {
            return Ok(self.kubeconfig());
        }
        self.down()?;
        files::write(&self.folder, extent.nodes, &self.name, &programs)?;
        if let Some(addons) = &addons {
            addons.write(&self.folder)?;
        }
        Member::all(&self.folder).iter().try_for_each(|member| cgroups::create(&member.group(&self.name)))?;
        let started = self.start(testbed);
        if started.is_err() {
            // Its folder has the reason; the rest must not stay behind.
            self.kill()?;
            self.remove_groups()?;
        }
        started.map(|()| self.kubeconfig())
    }

    fn start(&self, testbed: &Path) -> Result<()> {
        let log = std::fs::File::create(self.folder.join("init.log"))?;
        // A session of its own, and no child of this process: an interrupt ends neither, and nothing waits to be reaped.
        let status = Command::new("setsid")
            .args(["--fork", "unshare", "--net"])
            .args(NAMESPACES)
            .arg(testbed)
            .args(["node", "init", "--name", &self.name, "--number", "1"])
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
        if addons::has_addons(&self.folder) { addons::apply(self) } else { Ok(()) }
    }

    /// True if every Kubernetes node is ready for pods.
    fn is_ready(&self) -> bool {
        let members = Member::all(&self.folder);
        let nodes: Vec<String> = members.iter().map(|member| format!("node/{}", member.name())).collect();
        let nodes = nodes.iter().map(String::as_str);
        let wait: Vec<&str> =
            ["wait", "--for=condition=Ready", "--timeout=1s"].into_iter().chain(nodes).collect();
        // A pod is refused before its ServiceAccount exists.
        members.iter().all(|member| member.folder().join("ready").exists())
            && self.kubectl(&["get", "serviceaccount", "default"]).is_ok()
            && self.kubectl(&wait).is_ok()
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
        self.remove_groups()?;
        if self.folder.exists() {
            std::fs::remove_dir_all(&self.folder).with_context(|| self.folder.display().to_string())?;
        }
        Ok(was_running)
    }

    fn remove_groups(&self) -> Result<()> {
        let all = (1..=MAX_NODES).map(|number| Member::new(&self.folder, number).group(&self.name));
        all.into_iter().try_for_each(|group| cgroups::remove(&group))
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
        let init = Init::read(&self.folder)?;
        (start_time(&init.process.to_string()).as_ref() == Some(&init.started)).then_some(init)
    }

    /// Process id of its first process.
    pub fn process(&self) -> Result<u32> {
        let init = self.init().with_context(|| format!("the node {} is not running", self.name))?;
        Ok(init.process)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name of the control group of a Kubernetes node, below the root of each hierarchy; none if there is no such node.
    pub fn group(&self, kubernetes_node: &str) -> Option<String> {
        let all = Member::all(&self.folder);
        all.iter().find(|member| member.name() == kubernetes_node).map(|member| member.group(&self.name))
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

    /// Command that runs a program among the processes, mounts and addresses of the first Kubernetes node.
    pub fn enter_wholly(&self, program: impl AsRef<OsStr>) -> Result<Command> {
        self.enter_member(&Member::new(&self.folder, 1), program)
    }

    /// Command that runs a program among the processes, mounts and addresses of a Kubernetes node.
    fn enter_member(&self, member: &Member, program: impl AsRef<OsStr>) -> Result<Command> {
        let namespaces = ["--net", "--mount", "--pid", "--"];
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.process()?)).args(namespaces);
        if !member.is_first() {
            // Its process id is that of the first's namespace.
            let init = Init::read(&member.folder()).with_context(|| format!("no {}", member.name()))?;
            command.arg("nsenter").arg(format!("--target={}", init.process)).args(namespaces);
        }
        command.arg(program);
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
        program.spawn(&Member::new(&self.folder, 1)).map(drop)
    }

    /// Output of kubectl as the admin; an error has what it printed.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let mut kubectl = self.enter(self.folder.join("kubectl"))?;
        let output = kubectl.arg("--kubeconfig").arg(self.kubeconfig()).args(arguments).output()?;
        stdout(&format!("kubectl {}", arguments.join(" ")), output)
    }

    /// Client with all rights; works within the node's network only.
    pub async fn admin(&self) -> Result<kube::Client> {
        client(&self.kubeconfig()).await
    }

    /// Imports an image from the folder of its files, on every Kubernetes node.
    pub fn import(&self, files: &Path, image: &Image) -> Result<()> {
        // A folder of its own: tests of one process import at the same time.
        let own = tempfile::tempdir_in(&self.folder)?;
        let archive = own.path().join("image.tar");
        images::archive(files, image, &archive)?;
        let import = |member: &Member| {
            let mut ctr = self.enter_member(member, "ctr")?;
            let output = ctr.args(["-n", "k8s.io", "images", "import"]).arg(&archive).output()?;
            stdout("ctr images import", output).map(drop)
        };
        Member::all(&self.folder).iter().try_for_each(import)
    }
}

/// Client of the API server; works within the node's network only.
async fn client(kubeconfig: &Path) -> Result<kube::Client> {
    let kubeconfig = kube::config::Kubeconfig::read_from(kubeconfig)?;
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await?;
    Ok(kube::Client::try_from(config)?)
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
