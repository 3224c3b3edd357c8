//! Translation of searches in logs.

use super::super::world::kube_read::{LogEnd, LogMatches, LogSearch, LogSource};

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
            porthole_contract::LogEnd::LogBytes => Self::LogBytes,
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
