//! Requests to the API server: shared connections, and a credential on each request.
//!
//! Security depends on what is dropped here: kube's own auth layer overwrites a request's Authorization header, and a
//! client certificate authenticates the whole connection. A pool built from an admin's kubeconfig would serve every
//! caller as that admin. [`ApiServer::for_callers`] therefore takes only address and trust from it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::BodyExt;
use kube::client::Body;
use porthole_contract::{Credential, Failure, Reason, Token};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};
use tokio::{runtime::Handle, time::timeout_at};

use super::{
    ReadBudget,
    budget::Purpose,
    connections::{Connections, ResponseBody},
    failure,
    source::{ConnectError, Source, format_address},
    throttle::{self, OnBusy},
};

/// Max bytes of an error response; explanations are short.
const STATUS_BYTES: usize = 64 << 10;
/// Never curl, wget or Mozilla: for those the API server indents its JSON, twice the bytes.
const USER_AGENT: &str = concat!("porthole/", env!("CARGO_PKG_VERSION"));

/// Connections to one API server.
pub struct ApiServer {
    connections: Connections,
    default_namespace: String,
    context_namespace: Option<String>,
    address: String,
    latency: Family<StatusLabel, Histogram, fn() -> Histogram>,
}

/// Status code of the response: `200`, `403`, or `none` without one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    code: String,
}

/// Buckets in seconds for the time to the first byte.
const SECONDS: [f64; 12] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 30.0];

fn latency() -> Family<StatusLabel, Histogram, fn() -> Histogram> {
    Family::new_with_constructor(|| Histogram::new(SECONDS))
}

impl ApiServer {
    /// Creates connections for many callers. Only server, CA, tls-server-name and proxy-url are taken from the
    /// configuration: certificate, token, exec, basic auth, impersonation and extra headers are dropped.
    ///
    /// Each of `runtimes` (the threads of the components) and the current runtime has connections of its own: a read
    /// that crossed threads would queue behind running components.
    pub async fn for_callers(source: &Source, mut runtimes: Vec<Handle>) -> Result<Self, ConnectError> {
        let (mut config, context_namespace) = source.config().await?;
        config.auth_info = Default::default();
        config.headers.clear();
        let default_namespace = config.default_namespace.clone();
        let address = format_address(&config.cluster_url);
        let connections = if config.proxy_url.is_some() {
            Connections::Client(kube::Client::try_from(config).map_err(ConnectError::Client)?)
        } else {
            runtimes.push(Handle::current());
            Connections::with_pools(runtimes, &config).map_err(ConnectError::Client)?
        };
        Ok(Self { connections, default_namespace, context_namespace, address, latency: latency() })
    }

    /// Creates connections that read as the account of the kubeconfig or of the pod (identity `host`).
    pub async fn for_host(source: &Source) -> Result<Self, ConnectError> {
        let (config, context_namespace) = source.config().await?;
        let default_namespace = config.default_namespace.clone();
        let address = format_address(&config.cluster_url);
        let client = kube::Client::try_from(config).map_err(ConnectError::Client)?;
        let connections = Connections::Client(client);
        Ok(Self { connections, default_namespace, context_namespace, address, latency: latency() })
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

    /// Address of the API server.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Default namespace if a caller names none.
    pub fn default_namespace(&self) -> &str {
        &self.default_namespace
    }

    /// The default namespace, if the kubeconfig's context names it.
    pub fn context_namespace(&self) -> Option<&str> {
        self.context_namespace.as_deref()
    }

    /// Checks that the API server responds within this time. Any status counts, even a rejection of the anonymous request.
    pub async fn ping(&self, limit: Duration) -> Result<(), Failure> {
        let what = "the API server";
        let request = Request::get("/version")
            .header(header::USER_AGENT, USER_AGENT)
            .body(Body::empty())
            .map_err(|error| Failure::new(Reason::Other, error.to_string()))?;
        match tokio::time::timeout(limit, self.connections.send(request)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(failure::unreachable(what, &*error)),
            Err(_) => Err(Failure::new(Reason::OverTime, format!("{what} did not answer within {limit:?}"))),
        }
    }
}

/// Client of one call: its credential and its budget on every request.
#[derive(Clone, Copy)]
pub struct Client<'c> {
    /// The API server.
    pub server: &'c ApiServer,
    /// The account of the requests.
    pub credential: &'c Credential,
    /// Remaining bytes and time of the call.
    pub budget: &'c ReadBudget,
}

impl<'c> Client<'c> {
    /// Sends a GET. An error status is an error; `what` names the read in its message.
    pub(crate) async fn get(
        self,
        path: &str,
        accept: &'static str,
        what: &'c str,
    ) -> Result<BoundedResponse<'c>, Failure> {
        self.get_with(path, accept, what, OnBusy::Wait).await
    }

    /// Sends a GET, as [`Client::get`], with this treatment of a busy API server.
    pub(crate) async fn get_with(
        self,
        path: &str,
        accept: &'static str,
        what: &'c str,
        on_busy: OnBusy,
    ) -> Result<BoundedResponse<'c>, Failure> {
        let request = || Request::builder().method(Method::GET).uri(path).header(header::ACCEPT, accept);
        self.send(request, Bytes::new(), what, on_busy).await
    }

    /// Posts a review of the caller's own rights: the only POST, and it creates nothing.
    pub(crate) async fn review(
        self,
        path: &'static str,
        body: Vec<u8>,
        what: &'c str,
    ) -> Result<BoundedResponse<'c>, Failure> {
        let request = || {
            Request::builder()
                .method(Method::POST)
                .uri(path)
                .header(header::ACCEPT, "application/json")
                .header(header::CONTENT_TYPE, "application/json")
        };
        self.send(request, Bytes::from(body), what, OnBusy::Wait).await
    }

    /// Sends a request; again, after a wait, if the API server is busy and asks for that.
    async fn send(
        self,
        request: impl Fn() -> http::request::Builder,
        body: Bytes,
        what: &'c str,
        on_busy: OnBusy,
    ) -> Result<BoundedResponse<'c>, Failure> {
        let mut tries = 0;
        loop {
            tries += 1;
            let failure = match self.send_once(request(), Body::from(body.clone()), what).await {
                Err(failure) => failure,
                answer => return answer,
            };
            let wait = match on_busy {
                OnBusy::Wait => throttle::wait(&failure, tries, self.budget),
                OnBusy::Fail => None,
            };
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(throttle::exhausted(failure, tries)),
            }
        }
    }

    async fn send_once(
        self,
        request: http::request::Builder,
        body: Body,
        what: &'c str,
    ) -> Result<BoundedResponse<'c>, Failure> {
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
        // Transport errors and timeouts count too, as `none`.
        server.latency.get_or_create(&StatusLabel { code }).observe(began.elapsed().as_secs_f64());
        let response = response
            .map_err(|_| failure::over_time(what))?
            .map_err(|error| failure::unreachable(what, &*error))?;
        let answer = BoundedResponse { response, budget, purpose: Purpose::Read, what };
        if answer.response.status().is_success() { Ok(answer) } else { Err(answer.into_failure().await) }
    }
}

/// The Authorization header of a token. hyper and tracing print a sensitive value as `Sensitive`.
fn authorization(token: &Token, what: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
        .map_err(|_| Failure::new(Reason::Unauthorized, format!("{what}: the token cannot be sent")))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The next chunk of a body, within the call's time and bytes; `None` at its end.
pub(crate) async fn next_chunk(
    body: &mut ResponseBody,
    budget: &ReadBudget,
    purpose: Purpose,
    what: &str,
) -> Result<Option<Bytes>, Failure> {
    loop {
        let frame = timeout_at(budget.deadline, body.frame()).await.map_err(|_| failure::over_time(what))?;
        match frame {
            None => return Ok(None),
            Some(Err(error)) => return Err(failure::unreachable(what, &*error)),
            Some(Ok(frame)) => {
                // Trailers are frames too, and hold nothing to read.
                if let Ok(data) = frame.into_data() {
                    budget.take(data.len(), purpose, what)?;
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// A response whose body is read within the call's time and bytes.
pub(crate) struct BoundedResponse<'a> {
    response: Response<ResponseBody>,
    budget: &'a ReadBudget,
    purpose: Purpose,
    what: &'a str,
}

impl BoundedResponse<'_> {
    /// Counts the body as a log that the host searches.
    pub(crate) fn searched(self) -> Self {
        Self { purpose: Purpose::Search, ..self }
    }

    /// The next chunk of the body; `None` at its end. Dropping the answer stops the read.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        next_chunk(self.response.body_mut(), self.budget, self.purpose, self.what).await
    }

    /// The body, for [`next_chunk`].
    pub(crate) fn into_body(self) -> ResponseBody {
        self.response.into_body()
    }

    /// Reads the whole body.
    pub(crate) async fn bytes(mut self) -> Result<Vec<u8>, Failure> {
        let mut all = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            // Reserved before it is kept, so that the reservation is never behind the memory.
            self.budget.hold(chunk.len(), self.what).await?;
            all.extend_from_slice(&chunk);
        }
        Ok(all)
    }

    async fn into_failure(mut self) -> Failure {
        // A body that breaks off is used as far as it came: the status alone is an answer.
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
