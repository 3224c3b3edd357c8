//! Sessions: access by other accounts, and memory.

use std::{path::PathBuf, time::Duration};

use futures::future::join_all;
use porthole_testbed::{
    accounts,
    dify::{Dify, Event},
    fixtures,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    Case,
    stage::{NAMESPACE, Setting, Stage},
};

/// Call timeout, so that open calls end soon, and not before the strangers have posted.
const CONFIG: &str = "limits: {timeout: 15s}\n";
/// Id of the victim's open call.
const OPEN: i64 = 80;

/// A victim with an open call on an endless log, and two strangers' tokens: none, and another account's.
struct Scene {
    stage: Stage,
    victim: Dify,
    token: String,
    strangers: [Option<String>; 2],
    open: PathBuf,
}

impl Scene {
    async fn set(case: &'static Case, pod: &str) -> Self {
        let stage = Stage::set(case, Setting { config: CONFIG, ..Setting::default() }).await;
        let token = stage.reader().await;
        let stranger = stage.nobody().await;
        stage.pod(pod, "").await;
        fixtures::write_log(&stage.cluster, &format!("{NAMESPACE}/{pod}/app.endless"), "").unwrap();
        let open = stage.cluster.folder.join("logs").join(NAMESPACE).join(pod).join("app.open");
        let victim = stage.session(&token).await;
        let arguments = json!({"name": pod, "namespace": NAMESPACE});
        let call = request(OPEN, "tools/call", json!({"name": "pods_log", "arguments": arguments}));
        victim.post(call, Some(&token)).await.unwrap();
        let begun = std::time::Instant::now();
        while !open.exists() {
            assert!(begun.elapsed().as_secs() < 10, "the victim's call reads nothing");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self { stage, victim, token, strangers: [None, Some(stranger)], open }
    }

    /// Posts bodies as strangers; each must be rejected with an HTTP status.
    async fn posts(&self, bodies: &[String]) {
        self.stage
            .attack(async {
                for stranger in &self.strangers {
                    for body in bodies {
                        let status = self.victim.post(body.clone(), stranger.as_deref()).await.unwrap();
                        let shown: String = body.chars().take(60).collect();
                        assert!(matches!(status.as_u16(), 401 | 403), "{shown}: {status}");
                    }
                }
            })
            .await;
    }

    /// The victim's own next messages: a ping's answer and the open call's, and nothing else.
    async fn goes_on(mut self) {
        assert!(self.open.exists(), "the victim's call was stopped");
        self.victim.post(request(81, "ping", Value::Null), Some(&self.token)).await.unwrap();
        let mut ids = Vec::new();
        while ids.len() < 2 {
            match self.victim.message().await.unwrap() {
                Event::Message(message) if message.get("method").is_some() => {}
                Event::Message(message) => {
                    assert!(message.get("result").is_some(), "{message}");
                    ids.push(message["id"].as_i64().unwrap());
                }
                other => panic!("{other:?}"),
            }
        }
        ids.sort_unstable();
        assert_eq!(ids, [OPEN, 81]);
    }
}

fn request(id: i64, method: &str, params: Value) -> String {
    let mut message = json!({"jsonrpc": "2.0", "id": id, "method": method});
    if !params.is_null() {
        message["params"] = params;
    }
    message.to_string()
}

pub(crate) async fn garbage(case: &'static Case) {
    let scene = Scene::set(case, "garbage").await;
    scene.posts(&["{\"method\":", "nonsense", "17", r#"{"id":null,"method":"x"}"#].map(str::to_owned)).await;
    scene.goes_on().await;
}

pub(crate) async fn requests(case: &'static Case) {
    let scene = Scene::set(case, "requests").await;
    let call = json!({"name": "namespaces_list", "arguments": {}});
    scene.posts(&[request(71, "tools/call", call), request(OPEN, "ping", Value::Null)]).await;
    scene.goes_on().await;
}

pub(crate) async fn cancels(case: &'static Case) {
    let scene = Scene::set(case, "cancels").await;
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": OPEN, "reason": "x"}});
    scene.posts(&[cancel.to_string()]).await;
    scene.goes_on().await;
}

pub(crate) async fn slow_posts(case: &'static Case) {
    let stage = Stage::usual(case).await;
    slow_bodies(&stage).await;
    stage.assert_grown_less_than(64);
}

/// The attack of [`slow_posts`]: bodies without their end, sent without a token.
pub(crate) async fn slow_bodies(stage: &Stage) {
    let token = stage.reader().await;
    let victim = stage.session(&token).await;
    let address = stage.host.origin.trim_start_matches("http://").to_owned();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        victim.endpoint,
        8 << 20
    );
    let one = async || {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let piece = [b' '; 64 << 10];
        for _ in 0..112 {
            // The host may reject and close before the end, which is the expected defence.
            if stream.write_all(&piece).await.is_err() {
                return;
            }
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    };
    stage
        .attack(async { timeout(Duration::from_secs(10), join_all((0..60).map(|_| one()))).await })
        .await
        .ok();
    stage.assert_serves().await;
}

pub(crate) async fn unread(case: &'static Case) {
    let stage = Stage::usual(case).await;
    unread_pings(&stage).await;
    stage.assert_grown_less_than(24);
}

/// The attack of [`unread`]: a stream that is never read, and answers that queue for it.
pub(crate) async fn unread_pings(stage: &Stage) {
    let token = stage.nobody().await;
    let address = stage.host.origin.trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let get = format!(
        "GET /sse HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nAccept: text/event-stream\r\n\r\n"
    );
    stream.write_all(get.as_bytes()).await.unwrap();
    let mut begin = vec![0; 4096];
    let mut read = 0;
    let endpoint = loop {
        read += stream.read(&mut begin[read..]).await.unwrap();
        let text = String::from_utf8_lossy(&begin[..read]).into_owned();
        if let Some(at) = text.find("data: /") {
            break text[at + 6..].split_whitespace().next().unwrap().to_owned();
        }
        assert!(read < 4096, "no endpoint");
    };
    let url = format!("{}{endpoint}", stage.host.origin);
    stage
        .attack(async {
            for n in 0..60 {
                let id = format!("{n}-{}", "i".repeat(900_000));
                let ping = json!({"jsonrpc": "2.0", "id": id, "method": "ping"}).to_string();
                // Rejected or accepted: only the memory of the host matters.
                let _ = timeout(
                    Duration::from_secs(5),
                    porthole_testbed::http::send("POST", &url, Some(&token), &ping),
                )
                .await;
            }
        })
        .await;
    drop(stream);
    stage.assert_serves().await;
}

pub(crate) async fn many(case: &'static Case) {
    let stage = Stage::usual(case).await;
    let client = stage.cluster.admin().await.unwrap();
    let token = accounts::account(&client, NAMESPACE, "nobody").await.unwrap();
    let origin = &stage.host.origin;
    let refused = stage
        .attack(async {
            let mut open = Vec::new();
            for _ in 0..200 {
                open.push(Dify::connect(origin, Some(&token)).await.unwrap());
            }
            Dify::connect(origin, Some(&token)).await.err().unwrap().to_string()
        })
        .await;
    assert!(refused.contains("503"), "{refused}");
    stage.assert_grown_less_than(64);
}

/// Ids that a client chose, guessed or bent.
pub(crate) async fn ids(case: &'static Case) {
    let stage = Stage::usual(case).await;
    let (reader, stranger) = (stage.reader().await, stage.nobody().await);
    let mut victim = stage.session(&reader).await;
    let id = victim.endpoint.rsplit('=').next().unwrap().to_owned();
    let origin = &stage.host.origin;
    let ping = request(91, "ping", Value::Null);
    stage
        .attack(async {
            // An id in the address of the stream, or one to resume from, opens nothing of another.
            let address = origin.trim_start_matches("http://");
            let mut stream = TcpStream::connect(address).await.unwrap();
            let get = format!(
                "GET /sse?sessionId={id}&session_id={id} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {stranger}\r\nLast-Event-ID: {id}\r\nMcp-Session-Id: {id}\r\nAccept: text/event-stream\r\n\r\n"
            );
            stream.write_all(get.as_bytes()).await.unwrap();
            let mut begin = Vec::new();
            while !String::from_utf8_lossy(&begin).contains("data: /") {
                let mut piece = [0; 2048];
                let read = timeout(Duration::from_secs(5), stream.read(&mut piece)).await.unwrap().unwrap();
                assert!(read > 0, "no endpoint: {}", String::from_utf8_lossy(&begin));
                begin.extend_from_slice(&piece[..read]);
            }
            assert!(!String::from_utf8_lossy(&begin).contains(&id), "the stranger's stream has the victim's id");
            let vast = "a".repeat(20_000);
            let cut = &id[..id.len() - 1];
            for (query, token) in [
                (String::new(), &reader),
                ("sessionId=".into(), &reader),
                (format!("sessionId={cut}"), &reader),
                (format!("sessionId={}", id.to_uppercase()), &reader),
                (format!("sessionId={id}%00"), &reader),
                (format!("sessionId={id}%20"), &reader),
                (format!("sessionId=..%2f{id}"), &reader),
                (format!("sessionId={vast}"), &reader),
                (format!("sessionId={id}&sessionId={id}"), &stranger),
                (format!("sessionId=x&sessionId={id}"), &stranger),
                (format!("session_id={id}"), &stranger),
            ] {
                let url = format!("{origin}/messages?{query}");
                let answer = porthole_testbed::http::send("POST", &url, Some(token), &ping).await.unwrap();
                assert!(answer.status.is_client_error(), "{query:.80}: {}", answer.status);
            }
        })
        .await;
    // The victim's own message is the next that its stream answers.
    victim.post(request(92, "ping", Value::Null), Some(&reader)).await.unwrap();
    match victim.message().await.unwrap() {
        Event::Message(message) => assert_eq!(message["id"], 92, "{message}"),
        other => panic!("{other:?}"),
    }
}
