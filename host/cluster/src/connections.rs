//! Connections to the API server: one pool per reading thread, so that a read stays on its thread.
//!
//! Hand-written although kube has a client: kube's passes each request through a task (`tower::buffer`) on the runtime
//! that created it, so that every read of a component would wake two more threads.

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioTimer,
};
use kube::client::{Body, ConfigExt};
use tokio::runtime::Handle;
use tower::{BoxError, ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

/// Max time for the TCP handshake with the API server.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Max idle time of a connection; the API server's own limit is longer.
const IDLE_CONNECTION: Duration = Duration::from_secs(60);
/// Max idle connections over all threads: the default number of calls in flight.
const IDLE_CONNECTIONS: usize = 64;
/// Go sends a list in 2 kB pieces; larger reads save a fifth of the CPU of a long list.
const READ_BUFFER: usize = 64 << 10;

/// Body of a response.
pub(super) type ResponseBody = UnsyncBoxBody<Bytes, BoxError>;

/// Transport to one API server.
pub(super) enum Connections {
    /// For callers, each with its own token.
    Pools(Arc<[Pool]>),
    /// Through a proxy, or with the credentials of a kubeconfig: kube's client supports both, and its requests cross
    /// threads.
    Client(kube::Client),
}

/// Connection pool of one runtime.
pub(super) struct Pool {
    runtime: Handle,
    service: BoxCloneSyncService<Request<Body>, Response<ResponseBody>, BoxError>,
}

impl Connections {
    /// Creates a pool on each of `runtimes`. Without kube's own layers: they retry 15 times for minutes, and trace
    /// every request.
    ///
    /// # Errors
    ///
    /// If the configuration's certificates cannot be read.
    pub(super) fn with_pools(runtimes: Vec<Handle>, config: &kube::Config) -> Result<Self, kube::Error> {
        let idle = IDLE_CONNECTIONS.div_ceil(runtimes.len().max(1));
        let pools = runtimes.into_iter().map(|runtime| Pool::new(runtime, idle, config));
        Ok(Self::Pools(pools.collect::<Result<_, _>>()?))
    }

    /// Sends a request through the pool of the current runtime; through the first pool if it has none.
    pub(super) async fn send(&self, request: Request<Body>) -> Result<Response<ResponseBody>, BoxError> {
        let pools = match self {
            Self::Client(client) => return Ok(client.send(request).await?.map(box_body)),
            Self::Pools(pools) => pools,
        };
        let here = Handle::try_current().map(|here| here.id()).ok();
        let pool = pools.iter().find(|pool| Some(pool.runtime.id()) == here).or_else(|| pools.first());
        pool.ok_or("there is no thread to read on")?.service.clone().oneshot(request).await
    }
}

impl Pool {
    /// Creates a pool that keeps up to `idle` unused connections.
    fn new(runtime: Handle, idle: usize, config: &kube::Config) -> Result<Self, kube::Error> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connecting = runtime.clone();
        let https = ServiceBuilder::new()
            .map_future(move |connection| in_runtime(connecting.clone(), Box::pin(connection)))
            .service(config.rustls_https_connector_with_connector(http)?);
        let pool = legacy::Client::builder(RuntimeExecutor(runtime.clone()))
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_max_idle_per_host(idle)
            .http1_read_buf_exact_size(READ_BUFFER)
            .build::<_, Body>(https);
        let service = ServiceBuilder::new()
            .layer_fn(BoxCloneSyncService::new)
            .map_response(|response: Response<_>| response.map(box_body))
            .map_err(BoxError::from)
            .layer(config.base_uri_layer())
            .service(pool);
        Ok(Self { runtime, service })
    }
}

fn box_body<B>(body: B) -> ResponseBody
where
    B: hyper::body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    body.map_err(Into::into).boxed_unsync()
}

/// Executor that spawns connection tasks on one runtime.
#[derive(Clone)]
struct RuntimeExecutor(Handle);

impl<F: Future<Output: Send> + Send + 'static> hyper::rt::Executor<F> for RuntimeExecutor {
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}

/// Polls a future in the context of a runtime, so that its sockets and timers are registered there.
fn in_runtime<F: Future>(runtime: Handle, mut future: Pin<Box<F>>) -> impl Future<Output = F::Output> {
    std::future::poll_fn(move |context| {
        let _entered = runtime.enter();
        future.as_mut().poll(context)
    })
}
