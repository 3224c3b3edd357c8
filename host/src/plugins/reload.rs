//! Keeping the snapshot what the folder says, while calls go on: one file after the other, the small ones first.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    LOADING, Plugins, Snapshot,
    folder::{self, Identity},
    load::Unserved,
    snapshot::Loaded,
    watch::Watch,
};
use crate::sandbox::{Description, Digest};

/// A file that may still be written is looked at this often, and loaded when it has not changed in between.
const STILL: Duration = Duration::from_millis(200);

/// What is known of each file.
#[derive(Default)]
struct Files {
    loaded: BTreeMap<String, Loaded>,
    /// What each file was when it was last tried.
    tried: HashMap<String, Identity>,
    /// Files that may still be written, as they were at the last look.
    moving: HashMap<String, (Identity, Instant)>,
    /// The folder could not be read at the last look.
    unreadable: Option<String>,
}

impl Plugins {
    /// Loads the folder, and then whatever changes in it, until the future is dropped.
    pub(crate) async fn keep_loaded(self: Arc<Self>) {
        let mut files = Files::default();
        let mut watch = Watch::new(&self.folder);
        let mut first = true;
        let begun = Instant::now();
        loop {
            // Before looking, so that nothing falls between the two.
            watch.follow().await;
            let soon = self.bring_up_to_date(&mut files, &watch, first).await;
            if first {
                let snapshot = self.now();
                tracing::info!(
                    tools = snapshot.tools.len(),
                    failed = snapshot.failures.len(),
                    "tools loaded from {}",
                    self.folder.display()
                );
                self.loaded.send_replace(true);
                if begun.elapsed() > LOADING {
                    self.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
                }
                first = false;
            }
            watch.wait(&self.rescan, soon).await;
            if self.try_all_again.swap(false, Ordering::Relaxed) {
                tracing::info!("looking at {} again, as asked", self.folder.display());
                files.tried.clear();
            }
        }
    }

    /// Loads what has changed. Returns when to look again, where a file may still be written.
    async fn bring_up_to_date(&self, files: &mut Files, watch: &Watch, first: bool) -> Option<Duration> {
        let mut changed = false;
        loop {
            let there = match self.look().await {
                Ok(there) => there,
                Err(error) => {
                    self.folder_is_unreadable(files, &error);
                    return None;
                }
            };
            let mut differs = files.unreadable.take().is_some();
            watch.forget_all_but(|file| there.contains_key(file));
            files.loaded.retain(|file, _| {
                let stays = there.contains_key(file);
                if !stays {
                    tracing::info!(file, "file is gone, and its tool with it");
                    differs = true;
                }
                stays
            });
            files.tried.retain(|file, _| there.contains_key(file));
            files.moving.retain(|file, _| there.contains_key(file));
            if differs {
                self.swap_in(files);
                changed = true;
            }
            let Some((file, identity)) = files.next(&there, watch, first) else { break };
            // Looking again after each: whatever came meanwhile and is smaller should not wait for the rest.
            files.tried.insert(file.clone(), identity);
            if self.load_into(files, &file).await {
                self.swap_in(files);
                changed = true;
            }
        }
        if changed {
            self.prune(files).await;
        }
        (!files.moving.is_empty()).then_some(STILL)
    }

    /// Loads one file into what is known of it. Returns whether that changed anything.
    async fn load_into(&self, files: &mut Files, file: &str) -> bool {
        let before = files.loaded.get(file).cloned().unwrap_or_default();
        let served = before.tool.as_ref().map(|tool| tool.digest.clone());
        let loaded = match self.loader.load(&self.folder.join(file), served.as_ref()).await {
            Ok(Some(tool)) => {
                let Description { name, version, .. } = &tool.description;
                tracing::info!(tool = name, version, digest = tool.digest, file, "tool loaded");
                Loaded { tool: Some(Arc::new(tool)), failure: None }
            }
            // The bytes that are served already.
            Ok(None) if before.failure.is_none() => return false,
            Ok(None) => Loaded { failure: None, ..before },
            Err(Unserved::Unreadable(error)) if error.kind() == std::io::ErrorKind::NotFound => return false,
            Err(reason) => {
                tracing::error!("{file} is not served: {reason}");
                Loaded { failure: Some(reason.to_string()), ..before }
            }
        };
        self.figures.loaded(loaded.failure.is_none());
        files.loaded.insert(file.to_owned(), loaded);
        true
    }

    fn folder_is_unreadable(&self, files: &mut Files, error: &std::io::Error) {
        let reason = format!("it cannot be read: {error}; its tools are served as they were");
        if files.unreadable.as_ref() != Some(&reason) {
            tracing::error!("the folder of tools {}: {reason}", self.folder.display());
            files.unreadable = Some(reason);
            self.swap_in(files);
        }
    }

    /// Builds the next snapshot and swaps it in whole.
    fn swap_in(&self, files: &Files) {
        let mut next = Snapshot::of(&self.loader.config, files.loaded.iter());
        if let Some(reason) = &files.unreadable {
            next.failures.insert(self.folder.display().to_string(), reason.clone());
        }
        let next = Arc::new(next);
        self.figures.served(next.tools.values().map(|tool| {
            let Description { name, version, .. } = &tool.description;
            (name.clone(), version.clone(), tool.digest.clone())
        }));
        let before = self.snapshot.swap(Arc::clone(&next));
        // Whoever asks before the first loading has ended is answered when it has.
        if *self.loaded.borrow() && !next.serves_as(&before) {
            self.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
        }
    }

    /// What is in the folder. A file system that hangs must not hold an async thread.
    async fn look(&self) -> std::io::Result<BTreeMap<String, Identity>> {
        let folder = self.folder.clone();
        tokio::task::spawn_blocking(move || folder::files(&folder)).await.map_err(std::io::Error::other)?
    }

    async fn prune(&self, files: &Files) {
        let Some(cache) = self.loader.compiled.clone() else { return };
        let served: HashSet<Digest> =
            files.loaded.values().filter_map(|loaded| Some(loaded.tool.as_ref()?.digest.clone())).collect();
        let pruned = tokio::task::spawn_blocking(move || cache.prune(&served)).await;
        if let Err(error) = pruned.map_err(std::io::Error::other).and_then(|pruned| pruned) {
            tracing::warn!("compiled code is not tidied up: {error}");
        }
    }
}

impl Files {
    /// The smallest file that has changed and is whole.
    fn next(
        &mut self,
        there: &BTreeMap<String, Identity>,
        watch: &Watch,
        first: bool,
    ) -> Option<(String, Identity)> {
        let mut changed: Vec<(&String, &Identity)> =
            there.iter().filter(|(file, identity)| self.tried.get(*file) != Some(identity)).collect();
        changed.sort_by_key(|(_, identity)| identity.size);
        let now = Instant::now();
        for (file, identity) in changed {
            let still = match self.moving.get(file) {
                Some((before, since)) if before == identity => now.duration_since(*since) >= STILL,
                _ => {
                    self.moving.insert(file.clone(), (*identity, now));
                    false
                }
            };
            if first || identity.link || watch.is_whole(file) || still {
                self.moving.remove(file);
                return Some((file.clone(), *identity));
            }
        }
        None
    }
}
