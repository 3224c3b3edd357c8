//! Whether a namespace is there. To the API server a list in one that is not is simply empty, and a model would report that
//! nothing runs in it.

use serde::Deserialize;

use super::{
    Allowance, ApiServer, Credential, Failure, Reason,
    objects::{parameter, segment},
};
use crate::near::nearest;

const ONE: &str = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
const MANY: &str = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
/// Names looked at for one that is alike.
const LOOKED_AT: u32 = 1000;
/// Names offered.
const NEAREST: usize = 3;
/// How alike a name must be, 1 being the same.
const ALIKE: f64 = 0.75;

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
}

/// That the namespace does not exist, with names that are alike. None where it does, or the caller may not know.
pub(crate) async fn missing_namespace(
    server: &ApiServer,
    credential: &Credential,
    name: &str,
    allowance: &Allowance,
) -> Option<Failure> {
    let what = "the namespace";
    let path = format!("/api/v1/namespaces/{}", segment("namespace", name).ok()?);
    match server.get(credential, &path, ONE, allowance, what).await {
        Err(failure) if failure.reason == Reason::NotFound => {}
        _ => return None,
    }
    let all = names(server, credential, allowance).await.unwrap_or_default();
    let near = nearest(name, all.iter(), ALIKE, NEAREST);
    let near = if near.is_empty() {
        "namespaces_list has those there are".to_owned()
    } else {
        format!("The nearest: {}", near.join(", "))
    };
    Some(Failure::new(Reason::NotFound, format!("namespace {name:?} does not exist. {near}.")))
}

async fn names(server: &ApiServer, credential: &Credential, allowance: &Allowance) -> Option<Vec<String>> {
    let mut path = "/api/v1/namespaces".to_owned();
    parameter(&mut path, "limit", &LOOKED_AT.to_string());
    let answer = server.get(credential, &path, MANY, allowance, "the namespaces").await.ok()?;
    let list: List = serde_json::from_slice(&answer.bytes().await.ok()?).ok()?;
    Some(list.items.into_iter().map(|item| item.metadata.name).collect())
}
