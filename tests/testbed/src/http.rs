//! Plain HTTP requests to a host on loopback.

use anyhow::{Result, bail};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};

pub type HttpClient = Client<hyper_util::client::legacy::connect::HttpConnector, Full<Bytes>>;

/// Client with a connection pool.
pub fn client() -> HttpClient {
    let mut connector = hyper_util::client::legacy::connect::HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}

/// HTTP response.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

async fn answer<B>(response: Response<B>) -> Result<Answer>
where
    B: http_body_util::BodyExt<Data = Bytes>,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let (parts, body) = response.into_parts();
    let body = String::from_utf8_lossy(&body.collect().await?.to_bytes()).into_owned();
    Ok(Answer { status: parts.status, headers: parts.headers, body })
}

/// Sends a request, with or without a token.
pub async fn send(method: &str, url: &str, token: Option<&str>, body: &str) -> Result<Answer> {
    let mut request = Request::builder().method(method).uri(url).header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    answer(client().request(request.body(Full::from(body.to_owned()))?).await?).await
}

/// Minimal client of Streamable HTTP.
pub struct Streamable {
    http: HttpClient,
    url: String,
    token: Option<String>,
}

impl Streamable {
    pub fn new(origin: &str, token: Option<&str>) -> Self {
        Self { http: client(), url: format!("{origin}/mcp"), token: token.map(str::to_owned) }
    }

    /// Result of a request; a JSON-RPC error becomes an error.
    pub async fn request(&self, method: &str, params: Value) -> Result<Value> {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut request = Request::post(&self.url)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = answer(self.http.request(request.body(Full::from(message.to_string()))?).await?).await?;
        if answer.status != StatusCode::OK {
            bail!("{}: {}", answer.status, answer.body);
        }
        // Some servers answer with a stream of one event.
        let data = answer.body.lines().filter_map(|line| line.strip_prefix("data: ")).next_back();
        let answer: Value = serde_json::from_str(data.unwrap_or(&answer.body))?;
        match answer.get("error") {
            Some(error) => bail!("{error}"),
            None => Ok(answer["result"].clone()),
        }
    }

    /// Text of a call's answer; ignores isError, as Dify does.
    pub async fn call(&self, tool: &str, arguments: Value) -> Result<String> {
        let result = self.request("tools/call", json!({"name": tool, "arguments": arguments})).await?;
        text(&result)
    }
}

/// Text of a result.
pub fn text(result: &Value) -> Result<String> {
    let Some(content) = result["content"].as_array().filter(|content| !content.is_empty()) else {
        bail!("a result without content: {result}");
    };
    Ok(content.iter().filter_map(|content| content["text"].as_str()).collect::<Vec<_>>().join("\n"))
}
