//! `porthole serve`: checks its options, opens the ports, and stops gracefully.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use axum_server::Handle;
use porthole_admin::Admin;
use porthole_contract::{HostLimits, Requirement, Token};
use porthole_http::{AllowedHosts, Certificate, listen, tls};
use porthole_identity::NO_PEER;
use porthole_mcp::{Sessions, Site};
use porthole_tools::Catalog;
use prometheus_client::registry::Registry;
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};

use crate::{
    cli::{AddressOrOff, Identity, Serve},
    config::Config,
    demo::Demo,
    health, logging,
    wiring::{self, Account, Host},
};

/// How long calls in flight may go on when the host is asked to stop.
const GRACE: Duration = Duration::from_secs(5);
/// Connections have this long in all: the last answers need a moment to leave.
const CONNECTIONS: Duration = Duration::from_secs(6);
/// How long the audit's sink may take for the last lines.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Runs until SIGTERM, SIGINT, or the end of stdin.
pub(crate) fn run(options: Serve) -> anyhow::Result<()> {
    let _log = logging::begin(&options.log, options.log_json)?;
    // What is left to them is light: components, and reading for them, have threads of their own.
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = processors.div_ceil(2);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    let outcome = runtime.block_on(serve(options));
    // A component that is being compiled cannot be stopped; the process does not wait for it.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

async fn serve(options: Serve) -> anyhow::Result<()> {
    let config = Config::of(&options.compiling)?;
    let account = account(&options)?;
    let demo = match &options.place.demo {
        Some(folder) => Some(Demo::start(folder.as_deref(), options.demo_kubeconfig.as_deref()).await?),
        None => None,
    };
    let Config { tools: settings, denied, audit: on_failure, admin } = config;
    let audit = wiring::audit(&options, on_failure)?;
    let limits = settings.host;
    let loader = wiring::loader(settings, options.compiling.cache.clone())?;
    let catalog = Catalog::new(options.plugins.clone(), loader);
    let source = wiring::source(demo.as_ref(), &options.place);
    let host = Host::new(&source, account, denied, catalog, audit.clone()).await?;
    let served = if options.stdio {
        serve_stdio(&host).await
    } else {
        Ports { options: &options, limits, requires: admin.requires, demo: demo.as_ref() }.serve(&host).await
    };
    audit.flush(LAST_LINES).await;
    // Not sooner: calls that end in the time of grace still read it.
    drop(demo);
    served
}

/// The account that reads, if the options go together.
fn account(options: &Serve) -> anyhow::Result<Account> {
    let identity = options.identity.unwrap_or(if options.stdio { Identity::Host } else { Identity::Caller });
    let shared_token = options.shared_token_file.as_deref().map(shared_token).transpose()?;
    // The operator's page calls tools, too.
    let open = [Some(options.listen), admin_address(options)]
        .into_iter()
        .flatten()
        .find(|address| !address.ip().is_loopback());
    if identity == Identity::Host
        && !options.stdio
        && shared_token.is_none()
        && let Some(open) = open
    {
        bail!(
            "--identity host on {open} would let everybody read as this account: add --shared-token-file FILE, listen on 127.0.0.1, or leave --identity out"
        );
    }
    if identity == Identity::Caller && options.stdio {
        bail!("--stdio carries no token, so it reads as the kubeconfig's account: leave --identity out");
    }
    if identity == Identity::Caller && shared_token.is_some() {
        bail!("--shared-token-file goes with --identity host");
    }
    Ok(match identity {
        Identity::Caller => Account::Callers,
        Identity::Host => Account::Host(shared_token),
    })
}

fn admin_address(options: &Serve) -> Option<SocketAddr> {
    match options.admin_listen {
        AddressOrOff::Address(address) => Some(address),
        AddressOrOff::Off => None,
    }
}

/// Serves one client over stdin and stdout.
async fn serve_stdio(host: &Host) -> anyhow::Result<()> {
    let mut background = JoinSet::new();
    background.spawn(keep_loaded(Arc::clone(host.calls.catalog()))?);
    let caller = host.authenticator.authenticate(None, NO_PEER).await?;
    tokio::select! {
        served = porthole_mcp::serve_stdio(Arc::clone(&host.calls), caller) => {
            served.map_err(|error| anyhow::anyhow!(error))
        }
        stop = stop_signal() => stop,
    }
}

/// Settings of the two ports.
struct Ports<'s> {
    options: &'s Serve,
    limits: HostLimits,
    requires: Requirement,
    demo: Option<&'s Demo>,
}

impl Ports<'_> {
    /// Serves both ports until the process is asked to stop, and then answers what is pending.
    async fn serve(self, host: &Host) -> anyhow::Result<()> {
        let options = self.options;
        let site = Site {
            calls: Arc::clone(&host.calls),
            authenticator: Arc::clone(&host.authenticator),
            hosts: AllowedHosts::new(options.listen, &options.allow_host),
            limits: self.limits,
            probes: health::routes(Arc::clone(host.calls.catalog()), Arc::clone(&host.cluster)),
        };
        let (routes, sessions) = site.routes();
        let loading = keep_loaded(Arc::clone(host.calls.catalog()))?;
        // Ends with this function, and everything in it.
        let mut background = JoinSet::new();
        let tls = match (&options.tls_cert, &options.tls_key) {
            (Some(cert), Some(key)) => {
                let (config, reloads) = tls(Certificate::new(cert, key)).await?;
                background.spawn(reloads);
                Some(config)
            }
            _ => None,
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let handle = Handle::new();
        // Both ports before a word of either.
        let (address, main) = listen(options.listen, routes, tls, handle.clone())?;
        let admin = admin_address(options).map(|address| {
            let routes = self.admin(host, Arc::clone(&sessions), address).routes();
            listen(address, routes, None, handle.clone())
        });
        let admin = admin.transpose()?;
        let mut servers = JoinSet::new();
        servers.spawn(main);
        tracing::info!("listening on {scheme}://{address}: /sse for Dify, /mcp for everybody else");
        if let Some((address, server)) = admin {
            servers.spawn(server);
            tracing::info!("the operator's page: http://{address}/, figures at /metrics");
        }
        // Only now: compiling must not delay the port.
        background.spawn(loading);
        let first_scan = host.calls.catalog().first_scan();
        let welcome = async {
            first_scan.await;
            if let Some(demo) = self.demo {
                demo.welcome(&format!("{scheme}://{address}"));
            }
            // The host does not end with it.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = welcome => {}
            stop = stop_signal() => stop?,
            ended = servers.join_next() => {
                if let Some(ended) = ended { ended??; }
            }
        }
        tracing::info!("stopping");
        background.abort_all();
        stop(servers, &sessions, &handle).await
    }

    fn admin(&self, host: &Host, sessions: Arc<Sessions>, listen: SocketAddr) -> Admin {
        let mut registry = Registry::default();
        host.cluster.server.register(&mut registry);
        host.calls.register(&mut registry);
        Admin::new(porthole_admin::Parts {
            calls: Arc::clone(&host.calls),
            authenticator: Arc::clone(&host.authenticator),
            guard: Arc::clone(&host.guard),
            requires: self.requires.clone(),
            sessions: Box::new(move || sessions.open_now()),
            registry,
            listen,
            names: self.options.allow_host.clone(),
        })
    }
}

/// Lets calls in flight end, and closes the ports.
async fn stop(
    mut servers: JoinSet<std::io::Result<()>>,
    sessions: &Sessions,
    handle: &Handle<SocketAddr>,
) -> anyhow::Result<()> {
    // No new connections; calls over /mcp go on meanwhile.
    handle.graceful_shutdown(Some(CONNECTIONS));
    let ended = async {
        sessions.drain(GRACE).await;
        while let Some(ended) = servers.join_next().await {
            ended??;
        }
        anyhow::Ok(())
    };
    // Calls over /mcp have no stream to be answered on afterwards: they are answered while their connections live.
    let end_calls = async {
        tokio::time::sleep(GRACE).await;
        sessions.end_calls();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ended = ended => ended,
        () = end_calls => Ok(()),
    }
}

/// Loads the tools and follows their folder; SIGHUP has it scanned again.
fn keep_loaded(catalog: Arc<Catalog>) -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        let rescans = async {
            while hangup.recv().await.is_some() {
                catalog.rescan();
            }
        };
        tokio::join!(catalog.keep_loaded(), rescans);
    })
}

fn shared_token(path: &Path) -> anyhow::Result<Token> {
    let token = std::fs::read_to_string(path)
        .with_context(|| format!("--shared-token-file {}", path.display()))?
        .trim()
        .to_owned();
    if token.len() < 16 {
        bail!(
            "--shared-token-file {}: a token of {} characters can be guessed; use 16 or more",
            path.display(),
            token.len()
        );
    }
    Token::parse(&token).with_context(|| format!("--shared-token-file {}", path.display()))
}

async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}
