//! The compiler: a process that reads a component from stdin and writes its code to stdout.
//!
//! It is given no argument but its memory limit, no environment, no folder and no token, and it confines itself before it
//! reads. What takes it over can write wrong code to its one pipe, which is why the threat model names the compiler as
//! trusted for what it emits; it cannot reach anything else.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::AsFd,
    process::ExitCode,
};

use super::{
    super::{compiled::fingerprint, engine},
    MAX_WASM,
    artifact::Header,
    confine,
};

/// Exit code of a component that cannot be compiled; the last line of stderr says why.
pub(super) const REFUSED: i32 = 1;
/// Exit code of a compiler that ran out of memory in a way that it could still tell.
pub(super) const NO_MEMORY: i32 = 3;
/// Begins the line of stderr that names what the kernel did not give.
pub(super) const MISSING: &str = "not confined by ";

/// Failure of the compiler process.
enum Failure {
    Refused(String),
    NoMemory,
}

/// Compiles the component on stdin, with at most `memory` bytes.
pub fn run(memory: u64) -> ExitCode {
    match compile(memory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let (reason, code) = match failure {
                Failure::Refused(reason) => (reason, REFUSED),
                Failure::NoMemory => ("out of memory".to_owned(), NO_MEMORY),
            };
            report(&reason);
            ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
        }
    }
}

fn compile(memory: u64) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::Refused(error.to_string());
    let mut missing = confine::limit(memory);
    let input = File::from(io::stdin().as_fd().try_clone_to_owned().map_err(failed)?);
    let size = input.metadata().map_or(0, |metadata| metadata.len()).min(MAX_WASM);
    // Without threads: each needs 30 MB more, and a filter that lets threads be started.
    let engine = wasmtime::Engine::new(engine::code().parallel_compilation(false)).map_err(failure)?;
    // Before the first byte of the component. The copy of stdin above needs a call that is denied from here on.
    missing.extend(confine::close());
    if !missing.is_empty() {
        report(&format!("{MISSING}{}", missing.join("; ")));
    }
    // A reservation that fails can be reported, an allocation that fails aborts.
    let mut wasm = Vec::new();
    let size = usize::try_from(size).unwrap_or_default().saturating_add(1);
    wasm.try_reserve_exact(size).map_err(|_| Failure::NoMemory)?;
    input.take(MAX_WASM).read_to_end(&mut wasm).map_err(failed)?;
    let code = engine.precompile_component(&wasm).map_err(failure)?;
    let header = Header::of(fingerprint(&engine), &wasm, &code);
    let mut output = io::stdout().lock();
    let written = output.write_all(&header.to_bytes()).and_then(|()| output.write_all(&code));
    written.and_then(|()| output.flush()).map_err(failed)
}

fn failure(error: wasmtime::Error) -> Failure {
    if error.is::<wasmtime::OutOfMemory>() {
        return Failure::NoMemory;
    }
    Failure::Refused(error.root_cause().to_string())
}

/// Writes a line to stderr, which the host reads.
fn report(line: &str) {
    let _ = writeln!(io::stderr(), "{}", line.replace('\n', " "));
}
