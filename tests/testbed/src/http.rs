//! Plain HTTP requests to a host on loopback.

use std::{net::IpAddr, path::Path};

use anyhow::{Result, bail};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde_json::{Value, json};

pub type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Way of clients to a host: the address that they come from, and the authorities that they trust.
#[derive(Clone)]
pub struct Way(HttpsConnector<HttpConnector>);

impl Default for Way {
    fn default() -> Self {
        Self::new(None, RootCertStore::empty())
    }
}

impl Way {
    /// From an address of this machine.
    pub fn from(address: IpAddr) -> Self {
        Self::new(Some(address), RootCertStore::empty())
    }

    /// Trusts the certificates in these files, and no others.
    pub fn trusting(authorities: &[&Path]) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            for certificate in CertificateDer::pem_file_iter(authority)? {
                roots.add(certificate?)?;
            }
        }
        Ok(Self::new(None, roots))
    }

    fn new(address: Option<IpAddr>, roots: RootCertStore) -> Self {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        http.set_local_address(address);
        // An error means that a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        Self(https.wrap_connector(http))
    }

    /// Client with a connection pool of its own.
    pub fn client(&self) -> HttpClient {
        Client::builder(TokioExecutor::new()).build(self.0.clone())
    }
}

/// Client with a connection pool.
pub fn client() -> HttpClient {
    Way::default().client()
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
