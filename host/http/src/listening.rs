//! Listeners: HTTP/1.1 with bounded connections, plain or TLS.

mod leftover;

use std::{future::Ready, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    middleware::{AddExtension, from_fn},
};
use axum_server::{
    Handle,
    accept::Accept,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use hyper_util::rt::TokioTimer;
use socket2::SockRef;
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tower::Layer;

/// Max time for a request's headers. The attack: slow headers that hold a connection ("slowloris"). It also ends idle
/// connections, so it is not shorter than clients keep them: closing one under a request fails that request.
const MAX_HEADER_TIME: Duration = Duration::from_secs(75);
/// Max bytes of a request's head, including a token of 16 kB, and of the read buffer. The attack: a thousand
/// connections, each with 400 kB of an endless header.
const MAX_CONNECTION_BUFFER: usize = 32 << 10;
/// Max connections of a port: twice the default number of sessions.
const MAX_CONNECTIONS: usize = 4096;
/// Max time from connection to first request. The attack: silent connections.
const MAX_FIRST_REQUEST_TIME: Duration = Duration::from_secs(20);
/// Max time that sent data may stay unacknowledged. The attack: streams that are opened and never read, each holding
/// socket buffers.
const MAX_UNACKNOWLEDGED_TIME: Duration = Duration::from_secs(60);

/// Error of serving a port.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is in use, or not of this machine.
    #[error(
        "cannot listen on {address}; is another Porthole running? Choose another port with --listen or --admin-listen"
    )]
    Bind {
        /// The requested address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The bound socket cannot be used.
    #[error(transparent)]
    Socket(#[from] io::Error),
    /// Certificate or key cannot be read, or do not match.
    #[error("--tls-cert {cert} --tls-key {key}")]
    Certificate {
        /// Path of the certificate.
        cert: String,
        /// Path of the key.
        key: String,
        /// The underlying error.
        source: io::Error,
    },
}

/// A bound address, and the future that serves it.
pub type BoundServer = (SocketAddr, Pin<Box<dyn Future<Output = io::Result<()>> + Send>>);

/// Binds a port; the future serves it until `handle` shuts it down.
pub fn listen(
    address: SocketAddr,
    routes: Router,
    tls: Option<RustlsConfig>,
    handle: Handle<SocketAddr>,
) -> Result<BoundServer, ListenError> {
    let listener =
        std::net::TcpListener::bind(address).map_err(|source| ListenError::Bind { address, source })?;
    let bound = listener.local_addr()?;
    let routes = routes.layer(from_fn(leftover::discard)).into_make_service_with_connect_info::<SocketAddr>();
    let mut server = axum_server::from_tcp(listener)?
        .handle(handle)
        .http1_only()
        .first_request_timeout(MAX_FIRST_REQUEST_TIME);
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(MAX_HEADER_TIME)
        .max_buf_size(MAX_CONNECTION_BUFFER);
    let acceptor = BoundedAcceptor { permits: Arc::new(Semaphore::new(MAX_CONNECTIONS)) };
    Ok(match tls {
        Some(config) => {
            let acceptor = RustlsAcceptor::new(config).acceptor(acceptor);
            (bound, Box::pin(server.acceptor(acceptor).serve(routes)))
        }
        None => (bound, Box::pin(server.acceptor(acceptor).serve(routes))),
    })
}

/// Acceptor that limits connections and sets socket options.
#[derive(Clone)]
struct BoundedAcceptor {
    permits: Arc<Semaphore>,
}

/// Service of a connection, which holds the connection's permit.
type Permitted<S> = AddExtension<S, Arc<OwnedSemaphorePermit>>;

impl<S> Accept<TcpStream, S> for BoundedAcceptor {
    type Stream = TcpStream;
    type Service = Permitted<S>;
    type Future = Ready<io::Result<(TcpStream, Permitted<S>)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            return std::future::ready(Err(io::Error::other("too many connections")));
        };
        // Without TCP_NODELAY an answer of two writes waits 40 ms for the acknowledgement.
        let configured = stream
            .set_nodelay(true)
            .and_then(|()| SockRef::from(&stream).set_tcp_user_timeout(Some(MAX_UNACKNOWLEDGED_TIME)));
        // The permit lives in the service, so it is released when the connection ends.
        std::future::ready(configured.map(|()| (stream, Extension(Arc::new(permit)).layer(service))))
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn exchange(address: SocketAddr, request: &[u8]) -> Vec<u8> {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        let read = connection.read_to_end(&mut answer);
        // A reset counts as a rejection, too.
        let _ = tokio::time::timeout(Duration::from_secs(5), read).await.expect("the connection ends");
        answer
    }

    #[tokio::test]
    async fn http_2_is_refused_by_prior_knowledge() {
        let routes = Router::new().route("/", get(|| async { "ok" }));
        let (address, server) = listen("127.0.0.1:0".parse().unwrap(), routes, None, Handle::new()).unwrap();
        let server = tokio::spawn(server);
        let plain = exchange(address, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(plain.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&plain));
        let preface = exchange(address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
        // HTTP/2 frames begin with their length, and SETTINGS is the first.
        assert!(preface.is_empty() || preface.starts_with(b"HTTP/1.1 4"), "{preface:?}");
        server.abort();
    }

    #[tokio::test]
    async fn a_header_without_end_is_refused_before_it_takes_memory() {
        let routes = Router::new().route("/", get(|| async { "ok" }));
        let (address, server) = listen("127.0.0.1:0".parse().unwrap(), routes, None, Handle::new()).unwrap();
        let server = tokio::spawn(server);
        let token = format!(
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {}\r\n\r\n",
            "t".repeat(16 << 10)
        );
        assert!(exchange(address, token.as_bytes()).await.starts_with(b"HTTP/1.1 200"));
        let endless = format!("GET / HTTP/1.1\r\nHost: x\r\nX-A: {}", "a".repeat(100_000));
        let answer = exchange(address, endless.as_bytes()).await;
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        server.abort();
    }

    #[tokio::test]
    async fn a_connection_returns_its_permit() {
        let permits = Arc::new(Semaphore::new(1));
        let acceptor = BoundedAcceptor { permits: Arc::clone(&permits) };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut kept = Vec::new();
        let mut accepted = Vec::new();
        for _ in 0..2 {
            kept.push(TcpStream::connect(address).await.unwrap());
            let (stream, _) = listener.accept().await.unwrap();
            accepted.push(acceptor.accept(stream, ()).await);
        }
        assert!(accepted[0].is_ok() && accepted[1].is_err());
        drop(accepted);
        assert_eq!(permits.available_permits(), 1);
    }
}
