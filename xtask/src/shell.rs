//! Process execution and common paths.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// Root of the repository.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// Cache folder of this project's tasks.
pub(crate) fn cache() -> PathBuf {
    std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from).join(".cache/porthole")
}

/// Path of a program in the release build.
pub(crate) fn built(name: &str) -> PathBuf {
    target().join("release").join(name)
}

/// Prepares a command in the root of the repository.
///
/// `cargo run` and `cargo test` describe their own package in the environment of child processes. A child cargo must not
/// see that: ring's build script watches `CARGO_PKG_*`, so ring and everything that depends on it would be rebuilt.
pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    for (name, _) in std::env::vars_os() {
        let of_a_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        if name.to_str().is_some_and(of_a_package) {
            command.env_remove(name);
        }
    }
    command
}

/// Words of a command. Not its Debug format, which lists every removed variable.
pub(crate) fn shown(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Runs a command; the error names it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    let status = command.status().with_context(|| format!("cannot run {shown}"))?;
    if !status.success() {
        bail!("{shown} ended with {status}");
    }
    Ok(())
}

/// Runs a command with stdout redirected to stderr.
pub(crate) fn run_aside(command: &mut Command) -> Result<()> {
    run(command.stdout(Stdio::from(std::io::stderr())))
}

/// True if a program answers `--version`.
pub(crate) fn has(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

/// Builds the host and the testbed. Every task builds the whole workspace: with a selection of packages, dependencies
/// would be rebuilt for each selection's set of features.
pub(crate) fn build_workspace() -> Result<()> {
    eprintln!("building the host and the testbed (about six minutes the first time)");
    run_aside(&mut command("cargo", &["build", "--release", "--workspace"]))
}

/// Builds the host alone as the image has it, with link-time optimisation.
pub(crate) fn build_dist() -> Result<PathBuf> {
    eprintln!(
        "building the host with link-time optimisation (about twenty minutes the first time on two cores)"
    );
    run_aside(&mut command("cargo", &["build", "--profile", "dist", "--package", "porthole"]))?;
    Ok(target().join("dist/porthole"))
}

/// Builds the host alone, with less optimisation than a release: the first build is a newcomer's first impression.
pub(crate) fn build_demo() -> Result<PathBuf> {
    eprintln!("building the host (about six minutes the first time on two cores, with the tools)");
    run_aside(&mut command(
        "cargo",
        &["build", "--profile", "demo", "--package", "porthole", "--no-default-features"],
    ))?;
    Ok(target().join("demo/porthole"))
}

/// Path of the testbed that [`build_testbed`] builds.
pub(crate) fn demo_testbed() -> PathBuf {
    target().join("demo/porthole-testbed")
}

/// Builds the testbed alone, with less optimisation than a release.
pub(crate) fn build_testbed() -> Result<()> {
    eprintln!("building the testbed (about two minutes the first time)");
    run_aside(&mut command("cargo", &["build", "--profile", "demo", "--package", "porthole-testbed"]))
}
