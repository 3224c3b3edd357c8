//! Origin of tools that came from a registry: the image, and the key that had signed it, as the lock of sources says.
//!
//! An entry of the lock holds for those bytes alone: a file with another digest, whoever replaced it, has no origin.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use porthole_contract::{Digest, Printable, controls_display, truncate};

use crate::{
    Tool,
    folder::{Fingerprint, MAX_FILES},
};

/// Maximum bytes of an image, as many as it may have in a configuration. It is a part of each audit line.
const MAX_SOURCE: usize = 512;
/// Maximum bytes of the name of a key.
const MAX_KEY: usize = 128;
/// Maximum bytes of the reason that the lock cannot be read; `/readyz` shows it to anyone.
const MAX_TROUBLE: usize = 1 << 10;

/// Origin of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    source: String,
    signed_by: Option<String>,
}

impl Origin {
    /// Wraps an image at its digest, and the name of the key that had signed it; `None` if one of them is too long or
    /// steers a terminal. The lock is a file that others may have written.
    pub fn parse(source: String, signed_by: Option<String>) -> Option<Self> {
        let is_plain =
            |text: &str, max| !text.is_empty() && text.len() <= max && !text.chars().any(controls_display);
        let valid =
            is_plain(&source, MAX_SOURCE) && signed_by.as_deref().is_none_or(|key| is_plain(key, MAX_KEY));
        valid.then_some(Self { source, signed_by })
    }

    /// Image at its digest.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Name of the key that had signed it; `None` if no signature was asked for.
    pub fn signed_by(&self) -> Option<&str> {
        self.signed_by.as_deref()
    }
}

/// Origins by name of the file and digest of its bytes, of `MAX_FILES` files at most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(HashMap<String, HashMap<Digest, Arc<Origin>>>);

impl Origins {
    /// Adds the origin of a file with this digest.
    pub fn insert(&mut self, file: String, digest: Digest, origin: Origin) {
        if self.0.len() < MAX_FILES || self.0.contains_key(&file) {
            self.0.entry(file).or_default().insert(digest, Arc::new(origin));
        }
    }

    fn get(&self, file: &str, digest: &Digest) -> Option<&Arc<Origin>> {
        self.0.get(file)?.get(digest)
    }

    /// Keeps what `before` said of the bytes that are loaded from a file of which these say something else: a version goes on
    /// while the next one waits for an approval, and is still what it was. A file that is not named any more has none.
    fn keep(&mut self, before: Self, is_loaded: impl Fn(&str, &Digest) -> bool) {
        for (file, versions) in before.0 {
            let Some(now) = self.0.get_mut(&file) else { continue };
            for (digest, origin) in versions.into_iter().filter(|(digest, _)| is_loaded(&file, digest)) {
                now.entry(digest).or_insert(origin);
            }
        }
    }
}

/// Lock of sources of a folder. Its format is another crate's.
#[derive(Clone)]
pub struct OriginSource {
    /// Path of the file.
    pub path: PathBuf,
    /// Reads its origins; none if it is missing.
    pub read: Arc<dyn Fn() -> Result<Origins, String> + Send + Sync>,
}

/// Origins in effect: those of the lock, read again when it changes.
#[derive(Default)]
pub(crate) struct OriginReader {
    source: Option<OriginSource>,
    /// State of the file when it was last read.
    last_read: Option<Option<Fingerprint>>,
    origins: Origins,
    trouble: Option<String>,
}

impl OriginReader {
    pub(crate) fn new(source: Option<OriginSource>) -> Self {
        Self { source, ..Self::default() }
    }

    /// The origin of a tool, if the lock names its file with its digest.
    pub(crate) fn of(&self, tool: &Tool) -> Option<&Arc<Origin>> {
        self.origins.get(&tool.file, &tool.digest)
    }

    /// Path of a lock that cannot be read, and the reason.
    pub(crate) fn trouble(&self) -> Option<(String, &str)> {
        let path = self.source.as_ref()?.path.to_string_lossy().into_owned();
        Some((path, self.trouble.as_deref()?))
    }

    /// Reads the lock again if it changed. True if an origin, or the error of the lock, is another now.
    pub(crate) async fn refresh(&mut self, is_loaded: impl Fn(&str, &Digest) -> bool) -> bool {
        let Some(source) = self.source.clone() else { return false };
        let last_read = self.last_read;
        // On a blocking thread: a hanging file system must not block an async one.
        let read = tokio::task::spawn_blocking(move || {
            let now = std::fs::metadata(&source.path).ok().map(|metadata| Fingerprint::of(&metadata, false));
            (last_read != Some(now)).then(|| (now, (source.read)()))
        });
        let Ok(Some((fingerprint, read))) = read.await else { return false };
        self.last_read = Some(fingerprint);
        let before = (self.trouble.take(), std::mem::take(&mut self.origins));
        match read {
            Ok(origins) => {
                self.origins = origins;
                self.origins.keep(before.1.clone(), is_loaded);
            }
            Err(error) => {
                let trouble = format!("{}; no origin of a tool is shown", truncate(&error, MAX_TROUBLE));
                tracing::error!("{}", Printable(&trouble));
                self.trouble = Some(trouble);
            }
        }
        (&self.trouble, &self.origins) != (&before.0, &before.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(key: &str) -> Origin {
        Origin::parse("r.example/certs@sha256:ab".to_owned(), Some(key.to_owned())).unwrap()
    }

    #[test]
    fn an_origin_is_one_short_plain_line() {
        let of = |source: &str, key: Option<&str>| Origin::parse(source.to_owned(), key.map(str::to_owned));
        assert!(
            of("r.example/certs@sha256:ab", Some("platform")).is_some() && of("r.example/a", None).is_some()
        );
        for (source, key) in [
            ("", None),
            ("r.example/a\n", None),
            (&*"a".repeat(MAX_SOURCE + 1), None),
            ("r.example/a", Some("")),
            ("r.example/a", Some("plat\u{202e}form")),
            ("r.example/a", Some(&*"k".repeat(MAX_KEY + 1))),
        ] {
            assert_eq!(of(source, key), None, "{source:?} {key:?}");
        }
    }

    #[test]
    fn what_is_loaded_keeps_its_origin_while_its_file_is_named() {
        let (old, new, other) = (Digest::new([1; 32]), Digest::new([2; 32]), Digest::new([3; 32]));
        let mut before = Origins::default();
        for digest in [old, other] {
            before.insert("certs.wasm".to_owned(), digest, origin("old"));
            before.insert("gone.wasm".to_owned(), digest, origin("old"));
        }
        let mut now = Origins::default();
        now.insert("certs.wasm".to_owned(), new, origin("new"));
        now.keep(before, |_, digest| *digest == old);
        let key = |file: &str, digest| now.get(file, &digest).and_then(|origin| origin.signed_by());
        assert_eq!((key("certs.wasm", new), key("certs.wasm", old)), (Some("new"), Some("old")));
        assert_eq!((key("certs.wasm", other), key("gone.wasm", old)), (None, None));
    }

    #[tokio::test]
    async fn a_lock_is_read_when_it_changes_and_one_that_is_damaged_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sources.lock");
        let read = {
            let path = path.clone();
            move || {
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                let mut origins = Origins::default();
                match &*text {
                    "damaged" => return Err("it is damaged".to_owned()),
                    "" => {}
                    key => origins.insert("certs.wasm".to_owned(), Digest::new([1; 32]), origin(key)),
                }
                Ok(origins)
            }
        };
        let mut reader = OriginReader::new(Some(OriginSource { path: path.clone(), read: Arc::new(read) }));
        let key = |reader: &OriginReader| {
            let origin = reader.origins.get("certs.wasm", &Digest::new([1; 32]));
            origin.and_then(|origin| origin.signed_by().map(str::to_owned))
        };
        assert!(!reader.refresh(|_, _| true).await, "missing, so nothing is said");
        std::fs::write(&path, "platform").unwrap();
        assert!(reader.refresh(|_, _| true).await && key(&reader).as_deref() == Some("platform"));
        assert!(!reader.refresh(|_, _| true).await, "unchanged");
        std::fs::write(&path, "damaged").unwrap();
        assert!(reader.refresh(|_, _| true).await && key(&reader).is_none());
        let (named, trouble) = reader.trouble().unwrap();
        assert!(
            named.ends_with("sources.lock") && trouble.starts_with("it is damaged; no origin"),
            "{trouble}"
        );
        std::fs::write(&path, "another").unwrap();
        assert!(reader.refresh(|_, _| true).await && key(&reader).as_deref() == Some("another"));
        assert_eq!(reader.trouble(), None);
    }
}
