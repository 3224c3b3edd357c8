//! Builds the tools for wasm32-wasip2, with whichever toolchain this machine has.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::shell::{command, root, run_aside, target};

const TARGET: &str = "wasm32-wasip2";

/// Toolchain for the tools.
enum Toolchain {
    /// The active toolchain's own target.
    Installed,
    /// Debian's compiler and target sources, with the linker of rustup's toolchain.
    Debian { linkers: PathBuf },
}

/// Components for tests only.
const GUESTS: [&str; 5] = ["conformance", "curious", "earlier", "hostile", "versioned"];

/// Builds every tool into `plugins/dist`.
pub(crate) fn build() -> Result<()> {
    build_excluding(&GUESTS, &[]).map(|_| ())
}

/// Paths of the built tools.
pub(crate) fn files() -> Result<Vec<PathBuf>> {
    let entries: Vec<PathBuf> = std::fs::read_dir(root().join("plugins/dist"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?;
    Ok(entries.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "wasm")).collect())
}

/// As [`build`], without progress output, in parallel with another build.
pub(crate) fn build_quietly() -> Result<()> {
    build_excluding(&GUESTS, &["--quiet"]).map(|_| ())
}

/// As [`build`], with the components for tests. Returns their folder; its `examples/` has those for the conformance
/// suite.
pub(crate) fn build_with_guests() -> Result<PathBuf> {
    build_excluding(&[], &["--lib", "--examples"])
}

fn build_excluding(excluded: &[&str], options: &[&str]) -> Result<PathBuf> {
    let toolchain = Toolchain::find()?;
    let built = target().join("plugins");
    let mut cargo =
        command("cargo", &["build", "--release", "--workspace", "--target", TARGET, "--target-dir"]);
    cargo.arg(&built).args(options).current_dir(root().join("plugins"));
    for package in excluded {
        cargo.args(["--exclude", package]);
    }
    match &toolchain {
        Toolchain::Installed => eprintln!("building the tools with the installed target {TARGET}"),
        Toolchain::Debian { linkers } => {
            eprintln!("building the tools with Debian's compiler and sources (a minute the first time)");
            let flags = format!(
                "-Clink-self-contained=no -L/usr/lib/wasm32-wasi -Clink-arg=--wasm-ld-path={}",
                linkers.join("gcc-ld/wasm-ld").display()
            );
            cargo
                .arg("-Zbuild-std=std,panic_abort")
                .env("RUSTC", "/usr/bin/rustc")
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_WASM32_WASIP2_LINKER", linkers.join("wasm-component-ld"))
                .env("RUSTFLAGS", flags);
        }
    }
    run_aside(&mut cargo)?;
    let wasm = built.join(TARGET).join("release");
    let dist = root().join("plugins/dist");
    collect(&wasm, &dist)?;
    Ok(wasm)
}

/// Copies each tool's component to `dist`, and removes files that no longer belong to a tool.
fn collect(wasm: &Path, dist: &Path) -> Result<()> {
    std::fs::create_dir_all(dist)?;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root().join("plugins/tools"))? {
        let folder = entry?.path();
        if !folder.join("Cargo.toml").exists() {
            continue;
        }
        let name =
            folder.file_name().and_then(|name| name.to_str()).context("a folder whose name is not UTF-8")?;
        names.push(format!("{name}.wasm"));
    }
    for entry in std::fs::read_dir(dist)? {
        let file = entry?;
        if !names.iter().any(|name| file.file_name() == name.as_str()) {
            std::fs::remove_file(file.path())?;
        }
    }
    for name in &names {
        // Copied to a temporary name and renamed, so that a host watching the folder never reads a partial file.
        let partial = dist.join(format!(".{name}.partial"));
        std::fs::copy(wasm.join(name), &partial).with_context(|| format!("{name} was not built"))?;
        std::fs::rename(&partial, dist.join(name))?;
    }
    eprintln!("{} tools in {}", names.len(), dist.display());
    Ok(())
}

impl Toolchain {
    /// Finds a toolchain: the installed target, else rustup's, else Debian's packages.
    fn find() -> Result<Self> {
        if target_is_installed()? {
            return Ok(Self::Installed);
        }
        eprintln!("the target {TARGET} is not installed; asking rustup");
        // Failure is expected here (no network), so its output would only alarm.
        let asked = command("rustup", &["target", "add", TARGET])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if asked.is_ok_and(|status| status.success()) && target_is_installed()? {
            return Ok(Self::Installed);
        }
        let sysroot = output(&mut command("rustc", &["--print", "sysroot"]))?;
        let host = output(&mut command("rustc", &["--print", "host-tuple"]))?;
        let linkers = Path::new(&sysroot).join("lib/rustlib").join(host).join("bin");
        if !linkers.join("wasm-component-ld").exists() {
            bail!(
                "rustup cannot install {TARGET}, and {} has no wasm-component-ld; install the target by hand",
                linkers.display()
            );
        }
        let installed = ["/usr/bin/rustc", "/usr/lib/wasm32-wasi", "/usr/lib/rustlib/src"];
        if !installed.iter().all(|path| Path::new(path).exists()) {
            eprintln!(
                "rustup cannot download here; installing rustc-web, rust-web-src and wasi-libc with apt"
            );
            run_aside(&mut command("apt-get", &["update", "-qq"]))?;
            let packages =
                ["install", "-y", "-qq", "--no-install-recommends", "rustc-web", "rust-web-src", "wasi-libc"];
            run_aside(&mut command("apt-get", &packages)).context(
                "the tools need the target wasm32-wasip2, from rustup or from Debian's packages (as root)",
            )?;
        }
        Ok(Self::Debian { linkers })
    }
}

/// True if `cargo build --target wasm32-wasip2` works with the active toolchain.
pub(crate) fn target_is_installed() -> Result<bool> {
    let libdir = output(&mut command("rustc", &["--print", "target-libdir", "--target", TARGET]))?;
    Ok(std::fs::read_dir(libdir).is_ok_and(|mut files| files.next().is_some()))
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    if !output.status.success() {
        bail!("{command:?} ended with {}", output.status);
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
