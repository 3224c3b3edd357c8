//! Catalog of tools: the current snapshot, and notification of its changes.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use porthole_quota::MemoryTotal;
use prometheus_client::registry::Registry;
use tokio::sync::{Notify, watch};

use crate::{
    ApprovalMode, ApprovalSettings, Audit, Loader, Metrics, OriginSource, Settings, Snapshot, Tool,
    approval::Admission, snapshot::FileState,
};

/// Maximum wait of a request for the first scan, so that a client connecting at startup receives every tool.
pub(crate) const MAX_FIRST_SCAN_WAIT: Duration = Duration::from_secs(10);

/// Tools of one folder.
pub struct Catalog {
    folder: PathBuf,
    loader: Loader,
    approvals: ApprovalSettings,
    origins: Option<OriginSource>,
    audit: Audit,
    metrics: Metrics,
    snapshot: ArcSwap<Snapshot>,
    /// True after the first scan.
    loaded: watch::Sender<bool>,
    /// Incremented if a new snapshot serves other tools than its predecessor.
    changes: watch::Sender<u64>,
    rescan: Notify,
    retry_all: AtomicBool,
}

impl Catalog {
    /// Creates a catalog that is empty until [`Catalog::keep_loaded`] runs.
    pub fn new(folder: PathBuf, loader: Loader) -> Self {
        Self {
            folder,
            loader,
            approvals: ApprovalSettings { mode: ApprovalMode::None, ..ApprovalSettings::default() },
            origins: None,
            audit: Audit::Off,
            metrics: Metrics::default(),
            snapshot: ArcSwap::default(),
            loaded: watch::Sender::new(false),
            changes: watch::Sender::new(0),
            rescan: Notify::new(),
            retry_all: AtomicBool::new(false),
        }
    }

    /// Holds files that go beyond what was approved. Without this every valid file is served.
    #[must_use]
    pub fn with_approvals(self, approvals: ApprovalSettings) -> Self {
        Self { approvals, ..self }
    }

    /// Shows the origins of tools that came from a registry. Without this none is shown.
    #[must_use]
    pub fn with_origins(self, origins: Option<OriginSource>) -> Self {
        Self { origins, ..self }
    }

    /// Audits approvals that take effect.
    #[must_use]
    pub fn with_audit(self, audit: Audit) -> Self {
        Self { audit, ..self }
    }

    /// Creates a catalog of a single tool, without a folder.
    pub fn of(tool: Tool, loader: Loader) -> Self {
        let catalog = Self::new(PathBuf::new(), loader);
        let (file, tool) = (tool.file.clone(), Some(Arc::new(tool)));
        let loaded = FileState { tool, ..FileState::default() };
        let files = [(&file, &loaded)].into_iter();
        let snapshot = Snapshot::of(&catalog.loader.settings, &Admission::open(), files, None, |_| false);
        catalog.snapshot.store(Arc::new(snapshot));
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

    /// The folder of the tools' files.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The loader of files.
    pub(crate) fn loader(&self) -> &Loader {
        &self.loader
    }

    /// Settings of approvals.
    pub(crate) fn approvals(&self) -> &ApprovalSettings {
        &self.approvals
    }

    /// The lock of sources.
    pub(crate) fn origins(&self) -> Option<&OriginSource> {
        self.origins.as_ref()
    }

    /// Destination of the audit lines of approvals.
    pub(crate) fn audit(&self) -> &Audit {
        &self.audit
    }

    /// The operator's settings.
    pub(crate) fn settings(&self) -> &Settings {
        &self.loader.settings
    }

    /// Metrics of loads, tools and calls.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Memory of all calls together.
    pub(crate) fn memory(&self) -> &MemoryTotal {
        &self.loader.engine.memory
    }

    /// Registers the metrics of the compile cache.
    pub(crate) fn register_cache(&self, registry: &mut Registry) {
        if let Some(compiled) = &self.loader.compiler.cache {
            compiled.register(registry);
        }
    }

    /// Replaces the snapshot as a whole, and notifies if it serves other tools.
    pub(crate) fn swap(&self, next: Snapshot) {
        let next = Arc::new(next);
        self.metrics.set_tools(next.tools.values().map(|tool| {
            let (name, version) = (&tool.description.name, &tool.description.version);
            (name.to_string(), version.to_string(), tool.digest.to_string())
        }));
        self.metrics.set_held(&next.held);
        let before = self.snapshot.swap(Arc::clone(&next));
        // Before the end of the first scan, requests wait for it and need no notification.
        if *self.loaded.borrow() && !next.serves_same_tools(&before) {
            self.notify();
        }
    }

    /// Ends the wait for the first scan; `late` if requests gave it up before.
    pub(crate) fn end_first_scan(&self, late: bool) {
        self.loaded.send_replace(true);
        if late {
            self.notify();
        }
    }

    /// Notified when a scan is asked for.
    pub(crate) fn rescan_asked(&self) -> &Notify {
        &self.rescan
    }

    /// True once after a scan of every file was asked for.
    pub(crate) fn take_retry_all(&self) -> bool {
        self.retry_all.swap(false, Ordering::Relaxed)
    }

    fn notify(&self) {
        self.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
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

    /// True after the first scan: every file of the folder was tried.
    pub fn is_loaded(&self) -> bool {
        *self.loaded.borrow()
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
