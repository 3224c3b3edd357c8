//! `cargo xtask soak`: half load with faults. No call may be lost or hang, and memory and file descriptors stay flat.
//!
//! A call is lost if it fails and no fault that is under way explains it: a restarted API server explains an answer that
//! says so, and never a connection that breaks off. A call hangs if it is not answered within its limit.

mod faults;
mod host;
mod load;
mod tally;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use porthole_testbed::{accounts, fixtures, proxy::Proxy};

use crate::{process::resources, setup::Setup};
use faults::{Fault, Stage};
use host::Host;
use load::Load;
use tally::Tally;

/// Pods beside those of the shop.
const PODS: usize = 200;
/// Load without faults before the first sample: connections, caches and pools fill.
const WARM_UP: Duration = Duration::from_secs(5);
/// Load without faults after each fault, in which every call must succeed.
const QUIET: Duration = Duration::from_secs(3);
/// Descriptors that may be open at the end beyond those of the middle: connections to the API server come and go.
const SPARE_DESCRIPTORS: u64 = 16;
/// Growth of memory from the middle to the end that is none: a tenth, and pages of an allocator that has not given them back.
const SPARE_MEMORY: u64 = 4 << 10;

/// Options of the soak.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    setup: Setup,
    /// Minutes; every fault has its turn at least once
    #[arg(long, default_value_t = 30)]
    minutes: u64,
}

pub(crate) async fn run(Options { setup, minutes }: &Options) -> Result<()> {
    let cluster = setup.cluster(fixtures::shop).await?;
    fixtures::pods(&cluster, PODS).await?;
    let client = cluster.admin().await?;
    accounts::namespace(&client, "soak").await?;
    let proxy = Proxy::start(&cluster).await?;
    let host = Host::start(setup, &cluster, &proxy).await?;
    let mut tokens = Vec::new();
    for account in ["reader", "other", load::REVOKED] {
        tokens.push(accounts::account(&client, "soak", account).await?);
        accounts::allow(&client, ("soak", account), None, accounts::reader_rules()).await?;
    }
    let tally = Tally::default();
    let load = Load::start(&host.origin, tokens, tally.clone()).await?;
    println!("{:.0} calls a second, half of what this machine reaches", load.rate());

    let mut stage = Stage { cluster, client, proxy, host, load, tally };
    tokio::time::sleep(WARM_UP).await;
    let (begun, long) = (Instant::now(), Duration::from_secs(minutes * 60));
    let start = resources(stage.host.id()?);
    let mut samples = Vec::new();
    let faults = Fault::ALL.into_iter().cycle();
    for fault in faults {
        if samples.len() >= Fault::ALL.len() && begun.elapsed() >= long {
            break;
        }
        stage.play(fault).await?;
        tokio::time::sleep(QUIET).await;
        samples.push(resources(stage.host.id()?));
    }
    let (middle, end) = (samples[samples.len() / 2], samples[samples.len() - 1]);
    let Stage { host, load, tally, .. } = stage;
    load.stop().await;
    host.stop().await?;

    println!("\n| | start | middle | end |\n|---|---|---|---|");
    println!("| resident memory, kB | {} | {} | {} |", start.memory, middle.memory, end.memory);
    println!("| file descriptors | {} | {} | {} |", start.descriptors, middle.descriptors, end.descriptors);
    let report = tally.report();
    println!("\n{report}\n{} faults in {:.0} s", samples.len(), begun.elapsed().as_secs_f64());
    ensure!(report.lost.is_empty() && report.hung.is_empty(), "calls were lost or hung");
    ensure!(report.succeeded > 0, "no call succeeded");
    ensure!(
        end.descriptors <= middle.descriptors.max(start.descriptors) + SPARE_DESCRIPTORS,
        "file descriptors grew"
    );
    ensure!(end.memory <= middle.memory + middle.memory / 10 + SPARE_MEMORY, "memory grew");
    Ok(())
}
