//! A client that uses a host at a steady pace while something else happens to it, and a liveness probe beside it.

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

/// Time between two calls, and between two probes.
const PACE: Duration = Duration::from_millis(40);
/// Calls and probes that are made, however soon the attack is over.
const SAMPLES: usize = 10;
/// A probe of Kubernetes gives up after this (`timeoutSeconds` is 1 by default).
pub const PROBE: Duration = Duration::from_secs(1);
/// How long a bystander waits before it says that it was not answered.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who calls, and where.
#[derive(Clone)]
pub struct Bystander {
    pub origin: String,
    pub token: String,
    /// A cheap tool without arguments.
    pub tool: &'static str,
}

/// What a bystander felt.
#[derive(Debug, Default, Clone)]
pub struct Felt {
    pub healthz: Vec<Duration>,
    pub calls: Vec<Duration>,
    /// What went wrong, in words.
    pub failed: Vec<String>,
}

impl Bystander {
    /// Calls and probes until `attack` has ended.
    pub async fn during<T>(&self, attack: impl Future<Output = T>) -> (T, Felt) {
        let over = Arc::new(AtomicBool::new(false));
        // Tasks of their own: an attack that keeps its own task busy must not be taken for a slow host.
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
            // Each on a connection of its own, as a kubelet does it.
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

/// The time below which `part` of all lie, in ms.
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
