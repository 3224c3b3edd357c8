//! First process in the namespaces of a Kubernetes node: makes its mounts and its network, starts its programs, and
//! reaps.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use rustix::process::{WaitOptions, wait};

use super::{
    Node,
    files::KERNEL,
    member::Member,
    network, run as output_of,
    start::{self, ENDED, Running},
    start_time,
};

/// Runs a Kubernetes node until it is killed. Called in namespaces of its own, as their process 1.
pub fn run(node: &Node, number: u8) -> Result<()> {
    let member = Member::new(node.folder(), number);
    let folder = member.folder();
    // The /proc of those who started this is still mounted here, and shows the process id that they know.
    let process = std::fs::read_link("/proc/self")?.display().to_string();
    ensure!(std::process::id() == 1, "this is started by `node up`, in namespaces of its own");
    let started = start_time(&process).context("no start time of this process")?;
    std::fs::write(folder.join("init"), format!("{process} {started}\n"))?;
    mounts(&member)?;
    let running = if member.is_first() {
        network::begin(&member)?;
        start::first(node, &member)?
    } else {
        network::join(&member)?;
        start::further(node, &member)?
    };
    std::fs::write(folder.join("ready"), "")?;
    reap(&running)
}

/// Replaces what programs write to outside their folders; nothing of it is seen outside this namespace.
fn mounts(member: &Member) -> Result<()> {
    let (cluster, folder) = (member.cluster(), member.folder());
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
        let shown = cluster.join("kernel").join(setting.replace('/', "."));
        let place = Path::new("/proc/sys").join(setting);
        if place.exists() {
            mount(&["--bind", &shown.display().to_string(), &place.display().to_string()])?;
        }
    }
    let resolver = Path::new("/etc/resolv.conf");
    // A link into /run leads nowhere now, and no resolver is the same as one that does not answer.
    if resolver.exists() {
        mount(&["--bind", &cluster.join("resolv.conf").display().to_string(), "/etc/resolv.conf"])?;
    }
    // As on a machine of its own: volumes may propagate mounts between pods.
    mount(&["--make-rshared", "/"])
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
