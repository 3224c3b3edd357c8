use http::StatusCode;
use porthole_contract::Credential;

use super::*;
use crate::{
    ReadBudget,
    answering::{Answer, answering_with},
};

fn kinds() -> Vec<Arc<Kind>> {
    let core = r#"{"items":[{"metadata":{},"versions":[{"version":"v1","resources":[
        {"resource":"pods","responseKind":{"kind":"Pod"},"scope":"Namespaced","singularResource":"pod","verbs":["get","list"],"shortNames":["po"],"categories":["all"]},
        {"resource":"nodes","responseKind":{"kind":"Node"},"scope":"Cluster","singularResource":"node","verbs":["get"]},
        {"resource":"bindings","responseKind":{"kind":"Binding"},"scope":"Namespaced","verbs":["create"]}]}]}]}"#;
    let others = r#"{"items":[{"metadata":{"name":"apps"},"versions":[{"version":"v1","resources":[
        {"resource":"deployments","responseKind":{"kind":"Deployment"},"scope":"Namespaced","singularResource":"deployment","verbs":["list"],"shortNames":["deploy"]}]}]},
        {"metadata":{"name":"metrics.k8s.io"},"versions":[{"version":"v1beta1","resources":[
        {"resource":"nodes","responseKind":{"kind":"NodeMetrics"},"scope":"Cluster","verbs":["list"]}]}]}]}"#;
    [core, others]
        .iter()
        .flat_map(|text| serde_json::from_str::<Groups>(text).unwrap().items)
        .flat_map(Group::kinds)
        .map(Arc::new)
        .collect()
}

fn find(kind: &str, api_version: Option<&str>) -> Result<String, Failure> {
    let name = KindName::parse(&KindRef { kind: kind.into(), api_version: api_version.map(Into::into) })?;
    let found = name.find(&kinds()).ok_or_else(|| name.unknown(&kinds()))?;
    Ok(format!("{} {}/{}", found.qualified_name(), found.group, found.version))
}

#[test]
fn a_kind_is_found_by_every_name_that_kubectl_takes() {
    for name in ["pods", "pod", "po", "Pod", "POD", "pods.v1"] {
        assert_eq!(find(name, None).unwrap(), "pods /v1", "{name}");
    }
    for name in ["deployments.apps", "deploy", "Deployment", "deployments.v1.apps"] {
        assert_eq!(find(name, None).unwrap(), "deployments.apps apps/v1", "{name}");
    }
    assert_eq!(find("nodes", None).unwrap(), "nodes /v1");
    assert_eq!(
        find("nodes", Some("metrics.k8s.io/v1beta1")).unwrap(),
        "nodes.metrics.k8s.io metrics.k8s.io/v1beta1"
    );
    assert_eq!(find("Deployment", Some("apps/v1")).unwrap(), "deployments.apps apps/v1");
}

#[test]
fn a_kind_that_would_change_the_path_is_left_out() {
    let kinds = |group: &str, version: &str, plural: &str, kind: &str| {
        let json = serde_json::json!({"items": [{"metadata": {"name": group}, "versions": [{"version": version, "resources": [
            {"resource": plural, "responseKind": {"kind": kind}, "scope": "Namespaced", "verbs": ["get", "x y"], "shortNames": vec!["s"; 100]}]}]}]});
        let groups: Groups = serde_json::from_value(json).unwrap();
        groups.items.into_iter().flat_map(Group::kinds).collect::<Vec<_>>()
    };
    let found = kinds("example.com", "v1", "things", "Thing");
    assert_eq!((found.len(), found[0].short_names.len(), found[0].verbs.len()), (1, MAX_NAMES, 1));
    for (group, version, plural, kind) in [
        ("example.com", "v1", "things/../../../api/v1/secrets", "Thing"),
        ("example.com", "v1", "pods/log", "Pod"),
        ("example.com/../..", "v1", "things", "Thing"),
        ("example.com", "v1/..", "things", "Thing"),
        ("example.com", "v1", "things", "A\nB"),
        ("example.com", "v1", "", "Thing"),
    ] {
        assert!(kinds(group, version, plural, kind).is_empty(), "{group} {version} {plural} {kind}");
    }
}

#[test]
fn a_long_name_is_neither_compared_nor_repeated() {
    for (kind, version) in [("x".repeat(900_000), None), ("pods".to_owned(), Some("v".repeat(900_000)))] {
        let failure = find(&kind, version.as_deref()).unwrap_err();
        assert!(failure.message.len() < 300, "{failure}");
    }
    assert!(find(&"x".repeat(300), None).unwrap_err().message.len() < 400);
}

#[test]
fn an_unknown_kind_names_the_nearest() {
    let failure = find("deploymnts", None).unwrap_err();
    assert_eq!(failure.reason, Reason::UnknownKind);
    assert!(failure.message.contains("deployments.apps"), "{failure}");
    let failure = find("Custom", Some("custom.example.com/v1")).unwrap_err();
    assert!(
        failure.message.contains("no matches for kind \"Custom\" in version \"custom.example.com/v1\""),
        "{failure}"
    );
    assert_eq!(find("pods", Some("a/b/c")).unwrap_err().reason, Reason::Invalid);
    assert_eq!(find("bindings", None).unwrap_err().reason, Reason::UnknownKind);
}

/// A snapshot that is older than every call asks for.
const NEWER: Freshness = Freshness { max_age: Duration::ZERO, max_wait: Duration::ZERO };

#[tokio::test]
async fn an_older_snapshot_is_served_while_another_asks_and_while_the_api_server_is_busy() {
    let (server, requests) = answering_with(|_| Answer {
        status: StatusCode::TOO_MANY_REQUESTS,
        retry_after: Some(0),
        body: b"{}".to_vec(),
    })
    .await;
    let deadline = Instant::now().checked_add(Duration::from_secs(60)).unwrap();
    let budget = ReadBudget::new(deadline, 1 << 20, 1 << 20);
    let client = Client { server: &server, credential: &Credential::Connection, budget: &budget };
    let discovered = Kinds::default();
    assert_eq!(discovered.snapshot(client, NEWER).await.err().unwrap().reason, Reason::Throttled);
    assert_eq!(requests.take().len(), 3, "without a snapshot it is asked again");
    let snapshot = DiscoverySnapshot { kinds: kinds(), stale: Vec::new(), read_at: Instant::now() };
    discovered.snapshot.store(Some(Arc::new(snapshot)));
    assert_eq!(discovered.snapshot(client, NEWER).await.unwrap().kinds.len(), kinds().len());
    assert_eq!(requests.take().len(), 1, "with one it is not");
    for freshness in [NEWER, Freshness { max_wait: Duration::from_millis(50), ..NEWER }] {
        let _another = discovered.discovery.lock().await;
        assert_eq!(discovered.snapshot(client, freshness).await.unwrap().kinds.len(), kinds().len());
    }
    assert_eq!(requests.take().len(), 0);
}
