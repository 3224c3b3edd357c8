//! Questions as people ask them, from the name to the answer, over several rules.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use serde_json::{Value, json};

use crate::recorded::{Recorded, object, owned, running, with};

/// A Deployment that is ready, its ReplicaSet and its pod.
fn deployment(name: &str, labels: Value, spec: Value) -> Vec<Value> {
    let template = json!({"metadata": {"labels": labels}, "spec": spec});
    let deployment =
        with("Deployment", name, json!({"replicas": 1, "template": template}), json!({"readyReplicas": 1}));
    let set = owned(
        with(
            "ReplicaSet",
            &format!("{name}-5d8"),
            json!({"replicas": 1, "template": template}),
            json!({"readyReplicas": 1}),
        ),
        &deployment,
    );
    let mut pod = owned(running(&format!("{name}-5d8-x")), &set);
    pod["metadata"]["labels"] = labels;
    pod["spec"]["containers"] = spec["containers"].clone();
    if let Some(account) = spec.get("serviceAccountName") {
        pod["spec"]["serviceAccountName"] = account.clone();
    }
    vec![pod, set, deployment]
}

fn app(ports: Value) -> Value {
    json!({"containers": [{"name": "app", "image": "app:1", "ports": ports}]})
}

#[test]
fn a_host_leads_to_the_class_that_is_missing() {
    let mut objects = deployment("store", json!({"app": "store"}), app(json!([{"containerPort": 80}])));
    let backend = json!({"service": {"name": "store-svc", "port": {"number": 80}}});
    let rules = json!([{"host": "buy.example.org", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]);
    objects.extend([
        with(
            "Service",
            "store-svc",
            json!({"selector": {"app": "store"}, "ports": [{"port": 80, "targetPort": 80}]}),
            json!({"loadBalancer": {}}),
        ),
        with(
            "Ingress",
            "store-front",
            json!({"ingressClassName": "edge-class", "rules": rules}),
            json!({"loadBalancer": {}}),
        ),
    ]);
    let cluster = Recorded::new(&objects);
    // The host alone, and the workload behind it.
    for (name, namespace) in [
        ("buy.example.org", ""),
        ("https://buy.example.org/cart", ""),
        ("store", "shop"),
        ("store-svc.shop.svc.cluster.local", "shop"),
    ] {
        let answer = cluster.clone().ask_for(name, namespace, "");
        if name.starts_with("store-svc") {
            assert!(answer.contains("Service shop/store-svc: healthy"), "{answer}");
        } else {
            assert!(answer.contains("IngressClass edge-class does not exist"), "{name}: {answer}");
            assert!(answer.contains("there is no IngressClass at all"), "{name}: {answer}");
        }
    }
}

#[test]
fn a_caller_leads_to_the_selector_of_what_it_calls() {
    let mut objects =
        deployment("orders", json!({"app": "orders", "track": "blue"}), app(json!([{"containerPort": 80}])));
    objects.push(with(
        "Service",
        "orders-api",
        json!({"selector": {"app": "orders", "track": "green"}, "ports": [{"port": 80, "targetPort": 80}]}),
        json!({}),
    ));
    let mut caller = app(json!([]));
    caller["containers"][0]["args"] =
        json!(["-c", "while true; do wget -O- http://orders-api:80 -T 5; sleep 10; done"]);
    objects.extend(deployment("shopfront", json!({"app": "shopfront"}), caller));
    let cluster = Recorded::new(&objects).log(
        "app",
        false,
        "wget: can't connect to remote host (10.96.7.1): Connection refused",
    );
    for (name, kind) in [("orders", "service"), ("orders-api", ""), ("shopfront", ""), ("shopfront", "pod")] {
        let answer = cluster.clone().ask_for(name, "shop", kind);
        assert!(
            answer.contains("cause 1 (certain) [service-selector] Service shop/orders-api"),
            "{name}: {answer}"
        );
        assert!(
            answer.contains("track=green")
                && answer.contains("has track=blue")
                && answer.contains("no endpoint"),
            "{name}: {answer}"
        );
    }
}

#[test]
fn a_refused_account_leads_to_the_role_that_lacks_the_verb() {
    let spec =
        json!({"serviceAccountName": "scraper", "containers": [{"name": "app", "image": "kubectl:1"}]});
    let mut objects = deployment("collector", json!({"app": "collector"}), spec);
    let mut role = object("Role", "scraper-role");
    role["rules"] = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}, {"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list"]}]);
    let mut binding = object("RoleBinding", "scraper-binding");
    binding["roleRef"] =
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "scraper-role"});
    binding["subjects"] = json!([{"kind": "ServiceAccount", "name": "scraper", "namespace": "shop"}]);
    objects.extend([role, binding, object("ServiceAccount", "scraper")]);
    let log = "Attempting to list pods in namespace...\nError from server (Forbidden): pods is forbidden: User \"system:serviceaccount:shop:scraper\" cannot list resource \"pods\" in API group \"\" in the namespace \"shop\"\nERROR: Permission denied - cannot list pods";
    let answer = Recorded::new(&objects).log("app", false, log).ask("collector");
    for part in ["[access-denied]", "cannot list resource \"pods\"", "scraper-role", "pods: get"] {
        assert!(answer.contains(part), "{part}: {answer}");
    }
    assert!(answer.contains("affects 1 Deployment, 1 Pod"), "{answer}");
}

#[test]
fn a_right_of_the_whole_cluster_is_looked_up_in_bindings_of_the_cluster() {
    let spec =
        json!({"serviceAccountName": "scraper", "containers": [{"name": "app", "image": "kubectl:1"}]});
    let mut objects = deployment("collector", json!({"app": "collector"}), spec);
    let mut role = object("ClusterRole", "see-nodes");
    role["rules"] = json!([{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list"]}]);
    let mut binding = object("ClusterRoleBinding", "see-nodes");
    binding["roleRef"] =
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "see-nodes"});
    binding["subjects"] = json!([{"kind": "Group", "name": "system:serviceaccounts:shop"}]);
    objects.extend([role, binding]);
    let log = "E1124 reflector.go:148] failed to watch *v1.Node: nodes is forbidden: User \"system:serviceaccount:shop:scraper\" cannot watch resource \"nodes\" in API group \"\" at the cluster scope";
    let answer = Recorded::new(&objects).log("app", false, log).ask("collector");
    assert!(
        answer.contains(
            "may not watch nodes in the whole cluster: ClusterRole see-nodes gives it only get, list"
        ),
        "{answer}"
    );
}

#[test]
fn a_namespace_that_does_not_exist_leads_to_the_one_that_has_the_name() {
    let objects = deployment("player", json!({"app": "player"}), app(json!([])));
    for namespace in ["shopp", "other"] {
        let answer = Recorded::new(&objects).ask_for("player", namespace, "");
        assert!(
            answer.contains("nothing of that name is in namespace") && answer.contains("It is in shop"),
            "{answer}"
        );
    }
}

#[test]
fn a_release_means_all_of_its_objects() {
    let labels = json!({"app.kubernetes.io/instance": "ledger", "app.kubernetes.io/name": "mongo"});
    let mut objects = deployment("ledger-web", json!({"app": "web"}), app(json!([])));
    let mut store = deployment("mongo", labels.clone(), app(json!([])));
    for object in &mut store {
        object["metadata"]["labels"] = labels.clone();
    }
    store[2]["status"] = json!({"readyReplicas": 0});
    objects.extend(store);
    let answer = Recorded::new(&objects).ask("ledger");
    assert!(
        answer.contains("Deployment shop/mongo: down")
            && answer.contains("Deployment shop/ledger-web: healthy"),
        "{answer}"
    );
}

#[test]
fn a_service_behind_a_service_is_reached_by_the_environment() {
    let mut front = app(json!([{"containerPort": 8080}]));
    front["containers"][0]["env"] = json!([{"name": "STORE_URL", "value": "http://store.shop.svc:9000/api"}]);
    let mut objects = deployment("front", json!({"app": "front"}), front);
    objects.push(with(
        "Service",
        "front",
        json!({"selector": {"app": "front"}, "ports": [{"port": 80, "targetPort": 8080}]}),
        json!({}),
    ));
    objects.push(with(
        "Service",
        "store",
        json!({"selector": {"app": "store"}, "ports": [{"port": 9000, "targetPort": "api"}]}),
        json!({}),
    ));
    objects.extend(deployment(
        "store",
        json!({"app": "store"}),
        app(json!([{"containerPort": 9000, "name": "http"}])),
    ));
    let answer = Recorded::new(&objects).ask_for("front", "shop", "service");
    assert!(
        answer.contains("[service-port] Service shop/store: its port 9000 goes to the port named api"),
        "{answer}"
    );
}

#[test]
fn a_namespace_in_which_all_is_well_has_no_fault() {
    let mut objects =
        deployment("web", json!({"app": "web"}), app(json!([{"containerPort": 80, "name": "http"}])));
    let mut class = object("IngressClass", "nginx");
    class["metadata"]["annotations"] = json!({"ingressclass.kubernetes.io/is-default-class": "true"});
    let backend = json!({"service": {"name": "web", "port": {"name": "http"}}});
    objects.extend([
        with("Namespace", "shop", json!({}), json!({"phase": "Active"})),
        with("Service", "web", json!({"clusterIP": "10.0.0.1", "selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}), json!({})),
        with("Ingress", "web", json!({"rules": [{"http": {"paths": [{"path": "/", "backend": backend}]}}]}), json!({})),
        class,
        with("CronJob", "clean", json!({"schedule": "0 3 * * *", "suspend": true}), json!({})),
        with("Deployment", "spare", json!({"replicas": 0, "template": {"metadata": {"labels": {"app": "spare"}}, "spec": {}}}), json!({})),
        with("Service", "spare", json!({"selector": {"app": "spare"}, "ports": [{"port": 80}]}), json!({})),
        with("PodDisruptionBudget", "web", json!({"selector": {"matchLabels": {"app": "web"}}}), json!({"disruptionsAllowed": 0, "expectedPods": 1, "currentHealthy": 1, "desiredHealthy": 1})),
    ]);
    let answer = Recorded::new(&objects).ask_for("", "shop", "");
    assert!(answer.contains("no fault found"), "{answer}");
    let answer = Recorded::new(&objects).ask("web");
    assert!(answer.contains("no fault found"), "{answer}");
}

#[test]
fn a_namespace_and_an_api_are_asked_about_by_their_names() {
    let conditions = json!([{"type": "NamespaceFinalizersRemaining", "status": "True", "reason": "SomeFinalizersRemain",
        "message": "Some content in the namespace has finalizers remaining: example.com/keep in 2 resource instances"}]);
    let mut namespace =
        with("Namespace", "shop", json!({}), json!({"phase": "Terminating", "conditions": conditions}));
    namespace["metadata"]["deletionTimestamp"] = "2026-11-24T11:00:00Z".into();
    for (name, kind) in [("shop", "namespace"), ("shop", ""), ("namespace/shop", "")] {
        let answer = Recorded::new(std::slice::from_ref(&namespace)).ask_for(name, "", kind);
        assert!(answer.contains("[namespace-terminating] Namespace shop"), "{name} {kind}: {answer}");
    }
    let conditions = json!([{"type": "Available", "status": "False", "reason": "MissingEndpoints", "message": "endpointslices for service/figures in \"shop\" have no addresses with port name \"https\""}]);
    let api = with(
        "APIService",
        "v1beta1.metrics.k8s.io",
        json!({"service": {"namespace": "shop", "name": "figures"}}),
        json!({"conditions": conditions}),
    );
    let mut pod = running("figures-1");
    pod["metadata"]["labels"] = json!({"app": "figs"});
    let service = with(
        "Service",
        "figures",
        json!({"selector": {"app": "figures"}, "ports": [{"port": 443, "name": "https"}]}),
        json!({}),
    );
    let answer = Recorded::new(&[api, service, pod]).ask_for("v1beta1.metrics.k8s.io", "", "apiservice");
    assert!(answer.contains("[api-service-down] APIService v1beta1.metrics.k8s.io"), "{answer}");
    assert!(answer.contains("[service-selector] Service shop/figures"), "{answer}");
}

#[test]
fn a_kind_that_is_named_is_found_in_any_namespace() {
    let status =
        json!({"disruptionsAllowed": 0, "expectedPods": 2, "currentHealthy": 1, "desiredHealthy": 2});
    let budget = with("PodDisruptionBudget", "quorum", json!({}), status);
    let answer = Recorded::new(&[budget]).ask_for("quorum", "", "pdb");
    assert!(answer.contains("[disruption-budget] PodDisruptionBudget shop/quorum: it lets no pod go, because 1 of its pods are not healthy"), "{answer}");
}

#[test]
fn a_namespace_in_which_something_is_only_likely_says_so() {
    let mut front = app(json!([{"containerPort": 8080}]));
    front["containers"][0]["env"] = json!([{"name": "API", "value": "http://front:9999"}]);
    let mut objects = deployment("front", json!({"app": "front"}), front);
    objects.push(with(
        "Service",
        "front",
        json!({"selector": {"app": "front"}, "ports": [{"port": 80, "targetPort": 8080}]}),
        json!({}),
    ));
    objects.push(with("Namespace", "shop", json!({}), json!({"phase": "Active"})));
    let answer = Recorded::new(&objects).ask_for("", "shop", "");
    assert!(
        answer.contains(
            "(likely) [service-port] Deployment shop/front: it asks the Service front for port 9999"
        ),
        "{answer}"
    );
}

/// Replaces every leaf of an object, one after the other, by values of other types.
fn mutations(object: &Value) -> Vec<Value> {
    fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
        found.push(path.to_owned());
        match value {
            Value::Object(fields) => {
                fields.iter().for_each(|(key, value)| {
                    leaves(value, &format!("{path}/{}", key.replace('/', "~1")), found)
                });
            }
            Value::Array(items) => {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(at, value)| leaves(value, &format!("{path}/{at}"), found));
            }
            _ => {}
        }
    }
    let mut paths = Vec::new();
    leaves(object, "", &mut paths);
    let others =
        [Value::Null, json!(-1), json!(i64::MAX), json!(""), json!("é:/\u{2028}`x"), json!([]), json!({})];
    let mutation = |path: &String, other: &Value| {
        let mut object = object.clone();
        *object.pointer_mut(path)? = other.clone();
        Some(object)
    };
    let kept = |path: &&String| {
        !path.is_empty()
            && !["/kind", "/metadata", "/metadata/name", "/metadata/namespace"].contains(&path.as_str())
    };
    paths
        .iter()
        .filter(kept)
        .flat_map(|path| others.iter().filter_map(move |other| mutation(path, other)))
        .collect()
}

#[test]
fn no_value_of_an_object_ends_a_diagnosis() {
    let backend = json!({"service": {"name": "web", "port": {"number": 81}}});
    let condition = |kind: &str, reason: &str| json!({"type": kind, "status": "False", "reason": reason, "message": "missing request for cpu in container app", "lastTransitionTime": "2026-11-24T11:00:00Z"});
    let mut objects =
        deployment("web", json!({"app": "web"}), app(json!([{"containerPort": 80, "name": "http"}])));
    objects[2]["status"]["conditions"] = json!([condition("Progressing", "ProgressDeadlineExceeded")]);
    objects.extend([
        with("Service", "web", json!({"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "x"}]}), json!({})),
        with("Ingress", "web", json!({"ingressClassName": "x", "rules": [{"host": "a.b", "http": {"paths": [{"path": "/", "backend": backend}]}}]}), json!({})),
        with("CronJob", "web", json!({"schedule": "*/5 * * * *", "concurrencyPolicy": "Forbid"}), json!({"active": [{"name": "web-1"}], "lastScheduleTime": "2026-11-24T01:00:00Z"})),
        with("StatefulSet", "web", json!({"replicas": 3, "ordinals": {"start": 1}}), json!({"updateRevision": "b"})),
        with("DaemonSet", "web", json!({"template": {"spec": {"nodeSelector": {"a": "b"}}}}), json!({"desiredNumberScheduled": 2, "currentNumberScheduled": 1, "numberReady": 1})),
        with("HorizontalPodAutoscaler", "web", json!({"maxReplicas": 2, "scaleTargetRef": {"kind": "Deployment", "name": "web"}}), json!({"currentReplicas": 2, "conditions": [condition("ScalingActive", "FailedGetResourceMetric")]})),
        with("PodDisruptionBudget", "web", json!({"selector": {"matchLabels": {"app": "web"}}}), json!({"disruptionsAllowed": 0, "expectedPods": 2, "currentHealthy": 1, "desiredHealthy": 2})),
        with("NetworkPolicy", "web", json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": {"matchLabels": {"q": "r"}}}], "ports": [{"port": 1, "endPort": 2}]}]}), json!({})),
    ]);
    for at in 0..objects.len() {
        for other in mutations(&objects[at]) {
            let mut cluster = objects.clone();
            cluster[at] = other;
            let answer = Recorded::new(&cluster).ask("web");
            assert!(!answer.contains('\u{2028}'), "{answer}");
        }
    }
}
