//! Images that the manifests of cases and faults name, made of Debian's programs.

use std::{path::Path, process::Command};

use anyhow::{Result, ensure};

use crate::node::{Image, Node};

/// Scripts of tests/fixtures/images that are added to busybox, names, command.
const IMAGES: [(Option<&str>, &[&str], &[&str]); 5] = [
    (
        None,
        &[
            "docker.io/library/busybox:latest",
            "docker.io/library/busybox:1.28",
            "docker.io/library/busybox:1.35",
            "docker.io/library/redis:6.2.6",
        ],
        &["sh"],
    ),
    (
        Some("nginx.sh"),
        &["docker.io/library/nginx:latest", "docker.io/library/nginx:alpine"],
        &["httpd", "-f", "-p", "80", "-h", "/usr/share/nginx/html"],
    ),
    (Some("python.sh"), &["docker.io/library/python:3.9-slim"], &["python"]),
    (Some("postgres.sh"), &["docker.io/library/postgres:15-alpine"], &["postgres"]),
    (Some("kubectl.sh"), &["docker.io/bitnami/kubectl:latest"], &["kubectl"]),
];

/// Imports them into a node; `root` is the repository.
pub fn import(node: &Node, root: &Path) -> Result<()> {
    let scripts = root.join("tests/fixtures/images");
    let path = format!("{}:{}", node.folder().display(), std::env::var("PATH").unwrap_or_default());
    for (script, tags, command) in IMAGES {
        let folder = tempfile::tempdir()?;
        // Not the folder itself, which nobody else may read.
        let files = folder.path().join("files");
        Image::busybox(&files)?;
        if let Some(script) = script {
            run(&scripts.join(script), &files, &path)?;
        }
        node.import(&files, &Image { tags, command, ..Image::default() })?;
    }
    Ok(())
}

fn run(script: &Path, folder: &Path, path: &str) -> Result<()> {
    let output = Command::new("sh").arg(script).arg(folder).env("PATH", path).output()?;
    ensure!(output.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&output.stderr));
    Ok(())
}
