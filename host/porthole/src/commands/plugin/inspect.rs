//! `porthole plugin inspect`: prints a component's identity, its imports and its declared reads.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use porthole_contract::Printable;
use porthole_sandbox::Import;
use porthole_tools::{Approval, ApprovalMode, Decision, Declaration, Loader, Tool, decide, granted};

use super::{config_map_limit, open, printable, size};
use crate::{commands::rbac, config::ApprovalConfig};

pub(super) async fn inspect(
    file: &Path,
    approvals: &ApprovalConfig,
    lock: Option<PathBuf>,
    loader: &Loader,
) -> anyhow::Result<ExitCode> {
    let Some(wasm) = open(file, loader).await? else { return Ok(ExitCode::FAILURE) };
    let code = loader.code(&wasm).await;
    let imports = code.as_ref().ok().map(|code| code.imports(&loader.engine));
    let tool = match code {
        Ok(code) => loader.tool(file, &wasm, code).await,
        Err(reason) => Err(reason),
    };
    if let Ok(tool) = &tool {
        let description = &tool.description;
        println!("name      {}", Printable(&description.name));
        println!("version   {}", Printable(&description.version));
        println!("title     {}", Printable(&description.title));
        println!("summary   {}", Printable(&description.summary));
    }
    let limit = config_map_limit(wasm.size()).map(|limit| format!(": {limit}")).unwrap_or_default();
    println!("file      {} ({}{limit})", printable(file), size(wasm.size()));
    println!("digest    sha256:{}", wasm.digest());
    for (what, kind) in [
        ("needed: the contract", Import::Needed),
        ("empty: there, with nothing in it", Import::Empty),
        ("refused: the host does not serve it", Import::Refused),
    ] {
        let of_kind = imports.iter().flatten().filter(|(_, of)| *of == kind);
        let names: Vec<String> = of_kind.map(|(name, _)| Printable(name).to_string()).collect();
        if !names.is_empty() {
            println!("imports, {what}\n  {}", names.join("\n  "));
        }
    }
    match tool {
        Ok(tool) => {
            println!("arguments\n{}", arguments(&tool.description.input_schema));
            print!("reads\n{}", rbac::rules_yaml(tool.description.grant.rules(), 2)?);
            if let Some(line) = approved(&tool, approvals, lock)? {
                println!("approved  {}", Printable(&line));
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(reason) => {
            println!("\nThe host would not serve it: {reason}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Decision of the lock and of the configuration about a tool, in words; `None` without either.
fn approved(
    tool: &Tool,
    approvals: &ApprovalConfig,
    lock: Option<PathBuf>,
) -> anyhow::Result<Option<String>> {
    let lock = approvals.lock(lock);
    if lock.is_none() && approvals.approved.is_empty() {
        return Ok(None);
    }
    let name = &tool.description.name;
    let locked = match &lock {
        Some(lock) => lock.read().with_context(|| format!("--lock {}", printable(lock.path())))?,
        None => None,
    };
    let given: Vec<&Approval> =
        locked.iter().filter_map(|locked| locked.get(name)).chain(approvals.approved.get(name)).collect();
    let notes: Vec<String> = given
        .iter()
        .map(|approval| {
            let kinds = approval.kinds.as_ref().map(|kinds| format!(" (of {} kinds)", kinds.count()));
            let Approval { version, by, at, .. } = approval;
            format!("{version}{} by {by} at {at}", kinds.unwrap_or_default())
        })
        .collect();
    let declared = Declaration::from(tool);
    Ok(Some(match decide(ApprovalMode::Wider, &given, &declared) {
        Decision::Approved => {
            let closed = granted(&given, &declared).map(|grant| grant.closed()).unwrap_or_default();
            let closed = if closed.is_empty() {
                String::new()
            } else {
                format!("; closed to it: {}", closed.join(", "))
            };
            format!("yes: {}{closed}", notes.join("; "))
        }
        Decision::New => "no: nothing is approved under its name".to_owned(),
        Decision::Held(hold) => format!("no: {hold} ({})", notes.join("; ")),
    }))
}

/// Formats the arguments, one per line.
fn arguments(schema: &serde_json::Map<String, serde_json::Value>) -> String {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(|names| names.as_array())
        .map(|names| names.iter().filter_map(|name| name.as_str()).collect())
        .unwrap_or_default();
    let Some(properties) = schema.get("properties").and_then(|properties| properties.as_object()) else {
        return "  none".to_owned();
    };
    let lines: Vec<String> = properties
        .iter()
        .map(|(name, property)| {
            let text = |key: &str| property.get(key).and_then(|value| value.as_str()).unwrap_or_default();
            let must = if required.contains(&name.as_str()) { ", required" } else { "" };
            format!("  {name} ({}{must}): {}", Printable(text("type")), Printable(text("description")))
        })
        .collect();
    if lines.is_empty() { "  none".to_owned() } else { lines.join("\n") }
}
