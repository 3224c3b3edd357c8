//! When to look at the folder again: the kernel's events where there are any, a look now and then where there are none.
//!
//! Events only say *when*, and whether somebody still writes; what has changed is seen by looking. So an event that is
//! lost, merged or never sent, as on a network file system or after the folder itself was replaced, costs a moment.

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

/// Between two looks without an event.
const POLL: Duration = Duration::from_secs(2);

/// What is known about a file from its last event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    /// It was created or written, and not closed yet.
    Open,
    /// It was closed after writing, or renamed into place.
    Whole,
}

/// What the events say, shared with the thread that receives them.
#[derive(Default)]
struct Heard {
    changed: Notify,
    /// Only files with a tool's name; emptied of those that are gone at each look.
    files: Mutex<HashMap<String, Writing>>,
}

/// Watches one folder.
pub(super) struct Watch {
    folder: PathBuf,
    heard: Arc<Heard>,
    watcher: Option<RecommendedWatcher>,
    /// The folder that is watched: another may be there under the same path.
    inode: Option<(u64, u64)>,
}

impl Watch {
    /// Nothing is watched before the first [`follow`](Self::follow).
    pub(super) fn new(folder: &Path) -> Self {
        let heard = Arc::new(Heard::default());
        Self { folder: folder.to_owned(), heard, watcher: None, inode: None }
    }

    /// Watches the folder that is there now, if it is another than before.
    pub(super) async fn follow(&mut self) {
        let metadata = tokio::fs::metadata(&self.folder).await;
        let inode = metadata.ok().map(|metadata| (metadata.dev(), metadata.ino()));
        if inode == self.inode && self.watcher.is_some() {
            return;
        }
        self.inode = inode;
        self.watcher = match watcher(&self.folder, &self.heard) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::debug!(
                    "no events for {}: {error}; it is looked at every {POLL:?}",
                    self.folder.display()
                );
                None
            }
        };
    }

    /// Waits for an event, for `rescan`, or until it is time for a look anyway.
    pub(super) async fn wait(&self, rescan: &Notify, soon: Option<Duration>) {
        let now = Instant::now();
        let until = now.checked_add(soon.unwrap_or(POLL)).unwrap_or(now);
        let _ = timeout_at(until, async {
            tokio::select! {
                () = self.heard.changed.notified() => {}
                () = rescan.notified() => {}
            }
        })
        .await;
    }

    /// Whether an event said that the file is whole.
    pub(super) fn is_whole(&self, file: &str) -> bool {
        self.files().get(file) == Some(&Writing::Whole)
    }

    /// Forgets what was heard of files that are gone.
    pub(super) fn forget_all_but(&self, there: impl Fn(&str) -> bool) {
        self.files().retain(|file, _| there(file));
    }

    fn files(&self) -> std::sync::MutexGuard<'_, HashMap<String, Writing>> {
        self.heard.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn watcher(folder: &Path, heard: &Arc<Heard>) -> notify::Result<RecommendedWatcher> {
    let heard = Arc::clone(heard);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| heard.hear(event))?;
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

impl Heard {
    fn hear(&self, event: notify::Result<Event>) {
        if let Ok(event) = event {
            let writing = match event.kind {
                // Reading a file says nothing, and we read them ourselves.
                EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(Writing::Whole),
                EventKind::Access(_) => return,
                EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both)) => {
                    Some(Writing::Whole)
                }
                EventKind::Create(_) | EventKind::Modify(ModifyKind::Data(_)) => Some(Writing::Open),
                _ => None,
            };
            // Of a rename with both names the second is where the file is now.
            let name = event.paths.last().and_then(|path| path.file_name()?.to_str());
            if let (Some(writing), Some(name)) = (writing, name.filter(|name| is_tool(name))) {
                let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
                files.insert(name.to_owned(), writing);
            }
        }
        // Errors, too: events may have been lost.
        self.changed.notify_one();
    }
}
