//! Ownership checks of files, those of sshd's StrictModes, for code that this process runs.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The sticky bit: in such a folder only its owner renames or removes a file.
const STICKY: u32 = 0o1000;

/// True if only this process's user can write it.
pub(super) fn is_ours_alone(metadata: &Metadata) -> bool {
    is_ours(metadata) && metadata.mode() & 0o022 == 0
}

/// Looks for the first folder on a path that others could use to put one of their own in the place of its last. The last
/// must be ours alone; each above it ours or root's, and writable by others only where it is sticky, as /tmp is, or where a
/// volume is mounted: a kubelet makes those of a pod 0777, and only the pod's containers see them.
pub(super) fn is_private(folder: &Path) -> io::Result<Option<PathBuf>> {
    if !is_ours_alone(&fs::metadata(folder)?) {
        return Ok(Some(folder.to_owned()));
    }
    for parent in folder.ancestors().skip(1) {
        let metadata = fs::metadata(parent)?;
        let mode = metadata.mode();
        let trusted = is_ours(&metadata) || metadata.uid() == 0;
        if !trusted || (mode & 0o022 != 0 && mode & STICKY == 0 && !is_mounted(parent, &metadata)?) {
            return Ok(Some(parent.to_owned()));
        }
    }
    Ok(None)
}

/// True if a folder is on another file system than the one above it.
fn is_mounted(folder: &Path, metadata: &Metadata) -> io::Result<bool> {
    let above = folder.parent().map(fs::metadata).transpose()?;
    Ok(above.is_some_and(|above| above.dev() != metadata.dev()))
}

fn is_ours(metadata: &Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw()
}
