//! Control groups of a node: one of its name below the root of each hierarchy, of version 1 or 2.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

/// Folder of the hierarchies.
const ROOT: &str = "/sys/fs/cgroup";
/// Controllers that a kubelet needs.
const NEEDED: [&str; 3] = ["memory", "cpu", "pids"];
/// Maximum time until the kernel releases the groups of ended processes.
const RELEASE: Duration = Duration::from_secs(60);

/// Files with a group's part of the processors, of version 1 and 2, and four times the part that a group has by default. All
/// pods of a node share it, beside every session of the machine, so that a busy one would starve them whatever they request.
const PARTS: [(&str, &str); 2] = [("cpu.shares", "4096"), ("cpu.weight", "400")];

/// Roots of the hierarchies: one with version 2, one for each controller with version 1.
fn hierarchies() -> Vec<PathBuf> {
    if Path::new(ROOT).join("cgroup.procs").exists() {
        return vec![ROOT.into()];
    }
    let folders = std::fs::read_dir(ROOT).into_iter().flatten().flatten();
    // Not the links to a hierarchy of several controllers.
    folders
        .filter(|folder| folder.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|folder| folder.path())
        .filter(|folder| folder.join("cgroup.procs").exists())
        .collect()
}

/// True if groups can be made, in hierarchies that have the controllers.
pub(super) fn are_writable() -> bool {
    let hierarchies = hierarchies();
    let version_2 = std::fs::read_to_string(Path::new(ROOT).join("cgroup.controllers")).unwrap_or_default();
    let named = |controller: &str| {
        hierarchies.iter().any(|folder| {
            folder
                .file_name()
                .is_some_and(|name| name.to_string_lossy().split(',').any(|name| name == controller))
        })
    };
    let found =
        |controller: &str| version_2.split_whitespace().any(|name| name == controller) || named(controller);
    let probe = format!("porthole-probe-{}", std::process::id());
    NEEDED.iter().all(|controller| found(controller))
        && hierarchies.iter().all(|folder| {
            let group = folder.join(&probe);
            std::fs::create_dir(&group).is_ok() && std::fs::remove_dir(&group).is_ok()
        })
}

pub(super) fn create(group: &str) -> Result<()> {
    for hierarchy in hierarchies() {
        let folder = hierarchy.join(group);
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        for (file, part) in PARTS {
            let file = folder.join(file);
            if file.exists() {
                std::fs::write(&file, part).with_context(|| file.display().to_string())?;
            }
        }
    }
    Ok(())
}

/// Removes the groups, whose processes have ended.
pub(super) fn remove(group: &str) -> Result<()> {
    let begun = Instant::now();
    for hierarchy in hierarchies() {
        let folder = hierarchy.join(group);
        loop {
            match remove_tree(&folder) {
                Ok(()) => break,
                Err(error) if begun.elapsed() > RELEASE => {
                    return Err(error).with_context(|| folder.display().to_string());
                }
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
    Ok(())
}

/// Removes a group and those below it; their files cannot be deleted and go with them.
fn remove_tree(folder: &Path) -> std::io::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    std::fs::remove_dir(folder)
}
