//! The tools: loaded from a folder into one immutable snapshot, their arguments checked, their calls bounded.
//!
//! Knows: files, schemas, callers as owners of calls. Does not know: MCP, Kubernetes objects.

mod arguments;
mod concurrency;
mod folder;
mod load;
mod reload;
mod snapshot;
mod tool;
mod watch;
mod writers;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use serde_json::{Map, Value};
use tokio::sync::{Notify, mpsc};

pub(crate) use snapshot::Snapshot;
pub(crate) use tool::Tool;

use crate::{
    config::Config,
    guard::{Reading, ReadingLimits, Tally},
    identity::{Caller, Owner},
    kube::Cluster,
    limits::TO_FINISH,
    sandbox::{CallContext, CompiledCode, Engine, Finished, Outcome, Progress, Stopped},
};
use concurrency::{Busy, Of, Places, Slot};

/// How long a request waits for the first loading to end: a client that comes with the start sees every tool.
const LOADING: Duration = Duration::from_secs(10);
/// One answer may fill this part of a component's memory; parsing it there takes a few times its size.
const ANSWER_PART: u64 = 8;

/// An answer to a call. Everything but an outcome is text for the model.
#[derive(Debug)]
pub(crate) enum Answer {
    Outcome(Outcome),
    Error(String),
    /// The tool said more than its limit: an error, and what there is room for.
    Overlong {
        error: String,
        text: String,
    },
}

/// A call's answer, and what the caller's token turned out to be worth.
pub(crate) struct Answered {
    pub(crate) answer: Answer,
    /// The API server refused the token itself.
    pub(crate) token_refused: bool,
}

/// All tools of this host.
pub(crate) struct Plugins {
    folder: PathBuf,
    config: Config,
    engine: Arc<Engine>,
    /// None: everything is compiled at each start.
    compiled: Option<Arc<CompiledCode>>,
    cluster: Arc<Cluster>,
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
    pub(crate) fn new(
        folder: PathBuf,
        config: Config,
        engine: Arc<Engine>,
        compiled: Option<Arc<CompiledCode>>,
        cluster: Arc<Cluster>,
    ) -> Self {
        let limits = config.host;
        Self {
            in_flight: Places::new(Of::Calls, limits.concurrency, limits.concurrency_per_caller),
            subscriptions: Places::new(Of::Subscriptions, limits.sessions, limits.sessions_per_caller),
            folder,
            config,
            engine,
            compiled,
            cluster,
            snapshot: ArcSwap::default(),
            loaded: tokio::sync::watch::Sender::new(false),
            changes: tokio::sync::watch::Sender::new(0),
            rescan: Notify::new(),
            try_all_again: AtomicBool::new(false),
        }
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

    /// Calls a tool as `caller`. Dropping the future stops the component and its reads.
    pub(crate) async fn call(
        &self,
        name: &str,
        arguments: Map<String, Value>,
        caller: &Caller,
        progress: Option<mpsc::Sender<Progress>>,
    ) -> Answered {
        let refused = |text: String| Answered { answer: Answer::Error(text), token_refused: false };
        let snapshot = self.snapshot().await;
        let Some(tool) = snapshot.tools.get(name).cloned() else {
            tracing::info!(tool = name, caller = caller.owner.username, verdict = "unknown", "call");
            return refused(writers::unknown_tool(name, &snapshot));
        };
        let arguments = match tool.parameters.coerce(arguments) {
            Ok(arguments) => arguments,
            Err(mistake) => {
                tracing::info!(tool = name, caller = caller.owner.username, verdict = "arguments", "call");
                return refused(format!("{name}: {mistake}"));
            }
        };
        let _slot = match self.in_flight.enter(&caller.owner).await {
            Ok(slot) => slot,
            Err(busy) => {
                tracing::warn!(tool = name, caller = caller.owner.username, verdict = "busy", "call");
                return refused(format!("{name}: {busy}"));
            }
        };
        let began = Instant::now();
        let limits = &tool.limits;
        let reading_time = limits.timeout.saturating_sub(TO_FINISH).max(limits.timeout / 2);
        let reading = Reading::new(
            Arc::clone(&self.cluster),
            caller.credential.clone(),
            Arc::clone(&tool.grant),
            ReadingLimits {
                deadline: tokio::time::Instant::now()
                    .checked_add(reading_time)
                    .unwrap_or_else(tokio::time::Instant::now),
                reads: limits.reads,
                bytes: limits.read_bytes,
                answer: usize::try_from(limits.memory / ANSWER_PART).unwrap_or(usize::MAX),
            },
        );
        let call = CallContext { tool: name.to_owned(), reading, output: limits.output, progress };
        let finished = tool.component.call(&arguments, call, limits).await;
        let Finished { tally: Tally { reads, bytes, token_refused }, cpu, memory, .. } = finished;
        let (answer, verdict) = judged(&tool, finished.result);
        tracing::info!(
            tool = name,
            version = tool.description.version,
            caller = caller.owner.username,
            verdict,
            reads,
            bytes,
            ms = began.elapsed().as_millis(),
            cpu_us = cpu.as_micros(),
            memory,
            "call"
        );
        Answered { answer, token_refused }
    }
}

/// The answer to give, and its word in the log.
fn judged(tool: &Tool, result: Result<Outcome, Stopped>) -> (Answer, &'static str) {
    let name = &tool.description.name;
    match result {
        Ok(outcome) => match tool.overlong(outcome) {
            Ok(outcome) => (Answer::Outcome(outcome), "ok"),
            Err(overlong) => (overlong, "overlong"),
        },
        Err(Stopped::Error(text)) => (Answer::Error(text), "error"),
        Err(Stopped::Limit(limit)) => {
            let text = format!(
                "{name} was stopped: {limit}. Ask for less: one namespace, a selector, a limit. The operator can raise it under limits in the configuration."
            );
            (Answer::Error(text), "limit")
        }
        Err(Stopped::Fault(cause)) => {
            tracing::error!(tool = name, version = tool.description.version, "fault: {cause}");
            let text = format!(
                "{name} {} failed by a fault of its own: {cause}. Other tools still work; its author should know.",
                tool.description.version
            );
            (Answer::Error(text), "fault")
        }
    }
}
