//! In-cluster configuration: from the environment and the projected files of this pod.
//!
//! kube's own function requires a token. This host has none: it reads with its callers' tokens, so its pod mounts only
//! the cluster's CA and the namespace.

use std::path::{Path, PathBuf};

use rustls::pki_types::{CertificateDer, pem::PemObject};

/// Reason that in-cluster configuration is unavailable.
#[derive(Debug, thiserror::Error)]
pub enum InClusterError {
    /// A variable that the kubelet sets in every container is missing.
    #[error("${0} is not set")]
    Environment(&'static str),
    /// The address in the environment is malformed.
    #[error("the address of the API server cannot be used: {0}")]
    Address(#[from] http::uri::InvalidUri),
    /// A file that should be projected into the pod is unreadable.
    #[error("{path}: {cause}")]
    File { path: PathBuf, cause: std::io::Error },
    /// `ca.crt` holds no certificate.
    #[error("{path}: {cause}")]
    Certificate { path: PathBuf, cause: rustls::pki_types::pem::Error },
}

/// Builds kube's configuration; with the account's token if one is mounted.
pub(super) fn config(account: &Path) -> Result<kube::Config, InClusterError> {
    let variable = |name: &'static str| std::env::var(name).map_err(|_| InClusterError::Environment(name));
    let (host, port) = (variable("KUBERNETES_SERVICE_HOST")?, variable("KUBERNETES_SERVICE_PORT")?);
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let file = |name: &str| {
        let path = account.join(name);
        std::fs::read(&path).map_err(|cause| InClusterError::File { path, cause })
    };
    let mut config = kube::Config::new(format!("https://{host}:{port}").parse()?);
    let certificates: Result<Vec<Vec<u8>>, _> = CertificateDer::pem_slice_iter(&file("ca.crt")?)
        .map(|certificate| certificate.map(|certificate| certificate.to_vec()))
        .collect();
    let path = account.join("ca.crt");
    config.root_cert = Some(certificates.map_err(|cause| InClusterError::Certificate { path, cause })?);
    // The namespace is optional.
    if let Ok(namespace) = file("namespace") {
        config.default_namespace = String::from_utf8_lossy(&namespace).trim().to_owned();
    }
    let token = account.join("token");
    if token.exists() {
        config.auth_info.token_file = Some(token.display().to_string());
    }
    Ok(config)
}
