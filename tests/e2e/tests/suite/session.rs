//! The stream at /sse: every requirement of Dify's client.

use std::time::Duration;

use porthole_testbed::{
    accounts,
    dify::{Dify, Event},
    http::send,
    porthole::{Porthole, tools},
};
use serde_json::{Value, json};

use crate::{endless_log, reader, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_of_dify_old_and_new() {
    let (cluster, token) = reader().await;
    let host = Porthole::start(&cluster.kubeconfig).await;
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut dify = Dify::connect(&host.origin, Some(&token)).await.unwrap();
        assert!(dify.endpoint.starts_with("/messages?sessionId="), "{}", dify.endpoint);
        let info = dify.initialize(version).await.unwrap();
        assert_eq!(info["serverInfo"]["name"], "porthole");
        assert_eq!(dify.tools().await.unwrap().len(), porthole_testbed::porthole::number_of_tools());
        assert!(dify.call("namespaces_list", json!({})).await.unwrap().contains("shop"));
        assert_eq!(dify.request("ping", None).await.unwrap(), json!({}));
        assert_eq!(dify.request("resources/list", None).await.unwrap()["resources"], json!([]));
        assert_eq!(dify.request("prompts/list", None).await.unwrap()["prompts"].as_array().unwrap().len(), 3);
    }
    // An unknown version is answered with one that Dify accepts.
    let mut dify = Dify::connect(&host.origin, Some(&token)).await.unwrap();
    let refused = dify.initialize("2031-01-01").await.unwrap_err().to_string();
    assert!(refused.ends_with("2025-03-26"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn comments_follow_a_response_and_nothing_deadly_does() {
    let (cluster, token) = reader().await;
    let host = Porthole::start(&cluster.kubeconfig).await;
    let mut dify = Dify::connect(&host.origin, Some(&token)).await.unwrap();
    dify.initialize("2025-03-26").await.unwrap();
    dify.call("namespaces_list", json!({})).await.unwrap();
    for _ in 0..3 {
        assert_eq!(dify.event().await.unwrap(), Event::Comment);
    }
}

/// Messages that the stream of a live session must answer, or else be cut: name, body, expected words of the error.
fn traps() -> Vec<(&'static str, String, &'static str)> {
    let big = "x".repeat(2 << 20);
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    vec![
        ("unknown method", r#"{"method":"tools/destroy","jsonrpc":"2.0","id":70}"#.into(), "no method"),
        ("params of a wrong type", r#"{"method":"tools/call","params":[],"jsonrpc":"2.0","id":70}"#.into(), ""),
        ("no params", r#"{"method":"tools/call","jsonrpc":"2.0","id":70}"#.into(), "malformed params"),
        ("a name that is a number", r#"{"method":"tools/call","params":{"name":5},"jsonrpc":"2.0","id":70}"#.into(), "malformed params"),
        ("arguments that are text", r#"{"method":"tools/call","params":{"name":"pods_list","arguments":"x"},"jsonrpc":"2.0","id":70}"#.into(), "malformed params"),
        ("no jsonrpc", r#"{"method":"tools/list","id":70}"#.into(), "not a message"),
        ("a wrong jsonrpc", r#"{"method":"tools/list","jsonrpc":"1.0","id":70}"#.into(), "not a message"),
        ("too deep", format!(r#"{{"method":"tools/call","params":{deep},"jsonrpc":"2.0","id":70}}"#), "not a message"),
        ("a batch", r#"[{"method":"tools/list","jsonrpc":"2.0","id":70}]"#.into(), "not a message"),
        ("oversized, the id last", format!(r#"{{"method":"tools/call","params":{{"name":"{big}"}},"jsonrpc":"2.0","id":70}}"#), "limit"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_cannot_be_served_is_always_answered_on_the_stream() {
    let (cluster, token) = reader().await;
    let host = Porthole::start(&cluster.kubeconfig).await;
    let mut dify = Dify::connect(&host.origin, Some(&token)).await.unwrap();
    dify.initialize("2025-03-26").await.unwrap();
    for (what, body, expected) in traps() {
        let status = dify.post(body, Some(&token)).await.unwrap();
        assert_eq!(status, 202, "{what}");
        let answer = dify.answer_to(&json!(70)).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        let message = answer["error"]["message"].as_str().unwrap_or_else(|| panic!("{what}: {answer}"));
        assert!(message.contains(expected), "{what}: {message}");
        assert_ne!(answer["error"]["code"], 401, "{what}");
    }
    let unknown = dify.call("no_such_tool", json!({})).await.unwrap();
    assert!(unknown.starts_with("ERROR: "), "{unknown}");
    // The session has survived all of them.
    assert!(dify.call("namespaces_list", json!({})).await.unwrap().contains("shop"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_answered_cuts_the_stream_after_answering_the_rest() {
    let (cluster, token) = reader().await;
    let host = Porthole::start(&cluster.kubeconfig).await;
    endless_log(&cluster, "cut").await;
    let slow = json!({"method": "tools/call", "params": {"name": "pods_log", "arguments": {"name": "cut", "namespace": "endless"}}, "jsonrpc": "2.0", "id": 80});
    let id = |id: &str| format!(r#"{{"id":{id},"method":"tools/list","jsonrpc":"2.0"}}"#);
    let long_id = id(&format!("\"{}\"", "x".repeat(257)));
    for body in ["{\"method\":", "nonsense", "17"]
        .map(str::to_owned)
        .into_iter()
        .chain(["null", "1.5", "1e400", r#""\ud800""#].map(id))
        .chain([long_id, format!("{{\"method\":\"{}", "x".repeat(9 << 20))])
    {
        let shown: String = body.chars().take(30).collect();
        let mut dify = Dify::connect(&host.origin, Some(&token)).await.unwrap();
        dify.initialize("2025-03-26").await.unwrap();
        dify.post(slow.to_string(), Some(&token)).await.unwrap();
        assert_eq!(dify.post(body, Some(&token)).await.unwrap(), 202, "{shown}");
        let pending = dify.answer_to(&json!(80)).await.unwrap();
        assert!(pending.get("error").is_some(), "{shown}: {pending}");
        // Not a clean end, after which Dify would wait forever.
        assert_eq!(dify.message().await.unwrap(), Event::Cut, "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_answered_once_also_when_it_is_sent_twice() {
    let (cluster, token) = reader().await;
    let host = Porthole::start(&cluster.kubeconfig).await;
    let mut dify = Dify::connect(&host.origin, Some(&token)).await.unwrap();
    dify.initialize("2025-03-26").await.unwrap();
    endless_log(&cluster, "twice").await;
    let slow = json!({"method": "tools/call", "params": {"name": "pods_log", "arguments": {"name": "twice", "namespace": "endless"}}, "jsonrpc": "2.0", "id": 90});
    dify.post(slow.to_string(), Some(&token)).await.unwrap();
    dify.post(r#"{"method":"ping","jsonrpc":"2.0","id":90}"#, Some(&token)).await.unwrap();
    // An error under an id that is open must not be sent, because the first request will still be answered.
    dify.post(r#"{"method":"ping","id":90}"#, Some(&token)).await.unwrap();
    // The next answer is that of another request, and none for 90 came before it: a second answer would be fatal.
    let next = dify.exchange("ping", None).await.unwrap();
    assert!(next.get("result").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_belongs_to_its_owner() {
    let (cluster, token) = reader().await;
    let client = cluster.admin().await.unwrap();
    let other = accounts::account(&client, "tests", "other").await.unwrap();
    let second = accounts::account(&client, "tests", "reader").await.unwrap();
    assert_ne!(token, second);
    let host = Porthole::start(&cluster.kubeconfig).await;
    let mut dify = Dify::connect(&host.origin, Some(&token)).await.unwrap();
    dify.initialize("2025-03-26").await.unwrap();
    let call = |id: i64| json!({"method": "tools/call", "params": {"name": "namespaces_list", "arguments": {}}, "jsonrpc": "2.0", "id": id});
    endless_log(&cluster, "owned").await;
    let slow = json!({"method": "tools/call", "params": {"name": "pods_log", "arguments": {"name": "owned", "namespace": "endless"}}, "jsonrpc": "2.0", "id": 70});
    dify.post(slow.to_string(), Some(&token)).await.unwrap();
    // A sender that never used the session gets an HTTP status, and the session is unaffected: by garbage, by a request
    // with the id of an open one, and by its cancellation.
    let cancel = r#"{"method":"notifications/cancelled","params":{"requestId":70},"jsonrpc":"2.0"}"#;
    for body in
        [call(70).to_string(), call(71).to_string(), cancel.to_owned(), "{".to_owned(), "x".repeat(100_000)]
    {
        for (token, expected) in [(Some(other.as_str()), 403), (Some("nonsense"), 401), (None, 401)] {
            let shown: String = body.chars().take(40).collect();
            assert_eq!(dify.post(body.clone(), token).await.unwrap(), expected, "{shown}");
        }
    }
    // Another token of the same account identifies the same owner: tokens are renewed.
    dify.post(call(74).to_string(), Some(&second)).await.unwrap();
    // An earlier answer to a stranger's request would be fatal to Dify.
    assert!(dify.answer_to(&json!(74)).await.unwrap().get("result").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_is_told_on_the_stream_that_it_opened() {
    let (cluster, _) = reader().await;
    let client = cluster.admin().await.unwrap();
    let token = accounts::account(&client, "tests", "expiring").await.unwrap();
    let host = Porthole::start(&cluster.kubeconfig).await;
    let mut dify = Dify::connect(&host.origin, Some(&token)).await.unwrap();
    dify.initialize("2025-03-26").await.unwrap();
    accounts::send(&client, "DELETE", "/api/v1/namespaces/tests/serviceaccounts/expiring", &json!({}))
        .await
        .unwrap();
    // The API server accepts the token for 10 s more, and the host caches it until a read is rejected.
    let begun = std::time::Instant::now();
    loop {
        match dify.call("namespaces_list", json!({})).await {
            Ok(_) => assert!(begun.elapsed().as_secs() < 60, "the token still works"),
            Err(error) => {
                let error = error.to_string();
                break assert!(error.contains("does not accept this token"), "{error}");
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_in_the_middle_of_a_call_stops_its_read() {
    let (cluster, token) = reader().await;
    let host = Porthole::start(&cluster.kubeconfig).await;
    let open = endless_log(&cluster, "left").await;
    let arguments = json!({"name": "left", "namespace": "endless"});
    let mut dify = Dify::connect(&host.origin, Some(&token)).await.unwrap();
    dify.initialize("2025-03-26").await.unwrap();
    let slow = json!({"method": "tools/call", "params": {"name": "pods_log", "arguments": arguments}, "jsonrpc": "2.0", "id": 9});
    dify.post(slow.to_string(), Some(&token)).await.unwrap();
    until("the log is read", 10, || open.exists()).await;
    drop(dify);
    // The comments 0.25, 1 and 3 s after the last response detect the disconnect; the call may last 30 s.
    until("the read has stopped", 20, || !open.exists()).await;

    // The same over /mcp, where the end of the request shows it.
    let streamable = porthole_testbed::http::Streamable::new(&host.origin, Some(&token));
    let call = tokio::time::timeout(
        Duration::from_secs(2),
        streamable.call("pods_log", json!({"name": "left", "namespace": "endless"})),
    );
    assert!(call.await.is_err(), "an endless log cannot be read in 2 s");
    drop(streamable);
    until("the read has stopped", 10, || !open.exists()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_never_ends_is_answered_within_the_time() {
    let (cluster, token) = reader().await;
    endless_log(&cluster, "timed").await;
    let host = Porthole::configured(&cluster.kubeconfig, "tools: {pods_log: {limits: {timeout: 4s}}}\n")
        .await
        .unwrap();
    let text =
        Dify::visit(&host.origin, Some(&token), "pods_log", json!({"name": "timed", "namespace": "endless"}))
            .await
            .unwrap();
    assert!(text.contains("tick 1 ") && text.contains("the log goes on"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_answers_what_is_open_and_ends_what_is_idle() {
    // Age of a last message from which on no further one is expected, and a margin.
    const SETTLED: Duration = Duration::from_millis(2500);
    let (cluster, token) = reader().await;
    let host = Porthole::start(&cluster.kubeconfig).await;
    let open = endless_log(&cluster, "stopped").await;
    let mut busy = Dify::connect(&host.origin, Some(&token)).await.unwrap();
    let mut idle = Dify::connect(&host.origin, Some(&token)).await.unwrap();
    let mut astray = Dify::connect(&host.origin, Some(&token)).await.unwrap();
    let mut visiting = Dify::connect(&host.origin, Some(&token)).await.unwrap();
    busy.initialize("2025-03-26").await.unwrap();
    idle.initialize("2025-03-26").await.unwrap();
    let last_message = std::time::Instant::now();
    let slow = json!({"method": "tools/call", "params": {"name": "pods_log", "arguments": {"name": "stopped", "namespace": "endless"}}, "jsonrpc": "2.0", "id": 9});
    busy.post(slow.to_string(), Some(&token)).await.unwrap();
    until("the log is read", 10, || open.exists()).await;
    until("the idle session is old enough", 10, || last_message.elapsed() > SETTLED).await;
    visiting.initialize("2025-03-26").await.unwrap();
    let stopping = tokio::spawn(host.terminate());
    assert_eq!(idle.message().await.unwrap(), Event::End);
    // Between `initialize` and its call: that would find no session, and after a clean end Dify would wait for it.
    assert_eq!(visiting.message().await.unwrap(), Event::Cut);
    // Its first message may be at another replica: after a clean end Dify would wait for the answer.
    assert_eq!(astray.message().await.unwrap(), Event::Cut);
    let answer = busy.answer_to(&json!(9)).await.unwrap();
    assert!(answer["error"]["message"].as_str().unwrap().contains("stopping"), "{answer}");
    let (status, _) = stopping.await.unwrap().unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_drains_serves_on_and_is_not_ready_until_it_stops() {
    let (cluster, token) = reader().await;
    let (plugins, kubeconfig) = (tools().display().to_string(), cluster.kubeconfig.display().to_string());
    let options = ["--kubeconfig", &kubeconfig, "--plugins", &plugins, "--drain", "10m"];
    let host = Porthole::with(&options).await.unwrap();
    let mut open = Dify::connect(&host.origin, Some(&token)).await.unwrap();
    open.initialize("2025-03-26").await.unwrap();
    let (origin, id) = (host.origin.clone(), host.id());
    assert!(host.readiness().await.unwrap()["stopping"].is_null());
    let terminate = |id: u32| std::process::Command::new("kill").args(["-TERM", &id.to_string()]).status();
    assert!(terminate(id).unwrap().success());
    host.until_logged("serving for another 10m").await.unwrap();
    let ready = send("GET", &format!("{origin}/readyz"), None, "").await.unwrap();
    assert!(ready.status == 503 && ready.body.contains("\"stopping\":true"), "{ready:?}");
    assert_eq!(send("GET", &format!("{origin}/healthz"), None, "").await.unwrap().status, 200);
    // A new visit, and the session that was open before.
    let visit = Dify::visit(&origin, Some(&token), "namespaces_list", json!({})).await.unwrap();
    assert!(visit.contains("shop"), "{visit}");
    let list = json!({"method": "tools/list", "jsonrpc": "2.0", "id": 7});
    open.post(list.to_string(), Some(&token)).await.unwrap();
    assert!(open.answer_to(&json!(7)).await.unwrap()["result"]["tools"].is_array());
    // A second signal does not wait.
    let (status, _) = host.terminate().await.unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_answers_what_is_open_over_mcp() {
    let (cluster, token) = reader().await;
    let host = Porthole::start(&cluster.kubeconfig).await;
    let open = endless_log(&cluster, "stopped-mcp").await;
    let client = porthole_testbed::http::Streamable::new(&host.origin, Some(&token));
    let call = tokio::spawn(async move {
        client.call("pods_log", json!({"name": "stopped-mcp", "namespace": "endless"})).await
    });
    until("the log is read", 10, || open.exists()).await;
    let stopping = tokio::spawn(host.terminate());
    let error = call.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("this Porthole is stopping"), "{error}");
    let (status, _) = stopping.await.unwrap().unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_bounded_and_given_back() {
    let (cluster, token) = reader().await;
    let host = Porthole::configured(&cluster.kubeconfig, "limits: {sessions: 5, sessionsPerCaller: 3}\n")
        .await
        .unwrap();
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(Dify::connect(&host.origin, Some(&token)).await.unwrap());
    }
    let refused = Dify::connect(&host.origin, Some(&token)).await.err().unwrap();
    assert!(refused.to_string().contains("503"), "{refused}");
    // The reason, which Dify does not show.
    host.until_logged("sessionsPerCaller").await.unwrap();
    drop(open);
    let begun = std::time::Instant::now();
    while Dify::connect(&host.origin, Some(&token)).await.is_err() {
        assert!(begun.elapsed().as_secs() < 30, "places are not given back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_session_serves_requests_of_a_client_that_was_initialized_before() {
    let (cluster, token) = reader().await;
    let host = Porthole::start(&cluster.kubeconfig).await;
    let mut dify = Dify::connect(&host.origin, Some(&token)).await.unwrap();
    // The TypeScript client reconnects by itself, without another handshake.
    dify.post(r#"{"method":"notifications/initialized","jsonrpc":"2.0"}"#, Some(&token)).await.unwrap();
    let listed: Value = dify.request("tools/list", None).await.unwrap();
    assert_eq!(listed["tools"].as_array().unwrap().len(), porthole_testbed::porthole::number_of_tools());
}
