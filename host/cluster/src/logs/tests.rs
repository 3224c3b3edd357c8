use std::time::Duration;

use porthole_contract::{Credential, LogEnd, LogMatches, LogSearch, LogSource};
use porthole_quota::{Account, MemoryShare, MemoryTotal};

use super::{
    super::{ReadBudget, answering::answering},
    patterns::compile,
    *,
};

const MIB: u64 = 1 << 20;

fn source() -> LogSource {
    LogSource { namespace: "shop".into(), pod: "web".into(), ..LogSource::default() }
}

/// Searches 3 MiB of lines without a match.
async fn searched(memory: &Arc<MemoryShare>, context_lines: u32) -> Result<LogText, Failure> {
    let server = answering([vec![b'x'; 60 << 10], vec![b'\n']].concat().repeat(50)).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let budget = ReadBudget::new(deadline, 16 * MIB, 1 << 20).with_memory(Arc::clone(memory));
    let query =
        LogQuery { source: source(), pattern: Some("needle".into()), context_lines, ..LogQuery::default() };
    let pattern = Some(Arc::new(compile("needle", Case::Minded).unwrap()));
    pod_log(
        Client { server: &server, credential: &Credential::Connection, budget: &budget },
        &query,
        pattern,
        Masking::Mask,
        &Workers::default(),
    )
    .await
}

/// Memory share of a call: half of `total`.
fn memory(total: u64) -> Arc<MemoryShare> {
    Arc::new(MemoryTotal::new(total).share(Account::of(&1)))
}

#[tokio::test]
async fn lines_that_are_kept_before_a_match_count_as_memory_of_all_calls() {
    let failure = searched(&memory(4 * MIB), 100).await.unwrap_err();
    assert_eq!(failure.reason, Reason::Throttled);
    assert!(failure.message.contains("memoryTotal"), "{failure}");
    let log = searched(&memory(4 * MIB), 1).await.unwrap();
    assert_eq!((log.text.as_str(), log.lines_read), ("", 50));
}

#[tokio::test]
async fn what_a_search_held_is_given_back_while_the_call_goes_on() {
    let memory = memory(16 * MIB);
    searched(&memory, 100).await.unwrap();
    memory.reserve(8 * MIB).await.unwrap();
}

#[tokio::test]
async fn secrets_of_a_log_are_masked_and_counted_unless_it_is_switched_off() {
    let log = "login password=hunter2\nredis://:hunter2@cache\n";
    for (masking, shown, masks) in [
        (Masking::Mask, "login password=<masked: password>\nredis://:<masked: url password>@cache\n", 2),
        (Masking::Off, log, 0),
    ] {
        let server = answering(log).await;
        let budget = ReadBudget::new(tokio::time::Instant::now() + Duration::from_secs(20), MIB, 1 << 20);
        let client = Client { server: &server, credential: &Credential::Connection, budget: &budget };
        let query = LogQuery { source: source(), ..LogQuery::default() };
        let read = pod_log(client, &query, None, masking, &Workers::default()).await.unwrap();
        assert_eq!((read.text.as_str(), budget.masked()), (shown, masks));
    }
}

async fn search(log: impl Into<Vec<u8>>, log_bytes: u64, query: LogSearch) -> Result<LogMatches, Failure> {
    let server = answering(log).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let budget = ReadBudget::new(deadline, 0, 1 << 20).with_log_bytes(log_bytes);
    let client = Client { server: &server, credential: &Credential::Connection, budget: &budget };
    let workers = Workers::default();
    let patterns = Patterns::default().of_search(&query, &workers, &budget).await?;
    let found =
        search_log(client, &LogSearch { source: source(), ..query }, patterns, Masking::Mask, &workers).await;
    assert!(budget.bytes_read() > 0);
    found
}

fn log_search(include: &str) -> LogSearch {
    LogSearch { include: Some(include.into()), ignore_case: true, first: 5, last: 5, ..LogSearch::default() }
}

#[tokio::test]
async fn a_search_has_bytes_of_its_own_and_says_where_they_ended() {
    let log: String = (0..100_000).map(|n| format!("line {n}\n")).collect();
    let whole = search(log.clone(), 8 << 20, log_search("LINE (7|99999)$")).await.unwrap();
    assert_eq!((whole.first.as_str(), whole.matched, whole.end), ("line 7\nline 99999\n", 2, LogEnd::Whole));
    let cut = search(log.clone(), 512 << 10, log_search("line 7$")).await.unwrap();
    assert_eq!((cut.first.as_str(), cut.end), ("line 7\n", LogEnd::OverBytes));
    assert!(cut.lines_read < 60_000 && cut.bytes_read <= 512 << 10, "{cut:?}");
    let limited =
        search(log.clone(), 8 << 20, LogSearch { read_limit: Some(1 << 18), ..log_search("x") }).await;
    assert_eq!(limited.unwrap().end, LogEnd::ReadLimit);
    let failure = search(log, 0, log_search("line")).await.unwrap_err();
    assert!(failure.reason == Reason::OverBytes && failure.message.contains("`logBytes`"), "{failure}");
}

#[tokio::test]
async fn a_search_whose_time_or_pattern_is_malformed_is_refused() {
    for (query, part) in [
        (LogSearch { until_time: Some("yesterday".into()), ..log_search("x") }, "untilTime"),
        (log_search("("), "the pattern"),
        (LogSearch { exclude: Some("(?=a)".into()), ..log_search("x") }, "the pattern"),
    ] {
        let server = answering("x\n").await;
        let budget = ReadBudget::new(tokio::time::Instant::now() + Duration::from_secs(20), MIB, 1 << 20);
        let client = Client { server: &server, credential: &Credential::Connection, budget: &budget };
        let query = LogSearch { source: source(), ..query };
        let workers = Workers::default();
        let result = match Patterns::default().of_search(&query, &workers, &budget).await {
            Ok(patterns) => search_log(client, &query, patterns, Masking::Mask, &workers).await,
            Err(failure) => Err(failure),
        };
        let failure = result.unwrap_err();
        assert!(failure.reason == Reason::Invalid && failure.message.contains(part), "{failure}");
        assert_eq!(budget.bytes_read(), 0);
    }
}
