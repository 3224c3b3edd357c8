//! Control group of 512 MiB and one core for a host under attack; without control groups, a limit on its data segment.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// Memory limit of the deployment.
const MEMORY: u64 = 512 << 20;
/// Scheduler period and quota, in µs: one core.
const PERIOD: &str = "100000";
/// Maximum time until the kernel releases an ended process.
const EMPTY: Duration = Duration::from_secs(5);

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Control groups below the test's own; removed on drop.
pub struct Cage {
    groups: Vec<PathBuf>,
}

impl Default for Cage {
    fn default() -> Self {
        Self::new()
    }
}

impl Cage {
    /// Creates the groups, as far as this machine permits.
    pub fn new() -> Self {
        let name = format!("porthole-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let memory = MEMORY.to_string();
        let wanted: [(&str, &[(&str, &str)]); 2] = [
            ("memory", &[("memory.limit_in_bytes", &memory)]),
            ("cpu", &[("cpu.cfs_period_us", PERIOD), ("cpu.cfs_quota_us", PERIOD)]),
        ];
        let mut groups = Vec::new();
        for (controller, limits) in wanted {
            if let Some(group) = version_1(controller).and_then(|parent| make(&parent, &name, limits)) {
                groups.push(group);
            }
        }
        if groups.is_empty()
            && let Some(group) = version_2().and_then(|parent| {
                let quota = format!("{PERIOD} {PERIOD}");
                make(&parent, &name, &[("memory.max", &memory), ("cpu.max", &quota)])
            })
        {
            groups.push(group);
        }
        Self { groups }
    }

    /// True if a control group limits the memory.
    fn holds_memory(&self) -> bool {
        self.groups
            .iter()
            .any(|group| group.join("memory.max").exists() || group.join("memory.limit_in_bytes").exists())
    }

    /// Command that runs a program in the cage.
    pub fn command(&self, program: &Path) -> Command {
        let mut script: String = self
            .groups
            .iter()
            .map(|group| format!("echo $$ > '{}' && ", group.join("cgroup.procs").display()))
            .collect();
        if !self.holds_memory() {
            script.push_str(&format!("ulimit -d {} && ", MEMORY / 1024));
        }
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{script}exec \"$0\" \"$@\"")]).arg(program);
        command
    }

    /// Peak memory of all processes in the cage, page cache included.
    pub fn peak(&self) -> Option<u64> {
        let files = ["memory.peak", "memory.max_usage_in_bytes"];
        let mut paths = self.groups.iter().flat_map(|group| files.map(|file| group.join(file)));
        paths.find_map(|path| std::fs::read_to_string(path).ok()?.trim().parse().ok())
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        let begun = Instant::now();
        for group in &self.groups {
            while std::fs::remove_dir(group).is_err() && group.exists() && begun.elapsed() < EMPTY {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

/// This process's group of a controller, with cgroups v1.
fn version_1(controller: &str) -> Option<PathBuf> {
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let line = own.lines().find(|line| {
        line.split(':').nth(1).is_some_and(|names| names.split(',').any(|name| name == controller))
    })?;
    let path = line.splitn(3, ':').nth(2)?;
    let folder = Path::new("/sys/fs/cgroup").join(controller).join(path.trim_start_matches('/'));
    folder.is_dir().then_some(folder)
}

/// This process's group with cgroups v2, if limits may be set below it.
fn version_2() -> Option<PathBuf> {
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let folder = Path::new("/sys/fs/cgroup").join(path.trim_start_matches('/'));
    let given = std::fs::read_to_string(folder.join("cgroup.subtree_control")).ok()?;
    (given.contains("memory") && given.contains("cpu")).then_some(folder)
}

fn make(parent: &Path, name: &str, limits: &[(&str, &str)]) -> Option<PathBuf> {
    let group = parent.join(name);
    std::fs::create_dir(&group).ok()?;
    for (file, value) in limits {
        if std::fs::write(group.join(file), value).is_err() {
            let _ = std::fs::remove_dir(&group);
            return None;
        }
    }
    Some(group)
}
