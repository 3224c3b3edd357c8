//! Files of a release, and `SHA256SUMS` over them.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::digest;

/// Checksums, as `sha256sum --check` reads them.
pub(crate) const FILE: &str = "SHA256SUMS";

/// All files in the folder with their digests, without the checksums and what is made of them.
pub(crate) fn files(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    collect(folder, "", &mut found)?;
    found.retain(|name, _| !name.starts_with(FILE));
    Ok(found)
}

fn collect(folder: &Path, prefix: &str, found: &mut BTreeMap<String, String>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let name =
            entry.file_name().into_string().map_err(|name| anyhow::anyhow!("{name:?} is not UTF-8"))?;
        let name = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &name, found)?;
        } else {
            found.insert(name, digest::of_file(&entry.path())?);
        }
    }
    Ok(())
}

/// Writes the checksums of all files.
pub(crate) fn write(folder: &Path) -> Result<()> {
    let lines = files(folder)?.into_iter().map(|(name, digest)| format!("{digest}  {name}\n"));
    fs::write(folder.join(FILE), lines.collect::<String>())?;
    Ok(())
}

/// Writes JSON with a line's end.
pub(crate) fn write_json(path: &Path, value: &Value) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    fs::write(path, text).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn checksums_are_those_that_sha256sum_checks() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tools")).unwrap();
        fs::write(folder.path().join("tools/find.wasm"), "a component").unwrap();
        fs::write(folder.path().join("porthole-linux-amd64"), "a program").unwrap();
        write(folder.path()).unwrap();
        // Once more: its own file is not in it.
        write(folder.path()).unwrap();
        let lines = fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert_eq!(lines.lines().count(), 2, "{lines}");
        let check = || {
            let mut check = Command::new("sha256sum");
            check.args(["--check", "--strict", "--status", FILE]).current_dir(folder.path()).status().unwrap()
        };
        assert!(check().success());
        fs::write(folder.path().join("tools/find.wasm"), "another").unwrap();
        assert!(!check().success());
    }
}
