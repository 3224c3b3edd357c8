//! Folders in OCI image layout, for machines without a registry.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use futures::{StreamExt as _, stream};
use tokio::io::AsyncReadExt as _;

use crate::{
    ContentDigest, Error, ImageReference,
    client::Chunks,
    manifest::{Descriptor, INDEX, Index, MANIFEST, MAX_ENTRIES, MAX_MANIFEST, Manifest},
    replacement::replace,
};

/// Content of the file that says that a folder is in this layout.
const MARKER: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
/// Annotation of a tag.
const TAG: &str = "org.opencontainers.image.ref.name";
/// Bytes read at once.
const CHUNK: usize = 64 << 10;

/// A folder in OCI image layout.
pub(crate) struct Layout {
    image: ImageReference,
    folder: PathBuf,
}

impl Layout {
    pub(crate) fn new(image: &ImageReference, folder: &Path) -> Self {
        Self { image: image.clone(), folder: folder.to_owned() }
    }

    fn path(&self, digest: ContentDigest) -> PathBuf {
        self.folder.join("blobs/sha256").join(digest.hex())
    }

    /// Entries of the index.
    fn index(&self) -> Result<Index, Error> {
        let path = self.folder.join("index.json");
        let bytes = read(&path).map_err(Error::file(&path))?;
        let index: Index = serde_json::from_slice(&bytes).map_err(|error| Error::Failed {
            image: self.image.clone().into(),
            cause: format!("its index.json is not that of an OCI layout: {error}"),
        })?;
        Ok(index)
    }

    /// Digest of the only image that is nobody's referrer.
    pub(crate) fn only(&self) -> Result<ContentDigest, Error> {
        let mut found = Vec::new();
        for entry in self.index()?.manifests.iter().take(MAX_ENTRIES) {
            let is_attached =
                Manifest::parse(&self.small(entry.digest)?).is_ok_and(|manifest| manifest.subject.is_some());
            if !is_attached && !entry.annotations.get(TAG).is_some_and(|tag| tag.ends_with(".sig")) {
                found.push(entry.digest);
            }
        }
        match found.as_slice() {
            [digest] => Ok(*digest),
            _ => {
                let cause =
                    format!("the folder holds {} images; name one by its digest: @sha256:…", found.len());
                Err(Error::Failed { image: self.image.clone().into(), cause })
            }
        }
    }

    /// Bytes of a manifest.
    pub(crate) fn small(&self, digest: ContentDigest) -> Result<Vec<u8>, Error> {
        let path = self.path(digest);
        read(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::Missing { image: self.image.at(digest).into() },
            _ => Error::File { path, cause: error },
        })
    }

    /// Bytes of the manifest with a tag.
    pub(crate) fn tagged(&self, tag: &str) -> Result<Option<Vec<u8>>, Error> {
        let index = self.index()?;
        let entry =
            index.manifests.iter().find(|entry| entry.annotations.get(TAG).is_some_and(|name| name == tag));
        entry.map(|entry| self.small(entry.digest)).transpose()
    }

    /// Manifests whose subject is this digest.
    pub(crate) fn referrers(&self, digest: ContentDigest) -> Result<Vec<ContentDigest>, Error> {
        let mut found = Vec::new();
        for entry in self.index()?.manifests.iter().take(MAX_ENTRIES) {
            let manifest = Manifest::parse(&self.small(entry.digest)?);
            if manifest.is_ok_and(|manifest| manifest.subject.is_some_and(|subject| subject.digest == digest))
            {
                found.push(entry.digest);
            }
        }
        Ok(found)
    }

    /// Chunks of a blob.
    pub(crate) async fn blob(&self, blob: &Descriptor) -> Result<Chunks, Error> {
        let path = self.path(blob.digest);
        let file = tokio::fs::File::open(&path).await.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::Missing { image: self.image.at(blob.digest).into() },
            _ => Error::File { path, cause: error },
        })?;
        let chunks = stream::unfold(Some(file), |file| async move {
            let mut file = file?;
            let mut chunk = Vec::with_capacity(CHUNK);
            match (&mut file).take(CHUNK as u64).read_to_end(&mut chunk).await {
                Ok(0) => None,
                Ok(_) => Some((Ok(chunk), Some(file))),
                Err(error) => Some((Err(error.to_string()), None)),
            }
        });
        Ok(chunks.boxed())
    }

    /// Writes a blob under its digest.
    pub(crate) fn write_blob(&self, bytes: &[u8]) -> Result<(), Error> {
        let path = self.path(ContentDigest::of(bytes));
        let folder = self.folder.join("blobs/sha256");
        fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
        let marker = self.folder.join("oci-layout");
        if !marker.exists() {
            replace(&marker, MARKER.as_bytes()).map_err(Error::file(&marker))?;
        }
        replace(&path, bytes).map_err(Error::file(&path))
    }

    /// Writes a manifest and names it in the index.
    pub(crate) fn write_manifest(&self, bytes: &[u8], tag: Option<&str>) -> Result<(), Error> {
        self.write_blob(bytes)?;
        let path = self.folder.join("index.json");
        let mut index = if path.exists() { self.index()? } else { Index::empty() };
        let media_type = if serde_json::from_slice::<Index>(bytes).is_ok() { INDEX } else { MANIFEST };
        let mut entry = Descriptor::of(media_type, bytes);
        entry.annotations.extend(tag.map(|tag| (TAG.to_owned(), tag.to_owned())));
        let is_same_tag =
            |other: &Descriptor| tag.is_some() && other.annotations.get(TAG).map(String::as_str) == tag;
        index.manifests.retain(|other| other.digest != entry.digest && !is_same_tag(other));
        index.manifests.push(entry);
        let text = serde_json::to_vec(&index).unwrap_or_default();
        replace(&path, &text).map_err(Error::file(&path))
    }
}

/// Reads a small file.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    use io::Read as _;
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_MANIFEST).unwrap_or(u64::MAX);
    fs::File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_MANIFEST {
        return Err(io::Error::other(format!("it has more than {MAX_MANIFEST} bytes")));
    }
    Ok(bytes)
}
