//! Guard of one cluster: creates the guarded reader of each call, and reviews access rights.

use std::sync::{Arc, Once};

use porthole_cluster::{Client, Cluster, Masking, ReadBudget, can_i};
use porthole_contract::{AccessQuery, Credential, Failure, Reason, Requirement, ResourceName};
use porthole_quota::MemoryShare;

use crate::{
    CallerPolicy, Ceiling, Denied, Grant, GuardedReader, MaskedValues, NamedKinds, ReadLimits, home::Home,
    policy::Policy, redaction::Redactions,
};

/// The cluster behind the operator's policy.
pub struct Guard {
    cluster: Arc<Cluster>,
    denied: Arc<Denied>,
    callers: Arc<CallerPolicy>,
    /// Set once the operator was warned of entries of `denied` that match nothing.
    idle_warned: Arc<Once>,
    masking: Masking,
    masked: Arc<MaskedValues>,
    home: Home,
}

impl Guard {
    /// Guards a cluster; `denied` applies to every tool.
    pub fn new(cluster: Arc<Cluster>, denied: Arc<Denied>) -> Self {
        Self {
            cluster,
            denied,
            callers: Arc::default(),
            idle_warned: Arc::new(Once::new()),
            masking: Masking::default(),
            masked: Arc::default(),
            home: Home::default(),
        }
    }

    /// Sets whether secrets in logs and event messages are masked; they are by default.
    pub fn with_masking(self, masking: Masking) -> Self {
        Self { masking, ..self }
    }

    /// Sets the values of objects that are masked; none are by default.
    pub fn with_masked_values(self, masked: Arc<MaskedValues>) -> Self {
        Self { masked, ..self }
    }

    /// Sets the policy by caller; none is narrowed by default.
    pub fn with_callers(self, callers: Arc<CallerPolicy>) -> Self {
        Self { callers, ..self }
    }

    /// Sets the default namespace of calls; without it, the one of the connection.
    pub fn with_default_namespace(self, configured: Option<String>) -> Self {
        Self { home: Home::new(configured), ..self }
    }

    /// The policy of a caller with this user name and these groups.
    pub fn ceiling(&self, username: &str, groups: &[String]) -> Ceiling {
        self.callers.ceiling(username, groups)
    }

    /// Creates the reader of one call: with the caller's credential and policy, the tool's grant, and limits.
    pub fn reader(
        &self,
        credential: Credential,
        ceiling: Ceiling,
        grant: Arc<Grant>,
        limits: ReadLimits,
        memory: Arc<MemoryShare>,
    ) -> GuardedReader {
        let (cluster, denied) = (Arc::clone(&self.cluster), Arc::clone(&self.denied));
        let policy = Policy::new(grant, ceiling, denied, self.home.clone(), Arc::clone(&self.idle_warned));
        let masking = Redactions { masking: self.masking, masked: Arc::clone(&self.masked) };
        GuardedReader::new(cluster, credential, policy, masking, limits, memory)
    }

    /// Default namespace if a caller names none.
    pub fn default_namespace(&self) -> &str {
        self.home.default_namespace(&self.cluster.server)
    }

    /// The namespace in which a right is required.
    pub fn namespace_of<'a>(&'a self, requirement: &'a Requirement) -> &'a str {
        requirement.namespace.as_deref().unwrap_or_else(|| self.cluster.server.default_namespace())
    }

    /// All kinds that the cluster serves now and that can be read; and the groups of which some may be missing, since
    /// their own API server did not answer.
    ///
    /// # Errors
    ///
    /// If the API server does not answer, or serves no kind or too many.
    pub async fn kinds(&self, credential: &Credential) -> Result<(NamedKinds, Vec<String>), Failure> {
        let budget = ReadBudget::for_discovery();
        let client = Client { server: &self.cluster.server, credential, budget: &budget };
        let kinds = self.cluster.kinds.all(client).await?;
        let named = NamedKinds::of(kinds.iter().map(AsRef::as_ref));
        let named = named.map_err(|error| Failure::new(Reason::Other, error))?;
        Ok((named, self.cluster.kinds.stale_groups()))
    }

    /// Address of the API server.
    pub fn address(&self) -> &str {
        self.cluster.server.address()
    }

    /// True if the account has the right, by the API server's own authorizer. The host's own account has every right: a
    /// holder of the shared token of `--identity host` is the operator.
    ///
    /// # Errors
    ///
    /// If the API server does not answer, or no longer accepts the token (reason `Unauthorized`).
    pub async fn is_allowed(
        &self,
        credential: &Credential,
        requirement: &Requirement,
    ) -> Result<bool, Failure> {
        if matches!(credential, Credential::Connection) {
            return Ok(true);
        }
        // A right covers every version.
        let resource =
            ResourceName { group: &requirement.group, version: "*", plural: &requirement.resource };
        let query = AccessQuery {
            verb: requirement.verb.clone(),
            subresource: None,
            namespace: Some(self.namespace_of(requirement).to_owned()),
            name: requirement.name.clone(),
        };
        let budget = ReadBudget::for_review();
        let client = Client { server: &self.cluster.server, credential, budget: &budget };
        Ok(can_i(client, resource, &query).await?.allowed)
    }
}

#[cfg(test)]
mod tests {
    use porthole_cluster::answering::answering_by_path;
    use serde_json::json;

    use super::*;

    /// As of a cluster with hundreds of CRDs, whose discovery has more bytes than a review may read.
    fn discovery(path: &str) -> Option<Vec<u8>> {
        let group = |n: usize| {
            let resources = ["things", "others"].map(|plural| {
                let verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
                json!({"resource": plural, "responseKind": {"group": format!("group-{n}.example.com"), "version": "v1", "kind": "Kind"},
                    "scope": "Namespaced", "singularResource": plural, "verbs": verbs, "categories": ["all"]})
            });
            let freshness = if n == 7 { "Stale" } else { "Current" };
            let versions = json!([{"version": "v1", "freshness": freshness, "resources": resources}]);
            json!({"metadata": {"name": format!("group-{n}.example.com")}, "versions": versions})
        };
        let items = if path == "/apis" { (0..800).map(group).collect() } else { Vec::new() };
        Some(json!({"items": items}).to_string().into_bytes())
    }

    #[tokio::test]
    async fn the_kinds_of_a_cluster_with_hundreds_of_them_are_read() {
        assert!(discovery("/apis").unwrap().len() > 256 << 10);
        let (server, _requests) = answering_by_path(discovery).await;
        let guard = Guard::new(Arc::new(Cluster::new(server)), Arc::default());
        let (kinds, stale) = guard.kinds(&Credential::Connection).await.unwrap();
        assert_eq!((kinds.count(), stale), (1600, vec!["group-7.example.com".to_owned()]));
        assert!(kinds.names().contains(&"others.group-799.example.com".to_owned()));
    }
}
