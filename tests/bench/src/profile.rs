//! `cargo xtask profile`: processor time of the host by layer and function, from stacks that `perf` samples.
//!
//! The host is the one that `bench` measures: its stacks are unwound by the tables that panics need, so it is built neither
//! with frame pointers nor with debug information. Frames that were inlined are counted for the function around them.

mod flame;
mod layers;
mod stacks;

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use porthole_testbed::{accounts, fixtures, http::Streamable};

use crate::{
    field::{
        client::Client,
        closed,
        plan::{Work, works},
        results::{LayerTime, Profile, rounded},
        stage::Host,
    },
    process::cpu_ms,
    setup::Setup,
};
use stacks::Stack;

/// Pods of the cluster.
const PODS: usize = 2_000;
/// Samples a second of each thread that runs; no multiple of timers that tick a hundred or a thousand times.
const FREQUENCY: &str = "499";
/// Bytes of the stack that each sample has; deeper frames are lost.
const STACK: &str = "dwarf,16384";
/// Load before the first sample.
const WARM_UP: Duration = Duration::from_secs(2);

/// Options of a profile.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    setup: Setup,
    /// Name of the work, as in docs/benchmarks.md
    #[arg(long, default_value = "namespaces_list")]
    work: String,
    /// Clients that ask without a pause
    #[arg(long, default_value_t = 4)]
    clients: usize,
    /// Seconds
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=120))]
    seconds: u64,
    /// Folder that the flame graph is written to
    #[arg(long)]
    out: PathBuf,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    let names = || works().iter().map(|work| work.name).collect::<Vec<_>>().join(", ");
    let work = works().into_iter().find(|work| work.name == options.work);
    let work =
        Arc::new(work.with_context(|| format!("there is no work {:?}; there is {}", options.work, names()))?);
    let setup = &options.setup;
    let cluster = setup.cluster(async |_| Ok(())).await?;
    fixtures::pods(&cluster, PODS).await?;
    let client = cluster.admin().await?;
    accounts::namespace(&client, "bench").await?;
    let token = accounts::account(&client, "bench", "reader").await?;
    accounts::allow(&client, ("bench", "reader"), None, accounts::reader_rules()).await?;
    let host = Host::start(setup, &cluster.kubeconfig, &setup.plugins, &[]).await?;
    let clients: Vec<Arc<Client>> = (0..options.clients)
        .map(|_| Arc::new(Client::Kept(Streamable::new(&host.origin, Some(&token)))))
        .collect();
    let (profile, stacks) =
        sample(host.id()?, (&work, clients), Duration::from_secs(options.seconds)).await?;
    std::fs::create_dir_all(&options.out)?;
    host.stop().await?;
    println!("{}", table(&profile));
    let graph = options.out.join("flamegraph.svg");
    std::fs::write(&graph, flame::graph(&stacks))?;
    println!("{}", graph.display());
    Ok(())
}

/// Samples a host under load.
pub(crate) async fn sample(
    process: u32,
    (work, clients): (&Arc<Work>, Vec<Arc<Client>>),
    long: Duration,
) -> Result<(Profile, Vec<Stack>)> {
    let count = clients.len();
    closed::rate(clients.clone(), work, WARM_UP).await?;
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("perf.data");
    let before = cpu_ms(process);
    let (rate, sampled) = tokio::join!(closed::rate(clients, work, long), record(process, long, &data));
    let (rate, cpu) = (rate?, cpu_ms(process) - before);
    sampled?;
    let stacks = stacks::parse(&script(&data)?);
    ensure!(!stacks.is_empty(), "perf has no samples");
    let call = cpu / (rate * long.as_secs_f64());
    let profile = Profile {
        work: work.name.to_owned(),
        clients: count,
        rate: rounded(rate),
        call: rounded(call),
        samples: stacks.len(),
        layers: layers(&stacks, call),
    };
    Ok((profile, stacks))
}

/// Milliseconds of each layer, of a call that takes some.
fn layers(stacks: &[Stack], call: f64) -> Vec<LayerTime> {
    let ms = |samples: usize| rounded(samples as f64 / stacks.len().max(1) as f64 * call);
    let of = |share: layers::Share| LayerTime {
        layer: share.layer.name().to_owned(),
        all: ms(share.samples),
        kernel: ms(share.kernel),
        allocator: ms(share.allocator),
        copying: ms(share.copying),
    };
    layers::shares(stacks).into_iter().map(of).collect()
}

/// Table of a profile.
pub(crate) fn table(profile: &Profile) -> String {
    let mut text = format!(
        "{}, {} clients, {:.0} calls a second while {} samples were taken: {:.3} ms of processor time a call.\n\n\
         | layer | part | ms a call | of it kernel | allocator | copying |\n|---|---|---|---|---|---|\n",
        profile.work, profile.clients, profile.rate, profile.samples, profile.call
    );
    for LayerTime { layer, all, kernel, allocator, copying } in &profile.layers {
        let part = all * 100.0 / profile.call.max(f64::MIN_POSITIVE);
        let _ = writeln!(
            text,
            "| {layer} | {part:.1} % | {all:.3} | {kernel:.3} | {allocator:.3} | {copying:.3} |"
        );
    }
    text
}

/// Samples a process for some seconds.
async fn record(process: u32, long: Duration, data: &Path) -> Result<()> {
    let output = tokio::process::Command::new("perf")
        .args(["record", "--quiet", "--event", "cpu-clock", "--freq", FREQUENCY, "--call-graph", STACK])
        .args(["--pid", &process.to_string(), "--output"])
        .arg(data)
        .args(["--", "sleep", &long.as_secs_f64().to_string()])
        .kill_on_drop(true)
        .output()
        .await
        .context("perf is not there; apt-get install linux-perf")?;
    if !output.status.success() {
        bail!("perf record: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Stacks of what was sampled, as text.
fn script(data: &Path) -> Result<String> {
    let output = Command::new("perf")
        .args(["script", "--no-inline", "--fields", "comm,ip,sym,dso", "--input"])
        .arg(data)
        .output()?;
    ensure!(output.status.success(), "perf script: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
