//! Live reload: keeps the snapshot in step with the folder while calls go on, a few files at a time, smallest first.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use porthole_contract::{Digest, Echo, Printable, nearest};
use porthole_sandbox::OpenError;
use tokio::time::{Instant, timeout};

use super::{
    Snapshot, Tool,
    folder::{self, Fingerprint, Listing, MAX_FILES, MAX_NAMES},
    loader::LoadFailure,
    retries::Retries,
    snapshot::FileState,
    watch::Watch,
};
use crate::catalog::{Catalog, MAX_FIRST_SCAN_WAIT};

/// Rescan interval for a file that may still be written; it is loaded if unchanged in between.
const SETTLE_TIME: Duration = Duration::from_millis(200);
/// Scan interval while files are loading: a smaller file added meanwhile should not wait for the rest. Not after each
/// file, because with thousands of bad files the scans would take quadratic time.
const SCAN_INTERVAL: Duration = Duration::from_millis(200);
/// Files loaded concurrently, so that one whose `describe` never ends does not block the others.
const MAX_PARALLEL: usize = 2;

/// Error of a dangling link.
const DANGLING: &str = "it is a link to a file that is not there.";

/// State of the files in the folder.
#[derive(Default)]
struct Files {
    loaded: BTreeMap<String, FileState>,
    /// Fingerprint of each file at its last load attempt.
    attempted: HashMap<String, Fingerprint>,
    /// Scheduled retries of unchanged files.
    retries: Retries,
    /// Files that may still be written, with their fingerprint and its first observation.
    unsettled: HashMap<String, (Fingerprint, Instant)>,
    /// Files that are being loaded.
    loading: HashSet<String>,
    /// Files present at the last scan.
    present: HashSet<String>,
    /// Links to missing files.
    dangling: Vec<String>,
    /// Error of the folder itself.
    folder: Option<String>,
    /// True if a change is not yet in a snapshot.
    unpublished: bool,
}

/// Stage of a catalog, which decides how eagerly it loads and what it publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Before the end of the first scan.
    Startup,
    Running,
}

/// Result of a successful load.
enum LoadOutcome {
    Loaded(Box<Tool>),
    /// The file's digest equals that of the served tool.
    Unchanged,
}

/// Result of loading a file, with its name.
type LoadResult = (String, Result<LoadOutcome, LoadFailure>);

impl Catalog {
    /// Loads the folder, then reloads changes until the future is dropped.
    pub async fn keep_loaded(&self) {
        let (files, watch) = (Files::default(), Watch::new(self.folder()));
        Reloader { catalog: self, files, watch, stage: Stage::Startup }.run().await;
    }
}

/// Keeps one catalog in step with its folder.
struct Reloader<'c> {
    catalog: &'c Catalog,
    files: Files,
    watch: Watch,
    stage: Stage,
}

impl Reloader<'_> {
    async fn run(mut self) {
        let begun = Instant::now();
        loop {
            // Before the scan, so that a change between the two still causes an event.
            self.watch.follow().await;
            let is_first = self.stage == Stage::Startup;
            let next_scan = self.refresh().await;
            if is_first {
                let snapshot = self.catalog.current();
                tracing::info!(
                    tools = snapshot.tools.len(),
                    failed = snapshot.failures.len(),
                    "tools loaded from {}",
                    self.catalog.folder().display()
                );
                self.warn_of_unknown_tools();
                // Requests that gave up waiting for the first scan were answered with an incomplete list: notify them.
                self.catalog.end_first_scan(begun.elapsed() > MAX_FIRST_SCAN_WAIT);
            }
            self.watch.wait(self.catalog.rescan_asked(), next_scan).await;
            if self.catalog.take_retry_all() {
                tracing::info!("looking at {} again, as asked", self.catalog.folder().display());
                self.files.attempted.clear();
            }
        }
    }

    /// Warns of configured tool names that no file declares: a misspelt name in `disabled` excludes nothing.
    fn warn_of_unknown_tools(&self) {
        let tools = self.files.loaded.values().filter_map(|loaded| loaded.tool.as_ref());
        let names: Vec<&str> = tools.map(|tool| &*tool.description.name).collect();
        for unknown in
            self.catalog.settings().named_tools().filter(|name| !names.iter().any(|known| known == name))
        {
            let near = nearest(unknown, names.iter().copied(), 0.8, 1);
            let meant = near.first().map(|near| format!("; is {near} meant?")).unwrap_or_default();
            tracing::warn!("the configuration names the tool {}, which no file has{meant}", Echo(unknown));
        }
    }

    /// Loads changed files. Returns the time until the next scan if a file may still be written.
    async fn refresh(&mut self) -> Option<Duration> {
        let mut changed = false;
        let mut due = VecDeque::new();
        let mut in_progress = FuturesUnordered::new();
        let mut last_scan: Option<Instant> = None;
        loop {
            if last_scan.is_none_or(|last_scan| last_scan.elapsed() >= SCAN_INTERVAL) {
                let listing = self.scan().await;
                last_scan = Some(Instant::now());
                due = self.files.apply(listing, &self.watch, self.stage);
                if self.files.unpublished {
                    self.publish();
                    changed = true;
                }
            }
            while in_progress.len() < MAX_PARALLEL
                && let Some((file, fingerprint)) = due.pop_front()
            {
                // Another content: the waits of the former one do not apply.
                if self.files.attempted.insert(file.clone(), fingerprint) != Some(fingerprint) {
                    self.files.retries.forget(&file);
                }
                self.files.loading.insert(file.clone());
                in_progress.push(load_one(self.catalog, file.clone(), self.files.digest(&file)));
            }
            if in_progress.is_empty() {
                // Files added since the last scan cause an event, or are found by the next poll.
                break;
            }
            // Loading may take long; scans continue meanwhile.
            let Ok(Some((file, outcome))) = timeout(SCAN_INTERVAL, in_progress.next()).await else {
                continue;
            };
            self.files.loading.remove(&file);
            let is_new = matches!(outcome, Ok(LoadOutcome::Loaded(_)));
            self.record_outcome(file, outcome);
            // A tool is published at once; a failure with the next scan.
            if is_new {
                self.publish();
                changed = true;
            }
        }
        // Every file was tried, so none is awaited any more.
        let is_first = std::mem::replace(&mut self.stage, Stage::Running) == Stage::Startup;
        if self.files.unpublished || is_first {
            self.publish();
        }
        // After all loads, because an entry that was just compiled is not in `files.loaded` before.
        if changed {
            self.prune().await;
        }
        (!self.files.unsettled.is_empty()).then_some(SETTLE_TIME)
    }

    /// Records the result of loading a file.
    fn record_outcome(&mut self, file: String, outcome: Result<LoadOutcome, LoadFailure>) {
        let files = &mut self.files;
        let transient = outcome.as_ref().is_err_and(LoadFailure::is_transient);
        if transient {
            files.retries.record_failure(&file, Instant::now());
        } else {
            files.retries.forget(&file);
        }
        let before = files.loaded.get(&file).cloned().unwrap_or_default();
        let loaded = match outcome {
            Ok(LoadOutcome::Loaded(tool)) => {
                let (name, version) = (&tool.description.name, &tool.description.version);
                tracing::info!(
                    tool = %name,
                    %version,
                    digest = %tool.digest,
                    "tool loaded from {}",
                    Printable(&file)
                );
                FileState { tool: Some(Arc::from(tool)), failure: None }
            }
            Ok(LoadOutcome::Unchanged) if before.failure.is_none() => return,
            Ok(LoadOutcome::Unchanged) => FileState { failure: None, ..before },
            // Removed between the scan and the load, as the next scan will show.
            Err(LoadFailure::Open(OpenError::Io(error))) if error.kind() == std::io::ErrorKind::NotFound => {
                return;
            }
            Err(failure) => {
                let mut reason = failure.reason();
                if transient {
                    reason.push_str("; it is tried again");
                }
                // Logged once, not at every automatic retry.
                if !transient || before.failure.as_ref() != Some(&reason) {
                    tracing::error!("{} is not served: {reason}", Printable(&file));
                }
                FileState { failure: Some(reason), ..before }
            }
        };
        self.catalog.metrics().record_load(loaded.failure.is_none());
        files.loaded.insert(file, loaded);
        files.unpublished = true;
    }

    /// Builds the next snapshot and swaps it in atomically.
    fn publish(&mut self) {
        let Self { catalog, files, stage, .. } = self;
        let stage = *stage;
        files.unpublished = false;
        let before = catalog.current();
        let awaited = |file: &str| {
            stage == Stage::Startup && files.present.contains(file) && !files.loaded.contains_key(file)
        };
        // At startup nothing was served before: precedence between two files must not depend on the order of loading.
        let serving = (stage == Stage::Running).then_some(&*before);
        let mut next = Snapshot::of(catalog.settings(), files.loaded.iter(), serving, awaited);
        for file in &files.dangling {
            next.failures.insert(Printable(file).to_string(), DANGLING.to_owned());
        }
        if let Some(reason) = &files.folder {
            next.failures.insert(Printable(&catalog.folder().to_string_lossy()).to_string(), reason.clone());
        }
        for file in files.loaded.iter().filter(|(_, loaded)| loaded.failure.is_none()).map(|(file, _)| file) {
            let file = Printable(file).to_string();
            // Loaded without error, but its name belongs to another file.
            if let Some(reason) = next.failures.get(&file)
                && before.failures.get(&file) != Some(reason)
            {
                tracing::error!("{file} is not served: {reason}");
            }
        }
        catalog.swap(next);
    }

    /// Scans the folder on a blocking thread: a hanging file system must not block an async one.
    async fn scan(&self) -> std::io::Result<Listing> {
        let folder = self.catalog.folder().to_owned();
        tokio::task::spawn_blocking(move || folder::scan(&folder)).await.map_err(std::io::Error::other)?
    }

    async fn prune(&self) {
        let files = &self.files;
        let Some(cache) = self.catalog.loader().compiler.cache.clone() else { return };
        let served: HashSet<Digest> =
            files.loaded.values().filter_map(|loaded| Some(loaded.tool.as_ref()?.digest)).collect();
        let pruned = tokio::task::spawn_blocking(move || cache.prune(&served)).await;
        if let Err(error) = pruned.map_err(std::io::Error::other).and_then(|pruned| pruned) {
            tracing::warn!("compiled code is not tidied up: {error}");
        }
    }
}

/// Loads one file, unless it is the one that is served.
async fn load_one(catalog: &Catalog, file: String, served: Option<Digest>) -> LoadResult {
    let path = catalog.folder().join(&file);
    let loading = async {
        let wasm = catalog.loader().open(&path).await?;
        if served.as_ref() == Some(wasm.digest()) {
            return Ok(LoadOutcome::Unchanged);
        }
        Ok(LoadOutcome::Loaded(Box::new(catalog.loader().load_open(&path, &wasm).await?)))
    };
    (file, loading.await)
}

impl Files {
    /// Applies a scan. Returns the files to load, smallest first; the result replaces the previous queue.
    fn apply(
        &mut self,
        listing: std::io::Result<Listing>,
        watch: &Watch,
        stage: Stage,
    ) -> VecDeque<(String, Fingerprint)> {
        let Listing { files, dangling, truncated } = match listing {
            Ok(listing) => listing,
            Err(error) => {
                let then = match stage {
                    Stage::Startup => "name another with --plugins",
                    Stage::Running => "its tools are served as they were",
                };
                self.set_folder_error(Some(format!("it cannot be read: {error}; {then}")));
                return VecDeque::new();
            }
        };
        self.set_folder_error(truncated.then(|| {
            format!(
                "it has more than {MAX_FILES} tools or {MAX_NAMES} entries; those after them are left out"
            )
        }));
        if self.dangling != dangling {
            for file in dangling.iter().filter(|file| !self.dangling.contains(file)) {
                tracing::error!("{} is not served: {DANGLING}", Printable(file));
            }
            self.dangling = dangling;
            self.unpublished = true;
        }
        watch.retain(|file| files.contains_key(file));
        let unpublished = &mut self.unpublished;
        self.loaded.retain(|file, _| {
            let stays = files.contains_key(file);
            if !stays {
                tracing::info!("{} is gone, and its tool with it", Printable(file));
                *unpublished = true;
            }
            stays
        });
        self.attempted.retain(|file, _| files.contains_key(file));
        self.retries.retain(|file| files.contains_key(file));
        self.unsettled.retain(|file, _| files.contains_key(file));
        self.present = files.keys().cloned().collect();
        self.due(files, watch, stage)
    }

    /// Files that changed and are completely written, or whose retry is due, smallest first.
    fn due(
        &mut self,
        files: BTreeMap<String, Fingerprint>,
        watch: &Watch,
        stage: Stage,
    ) -> VecDeque<(String, Fingerprint)> {
        let now = Instant::now();
        let mut due: Vec<(String, Fingerprint)> = files
            .into_iter()
            .filter(|(file, fingerprint)| {
                // Its result updates the state; a further change is found by the scan after that.
                if self.loading.contains(file) {
                    return false;
                }
                if self.attempted.get(file) == Some(fingerprint) {
                    return self.retries.is_due(file, now);
                }
                let is_settled = match self.unsettled.get(file) {
                    Some((before, since)) if before == fingerprint => {
                        now.duration_since(*since) >= SETTLE_TIME
                    }
                    _ => {
                        self.unsettled.insert(file.clone(), (*fingerprint, now));
                        false
                    }
                };
                // At startup waiting would delay every tool; a half-written file fails and is loaded again after its
                // next change.
                let is_complete =
                    stage == Stage::Startup || fingerprint.link || watch.is_complete(file) || is_settled;
                if is_complete {
                    self.unsettled.remove(file);
                }
                is_complete
            })
            .collect();
        due.sort_by_key(|(_, fingerprint)| fingerprint.size);
        due.into()
    }

    /// Digest of the file's loaded tool.
    fn digest(&self, file: &str) -> Option<Digest> {
        Some(self.loaded.get(file)?.tool.as_ref()?.digest)
    }

    /// Sets or clears the error of the folder itself.
    fn set_folder_error(&mut self, reason: Option<String>) {
        if self.folder != reason {
            if let Some(reason) = &reason {
                tracing::error!("the folder of tools: {reason}");
            }
            self.folder = reason;
            self.unpublished = true;
        }
    }
}
