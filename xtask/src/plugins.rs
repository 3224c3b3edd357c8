//! Builds the tools for wasm32-wasip2, with whichever toolchain this machine has.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::shell::{cache, command, root, run_aside, target};

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
    build_excluding(&GUESTS, &[], &[]).map(|_| ())
}

/// As [`build`], with more flags for the compiler.
pub(crate) fn build_with_flags(flags: &[String]) -> Result<()> {
    build_excluding(&GUESTS, &[], flags).map(|_| ())
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
    build_excluding(&GUESTS, &["--quiet"], &[]).map(|_| ())
}

/// As [`build`], with the components for tests. Returns their folder; its `examples/` has those for the conformance
/// suite.
pub(crate) fn build_with_guests() -> Result<PathBuf> {
    build_excluding(&[], &["--lib", "--examples"], &[])
}

fn build_excluding(excluded: &[&str], options: &[&str], flags: &[String]) -> Result<PathBuf> {
    // Other flags build everything anew, so they have a folder of their own.
    let built = target().join(if flags.is_empty() { "plugins" } else { "plugins-release" });
    let wasm = compile(&root().join("plugins"), &built, excluded, options, flags)?;
    collect(&wasm, &root().join("plugins/dist"))?;
    Ok(wasm)
}

/// Compiles the tools' workspace in `sources` into `built`. Returns the folder of the components.
fn compile(
    sources: &Path,
    built: &Path,
    excluded: &[&str],
    options: &[&str],
    flags: &[String],
) -> Result<PathBuf> {
    let toolchain = Toolchain::find()?;
    let mut cargo =
        command("cargo", &["build", "--release", "--workspace", "--target", TARGET, "--target-dir"]);
    cargo.arg(built).args(options).current_dir(sources);
    for package in excluded {
        cargo.args(["--exclude", package]);
    }
    match &toolchain {
        Toolchain::Installed => {
            eprintln!("building the tools with the installed target {TARGET}");
            if !flags.is_empty() {
                cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
            }
        }
        Toolchain::Debian { linkers } => {
            eprintln!("building the tools with Debian's compiler and sources (a minute the first time)");
            let linker = linkers.join("gcc-ld/wasm-ld").display().to_string();
            let own = [
                "-Clink-self-contained=no".to_owned(),
                "-L/usr/lib/wasm32-wasi".to_owned(),
                format!("-Clink-arg=--wasm-ld-path={linker}"),
            ];
            cargo
                .arg("-Zbuild-std=std,panic_abort")
                .env("RUSTC", "/usr/bin/rustc")
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_WASM32_WASIP2_LINKER", linkers.join("wasm-component-ld"))
                .env("CARGO_ENCODED_RUSTFLAGS", [&own, flags].concat().join("\u{1f}"));
        }
    }
    run_aside(&mut cargo)?;
    Ok(built.join(TARGET).join("release"))
}

/// Builds the tools twice, in two folders, as a release does, and fails if a byte differs.
pub(crate) fn reproduce() -> Result<()> {
    let folder = cache().join(format!("reproduced-{}", std::process::id()));
    let built = ["first", "the-second-of-another-length"].map(|name| reproduce_in(&folder.join(name)));
    let compared = built.into_iter().collect::<Result<Vec<PathBuf>>>().and_then(|built| {
        let (Some(first), Some(second)) = (built.first(), built.last()) else { bail!("nothing was built") };
        let mut tools = 0_usize;
        for entry in std::fs::read_dir(first)? {
            let tool = entry?.path();
            let Some(name) =
                tool.file_name().filter(|_| tool.extension().is_some_and(|ending| ending == "wasm"))
            else {
                continue;
            };
            tools = tools.saturating_add(1);
            if std::fs::read(&tool)? != std::fs::read(second.join(name))? {
                bail!("{} differs between two folders", name.display());
            }
        }
        if tools == 0 {
            bail!("no tool was built");
        }
        eprintln!("{tools} tools have the same bytes from two folders");
        Ok(())
    });
    std::fs::remove_dir_all(&folder)?;
    compared
}

/// Copies the sources of the tools into a folder, and compiles them there.
fn reproduce_in(folder: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let files = output(&mut command(
        "git",
        &["ls-files", "rust-toolchain.toml", "plugins", "wit", "tests/guests", "tests/conformance"],
    ))?;
    let files: Vec<&str> = files.lines().collect();
    run_aside(command("cp", &["--parents", "--target-directory"]).arg(folder).args(files))?;
    compile(&folder.join("plugins"), &folder.join("target"), &GUESTS, &["--quiet"], &remapped(folder)?)
}

/// Flags that keep the folders of sources and of Cargo out of what is built, so that the same sources are the same bytes
/// anywhere.
pub(crate) fn remapped(sources: &Path) -> Result<Vec<String>> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home);
    let cargo = cargo.context("neither CARGO_HOME nor HOME is set")?;
    Ok([(sources, "/porthole"), (&cargo, "/cargo")]
        .map(|(folder, name)| format!("--remap-path-prefix={}={name}", folder.display()))
        .to_vec())
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
