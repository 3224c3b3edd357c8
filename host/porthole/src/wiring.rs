//! Wiring: builds the layers of a host from options and configuration.

use std::{path::Path, sync::Arc};

use anyhow::{Context, bail};
use porthole_cluster::{ApiServer, Cluster, Source};
use porthole_contract::Token;
use porthole_guard::{CallerPolicy, Denied, Guard, MaskedValues, Masking};
use porthole_identity::Authenticator;
use porthole_quota::default_memory_total;
use porthole_sandbox::{CompileCache, Compiler, Engine};
use porthole_tools::{Audit, Calls, Catalog, FailurePolicy, Loader, OriginSource, Settings};

use crate::{
    cli::{Cache, ClusterArgs, Serve},
    demo::Demo,
};

/// Account that reads the cluster.
pub(crate) enum Account {
    /// Account of each caller.
    Callers,
    /// Account of the host, for every caller with the shared token, if one is set.
    Host(Option<Token>),
}

/// The operator's policy over what every tool reads.
pub(crate) struct Policy {
    /// Kinds that no tool may read.
    pub(crate) denied: Arc<Denied>,
    /// Tools, namespaces and kinds that are open to a caller.
    pub(crate) callers: Arc<CallerPolicy>,
    /// Masking of secrets in logs and event messages.
    pub(crate) masking: Masking,
    /// Values of objects that are masked.
    pub(crate) masked: Arc<MaskedValues>,
    /// Default namespace of calls.
    pub(crate) default_namespace: Option<String>,
}

/// Layers of a host, from the cluster up to the calls.
pub(crate) struct Host {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) guard: Arc<Guard>,
    pub(crate) calls: Arc<Calls>,
}

impl Host {
    /// Connects to the cluster, and builds the layers above it for the tools of `catalog`.
    pub(crate) async fn new(
        source: &Source,
        account: Account,
        Policy { denied, callers, masking, masked, default_namespace }: Policy,
        catalog: Catalog,
        audit: Audit,
    ) -> anyhow::Result<Self> {
        let server = match account {
            Account::Callers => ApiServer::for_callers(source, catalog.runtimes()).await?,
            Account::Host(_) => ApiServer::for_host(source).await?,
        };
        let cluster = Arc::new(Cluster::new(server));
        let authenticator = Arc::new(match account {
            Account::Callers => Authenticator::by_token(Arc::clone(&cluster)),
            Account::Host(shared) => Authenticator::host(shared.as_ref()),
        });
        let guard = Guard::new(Arc::clone(&cluster), denied)
            .with_callers(callers)
            .with_masking(masking)
            .with_masked_values(masked)
            .with_default_namespace(default_namespace);
        let guard = Arc::new(guard);
        let calls = Calls::new(Arc::new(catalog), Arc::clone(&guard), Arc::clone(&authenticator), audit);
        Ok(Self { cluster, authenticator, guard, calls: Arc::new(calls) })
    }
}

/// Source of the cluster's address and CA.
pub(crate) fn source(demo: Option<&Demo>, cluster: &ClusterArgs) -> Source {
    let context = cluster.context.clone();
    match (demo, cluster.kubeconfig.clone()) {
        (Some(demo), _) => Source::Text(demo.kubeconfig()),
        (None, Some(kubeconfig)) => Source::File { kubeconfig, context },
        (None, None) => Source::Default { context, account: cluster.service_account.clone() },
    }
}

/// Loader for a host or a command with these settings.
pub(crate) fn loader(settings: Settings, cache: Option<Cache>) -> anyhow::Result<Loader> {
    let total = settings.host.memory_total.unwrap_or_else(default_memory_total);
    if total / 2 < settings.max_memory() {
        tracing::warn!(
            "all calls together may take {} MiB of memory (`memoryTotal`), and one caller half of it: a call that needs its whole `memory` is refused",
            total >> 20
        );
    }
    let engine = Arc::new(Engine::new(settings.host.concurrency, settings.max_memory(), total)?);
    if !engine.pooled {
        tracing::warn!(
            "too little address space for a pool of instances; each call makes its own, a little slower"
        );
    }
    Ok(Loader { engine, compiler: Compiler::new(compile_cache(cache)), settings })
}

/// Opens the compile cache. If this fails the host runs without one, and starts more slowly.
fn compile_cache(chosen: Option<Cache>) -> Option<CompileCache> {
    let Cache::Folder(folder) = chosen.unwrap_or_else(Cache::default_folder) else { return None };
    match CompileCache::open(&folder) {
        Ok(cache) => Some(cache),
        Err(error) => {
            tracing::warn!(
                "compiled tools are not kept in {}: {error}. Every start compiles them anew; choose another folder with --cache",
                folder.display()
            );
            None
        }
    }
}

/// Lock of sources selected by the options.
#[cfg(feature = "registry")]
pub(crate) fn origins(options: &Serve) -> Option<OriginSource> {
    use crate::sources_lock::{origins, path};
    Some(origins(path(options)))
}

/// No lock of sources: its format is unknown to a build without registries.
#[cfg(not(feature = "registry"))]
pub(crate) fn origins(_: &Serve) -> Option<OriginSource> {
    None
}

/// Audit log selected by the options. With --stdio stdout belongs to the transport, with --demo to the welcome text.
pub(crate) fn audit(options: &Serve, on_failure: FailurePolicy) -> anyhow::Result<Audit> {
    let default = if options.stdio || options.cluster.demo.is_some() { "stderr" } else { "stdout" };
    let destination = options.audit.as_deref().unwrap_or(Path::new(default));
    let audit = match destination.to_str() {
        Some("off") => Ok(Audit::Off),
        Some("stdout") if options.stdio => {
            bail!("--audit stdout: with --stdio that is the client's; use stderr or a file")
        }
        Some("stdout") => Audit::stdout(on_failure),
        Some("stderr") => Audit::stderr(on_failure),
        _ => Audit::file(destination, on_failure),
    };
    audit.with_context(|| format!("--audit {}", destination.display()))
}
