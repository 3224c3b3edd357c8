//! Start and end of a node: a second one beside the tests' own, of which nothing is left.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use porthole_testbed::{
    node::{Extent, Node},
    prepared,
};

use crate::until;

/// A node that is stopped in any case.
pub(crate) struct Stopped(pub(crate) Node);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.down();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_stopped_leaves_nothing() {
    let name = format!("lifecycle-{}", std::process::id());
    let node = Stopped(Node::named(&name).unwrap());
    let before = Machine::now(&name);
    let begun = Instant::now();
    node.0.up(&prepared::path("PORTHOLE_TESTBED"), Extent { addons: false, nodes: 2 }).unwrap();
    let up = begun.elapsed();
    let names = [1, 2].map(porthole_testbed::node::name);
    for name in &names {
        let place = format!(r#"--overrides={{"spec": {{"nodeName": "{name}"}}}}"#);
        let pod = format!("sleeper-{name}");
        node.0.kubectl(&["run", &pod, "--image=busybox:1.36", "--restart=Never", &place]).unwrap();
        until(&format!("a pod runs on {name}"), Duration::from_secs(180), async || {
            let phase = node.0.kubectl(&["get", "pod", &pod, "-o", "jsonpath={.status.phase}"]).unwrap();
            if phase == "Running" { Ok(()) } else { Err(phase) }
        })
        .await;
    }
    let nodes = node.0.kubectl(&["get", "nodes", "-o", "jsonpath={.items[*].metadata.name}"]).unwrap();
    assert_eq!(nodes, names.join(" "));
    let during = Machine::now(&name);
    let own = namespaces(&descendants(node.0.process().unwrap()));
    assert!(
        own.iter().filter(|id| id.starts_with("net:")).count() == 4,
        "of two nodes, and two pods: {own:?}"
    );
    assert!(!during.processes.is_empty(), "{during:?}");
    for name in &names {
        let own = node.0.group(name).unwrap();
        assert!(during.groups.iter().any(|group| group.ends_with(&own)), "{own}: {during:?}");
    }
    // Nothing of it was ever seen outside.
    assert_eq!(
        (&during.mounts, &during.files, &during.kernel),
        (&before.mounts, &before.files, &before.kernel)
    );

    // Identifiers of namespaces are used again: one that a later process has is another namespace.
    let earlier = started(&processes());
    let begun = Instant::now();
    assert!(node.0.down().unwrap(), "it was running");
    eprintln!(
        "a second cluster of two nodes: up in {:.1} s, down in {:.1} s",
        up.as_secs_f32(),
        begun.elapsed().as_secs_f32()
    );
    let after = Machine::now(&name);
    let survivors: Vec<u32> =
        started(&processes()).intersection(&earlier).map(|(process, _)| *process).collect();
    let left: Vec<String> = own.intersection(&namespaces(&survivors)).cloned().collect();
    assert_eq!(left, Vec::<String>::new(), "namespaces");
    assert_eq!(after.processes, Vec::<String>::new());
    assert_eq!(after.groups, Vec::<PathBuf>::new());
    assert_eq!((after.mounts, after.files, after.kernel), (before.mounts, before.files, before.kernel));
    assert!(!node.0.folder().exists());
    assert!(!node.0.down().unwrap(), "there is nothing to stop");
}

#[test]
fn a_machine_that_cannot_run_a_node_is_told_why() {
    let refusal = |preparation: &str| {
        let output = Command::new("unshare")
            .args(["--mount", "sh", "-euc", &format!("{preparation} \"$1\" node check"), "sh"])
            .arg(prepared::path("PORTHOLE_TESTBED"))
            .env("RUST_BACKTRACE", "0")
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let hidden = refusal("mount -t tmpfs none /sys/fs/cgroup;");
    assert!(hidden.contains("a real node needs control groups"), "{hidden}");
    let denied = refusal("exec setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin");
    assert!(denied.contains("a real node needs unshare") || denied.contains("control groups"), "{denied}");
}

/// Traces that a node could leave on the machine.
#[derive(Debug)]
struct Machine {
    /// Command lines with the node's name.
    processes: Vec<String>,
    /// Control groups of the node.
    groups: Vec<PathBuf>,
    mounts: Vec<String>,
    /// Files where container runtimes, network plugins and kubelets keep theirs.
    files: BTreeSet<PathBuf>,
    /// Settings that a kubelet changes.
    kernel: Vec<String>,
}

impl Machine {
    fn now(name: &str) -> Self {
        let mut commands = Vec::new();
        for process in processes().into_iter().filter(|process| *process != std::process::id()) {
            let read =
                |file: &str| std::fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
            let command = read("cmdline").replace('\0', " ");
            if command.contains(name) || read("cgroup").contains(name) {
                commands.push(command);
            }
        }
        let mut groups = Vec::new();
        let hierarchies = children(Path::new("/sys/fs/cgroup"));
        for parent in hierarchies.iter().map(PathBuf::as_path).chain([Path::new("/sys/fs/cgroup")]) {
            groups.extend(
                children(parent).into_iter().filter(|group| group.display().to_string().contains(name)),
            );
        }
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        let settings =
            ["vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "net/ipv4/ip_forward"];
        let read = |setting: &str| std::fs::read_to_string(format!("/proc/sys/{setting}")).unwrap();
        Self {
            processes: commands,
            groups,
            mounts: mounts
                .lines()
                .filter(|line| line.contains(name) || line.contains("netns"))
                .map(str::to_owned)
                .collect(),
            files: [
                "/run/netns",
                "/run/containerd",
                "/run/containerd/s",
                "/var/lib/cni/results",
                "/var/lib/kubelet",
                "/var/log/pods",
                "/var/log/containers",
                "/etc/cni/net.d",
                "/opt",
            ]
            .into_iter()
            .flat_map(|folder| children(Path::new(folder)))
            .collect(),
            kernel: settings.map(read).to_vec(),
        }
    }
}

fn processes() -> Vec<u32> {
    let names = children(Path::new("/proc")).into_iter();
    names.filter_map(|folder| folder.file_name()?.to_str()?.parse().ok()).collect()
}

/// A field of a process's status, counted from its state (proc_pid_stat(5)).
fn status(process: u32, field: usize) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(field)?.parse().ok()
}

/// Processes with their start times.
fn started(processes: &[u32]) -> BTreeSet<(u32, u64)> {
    processes.iter().filter_map(|process| Some((*process, status(*process, 19)?))).collect()
}

/// A process, and those that it and its children have started.
fn descendants(process: u32) -> Vec<u32> {
    let parent = |process: &u32| u32::try_from(status(*process, 1)?).ok();
    let mut found = vec![process];
    let mut next = 0;
    let all: Vec<(u32, Option<u32>)> =
        processes().iter().map(|process| (*process, parent(process))).collect();
    while let Some(process) = found.get(next).copied() {
        found.extend(all.iter().filter(|(_, parent)| *parent == Some(process)).map(|(child, _)| child));
        next += 1;
    }
    found
}

/// Namespaces of processes, but those that this one is in.
fn namespaces(processes: &[u32]) -> BTreeSet<String> {
    let of = |process: &u32| -> Vec<String> {
        let links = children(Path::new(&format!("/proc/{process}/ns")));
        links.iter().filter_map(|link| Some(std::fs::read_link(link).ok()?.display().to_string())).collect()
    };
    let here = of(&std::process::id());
    processes.iter().flat_map(of).filter(|id| !here.contains(id)).collect()
}

fn children(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}
