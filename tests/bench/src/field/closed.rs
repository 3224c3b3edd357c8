//! Clients that ask again as soon as they are answered: rates, and latencies at that rate.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use futures::{StreamExt, stream};
use hdrhistogram::Histogram;
use porthole_testbed::proxy::Read;
use tokio::task::JoinSet;

use super::{
    client::{Client, first_line},
    plan::{Kind, Plan, Work},
    results::{Cell, Contender, Reads, Row, Spread, rounded},
    stage::{Stage, sum},
};
use crate::process::{cpu_ms, high_water, reset_high_water};

/// Rounds that a cell has at least.
const MIN_ROUNDS: usize = 3;
/// Clients that connect at the same time, before a turn begins.
const CONNECTING: usize = 16;

/// Empty histogram of microseconds, with three digits, up to the limit of a call.
pub(crate) fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 120_000_000, 3)?)
}

/// A percentile, in ms.
pub(crate) fn percentile(histogram: &Histogram<u64>, percentile: f64) -> f64 {
    rounded(histogram.value_at_percentile(percentile) as f64 / 1e3)
}

/// Microseconds of a duration.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Calls of some clients for a while.
struct Turn {
    latencies: Histogram<u64>,
    failed: u64,
    error: Option<String>,
    seconds: f64,
}

/// Turns of one contender.
struct Series {
    contender: Contender,
    reads: Option<Reads>,
    turns: Vec<Turn>,
    cpu: f64,
    api_cpu: f64,
    high_water: u64,
}

/// Measures one kind of work by all of its contenders, in turns. What fails is left out of the cell, and named in `left`.
pub(crate) async fn measure(
    stage: &Stage<'_>,
    plan: &Plan,
    work: &Arc<Work>,
    (clients, pods): (usize, usize),
    left: &mut Vec<String>,
) -> Result<Cell> {
    let (answer, reads) = stage.record(work).await.context("recording the reads of a call")?;
    let name = |contender: Contender| {
        format!("{}, {pods} pods, {clients} clients, {}", work.name, contender.label())
    };
    let mut series = Vec::new();
    for contender in plan.contenders(work, clients, pods, stage.has_peer()) {
        let reads = match contender {
            Contender::WholeObjects => None,
            Contender::Peer => match stage.record_peer(work).await {
                Ok(reads) => Some(reads),
                Err(error) => {
                    left.push(format!("{}, its reads: {error:#}", name(contender)));
                    None
                }
            },
            _ => Some(sum(&reads)),
        };
        series.push(Series { contender, reads, turns: Vec::new(), cpu: 0.0, api_cpu: 0.0, high_water: 0 });
    }
    let (begun, count) = (Instant::now(), series.len());
    for round in 0..plan.rounds {
        if round >= MIN_ROUNDS && begun.elapsed() > plan.cell {
            break;
        }
        for at in 0..count {
            // Each round begins with another contender, because the first one finds the API server idle.
            let series = &mut series[(at + round) % count];
            series.take_turn(stage, plan, work, clients, &reads).await?;
        }
    }
    let mut rows = Vec::new();
    for series in &series {
        match series.row() {
            Ok(row) => rows.push(row),
            Err(error) => left.push(format!("{}: {error:#}", name(series.contender))),
        }
    }
    Ok(Cell { pods, work: work.name.to_owned(), clients, answer, rows })
}

impl Series {
    async fn take_turn(
        &mut self,
        stage: &Stage<'_>,
        plan: &Plan,
        work: &Arc<Work>,
        clients: usize,
        reads: &[Read],
    ) -> Result<()> {
        let clients = stage.clients(self.contender, clients, reads)?;
        // Connections and what is cached for an account are not a part of the call; a list is too slow for them to show.
        let connecting =
            if work.kind == Kind::Small { clients.len() } else { usize::from(self.turns.is_empty()) };
        stream::iter(clients.iter().take(connecting))
            .for_each_concurrent(CONNECTING, async |client| drop(client.call(work).await))
            .await;
        let process = stage.process(self.contender)?;
        if let Some(process) = process {
            reset_high_water(process)?;
        }
        let cpu = || process.map_or(0.0, cpu_ms);
        let before = (cpu(), stage.api_cpu()?);
        self.turns.push(turn(clients, work, plan.turn).await?);
        self.cpu += cpu() - before.0;
        self.api_cpu += stage.api_cpu()? - before.1;
        self.high_water = self.high_water.max(process.map_or(0, high_water));
        Ok(())
    }

    fn row(&self) -> Result<Row> {
        let mut all = histogram()?;
        for turn in &self.turns {
            all.add(&turn.latencies)?;
        }
        let answered = self.turns.iter().filter(|turn| !turn.latencies.is_empty());
        let p50 = answered.map(|turn| percentile(&turn.latencies, 50.0)).collect();
        let rate = self.turns.iter().map(|turn| turn.latencies.len() as f64 / turn.seconds).collect();
        let failed: u64 = self.turns.iter().map(|turn| turn.failed).sum();
        let error = self.turns.iter().find_map(|turn| turn.error.clone());
        // A call that failed has its part of the CPU time.
        let calls = (all.len() + failed).max(1) as f64;
        let has_process = !matches!(self.contender, Contender::ApiServer | Contender::WholeObjects);
        Ok(Row {
            contender: self.contender,
            p50: Spread::of(p50)
                .with_context(|| error.clone().unwrap_or_else(|| "no call was answered".to_owned()))?,
            p99: percentile(&all, 99.0),
            rate: Spread::of(rate).context("no turns")?,
            calls: all.len(),
            failed,
            error,
            cpu: has_process.then(|| rounded(self.cpu / calls)),
            api_cpu: rounded(self.api_cpu / calls),
            high_water: has_process.then_some(self.high_water),
            reads: self.reads,
        })
    }
}

/// Calls a second of some clients, in a turn.
pub(crate) async fn rate(clients: Vec<Arc<Client>>, work: &Arc<Work>, long: Duration) -> Result<f64> {
    let turn = turn(clients, work, long).await?;
    if let Some(error) = turn.error {
        bail!("{error}");
    }
    Ok(turn.latencies.len() as f64 / turn.seconds)
}

/// Lets each client make one call after the other; calls that have begun in time end.
async fn turn(clients: Vec<Arc<Client>>, work: &Arc<Work>, long: Duration) -> Result<Turn> {
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for client in clients {
        let work = Arc::clone(work);
        running.spawn(async move { one(&client, &work, begun, long).await });
    }
    let mut all = Turn { latencies: histogram()?, failed: 0, error: None, seconds: 0.0 };
    while let Some(turn) = running.join_next().await {
        let turn = turn??;
        all.latencies.add(&turn.latencies)?;
        all.failed += turn.failed;
        all.error = all.error.or(turn.error);
    }
    all.seconds = begun.elapsed().as_secs_f64();
    Ok(all)
}

async fn one(client: &Client, work: &Work, begun: Instant, long: Duration) -> Result<Turn> {
    let mut turn = Turn { latencies: histogram()?, failed: 0, error: None, seconds: 0.0 };
    loop {
        let asked = Instant::now();
        match client.call(work).await {
            Ok(()) => turn.latencies.saturating_record(micros(asked.elapsed())),
            Err(error) => {
                turn.failed += 1;
                turn.error.get_or_insert_with(|| first_line(&format!("{error:#}")));
                // Failures without a pause would take the machine from those that are answered.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        if begun.elapsed() >= long {
            return Ok(turn);
        }
    }
}
