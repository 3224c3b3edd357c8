//! Describes a release that `cargo xtask release` has built: an SBOM, the provenance, an OCI image layout, checksums of all
//! files, and a signature over them. A program of its own, so that no other task builds it.
#![allow(clippy::print_stderr, reason = "it talks to developers")]

mod arch;
mod digest;
mod image;
mod materials;
mod provenance;
mod sbom;
mod signature;
mod sums;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::Parser;

use arch::Arch;
use materials::Materials;

/// Describes a release
#[derive(Parser)]
struct Cli {
    /// Folder of the release, with the programs and the tools in it
    #[arg(long)]
    folder: PathBuf,
    /// Root of the repository
    #[arg(long)]
    root: PathBuf,
    /// Cargo's profile of the programs
    #[arg(long)]
    profile: String,
    /// Architecture and file system of an image: amd64=target/rootfs-amd64
    #[arg(long, required = true, value_parser = rootfs)]
    rootfs: Vec<(Arch, PathBuf)>,
    /// URI of the builder, for the provenance
    #[arg(long, default_value = provenance::LOCAL)]
    builder: String,
    /// Private key in PEM, Ed25519 or ECDSA P-256; without one nothing is signed
    #[arg(long)]
    key: Option<PathBuf>,
}

fn rootfs(text: &str) -> Result<(Arch, PathBuf), String> {
    let (arch, folder) = text.split_once('=').ok_or("ARCH=FOLDER")?;
    let arch = Arch::parse(arch).ok_or_else(|| format!("{arch} is not amd64 or arm64"))?;
    Ok((arch, folder.into()))
}

fn describe(Cli { folder, root, profile, rootfs, builder, key }: Cli) -> Result<()> {
    let materials = Materials::of(&root)?;
    let archs: Vec<Arch> = rootfs.iter().map(|(arch, _)| *arch).collect();
    sums::write_json(&folder.join("porthole.cdx.json"), &sbom::of(&root, &archs, &materials)?)?;
    image::write(&folder.join("image"), &rootfs, &materials).context("the image")?;
    let subjects = sums::files(&folder)?;
    let statement = provenance::statement(&subjects, &materials, &profile, &builder);
    sums::write_json(&folder.join(provenance::FILE), &statement)?;
    sums::write(&folder)?;
    match key {
        Some(key) => signature::sign(&folder, &key),
        None => {
            eprintln!("not signed: there is no --key");
            Ok(())
        }
    }
}

fn main() -> ExitCode {
    match describe(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("porthole-release: {error:#}");
            ExitCode::FAILURE
        }
    }
}
