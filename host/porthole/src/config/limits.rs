//! Limits in the configuration file: keys, units and bounds. The table is in docs/operating.md.
//!
//! By hand, because bytesize takes `1.5Ki` and `32KB`, turns an overflow into the max and prints `256.0 MiB`, and
//! humantime-serde has no bounds.

use std::{fmt, time::Duration};

use porthole_contract::{CallLimits, HostLimits};
use serde::Deserialize;

/// Maximum memory limit of a tool: one slot of the instance pool.
const MAX_MEMORY: u64 = 2 << 30;

/// A duration with a unit: `500ms`, `30s`, `2m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Span(pub Duration);

impl TryFrom<String> for Span {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let span = humantime::parse_duration(&text)
            .map_err(|error| format!("{text:?} is not a duration ({error}); write it like 30s or 500ms"))?;
        if span < Duration::from_millis(10) || span > Duration::from_secs(3600) {
            return Err(format!("{text:?} is not between 10ms and 1h"));
        }
        Ok(Self(span))
    }
}

/// Units of bytes, the largest first.
const UNITS: [(&str, u64); 3] = [("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];

/// A number of bytes in Kubernetes notation: `32768`, `32Ki`, `128Mi`, `1Gi`. Displayed in its largest exact unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "NumberOrText")]
pub(crate) struct Bytes(pub u64);

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u64),
    Text(String),
}

impl TryFrom<NumberOrText> for Bytes {
    type Error = String;
    fn try_from(value: NumberOrText) -> Result<Self, String> {
        let text = match value {
            NumberOrText::Number(bytes) => return Ok(Self(bytes)),
            NumberOrText::Text(text) => text,
        };
        let (number, factor) = UNITS
            .iter()
            .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))
            .unwrap_or((&text, 1));
        number
            .trim()
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not a number of bytes; write it like 32Ki or 128Mi"))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |factor: u64| self.0 >= factor && self.0.is_multiple_of(factor);
        match UNITS.iter().find(|(_, factor)| fits(*factor)) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

/// Keys under `limits:` of one tool.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CallLimitsText {
    timeout: Option<Span>,
    cpu: Option<Span>,
    memory: Option<Bytes>,
    reads: Option<u32>,
    read_bytes: Option<Bytes>,
    log_bytes: Option<Bytes>,
    output: Option<Bytes>,
}

/// Keys under `limits:` for all tools. The keys of a tool are repeated, because serde cannot both flatten and deny
/// unknown keys.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LimitsText {
    timeout: Option<Span>,
    cpu: Option<Span>,
    memory: Option<Bytes>,
    reads: Option<u32>,
    read_bytes: Option<Bytes>,
    log_bytes: Option<Bytes>,
    output: Option<Bytes>,
    concurrency: Option<u32>,
    concurrency_per_caller: Option<u32>,
    sessions: Option<u32>,
    sessions_per_caller: Option<u32>,
    memory_total: Option<Bytes>,
}

impl LimitsText {
    /// Limits per call, and limits of the host.
    pub(crate) fn limits(self) -> Result<(CallLimits, HostLimits), String> {
        let Self { timeout, cpu, memory, reads, read_bytes, log_bytes, output, .. } = self;
        let call = CallLimitsText { timeout, cpu, memory, reads, read_bytes, log_bytes, output }
            .overlay(CallLimits::default())?;
        let default = HostLimits::default();
        let host = HostLimits {
            concurrency: self.concurrency.unwrap_or(default.concurrency),
            concurrency_per_caller: self.concurrency_per_caller.unwrap_or(default.concurrency_per_caller),
            sessions: self.sessions.unwrap_or(default.sessions),
            sessions_per_caller: self.sessions_per_caller.unwrap_or(default.sessions_per_caller),
            memory_total: self.memory_total.map(|bytes| bytes.0),
        };
        if host.concurrency == 0 || host.concurrency > 1000 {
            return Err(format!("limits.concurrency is {}; it must be 1 to 1000", host.concurrency));
        }
        if host.concurrency_per_caller == 0 {
            return Err("limits.concurrencyPerCaller is 0: nobody could call anything".to_owned());
        }
        if let Some(total) = host.memory_total.filter(|total| total / 2 < call.memory) {
            return Err(format!(
                "limits.memoryTotal is {total} bytes; it must be twice limits.memory ({}) or more, since one caller may take half of it",
                call.memory
            ));
        }
        Ok((call, host))
    }
}

impl CallLimitsText {
    /// Overlays these limits on `base`.
    pub(crate) fn overlay(self, base: CallLimits) -> Result<CallLimits, String> {
        let limits = CallLimits {
            timeout: self.timeout.map_or(base.timeout, |span| span.0),
            cpu: self.cpu.map_or(base.cpu, |span| span.0),
            memory: self.memory.map_or(base.memory, |bytes| bytes.0),
            reads: self.reads.unwrap_or(base.reads),
            read_bytes: self.read_bytes.map_or(base.read_bytes, |bytes| bytes.0),
            log_bytes: self.log_bytes.map_or(base.log_bytes, |bytes| bytes.0),
            output: self.output.map_or(Ok(base.output), |bytes| {
                u32::try_from(bytes.0).map_err(|_| "limits.output is over 4Gi".to_owned())
            })?,
        };
        if limits.memory < 2 << 20 || limits.memory > MAX_MEMORY {
            return Err(format!("limits.memory is {} bytes; it must be 2Mi to 2Gi", limits.memory));
        }
        if limits.output < 256 {
            return Err(format!("limits.output is {}; it must be 256 bytes or more", limits.output));
        }
        Ok(limits)
    }
}
