//! Calls that are due at a fixed rate, whether those before them are answered or not.
//!
//! Latency counts from the time at which a call was due. A client that waits for its answer before it asks again would
//! measure the calls that it did make, and leave out those that it made too late ("coordinated omission").

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use tokio::{sync::mpsc, task::JoinSet, time::timeout};

use super::{
    client::Client,
    closed::{histogram, micros},
    plan::Work,
};

/// Maximum number of calls that become due: each waits in a queue.
const MAX_DUE: f64 = 200_000.0;
/// Time after the last call was due in which calls may still be answered.
const GRACE: Duration = Duration::from_secs(10);

/// Outcome of a load.
pub(crate) struct Outcome {
    /// Of all calls that were due: one that was not answered has the time that it was waited for.
    pub(crate) latencies: Histogram<u64>,
    pub(crate) due: u64,
    pub(crate) answered: u64,
}

impl Outcome {
    /// Adds the calls of a repetition.
    pub(crate) fn add(&mut self, other: &Self) -> Result<()> {
        self.latencies.add(&other.latencies)?;
        self.due += other.due;
        self.answered += other.answered;
        Ok(())
    }
}

/// Makes `rate` calls a second for a while, by clients that share a queue.
pub(crate) async fn load(
    clients: Vec<Arc<Client>>,
    work: &Arc<Work>,
    rate: f64,
    long: Duration,
) -> Result<Outcome> {
    let due = (rate * long.as_secs_f64()).floor();
    ensure!((1.0..MAX_DUE).contains(&due), "{rate} calls a second for {long:?} are too few or too many");
    let (calls, queue) = mpsc::unbounded_channel();
    let queue = Arc::new(tokio::sync::Mutex::new(queue));
    let latencies = Arc::new(Mutex::new(histogram()?));
    let mut running = JoinSet::new();
    for client in clients {
        let (work, queue, latencies) = (Arc::clone(work), Arc::clone(&queue), Arc::clone(&latencies));
        running.spawn(async move {
            loop {
                let next = queue.lock().await.recv().await;
                let Some(due): Option<Instant> = next else { return };
                if client.call(&work).await.is_ok() {
                    let latency = micros(due.elapsed());
                    latencies.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(latency);
                }
            }
        });
    }
    let pace = tokio::task::spawn_blocking(move || pace(&calls, rate, due));
    let ended = async {
        let count = pace.await?;
        while running.join_next().await.is_some() {}
        anyhow::Ok(count)
    };
    let count = match timeout(long + GRACE, ended).await {
        Ok(count) => count?,
        Err(_) => due_count(due),
    };
    running.shutdown().await;
    let mut latencies = latencies.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let answered = latencies.len();
    latencies.saturating_record_n(micros(long + GRACE), count.saturating_sub(answered));
    Ok(Outcome { latencies, due: count, answered })
}

/// Sends the time of each call when it is due. A thread's sleep is exact to some ten microseconds, a timer of the
/// runtime to a millisecond.
fn pace(calls: &mpsc::UnboundedSender<Instant>, rate: f64, due: f64) -> u64 {
    let begun = Instant::now();
    let count = due_count(due);
    for n in 0..count {
        let at = begun + Duration::from_secs_f64(n as f64 / rate);
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        if calls.send(at).is_err() {
            break;
        }
    }
    count
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 1 and MAX_DUE")]
fn due_count(due: f64) -> u64 {
    due as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_are_due_at_their_rate_even_if_nobody_is_free() {
        let (calls, mut queue) = mpsc::unbounded_channel();
        let begun = Instant::now();
        let count = tokio::task::spawn_blocking(move || pace(&calls, 1000.0, 20.0)).await.unwrap();
        assert_eq!(count, 20);
        let mut due = Vec::new();
        while let Some(at) = queue.recv().await {
            due.push(at);
        }
        let gaps: Vec<Duration> = due.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(due.len(), 20);
        assert!(
            gaps.iter().all(|gap| gap.abs_diff(Duration::from_millis(1)) < Duration::from_micros(2)),
            "{gaps:?}"
        );
        assert!(due[0] >= begun);
    }
}
