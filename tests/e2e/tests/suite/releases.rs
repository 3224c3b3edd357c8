//! Helm releases, from Secrets in Helm's format, read with and without the right to list Secrets.

use std::io::Write;

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::{Compression, write::GzEncoder};
use porthole_testbed::{accounts, http::Streamable, porthole::Porthole};
use serde_json::json;

use crate::reader;

/// A revision in Helm 3's storage format (helm/pkg/storage/driver).
fn stored(name: &str, revision: u32, status: &str) -> serde_json::Value {
    let release = json!({"name": name, "namespace": "helm", "version": revision,
        "info": {"status": status, "first_deployed": "2026-11-01T10:00:00Z", "last_deployed": "2026-11-02T10:00:00Z", "description": "Upgrade complete"},
        "config": {"auth": {"password": "hunter2-in-values"}}, "manifest": "kind: Secret\nstringData: {x: hunter2-in-manifest}",
        "chart": {"metadata": {"name": "postgresql", "version": "16.4.1", "appVersion": "17.2.0"}, "templates": [{"name": "a", "data": "eA=="}], "values": {}}});
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(release.to_string().as_bytes()).unwrap();
    let packed = BASE64_STANDARD.encode(gzip.finish().unwrap());
    json!({"metadata": {"name": format!("sh.helm.release.v1.{name}.v{revision}"),
            "labels": {"owner": "helm", "name": name, "status": status, "version": revision.to_string(), "modifiedAt": "1793613600"}},
        "type": "helm.sh/release.v1", "data": {"release": BASE64_STANDARD.encode(packed)}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_told_in_its_newest_revision_and_its_values_are_not() {
    let (cluster, token) = reader().await;
    let client = cluster.admin().await.unwrap();
    accounts::namespace(&client, "helm").await.unwrap();
    let broken = json!({"metadata": {"name": "sh.helm.release.v1.broken.v1", "labels": {"owner": "helm", "name": "broken", "status": "failed", "version": "1"}},
        "type": "helm.sh/release.v1", "data": {"release": BASE64_STANDARD.encode("hunter2-in-garbage")}});
    let secrets = [stored("orders-db", 9, "superseded"), stored("orders-db", 10, "deployed"), broken];
    for secret in &secrets {
        accounts::create(&client, "/api/v1/namespaces/helm/secrets", secret).await.unwrap();
    }
    let helm = accounts::account(&client, "tests", "helm-reader").await.unwrap();
    let rules = json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}]);
    accounts::allow(&client, ("tests", "helm-reader"), Some("helm"), rules).await.unwrap();
    let host = Porthole::start(&cluster.kubeconfig).await;
    let told = Streamable::new(&host.origin, Some(&helm))
        .call("helm_list", json!({"namespace": "helm"}))
        .await
        .unwrap();
    assert!(told.starts_with("2 releases: 1 deployed, 1 not\n"), "{told}");
    for part in ["orders-db", "10", "deployed", "postgresql-16.4.1", "17.2.0", "broken", "failed"] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
    assert!(!told.contains("superseded") && !told.contains("hunter2"), "{told}");
    assert!(told.find("broken") < told.find("orders-db"), "what is not deployed comes first: {told}");
    let changed = Streamable::new(&host.origin, Some(&helm))
        .call("changes", json!({"namespace": "helm", "since": "2026-11-01T00:00:00Z", "name": "orders"}))
        .await
        .unwrap();
    for part in [
        "Helm: release helm/orders-db revision 10 deployed, chart still postgresql-16.4.1, app still 17.2.0",
        "Helm: release helm/orders-db revision 9 superseded",
        "not seen: ",
        "(forbidden)",
    ] {
        assert!(changed.contains(part), "no {part:?} in {changed}");
    }
    assert!(!changed.contains("hunter2"), "{changed}");
    let refused = Streamable::new(&host.origin, Some(&token)).call("helm_list", json!({})).await.unwrap();
    assert!(refused.starts_with("ERROR: forbidden") && refused.contains("secrets"), "{refused}");
    let log = std::fs::read_to_string(&host.log).unwrap();
    assert!(!log.contains("hunter2"), "nothing of a release is logged");
}
