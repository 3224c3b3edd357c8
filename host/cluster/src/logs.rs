//! Pod logs: filtered as they arrive, and read no further than the answer needs.

#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod lines;
mod patterns;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use porthole_contract::{Cut, LogQuery, LogText};
use regex::bytes::Regex;

pub use patterns::Patterns;

use porthole_contract::{Failure, Reason};

use super::{
    Client, ReadBudget,
    budget::Scratch,
    mask::{Masking, count},
    objects::{check_length, namespace_segment, parameter, segment},
    server::BoundedResponse,
    work::{TimeSlice, Workers},
};
use lines::{FeedStatus, Lines};

/// Default limit of the text in bytes.
const DEFAULT_LIMIT: u32 = 1 << 20;
/// Min bytes to search in one job: switching threads costs more than searching a few bytes.
const BATCH: usize = 64 << 10;
/// Max bytes of a container's name, and of an RFC 3339 timestamp.
const MAX_CONTAINER: usize = 253;
const MAX_TIME: usize = 64;

/// Reads a log. If time or bytes run out, the part read so far is returned and marked as cut.
pub async fn pod_log(
    client: Client<'_>,
    query: &LogQuery,
    pattern: Option<Arc<Regex>>,
    masking: Masking,
    workers: &Workers,
) -> Result<LogText, Failure> {
    let path = path(query)?;
    let what = format!("the log of pod \"{}\" in namespace {}", query.pod, query.namespace);
    let limit = usize::try_from(query.limit_bytes.unwrap_or(DEFAULT_LIMIT)).unwrap_or(usize::MAX);
    let filter = Filter {
        workers: (pattern.is_some() || masking == Masking::Mask).then_some(workers),
        search: Arc::new(Search {
            lines: Mutex::new(Lines::new(query, pattern, masking, limit.min(client.budget.answer))),
            memory: client.budget.scratch(),
        }),
        budget: client.budget,
        what: &what,
    };
    let answer = client.get(&path, "*/*", &what).await?;
    let mut bytes_read: u64 = 0;
    let cut = match filter.read(answer, &mut bytes_read).await {
        Ok(cut) => cut,
        Err(failure) if bytes_read > 0 && matches!(failure.reason, Reason::OverTime | Reason::OverBytes) => {
            Cut::TimeLimit
        }
        Err(failure) => return Err(failure),
    };
    let (text, lines_read, overflowed) = filter.search.lines().finish();
    client.budget.hold(text.len(), &what).await?;
    if masking == Masking::Mask {
        client.budget.count_masked(count(text.as_bytes()));
    }
    let cut = if overflowed && cut == Cut::Whole { Cut::ByteLimit } else { cut };
    Ok(LogText { text, lines_read, bytes_read, cut })
}

/// Lines of one log, and their memory reservation. Shared, because a job may outlive the call that awaits it.
struct Search {
    lines: Mutex<Lines>,
    memory: Scratch,
}

impl Search {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Filter of one log. It runs in place, or on a worker if there is a pattern to search or lines are masked.
struct Filter<'w> {
    search: Arc<Search>,
    workers: Option<&'w Workers>,
    budget: &'w ReadBudget,
    what: &'w str,
}

impl Filter<'_> {
    /// Reads until the log ends or the answer is full.
    async fn read(&self, mut answer: BoundedResponse<'_>, bytes_read: &mut u64) -> Result<Cut, Failure> {
        let mut batch = Vec::new();
        loop {
            let next = match answer.chunk().now_or_never() {
                Some(next) => next,
                None => {
                    // Search the batch before waiting for more: a quiet log would delay its lines otherwise.
                    if self.feed(&mut batch).await? == FeedStatus::Full {
                        return Ok(Cut::ByteLimit);
                    }
                    answer.chunk().await
                }
            };
            let ended = match next {
                Ok(Some(chunk)) => {
                    *bytes_read = bytes_read.saturating_add(chunk.len() as u64);
                    batch.extend_from_slice(&chunk);
                    if batch.len() < BATCH {
                        continue;
                    }
                    None
                }
                Ok(None) => Some(Ok(Cut::Whole)),
                Err(failure) => Some(Err(failure)),
            };
            if self.feed(&mut batch).await? == FeedStatus::Full {
                return Ok(Cut::ByteLimit);
            }
            if let Some(ended) = ended {
                self.end().await?;
                return ended;
            }
        }
    }

    /// Filters a batch, one time slice after another.
    async fn feed(&self, batch: &mut Vec<u8>) -> Result<FeedStatus, Failure> {
        // The batch plus the most that is kept of it: twice, because folding holds a copy of a line.
        let most = self.search.lines().bytes().saturating_add(batch.len().saturating_mul(3));
        self.search.memory.hold_up_to(most, self.what).await?;
        let Some(workers) = self.workers else {
            let batch = std::mem::take(batch);
            // Without both a batch is only copied, so it needs no worker and cannot exceed its time slice.
            return Ok(self.search.lines().feed(&batch, &mut 0, TimeSlice::unlimited()));
        };
        let bytes = Arc::new(std::mem::take(batch));
        let mut at = 0;
        while at < bytes.len() {
            let (search, bytes) = (Arc::clone(&self.search), Arc::clone(&bytes));
            let job = move |slice| {
                let progress = search.lines().feed(&bytes, &mut at, slice);
                (at, progress)
            };
            let progress;
            (at, progress) = workers.run(self.budget, self.what, job).await?;
            if progress == FeedStatus::Full {
                return Ok(FeedStatus::Full);
            }
        }
        Ok(FeedStatus::NeedsMore)
    }

    /// Ends the last line if it has no line break.
    async fn end(&self) -> Result<(), Failure> {
        if let Some(workers) = self.workers.filter(|_| self.search.lines().within_line()) {
            let search = Arc::clone(&self.search);
            workers.run(self.budget, self.what, move |_| search.lines().end_line()).await?;
        }
        Ok(())
    }
}

fn path(query: &LogQuery) -> Result<String, Failure> {
    let namespace = namespace_segment(&query.namespace)?;
    check_length("container", query.container.as_deref(), MAX_CONTAINER)?;
    check_length("sinceTime", query.since_time.as_deref(), MAX_TIME)?;
    let pod = segment("pod", &query.pod)?;
    let mut path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log");
    let number = |value: Option<u32>| value.map(|value| value.to_string());
    let yes = |on: bool| on.then(|| "true".to_owned());
    let parameters = [
        ("container", query.container.clone()),
        ("previous", yes(query.previous)),
        ("timestamps", yes(query.timestamps)),
        ("tailLines", number(query.tail_lines)),
        ("sinceSeconds", number(query.since_seconds.filter(|_| query.since_time.is_none()))),
        ("sinceTime", query.since_time.clone()),
    ];
    for (key, value) in parameters {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            parameter(&mut path, key, &value);
        }
    }
    Ok(path)
}
