//! Files that are written in one step: beside their path under a hidden name, and renamed when they are complete.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use ring::rand::{SecureRandom as _, SystemRandom};

/// End of the hidden name.
const PARTIAL: &str = ".partial";
/// Age of a partial file whose writer was killed: longer than a pull may take.
const STALE: Duration = Duration::from_secs(3600);

/// A file that takes the place of another when it is complete, and is removed on drop if it never was.
///
/// Its name begins with a dot, so hosts do not load it, and is random: process ids are the same in two containers that
/// share a volume, and none must rename what the other has half written.
pub(crate) struct Replacement<'p> {
    path: &'p Path,
    beside: PathBuf,
    is_in_place: bool,
}

impl<'p> Replacement<'p> {
    /// Creates the hidden file, which did not exist before, so that no link is followed.
    pub(crate) fn create(path: &'p Path) -> io::Result<(Self, fs::File)> {
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(path.file_name().unwrap_or_default());
        hidden.push(".");
        remove_stale(path, &hidden);
        let mut random = [0; 8];
        SystemRandom::new().fill(&mut random).map_err(io::Error::other)?;
        hidden.push(format!("{:016x}{PARTIAL}", u64::from_le_bytes(random)));
        let beside = path.with_file_name(hidden);
        let file = fs::OpenOptions::new().write(true).create_new(true).open(&beside)?;
        Ok((Self { path, beside, is_in_place: false }, file))
    }

    /// Renames the file into its place. Its content must be synced by then.
    pub(crate) fn put_in_place(mut self) -> io::Result<()> {
        fs::rename(&self.beside, self.path)?;
        self.is_in_place = true;
        Ok(())
    }
}

impl Drop for Replacement<'_> {
    fn drop(&mut self) {
        if !self.is_in_place {
            let _ = fs::remove_file(&self.beside);
        }
    }
}

/// Removes partial files of writers that were killed, which would fill a small volume restart by restart.
fn remove_stale(path: &Path, hidden: &std::ffi::OsStr) {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        let is_partial = name.starts_with(hidden.as_encoded_bytes()) && name.ends_with(PARTIAL.as_bytes());
        let age = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
        if is_partial && age().is_some_and(|age| age > STALE) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Writes a file in one step: it is never seen half written. A link at `path` is replaced, not followed.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use io::Write as _;
    let (replacement, mut file) = Replacement::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    replacement.put_in_place()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_that_is_not_completed_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wasm");
        replace(&path, b"one").unwrap();
        let (half, _file) = Replacement::create(&path).unwrap();
        assert!(names(folder.path()).iter().any(|name| name.starts_with(".a.wasm.")));
        // A second writer, whatever its process id, has a file of its own.
        replace(&path, b"two").unwrap();
        drop(half);
        assert_eq!(
            (names(folder.path()), fs::read(&path).unwrap()),
            (vec!["a.wasm".to_owned()], b"two".to_vec())
        );
        fs::create_dir(folder.path().join("folder")).unwrap();
        assert!(replace(&folder.path().join("folder"), b"x").is_err());
        assert_eq!(names(folder.path()), ["a.wasm", "folder"], "removed on an error");
    }

    #[test]
    fn files_of_killed_writers_are_removed_when_they_are_old() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join(".a.wasm.1.partial"), folder.path().join(".a.wasm.2.partial"));
        fs::write(&new, "").unwrap();
        let long_ago = std::time::SystemTime::now() - 2 * STALE;
        fs::File::create(&old).unwrap().set_modified(long_ago).unwrap();
        fs::File::create(folder.path().join(".b.wasm.1.partial")).unwrap().set_modified(long_ago).unwrap();
        replace(&folder.path().join("a.wasm"), b"one").unwrap();
        assert_eq!(names(folder.path()), [".a.wasm.2.partial", ".b.wasm.1.partial", "a.wasm"]);
    }
}
