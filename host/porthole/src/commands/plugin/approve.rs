//! `porthole plugin approve`: approves what tools may read, in the words of the configuration and in a lock.

use std::{fs, os::unix::fs::MetadataExt, path::PathBuf, process::ExitCode, sync::Arc, time::SystemTime};

use anyhow::Context;
use porthole_cluster::{ApiServer, Cluster};
use porthole_contract::{Credential, ToolName, controls_display, describe_rules};
use porthole_guard::{Guard, NamedKinds};
use porthole_tools::{Approval, ApprovalLock, ApprovalText, Approvals, Loader, Tool};

use super::{open, printable};
use crate::{cli::ClusterArgs, demo::Demo, wiring};

/// Bytes of a user's name that are kept.
const MAX_USER: usize = 64;

pub(super) async fn approve(
    files: &[PathBuf],
    cluster: Option<&ClusterArgs>,
    lock: Option<ApprovalLock>,
    loader: &Loader,
) -> anyhow::Result<ExitCode> {
    let kinds = match cluster {
        Some(cluster) => Some(Arc::new(kinds(cluster).await?)),
        None => None,
    };
    let note =
        Note { kinds, by: user(), at: humantime::format_rfc3339_seconds(SystemTime::now()).to_string() };
    let mut approved: Vec<(ToolName, Approval)> = Vec::new();
    for file in files {
        let Some(wasm) = open(file, loader).await? else { return Ok(ExitCode::FAILURE) };
        let tool = match loader.load_open(file, &wasm).await {
            Ok(tool) => tool,
            Err(reason) => {
                println!("{} would not be served: {reason}", printable(file));
                return Ok(ExitCode::FAILURE);
            }
        };
        approved.push((tool.description.name.clone(), note.approval(&tool)));
    }
    let before = match &lock {
        Some(lock) => write(lock, &approved)?,
        None => Approvals::default(),
    };
    let entries: Vec<ApprovalText> =
        approved.iter().map(|(tool, approval)| ApprovalText::of(tool, approval)).collect();
    print!("{}", serde_saphyr::to_string(&entries)?);
    for (tool, approval) in &approved {
        let reads = describe_rules(approval.reads.rules());
        let excess = before.get(tool).and_then(|before| before.reads.excess(&approval.reads));
        let addition = excess.map(|excess| format!(" ({excess} in addition)")).unwrap_or_default();
        let kinds = match &approval.kinds {
            Some(kinds) => format!(", of the {} kinds that the cluster serves now", kinds.count()),
            None if approval.reads.has_star() => {
                ", also of kinds that are installed later (--kinds names those of a cluster)".to_owned()
            }
            None => String::new(),
        };
        eprintln!("approved by {}: {tool} {} may {reads}{addition}{kinds}", note.by, approval.version);
    }
    Ok(ExitCode::SUCCESS)
}

/// What an approval says beside the tool.
struct Note {
    /// Kinds for which `*` stands.
    kinds: Option<Arc<NamedKinds>>,
    by: String,
    at: String,
}

impl Note {
    fn approval(&self, tool: &Tool) -> Approval {
        let reads = Arc::clone(&tool.description.grant);
        Approval {
            version: tool.description.version.clone(),
            digest: tool.digest,
            kinds: self.kinds.clone().filter(|_| reads.has_star()),
            reads,
            by: self.by.clone(),
            at: self.at.clone(),
        }
    }
}

/// Kinds that the cluster serves now, as its kubeconfig's account or the pod's sees them.
async fn kinds(cluster: &ClusterArgs) -> anyhow::Result<NamedKinds> {
    let demo = match &cluster.demo {
        Some(folder) => Some(Demo::start(folder.as_deref(), None).await?),
        None => None,
    };
    let server = ApiServer::for_host(&wiring::source(demo.as_ref(), cluster)).await?;
    let guard = Guard::new(Arc::new(Cluster::new(server)), Arc::default());
    let kinds = guard.kinds(&Credential::Connection).await;
    kinds.map_err(|failure| anyhow::anyhow!("--kinds: {}", porthole_contract::Printable(&failure.message)))
}

/// Writes approvals into the lock; returns those that were there.
fn write(lock: &ApprovalLock, approved: &[(ToolName, Approval)]) -> anyhow::Result<Approvals> {
    let (mut before, mut fits) = (Approvals::default(), true);
    let changed = lock.change(|approvals| {
        before = approvals.clone();
        for (tool, approval) in approved {
            fits &= approvals.insert(tool.clone(), approval.clone());
        }
    });
    changed.with_context(|| format!("--lock {}", printable(lock.path())))?;
    anyhow::ensure!(fits, "--lock {}: it has no room for more names; take some out", printable(lock.path()));
    Ok(before)
}

/// The user of the operating system that runs this command: its name, if it has one, and its number. Variables of the
/// environment could say anything.
fn user() -> String {
    let Ok(process) = fs::metadata("/proc/self") else { return "unknown".to_owned() };
    let number = process.uid();
    let name = fs::read_to_string("/etc/passwd").ok().and_then(|accounts| {
        accounts.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(number)).then(|| name.to_owned())
        })
    });
    match name.filter(|name| name.len() <= MAX_USER && !name.chars().any(controls_display)) {
        Some(name) => format!("{name} (uid {number})"),
        None => format!("uid {number}"),
    }
}
