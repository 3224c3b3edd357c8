//! Approvals while a host runs: those of the lock and of the configuration, read again when they change, and those that
//! are made when a tool is served first.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::SystemTime};

use porthole_contract::{Digest, ToolName, Version};
use porthole_guard::Grant;

use super::{
    Approval, ApprovalLock, ApprovalMode, Approvals, Decision, Declaration, FIRST_SEEN, Hold, LockError,
    MAX_APPROVALS, decide, granted, reports::Reports,
};
use crate::{Audit, folder::Fingerprint};

/// Advice for a lock that cannot be read.
const MEND: &str =
    "mend it, or move it away and approve what is to be served: porthole plugin approve FILE… --lock FILE";

/// Settings of approvals.
#[derive(Default)]
pub struct ApprovalSettings {
    /// Declarations that need an approval.
    pub mode: ApprovalMode,
    /// Lock that keeps approvals over a restart.
    pub lock: Option<ApprovalLock>,
    /// Approvals of the configuration, as read at the start.
    pub approved: Approvals,
    /// Reads the approvals of the configuration again when its file changes.
    pub configured: Option<ApprovalSource>,
}

/// Configuration file that holds approvals.
#[derive(Clone)]
pub struct ApprovalSource {
    /// Path of the file.
    pub path: PathBuf,
    /// Reads its approvals.
    pub read: Arc<dyn Fn() -> Result<Approvals, String> + Send + Sync>,
}

/// Approvals in effect.
#[derive(Default)]
pub(crate) struct Admission {
    mode: ApprovalMode,
    lock: Option<ApprovalLock>,
    configured: Option<ApprovalSource>,
    /// Approvals of the configuration.
    approved: Approvals,
    /// Approvals of the lock, as last read or written.
    locked: Approvals,
    /// Approvals made by this process that are not in the lock yet. Without a lock they are all that is remembered.
    pending: BTreeMap<ToolName, Approval>,
    /// Highest version of each name that this process has served, with its digest. An approval of the configuration is
    /// not rewritten when a newer version is served, so its version is no floor.
    floors: BTreeMap<ToolName, (Version, Digest)>,
    /// State of both files when they were last read.
    lock_read: Option<Option<Fingerprint>>,
    config_read: Option<Option<Fingerprint>>,
    troubles: Troubles,
    reports: Reports,
}

/// Errors of the files of approvals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Troubles {
    lock: Option<String>,
    saving: Option<String>,
    configuration: Option<String>,
}

/// Result of reading one file again, if it changed.
type Reread<E> = Option<(Option<Fingerprint>, Result<Option<Approvals>, E>)>;

impl Admission {
    /// Serves every file.
    pub(crate) fn open() -> Self {
        Self { mode: ApprovalMode::None, ..Self::default() }
    }

    pub(crate) fn new(settings: &ApprovalSettings, audit: Audit) -> Self {
        let mut reports = Reports::new(audit);
        if settings.mode != ApprovalMode::None {
            reports.report_changes(&Approvals::default(), &settings.approved);
        }
        Self {
            mode: settings.mode,
            lock: settings.lock.clone(),
            configured: settings.configured.clone(),
            approved: settings.approved.clone(),
            reports,
            ..Self::default()
        }
    }

    /// Approvals that count for a name: the remembered one, and the one of the configuration.
    fn given(&self, name: &ToolName) -> Vec<&Approval> {
        let remembered = self.pending.get(name).or_else(|| self.locked.get(name));
        // Under `always` an operator approves; an entry that a host wrote under `wider` is no operator's.
        let remembered =
            remembered.filter(|approval| self.mode != ApprovalMode::Always || approval.by != FIRST_SEEN);
        remembered.into_iter().chain(self.approved.get(name)).collect()
    }

    /// The reads of a served tool if an approval of it names kinds.
    pub(crate) fn bounded_grant(&self, declared: &Declaration<'_>) -> Option<Arc<Grant>> {
        if self.mode == ApprovalMode::None {
            return None;
        }
        granted(&self.given(declared.name), declared).map(Arc::new)
    }

    /// Decides whether a tool is served.
    pub(crate) fn decide(&self, declared: &Declaration<'_>) -> Decision {
        let name = declared.name;
        let given = self.given(name);
        match decide(self.mode, &given, declared) {
            Decision::Approved if self.is_below_floor(declared, &given) => self
                .floors
                .get(name)
                .map_or(Decision::Approved, |(version, _)| Decision::Held(Hold::Older(version.clone()))),
            Decision::New if self.troubles.lock.is_some() => Decision::Held(Hold::Unreadable),
            Decision::Held(Hold::Unapproved) if self.troubles.lock.is_some() => {
                Decision::Held(Hold::Unreadable)
            }
            Decision::New if self.remembered() >= MAX_APPROVALS => Decision::Held(Hold::Full),
            decision => decision,
        }
    }

    /// True for a version below one that was served under the name, unless an operator approved this very file.
    fn is_below_floor(&self, declared: &Declaration<'_>, given: &[&Approval]) -> bool {
        let approved = given.iter().any(|approval| approval.digest == *declared.digest);
        self.mode != ApprovalMode::None
            && !approved
            && self.floors.get(declared.name).is_some_and(|(version, digest)| {
                digest != declared.digest && declared.version.precedes(version)
            })
    }

    /// Number of remembered names.
    fn remembered(&self) -> usize {
        let unsaved = self.pending.keys().filter(|name| self.locked.get(name).is_none()).count();
        self.locked.0.len().saturating_add(unsaved)
    }

    /// Advice for an operator who wants to let a held file in.
    pub(crate) fn advice(&self, hold: &Hold) -> &'static str {
        match (hold, &self.lock, &self.configured) {
            (Hold::Unreadable, ..) => "mend the lock of approvals",
            (Hold::Full, ..) => "take some out of the lock of approvals",
            (_, Some(_), _) => "porthole plugin approve FILE --lock FILE lets it in",
            (_, None, Some(_)) => {
                "porthole plugin approve FILE prints the line for `tools.approved` that lets it in"
            }
            (_, None, None) => {
                "it is held until this host starts anew; a lock of approvals (--lock FILE) remembers longer"
            }
        }
    }

    /// Remembers a tool that is served now: a new one with its reads, a known one with its version.
    pub(crate) fn record(&mut self, declared: &Declaration<'_>) {
        if self.mode == ApprovalMode::None {
            return;
        }
        let name = declared.name;
        let (version, digest) = (declared.version.clone(), *declared.digest);
        let is_higher = self.floors.get(name).is_none_or(|(floor, _)| !version.precedes(floor));
        if is_higher && (self.floors.len() < MAX_APPROVALS || self.floors.contains_key(name)) {
            self.floors.insert(name.clone(), (version.clone(), digest));
        }
        let approval = match self.pending.get(name).or_else(|| self.locked.get(name)) {
            // The lowest version that may come next rises with what is served, and does not fall.
            Some(known) if known.digest == digest || version.precedes(&known.version) => return,
            Some(known) => Approval { version, digest, ..known.clone() },
            None if self.mode == ApprovalMode::Always || self.approved.get(name).is_some() => return,
            None => {
                let at = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
                let reads = Arc::clone(declared.reads);
                let approval =
                    Approval { version, digest, reads, kinds: None, by: FIRST_SEEN.to_owned(), at };
                self.reports.report(name, &approval);
                approval
            }
        };
        self.pending.insert(name.clone(), approval);
    }

    /// Errors of the lock and of the configuration, by path.
    pub(crate) fn troubles(&self) -> impl Iterator<Item = (String, String)> {
        let path = |path: &std::path::Path| path.to_string_lossy().into_owned();
        let Troubles { lock, saving, configuration } = &self.troubles;
        let lock = lock.as_ref().or(saving.as_ref()).zip(self.lock.as_ref());
        let lock = lock.map(|(trouble, lock)| (path(lock.path()), trouble.clone()));
        let configured = configuration.as_ref().zip(self.configured.as_ref());
        let configured = configured.map(|(trouble, configured)| (path(&configured.path), trouble.clone()));
        lock.into_iter().chain(configured)
    }

    /// Reads the lock and the configuration again if they changed. True if a decision may be another now.
    pub(crate) async fn refresh(&mut self) -> bool {
        if self.mode == ApprovalMode::None {
            return false;
        }
        self.reports.send();
        let (lock, configured) = (self.lock.clone(), self.configured.clone());
        let (lock_read, config_read) = (self.lock_read, self.config_read);
        // On a blocking thread: a hanging file system must not block an async one.
        let read = tokio::task::spawn_blocking(move || {
            (reread_lock(lock, lock_read), reread(configured, config_read))
        });
        let Ok((lock, configured)) = read.await else { return false };
        let before = self.troubles.clone();
        let mut changed = false;
        if let Some((fingerprint, read)) = lock {
            changed |= self.apply_lock(read);
            self.lock_read = Some(fingerprint);
        }
        if let Some((fingerprint, read)) = configured {
            changed |= self.apply_configured(read);
            self.config_read = Some(fingerprint);
        }
        changed || self.troubles != before
    }

    fn apply_lock(&mut self, read: Result<Option<Approvals>, LockError>) -> bool {
        match read {
            Ok(Some(approvals)) => {
                self.troubles.lock = None;
                // What an operator wrote goes before what this process would have written.
                self.pending.retain(|name, _| approvals.get(name) == self.locked.get(name));
                let changed = approvals != self.locked;
                self.reports.report_changes(&self.locked, &approvals);
                self.locked = approvals;
                changed
            }
            Ok(None) => {
                self.troubles.lock = None;
                // Gone while this host runs: it remembers, and writes it anew.
                for (name, approval) in std::mem::take(&mut self.locked).0 {
                    self.pending.entry(name).or_insert(approval);
                }
                false
            }
            Err(error) => {
                let trouble = format!("{error}; {MEND}");
                tracing::error!("the lock of approvals: {trouble}");
                self.troubles.lock = Some(trouble);
                false
            }
        }
    }

    fn apply_configured(&mut self, read: Result<Option<Approvals>, String>) -> bool {
        let trouble = match read {
            Ok(Some(approvals)) => {
                self.troubles.configuration = None;
                let changed = approvals != self.approved;
                self.reports.report_changes(&self.approved, &approvals);
                self.approved = approvals;
                return changed;
            }
            Ok(None) => "it is gone".to_owned(),
            Err(error) => error,
        };
        let trouble = format!("{trouble}; its approvals hold as they were");
        tracing::error!("the configuration: {}", porthole_contract::Printable(&trouble));
        self.troubles.configuration = Some(trouble);
        false
    }

    /// Writes what is pending into the lock. True if an error of it appeared or went away, or a decision may be another.
    pub(crate) async fn save(&mut self) -> bool {
        // A lock that cannot be read is the operator's to mend.
        let Some(lock) =
            self.lock.clone().filter(|_| !self.pending.is_empty() && self.troubles.lock.is_none())
        else {
            return false;
        };
        let (pending, known) = (self.pending.clone(), self.locked.clone());
        let written = tokio::task::spawn_blocking(move || {
            let written = lock.change(|approvals| {
                for (name, approval) in pending {
                    // Unless an operator changed it since it was read.
                    if approvals.get(&name) == known.get(&name) {
                        approvals.insert(name, approval);
                    }
                }
            });
            (written, fingerprint(lock.path()))
        });
        let before = self.troubles.saving.take();
        let mut merged = false;
        match written.await {
            Ok((Ok(approvals), fingerprint)) => {
                let mut expected = std::mem::take(&mut self.locked);
                expected.0.append(&mut self.pending);
                // An operator approved since the lock was read: the fingerprint of what is written now hides that.
                merged = approvals != expected;
                self.reports.report_changes(&expected, &approvals);
                self.locked = approvals;
                self.lock_read = Some(fingerprint);
            }
            Ok((Err(error), _)) => {
                let trouble = format!("{error}; approvals hold until this process ends");
                if before.as_ref() != Some(&trouble) {
                    tracing::warn!("the lock of approvals: {trouble}");
                }
                self.troubles.saving = Some(trouble);
            }
            Err(_) => self.troubles.saving.clone_from(&before),
        }
        merged || self.troubles.saving != before
    }
}

fn fingerprint(path: &std::path::Path) -> Option<Fingerprint> {
    std::fs::metadata(path).ok().map(|metadata| Fingerprint::of(&metadata, false))
}

fn reread_lock(lock: Option<ApprovalLock>, last: Option<Option<Fingerprint>>) -> Reread<LockError> {
    let lock = lock?;
    let now = fingerprint(lock.path());
    (last != Some(now)).then(|| (now, lock.read()))
}

fn reread(configured: Option<ApprovalSource>, last: Option<Option<Fingerprint>>) -> Reread<String> {
    let configured = configured?;
    let now = fingerprint(&configured.path);
    let read = || if now.is_some() { (configured.read)().map(Some) } else { Ok(None) };
    (last != Some(now)).then(|| (now, read()))
}
