//! Conditions on values that are not shown: an answer must not tell whether a guess is right.

use base64::{Engine, prelude::BASE64_STANDARD};
use porthole_testbed::accounts;
use serde_json::{Value, json};

use crate::{
    Case,
    stage::{NAMESPACE, Stage},
};

/// Value that the attacker guesses, and a guess that is wrong.
const VALUE: &str = "correct-horse";
const WRONG: &str = "correct-zebra";

pub(crate) async fn values(case: &'static Case) {
    let stage = Stage::usual(case).await;
    let rules = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}]);
    let keeper = stage.account("oracle", rules).await;
    let admin = stage.cluster.admin().await.unwrap();
    // Two, so that an order by value would show.
    for (name, value) in [("oracle-a", VALUE), ("oracle-b", "aaa")] {
        let secret = json!({"metadata": {"name": name, "labels": {"oracle": "yes"}, "annotations": {"note": value}},
            "stringData": {"password": value}});
        accounts::create(&admin, &format!("/api/v1/namespaces/{NAMESPACE}/secrets"), &secret).await.unwrap();
    }
    let map = json!({"metadata": {"name": "oracle-map"}, "data": {"password": VALUE}});
    accounts::create(&admin, &format!("/api/v1/namespaces/{NAMESPACE}/configmaps"), &map).await.unwrap();
    let client = stage.client(&keeper);
    let base = json!({"kind": "secrets", "namespace": NAMESPACE, "labelSelector": "oracle=yes"});
    let asked = async |fields: &[(&str, &str)]| {
        let mut arguments: Value = base.clone();
        for (name, value) in fields {
            arguments[*name] = (*value).into();
        }
        client.call("resources_list", arguments).await.unwrap()
    };
    stage
        .attack(async {
            let names = asked(&[("output", "names")]).await;
            assert!(names.contains("oracle-a") && names.contains("oracle-b"), "{names}");
            let encoded = |guess: &str| BASE64_STANDARD.encode(guess);
            for output in ["table", "names", "count", "json", "yaml"] {
                for condition in ["data.password=", "data.password~", "data.password>", "data.password!="] {
                    let of = |guess: &str| format!("{condition}{}", encoded(guess));
                    let right = asked(&[("where", &of(VALUE)), ("output", output)]).await;
                    let wrong = asked(&[("where", &of(WRONG)), ("output", output)]).await;
                    let right = right.replace(&encoded(VALUE), &encoded(WRONG));
                    assert_eq!(right, wrong, "{condition} {output}");
                }
                for condition in
                    ["metadata.annotations.note=", "metadata.annotations.note~", "metadata.annotations.note<"]
                {
                    let of = |guess: &str| format!("{condition}{guess}");
                    let right = asked(&[("where", &of(VALUE)), ("output", output)]).await;
                    let wrong = asked(&[("where", &of(WRONG)), ("output", output)]).await;
                    assert_eq!(right.replace(VALUE, WRONG), wrong, "{condition} {output}");
                }
            }
            for path in ["data.password", "metadata.annotations.note", "stringData.password"] {
                let up = asked(&[("sortBy", path), ("output", "names")]).await;
                let down = asked(&[("sortBy", &format!("-{path}")), ("output", "names")]).await;
                let order = |text: &str| text.find("oracle-a") < text.find("oracle-b");
                assert_eq!(order(&up), order(&down), "{path}: {up}\n{down}");
                let counted = asked(&[("output", "count"), ("fields", path)]).await;
                assert!(!counted.contains(VALUE) && !counted.contains(&encoded(VALUE)), "{counted}");
            }
            // The same condition finds what is not redacted.
            let map = json!({"kind": "configmaps", "namespace": NAMESPACE, "where": format!("data.password={VALUE}"), "output": "names"});
            let found = client.call("resources_list", map).await.unwrap();
            assert!(found.contains("oracle-map"), "{found}");
            // A search by annotation, and the selectors of the API server itself, which refuses such a field.
            let found = client.call("find", json!({"query": VALUE, "namespace": NAMESPACE})).await.unwrap();
            assert!(!found.contains("oracle-a"), "{found}");
            let selected = asked(&[("fieldSelector", &format!("data.password={}", encoded(VALUE)))]).await;
            assert!(selected.starts_with("ERROR"), "{selected}");
        })
        .await;
}
