//! What the calls of this host came to: counters and histograms for /metrics, and the last calls for the operator's page.
//!
//! Names follow the semantic conventions of OpenTelemetry for MCP where there is one (`mcp.server.operation.duration`).

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::call::Spent;
use crate::guard::{AuditLine, ReadLog};

/// Seconds, as the convention recommends them.
const SECONDS: [f64; 14] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
/// Calls that the page shows.
const RECENT: usize = 50;
/// Durations of each tool from which p50 and p99 are taken.
const DURATIONS: usize = 512;
/// Tools that are counted by name. Names of tools that do not exist come from clients and are counted together.
const UNKNOWN: &str = "_other";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    mcp_method_name: &'static str,
    gen_ai_tool_name: String,
    /// Empty where there was none.
    error_type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Verdict {
    tool: String,
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Read {
    verb: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Loaded {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ToolInfo {
    tool: String,
    version: String,
    digest: String,
}

/// One call that has ended, as the page shows it.
#[derive(Debug, Clone)]
pub(crate) struct Recent {
    pub(crate) at: SystemTime,
    pub(crate) caller: String,
    pub(crate) client: String,
    pub(crate) tool: String,
    /// As in the audit line: cut, and without what looks like a secret.
    pub(crate) arguments: String,
    pub(crate) verdict: &'static str,
    pub(crate) took: Duration,
    pub(crate) bytes: usize,
}

impl Recent {
    /// The call of an audit line, which has ended now.
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

/// What the calls of one tool came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct ToolFigures {
    pub(crate) calls: u64,
    /// Those with any other verdict than `ok`.
    pub(crate) errors: u64,
    pub(crate) last_error: Option<&'static str>,
    durations: VecDeque<Duration>,
}

impl ToolFigures {
    /// The duration that this part of the last calls did not exceed; None before the first.
    pub(crate) fn quantile(&self, part: f64) -> Option<Duration> {
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

/// All figures.
pub(crate) struct Figures {
    durations: Family<Operation, Histogram, fn() -> Histogram>,
    calls: Family<Verdict, Counter>,
    reads: Family<Read, Counter>,
    read_bytes: Counter,
    answer_bytes: Counter,
    component_seconds: Counter<f64, std::sync::atomic::AtomicU64>,
    loads: Family<Loaded, Counter>,
    tools: Family<ToolInfo, Gauge>,
    in_flight: Gauge,
    recent: Mutex<VecDeque<Recent>>,
    by_tool: Mutex<BTreeMap<String, ToolFigures>>,
    last_load: Mutex<Option<SystemTime>>,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            durations: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            calls: Family::default(),
            reads: Family::default(),
            read_bytes: Counter::default(),
            answer_bytes: Counter::default(),
            component_seconds: Counter::default(),
            loads: Family::default(),
            tools: Family::default(),
            in_flight: Gauge::default(),
            recent: Mutex::default(),
            by_tool: Mutex::default(),
            last_load: Mutex::default(),
        }
    }
}

impl Figures {
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
        porthole.register(
            "instances",
            "Calls in flight, each in an instance of its own",
            self.in_flight.clone(),
        );
    }

    /// A call has ended.
    pub(super) fn ended(&self, known: bool, call: Recent, made: &[ReadLog], spent: &Spent) {
        let tool = if known { call.tool.clone() } else { UNKNOWN.to_owned() };
        let error_type = if call.verdict == "ok" { "" } else { call.verdict };
        let operation =
            Operation { mcp_method_name: "tools/call", gen_ai_tool_name: tool.clone(), error_type };
        self.durations.get_or_create(&operation).observe(call.took.as_secs_f64());
        self.calls.get_or_create(&Verdict { tool: tool.clone(), verdict: call.verdict }).inc();
        for made in made {
            let failed = made.failed.as_ref().map_or(0, |(count, _)| *count);
            let read = |outcome| self.reads.get_or_create_owned(&Read { verb: made.verb, outcome });
            read("ok").inc_by(u64::from(made.count.saturating_sub(failed)));
            read("failed").inc_by(u64::from(failed));
        }
        self.read_bytes.inc_by(spent.tally.bytes);
        self.answer_bytes.inc_by(call.bytes as u64);
        self.component_seconds.inc_by(spent.cpu.as_secs_f64());
        if known {
            let mut by_tool = self.by_tool.lock().unwrap_or_else(PoisonError::into_inner);
            let figures = by_tool.entry(tool).or_default();
            figures.calls = figures.calls.saturating_add(1);
            if call.verdict != "ok" {
                figures.errors = figures.errors.saturating_add(1);
                figures.last_error = Some(call.verdict);
            }
            figures.durations.push_back(call.took);
            if figures.durations.len() > DURATIONS {
                figures.durations.pop_front();
            }
        }
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.push_front(call);
        recent.truncate(RECENT);
    }

    pub(super) fn loaded(&self, ok: bool) {
        self.loads.get_or_create(&Loaded { outcome: if ok { "ok" } else { "failed" } }).inc();
        *self.last_load.lock().unwrap_or_else(PoisonError::into_inner) = Some(SystemTime::now());
    }

    /// When a file was last loaded, or could not be.
    pub(crate) fn last_load(&self) -> Option<SystemTime> {
        *self.last_load.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which tools are served now, for the next look at the metrics.
    pub(super) fn served(&self, tools: impl Iterator<Item = (String, String, String)>) {
        self.tools.clear();
        for (tool, version, digest) in tools {
            self.tools.get_or_create(&ToolInfo { tool, version, digest }).set(1);
        }
    }

    /// One more instance, until what is returned is dropped.
    pub(super) fn instance(&self) -> Instance {
        self.in_flight.inc();
        Instance(self.in_flight.clone())
    }

    /// The last calls, the newest first.
    pub(crate) fn recent(&self) -> Vec<Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub(crate) fn of(&self, tool: &str) -> ToolFigures {
        self.by_tool.lock().unwrap_or_else(PoisonError::into_inner).get(tool).cloned().unwrap_or_default()
    }
}

/// A call in flight.
pub(super) struct Instance(Gauge);

impl Drop for Instance {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_last_calls() {
        let mut figures = ToolFigures::default();
        assert_eq!(figures.quantile(0.5), None);
        figures.durations = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(figures.quantile(0.5), Some(Duration::from_millis(50)));
        assert_eq!(figures.quantile(0.99), Some(Duration::from_millis(99)));
    }

    #[test]
    fn names_that_clients_invent_are_counted_together() {
        let figures = Figures::default();
        for n in 0..100 {
            let call = Recent {
                at: SystemTime::now(),
                caller: "somebody".into(),
                client: String::new(),
                tool: format!("invented_{n}"),
                arguments: String::new(),
                verdict: "unknown",
                took: Duration::ZERO,
                bytes: 1,
            };
            figures.ended(false, call, &[], &Spent::default());
        }
        let mut registry = Registry::default();
        figures.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(text.contains("porthole_calls_total{tool=\"_other\",verdict=\"unknown\"} 100"), "{text}");
        assert!(!text.contains("invented"), "{text}");
        assert_eq!(figures.recent().len(), RECENT);
    }
}
