//! Catalog of tools: the current snapshot, and notification of its changes.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};

use crate::{Loader, Metrics, Snapshot, Tool, snapshot::FileState};

/// Maximum wait of a request for the first scan, so that a client connecting at startup receives every tool.
pub(crate) const MAX_FIRST_SCAN_WAIT: Duration = Duration::from_secs(10);

/// Tools of one folder.
pub struct Catalog {
    pub(crate) folder: PathBuf,
    pub(crate) loader: Loader,
    pub(crate) metrics: Metrics,
    pub(crate) snapshot: ArcSwap<Snapshot>,
    /// True after the first scan.
    pub(crate) loaded: watch::Sender<bool>,
    /// Incremented if a new snapshot serves other tools than its predecessor.
    pub(crate) changes: watch::Sender<u64>,
    pub(crate) rescan: Notify,
    pub(crate) retry_all: AtomicBool,
}

impl Catalog {
    /// Creates a catalog that is empty until [`Catalog::keep_loaded`] runs.
    pub fn new(folder: PathBuf, loader: Loader) -> Self {
        Self {
            folder,
            loader,
            metrics: Metrics::default(),
            snapshot: ArcSwap::default(),
            loaded: watch::Sender::new(false),
            changes: watch::Sender::new(0),
            rescan: Notify::new(),
            retry_all: AtomicBool::new(false),
        }
    }

    /// Creates a catalog of a single tool, without a folder.
    pub fn of(tool: Tool, loader: Loader) -> Self {
        let catalog = Self::new(PathBuf::new(), loader);
        let (file, loaded) = (tool.file.clone(), FileState { tool: Some(Arc::new(tool)), failure: None });
        let files = [(&file, &loaded)].into_iter();
        catalog.snapshot.store(Arc::new(Snapshot::of(&catalog.loader.settings, files, None, |_| false)));
        catalog.loaded.send_replace(true);
        catalog
    }

    /// Runtimes of the components; the guarded reads run on them too.
    pub fn runtimes(&self) -> Vec<tokio::runtime::Handle> {
        self.loader.engine.runtimes()
    }

    /// Triggers a scan that retries every file, including unchanged files that failed.
    pub fn rescan(&self) {
        self.retry_all.store(true, Ordering::Relaxed);
        self.rescan.notify_one();
    }

    /// Notifies when the set of served tools changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The current snapshot.
    pub fn current(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The current snapshot; waits up to ten seconds for the first scan.
    pub async fn after_first_scan(&self) -> Arc<Snapshot> {
        let _ = tokio::time::timeout(MAX_FIRST_SCAN_WAIT, self.first_scan()).await;
        self.current()
    }

    /// Completes after the first scan.
    pub fn first_scan(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut loaded = self.loaded.subscribe();
        async move {
            // The sender is dropped when the host ends.
            let _ = loaded.wait_for(|loaded| *loaded).await;
        }
    }
}
