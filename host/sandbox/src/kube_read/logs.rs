//! Logs that are read piece by piece, and the translation of searches.

use porthole_guard::OpenLog;
use wasmtime::component::Resource;

use super::{
    super::{
        state::State,
        world::kube_read::{HostLogReader, LogChunk, LogEnd, LogMatches, LogSearch, LogSource},
    },
    ReadResult, translate,
};

impl HostLogReader for State {
    async fn next(&mut self, log: Resource<OpenLog>, max_bytes: u32) -> ReadResult<LogChunk> {
        let _paused = self.meter.paused();
        let (call, table) = self.call_and_table()?;
        let log = table.get_mut(&log)?;
        Ok(translate(call.reader.next_lines(log, max_bytes).await))
    }

    async fn drop(&mut self, log: Resource<OpenLog>) -> wasmtime::Result<()> {
        self.table.delete(log)?;
        Ok(())
    }
}

impl From<porthole_contract::LogChunk> for LogChunk {
    fn from(chunk: porthole_contract::LogChunk) -> Self {
        let porthole_contract::LogChunk { text, lines, end } = chunk;
        Self { text, lines, end: end.map(Into::into) }
    }
}

impl From<LogSource> for porthole_contract::LogSource {
    fn from(source: LogSource) -> Self {
        let LogSource { namespace, pod, container, previous, tail_lines, since_seconds, since_time } = source;
        Self { namespace, pod, container, previous, tail_lines, since_seconds, since_time }
    }
}

impl From<LogSearch> for porthole_contract::LogSearch {
    fn from(query: LogSearch) -> Self {
        let LogSearch {
            source,
            until_time,
            include,
            exclude,
            ignore_case,
            first,
            last,
            context_lines,
            timestamps,
            fold,
            line_bytes,
            limit_bytes,
            read_limit,
        } = query;
        Self {
            source: source.into(),
            until_time,
            include,
            exclude,
            ignore_case,
            first,
            last,
            context_lines,
            timestamps,
            fold,
            line_bytes,
            limit_bytes,
            read_limit,
        }
    }
}

impl From<porthole_contract::LogEnd> for LogEnd {
    fn from(end: porthole_contract::LogEnd) -> Self {
        match end {
            porthole_contract::LogEnd::Whole => Self::Whole,
            porthole_contract::LogEnd::UntilTime => Self::UntilTime,
            porthole_contract::LogEnd::ReadLimit => Self::ReadLimit,
            porthole_contract::LogEnd::OverBytes => Self::OverBytes,
            porthole_contract::LogEnd::TimeLimit => Self::TimeLimit,
        }
    }
}

impl From<porthole_contract::LogMatches> for LogMatches {
    fn from(found: porthole_contract::LogMatches) -> Self {
        let porthole_contract::LogMatches {
            first,
            last,
            matched,
            shown,
            first_match,
            last_match,
            lines_read,
            bytes_read,
            first_line,
            last_line,
            long_lines,
            end,
        } = found;
        Self {
            first,
            last,
            matched,
            shown,
            first_match,
            last_match,
            lines_read,
            bytes_read,
            first_line,
            last_line,
            long_lines,
            end: end.into(),
        }
    }
}
