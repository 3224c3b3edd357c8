//! The names under which this host may be asked for: a guard against DNS rebinding.
//!
//! The attack: a web page on a name of the attacker's, which suddenly points to 127.0.0.1, talks to a Porthole on the
//! reader's own machine. The browser then sends the attacker's name in Host and Origin.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// Which Host and Origin headers are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AllowedHosts {
    /// Behind a NodePort or a load balancer: nobody knows all names, and every request needs a token anyway.
    Any,
    Only(Vec<String>),
}

impl AllowedHosts {
    /// On loopback its names and those of `--allow-host`; elsewhere those of `--allow-host`, or any without one.
    pub(crate) fn new(listen: SocketAddr, named: &[String]) -> Self {
        let named = named.iter().map(|name| name.to_lowercase());
        if listen.ip().is_loopback() {
            let own = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
            return Self::Only(own.into_iter().chain(named).collect());
        }
        let named: Vec<String> = named.collect();
        if named.is_empty() { Self::Any } else { Self::Only(named) }
    }

    fn refuses(&self, headers: &HeaderMap, uri: &Uri) -> Option<String> {
        let Self::Only(names) = self else { return None };
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?").to_owned());
        let host =
            text(header::HOST).or_else(|| uri.authority().map(ToString::to_string)).unwrap_or_default();
        let origin =
            text(header::ORIGIN).map(|origin| origin.split("://").last().unwrap_or_default().to_owned());
        [Some(host), origin]
            .into_iter()
            .flatten()
            .map(|authority| name(&authority))
            .find(|name| !names.contains(name))
    }
}

/// The name in `name:port` or `[address]:port`.
fn name(authority: &str) -> String {
    let name = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.rsplit_once(':').map_or(authority, |(name, _)| name),
    };
    name.to_lowercase()
}

/// Refuses a request for a name that is not ours.
pub(crate) async fn check(
    State(allowed): State<Arc<AllowedHosts>>,
    request: Request,
    next: Next,
) -> Response {
    match allowed.refuses(request.headers(), request.uri()) {
        None => next.run(request).await,
        Some(name) => {
            tracing::warn!("refused a request for host {name:?}");
            let text =
                format!("this Porthole does not answer for {name:?}; start it with --allow-host {name}\n");
            (StatusCode::FORBIDDEN, text).into_response()
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
        AllowedHosts::new(listen.parse().unwrap(), &named).refuses(&headers, &Uri::from_static("/")).is_some()
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
}
