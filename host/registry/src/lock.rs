//! Lock of sources: manifest and layer that each was, and the key that had signed it.

use std::{collections::BTreeMap, io::Read as _, path::Path};

use serde::{Deserialize, Serialize};

use crate::{ContentDigest, Error, ImageReference, Trust, replacement::replace};

/// Version of the file; another one is not guessed at.
const VERSION: u32 = 1;
/// Max bytes of the file: a thousand tools with long names.
const MAX_LOCK: u64 = 1 << 20;

/// Content of a lock of sources.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourcesLock {
    tools: BTreeMap<String, LockedTool>,
}

/// A source as it was when it was pulled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LockedTool {
    /// Digest of the manifest, which is what was signed.
    pub manifest: ContentDigest,
    /// Digest of the tool's file.
    pub layer: ContentDigest,
    /// Name of the key that had signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
    /// SHA-256 of that key's SubjectPublicKeyInfo. Missing in an older lock: then it is not known which key that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<ContentDigest>,
}

impl LockedTool {
    /// True if the key that had signed it is one that these names stand for now. A key can be replaced under its name, so
    /// the name alone says nothing.
    pub(crate) fn is_signed_by(&self, names: &[String], trust: &Trust) -> bool {
        let signed_by = self.signed_by.as_ref().filter(|name| names.contains(name));
        let key = signed_by.and_then(|name| trust.keys.get(name));
        key.is_some_and(|key| self.key == Some(key.digest()))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File<T> {
    version: u32,
    /// By image, as the configuration has it.
    tools: BTreeMap<String, T>,
}

impl SourcesLock {
    /// Reads a file; one that is missing is empty.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or an entry is not what Porthole writes; the error names the image.
    pub fn read(path: &Path) -> Result<Self, Error> {
        // A pipe would never end.
        if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(Error::NoLock { path: path.to_owned(), cause: "it is not a file".to_owned() });
        }
        let file = match std::fs::File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            opened => opened.map_err(Error::file(path))?,
        };
        let mut text = Vec::new();
        file.take(MAX_LOCK + 1).read_to_end(&mut text).map_err(Error::file(path))?;
        Self::parse(path, &text)
    }

    /// Parses the content of a file.
    pub(crate) fn parse(path: &Path, text: &[u8]) -> Result<Self, Error> {
        let none = |cause: String| Error::NoLock { path: path.to_owned(), cause };
        if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_LOCK {
            return Err(none(format!("it has more than {MAX_LOCK} bytes")));
        }
        let file: File<serde_json::Value> = serde_json::from_slice(text)
            .map_err(|error| none(format!("it is not a lock of sources: {error}")))?;
        if file.version != VERSION {
            return Err(none(format!(
                "it has version {}, and this is written by version {VERSION}",
                file.version
            )));
        }
        let mut tools = BTreeMap::new();
        for (image, entry) in file.tools {
            let wrong = |cause: String| Error::Lock { image: image.clone(), cause };
            let parsed = ImageReference::parse(&image).map_err(wrong)?;
            let tool: LockedTool = serde_json::from_value(entry).map_err(|error| wrong(error.to_string()))?;
            if let Some(pinned) = parsed.digest().filter(|pinned| *pinned != tool.manifest) {
                return Err(wrong(format!(
                    "it is pinned to {pinned}, and its entry has the manifest {}",
                    tool.manifest
                )));
            }
            tools.insert(image, tool);
        }
        Ok(Self { tools })
    }

    /// Entry of an image.
    pub fn get(&self, image: &ImageReference) -> Option<&LockedTool> {
        self.tools.get(&image.to_string())
    }

    /// All entries.
    pub fn tools(&self) -> impl Iterator<Item = &LockedTool> {
        self.tools.values()
    }

    /// All entries, with their images.
    pub fn images(&self) -> impl Iterator<Item = (ImageReference, &LockedTool)> {
        self.tools.iter().filter_map(|(image, tool)| Some((ImageReference::parse(image).ok()?, tool)))
    }

    /// Records what an image is.
    pub fn insert(&mut self, image: &ImageReference, tool: LockedTool) {
        self.tools.insert(image.to_string(), tool);
    }

    /// Removes and returns the entries of images that are not named.
    pub fn retain(&mut self, images: &[&ImageReference]) -> Vec<(ImageReference, LockedTool)> {
        let named: Vec<String> = images.iter().map(ToString::to_string).collect();
        let gone = self.tools.extract_if(.., |image, _| !named.contains(image));
        gone.filter_map(|(image, tool)| Some((ImageReference::parse(&image).ok()?, tool))).collect()
    }

    /// Content of the file.
    pub fn render(&self) -> String {
        let file = File { version: VERSION, tools: self.tools.clone() };
        let mut text = serde_json::to_string_pretty(&file).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Writes the file, in one step. A link stays, and what it leads to is replaced.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        replace(&target, self.render().as_bytes())
            .map_err(|cause| Error::Unwritable { path: path.to_owned(), cause })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        SourcesLock::parse(Path::new("sources.lock"), text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sources.lock");
        assert_eq!(SourcesLock::read(&path).unwrap(), SourcesLock::default());
        let mut lock = SourcesLock::default();
        let digest = ContentDigest::of(b"manifest");
        let pinned = ImageReference::parse(&format!("r.example/a@{digest}")).unwrap();
        let tagged = ImageReference::parse("r.example/b:1").unwrap();
        let tool = LockedTool {
            manifest: digest,
            layer: ContentDigest::of(b"layer"),
            signed_by: Some("platform".to_owned()),
            key: Some(ContentDigest::of(b"key")),
        };
        lock.insert(&pinned, tool.clone());
        lock.insert(&tagged, LockedTool { signed_by: None, key: None, ..tool });
        lock.write(&path).unwrap();
        let mut read = SourcesLock::read(&path).unwrap();
        assert_eq!(read, lock);
        assert_eq!(read.retain(&[&tagged]), [(pinned.clone(), tool)]);
        assert!(read.get(&pinned).is_none() && read.get(&tagged).is_some());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_is_not_a_file_is_no_lock() {
        let error = SourcesLock::read(tempfile::tempdir().unwrap().path()).unwrap_err().to_string();
        assert!(error.contains("it is not a file"), "{error}");
    }

    #[test]
    fn a_link_to_the_lock_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("kept/sources.lock"), folder.path().join("sources.lock"));
        std::fs::create_dir(folder.path().join("kept")).unwrap();
        SourcesLock::default().write(&path).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let mut lock = SourcesLock::default();
        let digest = ContentDigest::of(b"x");
        let image = ImageReference::parse("r.example/a:1").unwrap();
        lock.insert(&image, LockedTool { manifest: digest, layer: digest, signed_by: None, key: None });
        lock.write(&link).unwrap();
        assert!(link.is_symlink() && SourcesLock::read(&path).unwrap() == lock);
    }

    #[test]
    fn an_entry_that_was_edited_is_named() {
        let digest = ContentDigest::of(b"x");
        let other = ContentDigest::of(b"y");
        let lock =
            |image: &str, entry: &str| format!("{{\"version\": 1, \"tools\": {{\"{image}\": {entry}}}}}");
        let entry = format!("{{\"manifest\": \"{digest}\", \"layer\": \"{digest}\"}}");
        let cases = [
            (lock("r.example/a:1", "{}"), "r.example/a:1: missing field"),
            (lock("r.example/a:1", &entry.replace("layer", "later")), "r.example/a:1: unknown field"),
            (
                lock("r.example/a:1", &entry.replace(&digest.to_string(), "sha256:12")),
                "\"sha256:12\" is not a digest",
            ),
            (lock(&format!("r.example/a@{other}"), &entry), "is pinned to"),
            (lock("a", &entry), "names no registry"),
            (lock("r.example/a:1", &entry).replace("1,", "2,"), "version 2"),
            ("{".to_owned(), "not a lock of sources"),
        ];
        for (text, hint) in cases {
            let error = refusal(&text);
            assert!(error.contains(hint) && error.starts_with("lock of sources"), "{error}");
        }
    }
}
