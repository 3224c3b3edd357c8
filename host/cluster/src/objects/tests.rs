use std::{sync::Arc, time::Duration};

use porthole_contract::Credential;
use porthole_quota::{Account, MemoryTotal};

use super::{super::answering::answering, Client, *};
use crate::{ReadBudget, envelope::ListMetadata};

fn fed(body: &[u8]) -> Result<ListMetadata, Failure> {
    let mut list = Items::of("items");
    list.feed::<Failure>(body, |_| Ok(()))?;
    envelope(list, "pods")
}

#[test]
fn a_body_that_is_no_list_is_refused() {
    for list in [
        &br#"{"kind":"PodList","metadata":{"resourceVersion":"7"},"items":[{"a":1}]}"#[..],
        br#"{"kind":"PodList","items":null}"#,
        br#"{"kind":"List","metadata":{},"items":[]}"#,
    ] {
        assert!(fed(list).is_ok(), "{}", String::from_utf8_lossy(list));
    }
    for other in [
        &br#"{"kind":"Secret","data":{"password":"aHVudGVyMg=="},"items":[]}"#[..],
        br#"{"kind":"PodList","metadata":{}}"#,
        br#"{"items":[]}"#,
        br#"[]"#,
        br#"{"kind":"Table","rows":[]}"#,
    ] {
        let failure = fed(other).err().unwrap();
        assert!(!failure.message.contains("aHVudGVyMg"), "{failure}");
    }
}

fn pods() -> Kind {
    Kind {
        group: String::new(),
        version: "v1".into(),
        plural: "pods".into(),
        singular: "pod".into(),
        kind: "Pod".into(),
        short_names: vec![],
        namespaced: true,
        verbs: vec![],
    }
}

#[test]
fn an_object_of_another_kind_is_refused() {
    assert!(check_kind(br#"{"kind":"Pod"}"#, "Pod", "pods").is_ok());
    for other in [
        &br#"{"data":{},"kind":"Secret"}"#[..],
        br#"{"kind":"List","items":[]}"#,
        br#"{"kind":"","data":{}}"#,
        br#"{"metadata":{},"data":{"password":"aHVudGVyMg=="}}"#,
    ] {
        let failure = check_kind(other, "Pod", "pods").unwrap_err();
        assert_eq!(failure.reason, Reason::Unsupported);
        assert!(!failure.message.contains("aHVudGVyMg"), "{failure}");
    }
}

#[tokio::test]
async fn an_element_counts_as_memory_of_all_calls_while_it_arrives() {
    const MIB: u64 = 1 << 20;
    let pod = serde_json::json!({"metadata": {"name": "web"}, "status": "x".repeat(3 << 20)});
    let rows = serde_json::json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "rows": [{"cells": ["web"], "object": pod}]});
    let list = serde_json::json!({"kind": "PodList", "metadata": {}, "items": [pod]});
    for (body, view) in [(list, View::Fields(vec!["metadata.name".into()])), (rows, View::Table)] {
        let server = answering(body.to_string()).await;
        for (total, expected) in [(2 * MIB, Some(Reason::Throttled)), (14 * MIB, None)] {
            let memory = Arc::new(MemoryTotal::new(total).share(Account::of(&1)));
            let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
            let budget = ReadBudget::new(deadline, 16 * MIB, 8 << 20).with_memory(memory);
            let client = Client { server: &server, credential: &Credential::Connection, budget: &budget };
            let query = ListQuery {
                namespace: Some("shop".into()),
                label_selector: None,
                field_selector: None,
                limit: None,
                continue_token: None,
                resource_version: None,
                view: view.clone(),
            };
            let read =
                list_objects(client, &pods(), &query, Redaction::Bookkeeping, &ValueMasks::default()).await;
            assert_eq!(read.err().map(|failure| failure.reason), expected, "{total}");
        }
    }
}

#[tokio::test]
async fn the_copy_of_an_object_counts_as_memory_of_all_calls_while_there_is_the_body() {
    const MIB: u64 = 1 << 20;
    let body = serde_json::json!({"kind": "Pod", "data": "x".repeat(3 << 20)}).to_string();
    let server = answering(body).await;
    let query = GetQuery { namespace: Some("shop".into()), name: "web".into(), view: View::Whole };
    for (total, fits) in [(10 * MIB, false), (14 * MIB, true)] {
        let memory = Arc::new(MemoryTotal::new(total).share(Account::of(&1)));
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        let budget = ReadBudget::new(deadline, 16 * MIB, 8 << 20).with_memory(Arc::clone(&memory));
        let (kind, masks) = (pods(), ValueMasks::default());
        let read = get_object(
            Client { server: &server, credential: &Credential::Connection, budget: &budget },
            &kind,
            &query,
            Redaction::Bookkeeping,
            &masks,
        );
        match read.await {
            Ok(text) => assert!(fits && text.len() > 3 << 20, "{total}"),
            Err(failure) => assert!(!fits && failure.reason == Reason::Throttled, "{failure}"),
        }
        // Only the body is still reserved.
        memory.reserve(total / 2 - 4 * MIB).await.unwrap();
    }
}

/// A custom object with a column of a masked field.
fn database() -> Kind {
    Kind {
        group: "example.com".into(),
        plural: "databases".into(),
        singular: "database".into(),
        kind: "Database".into(),
        ..pods()
    }
}

#[tokio::test]
async fn a_masked_field_is_masked_in_every_view_and_counted() {
    let object = serde_json::json!({"kind": "Database", "metadata": {"name": "orders", "namespace": "shop"},
        "spec": {"password": "hunter2", "user": "app"}});
    let list = serde_json::json!({"kind": "DatabaseList", "metadata": {}, "items": [object]});
    let rows = serde_json::json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {},
        "columnDefinitions": [{"name": "Name"}, {"name": "Password"}],
        "rows": [{"cells": ["orders", "hunter2"], "object": object}]});
    let masks = ValueMasks::new(&["spec.password".into()], false).unwrap();
    let fields = View::Fields(vec!["metadata.name".into(), "spec.password".into()]);
    for (body, view, one) in [
        (&object, View::Whole, true),
        (&object, fields.clone(), true),
        (&rows, View::Table, true),
        (&rows, View::Outline, true),
        (&list, View::Whole, false),
        (&list, fields, false),
        (&rows, View::Table, false),
        (&rows, View::Outline, false),
    ] {
        let text = body.to_string();
        let (server, requests) =
            super::super::answering::answering_by_path(move |_| Some(text.clone().into())).await;
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        let budget = ReadBudget::new(deadline, 1 << 20, 1 << 20);
        let client = Client { server: &server, credential: &Credential::Connection, budget: &budget };
        let is_table = matches!(view, View::Table | View::Outline);
        let shown = if one {
            let query = GetQuery { namespace: Some("shop".into()), name: "orders".into(), view };
            get_object(client, &database(), &query, Redaction::Bookkeeping, &masks).await.unwrap()
        } else {
            let query = ListQuery { limit: Some(50_000), ..list_query(view, None) };
            list_objects(client, &database(), &query, Redaction::Bookkeeping, &masks).await.unwrap().items
        };
        assert!(!shown.contains("hunter2") && shown.contains("<masked: configured>"), "{shown}");
        assert!(shown.contains("orders"), "{shown}");
        assert_eq!((budget.masked_values(), budget.masked()), (1, 0), "{shown}");
        let path = requests.take().remove(0).path;
        assert_eq!(path.contains("includeObject=Object"), is_table, "{path}");
        let limit = if is_table { "limit=500&" } else { "limit=50000" };
        assert!(one || path.contains(limit), "{path}");
    }
}

/// A column of a custom kind may be of any field.
#[tokio::test]
async fn a_column_of_an_environment_is_masked() {
    let object = serde_json::json!({"kind": "Database", "metadata": {"name": "orders", "namespace": "shop"},
        "spec": {"env": [{"name": "DBPASS", "value": "hunter2"}, {"name": "LEVEL", "value": "debug"}]}});
    let rows = serde_json::json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {},
        "columnDefinitions": [{"name": "Name"}, {"name": "Password"}, {"name": "Level"}, {"name": "Env"}],
        "rows": [{"cells": ["orders", "hunter2", "debug", object["spec"]["env"].to_string()], "object": object}]});
    let masks = ValueMasks::new(&[], true).unwrap();
    for one in [true, false] {
        let text = rows.to_string();
        let (server, requests) =
            super::super::answering::answering_by_path(move |_| Some(text.clone().into())).await;
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        let budget = ReadBudget::new(deadline, 1 << 20, 1 << 20);
        let client = Client { server: &server, credential: &Credential::Connection, budget: &budget };
        let shown = if one {
            let (namespace, name) = (Some("shop".into()), "orders".into());
            let query = GetQuery { namespace, name, view: View::Table };
            get_object(client, &database(), &query, Redaction::Bookkeeping, &masks).await.unwrap()
        } else {
            let query = list_query(View::Table, None);
            list_objects(client, &database(), &query, Redaction::Bookkeeping, &masks).await.unwrap().items
        };
        assert!(!shown.contains("hunter2") && shown.contains("orders") && shown.contains("debug"), "{shown}");
        assert_eq!((budget.masked_values(), budget.masked()), (2, 0), "{shown}");
        let path = requests.take().remove(0).path;
        assert!(path.contains("includeObject=Object"), "{path}");
    }
}

fn list_query(view: View, field_selector: Option<&str>) -> ListQuery {
    ListQuery {
        namespace: None,
        label_selector: None,
        field_selector: field_selector.map(str::to_owned),
        limit: None,
        continue_token: None,
        resource_version: None,
        view,
    }
}

#[tokio::test]
async fn a_field_selector_is_no_oracle_for_a_masked_field() {
    let (server, requests) = super::super::answering::answering_by_path(|_| None).await;
    let masks = ValueMasks::new(&["spec.password".into()], false).unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let budget = ReadBudget::new(deadline, 1 << 20, 1 << 20);
    let client = Client { server: &server, credential: &Credential::Connection, budget: &budget };
    for (selector, is_refused) in [
        ("spec.password=hunter2", true),
        ("metadata.name=a,spec.password!=hunter2", true),
        (" .spec.password==x", true),
        ("spec=x", true),
        ("spec.user=app", false),
        ("metadata.name=spec.password", false),
    ] {
        let query = list_query(View::Outline, Some(selector));
        let read = list_objects(client, &database(), &query, Redaction::Bookkeeping, &masks).await;
        let refused = read.unwrap_err().reason == Reason::NotGranted;
        assert_eq!((refused, requests.take().is_empty()), (is_refused, is_refused), "{selector}");
    }
}
