//! Log that is handed over whole, piece by piece.

use std::{borrow::Cow, sync::Arc};

use futures::FutureExt;
use porthole_contract::{Failure, LogChunk, LogEnd, LogSource, Reason};

use super::{
    filter::{FeedStatus, Shared, Sink},
    held_line::HeldLine,
    lines::MAX_SEARCHED,
    source, stamp,
};
use crate::{
    Client, ReadBudget,
    budget::Purpose,
    connections::ResponseBody,
    mask::{LOOKAHEAD, Masker, Masking, count},
    server::next_chunk,
    work::{TimeSlice, Workers},
};

/// Max bytes of a piece.
const MAX_PIECE: usize = 1 << 20;
/// Min bytes of a piece: the longest line fits, also if each of its bytes is replaced by three.
const MIN_PIECE: usize = 64 << 10;
/// Max pieces asked for behind the end, all of them empty.
const MAX_BEHIND_END: u32 = 8;
/// Max bytes of a line; the rest of it is left out.
const MAX_LINE: usize = MAX_SEARCHED;
const CUT: &[u8] = "… [cut: a long line]".as_bytes();

/// A log that is read piece by piece, in the order of its lines.
pub struct LogReader {
    body: ResponseBody,
    what: String,
    lines: Arc<Shared<WholeLines>>,
    /// Bytes that arrived and are not processed yet, from `at` on.
    arrived: Arc<Vec<u8>>,
    at: usize,
    end: Option<LogEnd>,
    /// Failure of the read, which holds for all that follows: the body may pretend to have ended.
    failed: Option<Failure>,
    /// Pieces that were asked for behind the end.
    behind_end: u32,
}

/// Opens a log.
pub async fn open_log(
    client: Client<'_>,
    source: &LogSource,
    masking: Masking,
) -> Result<LogReader, Failure> {
    let path = source::path(source, true)?;
    let what = source::title(source);
    let body = client.get(&path, "*/*", &what).await?.into_body();
    let lines = Shared::new(WholeLines::new(masking), client.budget.scratch());
    Ok(LogReader {
        body,
        what,
        lines,
        arrived: Arc::default(),
        at: 0,
        end: None,
        failed: None,
        behind_end: 0,
    })
}

impl LogReader {
    /// Reads the next whole lines, of about `max` bytes. If time or bytes run out, those that came are returned with the
    /// reason.
    pub async fn next(
        &mut self,
        max: usize,
        budget: &ReadBudget,
        workers: &Workers,
    ) -> Result<LogChunk, Failure> {
        let max = max.clamp(MIN_PIECE, MAX_PIECE).min(budget.answer);
        if let Some(failure) = &self.failed {
            return Err(failure.clone());
        }
        let read = match self.end {
            None => self.fill(max, budget, workers).await,
            Some(_) => self.count_behind_end(),
        };
        if let Err(failure) = read {
            self.end = Some(match failure.reason {
                Reason::OverTime => LogEnd::TimeLimit,
                Reason::OverBytes => LogEnd::OverBytes,
                // The lines so far are kept for the next try.
                Reason::Throttled => return Err(failure),
                _ => {
                    self.failed = Some(failure.clone());
                    return Err(failure);
                }
            });
        }
        let (text, lines) = self.lines.sink().take();
        budget.count_masked(self.lines.sink().masks(&text));
        Ok(LogChunk { text, lines, end: self.end })
    }

    /// Rejects a loop that asks on for nothing: it costs the component no time.
    fn count_behind_end(&mut self) -> Result<(), Failure> {
        self.behind_end = self.behind_end.saturating_add(1);
        if self.behind_end > MAX_BEHIND_END {
            return Err(Failure::new(Reason::Invalid, format!("{}: it has ended, as `end` said", self.what)));
        }
        Ok(())
    }

    /// Processes lines until there are `max` bytes of them, or the log ends.
    async fn fill(&mut self, max: usize, budget: &ReadBudget, workers: &Workers) -> Result<(), Failure> {
        self.lines.sink().max = max;
        loop {
            if self.process(budget, workers).await? == FeedStatus::Full {
                return Ok(());
            }
            let mut next = Box::pin(next_chunk(&mut self.body, budget, Purpose::Read, &self.what));
            let chunk = match next.as_mut().now_or_never() {
                Some(chunk) => chunk?,
                // Lines that are there are not held back until a quiet log has more.
                None if self.lines.sink().has_lines() => return Ok(()),
                None => next.await?,
            };
            match chunk {
                Some(chunk) => (self.arrived, self.at) = (Arc::new(chunk.to_vec()), 0),
                None => {
                    let lines = Arc::clone(&self.lines);
                    workers.run(budget, &self.what, move |_| lines.sink().end_line()).await?;
                    self.end = Some(LogEnd::Whole);
                    return Ok(());
                }
            }
        }
    }

    /// Processes what has arrived, one time slice after another.
    async fn process(&mut self, budget: &ReadBudget, workers: &Workers) -> Result<FeedStatus, Failure> {
        let rest = self.arrived.len().saturating_sub(self.at);
        let most = self.lines.sink().bytes().saturating_add(rest.saturating_mul(3));
        self.lines.hold_up_to(most, &self.what).await?;
        while self.at < self.arrived.len() {
            let (lines, arrived, mut at) = (Arc::clone(&self.lines), Arc::clone(&self.arrived), self.at);
            let job = move |slice| {
                let status = lines.sink().feed(&arrived, &mut at, slice);
                (at, status)
            };
            let status;
            (self.at, status) = workers.run(budget, &self.what, job).await?;
            if status == FeedStatus::Full {
                return Ok(FeedStatus::Full);
            }
        }
        Ok(FeedStatus::NeedsMore)
    }
}

/// Masks lines and keeps them until they are taken.
struct WholeLines {
    masker: Option<Masker>,
    line: HeldLine,
    ready: Vec<u8>,
    lines: u64,
    max: usize,
}

impl WholeLines {
    fn new(masking: Masking) -> Self {
        let masker = (masking == Masking::Mask).then(Masker::default);
        Self { masker, line: HeldLine::default(), ready: Vec::new(), lines: 0, max: MIN_PIECE }
    }

    fn has_lines(&self) -> bool {
        self.lines > 0
    }

    fn masks(&self, text: &str) -> u64 {
        self.masker.as_ref().map_or(0, |_| count(text.as_bytes()))
    }

    /// The lines so far.
    fn take(&mut self) -> (String, u64) {
        let text = String::from_utf8(std::mem::take(&mut self.ready))
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        (text, std::mem::take(&mut self.lines))
    }

    fn process(&mut self, is_cut: bool) {
        let line = self.line.take();
        let (stamp, text) = stamp::split(&line);
        let masked = match &mut self.masker {
            Some(masker) => {
                let masked = masker.line(text);
                if is_cut {
                    masker.cut();
                }
                masked
            }
            None => Cow::Borrowed(text),
        };
        // The end of a cut line may be half a token, which no rule knows.
        let whole = if is_cut { masked.len().saturating_sub(LOOKAHEAD) } else { masked.len() };
        let shown = masked.get(..whole.min(MAX_LINE)).unwrap_or(&masked);
        self.lines = self.lines.saturating_add(1);
        if let Some(stamp) = stamp {
            self.ready.extend_from_slice(stamp.as_bytes());
            self.ready.push(b' ');
        }
        // Replaced here, so that the bound of a piece counts what a byte that is no UTF-8 becomes.
        self.ready.extend_from_slice(String::from_utf8_lossy(shown).as_bytes());
        if shown.len() < masked.len() {
            self.ready.extend_from_slice(CUT);
        }
        self.ready.push(b'\n');
        self.line.give_back(line);
    }
}

impl Sink for WholeLines {
    fn feed(&mut self, log: &[u8], at: &mut usize, slice: TimeSlice) -> FeedStatus {
        while let Some(rest) = log.get(*at..).filter(|rest| !rest.is_empty()) {
            // A line may become three times as long by replaced bytes.
            if self.ready.len().saturating_add(MAX_LINE.saturating_mul(3)).saturating_add(128) > self.max
                && self.lines > 0
            {
                return FeedStatus::Full;
            }
            let taken = self.line.take_from(rest);
            *at = at.saturating_add(taken.consumed);
            if let Some(is_cut) = taken.complete {
                self.process(is_cut);
            }
            if slice.is_over() {
                return FeedStatus::SliceOver;
            }
        }
        FeedStatus::NeedsMore
    }

    fn end_line(&mut self) {
        if self.within_line() {
            self.process(false);
        }
    }

    fn within_line(&self) -> bool {
        self.line.is_open()
    }

    fn bytes(&self) -> usize {
        // The piece twice, because its text is copied for the component.
        self.line.capacity().saturating_add(self.ready.capacity()).saturating_add(self.max.saturating_mul(2))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use porthole_contract::Credential;

    use super::*;
    use crate::answering::answering;

    fn source() -> LogSource {
        LogSource { namespace: "shop".into(), pod: "web".into(), ..LogSource::default() }
    }

    async fn read(log: Vec<u8>, max: usize, bytes: u64) -> (String, u64, LogEnd) {
        let server = answering(log).await;
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        let budget = ReadBudget::new(deadline, bytes, 1 << 20);
        let client = Client { server: &server, credential: &Credential::Connection, budget: &budget };
        let source = source();
        let mut reader = open_log(client, &source, Masking::Mask).await.unwrap();
        let (mut text, mut lines, workers) = (String::new(), 0, Workers::default());
        loop {
            let piece = reader.next(max, &budget, &workers).await.unwrap();
            assert!(piece.text.len() <= max && (piece.text.is_empty() || piece.text.ends_with('\n')));
            text.push_str(&piece.text);
            lines += piece.lines;
            if let Some(end) = piece.end {
                let after = reader.next(max, &budget, &workers).await.unwrap();
                assert_eq!((after.text.as_str(), after.end), ("", Some(end)));
                return (text, lines, end);
            }
        }
    }

    #[tokio::test]
    async fn whole_lines_arrive_in_pieces_masked_and_cut() {
        let lines: String = (0..50_000).map(|n| format!("line {n} password=hunter{n}\n")).collect();
        let log = format!("{lines}{}\nlast", "x".repeat(50_000)).into_bytes();
        for max in [64 << 10, 1 << 20] {
            let (text, lines, end) = read(log.clone(), max, 64 << 20).await;
            assert_eq!((lines, end), (50_002, LogEnd::Whole));
            assert!(!text.contains("hunter") && text.starts_with("line 0 password=<masked: password>\n"));
            assert!(text.ends_with("x… [cut: a long line]\nlast\n") && text.lines().count() == 50_002);
        }
    }

    #[tokio::test]
    async fn a_key_that_begins_behind_a_cut_is_masked_as_far_as_it_can_be_known() {
        let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
        let log =
            format!("first\n{} -----BEGIN PRIVATE KEY-----\n{body}\n{body}\nlast\n", "x".repeat(20_000));
        let (text, lines, _) = read(log.into_bytes(), 1 << 20, 64 << 20).await;
        assert!(lines == 5 && !text.contains(body) && text.ends_with("last\n"), "{text}");
    }

    #[tokio::test]
    async fn behind_its_end_a_log_is_not_asked_for_ever() {
        let server = answering(b"line\n".to_vec()).await;
        let budget = ReadBudget::new(tokio::time::Instant::now() + Duration::from_secs(20), 1 << 20, 1 << 20);
        let client = Client { server: &server, credential: &Credential::Connection, budget: &budget };
        let source = source();
        let mut reader = open_log(client, &source, Masking::Mask).await.unwrap();
        let workers = Workers::default();
        let mut pieces = 0;
        while reader.next(1 << 20, &budget, &workers).await.is_ok() {
            pieces += 1;
            assert!(pieces < 100);
        }
        let failure = reader.next(1 << 20, &budget, &workers).await.unwrap_err();
        assert_eq!(failure.reason, Reason::Invalid);
    }

    #[tokio::test]
    async fn a_log_that_breaks_off_ends_with_a_whole_line_and_the_reason() {
        let log: String = (0..50_000).map(|n| format!("line {n}\n")).collect();
        let (text, lines, end) = read(log.into_bytes(), 1 << 20, 256 << 10).await;
        assert_eq!((text.lines().count() as u64, end), (lines, LogEnd::OverBytes));
        assert!(lines < 30_000 && text.ends_with(&format!("line {}\n", lines - 1)));
    }
}
