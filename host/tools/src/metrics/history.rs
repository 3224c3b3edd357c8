//! Calls, errors and p99 of each minute of the last hour, for the curves of the admin page, in bounded memory.

use std::{collections::VecDeque, time::Duration};

/// Minutes that are kept.
pub const MINUTES: usize = 60;
/// Buckets of durations: four for each doubling of a microsecond, up to half an hour. A quantile is at most a fifth too high.
const BUCKETS: usize = 4 * 31;

/// Calls of one minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MinuteMetrics {
    /// Number of finished calls.
    pub calls: u64,
    /// Number of calls with a verdict other than `ok`.
    pub errors: u64,
    /// Duration that 99 of 100 calls did not exceed; `None` without a call.
    pub p99: Option<Duration>,
}

/// History of calls. Minutes are counted from any fixed time; one without calls takes no memory.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<Minute>);

#[derive(Debug)]
struct Minute {
    minute: u64,
    calls: u64,
    errors: u64,
    durations: Box<[u32; BUCKETS]>,
}

impl History {
    /// Records a call that ended in a minute.
    pub(super) fn record(&mut self, minute: u64, is_error: bool, took: Duration) {
        // A clock that was set back must not begin a second series.
        let minute = self.0.back().map_or(minute, |last| last.minute.max(minute));
        if self.0.back().is_none_or(|last| last.minute < minute) {
            if self.0.len() >= MINUTES {
                self.0.pop_front();
            }
            self.0.push_back(Minute { minute, calls: 0, errors: 0, durations: Box::new([0; BUCKETS]) });
        }
        let Some(last) = self.0.back_mut() else { return };
        last.calls = last.calls.saturating_add(1);
        last.errors = last.errors.saturating_add(is_error.into());
        if let Some(count) = last.durations.get_mut(bucket(took)) {
            *count = count.saturating_add(1);
        }
    }

    /// The last [`MINUTES`] up to `now`, oldest first.
    pub(super) fn hour(&self, now: u64) -> Vec<MinuteMetrics> {
        let now = self.0.back().map_or(now, |last| last.minute.max(now));
        let mut hour = vec![MinuteMetrics::default(); MINUTES];
        for minute in &self.0 {
            let ago = usize::try_from(now.saturating_sub(minute.minute)).unwrap_or(usize::MAX);
            let at = MINUTES.checked_sub(ago.saturating_add(1));
            if let Some(metrics) = at.and_then(|at| hour.get_mut(at)) {
                *metrics =
                    MinuteMetrics { calls: minute.calls, errors: minute.errors, p99: minute.quantile(99) };
            }
        }
        hour
    }
}

impl Minute {
    /// Upper bound of the durations' quantile, in percent.
    fn quantile(&self, percent: u64) -> Option<Duration> {
        let rank = self.calls.saturating_mul(percent).div_ceil(100);
        let mut seen = 0_u64;
        let found = self.durations.iter().position(|count| {
            seen = seen.saturating_add((*count).into());
            seen >= rank && seen > 0
        });
        found.map(upper_bound)
    }
}

/// Bucket of a duration: its highest bit, and the two bits below that.
fn bucket(took: Duration) -> usize {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(4);
    let exponent = micros.ilog2();
    let quarter = (micros >> exponent.saturating_sub(2)) & 3;
    let bucket = u64::from(exponent.saturating_sub(2)).saturating_mul(4).saturating_add(quarter);
    usize::try_from(bucket).unwrap_or(usize::MAX).min(BUCKETS.saturating_sub(1))
}

/// Shortest duration above a bucket.
fn upper_bound(bucket: usize) -> Duration {
    let (exponent, quarter) = (bucket / 4, bucket % 4);
    let next = u64::try_from(quarter).unwrap_or_default().saturating_add(5);
    let exponent = u32::try_from(exponent).unwrap_or(u32::MAX);
    Duration::from_micros(next.checked_shl(exponent).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_fifth_too_high_at_most() {
        for micros in [4, 5, 63, 64, 65, 999, 1_000, 1_023, 1_024, 50_000, 12_345_678, 1_000_000_000] {
            let mut history = History::default();
            history.record(7, false, Duration::from_micros(micros));
            let p99 = u64::try_from(history.hour(7)[MINUTES - 1].p99.unwrap().as_micros()).unwrap();
            assert!(p99 > micros && p99 <= micros + micros.div_ceil(4), "{micros}: {p99}");
        }
        // Neither zero nor a year is out of bounds.
        assert!(bucket(Duration::ZERO) < BUCKETS && bucket(Duration::from_secs(1 << 25)) < BUCKETS);
    }

    #[test]
    fn one_slow_call_of_a_hundred_is_not_the_p99_and_two_are() {
        let mut history = History::default();
        (0..99).for_each(|_| history.record(0, false, Duration::from_millis(1)));
        history.record(0, true, Duration::from_secs(9));
        let last = history.hour(0)[MINUTES - 1];
        assert_eq!((last.calls, last.errors), (100, 1));
        assert!(last.p99 < Some(Duration::from_millis(2)), "{last:?}");
        history.record(0, false, Duration::from_secs(9));
        assert!(history.hour(0)[MINUTES - 1].p99 > Some(Duration::from_secs(9)));
    }

    #[test]
    fn an_hour_is_kept_and_minutes_without_calls_are_in_it() {
        let mut history = History::default();
        for minute in 0..200 {
            history.record(minute, false, Duration::from_millis(1));
        }
        assert_eq!(history.0.len(), MINUTES);
        assert!(history.hour(199).iter().all(|minute| minute.calls == 1));
        let later = history.hour(209);
        assert_eq!(later.iter().map(|minute| minute.calls).sum::<u64>(), 50);
        assert_eq!((later[49].calls, later[50].calls, later[50].p99), (1, 0, None));
        assert_eq!(history.hour(10_000), vec![MinuteMetrics::default(); MINUTES]);
        // A clock that was set back counts into the last minute.
        history.record(3, false, Duration::from_millis(1));
        assert_eq!(history.hour(3)[MINUTES - 1].calls, 2);
    }
}
