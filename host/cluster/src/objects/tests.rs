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
            let read = list_objects(client, &pods(), &query, Redaction::Bookkeeping).await;
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
        let kind = pods();
        let read = get_object(
            Client { server: &server, credential: &Credential::Connection, budget: &budget },
            &kind,
            &query,
            Redaction::Bookkeeping,
        );
        match read.await {
            Ok(text) => assert!(fits && text.len() > 3 << 20, "{total}"),
            Err(failure) => assert!(!fits && failure.reason == Reason::Throttled, "{failure}"),
        }
        // Only the body is still reserved.
        memory.reserve(total / 2 - 4 * MIB).await.unwrap();
    }
}
