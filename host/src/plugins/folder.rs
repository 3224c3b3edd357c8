//! The folder of tools as it is now: its files, and what shows that one has changed.

use std::{collections::BTreeMap, fs, io, os::unix::fs::MetadataExt, path::Path};

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

/// The identity of what a path leads to.
pub(super) fn identity(path: &Path) -> io::Result<Identity> {
    let metadata = fs::metadata(path)?;
    Ok(Identity {
        inode: (metadata.dev(), metadata.ino()),
        size: metadata.len(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
        link: fs::symlink_metadata(path)?.is_symlink(),
    })
}

/// Whether a file of this name is one to load. Hidden ones are an editor's, or a ConfigMap's own.
pub(super) fn is_tool(name: &str) -> bool {
    name.ends_with(".wasm") && !name.starts_with('.')
}

/// The files to load. One that vanishes meanwhile is not there.
pub(super) fn files(folder: &Path) -> io::Result<BTreeMap<String, Identity>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        if !is_tool(&name) {
            continue;
        }
        match identity(&folder.join(&name)) {
            Ok(identity) => {
                files.insert(name, identity);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(files)
}
