//! Images, made of a folder of files.

use std::{os::unix::fs::symlink, path::Path, process::Command};

use anyhow::{Context, Result};
use serde_json::json;

use super::run;

/// Static busybox of Debian.
const BUSYBOX: &str = "/bin/busybox";

/// Configuration of an image.
#[derive(Default)]
pub struct Image<'a> {
    /// Whole names, with registry and tag.
    pub tags: &'a [&'a str],
    pub entrypoint: &'a [&'a str],
    pub command: &'a [&'a str],
    pub environment: &'a [&'a str],
    /// Root, if it is empty.
    pub user: &'a str,
}

impl Image<'_> {
    /// Writes the files of an image with busybox and its applets.
    pub fn busybox(folder: &Path) -> Result<()> {
        for name in ["bin", "etc", "root", "tmp", "usr/bin", "var"] {
            std::fs::create_dir_all(folder.join(name))?;
        }
        std::fs::copy(BUSYBOX, folder.join("bin/busybox"))?;
        let listed = Command::new(BUSYBOX).arg("--list").output()?;
        for applet in String::from_utf8(listed.stdout)?.lines().filter(|applet| *applet != "busybox") {
            symlink("busybox", folder.join("bin").join(applet))?;
        }
        let users = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n";
        std::fs::write(folder.join("etc/passwd"), users)?;
        Ok(std::fs::write(folder.join("etc/group"), "root:x:0:\nnobody:x:65534:\n")?)
    }
}

/// Writes a folder as a Docker archive of one layer.
pub(super) fn archive(files: &Path, image: &Image, archive: &Path) -> Result<()> {
    let folder = tempfile::tempdir_in(archive.parent().context("an archive without a folder")?)?;
    let layer = folder.path().join("layer.tar");
    let path = |path: &Path| path.display().to_string();
    run(
        "tar",
        &[
            "--owner=0",
            "--group=0",
            "--numeric-owner",
            "--mtime=@0",
            "--sort=name",
            "-C",
            &path(files),
            "-cf",
            &path(&layer),
            ".",
        ],
    )?;
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let environment = [&["PATH=/usr/local/bin:/bin:/usr/bin"], image.environment].concat();
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "config": {
            "Env": environment,
            "Entrypoint": image.entrypoint,
            "Cmd": image.command,
            "User": image.user,
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", digest(&layer)?)]},
    });
    let config_file = folder.path().join("config");
    std::fs::write(&config_file, config.to_string())?;
    let config_name = format!("{}.json", digest(&config_file)?);
    std::fs::rename(config_file, folder.path().join(&config_name))?;
    let manifest = json!([{"Config": config_name, "RepoTags": image.tags, "Layers": ["layer.tar"]}]);
    std::fs::write(folder.path().join("manifest.json"), manifest.to_string())?;
    run(
        "tar",
        &["-C", &path(folder.path()), "-cf", &path(archive), &config_name, "layer.tar", "manifest.json"],
    )?;
    Ok(())
}

fn digest(file: &Path) -> Result<String> {
    let printed = run("sha256sum", &[&file.display().to_string()])?;
    Ok(printed.split_whitespace().next().context("sha256sum printed nothing")?.to_owned())
}
