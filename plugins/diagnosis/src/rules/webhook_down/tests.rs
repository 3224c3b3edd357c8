use serde_json::{Value, json};

use super::RULE;
use crate::{
    Kind,
    recorded::{Recorded, event, object},
};

fn elsewhere(kind: &str, name: &str) -> Value {
    let mut object = object(kind, name);
    object["metadata"]["namespace"] = "guard".into();
    object
}

/// A set without pods, its namespace, and a webhook of which nothing else is there.
fn cluster(policy: &str, selector: Value) -> Vec<Value> {
    let mut set = object("StatefulSet", "db");
    set["spec"] = json!({"replicas": 1, "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": []}}});
    set["status"] = json!({"replicas": 0});
    let mut namespace = object("Namespace", "shop");
    namespace["metadata"]["labels"] = json!({"kubernetes.io/metadata.name": "shop"});
    namespace["status"] = json!({"phase": "Active"});
    let mut webhook = object("ValidatingWebhookConfiguration", "checks");
    webhook["webhooks"] = json!([{"name": "pods.guard.example", "failurePolicy": policy, "objectSelector": selector,
        "clientConfig": {"service": {"namespace": "guard", "name": "hook", "path": "/v"}},
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "scope": "*"}]}]);
    vec![set, namespace, webhook]
}

fn slice(ready: bool) -> Value {
    let mut slice = elsewhere("EndpointSlice", "hook-x");
    slice["metadata"]["labels"] = json!({"kubernetes.io/service-name": "hook"});
    slice["endpoints"] = json!([{"addresses": ["10.0.0.9"], "conditions": {"ready": ready}}]);
    slice
}

#[test]
fn the_words_of_the_api_server_say_why_a_webhook_fails() {
    for (words, cause) in [
        ("no endpoints available for service \"hook\"", "its Service has no ready endpoint"),
        ("service \"hook\" not found", "its Service does not exist"),
        ("context deadline exceeded", "it does not answer in time"),
        ("dial tcp 10.96.0.7:443: connect: connection refused", "it refuses connections"),
        (
            "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2026-11-24T11:59:00Z is after 2026-11-20T00:00:00Z",
            "its certificate has expired",
        ),
        (
            "tls: failed to verify certificate: x509: certificate signed by unknown authority",
            "its certificate is not trusted",
        ),
    ] {
        let message = format!(
            "create Pod db-0 in StatefulSet db failed error: Internal error occurred: failed calling webhook \"pods.guard.example\": failed to call webhook: Post \"https://hook.guard.svc:443/v?timeout=10s\": {words}"
        );
        let mut objects = cluster("Fail", json!({}));
        objects.push(event(&objects[0], "FailedCreate", &message));
        let answer = Recorded::new(&objects).ask("db");
        let head = "cause 1 (certain) [webhook-down] Service guard/hook: admission webhook pods.guard.example fails, and without it no pod is created: ";
        assert!(answer.contains(&format!("{head}{cause}")), "{answer}");
    }
}

#[test]
fn without_the_event_the_state_of_the_service_tells() {
    let answer = Recorded::new(&cluster("Fail", json!({}))).ask("db");
    assert!(
        answer.contains("cause 1 (likely) [webhook-down] Service guard/hook")
            && answer.contains("its Service does not exist"),
        "{answer}"
    );
    let with = |ready: bool| {
        let mut objects = cluster("Fail", json!({}));
        objects.extend([elsewhere("Service", "hook"), slice(ready)]);
        Recorded::new(&objects).ask("db")
    };
    assert!(with(false).contains("its Service has no ready endpoint"), "{}", with(false));
    assert!(!with(true).contains("webhook-down"), "{}", with(true));
}

#[test]
fn a_webhook_that_may_fail_or_that_others_need_is_no_fault() {
    for cluster in [
        Recorded::new(&cluster("Ignore", json!({}))),
        Recorded::new(&cluster("Fail", json!({"matchLabels": {"app": "web"}}))),
        Recorded::new(&cluster("Fail", json!({}))).deny(Kind::Service),
        Recorded::new(&cluster("Fail", json!({}))).deny(Kind::Namespace),
    ] {
        let answer = cluster.ask("db");
        assert!(!answer.contains("webhook-down"), "{answer}");
    }
}

#[test]
fn a_refusal_for_another_reason_is_not_joined_with_a_webhook() {
    let mut objects = cluster("Fail", json!({}));
    Recorded::new(&objects).assert_found(&RULE, "Service guard/hook: ");
    objects.push(event(&objects[0], "FailedCreate", "pods \"db-0\" is forbidden: exceeded quota: team"));
    Recorded::new(&objects).assert_found(&RULE, "");
}

#[test]
fn the_state_of_the_service_stands_beside_the_words_that_do_not_say_it() {
    let call = |words: &str| {
        let mut objects = cluster("Fail", json!({}));
        let message = format!(
            "failed calling webhook \"pods.guard.example\": failed to call webhook: Post \"https://hook.guard.svc:443/v\": {words}"
        );
        objects.push(event(&objects[0], "FailedCreate", &message));
        let findings = (RULE.find)(&Recorded::new(&objects).facts());
        let evidence: Vec<String> =
            findings[0].evidence.iter().map(|evidence| evidence.label.clone()).collect();
        (findings[0].summary.clone(), evidence.contains(&"its Service does not exist".to_owned()))
    };
    let head = "admission webhook pods.guard.example fails, and without it no pod is created: ";
    for (words, cause, is_beside) in [
        ("connection refused", "it refuses connections", true),
        ("service \"hook\" not found", "its Service does not exist", false),
        ("service \"hook\" is odd", "the quote says why", true),
        ("page not found", "the quote says why", true),
    ] {
        assert_eq!(call(words), (format!("{head}{cause}"), is_beside), "{words}");
    }
}

#[test]
fn only_a_webhook_that_pods_need_to_be_created_is_joined() {
    for (field, value, is_found) in [
        ("operations", json!(["CREATE"]), true),
        ("operations", json!(["*"]), true),
        ("operations", json!(["UPDATE"]), false),
        ("resources", json!(["*/*"]), true),
        ("resources", json!(["services"]), false),
        ("apiGroups", json!(["*"]), true),
        ("apiGroups", json!(["apps"]), false),
        ("scope", json!("Namespaced"), true),
        ("scope", json!("Cluster"), false),
    ] {
        let mut objects = cluster("Fail", json!({}));
        objects[2]["webhooks"][0]["rules"][0][field] = value.clone();
        Recorded::new(&objects).assert_found(&RULE, if is_found { "Service guard/hook: " } else { "" });
    }
}

#[test]
fn a_service_whose_endpoints_are_not_known_or_elsewhere_has_no_outage() {
    let mut objects = cluster("Fail", json!({}));
    objects.push(elsewhere("Service", "hook"));
    Recorded::new(&objects).assert_found(&RULE, "its Service has no ready endpoint");
    Recorded::new(&objects).deny(Kind::EndpointSlice).assert_found(&RULE, "");
    objects[3]["spec"] = json!({"type": "ExternalName", "externalName": "hook.example"});
    Recorded::new(&objects).assert_found(&RULE, "");
}

#[test]
fn the_service_of_a_webhook_is_that_of_its_name_if_the_message_has_no_address_of_one() {
    let mut objects = cluster("Fail", json!({}));
    let entry = objects[2]["webhooks"][0].clone();
    let mut other = entry.clone();
    other["name"] = "other.guard.example".into();
    other["clientConfig"]["service"]["name"] = "other".into();
    objects[2]["webhooks"] = json!([other, entry]);
    for (address, object) in [
        ("https://hook.example.com/v", "Service guard/hook: "),
        ("https://there.guard.svc:443/v", "Service guard/there: "),
    ] {
        let message =
            format!("failed calling webhook \"pods.guard.example\": Post \"{address}\": connection refused");
        let mut objects = objects.clone();
        objects.push(event(&objects[0], "FailedCreate", &message));
        Recorded::new(&objects).assert_found(&RULE, object);
    }
}
