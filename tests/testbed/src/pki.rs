//! Certificates, generated for one cluster and deleted with it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Certificate and its key, in PEM.
pub(crate) struct Signed {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// Certificate authority of a cluster.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, and the key that signs.
    pub(crate) own: Signed,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let own = Signed { certificate: params.self_signed(&key)?.pem(), key: key.serialize_pem() };
        Ok(Self { issuer: Issuer::new(params, key), own })
    }

    /// Certificate of a server with these names and addresses.
    pub(crate) fn server(&self, names: &[&str]) -> Result<Signed> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.sign(&CertificateParams::new(names)?)
    }

    /// Certificate of a client: a user of Kubernetes, in a group if one is given.
    pub(crate) fn client(&self, user: &str, group: Option<&str>) -> Result<Signed> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, user);
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Result<Signed> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Signed { certificate, key: key.serialize_pem() })
    }
}

/// Key pair for ServiceAccount tokens, in PEM: private, public.
pub(crate) fn token_keys() -> Result<(String, String)> {
    let keys = KeyPair::generate()?;
    Ok((keys.serialize_pem(), keys.public_key_pem()))
}

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
        let write = |name: &str, text: &str| -> Result<PathBuf> {
            let path = folder.join(name);
            std::fs::write(&path, text)?;
            Ok(path)
        };
        let ca = Authority::new("porthole-test-ca")?;
        let server = ca.server(&["127.0.0.1", "localhost", "kubernetes.default.svc"])?;
        let admin = ca.client("porthole-test-admin", Some("system:masters"))?;
        let (private, public) = token_keys()?;
        Ok(Self {
            ca: write("ca.crt", &ca.own.certificate)?,
            server: (write("server.crt", &server.certificate)?, write("server.key", &server.key)?),
            admin: (write("admin.crt", &admin.certificate)?, write("admin.key", &admin.key)?),
            tokens: (write("tokens.key", &private)?, write("tokens.pub", &public)?),
        })
    }
}
