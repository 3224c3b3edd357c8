//! The operator's port: a page for people at `/`, `/metrics` for Prometheus. Never in the Service.
//!
//! The page is made here, needs no script and no asset, and is a guest of nobody: its Content-Security-Policy allows its own
//! style and its own forms. Off loopback the page wants a token, and of its account a right that operators have
//! (`admin.requires`): it shows everybody's calls. `/metrics` never holds anything that a token would guard.

mod escape;
mod guard;
mod page;
mod trial;

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
use prometheus_client::{
    metrics::{gauge::Gauge, info::Info},
    registry::Registry,
};

use crate::{
    config::Requirement,
    identity::Callers,
    kube::Cluster,
    mcp::{AllowedHosts, Sessions},
    plugins::Plugins,
};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Nothing from elsewhere, no script at all, forms only to here, and in no frame.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// A form of a tool: a dozen short fields.
const LARGEST_FORM: usize = 64 << 10;

/// What the operator's port shows.
pub(crate) struct Admin {
    plugins: Arc<Plugins>,
    callers: Arc<Callers>,
    sessions: Arc<Sessions>,
    registry: Registry,
    open: Gauge,
    /// What visitors must be allowed to do; None if the port is reached from this machine alone.
    guarded: Option<Requirement>,
    cluster: Arc<Cluster>,
    hosts: AllowedHosts,
}

/// What the port is made of.
pub(crate) struct Parts {
    pub(crate) plugins: Arc<Plugins>,
    pub(crate) callers: Arc<Callers>,
    pub(crate) cluster: Arc<Cluster>,
    /// What visitors must be allowed to do, off loopback.
    pub(crate) requires: Requirement,
    pub(crate) sessions: Arc<Sessions>,
    /// Figures that other rooms have put in.
    pub(crate) registry: Registry,
    /// Where it listens, and the names of `--allow-host`.
    pub(crate) listen: SocketAddr,
    pub(crate) names: Vec<String>,
}

impl Admin {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { plugins, callers, cluster, requires, sessions, mut registry, listen, names } = parts;
        let open = Gauge::default();
        registry.register("porthole_sessions", "SSE sessions that are open", open.clone());
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("porthole_build", "This Porthole", build);
        let guarded = (!listen.ip().is_loopback()).then_some(requires);
        let hosts = AllowedHosts::new(listen, &names);
        Self { plugins, callers, cluster, sessions, registry, open, guarded, hosts }
    }

    /// The routes of the admin port.
    pub(crate) fn routes(self) -> Router {
        let hosts = self.hosts.clone();
        let admin = Arc::new(self);
        let page = Router::new()
            .route("/", get(page))
            .route("/tools/{tool}", get(trial::form))
            .route("/tools/{tool}", post(trial::call))
            .layer(DefaultBodyLimit::max(LARGEST_FORM))
            .layer(from_fn_with_state(Arc::clone(&admin), guard::visitor));
        Router::new()
            .merge(page)
            .route("/metrics", get(metrics))
            .route("/style.css", get(style))
            .layer(from_fn(headers))
            .layer(from_fn_with_state(Arc::new(hosts), crate::mcp::check_host))
            .with_state(admin)
    }
}

async fn page(State(admin): State<Arc<Admin>>) -> Html<String> {
    Html(page::overview(&admin))
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    admin.open.set(i64::try_from(admin.sessions.open_now()).unwrap_or(i64::MAX));
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

#[cfg(test)]
mod tests {
    use tower::ServiceExt;

    use super::*;
    use crate::{
        config::Config,
        guard::Audit,
        kube::{ApiServer, Cluster, Source},
        mcp::{ApiServerHealth, Site},
        plugins::Loader,
        sandbox::Engine,
    };

    const NOWHERE: &str = "{apiVersion: v1, kind: Config, current-context: c, users: [{name: u, user: {}}],
        clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}], contexts: [{name: c, context: {cluster: c, user: u}}]}";

    /// The operator's port of a host with a shared token, as if it listened at `listen`.
    async fn routes(listen: &str) -> Router {
        let callers = |_| Callers::host(Some("a token of the tests"));
        routes_of(NOWHERE, callers, Requirement::default(), listen).await
    }

    async fn routes_of(
        kubeconfig: &str,
        callers: impl FnOnce(Arc<Cluster>) -> Callers,
        requires: Requirement,
        listen: &str,
    ) -> Router {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let source = Source::Text(kubeconfig.to_owned());
        let server = ApiServer::for_callers(&source, Vec::new()).await.unwrap();
        let cluster = Arc::new(Cluster::new(server));
        let config = Config::default();
        let limits = config.host;
        let engine = Arc::new(Engine::new(1, config.most_memory(), 1 << 30).unwrap());
        let loader = Loader { engine, compiler: crate::sandbox::Compiler::in_this_process(None), config };
        let folder = std::path::PathBuf::from("nowhere");
        let plugins = Arc::new(Plugins::new(folder, loader, Arc::clone(&cluster), Audit::Off));
        let callers = Arc::new(callers(Arc::clone(&cluster)));
        let listen: SocketAddr = listen.parse().unwrap();
        let site = Site {
            plugins: Arc::clone(&plugins),
            callers: Arc::clone(&callers),
            hosts: AllowedHosts::Any,
            limits,
            health: ApiServerHealth::new(Arc::clone(&cluster)),
        };
        let (_, sessions) = site.routes();
        let registry = Registry::default();
        let parts =
            Parts { plugins, callers, cluster, requires, sessions, registry, listen, names: Vec::new() };
        Admin::new(parts).routes()
    }

    async fn status(routes: Router, path: &str, authorization: &str) -> u16 {
        let request = Request::get(path)
            .header(header::HOST, "10.0.0.1:9090")
            .header(header::AUTHORIZATION, authorization)
            .body(Body::empty())
            .unwrap();
        routes.oneshot(request).await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn off_loopback_the_page_wants_a_token_and_the_figures_do_not() {
        let basic = |token: &str| {
            use base64::{Engine, prelude::BASE64_STANDARD};
            format!("Basic {}", BASE64_STANDARD.encode(format!("anybody:{token}")))
        };
        for (path, authorization, expected) in [
            ("/", String::new(), 401),
            ("/", "Bearer wrong".to_owned(), 401),
            ("/", basic("wrong"), 401),
            ("/", "Bearer a token of the tests".to_owned(), 200),
            ("/", basic("a token of the tests"), 200),
            ("/tools/x", String::new(), 401),
            ("/metrics", String::new(), 200),
        ] {
            let answered = status(routes("0.0.0.0:9090").await, path, &authorization).await;
            assert_eq!(answered, expected, "{path} {authorization}");
        }
        assert_eq!(
            status(routes("127.0.0.1:9090").await, "/", "").await,
            403,
            "another name than loopback's"
        );
    }

    #[tokio::test]
    async fn off_loopback_a_visitor_needs_the_right_that_operators_have() {
        let cluster = porthole_embedded::Embedded::start(None).await.unwrap();
        let token = |name: &str| {
            let account = cluster.accounts.iter().find(|account| account.name == name).unwrap();
            format!("Bearer {}", account.token)
        };
        let kubeconfig = cluster.kubeconfig();
        let pods = Requirement {
            verb: "list".into(),
            group: String::new(),
            resource: "pods".into(),
            name: None,
            namespace: Some("shop".into()),
        };
        let own = Requirement::default();
        for (requirement, visitor, expected) in [
            (&own, "admin", 200),
            (&own, "developer", 403),
            (&own, "nobody", 403),
            (&pods, "developer", 200),
            (&pods, "nobody", 403),
        ] {
            let routes = routes_of(&kubeconfig, Callers::by_token, requirement.clone(), "0.0.0.0:9090").await;
            for path in ["/", "/tools/x"] {
                let expected = if (path, expected) == ("/tools/x", 200) { 404 } else { expected };
                let answered = status(routes.clone(), path, &token(visitor)).await;
                assert_eq!(answered, expected, "{requirement}, {visitor}, {path}");
            }
            assert_eq!(status(routes.clone(), "/", "Bearer nonsense").await, 401);
            assert_eq!(status(routes, "/metrics", "").await, 200);
        }
        let routes = routes_of(&kubeconfig, Callers::by_token, own, "0.0.0.0:9090").await;
        let request = Request::get("/").header(header::AUTHORIZATION, token("developer"));
        let refused = routes.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let text = axum::body::to_bytes(refused.into_body(), 9999).await.unwrap();
        let text = String::from_utf8_lossy(&text);
        for part in ["may not get deployments.apps porthole in namespace ", "admin.requires", "Role"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
