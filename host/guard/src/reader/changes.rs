//! Reads of what changed.

use porthole_contract::{ChangesPage, ChangesQuery, Failure, KindRef, Verb};

use super::GuardedReader;

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
                let kind = self.resolve_granted(verb, kind, &mut entry.resource).await?;
                let page = porthole_cluster::object_changes(self.client(), &kind, query).await?;
                if page.count == 0 && query.continue_token.is_none() {
                    self.check_namespace(&kind, query.namespace.as_deref()).await?;
                }
                Ok(page)
            })
            .await;
        self.deliver(Some(entry), &kind.kind, page)
    }
}
