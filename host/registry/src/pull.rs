//! Pulling: a verified tool becomes a file of the folder that the host serves.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use crate::{
    ContentDigest, Error, ImageReference, LockedTool, Registries, Source, SourcesLock, Trust,
    manifest::{Descriptor, MAX_LAYER, WASM},
    proof,
    replacement::Replacement,
    store::Store,
    verify::{Verified, examine},
};

/// Max time for one tool; a registry that sends a byte now and then would hold the start of a pod for ever.
const PULL: Duration = Duration::from_secs(600);
/// Bytes hashed at once.
const CHUNK: usize = 64 << 10;

/// A tool that is in the folder now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// Its entry of the lock of sources.
    pub tool: LockedTool,
    /// Its file.
    pub path: PathBuf,
    /// True if it was fetched, and not there already.
    pub is_new: bool,
}

/// Handling of a tag that was locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tags {
    /// It is what the lock says.
    Locked,
    /// It is what the registry says now, if a key must have signed that. Without one whoever can write to the registry would
    /// decide what runs, so it is what the lock says.
    Followed,
}

impl Tags {
    /// True if the registry is asked for what the image is now.
    fn follows(self, source: &Source) -> bool {
        self == Self::Followed && source.image.digest().is_none() && !source.signed_by.is_empty()
    }
}

/// Brings a source into a folder. What is there with the locked digest needs no registry, unless tags are followed.
///
/// # Errors
///
/// The first step that fails; the folder then has what it had.
pub async fn pull(
    source: &Source,
    locked: Option<&LockedTool>,
    tags: Tags,
    trust: &Trust,
    registries: &Registries,
    folder: &Path,
) -> Result<Pulled, Error> {
    let path = folder.join(source.image.file_name());
    let pulled = tokio::time::timeout(PULL, pull_to(source, locked, tags, trust, registries, &path)).await;
    pulled.unwrap_or_else(|_| {
        let cause = format!("the tool is not there after {} s", PULL.as_secs());
        Err(Error::Unreachable { image: source.image.clone().into(), cause })
    })
}

async fn pull_to(
    source: &Source,
    locked: Option<&LockedTool>,
    tags: Tags,
    trust: &Trust,
    registries: &Registries,
    path: &Path,
) -> Result<Pulled, Error> {
    let image = &source.image;
    let in_folder = digest_of(path)?;
    // After a change of keys the signature is looked for anew.
    let is_good_enough =
        |tool: &LockedTool| source.signed_by.is_empty() || tool.is_signed_by(&source.signed_by, trust);
    let (mut pinned, mut locked, mut store) = (source.clone(), locked, None);
    if tags.follows(source) {
        let now = store.insert(Store::open(image, registries)?).resolve(image).await?;
        // A tag that has moved is a source that was never pulled: its signature is looked for at the digest that it has now.
        locked = locked.filter(|tool| tool.manifest == now);
        pinned.image = image.at(now);
    }
    if let Some(tool) = locked {
        for digest in [tool.manifest, tool.layer] {
            if trust.revoked.contains(&digest) {
                return Err(Error::Revoked { image: image.clone().into(), digest });
            }
        }
        if in_folder == Some(tool.layer) && is_good_enough(tool) && is_proven(path, tool, source, trust) {
            return Ok(Pulled { tool: tool.clone(), path: path.to_owned(), is_new: false });
        }
        // Otherwise a tag that has moved since is followed by `plugin lock` alone.
        pinned.image = image.at(tool.manifest);
    }
    // Opened late: what is there needs neither registry nor certificate authorities.
    let store = store.map_or_else(|| Store::open(image, registries), Ok)?;
    let verified = examine(&store, &pinned, trust).await?;
    if let Some(tool) = locked.filter(|tool| tool.layer != verified.layer) {
        let cause = format!(
            "its entry has the layer {}, and the manifest {} has {}",
            tool.layer, tool.manifest, verified.layer
        );
        return Err(Error::Lock { image: image.to_string(), cause });
    }
    let Verified { layer, size, .. } = verified;
    let is_new = in_folder != Some(layer);
    if is_new {
        let blob = Descriptor {
            media_type: WASM.to_owned(),
            digest: layer,
            size,
            annotations: Default::default(),
            artifact_type: None,
        };
        fetch(&store, &pinned, &blob, path).await?;
    }
    verified.proof.write(path)?;
    // An entry that is good enough stays as it is, although a signature by another named key was found first: the lock may be in
    // a ConfigMap, and a second signature is no reason to fail the start of a pod.
    let tool = locked.filter(|tool| is_good_enough(tool)).cloned().unwrap_or_else(|| verified.locked());
    Ok(Pulled { tool, path: path.to_owned(), is_new })
}

/// True if what lies beside the file proves the entry of the lock: whoever can write the lock could have made it up.
fn is_proven(path: &Path, tool: &LockedTool, source: &Source, trust: &Trust) -> bool {
    let keys = (!source.signed_by.is_empty()).then(|| trust.keys_of(&source.signed_by));
    proof::holds(path, tool, keys.as_deref())
}

/// Streams a layer to a file beside `path`, which takes its place when it is proven.
async fn fetch(store: &Store, source: &Source, blob: &Descriptor, path: &Path) -> Result<(), Error> {
    let (replacement, file) = Replacement::create(path).map_err(Error::file(path))?;
    let mut file = tokio::fs::File::from_std(file);
    store.blob(&source.image, blob, &mut file).await?;
    file.flush().await.map_err(Error::file(path))?;
    file.sync_all().await.map_err(Error::file(path))?;
    replacement.put_in_place().map_err(Error::file(path))
}

/// Removes the file of an image if it is a revoked tool, so that a host that serves it stops. Returns its path. The lock
/// tells which layers belong to revoked manifests. No registry is asked: one that fails must not keep a tool in the folder.
///
/// # Errors
///
/// If it cannot be read or removed.
pub fn remove_revoked(
    image: &ImageReference,
    lock: &SourcesLock,
    trust: &Trust,
    folder: &Path,
) -> Result<Option<PathBuf>, Error> {
    let path = folder.join(image.file_name());
    let Some(served) = digest_of(&path)? else { return Ok(None) };
    let by_manifest = lock.tools().any(|tool| tool.layer == served && trust.revoked.contains(&tool.manifest));
    if !by_manifest && !trust.revoked.contains(&served) {
        return Ok(None);
    }
    std::fs::remove_file(&path).map_err(Error::file(&path))?;
    proof::remove(&path)?;
    Ok(Some(path))
}

/// Removes the file of a tool whose source is no longer named, if it still is what was pulled. Returns its path.
///
/// # Errors
///
/// If it cannot be read or removed.
pub fn remove(image: &ImageReference, tool: &LockedTool, folder: &Path) -> Result<Option<PathBuf>, Error> {
    let path = folder.join(image.file_name());
    if digest_of(&path)? != Some(tool.layer) {
        return Ok(None);
    }
    std::fs::remove_file(&path).map_err(Error::file(&path))?;
    proof::remove(&path)?;
    Ok(Some(path))
}

/// Digest of a file; `None` if it is not there, or too large to be a tool.
fn digest_of(path: &Path) -> Result<Option<ContentDigest>, Error> {
    let file = match std::fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(Error::file(path))?,
    };
    if file.metadata().map_err(Error::file(path))?.len() > MAX_LAYER {
        return Ok(None);
    }
    let (mut hasher, mut chunk, mut file) = (Sha256::new(), vec![0; CHUNK], file.take(MAX_LAYER));
    loop {
        let read = file.read(&mut chunk).map_err(Error::file(path))?;
        if read == 0 {
            return Ok(Some(ContentDigest::end(hasher)));
        }
        hasher.update(chunk.get(..read).unwrap_or_default());
    }
}
