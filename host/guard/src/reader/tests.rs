//! Every kind of read, against a fake API server that records what reaches it.

mod values;

use std::{future::Future, pin::Pin, time::Duration};

use porthole_cluster::answering::{Requests, answering_by_path};
use porthole_contract::{ChangesQuery, LogQuery, LogSearch, LogSource, ReadRule, Token, View};
use porthole_quota::{Account, MemoryTotal};
use serde_json::json;

use super::*;
use crate::{CallerPolicy, CallerRule, Ceiling, Denied, Grant, Guard, PolicyDefault};

/// Bytes of one answer to a component.
const ANSWER: usize = 64 << 10;
const TOKEN: &str = "Bearer abc";

type Reading<'r> = Pin<Box<dyn Future<Output = Result<(), Failure>> + 'r>>;

/// A kind of read: as an operator denies it, as a tool declares it, and the paths that it asks for.
struct Read {
    verb: Verb,
    group: &'static str,
    resource: &'static str,
    denied: &'static str,
    paths: &'static [&'static str],
    run: fn(&GuardedReader) -> Reading<'_>,
}

const READS: [Read; 10] = [
    Read {
        verb: Verb::Get,
        group: "",
        resource: "pods",
        denied: "pods",
        paths: &["/api/v1/namespaces/shop/pods/web"],
        run: |reader| {
            Box::pin(async {
                let query =
                    GetQuery { namespace: Some("shop".into()), name: "web".into(), view: View::Whole };
                reader.get_object(&pods(), &query).await.map(drop)
            })
        },
    },
    Read {
        verb: Verb::List,
        group: "",
        resource: "pods",
        denied: "po",
        paths: &["/api/v1/namespaces/shop/pods"],
        run: |reader| Box::pin(async { reader.list_objects(&pods(), &list_query()).await.map(drop) }),
    },
    Read {
        verb: Verb::Get,
        group: "",
        resource: "pods",
        denied: "pods",
        paths: &["/api/v1/namespaces/shop/pods/web"],
        run: |reader| {
            Box::pin(async { reader.object_changes(&pods(), &changes_of(Some("web"))).await.map(drop) })
        },
    },
    Read {
        verb: Verb::List,
        group: "",
        resource: "pods",
        denied: "Pod",
        paths: &["/api/v1/namespaces/shop/pods"],
        run: |reader| Box::pin(async { reader.object_changes(&pods(), &changes_of(None)).await.map(drop) }),
    },
    Read {
        verb: Verb::Get,
        group: "",
        resource: "pods/log",
        denied: "pods/log",
        paths: &["/api/v1/namespaces/shop/pods/web/log"],
        run: |reader| Box::pin(async { reader.pod_log(&log_query()).await.map(drop) }),
    },
    Read {
        verb: Verb::Get,
        group: "",
        resource: "pods/log",
        denied: "pods/log",
        paths: &["/api/v1/namespaces/shop/pods/web/log?timestamps=true"],
        run: |reader| Box::pin(async { reader.search_log(&log_search()).await.map(drop) }),
    },
    Read {
        verb: Verb::Get,
        group: "",
        resource: "pods/log",
        denied: "pods/log",
        paths: &["/api/v1/namespaces/shop/pods/web/log?timestamps=true"],
        run: |reader| {
            Box::pin(async {
                let mut log = reader.open_log(&log_search().source).await?;
                reader.next_lines(&mut log, u32::MAX).await.map(drop)
            })
        },
    },
    Read {
        verb: Verb::Get,
        group: "",
        resource: "nodes/proxy",
        denied: "nodes",
        paths: &["/api/v1/nodes/n/proxy/logs/?query=kubelet"],
        run: |reader| Box::pin(async { reader.node_read(&node_query()).await.map(drop) }),
    },
    Read {
        verb: Verb::List,
        group: "helm.sh",
        resource: "releases",
        denied: "secrets",
        paths: &[
            "/api/v1/namespaces/shop/secrets?labelSelector=owner%3Dhelm&fieldSelector=type%3Dhelm.sh%2Frelease.v1",
            "/api/v1/namespaces/shop/secrets/s1",
        ],
        run: |reader| Box::pin(async { reader.releases(Some("shop")).await.map(drop) }),
    },
    Read {
        verb: Verb::List,
        group: "helm.sh",
        resource: "releases",
        denied: "secrets",
        paths: &[
            "/api/v1/namespaces/shop/secrets?labelSelector=owner%3Dhelm%2Cname%3Dr&fieldSelector=type%3Dhelm.sh%2Frelease.v1",
            "/api/v1/namespaces/shop/secrets/s1",
        ],
        run: |reader| Box::pin(async { reader.release_history("shop", "r").await.map(drop) }),
    },
];

fn pods() -> KindRef {
    KindRef { kind: "pods".into(), api_version: None }
}

fn list_query() -> ListQuery {
    ListQuery {
        namespace: Some("shop".into()),
        label_selector: None,
        field_selector: None,
        limit: None,
        continue_token: None,
        resource_version: None,
        view: View::Whole,
    }
}

fn changes_of(name: Option<&str>) -> ChangesQuery {
    ChangesQuery { namespace: Some("shop".into()), name: name.map(str::to_owned), ..ChangesQuery::default() }
}

fn log_source() -> LogSource {
    LogSource { namespace: "shop".into(), pod: "web".into(), ..LogSource::default() }
}

fn log_query() -> LogQuery {
    LogQuery { source: log_source(), ..LogQuery::default() }
}

fn log_search() -> LogSearch {
    LogSearch { source: log_source(), first: 1, ..LogSearch::default() }
}

fn node_query() -> NodeQuery {
    NodeQuery { node: "n".into(), source: NodeSource::Log("kubelet".into()), tail_lines: None }
}

fn answer(path: &str) -> Option<Vec<u8>> {
    let pod = json!({"kind": "Pod", "metadata": {"name": "web", "namespace": "shop", "managedFields": [{"manager": "kubectl"}]}});
    let release = json!({"metadata": {"name": "s1", "namespace": "shop", "labels": {"name": "r".repeat(400), "version": "1"}}});
    let body = match path {
        "/api" => json!({"items": [{"metadata": {"name": ""}, "versions": [{"version": "v1", "resources": [{
            "resource": "pods", "responseKind": {"kind": "Pod"}, "scope": "Namespaced", "shortNames": ["po"], "verbs": ["get", "list"],
        }]}]}]}),
        "/apis" => json!({"items": []}),
        "/api/v1/namespaces/shop/pods/web" => pod,
        "/api/v1/namespaces/shop/pods" => json!({"kind": "PodList", "metadata": {}, "items": [pod]}),
        "/api/v1/namespaces/shop/secrets" => {
            json!({"kind": "SecretList", "metadata": {}, "items": [release]})
        }
        "/api/v1/namespaces/shop/pods/web/log" | "/api/v1/nodes/n/proxy/logs/" => {
            return Some(b"a line\n".to_vec());
        }
        _ => return None,
    };
    Some(body.to_string().into_bytes())
}

async fn cluster(answer: fn(&str) -> Option<Vec<u8>>) -> (Arc<Cluster>, Requests) {
    let (server, requests) = answering_by_path(answer).await;
    (Arc::new(Cluster::new(server)), requests)
}

fn reader(cluster: &Arc<Cluster>, rules: Vec<ReadRule>, denied: &[&str], reads: u32) -> GuardedReader {
    reader_below(Ceiling::default(), cluster, rules, denied, reads)
}

/// A reader whose caller the policy narrows to the other namespace, or leaves nothing.
fn narrowed(cluster: &Arc<Cluster>, read: &Read, namespaces: Option<&str>) -> GuardedReader {
    let policy = match namespaces {
        Some(other) => {
            let namespaces = Some([other.to_owned()].into());
            CallerPolicy::new(vec![CallerRule { namespaces, ..CallerRule::default() }], PolicyDefault::Allow)
        }
        None => CallerPolicy::new(Vec::new(), PolicyDefault::Deny),
    };
    reader_below(policy.ceiling("jane", &[]), cluster, vec![rule(read)], &[], 9)
}

fn reader_below(
    ceiling: Ceiling,
    cluster: &Arc<Cluster>,
    rules: Vec<ReadRule>,
    denied: &[&str],
    reads: u32,
) -> GuardedReader {
    let denied: Vec<String> = denied.iter().map(|name| (*name).to_owned()).collect();
    let guard = Guard::new(Arc::clone(cluster), Arc::new(Denied::parse(&denied).unwrap()));
    let deadline = Instant::now() + Duration::from_secs(20);
    let memory = Arc::new(MemoryTotal::new(64 << 20).share(Account::of(&1)));
    let limits = ReadLimits { deadline, reads, bytes: 4 << 20, log_bytes: 4 << 20, answer: ANSWER };
    let credential = Credential::Token(Token::parse("abc").unwrap());
    guard.reader(credential, ceiling, Arc::new(Grant::new(rules)), limits, memory)
}

fn rule(read: &Read) -> ReadRule {
    ReadRule {
        api_groups: vec![read.group.to_owned()],
        resources: vec![read.resource.to_owned()],
        verbs: vec![read.verb],
    }
}

#[tokio::test]
async fn a_read_is_sent_only_if_it_is_declared_and_not_denied_and_open_to_the_caller_and_within_the_budget() {
    let (cluster, requests) = cluster(answer).await;
    // Discovery is shared by all calls, and not of interest here.
    reader(&cluster, Vec::new(), &[], 9).kinds().await.unwrap();
    requests.take();
    for read in &READS {
        for (case, reader, reason) in [
            ("no rule", reader(&cluster, vec![], &[], 9), Some(Reason::NotGranted)),
            ("denied", reader(&cluster, vec![rule(read)], &[read.denied], 9), Some(Reason::NotGranted)),
            ("closed", narrowed(&cluster, read, None), Some(Reason::NotGranted)),
            ("elsewhere", narrowed(&cluster, read, Some("web")), Some(Reason::Forbidden)),
            ("no budget", reader(&cluster, vec![rule(read)], &[], 0), Some(Reason::OverReads)),
            ("ok", reader(&cluster, vec![rule(read)], &[], 9), None),
        ] {
            let case = format!("{case}: {:?} {}", read.verb, read.resource);
            let result = (read.run)(&reader).await;
            assert_eq!(result.as_ref().err().map(|failure| failure.reason), reason, "{case}: {result:?}");
            let sent = requests.take();
            let paths: Vec<&str> = sent.iter().map(|request| request.path.as_str()).collect();
            assert_eq!(paths, if reason.is_none() { read.paths } else { &[] }, "{case}");
            assert!(
                sent.iter().all(|sent| sent.method == "GET" && sent.authorization == TOKEN),
                "{case}: {sent:?}"
            );
            let records = reader.summary().records;
            assert_eq!(records.len(), 1, "{case}: {records:?}");
            assert_eq!(records[0].failed.is_some(), reason.is_some(), "{case}: {records:?}");
            assert_eq!(records[0].bytes > 0, reason.is_none(), "{case}: {records:?}");
            assert!(!reader.summary().token_refused && !reader.log().summary().token_refused, "{case}");
        }
    }
}

#[tokio::test]
async fn a_call_has_a_bounded_number_of_logs_open() {
    let (cluster, _) = cluster(answer).await;
    let reader = reader(&cluster, every_rule(), &[], 99);
    let mut open = Vec::new();
    let failure = loop {
        match reader.open_log(&log_search().source).await {
            Ok(log) => open.push(log),
            Err(failure) => break failure,
        }
    };
    assert_eq!((open.len(), failure.reason), (8, Reason::Invalid));
    open.pop();
    let mut log = reader.open_log(&log_search().source).await.unwrap();
    assert_eq!(reader.next_lines(&mut log, 0).await.unwrap().text, "a line\n");
    assert_eq!(reader.summary().records[0].bytes, 7);
}

/// Rules for every read of [`READS`].
fn every_rule() -> Vec<ReadRule> {
    READS.iter().map(rule).collect()
}

#[tokio::test]
async fn the_bytes_of_releases_are_those_of_their_texts() {
    let (cluster, _) = cluster(answer).await;
    let reader = reader(&cluster, every_rule(), &[], 9);
    reader.releases(Some("shop")).await.unwrap();
    let records = reader.summary().records;
    assert!((400..500).contains(&records[0].bytes), "{records:?}");
}

#[tokio::test]
async fn no_answer_crosses_that_does_not_fit_into_the_component() {
    fn vast(path: &str) -> Option<Vec<u8>> {
        let many = |item: &dyn Fn(usize) -> serde_json::Value| (0..2000).map(item).collect::<Vec<_>>();
        let kinds = |prefix: &str| {
            many(
                &|n| json!({"resource": format!("{prefix}{n}"), "responseKind": {"kind": "Pod"}, "verbs": ["get", "list"]}),
            )
        };
        Some(match path {
            "/api" => {
                let pods =
                    json!({"resource": "pods", "responseKind": {"kind": "Pod"}, "scope": "Namespaced"});
                let resources = [vec![pods], kinds("things-of-some-name-")].concat();
                let versions = json!([{"version": "v1", "resources": resources}]);
                json!({"items": [{"metadata": {"name": ""}, "versions": versions}]}).to_string().into_bytes()
            }
            "/apis" => json!({"items": []}).to_string().into_bytes(),
            "/api/v1/namespaces/shop/secrets" => {
                let items = many(
                    &|n| json!({"metadata": {"name": format!("s{n}"), "namespace": "shop", "labels": {"name": format!("release-{n}")}}}),
                );
                json!({"kind": "SecretList", "metadata": {}, "items": items}).to_string().into_bytes()
            }
            "/api/v1/nodes/n/proxy/logs/" => b"a line\n".repeat(ANSWER / 7 + 1),
            _ => return None,
        })
    }
    let (cluster, _) = cluster(vast).await;
    let new = || reader(&cluster, every_rule(), &[], u32::MAX);
    let too_large = |failure: Failure| {
        assert_eq!(failure.reason, Reason::TooLarge, "{failure}");
        assert!(failure.message.contains("`memory`"), "{failure}");
    };
    too_large(new().node_read(&node_query()).await.map(drop).unwrap_err());
    too_large(new().kinds().await.map(drop).unwrap_err());
    let reader = new();
    too_large(reader.releases(Some("shop")).await.map(drop).unwrap_err());
    let records = reader.summary().records;
    assert_eq!((records[0].bytes, records[0].failed.as_ref().unwrap().1.as_str()), (0, "TooLarge"));
}

#[tokio::test]
async fn of_a_long_history_only_the_newest_revisions_are_opened() {
    fn many(path: &str) -> Option<Vec<u8>> {
        let items: Vec<_> = (1..=50)
            .map(|n| json!({"metadata": {"name": format!("s{n}"), "namespace": "shop", "labels": {"name": "r", "version": n.to_string()}}}))
            .collect();
        let list = json!({"kind": "SecretList", "metadata": {}, "items": items});
        (path == "/api/v1/namespaces/shop/secrets").then(|| list.to_string().into_bytes())
    }
    let (cluster, requests) = cluster(many).await;
    let reader = reader(&cluster, every_rule(), &[], u32::MAX);
    let history = reader.release_history("shop", "r").await.unwrap();
    assert_eq!(history.len(), 50);
    assert!(history.iter().map(|release| release.revision).eq((1..=50).rev()));
    let opened = requests.take().into_iter().filter(|sent| sent.path.contains("/secrets/s")).count();
    assert_eq!(opened, 20);
}

#[tokio::test]
async fn a_namespace_whose_lists_are_empty_is_looked_for_once_in_a_call() {
    fn empty(path: &str) -> Option<Vec<u8>> {
        match path {
            "/api/v1/namespaces/shop/pods" | "/api/v1/namespaces/gone/pods" => {
                Some(br#"{"kind": "PodList", "metadata": {}, "items": []}"#.to_vec())
            }
            "/api/v1/namespaces/shop" => Some(br#"{"metadata": {"name": "shop"}}"#.to_vec()),
            path => answer(path),
        }
    }
    let (cluster, requests) = cluster(empty).await;
    reader(&cluster, Vec::new(), &[], 9).kinds().await.unwrap();
    // Where the answer about the namespace is no answer, the list stays empty, and the question is not repeated either.
    for namespace in ["shop", "gone"] {
        requests.take();
        let reader = reader(&cluster, every_rule(), &[], 99);
        let query = ListQuery { namespace: Some(namespace.to_owned()), ..list_query() };
        for page in reader.list_all(&vec![(pods(), query); 6]).await {
            assert_eq!(page.unwrap().count, 0, "{namespace}");
        }
        let asked = format!("/api/v1/namespaces/{namespace}");
        let asked = requests.take().into_iter().filter(|request| request.path == asked).count();
        assert_eq!(asked, 1, "{namespace}");
    }
}

#[tokio::test]
async fn a_batch_is_answered_in_its_order_or_refused_as_a_whole() {
    let (cluster, requests) = cluster(answer).await;
    let reader = reader(&cluster, every_rule(), &[], 999);
    let get = |name: &str| {
        (pods(), GetQuery { namespace: Some("shop".into()), name: name.into(), view: View::Whole })
    };
    let objects = reader.get_all(&[get("web"), get("gone")]).await;
    assert!(objects[0].as_ref().is_ok_and(|pod| pod.contains("\"web\"")), "{objects:?}");
    assert!(objects.len() == 2 && objects[1].is_err(), "{objects:?}");
    let texts = reader.pod_logs(&vec![log_query(); MAX_BATCH]).await;
    assert!(texts.len() == MAX_BATCH && texts.iter().all(Result::is_ok), "{texts:?}");
    requests.take();
    let refused = reader.search_logs(&vec![log_search(); MAX_BATCH + 1]).await;
    let is_refused =
        |one: &Result<_, Failure>| one.as_ref().is_err_and(|error| error.reason == Reason::Invalid);
    assert!(refused.len() == MAX_BATCH + 1 && refused.iter().all(is_refused), "{refused:?}");
    assert_eq!(requests.take().len(), 0, "none of them is asked");
}
