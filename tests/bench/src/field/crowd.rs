//! Many clients, and the start: idle sessions, visits, a caller that floods, a start with many tools.

use std::{
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use porthole_testbed::{dify::Dify, http::client, porthole::until_ready};
use tokio::process::Command;

use super::{
    client::Client,
    closed::{self, percentile},
    open,
    plan::{Plan, Work},
    results::{Contender, Crowd, Flood, Sessions, Spread, Start, Visits},
    stage::{Stage, free_address},
};
use crate::{
    process::{anonymous, resident},
    setup::many_tools,
};

/// Sessions that are opened at the same time.
const CONNECTING: usize = 16;
/// Time after which a session is idle: the host writes comments a quarter second, one and three seconds after an answer.
const IDLE: Duration = Duration::from_secs(4);
/// Clients that visit at the same time.
const VISITORS: usize = 8;
/// Rounds of visits, in which the host and the server in memory take turns.
const ROUNDS: usize = 5;
/// Calls a second of the caller beside the flood, and for how long.
const BYSTANDER: (f64, Duration) = (50.0, Duration::from_secs(10));
/// Clients of the caller that floods: 8 of them are served, 64 wait, the others are refused.
const FLOOD: usize = 96;
/// Tools of a start, and how often it is repeated.
const TOOLS: u32 = 40;
const STARTS: usize = 5;

/// Measures all of them; what fails is reported in `left`.
pub(crate) async fn measure(
    stage: &Stage<'_>,
    plan: &Plan,
    works: &[Arc<Work>],
    left: &mut Vec<String>,
) -> Crowd {
    let (Some(list), Some(get)) = (works.first(), works.get(1)) else { return Crowd::default() };
    let mut kept = |part: &str, error: anyhow::Error| left.push(format!("{part}: {error:#}"));
    Crowd {
        visits: visits(stage, plan, list).await.map_err(|error| kept("visits", error)).ok(),
        flood: flood(stage, list, get).await.map_err(|error| kept("flood", error)).ok(),
        sessions: sessions(stage, plan.sessions).await.map_err(|error| kept("idle sessions", error)).ok(),
        start: start(stage).await.map_err(|error| kept("start", error)).ok(),
    }
}

/// Opens sessions on the second host, which has had none.
async fn sessions(stage: &Stage<'_>, count: usize) -> Result<Sessions> {
    let host = &stage.hosts[1];
    let process = host.id()?;
    let http = client();
    let before = resident(process);
    let opened = (0..count).map(|n| {
        let (http, token) = (http.clone(), &stage.tokens[n % stage.tokens.len()]);
        async move {
            let mut dify = Dify::connect_by(http, &host.origin, Some(token)).await?;
            dify.initialize("2025-03-26").await?;
            anyhow::Ok(dify)
        }
    });
    let open: Vec<Dify> = stream::iter(opened).buffer_unordered(CONNECTING).try_collect().await?;
    tokio::time::sleep(IDLE).await;
    let after = resident(process);
    anyhow::ensure!(open.iter().all(|session| !session.has_ended()), "a session has ended");
    Ok(Sessions { count, before, after })
}

async fn visits(stage: &Stage<'_>, plan: &Plan, work: &Arc<Work>) -> Result<Visits> {
    let listen = free_address()?;
    let mut server = Command::new(std::env::current_exe()?)
        .args(["memory", "--listen", &listen])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("starting the server in memory")?;
    let origin = format!("http://{listen}");
    until_ready(&origin).await?;
    let (mut host, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        host.push(closed::rate(stage.clients(Contender::Visit, VISITORS, &[])?, work, plan.turn).await?);
        let client = || Client::Visits { origin: origin.clone(), token: stage.tokens[0].clone() };
        let clients = (0..VISITORS).map(|_| Arc::new(client())).collect();
        memory.push(closed::rate(clients, work, plan.turn).await?);
    }
    server.kill().await?;
    Ok(Visits {
        host: Spread::of(host).context("no rounds")?,
        memory: Spread::of(memory).context("no rounds")?,
    })
}

/// Measures one caller alone, and beside another that asks as fast as it can.
async fn flood(stage: &Stage<'_>, flooding: &Arc<Work>, asked: &Arc<Work>) -> Result<Flood> {
    let (rate, long) = BYSTANDER;
    let kept = |token: &String, count: usize| -> Vec<Arc<Client>> {
        let client = || porthole_testbed::http::Streamable::new(&stage.hosts[0].origin, Some(token));
        (0..count).map(|_| Arc::new(Client::Kept(client()))).collect()
    };
    let [bystander, flooder] = [0, 1].map(|n| &stage.tokens[n]);
    let alone = open::load(kept(bystander, CONNECTING), asked, rate, long).await?;
    let clients = kept(flooder, FLOOD);
    // Refused calls are a part of a flood, so its errors say nothing.
    let flood = closed::rate(clients, flooding, long);
    let (beside, _) = tokio::join!(open::load(kept(bystander, CONNECTING), asked, rate, long), flood);
    Ok(Flood {
        alone: percentile(&alone.latencies, 99.0),
        beside: percentile(&beside?.latencies, 99.0),
        flooding_clients: FLOOD,
    })
}

/// Starts a host with the tools and small ones beside them, until all are served; their code is in the cache.
async fn start(stage: &Stage<'_>) -> Result<Start> {
    std::env::var_os("PORTHOLE_GUESTS")
        .context("the small tools are not there; cargo xtask bench field builds them")?;
    let folder = tempfile::tempdir()?;
    let (tools, cache) = (folder.path().join("tools"), folder.path().join("cache"));
    let count = many_tools(stage.plugins(), &tools, TOOLS)?;
    stage.another_host(&tools, &cache).await?.stop().await?;
    let (mut ready, mut idle, mut idle_anonymous) = (Vec::new(), 0, None);
    for _ in 0..STARTS {
        let begun = Instant::now();
        let host = stage.another_host(&tools, &cache).await?;
        ready.push(begun.elapsed().as_secs_f64() * 1e3);
        (idle, idle_anonymous) = (resident(host.id()?), Some(anonymous(host.id()?)));
        host.stop().await?;
    }
    let tools = usize::try_from(count)?;
    Ok(Start { tools, ready: Spread::of(ready).context("no starts")?, idle, idle_anonymous })
}
