//! Building the tools for wasm32-wasip2, with whatever this machine has for it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::shell::{command, root, run_aside, target};

const TARGET: &str = "wasm32-wasip2";

/// What the tools are built with.
enum Toolchain {
    /// The target of the toolchain in use.
    Installed,
    /// Debian's compiler and its sources, with the linker that comes with rustup's toolchain.
    Debian { linkers: PathBuf },
}

/// Components that only the tests use.
const GUESTS: [&str; 4] = ["conformance", "curious", "hostile", "versioned"];

/// Builds every tool into `plugins/dist`.
pub(crate) fn build() -> Result<()> {
    build_excluding(&GUESTS, &[]).map(|_| ())
}

/// The built tools.
pub(crate) fn files() -> Result<Vec<PathBuf>> {
    let entries: Vec<PathBuf> = std::fs::read_dir(root().join("plugins/dist"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?;
    Ok(entries.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "wasm")).collect())
}

/// As [`build`], beside another build that shows its progress.
pub(crate) fn build_quietly() -> Result<()> {
    build_excluding(&GUESTS, &["--quiet"]).map(|_| ())
}

/// As [`build`], and the components that only the tests use; returns the folder in which those are. In its `examples/`
/// are those for the conformance suite.
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

/// Copies each tool's component to `dist`, and takes out what is no tool any more.
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
        // Written beside and renamed: a host that watches the folder sees whole files.
        let partial = dist.join(format!(".{name}.partial"));
        std::fs::copy(wasm.join(name), &partial).with_context(|| format!("{name} was not built"))?;
        std::fs::rename(&partial, dist.join(name))?;
    }
    eprintln!("{} tools in {}", names.len(), dist.display());
    Ok(())
}

impl Toolchain {
    /// The installed target, or rustup's, or Debian's packages.
    fn find() -> Result<Self> {
        if target_is_installed()? {
            return Ok(Self::Installed);
        }
        eprintln!("the target {TARGET} is not installed; asking rustup");
        // Where rustup cannot download it says so at once; its words would only frighten.
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

/// Whether `cargo build --target wasm32-wasip2` works with the toolchain in use.
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
