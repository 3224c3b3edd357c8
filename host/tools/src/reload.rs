//! Live reload: keeps the snapshot in step with the folder while calls go on, a few files at a time, smallest first.

mod files;

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use porthole_contract::{Digest, Echo, Printable, nearest};
use porthole_sandbox::OpenError;
use tokio::time::{Instant, timeout};

use super::{
    Snapshot, Tool,
    approval::{Admission, Declaration},
    folder::{self, Listing},
    loader::LoadFailure,
    origin::OriginReader,
    snapshot::FileState,
    watch::Watch,
};
use crate::catalog::{Catalog, MAX_FIRST_SCAN_WAIT};
use files::{DANGLING, Files, SETTLE_TIME};

/// Scan interval while files are loading: a smaller file added meanwhile should not wait for the rest. Not after each
/// file, because with thousands of bad files the scans would take quadratic time.
const SCAN_INTERVAL: Duration = Duration::from_millis(200);
/// Files loaded concurrently, so that one whose `describe` never ends does not block the others.
const MAX_PARALLEL: usize = 2;

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
        let admission = Admission::new(self.approvals(), self.audit().clone());
        let origins = OriginReader::new(self.origins().cloned());
        Reloader { catalog: self, files, watch, admission, origins, stage: Stage::Startup }.run().await;
    }
}

/// Keeps one catalog in step with its folder.
struct Reloader<'c> {
    catalog: &'c Catalog,
    files: Files,
    watch: Watch,
    admission: Admission,
    origins: OriginReader,
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
                let begun = Instant::now();
                let listing = self.scan().await;
                last_scan = Some(Instant::now());
                due = self.files.apply(listing, begun, &self.watch, self.stage);
                // Before anything is published: what is approved decides what is served.
                self.files.unpublished |= self.admission.refresh().await;
                let files = &self.files;
                self.files.unpublished |=
                    self.origins.refresh(|file, digest| files.has_loaded(file, digest)).await;
                if self.files.unpublished {
                    self.publish();
                    changed = true;
                }
                self.files.unpublished |= self.admission.save().await;
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
        if self.admission.save().await {
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
                let previous = before.approved(&self.admission).cloned();
                FileState { tool: Some(Arc::from(tool)), previous, failure: None }
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
                // A held version that is no longer in the folder must not be served by a later approval.
                let tool = before.approved(&self.admission).cloned();
                FileState { tool, previous: None, failure: Some(reason) }
            }
        };
        self.catalog.metrics().record_load(loaded.failure.is_none());
        files.loaded.insert(file, loaded);
        files.unpublished = true;
    }

    /// Builds the next snapshot and swaps it in atomically.
    fn publish(&mut self) {
        let Self { catalog, files, admission, origins, stage, .. } = self;
        let stage = *stage;
        files.unpublished = false;
        let before = catalog.current();
        let awaited = |file: &str| {
            stage == Stage::Startup && files.present.contains(file) && !files.loaded.contains_key(file)
        };
        // At startup nothing was served before: precedence between two files must not depend on the order of loading.
        let serving = (stage == Stage::Running).then_some(&*before);
        let mut next = Snapshot::of(catalog.settings(), admission, files.loaded.iter(), serving, awaited);
        // At startup a name may still go to another file, and what is remembered must not depend on the order of loading.
        if stage == Stage::Running {
            next.tools.values().for_each(|tool| admission.record(&Declaration::from(&**tool)));
        }
        let of_registries =
            next.tools.iter().filter_map(|(name, tool)| Some((name.clone(), origins.of(tool)?.clone())));
        next.origins = of_registries.collect();
        for (file, loaded) in &mut files.loaded {
            if loaded.previous.is_some() && !next.held.contains_key(&Printable(file).to_string()) {
                loaded.previous = None;
            }
        }
        for (path, trouble) in admission.troubles() {
            next.failures.insert(Printable(&path).to_string(), Printable(&trouble).to_string());
        }
        if let Some((path, trouble)) = origins.trouble() {
            next.failures.insert(Printable(&path).to_string(), Printable(trouble).to_string());
        }
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
        let served: HashSet<Digest> = files
            .loaded
            .values()
            .flat_map(|loaded| [&loaded.tool, &loaded.previous])
            .flatten()
            .map(|tool| tool.digest)
            .collect();
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
