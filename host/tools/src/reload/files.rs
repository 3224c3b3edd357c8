//! State of the files in the folder: what changed since the last scan, and is to be loaded.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    time::Duration,
};

use porthole_contract::{Digest, Printable};
use tokio::time::Instant;

use super::Stage;
use crate::{
    folder::{Fingerprint, Listing, MAX_FILES, MAX_NAMES},
    retries::Retries,
    snapshot::FileState,
    watch::Watch,
};

/// Rescan interval for a file that may still be written; it is loaded if unchanged in between.
pub(super) const SETTLE_TIME: Duration = Duration::from_millis(200);
/// Error of a dangling link.
pub(super) const DANGLING: &str = "it is a link to a file that is not there.";

/// State of the files in the folder.
#[derive(Default)]
pub(super) struct Files {
    pub(super) loaded: BTreeMap<String, FileState>,
    /// Fingerprint of each file at its last load attempt.
    pub(super) attempted: HashMap<String, Fingerprint>,
    /// Scheduled retries of unchanged files.
    pub(super) retries: Retries,
    /// Files that may still be written, with their fingerprint and its first observation.
    pub(super) unsettled: HashMap<String, (Fingerprint, Instant)>,
    /// Files that are being loaded.
    pub(super) loading: HashSet<String>,
    /// Files present at the last scan.
    pub(super) present: HashSet<String>,
    /// Links to missing files.
    pub(super) dangling: Vec<String>,
    /// Error of the folder itself.
    pub(super) folder: Option<String>,
    /// True if a change is not yet in a snapshot.
    pub(super) unpublished: bool,
}

impl Files {
    /// Applies a scan that began at `begun`. Returns the files to load, smallest first; the result replaces the previous
    /// queue.
    pub(super) fn apply(
        &mut self,
        listing: std::io::Result<Listing>,
        begun: Instant,
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
        self.due(files, begun, watch, stage)
    }

    /// Files that changed and are completely written, or whose retry is due, smallest first.
    fn due(
        &mut self,
        files: BTreeMap<String, Fingerprint>,
        begun: Instant,
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
                    // From the end of one scan to the start of another: a busy machine may take long for either.
                    Some((before, since)) if before == fingerprint => {
                        begun.duration_since(*since) >= SETTLE_TIME
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
    pub(super) fn digest(&self, file: &str) -> Option<Digest> {
        Some(self.loaded.get(file)?.tool.as_ref()?.digest)
    }

    /// True if a tool with this digest is loaded from the file: its own, or the one that is served while that is held.
    pub(super) fn has_loaded(&self, file: &str, digest: &Digest) -> bool {
        let state = self.loaded.get(file);
        let tools = state.into_iter().flat_map(|state| [&state.tool, &state.previous]).flatten();
        tools.into_iter().any(|tool| tool.digest == *digest)
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
