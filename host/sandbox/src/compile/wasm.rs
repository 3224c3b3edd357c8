//! A component's file, opened so that nothing that lies in a folder can hang or fill the host.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek},
    os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt},
    path::Path,
    process::Stdio,
};

use porthole_contract::Digest;
use sha2::{Digest as _, Sha256};

/// Bytes of a component. One in Python has 18 MB, with many libraries 40.
pub(crate) const MAX_WASM: u64 = 128 << 20;

/// The first bytes of a component and of a core module: the magic, a version, and a layer.
const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";
const MODULE: [u8; 8] = *b"\0asm\x01\0\0\0";

/// Error of opening a component's file.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be opened or read; a link that leads nowhere or to itself is one of these.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A folder, a FIFO, a socket or a device: reading one may wait for ever, or never end.
    #[error("it is {0}, not a file")]
    NotAFile(&'static str),
    /// It is larger than any tool.
    #[error("it has {0} bytes; a tool has at most {MAX_WASM}")]
    TooLarge(u64),
}

impl OpenError {
    /// True if a retry may succeed with the unchanged file.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Io(_))
    }
}

/// An open file and its digest. The host does not keep its bytes: the compiler reads them through the same descriptor.
#[derive(Debug)]
pub struct WasmFile {
    file: File,
    size: u64,
    digest: Digest,
    /// The bytes that it begins with.
    first: [u8; COMPONENT.len()],
}

impl WasmFile {
    /// Opens a file and reads it once.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        // Checked before it is opened, because opening some devices has effects, and after, because the path may lead to
        // another file by then. O_NONBLOCK, because opening a FIFO waits for a writer.
        if let Some(kind) = special_type(std::fs::metadata(path)?.file_type()) {
            return Err(OpenError::NotAFile(kind));
        }
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let metadata = file.metadata()?;
        if let Some(kind) = special_type(metadata.file_type()) {
            return Err(OpenError::NotAFile(kind));
        }
        if metadata.len() > MAX_WASM {
            return Err(OpenError::TooLarge(metadata.len()));
        }
        let mut hasher = Sha256::new();
        let mut chunk = vec![0; super::CHUNK];
        // One byte more than the limit: a file may grow while it is read.
        let mut bytes = (&file).take(MAX_WASM.saturating_add(1));
        let mut size: u64 = 0;
        loop {
            let read = bytes.read(&mut chunk)?;
            let Some(read) = chunk.get(..read).filter(|read| !read.is_empty()) else { break };
            hasher.update(read);
            size = size.saturating_add(read.len() as u64);
        }
        if size > MAX_WASM {
            return Err(OpenError::TooLarge(size));
        }
        let mut first = [0; COMPONENT.len()];
        // Of a shorter file the rest stays zero, which begins neither a component nor a module.
        file.read_at(&mut first, 0)?;
        Ok(Self { digest: Digest::new(hasher.finalize().into()), file, size, first })
    }

    /// SHA-256 of the file.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The reason that the first bytes are not those of a component, or `None` if they are. No compiler is started for
    /// other files, however many there are.
    pub(super) fn magic_error(&self) -> Option<&'static str> {
        match self.first {
            COMPONENT => None,
            MODULE => Some("it is a core module; make a component of it"),
            _ if self.size == 0 => Some("it is empty"),
            _ => Some("it does not begin as one"),
        }
    }

    /// The file from its beginning, for a child.
    pub(super) fn stdin(&self) -> io::Result<Stdio> {
        let mut file = self.file.try_clone()?;
        file.rewind()?;
        Ok(file.into())
    }

    /// All bytes of the file.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut file = self.file.try_clone().unwrap();
        file.rewind().unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }
}

/// Name of a file type that is not a regular file.
fn special_type(ty: std::fs::FileType) -> Option<&'static str> {
    if ty.is_file() {
        None
    } else if ty.is_dir() {
        Some("a folder")
    } else if ty.is_fifo() {
        Some("a FIFO")
    } else if ty.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}
