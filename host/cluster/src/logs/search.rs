//! Search of a whole log, of which few lines are returned.

use porthole_contract::{Failure, LogEnd, LogMatches, LogSearch, Reason};

use super::{
    DEFAULT_LIMIT,
    filter::{Filter, ReadEnd, Shared},
    matches::{Matches, SearchPatterns},
    source,
    stamp::Moment,
};
use crate::{
    Client,
    mask::{Masking, count},
    work::Workers,
};

/// Searches a log. If time or bytes run out, what was found so far is returned, with the reason.
pub async fn search_log(
    client: Client<'_>,
    query: &LogSearch,
    patterns: SearchPatterns,
    masking: Masking,
    workers: &Workers,
) -> Result<LogMatches, Failure> {
    // Timestamps are always asked for: the answer says how far the search went.
    let path = source::path(&query.source, true)?;
    let what = source::title(&query.source);
    let until = query.until_time.as_deref().filter(|time| !time.is_empty());
    let until = until.map(|time| Moment::argument("untilTime", time)).transpose()?;
    let limit = usize::try_from(query.limit_bytes.unwrap_or(DEFAULT_LIMIT)).unwrap_or(usize::MAX);
    let limit = limit.min(client.budget.answer);
    let filter = Filter {
        shared: Shared::new(Matches::new(query, patterns, until, masking, limit), client.budget.scratch()),
        workers: Some(workers),
        budget: client.budget,
        what: &what,
        limit: query.read_limit.unwrap_or(u64::MAX),
    };
    let mut answer = client.get(&path, "*/*", &what).await?.searched();
    let mut bytes_read: u64 = 0;
    let end = match filter.read(&mut answer, &mut bytes_read).await {
        Ok(ReadEnd::Log) => LogEnd::Whole,
        Ok(ReadEnd::Full) => LogEnd::UntilTime,
        Ok(ReadEnd::Limit) => LogEnd::ReadLimit,
        Err(failure) if bytes_read > 0 && failure.reason == Reason::OverTime => LogEnd::TimeLimit,
        Err(failure) if bytes_read > 0 && failure.reason == Reason::OverBytes => LogEnd::OverBytes,
        Err(failure) => return Err(failure),
    };
    let found = filter.shared.sink().finish(end);
    let bytes = found.first.len().saturating_add(found.last.len());
    client.budget.hold(bytes, &what).await?;
    if masking == Masking::Mask {
        let masks = [&found.first, &found.last].map(|text| count(text.as_bytes()));
        client.budget.count_masked(masks.into_iter().fold(0, u64::saturating_add));
    }
    Ok(found)
}
