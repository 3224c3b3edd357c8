//! Request handler: authenticates, authorizes, and answers in the requested format.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
};
use axum_server::tls_rustls::RustlsConfig;
use http::{HeaderMap, Method, Uri, header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    discovery, logs,
    manifests::Manifests,
    objects::Object,
    openapi,
    paging::{self, Page},
    path::Resource,
    proxy,
    rbac::{self, User},
    reviews,
    selectors::Selectors,
    status::Refusal,
    tables,
    tls::Certificate,
};

/// Reported Kubernetes version.
const VERSION: &str = "v1.36.3";
/// Paths that need no token, as with the role `system:public-info-viewer`.
const PUBLIC: [&str; 4] = ["/version", "/healthz", "/livez", "/readyz"];

/// State of the server.
pub(crate) struct Cluster {
    manifests: Manifests,
}

impl Cluster {
    pub(crate) fn new(manifests: Manifests) -> Self {
        Self { manifests }
    }

    /// Authenticates the request; `None` without a token.
    fn user(&self, headers: &HeaderMap) -> Result<Option<User>, Refusal> {
        let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
        let token = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
        let account = self.manifests.accounts.iter().find(|account| Some(account.token.as_str()) == token);
        let account = account.ok_or_else(Refusal::unauthorized)?;
        let uid = crate::objects::uid("ServiceAccount", &account.namespace, &account.name);
        Ok(Some(User { name: account.username(), groups: account.groups(), uid }))
    }
}

/// Serves until the task is aborted.
pub(crate) async fn serve(
    cluster: Arc<Cluster>,
    certificate: Certificate,
) -> Result<(SocketAddr, tokio::task::JoinHandle<()>), std::io::Error> {
    // Fails if a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let tls = RustlsConfig::from_pem(certificate.chain.into_bytes(), certificate.key.into_bytes()).await?;
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let routes = Router::new().fallback(answer).with_state(cluster);
    let server = axum_server::from_tcp_rustls(listener, tls)?;
    let serving = tokio::spawn(async move {
        // Ends with its task, so the result is irrelevant.
        let _ = server.serve(routes.into_make_service()).await;
    });
    Ok((address, serving))
}

/// Query parameters of a read.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Query {
    label_selector: String,
    field_selector: String,
    limit: String,
    #[serde(rename = "continue")]
    go_on: String,
    watch: String,
    include_object: String,
}

async fn answer(
    State(cluster): State<Arc<Cluster>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    respond(&cluster, &method, &uri, &headers, &body).unwrap_or_else(IntoResponse::into_response)
}

fn respond(
    cluster: &Cluster,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Refusal> {
    let path = uri.path();
    let user = cluster.user(headers)?;
    if PUBLIC.contains(&path) {
        return Ok(if path == "/version" { Json(version()).into_response() } else { "ok".into_response() });
    }
    let anonymous = || User {
        name: "system:anonymous".into(),
        groups: vec!["system:unauthenticated".into()],
        uid: String::new(),
    };
    let authenticated = user.is_some();
    let user = user.unwrap_or_else(anonymous);
    let Some(requested) = Resource::parse(path) else {
        if !authenticated {
            return Err(Refusal::forbidden_path(&user.name, path));
        }
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kinds = &cluster.manifests.kinds;
        let found = discovery::answer(path, accept, kinds).or_else(|| {
            openapi::answer(path, &cluster.manifests).map(|document| Json(document).into_response())
        });
        return found.ok_or_else(Refusal::no_such_path);
    };
    if method == Method::POST
        && authenticated
        && let Some(review) = reviews::answer(&requested, body, &user, &cluster.manifests.objects)
    {
        return Ok((http::StatusCode::CREATED, Json(review?)).into_response());
    }
    let query: Query =
        serde_json::to_value(parameters(uri)).and_then(serde_json::from_value).unwrap_or_default();
    let watch = matches!(query.watch.as_str(), "true" | "1");
    let verb = match *method {
        Method::GET if watch => "watch",
        Method::GET if requested.name.is_some() => "get",
        Method::GET => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if requested.name.is_some() => "delete",
        Method::DELETE => "deletecollection",
        _ => return Err(Refusal::read_only(method.as_str())),
    };
    if !rbac::allows(&cluster.manifests.objects, &user, verb, &requested) {
        return Err(Refusal::forbidden(&user.name, verb, &requested));
    }
    if !matches!(verb, "get" | "list") {
        return Err(Refusal::read_only(verb));
    }
    read(cluster, &requested, uri, &query, headers)
}

fn read(
    cluster: &Cluster,
    requested: &Resource,
    uri: &Uri,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let kinds = &cluster.manifests.kinds;
    let served = |k: &&crate::kinds::Kind| {
        k.group == requested.group && k.version == requested.version && k.plural == requested.plural
    };
    let kind = kinds.iter().find(served).ok_or_else(Refusal::no_such_path)?;
    let namespace = requested.namespace.as_deref().filter(|_| kind.namespaced);
    let objects = cluster.manifests.objects.iter().filter(|object| {
        object.kind.group == kind.group
            && object.kind.plural == kind.plural
            && namespace.is_none_or(|namespace| object.namespace.as_deref() == Some(namespace))
    });
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // Only the first accepted format counts; a table can always be served.
    let table = accept.split(',').next().is_some_and(|first| first.contains("as=Table"));
    let include = query.include_object.as_str();
    if let Some(name) = &requested.name {
        let mut objects = objects;
        let object =
            objects.find(|object| object.name == *name).ok_or_else(|| Refusal::not_found(kind, name))?;
        return match requested.subresource.as_deref() {
            Some("log") if kind.qualified_name() == "pods" => {
                logs::answer(object, &parameters(uri), &cluster.manifests.logs)
                    .map(IntoResponse::into_response)
            }
            Some("proxy") if kind.qualified_name() == "nodes" => {
                proxy::answer(name, &requested.behind, &parameters(uri), &cluster.manifests.logs)
                    .map(IntoResponse::into_response)
            }
            Some("status") | None if table => {
                Ok(Json(tables::table(kind, &[object], include, json!({}))).into_response())
            }
            Some("status") | None => Ok(Json(object.json.clone()).into_response()),
            Some(_) => Err(Refusal::no_such_path()),
        };
    }
    let selectors = Selectors::parse(&query.label_selector, &query.field_selector, kind)?;
    let mut chosen: Vec<&Object> = objects.filter(|object| selectors.take(&object.json)).collect();
    chosen.sort_by_key(|object| object.place());
    let Page { objects, go_on, remaining } = paging::page(chosen, &query.limit, &query.go_on)?;
    let mut metadata = json!({"resourceVersion": "2000"});
    if let Some(go_on) = go_on {
        metadata["continue"] = go_on.into();
        // Like the API server, which does not know the number of remaining items with a selector.
        if query.label_selector.is_empty() && query.field_selector.is_empty() {
            metadata["remainingItemCount"] = remaining.into();
        }
    }
    if table {
        return Ok(Json(tables::table(kind, &objects, include, metadata)).into_response());
    }
    let items: Vec<Value> = objects.iter().map(|object| item(object)).collect();
    let list = json!({
        "kind": format!("{}List", kind.kind), "apiVersion": kind.api_version(), "metadata": metadata, "items": items,
    });
    Ok(Json(list).into_response())
}

/// Item of a list. Built-in kinds omit kind and apiVersion.
fn item(object: &Object) -> Value {
    let mut json = object.json.clone();
    let custom = object.kind.group.contains('.') && !object.kind.group.ends_with(".k8s.io");
    if let Some(fields) = json.as_object_mut().filter(|_| !custom) {
        fields.remove("kind");
        fields.remove("apiVersion");
    }
    json
}

/// Query parameters of a URL; of repeated names the last counts.
fn parameters(uri: &Uri) -> std::collections::BTreeMap<String, String> {
    let decoded = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    let pairs = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

fn version() -> Value {
    json!({"major": "1", "minor": "36", "gitVersion": VERSION, "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "none: Porthole's embedded cluster", "compiler": "", "platform": "linux/amd64"})
}
