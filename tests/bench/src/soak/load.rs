//! Load of a soak: clients at a steady pace, by way of `/mcp` and `/sse`, some of which leave in the middle of a call.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use porthole_testbed::{
    dify::Dify,
    http::{Streamable, text},
};
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

use super::{
    host::TIMEOUT,
    tally::{Ended, Outcome, Tally},
};

/// Account whose token is revoked now and then.
pub(crate) const REVOKED: &str = "revoked";
/// Limit of a call: its own, and the review of its token before it.
const LIMIT: Duration = TIMEOUT.saturating_add(Duration::from_secs(15));
/// Clients that measure what the machine reaches, and for how long they do.
const FULL: (usize, Duration) = (4, Duration::from_secs(4));
/// Maximum time until a client that leaves has left; a call takes a few milliseconds.
const LEAVES_WITHIN: u64 = 8;
/// Clients, by account and connections.
const CLIENTS: [(&str, Pattern); 7] = [
    ("reader", Pattern::Kept),
    ("reader", Pattern::Kept),
    ("other", Pattern::Kept),
    ("other", Pattern::Dify),
    ("reader", Pattern::Dify),
    ("reader", Pattern::Leaves),
    (REVOKED, Pattern::Kept),
];

/// Connections of a client.
#[derive(Clone, Copy, PartialEq)]
enum Pattern {
    /// By one connection to `/mcp`.
    Kept,
    /// By a visit to `/sse`.
    Dify,
    /// By a connection to `/mcp` that is cut before the answer.
    Leaves,
}

/// Running clients.
pub(crate) struct Load {
    shared: Arc<Shared>,
    rate: f64,
    clients: JoinSet<()>,
}

struct Shared {
    origin: String,
    /// Tokens of `reader`, `other` and [`REVOKED`].
    tokens: Mutex<Vec<String>>,
    tally: Tally,
    over: AtomicBool,
    next: AtomicUsize,
}

impl Load {
    /// Measures what the machine reaches, and starts clients at half of it.
    pub(crate) async fn start(origin: &str, tokens: Vec<String>, tally: Tally) -> Result<Self> {
        let shared = Arc::new(Shared {
            origin: origin.to_owned(),
            tokens: Mutex::new(tokens),
            tally,
            over: AtomicBool::new(false),
            next: AtomicUsize::new(0),
        });
        let rate = shared.full_rate().await? / 2.0;
        let pace = Duration::from_secs_f64(CLIENTS.len() as f64 / rate);
        let mut clients = JoinSet::new();
        for (account, pattern) in CLIENTS {
            clients.spawn(Arc::clone(&shared).client(account, pattern, pace));
        }
        Ok(Self { shared, rate, clients })
    }

    /// Calls a second.
    pub(crate) fn rate(&self) -> f64 {
        self.rate
    }

    /// Replaces the token of [`REVOKED`].
    pub(crate) fn renew(&self, token: String) {
        if let Some(last) = self.shared.tokens.lock().unwrap_or_else(PoisonError::into_inner).last_mut() {
            *last = token;
        }
    }

    /// Succeeds if every account is answered.
    pub(crate) async fn probe(&self) -> Result<()> {
        for account in ["reader", "other", REVOKED] {
            let streamable = Streamable::new(&self.shared.origin, Some(&self.shared.token(account)));
            timeout(LIMIT, call(&streamable, "namespaces_list", json!({}))).await??;
        }
        Ok(())
    }

    /// Ends all clients after their calls.
    pub(crate) async fn stop(mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        while self.clients.join_next().await.is_some() {}
    }
}

impl Shared {
    fn token(&self, account: &str) -> String {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens[match account {
            "reader" => 0,
            "other" => 1,
            _ => 2,
        }]
        .clone()
    }

    /// Next call, in turns.
    fn next_call(&self) -> (&'static str, Value) {
        match self.next.fetch_add(1, Ordering::Relaxed) % 5 {
            0 => ("namespaces_list", json!({})),
            1 => ("pods_get", json!({"name": "app-0-00000", "namespace": "load-1"})),
            2 => ("pods_list", json!({})),
            3 => ("pods_list_in_namespace", json!({"namespace": "shop"})),
            _ => ("resources_get", json!({"kind": "Deployment", "name": "web", "namespace": "shop"})),
        }
    }

    /// Calls a second that a few clients reach without a pause.
    async fn full_rate(&self) -> Result<f64> {
        let (clients, long) = FULL;
        let begun = Instant::now();
        let one = async || -> Result<u32> {
            let streamable = Streamable::new(&self.origin, Some(&self.token("reader")));
            let mut calls = 0;
            while begun.elapsed() < long {
                let (tool, arguments) = self.next_call();
                call(&streamable, tool, arguments).await?;
                calls += 1;
            }
            Ok(calls)
        };
        let calls: u32 = futures::future::try_join_all((0..clients).map(|_| one())).await?.iter().sum();
        ensure!(calls > 0, "no call succeeds");
        Ok(f64::from(calls) / begun.elapsed().as_secs_f64())
    }

    async fn client(self: Arc<Self>, account: &'static str, pattern: Pattern, pace: Duration) {
        let mut pace = interval(pace);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut kept = Streamable::new(&self.origin, Some(&self.token(account)));
        let mut token = self.token(account);
        let mut calls = 0_u64;
        while !self.over.load(Ordering::Relaxed) {
            pace.tick().await;
            if token != self.token(account) {
                token = self.token(account);
                kept = Streamable::new(&self.origin, Some(&token));
            }
            let (tool, arguments) = self.next_call();
            calls += 1;
            let begun = Instant::now();
            let outcome = match pattern {
                Pattern::Kept => answered(call(&kept, tool, arguments)).await,
                Pattern::Dify => answered(visit(&self.origin, &token, tool, arguments)).await,
                Pattern::Leaves => {
                    let client = Streamable::new(&self.origin, Some(&token));
                    let leaves = Duration::from_millis(calls % LEAVES_WITHIN);
                    timeout(leaves, answered(call(&client, tool, arguments))).await.unwrap_or(Outcome::Left)
                }
            };
            self.tally.count(Ended { account, what: tool, begun, outcome });
        }
    }
}

/// Outcome of a call within its limit.
async fn answered(call: impl Future<Output = Result<()>>) -> Outcome {
    match timeout(LIMIT, call).await {
        Err(_) => Outcome::Hung,
        Ok(Ok(())) => Outcome::Answered,
        Ok(Err(error)) if format!("{error:#}").contains("Dify hangs") => Outcome::Hung,
        Ok(Err(error)) => Outcome::Failed(format!("{error:#}")),
    }
}

async fn call(client: &Streamable, tool: &str, arguments: Value) -> Result<()> {
    let result = client.request("tools/call", json!({"name": tool, "arguments": arguments})).await?;
    refuse_errors(&text(&result)?)
}

async fn visit(origin: &str, token: &str, tool: &str, arguments: Value) -> Result<()> {
    refuse_errors(&Dify::visit(origin, Some(token), tool, arguments).await?)
}

fn refuse_errors(answer: &str) -> Result<()> {
    if answer.starts_with("ERROR") || answer.contains("failed to list") {
        bail!("{answer}");
    }
    Ok(())
}
