//! Values of Secrets, through every known leak.

use porthole_testbed::{accounts, hostile_api::HostileApi};
use serde_json::{Value, json};

use crate::{
    Case,
    stage::{NAMESPACE, Setting, Stage},
};

/// Part of every value that must not leak.
const VALUE: &str = "pa55";
/// An opaque token; the hostile API server accepts any.
const TOKEN: &str = "opaque-attacker-0123456789";

pub(crate) async fn annotations(case: &'static Case) {
    let stage = Stage::usual(case).await;
    let rules = json!([{"apiGroups": [""], "resources": ["secrets", "namespaces", "events"], "verbs": ["get", "list"]}]);
    let keeper = stage.account("keeper", rules).await;
    let admin = stage.cluster.admin().await.unwrap();
    let secret = json!({"metadata": {"name": "annotated", "annotations": {
        "kapp.k14s.io/original": r#"{"kind":"Secret","stringData":{"password":"pa55-kapp"}}"#,
        "objectset.rio.cattle.io/applied": "pa55-rancher",
        "openshift.io/token-secret.value": "pa55-openshift",
        "anything.example.com/else": "pa55-else",
    }}, "stringData": {"password": "pa55-data"}});
    accounts::create(&admin, &format!("/api/v1/namespaces/{NAMESPACE}/secrets"), &secret).await.unwrap();
    let one = json!({"kind": "secrets", "name": "annotated", "namespace": NAMESPACE});
    let with = |base: &Value, key: &str, value: &str| {
        let mut arguments = base.clone();
        arguments[key] = value.into();
        arguments
    };
    let all = json!({"kind": "secrets", "namespace": NAMESPACE});
    let fields = with(&all, "fields", "metadata.name,metadata.annotations");
    let calls = [
        ("resources_get", one.clone()),
        ("resources_get", with(&one, "fields", "metadata.annotations")),
        ("resources_get", with(&one, "fields", "metadata.annotations['openshift.io/token-secret.value']")),
        ("resources_describe", one),
        ("resources_list", all.clone()),
        ("resources_list", with(&all, "output", "yaml")),
        ("resources_list", with(&all, "output", "json")),
        ("resources_list", fields.clone()),
        ("resources_list", with(&fields, "output", "json")),
    ];
    let client = stage.client(&keeper);
    let shown = stage
        .attack(async {
            let mut shown = String::new();
            for (tool, arguments) in calls {
                let text = client.call(tool, arguments.clone()).await.unwrap();
                assert!(!text.contains(VALUE), "{tool} {arguments}: {text}");
                shown.push_str(&text);
            }
            shown
        })
        .await;
    assert!(shown.contains("kapp.k14s.io/original"), "the keys stay: {shown}");
}

/// A host on a hostile API server, with the guest that asks every question.
async fn lied_to(case: &'static Case, api: &HostileApi) -> Stage {
    let setting =
        Setting { guests: &["curious"], kubeconfig: Some(api.kubeconfig.clone()), ..Setting::default() };
    Stage::set(case, setting).await
}

/// The guest's answers to questions.
async fn asked(stage: &Stage, questions: &[&str]) -> Vec<String> {
    let client = stage.client(TOKEN);
    stage
        .attack(async {
            let mut answers = Vec::new();
            for what in questions {
                answers.push(client.call("curious", json!({"what": what})).await.unwrap());
            }
            answers
        })
        .await
}

pub(crate) async fn no_table(case: &'static Case) {
    let api = HostileApi::start(|path| {
        path.starts_with("/api/v1/namespaces/shop/secrets").then(|| {
            (200, r#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"cart-db"},"data":{"password":"pa55"}}"#.into())
        })
    })
    .await
    .unwrap();
    let stage = lied_to(case, &api).await;
    for answer in asked(&stage, &["secret-table"]).await {
        assert!(answer.starts_with("ERROR") && !answer.contains(VALUE), "{answer}");
    }
}

pub(crate) async fn odd_keys(case: &'static Case) {
    let api = HostileApi::start(|path| {
        path.starts_with("/api/v1/namespaces/shop/secrets").then(|| {
            let secret = r#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"cart-db","annot\u0061tions":{"x":"pa55"}},"d\u0061ta":{"password":"pa55"},"data":{"password":"pa55"},"string\u0044ata":{"p":"pa55"},"data":{"more":{"deep":["pa55"]}}}"#;
            let list = format!(r#"{{"kind":"SecretList","metadata":{{}},"items":[{secret}]}}"#);
            (200, if path.contains("cart-db") { secret.to_owned() } else { list })
        })
    })
    .await
    .unwrap();
    let stage = lied_to(case, &api).await;
    for answer in asked(&stage, &["secret-whole", "secret-fields", "secret-list"]).await {
        assert!(!answer.contains(VALUE), "{answer}");
    }
}

pub(crate) async fn odd_cells(case: &'static Case) {
    let api = HostileApi::start(|path| {
        path.starts_with("/api/v1/pods").then(|| {
            let rows = r#"{"cells":{"a":1},"object":{"metadata":{"namespace":"x\"y"}}},{"cells":"x","object":{"metadata":{}}},{"cells":5},{"cells":null},{"cells":[]}"#;
            (200, format!(r#"{{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{{}},"columnDefinitions":[{{"name":"Name"}}],"rows":[{rows}]}}"#))
        })
    })
    .await
    .unwrap();
    let stage = lied_to(case, &api).await;
    for answer in asked(&stage, &["table", "outline"]).await {
        assert!(answer.starts_with("ERROR") || serde_json::from_str::<Value>(&answer).is_ok(), "{answer}");
    }
}

pub(crate) async fn logged(case: &'static Case) {
    const PLANTED: &str = "pa55Zq7Zq8Zq9Zq7Zq8Zq9Zq7Zq8Zq9Zq7Zq8";
    let api = HostileApi::start(|path| {
        let plain = path.split('?').next().unwrap_or(path);
        let line = format!("login ghp_{PLANTED} failed");
        let resource = |plural: &str, kind: &str| {
            json!({"resource": plural, "responseKind": {"group": "", "version": "v1", "kind": kind}, "scope": "Namespaced",
                "singularResource": kind.to_lowercase(), "verbs": ["get", "list"]})
        };
        let metadata = json!({"name": "web", "namespace": "shop", "resourceVersion": "1"});
        let body = match plain {
            "/api" => json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": [{"versions": [
                {"version": "v1", "resources": [resource("pods", "Pod"), resource("events", "Event")]}]}]})
            .to_string(),
            "/api/v1/namespaces/shop/pods/web/log" => format!("started\n{line}\n"),
            "/api/v1/namespaces/shop/pods/web" => json!({"kind": "Pod", "apiVersion": "v1", "metadata": metadata,
                "spec": {"containers": [{"name": "web"}]},
                "status": {"containerStatuses": [{"name": "web", "state": {"terminated": {"message": line}}}]}})
            .to_string(),
            "/api/v1/namespaces/shop/events" => json!({"kind": "EventList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"},
                "items": [{"metadata": metadata, "type": "Warning", "reason": "Failed", "message": line,
                    "involvedObject": {"kind": "Pod", "name": "web", "namespace": "shop"}}]})
            .to_string(),
            _ => return None,
        };
        Some((200, body))
    })
    .await
    .unwrap();
    let stage = lied_to(case, &api).await;
    let client = stage.client(TOKEN);
    let log = json!({"name": "web", "namespace": "shop"});
    let grep = |pattern: &str| json!({"name": "web", "namespace": "shop", "grep": pattern});
    let events = json!({"kind": "events", "namespace": "shop"});
    let whole = json!({"kind": "events", "namespace": "shop", "output": "json"});
    let fields = json!({"kind": "events", "namespace": "shop", "fields": "message"});
    let pod = json!({"kind": "Pod", "name": "web", "namespace": "shop"});
    let shown = stage
        .attack(async {
            let mut shown = Vec::new();
            for (tool, arguments) in [
                ("pods_log", log),
                ("pods_log", grep("login")),
                ("pods_log", grep(PLANTED)),
                ("events_list", json!({"namespace": "shop"})),
                ("resources_list", events),
                ("resources_list", whole),
                ("resources_list", fields),
                ("resources_get", pod),
            ] {
                let text = client.call(tool, arguments.clone()).await.unwrap();
                // An answer without lines repeats the pattern, which is the attacker's own.
                let text = if arguments["grep"] == PLANTED { text.replacen(PLANTED, "", 1) } else { text };
                assert!(!text.contains(PLANTED), "{tool} {arguments}: {text}");
                shown.push(text);
            }
            shown
        })
        .await;
    for at in [0, 1] {
        assert!(shown[at].contains("login <masked: github token> failed"), "{}", shown[at]);
    }
    assert!(!shown[2].contains("login"), "a search finds what is masked: {}", shown[2]);
    assert!(shown[3].contains("<masked: github token>"), "{}", shown[3]);
}

pub(crate) async fn masked(case: &'static Case) {
    let config = "redact: {env: mask, paths: [{kinds: [configmaps], paths: [data.password]}, {kinds: [pods], paths: [spec.nodeName]}]}\n";
    let stage = Stage::set(case, Setting { config, ..Setting::default() }).await;
    let reader = stage.reader().await;
    let admin = stage.cluster.admin().await.unwrap();
    let copy = r#"{"kind":"ConfigMap","data":{"password":"pa55-copy"}}"#;
    let map = json!({"metadata": {"name": "masked", "annotations": {"kapp.k14s.io/original": copy}},
        "data": {"password": "pa55-data", "url": "db:5432"}});
    let env = json!([{"name": "DB_PASSWORD", "value": "pa55-env"}, {"name": "DATABASE_URL", "value": "postgres://app:pa55-url@db/x"},
        {"name": "MODE", "value": "production"}]);
    let pod = json!({"containers": [{"name": "app", "image": "x", "env": env}]});
    let labels = json!({"app": "masked"});
    let deployment = json!({"metadata": {"name": "masked"}, "spec": {"replicas": 0, "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod}}});
    let here = format!("namespaces/{NAMESPACE}");
    for (path, object) in [
        (format!("/api/v1/{here}/configmaps"), map),
        (
            format!("/api/v1/{here}/pods"),
            json!({"metadata": {"name": "masked", "labels": labels}, "spec": {"nodeName": "pa55-node", "containers": pod["containers"]}}),
        ),
        (format!("/apis/apps/v1/{here}/deployments"), deployment),
    ] {
        accounts::create(&admin, &path, &object).await.unwrap();
    }
    let one = |kind: &str| json!({"kind": kind, "name": "masked", "namespace": NAMESPACE});
    let all = |kind: &str, more: Value| {
        let mut arguments = json!({"kind": kind, "namespace": NAMESPACE});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    let calls = [
        ("resources_get", one("ConfigMap")),
        ("resources_get", one("Deployment")),
        ("resources_get", one("Pod")),
        ("resources_describe", one("Pod")),
        ("resources_describe", one("ConfigMap")),
        ("resources_list", all("configmaps", json!({"output": "json"}))),
        ("resources_list", all("configmaps", json!({"fields": "data.password", "sortBy": "data.password"}))),
        ("resources_list", all("configmaps", json!({"where": "data.password ~ pa5"}))),
        ("resources_list", all("pods", json!({"fields": "spec.containers[].env[].value"}))),
        ("resources_list", all("pods", json!({"output": "wide"}))),
        ("pods_list_in_namespace", json!({"namespace": NAMESPACE})),
        ("diagnose", json!({"namespace": NAMESPACE})),
        ("changes", json!({"namespace": NAMESPACE})),
    ];
    let client = stage.client(&reader);
    let selector = all("pods", json!({"fieldSelector": "spec.nodeName=pa55-node"}));
    let (shown, refused) = stage
        .attack(async {
            let mut shown = String::new();
            for (tool, arguments) in calls {
                let text = client.call(tool, arguments.clone()).await.unwrap();
                assert!(!text.contains(VALUE), "{tool} {arguments}: {text}");
                shown.push_str(&text);
            }
            (shown, client.call("resources_list", selector).await.unwrap())
        })
        .await;
    for kept in
        ["<masked: configured>", "<masked: environment>", "<masked: url password>", "production", "db:5432"]
    {
        assert!(shown.contains(kept), "{kept} in {shown}");
    }
    assert!(refused.starts_with("ERROR") && refused.contains("masks this field"), "{refused}");
}
