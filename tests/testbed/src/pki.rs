//! Certificates, generated for one cluster and deleted with it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SigningKey};

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

/// Signs as ES256 of JSON Web Tokens does, with the private key for ServiceAccount tokens in this file.
pub fn sign(key: &Path, message: &[u8]) -> Result<Vec<u8>> {
    let signed = KeyPair::from_pem(&std::fs::read_to_string(key)?)?.sign(message)?;
    fixed(&signed).context("a signature that is not of P-256")
}

/// The two numbers of a signature in DER, of 32 bytes each.
fn fixed(signature: &[u8]) -> Option<Vec<u8>> {
    let mut rest = signature.strip_prefix(&[0x30])?.get(1..)?;
    let mut numbers = Vec::new();
    for _ in 0..2 {
        let [0x02, length, after @ ..] = rest else { return None };
        let (number, after) = after.split_at_checked(usize::from(*length))?;
        // A zero before a number says that it is positive.
        let number = &number[number.len().saturating_sub(32)..];
        numbers.extend(std::iter::repeat_n(0, 32 - number.len()));
        numbers.extend_from_slice(number);
        rest = after;
    }
    Some(numbers)
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
    /// Generates all of them in `folder`, for a server on loopback.
    pub fn make(folder: &Path) -> Result<Self> {
        Self::make_for(folder, &["127.0.0.1", "localhost", "kubernetes.default.svc"])
    }

    /// Generates all of them in `folder`, for a server with these names and addresses.
    pub fn make_for(folder: &Path, names: &[&str]) -> Result<Self> {
        let write = |name: &str, text: &str| -> Result<PathBuf> {
            let path = folder.join(name);
            std::fs::write(&path, text)?;
            Ok(path)
        };
        let ca = Authority::new("porthole-test-ca")?;
        let server = ca.server(names)?;
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
