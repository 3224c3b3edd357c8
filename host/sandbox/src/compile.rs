//! Compiling components in a process of its own: limits of memory and time, no token, no folder, no network.
//!
//! A compiler works for minutes and gigabytes on a file of one megabyte that was made for it. Here such a file costs a
//! killed child and a line in the list of files that are not served; calls go on meanwhile.

mod artifact;
mod child;
mod confine;
#[cfg(test)]
mod tests;
mod wasm;

use std::{
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use porthole_contract::{Digest, Printable, truncate};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::Command,
    sync::Semaphore,
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;
use wasmtime::component::Component;

use super::{
    compiled::{
        CompileCache, PartialFile, fingerprint,
        native::{self, Precompiled},
    },
    engine::Engine,
    imports::{self, Import},
};
use artifact::{HEADER, Header};
pub use child::run as compile_child;
pub(crate) use wasm::MAX_WASM;
pub use wasm::{OpenError, WasmFile};

/// Wall-clock limit of one file. On an idle processor a compilation bomb reaches its CPU limit (60 s) long before.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Memory of a compiler, which fits beside an idle host into 512 MiB. Our examples in JavaScript and Python need 344 and 326
/// MiB, a tool in Rust 45; a bomb of 0.8 MB asked for 2 GB.
///
/// Not reserved from `limits.memoryTotal`: of 512 MiB that is 307, of which one account may hold half, so neither this nor
/// half of it could ever be had. A child that takes what calls need is the first that the kernel kills (`oom_score_adj`),
/// and its file is tried again.
const MEMORY: u64 = 400 << 20;
/// Files up to this size are compiled two at a time, each with half of the memory; larger ones alone. A tool in Rust has
/// 100 to 390 kB.
const SMALL_FILE: u64 = 2 << 20;
const MAX_PARALLEL: u32 = 2;
/// Max bytes of code accepted from a compiler. The largest of our examples has 37 MB.
const MAX_CODE: u64 = 256 << 20;
/// Max bytes of a compiler's stderr that are buffered, and max bytes of it in an error.
const MAX_STDERR: usize = 8 << 10;
const MAX_REASON: usize = 256;
/// Bytes that are moved at a time.
const CHUNK: usize = 64 << 10;

/// Compilation failure of one file. The file is not served; the host continues.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The bytes are not a component, or one that this engine cannot compile.
    #[error("it is not a WebAssembly component: {0}")]
    Refused(String),
    /// The limit of memory, a guard against components that are made to need gigabytes.
    #[error("compiling it needed more than {} MiB of memory", .0 >> 20)]
    Memory(u64),
    /// The limit of time.
    #[error(
        "compiling it took longer than {0}; try again when the machine has time, or fill the cache ahead with `porthole plugin compile`"
    )]
    Time(&'static str),
    /// The compiler crashed.
    #[error("the compiler ended with {status}: {message}")]
    Crashed {
        /// The exit code or signal.
        status: ExitStatus,
        /// Its last line.
        message: String,
    },
    /// There is no /proc, or no process to be had. Nothing is compiled inside the host instead.
    #[error("no compiler can be started: {0}")]
    Start(#[source] io::Error),
    /// The compiler's output does not match the request.
    #[error("what the compiler sent is not used: {0}")]
    Output(&'static str),
    /// The file was written while it was read; it is loaded again.
    #[error("it changed while it was compiled")]
    Changed,
    /// The file, the pipe or the cache could not be read or written.
    #[error("it could not be compiled: {0}")]
    Io(#[from] io::Error),
    /// wasmtime does not take the code.
    #[error("its code cannot be loaded: {0}")]
    Load(String),
}

impl CompileError {
    /// True if a retry with the same file may succeed. Reaching a limit is not transient: a file made to reach it would
    /// occupy a processor for a minute, again and again.
    pub fn is_transient(&self) -> bool {
        use std::os::unix::process::ExitStatusExt;

        use rustix::process::Signal;
        match self {
            Self::Start(_) | Self::Io(_) => true,
            // Signals from outside, such as the OOM killer's. A compiler that hits a limit or a denied call exits
            // otherwise.
            Self::Crashed { status, .. } => [Signal::KILL, Signal::TERM, Signal::INT, Signal::HUP]
                .iter()
                .any(|signal| status.signal() == Some(signal.as_raw())),
            _ => false,
        }
    }
}

/// Compiled code, ready to be linked.
pub struct Code(pub(super) Component);

impl Code {
    /// Every import of the component by name, permitted or not.
    pub fn imports(&self, engine: &Engine) -> Vec<(String, Import)> {
        let ty = self.0.component_type();
        ty.imports(engine.wasmtime()).map(|(name, _)| (name.to_owned(), imports::classify(name))).collect()
    }
}

/// The compiler's process.
enum Backend {
    /// In a child: this program, started once more.
    Child {
        /// `/proc/self/exe`, which stays the same when the file of the program is replaced.
        program: PathBuf,
    },
    /// Here, because /proc/self/exe of a unit test is the unit test.
    #[cfg(test)]
    Here,
}

/// Makes code of files: from the cache, or by a compiler.
pub struct Compiler {
    /// None: everything is compiled at each start.
    pub cache: Option<Arc<CompileCache>>,
    backend: Backend,
    permits: Semaphore,
}

impl Compiler {
    /// A compiler that starts a child for each file that is not in the cache.
    pub fn new(cache: Option<CompileCache>) -> Self {
        Self::with_backend(Backend::Child { program: "/proc/self/exe".into() }, cache)
    }

    /// A compiler without a cache that starts `program`, where this process is not Porthole itself.
    pub fn of_program(program: PathBuf) -> Self {
        Self::with_backend(Backend::Child { program }, None)
    }

    fn with_backend(backend: Backend, cache: Option<CompileCache>) -> Self {
        Self { cache: cache.map(Arc::new), backend, permits: Semaphore::new(MAX_PARALLEL as usize) }
    }

    /// The code of a file. Dropping the future ends the child.
    pub async fn code(&self, engine: &Arc<Engine>, wasm: &WasmFile) -> Result<Code, CompileError> {
        if let Some(cache) = self.cache.clone() {
            let (engine, digest) = (Arc::clone(engine), *wasm.digest());
            let found = tokio::task::spawn_blocking(move || cache.find(engine.wasmtime(), &digest)).await;
            if let Some(component) = found.map_err(io::Error::other)? {
                return Ok(Code(component));
            }
        }
        if let Some(reason) = wasm.magic_error() {
            return Err(CompileError::Refused(reason.to_owned()));
        }
        // A large file takes all permits, so that compilers together stay within one limit of memory.
        let permits = if wasm.size() > SMALL_FILE { MAX_PARALLEL } else { 1 };
        let _permit = self.permits.acquire_many(permits).await.map_err(io::Error::other)?;
        let memory = MEMORY / u64::from(MAX_PARALLEL) * u64::from(permits);
        if let Some(cache) = &self.cache {
            match cache.partial() {
                Ok(partial) => match self.compile(engine, wasm, memory, Sink::file(partial)).await {
                    // Most likely the disk of the cache is full: below it is compiled once more, into memory.
                    Err(CompileError::Io(error)) => tracing::warn!("compiled code is not kept: {error}"),
                    other => return other,
                },
                Err(error) => tracing::warn!("compiled code is not kept: {error}"),
            }
        }
        self.compile(engine, wasm, memory, Sink::Memory(Vec::new())).await
    }

    async fn compile(
        &self,
        engine: &Arc<Engine>,
        wasm: &WasmFile,
        memory: u64,
        sink: Sink,
    ) -> Result<Code, CompileError> {
        let fingerprint = fingerprint(engine.wasmtime());
        let received = match &self.backend {
            Backend::Child { program } => {
                let compiling = in_child(program, fingerprint, wasm, memory, sink);
                let limit = CompileError::Time("120 s");
                timeout(TIMEOUT, compiling).await.unwrap_or(Err(limit))?
            }
            #[cfg(test)]
            Backend::Here => tests::in_process(engine, fingerprint, wasm, sink).await?,
        };
        let (engine, wasm) = (Arc::clone(engine), *wasm.digest());
        let loaded = tokio::task::spawn_blocking(move || received.load(&engine, &wasm)).await;
        loaded.map_err(io::Error::other)?
    }
}

/// Destination of code as it arrives. With a cache, the host never holds more of it than a chunk.
enum Sink {
    File(PartialFile, tokio::fs::File),
    Memory(Vec<u8>),
}

impl Sink {
    fn file((partial, file): (PartialFile, std::fs::File)) -> Self {
        Self::File(partial, file.into())
    }

    async fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        match self {
            Self::File(_, file) => file.write_all(chunk).await,
            Self::Memory(bytes) => {
                bytes.extend_from_slice(chunk);
                Ok(())
            }
        }
    }
}

/// Code whose length, engine and digest match its header.
struct Artifact {
    sink: Sink,
    code: [u8; 32],
}

impl Artifact {
    fn load(self, engine: &Engine, wasm: &Digest) -> Result<Code, CompileError> {
        let engine = engine.wasmtime();
        let loaded = match self.sink {
            Sink::File(partial, _) => {
                let path = partial.keep(engine, wasm, &Digest::new(self.code))?;
                native::load_file(engine, &path)
            }
            Sink::Memory(bytes) => native::load_bytes(engine, &Precompiled::from_compiler(bytes)),
        };
        loaded.map(Code).map_err(|error| CompileError::Load(excerpt(&error.root_cause().to_string())))
    }
}

/// Compiles a file in a child.
async fn in_child(
    program: &Path,
    fingerprint: u64,
    wasm: &WasmFile,
    memory: u64,
    sink: Sink,
) -> Result<Artifact, CompileError> {
    let mut child = Command::new(program)
        .arg("compile-child")
        .arg(memory.to_string())
        .env_clear()
        .current_dir("/")
        .stdin(wasm.stdin()?)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A process group of its own, because Ctrl-C is for the host, which ends its children itself.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(CompileError::Start)?;
    let (Some(output), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(CompileError::Output("it has no pipe"));
    };
    let stderr = AbortOnDropHandle::new(tokio::spawn(read_stderr(errors)));
    let received = receive(output, fingerprint, wasm, sink).await;
    // After a rejected output the child may still be at work.
    if received.is_err() {
        let _ = child.start_kill();
    }
    let status = child.wait().await?;
    let stderr = stderr.await.unwrap_or_default();
    let missing = stderr.lines().find_map(|line| line.strip_prefix(child::MISSING));
    if let Some(missing) = missing {
        tracing::debug!("the compiler is not confined by {}", Printable(truncate(missing, MAX_REASON)));
    }
    match received {
        // Without output, the exit status is the reason.
        Ok(None) => Err(exit_error(status, &stderr, memory)),
        Ok(Some(received)) if status.success() => Ok(received),
        Ok(Some(_)) => Err(exit_error(status, &stderr, memory)),
        Err(error) => Err(error),
    }
}

/// Copies code from a compiler into a sink, and checks it against the request; `None` if the output ended early.
async fn receive(
    mut output: impl AsyncRead + Unpin,
    fingerprint: u64,
    wasm: &WasmFile,
    mut sink: Sink,
) -> Result<Option<Artifact>, CompileError> {
    let mut bytes = [0; HEADER];
    match output.read_exact(&mut bytes).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let header = Header::parse(&bytes).ok_or(CompileError::Output("it has no header"))?;
    if header.engine != fingerprint {
        return Err(CompileError::Output("it is for another engine"));
    }
    if Digest::new(header.wasm) != *wasm.digest() {
        return Err(CompileError::Changed);
    }
    if header.length > MAX_CODE {
        return Err(CompileError::Output("it is larger than 256 MiB"));
    }
    let mut left = usize::try_from(header.length).map_err(io::Error::other)?;
    // Hashed as it arrives: the cache names the file by this digest, and its code is run.
    let (mut hasher, mut chunk) = (Sha256::new(), vec![0; CHUNK]);
    while left > 0 {
        let room = chunk.get_mut(..left.min(CHUNK)).unwrap_or_default();
        let read = output.read(room).await?;
        let Some(bytes) = room.get(..read).filter(|bytes| !bytes.is_empty()) else {
            // The compiler died while it wrote; its exit status is the reason.
            return Ok(None);
        };
        hasher.update(bytes);
        sink.write(bytes).await?;
        left = left.saturating_sub(read);
    }
    if output.read(&mut chunk).await? > 0 {
        return Err(CompileError::Output("it is longer than its header says"));
    }
    if hasher.finalize().as_slice() != header.code {
        return Err(CompileError::Output("it does not have the digest that its header names"));
    }
    if let Sink::File(_, file) = &mut sink {
        // tokio reports the error of a write at the next call.
        file.flush().await?;
    }
    Ok(Some(Artifact { sink, code: header.code }))
}

/// Drains a compiler's stderr, and returns a bounded part: a full pipe would block the child.
async fn read_stderr(mut errors: impl AsyncRead + Unpin) -> String {
    let (mut kept, mut chunk) = (Vec::new(), vec![0; MAX_STDERR]);
    while let Ok(read) = errors.read(&mut chunk).await {
        let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        let room = MAX_STDERR.saturating_sub(kept.len());
        kept.extend_from_slice(bytes.get(..room.min(read)).unwrap_or_default());
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Error for a compiler that ended without code.
fn exit_error(status: ExitStatus, stderr: &str, memory: u64) -> CompileError {
    use std::os::unix::process::ExitStatusExt;
    let is_message = |line: &&str| {
        !line.trim().is_empty() && !line.starts_with("note: ") && !line.starts_with(child::MISSING)
    };
    let last = stderr.lines().rfind(is_message).unwrap_or("without a word");
    let signal = |signal: rustix::process::Signal| status.signal() == Some(signal.as_raw());
    if status.code() == Some(child::REFUSED) {
        CompileError::Refused(excerpt(last))
    } else if status.code() == Some(child::NO_MEMORY) || stderr.contains("memory allocation of") {
        CompileError::Memory(memory)
    } else if signal(rustix::process::Signal::XCPU) {
        CompileError::Time("60 s of processor time")
    } else {
        CompileError::Crashed { status, message: excerpt(last) }
    }
}

/// Truncates and escapes text that a component may have chosen, for a log or a terminal.
fn excerpt(text: &str) -> String {
    Printable(truncate(text, MAX_REASON)).to_string()
}
