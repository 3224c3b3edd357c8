//! Pod logs: filtered as they arrive, and read no further than the answer needs.

mod filter;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod held_line;
mod lines;
mod matches;
mod patterns;
mod reader;
mod search;
mod shown;
mod source;
mod stamp;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use porthole_contract::{Cut, Failure, LogQuery, LogText, Reason};
use regex::bytes::Regex;

use super::{
    Client,
    mask::{Masking, count},
    work::Workers,
};
use filter::{Filter, ReadEnd, Shared};
use lines::Lines;

pub use matches::SearchPatterns;
pub use patterns::{Case, Patterns};
pub use reader::{LogReader, open_log};
pub use search::search_log;

/// Default limit of the text in bytes.
const DEFAULT_LIMIT: u32 = 1 << 20;

/// Reads a log. If time or bytes run out, the part read so far is returned and marked as cut.
pub async fn pod_log(
    client: Client<'_>,
    query: &LogQuery,
    pattern: Option<Arc<Regex>>,
    masking: Masking,
    workers: &Workers,
) -> Result<LogText, Failure> {
    let path = source::path(&query.source, query.timestamps)?;
    let what = source::title(&query.source);
    let limit = usize::try_from(query.limit_bytes.unwrap_or(DEFAULT_LIMIT)).unwrap_or(usize::MAX);
    let searched = pattern.is_some();
    let lines = Lines::new(query, pattern, masking, limit.min(client.budget.answer));
    let filter = Filter {
        workers: (searched || masking == Masking::Mask).then_some(workers),
        shared: Shared::new(lines, client.budget.scratch()),
        budget: client.budget,
        what: &what,
        limit: u64::MAX,
    };
    let mut answer = client.get(&path, "*/*", &what).await?;
    if searched {
        answer = answer.searched();
    }
    let mut bytes_read: u64 = 0;
    let cut = match filter.read(&mut answer, &mut bytes_read).await {
        Ok(ReadEnd::Log) => Cut::Whole,
        Ok(ReadEnd::Full | ReadEnd::Limit) => Cut::ByteLimit,
        Err(failure) if bytes_read > 0 && matches!(failure.reason, Reason::OverTime | Reason::OverBytes) => {
            Cut::TimeLimit
        }
        Err(failure) => return Err(failure),
    };
    let (text, lines_read, overflowed) = filter.shared.sink().finish();
    client.budget.hold(text.len(), &what).await?;
    if masking == Masking::Mask {
        client.budget.count_masked(count(text.as_bytes()));
    }
    let cut = if overflowed && cut == Cut::Whole { Cut::ByteLimit } else { cut };
    Ok(LogText { text, lines_read, bytes_read, cut })
}
