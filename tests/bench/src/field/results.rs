//! Results of a run, as `docs/benchmarks.json` keeps them; the page is rendered from them.

use serde::{Deserialize, Serialize};

/// Everything that a run has measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Results {
    /// None before the first run.
    pub(crate) run: Option<Run>,
    pub(crate) cells: Vec<Cell>,
    pub(crate) loads: Vec<Load>,
    pub(crate) crowd: Crowd,
    pub(crate) profile: Option<Profile>,
    /// Parts that were not measured, with the reason.
    pub(crate) left: Vec<String>,
}

/// Circumstances of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) date: String,
    pub(crate) commit: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gb: u64,
    pub(crate) kernel: String,
    pub(crate) kubernetes: String,
    pub(crate) etcd: String,
    pub(crate) peer: Option<String>,
    pub(crate) custom_kinds: usize,
    pub(crate) minutes: f64,
    /// True for a trial with few rounds, whose values say little.
    pub(crate) is_quick: bool,
}

/// A program, and the way in which it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Contender {
    /// The API server, asked what Porthole asks it, over kept connections.
    ApiServer,
    /// The API server, asked for whole objects.
    WholeObjects,
    /// Porthole at `/mcp`, over kept connections.
    Porthole,
    /// A second process of the same: how much it differs from the first is noise.
    PortholeAgain,
    /// Porthole at `/mcp`, with a connection for each call.
    Connections,
    /// Porthole at `/sse`, as Dify calls: connect, initialize, call, leave.
    Visit,
    /// npm kubernetes-mcp-server, over kept connections.
    Peer,
}

impl Contender {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::ApiServer => "API server, the same reads",
            Self::WholeObjects => "API server, whole objects",
            Self::Porthole => "Porthole `/mcp`",
            Self::PortholeAgain => "Porthole `/mcp` again (A/A)",
            Self::Connections => "Porthole `/mcp`, a connection a call",
            Self::Visit => "Porthole `/sse`, a Dify visit",
            Self::Peer => "kubernetes-mcp-server",
        }
    }
}

/// One kind of work, by a number of clients, on a cluster of a size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) pods: usize,
    pub(crate) work: String,
    pub(crate) clients: usize,
    /// First line of Porthole's answer: a call that stopped at a limit says so there.
    pub(crate) answer: String,
    pub(crate) rows: Vec<Row>,
}

impl Cell {
    pub(crate) fn row(&self, contender: Contender) -> Option<&Row> {
        self.rows.iter().find(|row| row.contender == contender)
    }
}

/// Measurements of one contender in a cell. Times are milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) contender: Contender,
    pub(crate) p50: Spread,
    pub(crate) p99: f64,
    /// Calls a second.
    pub(crate) rate: Spread,
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    pub(crate) error: Option<String>,
    /// CPU time a call of the contender's own process.
    pub(crate) cpu: Option<f64>,
    /// CPU time a call of the API server and etcd.
    pub(crate) api_cpu: f64,
    /// Highest resident memory of the contender's own process, in kB.
    pub(crate) high_water: Option<u64>,
    /// Reads of a call, and the bytes of their answers.
    pub(crate) reads: Option<Reads>,
}

/// Median of the rounds, with the least and the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// None without values.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let at = |at: usize| values.get(at).copied().map(rounded);
        Some(Self { median: at(values.len() / 2)?, least: at(0)?, most: at(values.len().checked_sub(1)?)? })
    }
}

/// Requests to the API server for one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reads {
    pub(crate) count: usize,
    pub(crate) bytes: u64,
}

/// Latencies at a fixed rate of calls, from the time at which each call was due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Load {
    pub(crate) work: String,
    pub(crate) contender: Contender,
    /// Calls a second that were due.
    pub(crate) rate: f64,
    pub(crate) due: u64,
    pub(crate) answered: u64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

/// Measurements of many clients and of the start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Crowd {
    pub(crate) sessions: Option<Sessions>,
    pub(crate) flood: Option<Flood>,
    pub(crate) visits: Option<Visits>,
    pub(crate) start: Option<Start>,
}

/// Memory of open SSE sessions that do nothing, in kB.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sessions {
    pub(crate) count: usize,
    pub(crate) before: u64,
    pub(crate) after: u64,
}

impl Sessions {
    /// kB of one.
    pub(crate) fn each(&self) -> f64 {
        self.after.saturating_sub(self.before) as f64 / self.count.max(1) as f64
    }
}

/// p99 of a caller's calls at a low rate, alone and while another caller asks as much as it can.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Flood {
    pub(crate) alone: f64,
    pub(crate) beside: f64,
    pub(crate) flooding_clients: usize,
}

/// Dify visits a second, of the host and of a server that answers the same requests from memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Visits {
    pub(crate) host: Spread,
    pub(crate) memory: Spread,
}

/// Start with compiled tools in the cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) tools: usize,
    /// Milliseconds until all of them are served.
    pub(crate) ready: Spread,
    /// Resident memory then, in kB.
    pub(crate) idle: u64,
    /// The part of it that no file backs, in kB: the rest is code. Earlier runs did not measure it.
    pub(crate) idle_anonymous: Option<u64>,
}

/// Processor time of the host by layer, under load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) work: String,
    pub(crate) clients: usize,
    /// Calls a second while it was sampled.
    pub(crate) rate: f64,
    /// Milliseconds of a call.
    pub(crate) call: f64,
    pub(crate) samples: usize,
    pub(crate) layers: Vec<LayerTime>,
}

/// Milliseconds that a call spends in a layer, and those of them in the kernel, the allocator, and copying memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LayerTime {
    pub(crate) layer: String,
    pub(crate) all: f64,
    pub(crate) kernel: f64,
    pub(crate) allocator: f64,
    pub(crate) copying: f64,
}

/// Three places after the point: more would only show in the diff.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_the_median_and_both_ends() {
        let spread = Spread { median: 2.0, least: 1.0, most: 9.123 };
        assert_eq!(Spread::of(vec![9.123_45, 1.0, 2.0]), Some(spread));
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
