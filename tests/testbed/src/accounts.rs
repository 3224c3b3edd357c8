//! ServiceAccounts with roles and tokens, created on demand.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use http::Request;
use serde_json::{Value, json};

/// Maximum time until the API server's authorizer knows a new role and its binding, on a busy machine.
const AUTHORIZED: Duration = Duration::from_secs(60);

/// Sends a JSON request, and returns the response.
pub async fn send(client: &kube::Client, method: &str, path: &str, body: &Value) -> Result<Value> {
    let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", kind)
        .body(serde_json::to_vec(body)?)?;
    Ok(client.request(request).await?)
}

/// As [`send`] with POST, but keeps an existing object.
pub async fn create(client: &kube::Client, path: &str, body: &Value) -> Result<()> {
    match client
        .request::<Value>(
            Request::post(path).header("content-type", "application/json").body(serde_json::to_vec(body)?)?,
        )
        .await
    {
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        other => other.map(|_| ()).map_err(Into::into),
    }
}

/// Creates a namespace.
pub async fn namespace(client: &kube::Client, name: &str) -> Result<()> {
    create(client, "/api/v1/namespaces", &json!({"metadata": {"name": name}})).await
}

/// Creates a ServiceAccount, and returns a token.
pub async fn account(client: &kube::Client, namespace: &str, name: &str) -> Result<String> {
    let accounts = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
    create(client, &accounts, &json!({"metadata": {"name": name}})).await?;
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 7200}});
    let answer = send(client, "POST", &format!("{accounts}/{name}/token"), &request).await?;
    let token = answer["status"]["token"].as_str().unwrap_or_default().to_owned();
    remember(&token);
    Ok(token)
}

/// Records a token of this run; a later test searches every log for it. The file is deleted with the run.
pub fn remember(token: &str) {
    if let Some(file) = std::env::var_os("PORTHOLE_TEST_TOKENS") {
        use std::io::Write;
        let file = std::fs::OpenOptions::new().create(true).append(true).open(file);
        // A single write, because tests append concurrently.
        let line = format!("{token}\n");
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the file of tokens");
    }
}

/// Grants rules to an account, in one namespace, or (`None`) cluster-wide, and waits until the authorizer knows them.
pub async fn allow(
    client: &kube::Client,
    account: (&str, &str),
    within: Option<&str>,
    rules: Value,
) -> Result<()> {
    let name = format!("{}-{}-{}", account.0, account.1, within.unwrap_or("all"));
    let (role, binding, prefix) = match within {
        Some(namespace) => {
            ("Role", "rolebindings", format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"))
        }
        None => ("ClusterRole", "clusterrolebindings", "/apis/rbac.authorization.k8s.io/v1".to_owned()),
    };
    create(
        client,
        &format!("{prefix}/{}s", role.to_lowercase()),
        &json!({"metadata": {"name": name}, "rules": rules}),
    )
    .await?;
    let bound = json!({
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": name},
        "subjects": [{"kind": "ServiceAccount", "namespace": account.0, "name": account.1}],
    });
    create(client, &format!("{prefix}/{binding}"), &bound).await?;
    until_allowed(client, account, within, &rules).await
}

/// The API server's own answer about what a user of some groups may do.
pub async fn may(client: &kube::Client, user: &str, groups: &[&str], attributes: &Value) -> Result<bool> {
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": groups, "resourceAttributes": attributes}});
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    Ok(send(client, "POST", path, &review).await?["status"]["allowed"] == true)
}

/// Waits until the API server's authorizer, which learns of roles and bindings a moment later, allows an account what each
/// rule names first.
pub async fn until_allowed(
    client: &kube::Client,
    account: (&str, &str),
    within: Option<&str>,
    rules: &Value,
) -> Result<()> {
    let user = format!("system:serviceaccount:{}:{}", account.0, account.1);
    let begun = Instant::now();
    for rule in rules.as_array().context("rules are a list")? {
        let first = |field: &str| rule[field][0].as_str().unwrap_or_default().to_owned();
        let resource = first("resources");
        let (resource, subresource) = resource.split_once('/').unwrap_or((&resource, ""));
        let mut attributes = json!({"verb": first("verbs"), "group": first("apiGroups"), "resource": resource,
            "subresource": subresource, "name": first("resourceNames")});
        if let Some(namespace) = within {
            attributes["namespace"] = namespace.into();
        }
        while !may(client, &user, &[], &attributes).await? {
            ensure!(begun.elapsed() < AUTHORIZED, "{user} is not allowed {attributes}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}

/// Rules to read everything but Secrets, with logs and metrics: those that the README grants to Dify.
pub fn reader_rules() -> Value {
    json!([
        {"apiGroups": [""], "resources": ["configmaps", "endpoints", "events", "limitranges", "namespaces", "nodes",
            "persistentvolumeclaims", "persistentvolumes", "pods", "pods/log", "replicationcontrollers", "resourcequotas",
            "serviceaccounts", "services"], "verbs": ["get", "list"]},
        {"apiGroups": ["apps", "autoscaling", "batch", "discovery.k8s.io", "events.k8s.io", "networking.k8s.io", "policy",
            "storage.k8s.io", "metrics.k8s.io", "apiextensions.k8s.io"], "resources": ["*"], "verbs": ["get", "list"]},
    ])
}
