//! Helm releases, decoded in the host from the Secrets that Helm keeps them in, so that components never receive those
//! Secrets.
//!
//! Helm 3 writes each revision as a Secret of type `helm.sh/release.v1`: labels `owner=helm`, `name`, `version`,
//! `status`, and under `data.release` the base64 of the gzip of its JSON (helm/pkg/storage/driver/util.go).

#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;

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

#[cfg(test)]
mod tests {
    use std::{io::Write, time::Duration};

    use porthole_contract::Credential;
    use porthole_quota::{Account, MemoryTotal};

    use super::*;
    use crate::{
        ReadBudget,
        answering::{answering, answering_by_path},
    };

    fn secret(json: &[u8], zip: bool) -> Vec<u8> {
        let packed = if zip {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            gzip.write_all(json).unwrap();
            gzip.finish().unwrap()
        } else {
            json.to_vec()
        };
        let release = BASE64_STANDARD.encode(BASE64_STANDARD.encode(packed));
        serde_json::json!({"data": {"release": release}}).to_string().into_bytes()
    }

    #[tokio::test]
    async fn the_releases_kept_count_as_memory_of_all_calls() {
        const MIB: u64 = 1 << 20;
        let item = |n: u32| {
            format!(
                r#"{{"metadata":{{"name":"s{n}","namespace":"shop","labels":{{"name":"release-{n}"}}}}}}"#
            )
        };
        let items: Vec<String> = (0..20_000).map(item).collect();
        let list = format!(r#"{{"kind":"SecretList","metadata":{{}},"items":[{}]}}"#, items.join(","));
        // One element that never ends is held too.
        let element = format!(r#"{{"kind":"SecretList","items":[{{"x":"{}"}}]}}"#, "x".repeat(3 << 20));
        for body in [list, element] {
            let server = answering(body).await;
            for (total, expected) in [(64 * MIB, None), (2 * MIB, Some(Reason::Throttled))] {
                let memory = Arc::new(MemoryTotal::new(total).share(Account::of(&1)));
                let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
                let budget = ReadBudget::new(deadline, 8 * MIB, 1 << 20).with_memory(memory);
                let client = Client { server: &server, credential: &Credential::Connection, budget: &budget };
                let read = stored_releases(client, Some("shop")).await;
                let reason = read.err().map(|failure| failure.reason);
                assert_eq!(reason.filter(|reason| *reason == Reason::Throttled), expected, "{total}");
            }
        }
    }

    #[tokio::test]
    async fn the_revisions_of_a_release_are_in_order_and_a_name_adds_no_selector() {
        let item = |n: u32| {
            format!(
                r#"{{"metadata":{{"name":"s{n}","namespace":"shop","labels":{{"name":"web","version":"{n}"}}}}}}"#
            )
        };
        // As the API server sorts them: by name.
        let items = [1, 10, 2].map(item).join(",");
        let list = format!(r#"{{"kind":"SecretList","metadata":{{}},"items":[{items}]}}"#);
        let (server, requests) = answering_by_path(move |_| Some(list.clone().into_bytes())).await;
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        let budget = ReadBudget::new(deadline, 1 << 20, 1 << 20);
        let client = Client { server: &server, credential: &Credential::Connection, budget: &budget };
        let revisions = stored_revisions(client, "shop", "web").await.unwrap();
        let revisions: Vec<u32> = revisions.iter().map(|stored| stored.release.revision).collect();
        assert_eq!(revisions, [10, 2, 1]);
        let asked = requests.take();
        assert!(asked[0].path.contains("labelSelector=owner%3Dhelm%2Cname%3Dweb&"), "{asked:?}");
        for name in ["web,status=failed", "", "a b", "../x", "!web"] {
            assert_eq!(stored_revisions(client, "shop", name).await.unwrap_err().reason, Reason::Invalid);
        }
        assert!(requests.take().is_empty());
    }

    #[test]
    fn a_release_is_unpacked_and_its_values_are_not_in_it() {
        let json = br#"{"name":"web","info":{"status":"deployed","last_deployed":"2026-11-01T10:00:00Z"},"config":{"password":"hunter2"},
            "chart":{"metadata":{"name":"nginx","version":"1.2.3","appVersion":"1.27"},"templates":[{"data":"eA=="}]},"version":3}"#;
        for zip in [true, false] {
            let release = decode(&secret(json, zip), &UnpackBudget::default(), TimeSlice::unlimited())
                .unwrap()
                .release(Release::default());
            assert_eq!(
                (release.chart.as_str(), release.chart_version.as_str(), release.app_version.as_str()),
                ("nginx", "1.2.3", "1.27")
            );
            assert!(!format!("{release:?}").contains("hunter2"));
        }
    }

    #[test]
    fn what_helm_did_not_write_is_an_error_that_quotes_nothing() {
        for broken in [&b"hunter2"[..], b"{\"info\": \"hunter2\"}"] {
            let error = decode(&secret(broken, true), &UnpackBudget::default(), TimeSlice::unlimited())
                .err()
                .unwrap();
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(decode(br#"{"data":{}}"#, &UnpackBudget::default(), TimeSlice::unlimited()).is_err());
    }

    #[test]
    fn bombs_end_with_the_budget_of_the_call_and_its_time() {
        let mut bomb = br#"{"config":""#.to_vec();
        bomb.resize(63 << 20, b' ');
        bomb.extend_from_slice(br#""}"#);
        let bomb = secret(&bomb, true);
        let late = decode(&bomb, &UnpackBudget::default(), TimeSlice::over()).err().unwrap();
        assert!(late.contains("time is over"), "{late}");
        let budget = UnpackBudget::default();
        for _ in 0..60 {
            let error = decode(&bomb, &budget, TimeSlice::unlimited()).err().unwrap();
            assert!(error.contains("too large"), "{error}");
        }
        assert!(budget.0.load(Relaxed) < 1 << 20, "{budget:?}");
        let release = decode(&secret(b"{}", true), &UnpackBudget::default(), TimeSlice::unlimited());
        assert!(release.is_ok());
    }
}
