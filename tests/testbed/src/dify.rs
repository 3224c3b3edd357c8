//! Emulation of Dify's client at `/sse`, including its failures.
//!
//! From `docs/research/dify-client.md` and `dify-verified.md`: it requires the endpoint within 1 s of the headers, on the
//! same origin; counts ids from 0; reads answers from the stream only; fails on an `id:` or `retry:` line, on data that
//! is not JSON, on an error without id, and on an answer to an id that is not open. It ignores a failed POST, and
//! hangs.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::timeout};

use crate::http::{HttpClient, client, text};

/// Timeout for the endpoint event in Dify.
const ENDPOINT: Duration = Duration::from_secs(1);
/// Timeout after which a test considers Dify hanging: longer than any call may take.
const HANGS: Duration = Duration::from_secs(60);

/// Event on the stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Endpoint(String),
    Message(Value),
    Comment,
    /// The body ended cleanly: Dify accepts the end, and hangs if a request is open.
    End,
    /// The body broke off: Dify fails within a second.
    Cut,
    /// An event that ends Dify's session with an error.
    Deadly(String),
}

/// One connection of Dify.
pub struct Dify {
    http: HttpClient,
    token: Option<String>,
    origin: String,
    pub endpoint: String,
    events: mpsc::Receiver<Event>,
    next_id: i64,
    /// Status of the last POST of a request, which Dify ignores.
    pub posted: Option<StatusCode>,
    reader: tokio::task::JoinHandle<()>,
}

impl Drop for Dify {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Dify {
    /// Connects and reads the endpoint. Of a rejection Dify sees only the HTTP status.
    pub async fn connect(origin: &str, token: Option<&str>) -> Result<Self> {
        Self::connect_by(client(), origin, token).await
    }

    /// As [`connect`](Self::connect), with another client, which is this connection's alone.
    pub async fn connect_by(http: HttpClient, origin: &str, token: Option<&str>) -> Result<Self> {
        let mut request = Request::get(format!("{origin}/sse"))
            .header("accept", "text/event-stream")
            .header("cache-control", "no-store")
            .header("user-agent", "python-httpx/0.28.1");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = http.request(request.body(Full::default())?).await?;
        if response.status() != StatusCode::OK {
            bail!("Failed to connect to MCP server: {}", response.status());
        }
        let kind =
            response.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        anyhow::ensure!(kind.starts_with("text/event-stream"), "content type {kind}");
        let (sender, mut events) = mpsc::channel(1000);
        let mut body = response.into_body();
        let reader = tokio::spawn(async move {
            let mut decoder = Decoder::default();
            loop {
                let events = match body.frame().await {
                    Some(Ok(frame)) => decoder.feed(&frame.into_data().unwrap_or_default()),
                    Some(Err(_)) => vec![Event::Cut],
                    None => vec![Event::End],
                };
                for event in events {
                    let last = matches!(event, Event::Cut | Event::End);
                    if sender.send(event).await.is_err() || last {
                        return;
                    }
                }
            }
        });
        let first = timeout(ENDPOINT, events.recv()).await.context("failed to get endpoint URL")?;
        let Some(Event::Endpoint(endpoint)) = first else { bail!("failed to get endpoint URL: {first:?}") };
        anyhow::ensure!(endpoint.starts_with('/') && !endpoint.starts_with("//"), "not a path: {endpoint}");
        let token = token.map(str::to_owned);
        Ok(Self {
            http,
            token,
            origin: origin.to_owned(),
            endpoint,
            events,
            next_id: 0,
            posted: None,
            reader,
        })
    }

    /// Posts a message with this body; Dify ignores the response.
    pub async fn post(&self, body: impl Into<Bytes>, token: Option<&str>) -> Result<StatusCode> {
        let mut request = Request::post(format!("{}{}", self.origin, self.endpoint))
            .header("content-type", "application/json")
            .header("user-agent", "python-httpx/0.28.1");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = timeout(HANGS, self.http.request(request.body(Full::from(body.into()))?)).await??;
        Ok(response.status())
    }

    /// Next event on the stream.
    pub async fn event(&mut self) -> Result<Event> {
        timeout(HANGS, self.events.recv())
            .await
            .context("Dify hangs: nothing came on the stream")?
            .context("closed")
    }

    /// Next event that is no comment.
    pub async fn message(&mut self) -> Result<Event> {
        let waited = async {
            loop {
                match self.event().await? {
                    Event::Comment => {}
                    event => return Ok(event),
                }
            }
        };
        timeout(HANGS, waited).await.context("Dify hangs: only comments came")?
    }

    /// True if the stream has ended or broken off. With no request open Dify accepts a clean end.
    pub fn has_ended(&self) -> bool {
        self.reader.is_finished()
    }

    /// Sends a request and waits for its answer, result or error.
    pub async fn exchange(&mut self, method: &str, params: Option<Value>) -> Result<Value> {
        let id = self.next_id;
        self.next_id += 1;
        // Members in the order of pydantic's models: the id is last.
        let mut message = json!({"method": method});
        if let Some(params) = params {
            message["params"] = params;
        }
        message["jsonrpc"] = "2.0".into();
        message["id"] = id.into();
        self.posted = Some(self.post(message.to_string(), self.token.clone().as_deref()).await?);
        self.answer_to(&json!(id)).await
    }

    /// Waits for the answer to an id. An answer to another id is fatal to Dify; notifications are not.
    pub async fn answer_to(&mut self, id: &Value) -> Result<Value> {
        loop {
            match self.message().await? {
                Event::Message(message) if message.get("method").is_some() => {}
                Event::Message(message) if message["id"] == *id => return Ok(message),
                Event::End => bail!("Dify hangs: the stream ended with a request open"),
                other => bail!("Server Error: {other:?}"),
            }
        }
    }

    /// Sends a request; a JSON-RPC error becomes the text that Dify shows.
    pub async fn request(&mut self, method: &str, params: Option<Value>) -> Result<Value> {
        let message = self.exchange(method, params).await?;
        match message.get("error") {
            Some(error) => {
                bail!("Failed to connect to MCP server: code={} message={}", error["code"], error["message"])
            }
            None => Ok(message["result"].clone()),
        }
    }

    /// Sends initialize and initialized. Dify accepts the version that it requested, or 2024-11-05.
    pub async fn initialize(&mut self, version: &str) -> Result<Value> {
        let params = json!({"protocolVersion": version, "capabilities": {"sampling": {}, "roots": {"listChanged": true}},
            "clientInfo": {"name": "Dify", "version": "1.9.0"}});
        let result = self.request("initialize", Some(params)).await?;
        let answered = result["protocolVersion"].as_str().unwrap_or_default();
        anyhow::ensure!(answered == version, "Unsupported protocol version from the server: {answered}");
        let initialized = json!({"method": "notifications/initialized", "jsonrpc": "2.0"});
        self.post(initialized.to_string(), self.token.clone().as_deref()).await?;
        Ok(result)
    }

    /// Lists the tools, from the only page that Dify reads.
    pub async fn tools(&mut self) -> Result<Vec<Value>> {
        let result = self.request("tools/list", None).await?;
        Ok(result["tools"].as_array().context("no tools")?.clone())
    }

    /// Text of a call's answer; Dify ignores isError.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Result<String> {
        let result = self.request("tools/call", Some(json!({"name": tool, "arguments": arguments}))).await?;
        text(&result)
    }

    /// A whole visit, which Dify makes for every call: connect, initialize, call, disconnect.
    pub async fn visit(origin: &str, token: Option<&str>, tool: &str, arguments: Value) -> Result<String> {
        let mut dify = Self::connect(origin, token).await?;
        dify.initialize("2025-03-26").await?;
        dify.call(tool, arguments).await
    }
}

/// Splits the stream into events, and detects what is fatal to httpx-sse or Dify.
#[derive(Default)]
struct Decoder {
    buffer: String,
    name: String,
    data: Vec<String>,
}

impl Decoder {
    fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.buffer.push_str(&String::from_utf8_lossy(bytes));
        let mut events = Vec::new();
        while let Some((line, rest)) = self.buffer.split_once('\n') {
            let (line, rest) = (line.trim_end_matches('\r').to_owned(), rest.to_owned());
            self.buffer = rest;
            if line.is_empty() {
                if !self.name.is_empty() || !self.data.is_empty() {
                    events.push(self.dispatch());
                }
            } else if line.starts_with(':') {
                events.push(Event::Comment);
            } else {
                let (field, value) = line.split_once(':').unwrap_or((&line, ""));
                let value = value.strip_prefix(' ').unwrap_or(value);
                match field {
                    "event" => self.name = value.to_owned(),
                    "data" => self.data.push(value.to_owned()),
                    _ => events.push(Event::Deadly(line.clone())),
                }
            }
        }
        events
    }

    fn dispatch(&mut self) -> Event {
        let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data).join("\n"));
        match name.as_str() {
            "endpoint" => Event::Endpoint(data),
            "" | "message" => match serde_json::from_str::<Value>(&data) {
                Ok(message) if message.get("error").is_some() && message["id"].is_null() => {
                    Event::Deadly(format!("an error without id: {message}"))
                }
                Ok(message) => Event::Message(message),
                Err(error) => Event::Deadly(format!("data that is not JSON: {error}")),
            },
            other => Event::Deadly(format!("event {other}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection on whose stream these events have come.
    async fn connection(came: Vec<Event>) -> Dify {
        let (sender, events) = mpsc::channel(10);
        let reader = tokio::spawn(async move {
            for event in came {
                sender.send(event).await.unwrap();
            }
        });
        while !reader.is_finished() {
            tokio::task::yield_now().await;
        }
        let (origin, endpoint) = (String::new(), String::new());
        Dify { http: client(), token: None, origin, endpoint, events, next_id: 0, posted: None, reader }
    }

    #[tokio::test]
    async fn a_clean_end_with_a_request_open_hangs_and_a_cut_is_an_error() {
        for (event, expected) in
            [(Event::End, "Dify hangs: the stream ended"), (Event::Cut, "Server Error: Cut")]
        {
            let mut dify = connection(vec![Event::Comment, event]).await;
            assert!(dify.has_ended());
            let error = dify.answer_to(&json!(0)).await.unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn an_id_line_is_deadly_and_a_comment_is_not() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.feed(b": \n\nevent: endpoint\nda"), [Event::Comment]);
        assert_eq!(decoder.feed(b"ta: /x\n\n"), [Event::Endpoint("/x".into())]);
        assert_eq!(decoder.feed(b"id: 1\n"), [Event::Deadly("id: 1".into())]);
        assert!(matches!(decoder.feed(b"data: \n\n")[..], [Event::Deadly(_)]));
        assert!(matches!(decoder.feed(b"data: {\"error\":{},\"id\":null}\n\n")[..], [Event::Deadly(_)]));
    }
}
