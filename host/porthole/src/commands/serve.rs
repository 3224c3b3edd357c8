//! `porthole serve`: validates the options, opens the ports, and shuts down gracefully.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, bail};
use axum_server::Handle;
use porthole_admin::Admin;
use porthole_contract::{HostLimits, Requirement, Token};
use porthole_http::{AllowedHosts, Certificate, listen, tls};
use porthole_identity::NO_PEER;
use porthole_mcp::{MainPort, Prompts, Sessions};
use porthole_tools::{ApprovalMode, Catalog};
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
    network::Polling,
    prompts,
    wiring::{self, Account, Host, Policy},
};

/// Grace period for calls in flight after a stop signal.
const GRACE_PERIOD: Duration = Duration::from_secs(5);
/// Grace period for connections: longer than that of calls, so that the last answers can be sent.
const CONNECTION_GRACE_PERIOD: Duration = Duration::from_secs(6);
/// Maximum time to flush the audit log.
const AUDIT_FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs until SIGTERM, SIGINT, or the end of stdin.
pub(crate) fn run(options: Serve) -> anyhow::Result<()> {
    let _log = logging::init(&options.log, options.log_json)?;
    // Half of the processors suffice: components, and the reads for them, run on their own threads.
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = processors.div_ceil(2);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    let outcome = runtime.block_on(serve(options));
    // A running compilation cannot be stopped, so the process does not wait for it.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

async fn serve(options: Serve) -> anyhow::Result<()> {
    let config = Config::of(&options.load)?;
    let account = account(&options)?;
    let demo = match &options.cluster.demo {
        Some(folder) => Some(Demo::start(folder.as_deref(), options.demo_kubeconfig.as_deref()).await?),
        None => None,
    };
    let Config {
        tools: settings,
        approvals,
        denied,
        policy: callers,
        masking,
        masked,
        default_namespace,
        audit: on_failure,
        admin,
        prompts: folder,
        sources,
    } = config;
    let prompts = Arc::new(prompts::load(folder.as_deref())?);
    let audit = wiring::audit(&options, on_failure)?;
    let limits = settings.host;
    let loader = wiring::loader(settings, options.load.cache.clone())?;
    let mode = if demo.is_some() { ApprovalMode::None } else { ApprovalMode::default() };
    let approvals = approvals.settings(mode, options.lock.lock.clone(), &options.load);
    let catalog = Catalog::new(options.plugins.clone(), loader)
        .with_approvals(approvals)
        .with_origins(wiring::origins(&options))
        .with_audit(audit.clone());
    let source = wiring::source(demo.as_ref(), &options.cluster);
    let policy = Policy { denied, callers, masking, masked, default_namespace };
    let host = Host::new(&source, account, policy, catalog, audit.clone()).await?;
    let polling = Polling::start(&options, &sources)?;
    let result = if options.stdio {
        serve_stdio(&host, prompts).await
    } else {
        let (requires, demo) = (admin.requires, demo.as_ref());
        Ports { options: &options, limits, requires, demo, prompts, polling: &polling }.serve(&host).await
    };
    polling.stop().await;
    audit.flush(AUDIT_FLUSH_TIMEOUT).await;
    // After the calls: those that end in the grace period still read it.
    drop(demo);
    result
}

/// Account that reads the cluster; an error if the options contradict each other.
fn account(options: &Serve) -> anyhow::Result<Account> {
    let identity = options.identity.unwrap_or(if options.stdio { Identity::Host } else { Identity::Caller });
    let shared_token = options.shared_token_file.as_deref().map(shared_token).transpose()?;
    // The admin page can call tools too.
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
async fn serve_stdio(host: &Host, prompts: Arc<Prompts>) -> anyhow::Result<()> {
    let mut background = JoinSet::new();
    background.spawn(keep_loaded(Arc::clone(host.calls.catalog()))?);
    let caller = host.authenticator.authenticate(None, NO_PEER).await?;
    tokio::select! {
        result = porthole_mcp::serve_stdio(Arc::clone(&host.calls), prompts, caller) => {
            result.map_err(|error| anyhow::anyhow!(error))
        }
        stop = stop_signal() => stop,
    }
}

/// Settings of the main and the admin port.
struct Ports<'s> {
    options: &'s Serve,
    limits: HostLimits,
    requires: Requirement,
    demo: Option<&'s Demo>,
    prompts: Arc<Prompts>,
    polling: &'s Polling,
}

impl Ports<'_> {
    /// Serves both ports until a stop signal, then drains them.
    async fn serve(self, host: &Host) -> anyhow::Result<()> {
        let options = self.options;
        let stopping = Arc::new(AtomicBool::new(false));
        let main_port = MainPort {
            calls: Arc::clone(&host.calls),
            prompts: Arc::clone(&self.prompts),
            authenticator: Arc::clone(&host.authenticator),
            hosts: AllowedHosts::new(options.listen, &options.allow_host),
            limits: self.limits,
            probes: health::routes(
                Arc::clone(host.calls.catalog()),
                Arc::clone(&host.cluster),
                Arc::clone(&stopping),
                self.polling.statuses(),
            ),
        };
        let (routes, sessions) = main_port.routes();
        let loading = keep_loaded(Arc::clone(host.calls.catalog()))?;
        // Aborts its tasks when this function returns.
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
        // Both ports are bound before either is announced.
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
        // After the ports are open, because compiling takes time.
        background.spawn(loading);
        let first_scan = host.calls.catalog().first_scan();
        let welcome = async {
            first_scan.await;
            if let Some(demo) = self.demo {
                demo.welcome(&format!("{scheme}://{address}"));
            }
            // Never completes, so that `select!` waits for the other branches.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = welcome => {}
            stop = stop_signal() => stop?,
            ended = servers.join_next() => {
                if let Some(ended) = ended { ended??; }
            }
        }
        stopping.store(true, Ordering::Relaxed);
        if !options.drain.is_zero() {
            let drain = humantime::format_duration(options.drain);
            tracing::info!("serving for another {drain} (--drain), while /readyz says no");
            tokio::select! {
                () = tokio::time::sleep(options.drain) => {}
                stop = stop_signal() => stop?,
                ended = servers.join_next() => {
                    if let Some(ended) = ended { ended??; }
                }
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
        self.polling.register(&mut registry);
        Admin::new(porthole_admin::Dependencies {
            calls: Arc::clone(&host.calls),
            authenticator: Arc::clone(&host.authenticator),
            guard: Arc::clone(&host.guard),
            requires: self.requires.clone(),
            sessions: Box::new(move || sessions.open_count()),
            registry,
            listen,
            names: self.options.allow_host.clone(),
        })
    }
}

/// Drains the calls in flight, and closes the ports.
async fn stop(
    mut servers: JoinSet<std::io::Result<()>>,
    sessions: &Sessions,
    handle: &Handle<SocketAddr>,
) -> anyhow::Result<()> {
    // Accepts no new connections; calls over /mcp continue.
    handle.graceful_shutdown(Some(CONNECTION_GRACE_PERIOD));
    let ended = async {
        sessions.drain(GRACE_PERIOD).await;
        while let Some(ended) = servers.join_next().await {
            ended??;
        }
        anyhow::Ok(())
    };
    // Calls over /mcp have no stream for a late error, so they must be answered while their connections are open.
    let end_calls = async {
        tokio::time::sleep(GRACE_PERIOD).await;
        sessions.end_calls();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ended = ended => ended,
        () = end_calls => Ok(()),
    }
}

/// Loads the tools and watches their folder; SIGHUP triggers a rescan.
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

/// Completes with SIGTERM or SIGINT.
pub(crate) async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}
