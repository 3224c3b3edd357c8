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
