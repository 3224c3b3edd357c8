//! The lock of approvals: a file that survives a restart, read whole and replaced by a rename.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{ApprovalText, Approvals};

/// Format of the file that this host reads and writes.
const FORMAT: u32 = 1;
/// Bytes of the file. Two thousand tools like ours need 2 MB.
const MAX_BYTES: u64 = 16 << 20;
/// Time for another process to finish its own change. It takes milliseconds; a process that hangs must not hold this one.
const MAX_TURN: Duration = Duration::from_secs(2);
const TURN_POLL: Duration = Duration::from_millis(20);

/// Error of a lock of approvals.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(io::Error),
    /// It is not what this host writes.
    #[error("it is not a list of approvals: {0}")]
    Malformed(String),
    /// It cannot be written.
    #[error("it cannot be written: {0}")]
    Unwritable(io::Error),
}

/// Path of a lock of approvals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalLock(PathBuf);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockText {
    format: u32,
    approved: Vec<ApprovalText>,
}

impl ApprovalLock {
    /// Names a lock, which need not exist.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Reads the file; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is not a list of approvals.
    pub fn read(&self) -> Result<Option<Approvals>, LockError> {
        match fs::metadata(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LockError::Unreadable(error)),
            // A pipe would never end.
            Ok(metadata) if !metadata.is_file() => {
                return Err(LockError::Malformed("it is not a file".to_owned()));
            }
            Ok(_) => {}
        }
        let mut bytes = Vec::new();
        let file = File::open(&self.0).map_err(LockError::Unreadable)?;
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(LockError::Unreadable)?;
        parse(&bytes).map(Some).map_err(LockError::Malformed)
    }

    /// Reads the file, changes the approvals, and replaces the file with them, while no other process does. Returns what
    /// the file holds then.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or written; it is left as it was.
    pub fn change(&self, change: impl FnOnce(&mut Approvals)) -> Result<Approvals, LockError> {
        // A link leads to the file that is meant; replacing the link would part the two.
        let path = fs::canonicalize(&self.0).unwrap_or_else(|_| self.0.clone());
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let turn = File::open(folder).map_err(LockError::Unwritable)?;
        wait_for_turn(&turn).map_err(LockError::Unwritable)?;
        let before = self.read()?;
        let mut approvals = before.clone().unwrap_or_default();
        change(&mut approvals);
        if before.as_ref() != Some(&approvals) {
            let text = render(&approvals);
            if text.len() as u64 > MAX_BYTES {
                let reason = format!("it would have more than {} MiB", MAX_BYTES >> 20);
                return Err(LockError::Unwritable(io::Error::other(reason)));
            }
            replace(&path, folder, &text).map_err(LockError::Unwritable)?;
        }
        Ok(approvals)
    }
}

/// Takes the folder's advisory lock, which is released with the handle. A file system without such locks has one writer.
fn wait_for_turn(folder: &File) -> io::Result<()> {
    let begun = Instant::now();
    loop {
        match folder.try_lock() {
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(()),
            Err(TryLockError::WouldBlock) if begun.elapsed() > MAX_TURN => {
                return Err(io::Error::other("another process is changing it, and does not end"));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(TURN_POLL),
        }
    }
}

/// Writes a file beside `path` and renames it into place: a reader sees the one or the other, also after a crash.
fn replace(path: &Path, folder: &Path, text: &[u8]) -> io::Result<()> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    let aside = folder.join(name);
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&aside)?;
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&aside, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&aside);
    }
    written
}

/// Parses the text of a lock.
pub(super) fn parse(bytes: &[u8]) -> Result<Approvals, String> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("it has more than {} MiB", MAX_BYTES >> 20));
    }
    let text: LockText = serde_json::from_slice(bytes).map_err(|error| {
        // The message repeats what the file holds.
        porthole_contract::Printable(porthole_contract::truncate(&error.to_string(), 256)).to_string()
    })?;
    if text.format != FORMAT {
        return Err(format!("it has format {}, and this Porthole knows {FORMAT}", text.format));
    }
    ApprovalText::parse_all(text.approved)
}

/// Renders approvals, one a line.
pub(super) fn render(approvals: &Approvals) -> Vec<u8> {
    let mut text = format!("{{\"format\": {FORMAT}, \"approved\": [");
    for (number, (tool, approval)) in approvals.iter().enumerate() {
        text.push_str(if number == 0 { "\n" } else { ",\n" });
        // Strings and lists alone: there is nothing that could fail.
        text.push_str(&serde_json::to_string(&ApprovalText::of(tool, approval)).unwrap_or_default());
    }
    text.push_str("\n]}\n");
    text.into_bytes()
}
