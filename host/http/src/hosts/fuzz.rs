//! Oracle of allowed hosts: what is answered is one of our names, with a port or without.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an oracle speaks by a panic"
)]

use axum::http::HeaderValue;

use super::{AllowedHosts, HeaderMap, Uri, header};

/// A request is answered only for a name of ours. The lines are Host, Origin, and the authority of the URI.
pub fn host(data: &[u8]) {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let mut headers = HeaderMap::new();
    for name in [header::HOST, header::ORIGIN] {
        let Some(line) = lines.next().filter(|line| !line.is_empty()) else { continue };
        let Ok(value) = HeaderValue::from_bytes(line) else { return };
        headers.insert(name, value);
    }
    let uri = lines.next().and_then(|line| Uri::try_from(line).ok()).unwrap_or_default();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned(), "mine.lan".to_owned()];
    let allowed = AllowedHosts::Only(names.to_vec());
    if let Some(refusal) = allowed.refusal(&headers, &uri) {
        let refusal = refusal.to_string();
        assert!(refusal.len() < 2000, "{} bytes", refusal.len());
        return;
    }
    let is_ours = |authority: &str| {
        let authority = authority.to_lowercase();
        names.iter().flat_map(|name| [name.clone(), format!("[{name}]")]).any(|name| {
            let port = authority.strip_prefix(&name).map(|port| port.strip_prefix(':').unwrap_or(port));
            port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit() || byte == b'+'))
        })
    };
    let host = headers.get(header::HOST).map(|host| host.to_str().unwrap().to_owned());
    let host = host.or_else(|| uri.authority().map(ToString::to_string)).unwrap();
    assert!(is_ours(&host), "{host:?} is answered");
    if let Some(origin) = headers.get(header::ORIGIN) {
        let (scheme, authority) = origin.to_str().unwrap().split_once("://").unwrap();
        assert!(matches!(scheme, "http" | "https") && is_ours(authority), "{origin:?} is answered");
    }
}
