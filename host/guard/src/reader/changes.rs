//! Reads of what changed.

use futures::{StreamExt, stream};
use porthole_contract::{ChangesPage, ChangesQuery, Failure, KindRef, Release, Verb};

use super::{GuardedReader, MAX_PARALLEL};

/// Max revisions of a Helm release to open, the newest. Helm itself keeps ten, unless it is told to keep all.
const MAX_OPENED: usize = 20;

impl GuardedReader {
    /// Reads the writes to one object, or to one page of a list, under the rule of the objects themselves.
    pub async fn object_changes(&self, kind: &KindRef, query: &ChangesQuery) -> Result<ChangesPage, Failure> {
        let (verb, name) = match &query.name {
            Some(_) => (Verb::Get, "get"),
            None => (Verb::List, "list"),
        };
        let mut entry = self.log.begin(name, &kind.kind, query.namespace.as_deref());
        let page = self
            .count_read(async {
                let kind =
                    self.resolve_granted(verb, kind, query.namespace.as_deref(), &mut entry.resource).await?;
                let page = porthole_cluster::object_changes(self.client(), &kind, query).await?;
                if page.count == 0 && query.continue_token.is_none() {
                    self.check_namespace(&kind, query.namespace.as_deref()).await?;
                }
                Ok(page)
            })
            .await;
        self.deliver(Some(entry), &kind.kind, page)
    }

    /// Reads all revisions of one Helm release, the newest first. Those beyond the newest, and those whose Secret cannot be
    /// opened, have the fields of their labels only.
    pub async fn release_history(&self, namespace: &str, name: &str) -> Result<Vec<Release>, Failure> {
        let entry = self.log.begin("list", "releases.helm.sh", Some(namespace));
        let stored = self
            .count_read(async {
                self.allow_releases(Some(namespace))?;
                porthole_cluster::stored_revisions(self.client(), namespace, name).await
            })
            .await;
        let revisions = match stored {
            Ok(stored) => {
                let (opened, others) = stored.split_at(stored.len().min(MAX_OPENED));
                let opened: Vec<_> = opened.iter().map(|stored| self.open_release(stored)).collect();
                let mut revisions: Vec<Release> = stream::iter(opened).buffered(MAX_PARALLEL).collect().await;
                revisions.extend(others.iter().map(|stored| stored.release.clone()));
                Ok(revisions)
            }
            Err(failure) => Err(failure),
        };
        self.deliver(Some(entry), "the revisions of a Helm release", revisions)
    }
}
