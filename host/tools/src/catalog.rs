//! The catalog: the current snapshot of served tools, and those who wait for it or for its changes.

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

use crate::{Loader, Metrics, Snapshot, Tool, snapshot::Loaded};

/// How long a request waits for the first loading to end: a client that comes with the start sees every tool.
pub(crate) const LOADING: Duration = Duration::from_secs(10);

/// The tools of one folder.
pub struct Catalog {
    pub(crate) folder: PathBuf,
    pub(crate) loader: Loader,
    pub(crate) metrics: Metrics,
    pub(crate) snapshot: ArcSwap<Snapshot>,
    /// Whether the folder has been scanned once.
    pub(crate) loaded: watch::Sender<bool>,
    /// Counts the snapshots that serve something else than the one before.
    pub(crate) changes: watch::Sender<u64>,
    pub(crate) rescan: Notify,
    pub(crate) try_all_again: AtomicBool,
}

impl Catalog {
    /// A catalog that is empty until [`Catalog::keep_loaded`] runs.
    pub fn new(folder: PathBuf, loader: Loader) -> Self {
        Self {
            folder,
            loader,
            metrics: Metrics::default(),
            snapshot: ArcSwap::default(),
            loaded: watch::Sender::new(false),
            changes: watch::Sender::new(0),
            rescan: Notify::new(),
            try_all_again: AtomicBool::new(false),
        }
    }

    /// A catalog of one tool, and of no folder.
    pub fn of(tool: Tool, loader: Loader) -> Self {
        let catalog = Self::new(PathBuf::new(), loader);
        let (file, loaded) = (tool.file.clone(), Loaded { tool: Some(Arc::new(tool)), failure: None });
        let files = [(&file, &loaded)].into_iter();
        catalog.snapshot.store(Arc::new(Snapshot::of(&catalog.loader.settings, files, None, |_| false)));
        catalog.loaded.send_replace(true);
        catalog
    }

    /// The runtimes that components run on; reading for them happens there, too.
    pub fn runtimes(&self) -> Vec<tokio::runtime::Handle> {
        self.loader.engine.runtimes()
    }

    /// Scans the folder again, and tries every file again, also those that have not changed since they failed.
    pub fn rescan(&self) {
        self.try_all_again.store(true, Ordering::Relaxed);
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

    /// The current snapshot, after waiting up to ten seconds for the first scan.
    pub async fn after_first_scan(&self) -> Arc<Snapshot> {
        let _ = tokio::time::timeout(LOADING, self.first_scan()).await;
        self.current()
    }

    /// Ends when the folder has been scanned once.
    pub fn first_scan(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut loaded = self.loaded.subscribe();
        async move {
            // An error means that the host ends.
            let _ = loaded.wait_for(|loaded| *loaded).await;
        }
    }
}
