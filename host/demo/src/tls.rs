//! Server certificate, generated at each start.
//!
//! TLS is needed even on loopback, because `kubectl` sends no token over plain HTTP.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Certificates and key, in PEM.
pub(crate) struct Certificate {
    pub(crate) ca: String,
    pub(crate) chain: String,
    pub(crate) key: String,
}

pub(crate) fn certificate() -> Result<Certificate, rcgen::Error> {
    let ca_key = KeyPair::generate()?;
    let mut ca_params = CertificateParams::default();
    ca_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca_params.distinguished_name.push(DnType::CommonName, "porthole-embedded-ca");
    let ca = ca_params.self_signed(&ca_key)?.pem();
    let issuer = Issuer::new(ca_params, &ca_key);
    let key = KeyPair::generate()?;
    let names = ["127.0.0.1", "localhost"].map(str::to_owned);
    let chain = CertificateParams::new(names)?.signed_by(&key, &issuer)?.pem();
    Ok(Certificate { ca, chain, key: key.serialize_pem() })
}
