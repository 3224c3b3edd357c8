//! Rights of a subject by `access_check`, compared with the API server's own reviews.

use std::process::Command;

use porthole_testbed::{accounts, cluster::Cluster, http::Streamable, porthole::Porthole};
use serde_json::{Value, json};

use super::READ;

/// Roles and bindings of every form: names, subresources, `*`, groups, a role that is missing.
async fn rights(client: &kube::Client) {
    accounts::namespace(client, "rights").await.unwrap();
    let rule = |group: &str, resources: &[&str], verbs: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
    let named = json!({"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["db"], "verbs": ["get", "delete"]});
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let here = format!("{rbac}/namespaces/rights");
    let robot = json!({"kind": "ServiceAccount", "namespace": "rights", "name": "robot"});
    for (name, place, rules, subject) in [
        (
            "own",
            Some(&here),
            json!([rule("", &["pods"], &["get", "list"]), rule("", &["pods/log"], &["get"]), named]),
            robot.clone(),
        ),
        ("scales", Some(&here), json!([rule("apps", &["*/scale"], &["get", "update"])]), robot.clone()),
        (
            "local",
            Some(&here),
            json!([rule("", &["services"], &["*"])]),
            json!({"kind": "ServiceAccount", "name": "robot"}),
        ),
        (
            "all-here",
            Some(&here),
            json!([rule("", &["configmaps"], &["list"])]),
            json!({"kind": "Group", "name": "system:serviceaccounts:rights"}),
        ),
        (
            "devs",
            None,
            json!([rule("", &["nodes"], &["get", "list"]), rule("apps", &["*"], &["list"])]),
            json!({"kind": "Group", "name": "rights:devs"}),
        ),
        ("jane", None, json!([rule("*", &["*"], &["*"])]), json!({"kind": "User", "name": "rights-jane"})),
    ] {
        let (role, binding, prefix) = match place {
            Some(place) => ("Role", "rolebindings", place.as_str()),
            None => ("ClusterRole", "clusterrolebindings", rbac),
        };
        let name = format!("rights-{name}");
        let path = format!("{prefix}/{}s", role.to_lowercase());
        accounts::create(client, &path, &json!({"metadata": {"name": name}, "rules": rules})).await.unwrap();
        let group = "rbac.authorization.k8s.io";
        let mut subject = subject;
        if subject["kind"] != "ServiceAccount" {
            subject["apiGroup"] = group.into();
        }
        let bound = json!({"metadata": {"name": name}, "roleRef": {"apiGroup": group, "kind": role, "name": name}, "subjects": [subject]});
        accounts::create(client, &format!("{prefix}/{binding}"), &bound).await.unwrap();
    }
    let gone = json!({"metadata": {"name": "rights-gone"}, "subjects": [robot],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "gone"}});
    accounts::create(client, &format!("{here}/rolebindings"), &gone).await.unwrap();
    // The API server's authorizer sees them a moment later.
    let begun = std::time::Instant::now();
    let robot = "system:serviceaccount:rights:robot";
    for (user, groups, verb, group, resource, subresource) in [
        (robot, &[][..], "list", "", "pods", ""),
        (robot, &[][..], "update", "apps", "deployments", "scale"),
        (robot, &[][..], "watch", "", "services", ""),
        ("x", &["system:serviceaccounts:rights"][..], "list", "", "configmaps", ""),
        ("x", &["rights:devs"][..], "list", "apps", "deployments", ""),
        ("rights-jane", &[][..], "delete", "", "nodes", ""),
    ] {
        let attributes = json!({"verb": verb, "group": group, "resource": resource, "subresource": subresource, "namespace": "rights"});
        while !accounts::may(client, user, groups, &attributes).await.unwrap() {
            assert!(begun.elapsed().as_secs() < 60, "{user} {groups:?} {attributes}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

/// A client of an account that may read the objects of RBAC, and nothing else.
async fn of_rbac_reader(cluster: &Cluster) -> (Porthole, Streamable) {
    let client = cluster.admin().await.unwrap();
    accounts::namespace(&client, "access").await.unwrap();
    let token = accounts::account(&client, "access", "auditor").await.unwrap();
    let rules = json!([{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["*"], "verbs": READ}]);
    accounts::allow(&client, ("access", "auditor"), None, rules).await.unwrap();
    let host = Porthole::start(&cluster.kubeconfig).await;
    let streamable = Streamable::new(&host.origin, Some(&token));
    (host, streamable)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_of_a_subject_are_what_the_api_server_says() {
    let cluster = Cluster::for_tests();
    let client = cluster.admin().await.unwrap();
    rights(&client).await;
    let (_host, auditor) = of_rbac_reader(&cluster).await;
    let accounts_here = ["system:serviceaccounts", "system:serviceaccounts:rights", "system:authenticated"];
    let (robot, other) = ("system:serviceaccount:rights:robot", "system:serviceaccount:rights:other");
    let (mut yes, mut no) = (0, 0);
    for (subject, user, groups) in [
        ("rights/robot", robot, &accounts_here[..]),
        (other, other, &accounts_here[..]),
        ("system:serviceaccounts:rights", "x", &accounts_here[..]),
        ("rights-jane", "rights-jane", &["system:authenticated"][..]),
        ("rights:devs", "x", &["rights:devs", "system:authenticated"][..]),
        ("group:system:masters", "x", &["system:masters", "system:authenticated"][..]),
    ] {
        for (kind, group, resource, subresource) in [
            ("pods", "", "pods", ""),
            ("pod/log", "", "pods", "log"),
            ("Secret", "", "secrets", ""),
            ("svc", "", "services", ""),
            ("cm", "", "configmaps", ""),
            ("nodes", "", "nodes", ""),
            ("deploy", "apps", "deployments", ""),
            ("deployments.apps/scale", "apps", "deployments", "scale"),
        ] {
            for (verb, namespace, name) in [
                ("get", Some("rights"), None),
                ("get", Some("rights"), Some("db")),
                ("delete", Some("rights"), Some("web")),
                ("list", Some("rights"), None),
                ("list", Some("shop"), None),
                ("list", None, None),
                ("*", Some("rights"), None),
            ] {
                let mut attributes =
                    json!({"verb": verb, "group": group, "resource": resource, "subresource": subresource});
                let mut arguments = json!({"subject": subject, "verb": verb, "kind": kind});
                for (field, value) in [("namespace", namespace), ("name", name)] {
                    if let Some(value) = value {
                        attributes[field] = value.into();
                        arguments[field] = value.into();
                    }
                }
                let allowed = accounts::may(&client, user, groups, &attributes).await.unwrap();
                let text = auditor.call("access_check", arguments.clone()).await.unwrap();
                assert!(
                    text.starts_with(if allowed { "yes: " } else { "no: " }),
                    "{arguments}: the API server says {allowed}, and\n{text}"
                );
                if allowed { yes += 1 } else { no += 1 }
            }
        }
    }
    assert!(yes > 80 && no > 80, "both answers must occur: {yes} yes, {no} no");
    // The same question by kubectl, which asks as the account.
    for (question, arguments) in [
        (vec!["get", "pods", "-n", "rights"], json!({"verb": "get", "kind": "pods", "namespace": "rights"})),
        (
            vec!["get", "secrets/db", "-n", "rights"],
            json!({"verb": "get", "kind": "secrets", "name": "db", "namespace": "rights"}),
        ),
        (
            vec!["get", "secrets", "-n", "rights"],
            json!({"verb": "get", "kind": "secrets", "namespace": "rights"}),
        ),
        (
            vec!["get", "pods", "--subresource=log", "-n", "rights"],
            json!({"verb": "get", "kind": "pods/log", "namespace": "rights"}),
        ),
        (vec!["list", "pods", "-A"], json!({"verb": "list", "kind": "pods"})),
        (vec!["list", "cm", "-n", "rights"], json!({"verb": "list", "kind": "cm", "namespace": "rights"})),
    ] {
        let output = Command::new(&cluster.kubectl)
            .arg("--kubeconfig")
            .arg(&cluster.kubeconfig)
            .args(["auth", "can-i", "--as", robot])
            .args(&question)
            .output()
            .unwrap();
        // `no - RBAC: role.rbac.authorization.k8s.io "gone" not found`
        let kubectl =
            String::from_utf8_lossy(&output.stdout).split_whitespace().next().unwrap_or_default().to_owned();
        assert!(["yes", "no"].contains(&kubectl.as_str()), "{question:?}: {kubectl}");
        let mut arguments = arguments;
        arguments["subject"] = "rights/robot".into();
        let text = auditor.call("access_check", arguments.clone()).await.unwrap();
        assert!(text.starts_with(&format!("{kubectl}: ")), "{question:?}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_about_a_subject_names_bindings_and_what_is_missing() {
    let cluster = Cluster::for_tests();
    let client = cluster.admin().await.unwrap();
    rights(&client).await;
    let (host, auditor) = of_rbac_reader(&cluster).await;
    let ask = async |arguments: Value| auditor.call("access_check", arguments).await.unwrap();
    let text = ask(
        json!({"subject": "rights/robot", "verb": "get,list,delete", "kind": "pods", "namespace": "rights"}),
    )
    .await;
    for part in [
        "no: ServiceAccount rights/robot may not delete pods in namespace rights: ",
        "It may get, list pods in namespace rights.",
        "RoleBinding rights/rights-own gives it Role rights/rights-own: get, list pods\n",
        "RoleBinding rights/rights-gone names Role rights/gone, which does not exist",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let text = ask(json!({"subject": "rights/robot", "verb": "list", "kind": "pods"})).await;
    assert!(text.starts_with("no: ") && text.contains("In these namespaces it may: rights."), "{text}");
    let text =
        ask(json!({"subject": "rights/robot", "verb": "get", "kind": "secrets", "namespace": "rights"}))
            .await;
    assert!(text.starts_with("no: ") && text.contains("get, delete secrets, only those named db"), "{text}");
    let text = ask(json!({"subject": "rights/robot", "namespace": "rights"})).await;
    for part in [
        "ServiceAccount rights/robot has ",
        "rights     get, list    pods",
        "*.apps/scale",
        "And what every account may: ",
        "ClusterRole system:basic-user",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let text = ask(json!({"subject": "nobody-at-all", "verb": "get", "kind": "pods"})).await;
    assert!(
        text.contains("No binding names user nobody-at-all") && text.contains("subject=group:NAME"),
        "{text}"
    );
    for (arguments, expected) in [
        (json!({"subject": "rights/robot", "verb": "get"}), "kind parameter required"),
        (json!({"verb": "get"}), "kind parameter required"),
        (json!({}), "verb parameter required"),
        (json!({"subject": "rights/robot", "verb": "get", "kind": "podz"}), "no kind is called \"podz\""),
        (json!({"subject": "rights/robot", "verb": "g et", "kind": "pods"}), "must be verbs"),
        (json!({"subject": "x".repeat(400)}), "subject parameter must be"),
    ] {
        let text = ask(arguments.clone()).await;
        assert!(text.starts_with("ERROR: ") && text.contains(expected), "{arguments}: {text}");
    }
    // Who may not read RBAC gets no verdict.
    let (_, reader) = crate::reader().await;
    let reader = Streamable::new(&host.origin, Some(&reader));
    let arguments = json!({"subject": "rights/robot", "verb": "get", "kind": "pods", "namespace": "rights"});
    let text = reader.call("access_check", arguments).await.unwrap();
    assert!(
        text.starts_with("not known: whether ServiceAccount rights/robot may get pods")
            && text.contains("forbidden"),
        "{text}"
    );
}
