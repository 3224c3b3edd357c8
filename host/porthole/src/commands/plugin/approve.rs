//! `porthole plugin approve`: approves what tools may read, in the words of the configuration and in a lock.

use std::{fs, os::unix::fs::MetadataExt, path::PathBuf, process::ExitCode, sync::Arc, time::SystemTime};

use anyhow::Context;
use porthole_contract::{ToolName, controls_display, describe_rules};
use porthole_tools::{Approval, ApprovalLock, ApprovalText, Approvals, Loader, Tool};

use super::{open, printable};

/// Bytes of a user's name that are kept.
const MAX_USER: usize = 64;

pub(super) async fn approve(
    files: &[PathBuf],
    lock: Option<ApprovalLock>,
    loader: &Loader,
) -> anyhow::Result<ExitCode> {
    let (by, at) = (user(), humantime::format_rfc3339_seconds(SystemTime::now()).to_string());
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
        approved.push((tool.description.name.clone(), approval(&tool, &by, &at)));
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
        eprintln!("approved by {by}: {tool} {} may {reads}{addition}", approval.version);
    }
    Ok(ExitCode::SUCCESS)
}

fn approval(tool: &Tool, by: &str, at: &str) -> Approval {
    Approval {
        version: tool.description.version.clone(),
        digest: tool.digest,
        reads: Arc::clone(&tool.description.grant),
        by: by.to_owned(),
        at: at.to_owned(),
    }
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
