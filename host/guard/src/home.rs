//! Default namespace of calls: configured, or that of the connection.

use std::sync::Arc;

use porthole_cluster::ApiServer;

/// Default namespace of the configuration, over that of the connection to the cluster.
#[derive(Debug, Clone, Default)]
pub(super) struct Home(Option<Arc<str>>);

impl Home {
    pub(super) fn new(configured: Option<String>) -> Self {
        Self(configured.map(Arc::from))
    }

    /// The namespace to assume: without a chosen one, the pod's own or `default`.
    pub(super) fn default_namespace<'a>(&'a self, server: &'a ApiServer) -> &'a str {
        self.0.as_deref().unwrap_or_else(|| server.default_namespace())
    }

    /// The namespace that a person chose: a pod's own says nothing about its callers.
    pub(super) fn preferred_namespace<'a>(&'a self, server: &'a ApiServer) -> Option<&'a str> {
        self.0.as_deref().or_else(|| server.context_namespace())
    }
}
