//! Scan of the tools folder: its files, and the fingerprint that detects a change.

use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Maximum number of files scanned, in alphabetical order. Without it, an account that can write there could make each
/// scan, and the list of failures, as long as a disk holds names.
pub(super) const MAX_FILES: usize = 4096;
/// Maximum number of directory entries read.
pub(super) const MAX_NAMES: usize = 64 << 10;

/// File fingerprint for change detection: mtime and ctime catch in-place writes, the inode catches renames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint {
    inode: (u64, u64),
    pub(super) size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    /// True for a symlink, which is swapped in one step, as a ConfigMap's is: its target is complete.
    pub(super) link: bool,
}

/// Result of one scan.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Files to load. Directories and the like are included: the error of loading them names the reason.
    pub(super) files: BTreeMap<String, Fingerprint>,
    /// Links to missing files: not loaded, but reported.
    pub(super) dangling: Vec<String>,
    /// True if the folder exceeds [`MAX_FILES`] or [`MAX_NAMES`].
    pub(super) truncated: bool,
}

/// True for a visible `.wasm` name. Hidden files belong to an editor or to a ConfigMap's own mechanism.
pub(super) fn is_tool(name: &str) -> bool {
    name.ends_with(".wasm") && !name.starts_with('.')
}

/// Scans a folder once. An entry that fails does not fail the scan.
pub(super) fn scan(folder: &Path) -> io::Result<Listing> {
    let mut names = Vec::new();
    let mut entries = fs::read_dir(folder)?;
    for entry in entries.by_ref().take(MAX_NAMES) {
        if let Ok(name) = entry?.file_name().into_string()
            && is_tool(&name)
        {
            names.push(name);
        }
    }
    let mut listing =
        Listing { truncated: names.len() > MAX_FILES || entries.next().is_some(), ..Listing::default() };
    names.sort_unstable();
    for name in names.into_iter().take(MAX_FILES) {
        let path = folder.join(&name);
        // Removed since it was listed.
        let Ok(own) = fs::symlink_metadata(&path) else { continue };
        match fs::metadata(&path) {
            Ok(metadata) => {
                listing.files.insert(name, Fingerprint::of(&metadata, own.is_symlink()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => listing.dangling.push(name),
            // A link to itself or through a file: opening it fails with the same error, which is then reported.
            Err(_) => {
                listing.files.insert(name, Fingerprint::of(&own, own.is_symlink()));
            }
        }
    }
    Ok(listing)
}

impl Fingerprint {
    pub(super) fn of(metadata: &Metadata, link: bool) -> Self {
        Self {
            inode: (metadata.dev(), metadata.ino()),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            link,
        }
    }
}

/// Loadable files of a folder, sorted by name.
///
/// # Errors
///
/// If the folder cannot be read.
pub fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(scan(folder)?.files.into_keys().map(|file| folder.join(file)).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn an_entry_that_cannot_be_looked_at_does_not_hide_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("good.wasm"), "x").unwrap();
        fs::write(path(".hidden.wasm"), "x").unwrap();
        fs::create_dir(path("folder.wasm")).unwrap();
        symlink("loop.wasm", path("loop.wasm")).unwrap();
        symlink("/etc/passwd/x", path("through.wasm")).unwrap();
        symlink("nowhere", path("dangling.wasm")).unwrap();
        let listing = scan(folder.path()).unwrap();
        let names: Vec<&str> = listing.files.keys().map(String::as_str).collect();
        assert_eq!(names, ["folder.wasm", "good.wasm", "loop.wasm", "through.wasm"]);
        assert_eq!(listing.dangling, ["dangling.wasm"]);
        assert!(!listing.truncated);
    }

    #[test]
    fn a_crowded_folder_is_looked_at_in_part_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..=MAX_FILES {
            fs::write(folder.path().join(format!("{n:05}.wasm")), "").unwrap();
        }
        let listing = scan(folder.path()).unwrap();
        assert!(listing.truncated && listing.files.len() == MAX_FILES);
        assert!(listing.files.contains_key("00000.wasm"), "always the same part");
    }
}
