//! Certificates, generated for one cluster and deleted with it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Certificate and key files of one cluster, in PEM.
pub struct Pki {
    pub ca: PathBuf,
    pub server: (PathBuf, PathBuf),
    /// Client certificate of group `system:masters`.
    pub admin: (PathBuf, PathBuf),
    /// Key pair for ServiceAccount tokens: private, public.
    pub tokens: (PathBuf, PathBuf),
}

impl Pki {
    /// Generates all of them in `folder`.
    pub fn make(folder: &Path) -> Result<Self> {
        let write = |name: &str, text: String| -> Result<PathBuf> {
            let path = folder.join(name);
            std::fs::write(&path, text)?;
            Ok(path)
        };
        let ca_key = KeyPair::generate()?;
        let mut ca_params = CertificateParams::default();
        ca_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca_params.distinguished_name.push(DnType::CommonName, "porthole-test-ca");
        let ca = ca_params.self_signed(&ca_key)?;
        let issuer = Issuer::new(ca_params, &ca_key);

        let server_key = KeyPair::generate()?;
        let names = ["127.0.0.1", "localhost", "kubernetes.default.svc"].map(str::to_owned);
        let server = CertificateParams::new(names)?.signed_by(&server_key, &issuer)?;

        let admin_key = KeyPair::generate()?;
        let mut admin = CertificateParams::default();
        admin.distinguished_name.push(DnType::CommonName, "porthole-test-admin");
        admin.distinguished_name.push(DnType::OrganizationName, "system:masters");
        let admin = admin.signed_by(&admin_key, &issuer)?;

        let tokens = KeyPair::generate()?;
        Ok(Self {
            ca: write("ca.crt", ca.pem())?,
            server: (write("server.crt", server.pem())?, write("server.key", server_key.serialize_pem())?),
            admin: (write("admin.crt", admin.pem())?, write("admin.key", admin_key.serialize_pem())?),
            tokens: (
                write("tokens.key", tokens.serialize_pem())?,
                write("tokens.pub", tokens.public_key_pem())?,
            ),
        })
    }
}
