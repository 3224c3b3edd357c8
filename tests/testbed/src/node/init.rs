//! First process of a node: makes its mounts and its network, starts its programs, and reaps.

use std::{
    collections::BTreeMap,
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{WaitOptions, wait};

use super::{
    ADDRESS, Image, Node,
    files::{KERNEL, PAUSE, SERVICES},
    images,
    programs::{self, Program},
    run as output_of, start_time,
};

/// Maximum time until a program of the node answers.
const ANSWER: Duration = Duration::from_secs(60);
/// Words in the log that a program of the node has ended.
pub(super) const ENDED: &str = "ended with";

/// Runs a node until it is killed. Called in namespaces of its own, as their process 1.
pub fn run(node: &Node) -> Result<()> {
    let folder = node.folder();
    // The machine's /proc is still mounted here, and shows the process id that the machine knows.
    let process = std::fs::read_link("/proc/self")?.display().to_string();
    ensure!(std::process::id() == 1, "this is started by `node up`, in namespaces of its own");
    let started = start_time(&process).context("no start time of this process")?;
    std::fs::write(folder.join("init"), format!("{process} {started}\n"))?;
    mounts(folder)?;
    network()?;
    let running = start(folder)?;
    std::fs::write(folder.join("ready"), "")?;
    reap(&running)
}

/// Replaces what programs write to outside their folders; nothing of it is seen outside this namespace.
fn mounts(folder: &Path) -> Result<()> {
    let mount = |arguments: &[&str]| output_of("mount", arguments).map(|_| ());
    let state = |name: &str| folder.join("state").join(name).display().to_string();
    mount(&["-t", "proc", "proc", "/proc"])?;
    // Sockets, names of network namespaces, runc's state.
    mount(&["-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"])?;
    mount(&["-t", "tmpfs", "-o", "mode=755", "tmpfs", "/var/lib"])?;
    for name in ["kubelet", "containerd"] {
        let place = Path::new("/var/lib").join(name);
        std::fs::create_dir(&place)?;
        mount(&["--bind", &state(name), &place.display().to_string()])?;
    }
    mount(&["--bind", &folder.join("log").display().to_string(), "/var/log"])?;
    for (setting, _) in KERNEL {
        let shown = folder.join("kernel").join(setting.replace('/', "."));
        let place = Path::new("/proc/sys").join(setting);
        if place.exists() {
            mount(&["--bind", &shown.display().to_string(), &place.display().to_string()])?;
        }
    }
    let resolver = Path::new("/etc/resolv.conf");
    // A link into /run leads nowhere now, and no resolver is the same as one that does not answer.
    if resolver.exists() {
        mount(&["--bind", &folder.join("resolv.conf").display().to_string(), "/etc/resolv.conf"])?;
    }
    // As on a machine of its own: volumes may propagate mounts between pods.
    mount(&["--make-rshared", "/"])
}

/// Gives the node its address. There is no default route, so nothing outside is reached, and refusals are immediate.
fn network() -> Result<()> {
    let ip = |arguments: &str| {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        output_of("ip", &arguments).map(|_| ())
    };
    ip("link set lo up")?;
    ip("link add node0 type bridge")?;
    ip(&format!("address add {ADDRESS}/24 dev node0"))?;
    ip("link set node0 up")?;
    // Packets to a Service need a route before their address is translated.
    ip(&format!("route add {SERVICES} dev node0"))?;
    Ok(std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")?)
}

/// Programs of the node, by their process ids.
type Running = BTreeMap<i32, &'static str>;

fn start(folder: &Path) -> Result<Running> {
    let text = |name: &str| folder.join(name).display().to_string();
    let mut running = Running::new();
    let mut spawn = |program: Program| -> Result<Child> {
        let child = program.spawn(folder)?;
        running.insert(child.id().try_into()?, program.name());
        Ok(child)
    };
    let mut etcd = spawn(Program::Etcd)?;
    let mut containerd = spawn(Program::Containerd)?;
    answers("etcd", &mut etcd, || TcpStream::connect(programs::ETCD).is_ok())?;
    let mut api_server = spawn(Program::ApiServer)?;
    answers("containerd", &mut containerd, || succeeds("ctr", &["version"]))?;
    import_busybox(folder)?;
    let (kubectl, kubeconfig) = (text("kubectl"), text("admin.kubeconfig"));
    answers("kube-apiserver", &mut api_server, || {
        succeeds(&kubectl, &["--kubeconfig", &kubeconfig, "get", "--raw", "/readyz"])
    })?;
    for program in [Program::Controllers, Program::Scheduler, Program::Kubelet, Program::Proxy] {
        spawn(program)?;
    }
    Ok(running)
}

/// Imports busybox, which holds a pod's namespaces, too.
fn import_busybox(folder: &Path) -> Result<()> {
    let (files, archive) = (folder.join("state/busybox"), folder.join("state/busybox.tar"));
    Image::busybox(&files)?;
    let image = Image {
        tags: &[PAUSE, "docker.io/library/busybox:latest", "docker.io/library/busybox:1.36"],
        command: &["/bin/sleep", "2147483647"],
        ..Image::default()
    };
    images::archive(&files, &image, &archive)?;
    output_of("ctr", &["-n", "k8s.io", "images", "import", &archive.display().to_string()])?;
    Ok(std::fs::remove_file(archive)?)
}

/// Waits until a program answers; fails if it ends before.
fn answers(name: &str, program: &mut Child, answered: impl Fn() -> bool) -> Result<()> {
    let begun = Instant::now();
    while !answered() {
        if let Some(status) = program.try_wait()? {
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

/// Reaps whatever ends in the namespace, until there is nothing left; names a program of the node in the log.
fn reap(running: &Running) -> Result<()> {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((process, status))) => {
                if let Some(name) = running.get(&process.as_raw_nonzero().get()) {
                    println!("{name} {ENDED} {status:?}; its log is in the folder log");
                }
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("waiting for processes"),
        }
    }
}
