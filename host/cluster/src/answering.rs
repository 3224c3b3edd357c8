//! Fake API server for unit tests, over plain HTTP on loopback: answers by path, and records what it was asked.

use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{ApiServer, Source};

/// Max bytes of a request, which only tests send.
const MAX_REQUEST: usize = 64 << 10;

/// A request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRequest {
    /// For example `GET`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The Accept header.
    pub accept: String,
    /// The Authorization header; empty without one.
    pub authorization: String,
}

/// Answer of a fake API server.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: StatusCode,
    /// Seconds of the Retry-After header.
    pub retry_after: Option<u32>,
    /// The body.
    pub body: Vec<u8>,
}

/// The requests of a fake API server so far.
#[derive(Debug, Clone, Default)]
pub struct Requests(Arc<Mutex<Vec<RecordedRequest>>>);

impl Requests {
    /// Returns the requests since the last call, and forgets them.
    pub fn take(&self) -> Vec<RecordedRequest> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn record(&self, head: &str) -> String {
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
        };
        let mut words = head.split(' ').map(str::to_owned);
        let request = RecordedRequest {
            method: words.next().unwrap_or_default(),
            path: words.next().unwrap_or_default(),
            accept: header("accept").unwrap_or_default(),
            authorization: header("authorization").unwrap_or_default(),
        };
        let path = request.path.clone();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        path
    }
}

/// Connects to a server that answers every request with `body`. It ends with the test.
#[cfg(test)]
pub(super) async fn answering(body: impl Into<Vec<u8>>) -> ApiServer {
    let body = body.into();
    answering_by_path(move |_| Some(body.clone())).await.0
}

/// Connects to a server that answers a path with a body, or with 404. It ends with the test.
///
/// # Panics
///
/// If loopback has no port.
pub async fn answering_by_path(
    answer: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> (ApiServer, Requests) {
    answering_with(move |path| {
        let body = answer(path);
        let status = if body.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
        Answer { status, retry_after: None, body: body.unwrap_or_default() }
    })
    .await
}

/// Connects to a server that answers a path with a status and a body. It ends with the test.
///
/// # Panics
///
/// If loopback has no port.
#[expect(clippy::unwrap_used, reason = "tests stop with a panic")]
pub async fn answering_with(
    answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
) -> (ApiServer, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (answer, requests) = (Arc::new(answer), Requests::default());
    let recorded = requests.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (answer, recorded) = (Arc::clone(&answer), recorded.clone());
            tokio::spawn(async move { serve(stream, &*answer, &recorded).await });
        }
    });
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = format!(
        "{{apiVersion: v1, kind: Config, current-context: c, users: [{{name: u, user: {{}}}}],
        clusters: [{{name: c, cluster: {{server: 'http://{address}'}}}}], contexts: [{{name: c, context: {{cluster: c, user: u}}}}]}}"
    );
    (ApiServer::for_callers(&Source::Text(kubeconfig), Vec::new()).await.unwrap(), requests)
}

/// Answers one request, and closes the connection.
async fn serve(
    mut stream: TcpStream,
    answer: &(dyn Fn(&str) -> Answer + Send + Sync),
    requests: &Requests,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    // A body, which only reviews have, is left unread: closing after the answer is enough for a test.
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < MAX_REQUEST {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let path = requests.record(&String::from_utf8_lossy(&head));
    let Answer { status, retry_after, body } = answer(path.split('?').next().unwrap_or_default());
    let retry = retry_after.map(|seconds| format!("retry-after: {seconds}\r\n")).unwrap_or_default();
    let head =
        format!("HTTP/1.1 {status}\r\n{retry}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    stream.shutdown().await
}
