//! Translation of queries for what changed, and of their answers.

use super::super::world::kube_read::{Change, ChangesPage, ChangesQuery};

impl From<ChangesQuery> for (porthole_contract::KindRef, porthole_contract::ChangesQuery) {
    fn from(query: ChangesQuery) -> Self {
        let ChangesQuery { kind, namespace, name, label_selector, since_time, limit, continue_token } = query;
        let query = porthole_contract::ChangesQuery {
            namespace,
            name,
            label_selector,
            since_time,
            limit,
            continue_token,
        };
        (kind.into(), query)
    }
}

impl From<porthole_contract::Change> for Change {
    fn from(change: porthole_contract::Change) -> Self {
        let porthole_contract::Change {
            namespace,
            name,
            uid,
            created,
            manager,
            operation,
            time,
            subresource,
            fields,
            more_fields,
        } = change;
        Self { namespace, name, uid, created, manager, operation, time, subresource, fields, more_fields }
    }
}

impl From<porthole_contract::ChangesPage> for ChangesPage {
    fn from(page: porthole_contract::ChangesPage) -> Self {
        let porthole_contract::ChangesPage { changes, count, continue_token, remaining } = page;
        Self { changes: changes.into_iter().map(Change::from).collect(), count, continue_token, remaining }
    }
}
