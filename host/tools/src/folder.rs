//! The folder of tools as it is now: its files, and what shows that one has changed.

use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Files of a folder that are looked at, the first in the alphabet. Whoever can write there could otherwise make each look,
/// and the list of what is not served, as long as a disk holds names.
pub(super) const MAX_FILES: usize = 4096;
/// Names of a folder that are read at all.
const MAX_NAMES: usize = 64 << 10;

/// What changes when a file does. Writing in place changes the times, renaming another over it the inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    inode: (u64, u64),
    pub(super) size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    /// A symlink is swapped in one step, as a ConfigMap's is: what it points at is whole.
    pub(super) link: bool,
}

/// A folder at one time.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// The files to load. What is no file is among them: loading it says what it is.
    pub(super) files: BTreeMap<String, Identity>,
    /// Links that lead nowhere: as good as gone, and named.
    pub(super) dangling: Vec<String>,
    /// There are more files than are looked at.
    pub(super) crowded: bool,
}

/// Whether a file of this name is one to load. Hidden ones are an editor's, or a ConfigMap's own.
pub(super) fn is_tool(name: &str) -> bool {
    name.ends_with(".wasm") && !name.starts_with('.')
}

/// Looks at a folder once. What is wrong with an entry is a matter of that entry.
pub(super) fn look(folder: &Path) -> io::Result<Listing> {
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
        Listing { crowded: names.len() > MAX_FILES || entries.next().is_some(), ..Listing::default() };
    names.sort_unstable();
    for name in names.into_iter().take(MAX_FILES) {
        let path = folder.join(&name);
        // One that vanished meanwhile is not there.
        let Ok(own) = fs::symlink_metadata(&path) else { continue };
        match fs::metadata(&path) {
            Ok(metadata) => {
                listing.files.insert(name, Identity::of(&metadata, own.is_symlink()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => listing.dangling.push(name),
            // A link to itself or through a file: opening it fails in the same way, and says so.
            Err(_) => {
                listing.files.insert(name, Identity::of(&own, own.is_symlink()));
            }
        }
    }
    Ok(listing)
}

impl Identity {
    fn of(metadata: &Metadata, link: bool) -> Self {
        Self {
            inode: (metadata.dev(), metadata.ino()),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            link,
        }
    }
}

/// The files of a folder that are loaded, in order.
///
/// # Errors
///
/// If the folder cannot be read.
pub fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(look(folder)?.files.into_keys().map(|file| folder.join(file)).collect())
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
        let listing = look(folder.path()).unwrap();
        let names: Vec<&str> = listing.files.keys().map(String::as_str).collect();
        assert_eq!(names, ["folder.wasm", "good.wasm", "loop.wasm", "through.wasm"]);
        assert_eq!(listing.dangling, ["dangling.wasm"]);
        assert!(!listing.crowded);
    }

    #[test]
    fn a_crowded_folder_is_looked_at_in_part_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..=MAX_FILES {
            fs::write(folder.path().join(format!("{n:05}.wasm")), "").unwrap();
        }
        let listing = look(folder.path()).unwrap();
        assert!(listing.crowded && listing.files.len() == MAX_FILES);
        assert!(listing.files.contains_key("00000.wasm"), "always the same part");
    }
}
