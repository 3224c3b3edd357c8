//! Change notification for the tools folder: kernel events if available, polling otherwise.
//!
//! Events only trigger a scan, and report unfinished writes; the scan finds out what changed. A lost, merged or missing
//! event, as on a network file system or after the folder itself was replaced, therefore only delays the reload.
//!
//! Polling by hand, because notify's PollWatcher would walk the folder a second time beside the scan.

use std::{
    collections::HashMap,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, ModifyKind, RenameMode},
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use super::folder::is_tool;

/// Scan interval without events.
const POLL: Duration = Duration::from_secs(2);

/// Write state of a file, from its last event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriteState {
    /// Created or written, and not yet closed.
    Open,
    /// Closed after writing, or renamed into place.
    Complete,
}

/// Event state, shared with the thread that receives the events.
#[derive(Default)]
struct FileEvents {
    changed: Notify,
    /// Only files with a tool's name; missing files are removed at each scan.
    files: Mutex<HashMap<String, WriteState>>,
}

/// Watcher of one folder.
pub(super) struct Watch {
    folder: PathBuf,
    events: Arc<FileEvents>,
    watcher: Option<RecommendedWatcher>,
    /// Inode of the watched folder: the path may lead to another folder later.
    inode: Option<(u64, u64)>,
}

impl Watch {
    /// Creates a watcher that is idle until the first [`follow`](Self::follow).
    pub(super) fn new(folder: &Path) -> Self {
        let events = Arc::new(FileEvents::default());
        Self { folder: folder.to_owned(), events, watcher: None, inode: None }
    }

    /// Watches the folder now at the path, if it is another than before.
    pub(super) async fn follow(&mut self) {
        let metadata = tokio::fs::metadata(&self.folder).await;
        let inode = metadata.ok().map(|metadata| (metadata.dev(), metadata.ino()));
        // Without a watcher it is tried again at each scan: inotify may have been out of watches.
        if inode == self.inode && self.watcher.is_some() {
            return;
        }
        self.inode = inode;
        self.watcher = match watcher(&self.folder, &self.events) {
            Ok(watcher) => {
                tracing::debug!("the events of {} are followed", self.folder.display());
                Some(watcher)
            }
            Err(error) => {
                tracing::debug!(
                    "no events for {}: {error}; it is looked at every {POLL:?}",
                    self.folder.display()
                );
                None
            }
        };
    }

    /// Waits for an event, for `rescan`, or until the next scan is due.
    pub(super) async fn wait(&self, rescan: &Notify, at_most: Option<Duration>) {
        let now = Instant::now();
        let until = now.checked_add(at_most.unwrap_or(POLL)).unwrap_or(now);
        let _ = timeout_at(until, async {
            tokio::select! {
                () = self.events.changed.notified() => {
                    tracing::trace!("an event of {}", self.folder.display());
                }
                () = rescan.notified() => {}
            }
        })
        .await;
    }

    /// True if the last event marked the file as completely written.
    pub(super) fn is_complete(&self, file: &str) -> bool {
        self.files().get(file) == Some(&WriteState::Complete)
    }

    /// Keeps only the files for which `present` holds.
    pub(super) fn retain(&self, present: impl Fn(&str) -> bool) {
        self.files().retain(|file, _| present(file));
    }

    fn files(&self) -> std::sync::MutexGuard<'_, HashMap<String, WriteState>> {
        self.events.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn watcher(folder: &Path, events: &Arc<FileEvents>) -> notify::Result<RecommendedWatcher> {
    let events = Arc::clone(events);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| events.record(event))?;
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

impl FileEvents {
    fn record(&self, event: notify::Result<Event>) {
        if let Ok(event) = event {
            let state = match event.kind {
                // Reads change nothing, and the host itself reads these files.
                EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(WriteState::Complete),
                EventKind::Access(_) => return,
                EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both)) => {
                    Some(WriteState::Complete)
                }
                EventKind::Create(_) | EventKind::Modify(ModifyKind::Data(_)) => Some(WriteState::Open),
                // Removal and changed attributes only trigger the scan.
                _ => None,
            };
            // A rename event with both names lists the new one last.
            let name = event.paths.last().and_then(|path| path.file_name()?.to_str());
            if let (Some(state), Some(name)) = (state, name.filter(|name| is_tool(name))) {
                let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
                files.insert(name.to_owned(), state);
            }
        }
        // On errors too: events may have been lost.
        self.changed.notify_one();
    }
}
