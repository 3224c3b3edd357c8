//! Wiring: makes the layers of one host from the options and the configuration.

use std::{path::Path, sync::Arc};

use anyhow::{Context, bail};
use porthole_cluster::{ApiServer, Cluster, Source};
use porthole_contract::Token;
use porthole_guard::{Denied, Guard};
use porthole_identity::Authenticator;
use porthole_quota::default_memory_total;
use porthole_sandbox::{CompiledCode, Compiler, Engine};
use porthole_tools::{Audit, Calls, Catalog, Loader, OnFailure, Settings};

use crate::{
    cli::{Cache, Place, Serve},
    demo::Demo,
};

/// The account that reads.
pub(crate) enum Account {
    /// Each caller's own.
    Callers,
    /// The host's, for everybody who has the shared token, if there is one.
    Host(Option<Token>),
}

/// The layers of one host, from the cluster up to the calls.
pub(crate) struct Host {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) guard: Arc<Guard>,
    pub(crate) calls: Arc<Calls>,
}

impl Host {
    /// Connects to the cluster, and makes the layers that read it for the tools of `catalog`.
    pub(crate) async fn new(
        source: &Source,
        account: Account,
        denied: Arc<Denied>,
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
        let guard = Arc::new(Guard::new(Arc::clone(&cluster), denied));
        let calls = Calls::new(Arc::new(catalog), Arc::clone(&guard), Arc::clone(&authenticator), audit);
        Ok(Self { cluster, authenticator, guard, calls: Arc::new(calls) })
    }
}

/// Source of the address and trust of the cluster.
pub(crate) fn source(demo: Option<&Demo>, place: &Place) -> Source {
    let context = place.context.clone();
    match (demo, place.kubeconfig.clone()) {
        (Some(demo), _) => Source::Text(demo.kubeconfig()),
        (None, Some(kubeconfig)) => Source::File { kubeconfig, context },
        (None, None) => Source::Usual { context, account: place.service_account.clone() },
    }
}

/// The loader of a host or a command with these settings.
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
    Ok(Loader { engine, compiler: Compiler::new(compiled(cache)), settings })
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

/// The audit log that the options choose. stdout is the transport's with --stdio, and a demo prints what to paste there.
pub(crate) fn audit(options: &Serve, on_failure: OnFailure) -> anyhow::Result<Audit> {
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
