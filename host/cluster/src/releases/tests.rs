use std::{io::Write, time::Duration};

use porthole_contract::Credential;
use porthole_quota::{Account, MemoryTotal};

use super::*;
use crate::{
    ReadBudget,
    answering::{answering, answering_by_path},
};

fn secret(json: &[u8], zip: bool) -> Vec<u8> {
    let packed = if zip {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(json).unwrap();
        gzip.finish().unwrap()
    } else {
        json.to_vec()
    };
    let release = BASE64_STANDARD.encode(BASE64_STANDARD.encode(packed));
    serde_json::json!({"data": {"release": release}}).to_string().into_bytes()
}

#[tokio::test]
async fn the_releases_kept_count_as_memory_of_all_calls() {
    const MIB: u64 = 1 << 20;
    let item = |n: u32| {
        format!(r#"{{"metadata":{{"name":"s{n}","namespace":"shop","labels":{{"name":"release-{n}"}}}}}}"#)
    };
    let items: Vec<String> = (0..20_000).map(item).collect();
    let list = format!(r#"{{"kind":"SecretList","metadata":{{}},"items":[{}]}}"#, items.join(","));
    // One element that never ends is held too.
    let element = format!(r#"{{"kind":"SecretList","items":[{{"x":"{}"}}]}}"#, "x".repeat(3 << 20));
    for body in [list, element] {
        let server = answering(body).await;
        for (total, expected) in [(64 * MIB, None), (2 * MIB, Some(Reason::Throttled))] {
            let memory = Arc::new(MemoryTotal::new(total).share(Account::of(&1)));
            let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
            let budget = ReadBudget::new(deadline, 8 * MIB, 1 << 20).with_memory(memory);
            let client = Client { server: &server, credential: &Credential::Connection, budget: &budget };
            let read = stored_releases(client, Some("shop")).await;
            let reason = read.err().map(|failure| failure.reason);
            assert_eq!(reason.filter(|reason| *reason == Reason::Throttled), expected, "{total}");
        }
    }
}

#[tokio::test]
async fn the_revisions_of_a_release_are_in_order_and_a_name_adds_no_selector() {
    let item = |n: u32| {
        format!(
            r#"{{"metadata":{{"name":"s{n}","namespace":"shop","labels":{{"name":"web","version":"{n}"}}}}}}"#
        )
    };
    // As the API server sorts them: by name.
    let items = [1, 10, 2].map(item).join(",");
    let list = format!(r#"{{"kind":"SecretList","metadata":{{}},"items":[{items}]}}"#);
    let (server, requests) = answering_by_path(move |_| Some(list.clone().into_bytes())).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let budget = ReadBudget::new(deadline, 1 << 20, 1 << 20);
    let client = Client { server: &server, credential: &Credential::Connection, budget: &budget };
    let revisions = stored_revisions(client, "shop", "web").await.unwrap();
    let revisions: Vec<u32> = revisions.iter().map(|stored| stored.release.revision).collect();
    assert_eq!(revisions, [10, 2, 1]);
    let asked = requests.take();
    assert!(asked[0].path.contains("labelSelector=owner%3Dhelm%2Cname%3Dweb&"), "{asked:?}");
    for name in ["web,status=failed", "", "a b", "../x", "!web"] {
        assert_eq!(stored_revisions(client, "shop", name).await.unwrap_err().reason, Reason::Invalid);
    }
    assert!(requests.take().is_empty());
}

#[test]
fn a_release_is_unpacked_and_its_values_are_not_in_it() {
    let json = br#"{"name":"web","info":{"status":"deployed","last_deployed":"2026-11-01T10:00:00Z"},"config":{"password":"hunter2"},
        "chart":{"metadata":{"name":"nginx","version":"1.2.3","appVersion":"1.27"},"templates":[{"data":"eA=="}]},"version":3}"#;
    for zip in [true, false] {
        let release = decode(&secret(json, zip), &UnpackBudget::default(), TimeSlice::unlimited())
            .unwrap()
            .release(Release::default());
        assert_eq!(
            (release.chart.as_str(), release.chart_version.as_str(), release.app_version.as_str()),
            ("nginx", "1.2.3", "1.27")
        );
        assert!(!format!("{release:?}").contains("hunter2"));
    }
}

#[test]
fn what_helm_did_not_write_is_an_error_that_quotes_nothing() {
    for broken in [&b"hunter2"[..], b"{\"info\": \"hunter2\"}"] {
        let error =
            decode(&secret(broken, true), &UnpackBudget::default(), TimeSlice::unlimited()).err().unwrap();
        assert!(!error.contains("hunter2"), "{error}");
    }
    assert!(decode(br#"{"data":{}}"#, &UnpackBudget::default(), TimeSlice::unlimited()).is_err());
}

#[test]
fn bombs_end_with_the_budget_of_the_call_and_its_time() {
    let mut bomb = br#"{"config":""#.to_vec();
    bomb.resize(63 << 20, b' ');
    bomb.extend_from_slice(br#""}"#);
    let bomb = secret(&bomb, true);
    let late = decode(&bomb, &UnpackBudget::default(), TimeSlice::over()).err().unwrap();
    assert!(late.contains("time is over"), "{late}");
    let budget = UnpackBudget::default();
    for _ in 0..60 {
        let error = decode(&bomb, &budget, TimeSlice::unlimited()).err().unwrap();
        assert!(error.contains("too large"), "{error}");
    }
    assert!(budget.0.load(Relaxed) < 1 << 20, "{budget:?}");
    let release = decode(&secret(b"{}", true), &UnpackBudget::default(), TimeSlice::unlimited());
    assert!(release.is_ok());
}
