//! Tables for `kubectl get`, with the columns of `k8s.io/kubernetes/pkg/printers/internalversion`.

mod access;
mod cells;
mod nodes;
mod others;
mod pods;
mod services;
mod storage;
mod workloads;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{kinds::Kind, objects::Object, timestamps};

/// Converts objects of one kind to rows.
struct Printer {
    /// Names and priorities; columns of priority 1 appear with `-o wide` only.
    columns: &'static [(&'static str, u8)],
    cells: fn(&Value, Timestamp) -> Vec<Value>,
}

/// Table of objects of a kind. `include` is the request's `includeObject`.
pub(crate) fn table(kind: &Kind, objects: &[&Object], include: &str, metadata: Value) -> Value {
    let printer = printer(kind);
    let now = timestamps::now();
    let column = |(name, priority): &(&str, u8)| {
        let format = if *name == "Name" { "name" } else { "" };
        json!({"name": name, "type": "string", "format": format, "description": "", "priority": priority})
    };
    let row = |object: &&Object| {
        let cells = (printer.cells)(&object.json, now);
        match include {
            "None" => json!({"cells": cells}),
            "Object" => json!({"cells": cells, "object": object.json}),
            _ => json!({"cells": cells, "object": {
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object.json["metadata"],
            }}),
        }
    };
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": printer.columns.iter().map(column).collect::<Vec<_>>(),
        "rows": objects.iter().map(row).collect::<Vec<_>>(),
    })
}

fn printer(kind: &Kind) -> Printer {
    match (kind.group.as_str(), kind.plural.as_str()) {
        ("", "pods") => pods::PODS,
        ("apps", "deployments") => workloads::DEPLOYMENTS,
        ("apps", "replicasets") => workloads::REPLICA_SETS,
        ("apps", "statefulsets") => workloads::STATEFUL_SETS,
        ("apps", "daemonsets") => workloads::DAEMON_SETS,
        ("batch", "jobs") => workloads::JOBS,
        ("batch", "cronjobs") => workloads::CRON_JOBS,
        ("autoscaling", "horizontalpodautoscalers") => workloads::AUTOSCALERS,
        ("policy", "poddisruptionbudgets") => workloads::DISRUPTION_BUDGETS,
        ("", "nodes") => nodes::NODES,
        ("", "namespaces") => nodes::NAMESPACES,
        ("", "events") => nodes::EVENTS,
        ("", "services") => services::SERVICES,
        ("", "endpoints") => services::ENDPOINTS,
        ("discovery.k8s.io", "endpointslices") => services::ENDPOINT_SLICES,
        ("networking.k8s.io", "ingresses") => services::INGRESSES,
        ("networking.k8s.io", "networkpolicies") => services::NETWORK_POLICIES,
        ("", "persistentvolumes") => storage::VOLUMES,
        ("", "persistentvolumeclaims") => storage::CLAIMS,
        ("storage.k8s.io", "storageclasses") => storage::CLASSES,
        ("", "configmaps") => others::CONFIG_MAPS,
        ("", "secrets") => others::SECRETS,
        ("", "serviceaccounts") => access::SERVICE_ACCOUNTS,
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => access::BINDINGS,
        ("rbac.authorization.k8s.io", _) | ("", "limitranges" | "resourcequotas") => others::WITH_CREATION,
        ("apiextensions.k8s.io", "customresourcedefinitions") => others::WITH_CREATION,
        _ => others::WITH_AGE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guards against a row shorter than its header, which shifts the cells under it.
    #[test]
    fn every_kind_has_a_cell_for_each_column() {
        for kind in crate::kinds::everywhere().into_iter().chain(crate::kinds::metrics()) {
            let printer = printer(&kind);
            let cells = (printer.cells)(&json!({"metadata": {"name": "a"}}), timestamps::now());
            assert_eq!(cells.len(), printer.columns.len(), "{}", kind.qualified_name());
        }
    }
}
