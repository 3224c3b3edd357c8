//! Pushing: a tool as a CNCF Wasm OCI artifact, and its signature as a referrer, as cosign attaches it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    ContentDigest, Error, ImageReference, Registries, SigningKey,
    bundle::{self, BUNDLE, PREDICATE},
    manifest::{CONFIG, Descriptor, EMPTY, INDEX, Index, MANIFEST, Manifest, WASM},
    store::Store,
};

/// Time of creation in the configuration. Fixed, so that one file is one digest, whoever pushes it and when.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// A tool to push.
#[derive(Debug, Clone, Default)]
pub struct Artifact {
    /// The component.
    pub wasm: Vec<u8>,
    /// Interfaces that it imports.
    pub imports: Vec<String>,
    /// Functions and interfaces that it exports.
    pub exports: Vec<String>,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
}

/// Configuration of the CNCF Wasm OCI artifact.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    created: &'static str,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [ContentDigest; 1],
    component: Component<'a>,
}

#[derive(Serialize)]
struct Component<'a> {
    imports: &'a [String],
    exports: &'a [String],
}

/// Pushes a tool, and with a key its signature. Returns the digest of its manifest.
///
/// # Errors
///
/// If the registry does not take it.
pub async fn push(
    artifact: &Artifact,
    image: &ImageReference,
    key: Option<&SigningKey>,
    registries: &Registries,
) -> Result<ContentDigest, Error> {
    let store = Store::open(image, registries)?;
    let layer = Descriptor::of(WASM, &artifact.wasm);
    let component = Component { imports: &artifact.imports, exports: &artifact.exports };
    let config = Config {
        created: CREATED,
        architecture: "wasm",
        os: "wasip2",
        layer_digests: [layer.digest],
        component,
    };
    let config = encode(image, &config)?;
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST.to_owned()),
        artifact_type: None,
        config: Descriptor::of(CONFIG, &config),
        layers: vec![layer],
        subject: None,
        annotations: artifact.annotations.clone(),
    };
    let manifest = encode(image, &manifest)?;
    let digest = ContentDigest::of(&manifest);
    if let Some(pinned) = image.digest.filter(|pinned| *pinned != digest) {
        return Err(Error::Failed {
            image: image.clone().into(),
            cause: format!("the digest of this tool would be {digest}, not {pinned}"),
        });
    }
    store.push_blob(&artifact.wasm).await?;
    store.push_blob(&config).await?;
    store.push_manifest(&manifest, image.tag.as_deref(), MANIFEST).await?;
    if let Some(key) = key {
        attach(&store, image, &manifest, key).await?;
    }
    Ok(digest)
}

/// Signs a manifest and attaches the signature to it.
async fn attach(
    store: &Store,
    image: &ImageReference,
    manifest: &[u8],
    key: &SigningKey,
) -> Result<(), Error> {
    let subject = Descriptor::of(MANIFEST, manifest);
    let failed = |cause: String| Error::Failed { image: image.clone().into(), cause };
    let bundle = bundle::sign(subject.digest, key).map_err(|error| failed(error.to_string()))?;
    let annotation = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let signature = Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST.to_owned()),
        artifact_type: Some(BUNDLE.to_owned()),
        config: Descriptor::of(EMPTY, b"{}"),
        layers: vec![Descriptor::of(BUNDLE, &bundle)],
        subject: Some(subject.clone()),
        annotations: BTreeMap::from([
            annotation("dev.sigstore.bundle.content", "dsse-envelope"),
            annotation("dev.sigstore.bundle.predicateType", PREDICATE),
        ]),
    };
    let signature = encode(image, &signature)?;
    let digest = ContentDigest::of(&signature);
    store.push_blob(b"{}").await?;
    store.push_blob(&bundle).await?;
    store.push_manifest(&signature, None, MANIFEST).await?;
    if store.referrers(subject.digest).await?.contains(&digest) {
        return Ok(());
    }
    // A registry without the referrers API leaves it to the client to keep the list under a tag.
    let tag = format!("sha256-{}", subject.digest.hex());
    let listed = store.tagged(&tag).await?;
    let mut index: Index = match listed {
        Some(bytes) => serde_json::from_slice(&bytes)
            .map_err(|error| failed(format!("its tag {tag} is not a list of referrers: {error}")))?,
        None => Index::empty(),
    };
    let entry = Descriptor { artifact_type: Some(BUNDLE.to_owned()), ..Descriptor::of(MANIFEST, &signature) };
    index.manifests.push(entry);
    store.push_manifest(&encode(image, &index)?, Some(&tag), INDEX).await
}

fn encode(image: &ImageReference, value: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value)
        .map_err(|error| Error::Failed { image: image.clone().into(), cause: error.to_string() })
}
