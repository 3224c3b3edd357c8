//! Guarded reads of one call: under a credential, a grant and limits.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
};

use futures::{StreamExt, stream};
use porthole_cluster::{Client, Cluster, Patterns, ReadBudget, Stored, UnpackBudget};
use porthole_contract::{
    AccessDecision, AccessQuery, Credential, Echo, Failure, GetQuery, Kind, KindRef, ListQuery, LogQuery,
    LogText, NodeQuery, Page, Reason, Release, UserInfo, Verb,
};
use porthole_quota::MemoryShare;
use tokio::time::Instant;

use super::{Denied, Grant, ReadLog, ReadRecord, redaction::withheld};

/// Max queries in one `…-all` request. More are rejected, so that one line of a tool cannot flood the API server.
const MOST_AT_ONCE: usize = 64;
/// Max concurrent reads of one such request.
const SIDE_BY_SIDE: usize = 8;

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
    /// True if the API server rejected the token itself: a cached identity must be dropped.
    pub token_refused: bool,
}

/// Reads the cluster for one call, under a credential, a grant and limits.
pub struct GuardedReader {
    cluster: Arc<Cluster>,
    credential: Credential,
    grant: Arc<Grant>,
    denied: Arc<Denied>,
    budget: Arc<ReadBudget>,
    most_reads: u32,
    reads: AtomicU32,
    log: Arc<ReadLog>,
    token_refused: AtomicBool,
    /// Patterns compiled by this call. Bounded, because they cost the host's CPU and not the component's.
    patterns: Patterns,
    unpacked: Arc<UnpackBudget>,
}

impl GuardedReader {
    pub(crate) fn new(
        cluster: Arc<Cluster>,
        credential: Credential,
        grant: Arc<Grant>,
        denied: Arc<Denied>,
        limits: ReadLimits,
        memory: Arc<MemoryShare>,
    ) -> Self {
        let budget = ReadBudget::new(limits.deadline, limits.bytes, limits.answer).within(memory);
        let budget = Arc::new(budget);
        Self {
            cluster,
            credential,
            grant,
            denied,
            log: Arc::new(ReadLog::new(Arc::clone(&budget))),
            budget,
            most_reads: limits.reads,
            reads: AtomicU32::new(0),
            token_refused: AtomicBool::new(false),
            patterns: Patterns::default(),
            unpacked: Arc::default(),
        }
    }

    /// Default namespace if a caller names none.
    pub fn default_namespace(&self) -> &str {
        self.cluster.server.default_namespace()
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
        ReadSummary { token_refused: self.token_refused.load(Relaxed), ..self.log.summary() }
    }

    /// Reads one object.
    pub async fn get_object(&self, kind: &KindRef, query: &GetQuery) -> Result<String, Failure> {
        let mut entry = self.log.begin("get", &kind.kind, query.namespace.as_deref());
        let answer = self
            .counted(async {
                let kind = self.granted(Verb::Get, kind, &mut entry.resource).await?;
                porthole_cluster::get_object(self.client(), &kind, query, withheld(&kind)).await
            })
            .await;
        entry.end(answer.as_ref().map(String::len));
        answer
    }

    /// Reads one page of a list.
    pub async fn list_objects(&self, kind: &KindRef, query: &ListQuery) -> Result<Page, Failure> {
        let mut entry = self.log.begin("list", &kind.kind, query.namespace.as_deref());
        let page = self
            .counted(async {
                let kind = self.granted(Verb::List, kind, &mut entry.resource).await?;
                let page =
                    porthole_cluster::list_objects(self.client(), &kind, query, withheld(&kind)).await?;
                let namespace = query.namespace.as_deref().filter(|_| kind.namespaced);
                // The API server lists a missing namespace as empty, and a model would report that nothing runs in it.
                if page.count == 0
                    && query.continue_token.is_none()
                    && let Some(namespace) = namespace
                    && let Some(missing) = self.missing_namespace(namespace).await
                {
                    return Err(missing);
                }
                Ok(page)
            })
            .await;
        entry.end(page.as_ref().map(|page| page.items.len()));
        page
    }

    /// Returns an error if the namespace is missing; `None` if it exists or the caller may not read namespaces. Only a
    /// tool that declares to list namespaces gets similar names: any other would learn them by misspelling one.
    async fn missing_namespace(&self, name: &str) -> Option<Failure> {
        self.denied.check_built_in("", "namespaces").ok()?;
        let entry = self.log.begin("get", "namespaces", Some(name));
        let read = porthole_cluster::namespace_exists(self.client(), name);
        let exists = self.counted(read).await;
        entry.end(exists.as_ref().map(|_| 0));
        if exists.unwrap_or(true) {
            return None;
        }
        let mut near = None;
        if self.grant.check(Verb::List, "", "namespaces").is_ok() {
            let entry = self.log.begin("list", "namespaces", None);
            let read = porthole_cluster::near_namespaces(self.client(), name);
            let names = self.counted(read).await;
            entry.end(names.as_ref().map(|names| names.iter().map(String::len).sum()));
            near = names.ok().filter(|names| !names.is_empty());
        }
        let hint = near.map_or_else(
            || "namespaces_list has those there are".to_owned(),
            |names| format!("The nearest: {}", names.join(", ")),
        );
        Some(Failure::new(Reason::NotFound, format!("namespace {} does not exist. {hint}.", Echo(name))))
    }

    /// Reads a container's log.
    pub async fn pod_log(&self, query: &LogQuery) -> Result<LogText, Failure> {
        let entry = self.log.begin("get", "pods/log", Some(&query.namespace));
        let log = self
            .counted(async {
                self.grant.check(Verb::Get, "", "pods/log")?;
                self.denied.check_built_in("", "pods/log")?;
                let workers = &self.cluster.workers;
                let pattern = self.patterns.compiled(query.pattern.as_deref(), workers, &self.budget).await?;
                porthole_cluster::pod_log(self.client(), query, pattern, workers).await
            })
            .await;
        entry.end(log.as_ref().map(|log| log.text.len()));
        log
    }

    /// Reads a log or the statistics of a node.
    pub async fn node_read(&self, query: &NodeQuery) -> Result<String, Failure> {
        let entry = self.log.begin("get", "nodes/proxy", None);
        let read = self
            .counted(async {
                self.grant.check(Verb::Get, "", "nodes/proxy")?;
                self.denied.check_built_in("", "nodes/proxy")?;
                porthole_cluster::node_read(self.client(), query).await
            })
            .await;
        entry.end(read.as_ref().map(String::len));
        read
    }

    /// Reads all Helm releases in their newest revision. If a Secret cannot be opened, the release has the fields of
    /// its labels only.
    pub async fn releases(&self, namespace: Option<&str>) -> Result<Vec<Release>, Failure> {
        let entry = self.log.begin("list", "releases.helm.sh", namespace);
        let stored = self
            .counted(async {
                self.grant.check(Verb::List, RELEASES.0, RELEASES.1)?;
                self.denied.check_built_in(RELEASES.0, RELEASES.1)?;
                self.denied.check_built_in("", "secrets")?;
                porthole_cluster::stored_releases(self.client(), namespace).await
            })
            .await;
        let releases = match stored {
            Ok(stored) => {
                let opened: Vec<_> = stored.iter().map(|stored| self.opened(stored)).collect();
                Ok(stream::iter(opened).buffered(SIDE_BY_SIDE).collect::<Vec<_>>().await)
            }
            Err(failure) => Err(failure),
        };
        entry.end(releases.as_ref().map(|releases| releases.len().saturating_mul(size_of::<Release>())));
        releases
    }

    async fn opened(&self, stored: &Stored) -> Release {
        let read = porthole_cluster::release(self.client(), stored, &self.cluster.workers, &self.unpacked);
        self.counted(read).await.unwrap_or_else(|failure| {
            tracing::debug!("told by its labels: {failure}");
            stored.release.clone()
        })
    }

    /// Reads the documentation of a kind's fields. Every account may read it.
    pub async fn explain(&self, kind: &KindRef, path: &[String], depth: u32) -> Result<String, Failure> {
        self.counted(async {
            let kind = self.resolved(kind).await?;
            porthole_cluster::explain(self.client(), &kind, path, depth, &self.cluster.workers).await
        })
        .await
    }

    /// Reads several objects concurrently.
    pub async fn get_all(&self, queries: &[(KindRef, GetQuery)]) -> Vec<Result<String, Failure>> {
        self.all(queries.iter().map(|(kind, query)| self.get_object(kind, query)).collect()).await
    }

    /// Reads several lists concurrently.
    pub async fn list_all(&self, queries: &[(KindRef, ListQuery)]) -> Vec<Result<Page, Failure>> {
        self.all(queries.iter().map(|(kind, query)| self.list_objects(kind, query)).collect()).await
    }

    /// Reads several logs concurrently.
    pub async fn pod_logs(&self, queries: &[LogQuery]) -> Vec<Result<LogText, Failure>> {
        self.all(queries.iter().map(|query| self.pod_log(query)).collect()).await
    }

    /// Lists every readable kind.
    pub async fn kinds(&self) -> Result<Vec<Arc<Kind>>, Failure> {
        self.counted(async { self.cluster.kinds.all(self.client()).await }).await
    }

    /// Reviews the caller's access with the API server's authorizer.
    pub async fn can_i(&self, kind: &KindRef, query: &AccessQuery) -> Result<AccessDecision, Failure> {
        self.counted(async {
            let kind = self.resolved(kind).await?;
            porthole_cluster::can_i(self.client(), &kind, query).await
        })
        .await
    }

    /// The caller, and the API server's version.
    pub async fn whoami(&self) -> Result<(UserInfo, String), Failure> {
        self.counted(async {
            let user = porthole_cluster::who_am_i(self.client()).await?;
            Ok((user, porthole_cluster::server_version(self.client()).await?))
        })
        .await
    }

    fn client(&self) -> Client<'_> {
        Client { server: &self.cluster.server, credential: &self.credential, budget: &self.budget }
    }

    /// Counts a read against the call's budget before it starts, and records if the token itself is rejected.
    async fn counted<T>(&self, read: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        if self.reads.fetch_add(1, Relaxed) >= self.most_reads {
            // Undoes the increment, so that the counter cannot wrap around in a long loop of rejected reads.
            self.reads.store(self.most_reads, Relaxed);
            return Err(Failure::new(
                Reason::OverReads,
                format!(
                    "this call has asked the cluster {} times, its limit (`reads`); ask for less",
                    self.most_reads
                ),
            ));
        }
        let answer = read.await;
        if answer.as_ref().is_err_and(|failure| failure.reason == Reason::Unauthorized) {
            self.token_refused.store(true, Relaxed);
        }
        answer
    }

    async fn resolved(&self, kind: &KindRef) -> Result<Arc<Kind>, Failure> {
        self.cluster.kinds.resolve(self.client(), kind).await
    }

    /// Resolves the kind and checks that the tool declares this read of it. Sets `resource` to its qualified name even
    /// on rejection, for the log.
    async fn granted(&self, verb: Verb, kind: &KindRef, resource: &mut String) -> Result<Arc<Kind>, Failure> {
        let kind = self.resolved(kind).await?;
        *resource = kind.qualified();
        self.denied.compare(|| self.cluster.kinds.known());
        self.grant.check(verb, &kind.group, &kind.plural)?;
        self.denied.check(&kind)?;
        Ok(kind)
    }

    async fn all<T>(&self, reads: Vec<impl Future<Output = Result<T, Failure>>>) -> Vec<Result<T, Failure>> {
        if reads.len() > MOST_AT_ONCE {
            let refused = Failure::new(Reason::Invalid, format!("at most {MOST_AT_ONCE} questions at once"));
            return reads.iter().map(|_| Err(refused.clone())).collect();
        }
        stream::iter(reads).buffered(SIDE_BY_SIDE).collect().await
    }
}
