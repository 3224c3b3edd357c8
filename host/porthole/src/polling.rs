//! Times at which registries are asked: a fixed interval with jitter, and earlier after a failure, with back-off.

mod poller;
mod status;

use std::time::Duration;

use tokio::time::Instant;
use tower::{
    retry::backoff::{Backoff as _, ExponentialBackoff, ExponentialBackoffMaker, MakeBackoff as _},
    util::rng::HasherRng,
};

pub(crate) use poller::{PollPaths, Poller};
pub(crate) use status::PollStatus;

/// Shortest and longest interval. A tag that is followed costs a registry one request; one that is asked less than daily is
/// better brought by a rollout.
const INTERVALS: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);
/// Wait after a first failure; it doubles with each further one, up to the interval.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// Part of a wait that is added at random, so that replicas do not ask all at once.
const JITTER: f64 = 0.1;
/// The same after a failure, which all replicas see at the same time.
const RETRY_JITTER: f64 = 0.5;

/// Parses an interval.
pub(crate) fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if INTERVALS.contains(&interval) {
        return Ok(interval);
    }
    let (shortest, longest) = INTERVALS.into_inner();
    let span = humantime::format_duration;
    Err(format!("an interval is {} to {}", span(shortest), span(longest)))
}

/// Waits between polls.
#[derive(Debug)]
pub(crate) struct Waits {
    interval: Duration,
    /// Waits of the failures since the last success.
    failing: Option<ExponentialBackoff>,
}

impl Waits {
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, failing: None }
    }

    /// Time of the next poll, after one that succeeded or failed.
    pub(crate) fn next(&mut self, succeeded: bool) -> Instant {
        let Self { interval, failing } = self;
        let next = if succeeded {
            *failing = None;
            backoff(*interval, interval.mul_f64(1.0 + JITTER), JITTER).map(|mut wait| wait.next_backoff())
        } else {
            *failing =
                failing.take().or_else(|| backoff(FIRST_RETRY.min(*interval), *interval, RETRY_JITTER));
            failing.as_mut().map(|waits| waits.next_backoff())
        };
        let now = Instant::now();
        next.map_or_else(|| now.checked_add(*interval).unwrap_or(now), |sleep| sleep.deadline())
    }
}

/// Waits from `min` to `max`; `None` if there are none such.
fn backoff(min: Duration, max: Duration, jitter: f64) -> Option<ExponentialBackoff> {
    let mut maker = ExponentialBackoffMaker::new(min, max, jitter, HasherRng::default()).ok()?;
    Some(maker.make_backoff())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bounds of a wait: since before it was asked for, and since after.
    fn wait(waits: &mut Waits, succeeded: bool) -> (Duration, Duration) {
        let before = Instant::now();
        let next = waits.next(succeeded);
        let after = Instant::now();
        (next.saturating_duration_since(before), next.saturating_duration_since(after))
    }

    #[tokio::test]
    async fn failures_are_retried_early_then_less_and_less_and_never_less_than_the_interval() {
        let mut waits = Waits::new(Duration::from_secs(10));
        let secs = Duration::from_secs;
        for _ in 0..2 {
            for (base, longest) in [(1, 1500), (2, 3000), (4, 6000), (8, 10_000), (10, 10_000), (10, 10_000)]
            {
                let (since_before, since_after) = wait(&mut waits, false);
                assert!(
                    since_before >= secs(base) && since_after <= Duration::from_millis(longest),
                    "{base}: {since_before:?}"
                );
            }
            // And a success begins anew.
            let (since_before, since_after) = wait(&mut waits, true);
            assert!(since_before >= secs(10) && since_after <= secs(11), "{since_before:?}");
        }
    }

    #[tokio::test]
    async fn replicas_do_not_ask_at_the_same_time() {
        let mut spread = Vec::new();
        for _ in 0..16 {
            let now = Instant::now();
            spread.push(Waits::new(Duration::from_secs(1000)).next(true).duration_since(now).as_secs());
        }
        spread.sort_unstable();
        spread.dedup();
        assert!(spread.len() > 4, "{spread:?}");
    }

    #[test]
    fn an_interval_is_neither_a_flood_nor_for_ever() {
        assert_eq!(parse_interval("5m"), Ok(Duration::from_secs(300)));
        for text in ["0s", "999ms", "25h", "often"] {
            assert!(parse_interval(text).is_err(), "{text}");
        }
    }
}
