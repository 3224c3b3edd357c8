//! `porthole plugin check`: everything that the host would check, and what a reviewer would ask.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use porthole_contract::Printable;
use porthole_tools::{Loader, Tool};

use super::{open, shown};

/// Characters of a summary that a model reads at each listing. The longest of our own has 200.
const LONG_SUMMARY: usize = 600;
/// Bytes of a file beyond which people wonder.
const LARGE: u64 = 40 << 20;

pub(super) async fn check(files: &[PathBuf], loader: &Loader) -> anyhow::Result<ExitCode> {
    let (mut all, mut unreadable) = (true, None);
    for file in files {
        match one(file, loader).await {
            Ok(is_served) => all &= is_served,
            // The other files are checked first.
            Err(error) => unreadable = unreadable.or(Some(error)),
        }
    }
    if let Some(error) = unreadable {
        return Err(error);
    }
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether the file would be served.
async fn one(file: &Path, loader: &Loader) -> anyhow::Result<bool> {
    let Some(wasm) = open(file, loader).await? else { return Ok(false) };
    let tool = match loader.load_open(file, &wasm).await {
        Ok(tool) => tool,
        Err(reason) => {
            println!("{} would not be served: {reason}", shown(file));
            return Ok(false);
        }
    };
    let mut advice = advice(&tool);
    if wasm.size() > LARGE {
        advice.push(format!("the file has {} MB; strip it", wasm.size() / 1_000_000));
    }
    println!("{} would be served: {} {}", shown(file), tool.description.name, tool.description.version);
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
    let properties = tool.input_schema.get("properties").and_then(|properties| properties.as_object());
    for (name, property) in properties.into_iter().flatten() {
        let described = property.get("description").and_then(|text| text.as_str()).unwrap_or_default();
        if described.trim().is_empty() {
            advice.push(format!("its argument {name} has no description; a model must guess what it is"));
        }
    }
    if tool.grant.rules().is_empty() {
        advice.push("it declares no reads, so the cluster is closed to it".to_owned());
    }
    for rule in tool.grant.rules() {
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
