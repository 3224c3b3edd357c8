//! The reads of one call.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
};

use futures::{StreamExt, stream};
use tokio::time::Instant;

use super::{Denied, Grant, Ledger, ReadLog, Verb, redaction::withheld};
use crate::{
    foreign::Echo,
    kube::{
        self, AccessQuery, Allowance, Cluster, Credential, Failure, GetQuery, Kind, KindRef, ListQuery,
        LogQuery, LogText, NodeQuery, Page, Patterns, Reason, Release, Stored, UnpackBudget, UserInfo,
        Verdict,
    },
    memory::MemoryShare,
};

/// Queries in one `…-all` question. More are refused, so that one line of a tool cannot flood the API server.
const MOST_AT_ONCE: usize = 64;
/// How many of them are under way at one time.
const SIDE_BY_SIDE: usize = 8;

/// How a tool declares that it reads Helm's releases. No API server serves this resource: the host reads the Secrets.
const RELEASES: (&str, &str) = ("helm.sh", "releases");

/// What one call may read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadingLimits {
    /// When the last answer must be there.
    pub(crate) deadline: Instant,
    pub(crate) reads: u32,
    pub(crate) bytes: u64,
    /// Bytes of one answer.
    pub(crate) answer: usize,
}

/// What one call has read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) made: Vec<ReadLog>,
    /// Bytes that the cluster sent.
    pub(crate) bytes: u64,
    /// The API server refused the token itself: whoever remembers it should forget it.
    pub(crate) token_refused: bool,
}

/// The reads of one call: as whom, under which grant, within which limits.
pub(crate) struct Reading {
    cluster: Arc<Cluster>,
    credential: Credential,
    grant: Arc<Grant>,
    denied: Arc<Denied>,
    allowance: Arc<Allowance>,
    most_reads: u32,
    reads: AtomicU32,
    ledger: Arc<Ledger>,
    token_refused: AtomicBool,
    /// What this call has compiled and unpacked, which costs the host and not the component.
    patterns: Patterns,
    unpacked: Arc<UnpackBudget>,
}

impl Reading {
    pub(crate) fn new(
        cluster: Arc<Cluster>,
        credential: Credential,
        grant: Arc<Grant>,
        denied: Arc<Denied>,
        limits: ReadingLimits,
        memory: Arc<MemoryShare>,
    ) -> Self {
        let allowance = Allowance::new(limits.deadline, limits.bytes, limits.answer).within(memory);
        let allowance = Arc::new(allowance);
        Self {
            cluster,
            credential,
            grant,
            denied,
            ledger: Arc::new(Ledger::new(Arc::clone(&allowance))),
            allowance,
            most_reads: limits.reads,
            reads: AtomicU32::new(0),
            token_refused: AtomicBool::new(false),
            patterns: Patterns::default(),
            unpacked: Arc::default(),
        }
    }

    pub(crate) fn default_namespace(&self) -> &str {
        self.cluster.server.default_namespace()
    }

    /// Where the API server is.
    pub(crate) fn address(&self) -> &str {
        self.cluster.server.address()
    }

    /// The reads made so far; it outlives a call that is dropped.
    pub(crate) fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.ledger)
    }

    pub(crate) fn tally(&self) -> Tally {
        Tally { token_refused: self.token_refused.load(Relaxed), ..self.ledger.tally() }
    }

    pub(crate) async fn get_object(&self, kind: &KindRef, query: &GetQuery) -> Result<String, Failure> {
        let mut entry = self.ledger.begin("get", &kind.kind, query.namespace.as_deref());
        let answer = self
            .counted(async {
                let kind = self.granted(Verb::Get, kind, &mut entry.resource).await?;
                let Cluster { server, .. } = &*self.cluster;
                kube::get_object(server, &self.credential, &kind, query, withheld(&kind), &self.allowance)
                    .await
            })
            .await;
        entry.end(answer.as_ref().map(String::len));
        answer
    }

    pub(crate) async fn list_objects(&self, kind: &KindRef, query: &ListQuery) -> Result<Page, Failure> {
        let mut entry = self.ledger.begin("list", &kind.kind, query.namespace.as_deref());
        let page = self
            .counted(async {
                let kind = self.granted(Verb::List, kind, &mut entry.resource).await?;
                let Cluster { server, .. } = &*self.cluster;
                let page = kube::list_objects(
                    server,
                    &self.credential,
                    &kind,
                    query,
                    withheld(&kind),
                    &self.allowance,
                )
                .await?;
                let namespace = query.namespace.as_deref().filter(|_| kind.namespaced);
                // Nothing there, or nowhere?
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

    /// That a namespace does not exist. None if it does, or if nobody may tell. Names that are alike are for tools only
    /// that declare the list of namespaces: another would learn them by misspelling one.
    async fn missing_namespace(&self, name: &str) -> Option<Failure> {
        self.denied.check_built_in("", "namespaces").ok()?;
        let Cluster { server, .. } = &*self.cluster;
        let entry = self.ledger.begin("get", "namespaces", Some(name));
        let read = kube::namespace_exists(server, &self.credential, name, &self.allowance);
        let exists = self.counted(read).await;
        entry.end(exists.as_ref().map(|_| 0));
        if exists.unwrap_or(true) {
            return None;
        }
        let mut near = None;
        if self.grant.check(Verb::List, "", "namespaces").is_ok() {
            let entry = self.ledger.begin("list", "namespaces", None);
            let read = kube::near_namespaces(server, &self.credential, name, &self.allowance);
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

    pub(crate) async fn pod_log(&self, query: &LogQuery) -> Result<LogText, Failure> {
        let entry = self.ledger.begin("get", "pods/log", Some(&query.namespace));
        let log = self
            .counted(async {
                self.grant.check(Verb::Get, "", "pods/log")?;
                self.denied.check_built_in("", "pods/log")?;
                let Cluster { server, workers, .. } = &*self.cluster;
                let pattern =
                    self.patterns.compiled(query.pattern.as_deref(), workers, &self.allowance).await?;
                kube::pod_log(server, &self.credential, query, pattern, workers, &self.allowance).await
            })
            .await;
        entry.end(log.as_ref().map(|log| log.text.len()));
        log
    }

    pub(crate) async fn node_read(&self, query: &NodeQuery) -> Result<String, Failure> {
        let entry = self.ledger.begin("get", "nodes/proxy", None);
        let read = self
            .counted(async {
                self.grant.check(Verb::Get, "", "nodes/proxy")?;
                self.denied.check_built_in("", "nodes/proxy")?;
                kube::node_read(&self.cluster.server, &self.credential, query, &self.allowance).await
            })
            .await;
        entry.end(read.as_ref().map(String::len));
        read
    }

    /// Each release of Helm in its newest revision. One whose Secret cannot be opened is told as far as its labels go.
    pub(crate) async fn releases(&self, namespace: Option<&str>) -> Result<Vec<Release>, Failure> {
        let Cluster { server, .. } = &*self.cluster;
        let entry = self.ledger.begin("list", "releases.helm.sh", namespace);
        let stored = self
            .counted(async {
                self.grant.check(Verb::List, RELEASES.0, RELEASES.1)?;
                self.denied.check_built_in(RELEASES.0, RELEASES.1)?;
                self.denied.check_built_in("", "secrets")?;
                kube::stored_releases(server, &self.credential, namespace, &self.allowance).await
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
        let Cluster { server, workers, .. } = &*self.cluster;
        let read = kube::release(server, &self.credential, stored, workers, &self.unpacked, &self.allowance);
        self.counted(read).await.unwrap_or_else(|failure| {
            tracing::debug!("told by its labels: {failure}");
            stored.release.clone()
        })
    }

    /// The documentation of a kind's fields. Every account may read it.
    pub(crate) async fn explain(
        &self,
        kind: &KindRef,
        path: &[String],
        depth: u32,
    ) -> Result<String, Failure> {
        self.counted(async {
            let kind = self.resolved(kind).await?;
            let Cluster { server, workers, .. } = &*self.cluster;
            kube::explain(server, &self.credential, &kind, path, depth, workers, &self.allowance).await
        })
        .await
    }

    pub(crate) async fn get_all(&self, queries: &[(KindRef, GetQuery)]) -> Vec<Result<String, Failure>> {
        self.all(queries.iter().map(|(kind, query)| self.get_object(kind, query)).collect()).await
    }

    pub(crate) async fn list_all(&self, queries: &[(KindRef, ListQuery)]) -> Vec<Result<Page, Failure>> {
        self.all(queries.iter().map(|(kind, query)| self.list_objects(kind, query)).collect()).await
    }

    pub(crate) async fn pod_logs(&self, queries: &[LogQuery]) -> Vec<Result<LogText, Failure>> {
        self.all(queries.iter().map(|query| self.pod_log(query)).collect()).await
    }

    pub(crate) async fn kinds(&self) -> Result<Vec<Arc<Kind>>, Failure> {
        self.counted(async {
            let Cluster { server, kinds, .. } = &*self.cluster;
            kinds.all(server, &self.credential, &self.allowance).await
        })
        .await
    }

    pub(crate) async fn can_i(&self, kind: &KindRef, query: &AccessQuery) -> Result<Verdict, Failure> {
        self.counted(async {
            let kind = self.resolved(kind).await?;
            kube::can_i(&self.cluster.server, &self.credential, &kind, query, &self.allowance).await
        })
        .await
    }

    /// The caller, and the API server's version.
    pub(crate) async fn whoami(&self) -> Result<(UserInfo, String), Failure> {
        self.counted(async {
            let Cluster { server, .. } = &*self.cluster;
            let user = kube::who_am_i(server, &self.credential, &self.allowance).await?;
            Ok((user, kube::server_version(server, &self.credential, &self.allowance).await?))
        })
        .await
    }

    /// Counts a read against the call's budget before it is made, and notes when the token itself is refused.
    async fn counted<T>(&self, read: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        if self.reads.fetch_add(1, Relaxed) >= self.most_reads {
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
        let Cluster { server, kinds, .. } = &*self.cluster;
        kinds.resolve(server, &self.credential, kind, &self.allowance).await
    }

    /// The kind, where the tool declares that it reads it so. `resource` becomes its name, also where it does not.
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
