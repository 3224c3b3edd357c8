use std::os::unix::process::ExitStatusExt;

use super::*;

fn engine() -> Arc<Engine> {
    Arc::new(Engine::new(4, 16 << 20, 1 << 30).unwrap())
}

/// As a child would, without one.
pub(super) async fn in_process(
    engine: &Arc<Engine>,
    fingerprint: u64,
    wasm: &WasmFile,
    sink: Sink,
) -> Result<Artifact, CompileError> {
    let bytes = wasm.bytes();
    let code = engine.wasmtime().precompile_component(&bytes);
    let code = code.map_err(|error| CompileError::Refused(error.root_cause().to_string()))?;
    let sent = sent(fingerprint, &bytes, &code);
    Ok(receive(sent.as_slice(), fingerprint, wasm, sink).await?.unwrap())
}

impl Compiler {
    /// A compiler for unit tests, whose own program is not the host.
    pub fn in_this_process(cache: Option<CompileCache>) -> Self {
        Self::with_backend(Backend::Here, cache)
    }
}

fn sent(engine: u64, wasm: &[u8], code: &[u8]) -> Vec<u8> {
    [Header::of(engine, wasm, code).to_bytes().as_slice(), code].concat()
}

fn file(bytes: &[u8]) -> (tempfile::NamedTempFile, WasmFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let wasm = WasmFile::open(file.path()).unwrap();
    (file, wasm)
}

const COMPONENT: &str = "(component (import \"a:b/c@1.0.0\" (instance)))";

#[test]
fn the_compiler_makes_code_that_a_host_with_a_pool_loads() {
    let pooled = engine();
    assert!(pooled.pooled, "this machine has room for a pool");
    let compiling = wasmtime::Engine::new(&super::super::engine::code()).unwrap();
    assert_eq!(fingerprint(pooled.wasmtime()), fingerprint(&compiling));
}

#[tokio::test]
async fn code_is_loaded_with_a_cache_and_without() {
    let engine = engine();
    let folder = tempfile::tempdir().unwrap();
    let (_file, wasm) = file(&wat::parse_str(COMPONENT).unwrap());
    let open = || CompileCache::open(&folder.path().join("compiled")).unwrap();
    for cache in [None, Some(open()), Some(open())] {
        let code = Compiler::in_this_process(cache).code(&engine, &wasm).await.unwrap();
        assert_eq!(code.imports(&engine), [("a:b/c@1.0.0".to_owned(), Import::Refused)]);
    }
}

#[tokio::test]
async fn what_is_not_what_was_asked_for_is_not_loaded() {
    let (_file, wasm) = file(b"the component");
    let code = [7; 100_000];
    let whole = sent(1, b"the component", &code);
    let mut turned = whole.clone();
    turned[HEADER + 70_000] ^= 1;
    let mut endless = whole.clone();
    endless.push(0);
    let huge = Header { length: MAX_CODE + 1, ..Header::of(1, b"the component", &[]) };
    for (sent, expected) in [
        (b"ELF".repeat(100), "no header"),
        (sent(2, b"the component", &code), "another engine"),
        (sent(1, b"another component", &code), "changed while"),
        (huge.to_bytes().to_vec(), "larger than"),
        (turned, "does not have the digest"),
        (endless, "longer than its header"),
    ] {
        let error = receive(sent.as_slice(), 1, &wasm, Sink::Memory(Vec::new())).await.err().unwrap();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
    for cut in [0, 10, HEADER, HEADER + 1, whole.len() - 1] {
        let received = receive(&whole[..cut], 1, &wasm, Sink::Memory(Vec::new())).await;
        assert!(matches!(received, Ok(None)), "{cut} bytes: how the compiler ended says why");
    }
    assert!(receive(whole.as_slice(), 1, &wasm, Sink::Memory(Vec::new())).await.unwrap().is_some());
}

#[test]
fn an_end_without_code_has_a_reason_that_steers_nothing() {
    let of_signal = |signal| ExitStatus::from_raw(signal);
    let of_code = |code: i32| ExitStatus::from_raw(code << 8);
    for (status, words, expected) in [
        (
            of_code(1),
            "not confined by x\nbad \u{1b}[2J\n",
            "it is not a WebAssembly component: bad \\u{1b}[2J",
        ),
        (of_code(3), "out of memory", "compiling it needed more than 400 MiB of memory"),
        (of_signal(6), "memory allocation of 9 bytes failed", "needed more than 400 MiB"),
        (of_signal(24), "", "took longer than 60 s of processor time"),
        (of_signal(9), "", "the compiler ended with signal: 9 (SIGKILL): without a word"),
        (of_code(101), "panicked: x\nnote: y\n", "exit status: 101: panicked: x"),
    ] {
        let error = exit_error(status, words, MEMORY).to_string();
        assert!(error.contains(expected), "{error}");
    }
    let long = exit_error(of_code(1), &"x".repeat(MAX_STDERR), MEMORY).to_string();
    assert!(long.len() < 400, "{} bytes", long.len());
}

#[test]
fn only_a_compiler_that_was_interrupted_is_worth_another_attempt() {
    let is_transient =
        |status: i32, stderr: &str| exit_error(ExitStatus::from_raw(status), stderr, MEMORY).is_transient();
    // SIGHUP, SIGINT, SIGKILL, SIGTERM.
    for signal in [1, 2, 9, 15] {
        assert!(is_transient(signal, ""), "{signal}");
    }
    // SIGABRT, SIGSEGV, SIGXCPU, SIGSYS.
    for signal in [6, 11, 24, 31] {
        assert!(!is_transient(signal, ""), "{signal}");
    }
    for (code, words) in [(1, "bad"), (3, "out of memory"), (101, "panicked"), (0, "")] {
        assert!(!is_transient(code << 8, words), "{code}");
    }
    assert!(!CompileError::Time("120 s").is_transient());
}

#[tokio::test]
async fn a_compiler_that_never_ends_is_killed_with_the_future() {
    let script = tempfile::tempdir().unwrap();
    let program = script.path().join("endless");
    let pid = script.path().join("pid");
    let text = format!("#!/bin/sh\necho $$ > {}\nexec sleep 1000\n", pid.display());
    std::fs::write(&program, text).unwrap();
    let all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, all).unwrap();
    let (_file, wasm) = file(b"\0asm\x0d\0\x01\0");
    let compiler = Compiler::with_backend(Backend::Child { program }, None);
    let engine = engine();
    // The future is dropped when the program has begun, whose last line is the end of the file.
    let began = async {
        loop {
            match std::fs::read_to_string(&pid) {
                Ok(text) if text.ends_with('\n') => return text,
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    let pid = tokio::select! {
        _ = compiler.code(&engine, &wasm) => panic!("it never ends"),
        pid = timeout(Duration::from_secs(60), began) => pid.unwrap(),
    };
    let stat = format!("/proc/{}/stat", pid.trim());
    for _ in 0..3000 {
        // Gone, or a zombie that is not reaped yet.
        if std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z ")) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the compiler lives on");
}

#[tokio::test]
async fn without_a_compiler_nothing_is_compiled_here() {
    let (_file, wasm) = file(&wat::parse_str(COMPONENT).unwrap());
    let compiler = Compiler::with_backend(Backend::Child { program: "/nonexistent".into() }, None);
    let error = compiler.code(&engine(), &wasm).await.err().unwrap();
    assert!(matches!(error, CompileError::Start(_)) && error.is_transient(), "{error}");
}

#[tokio::test]
async fn bytes_that_cannot_be_a_component_start_no_compiler() {
    let compiler = Compiler::with_backend(Backend::Child { program: "/nonexistent".into() }, None);
    for bytes in [&b""[..], b"hello", b"\0asm", b"\0asm\x01\0\0\0"] {
        let (_file, wasm) = file(bytes);
        let error = compiler.code(&engine(), &wasm).await.err().unwrap();
        assert!(matches!(error, CompileError::Refused(_)), "{error}");
    }
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let fifo = std::process::Command::new("mkfifo").arg(path("fifo")).status().unwrap();
    assert!(fifo.success());
    std::fs::create_dir(path("folder")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", path("zero")).unwrap();
    std::os::unix::fs::symlink("loop", path("loop")).unwrap();
    let large = std::fs::File::create(path("large")).unwrap();
    large.set_len(MAX_WASM + 1).unwrap();
    for (name, expected) in [
        ("fifo", "it is a FIFO, not a file"),
        ("folder", "it is a folder"),
        ("socket", "it is a socket"),
        ("zero", "it is a device"),
        ("loop", "it cannot be read"),
        ("large", "at most 134217728"),
        ("nothing", "it cannot be read"),
    ] {
        let error = WasmFile::open(&path(name)).unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
}
