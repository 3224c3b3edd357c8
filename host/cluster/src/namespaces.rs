//! Existence of namespaces. The API server lists a missing namespace as empty, and a model would report that nothing
//! runs in it.

use porthole_contract::{Failure, Reason, nearest};
use serde::Deserialize;

use super::{
    Client,
    envelope::{decode_error, envelope},
    request::{METADATA, METADATA_LIST, namespace_segment, parameter},
    shape::Items,
};

/// Max namespaces to compare for similar names.
const MAX_SCANNED: u32 = 1000;
/// Max names to suggest.
const MAX_SUGGESTIONS: usize = 3;
/// Min similarity of a suggested name, 1 being equal.
const MIN_SIMILARITY: f64 = 0.75;

#[derive(Deserialize)]
struct Item {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
}

/// True if the namespace exists.
pub async fn namespace_exists(client: Client<'_>, name: &str) -> Result<bool, Failure> {
    let path = format!("/api/v1/namespaces/{}", namespace_segment(name)?);
    match client.get(&path, METADATA, "the namespace").await {
        Ok(_) => Ok(true),
        Err(failure) if failure.reason == Reason::NotFound => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// Similar names of namespaces, best first.
pub async fn similar_namespaces(client: Client<'_>, name: &str) -> Result<Vec<String>, Failure> {
    let what = "the namespaces";
    let mut path = "/api/v1/namespaces".to_owned();
    parameter(&mut path, "limit", &MAX_SCANNED.to_string());
    let mut answer = client.get(&path, METADATA_LIST, what).await?;
    let mut list = Items::of("items");
    let scratch = client.budget.scratch();
    let mut names = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        scratch.hold_up_to(list.buffered().saturating_add(chunk.len()), what).await?;
        list.feed(&chunk, |item| {
            let Item { metadata } =
                serde_json::from_slice(item).map_err(|error| decode_error(what, &error))?;
            names.push(metadata.name);
            Ok::<_, Failure>(())
        })?;
    }
    envelope(list, what)?;
    Ok(nearest(name, names.iter().map(String::as_str), MIN_SIMILARITY, MAX_SUGGESTIONS)
        .into_iter()
        .map(str::to_owned)
        .collect())
}
