//! Pagination of lists: `limit` and `continue`.
//!
//! The objects never change, so a page that continues after the previous one's last key returns each object exactly
//! once.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::{objects::Object, status::Refusal};

/// Contents of a continue token, which is opaque to clients, as with the API server.
#[derive(Serialize, Deserialize)]
struct Token {
    v: String,
    start: String,
}

const VERSION: &str = "embedded/v1";

/// One page of a list, with the token of the next.
pub(crate) struct Page<'a> {
    pub(crate) objects: Vec<&'a Object>,
    pub(crate) go_on: Option<String>,
    pub(crate) remaining: usize,
}

/// Returns a page; `objects` must be sorted.
pub(crate) fn page<'a>(objects: Vec<&'a Object>, limit: &str, go_on: &str) -> Result<Page<'a>, Refusal> {
    let limit = match limit {
        "" => 0,
        limit => {
            limit.parse::<usize>().map_err(|_| Refusal::bad_request(format!("invalid limit {limit:?}")))?
        }
    };
    let mut objects = objects;
    if !go_on.is_empty() {
        let decoded = URL_SAFE_NO_PAD.decode(go_on).ok();
        let token: Option<Token> = decoded.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let token = token.ok_or_else(|| Refusal::bad_request("continue key is not valid"))?;
        if token.v != VERSION {
            return Err(Refusal::expired());
        }
        objects.retain(|object| object.place() > token.start);
    }
    if limit == 0 || objects.len() <= limit {
        return Ok(Page { objects, go_on: None, remaining: 0 });
    }
    let remaining = objects.len() - limit;
    objects.truncate(limit);
    let start = objects.last().map(|object| object.place()).unwrap_or_default();
    let token = serde_json::to_vec(&Token { v: VERSION.to_owned(), start }).unwrap_or_default();
    Ok(Page { objects, go_on: Some(URL_SAFE_NO_PAD.encode(token)), remaining })
}
