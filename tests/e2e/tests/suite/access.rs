//! Authorization: the API server decides, by the caller's own token.

mod subject;

use std::process::Command;

use porthole_testbed::{
    accounts,
    cluster::Cluster,
    dify::Dify,
    http::{Streamable, send},
    porthole::Porthole,
};
use serde_json::{Value, json};

const READ: [&str; 2] = ["get", "list"];

/// Two accounts with different Roles: `shopper` reads pods of shop, `biller` events of payments and namespaces.
async fn two(cluster: &Cluster) -> [(&'static str, String); 2] {
    let client = cluster.admin().await.unwrap();
    accounts::namespace(&client, "access").await.unwrap();
    let rule =
        |group: &str, resource: &str| json!({"apiGroups": [group], "resources": [resource], "verbs": READ});
    let shopper = accounts::account(&client, "access", "shopper").await.unwrap();
    accounts::allow(
        &client,
        ("access", "shopper"),
        Some("shop"),
        json!([rule("", "pods"), rule("", "pods/log")]),
    )
    .await
    .unwrap();
    let biller = accounts::account(&client, "access", "biller").await.unwrap();
    accounts::allow(
        &client,
        ("access", "biller"),
        Some("payments"),
        json!([rule("", "events"), rule("", "pods")]),
    )
    .await
    .unwrap();
    accounts::allow(
        &client,
        ("access", "biller"),
        None,
        json!([rule("", "namespaces"), rule("apps", "deployments")]),
    )
    .await
    .unwrap();
    [("shopper", shopper), ("biller", biller)]
}

/// Result of `kubectl auth can-i` for a token.
fn can_i(cluster: &Cluster, token: &str, question: &[&str]) -> bool {
    let kubeconfig = cluster
        .write_kubeconfig(&format!("can-i-{}.kubeconfig", uuid::Uuid::new_v4()), &json!({"token": token}))
        .unwrap();
    let output = Command::new(&cluster.kubectl)
        .arg("--kubeconfig")
        .arg(&kubeconfig)
        .args(["auth", "can-i"])
        .args(question)
        .output()
        .unwrap();
    std::fs::remove_file(kubeconfig).unwrap();
    match String::from_utf8_lossy(&output.stdout).trim() {
        "yes" => true,
        "no" => false,
        other => {
            panic!("kubectl auth can-i {question:?}: {other} {}", String::from_utf8_lossy(&output.stderr))
        }
    }
}

/// Calls, and the equivalent question for kubectl.
fn calls() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    vec![
        ("pods_list_in_namespace", json!({"namespace": "shop"}), vec!["list", "pods", "-n", "shop"]),
        ("pods_list_in_namespace", json!({"namespace": "payments"}), vec!["list", "pods", "-n", "payments"]),
        (
            "pods_get",
            json!({"namespace": "shop", "name": "web-6d4f9c7b8d-k8pq2"}),
            vec!["get", "pods/web-6d4f9c7b8d-k8pq2", "-n", "shop"],
        ),
        (
            "pods_log",
            json!({"namespace": "shop", "name": "web-6d4f9c7b8d-k8pq2"}),
            vec!["get", "pods", "--subresource=log", "-n", "shop"],
        ),
        (
            "pods_log",
            json!({"namespace": "payments", "name": "ledger-7d8c6f9b55-q7r3x"}),
            vec!["get", "pods", "--subresource=log", "-n", "payments"],
        ),
        ("pods_list", json!({}), vec!["list", "pods", "-A"]),
        ("namespaces_list", json!({}), vec!["list", "namespaces"]),
        ("events_list", json!({"namespace": "payments"}), vec!["list", "events", "-n", "payments"]),
        ("events_list", json!({"namespace": "shop"}), vec!["list", "events", "-n", "shop"]),
        ("deployments_list", json!({}), vec!["list", "deployments.apps", "-A"]),
        (
            "resources_list",
            json!({"kind": "secrets", "namespace": "shop"}),
            vec!["list", "secrets", "-n", "shop"],
        ),
        (
            "resources_get",
            json!({"kind": "secrets", "namespace": "shop", "name": "cart-db"}),
            vec!["get", "secrets/cart-db", "-n", "shop"],
        ),
        ("nodes_list", json!({}), vec!["list", "nodes"]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_caller_sees_what_kubectl_says_and_not_more_also_interleaved() {
    let cluster = Cluster::for_tests();
    let accounts = two(&cluster).await;
    let host = Porthole::start(&cluster.kubeconfig).await;
    let streamable: Vec<Streamable> =
        accounts.iter().map(|(_, token)| Streamable::new(&host.origin, Some(token))).collect();
    let (mut yes, mut no) = (0, 0);
    for (tool, arguments, question) in calls() {
        // Both accounts concurrently, over both transports.
        let visits = accounts.iter().zip(&streamable).map(|((name, token), streamable)| {
            let (host, arguments) = (&host, arguments.clone());
            async move {
                let (over_mcp, over_sse) = tokio::join!(
                    streamable.call(tool, arguments.clone()),
                    Dify::visit(&host.origin, Some(token), tool, arguments)
                );
                (*name, token, over_mcp.unwrap(), over_sse.unwrap())
            }
        });
        for (name, token, over_mcp, over_sse) in futures::future::join_all(visits).await {
            let allowed = can_i(&cluster, token, &question);
            if allowed {
                yes += 1
            } else {
                no += 1
            }
            for text in [over_mcp, over_sse] {
                let read = !text.starts_with("ERROR: ");
                let refused = text.starts_with("ERROR: forbidden: ")
                    && text.contains(&format!("system:serviceaccount:access:{name}"));
                assert!(
                    if allowed { read } else { refused },
                    "{name}, {tool} {arguments}: kubectl says {allowed}, and\n{text}"
                );
            }
        }
    }
    assert!(yes >= 5 && no >= 10, "both answers must occur: {yes} yes, {no} no");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admins_kubeconfig_makes_nobody_an_admin() {
    let cluster = Cluster::for_tests();
    let [(_, shopper), _] = two(&cluster).await;
    let client = cluster.admin().await.unwrap();
    let admin = accounts::account(&client, "access", "admin").await.unwrap();
    accounts::allow(
        &client,
        ("access", "admin"),
        None,
        json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]),
    )
    .await
    .unwrap();
    let with_token = cluster.write_kubeconfig("admin-token.kubeconfig", &json!({"token": admin})).unwrap();
    let with_impersonation = cluster
        .write_kubeconfig(
            "admin-as.kubeconfig",
            &json!({"token": admin, "as": "system:admin", "as-groups": ["system:masters"]}),
        )
        .unwrap();
    // The cluster's own kubeconfig contains the client certificate of a system:masters.
    for kubeconfig in [&cluster.kubeconfig, &with_token, &with_impersonation] {
        let host = Porthole::start(kubeconfig).await;
        for attempt in 0..2 {
            let streamable = Streamable::new(&host.origin, Some(&shopper));
            let own = streamable.call("pods_list_in_namespace", json!({"namespace": "shop"})).await.unwrap();
            assert!(own.contains("web-6d4f9c7b8d-k8pq2"), "{own}");
            let other =
                streamable.call("pods_list_in_namespace", json!({"namespace": "payments"})).await.unwrap();
            assert!(
                other.starts_with("ERROR: forbidden: "),
                "{}, attempt {attempt}: {other}",
                kubeconfig.display()
            );
        }
        let nobody = Streamable::new(&host.origin, None).request("tools/list", json!({})).await;
        assert!(nobody.unwrap_err().to_string().contains("401"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_token_there_is_a_sentence_for_a_dify_user() {
    let cluster = Cluster::for_tests();
    let host = Porthole::start(&cluster.kubeconfig).await;
    for (method, path) in [("GET", "/sse"), ("POST", "/sse"), ("POST", "/mcp")] {
        let none = send(method, &format!("{}{path}", host.origin), None, "{}").await.unwrap();
        assert_eq!(none.status, 401, "{method} {path}");
        for part in ["Authorization", "Bearer", "Dify", "Headers", "kubectl create token"] {
            assert!(none.body.contains(part), "{method} {path}: {}", none.body);
        }
        let bad = send(method, &format!("{}{path}", host.origin), Some("nonsense"), "{}").await.unwrap();
        assert_eq!(bad.status, 401);
        assert!(bad.body.contains("does not accept this token"), "{}", bad.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_the_word_bearer_is_taken() {
    let cluster = Cluster::for_tests();
    let [(_, token), _] = two(&cluster).await;
    let host = Porthole::start(&cluster.kubeconfig).await;
    let ping = |authorization: String| {
        let request = http::Request::post(format!("{}/mcp", host.origin))
            .header("authorization", authorization)
            .header("content-type", "application/json")
            .body(http_body_util::Full::from(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#));
        porthole_testbed::http::client().request(request.unwrap())
    };
    for (authorization, expected) in [(token.clone(), 200), (format!("Token {token}"), 401)] {
        assert_eq!(ping(authorization).await.unwrap().status(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_end_before_the_api_server() {
    let cluster = Cluster::for_tests();
    let [(_, token), (_, other)] = two(&cluster).await;
    let host = Porthole::start(&cluster.kubeconfig).await;
    let ping = async |token: &str| {
        let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        send("POST", &format!("{}/mcp", host.origin), Some(token), ping).await.unwrap().status.as_u16()
    };
    assert_eq!(ping(&token).await, 200);
    // The same invalid token is reviewed once; of different ones, loopback may try two hundred in ten seconds.
    for _ in 0..300 {
        assert_eq!(ping("the-same").await, 401);
    }
    // Concurrently, because slow guesses only wait for the next attempt.
    let guesses: Vec<String> = (0..400).map(|n| format!("guess-{n}")).collect();
    let statuses = futures::future::join_all(guesses.iter().map(|guess| ping(guess))).await;
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert!((1..=201).contains(&refused), "{refused}: {statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 401).count() + refused, 400);
    assert_eq!(ping(&token).await, 200, "a token that was accepted before is no guess");
    let begun = std::time::Instant::now();
    while ping(&other).await != 200 {
        assert!(begun.elapsed().as_secs() < 30, "attempts come back");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn as_host_every_client_reads_as_the_kubeconfig_and_needs_the_shared_token() {
    let cluster = Cluster::for_tests();
    let folder = tempfile::tempdir().unwrap();
    let secret = format!("shared-{}", uuid::Uuid::new_v4());
    let file = folder.path().join("token");
    std::fs::write(&file, &secret).unwrap();
    let tools = porthole_testbed::porthole::tools();
    let (kubeconfig, tools, file) =
        (cluster.kubeconfig.to_str().unwrap(), tools.to_str().unwrap(), file.to_str().unwrap());
    let host = Porthole::with(&[
        "--identity",
        "host",
        "--kubeconfig",
        kubeconfig,
        "--plugins",
        tools,
        "--shared-token-file",
        file,
    ])
    .await
    .unwrap();
    let text = Streamable::new(&host.origin, Some(&secret)).call("namespaces_list", json!({})).await.unwrap();
    assert!(text.contains("shop"), "{text}");
    for wrong in [None, Some("shared-guess-guess-guess")] {
        let refused = Streamable::new(&host.origin, wrong).call("namespaces_list", json!({})).await;
        assert!(refused.unwrap_err().to_string().contains("401"));
    }
    // On an address beyond loopback every client could read, so startup fails.
    let refused =
        Porthole::spawn(&["--listen", "0.0.0.0:0", "--identity", "host", "--kubeconfig", kubeconfig]);
    assert!(refused.is_err());
    let refused =
        Porthole::spawn(&["--admin-listen", "0.0.0.0:0", "--identity", "host", "--kubeconfig", kubeconfig]);
    assert!(refused.is_err(), "the operator's page calls tools, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_reads_nothing_more() {
    let cluster = Cluster::for_tests();
    let client = cluster.admin().await.unwrap();
    accounts::namespace(&client, "access").await.unwrap();
    let token = accounts::account(&client, "access", "leaver").await.unwrap();
    let rules = json!([{"apiGroups": [""], "resources": ["namespaces"], "verbs": READ}]);
    accounts::allow(&client, ("access", "leaver"), None, rules).await.unwrap();
    let host = Porthole::start(&cluster.kubeconfig).await;
    let streamable = Streamable::new(&host.origin, Some(&token));
    assert!(streamable.call("namespaces_list", json!({})).await.unwrap().contains("shop"));
    accounts::send(&client, "DELETE", "/api/v1/namespaces/access/serviceaccounts/leaver", &json!({}))
        .await
        .unwrap();
    // The API server itself accepts the token for 10 s more. Then the read fails with the API server's 401, and the
    // next request shows that the host has dropped the cached identity.
    let begun = std::time::Instant::now();
    let mut refused_read = false;
    loop {
        match streamable.call("namespaces_list", json!({})).await {
            Ok(text) if text.starts_with("ERROR: unauthorized: ") => refused_read = true,
            Ok(text) => assert!(!refused_read, "the token is remembered: {text}"),
            Err(error) => {
                assert!(error.to_string().contains("401"), "{error}");
                break;
            }
        }
        assert!(begun.elapsed().as_secs() < 60, "a revoked token still reads");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    assert!(refused_read, "the read must meet the refusal, not only the next login");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_policy_narrows_a_caller_by_tool_namespace_and_kind() {
    let cluster = Cluster::for_tests();
    let client = cluster.admin().await.unwrap();
    accounts::namespace(&client, "policy").await.unwrap();
    let mut tokens = Vec::new();
    for name in ["agent", "other"] {
        tokens.push(accounts::account(&client, "policy", name).await.unwrap());
        accounts::allow(&client, ("policy", name), None, accounts::reader_rules()).await.unwrap();
    }
    let config = "policyDefault: deny\npolicy:\n- callers: {users: [\"system:serviceaccount:policy:agent\"]}\n  tools: [pods_list, pods_list_in_namespace, resources_get, resources_list]\n- callers: {groups: [\"system:serviceaccounts:policy\"], users: [someone]}\n  namespaces: [shop]\n  kinds: [pods, services, nodes]\n- callers: {users: [\"system:serviceaccount:policy:other\"]}\n  tools: []\n";
    let host = Porthole::configured(&cluster.kubeconfig, config).await.unwrap();
    let listed = async |token: &str| -> Vec<String> {
        let tools =
            Streamable::new(&host.origin, Some(token)).request("tools/list", json!({})).await.unwrap();
        let tools = tools["tools"].as_array().unwrap().clone();
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(listed(&tokens[1]).await, Vec::<String>::new());
    let open = ["pods_list", "pods_list_in_namespace", "resources_get", "resources_list"];
    assert_eq!(listed(&tokens[0]).await, open);

    let agent = Streamable::new(&host.origin, Some(&tokens[0]));
    let web = "web-6d4f9c7b8d-k8pq2";
    for (tool, arguments, expected) in [
        ("pods_list_in_namespace", json!({"namespace": "shop"}), web),
        // The caller's own default is another namespace, and the policy's only one is found without asking.
        ("pods_list", json!({}), web),
        ("resources_get", json!({"kind": "pod", "name": web}), web),
        ("resources_list", json!({"kind": "nodes"}), "Ready"),
        ("pods_list_in_namespace", json!({"namespace": "payments"}), "(`policy`): shop."),
        ("resources_list", json!({"kind": "services", "namespace": "payments"}), "(`policy`): shop."),
        (
            "resources_list",
            json!({"kind": "configmaps", "namespace": "shop"}),
            "not opened it to this caller",
        ),
        ("resources_list", json!({"kind": "namespaces"}), "not opened it to this caller"),
        ("pods_log", json!({"namespace": "shop", "name": web}), "pods_log is not open to this caller"),
        ("pods_logs", json!({}), "there is no tool \"pods_logs\" here. The nearest: pods_list"),
    ] {
        let streamable = agent.call(tool, arguments.clone()).await.unwrap();
        assert!(streamable.contains(expected), "{tool} {arguments}: {streamable}");
        let over_sse = Dify::visit(&host.origin, Some(&tokens[0]), tool, arguments.clone()).await.unwrap();
        assert!(over_sse.contains(expected), "{tool} {arguments}: {over_sse}");
    }
}
