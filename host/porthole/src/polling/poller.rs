//! Polling by the server itself: with `tools.network: true`, each source with an interval is pulled into the folder that the
//! server watches. What is pulled is a dropped file from there on: loaded, compared with the approvals, served.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use porthole_registry::{ImageReference, Registries, Round, Source, Tags, Trust};
use tokio::{
    runtime::{Builder, Runtime},
    time::{Instant, sleep_until},
};
use tokio_util::task::AbortOnDropHandle;

use super::{PollStatus, Waits};
use crate::{commands::plugin::registry::sources, config::Config};

/// Longest time until the configuration is read again: a digest that was revoked in it is a tool that is still served.
const MAX_IDLE: Duration = Duration::from_secs(60);
/// Max time for a pull to stop, so that it leaves no partial file. One that computes a digest is not waited for.
const STOP: Duration = Duration::from_secs(2);

/// Paths of a server that polls.
#[derive(Debug, Clone)]
pub(crate) struct PollPaths {
    /// Configuration with the sources; read before each poll.
    pub(crate) config: PathBuf,
    /// Folder that the server watches.
    pub(crate) folder: PathBuf,
    /// Lock of sources.
    pub(crate) lock: PathBuf,
}

/// Task that polls; ended when this is dropped.
pub(crate) struct Poller {
    /// A thread of its own: digests of files are computed there, and no request may wait for that.
    runtime: Option<Runtime>,
    task: Option<AbortOnDropHandle<()>>,
    status: Arc<PollStatus>,
}

impl Poller {
    /// Begins to poll.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started.
    pub(crate) fn start(paths: PollPaths) -> anyhow::Result<Self> {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name("registries").enable_all().build();
        let runtime = runtime.context("the thread that polls registries")?;
        let status = Arc::new(PollStatus::default());
        let polls = Polls { paths, status: Arc::clone(&status), schedule: BTreeMap::new() };
        let task = AbortOnDropHandle::new(runtime.spawn(polls.run()));
        Ok(Self { runtime: Some(runtime), task: Some(task), status })
    }

    /// Status of the sources.
    pub(crate) fn status(&self) -> &Arc<PollStatus> {
        &self.status
    }

    /// Stops a pull that is under way, of which nothing is kept.
    pub(crate) async fn stop(mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = tokio::time::timeout(STOP, task).await;
        }
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Without waiting, which a thread that answers requests must not.
            runtime.shutdown_background();
        }
    }
}

/// Sources that are polled, and their next polls.
struct Polls {
    paths: PollPaths,
    status: Arc<PollStatus>,
    schedule: BTreeMap<ImageReference, Schedule>,
}

/// Next poll of a source.
struct Schedule {
    interval: Duration,
    waits: Waits,
    due: Instant,
}

/// Sources, trust and registries of the configuration, and the intervals of the sources that are polled.
struct Configured {
    sources: Vec<Source>,
    trust: Trust,
    registries: Registries,
    intervals: BTreeMap<ImageReference, Duration>,
}

impl Polls {
    async fn run(mut self) {
        let mut mistakes = Waits::new(MAX_IDLE);
        loop {
            let now = Instant::now();
            let next = match self.configured() {
                Ok(configured) => {
                    mistakes = Waits::new(MAX_IDLE);
                    self.reschedule(&configured.intervals, now);
                    self.poll(&configured, now).await;
                    self.schedule.values().map(|schedule| schedule.due).min()
                }
                Err(error) => {
                    self.status.fail_all(&format!("{error:#}; nothing is pulled until that is mended"));
                    Some(mistakes.next(false))
                }
            };
            let idle = now.checked_add(MAX_IDLE).unwrap_or(now);
            sleep_until(next.map_or(idle, |next| next.min(idle))).await;
        }
    }

    fn configured(&self) -> anyhow::Result<Configured> {
        let config = Config::read(&self.paths.config)?;
        let intervals = config.sources.intervals().map_err(|error| anyhow::anyhow!(error))?;
        let (sources, trust, registries) = sources(&config.sources)?;
        Ok(Configured { sources, trust, registries, intervals })
    }

    /// Follows the configuration. A source that is new is due at once.
    fn reschedule(&mut self, intervals: &BTreeMap<ImageReference, Duration>, now: Instant) {
        self.schedule.retain(|image, schedule| intervals.get(image) == Some(&schedule.interval));
        for (image, interval) in intervals {
            let due = || Schedule { interval: *interval, waits: Waits::new(*interval), due: now };
            self.schedule.entry(image.clone()).or_insert_with(due);
        }
        self.status.retain(intervals.keys());
    }

    /// Polls what is due, one source after the other. Tools that were revoked, or have no source any more, leave the folder
    /// whatever is due.
    async fn poll(&mut self, configured: &Configured, now: Instant) {
        let Configured { sources, trust, registries, intervals: _ } = configured;
        let schedule = &self.schedule;
        let is_due =
            |source: &&Source| schedule.get(&source.image).is_some_and(|schedule| schedule.due <= now);
        let due: Vec<&Source> = sources.iter().filter(is_due).collect();
        if self.schedule.is_empty() {
            return;
        }
        let PollPaths { folder, lock, .. } = &self.paths;
        let mut outcomes = Vec::new();
        let ended = match Round::begin(folder, lock, sources, trust, registries) {
            Ok(mut round) => {
                self.report_removed(
                    round
                        .remove_revoked()
                        .into_iter()
                        .map(|removed| removed.map(|path| (path, "it is revoked"))),
                );
                for source in &due {
                    let pulled = round.pull(source, Tags::Followed).await;
                    outcomes.push((&source.image, pulled.map_err(|error| error.to_string())));
                }
                let unnamed = round.remove_unnamed().into_iter();
                self.report_removed(
                    unnamed.map(|removed| removed.map(|(_, path)| (path, "no source names it"))),
                );
                round.end()
            }
            Err(error) => {
                outcomes.extend(due.iter().map(|source| (&source.image, Err(error.to_string()))));
                Ok(())
            }
        };
        for (image, outcome) in outcomes {
            // What is in the folder and not in the lock has no origin, and is looked for again.
            let outcome = match &ended {
                Err(error) if outcome.is_ok() => Err(error.to_string()),
                _ => outcome,
            };
            self.status.record(image, &outcome);
            if let Some(schedule) = self.schedule.get_mut(image) {
                schedule.due = schedule.waits.next(outcome.is_ok());
            }
        }
    }

    fn report_removed(
        &self,
        removed: impl Iterator<Item = Result<(PathBuf, &'static str), porthole_registry::Error>>,
    ) {
        for removed in removed {
            match removed {
                Ok((path, reason)) => tracing::warn!("{} was removed: {reason}", path.display()),
                Err(error) => self.status.fail_all(&error.to_string()),
            }
        }
    }
}
