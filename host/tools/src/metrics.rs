//! Metrics of loading and calls: counters and histograms for /metrics, recent calls for the admin page.
//!
//! Names follow the OpenTelemetry semantic conventions for MCP if there is one (`mcp.server.operation.duration`).

mod history;
mod readers;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use porthole_contract::truncate;
use porthole_guard::ReadRecord;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

pub use history::{MINUTES, MinuteMetrics};
pub use readers::Reader;

use crate::{HeldTool, Usage, Verdict, audit::AuditLine};
use history::History;
use readers::Readers;

/// Histogram buckets in seconds, as the convention recommends.
const DURATION_BUCKETS: [f64; 14] =
    [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
/// Maximum number of calls on the admin page.
const MAX_RECENT: usize = 50;
/// Maximum number of durations per tool that p50 and p99 are computed from.
const MAX_DURATIONS: usize = 512;
/// Label of all unknown tools. Their names come from clients, so counting each would let clients grow the metrics.
const UNKNOWN_TOOL: &str = "_other";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    mcp_method_name: &'static str,
    gen_ai_tool_name: String,
    /// Empty if the call succeeded.
    error_type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    tool: String,
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReadLabels {
    verb: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LoadLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ToolInfo {
    tool: String,
    version: String,
    digest: String,
}

/// Maximum bytes of the reads that a label names.
const MAX_ASKED: usize = 128;
/// End of a label that does not name all reads.
const AND_MORE: &str = " and more";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HeldLabels {
    tool: String,
    version: String,
    reason: &'static str,
    /// Reads beyond the approved ones, cut off; empty if there are none.
    asks_for: String,
}

/// A finished call, for the admin page.
#[derive(Debug, Clone)]
pub struct RecentCall {
    /// Timestamp of its end.
    pub at: SystemTime,
    /// Caller's user name.
    pub caller: String,
    /// Client's self-reported name.
    pub client: String,
    /// Tool name, as requested.
    pub tool: String,
    /// Arguments as in the audit line: truncated and redacted.
    pub arguments: String,
    /// Verdict of the call.
    pub verdict: Verdict,
    /// Duration of the call.
    pub took: Duration,
    /// Size of the answer in bytes.
    pub bytes: usize,
}

impl RecentCall {
    /// Converts the audit line of a call that has just ended.
    pub(super) fn of(line: &AuditLine<'_>, took: Duration) -> Self {
        Self {
            at: SystemTime::now(),
            caller: line.caller.to_owned(),
            client: line.client.unwrap_or_default().to_owned(),
            tool: line.tool.to_owned(),
            arguments: serde_json::to_string(&line.arguments).unwrap_or_default(),
            verdict: line.verdict,
            took,
            bytes: line.bytes_out,
        }
    }
}

/// Statistics of one tool's calls.
#[derive(Debug, Clone, Default)]
pub struct ToolMetrics {
    /// Number of finished calls.
    pub calls: u64,
    /// Number of calls with a verdict other than `ok`.
    pub errors: u64,
    /// Verdict of the last failed call.
    pub last_error: Option<Verdict>,
    durations: VecDeque<Duration>,
}

impl ToolMetrics {
    /// Quantile of the recent durations (`part` from 0 to 1); `None` before the first call.
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let mut sorted: Vec<Duration> = self.durations.iter().copied().collect();
        sorted.sort_unstable();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index of a short list"
        )]
        let at = ((sorted.len() as f64 * part).ceil() as usize).saturating_sub(1);
        sorted.get(at).copied()
    }
}

/// Metrics of all tools.
pub struct Metrics {
    durations: Family<OperationLabels, Histogram, fn() -> Histogram>,
    calls: Family<CallLabels, Counter>,
    reads: Family<ReadLabels, Counter>,
    read_bytes: Counter,
    answer_bytes: Counter,
    component_seconds: Counter<f64, std::sync::atomic::AtomicU64>,
    loads: Family<LoadLabels, Counter>,
    tools: Family<ToolInfo, Gauge>,
    held: Family<HeldLabels, Gauge>,
    in_flight: Gauge,
    recent: Mutex<VecDeque<RecentCall>>,
    history: Mutex<History>,
    readers: Mutex<Readers>,
    by_tool: Mutex<BTreeMap<String, ToolMetrics>>,
    last_load: Mutex<Option<SystemTime>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            durations: Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS)),
            calls: Family::default(),
            reads: Family::default(),
            read_bytes: Counter::default(),
            answer_bytes: Counter::default(),
            component_seconds: Counter::default(),
            loads: Family::default(),
            tools: Family::default(),
            held: Family::default(),
            in_flight: Gauge::default(),
            recent: Mutex::default(),
            history: Mutex::default(),
            readers: Mutex::default(),
            by_tool: Mutex::default(),
            last_load: Mutex::default(),
        }
    }
}

impl Metrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "mcp_server_operation_duration",
            "Time of a call of a tool, from its place in the queue to its answer",
            Unit::Seconds,
            self.durations.clone(),
        );
        let porthole = registry.sub_registry_with_prefix("porthole");
        porthole.register("calls", "Calls of tools, by what came of them", self.calls.clone());
        porthole.register("reads", "Reads asked of the cluster for tools", self.reads.clone());
        porthole.register_with_unit(
            "read",
            "Sent by the cluster for tools",
            Unit::Bytes,
            self.read_bytes.clone(),
        );
        porthole.register_with_unit(
            "answer",
            "Sent to clients as answers",
            Unit::Bytes,
            self.answer_bytes.clone(),
        );
        porthole.register_with_unit(
            "component_cpu",
            "Time inside of components",
            Unit::Seconds,
            self.component_seconds.clone(),
        );
        porthole.register("plugin_loads", "Files that were loaded, or could not be", self.loads.clone());
        porthole.register("plugin", "Tools that are served", self.tools.clone());
        porthole.register("tools_held", "Files that wait for an operator's approval", self.held.clone());
        porthole.register(
            "instances",
            "Calls in flight, each in an instance of its own",
            self.in_flight.clone(),
        );
    }

    /// Records a finished call.
    pub(super) fn record_call(&self, known: bool, call: RecentCall, reads: &[ReadRecord], usage: &Usage) {
        let tool = if known { call.tool.clone() } else { UNKNOWN_TOOL.to_owned() };
        let error_type = if call.verdict == Verdict::Ok { "" } else { call.verdict.as_str() };
        let operation =
            OperationLabels { mcp_method_name: "tools/call", gen_ai_tool_name: tool.clone(), error_type };
        self.durations.get_or_create(&operation).observe(call.took.as_secs_f64());
        self.calls.get_or_create(&CallLabels { tool: tool.clone(), verdict: call.verdict.as_str() }).inc();
        for record in reads {
            let failed = record.failed.as_ref().map_or(0, |(count, _)| *count);
            let read = |outcome| self.reads.get_or_create_owned(&ReadLabels { verb: record.verb, outcome });
            read("ok").inc_by(u64::from(record.count.saturating_sub(failed)));
            read("failed").inc_by(u64::from(failed));
        }
        self.read_bytes.inc_by(usage.reads.bytes);
        self.answer_bytes.inc_by(call.bytes as u64);
        self.component_seconds.inc_by(usage.cpu.as_secs_f64());
        if known {
            let mut by_tool = self.by_tool.lock().unwrap_or_else(PoisonError::into_inner);
            let metrics = by_tool.entry(tool).or_default();
            metrics.calls = metrics.calls.saturating_add(1);
            if call.verdict != Verdict::Ok {
                metrics.errors = metrics.errors.saturating_add(1);
                metrics.last_error = Some(call.verdict);
            }
            metrics.durations.push_back(call.took);
            if metrics.durations.len() > MAX_DURATIONS {
                metrics.durations.pop_front();
            }
        }
        let is_error = call.verdict != Verdict::Ok;
        self.history.lock().unwrap_or_else(PoisonError::into_inner).record(
            minute_of(call.at),
            is_error,
            call.took,
        );
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.record(&call.caller, &call.tool, call.at, reads);
        drop(readers);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.push_front(call);
        recent.truncate(MAX_RECENT);
    }

    pub(super) fn record_load(&self, ok: bool) {
        self.loads.get_or_create(&LoadLabels { outcome: if ok { "ok" } else { "failed" } }).inc();
        *self.last_load.lock().unwrap_or_else(PoisonError::into_inner) = Some(SystemTime::now());
    }

    /// Timestamp of the last load attempt.
    pub fn last_load(&self) -> Option<SystemTime> {
        *self.last_load.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the set of served tools.
    pub(super) fn set_tools(&self, tools: impl Iterator<Item = (String, String, String)>) {
        self.tools.clear();
        for (tool, version, digest) in tools {
            self.tools.get_or_create(&ToolInfo { tool, version, digest }).set(1);
        }
    }

    /// Replaces the set of held files.
    pub(super) fn set_held(&self, held: &BTreeMap<String, HeldTool>) {
        self.held.clear();
        for HeldTool { name, version, hold } in held.values() {
            let asks_for = hold.asks_for().unwrap_or_default();
            self.held
                .get_or_create(&HeldLabels {
                    tool: name.to_string(),
                    version: version.to_string(),
                    reason: hold.label(),
                    asks_for: asked(&asks_for),
                })
                .inc();
        }
    }

    /// Counts an instance until the returned guard is dropped.
    pub(super) fn instance(&self) -> Instance {
        self.in_flight.inc();
        Instance(self.in_flight.clone())
    }

    /// Recent calls, newest first.
    pub fn recent(&self) -> Vec<RecentCall> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// The last [`MINUTES`], oldest first.
    pub fn hour(&self) -> Vec<MinuteMetrics> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).hour(minute_of(SystemTime::now()))
    }

    /// The last readers by caller and tool, newest first.
    pub fn readers(&self) -> Vec<Reader> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).list()
    }

    /// Statistics of one tool.
    pub fn of(&self, tool: &str) -> ToolMetrics {
        self.by_tool.lock().unwrap_or_else(PoisonError::into_inner).get(tool).cloned().unwrap_or_default()
    }
}

/// The reads that a label names, the first of them if they are too many.
fn asked(reads: &str) -> String {
    if reads.len() <= MAX_ASKED {
        return reads.to_owned();
    }
    let kept = truncate(reads, MAX_ASKED.saturating_sub(AND_MORE.len()));
    // Half a name may be that of another kind.
    let kept = kept.rsplit_once("; ").map_or(kept, |(whole, _)| whole);
    format!("{kept}{AND_MORE}")
}

/// Minutes from the epoch to a timestamp.
fn minute_of(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs() / 60)
}

/// Guard that counts a call in flight.
pub(super) struct Instance(Gauge);

impl Drop for Instance {
    fn drop(&mut self) {
        self.0.dec();
    }
}
