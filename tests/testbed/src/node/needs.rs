//! Requirements of a node on the machine.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Result, ensure};

use super::cgroups;

/// Debian's packages that a node consists of, and a file of each.
const PACKAGES: [(&str, &str); 7] = [
    ("containerd", "/usr/bin/containerd"),
    ("runc", "/usr/sbin/runc"),
    ("containernetworking-plugins", "/usr/lib/cni/ptp"),
    ("nftables", "/usr/sbin/nft"),
    ("conntrack", "/usr/sbin/conntrack"),
    ("iproute2", "/usr/sbin/ip"),
    ("busybox-static", "/bin/busybox"),
];

/// Debian's packages that are not installed yet.
pub fn missing_packages() -> Vec<&'static str> {
    PACKAGES.iter().filter(|(_, file)| !Path::new(file).exists()).map(|(package, _)| *package).collect()
}

/// Fails with the reason if no node can be started.
pub(super) fn check() -> Result<()> {
    check_machine()?;
    let missing = missing_packages();
    ensure!(missing.is_empty(), "a real node needs Debian's packages: apt-get install {}", missing.join(" "));
    Ok(())
}

/// Fails with the reason if no node can run on this machine, whatever is installed.
pub fn check_machine() -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "a real node needs Linux");
    ensure!(is_root(), "a real node needs root: it makes namespaces and control groups");
    ensure!(
        cgroups::are_writable(),
        "a real node needs control groups: nothing can be made under /sys/fs/cgroup, or the controllers memory, cpu and pids are not there"
    );
    let unshare = Command::new("unshare")
        .args([
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--propagation=private",
            "mount",
            "-t",
            "tmpfs",
            "none",
            "/run",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    ensure!(
        unshare.is_ok_and(|status| status.success()),
        "a real node needs unshare, and the right to make namespaces and to mount in them; this machine, a container perhaps, denies it"
    );
    Ok(())
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:\t0\t0"))
}
