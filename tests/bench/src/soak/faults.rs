//! Faults of a soak, one after the other.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use http::Request;
use porthole_testbed::{accounts, cluster::Cluster, proxy::Proxy};
use serde_json::Value;

use super::{
    host::Host,
    load::{Load, REVOKED},
    tally::Tally,
};

/// Duration of a fault.
const LONG: Duration = Duration::from_secs(4);
/// Delay of each request of a slow API server.
const DELAY: Duration = Duration::from_millis(300);
/// Number of times that a tool is replaced, spread over [`LONG`].
const REPLACEMENTS: u32 = 4;
/// Maximum time until a revoked token is refused: the API server remembers for ten seconds that it was good.
const REVOKED_WITHIN: Duration = Duration::from_secs(30);
/// Maximum time from the end of a fault to a call that succeeds.
const RECOVERED_WITHIN: Duration = Duration::from_secs(30);
/// Interval of conditions that are waited for.
const POLL: Duration = Duration::from_millis(50);

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    Restarted,
    Hung,
    Busy,
    Slow,
    EtcdPaused,
    TokenRevoked,
    ToolReplaced,
}

impl Fault {
    pub(crate) const ALL: [Self; 7] = [
        Self::Busy,
        Self::ToolReplaced,
        Self::Hung,
        Self::Slow,
        Self::Restarted,
        Self::TokenRevoked,
        Self::EtcdPaused,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Restarted => "API server restarted",
            Self::Hung => "API server hung",
            Self::Busy => "API server answers 429",
            Self::Slow => "API server slow",
            Self::EtcdPaused => "etcd paused",
            Self::TokenRevoked => "token revoked",
            Self::ToolReplaced => "tool replaced",
        }
    }

    /// True if a call of `account` may fail with this error during the fault. The host must answer in any case: what it
    /// does not answer is explained by nothing.
    pub(crate) fn explains(self, account: &str, error: &str) -> bool {
        let is_answer = error.starts_with("ERROR")
            || error.starts_with("503")
            || error.starts_with("Failed to connect to MCP server: 503");
        match self {
            Self::Restarted | Self::Hung | Self::Busy | Self::EtcdPaused => is_answer,
            Self::TokenRevoked => {
                account == REVOKED
                    && (error.contains("401")
                        || error.contains("no longer accepts this token")
                        || error.contains("does not accept this token"))
            }
            Self::Slow | Self::ToolReplaced => false,
        }
    }
}

/// Targets of the faults.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) client: kube::Client,
    pub(crate) proxy: Proxy,
    pub(crate) host: Host,
    pub(crate) load: Load,
    pub(crate) tally: Tally,
}

impl Stage {
    /// Makes a fault, ends it, and waits until calls succeed again.
    pub(crate) async fn play(&mut self, fault: Fault) -> Result<()> {
        self.tally.begin(fault);
        match fault {
            Fault::Restarted => self.cluster.restart_api_server().await?,
            Fault::Hung => self.pause("kube-apiserver").await?,
            Fault::EtcdPaused => self.pause("etcd").await?,
            Fault::Busy => {
                self.proxy.refuse();
                tokio::time::sleep(LONG).await;
                self.proxy.pass();
            }
            Fault::Slow => {
                self.proxy.delay(DELAY);
                tokio::time::sleep(LONG).await;
                self.proxy.pass();
            }
            Fault::TokenRevoked => self.revoke().await?,
            Fault::ToolReplaced => {
                for _ in 0..REPLACEMENTS {
                    self.host.replace_tool()?;
                    tokio::time::sleep(LONG / REPLACEMENTS).await;
                }
            }
        }
        let recovery = Instant::now();
        while let Err(error) = self.load.probe().await {
            ensure!(recovery.elapsed() < RECOVERED_WITHIN, "after {}: {error:#}", fault.name());
            tokio::time::sleep(POLL).await;
        }
        self.tally.end(recovery.elapsed());
        Ok(())
    }

    async fn pause(&self, program: &str) -> Result<()> {
        self.cluster.pause(program, true)?;
        tokio::time::sleep(LONG).await;
        self.cluster.pause(program, false)
    }

    /// Deletes an account, waits until its calls are refused, and makes it anew with another token.
    async fn revoke(&self) -> Result<()> {
        let before = self.tally.explained(Fault::TokenRevoked);
        let path = format!("/api/v1/namespaces/soak/serviceaccounts/{REVOKED}");
        let _: Value = self.client.request(Request::delete(path).body(Vec::new())?).await?;
        let begun = Instant::now();
        while self.tally.explained(Fault::TokenRevoked) == before {
            ensure!(
                begun.elapsed() < REVOKED_WITHIN,
                "a revoked token is still served after {REVOKED_WITHIN:?}"
            );
            tokio::time::sleep(POLL).await;
        }
        self.load.renew(accounts::account(&self.client, "soak", REVOKED).await?);
        Ok(())
    }
}
