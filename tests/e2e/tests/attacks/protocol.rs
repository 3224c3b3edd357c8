//! Malformed HTTP and JSON-RPC.

use std::time::Duration;

use porthole_testbed::{
    dify::Event,
    http::{Answer, send},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    Case,
    stage::{Setting, Stage},
};

/// Maximum lifetime of a connection without a whole request, in these tests. An immediate rejection is sooner.
const CLOSED: Duration = Duration::from_secs(5);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
/// A HEADERS frame without END_HEADERS: `:method: GET` and no end.
const HALF_HEADERS: &[u8] = &[0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82];

/// Response to these bytes until the host closes the connection; `None` if it does not.
async fn raw(stage: &Stage, bytes: &[u8], patience: Duration) -> Option<Vec<u8>> {
    let address = stage.host.origin.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut all = Vec::new();
    let end = timeout(patience, stream.read_to_end(&mut all)).await;
    end.is_ok().then_some(all)
}

pub(crate) async fn http_2(case: &'static Case) {
    let stage = Stage::usual(case).await;
    let idle = [PREFACE, SETTINGS].concat();
    let half = [PREFACE, SETTINGS, HALF_HEADERS].concat();
    stage
        .attack(async {
            for bytes in [&idle, &half] {
                let answer = raw(&stage, bytes, CLOSED).await;
                let answer = answer.unwrap_or_else(|| panic!("still open after {CLOSED:?}"));
                assert!(answer.get(3) != Some(&4), "the host speaks HTTP/2: {answer:?}");
            }
        })
        .await;
}

async fn posted(stage: &Stage, token: &str, body: &str) -> Answer {
    let url = format!("{}/mcp", stage.host.origin);
    let answer = send("POST", &url, Some(token), body).await.unwrap();
    assert!(!answer.status.is_server_error(), "{}: {}", body.get(..80).unwrap_or(body), answer.status);
    answer
}

/// Asserts that each body is answered over `/mcp` without a server error, and that a session survives it or is cut.
async fn survives(stage: &Stage, bodies: &[String]) {
    let token = stage.nobody().await;
    stage
        .attack(async {
            for body in bodies {
                posted(stage, &token, body).await;
                let mut dify = stage.session(&token).await;
                dify.post(body.clone(), Some(&token)).await.unwrap();
                dify.post(r#"{"jsonrpc":"2.0","id":"after","method":"ping"}"#, Some(&token)).await.unwrap();
                loop {
                    match dify.message().await.unwrap() {
                        Event::Message(message) if message["id"] == "after" => break,
                        Event::Message(_) => {}
                        Event::Cut => break,
                        other => panic!("{}: {other:?}", body.get(..80).unwrap_or(body)),
                    }
                }
            }
        })
        .await;
    stage.assert_serves().await;
}

pub(crate) async fn ids(case: &'static Case) {
    let stage = Stage::usual(case).await;
    let bodies =
        ["null", "1.5", "1e400", r#""\ud800""#, "-1", "18446744073709551616", "[]", "{}", r#""""#, "true"]
            .map(|id| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#));
    survives(&stage, &bodies).await;
}

pub(crate) async fn messages(case: &'static Case) {
    let stage = Stage::usual(case).await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let bodies = [
        r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"ping"}]"#.to_owned(),
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{deep}}}"#),
        r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping","method":"tools/list"}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pods_list","name":"helm_list","arguments":{"a":1,"a":2}}}"#.to_owned(),
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"x":{}}}}}"#, "1".repeat(100_000)),
    ];
    survives(&stage, &bodies).await;
}

pub(crate) async fn injection(case: &'static Case) {
    let stage = Stage::set(case, Setting { guests: &["versioned"], ..Setting::default() }).await;
    let token = stage.bystander.token.clone();
    let evil = "x\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{}}\r\n\r\nevent: endpoint\u{2028}\ndata: /evil\n\n";
    stage
        .attack(async {
            let mut dify = stage.session(&token).await;
            let call = json!({"jsonrpc": "2.0", "id": evil, "method": "tools/call",
                "params": {"name": "versioned", "arguments": {}, "_meta": {"progressToken": evil}}});
            dify.post(call.to_string(), Some(&token)).await.unwrap();
            loop {
                match dify.message().await.unwrap() {
                    Event::Message(message) if message.get("method").is_some() => {
                        let sent = &message["params"]["progressToken"];
                        assert!(*sent == Value::Null || sent == evil, "{message}");
                    }
                    Event::Message(message) => {
                        // With the id as sent, or rejected without one.
                        assert!(message["id"] == evil, "{message}");
                        break;
                    }
                    other => panic!("{other:?}"),
                }
            }
            assert!(dify.exchange("ping", None).await.unwrap().get("result").is_some());
        })
        .await;
}

pub(crate) async fn hosts(case: &'static Case) {
    let stage = Stage::usual(case).await;
    let token = stage.nobody().await;
    let address = stage.host.origin.trim_start_matches("http://").to_owned();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let ask = |headers: String| {
        format!(
            "POST /mcp HTTP/1.1\r\n{headers}Authorization: Bearer {token}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let good = ask(format!("Host: {address}\r\n"));
    let evil = [
        "Host: [::1]evil.example\r\n".to_owned(),
        "Host: 127.0.0.1:80@evil\r\n".to_owned(),
        "Host: a:1@evil\r\n".to_owned(),
        "Host: evil.example\r\n".to_owned(),
        format!("Host: {address}\r\nHost: evil.example\r\n"),
        format!("Host: {address}\r\nOrigin: null\r\n"),
        format!("Host: {address}\r\nOrigin: http://localhost\r\nOrigin: http://evil.example\r\n"),
        format!("Host: {address}\r\nOrigin: http://[::1]evil.example\r\n"),
    ];
    stage
        .attack(async {
            let answer = raw(&stage, good.as_bytes(), CLOSED).await.unwrap();
            assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
            for headers in evil {
                let answer = raw(&stage, ask(headers.clone()).as_bytes(), CLOSED).await.unwrap_or_default();
                assert!(
                    answer.starts_with(b"HTTP/1.1 4") || answer.is_empty(),
                    "{headers}: {}",
                    String::from_utf8_lossy(&answer)
                );
            }
        })
        .await;
}

pub(crate) async fn smuggling(case: &'static Case) {
    let stage = Stage::usual(case).await;
    let address = stage.host.origin.trim_start_matches("http://").to_owned();
    let smuggled = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let requests = [
        format!(
            "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}",
            smuggled.len() + 5
        ),
        format!(
            "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nContent-Length: {}\r\n\r\n{smuggled}",
            smuggled.len()
        ),
        format!(
            "POST /mcp HTTP/1.1\r\nHost: {address}\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{smuggled}"
        ),
    ];
    stage
        .attack(async {
            for request in requests {
                // 2 s: keeping the connection after the first answer is acceptable.
                let address = stage.host.origin.trim_start_matches("http://");
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(request.as_bytes()).await.unwrap();
                let mut all = Vec::new();
                let _ = timeout(Duration::from_secs(2), stream.read_to_end(&mut all)).await;
                let text = String::from_utf8_lossy(&all).into_owned();
                // RFC 9112, 6.3: chunked overrides a length, and then the connection is closed; anything else is
                // rejected.
                let answers = text.matches("HTTP/1.1 ").count();
                assert!(answers <= 1 && !text.contains("HTTP/1.1 200"), "{request}\n{text}");
            }
        })
        .await;
}
