//! earlier: asks every question of the contract as it was first, and says how each was answered.
//!
//! `wit/` is a copy of that contract. It never changes: a host that adds functions must still run this component.

#[allow(missing_docs, unused_qualifications, clippy::all, reason = "made by wit-bindgen")]
mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "tool" });
}

use bindings::{
    Guest,
    porthole::tool::{
        call,
        kube_read::{
            self, AccessQuery, GetQuery, KindRef, ListQuery, LogQuery, NodeQuery, NodeSource, ReadError, View,
        },
        types::{Content, Description, Outcome, ReadRule, Verb},
    },
};

struct Earlier;

bindings::export!(Earlier with_types_in bindings);

impl Guest for Earlier {
    fn describe() -> Description {
        let rule = |resources: &[&str]| ReadRule {
            api_groups: vec![String::new()],
            resources: resources.iter().map(|resource| (*resource).to_owned()).collect(),
            verbs: vec![Verb::Get, Verb::List],
        };
        Description {
            name: "earlier".to_owned(),
            version: "1.0.0".to_owned(),
            title: "Earlier".to_owned(),
            summary: "Asks every question of the first contract.".to_owned(),
            input_schema: r#"{"type": "object", "properties": {}}"#.to_owned(),
            output_schema: None,
            reads: vec![rule(&["pods", "pods/log"])],
        }
    }

    fn run(_: String) -> Result<Outcome, String> {
        call::progress(1.0, Some(2.0), "half way");
        call::log(call::Level::Debug, "from before");
        let lines = [
            answered("get-object", kube_read::get_object(&get())),
            answered(
                "list-objects",
                kube_read::list_objects(&list()).map(|page| format!("{} pods", page.count)),
            ),
            answered("pod-log", kube_read::pod_log(&log()).map(|log| log.text)),
            answered("node-read", kube_read::node_read(&node())),
            each("get-all", kube_read::get_all(&[get()])),
            each("list-all", kube_read::list_all(&[list()])),
            each("pod-logs", kube_read::pod_logs(&[log(), log()])),
            answered("kinds", kube_read::kinds().map(|_| "some".to_owned())),
            answered(
                "explain",
                kube_read::explain(&pods(), &["spec".to_owned()], 1).map(|_| "a text".to_owned()),
            ),
            answered("can-i", kube_read::can_i(&access()).map(|verdict| verdict.allowed.to_string())),
            answered("whoami", kube_read::whoami().map(|caller| caller.username)),
            answered("releases", kube_read::releases(None).map(|releases| format!("{releases:?}"))),
            format!("cluster-address: {}", kube_read::cluster_address()),
            format!("namespace: {} of {}", call::default_namespace(), call::namespaces().len()),
            format!("budget: {}, now: {}", call::output_budget(), call::now() > 0),
        ];
        Ok(Outcome { content: vec![Content::Text(lines.join("\n"))], structured: None })
    }
}

fn answered(what: &str, answer: Result<String, ReadError>) -> String {
    match answer {
        Ok(text) => format!("{what}: {}", text.trim_end()),
        Err(error) => format!("{what}: {:?}", error.reason),
    }
}

fn each<T>(what: &str, answers: Vec<Result<T, ReadError>>) -> String {
    format!("{what}: {} of {}", answers.iter().filter(|answer| answer.is_ok()).count(), answers.len())
}

fn pods() -> KindRef {
    KindRef { kind: "pods".to_owned(), api_version: None }
}

fn get() -> GetQuery {
    GetQuery {
        kind: pods(),
        namespace: Some("shop".to_owned()),
        name: "web-6d4f9c7b8d-k8pq2".to_owned(),
        view: View::Fields(vec!["metadata.name".to_owned()]),
    }
}

fn list() -> ListQuery {
    ListQuery {
        kind: pods(),
        namespace: Some("shop".to_owned()),
        label_selector: Some("app=web".to_owned()),
        field_selector: None,
        limit: None,
        continue_token: None,
        resource_version: None,
        view: View::Table,
    }
}

fn log() -> LogQuery {
    LogQuery {
        namespace: "shop".to_owned(),
        pod: "web-6d4f9c7b8d-k8pq2".to_owned(),
        container: None,
        previous: false,
        tail_lines: None,
        since_seconds: None,
        since_time: None,
        timestamps: false,
        pattern: Some("listening".to_owned()),
        invert: false,
        context_lines: 0,
        fold: true,
        limit_bytes: None,
    }
}

fn node() -> NodeQuery {
    NodeQuery { node: "node-1".to_owned(), source: NodeSource::StatsSummary, tail_lines: None }
}

fn access() -> AccessQuery {
    AccessQuery {
        verb: "list".to_owned(),
        kind: pods(),
        subresource: None,
        namespace: Some("shop".to_owned()),
        name: None,
    }
}
