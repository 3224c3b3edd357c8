//! Whether a namespace is there. To the API server a list in one that is not is simply empty, and a model would report that
//! nothing runs in it.

use serde::Deserialize;

use super::{
    Allowance, ApiServer, Credential, Failure, Reason,
    objects::{envelope, namespace_segment, parameter, unreadable},
    shape::Items,
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
struct Item {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
}

/// Whether there is a namespace of this name.
pub(crate) async fn namespace_exists(
    server: &ApiServer,
    credential: &Credential,
    name: &str,
    allowance: &Allowance,
) -> Result<bool, Failure> {
    let path = format!("/api/v1/namespaces/{}", namespace_segment(name)?);
    match server.get(credential, &path, ONE, allowance, "the namespace").await {
        Ok(_) => Ok(true),
        Err(failure) if failure.reason == Reason::NotFound => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// Names of namespaces that are alike, the nearest first.
pub(crate) async fn near_namespaces(
    server: &ApiServer,
    credential: &Credential,
    name: &str,
    allowance: &Allowance,
) -> Result<Vec<String>, Failure> {
    let what = "the namespaces";
    let mut path = "/api/v1/namespaces".to_owned();
    parameter(&mut path, "limit", &LOOKED_AT.to_string());
    let mut answer = server.get(credential, &path, MANY, allowance, what).await?;
    let mut list = Items::of("items");
    let mut names = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        list.feed(&chunk, |item| {
            let Item { metadata } = serde_json::from_slice(item).map_err(|error| unreadable(what, &error))?;
            names.push(metadata.name);
            Ok::<_, Failure>(())
        })?;
    }
    envelope(list, what)?;
    Ok(nearest(name, names.iter(), ALIKE, NEAREST).into_iter().map(str::to_owned).collect())
}
