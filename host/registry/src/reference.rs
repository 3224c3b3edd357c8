//! References to images: `registry.example.com/tools/certs:1@sha256:…`, or a folder in OCI layout, `oci:/path@sha256:…`.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use porthole_contract::{Echo, controls_display};
use serde::{Serialize, Serializer};

use crate::ContentDigest;

/// Max bytes of a reference; a repository has at most 255, and a tag 128.
const MAX_REFERENCE: usize = 512;
/// Max bytes of a tag (OCI distribution specification).
const MAX_TAG: usize = 128;
/// Beginning of a reference to a folder.
const LAYOUT: &str = "oci:";

/// Location of an image, and its tag or digest there.
///
/// A host is always written out: what a name without one means differs between tools, and the choice is an attacker's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageReference {
    pub(crate) location: Location,
    pub(crate) tag: Option<String>,
    pub(crate) digest: Option<ContentDigest>,
}

/// A repository of a registry, or a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Location {
    /// A repository of a registry.
    Repository { host: String, path: String },
    /// A folder in OCI image layout.
    Layout(PathBuf),
}

impl ImageReference {
    /// Parses a reference.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{} is not an image: {why}", Echo(text));
        if text.len() > MAX_REFERENCE
            || text.chars().any(|letter| letter.is_whitespace() || controls_display(letter))
        {
            return Err(wrong("it is too long or has letters that no image has"));
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (
                name,
                Some(
                    ContentDigest::parse(digest)
                        .ok_or_else(|| wrong("after @ stands a digest, sha256: and 64 hex digits"))?,
                ),
            ),
            None => (text, None),
        };
        if let Some(folder) = name.strip_prefix(LAYOUT) {
            let path = Path::new(folder);
            let segment = path.file_name().and_then(|name| name.to_str());
            if !path.is_absolute() || !segment.is_some_and(is_segment) {
                return Err(wrong(
                    "oci: needs the absolute path of a folder whose name has a-z, 0-9, _ and -",
                ));
            }
            return Ok(Self { location: Location::Layout(path.to_owned()), tag: None, digest });
        }
        let (host, rest) = name
            .split_once('/')
            .ok_or_else(|| wrong("it names no registry, as in registry.example.com/tools/certs"))?;
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        if !is_host(host) {
            return Err(wrong("it begins with no registry, as in registry.example.com/tools/certs"));
        }
        if path.len() > 255 || !path.split('/').all(is_segment) {
            return Err(wrong("a repository has segments of a-z, 0-9, ., _ and -"));
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(wrong("a tag has letters, digits, ., _ and -"));
        }
        let location = Location::Repository { host: host.to_owned(), path: path.to_owned() };
        Ok(Self { location, tag: tag.map(str::to_owned), digest })
    }

    /// The digest that the reference is pinned to.
    pub fn digest(&self) -> Option<ContentDigest> {
        self.digest
    }

    /// This image at a digest, without its tag.
    #[must_use]
    pub fn at(&self, digest: ContentDigest) -> Self {
        Self { location: self.location.clone(), tag: None, digest: Some(digest) }
    }

    /// This reference without its digest; the name by which a lock of sources knows it.
    #[must_use]
    pub fn unpinned(&self) -> Self {
        Self { digest: None, ..self.clone() }
    }

    /// Name of the tool's file: the last segment of the image's name.
    pub fn file_name(&self) -> String {
        let segment = match &self.location {
            Location::Repository { path, .. } => path.rsplit('/').next(),
            Location::Layout(path) => path.file_name().and_then(|name| name.to_str()),
        };
        format!("{}.wasm", segment.unwrap_or_default())
    }

    /// Host of the registry, with its port; `None` for a folder.
    pub fn host(&self) -> Option<&str> {
        match &self.location {
            Location::Repository { host, .. } => Some(host),
            Location::Layout(_) => None,
        }
    }
}

/// A host has a dot or a port, or is localhost.
fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    };
    let plain = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let named = name.contains('.') || port.is_some() || name == "localhost";
    named
        && name.len() <= 253
        && name.split('.').all(plain)
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// A segment of a repository; as a file name it is neither hidden nor a path.
fn is_segment(segment: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = segment.as_bytes();
    edge(bytes.first().copied())
        && edge(bytes.last().copied())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(byte))
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= MAX_TAG
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|byte| word(byte) || b".-".contains(&byte))
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Location::Repository { host, path } => write!(f, "{host}/{path}")?,
            Location::Layout(path) => write!(f, "{LAYOUT}{}", path.display())?,
        }
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

impl Serialize for ImageReference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_printed_as_it_was_written() {
        let digest = ContentDigest::of(b"x");
        for (text, file, host) in [
            ("registry.example.com/tools/certs:1".to_owned(), "certs.wasm", Some("registry.example.com")),
            (format!("127.0.0.1:5000/pods_quota@{digest}"), "pods_quota.wasm", Some("127.0.0.1:5000")),
            (format!("localhost/a/b.c:v1.2_x-y@{digest}"), "b.c.wasm", Some("localhost")),
            (format!("oci:/srv/tools/certs@{digest}"), "certs.wasm", None),
        ] {
            let image = ImageReference::parse(&text).unwrap();
            assert_eq!(image.to_string(), text);
            assert_eq!((image.file_name(), image.host()), (file.to_owned(), host));
        }
    }

    #[test]
    fn a_reference_that_could_mean_two_things_is_refused() {
        for refused in [
            "",
            "certs",
            "certs:1",
            "tools/certs",
            "library/certs:1",
            "registry.example.com/",
            "registry.example.com/Certs",
            "registry.example.com/a//b",
            "registry.example.com/../b",
            "registry.example.com/.b",
            "registry.example.com/a:",
            "host:99999/a",
            "registry.example.com/a:-x",
            "registry.example.com/a@sha256:12",
            "registry.example.com/a@md5:12",
            "-x.com/a",
            "a..b/c",
            "user@registry.example.com/a",
            "registry.example.com/a b",
            "registry.example.com/a\n",
            "https://registry.example.com/a",
            "oci:relative",
            "oci:/",
            "oci:/srv/..",
            "oci:/srv/.hidden",
            "oci:/srv/Tools",
        ] {
            assert!(ImageReference::parse(refused).is_err(), "{refused:?}");
        }
        let long = format!("registry.example.com/{}", "a".repeat(MAX_REFERENCE));
        assert!(ImageReference::parse(&long).unwrap_err().len() < 300);
    }
}
