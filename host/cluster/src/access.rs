//! Identity and access reviews by the API server.

use porthole_contract::{AccessDecision, AccessQuery, Failure, Kind, UserInfo};
use serde::Deserialize;
use serde_json::json;

use super::{Client, objects::decode_error};

/// Asks the API server for the credential's account. Needs no RBAC: `system:basic-user` covers every authenticated
/// caller.
pub async fn who_am_i(client: Client<'_>) -> Result<UserInfo, Failure> {
    #[derive(Deserialize)]
    struct Review {
        status: Status,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Status {
        user_info: UserInfo,
    }
    let what = "who this token belongs to";
    let body = br#"{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}"#.to_vec();
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let answer = client.review(path, body, what).await?.bytes().await?;
    let review: Review = serde_json::from_slice(&answer).map_err(|error| decode_error(what, &error))?;
    Ok(review.status.user_info)
}

/// Asks the API server's authorizer about one right of the caller.
pub async fn can_i(client: Client<'_>, kind: &Kind, query: &AccessQuery) -> Result<AccessDecision, Failure> {
    #[derive(Deserialize)]
    struct Review {
        status: AccessDecision,
    }
    let what = "an access review";
    let body = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": { "resourceAttributes": {
            "verb": query.verb, "group": kind.group, "version": kind.version, "resource": kind.plural,
            "subresource": query.subresource, "namespace": query.namespace, "name": query.name,
        } },
    });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let answer = client.review(path, body.to_string().into_bytes(), what).await?.bytes().await?;
    let review: Review = serde_json::from_slice(&answer).map_err(|error| decode_error(what, &error))?;
    Ok(review.status)
}

/// The API server's version, for example `v1.36.3`.
pub async fn server_version(client: Client<'_>) -> Result<String, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        git_version: String,
    }
    let what = "the API server's version";
    let answer = client.get("/version", "application/json", what).await?.bytes().await?;
    let version: Version = serde_json::from_slice(&answer).map_err(|error| decode_error(what, &error))?;
    Ok(version.git_version)
}
