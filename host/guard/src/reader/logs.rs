//! Reads of logs: their text, searches, and logs that are read piece by piece.

use porthole_cluster::Case;
use porthole_contract::{Failure, LogChunk, LogMatches, LogQuery, LogSearch, LogSource, LogText, Verb};

use super::GuardedReader;
use crate::{OpenLog, caller_policy::Scope};

impl GuardedReader {
    /// Reads a container's log.
    pub async fn pod_log(&self, query: &LogQuery) -> Result<LogText, Failure> {
        let entry = self.log.begin("get", "pods/log", Some(&query.source.namespace));
        let log = self
            .count_read(async {
                let scope = Scope::Namespace(&query.source.namespace);
                self.policy.allow_built_in(Verb::Get, "", "pods/log", scope)?;
                let workers = &self.cluster.workers;
                let pattern = query.pattern.as_deref();
                let pattern =
                    self.patterns.get_or_compile(pattern, Case::Minded, workers, &self.budget).await?;
                porthole_cluster::pod_log(self.client(), query, pattern, self.redactions.masking, workers)
                    .await
            })
            .await;
        self.deliver(Some(entry), "the log", log)
    }

    /// Searches a container's log.
    pub async fn search_log(&self, query: &LogSearch) -> Result<LogMatches, Failure> {
        let entry = self.log.begin("get", "pods/log", Some(&query.source.namespace));
        let found = self
            .count_read(async {
                let scope = Scope::Namespace(&query.source.namespace);
                self.policy.allow_built_in(Verb::Get, "", "pods/log", scope)?;
                let workers = &self.cluster.workers;
                let patterns = self.patterns.of_search(query, workers, &self.budget).await?;
                porthole_cluster::search_log(self.client(), query, patterns, self.redactions.masking, workers)
                    .await
            })
            .await;
        self.deliver(Some(entry), "the log", found)
    }

    /// Opens a container's log, to be read piece by piece.
    pub async fn open_log(&self, source: &LogSource) -> Result<OpenLog, Failure> {
        let entry = self.log.begin("get", "pods/log", Some(&source.namespace));
        let opened = self
            .count_read(async {
                let scope = Scope::Namespace(&source.namespace);
                self.policy.allow_built_in(Verb::Get, "", "pods/log", scope)?;
                let place = self.open_logs.enter()?;
                let reader =
                    porthole_cluster::open_log(self.client(), source, self.redactions.masking).await?;
                Ok(OpenLog { reader, namespace: source.namespace.clone(), _place: place })
            })
            .await;
        entry.end(opened.as_ref().map(|_| 0));
        opened
    }

    /// Reads the next lines of an open log.
    pub async fn next_lines(&self, log: &mut OpenLog, max: u32) -> Result<LogChunk, Failure> {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        let chunk = log.reader.next(max, &self.budget, &self.cluster.workers).await;
        let chunk = self.deliver(None, "the log", chunk)?;
        self.log.add_bytes("get", "pods/log", Some(&log.namespace), chunk.text.len());
        Ok(chunk)
    }

    /// Reads several logs concurrently.
    pub async fn pod_logs(&self, queries: &[LogQuery]) -> Vec<Result<LogText, Failure>> {
        self.read_batch(queries.iter().map(|query| self.pod_log(query)).collect()).await
    }

    /// Searches several logs concurrently.
    pub async fn search_logs(&self, queries: &[LogSearch]) -> Vec<Result<LogMatches, Failure>> {
        self.read_batch(queries.iter().map(|query| self.search_log(query)).collect()).await
    }
}
