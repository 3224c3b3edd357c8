//! Machine and versions of a run.

use std::{path::Path, process::Command};

use anyhow::Result;
use porthole_testbed::{cluster::Cluster, fixtures};

use super::{
    plan::Plan,
    results::{Run, rounded},
};

/// Describes a run that has taken some minutes.
pub(crate) async fn describe(
    cluster: &Cluster,
    plan: &Plan,
    commit: &str,
    peer: Option<&str>,
    (minutes, is_quick): (f64, bool),
) -> Result<Run> {
    let memory =
        field("/proc/meminfo", "MemTotal").split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok());
    let version = cluster.admin().await?.apiserver_version().await?;
    Ok(Run {
        date: fixtures::now().chars().take_while(|letter| *letter != 'T').collect(),
        commit: commit.to_owned(),
        processor: field("/proc/cpuinfo", "model name"),
        cores: std::thread::available_parallelism()?.get(),
        memory_gb: memory.unwrap_or(0) >> 20,
        kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        kubernetes: version.git_version,
        etcd: etcd(cluster)?,
        peer: peer.map(str::to_owned),
        custom_kinds: plan.custom_kinds,
        minutes: rounded(minutes),
        is_quick,
    })
}

/// Value of a line `name: value`.
fn field(file: &str, name: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

/// Version of the etcd that runs.
fn etcd(cluster: &Cluster) -> Result<String> {
    let program =
        std::fs::read_link(Path::new("/proc").join(cluster.process("etcd")?.to_string()).join("exe"))?;
    let output = Command::new(program).arg("--version").output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().next().and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown").to_owned())
}
