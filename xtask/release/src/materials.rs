//! Materials of a release: the commit, the lock files and the compiler.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Command,
    time::{Duration, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};

use crate::digest;

/// Lock files of both workspaces, from the root of the repository.
pub(crate) const LOCKS: [&str; 2] = ["Cargo.lock", "plugins/Cargo.lock"];

/// Materials of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Materials {
    /// Version of the workspace.
    pub(crate) version: String,
    /// URL of the source.
    pub(crate) repository: String,
    pub(crate) commit: String,
    /// Time of the commit, in seconds since 1970. No other time is written, so that two releases of a commit are the same.
    pub(crate) committed: u64,
    /// True if files differ from the commit.
    pub(crate) is_modified: bool,
    /// Lock files with their digests.
    pub(crate) locks: BTreeMap<String, String>,
    /// `rustc --version`.
    pub(crate) compiler: String,
}

impl Materials {
    /// Reads them from a repository.
    pub(crate) fn of(root: &Path) -> Result<Self> {
        let git = |arguments: &[&str]| output(Command::new("git").arg("-C").arg(root).args(arguments));
        let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
        let key = |name: &str| {
            let line = manifest.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_prefix('='));
            let value = line.map(|value| value.trim().trim_matches('"').to_owned());
            value.with_context(|| format!("Cargo.toml has no {name}"))
        };
        let locks = LOCKS
            .iter()
            .map(|lock| Ok(((*lock).to_owned(), digest::of_file(&root.join(lock))?)))
            .collect::<Result<_>>()?;
        Ok(Self {
            version: key("version")?,
            repository: key("repository")?,
            commit: git(&["rev-parse", "HEAD"])?,
            committed: git(&["show", "--no-patch", "--format=%ct", "HEAD"])?.parse()?,
            is_modified: !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty(),
            locks,
            compiler: output(Command::new("rustc").arg("--version").current_dir(root))?,
        })
    }

    /// Time of the commit as RFC 3339 in UTC.
    pub(crate) fn timestamp(&self) -> String {
        let time = UNIX_EPOCH.checked_add(Duration::from_secs(self.committed)).unwrap_or(UNIX_EPOCH);
        humantime::format_rfc3339_seconds(time).to_string()
    }
}

/// Output of a command, without the line's end.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        bail!("{name} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Materials for tests.
#[cfg(test)]
pub(crate) fn example() -> Materials {
    Materials {
        version: "0.1.0".into(),
        repository: "https://example.invalid/porthole".into(),
        commit: "0123456789abcdef0123456789abcdef01234567".into(),
        committed: 1_709_209_845,
        is_modified: false,
        locks: LOCKS.iter().map(|lock| ((*lock).to_owned(), digest::of_bytes(lock.as_bytes()))).collect(),
        compiler: "rustc 1.95.0".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commits_time_is_written_in_utc() {
        for (committed, text) in [(0, "1970-01-01T00:00:00Z"), (1_709_209_845, "2024-02-29T12:30:45Z")] {
            assert_eq!(Materials { committed, ..example() }.timestamp(), text);
        }
    }

    #[test]
    fn this_repository_has_all_of_them() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let materials = Materials::of(&root).unwrap();
        assert_eq!((materials.commit.len(), materials.locks.len()), (40, 2), "{materials:?}");
        assert!(materials.compiler.starts_with("rustc ") && materials.version.contains('.'), "{materials:?}");
    }
}
