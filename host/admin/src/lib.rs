//! Admin port: an HTML page at `/`, and `/metrics` for Prometheus. Never part of the Service.
//!
//! The page is rendered on the server, without scripts or assets, and may not be framed: its Content-Security-Policy
//! allows only its own style and forms. Off loopback the page requires a token whose account has an operator's right
//! (`admin.requires`), because it shows the calls of all callers. `/metrics` contains nothing that needs a token.

#[cfg(feature = "fuzz")]
pub mod fuzz;
#[cfg(test)]
mod hostile;
mod layout;
mod overview;
mod try_tool;
mod visitor;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::{HeaderValue, StatusCode, header},
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use porthole_contract::Requirement;
use porthole_guard::Guard;
use porthole_http::{AllowedHosts, check_host};
use porthole_identity::Authenticator;
use porthole_tools::Calls;
use prometheus_client::{
    metrics::{gauge::Gauge, info::Info},
    registry::Registry,
};
use tower_http::set_header::SetResponseHeaderLayer;

/// Content type of `/metrics`.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Content-Security-Policy: no foreign content, no scripts, forms to this origin only, no framing.
const CSP: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// Maximum size of a form. A tool has a dozen short fields.
const MAX_FORM_BYTES: usize = 64 << 10;

/// Returns the number of open SSE sessions.
pub type OpenSessions = Box<dyn Fn() -> usize + Send + Sync>;

/// Admin port.
pub struct Admin {
    calls: Arc<Calls>,
    authenticator: Arc<Authenticator>,
    guard: Arc<Guard>,
    sessions: OpenSessions,
    registry: Registry,
    open_sessions: Gauge,
    /// Right required of visitors; `None` if the port listens on loopback only.
    requirement: Option<Requirement>,
    hosts: AllowedHosts,
}

/// Dependencies of the admin port.
pub struct Dependencies {
    /// Executes the calls, and keeps their metrics.
    pub calls: Arc<Calls>,
    /// Authenticates visitors.
    pub authenticator: Arc<Authenticator>,
    /// Checks the rights of visitors.
    pub guard: Arc<Guard>,
    /// Right required of visitors off loopback.
    pub requires: Requirement,
    /// Returns the number of open SSE sessions.
    pub sessions: OpenSessions,
    /// Metrics of other modules.
    pub registry: Registry,
    /// Address of the port.
    pub listen: SocketAddr,
    /// Values of `--allow-host`.
    pub names: Vec<String>,
}

impl Admin {
    /// Builds the port from its dependencies.
    pub fn new(parts: Dependencies) -> Self {
        let Dependencies { calls, authenticator, guard, requires, sessions, mut registry, listen, names } =
            parts;
        let open_sessions = Gauge::default();
        registry.register("porthole_sessions", "SSE sessions that are open", open_sessions.clone());
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("porthole_build", "This Porthole", build);
        let requirement = (!listen.ip().is_loopback()).then_some(requires);
        let hosts = AllowedHosts::new(listen, &names);
        Self { calls, authenticator, guard, sessions, registry, open_sessions, requirement, hosts }
    }

    /// Routes of the admin port.
    pub fn routes(self) -> Router {
        let hosts = self.hosts.clone();
        let admin = Arc::new(self);
        let page = Router::new()
            .route("/", get(overview::page))
            .route("/tools/{tool}", get(try_tool::form))
            .route("/tools/{tool}", post(try_tool::call))
            .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
            .layer(from_fn_with_state(Arc::clone(&admin), visitor::admit));
        let routes =
            Router::new().merge(page).route("/metrics", get(metrics)).route("/style.css", get(style));
        with_headers(routes).layer(from_fn_with_state(Arc::new(hosts), check_host)).with_state(admin)
    }
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    admin.open_sessions.set(i64::try_from((admin.sessions)()).unwrap_or(i64::MAX));
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &admin.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css")).into_response()
}

/// Adds the security headers to every response of these routes.
fn with_headers(routes: Router<Arc<Admin>>) -> Router<Arc<Admin>> {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    headers.into_iter().fold(routes, |routes, (name, value)| {
        routes.layer(SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value)))
    })
}
