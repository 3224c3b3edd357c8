//! Waits that the API server asks for: 429 with Retry-After, as its priority and fairness answers when it is busy.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use porthole_contract::{Failure, Reason};
use tokio::time::Instant;

use super::ReadBudget;

/// Treatment of a 429 that asks for a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnBusy {
    /// Waits and asks again, within the call's allowance.
    Wait,
    /// Fails at once.
    Fail,
}

/// Maximum number of requests for one read. The API server asks for one second; a caller who has waited twice learns
/// that it is busy, and may decide.
pub(crate) const MAX_TRIES: u32 = 3;
/// Maximum wait before the next try, its spread included; a server that asks for more gets no further request.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// Minimum wait, whatever the server asks for.
const MIN_WAIT: Duration = Duration::from_millis(250);

/// Returns the wait before the next try, taken from the call's allowance; `None` if the failure is the answer.
pub(crate) fn wait(failure: &Failure, tries: u32, budget: &ReadBudget) -> Option<Duration> {
    if failure.reason != Reason::Throttled || tries >= MAX_TRIES {
        return None;
    }
    let asked = Duration::from_secs(failure.retry_after_seconds?.into());
    let wait = asked.max(MIN_WAIT);
    let wait = wait.saturating_add(spread(wait)).min(MAX_WAIT);
    let left = budget.deadline.saturating_duration_since(Instant::now());
    (asked <= MAX_WAIT && wait < left && budget.take_retry(wait)).then_some(wait)
}

/// Up to a quarter more, at random: calls that were refused together must not all come again together.
fn spread(wait: Duration) -> Duration {
    let quarter = u64::try_from(wait.as_millis() / 4).unwrap_or(u64::MAX);
    Duration::from_millis(RandomState::new().hash_one(0u8) % quarter.max(1))
}

/// Adds how often the API server was asked to the failure that is the answer.
pub(crate) fn exhausted(failure: Failure, tries: u32) -> Failure {
    match (failure.reason, tries) {
        (Reason::Throttled, 2..) => {
            Failure { message: format!("{} It was asked {tries} times.", failure.message), ..failure }
        }
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    };

    use http::StatusCode;
    use porthole_contract::Credential;

    use super::*;
    use crate::{
        ReadBudget,
        answering::{Answer, answering_with},
        server::Client,
    };

    const BUSY: &[u8] = br#"{"message":"too many requests, please try again later"}"#;

    /// Result of a read within `limit` of a server that answers the first `busy` requests with 429, the number of its
    /// requests, and the time that passed.
    async fn read(
        busy: u32,
        asked: Option<u32>,
        limit: Duration,
    ) -> (Result<Vec<u8>, Failure>, u32, Duration) {
        let requests = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&requests);
        let (server, _) = answering_with(move |_| {
            if counted.fetch_add(1, Relaxed) >= busy {
                return Answer { status: StatusCode::OK, retry_after: None, body: b"at last".to_vec() };
            }
            Answer { status: StatusCode::TOO_MANY_REQUESTS, retry_after: asked, body: BUSY.to_vec() }
        })
        .await;
        let begun = Instant::now();
        let budget = ReadBudget::new(begun.checked_add(limit).unwrap(), 1 << 20, 1 << 20);
        let client = Client { server: &server, credential: &Credential::Connection, budget: &budget };
        let result = match client.get("/version", "application/json", "pods").await {
            Ok(response) => response.bytes().await,
            Err(failure) => Err(failure),
        };
        (result, requests.load(Relaxed), begun.elapsed())
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_busy_api_server_is_asked_again_after_the_wait_that_it_asks_for() {
        let (result, requests, passed) = read(1, Some(1), MINUTE).await;
        assert_eq!(result.unwrap(), b"at last");
        assert_eq!(requests, 2);
        assert!(passed >= Duration::from_secs(1), "{passed:?}");
    }

    #[tokio::test]
    async fn an_api_server_that_stays_busy_is_asked_a_few_times_and_the_answer_says_so() {
        let (result, requests, _) = read(u32::MAX, Some(0), MINUTE).await;
        let failure = result.unwrap_err();
        assert_eq!(requests, MAX_TRIES);
        assert_eq!((failure.reason, failure.retry_after_seconds), (Reason::Throttled, Some(0)));
        assert_eq!(
            failure.message,
            "pods: the API server asks to wait: too many requests, please try again later. It was asked 3 times."
        );
    }

    #[tokio::test]
    async fn a_wait_beyond_the_calls_deadline_or_too_long_is_left_to_the_caller() {
        for (asked, limit) in [(Some(2), Duration::from_secs(1)), (Some(6), MINUTE), (None, MINUTE)] {
            let (result, requests, _) = read(1, asked, limit).await;
            let failure = result.unwrap_err();
            assert_eq!((failure.reason, requests), (Reason::Throttled, 1), "{asked:?} within {limit:?}");
            assert_eq!(failure.retry_after_seconds, asked);
            assert!(failure.message.ends_with("please try again later."), "{}", failure.message);
        }
    }

    #[tokio::test]
    async fn reads_of_one_call_have_their_retries_in_common() {
        let (server, requests) = answering_with(|_| Answer {
            status: StatusCode::TOO_MANY_REQUESTS,
            retry_after: Some(0),
            body: BUSY.to_vec(),
        })
        .await;
        let budget = ReadBudget::new(Instant::now().checked_add(MINUTE).unwrap(), 1 << 20, 1 << 20);
        let client = Client { server: &server, credential: &Credential::Connection, budget: &budget };
        let reads = (0..10).map(|_| client.get("/version", "application/json", "pods"));
        for result in futures::future::join_all(reads).await {
            assert_eq!(result.err().unwrap().reason, Reason::Throttled);
        }
        assert_eq!(requests.take().len(), 10 + 4);
    }

    #[test]
    fn waits_are_spread_and_bounded() {
        let failure =
            Failure { reason: Reason::Throttled, message: String::new(), retry_after_seconds: Some(1) };
        let budget = || ReadBudget::new(Instant::now().checked_add(MINUTE).unwrap(), 0, 0);
        let waits: Vec<Duration> = (0..50).map(|_| wait(&failure, 1, &budget()).unwrap()).collect();
        assert!(waits.iter().all(|wait| (1000..1250).contains(&wait.as_millis())), "{waits:?}");
        assert!(waits.iter().any(|wait| Some(wait) != waits.first()), "{waits:?}");
        for reason in [Reason::Unavailable, Reason::Forbidden] {
            assert_eq!(wait(&Failure { reason, ..failure.clone() }, 1, &budget()), None);
        }
        let longest = Failure { retry_after_seconds: Some(5), ..failure };
        assert_eq!(wait(&longest, 1, &budget()), Some(MAX_WAIT));
    }
}
