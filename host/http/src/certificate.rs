//! Certificate of a TLS port, reloaded when its files change.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;

use crate::ListenError;

/// Interval for checking the certificate files.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// The only protocol. HTTP/2 has neither the time limit nor the buffer limit of [`listen`](crate::listen), and no
/// supported client uses it.
const PROTOCOL: &[u8] = b"http/1.1";

/// Paths of a certificate and its key.
pub struct Certificate {
    cert: PathBuf,
    key: PathBuf,
}

impl Certificate {
    /// Creates a certificate from these files.
    pub fn new(cert: &Path, key: &Path) -> Self {
        Self { cert: cert.to_owned(), key: key.to_owned() }
    }

    /// Reads and parses the files.
    async fn load(&self) -> io::Result<Arc<ServerConfig>> {
        let loaded = RustlsConfig::from_pem_file(&self.cert, &self.key).await?;
        let mut config = ServerConfig::clone(&loaded.get_inner());
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(Arc::new(config))
    }

    /// Contents of the files. Read asynchronously: a hanging volume must not block the threads that answer clients.
    async fn bytes(&self) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
        (tokio::fs::read(&self.cert).await.ok(), tokio::fs::read(&self.key).await.ok())
    }
}

/// Loads a certificate. The future reloads it when its files change, and never completes.
///
/// # Errors
///
/// If the files cannot be read, or are not a certificate and key.
pub async fn tls(
    certificate: Certificate,
) -> Result<(RustlsConfig, impl Future<Output = ()> + Send + use<>), ListenError> {
    // An error means that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let loaded = certificate.load().await.map_err(|source| ListenError::Certificate {
        cert: certificate.cert.display().to_string(),
        key: certificate.key.display().to_string(),
        source,
    })?;
    let config = RustlsConfig::from_config(loaded);
    Ok((config.clone(), keep_loaded(config, certificate)))
}

/// Reloads a certificate when its files change: cert-manager renews them, and a mounted Secret is swapped. If the pair
/// does not match, because only one file is written yet, the next check retries.
async fn keep_loaded(config: RustlsConfig, certificate: Certificate) {
    let mut loaded = certificate.bytes().await;
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        let current = certificate.bytes().await;
        if current == loaded || current.0.is_none() || current.1.is_none() {
            continue;
        }
        let cert = certificate.cert.display();
        match certificate.load().await {
            Ok(new) => {
                config.reload_from_config(new);
                tracing::info!("the certificate in {cert} was taken up again");
                loaded = current;
            }
            Err(error) => tracing::warn!("the certificate in {cert} is not taken up: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tls_offers_http_1_alone() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&cert, pair.cert.pem()).unwrap();
        std::fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
        let loaded = Certificate::new(&cert, &key).load().await.unwrap();
        assert_eq!(loaded.alpn_protocols, [PROTOCOL.to_vec()]);
    }
}
