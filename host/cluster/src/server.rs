//! Requests to the API server: connections that serve every caller, and a credential on each request.
//!
//! Safety rests on what is dropped here: kube's own auth layer overwrites a request's Authorization header, and a
//! client certificate authenticates the whole connection. A pool built from an admin's kubeconfig would answer
//! everybody as that admin. [`ApiServer::for_callers`] therefore takes only the address and the trust from it.

use std::{path::PathBuf, time::Instant};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::BodyExt;
use kube::{
    client::Body,
    config::{KubeConfigOptions, Kubeconfig},
};
use porthole_contract::{Credential, Failure, Reason, Token};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};
use tokio::{runtime::Handle, time::timeout_at};

use super::{
    ReadBudget,
    connections::{CONNECT_TIMEOUT, Connections, ResponseBody},
    failure,
    in_cluster::{self, NoPod},
};

/// An explanation of a refusal is short; more than this of it is not read.
const STATUS_BYTES: usize = 64 << 10;
/// Never curl, wget or Mozilla: to those the API server sends indented JSON, twice as long.
const USER_AGENT: &str = concat!("porthole/", env!("CARGO_PKG_VERSION"));

/// Where the cluster's address comes from.
pub enum Source {
    /// `$KUBECONFIG`, `~/.kube/config`, or the cluster of the pod that this runs in, whose CA and namespace (and token,
    /// if it has one) are files of the folder `account`.
    Usual {
        /// The kubeconfig's context; None for its current one.
        context: Option<String>,
        /// The folder of the pod's ServiceAccount.
        account: PathBuf,
    },
    /// A kubeconfig's file.
    File {
        /// The file.
        kubeconfig: PathBuf,
        /// Its context; None for the current one.
        context: Option<String>,
    },
    /// A kubeconfig's text: of a cluster that was started just now.
    Text(String),
}

/// Why there is no connection to read through.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig cannot be read, or lacks the context.
    #[error("kubeconfig {path}: {cause}")]
    Kubeconfig {
        /// The file, or where its text came from.
        path: String,
        /// The error of its parser.
        cause: kube::config::KubeconfigError,
    },
    /// No kubeconfig was named, none of the usual places holds one, and this is not a pod.
    #[error("no cluster: name one with --kubeconfig FILE, or run in a pod ({kubeconfig}; {pod})")]
    Nowhere {
        /// Why there is no kubeconfig.
        kubeconfig: kube::config::KubeconfigError,
        /// Why this is no pod.
        pod: NoPod,
    },
    /// The address or the certificates of the cluster cannot be used.
    #[error("cannot connect to the cluster: {0}")]
    Client(kube::Error),
}

impl Source {
    async fn config(&self) -> Result<kube::Config, ConnectError> {
        let options =
            |context: &Option<String>| KubeConfigOptions { context: context.clone(), ..Default::default() };
        let refused = |path: String| move |cause| ConnectError::Kubeconfig { path, cause };
        let mut config = match self {
            Self::File { kubeconfig: path, context } => {
                let refused = || refused(path.display().to_string());
                let kubeconfig = Kubeconfig::read_from(path).map_err(refused())?;
                kube::Config::from_custom_kubeconfig(kubeconfig, &options(context)).await.map_err(refused())?
            }
            Self::Text(text) => {
                let refused = || refused("(in memory)".into());
                let kubeconfig = Kubeconfig::from_yaml(text).map_err(refused())?;
                kube::Config::from_custom_kubeconfig(kubeconfig, &options(&None)).await.map_err(refused())?
            }
            Self::Usual { context: context @ Some(_), .. } => {
                kube::Config::from_kubeconfig(&options(context))
                    .await
                    .map_err(refused("(from the environment)".into()))?
            }
            Self::Usual { context: None, account } => {
                match kube::Config::from_kubeconfig(&options(&None)).await {
                    Ok(config) => config,
                    Err(kubeconfig) => in_cluster::config(account)
                        .map_err(|pod| ConnectError::Nowhere { kubeconfig, pod })?,
                }
            }
        };
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.read_timeout = None;
        config.default_retry = false;
        Ok(config)
    }
}

/// The address without a password that somebody may have written into it.
fn shown(url: &http::Uri) -> String {
    let host = url.host().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{host}{port}", url.scheme_str().unwrap_or("https"))
}

/// A connection pool to one API server.
pub struct ApiServer {
    connections: Connections,
    default_namespace: String,
    address: String,
    latency: Family<Code, Histogram, fn() -> Histogram>,
}

/// How the API server answered: `200`, `403`, `none` where it did not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: String,
}

/// Seconds until the first byte of an answer.
const SECONDS: [f64; 12] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 30.0];

fn latency() -> Family<Code, Histogram, fn() -> Histogram> {
    Family::new_with_constructor(|| Histogram::new(SECONDS))
}

impl ApiServer {
    /// A pool for many callers. From the configuration only server, CA, tls-server-name and proxy-url are taken:
    /// certificate, token, exec, basic auth, impersonation and extra headers are dropped.
    ///
    /// The components' threads, `runtimes`, and the runtime of the calling task have connections of their own: a read that
    /// crossed threads would wait for the components there.
    pub async fn for_callers(source: &Source, mut runtimes: Vec<Handle>) -> Result<Self, ConnectError> {
        let mut config = source.config().await?;
        config.auth_info = Default::default();
        config.headers.clear();
        let default_namespace = config.default_namespace.clone();
        let address = shown(&config.cluster_url);
        let connections = if config.proxy_url.is_some() {
            Connections::Client(kube::Client::try_from(config).map_err(ConnectError::Client)?)
        } else {
            runtimes.push(Handle::current());
            Connections::on(runtimes, &config).map_err(ConnectError::Client)?
        };
        Ok(Self { connections, default_namespace, address, latency: latency() })
    }

    /// A pool that reads as the account of the kubeconfig or of the pod (identity `host`).
    pub async fn for_host(source: &Source) -> Result<Self, ConnectError> {
        let config = source.config().await?;
        let default_namespace = config.default_namespace.clone();
        let address = shown(&config.cluster_url);
        let client = kube::Client::try_from(config).map_err(ConnectError::Client)?;
        let connections = Connections::Client(client);
        Ok(Self { connections, default_namespace, address, latency: latency() })
    }

    /// Registers this module's metrics.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "porthole_kube_request_duration",
            "Time until the API server began to answer",
            Unit::Seconds,
            self.latency.clone(),
        );
    }

    /// Where the API server is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The namespace to assume where a caller names none.
    pub fn default_namespace(&self) -> &str {
        &self.default_namespace
    }

    /// Whether the API server answers at all; that it refuses an anonymous request is an answer too.
    pub async fn answers(&self) -> Result<(), Failure> {
        let what = "the API server";
        let request = Request::get("/version")
            .header(header::USER_AGENT, USER_AGENT)
            .body(Body::empty())
            .map_err(|error| Failure::new(Reason::Other, error.to_string()))?;
        match tokio::time::timeout(CONNECT_TIMEOUT, self.connections.send(request)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(failure::unreachable(what, &*error)),
            Err(_) => Err(failure::over_time(what)),
        }
    }
}

/// One call's client of an API server: requests are made with its credential, within its budget.
#[derive(Clone, Copy)]
pub struct Client<'c> {
    /// The API server.
    pub server: &'c ApiServer,
    /// The account that requests are made as.
    pub credential: &'c Credential,
    /// Bytes and time that the call has left.
    pub budget: &'c ReadBudget,
}

impl<'c> Client<'c> {
    /// Asks for `path`. An error status is an error; `what` names the read in its message.
    pub(crate) async fn get(
        self,
        path: &str,
        accept: &'static str,
        what: &'c str,
    ) -> Result<Answer<'c>, Failure> {
        let request = Request::builder().method(Method::GET).uri(path).header(header::ACCEPT, accept);
        self.send(request, Body::empty(), what).await
    }

    /// Posts a review of one's own rights: the only POST there is, and it creates nothing.
    pub(crate) async fn review(
        self,
        path: &'static str,
        body: Vec<u8>,
        what: &'c str,
    ) -> Result<Answer<'c>, Failure> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json");
        self.send(request, Body::from(body), what).await
    }

    async fn send(
        self,
        request: http::request::Builder,
        body: Body,
        what: &'c str,
    ) -> Result<Answer<'c>, Failure> {
        let Self { server, credential, budget } = self;
        let request = request.header(header::USER_AGENT, USER_AGENT);
        let request = match credential {
            Credential::Token(token) => request.header(header::AUTHORIZATION, authorization(token, what)?),
            Credential::Connection => request,
        };
        let request =
            request.body(body).map_err(|error| Failure::new(Reason::Invalid, format!("{what}: {error}")))?;
        let began = Instant::now();
        let response = timeout_at(budget.deadline, server.connections.send(request)).await;
        let code = match &response {
            Ok(Ok(response)) => response.status().as_str().to_owned(),
            _ => "none".to_owned(),
        };
        server.latency.get_or_create(&Code { code }).observe(began.elapsed().as_secs_f64());
        let response = response
            .map_err(|_| failure::over_time(what))?
            .map_err(|error| failure::unreachable(what, &*error))?;
        let answer = Answer { response, budget, what };
        if answer.response.status().is_success() { Ok(answer) } else { Err(answer.refusal().await) }
    }
}

/// The header that a token is sent in. hyper and tracing print a sensitive value as `Sensitive`.
fn authorization(token: &Token, what: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
        .map_err(|_| Failure::new(Reason::Unauthorized, format!("{what}: the token cannot be sent")))?;
    value.set_sensitive(true);
    Ok(value)
}

/// An answer whose body is still to be read, within the call's time and bytes.
pub(crate) struct Answer<'a> {
    response: Response<ResponseBody>,
    budget: &'a ReadBudget,
    what: &'a str,
}

impl Answer<'_> {
    /// The next piece of the body; None at its end. Dropping the answer stops the read.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let frame = timeout_at(self.budget.deadline, self.response.body_mut().frame())
                .await
                .map_err(|_| failure::over_time(self.what))?;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(failure::unreachable(self.what, &*error)),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.budget.take(data.len(), self.what)?;
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// The whole body.
    pub(crate) async fn bytes(mut self) -> Result<Vec<u8>, Failure> {
        let mut all = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            self.budget.hold(chunk.len(), self.what).await?;
            all.extend_from_slice(&chunk);
        }
        Ok(all)
    }

    async fn refusal(mut self) -> Failure {
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = self.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > STATUS_BYTES {
                break;
            }
        }
        failure::from_status(self.response.status(), self.response.headers(), &body, self.what)
    }
}
