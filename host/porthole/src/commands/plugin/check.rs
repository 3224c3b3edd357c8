//! `porthole plugin check`: runs every check of the host, and adds a reviewer's advice.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use porthole_contract::Printable;
use porthole_tools::{Loader, Tool};

use super::{config_map_limit, open, printable, size};

/// Characters of a summary before a warning: a model reads it at each listing. The longest of Porthole's own has 200.
const LONG_SUMMARY: usize = 600;
/// Bytes of a file before a warning.
const LARGE_FILE: u64 = 40 << 20;

pub(super) async fn check(files: &[PathBuf], loader: &Loader) -> anyhow::Result<ExitCode> {
    let (mut all, mut unreadable) = (true, None);
    for file in files {
        match check_file(file, loader).await {
            Ok(is_served) => all &= is_served,
            // Reported after the other files were checked.
            Err(error) => unreadable = unreadable.or(Some(error)),
        }
    }
    if let Some(error) = unreadable {
        return Err(error);
    }
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Checks a file; true if it would be served.
async fn check_file(file: &Path, loader: &Loader) -> anyhow::Result<bool> {
    let Some(wasm) = open(file, loader).await? else { return Ok(false) };
    let tool = match loader.load_open(file, &wasm).await {
        Ok(tool) => tool,
        Err(reason) => {
            println!("{} would not be served: {reason}", printable(file));
            return Ok(false);
        }
    };
    let mut advice = advice(&tool);
    if wasm.size() > LARGE_FILE {
        advice.push(format!("the file has {} MB; strip it", wasm.size() / 1_000_000));
    }
    if let Some(limit) = config_map_limit(wasm.size()) {
        advice.push(format!(
            "the file has {}: {limit}; bring it by an image or a claim (deploy/README.md)",
            size(wasm.size())
        ));
    }
    println!("{} would be served: {} {}", printable(file), tool.description.name, tool.description.version);
    for advice in advice {
        println!("advice: {}", Printable(&advice));
    }
    Ok(true)
}

fn advice(tool: &Tool) -> Vec<String> {
    let description = &tool.description;
    let mut advice = Vec::new();
    if description.title.trim().is_empty() {
        advice.push("it has no title; people see the bare name in their client".to_owned());
    }
    if description.summary.len() > LONG_SUMMARY {
        let length = description.summary.len();
        advice.push(format!("its summary has {length} bytes, and a model pays for them at every listing"));
    }
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let release = description.version.split(['-', '+']).next().unwrap_or_default();
    if release.split('.').count() != 3 || !release.split('.').all(number) {
        advice.push(format!("its version {:?} is not a semantic version like 1.2.0", description.version));
    }
    let properties =
        tool.description.input_schema.get("properties").and_then(|properties| properties.as_object());
    for (name, property) in properties.into_iter().flatten() {
        let described = property.get("description").and_then(|text| text.as_str()).unwrap_or_default();
        if described.trim().is_empty() {
            advice.push(format!("its argument {name} has no description; a model must guess what it is"));
        }
    }
    if tool.description.grant.rules().is_empty() {
        advice.push("it declares no reads, so the cluster is closed to it".to_owned());
    }
    for rule in tool.description.grant.rules() {
        if rule.resources.iter().any(|resource| resource == "*") {
            advice.push(
                "it declares resources \"*\", every kind there is, Secrets too; name what it needs"
                    .to_owned(),
            );
        }
        if rule.resources.iter().any(|resource| resource == "secrets") {
            advice
                .push("it declares secrets; it will see their names and keys, never their values".to_owned());
        }
    }
    advice
}
