//! Guarded reads of one call: under a credential, a grant and limits.

mod changes;
mod logs;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use futures::{StreamExt, stream};
use porthole_cluster::{Client, Cluster, Patterns, ReadBudget, StoredRelease, UnpackBudget};
use porthole_contract::{
    AccessDecision, AccessQuery, Credential, Echo, Failure, GetQuery, Kind, KindRef, ListQuery, NodeQuery,
    NodeSource, Page, Reason, Release, UserInfo, Verb,
};
use porthole_quota::MemoryShare;
use tokio::{sync::OnceCell, time::Instant};

use super::{
    ReadLog, ReadRecord, answer_size::AnswerSize, caller_policy::Scope, open_log::OpenLogs, policy::Policy,
    read_log::Entry, redaction::Redactions,
};

/// Max queries in one `…-all` request. More are rejected, so that one line of a tool cannot flood the API server.
const MAX_BATCH: usize = 64;
/// Max concurrent reads of one such request.
const MAX_PARALLEL: usize = 8;

/// Group and resource that a tool declares to read Helm releases. No API server serves it: the host reads the Secrets.
const RELEASES: (&str, &str) = ("helm.sh", "releases");

/// Read limits of one call.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimits {
    /// Deadline for the last answer.
    pub deadline: Instant,
    /// Max reads from the cluster.
    pub reads: u32,
    /// Max bytes read from the cluster.
    pub bytes: u64,
    /// Max bytes of logs that the host searches.
    pub log_bytes: u64,
    /// Max bytes of one answer.
    pub answer: usize,
}

/// Reads of one call, summarized.
#[derive(Debug, Clone, Default)]
pub struct ReadSummary {
    /// Records, in the order of the first read.
    pub records: Vec<ReadRecord>,
    /// Bytes received from the cluster.
    pub bytes: u64,
    /// Secrets masked in logs and event messages.
    pub masked: u64,
    /// Values of objects that the operator's masks replaced.
    pub masked_values: u64,
    /// True if the API server rejected the token itself: a cached identity must be dropped.
    pub token_refused: bool,
}

/// Reads the cluster for one call, under a credential, a grant and limits.
pub struct GuardedReader {
    cluster: Arc<Cluster>,
    credential: Credential,
    policy: Policy,
    redactions: Redactions,
    budget: Arc<ReadBudget>,
    max_reads: u32,
    reads: AtomicU32,
    log: Arc<ReadLog>,
    /// Patterns compiled by this call. Bounded, because they cost the host's CPU and not the component's.
    patterns: Patterns,
    open_logs: OpenLogs,
    unpacked: Arc<UnpackBudget>,
    /// Namespaces that a list found empty, each with the failure if it is missing: asked for once, though a tool lists a
    /// dozen kinds of it side by side. Each costs a read, so the limit of reads bounds them.
    empty_namespaces: Mutex<HashMap<String, Arc<OnceCell<Option<Failure>>>>>,
}

impl GuardedReader {
    pub(crate) fn new(
        cluster: Arc<Cluster>,
        credential: Credential,
        policy: Policy,
        redactions: Redactions,
        limits: ReadLimits,
        memory: Arc<MemoryShare>,
    ) -> Self {
        let budget = ReadBudget::new(limits.deadline, limits.bytes, limits.answer)
            .with_log_bytes(limits.log_bytes)
            .with_memory(memory);
        let budget = Arc::new(budget);
        Self {
            cluster,
            credential,
            policy,
            redactions,
            log: Arc::new(ReadLog::new(Arc::clone(&budget))),
            budget,
            max_reads: limits.reads,
            reads: AtomicU32::new(0),
            patterns: Patterns::default(),
            open_logs: OpenLogs::default(),
            unpacked: Arc::default(),
            empty_namespaces: Mutex::default(),
        }
    }

    /// Default namespace if a caller names none.
    pub fn default_namespace(&self) -> &str {
        self.policy.default_namespace(&self.cluster.server)
    }

    /// Default namespace, if it was chosen by the operator or the kubeconfig's context, and is open to the caller.
    pub fn preferred_namespace(&self) -> Option<&str> {
        self.policy.preferred_namespace(&self.cluster.server)
    }

    /// Address of the API server.
    pub fn address(&self) -> &str {
        self.cluster.server.address()
    }

    /// Log of the reads so far; outlives a call that is dropped.
    pub fn log(&self) -> Arc<ReadLog> {
        Arc::clone(&self.log)
    }

    /// Summary of the reads so far.
    pub fn summary(&self) -> ReadSummary {
        self.log.summary()
    }

    /// Reads one object.
    pub async fn get_object(&self, kind: &KindRef, query: &GetQuery) -> Result<String, Failure> {
        let mut entry = self.log.begin("get", &kind.kind, query.namespace.as_deref());
        let answer = self
            .count_read(async {
                let kind = self
                    .resolve_granted(Verb::Get, kind, query.namespace.as_deref(), &mut entry.resource)
                    .await?;
                let (redaction, masks) = self.redactions.of(&kind);
                porthole_cluster::get_object(self.client(), &kind, query, redaction, &masks).await
            })
            .await;
        self.deliver(Some(entry), &kind.kind, answer)
    }

    /// Reads one page of a list.
    pub async fn list_objects(&self, kind: &KindRef, query: &ListQuery) -> Result<Page, Failure> {
        let mut entry = self.log.begin("list", &kind.kind, query.namespace.as_deref());
        let page = self
            .count_read(async {
                let kind = self
                    .resolve_granted(Verb::List, kind, query.namespace.as_deref(), &mut entry.resource)
                    .await?;
                let (redaction, masks) = self.redactions.of(&kind);
                let page =
                    porthole_cluster::list_objects(self.client(), &kind, query, redaction, &masks).await?;
                if page.count == 0 && query.continue_token.is_none() {
                    self.check_namespace(&kind, query.namespace.as_deref()).await?;
                }
                Ok(page)
            })
            .await;
        self.deliver(Some(entry), &kind.kind, page)
    }

    /// Rejects the empty list of a namespace that does not exist: the API server lists that as empty, and a model would
    /// report that nothing runs in it.
    async fn check_namespace(&self, kind: &Kind, namespace: Option<&str>) -> Result<(), Failure> {
        let Some(namespace) = namespace.filter(|_| kind.namespaced) else { return Ok(()) };
        self.missing_namespace(namespace).await.map_or(Ok(()), Err)
    }

    /// Returns an error if the namespace is missing; `None` if it exists or the caller may not read namespaces. Asks the
    /// cluster once a call.
    async fn missing_namespace(&self, name: &str) -> Option<Failure> {
        let known = {
            let mut namespaces = self.empty_namespaces.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(namespaces.entry(name.to_owned()).or_default())
        };
        known.get_or_init(|| self.look_for_namespace(name)).await.clone()
    }

    /// Asks the cluster for a namespace. Only a tool that declares to list namespaces gets similar names: any other would
    /// learn them by misspelling one.
    async fn look_for_namespace(&self, name: &str) -> Option<Failure> {
        self.policy.allow_undeclared("", "namespaces").ok()?;
        let entry = self.log.begin("get", "namespaces", Some(name));
        let read = porthole_cluster::namespace_exists(self.client(), name);
        let exists = self.count_read(read).await;
        entry.end(exists.as_ref().map(|_| 0));
        // A caller who may not read namespaces learns nothing here, and keeps the empty list.
        if exists.unwrap_or(true) {
            return None;
        }
        let mut near = None;
        if self.policy.allow_built_in(Verb::List, "", "namespaces", Scope::Cluster).is_ok() {
            let entry = self.log.begin("list", "namespaces", None);
            let read = porthole_cluster::similar_namespaces(self.client(), name);
            let names = self.count_read(read).await;
            entry.end(names.as_ref().map(|names| names.iter().map(String::len).sum()));
            near = names.ok().filter(|names| !names.is_empty());
        }
        let hint = near.map_or_else(
            || "namespaces_list has those there are".to_owned(),
            |names| format!("The nearest: {}", names.join(", ")),
        );
        Some(Failure::new(Reason::NotFound, format!("namespace {} does not exist. {hint}.", Echo(name))))
    }

    /// Reads a log or the statistics of a node.
    pub async fn node_read(&self, query: &NodeQuery) -> Result<String, Failure> {
        let entry = self.log.begin("get", "nodes/proxy", None);
        let read = self
            .count_read(async {
                self.policy.allow_built_in(Verb::Get, "", "nodes/proxy", Scope::Cluster)?;
                let masking = self.redactions.masking;
                porthole_cluster::node_read(self.client(), query, masking, &self.cluster.workers).await
            })
            .await;
        let what = match &query.source {
            NodeSource::Log(name) => format!("the log {} of node {}", Echo(name), Echo(&query.node)),
            NodeSource::StatsSummary => format!("the statistics of node {}", Echo(&query.node)),
        };
        self.deliver(Some(entry), &what, read)
    }

    /// Reads all Helm releases in their newest revision. If a Secret cannot be opened, the release has the fields of
    /// its labels only.
    pub async fn releases(&self, namespace: Option<&str>) -> Result<Vec<Release>, Failure> {
        let entry = self.log.begin("list", "releases.helm.sh", namespace);
        let stored = self
            .count_read(async {
                self.allow_releases(namespace)?;
                porthole_cluster::stored_releases(self.client(), namespace).await
            })
            .await;
        let releases = match stored {
            Ok(stored) => {
                let releases: Vec<_> = stored.iter().map(|stored| self.open_release(stored)).collect();
                Ok(stream::iter(releases).buffered(MAX_PARALLEL).collect::<Vec<_>>().await)
            }
            Err(failure) => Err(failure),
        };
        self.deliver(Some(entry), "Helm's releases", releases)
    }

    fn allow_releases(&self, namespace: Option<&str>) -> Result<(), Failure> {
        let scope = namespace.map_or(Scope::AllNamespaces, Scope::Namespace);
        self.policy.allow_built_in(Verb::List, RELEASES.0, RELEASES.1, scope)?;
        // Releases are read from Secrets, so an operator who denies those denies both.
        self.policy.allow_undeclared("", "secrets")
    }

    /// Reads one release; the fields of its labels if its Secret cannot be opened.
    async fn open_release(&self, stored: &StoredRelease) -> Release {
        let read =
            porthole_cluster::read_release(self.client(), stored, &self.cluster.workers, &self.unpacked);
        self.count_read(read).await.unwrap_or_else(|failure| {
            tracing::debug!("told by its labels: {failure}");
            stored.release.clone()
        })
    }

    /// Reads the documentation of a kind's fields. Every account may read it.
    pub async fn explain(&self, kind: &KindRef, path: &[String], depth: u32) -> Result<String, Failure> {
        let text = self
            .count_read(async {
                let kind = self.resolve(kind).await?;
                porthole_cluster::explain(self.client(), &kind, path, depth, &self.cluster.workers).await
            })
            .await;
        self.deliver(None, "the documentation", text)
    }

    /// Reads several objects concurrently.
    pub async fn get_all(&self, queries: &[(KindRef, GetQuery)]) -> Vec<Result<String, Failure>> {
        self.read_batch(queries.iter().map(|(kind, query)| self.get_object(kind, query)).collect()).await
    }

    /// Reads several lists concurrently.
    pub async fn list_all(&self, queries: &[(KindRef, ListQuery)]) -> Vec<Result<Page, Failure>> {
        self.read_batch(queries.iter().map(|(kind, query)| self.list_objects(kind, query)).collect()).await
    }

    /// Lists every readable kind.
    pub async fn kinds(&self) -> Result<Vec<Arc<Kind>>, Failure> {
        let kinds = self.count_read(async { self.cluster.kinds.all(self.client()).await }).await;
        self.deliver(None, "the kinds that the cluster serves", kinds)
    }

    /// Reviews the caller's access with the API server's authorizer.
    pub async fn can_i(&self, kind: &KindRef, query: &AccessQuery) -> Result<AccessDecision, Failure> {
        let decision = self
            .count_read(async {
                let kind = self.resolve(kind).await?;
                porthole_cluster::can_i(self.client(), kind.resource_name(), query).await
            })
            .await;
        self.deliver(None, "an access review", decision)
    }

    /// The caller, and the API server's version.
    pub async fn whoami(&self) -> Result<(UserInfo, String), Failure> {
        let caller = self
            .count_read(async {
                let user = porthole_cluster::who_am_i(self.client()).await?;
                Ok((user, porthole_cluster::server_version(self.client()).await?))
            })
            .await;
        self.deliver(None, "who this token belongs to", caller)
    }

    fn client(&self) -> Client<'_> {
        Client { server: &self.cluster.server, credential: &self.credential, budget: &self.budget }
    }

    /// Counts a read against the call's budget before it starts, and records if the token itself is rejected.
    async fn count_read<T>(&self, read: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        if self.reads.fetch_add(1, Relaxed) >= self.max_reads {
            // Undoes the increment, so that the counter cannot wrap around in a long loop of rejected reads.
            self.reads.store(self.max_reads, Relaxed);
            return Err(Failure::new(
                Reason::OverReads,
                format!(
                    "this call has asked the cluster {} times, its limit (`reads`); ask for less",
                    self.max_reads
                ),
            ));
        }
        let answer = read.await;
        if answer.as_ref().is_err_and(|failure| failure.reason == Reason::Unauthorized) {
            self.log.record_refused_token();
        }
        answer
    }

    /// Ends a read: the only way of an answer to the component. Rejects what would not fit into it, and records the
    /// result.
    fn deliver<T: AnswerSize>(
        &self,
        entry: Option<Entry<'_>>,
        what: &str,
        answer: Result<T, Failure>,
    ) -> Result<T, Failure> {
        let answer = answer.and_then(|answer| {
            self.budget.check_size(answer.bytes(), what)?;
            Ok(answer)
        });
        if let Some(entry) = entry {
            entry.end(answer.as_ref().map(AnswerSize::bytes));
        }
        answer
    }

    async fn resolve(&self, kind: &KindRef) -> Result<Arc<Kind>, Failure> {
        self.cluster.kinds.resolve(self.client(), kind).await
    }

    /// Resolves the kind and checks that the tool declares this read of it. Sets `resource` to its qualified name even
    /// on rejection, for the log.
    async fn resolve_granted(
        &self,
        verb: Verb,
        kind: &KindRef,
        namespace: Option<&str>,
        resource: &mut String,
    ) -> Result<Arc<Kind>, Failure> {
        let kind = self.resolve(kind).await?;
        // From here on the log names the kind as the operator knows it, and not as the component wrote it.
        *resource = kind.qualified_name();
        self.policy.warn_of_idle_entries(|| self.cluster.kinds.cached());
        self.policy.allow(verb, &kind, namespace)?;
        Ok(kind)
    }

    async fn read_batch<T>(
        &self,
        reads: Vec<impl Future<Output = Result<T, Failure>>>,
    ) -> Vec<Result<T, Failure>> {
        if reads.len() > MAX_BATCH {
            let refused = Failure::new(Reason::Invalid, format!("at most {MAX_BATCH} questions at once"));
            return reads.iter().map(|_| Err(refused.clone())).collect();
        }
        stream::iter(reads).buffered(MAX_PARALLEL).collect().await
    }
}
