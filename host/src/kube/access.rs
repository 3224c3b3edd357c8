//! Who somebody is and what they may do, as the API server sees it.

use serde::Deserialize;
use serde_json::json;

use super::{Allowance, ApiServer, Credential, Failure, Kind, objects::unreadable};

/// The account behind a credential: `status.userInfo` of a SelfSubjectReview (`authentication.k8s.io/v1`).
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct UserInfo {
    #[serde(default)]
    pub(crate) username: String,
    #[serde(default)]
    pub(crate) uid: String,
    #[serde(default)]
    pub(crate) groups: Vec<String>,
}

/// May the caller do `verb` to this? The fields of a SelfSubjectAccessReview.
#[derive(Debug, Clone)]
pub(crate) struct AccessQuery {
    pub(crate) verb: String,
    pub(crate) subresource: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
}

/// What the API server's authorizer answered.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Verdict {
    #[serde(default)]
    pub(crate) allowed: bool,
    #[serde(default)]
    pub(crate) reason: String,
}

/// Asks the API server whose credential this is. Needs no RBAC: `system:basic-user` covers every authenticated caller.
pub(crate) async fn who_am_i(
    server: &ApiServer,
    credential: &Credential,
    allowance: &Allowance,
) -> Result<UserInfo, Failure> {
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
    let answer = server.review(credential, path, body, allowance, what).await?.bytes().await?;
    let review: Review = serde_json::from_slice(&answer).map_err(|error| unreadable(what, &error))?;
    Ok(review.status.user_info)
}

/// Asks the API server's authorizer whether the caller may do something.
pub(crate) async fn can_i(
    server: &ApiServer,
    credential: &Credential,
    kind: &Kind,
    query: &AccessQuery,
    allowance: &Allowance,
) -> Result<Verdict, Failure> {
    #[derive(Deserialize)]
    struct Review {
        status: Verdict,
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
    let answer = server
        .review(credential, path, body.to_string().into_bytes(), allowance, what)
        .await?
        .bytes()
        .await?;
    let review: Review = serde_json::from_slice(&answer).map_err(|error| unreadable(what, &error))?;
    Ok(review.status)
}

/// The API server's version, for example `v1.36.3`.
pub(crate) async fn server_version(
    server: &ApiServer,
    credential: &Credential,
    allowance: &Allowance,
) -> Result<String, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        git_version: String,
    }
    let what = "the API server's version";
    let answer =
        server.get(credential, "/version", "application/json", allowance, what).await?.bytes().await?;
    let version: Version = serde_json::from_slice(&answer).map_err(|error| unreadable(what, &error))?;
    Ok(version.git_version)
}
