//! The tools: loaded from a folder into one immutable snapshot, their arguments checked, their calls bounded.
//!
//! Knows: files, schemas, callers as owners of calls. Does not know: MCP, Kubernetes objects.

mod arguments;
mod call;
mod concurrency;
mod figures;
mod folder;
mod load;
mod refused;
mod reload;
mod retries;
mod snapshot;
mod tool;
mod watch;
mod writers;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

pub(crate) use call::{Answer, Call};
pub(crate) use figures::Figures;
pub(crate) use load::{Loader, Unserved};
pub(crate) use snapshot::Snapshot;
pub(crate) use tool::Tool;

use crate::{guard::Audit, identity::Owner, kube::Cluster};
use concurrency::{Busy, Of, Places, Slot};
use snapshot::Loaded;

/// How long a request waits for the first loading to end: a client that comes with the start sees every tool.
const LOADING: Duration = Duration::from_secs(10);

/// The files of a folder that are loaded, in order.
pub(crate) fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    Ok(folder::look(folder)?.files.into_keys().map(|file| folder.join(file)).collect())
}

/// All tools of this host.
pub(crate) struct Plugins {
    folder: PathBuf,
    loader: Loader,
    cluster: Arc<Cluster>,
    audit: Audit,
    pub(crate) figures: Figures,
    snapshot: ArcSwap<Snapshot>,
    in_flight: Places,
    subscriptions: Places,
    /// The folder has been gone through once.
    loaded: tokio::sync::watch::Sender<bool>,
    /// Counts the snapshots that serve something else than the one before.
    changes: tokio::sync::watch::Sender<u64>,
    rescan: Notify,
    try_all_again: AtomicBool,
}

impl Plugins {
    pub(crate) fn new(folder: PathBuf, loader: Loader, cluster: Arc<Cluster>, audit: Audit) -> Self {
        let limits = loader.config.host;
        Self {
            in_flight: Places::new(Of::Calls, limits.concurrency, limits.concurrency_per_caller),
            subscriptions: Places::new(Of::Subscriptions, limits.sessions, limits.sessions_per_caller),
            folder,
            loader,
            cluster,
            audit,
            figures: Figures::default(),
            snapshot: ArcSwap::default(),
            loaded: tokio::sync::watch::Sender::new(false),
            changes: tokio::sync::watch::Sender::new(0),
            rescan: Notify::new(),
            try_all_again: AtomicBool::new(false),
        }
    }

    /// Has the figures of calls and of compiled code gathered in a registry.
    pub(crate) fn register(&self, registry: &mut prometheus_client::registry::Registry) {
        self.figures.register(registry);
        self.audit.register(registry.sub_registry_with_prefix("porthole"));
        if let Some(compiled) = &self.loader.compiler.cache {
            compiled.register(registry);
        }
    }

    /// The cluster that the tools read.
    pub(crate) fn cluster_address(&self) -> &str {
        self.cluster.server.address()
    }

    /// Has every file of the folder tried again, also those that have not changed since they failed.
    pub(crate) fn rescan(&self) {
        self.try_all_again.store(true, Ordering::Relaxed);
        self.rescan.notify_one();
    }

    /// A place for a subscription to the changes; a client that opens streams without end has none at last.
    pub(crate) async fn subscribe(&self, owner: &Owner) -> Result<Slot, Busy> {
        self.subscriptions.enter(owner).await
    }

    /// Changes whenever other tools are served than before.
    pub(crate) fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Serves one tool, and no folder.
    pub(crate) fn serve_only(&self, tool: Tool) {
        let loaded = Loaded { tool: Some(Arc::new(tool)), failure: None };
        let no_file = String::new();
        let files = [(&no_file, &loaded)].into_iter();
        self.snapshot.store(Arc::new(Snapshot::of(&self.loader.config, files, None, |_| false)));
        self.loaded.send_replace(true);
    }

    /// The tools as they are now.
    pub(crate) fn now(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The tools, once the folder has been gone through, or after a while as they are then.
    pub(crate) async fn snapshot(&self) -> Arc<Snapshot> {
        let _ = tokio::time::timeout(LOADING, self.loaded()).await;
        self.now()
    }

    /// Ends when the folder has been gone through once.
    pub(crate) fn loaded(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut loaded = self.loaded.subscribe();
        async move {
            // An error means that the host ends.
            let _ = loaded.wait_for(|loaded| *loaded).await;
        }
    }
}
