//! The programs of a run: a cluster that grows, two hosts, and the other server, with many accounts.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use porthole_testbed::{
    accounts,
    cluster::Cluster,
    fixtures,
    http::{Streamable, Way, send},
    proxy::{Proxy, Read},
};
use serde_json::{Value, json};
use tokio::process::Child;

use super::{
    client::{Client, called, first_line},
    plan::Work,
    results::{Contender, Reads},
};
use crate::{peer, process::cpu_ms, setup::Setup};

/// Namespace of the accounts.
const NAMESPACE: &str = "bench";
/// Accounts; a host answers 8 calls of one at the same time, and 64 in all.
const ACCOUNTS: usize = 32;
/// Ports of the other server, for the timed process and for the one whose reads are recorded.
const PEER_PORTS: [u16; 2] = [18081, 18083];
/// Maximum time until a host serves all tools: without a cache it compiles them.
const START: Duration = Duration::from_secs(300);
/// Maximum time until the API server has nothing left to do after it was filled.
const SETTLE: Duration = Duration::from_secs(120);
/// CPU time in a second, in ms, at which the API server is idle.
const IDLE_CPU: f64 = 150.0;

/// A host that serves all tools.
pub(crate) struct Host {
    process: Child,
    pub(crate) origin: String,
}

impl Host {
    /// Starts a host on a kubeconfig, and waits until it serves all tools.
    pub(crate) async fn start(
        setup: &Setup,
        kubeconfig: &Path,
        plugins: &Path,
        options: &[&str],
    ) -> Result<Self> {
        let listen = free_address()?;
        let kubeconfig = kubeconfig.display().to_string();
        let options = [&["--kubeconfig", kubeconfig.as_str()], options].concat();
        let process = crate::setup::serve(&setup.porthole, &listen, plugins, &options)?;
        let host = Self { process, origin: format!("http://{listen}") };
        host.serves(tools(plugins)?).await?;
        Ok(host)
    }

    /// Waits until a number of tools is served.
    async fn serves(&self, count: usize) -> Result<()> {
        let begun = Instant::now();
        loop {
            let answer = send("GET", &format!("{}/readyz", self.origin), None, "").await;
            let body = answer.map(|answer| answer.body).unwrap_or_default();
            let ready: Value = serde_json::from_str(&body).unwrap_or_default();
            if ready["tools"].as_array().is_some_and(|tools| tools.len() >= count) {
                return Ok(());
            }
            ensure!(begun.elapsed() < START, "the host does not serve {count} tools: {body}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Process id; an error if the host has ended.
    pub(crate) fn id(&self) -> Result<u32> {
        self.process.id().context("the host has ended")
    }

    pub(crate) async fn stop(mut self) -> Result<()> {
        Ok(self.process.kill().await?)
    }
}

/// An address that is free at this moment; nothing else on this machine asks for a port that was just given back.
pub(crate) fn free_address() -> Result<String> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// Number of tools in a folder.
fn tools(folder: &Path) -> Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).with_context(|| format!("{}", folder.display()))? {
        count += usize::from(entry?.path().extension().is_some_and(|extension| extension == "wasm"));
    }
    ensure!(count > 0, "no tools in {}", folder.display());
    Ok(count)
}

/// Processes of the other server.
struct Peer {
    timed: Child,
    /// Reads by way of the proxy.
    recorded: Option<Child>,
}

/// Everything that runs.
pub(crate) struct Stage<'a> {
    setup: &'a Setup,
    pub(crate) cluster: Cluster,
    proxy: Proxy,
    pub(crate) tokens: Vec<String>,
    /// The host, and a second one for the noise.
    pub(crate) hosts: [Host; 2],
    /// A host that reads by way of the proxy.
    recorded: Host,
    peer: Option<Peer>,
    pods: usize,
    ca: PathBuf,
}

impl<'a> Stage<'a> {
    /// Starts everything on a cluster without pods.
    pub(crate) async fn start(setup: &'a Setup, peer: Option<&Path>, custom_kinds: usize) -> Result<Self> {
        let cluster = setup.cluster(async |_| Ok(())).await?;
        let client = cluster.admin().await?;
        eprintln!("making {custom_kinds} kinds and {ACCOUNTS} accounts");
        kinds(&client, custom_kinds).await?;
        accounts::namespace(&client, NAMESPACE).await?;
        let mut tokens = Vec::new();
        for n in 0..ACCOUNTS {
            let name = format!("reader-{n}");
            tokens.push(accounts::account(&client, NAMESPACE, &name).await?);
            accounts::allow(&client, (NAMESPACE, &name), None, accounts::reader_rules()).await?;
        }
        let proxy = Proxy::start(&cluster).await?;
        let hosts = hosts(setup, &cluster.kubeconfig).await?;
        let recorded = Host::start(setup, &proxy.kubeconfig, &setup.plugins, &[]).await?;
        let peer = match (peer, tokens.first()) {
            (Some(program), Some(token)) => {
                let reader = cluster.write_kubeconfig("bench.kubeconfig", &json!({"token": token}))?;
                let [timed, recorded] = PEER_PORTS;
                let timed = peer::start_on(timed, program, &reader).await?;
                // It may refuse to start without an account, which a kubeconfig of plain HTTP does not give it.
                let recorded = peer::start_on(recorded, program, &proxy.kubeconfig).await.ok();
                Some(Peer { timed, recorded })
            }
            _ => None,
        };
        let ca = cluster.folder.join("ca.crt");
        Ok(Self { setup, cluster, proxy, tokens, hosts, recorded, peer, pods: 0, ca })
    }

    pub(crate) fn has_peer(&self) -> bool {
        self.peer.is_some()
    }

    /// Adds pods until there are this many, and waits until the API server is idle. The hosts are started anew, or their
    /// highest memory would be that of earlier calls.
    pub(crate) async fn grow(&mut self, pods: usize) -> Result<()> {
        let begun = Instant::now();
        let earlier = std::mem::replace(&mut self.hosts, hosts(self.setup, &self.cluster.kubeconfig).await?);
        for host in earlier {
            host.stop().await?;
        }
        fixtures::more_pods(&self.cluster, self.pods..pods).await?;
        self.pods = self.pods.max(pods);
        eprintln!("{pods} pods after {:.0} s", begun.elapsed().as_secs_f64());
        self.settle().await
    }

    /// Waits until the API server is idle: after new kinds it makes its documents anew.
    async fn settle(&self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let before = self.api_cpu()?;
            tokio::time::sleep(Duration::from_secs(1)).await;
            if self.api_cpu()? - before < IDLE_CPU {
                return Ok(());
            }
            ensure!(begun.elapsed() < SETTLE, "the API server is still busy after {SETTLE:?}");
        }
    }

    /// CPU time of the API server and etcd, in ms.
    pub(crate) fn api_cpu(&self) -> Result<f64> {
        Ok(cpu_ms(self.cluster.process("kube-apiserver")?) + cpu_ms(self.cluster.process("etcd")?))
    }

    /// Process that a contender is alone responsible for.
    pub(crate) fn process(&self, contender: Contender) -> Result<Option<u32>> {
        Ok(match contender {
            Contender::ApiServer | Contender::WholeObjects => None,
            Contender::Porthole | Contender::Connections | Contender::Visit => Some(self.hosts[0].id()?),
            Contender::PortholeAgain => Some(self.hosts[1].id()?),
            Contender::Peer => {
                let peer = self.peer.as_ref().context("no other server")?;
                Some(peer.timed.id().context("the other server has ended")?)
            }
        })
    }

    /// Clients of a contender, with accounts in turns. `reads` is what the clients of the API server repeat.
    pub(crate) fn clients(
        &self,
        contender: Contender,
        count: usize,
        reads: &[Read],
    ) -> Result<Vec<Arc<Client>>> {
        let whole = Read {
            path: "/api/v1/pods".to_owned(),
            accept: "application/json".to_owned(),
            encoding: String::new(),
            bytes: 0,
        };
        let reads: Arc<Vec<Read>> = match contender {
            Contender::WholeObjects => Arc::new(vec![whole]),
            _ => Arc::new(reads.to_vec()),
        };
        let way = Way::trusting(&[&self.ca])?;
        let client = |token: &String| {
            let token = token.clone();
            let origin = |host: &Host| host.origin.clone();
            match contender {
                Contender::ApiServer | Contender::WholeObjects => Client::Reads {
                    http: way.client(),
                    url: self.cluster.url.clone(),
                    token,
                    reads: Arc::clone(&reads),
                },
                Contender::Porthole => Client::Kept(Streamable::new(&self.hosts[0].origin, Some(&token))),
                Contender::PortholeAgain => {
                    Client::Kept(Streamable::new(&self.hosts[1].origin, Some(&token)))
                }
                Contender::Connections => Client::Connections { origin: origin(&self.hosts[0]), token },
                Contender::Visit => Client::Visits { origin: origin(&self.hosts[0]), token },
                Contender::Peer => Client::Kept(peer::client_on(PEER_PORTS[0], &token)),
            }
        };
        Ok(self.tokens.iter().cycle().take(count).map(client).map(Arc::new).collect())
    }

    /// Makes a call of which each read is recorded; returns the first line of the answer, and the reads.
    pub(crate) async fn record(&self, work: &Work) -> Result<(String, Vec<Read>)> {
        let client = Streamable::new(&self.recorded.origin, self.tokens.first().map(String::as_str));
        self.record_by(&client, work).await
    }

    /// As [`record`](Self::record), of the other server.
    pub(crate) async fn record_peer(&self, work: &Work) -> Result<Reads> {
        let peer = self.peer.as_ref().and_then(|peer| peer.recorded.as_ref());
        peer.context("it does not start without TLS")?;
        let client = peer::client_on(PEER_PORTS[1], self.tokens.first().context("no account")?);
        peer::greet(&client).await?;
        let (_, reads) = self.record_by(&client, work).await?;
        Ok(sum(&reads))
    }

    async fn record_by(&self, client: &Streamable, work: &Work) -> Result<(String, Vec<Read>)> {
        // The first call also establishes who is calling and which kinds there are.
        called(client, work).await?;
        self.proxy.record();
        let answer = called(client, work).await;
        let reads = self.proxy.recorded();
        Ok((first_line(&answer?), reads))
    }

    /// Another host on the cluster, with other tools and a cache of its own.
    pub(crate) async fn another_host(&self, plugins: &Path, cache: &Path) -> Result<Host> {
        let cache = cache.display().to_string();
        Host::start(self.setup, &self.cluster.kubeconfig, plugins, &["--cache", &cache]).await
    }

    /// Folder of the tools.
    pub(crate) fn plugins(&self) -> &Path {
        &self.setup.plugins
    }

    /// Stops all processes but the cluster's.
    pub(crate) async fn stop(self) -> Result<()> {
        for host in self.hosts.into_iter().chain([self.recorded]) {
            host.stop().await?;
        }
        if let Some(Peer { timed, recorded }) = self.peer {
            for mut process in [timed].into_iter().chain(recorded) {
                process.kill().await?;
            }
        }
        Ok(())
    }
}

/// A host, and a second one for the noise.
async fn hosts(setup: &Setup, kubeconfig: &Path) -> Result<[Host; 2]> {
    let start = async || Host::start(setup, kubeconfig, &setup.plugins, &[]).await;
    Ok([start().await?, start().await?])
}

/// Number and bytes of reads.
pub(crate) fn sum(reads: &[Read]) -> Reads {
    Reads { count: reads.len(), bytes: reads.iter().map(|read| read.bytes).sum() }
}

/// Makes custom kinds without objects: every client has to find its kinds among them.
async fn kinds(client: &kube::Client, count: usize) -> Result<()> {
    const PATH: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    const CONCURRENT: usize = 8;
    let made = (0..count).map(|n| async move {
        let (group, plural) = (format!("group-{}.example.com", n / 10), format!("things{n}"));
        let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let kind = json!({
            "metadata": {"name": format!("{plural}.{group}")},
            "spec": {
                "group": group, "scope": "Namespaced",
                "names": {"plural": plural, "singular": format!("thing{n}"), "kind": format!("Thing{n}")},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
            },
        });
        accounts::create(client, PATH, &kind).await
    });
    stream::iter(made).buffer_unordered(CONCURRENT).try_collect::<()>().await
}
