//! `porthole plugin inspect`: what a component is, what it imports, and what it may read.

use std::{path::Path, process::ExitCode};

use super::{read, size};
use crate::{
    plugins::Loader,
    rbac,
    sandbox::{Component, Import},
};

pub(super) async fn inspect(file: &Path, loader: &Loader) -> anyhow::Result<ExitCode> {
    let (wasm, digest) = read(file)?;
    let tool = loader.load(file, None).await;
    if let Ok(Some(tool)) = &tool {
        let description = &tool.description;
        println!("name      {}", description.name);
        println!("version   {}", description.version);
        println!("title     {}", description.title);
        println!("summary   {}", description.summary);
    }
    println!("file      {} ({})", file.display(), size(wasm.len() as u64));
    println!("digest    sha256:{digest}");
    match Component::imports(&loader.engine, loader.compiled.as_deref(), &wasm, &digest) {
        Ok(imports) => {
            for (what, kind) in [
                ("needed: the contract", Import::Needed),
                ("empty: there, with nothing in it", Import::Empty),
                ("refused: the host does not serve it", Import::Refused),
            ] {
                let names: Vec<&str> =
                    imports.iter().filter(|(_, of)| *of == kind).map(|(name, _)| name.as_str()).collect();
                if !names.is_empty() {
                    println!("imports, {what}\n  {}", names.join("\n  "));
                }
            }
        }
        Err(error) => println!("imports   unknown: {error}"),
    }
    match tool {
        Ok(Some(tool)) => {
            println!("arguments\n{}", arguments(&tool.input_schema));
            print!("reads\n{}", rbac::rules_yaml(tool.grant.rules(), 2));
            Ok(ExitCode::SUCCESS)
        }
        Ok(None) => Ok(ExitCode::SUCCESS),
        Err(reason) => {
            println!("\nThe host would not serve it: {reason}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// A line an argument.
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
            format!("  {name} ({}{must}): {}", text("type"), text("description"))
        })
        .collect();
    if lines.is_empty() { "  none".to_owned() } else { lines.join("\n") }
}
