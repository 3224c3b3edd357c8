//! Programs of a node, started in the order in which they need each other.

use std::{
    collections::BTreeMap,
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};

use super::{
    Image, Node, addons,
    files::PAUSE,
    images,
    member::Member,
    network,
    programs::{self, Program},
    run as output_of,
};

/// Maximum time until a program of the node answers.
pub(super) const ANSWER: Duration = Duration::from_secs(180);
/// Words in the log that a program of the node has ended.
pub(super) const ENDED: &str = "ended with";

/// Programs of a node, by their process ids.
pub(super) type Running = BTreeMap<i32, String>;

/// Starts the programs of one Kubernetes node.
struct Starter<'a> {
    node: &'a Node,
    member: &'a Member,
    running: Running,
}

/// Starts the control plane, the other Kubernetes nodes, and the programs of the first.
pub(super) fn first(node: &Node, member: &Member) -> Result<Running> {
    let mut starter = Starter { node, member, running: Running::new() };
    let mut etcd = starter.program(Program::Etcd)?;
    let mut containerd = starter.program(Program::Containerd)?;
    archive_busybox(member.cluster())?;
    answers("etcd", Some(&mut etcd), || TcpStream::connect(programs::ETCD).is_ok())?;
    let mut api_server = starter.program(Program::ApiServer)?;
    for further in Member::all(member.cluster()).iter().filter(|further| !further.is_first()) {
        network::connect(further)?;
        starter.spawn(&further.name(), "nsenter", programs::further(node, further)?)?;
    }
    starter.import_busybox(&mut containerd)?;
    starter.api_server_answers(Some(&mut api_server))?;
    starter.program(Program::Controllers)?;
    starter.program(Program::Scheduler)?;
    starter.kubelet_and_proxy()?;
    if addons::has_addons(member.cluster()) {
        starter.spawn("coredns", &starter.text("coredns"), addons::coredns())?;
        starter.spawn("metrics-server", &starter.text("metrics-server"), addons::metrics_server())?;
    }
    starter.addons()
}

/// Starts the programs of another Kubernetes node.
pub(super) fn further(node: &Node, member: &Member) -> Result<Running> {
    let mut starter = Starter { node, member, running: Running::new() };
    let mut containerd = starter.program(Program::Containerd)?;
    starter.import_busybox(&mut containerd)?;
    starter.api_server_answers(None)?;
    starter.kubelet_and_proxy()?;
    starter.addons()
}

impl Starter<'_> {
    /// Path of a program in the folder of the whole.
    fn text(&self, program: &str) -> String {
        self.member.cluster().join(program).display().to_string()
    }

    fn spawn(&mut self, name: &str, program: &str, arguments: Vec<String>) -> Result<Child> {
        let child = programs::spawn(&self.member.folder(), name, program, &arguments)?;
        self.running.insert(child.id().try_into()?, name.to_owned());
        Ok(child)
    }

    fn program(&mut self, program: Program) -> Result<Child> {
        let child = program.spawn(self.member)?;
        self.running.insert(child.id().try_into()?, program.name().to_owned());
        Ok(child)
    }

    fn kubelet_and_proxy(&mut self) -> Result<()> {
        self.program(Program::Kubelet)?;
        self.program(Program::Proxy).map(drop)
    }

    /// Starts this program's part of the add-ons, as the last program.
    fn addons(mut self) -> Result<Running> {
        if addons::has_addons(self.member.cluster()) {
            let own = std::env::current_exe()?.display().to_string();
            self.spawn("addons", &own, programs::own("addons", self.node, self.member))?;
        }
        Ok(self.running)
    }

    /// Imports busybox, which holds a pod's namespaces, too.
    fn import_busybox(&self, containerd: &mut Child) -> Result<()> {
        answers("containerd", Some(containerd), || succeeds("ctr", &["version"]))?;
        output_of("ctr", &["-n", "k8s.io", "images", "import", &self.text(BUSYBOX)]).map(drop)
    }

    fn api_server_answers(&self, api_server: Option<&mut Child>) -> Result<()> {
        let kubeconfig = self.member.folder().join("kubelet.kubeconfig").display().to_string();
        answers("kube-apiserver", api_server, || {
            succeeds(&self.text("kubectl"), &["--kubeconfig", &kubeconfig, "get", "--raw", "/readyz"])
        })
    }
}

/// Archive of the image with busybox, in the folder of the whole.
const BUSYBOX: &str = "state/busybox.tar";

fn archive_busybox(folder: &Path) -> Result<()> {
    let files = folder.join("state/busybox");
    Image::busybox(&files)?;
    let image = Image {
        tags: &[PAUSE, "docker.io/library/busybox:latest", "docker.io/library/busybox:1.36"],
        command: &["/bin/sleep", "2147483647"],
        ..Image::default()
    };
    images::archive(&files, &image, &folder.join(BUSYBOX))
}

/// Waits until a program answers; fails if it ends before.
fn answers(name: &str, mut program: Option<&mut Child>, answered: impl Fn() -> bool) -> Result<()> {
    let begun = Instant::now();
    while !answered() {
        if let Some(status) = program.as_mut().map(|program| program.try_wait()).transpose()?.flatten() {
            bail!("{name} {ENDED} {status}; its log is in the folder log");
        }
        ensure!(
            begun.elapsed() < ANSWER,
            "{name} does not answer after {ANSWER:?}; its log is in the folder log"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
