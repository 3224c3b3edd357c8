//! A stand-in for a Kubernetes cluster: manifests, served over the paths of the real API on loopback.
//!
//! It knows nothing of Porthole, and Porthole reaches it as it reaches any cluster: by a kubeconfig, over TLS, with a
//! bearer token. It reads; whatever would write is answered with 405. It follows the API server's own words wherever
//! a client shows them, and `kubectl` works against it.
//!
//! A request goes `server` → `accounts` (whose token?) → `rbac` (may they?) → `objects`, in the shape that was asked
//! for: the object, a `tables` row, a page. `manifests` fills the objects once, at the start.

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
mod moments;
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
mod tls;

use std::{net::SocketAddr, path::Path, sync::Arc};

pub use accounts::{Account, Role};
pub use manifests::ManifestError;

/// The small shop, for putting it into a real cluster.
#[derive(Debug)]
pub struct Shop {
    /// The path at which objects like it are created, and the object with its status; owners come before what they own.
    pub objects: Vec<(String, serde_json::Value)>,
    /// Container logs by `<namespace>/<pod>/<container>.log` and `….previous.log`.
    pub logs: std::collections::BTreeMap<String, String>,
}

impl Shop {
    /// The shop as the embedded cluster serves it, with moments relative to now.
    ///
    /// # Errors
    /// A mistake in this crate's own manifests.
    pub fn read() -> Result<Self, ManifestError> {
        let (objects, logs) = manifests::Manifests::shop_in_order()?;
        Ok(Self { objects, logs })
    }
}

/// Why there is no embedded cluster.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A manifest cannot be taken.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// No certificate could be made.
    #[error("making a certificate for the embedded cluster: {0}")]
    Certificate(String),
    /// No port on loopback could be had.
    #[error("opening a port on loopback for the embedded cluster: {0}")]
    Port(#[from] std::io::Error),
}

/// A running embedded cluster; it ends with the process, or when this is dropped.
#[derive(Debug)]
pub struct Embedded {
    /// Where it is served, over HTTPS.
    pub address: SocketAddr,
    /// The accounts, each with a token made at this start: admin, developer, nobody.
    pub accounts: Vec<Account>,
    /// How many objects it holds.
    pub objects: usize,
    ca: String,
    serving: tokio::task::JoinHandle<()>,
}

impl Embedded {
    /// Serves the manifests of a folder (`*.yaml`, `*.yml`, `*.json`, in sub-folders too; container logs under
    /// `logs/<namespace>/<pod>/<container>.log` and `….previous.log`), or None: the small shop that comes with this crate.
    ///
    /// # Errors
    /// [`StartError`]: a manifest that cannot be taken is named with its file and line.
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

    /// A kubeconfig (JSON, which is YAML too) with the admin's token in it; `kubectl` takes it.
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

    /// The account of a role.
    #[must_use]
    pub fn account(&self, role: Role) -> Option<&Account> {
        self.accounts.iter().find(|account| account.role == role)
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
