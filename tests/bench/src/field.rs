//! `cargo xtask bench field`: one run beside the API server itself and another server, by many clients, on clusters of several sizes;
//! writes docs/benchmarks.md.

mod circumstances;
pub(crate) mod client;
pub(crate) mod closed;
mod crowd;
mod goals;
pub(crate) mod memory;
mod open;
mod page;
pub(crate) mod plan;
pub(crate) mod results;
pub(crate) mod stage;
mod svg;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::setup::Setup;
use plan::{Plan, Work, works};
use results::{Contender, Load, Profile, Results};
use stage::Stage;

/// Clients of a load at a fixed rate.
const LOAD_CLIENTS: usize = 64;
/// Rates of a load, as parts of what Porthole reaches with 8 clients.
const PARTS: [f64; 5] = [0.1, 0.25, 0.5, 0.75, 0.9];
/// Part of its own rate up to which a contender is asked; beyond it the queue grows for as long as it is measured.
const REACHED: f64 = 0.9;

/// Options of the run.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    setup: Setup,
    /// The other server's program
    #[arg(long)]
    peer: Option<PathBuf>,
    /// Its name and version
    #[arg(long)]
    peer_name: Option<String>,
    /// Commit that is measured
    #[arg(long, default_value = "unknown")]
    commit: String,
    /// Folder that benchmarks.json, .md and .svg are written to
    #[arg(long)]
    out: PathBuf,
    /// A trial with few and short rounds
    #[arg(long)]
    quick: bool,
    /// Numbers of pods, ascending
    #[arg(long, value_delimiter = ',')]
    pods: Vec<usize>,
    /// Numbers of clients
    #[arg(long, value_delimiter = ',')]
    clients: Vec<usize>,
}

impl Options {
    fn plan(&self) -> Result<Plan> {
        let mut plan = if self.quick { Plan::quick() } else { Plan::full() };
        for (given, planned) in [(&self.pods, &mut plan.pods), (&self.clients, &mut plan.clients)] {
            if !given.is_empty() {
                planned.clone_from(given);
            }
        }
        ensure!(
            plan.pods.is_sorted() && plan.pods.iter().all(|pods| (1..=100_000).contains(pods)),
            "numbers of pods ascend to 100000 at most"
        );
        ensure!(plan.clients.iter().all(|clients| (1..=1024).contains(clients)), "1024 clients at most");
        Ok(plan)
    }
}

/// Renders the page anew from the results in a folder.
pub(crate) fn render(folder: &Path) -> Result<()> {
    page::write(folder, &page::read(folder)?)
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    let (begun, plan) = (Instant::now(), options.plan()?);
    let mut stage = Stage::start(&options.setup, options.peer.as_deref(), plan.custom_kinds).await?;
    let works: Vec<Arc<Work>> = works().into_iter().map(Arc::new).collect();
    let mut results = Results::default();
    for (n, &pods) in plan.pods.iter().enumerate() {
        if let Err(error) = stage.grow(pods).await {
            // What was measured on smaller clusters stands.
            ensure!(n > 0, "{error:#}");
            results.left.push(format!("{pods} pods and more: {error:#}"));
            break;
        }
        cells(&stage, &plan, &works, pods, begun, &mut results).await?;
        if n == 0 {
            if let Err(error) = loads(&stage, &plan, &works, &mut results).await {
                results.left.push(format!("calls at a fixed rate: {error:#}"));
            }
            match profile(&stage, &works).await {
                Ok(profile) => results.profile = Some(profile),
                Err(error) => results.left.push(format!("processor time by layer: {error:#}")),
            }
            results.crowd = crowd::measure(&stage, &plan, &works, &mut results.left).await;
        }
    }
    if !stage.has_peer() {
        results.left.push("the other server: it could not be installed".to_owned());
    }
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    let (peer, is_quick) = (options.peer_name.as_deref(), options.quick);
    match circumstances::describe(&stage.cluster, &plan, &options.commit, peer, (minutes, is_quick)).await {
        Ok(run) => results.run = Some(run),
        Err(error) => results.left.push(format!("machine and versions: {error:#}")),
    }
    println!("{}", page::render(&results));
    page::write(&options.out, &results)?;
    stage.stop().await
}

/// Measures all kinds of work on a cluster of a size. A cell that fails is left out, and named.
async fn cells(
    stage: &Stage<'_>,
    plan: &Plan,
    works: &[Arc<Work>],
    pods: usize,
    begun: Instant,
    results: &mut Results,
) -> Result<()> {
    for work in works {
        for clients in plan.clients_of(work, pods) {
            let name = format!("{}, {pods} pods, {clients} clients", work.name);
            if begun.elapsed() > plan.whole {
                results.left.push(format!("{name}: the run had no time left"));
                continue;
            }
            match closed::measure(stage, plan, work, (clients, pods), &mut results.left).await {
                Ok(cell) => {
                    let p50 = |contender| cell.row(contender).map_or(0.0, |row| row.p50.median);
                    let (ours, api) = (p50(Contender::Porthole), p50(Contender::ApiServer));
                    eprintln!(
                        "{:>5.0} s  {name}: {ours:.2} ms, its reads {api:.2} ms",
                        begun.elapsed().as_secs_f64()
                    );
                    results.cells.push(cell);
                }
                Err(error) => results.left.push(format!("{name}: {error:#}")),
            }
        }
    }
    ensure!(!results.cells.is_empty(), "nothing could be measured: {}", results.left.join("; "));
    Ok(())
}

/// Samples the host by the first kind of work.
async fn profile(stage: &Stage<'_>, works: &[Arc<Work>]) -> Result<Profile> {
    const CLIENTS: usize = 4;
    const LONG: Duration = Duration::from_secs(10);
    let work = works.first().context("no work")?;
    let clients = stage.clients(Contender::Porthole, CLIENTS, &[])?;
    let process = stage.hosts[0].id()?;
    Ok(crate::profile::sample(process, (work, clients), LONG).await?.0)
}

/// Measures latencies at fixed rates, by the work whose answer is one object.
async fn loads(stage: &Stage<'_>, plan: &Plan, works: &[Arc<Work>], results: &mut Results) -> Result<()> {
    let work = works.get(1).context("no work")?;
    let is_it = |cell: &&results::Cell| cell.work == work.name && cell.clients == 8;
    let cell = results.cells.iter().find(is_it).context("what 8 clients reach was not measured")?;
    let reached = |contender| cell.row(contender).map(|row| row.rate.median);
    let full = reached(Contender::Porthole).context("no rate")?;
    let contenders = [Contender::ApiServer, Contender::Porthole, Contender::PortholeAgain, Contender::Peer];
    let (_, reads) = stage.record(work).await?;
    let (long, repeated) = plan.load;
    for part in PARTS {
        let rate = part * full;
        let asked = contenders.into_iter().filter(|contender| {
            reached(*contender).is_some_and(|reached| rate <= reached * REACHED + f64::EPSILON)
        });
        let mut series: Vec<(Contender, open::Outcome)> = Vec::new();
        for contender in asked.clone().cycle().take(asked.count() * repeated) {
            let clients = stage.clients(contender, LOAD_CLIENTS, &reads)?;
            // Connections are not a part of what is measured.
            futures::future::join_all(clients.iter().map(|client| client.call(work))).await;
            let outcome = open::load(clients, work, rate, long).await?;
            match series.iter_mut().find(|(other, _)| *other == contender) {
                Some((_, all)) => all.add(&outcome)?,
                None => series.push((contender, outcome)),
            }
        }
        results.loads.extend(series.into_iter().map(|(contender, outcome)| Load {
            work: work.name.to_owned(),
            contender,
            rate: results::rounded(rate),
            due: outcome.due,
            answered: outcome.answered,
            p50: closed::percentile(&outcome.latencies, 50.0),
            p99: closed::percentile(&outcome.latencies, 99.0),
            p999: closed::percentile(&outcome.latencies, 99.9),
        }));
    }
    Ok(())
}
