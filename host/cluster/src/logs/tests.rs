use std::time::Duration;

use porthole_contract::Credential;
use porthole_quota::{Account, MemoryShare, MemoryTotal};

use super::{super::answering::answering, Client, patterns::compile, *};

const MIB: u64 = 1 << 20;

/// Searches 3 MiB of lines without a match.
async fn searched(memory: &Arc<MemoryShare>, context_lines: u32) -> Result<LogText, Failure> {
    let server = answering([vec![b'x'; 60 << 10], vec![b'\n']].concat().repeat(50)).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let budget = ReadBudget::new(deadline, 16 * MIB, 1 << 20).with_memory(Arc::clone(memory));
    let query = LogQuery {
        namespace: "shop".into(),
        pod: "web".into(),
        pattern: Some("needle".into()),
        context_lines,
        ..LogQuery::default()
    };
    let pattern = Some(Arc::new(compile("needle").unwrap()));
    pod_log(
        Client { server: &server, credential: &Credential::Connection, budget: &budget },
        &query,
        pattern,
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
