//! OCI image layout, version 1.0.0: one layer of `deploy/rootfs.sh`'s file system for each architecture, under one index.
//! Its program and user are those of `deploy/Dockerfile`; a test compares.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{
    arch::Arch,
    digest,
    materials::{Materials, output},
    sums::write_json,
};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Uncompressed, so that the digest does not depend on the version of a compressor.
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Writes the layout of the images of these architectures.
pub(crate) fn write(folder: &Path, rootfs: &[(Arch, PathBuf)], materials: &Materials) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    let images = rootfs.iter().map(|(arch, rootfs)| image(&blobs, arch.name(), rootfs, materials));
    let images = images.collect::<Result<Vec<Value>>>()?;
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": images});
    let named = json!({"org.opencontainers.image.ref.name": materials.version});
    let mut index = blob(&blobs, INDEX, &serde_json::to_vec(&index)?)?;
    extend(&mut index, json!({"annotations": named}));
    write_json(
        &folder.join("index.json"),
        &json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [index]}),
    )?;
    write_json(&folder.join("oci-layout"), &json!({"imageLayoutVersion": "1.0.0"}))
}

/// Writes the image of one architecture, and returns its descriptor.
fn image(blobs: &Path, arch: &str, rootfs: &Path, materials: &Materials) -> Result<Value> {
    let layer = layer(blobs, rootfs, materials)?;
    let diff = layer.get("digest").cloned().unwrap_or_default();
    let config = json!({
        "created": materials.timestamp(),
        "architecture": arch,
        "os": "linux",
        "config": config(materials),
        "rootfs": {"type": "layers", "diff_ids": [diff]},
        "history": [{"created": materials.timestamp(), "created_by": "deploy/rootfs.sh"}],
    });
    let config = blob(blobs, CONFIG, &serde_json::to_vec(&config)?)?;
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
    let mut image = blob(blobs, MANIFEST, &serde_json::to_vec(&manifest)?)?;
    extend(&mut image, json!({"platform": {"architecture": arch, "os": "linux"}}));
    Ok(image)
}

/// Configuration with which the image is run.
fn config(materials: &Materials) -> Value {
    json!({
        "User": "65532:65532",
        "Env": ["PORTHOLE_PLUGINS=/plugins", "PORTHOLE_CACHE=/var/cache/porthole/compiled"],
        "ExposedPorts": {"8080/tcp": {}},
        "Entrypoint": ["/usr/local/bin/porthole"],
        "Cmd": ["serve", "--listen=0.0.0.0:8080", "--admin-listen=off"],
        "Labels": {
            "org.opencontainers.image.title": "Porthole",
            "org.opencontainers.image.description": "Lets an AI agent look into a Kubernetes cluster and lets nothing climb through",
            "org.opencontainers.image.licenses": "Apache-2.0",
            "org.opencontainers.image.version": materials.version,
            "org.opencontainers.image.revision": materials.commit,
        },
    })
}

/// Writes the layer: the files in the order of their names, of root, at the commit's time.
fn layer(blobs: &Path, rootfs: &Path, materials: &Materials) -> Result<Value> {
    let partial = blobs.join(".partial");
    let mut tar = Command::new("tar");
    tar.args(["--create", "--sort=name", "--format=posix", "--owner=0", "--group=0", "--numeric-owner"])
        .args(["--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime"])
        .arg(format!("--mtime=@{}", materials.committed))
        .arg("--file")
        .arg(&partial)
        .arg("--directory")
        .arg(rootfs)
        .arg(".");
    output(&mut tar).with_context(|| rootfs.display().to_string())?;
    let digest = digest::of_file(&partial)?;
    let size = fs::metadata(&partial)?.len();
    fs::rename(&partial, blobs.join(&digest))?;
    Ok(json!({"mediaType": LAYER, "digest": format!("sha256:{digest}"), "size": size}))
}

/// Writes a blob, and returns its descriptor.
fn blob(blobs: &Path, media_type: &str, bytes: &[u8]) -> Result<Value> {
    let digest = digest::of_bytes(bytes);
    fs::write(blobs.join(&digest), bytes)?;
    Ok(json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()}))
}

fn extend(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{materials::example, sums};

    fn rootfs() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("usr/local/bin")).unwrap();
        fs::write(folder.path().join("usr/local/bin/porthole"), "a program").unwrap();
        folder
    }

    fn read(layout: &Path, descriptor: &Value) -> Value {
        let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        let blob = layout.join("blobs/sha256").join(digest);
        assert_eq!(digest::of_file(&blob).unwrap(), digest);
        assert_eq!(fs::metadata(&blob).unwrap().len(), descriptor["size"].as_u64().unwrap());
        serde_json::from_slice(&fs::read(blob).unwrap()).unwrap_or_default()
    }

    #[test]
    fn every_descriptor_of_the_layout_leads_to_its_blob() {
        let (layout, rootfs) = (tempfile::tempdir().unwrap(), rootfs());
        let each = [Arch::Amd64, Arch::Arm64].map(|arch| (arch, rootfs.path().to_owned()));
        write(layout.path(), &each, &example()).unwrap();
        let index: Value =
            serde_json::from_slice(&fs::read(layout.path().join("index.json")).unwrap()).unwrap();
        let images = read(layout.path(), &index["manifests"][0]);
        let images = images["manifests"].as_array().unwrap();
        assert_eq!(images.len(), 2);
        for (image, arch) in images.iter().zip(["amd64", "arm64"]) {
            assert_eq!(image["platform"]["architecture"], arch);
            let manifest = read(layout.path(), image);
            let config = read(layout.path(), &manifest["config"]);
            read(layout.path(), &manifest["layers"][0]);
            assert_eq!(config["architecture"], arch);
            assert_eq!(config["rootfs"]["diff_ids"][0], manifest["layers"][0]["digest"]);
        }
    }

    #[test]
    fn two_layouts_of_one_commit_are_the_same() {
        let digests = || {
            let (layout, rootfs) = (tempfile::tempdir().unwrap(), rootfs());
            write(layout.path(), &[(Arch::Amd64, rootfs.path().to_owned())], &example()).unwrap();
            sums::files(layout.path()).unwrap()
        };
        assert_eq!(digests(), digests());
    }

    #[test]
    fn the_image_runs_as_the_dockerfile_says() {
        let dockerfile = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/Dockerfile");
        let dockerfile = fs::read_to_string(dockerfile).unwrap();
        let instruction = |name: &str| {
            let found = dockerfile.lines().rev().find_map(|line| line.strip_prefix(name)).unwrap();
            found.trim().to_owned()
        };
        let config = config(&example());
        let list = |name: &str| serde_json::from_str::<Value>(&instruction(name)).unwrap();
        assert_eq!(config["Entrypoint"], list("ENTRYPOINT"));
        assert_eq!(config["Cmd"], list("CMD"));
        assert_eq!(config["User"], instruction("USER"));
        let env: Vec<String> = instruction("ENV").split(' ').map(str::to_owned).collect();
        assert_eq!(config["Env"], json!(env));
        assert!(config["ExposedPorts"].get(format!("{}/tcp", instruction("EXPOSE"))).is_some());
        for label in ["org.opencontainers.image.title", "org.opencontainers.image.description"] {
            assert!(dockerfile.contains(&format!("{label}={}", config["Labels"][label])), "{label}");
        }
    }
}
