//! A server that answers a Dify visit from memory: what the requests of a visit cost without anything behind them.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Result;
use axum::{
    Router,
    body::Body,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Answers that may wait on a stream; a visit has one at a time.
const WAITING: usize = 8;
/// Text of a call's answer, of about the size of a list of namespaces.
const LINE: &str = "namespace-with-a-name  Active  12d\n";
const LINES: usize = 12;

/// Open streams by session.
#[derive(Clone, Default)]
struct Streams {
    open: Arc<Mutex<HashMap<u64, mpsc::Sender<Bytes>>>>,
    next: Arc<AtomicU64>,
}

/// Session whose stream is open; closed on drop.
struct Session {
    streams: Streams,
    id: u64,
    events: mpsc::Receiver<Bytes>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.streams.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// Serves until the process is stopped.
pub(crate) async fn serve(listen: &str) -> Result<()> {
    let listener = tokio::net::TcpListener::bind(listen).await?;
    let routes = Router::new()
        .route("/readyz", get(async || "ready"))
        .route("/sse", get(stream))
        .route("/messages", post(message))
        .with_state(Streams::default());
    Ok(axum::serve(listener, routes).await?)
}

async fn stream(State(streams): State<Streams>) -> Response {
    let id = streams.next.fetch_add(1, Ordering::Relaxed);
    let (sender, events) = mpsc::channel(WAITING);
    let _ = sender.try_send(Bytes::from(format!("event: endpoint\ndata: /messages?session={id}\n\n")));
    streams.open.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
    let session = Session { streams, id, events };
    let body = futures::stream::unfold(session, async |mut session| {
        let event = session.events.recv().await?;
        Some((Ok::<_, Infallible>(event), session))
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(body)).into_response()
}

async fn message(
    State(streams): State<Streams>,
    Query(query): Query<HashMap<String, u64>>,
    body: Bytes,
) -> StatusCode {
    let Ok(request) = serde_json::from_slice::<Value>(&body) else { return StatusCode::BAD_REQUEST };
    if request.get("id").is_none() {
        return StatusCode::ACCEPTED;
    }
    let result = match request["method"].as_str() {
        Some("initialize") => {
            json!({"protocolVersion": request["params"]["protocolVersion"], "capabilities": {"tools": {}},
                "serverInfo": {"name": "memory", "version": "1"}})
        }
        _ => json!({"content": [{"type": "text", "text": LINE.repeat(LINES)}]}),
    };
    let answer = json!({"jsonrpc": "2.0", "id": request["id"], "result": result});
    let sender = query.get("session").and_then(|session| {
        streams.open.lock().unwrap_or_else(PoisonError::into_inner).get(session).cloned()
    });
    let Some(sender) = sender else { return StatusCode::NOT_FOUND };
    match sender.try_send(Bytes::from(format!("event: message\ndata: {answer}\n\n"))) {
        Ok(()) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::TOO_MANY_REQUESTS,
    }
}

#[cfg(test)]
mod tests {
    use porthole_testbed::{dify::Dify, porthole::until_ready};

    use super::*;

    #[tokio::test]
    async fn a_visit_is_answered_from_memory() {
        let listen = super::super::stage::free_address().unwrap();
        let address = listen.clone();
        let server = tokio::spawn(async move { serve(&address).await });
        let origin = format!("http://{listen}");
        until_ready(&origin).await.unwrap();
        let answer = Dify::visit(&origin, None, "namespaces_list", json!({})).await.unwrap();
        assert_eq!(answer.lines().count(), LINES);
        server.abort();
    }
}
