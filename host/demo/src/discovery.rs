//! API discovery: the aggregated format, and the legacy documents that some clients request.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::header;
use serde_json::{Value, json};

use crate::kinds::Kind;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
/// Resources that only accept reviews of the caller's own rights: group, plural, kind.
const REVIEWS: [(&str, &str, &str); 3] = [
    ("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview"),
    ("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    ("authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview"),
];

/// Document at a path; `None` if there is none.
pub(crate) fn answer(path: &str, accept: &str, kinds: &[Kind]) -> Option<Response> {
    let aggregated =
        accept.contains("g=apidiscovery.k8s.io;v=v2;") || accept.contains("v=v2;g=apidiscovery.k8s.io");
    let versions = group_versions(kinds);
    match path.trim_end_matches('/') {
        part @ ("/api" | "/apis") if aggregated => {
            let core = part == "/api";
            let mut groups: Vec<Value> = Vec::new();
            for (group, version) in versions.iter().filter(|(group, _)| group.is_empty() == core) {
                let resources: Vec<Value> =
                    resources(kinds, group, version).map(aggregated_resource).collect();
                let version = json!({"version": version, "freshness": "Current", "resources": resources});
                let known = groups.iter_mut().find(|known| known["metadata"]["name"] == group.as_str());
                match known.and_then(|known| known["versions"].as_array_mut()) {
                    Some(versions) => versions.push(version),
                    None => groups.push(json!({"metadata": if core { json!({}) } else { json!({"name": group}) }, "versions": [version]})),
                }
            }
            let list = json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": groups});
            Some(([(header::CONTENT_TYPE, AGGREGATED)], list.to_string()).into_response())
        }
        "/api" => Some(
            Json(json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}))
                .into_response(),
        ),
        "/apis" => {
            let mut groups: Vec<Value> = Vec::new();
            for (group, version) in versions.iter().filter(|(group, _)| !group.is_empty()) {
                let version = json!({"groupVersion": format!("{group}/{version}"), "version": version});
                let known = groups.iter_mut().find(|known| known["name"] == group.as_str());
                match known.and_then(|known| known["versions"].as_array_mut()) {
                    Some(versions) => versions.push(version),
                    None => groups
                        .push(json!({"name": group, "versions": [version], "preferredVersion": version})),
                }
            }
            Some(Json(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})).into_response())
        }
        path => {
            let (group, version) = match path.strip_prefix("/apis/") {
                Some(rest) => rest.split_once('/')?,
                None => ("", path.strip_prefix("/api/")?),
            };
            versions.iter().find(|(g, v)| g == group && v == version)?;
            let resources: Vec<Value> = resources(kinds, group, version).flat_map(legacy_resources).collect();
            let name = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
            let list = json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": resources});
            Some(Json(list).into_response())
        }
    }
}

/// Resource of a group and version.
enum ResourceKind<'a> {
    Kind(&'a Kind),
    Review(&'static str, &'static str),
}

fn resources<'a>(
    kinds: &'a [Kind],
    group: &'a str,
    version: &'a str,
) -> impl Iterator<Item = ResourceKind<'a>> {
    let reviews = REVIEWS.iter().filter(move |(of, ..)| *of == group);
    let kinds = kinds.iter().filter(move |kind| kind.group == group && kind.version == version);
    kinds.map(ResourceKind::Kind).chain(reviews.map(|(_, plural, kind)| ResourceKind::Review(plural, kind)))
}

/// Group versions in the order of the kinds, without duplicates.
fn group_versions(kinds: &[Kind]) -> Vec<(String, String)> {
    let own = kinds.iter().map(|kind| (kind.group.clone(), kind.version.clone()));
    let reviews = REVIEWS.iter().map(|(group, ..)| ((*group).to_owned(), "v1".to_owned()));
    let mut found = Vec::new();
    for pair in own.chain(reviews) {
        if !found.contains(&pair) {
            found.push(pair);
        }
    }
    found
}

fn aggregated_resource(found: ResourceKind<'_>) -> Value {
    match found {
        ResourceKind::Review(plural, kind) => json!({
            "resource": plural, "responseKind": {"group": "", "version": "", "kind": kind}, "scope": "Cluster",
            "singularResource": kind.to_lowercase(), "verbs": ["create"],
        }),
        ResourceKind::Kind(kind) => {
            let mut resource = json!({
                "resource": kind.plural,
                "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
                "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
                "singularResource": kind.singular(),
                "verbs": ["get", "list"],
            });
            if !kind.short_names.is_empty() {
                resource["shortNames"] = json!(kind.short_names);
            }
            if kind.in_all {
                resource["categories"] = json!(["all"]);
            }
            if kind.qualified_name() == "pods" {
                resource["subresources"] = json!([{"subresource": "log", "verbs": ["get"], "responseKind": {"group": "", "version": "v1", "kind": "Pod"}}]);
            }
            resource
        }
    }
}

fn legacy_resources(found: ResourceKind<'_>) -> Vec<Value> {
    match found {
        ResourceKind::Review(plural, kind) => {
            vec![
                json!({"name": plural, "singularName": kind.to_lowercase(), "namespaced": false, "kind": kind, "verbs": ["create"]}),
            ]
        }
        ResourceKind::Kind(kind) => {
            let mut resource = json!({"name": kind.plural, "singularName": kind.singular(), "namespaced": kind.namespaced,
                "kind": kind.kind, "verbs": ["get", "list"]});
            if !kind.short_names.is_empty() {
                resource["shortNames"] = json!(kind.short_names);
            }
            if kind.in_all {
                resource["categories"] = json!(["all"]);
            }
            let log = json!({"name": "pods/log", "singularName": "", "namespaced": true, "kind": "Pod", "verbs": ["get"]});
            if kind.qualified_name() == "pods" { vec![resource, log] } else { vec![resource] }
        }
    }
}
