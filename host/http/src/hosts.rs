//! Host and Origin checks, as protection against DNS rebinding.
//!
//! The attack: a web page under the attacker's own name, which is then re-pointed to 127.0.0.1, talks to a Porthole on
//! the user's machine. The browser still sends the attacker's name in Host and Origin.

#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, StatusCode, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use porthole_contract::{Echo, MAX_ECHO, truncate};

/// Allowed Host and Origin headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedHosts {
    /// Behind a NodePort or a load balancer: the names are unknown, and every request needs a token anyway.
    Any,
    /// These names, in lower case.
    Only(Vec<String>),
}

impl AllowedHosts {
    /// On loopback, its own names plus `--allow-host`; elsewhere `--allow-host`, or any name if there is none.
    pub fn new(listen: SocketAddr, named: &[String]) -> Self {
        let named = named.iter().map(|name| name.to_lowercase());
        if listen.ip().is_loopback() {
            let own = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
            return Self::Only(own.into_iter().chain(named).collect());
        }
        let named: Vec<String> = named.collect();
        if named.is_empty() { Self::Any } else { Self::Only(named) }
    }

    /// Returns the reason to reject a request; `None` to accept it.
    fn refusal(&self, headers: &HeaderMap, uri: &Uri) -> Option<Refusal> {
        let Self::Only(names) = self else { return None };
        let host = match single_value(headers, &header::HOST) {
            Ok(Some(host)) => host.to_owned(),
            // A request with an absolute URI has its host there, although HTTP/1.1 requires the header too.
            Ok(None) => uri.authority().map(ToString::to_string).unwrap_or_default(),
            Err(malformed) => return Some(malformed),
        };
        let origin = match single_value(headers, &header::ORIGIN) {
            Ok(None) => None,
            Ok(Some(origin)) => match origin.split_once("://") {
                Some(("http" | "https", authority)) => Some(authority.to_owned()),
                // `null` is a sandboxed frame, a file or a redirect, which any page can cause.
                _ => return Some(Refusal::Malformed(origin.to_owned())),
            },
            Err(malformed) => return Some(malformed),
        };
        [Some(host), origin].into_iter().flatten().find_map(|authority| match host_name(&authority) {
            Some(name) if names.contains(&name) => None,
            Some(name) => Some(Refusal::Unknown(name)),
            None => Some(Refusal::Malformed(authority)),
        })
    }
}

/// Reason to reject a request for its Host or Origin.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// The name is not allowed.
    Unknown(String),
    /// No browser sends this, or sends it twice: it may be crafted for parsers that disagree.
    Malformed(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown(name) => {
                let echo = Echo(name);
                write!(
                    f,
                    "this Porthole does not answer for {echo}; start it with --allow-host {}",
                    truncate(name, MAX_ECHO)
                )
            }
            Self::Malformed(text) => write!(
                f,
                "this Porthole does not answer for {}: Host and Origin must each stand once, as name:port",
                Echo(text)
            ),
        }
    }
}

/// Returns the value of a header; an error if it occurs twice.
fn single_value<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().map_err(|_| Refusal::Malformed("?".to_owned()))?;
    match values.next() {
        None => Ok(Some(text)),
        Some(_) => Err(Refusal::Malformed(text.to_owned())),
    }
}

/// The name in `name:port` or `[address]:port`; `None` for anything else, including userinfo before the name.
fn host_name(authority: &str) -> Option<String> {
    if authority.contains('@') {
        return None;
    }
    let parsed: Authority = authority.parse().ok()?;
    let host = parsed.host();
    let port = authority.strip_prefix(host)?;
    // The `http` crate accepts any text after the host, so the port is checked here.
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|port| port.is_empty() || port.parse::<u16>().is_ok());
    is_port.then(|| host.trim_start_matches('[').trim_end_matches(']').to_lowercase())
}

/// Middleware that rejects requests for other names.
pub async fn check(State(allowed): State<Arc<AllowedHosts>>, request: Request, next: Next) -> Response {
    match allowed.refusal(request.headers(), request.uri()) {
        None => next.run(request).await,
        Some(refusal) => {
            tracing::warn!("refused a request: {refusal}");
            (StatusCode::FORBIDDEN, format!("{refusal}\n")).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(listen: &str, named: &[&str], host: &str, origin: Option<&str>) -> bool {
        let named: Vec<String> = named.iter().map(|name| name.to_string()).collect();
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        AllowedHosts::new(listen.parse().unwrap(), &named).refusal(&headers, &Uri::from_static("/")).is_some()
    }

    #[test]
    fn on_loopback_only_its_own_names_are_answered() {
        for host in ["127.0.0.1:8080", "localhost", "[::1]:8080", "LOCALHOST:1"] {
            assert!(!refused("127.0.0.1:8080", &[], host, None), "{host}");
        }
        assert!(refused("127.0.0.1:8080", &[], "evil.example", None));
        assert!(refused("127.0.0.1:8080", &[], "localhost", Some("http://evil.example")));
        assert!(!refused("127.0.0.1:8080", &[], "localhost", Some("http://localhost:3000")));
        assert!(!refused("127.0.0.1:8080", &["mine.lan"], "mine.lan:8080", None));
    }

    #[test]
    fn listening_wider_answers_any_name_until_some_are_named() {
        assert!(!refused("0.0.0.0:8080", &[], "node-7:30080", Some("http://x")));
        assert!(refused("0.0.0.0:8080", &["node-1"], "node-7:30080", None));
    }

    #[test]
    fn what_no_browser_sends_is_refused() {
        for host in [
            "[::1]evil.example",
            "[::1].evil.example:8080",
            "127.0.0.1:80@evil",
            "localhost@evil.example",
            "evil@localhost",
            "localhost:http",
            "localhost:1:2",
            "::1",
            "localhost evil",
            "localhost/",
            "",
        ] {
            assert!(refused("127.0.0.1:8080", &[], host, None), "{host:?}");
        }
        for origin in ["null", "http://localhost@evil.example", "localhost", "http://", "file://localhost"] {
            assert!(refused("127.0.0.1:8080", &[], "localhost", Some(origin)), "{origin:?}");
        }
        for name in [header::HOST, header::ORIGIN] {
            let mut headers = HeaderMap::new();
            headers.append(header::HOST, "localhost".parse().unwrap());
            headers.append(header::ORIGIN, "http://localhost".parse().unwrap());
            let allowed = AllowedHosts::new("127.0.0.1:8080".parse().unwrap(), &[]);
            assert_eq!(allowed.refusal(&headers, &Uri::from_static("/")), None);
            let second = headers[&name].clone();
            headers.append(name, second);
            assert!(allowed.refusal(&headers, &Uri::from_static("/")).is_some());
        }
    }

    #[test]
    fn a_refusal_repeats_little_of_what_came() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "e".repeat(5000).parse().unwrap());
        let allowed = AllowedHosts::new("127.0.0.1:8080".parse().unwrap(), &[]);
        let refusal = allowed.refusal(&headers, &Uri::from_static("/")).unwrap().to_string();
        assert!(refusal.len() < 400, "{refusal}");
    }
}
