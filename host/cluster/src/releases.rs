//! Helm releases, decoded in the host from the Secrets that Helm keeps them in, so that components never receive those
//! Secrets.
//!
//! Helm 3 writes each revision as a Secret of type `helm.sh/release.v1`: labels `owner=helm`, `name`, `version`,
//! `status`, and under `data.release` the base64 of the gzip of its JSON (helm/pkg/storage/driver/util.go).

#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::read::GzDecoder;
use porthole_contract::{Echo, Failure, Reason, Release, is_subdomain, truncate};
use serde::Deserialize;

use super::{
    Client,
    envelope::{decode_error, envelope},
    request::{METADATA_LIST, namespace_segment, parameter, segment},
    shape::Items,
    work::{TimeSlice, Workers},
};

/// Max bytes of an unpacked release. Packed it has at most 1 MiB in etcd; more than this is a decompression bomb.
const MAX_UNPACKED: u64 = 16 << 20;
/// Max bytes that one call unpacks. Sixty bombs took a core for 34 s.
const CALL_UNPACKED: u64 = 64 << 20;
/// Max bytes of a chart's name or version: they come from the Secret and go to the component.
const MAX_FIELD: usize = 512;

/// The Secret of a revision, described by its labels.
#[derive(Debug, Clone)]
pub struct StoredRelease {
    secret: String,
    /// The release as far as labels describe it: without chart and times.
    pub release: Release,
}

#[derive(Deserialize)]
struct SecretItem {
    metadata: SecretMetadata,
}

#[derive(Deserialize)]
struct SecretMetadata {
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// Bytes that one call may still unpack.
#[derive(Debug)]
pub struct UnpackBudget(AtomicU64);

impl Default for UnpackBudget {
    fn default() -> Self {
        Self(AtomicU64::new(CALL_UNPACKED))
    }
}

/// Reader that stops when the budget or the time of the call is exhausted.
struct BoundedReader<'b, R> {
    packed: R,
    left: u64,
    budget: &'b UnpackBudget,
    slice: TimeSlice,
}

impl<R: Read> Read for BoundedReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.slice.is_past_deadline() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let read = self.packed.read(buffer)?;
        let bytes = read as u64;
        let budget = self.budget.0.fetch_update(Relaxed, Relaxed, |budget| budget.checked_sub(bytes));
        self.left = self.left.checked_sub(bytes).ok_or(io::ErrorKind::FileTooLarge)?;
        budget.map_err(|_| io::ErrorKind::FileTooLarge)?;
        Ok(read)
    }
}

/// Lists the newest revision of each release from the metadata of the Secrets, without requesting their data.
pub async fn stored_releases(
    client: Client<'_>,
    namespace: Option<&str>,
) -> Result<Vec<StoredRelease>, Failure> {
    let what = match namespace {
        Some(namespace) => format!("Helm's releases in namespace {namespace}"),
        None => "Helm's releases in all namespaces".to_owned(),
    };
    let mut newest: BTreeMap<(String, String), StoredRelease> = BTreeMap::new();
    stored(client, namespace, "owner=helm", &what, |stored| {
        let release = &stored.release;
        let key = (release.namespace.clone(), release.name.clone());
        if newest.get(&key).is_some_and(|known| known.release.revision >= release.revision) {
            return 0;
        }
        // An older revision is not subtracted: what it held is free again, but a bound need not be exact.
        let bytes = stored.bytes();
        newest.insert(key, stored);
        bytes
    })
    .await?;
    Ok(newest.into_values().collect())
}

/// Lists all revisions of one release, the newest first, as [`stored_releases`] does.
pub async fn stored_revisions(
    client: Client<'_>,
    namespace: &str,
    name: &str,
) -> Result<Vec<StoredRelease>, Failure> {
    // A comma would begin another selector.
    if !is_subdomain(name) {
        let message = format!("release {} is not a name in Helm", Echo(name));
        return Err(Failure::new(Reason::Invalid, message));
    }
    let what = format!("the revisions of release {} in namespace {namespace}", Echo(name));
    let mut revisions = Vec::new();
    stored(client, Some(namespace), &format!("owner=helm,name={name}"), &what, |stored| {
        let bytes = stored.bytes();
        revisions.push(stored);
        bytes
    })
    .await?;
    revisions.sort_by_key(|stored| Reverse(stored.release.revision));
    Ok(revisions)
}

/// Reads the metadata of Helm's Secrets. `keep` returns the bytes that it keeps of a revision.
async fn stored(
    client: Client<'_>,
    namespace: Option<&str>,
    selector: &str,
    what: &str,
    mut keep: impl FnMut(StoredRelease) -> usize,
) -> Result<(), Failure> {
    let mut path = secrets(namespace)?;
    parameter(&mut path, "labelSelector", selector);
    parameter(&mut path, "fieldSelector", "type=helm.sh/release.v1");
    let mut answer = client.get(&path, METADATA_LIST, what).await?;
    let mut items = Items::of("items");
    let scratch = client.budget.scratch();
    while let Some(chunk) = answer.chunk().await? {
        scratch.hold_up_to(items.buffered().saturating_add(chunk.len()), what).await?;
        let mut kept = 0_usize;
        items.feed(&chunk, |item| {
            let SecretItem { metadata } =
                serde_json::from_slice(item).map_err(|error| decode_error(what, &error))?;
            kept = kept.saturating_add(keep(StoredRelease::of(metadata)));
            Ok::<_, Failure>(())
        })?;
        client.budget.hold(kept, what).await?;
    }
    envelope(items, what).map(drop)
}

/// Opens the Secret of a revision, for the fields that its labels lack.
pub async fn read_release(
    client: Client<'_>,
    stored: &StoredRelease,
    workers: &Workers,
    budget: &Arc<UnpackBudget>,
) -> Result<Release, Failure> {
    let StoredRelease { secret, release } = stored;
    let what = format!("release {} in namespace {}", Echo(&release.name), Echo(&release.namespace));
    if budget.0.load(Relaxed) == 0 {
        return Err(Failure::new(
            Reason::TooLarge,
            format!("{what}: the call has unpacked {CALL_UNPACKED} bytes"),
        ));
    }
    let mut path = secrets(Some(&release.namespace))?;
    path.push('/');
    path.extend(segment("name", secret)?);
    let body = client.get(&path, "application/json", &what).await?.bytes().await?;
    let budget = Arc::clone(budget);
    let open = move |slice| decode(&body, &budget, slice);
    let inside = workers.run(client.budget, &what, open).await?.map_err(|cause| {
        Failure::new(Reason::Other, format!("{what}: its Secret is not what Helm 3 writes ({cause})"))
    })?;
    Ok(inside.release(release.clone()))
}

fn secrets(namespace: Option<&str>) -> Result<String, Failure> {
    Ok(match namespace {
        Some(namespace) => format!("/api/v1/namespaces/{}/secrets", namespace_segment(namespace)?),
        None => "/api/v1/secrets".to_owned(),
    })
}

impl StoredRelease {
    /// Bytes in the host, with those of its key.
    fn bytes(&self) -> usize {
        let Release { name, namespace, status, .. } = &self.release;
        let texts = [name, namespace, name, namespace, status, &self.secret];
        texts.iter().fold(size_of::<((String, String), Self)>(), |sum, text| sum.saturating_add(text.len()))
    }

    fn of(metadata: SecretMetadata) -> Self {
        let label = |key: &str| metadata.labels.get(key).cloned().unwrap_or_default();
        Self {
            release: Release {
                name: label("name"),
                namespace: metadata.namespace.clone(),
                revision: label("version").parse().unwrap_or(0),
                status: label("status"),
                ..Release::default()
            },
            secret: metadata.name.clone(),
        }
    }
}

/// The fields used of a Helm release; values, manifest and templates are skipped.
#[derive(Deserialize, Default)]
#[serde(default)]
struct HelmRelease {
    info: Info,
    chart: Chart,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Info {
    status: String,
    last_deployed: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Chart {
    metadata: ChartMetadata,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct ChartMetadata {
    name: String,
    version: String,
    app_version: String,
}

impl HelmRelease {
    fn release(self, known: Release) -> Release {
        let short = |text: String| truncate(&text, MAX_FIELD).to_owned();
        Release {
            chart: short(self.chart.metadata.name),
            chart_version: short(self.chart.metadata.version),
            app_version: short(self.chart.metadata.app_version),
            updated: short(self.info.last_deployed),
            status: if self.info.status.is_empty() { known.status } else { short(self.info.status) },
            ..known
        }
    }
}

/// Decodes a Secret's `data.release`: base64 of the API, base64 of Helm, gzip unless it is very old, JSON.
fn decode(secret: &[u8], budget: &UnpackBudget, slice: TimeSlice) -> Result<HelmRelease, String> {
    #[derive(Deserialize)]
    struct Secret {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        release: String,
    }
    const GZIP: &[u8] = &[0x1f, 0x8b, 0x08];
    let secret: Secret = serde_json::from_slice(secret).map_err(|_| "it holds no data.release".to_owned())?;
    let text = |error: base64::DecodeError| error.to_string();
    let packed = BASE64_STANDARD.decode(secret.data.release).map_err(text)?;
    let packed = BASE64_STANDARD.decode(packed).map_err(text)?;
    let inside = if packed.starts_with(GZIP) {
        let packed = GzDecoder::new(packed.as_slice());
        serde_json::from_reader(io::BufReader::new(BoundedReader {
            packed,
            left: MAX_UNPACKED,
            budget,
            slice,
        }))
    } else {
        serde_json::from_slice(&packed)
    };
    // Without serde's message, which may quote the Secret.
    inside.map_err(|error| match error.io_error_kind() {
        Some(io::ErrorKind::FileTooLarge) => "unpacked it is too large".to_owned(),
        Some(io::ErrorKind::TimedOut) => "the call's time is over".to_owned(),
        _ => format!("no JSON at line {}", error.line()),
    })
}
