//! The operator's port: a page for people at `/`, `/metrics` for Prometheus. Never in the Service.
//!
//! The page is made here, needs no script and no asset, and is a guest of nobody: its Content-Security-Policy allows its own
//! style and its own forms. Off loopback the page wants a token, and of its account a right that operators have
//! (`admin.requires`): it shows everybody's calls. `/metrics` never holds anything that a token would guard.

mod escape;

mod page;
mod trial;
mod visitor;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{Html, IntoResponse, Response},
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

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Nothing from elsewhere, no script at all, forms only to here, and in no frame.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// A form of a tool: a dozen short fields.
const LARGEST_FORM: usize = 64 << 10;

/// Counts the open SSE sessions.
pub type OpenSessions = Box<dyn Fn() -> usize + Send + Sync>;

/// The operator's port.
pub struct Admin {
    calls: Arc<Calls>,
    authenticator: Arc<Authenticator>,
    guard: Arc<Guard>,
    sessions: OpenSessions,
    registry: Registry,
    open: Gauge,
    /// The right that visitors need; None if the port is reached from this machine alone.
    guarded: Option<Requirement>,
    hosts: AllowedHosts,
}

/// Parts of the port.
pub struct Parts {
    /// The calls that the page shows, and makes.
    pub calls: Arc<Calls>,
    /// Authenticates visitors.
    pub authenticator: Arc<Authenticator>,
    /// Asks for the rights of visitors.
    pub guard: Arc<Guard>,
    /// The right that visitors need off loopback.
    pub requires: Requirement,
    /// Counts the open SSE sessions.
    pub sessions: OpenSessions,
    /// Metrics of other modules.
    pub registry: Registry,
    /// The address of the port.
    pub listen: SocketAddr,
    /// The names of `--allow-host`.
    pub names: Vec<String>,
}

impl Admin {
    /// The port, made of its parts.
    pub fn new(parts: Parts) -> Self {
        let Parts { calls, authenticator, guard, requires, sessions, mut registry, listen, names } = parts;
        let open = Gauge::default();
        registry.register("porthole_sessions", "SSE sessions that are open", open.clone());
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("porthole_build", "This Porthole", build);
        let guarded = (!listen.ip().is_loopback()).then_some(requires);
        let hosts = AllowedHosts::new(listen, &names);
        Self { calls, authenticator, guard, sessions, registry, open, guarded, hosts }
    }

    /// The routes of the admin port.
    pub fn routes(self) -> Router {
        let hosts = self.hosts.clone();
        let admin = Arc::new(self);
        let page = Router::new()
            .route("/", get(page))
            .route("/tools/{tool}", get(trial::form))
            .route("/tools/{tool}", post(trial::call))
            .layer(DefaultBodyLimit::max(LARGEST_FORM))
            .layer(from_fn_with_state(Arc::clone(&admin), visitor::admit));
        Router::new()
            .merge(page)
            .route("/metrics", get(metrics))
            .route("/style.css", get(style))
            .layer(from_fn(headers))
            .layer(from_fn_with_state(Arc::new(hosts), check_host))
            .with_state(admin)
    }
}

async fn page(State(admin): State<Arc<Admin>>) -> Html<String> {
    Html(page::overview(&admin))
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    admin.open.set(i64::try_from((admin.sessions)()).unwrap_or(i64::MAX));
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &admin.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css")).into_response()
}

async fn headers(request: Request, next: Next) -> Response<Body> {
    let mut response = next.run(request).await;
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
