//! `cargo xtask bench calls`: times calls through the API server, Porthole and another server, in one run, by one client,
//! with one token. Only the ratios are comparable between machines.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Result;
use porthole_testbed::{
    accounts, cluster::Cluster, dify::Dify, fixtures, http::Streamable, porthole::until_ready,
};
use serde_json::{Value, json};

use crate::{
    peer,
    process::{cpu_ms, memory},
    setup::Setup,
};

const PODS: usize = 2000;
/// Maximum number of calls per measurement.
const MAX_CALLS: usize = 300;
/// Maximum duration of a measurement.
const MAX_DURATION: Duration = Duration::from_secs(8);
/// Rounds of a comparison, in which the hosts take turns.
const ROUNDS: usize = 9;
/// Maximum duration of a turn.
const TURN: Duration = Duration::from_millis(1500);
/// Port of the first compared host.
const TURNS_PORT: u16 = 18090;

/// Programs timed beside the host.
pub(crate) struct ComparedPrograms {
    /// Program of the other server.
    pub(crate) peer: Option<PathBuf>,
    /// Another Porthole binary.
    pub(crate) porthole: Option<PathBuf>,
}

pub(crate) async fn run(setup: &Setup, beside: ComparedPrograms) -> Result<()> {
    let ComparedPrograms { peer, porthole: second } = beside;
    let cluster = setup.cluster(fixtures::shop).await?;
    eprintln!("making {PODS} pods");
    fixtures::pods(&cluster, PODS).await?;
    let client = cluster.admin().await?;
    accounts::namespace(&client, "bench").await?;
    let token = accounts::account(&client, "bench", "reader").await?;
    accounts::allow(&client, ("bench", "reader"), None, accounts::reader_rules()).await?;
    let reader = cluster.write_kubeconfig("bench.kubeconfig", &json!({"token": token}))?;

    let ours = "127.0.0.1:18080";
    let mut host = setup.host(&cluster, &setup.porthole, ours)?;
    let ours = format!("http://{ours}");
    until_ready(&ours).await?;
    let idle = memory(host.id());
    let mut other = None;
    if let Some(program) = peer {
        other = Some(peer::start(&program, &reader).await?);
    }

    let api = Api::new(&reader).await?;
    println!("{PODS} pods; p50 in ms (calls a second, CPU ms a call)");
    println!("| work | API server | Porthole /mcp | Porthole, a Dify visit | the other server |");
    println!("|---|---|---|---|---|");
    let pod = "app-0-00000";
    let work = [
        ("namespaces_list", "/api/v1/namespaces".to_owned(), json!({})),
        (
            "pods_get",
            format!("/api/v1/namespaces/load-1/pods/{pod}"),
            json!({"name": pod, "namespace": "load-1"}),
        ),
        ("pods_list", "/api/v1/pods".to_owned(), json!({})),
    ];
    for (tool, path, arguments) in work {
        for clients in [1, 8] {
            let direct = timed(clients, None, || api.get(path.clone())).await?;
            let streamable: Vec<Streamable> =
                (0..clients).map(|_| Streamable::new(&ours, Some(&token))).collect();
            let mcp = timed(clients, host.id(), || call(&streamable, tool, arguments.clone())).await?;
            let visit =
                timed(clients, host.id(), || Dify::visit(&ours, Some(&token), tool, arguments.clone()))
                    .await?;
            let theirs = match &other {
                None => "-".to_owned(),
                Some(process) => {
                    let peers: Vec<Streamable> = (0..clients).map(|_| peer::client(&token)).collect();
                    peer::greet(&peers[0]).await?;
                    timed(clients, process.id(), || call(&peers, tool, arguments.clone())).await?.to_string()
                }
            };
            println!(
                "| {tool}, {clients} client{} | {direct} | {mcp} | {visit} | {theirs} |",
                if clients > 1 { "s" } else { "" }
            );
        }
    }
    compare(setup, &cluster, second.as_deref(), &token).await?;
    println!("memory of Porthole: idle {idle} MB, after the run {} MB", memory(host.id()));
    if let Some(mut other) = other {
        println!("memory of the other server after the run: {} MB", memory(other.id()));
        other.kill().await?;
    }
    host.kill().await?;
    Ok(())
}

/// Timings of one host for one kind of work: a p50 per round, in ms.
type Rounds = Vec<f64>;

/// Compares the host with itself (A/A), alternating, to measure the noise; and with the other binary if given.
async fn compare(setup: &Setup, cluster: &Cluster, second: Option<&Path>, token: &str) -> Result<()> {
    let porthole = setup.porthole.as_path();
    let binaries = [Some(("A", porthole)), Some(("A again", porthole)), second.map(|path| ("beside", path))];
    let mut hosts = Vec::new();
    for (n, (name, binary)) in binaries.into_iter().flatten().enumerate() {
        let address = format!("127.0.0.1:{}", TURNS_PORT + u16::try_from(n)?);
        let host = setup.host(cluster, binary, &address)?;
        let origin = format!("http://{address}");
        until_ready(&origin).await?;
        hosts.push((name, host, origin));
    }
    let pod = json!({"name": "app-0-00000", "namespace": "load-1"});
    println!(
        "A/A: {ROUNDS} rounds of each host in turn; the median of their p50, in ms (from the least to the most)"
    );
    for (tool, arguments) in [("namespaces_list", json!({})), ("pods_get", pod), ("pods_list", json!({}))] {
        for clients in [1, 8] {
            let mut rounds: Vec<Rounds> = vec![Vec::new(); hosts.len()];
            for round in 0..ROUNDS {
                for at in 0..hosts.len() {
                    // Each round begins with another host, because the first one finds the API server idle.
                    let at = (at + round) % hosts.len();
                    let streamable: Vec<Streamable> =
                        (0..clients).map(|_| Streamable::new(&hosts[at].2, Some(token))).collect();
                    let timing =
                        timed_for(TURN, clients, None, || call(&streamable, tool, arguments.clone())).await?;
                    rounds[at].push(timing.p50);
                }
            }
            println!("{}", compared(&format!("{tool}, {clients} at once"), &hosts, &mut rounds));
        }
    }
    for (_, host, _) in &mut hosts {
        host.kill().await?;
    }
    Ok(())
}

/// Reports one kind of work: the hosts, the noise, and whether the other binary differs by more than the noise.
fn compared(work: &str, hosts: &[(&str, tokio::process::Child, String)], rounds: &mut [Rounds]) -> String {
    let middles: Vec<f64> = rounds
        .iter_mut()
        .map(|rounds| {
            rounds.sort_by(f64::total_cmp);
            rounds[rounds.len() / 2]
        })
        .collect();
    let percent = |part: f64| (part - 1.0) * 100.0;
    let mut line = format!("{work}:");
    for ((name, ..), (rounds, middle)) in hosts.iter().zip(rounds.iter().zip(&middles)) {
        let (least, most) = (rounds[0], rounds[rounds.len() - 1]);
        line.push_str(&format!(" {name} {middle:.2} ({least:.2} to {most:.2});"));
    }
    line.push_str(&format!(" noise {:+.1} %", percent(middles[1] / middles[0])));
    // The baseline is the mean of both runs of the first host.
    if let Some(beside) = middles.get(2) {
        let first = (middles[0] + middles[1]) / 2.0;
        line.push_str(&format!("; A against the other {:+.1} %", percent(first / beside)));
    }
    line
}

async fn call(clients: &[Streamable], tool: &str, arguments: Value) -> Result<String> {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let at = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % clients.len();
    let text = clients[at].call(tool, arguments).await?;
    anyhow::ensure!(!text.starts_with("ERROR") && !text.contains("failed to"), "{text}");
    Ok(text)
}

/// Direct client of the API server, with the same token and the client library that Porthole uses.
struct Api(kube::Client);

impl Api {
    async fn new(kubeconfig: &Path) -> Result<Self> {
        let kubeconfig = kube::config::Kubeconfig::read_from(kubeconfig)?;
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await?;
        Ok(Self(kube::Client::try_from(config)?))
    }

    async fn get(&self, path: String) -> Result<String> {
        Ok(self.0.request_text(http::Request::get(path).body(Vec::new())?).await?)
    }
}

struct Timing {
    p50: f64,
    rate: f64,
    cpu: Option<f64>,
}

impl std::fmt::Display for Timing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} ({:.0}/s", self.p50, self.rate)?;
        match self.cpu {
            Some(cpu) => write!(f, ", {cpu:.2})"),
            None => write!(f, ")"),
        }
    }
}

/// Times `work` by a number of sequential clients; measures the CPU time of `process`.
async fn timed<F, T>(clients: usize, process: Option<u32>, work: impl Fn() -> F) -> Result<Timing>
where
    F: Future<Output = Result<T>>,
{
    timed_for(MAX_DURATION, clients, process, work).await
}

/// As [`timed`], with a maximum duration.
async fn timed_for<F, T>(
    long: Duration,
    clients: usize,
    process: Option<u32>,
    work: impl Fn() -> F,
) -> Result<Timing>
where
    F: Future<Output = Result<T>>,
{
    for _ in 0..3 {
        work().await?;
    }
    let (begun, cpu) = (Instant::now(), process.map(cpu_ms));
    let one = async || -> Result<Vec<Duration>> {
        let mut times = Vec::new();
        while times.len() < MAX_CALLS && begun.elapsed() < long {
            let started = Instant::now();
            work().await?;
            times.push(started.elapsed());
        }
        Ok(times)
    };
    let all = futures::future::try_join_all((0..clients).map(|_| one())).await?;
    let mut times: Vec<Duration> = all.into_iter().flatten().collect();
    let count = times.len() as f64;
    let cpu = process.map(cpu_ms).zip(cpu).map(|(after, before)| (after - before) / count);
    times.sort();
    Ok(Timing {
        p50: times[times.len() / 2].as_secs_f64() * 1e3,
        rate: count / begun.elapsed().as_secs_f64(),
        cpu,
    })
}
