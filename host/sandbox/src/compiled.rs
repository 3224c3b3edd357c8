//! Compiled components on disk: found again by the digest of the `.wasm` file and by what the engine can load.
//!
//! Compiling takes 0.1 s for a tool in Rust and 5 s for one in JavaScript or Python; loading takes a millisecond, and
//! the code is then the kernel's to page in and out. A folder that cannot be used only makes the host slower.
//!
//! An entry is one file, `<engine>-<digest of the .wasm>-<digest of the code>.cwasm`, written aside and renamed into
//! place, so a process that dies at any point leaves a whole entry or none. Its name holds the digests to verify.
//!
//! By hand, because wasmtime's Cache does not check who can write to it, and compiled code is run as it is.

pub(super) mod native;
mod ownership;
#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    fs::{self, DirBuilder, File, OpenOptions},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read, Write},
    os::{
        fd::AsRawFd,
        unix::fs::{DirBuilderExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use porthole_contract::Digest;
use prometheus_client::{metrics::counter::Counter, registry::Registry};
use sha2::{Digest as _, Sha256};
use wasmtime::{Engine, component::Component};

use ownership::{is_ours_alone, is_private};

/// Max bytes of all entries; above it, entries of files that are not served are evicted, the least recently used first.
/// A tool in JavaScript or Python takes 40 to 60 MB, one in Rust half a megabyte.
const MAX_BYTES: u64 = 1 << 30;
/// Max time since the last use; an older entry belongs to a removed tool or a former engine.
const MAX_UNUSED: Duration = Duration::from_secs(30 * 24 * 3600);
/// Max age of a temporary file; an older one was left by a process that died.
const MAX_PARTIAL_AGE: Duration = Duration::from_secs(3600);
const ENTRY: &str = ".cwasm";
const PARTIAL: &str = ".part";

/// Reason that a cache folder is not used. Each is a warning; the host then compiles at every start.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It is not there and cannot be made, or cannot be looked into.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Another user could put code there, which this process would run.
    #[error(
        "others than its owner can write {}, or its owner is somebody else; it must be ours alone (chmod 700)", .0.display()
    )]
    NotPrivate(PathBuf),
    /// Files cannot be written there: its file system is read-only or full.
    #[error("it cannot be written: {0}")]
    NotWritable(io::Error),
}

/// A folder of compiled components.
#[derive(Debug)]
pub struct CompileCache {
    /// The folder by its descriptor: where others can write above it, they can take it away, and put none in its place.
    folder: PathBuf,
    _handle: File,
    max_bytes: u64,
    hits: Counter,
    misses: Counter,
}

impl CompileCache {
    /// Opens the folder, and makes it where it is not there.
    pub fn open(folder: &Path) -> Result<Self, CacheError> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // By its real name, so that no link on the path can be redirected later.
        let folder = folder.canonicalize()?;
        if let Some(open) = is_private(&folder)? {
            return Err(CacheError::NotPrivate(open));
        }
        let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
        let open = OpenOptions::new().read(true).custom_flags(flags).open(&folder)?;
        if !is_ours_alone(&open.metadata()?) {
            return Err(CacheError::NotPrivate(folder));
        }
        let folder = PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()));
        let (hits, misses) = (Counter::default(), Counter::default());
        let cache = Self { folder, _handle: open, max_bytes: MAX_BYTES, hits, misses };
        // A read-only or full file system is reported at the start, and not at each compilation.
        let probe = cache.temporary_path();
        let written = create_private(&probe).and_then(|mut file| file.write_all(b"?"));
        let _ = fs::remove_file(probe);
        written.map_err(CacheError::NotWritable)?;
        Ok(cache)
    }

    /// Registers this module's metrics.
    pub fn register(&self, registry: &mut Registry) {
        let porthole = registry.sub_registry_with_prefix("porthole_compiled");
        porthole.register("found", "Files whose compiled code was there", self.hits.clone());
        porthole.register("missed", "Files that had to be compiled", self.misses.clone());
    }

    /// The component compiled from the file with this digest, if it is here and whole.
    pub(super) fn find(&self, engine: &Engine, wasm: &Digest) -> Option<Component> {
        let found = self.look_up(engine, wasm);
        if found.is_some() { &self.hits } else { &self.misses }.inc();
        found
    }

    fn look_up(&self, engine: &Engine, wasm: &Digest) -> Option<Component> {
        let prefix = prefix(engine, wasm);
        for entry in fs::read_dir(&self.folder).ok()? {
            let Some(name) = entry.ok().and_then(|entry| entry.file_name().into_string().ok()) else {
                continue;
            };
            let Some(code) = name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(ENTRY)) else {
                continue;
            };
            let path = self.folder.join(&name);
            match verify(&path, code)
                .and_then(|()| native::load_file(engine, &path).map_err(io::Error::other))
            {
                Ok(component) => {
                    // So that it is not evicted first. If this fails it may be, and is compiled again.
                    let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
                    return Some(component);
                }
                Err(error) => {
                    tracing::warn!("compiled code in {} is not used: {error}", path.display());
                    let _ = fs::remove_file(&path);
                }
            }
        }
        None
    }

    /// Creates a temporary file for code to be received.
    pub(super) fn partial(&self) -> io::Result<(PartialFile, File)> {
        let partial = PartialFile { path: self.temporary_path() };
        let file = create_private(&partial.path)?;
        Ok((partial, file))
    }

    /// Evicts entries that were not used for long, and, above the limit of bytes, the least recently used. Those of
    /// `served` files stay.
    pub fn prune(&self, served: &HashSet<Digest>) -> io::Result<()> {
        let served: HashSet<String> = served.iter().map(Digest::to_string).collect();
        let mut entries = Vec::new();
        let mut bytes: u64 = 0;
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let (name, metadata) = (entry.file_name(), entry.metadata()?);
            let unused = metadata.modified()?.elapsed().unwrap_or_default();
            let name = name.to_string_lossy();
            if name.ends_with(PARTIAL) && unused > MAX_PARTIAL_AGE {
                fs::remove_file(entry.path())?;
            }
            if !name.ends_with(ENTRY) {
                continue;
            }
            bytes = bytes.saturating_add(metadata.len());
            if !name.split('-').nth(1).is_some_and(|wasm| served.contains(wasm)) {
                entries.push((unused, metadata.len(), entry.path()));
            }
        }
        entries.sort_unstable_by_key(|(unused, ..)| std::cmp::Reverse(*unused));
        for (unused, size, path) in entries {
            if unused <= MAX_UNUSED && bytes <= self.max_bytes {
                break;
            }
            fs::remove_file(path)?;
            bytes = bytes.saturating_sub(size);
        }
        Ok(())
    }

    /// A unique path for a temporary file.
    fn temporary_path(&self) -> PathBuf {
        self.folder.join(format!("{}{PARTIAL}", uuid::Uuid::new_v4()))
    }
}

/// Code that is still being written; it is removed when this is dropped.
pub(super) struct PartialFile {
    path: PathBuf,
}

impl PartialFile {
    /// Makes whole code an entry of the cache: compiled from the file with one digest, and itself with the other. Returns
    /// where it is.
    pub(super) fn keep(&self, engine: &Engine, wasm: &Digest, code: &Digest) -> io::Result<PathBuf> {
        let path = self.path.with_file_name(format!("{}{code}{ENTRY}", prefix(engine, wasm)));
        fs::rename(&self.path, &path)?;
        Ok(path)
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        // After `keep` no file has this name.
        let _ = fs::remove_file(&self.path);
    }
}

/// Hash of everything that decides if an engine can load code: wasmtime's version, its configuration and the processor.
pub(super) fn fingerprint(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

/// File-name prefix of the entries for this engine and file: code that it cannot load has another one.
fn prefix(engine: &Engine, wasm: &Digest) -> String {
    format!("{:016x}-{wasm}-", fingerprint(engine))
}

/// Checks that the file is as it was written: ours, and with the digest in its name. A full disk, a crash of the
/// machine or a careless copy leaves others.
fn verify(path: &Path, code: &str) -> io::Result<()> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || !is_ours_alone(&metadata) {
        return Err(io::Error::other("it is not a file that only we can write"));
    }
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; 64 << 10];
    loop {
        let read = file.read(&mut chunk)?;
        let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hasher.update(bytes);
    }
    if Digest::new(hasher.finalize().into()).to_string() != code {
        return Err(io::Error::other("it has been damaged"));
    }
    Ok(())
}

fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}
