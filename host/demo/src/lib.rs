//! Embedded Kubernetes API server: serves manifests on loopback, over the paths of the real API.
//!
//! It is independent of Porthole, which connects to it as to any cluster: by a kubeconfig, over TLS, with a bearer
//! token. It is read-only; writes are answered with 405. Messages that a client displays are the API server's own, and
//! `kubectl` works against it.
//!
//! A request passes `server` → `accounts` (authentication) → `rbac` (authorization) → `objects`, and is answered in the
//! requested format: an object, a `tables` row, or a page. `manifests` loads the objects once, at the start.

#![allow(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed: reading answers null where nothing is, and writing is done to known objects"
)]

mod accounts;
mod bodies;
mod defaults;
mod discovery;
mod kinds;
mod logs;
mod manifests;
mod objects;
mod openapi;
mod paging;
mod path;
mod proxy;
mod rbac;
mod reviews;
mod selectors;
mod server;
mod status;
mod tables;
mod timestamps;
mod tls;

use std::{net::SocketAddr, path::Path, sync::Arc};

pub use accounts::{Account, Role};
pub use manifests::ManifestError;

/// Objects of the built-in shop, for loading into a real cluster.
#[derive(Debug)]
pub struct Shop {
    /// Collection path and object with its status, owners before their dependents.
    pub objects: Vec<(String, serde_json::Value)>,
    /// Container logs by `<namespace>/<pod>/<container>.log` and `….previous.log`.
    pub logs: std::collections::BTreeMap<String, String>,
}

impl Shop {
    /// Loads the shop as the embedded cluster serves it, with timestamps relative to now.
    ///
    /// # Errors
    /// If this crate's own manifests are invalid.
    pub fn read() -> Result<Self, ManifestError> {
        let (objects, logs) = manifests::Manifests::shop_in_order()?;
        Ok(Self { objects, logs })
    }
}

/// Error when the embedded cluster cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A manifest is invalid.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The certificate cannot be generated.
    #[error("making a certificate for the embedded cluster: {0}")]
    Certificate(String),
    /// No port on loopback is available.
    #[error("opening a port on loopback for the embedded cluster: {0}")]
    Port(#[from] std::io::Error),
}

/// A running embedded cluster; stopped on drop.
#[derive(Debug)]
pub struct EmbeddedCluster {
    /// HTTPS address of its API.
    pub address: SocketAddr,
    /// Accounts, each with a token generated at this start: admin, developer, nobody.
    pub accounts: Vec<Account>,
    /// Number of objects.
    pub objects: usize,
    ca: String,
    serving: tokio::task::JoinHandle<()>,
}

impl EmbeddedCluster {
    /// Serves the manifests of a folder (`*.yaml`, `*.yml`, `*.json`, also in sub-folders; container logs under
    /// `logs/<namespace>/<pod>/<container>.log` and `….previous.log`), or the built-in shop if `folder` is `None`.
    ///
    /// # Errors
    /// [`StartError`]; the error of an invalid manifest names file and line.
    pub async fn start(folder: Option<&Path>) -> Result<Self, StartError> {
        let manifests = match folder {
            Some(folder) => manifests::Manifests::of_folder(folder)?,
            None => manifests::Manifests::shop()?,
        };
        let accounts = manifests.accounts.clone();
        let objects = manifests.objects.len();
        let certificate = tls::certificate().map_err(|error| StartError::Certificate(error.to_string()))?;
        let ca = certificate.ca.clone();
        let cluster = server::Cluster::new(manifests);
        let (address, serving) = server::serve(Arc::new(cluster), certificate).await?;
        Ok(Self { address, accounts, objects, ca, serving })
    }

    /// Kubeconfig with the admin's token, in JSON, which is valid YAML and accepted by `kubectl`.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        use base64::Engine as _;
        let ca = base64::engine::general_purpose::STANDARD.encode(&self.ca);
        let token = self.account(Role::Admin);
        serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "embedded", "cluster": {"server": format!("https://{}", self.address), "certificate-authority-data": ca}}],
            "users": [{"name": "admin", "user": {"token": token.map(|account| account.token.as_str())}}],
            "contexts": [{"name": "embedded", "context": {"cluster": "embedded", "user": "admin", "namespace": "default"}}],
            "current-context": "embedded",
        })
        .to_string()
    }

    /// Account with a role.
    #[must_use]
    pub fn account(&self, role: Role) -> Option<&Account> {
        self.accounts.iter().find(|account| account.role == role)
    }
}

impl Drop for EmbeddedCluster {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
