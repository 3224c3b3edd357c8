//! `porthole serve`: starts the rooms, opens the ports, and stops gracefully.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use axum_server::Handle;
use prometheus_client::registry::Registry;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    admin::{self, Admin},
    cli::{AddressOrOff, Cache, Identity, Place, Serve},
    config::Config,
    demo::Demo,
    guard::{Audit, OnFailure},
    identity::{Callers, NO_PEER},
    kube::{ApiServer, Cluster, Source},
    limits::default_memory_total,
    listening::{self, Certificate, listen},
    logging,
    mcp::{self, AllowedHosts, ApiServerHealth, Site},
    memory,
    plugins::{Loader, Plugins},
    sandbox::{CompiledCode, Compiler, Engine},
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
    let config = options.compiling.config.as_deref().map(Config::read).transpose()?.unwrap_or_default();
    let identity = options.identity.unwrap_or(if options.stdio { Identity::Host } else { Identity::Caller });
    let shared_token = options.shared_token_file.as_deref().map(shared_token).transpose()?;
    // The operator's page calls tools, too.
    let admin = match options.admin_listen {
        AddressOrOff::Address(address) => Some(address),
        AddressOrOff::Off => None,
    };
    let open =
        [Some(options.listen), admin].into_iter().flatten().find(|address| !address.ip().is_loopback());
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
    let demo = match &options.place.demo {
        Some(folder) => Some(Demo::start(folder.as_deref(), options.demo_kubeconfig.as_deref()).await?),
        None => None,
    };
    let source = source(demo.as_ref(), &options.place);
    let limits = config.host;
    let audit = audit(&options, config.audit)?;
    let requires = config.admin.requires.clone();
    let loader = loader(config, options.compiling.cache.clone())?;
    let server = match identity {
        Identity::Caller => ApiServer::for_callers(&source, loader.engine.runtimes()).await?,
        Identity::Host => ApiServer::for_host(&source).await?,
    };
    let cluster = Arc::new(Cluster::new(server));
    let callers = Arc::new(match identity {
        Identity::Caller => Callers::by_token(Arc::clone(&cluster)),
        Identity::Host => Callers::host(shared_token.as_deref()),
    });
    let plugins =
        Arc::new(Plugins::new(options.plugins.clone(), loader, Arc::clone(&cluster), audit.clone()));
    let loading = keep_loaded(Arc::clone(&plugins))?;
    if options.stdio {
        let loading = tokio::spawn(loading);
        let caller = callers.of(None, NO_PEER).await?;
        let served = tokio::select! {
            served = mcp::serve_stdio(plugins, callers, caller) => served.map_err(|error| anyhow::anyhow!(error)),
            stop = stop_signal() => stop,
        };
        loading.abort();
        audit.flush(LAST_LINES).await;
        return served;
    }
    let hosts = AllowedHosts::new(options.listen, &options.allow_host);
    let mut registry = Registry::default();
    cluster.server.register(&mut registry);
    plugins.register(&mut registry);
    let health = ApiServerHealth::new(Arc::clone(&cluster));
    let first_loading = plugins.loaded();
    let site = Site { plugins: Arc::clone(&plugins), callers: Arc::clone(&callers), hosts, limits, health };
    let (routes, sessions) = site.routes();
    let tls = match (&options.tls_cert, &options.tls_key) {
        (Some(cert), Some(key)) => Some(listening::tls(Certificate::new(cert, key)).await?),
        _ => None,
    };
    let handle = Handle::new();
    let main = listen(options.listen, routes, tls.clone(), handle.clone())?;
    let admin = match admin {
        Some(address) => {
            let sessions = Arc::clone(&sessions);
            let names = options.allow_host.clone();
            let parts = admin::Parts {
                plugins,
                callers,
                cluster,
                requires,
                sessions,
                registry,
                listen: address,
                names,
            };
            Some(listen(address, Admin::new(parts).routes(), None, handle.clone())?)
        }
        None => None,
    };
    let address = main.0;
    let scheme = if tls.is_some() { "https" } else { "http" };
    tracing::info!("listening on {scheme}://{address}: /sse for Dify, /mcp for everybody else");
    if let Some((address, _)) = &admin {
        tracing::info!("the operator's page: http://{address}/, figures at /metrics");
    }
    let mut servers = tokio::task::JoinSet::new();
    for (_, server) in [Some(main), admin].into_iter().flatten() {
        servers.spawn(server);
    }
    // Only now: compiling must not delay the port.
    let loading = tokio::spawn(loading);
    let welcome = async {
        first_loading.await;
        if let Some(demo) = &demo {
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
    loading.abort();
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
        ended = ended => ended?,
        () = end_calls => {}
    }
    audit.flush(LAST_LINES).await;
    // Not sooner: calls that end in the time of grace still read it.
    drop(demo);
    Ok(())
}

/// Where the cluster is.
pub(crate) fn source(demo: Option<&Demo>, place: &Place) -> Source {
    let context = place.context.clone();
    match (demo, place.kubeconfig.clone()) {
        (Some(demo), _) => Source::Text(demo.kubeconfig()),
        (None, Some(kubeconfig)) => Source::File { kubeconfig, context },
        (None, None) => Source::Usual { context, account: place.service_account.clone() },
    }
}

/// What makes tools of files.
pub(crate) fn loader(config: Config, cache: Option<Cache>) -> anyhow::Result<Loader> {
    let total = config.host.memory_total.unwrap_or_else(|| default_memory_total(memory::usable()));
    if total / 2 < config.most_memory() {
        tracing::warn!(
            "all calls together may take {} MiB of memory (`memoryTotal`), and one caller half of it: a call that needs its whole `memory` is refused",
            total >> 20
        );
    }
    let engine = Arc::new(Engine::new(config.host.concurrency, config.most_memory(), total)?);
    if !engine.pooled {
        tracing::warn!(
            "too little address space for a pool of instances; each call makes its own, a little slower"
        );
    }
    Ok(Loader { engine, compiler: Compiler::new(compiled(cache)), config })
}

/// The folder of compiled tools. Without one everything works, and starts more slowly.
fn compiled(chosen: Option<Cache>) -> Option<CompiledCode> {
    let Cache::Folder(folder) = chosen.unwrap_or_else(Cache::usual) else { return None };
    match CompiledCode::open(&folder) {
        Ok(compiled) => Some(compiled),
        Err(error) => {
            tracing::warn!(
                "compiled tools are not kept in {}: {error}. Every start compiles them anew; choose another folder with --cache",
                folder.display()
            );
            None
        }
    }
}

/// Where audit lines go. stdout is the transport's with --stdio, and a demo prints what to paste there.
fn audit(options: &Serve, on_failure: OnFailure) -> anyhow::Result<Audit> {
    let usual = if options.stdio || options.place.demo.is_some() { "stderr" } else { "stdout" };
    let place = options.audit.as_deref().unwrap_or(Path::new(usual));
    let audit = match place.to_str() {
        Some("off") => Ok(Audit::Off),
        Some("stdout") if options.stdio => {
            bail!("--audit stdout: with --stdio that is the client's; use stderr or a file")
        }
        Some("stdout") => Audit::stdout(on_failure),
        Some("stderr") => Audit::stderr(on_failure),
        _ => Audit::file(place, on_failure),
    };
    audit.with_context(|| format!("--audit {}", place.display()))
}

/// Loads the tools and follows their folder; SIGHUP has it looked at again.
fn keep_loaded(plugins: Arc<Plugins>) -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        let rescans = async {
            while hangup.recv().await.is_some() {
                plugins.rescan();
            }
        };
        tokio::join!(Arc::clone(&plugins).keep_loaded(), rescans);
    })
}

fn shared_token(path: &Path) -> anyhow::Result<String> {
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
    Ok(token)
}

async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}
