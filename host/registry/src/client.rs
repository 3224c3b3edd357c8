//! Registries over HTTP, by the client of the oci-client crate.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, time::Duration};

use futures::{FutureExt as _, StreamExt as _, stream::BoxStream};
use oci_client::{
    Client, Reference,
    client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol},
    errors::{OciDistributionError, OciErrorCode},
    manifest::OciDescriptor,
    secrets::RegistryAuth,
};

use crate::{
    ContentDigest, Error, ImageReference,
    bundle::BUNDLE,
    docker_config,
    manifest::{Descriptor, INDEX, MANIFEST, MAX_ENTRIES},
};

/// Time to connect.
const CONNECT: Duration = Duration::from_secs(10);
/// Max time between two reads of an answer.
const READ: Duration = Duration::from_secs(30);
/// Max time of a request whose answer is short. The client reads manifests whole, however long they are, so this also bounds
/// what a registry that never ends can make of one.
const REQUEST: Duration = Duration::from_secs(30);
/// Max time of an upload, as of a pull.
const UPLOAD: Duration = Duration::from_secs(600);

/// Text of the HTTP library before an address, with which its message ends.
const ADDRESS: &str = " for url (";
/// Stands for a proxy where there must be none: nothing goes to it, since [`ALL_HOSTS`] are exempt. A proxy of one's own turns
/// those of the environment off, which know no exemption for loopback.
const NO_PROXY: &str = "http://127.0.0.1:9";
/// Names and addresses; a star alone covers names only.
const ALL_HOSTS: &str = "*,0.0.0.0/0,::/0";

/// Chunks of a blob; an error is the rendered cause.
pub(crate) type Chunks = BoxStream<'static, Result<Vec<u8>, String>>;

/// Settings of one registry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registry {
    /// Certificate authorities (PEM) in place of the system's.
    pub ca: Option<Vec<u8>>,
    /// Text of a `config.json` of Docker, with credentials.
    pub docker_config: Option<Vec<u8>>,
    /// Plain HTTP; for loopback only.
    pub insecure: bool,
}

/// Settings of all registries, by host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registries(BTreeMap<String, Registry>);

impl Registries {
    /// Adds the settings of a host.
    ///
    /// # Errors
    ///
    /// If it is to be spoken to without TLS and is not on loopback: whoever stands between would read the credentials and
    /// choose what a tag points to.
    pub fn add(&mut self, host: &str, registry: Registry) -> Result<(), String> {
        if registry.insecure && !is_loopback(host) {
            return Err("insecure is for registries on loopback only (127.0.0.1, localhost)".to_owned());
        }
        if let Some(config) = &registry.docker_config {
            docker_config::credentials(config, host)?;
        }
        match self.0.insert(host.to_owned(), registry) {
            Some(_) => Err("it is named twice".to_owned()),
            None => Ok(()),
        }
    }

    /// Opens a repository.
    pub(crate) fn repository(
        &self,
        image: &ImageReference,
        host: &str,
        path: &str,
    ) -> Result<Repository, Error> {
        // The library takes the provider that the process has; without one it panics.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let settings = self.0.get(host).cloned().unwrap_or_default();
        let failed = |cause: String| Error::Failed { image: image.clone().into(), cause };
        require_authorities().map_err(|cause| failed(cause.to_owned()))?;
        let auth = match &settings.docker_config {
            Some(config) => docker_config::credentials(config, host).map_err(failed)?,
            None => RegistryAuth::Anonymous,
        };
        let certificate = |data| Certificate { encoding: CertificateEncoding::Pem, data };
        let client = Client::try_from(ClientConfig {
            protocol: if settings.insecure { ClientProtocol::Http } else { ClientProtocol::Https },
            http_proxy: settings.insecure.then(|| NO_PROXY.to_owned()),
            no_proxy: settings.insecure.then(|| ALL_HOSTS.to_owned()),
            tls_certs_only: settings.ca.into_iter().map(certificate).collect(),
            connect_timeout: Some(CONNECT),
            read_timeout: Some(READ),
            platform_resolver: None,
            use_monolithic_push: true,
            user_agent: concat!("porthole/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        });
        let client = client.map_err(|error| failed(chain(&error)))?;
        Ok(Repository { client, auth, image: image.clone(), host: host.to_owned(), path: path.to_owned() })
    }
}

/// Refuses where the library would panic: whatever `ca` says, it makes a client of the system's authorities first.
fn require_authorities() -> Result<(), &'static str> {
    let mut authorities = rustls::RootCertStore::empty();
    authorities.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if !authorities.is_empty() {
        return Ok(());
    }
    Err(
        "this system has no certificate authorities, without which the client of registries does not begin, caFile or not: \
         install them (ca-certificates), or name a PEM file in the environment variable SSL_CERT_FILE, such as that of caFile",
    )
}

/// True for a host, with or without a port, that is this machine.
fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// A repository of a registry.
pub(crate) struct Repository {
    client: Client,
    auth: RegistryAuth,
    image: ImageReference,
    host: String,
    path: String,
}

impl Repository {
    /// Reference with a tag. The library asks for a digest by the same path, so that one stands in for a tag.
    fn reference(&self, tag: &str) -> Reference {
        Reference::with_tag(self.host.clone(), self.path.clone(), tag.to_owned())
    }

    /// Runs a request whose answer is short.
    async fn request<T>(
        &self,
        about: ImageReference,
        work: impl Future<Output = Result<T, OciDistributionError>>,
    ) -> Result<T, Error> {
        let outcome = self.bounded(&about, REQUEST, work).await?;
        outcome.map_err(|error| translate(about.into(), error))
    }

    /// Runs work of the library within a limit, and keeps its panics from the sources that follow.
    async fn bounded<T>(
        &self,
        about: &ImageReference,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, Error> {
        let reference = self.reference("latest");
        self.client.store_auth_if_needed(reference.resolve_registry(), &self.auth).await;
        // The library unwraps what a registry sends: a token that no header can hold, an upload's address that is none.
        // Each request begins anew, so that nothing half done is seen.
        let work = AssertUnwindSafe(work).catch_unwind();
        let image = || Box::new(about.clone());
        match tokio::time::timeout(limit, work).await {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(_)) => Err(Error::Failed {
                image: image(),
                cause: "the registry sent what its client cannot take".to_owned(),
            }),
            Err(_) => Err(Error::Unreachable {
                image: image(),
                cause: format!("no answer within {} s", limit.as_secs()),
            }),
        }
    }

    /// Digest that a tag points to.
    pub(crate) async fn resolve(&self, tag: &str) -> Result<ContentDigest, Error> {
        let reference = self.reference(tag);
        let digest = self
            .request(self.image.clone(), self.client.fetch_manifest_digest(&reference, &self.auth))
            .await?;
        let image = self.image.clone();
        ContentDigest::try_from(digest).map_err(|cause| Error::Failed {
            image: image.into(),
            cause: format!("the registry answers that {cause}"),
        })
    }

    /// Bytes of the manifest under a tag or a digest.
    pub(crate) async fn manifest(&self, tag: &str) -> Result<Vec<u8>, Error> {
        let digest = ContentDigest::parse(tag);
        let (reference, about) = match digest {
            Some(digest) => (
                Reference::with_digest(self.host.clone(), self.path.clone(), tag.to_owned()),
                self.image.at(digest),
            ),
            None => (
                self.reference(tag),
                ImageReference { tag: Some(tag.to_owned()), digest: None, ..self.image.clone() },
            ),
        };
        let pull = self.client.pull_manifest_raw(&reference, &self.auth, &[MANIFEST, INDEX]);
        let pulled = self.request(about, pull).await;
        match (pulled, digest) {
            (Ok((bytes, _)), _) => Ok(bytes.to_vec()),
            (Err(Error::OtherContent { image, .. }), Some(expected)) => {
                Err(Error::OtherContent { image, expected })
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Manifests that refer to a digest, by the referrers API or, if the registry has none, by its tag.
    ///
    /// Without a filter by type: registries fill it in differently, and what matters is in the manifests. Those that say that
    /// they are signatures come first, so that what others attach does not crowd them out.
    pub(crate) async fn referrers(&self, digest: ContentDigest) -> Result<Vec<ContentDigest>, Error> {
        let reference = Reference::with_digest(self.host.clone(), self.path.clone(), digest.to_string());
        let index = self.request(self.image.at(digest), self.client.pull_referrers(&reference, None)).await?;
        let mut entries: Vec<_> = index.manifests.iter().collect();
        entries.sort_by_key(|entry| entry.artifact_type.as_deref() != Some(BUNDLE));
        Ok(entries
            .into_iter()
            .filter_map(|entry| ContentDigest::parse(&entry.digest))
            .take(MAX_ENTRIES)
            .collect())
    }

    /// Chunks of a blob.
    pub(crate) async fn blob(&self, blob: &Descriptor) -> Result<Chunks, Error> {
        // Without the addresses that a descriptor may name besides: they would have this machine ask anyone.
        let descriptor = OciDescriptor { digest: blob.digest.to_string(), ..OciDescriptor::default() };
        let reference = self.reference("latest");
        let stream =
            self.request(self.image.clone(), self.client.pull_blob_stream(&reference, &descriptor)).await?;
        Ok(stream.stream.map(|chunk| chunk.map(Vec::from).map_err(|error| chain(&error))).boxed())
    }

    /// Uploads a blob, if it is not there yet.
    pub(crate) async fn push_blob(&self, bytes: &[u8]) -> Result<(), Error> {
        let (reference, digest) = (self.reference("latest"), ContentDigest::of(bytes).to_string());
        if self.has_blob(&digest).await {
            return Ok(());
        }
        let pushed = self.client.push_blob(&reference, bytes.to_vec(), &digest);
        match self.bounded(&self.image, UPLOAD, pushed).await? {
            Ok(_) => Ok(()),
            // Some registries answer 201 without an address, and have taken it.
            Err(OciDistributionError::RegistryNoLocationError) if self.has_blob(&digest).await => Ok(()),
            Err(error) => Err(translate(self.image.clone().into(), error)),
        }
    }

    /// True if the registry has a blob.
    async fn has_blob(&self, digest: &str) -> bool {
        let reference = self.reference("latest");
        self.request(self.image.clone(), self.client.blob_exists(&reference, digest)).await.unwrap_or(false)
    }

    /// Uploads a manifest under its digest, or under a tag.
    pub(crate) async fn push_manifest(
        &self,
        bytes: &[u8],
        tag: Option<&str>,
        media_type: &str,
    ) -> Result<(), Error> {
        let digest = ContentDigest::of(bytes).to_string();
        let reference = self.reference(tag.unwrap_or(&digest));
        let kind = header_value(media_type);
        let pushed = self.client.push_manifest_raw(&reference, bytes.to_vec(), kind);
        self.request(self.image.clone(), pushed).await.map(|_| ())
    }
}

/// Header value of a media type, which is a constant of this crate.
fn header_value(media_type: &str) -> http::HeaderValue {
    http::HeaderValue::from_str(media_type).unwrap_or(http::HeaderValue::from_static(MANIFEST))
}

/// Error of the library, as what it means.
fn translate(image: Box<ImageReference>, error: OciDistributionError) -> Error {
    use OciErrorCode::{BlobUnknown, Denied, ManifestUnknown, NameUnknown, NotFound, Unauthorized};
    match error {
        OciDistributionError::ImageManifestNotFoundError(_)
        | OciDistributionError::ServerError { code: 404, .. } => Error::Missing { image },
        OciDistributionError::RegistryError { envelope, .. } => {
            match envelope.errors.first().map(|error| &error.code) {
                Some(BlobUnknown | ManifestUnknown | NameUnknown | NotFound) => Error::Missing { image },
                Some(Denied | Unauthorized) => Error::Denied { image, cause: short(&envelope.to_string()) },
                _ => Error::Failed { image, cause: short(&envelope.to_string()) },
            }
        }
        OciDistributionError::UnauthorizedError { .. } => Error::Denied { image, cause: "401".to_owned() },
        OciDistributionError::AuthenticationFailure(cause) => Error::Denied { image, cause: short(&cause) },
        OciDistributionError::DigestError(_) => {
            let expected = image.digest.unwrap_or_else(|| ContentDigest::of(b""));
            match image.digest {
                Some(_) => Error::OtherContent { image, expected },
                None => Error::Failed {
                    image,
                    cause: "what was sent has not the digest that the registry says".to_owned(),
                },
            }
        }
        OciDistributionError::RequestError(cause) => {
            Error::Unreachable { image, cause: chain(&cause.without_url()) }
        }
        OciDistributionError::ServerError { code, message, .. } => {
            Error::Failed { image, cause: short(&format!("it answers {code}: {message}")) }
        }
        other => Error::Failed { image, cause: chain(&other) },
    }
}

/// An error with its causes, without the address that the HTTP library puts behind its own: what a registry redirects to is
/// signed, so that a log that holds it gives the blob away.
fn chain(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let mut text = text.split(ADDRESS).next().unwrap_or_default().to_owned();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        let cause_text = cause_text.split(ADDRESS).next().unwrap_or_default();
        if !text.contains(cause_text) {
            text.push_str(": ");
            text.push_str(cause_text);
        }
        source = cause.source();
    }
    short(&text)
}

/// Shortens a registry's own text.
fn short(text: &str) -> String {
    porthole_contract::truncate(text, 400).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback() {
        let insecure = Registry { insecure: true, ..Registry::default() };
        for host in ["127.0.0.1:5000", "localhost", "localhost:80", "127.9.9.9"] {
            assert_eq!(Registries::default().add(host, insecure.clone()), Ok(()), "{host}");
        }
        for host in
            ["registry.example.com", "127.0.0.1.example.com:80", "10.0.0.1:5000", "localhost.example.com"]
        {
            assert!(
                Registries::default().add(host, insecure.clone()).unwrap_err().contains("loopback"),
                "{host}"
            );
        }
        let mut registries = Registries::default();
        assert_eq!(registries.add("r.example", Registry::default()), Ok(()));
        assert!(registries.add("r.example", Registry::default()).unwrap_err().contains("twice"));
    }
}
