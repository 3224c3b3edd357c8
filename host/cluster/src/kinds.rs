//! Discovery cache: the kinds of the cluster, found by any name that kubectl accepts.
//!
//! Filled by aggregated discovery (two requests) with the token of the first caller, and shared with other callers
//! whose token the API server has accepted: every authenticated account may read it. Refreshed when it is old, or when
//! a name is unknown.
//!
//! By hand, because moka has no stale-if-error: while the API server does not answer, old kinds are served.

#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use porthole_contract::{
    Echo, Failure, Kind, KindRef, MAX_ECHO, Reason, is_kind, is_label, is_subdomain, similarity, truncate,
};
use serde::Deserialize;
use tokio::time::{Instant, timeout};

use super::{Client, envelope::decode_error, request::check_length, throttle::OnBusy};

/// Max age of the kinds. A new kind is found sooner, because an unknown name causes a refresh.
const MAX_AGE: Duration = Duration::from_secs(600);
/// Min interval of refreshes for unknown names: a model that guesses kinds must not load the API server.
const MIN_REFRESH_INTERVAL: Duration = Duration::from_secs(5);
/// Max wait of a call with an unknown name for the discovery of another, which may find it. The attack: a caller whose
/// requests the API server delays holds up everybody's.
const MAX_WAIT_FOR_OTHERS: Duration = Duration::from_secs(1);
/// Max suggestions for an unknown name.
const MAX_SUGGESTIONS: usize = 5;
/// Max kinds, and max short names or verbs of one: an aggregated API server may serve any number. A large cluster has a
/// few hundred.
const MAX_KINDS: usize = 5000;
const MAX_NAMES: usize = 16;
/// Max groups that are named because their API server did not answer.
const MAX_STALE: usize = 64;
/// Max bytes of a requested kind (a plural and a group) or version.
const MAX_REFERENCE: usize = 320;
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Result of one discovery. The core group comes first, then the groups in the API server's order; within a group its
/// preferred version first.
struct DiscoverySnapshot {
    kinds: Vec<Arc<Kind>>,
    /// Groups whose own API server did not answer: their kinds are those that it served before, or missing.
    stale: Vec<String>,
    read_at: Instant,
}

/// Age and wait that a call accepts of a snapshot.
#[derive(Debug, Clone, Copy)]
struct Freshness {
    /// Age from which on it is refreshed.
    max_age: Duration,
    /// Max wait for another call's discovery while an older snapshot is held.
    max_wait: Duration,
}

/// For a name that the snapshot may well have.
const USUAL: Freshness = Freshness { max_age: MAX_AGE, max_wait: Duration::ZERO };
/// For a name that the snapshot does not have.
const UNKNOWN_NAME: Freshness = Freshness { max_age: MIN_REFRESH_INTERVAL, max_wait: MAX_WAIT_FOR_OTHERS };

/// Kinds of one cluster.
#[derive(Default)]
pub struct Kinds {
    snapshot: ArcSwapOption<DiscoverySnapshot>,
    /// Set once the operator was warned that there are too many kinds.
    warned: AtomicBool,
    discovery: tokio::sync::Mutex<()>,
}

impl Kinds {
    /// Resolves a kind by name.
    pub async fn resolve(&self, client: Client<'_>, asked: &KindRef) -> Result<Arc<Kind>, Failure> {
        let name = KindName::parse(asked)?;
        let snapshot = self.snapshot(client, USUAL).await?;
        if let Some(kind) = name.find(&snapshot.kinds) {
            return Ok(kind);
        }
        // Unknown: perhaps a kind that was installed after the snapshot. A recent snapshot is good enough.
        let snapshot = self.snapshot(client, UNKNOWN_NAME).await?;
        name.find(&snapshot.kinds).ok_or_else(|| name.unknown(&snapshot.kinds))
    }

    /// Lists every kind of the cluster.
    pub async fn all(&self, client: Client<'_>) -> Result<Vec<Arc<Kind>>, Failure> {
        Ok(self.snapshot(client, USUAL).await?.kinds.clone())
    }

    /// Groups of the last discovery whose own API server did not answer: kinds of theirs may be missing.
    pub fn stale_groups(&self) -> Vec<String> {
        self.snapshot.load().as_ref().map(|snapshot| snapshot.stale.clone()).unwrap_or_default()
    }

    /// The kinds of the last discovery, without a request.
    pub fn cached(&self) -> Option<Vec<Arc<Kind>>> {
        self.snapshot.load().as_ref().map(|snapshot| snapshot.kinds.clone())
    }

    /// Returns a snapshot as fresh as asked for. If the API server does not answer, is busy, or is being asked, an older
    /// one.
    async fn snapshot(
        &self,
        client: Client<'_>,
        freshness: Freshness,
    ) -> Result<Arc<DiscoverySnapshot>, Failure> {
        let young = |snapshot: &Option<Arc<DiscoverySnapshot>>| {
            snapshot.as_ref().filter(|snapshot| snapshot.read_at.elapsed() < freshness.max_age).cloned()
        };
        let held = self.snapshot.load_full();
        if let Some(snapshot) = young(&held) {
            return Ok(snapshot);
        }
        // One discovery at a time: the calls that wait here find the new snapshot below. With an older one at hand they
        // do not wait, or briefly: the other caller may be one that the API server delays.
        let _guard = match held {
            None => self.discovery.lock().await,
            Some(older) => match timeout(freshness.max_wait, self.discovery.lock()).await {
                Ok(guard) => guard,
                Err(_) => return Ok(older),
            },
        };
        let held = self.snapshot.load_full();
        if let Some(snapshot) = young(&held) {
            return Ok(snapshot);
        }
        let on_busy = if held.is_some() { OnBusy::Fail } else { OnBusy::Wait };
        match discover(client, on_busy, &self.warned).await {
            Ok(snapshot) => {
                let snapshot = Arc::new(snapshot);
                self.snapshot.store(Some(Arc::clone(&snapshot)));
                Ok(snapshot)
            }
            // An old snapshot beats an error: kinds change rarely, and the read itself fails if the token does.
            Err(failure) => held.ok_or(failure),
        }
    }
}

async fn discover(
    client: Client<'_>,
    on_busy: OnBusy,
    warned: &AtomicBool,
) -> Result<DiscoverySnapshot, Failure> {
    let (mut kinds, mut stale) = (Vec::new(), Vec::new());
    for path in ["/api", "/apis"] {
        let what = "the kinds that the cluster serves";
        let answer = client.get_with(path, AGGREGATED, what, on_busy).await?.bytes().await?;
        let groups: Groups = serde_json::from_slice(&answer).map_err(|error| {
            let cause = decode_error(what, &error);
            Failure::new(
                Reason::Unsupported,
                format!("{cause}: no aggregated discovery; Porthole needs Kubernetes 1.28 or later"),
            )
        })?;
        let names = groups.items.iter().filter(|group| group.is_stale()).map(|group| &group.metadata.name);
        stale.extend(names.filter(|name| is_subdomain(name)).take(MAX_STALE).cloned());
        kinds.extend(groups.items.into_iter().flat_map(Group::kinds).map(Arc::new));
        // The core group is read first, so that aggregated API servers cannot push it out.
        if kinds.len() > MAX_KINDS {
            let excluded = kinds.len().saturating_sub(MAX_KINDS);
            if !warned.swap(true, Relaxed) {
                tracing::warn!("the cluster serves more than {MAX_KINDS} kinds; {excluded} are not read");
            }
            kinds.truncate(MAX_KINDS);
        }
    }
    Ok(DiscoverySnapshot { kinds, stale, read_at: Instant::now() })
}

// === the wire: apidiscovery.k8s.io/v2 ===
// By hand, because kube's types are for an API server that is trusted: an empty group, three bytes of an answer, takes
// 384 bytes there and 48 here, and an answer without `items` is an empty cluster there.

#[derive(Deserialize)]
struct Groups {
    items: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    metadata: GroupName,
    #[serde(default)]
    versions: Vec<Version>,
}

#[derive(Deserialize, Default)]
struct GroupName {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Version {
    version: String,
    #[serde(default)]
    resources: Vec<Resource>,
    #[serde(default)]
    freshness: VersionFreshness,
}

#[derive(Deserialize, Default, PartialEq, Eq)]
enum VersionFreshness {
    Stale,
    #[default]
    #[serde(other)]
    Current,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    resource: String,
    #[serde(default)]
    response_kind: Option<ResponseKind>,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    singular_resource: String,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    short_names: Vec<String>,
}

#[derive(Deserialize, Default)]
struct ResponseKind {
    #[serde(default)]
    kind: String,
}

impl Group {
    fn is_stale(&self) -> bool {
        self.versions.iter().any(|version| version.freshness == VersionFreshness::Stale)
    }

    fn kinds(self) -> impl Iterator<Item = Kind> {
        let group = self.metadata.name;
        self.versions.into_iter().flat_map(move |version| {
            let group = group.clone();
            version.resources.into_iter().filter_map(move |resource| resource.kind(&group, &version.version))
        })
    }
}

impl Resource {
    /// Converts to a kind; `None` if one of its names is malformed. Group, version and plural become parts of paths:
    /// one with a slash would read something else than was granted.
    fn kind(self, group: &str, version: &str) -> Option<Kind> {
        let Self { resource: plural, response_kind, scope, singular_resource, verbs, short_names } = self;
        let kind = response_kind.unwrap_or_default().kind;
        let named = (group.is_empty() || is_subdomain(group)) && is_label(version);
        if !named || !is_label(&plural) || !is_kind(&kind) {
            tracing::debug!(
                "a kind of discovery is left out, a name of it is none: {} of {} {}",
                Echo(&plural),
                Echo(group),
                Echo(version)
            );
            return None;
        }
        Some(Kind {
            group: group.to_owned(),
            version: version.to_owned(),
            plural,
            singular: Some(singular_resource).filter(|name| is_label(name)).unwrap_or_default(),
            kind,
            short_names: short_names.into_iter().filter(|name| is_label(name)).take(MAX_NAMES).collect(),
            namespaced: scope == "Namespaced",
            verbs: verbs.into_iter().filter(|verb| is_label(verb)).take(MAX_NAMES).collect(),
        })
    }
}

// === names ===

/// Parsed form of a [`KindRef`].
#[derive(Debug)]
struct KindName {
    name: String,
    group: Option<String>,
    version: Option<String>,
}

impl KindName {
    fn parse(asked: &KindRef) -> Result<Self, Failure> {
        let kind = asked.kind.trim();
        if kind.is_empty() {
            return Err(Failure::new(
                Reason::Invalid,
                "kind is empty; name one, for example pods or deployments.apps",
            ));
        }
        let api_version = asked.api_version.as_deref().map(str::trim).filter(|text| !text.is_empty());
        for (argument, text) in [("kind", Some(kind)), ("apiVersion", api_version)] {
            check_length(argument, text, MAX_REFERENCE)?;
        }
        if let Some(api_version) = api_version {
            let (group, version) = match api_version.split_once('/') {
                None => (String::new(), api_version),
                Some((group, version))
                    if !group.is_empty() && !version.is_empty() && !version.contains('/') =>
                {
                    (group.to_owned(), version)
                }
                Some(_) => {
                    return Err(Failure::new(
                        Reason::Invalid,
                        format!(
                            "invalid argument apiVersion {}; write it like v1 or apps/v1",
                            Echo(api_version)
                        ),
                    ));
                }
            };
            // The group in `apiVersion` counts, also beside `deployments.apps`.
            let name = kind.split('.').next().unwrap_or(kind).to_owned();
            return Ok(Self { name, group: Some(group), version: Some(version.to_owned()) });
        }
        Ok(match kind.split_once('.') {
            None => Self { name: kind.to_owned(), group: None, version: None },
            Some((name, group)) => {
                Self { name: name.to_owned(), group: Some(group.to_owned()), version: None }
            }
        })
    }

    fn find(&self, kinds: &[Arc<Kind>]) -> Option<Arc<Kind>> {
        let fits = |kind: &Kind| {
            if !kind.has_name(&self.name) {
                return false;
            }
            match (&self.group, &self.version) {
                (None, _) => true,
                (Some(group), Some(version)) => kind.group == *group && kind.version == *version,
                // Also `deployments.v1.apps`, which kubectl accepts, and `pods.v1`.
                (Some(group), None) => {
                    kind.group == *group
                        || group.split_once('.').is_some_and(|(v, g)| kind.version == v && kind.group == g)
                        || (kind.group.is_empty() && kind.version == *group)
                }
            }
        };
        // Kinds that cannot be read are skipped: otherwise `bindings`, which only has `create`, would hide the error
        // until the read.
        let readable = |kind: &Kind| kind.verbs.iter().any(|verb| verb == "get" || verb == "list");
        kinds.iter().find(|kind| fits(kind) && readable(kind)).cloned()
    }

    fn unknown(&self, kinds: &[Arc<Kind>]) -> Failure {
        // The name is outside input and is compared with every kind, so it is cut first.
        let asked = truncate(&self.name, MAX_ECHO).to_lowercase();
        let mut near: Vec<(f64, String)> = Vec::new();
        for kind in kinds {
            let score = [&kind.plural, &kind.kind, &kind.singular]
                .into_iter()
                .chain(&kind.short_names)
                .map(|name| similarity(&asked, &name.to_lowercase()))
                .fold(0.0, f64::max);
            // A kind in several versions is one suggestion.
            if score > 0.8 && !near.iter().any(|(_, name)| *name == kind.qualified_name()) {
                near.push((score, kind.qualified_name()));
            }
        }
        near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        near.truncate(MAX_SUGGESTIONS);
        let near: Vec<String> = near.into_iter().map(|(_, name)| name).collect();
        let version = match (&self.group, &self.version) {
            (Some(group), Some(version)) if group.is_empty() => format!(" in version {}", Echo(version)),
            (Some(group), Some(version)) => {
                format!(" in version {}", Echo(&format!("{group}/{version}")))
            }
            (Some(group), None) => format!(" in group {}", Echo(group)),
            _ => String::new(),
        };
        let hint = if near.is_empty() {
            "Name a kind that the cluster serves, for example pods, services or deployments.apps".to_owned()
        } else {
            format!("The nearest here: {}", near.join(", "))
        };
        Failure::new(
            Reason::UnknownKind,
            format!("no matches for kind {}{version}. {hint}.", Echo(&self.name)),
        )
    }
}
