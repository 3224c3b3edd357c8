//! Memory available to this process: the limit of its cgroup, or the machine's memory.
//!
//! Hand-written: `sysinfo` and similar crates read all processes to answer this; here it is the text of two or three
//! files (Linux, Documentation/admin-guide/cgroup-v2.rst, "memory.max").

use std::{fs, path::Path};

/// Bytes that this process may use before the kernel kills it; `None` if neither source is readable.
pub(super) fn available_memory() -> Option<u64> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let limit = cgroup_limit(Path::new("/sys/fs/cgroup"), &own);
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| parse_meminfo(&text));
    [limit, machine].into_iter().flatten().min()
}

/// The smallest limit from the process's own cgroup up to the root, for versions 1 and 2. Without a limit the file
/// holds `max` (no number) or a number near 2^63, which the machine's memory undercuts.
fn cgroup_limit(root: &Path, own: &str) -> Option<u64> {
    let number = |path: &Path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let groups = own.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        match controllers {
            "" => Some((root.to_owned(), path, "memory.max")),
            _ if controllers.split(',').any(|name| name == "memory") => {
                Some((root.join("memory"), path, "memory.limit_in_bytes"))
            }
            _ => None,
        }
    });
    let limits = groups.filter_map(|(base, path, file)| {
        let own = base.join(path.trim_start_matches('/'));
        own.ancestors()
            .take_while(|folder| folder.starts_with(&base))
            .filter_map(|folder| number(&folder.join(file)))
            .min()
    });
    limits.min()
}

/// `MemTotal` of /proc/meminfo, in bytes.
fn parse_meminfo(text: &str) -> Option<u64> {
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_on_the_way_to_the_root_counts() {
        let root = tempfile::tempdir().unwrap();
        let pod = root.path().join("kubepods/pod1");
        fs::create_dir_all(pod.join("web")).unwrap();
        fs::write(pod.join("memory.max"), "536870912\n").unwrap();
        fs::write(pod.join("web/memory.max"), "max\n").unwrap();
        assert_eq!(cgroup_limit(root.path(), "0::/kubepods/pod1/web\n"), Some(512 << 20));
        assert_eq!(cgroup_limit(root.path(), "0::/\n"), None);
        fs::create_dir_all(root.path().join("memory/x")).unwrap();
        fs::write(root.path().join("memory/x/memory.limit_in_bytes"), "1048576").unwrap();
        assert_eq!(cgroup_limit(root.path(), "5:cpu,memory:/x\n1:name=systemd:/y\n"), Some(1 << 20));
    }

    #[test]
    fn the_machines_memory_is_read() {
        assert_eq!(parse_meminfo("MemTotal:       24117248 kB\nMemFree: 1 kB\n"), Some(24117248 * 1024));
        assert!(available_memory().is_some_and(|bytes| bytes > 64 << 20));
    }
}
