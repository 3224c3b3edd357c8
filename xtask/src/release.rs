//! Builds a release: static programs, tools, file systems of images. `porthole-release` describes it.
//!
//! Programs are static-pie against glibc, not musl: the allocator and the system calls are those that tests and benchmarks run
//! with, and the compiler's seccomp filter allows no others; glibc 2.34 and later resolve names from `/etc/hosts` and by DNS
//! without a library to load.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::{
    packages::apt,
    plugins,
    shell::{command, has, root, run_aside, target},
};

/// Text of `--help` beyond the options.
pub(crate) const HELP: &str = "Examples:
  cargo xtask release --key release.pem                    amd64, into target/porthole-VERSION
  cargo xtask release --arch amd64 --arch arm64            both, unsigned
  cargo xtask release --profile demo                       quickly, to see what comes of it
  openssl genpkey -algorithm ed25519 -out release.pem      a key

Needs what `cargo xtask plugins` needs, and git (the provenance names the commit). An architecture that is not this machine's: rustup, and Debian's gcc-aarch64-linux-gnu
and libc6-dev-arm64-cross, which are installed by apt-get where they are missing; qemu-user-static, if the program is to be
tried. Nothing is published: what to check and to upload is in the folder (deploy/README.md).";

/// Options of a release.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Private key in PEM, Ed25519 or ECDSA P-256, that signs the checksums
    #[arg(long)]
    key: Option<PathBuf>,
    /// Architecture, may be repeated
    #[arg(long, value_enum, default_value = "amd64")]
    arch: Vec<Arch>,
    /// Cargo's profile of the programs; dist takes twenty minutes for each architecture
    #[arg(long, default_value = "dist")]
    profile: String,
    /// URI of the builder, for the provenance
    #[arg(long)]
    builder: Option<String>,
}

/// Architecture of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Arch {
    Amd64,
    Arm64,
}

impl Arch {
    /// As Go and OCI write it.
    fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// As GNU and the kernel write it.
    fn machine(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    fn target(self) -> String {
        format!("{}-unknown-linux-gnu", self.machine())
    }

    fn is_native(self) -> bool {
        std::env::consts::ARCH == self.machine()
    }

    /// Name of a program of the cross tools; its own name on this architecture.
    fn tool(self, name: &str) -> String {
        if self.is_native() { name.to_owned() } else { format!("{}-linux-gnu-{name}", self.machine()) }
    }
}

/// Builds and describes a release.
pub(crate) fn release(options: &Options) -> Result<()> {
    let folder = target().join(format!("porthole-{}", env!("CARGO_PKG_VERSION")));
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(folder.join("tools"))?;
    plugins::build_with_flags(&plugins::remapped(&root())?)?;
    for tool in plugins::files()? {
        let name = tool.file_name().context("a tool without a name")?;
        fs::copy(&tool, folder.join("tools").join(name))?;
    }
    let mut describe = command("cargo", &["run", "--quiet", "--package", "porthole-release", "--"]);
    describe.arg("--folder").arg(&folder).arg("--root").arg(root()).args(["--profile", &options.profile]);
    for arch in &options.arch {
        let built = build(*arch, &options.profile)?;
        let rootfs = file_system(*arch, &built, &folder.join("tools"))?;
        // The stripped one, which is in the image as well.
        let program = folder.join(format!("porthole-linux-{}", arch.name()));
        fs::copy(rootfs.join("usr/local/bin/porthole"), &program)?;
        smoke(*arch, &program, &folder.join("tools"))?;
        describe.arg("--rootfs").arg(format!("{}={}", arch.name(), rootfs.display()));
    }
    if let Some(builder) = &options.builder {
        describe.args(["--builder", builder]);
    }
    if let Some(key) = &options.key {
        describe.arg("--key").arg(std::path::absolute(key)?);
    }
    run_aside(&mut describe)?;
    eprintln!("the release is in {}", folder.display());
    Ok(())
}

/// Builds the static program of an architecture.
fn build(arch: Arch, profile: &str) -> Result<PathBuf> {
    prepare(arch)?;
    eprintln!("building the host for {}", arch.name());
    let triple = arch.target();
    let mut flags = plugins::remapped(&root())?;
    flags.push("-Ctarget-feature=+crt-static".to_owned());
    let mut cargo = command("cargo", &["build", "--locked", "--package", "porthole", "--profile", profile]);
    cargo
        .args(["--target", &triple])
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env(format!("CC_{}", triple.replace('-', "_")), arch.tool("gcc"))
        .env(format!("CARGO_TARGET_{}_LINKER", triple.replace('-', "_").to_uppercase()), arch.tool("gcc"));
    run_aside(&mut cargo)?;
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(target().join(triple).join(folder).join("porthole"))
}

/// Installs the standard library of the target, and Debian's cross tools for another architecture.
fn prepare(arch: Arch) -> Result<()> {
    if !arch.is_native() {
        run_aside(&mut command("rustup", &["target", "add", &arch.target()]))
            .context("rustup installs the standard library of the other architecture")?;
        if !has(&arch.tool("gcc")) {
            let debian = if arch == Arch::Arm64 { "aarch64" } else { "x86-64" };
            apt(&format!("gcc-{debian}-linux-gnu"))?;
            apt(&format!("libc6-dev-{}-cross", arch.name()))?;
        }
    }
    Ok(())
}

/// Makes the image's file system by the Dockerfile's own script.
fn file_system(arch: Arch, program: &Path, tools: &Path) -> Result<PathBuf> {
    let rootfs = target().join(format!("rootfs-{}", arch.name()));
    if rootfs.exists() {
        fs::remove_dir_all(&rootfs)?;
    }
    let mut script = command("sh", &["deploy/rootfs.sh"]);
    script.arg(&rootfs).arg(program).arg(tools).env("STRIP", arch.tool("strip"));
    run_aside(&mut script)?;
    let libraries = ["lib", "lib64", "usr/lib"].map(|folder| rootfs.join(folder));
    if let Some(linked) = libraries.iter().find(|folder| folder.exists()) {
        bail!("the program for {} is not static: there is {}", arch.name(), linked.display());
    }
    Ok(rootfs)
}

/// Runs the program: another architecture's by QEMU, if it is installed.
fn smoke(arch: Arch, program: &Path, tools: &Path) -> Result<()> {
    let program = program.display().to_string();
    if arch.is_native() {
        run_aside(&mut command(&program, &["--version"]))?;
        return run_aside(command(&program, &["plugin", "check"]).arg(tools.join("namespaces_list.wasm")));
    }
    let emulator = ["-static", ""].map(|form| format!("qemu-{}{form}", arch.machine()));
    match emulator.iter().find(|emulator| has(emulator)) {
        Some(emulator) => {
            run_aside(&mut command(emulator, &[&program, "--version"]))?;
            // No tool is checked: the compiler is a child process, and QEMU's user mode starts no program of its own machine.
            run_aside(&mut command(emulator, &[&program, "config", "reference"]))
        }
        None => {
            eprintln!("not tried: {program} needs qemu-user-static to run here");
            Ok(())
        }
    }
}
