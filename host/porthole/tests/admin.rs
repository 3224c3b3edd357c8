//! Admin page off loopback, with the real authenticator and guard.
#![allow(clippy::unwrap_used, reason = "tests stop with a panic")]

use std::sync::Arc;

use axum::{Router, body::Body, extract::Request, http::header};
use porthole_admin::{Admin, Dependencies};
use porthole_cluster::{ApiServer, Cluster, Source};
use porthole_contract::{Requirement, Token};
use porthole_guard::Guard;
use porthole_identity::Authenticator;
use porthole_sandbox::{Compiler, Engine};
use porthole_tools::{Audit, Calls, Catalog, Loader, Settings};
use prometheus_client::registry::Registry;
use tower::ServiceExt;

const NOWHERE: &str = "{apiVersion: v1, kind: Config, current-context: c, users: [{name: u, user: {}}],
        clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}], contexts: [{name: c, context: {cluster: c, user: u}}]}";

/// Admin port of a host with a shared token, as if listening at `listen`.
async fn routes(listen: &str) -> Router {
    let authenticator =
        |_: Arc<Cluster>| Authenticator::host(Some(&Token::parse("a-token-of-the-tests").unwrap()));
    routes_of(NOWHERE, authenticator, Requirement::default(), listen).await
}

async fn routes_of(
    kubeconfig: &str,
    authenticator: impl FnOnce(Arc<Cluster>) -> Authenticator,
    requires: Requirement,
    listen: &str,
) -> Router {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let source = Source::Text(kubeconfig.to_owned());
    let server = ApiServer::for_callers(&source, Vec::new()).await.unwrap();
    let cluster = Arc::new(Cluster::new(server));
    let settings = Settings::default();
    let engine = Arc::new(Engine::new(1, settings.max_memory(), 1 << 30).unwrap());
    let loader = Loader { engine, compiler: Compiler::new(None), settings };
    let catalog = Arc::new(Catalog::new("nowhere".into(), loader));
    let authenticator = Arc::new(authenticator(Arc::clone(&cluster)));
    let guard = Arc::new(Guard::new(cluster, Arc::default()));
    let calls = Arc::new(Calls::new(catalog, Arc::clone(&guard), Arc::clone(&authenticator), Audit::Off));
    let listen = listen.parse().unwrap();
    let (registry, sessions) = (Registry::default(), Box::new(|| 0));
    let parts =
        Dependencies { calls, authenticator, guard, requires, sessions, registry, listen, names: Vec::new() };
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
        ("/", "Bearer a-token-of-the-tests".to_owned(), 200),
        ("/", basic("a-token-of-the-tests"), 200),
        ("/tools/x", String::new(), 401),
        ("/metrics", String::new(), 200),
    ] {
        let answered = status(routes("0.0.0.0:9090").await, path, &authorization).await;
        assert_eq!(answered, expected, "{path} {authorization}");
    }
    assert_eq!(status(routes("127.0.0.1:9090").await, "/", "").await, 403, "another name than loopback's");
}

#[tokio::test]
async fn every_answer_of_the_port_has_the_security_headers() {
    for path in ["/", "/tools/x", "/metrics", "/style.css", "/nowhere"] {
        for authorization in ["", "Bearer a-token-of-the-tests"] {
            let request = Request::get(path).header(header::AUTHORIZATION, authorization);
            let routes = routes("0.0.0.0:9090").await;
            let answer = routes.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            let value = |name| answer.headers().get(name).map(|value| value.to_str().unwrap());
            let policy = value(header::CONTENT_SECURITY_POLICY).unwrap();
            assert!(policy.starts_with("default-src 'none'; style-src 'self';"), "{path}: {policy}");
            assert_eq!(value(header::X_CONTENT_TYPE_OPTIONS), Some("nosniff"), "{path}");
            assert_eq!(value(header::REFERRER_POLICY), Some("no-referrer"), "{path}");
            assert_eq!(value(header::CACHE_CONTROL), Some("no-store"), "{path}");
        }
    }
}

#[tokio::test]
async fn off_loopback_a_visitor_needs_the_right_that_operators_have() {
    let cluster = porthole_demo::EmbeddedCluster::start(None).await.unwrap();
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
        let routes =
            routes_of(&kubeconfig, Authenticator::by_token, requirement.clone(), "0.0.0.0:9090").await;
        for path in ["/", "/tools/x"] {
            let expected = if (path, expected) == ("/tools/x", 200) { 404 } else { expected };
            let answered = status(routes.clone(), path, &token(visitor)).await;
            assert_eq!(answered, expected, "{requirement}, {visitor}, {path}");
        }
        assert_eq!(status(routes.clone(), "/", "Bearer nonsense").await, 401);
        assert_eq!(status(routes, "/metrics", "").await, 200);
    }
    let routes = routes_of(&kubeconfig, Authenticator::by_token, own, "0.0.0.0:9090").await;
    let request = Request::get("/").header(header::AUTHORIZATION, token("developer"));
    let refused = routes.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let text = axum::body::to_bytes(refused.into_body(), 9999).await.unwrap();
    let text = String::from_utf8_lossy(&text);
    for part in ["may not get deployments.apps porthole in namespace ", "admin.requires", "Role"] {
        assert!(text.contains(part), "{text}");
    }
}
