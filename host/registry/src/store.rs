//! Locations of images: a registry, or a folder. Whatever comes out of one has the digest that was asked for.

use futures::StreamExt as _;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::{
    ContentDigest, Error, ImageReference, Registries,
    client::Repository,
    layout::Layout,
    manifest::{Descriptor, MAX_MANIFEST},
    reference::Location,
};

/// An image's repository.
pub(crate) enum Store {
    Registry(Repository),
    Layout(Layout),
}

impl Store {
    /// Opens the repository of an image; nothing is asked yet.
    pub(crate) fn open(image: &ImageReference, registries: &Registries) -> Result<Self, Error> {
        match &image.location {
            Location::Repository { host, path } => {
                registries.repository(image, host, path).map(Self::Registry)
            }
            Location::Layout(folder) => Ok(Self::Layout(Layout::new(image, folder))),
        }
    }

    /// Digest that the image has: its own, or what its tag points to now.
    pub(crate) async fn resolve(&self, image: &ImageReference) -> Result<ContentDigest, Error> {
        match (image.digest, self) {
            (Some(digest), _) => Ok(digest),
            (None, Self::Registry(repository)) => {
                repository.resolve(image.tag.as_deref().unwrap_or_default()).await
            }
            (None, Self::Layout(layout)) => layout.only(),
        }
    }

    /// Bytes of a manifest.
    pub(crate) async fn manifest(
        &self,
        image: &ImageReference,
        digest: ContentDigest,
    ) -> Result<Vec<u8>, Error> {
        let bytes = match self {
            Self::Registry(repository) => repository.manifest(&digest.to_string()).await?,
            Self::Layout(layout) => layout.small(digest)?,
        };
        // The client library compares too; this is the comparison that the rest of the crate stands on.
        if bytes.len() > MAX_MANIFEST || ContentDigest::of(&bytes) != digest {
            return Err(Error::OtherContent { image: image.at(digest).into(), expected: digest });
        }
        Ok(bytes)
    }

    /// Bytes of the manifest that a tag points to; `None` if there is no such tag.
    pub(crate) async fn tagged(&self, tag: &str) -> Result<Option<Vec<u8>>, Error> {
        let found = match self {
            Self::Registry(repository) => repository.manifest(tag).await,
            Self::Layout(layout) => return layout.tagged(tag),
        };
        match found {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Manifests that refer to this digest.
    pub(crate) async fn referrers(&self, digest: ContentDigest) -> Result<Vec<ContentDigest>, Error> {
        match self {
            Self::Registry(repository) => repository.referrers(digest).await,
            Self::Layout(layout) => layout.referrers(digest),
        }
    }

    /// A small blob, whole.
    pub(crate) async fn small_blob(
        &self,
        image: &ImageReference,
        blob: &Descriptor,
    ) -> Result<Vec<u8>, Error> {
        if blob.size > u64::try_from(MAX_MANIFEST).unwrap_or(u64::MAX) {
            let cause = format!("what is attached to it has {} bytes; it may have {MAX_MANIFEST}", blob.size);
            return Err(Error::Failed { image: image.clone().into(), cause });
        }
        let mut bytes = Vec::new();
        self.blob(image, blob, &mut bytes).await?;
        Ok(bytes)
    }

    /// Streams a blob; an error unless size and digest are those of the descriptor. What was written until then is the
    /// caller's to throw away.
    pub(crate) async fn blob(
        &self,
        image: &ImageReference,
        blob: &Descriptor,
        out: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), Error> {
        let mut chunks = match self {
            Self::Registry(repository) => repository.blob(blob).await?,
            Self::Layout(layout) => layout.blob(blob).await?,
        };
        let (mut hasher, mut received) = (Sha256::new(), 0);
        let other = || Error::OtherContent { image: image.clone().into(), expected: blob.digest };
        let truncated = |received, cause: String| Error::Truncated {
            image: image.clone().into(),
            received,
            size: blob.size,
            cause,
        };
        loop {
            match chunks.next().await {
                Some(Ok(chunk)) => {
                    received += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
                    // Before it is written: a registry that goes on sending does not fill the disk.
                    if received > blob.size {
                        return Err(other());
                    }
                    hasher.update(&chunk);
                    let failed = |error: std::io::Error| Error::Failed {
                        image: image.clone().into(),
                        cause: error.to_string(),
                    };
                    out.write_all(&chunk).await.map_err(failed)?;
                }
                Some(Err(cause)) if received < blob.size => return Err(truncated(received, cause)),
                Some(Err(_)) => return Err(other()),
                None => break,
            }
        }
        if received < blob.size {
            return Err(truncated(received, "the connection ended".to_owned()));
        }
        if ContentDigest::end(hasher) != blob.digest {
            return Err(other());
        }
        Ok(())
    }

    /// Stores a blob, if it is not there yet.
    pub(crate) async fn push_blob(&self, bytes: &[u8]) -> Result<(), Error> {
        match self {
            Self::Registry(repository) => repository.push_blob(bytes).await,
            Self::Layout(layout) => layout.write_blob(bytes),
        }
    }

    /// Stores a manifest under its digest, or under a tag.
    pub(crate) async fn push_manifest(
        &self,
        bytes: &[u8],
        tag: Option<&str>,
        media_type: &str,
    ) -> Result<(), Error> {
        match self {
            Self::Registry(repository) => repository.push_manifest(bytes, tag, media_type).await,
            Self::Layout(layout) => layout.write_manifest(bytes, tag),
        }
    }
}
