//! One client of a contender.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use porthole_testbed::{
    dify::Dify,
    http::{HttpClient, Streamable},
    proxy::Read,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::plan::Work;

/// Limit of a call; slower ones have failed.
const CALL_LIMIT: Duration = Duration::from_secs(60);
/// Version that Dify asks for.
const VERSION: &str = "2025-03-26";

/// A client, with connections of its own.
pub(crate) enum Client {
    /// Repeats reads, over a kept connection.
    Reads { http: HttpClient, url: String, token: String, reads: Arc<Vec<Read>> },
    /// Calls over a kept connection to `/mcp`.
    Kept(Streamable),
    /// Calls over a connection to `/mcp` each.
    Connections { origin: String, token: String },
    /// Calls by a visit to `/sse` each.
    Visits { origin: String, token: String },
}

impl Client {
    /// Makes one call; an error if it was not answered, or by an error.
    pub(crate) async fn call(&self, work: &Work) -> Result<()> {
        timeout(CALL_LIMIT, self.unlimited(work)).await.context("not answered in time")?
    }

    async fn unlimited(&self, work: &Work) -> Result<()> {
        match self {
            Self::Reads { http, url, token, reads } => {
                for read in reads.iter() {
                    repeat(http, url, token, read).await?;
                }
                Ok(())
            }
            Self::Kept(client) => called(client, work).await.map(|_| ()),
            Self::Connections { origin, token } => {
                called(&Streamable::new(origin, Some(token)), work).await.map(|_| ())
            }
            Self::Visits { origin, token } => {
                let mut dify = Dify::connect(origin, Some(token)).await?;
                dify.initialize(VERSION).await?;
                checked(&dify.request("tools/call", Some(parameters(work))).await?).map(|_| ())
            }
        }
    }
}

/// Calls a tool; returns the text of its answer.
pub(crate) async fn called(client: &Streamable, work: &Work) -> Result<String> {
    checked(&client.request("tools/call", parameters(work)).await?)
}

fn parameters(work: &Work) -> Value {
    json!({"name": work.tool, "arguments": work.arguments})
}

/// Text of a result that is no error.
fn checked(result: &Value) -> Result<String> {
    let text = porthole_testbed::http::text(result)?;
    // The other server reports some errors as an answer.
    ensure!(result["isError"] != true && !text.starts_with("failed to"), "{}", first_line(&text));
    Ok(text)
}

/// Reads once, to the end of the answer.
async fn repeat(http: &HttpClient, url: &str, token: &str, read: &Read) -> Result<()> {
    let mut request = Request::get(format!("{url}{}", read.path))
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::ACCEPT, &read.accept);
    if !read.encoding.is_empty() {
        request = request.header(header::ACCEPT_ENCODING, &read.encoding);
    }
    let response = http.request(request.body(Full::<Bytes>::default())?).await?;
    let status = response.status();
    // Frame by frame: what is collected would cost memory that no server pays.
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    // What is forbidden or not there was asked by the call, too. The others say that the read was not repeated as it was.
    let is_answer = status.is_success() || [StatusCode::FORBIDDEN, StatusCode::NOT_FOUND].contains(&status);
    ensure!(is_answer, "{status}: {}", read.path);
    Ok(())
}

/// First line of a text, cut to what fits into a table.
pub(crate) fn first_line(text: &str) -> String {
    const MAX: usize = 120;
    text.lines().next().unwrap_or_default().chars().take(MAX).collect()
}
