use std::{sync::Arc, time::Duration};

use porthole_contract::Credential;
use porthole_quota::{Account, MemoryTotal};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::{
    ReadBudget,
    answering::{Requests, answering_by_path},
};

const MIB: u64 = 1 << 20;

/// As the API server writes it: a ConfigMap that kubectl made and a person edited.
fn config_map() -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {
    "name": "gateway", "namespace": "shop", "uid": "u1", "creationTimestamp": "2026-11-20T08:00:00Z",
    "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{\"data\":{\"endpoint\":\"hunter2\"}}"},
    "managedFields": [
        {"manager": "kubectl-create", "operation": "Update", "apiVersion": "v1", "time": "2026-11-20T08:00:00Z",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {".": {}, "f:timeout": {}}, "f:immutable": {}}},
        {"manager": "kubectl-edit", "operation": "Update", "apiVersion": "v1", "time": "2026-11-24T10:00:00Z",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:endpoint": {}}, "f:metadata": {
                "f:finalizers": {".": {}, "v:\"hunter2\"": {}}, "f:ownerReferences": {"k:{\"uid\":\"hunter2\"}": {}}}}},
    ]}})
}

fn kind(plural: &str, kind: &str) -> Kind {
    Kind {
        group: String::new(),
        version: "v1".into(),
        plural: plural.into(),
        singular: String::new(),
        kind: kind.into(),
        short_names: vec![],
        namespaced: true,
        verbs: vec![],
    }
}

fn in_shop() -> ChangesQuery {
    ChangesQuery { namespace: Some("shop".into()), ..ChangesQuery::default() }
}

async fn read_from(
    body: impl Into<Vec<u8>>,
    query: &ChangesQuery,
    total: u64,
) -> (Result<ChangesPage, Failure>, Requests) {
    let body = body.into();
    let (server, requests) = answering_by_path(move |_| Some(body.clone())).await;
    let memory = Arc::new(MemoryTotal::new(total).share(Account::of(&1)));
    let deadline = Instant::now() + Duration::from_secs(20);
    let budget = ReadBudget::new(deadline, 32 * MIB, 4 << 20).with_memory(memory);
    let client = Client { server: &server, credential: &Credential::Connection, budget: &budget };
    (object_changes(client, &kind("configmaps", "ConfigMap"), query).await, requests)
}

#[tokio::test]
async fn a_write_is_told_by_its_manager_its_time_and_the_names_of_its_fields() {
    let one = ChangesQuery { name: Some("gateway".into()), ..in_shop() };
    let (page, requests) = read_from(config_map().to_string(), &one, 64 * MIB).await;
    let page = page.unwrap();
    let [created, edited] = page.changes.as_slice() else { panic!("{page:?}") };
    assert_eq!(
        (created.manager.as_str(), created.fields.join(",")),
        ("kubectl-create", "data.timeout,immutable".into())
    );
    assert_eq!(edited.fields, ["data.endpoint", "metadata.finalizers", "metadata.ownerReferences"]);
    assert_eq!(
        (edited.time.as_str(), edited.created.as_str()),
        ("2026-11-24T10:00:00Z", "2026-11-20T08:00:00Z")
    );
    assert!(!format!("{page:?}").contains("hunter2"), "{page:?}");
    let sent = requests.take();
    assert_eq!(sent[0].path, "/api/v1/namespaces/shop/configmaps/gateway");
    assert_eq!(sent[0].accept, METADATA, "only metadata is asked for");
}

#[tokio::test]
async fn a_list_has_pages_and_leaves_out_what_is_older() {
    let item = config_map();
    let list = json!({"kind": "PartialObjectMetadataList", "metadata": {"continue": "next", "remainingItemCount": 7},
        "items": [item, {"metadata": {"name": "bare", "managedFields": null}}]});
    let query = ChangesQuery {
        since_time: Some("2026-11-24T10:00:00Z".into()),
        limit: Some(2),
        label_selector: Some("app=web".into()),
        ..in_shop()
    };
    let (page, requests) = read_from(list.to_string(), &query, 64 * MIB).await;
    let page = page.unwrap();
    let managers: Vec<&str> = page.changes.iter().map(|change| change.manager.as_str()).collect();
    assert_eq!(managers, ["kubectl-edit"]);
    assert_eq!((page.count, page.remaining, page.continue_token.as_deref()), (2, Some(7), Some("next")));
    let sent = requests.take();
    assert_eq!(sent[0].path, "/api/v1/namespaces/shop/configmaps?labelSelector=app%3Dweb&limit=2");
    assert_eq!(sent[0].accept, METADATA_LIST);
}

#[tokio::test]
async fn what_is_no_such_object_is_refused_and_not_quoted() {
    let one = ChangesQuery { name: Some("gateway".into()), ..in_shop() };
    let secret = json!({"kind": "Secret", "metadata": {}, "data": {"password": "hunter2"}}).to_string();
    for (body, query) in [
        (secret.clone(), &one),
        (secret, &in_shop()),
        (r#"{"kind":"ConfigMap","metadata":{"managedFields":"hunter2"}}"#.into(), &one),
        (r#"{"kind":"ConfigMap","metadata":{"managedFields":[{"time":{"hunter2":1}}]}}"#.into(), &one),
    ] {
        let failure = read_from(body, query, 64 * MIB).await.0.unwrap_err();
        assert!(!failure.message.contains("hunter2"), "{failure}");
    }
    let since = ChangesQuery { since_time: Some("an hour ago".into()), ..in_shop() };
    let (refused, requests) = read_from("{}", &since, 64 * MIB).await;
    assert_eq!(refused.unwrap_err().reason, Reason::Invalid);
    assert!(requests.take().is_empty(), "nothing was asked");
}

#[tokio::test]
async fn writes_are_bounded_and_count_as_memory_of_all_calls() {
    // A thousand writes to one object.
    let writes: Vec<Value> =
        (0..1000).map(|n| json!({"manager": "m".repeat(900), "time": format!("2026-11-24T10:{:02}:{:02}Z", n / 60, n % 60)})).collect();
    let busy = json!({"kind": "ConfigMap", "metadata": {"managedFields": writes}}).to_string();
    let one = ChangesQuery { name: Some("busy".into()), ..in_shop() };
    let page = read_from(busy, &one, 64 * MIB).await.0.unwrap();
    assert_eq!(page.changes.len(), MAX_ENTRIES);
    assert!(page.changes.iter().all(|change| change.manager.len() == MAX_TEXT));
    assert!(
        page.changes.iter().all(|change| change.time.as_str() > "2026-11-24T10:15"),
        "the newest are kept"
    );
    // Small objects whose writes are large in memory.
    let item = r#"{"metadata":{"managedFields":[{}]}}"#;
    let many = |count: usize| {
        format!(r#"{{"kind":"List","metadata":{{}},"items":[{}]}}"#, vec![item; count].join(","))
    };
    for (count, total, expected) in [
        (20_000, 64 * MIB, None),
        (20_000, 4 * MIB, Some(Reason::Throttled)),
        (200_000, 512 * MIB, Some(Reason::TooLarge)),
    ] {
        let read = read_from(many(count), &in_shop(), total).await.0;
        assert_eq!(read.err().map(|failure| failure.reason), expected, "{count} within {total}");
    }
}
