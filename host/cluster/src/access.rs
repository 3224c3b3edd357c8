//! Identity and access reviews by the API server.

use k8s_openapi::api::{
    authentication::v1::SelfSubjectReview,
    authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
};
use porthole_contract::{AccessDecision, AccessQuery, Failure, Reason, ResourceName, UserInfo};
use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, Error as _},
};

use super::{Client, envelope::decode_error};

/// Asks the API server for the credential's account. Needs no RBAC: `system:basic-user` covers every authenticated
/// caller.
pub async fn who_am_i(client: Client<'_>) -> Result<UserInfo, Failure> {
    let what = "who this token belongs to";
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let review = review(client, path, &SelfSubjectReview::default(), what).await?;
    let user = review.status.and_then(|status| status.user_info).ok_or_else(|| missing("userInfo", what))?;
    Ok(UserInfo {
        username: user.username.unwrap_or_default(),
        uid: user.uid.unwrap_or_default(),
        groups: user.groups.unwrap_or_default(),
    })
}

/// Asks the API server's authorizer about one right of the caller.
pub async fn can_i(
    client: Client<'_>,
    resource: ResourceName<'_>,
    query: &AccessQuery,
) -> Result<AccessDecision, Failure> {
    let what = "an access review";
    let attributes = ResourceAttributes {
        verb: Some(query.verb.clone()),
        group: Some(resource.group.to_owned()),
        version: Some(resource.version.to_owned()),
        resource: Some(resource.plural.to_owned()),
        subresource: query.subresource.clone(),
        namespace: query.namespace.clone(),
        name: query.name.clone(),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec {
        resource_attributes: Some(attributes),
        ..SelfSubjectAccessReviewSpec::default()
    };
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let asked = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let status = review(client, path, &asked, what).await?.status.ok_or_else(|| missing("status", what))?;
    Ok(AccessDecision { allowed: status.allowed, reason: status.reason.unwrap_or_default() })
}

/// Posts a review and returns it with its status.
async fn review<R: Serialize + DeserializeOwned>(
    client: Client<'_>,
    path: &'static str,
    review: &R,
    what: &str,
) -> Result<R, Failure> {
    let body = serde_json::to_vec(review)
        .map_err(|error| Failure::new(Reason::Other, format!("{what}: the request: {error}")))?;
    let answer = client.review(path, body, what).await?.bytes().await?;
    serde_json::from_slice(&answer).map_err(|error| decode_error(what, &error))
}

fn missing(field: &'static str, what: &str) -> Failure {
    decode_error(what, &serde_json::Error::missing_field(field))
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

#[cfg(test)]
mod tests {
    use porthole_contract::Credential;

    use super::{super::answering::answering, *};
    use crate::ReadBudget;

    #[tokio::test]
    async fn a_review_without_a_user_is_an_error() {
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
        let budget = ReadBudget::new(deadline, 1 << 20, 1 << 20);
        for (answer, expected) in [
            (
                r#"{"kind":"SelfSubjectReview","metadata":{"creationTimestamp":null},"status":{"userInfo":{"username":"ann","groups":["dev"]}}}"#,
                Some("ann"),
            ),
            (
                r#"{"status":{"userInfo":{"username":"ann","uid":"1","groups":null,"extra":{"scopes":["a"]}}}}"#,
                Some("ann"),
            ),
            (r#"{"status":{}}"#, None),
            (r#"{"kind":"Status","status":"Success"}"#, None),
            ("{}", None),
        ] {
            let server = answering(answer.to_owned()).await;
            let client = Client { server: &server, credential: &Credential::Connection, budget: &budget };
            let user = who_am_i(client).await;
            assert_eq!(user.as_ref().ok().map(|user| user.username.as_str()), expected, "{answer}");
        }
    }
}
