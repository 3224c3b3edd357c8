//! Bystander: a client at a steady pace, and a liveness probe, while an attack on the same host runs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Result;
use serde_json::json;
use tokio::time::{interval, timeout};

use crate::http::{Streamable, send};

/// Interval of the calls, and of the probes.
const PACE: Duration = Duration::from_millis(40);
/// Minimum number of calls and probes, even if the attack ends sooner.
const SAMPLES: usize = 10;
/// Timeout of a Kubernetes probe (`timeoutSeconds` is 1 by default).
pub const PROBE: Duration = Duration::from_secs(1);
/// Timeout after which the bystander reports no answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Client configuration.
#[derive(Clone)]
pub struct Bystander {
    pub origin: String,
    pub token: String,
    /// A cheap tool without arguments.
    pub tool: &'static str,
}

/// Measurements of a bystander.
#[derive(Debug, Default, Clone)]
pub struct Felt {
    pub healthz: Vec<Duration>,
    pub calls: Vec<Duration>,
    /// Descriptions of the failures.
    pub failed: Vec<String>,
}

impl Bystander {
    /// Calls and probes until `attack` has ended.
    pub async fn during<T>(&self, attack: impl Future<Output = T>) -> (T, Felt) {
        let over = Arc::new(AtomicBool::new(false));
        // On tasks of their own, so that an attack that blocks its task does not count as a slow host.
        let probes = tokio::spawn(self.clone().probe(Arc::clone(&over)));
        let calls = tokio::spawn(self.clone().call(Arc::clone(&over)));
        let outcome = attack.await;
        over.store(true, Ordering::Relaxed);
        let (probed, called) = (probes.await.expect("probes"), calls.await.expect("calls"));
        let failed = [probed.failed, called.failed].concat();
        (outcome, Felt { healthz: probed.healthz, calls: called.calls, failed })
    }

    async fn probe(self, over: Arc<AtomicBool>) -> Felt {
        let mut felt = Felt::default();
        let url = format!("{}/healthz", self.origin);
        let mut pace = interval(PACE);
        while felt.healthz.len() < SAMPLES || !over.load(Ordering::Relaxed) {
            pace.tick().await;
            let begun = Instant::now();
            // Each on a new connection, like a kubelet's.
            let outcome = timeout(PATIENCE, send("GET", &url, None, "")).await;
            felt.healthz.push(begun.elapsed());
            match outcome {
                Ok(Ok(answer)) if answer.status.is_success() => {}
                other => {
                    felt.failed.push(format!("/healthz: {other:?}"));
                    break;
                }
            }
        }
        felt
    }

    async fn call(self, over: Arc<AtomicBool>) -> Felt {
        let mut felt = Felt::default();
        let client = Streamable::new(&self.origin, Some(&self.token));
        let mut pace = interval(PACE);
        while felt.calls.len() < SAMPLES || !over.load(Ordering::Relaxed) {
            pace.tick().await;
            let begun = Instant::now();
            let outcome: Result<Result<String>, _> =
                timeout(PATIENCE, client.call(self.tool, json!({}))).await;
            felt.calls.push(begun.elapsed());
            match outcome {
                Ok(Ok(text)) if !text.starts_with("ERROR") => {}
                Ok(other) => felt.failed.push(format!("{}: {other:?}", self.tool)),
                Err(_) => felt.failed.push(format!("{}: no answer in {PATIENCE:?}", self.tool)),
            }
            if felt.failed.len() > SAMPLES {
                break;
            }
        }
        felt
    }
}

/// Percentile of the durations, in ms.
pub fn percentile(times: &[Duration], part: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort();
    let last = sorted.len().saturating_sub(1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index of a list that fits into memory"
    )]
    let at = (last as f64 * part).ceil() as usize;
    sorted.get(at.min(last)).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}
