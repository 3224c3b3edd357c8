//! One pass over the sources of a folder: revoked tools leave it, sources are pulled, tools without a source leave it, and
//! the lock is written if it changed. The caller decides which sources, and reports.

use std::path::{Path, PathBuf};

use crate::{
    Error, ImageReference, Pulled, Registries, Source, SourcesLock, Tags, Trust, pull, remove, remove_revoked,
};

/// Pass over the sources of a folder.
pub struct Round<'r> {
    folder: &'r Path,
    sources: &'r [Source],
    trust: &'r Trust,
    registries: &'r Registries,
    path: &'r Path,
    before: SourcesLock,
    lock: SourcesLock,
}

impl<'r> Round<'r> {
    /// Reads the lock of sources.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn begin(
        folder: &'r Path,
        lock: &'r Path,
        sources: &'r [Source],
        trust: &'r Trust,
        registries: &'r Registries,
    ) -> Result<Self, Error> {
        let before = SourcesLock::read(lock)?;
        Ok(Self { folder, sources, trust, registries, path: lock, lock: before.clone(), before })
    }

    /// Removes the tools that are revoked; the paths of those that were there. First, so that a registry that fails keeps
    /// none in the folder.
    pub fn remove_revoked(&self) -> Vec<Result<PathBuf, Error>> {
        let removed = self
            .sources
            .iter()
            .map(|source| remove_revoked(&source.image, &self.lock, self.trust, self.folder));
        removed.filter_map(Result::transpose).collect()
    }

    /// Brings one source into the folder.
    ///
    /// # Errors
    ///
    /// As [`pull()`].
    pub async fn pull(&mut self, source: &Source, tags: Tags) -> Result<Pulled, Error> {
        let locked = self.lock.get(&source.image);
        let pulled = pull(source, locked, tags, self.trust, self.registries, self.folder).await?;
        self.lock.insert(&source.image, pulled.tool.clone());
        Ok(pulled)
    }

    /// Removes the tools that no source names any more; the images and paths of those that were there.
    pub fn remove_unnamed(&mut self) -> Vec<Result<(ImageReference, PathBuf), Error>> {
        let mut removed = Vec::new();
        let images: Vec<&ImageReference> = self.sources.iter().map(|source| &source.image).collect();
        for (image, tool) in self.lock.retain(&images) {
            let successor = images.iter().find(|named| named.file_name() == image.file_name());
            if let Some(successor) = successor {
                // It has the same file. Until it was pulled, the entry says what that file is.
                if self.lock.get(successor).is_none() {
                    self.lock.insert(&image, tool);
                }
                continue;
            }
            let path = remove(&image, &tool, self.folder).transpose();
            removed.extend(path.map(|path| path.map(|path| (image, path))));
        }
        removed
    }

    /// Writes the lock if it changed. One that has not may be where nothing can be written, such as in a ConfigMap.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn end(self) -> Result<(), Error> {
        if self.lock == self.before { Ok(()) } else { self.lock.write(self.path) }
    }
}
