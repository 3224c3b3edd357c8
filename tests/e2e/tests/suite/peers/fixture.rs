//! Fixture of the popular server's tests.

use porthole_testbed::{accounts, http::Streamable, porthole::Porthole};
use serde_json::{Value, json};

use crate::reader;

/// Three pods in three namespaces, none of which runs, and a token that may read everything.
pub(super) struct Peers {
    pub(super) host: Porthole,
    pub(super) token: String,
}

impl Peers {
    pub(super) async fn new() -> Self {
        Self::configured("").await
    }

    pub(super) async fn configured(config: &str) -> Self {
        let (cluster, _) = reader().await;
        let client = cluster.admin().await.unwrap();
        for namespace in ["ns-1", "ns-2"] {
            accounts::namespace(&client, namespace).await.unwrap();
        }
        for (namespace, labels) in
            [("default", json!({"app": "nginx"})), ("ns-1", json!({})), ("ns-2", json!({}))]
        {
            let mut pod = json!({"metadata": {"name": format!("a-pod-in-{namespace}"), "labels": labels},
                "spec": {"containers": [{"name": "nginx", "image": "nginx"}]}});
            if namespace == "ns-1" {
                pod["spec"]["nodeName"] = "node-1".into();
            }
            accounts::create(&client, &format!("/api/v1/namespaces/{namespace}/pods"), &pod).await.unwrap();
        }
        let token = accounts::account(&client, "tests", "peer").await.unwrap();
        let all = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
        accounts::allow(&client, ("tests", "peer"), None, all).await.unwrap();
        let host = Porthole::configured(&cluster.kubeconfig, config).await.unwrap();
        Self { host, token }
    }

    pub(super) async fn result(&self, tool: &str, arguments: Value) -> Value {
        let client = Streamable::new(&self.host.origin, Some(&self.token));
        client.request("tools/call", json!({"name": tool, "arguments": arguments})).await.unwrap()
    }

    /// Text of an answer that must not be an error.
    pub(super) async fn ok(&self, tool: &str, arguments: Value) -> String {
        let result = self.result(tool, arguments.clone()).await;
        assert_eq!(result["isError"], false, "{tool} {arguments}: {result}");
        porthole_testbed::http::text(&result).unwrap()
    }

    /// Text of an error.
    pub(super) async fn refused(&self, tool: &str, arguments: Value) -> String {
        let result = self.result(tool, arguments.clone()).await;
        assert_eq!(result["isError"], true, "{tool} {arguments}: {result}");
        porthole_testbed::http::text(&result).unwrap()
    }
}
