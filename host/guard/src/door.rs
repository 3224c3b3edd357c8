//! The guard of one cluster: makes the guarded reader of each call, and asks for rights.

use std::{sync::Arc, time::Duration};

use porthole_cluster::{Client, Cluster, ReadBudget, can_i};
use porthole_contract::{AccessQuery, Credential, Failure, Kind, Requirement};
use porthole_quota::MemoryShare;
use tokio::time::Instant;

use crate::{Denied, Grant, GuardedReader, ReadLimits};

/// How long the API server may take to answer an access review.
const REVIEW_TIME: Duration = Duration::from_secs(10);
const REVIEW_BYTES: u64 = 256 << 10;

/// The cluster that tools read, behind the operator's policy.
pub struct Guard {
    cluster: Arc<Cluster>,
    denied: Arc<Denied>,
}

impl Guard {
    /// Guards a cluster, denying kinds to every tool.
    pub fn new(cluster: Arc<Cluster>, denied: Arc<Denied>) -> Self {
        Self { cluster, denied }
    }

    /// The reads of one call: with the caller's credential, under the tool's grant, within limits.
    pub fn reading(
        &self,
        credential: Credential,
        grant: Arc<Grant>,
        limits: ReadLimits,
        memory: Arc<MemoryShare>,
    ) -> GuardedReader {
        let (cluster, denied) = (Arc::clone(&self.cluster), Arc::clone(&self.denied));
        GuardedReader::new(cluster, credential, grant, denied, limits, memory)
    }

    /// The namespace to assume where a caller names none.
    pub fn default_namespace(&self) -> &str {
        self.cluster.server.default_namespace()
    }

    /// Address of the API server.
    pub fn address(&self) -> &str {
        self.cluster.server.address()
    }

    /// Whether an account has a right, by the API server's own authorizer. The host's own account has every right: whoever
    /// holds the shared token of `--identity host` is the operator.
    ///
    /// # Errors
    ///
    /// If the API server does not answer, or no longer accepts the token (reason `Unauthorized`).
    pub async fn may(&self, credential: &Credential, requirement: &Requirement) -> Result<bool, Failure> {
        if matches!(credential, Credential::Connection) {
            return Ok(true);
        }
        let kind = Kind {
            group: requirement.group.clone(),
            version: "*".to_owned(),
            plural: requirement.resource.clone(),
            singular: String::new(),
            kind: String::new(),
            short_names: Vec::new(),
            namespaced: true,
            verbs: Vec::new(),
        };
        let namespace = requirement.namespace.as_deref().unwrap_or_else(|| self.default_namespace());
        let query = AccessQuery {
            verb: requirement.verb.clone(),
            subresource: None,
            namespace: Some(namespace.to_owned()),
            name: requirement.name.clone(),
        };
        let deadline = Instant::now().checked_add(REVIEW_TIME).unwrap_or_else(Instant::now);
        let budget = ReadBudget::new(deadline, REVIEW_BYTES, usize::MAX);
        let client = Client { server: &self.cluster.server, credential, budget: &budget };
        Ok(can_i(client, &kind, &query).await?.allowed)
    }
}
