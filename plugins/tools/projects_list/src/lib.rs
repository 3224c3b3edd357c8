//! projects_list: the projects of OpenShift.

use porthole_sdk::{prelude::*, tool};

/// Projects of an OpenShift cluster; elsewhere use namespaces_list.
#[tool(title = "List OpenShift projects", reads(list("project.openshift.io": "projects")))]
fn projects_list(list: ListArguments) -> Answer {
    let kind =
        KindRef { kind: "projects".to_owned(), api_version: Some("project.openshift.io/v1".to_owned()) };
    let list = List { kind, namespace: None, noun: "projects".into() }.server_table(&list);
    list.map_err(|error| match error.reason() {
        Some(Reason::UnknownKind) => {
            "this cluster has no projects: it is not OpenShift. Use namespaces_list.".into()
        }
        _ => error,
    })
}
