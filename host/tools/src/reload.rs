//! Keeping the snapshot what the folder says, while calls go on: a few files at a time, the small ones first.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use porthole_contract::{Digest, Echo, Printable, nearest};
use porthole_sandbox::Unreadable;
use tokio::time::{Instant, timeout};

use super::{
    Snapshot, Tool,
    folder::{self, Identity, Listing, MAX_FILES},
    loader::Unserved,
    retries::Retries,
    snapshot::Loaded,
    watch::Watch,
};
use crate::catalog::{Catalog, LOADING};

/// A file that may still be written is looked at this often, and loaded when it has not changed in between.
const STILL: Duration = Duration::from_millis(200);
/// While files are loaded the folder is looked at this often: whatever came meanwhile and is smaller should not wait for
/// the rest, and a look for each of thousands of bad files would take a time that grows with their square.
const LOOK: Duration = Duration::from_millis(200);
/// Files that are loaded side by side, so that one whose `describe` never ends does not hold up the others.
const SIDE_BY_SIDE: usize = 2;

/// What is wrong with a link that leads nowhere.
const DANGLING: &str = "it is a link to a file that is not there.";

/// What is known of each file.
#[derive(Default)]
struct Files {
    loaded: BTreeMap<String, Loaded>,
    /// What each file was when it was last tried.
    tried: HashMap<String, Identity>,
    /// Files that are tried again as they are.
    retries: Retries,
    /// Files that may still be written, as they were at the last look.
    moving: HashMap<String, (Identity, Instant)>,
    /// Files that are being loaded.
    loading: HashSet<String>,
    /// The files that were there at the last look.
    there: HashSet<String>,
    /// Links that lead nowhere.
    dangling: Vec<String>,
    /// What is wrong with the folder itself.
    folder: Option<String>,
    /// Something has changed that no snapshot says yet.
    unsaid: bool,
}

/// A loading that did not fail.
enum Loading {
    Loaded(Box<Tool>),
    /// The file has the bytes that are served already.
    Unchanged,
}

/// The result of loading a file.
type Outcome = (String, Result<Loading, Unserved>);

impl Catalog {
    /// Loads the folder, and then whatever changes in it, until the future is dropped.
    pub async fn keep_loaded(&self) {
        let mut files = Files::default();
        let mut watch = Watch::new(&self.folder);
        let mut first = true;
        let begun = Instant::now();
        loop {
            // Before looking, so that nothing falls between the two.
            watch.follow().await;
            let soon = self.bring_up_to_date(&mut files, &watch, first).await;
            if first {
                let snapshot = self.current();
                tracing::info!(
                    tools = snapshot.tools.len(),
                    failed = snapshot.failures.len(),
                    "tools loaded from {}",
                    self.folder.display()
                );
                self.warn_of_unknown_tools(&files);
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

    /// Says which tools the configuration names and no file has: a misspelt name closes nothing.
    fn warn_of_unknown_tools(&self, files: &Files) {
        let tools = files.loaded.values().filter_map(|loaded| loaded.tool.as_ref());
        let names: Vec<&str> = tools.map(|tool| &*tool.description.name).collect();
        for unknown in
            self.loader.settings.named_tools().filter(|name| !names.iter().any(|known| known == name))
        {
            let near = nearest(unknown, names.iter().copied(), 0.8, 1);
            let meant = near.first().map(|near| format!("; is {near} meant?")).unwrap_or_default();
            tracing::warn!("the configuration names the tool {}, which no file has{meant}", Echo(unknown));
        }
    }

    /// Loads what has changed. Returns when to look again, where a file may still be written.
    async fn bring_up_to_date(&self, files: &mut Files, watch: &Watch, first: bool) -> Option<Duration> {
        let mut changed = false;
        let mut due = VecDeque::new();
        let mut under_way = FuturesUnordered::new();
        let mut looked: Option<Instant> = None;
        loop {
            if looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
                let listing = self.look().await;
                looked = Some(Instant::now());
                due = files.see(listing, watch, first);
                if files.unsaid {
                    self.swap_in(files, first);
                    changed = true;
                }
            }
            while under_way.len() < SIDE_BY_SIDE
                && let Some((file, identity)) = due.pop_front()
            {
                if files.tried.insert(file.clone(), identity) != Some(identity) {
                    files.retries.forget(&file);
                }
                files.loading.insert(file.clone());
                under_way.push(self.load_one(file.clone(), files.digest(&file)));
            }
            if under_way.is_empty() {
                // Files that came since the last look have an event, or are seen at the next.
                break;
            }
            // A file may take long, and the folder goes on changing meanwhile.
            let Ok(Some((file, outcome))) = timeout(LOOK, under_way.next()).await else { continue };
            files.loading.remove(&file);
            let served = matches!(outcome, Ok(Loading::Loaded(_)));
            self.take_in(files, file, outcome);
            // A tool is served at once; what failed is said at the next look.
            if served {
                self.swap_in(files, first);
                changed = true;
            }
        }
        if files.unsaid || first {
            self.swap_in(files, false);
        }
        if changed {
            self.prune(files).await;
        }
        (!files.moving.is_empty()).then_some(STILL)
    }

    async fn load_one(&self, file: String, served: Option<Digest>) -> Outcome {
        let path = self.folder.join(&file);
        let loading = async {
            let wasm = self.loader.open(&path).await?;
            if served.as_ref() == Some(wasm.digest()) {
                return Ok(Loading::Unchanged);
            }
            Ok(Loading::Loaded(Box::new(self.loader.load_open(&path, &wasm).await?)))
        };
        (file, loading.await)
    }

    /// Notes what came of loading a file.
    fn take_in(&self, files: &mut Files, file: String, outcome: Result<Loading, Unserved>) {
        let passes = outcome.as_ref().is_err_and(Unserved::is_transient);
        if passes {
            files.retries.failed(&file, Instant::now());
        } else {
            files.retries.forget(&file);
        }
        let before = files.loaded.get(&file).cloned().unwrap_or_default();
        let loaded = match outcome {
            Ok(Loading::Loaded(tool)) => {
                let (name, version) = (&tool.description.name, &tool.description.version);
                tracing::info!(
                    tool = %name,
                    %version,
                    digest = %tool.digest,
                    "tool loaded from {}",
                    Printable(&file)
                );
                Loaded { tool: Some(Arc::from(tool)), failure: None }
            }
            Ok(Loading::Unchanged) if before.failure.is_none() => return,
            Ok(Loading::Unchanged) => Loaded { failure: None, ..before },
            // It was removed between the look and the loading, which the next look shows.
            Err(Unserved::Unreadable(Unreadable::Io(error)))
                if error.kind() == std::io::ErrorKind::NotFound =>
            {
                return;
            }
            Err(reason) => {
                let reason = if passes { format!("{reason}; it is tried again") } else { reason.to_string() };
                // Once, however often it is tried again by itself.
                if !passes || before.failure.as_ref() != Some(&reason) {
                    tracing::error!("{} is not served: {reason}", Printable(&file));
                }
                Loaded { failure: Some(reason), ..before }
            }
        };
        self.metrics.loaded(loaded.failure.is_none());
        files.loaded.insert(file, loaded);
        files.unsaid = true;
    }

    /// Builds the next snapshot and swaps it in whole.
    fn swap_in(&self, files: &mut Files, first: bool) {
        files.unsaid = false;
        let before = self.current();
        let awaited = |file: &str| first && files.there.contains(file) && !files.loaded.contains_key(file);
        // At a cold start nothing was served before: which of two files has a name is not a matter of their sizes.
        let serving = if first { None } else { Some(&*before) };
        let mut next = Snapshot::of(&self.loader.settings, files.loaded.iter(), serving, awaited);
        for file in &files.dangling {
            next.failures.insert(Printable(file).to_string(), DANGLING.to_owned());
        }
        if let Some(reason) = &files.folder {
            next.failures.insert(Printable(&self.folder.to_string_lossy()).to_string(), reason.clone());
        }
        for file in files.loaded.iter().filter(|(_, loaded)| loaded.failure.is_none()).map(|(file, _)| file) {
            let file = Printable(file).to_string();
            // Its name is taken by another file.
            if let Some(reason) = next.failures.get(&file)
                && before.failures.get(&file) != Some(reason)
            {
                tracing::error!("{file} is not served: {reason}");
            }
        }
        let next = Arc::new(next);
        self.metrics.served(next.tools.values().map(|tool| {
            let (name, version) = (&tool.description.name, &tool.description.version);
            (name.to_string(), version.to_string(), tool.digest.to_string())
        }));
        let before = self.snapshot.swap(Arc::clone(&next));
        // Whoever asks before the first loading has ended is answered when it has.
        if *self.loaded.borrow() && !next.serves_as(&before) {
            self.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
        }
    }

    /// What is in the folder. A file system that hangs must not hold an async thread.
    async fn look(&self) -> std::io::Result<Listing> {
        let folder = self.folder.clone();
        tokio::task::spawn_blocking(move || folder::look(&folder)).await.map_err(std::io::Error::other)?
    }

    async fn prune(&self, files: &Files) {
        let Some(cache) = self.loader.compiler.cache.clone() else { return };
        let served: HashSet<Digest> =
            files.loaded.values().filter_map(|loaded| Some(loaded.tool.as_ref()?.digest)).collect();
        let pruned = tokio::task::spawn_blocking(move || cache.prune(&served)).await;
        if let Err(error) = pruned.map_err(std::io::Error::other).and_then(|pruned| pruned) {
            tracing::warn!("compiled code is not tidied up: {error}");
        }
    }
}

impl Files {
    /// Takes in what a look has shown. Returns the files to load, the smallest first; all that was queued before is among
    /// them or no longer so.
    fn see(
        &mut self,
        listing: std::io::Result<Listing>,
        watch: &Watch,
        first: bool,
    ) -> VecDeque<(String, Identity)> {
        let Listing { files, dangling, crowded } = match listing {
            Ok(listing) => listing,
            Err(error) => {
                let then =
                    if first { "name another with --plugins" } else { "its tools are served as they were" };
                self.complain(Some(format!("it cannot be read: {error}; {then}")));
                return VecDeque::new();
            }
        };
        self.complain(
            crowded.then(|| format!("it has more than {MAX_FILES} tools; those after them are left out")),
        );
        if self.dangling != dangling {
            for file in dangling.iter().filter(|file| !self.dangling.contains(file)) {
                tracing::error!("{} is not served: {DANGLING}", Printable(file));
            }
            self.dangling = dangling;
            self.unsaid = true;
        }
        watch.forget_all_but(|file| files.contains_key(file));
        let unsaid = &mut self.unsaid;
        self.loaded.retain(|file, _| {
            let stays = files.contains_key(file);
            if !stays {
                tracing::info!("{} is gone, and its tool with it", Printable(file));
                *unsaid = true;
            }
            stays
        });
        self.tried.retain(|file, _| files.contains_key(file));
        self.retries.forget_all_but(|file| files.contains_key(file));
        self.moving.retain(|file, _| files.contains_key(file));
        self.there = files.keys().cloned().collect();
        self.due(files, watch, first)
    }

    /// The files that have changed and are whole, or are to be tried again, the smallest first.
    fn due(
        &mut self,
        files: BTreeMap<String, Identity>,
        watch: &Watch,
        first: bool,
    ) -> VecDeque<(String, Identity)> {
        let now = Instant::now();
        let mut due: Vec<(String, Identity)> = files
            .into_iter()
            .filter(|(file, identity)| {
                if self.loading.contains(file) {
                    return false;
                }
                if self.tried.get(file) == Some(identity) {
                    return self.retries.is_due(file, now);
                }
                let still = match self.moving.get(file) {
                    Some((before, since)) if before == identity => now.duration_since(*since) >= STILL,
                    _ => {
                        self.moving.insert(file.clone(), (*identity, now));
                        false
                    }
                };
                let whole = first || identity.link || watch.is_whole(file) || still;
                if whole {
                    self.moving.remove(file);
                }
                whole
            })
            .collect();
        due.sort_by_key(|(_, identity)| identity.size);
        due.into()
    }

    /// The digest of the file's tool that is served.
    fn digest(&self, file: &str) -> Option<Digest> {
        Some(self.loaded.get(file)?.tool.as_ref()?.digest)
    }

    /// Notes what is wrong with the folder itself, if anything is.
    fn complain(&mut self, reason: Option<String>) {
        if self.folder != reason {
            if let Some(reason) = &reason {
                tracing::error!("the folder of tools: {reason}");
            }
            self.folder = reason;
            self.unsaid = true;
        }
    }
}
