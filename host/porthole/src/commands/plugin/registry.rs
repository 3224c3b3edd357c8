//! `porthole plugin pull | push | verify | lock`: tools from registries.

mod pull;

use std::{fs, path::Path, process::ExitCode};

use anyhow::{Context, anyhow, bail};
use porthole_registry::{
    Artifact, ContentDigest, ImageReference, Registries, SigningKey, Source, SourcesLock, Trust, TrustedKey,
};
use porthole_sandbox::Import;

pub(super) use pull::pull;

use super::{loader, open, printable};
use crate::{
    cli::registry::{Lock, Push, Verify},
    config::{Config, ToolSources},
};

/// Exports of the contract, without which a tool is not loaded.
const EXPORTS: [&str; 2] = ["describe", "run"];
/// Interfaces of the contract, whose version is the contract's.
const CONTRACT: &str = "porthole:tool/";

/// Verifies the sources of a configuration as they are now, and prints or writes their lock.
pub(super) async fn lock(options: &Lock) -> anyhow::Result<ExitCode> {
    let (sources, trust, registries) = sources(&Config::read(&options.config)?.sources)?;
    let (mut lock, mut exit) = (SourcesLock::default(), ExitCode::SUCCESS);
    for source in &sources {
        match porthole_registry::verify(source, &trust, &registries).await {
            Ok(verified) => lock.insert(&source.image, verified.locked()),
            Err(error) => exit = failed(&error),
        }
    }
    if exit != ExitCode::SUCCESS {
        return Ok(exit);
    }
    match &options.lock {
        None => print!("{}", lock.render()),
        Some(path) => {
            if let Err(error) = lock.write(path) {
                return Ok(failed(&error));
            }
            println!("{}: {} tools", printable(path), sources.len());
        }
    }
    Ok(exit)
}

/// Prints by which key an image is signed.
pub(super) async fn verify(options: &Verify) -> anyhow::Result<ExitCode> {
    let config = options.config.as_deref().map_or_else(|| Ok(Config::default()), Config::read)?;
    let (_, mut trust, registries) = sources(&config.sources)?;
    for path in &options.key {
        let key = trusted_key(&path.display().to_string(), path)?;
        trust.keys.insert(key.name().to_owned(), key);
    }
    if trust.keys.is_empty() {
        bail!("no key to verify with: name one with --key FILE, or a configuration with trust.keys");
    }
    let signed_by = trust.keys.keys().cloned().collect();
    let source = Source { image: image(&options.image)?, signed_by };
    Ok(match porthole_registry::verify(&source, &trust, &registries).await {
        Ok(verified) => {
            println!(
                "{} is signed by {}",
                source.image.at(verified.manifest),
                signed(verified.signed_by.as_deref())
            );
            println!("layer     {} ({})", verified.layer, super::size(verified.size));
            for (name, value) in &verified.annotations {
                println!("{}  {}", porthole_contract::Printable(name), porthole_contract::Printable(value));
            }
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error),
    })
}

/// Pushes a tool that the host would serve.
pub(super) async fn push(options: Push) -> anyhow::Result<ExitCode> {
    let Push { file, image: to, key, load } = options;
    let (_, _, registries) = sources(&Config::of(&load)?.sources)?;
    let to = image(&to)?;
    let key = match &key {
        Some(path) => {
            let pem = fs::read(path).with_context(|| printable(path))?;
            Some(SigningKey::parse(&pem).with_context(|| printable(path))?)
        }
        None => None,
    };
    let loader = loader(load)?;
    let Some(wasm) = open(&file, &loader).await? else { return Ok(ExitCode::FAILURE) };
    let code = loader.code(&wasm).await;
    let imports = code.as_ref().map(|code| code.imports(&loader.engine)).unwrap_or_default();
    let tool = match code {
        Ok(code) => loader.tool(&file, &wasm, code).await,
        Err(reason) => Err(reason),
    };
    let tool = match tool {
        Ok(tool) => tool,
        Err(reason) => {
            println!("{} would not be served: {reason}", printable(&file));
            return Ok(ExitCode::FAILURE);
        }
    };
    let bytes = fs::read(&file).with_context(|| printable(&file))?;
    if ContentDigest::of(&bytes).sha256() != *wasm.digest() {
        bail!("{} was changed meanwhile; push it again", printable(&file));
    }
    let description = &tool.description;
    let contract = imports.iter().filter(|(_, import)| *import == Import::Needed);
    let contract = contract.filter_map(|(name, _)| name.strip_prefix(CONTRACT)?.split_once('@'));
    let version = contract.map(|(_, version)| version).next().unwrap_or_default();
    let reads = porthole_contract::describe_rules(description.grant.rules());
    let annotation = |name: &str, value: String| (name.to_owned(), value);
    let annotations = [
        annotation("org.opencontainers.image.title", description.name.to_string()),
        annotation("org.opencontainers.image.version", description.version.to_string()),
        annotation("dev.porthole.reads", reads),
        annotation("dev.porthole.contract", format!("porthole:tool@{version}")),
    ];
    let artifact = Artifact {
        wasm: bytes,
        imports: imports.into_iter().map(|(name, _)| name).collect(),
        exports: EXPORTS.map(str::to_owned).to_vec(),
        annotations: annotations.into_iter().collect(),
    };
    Ok(match porthole_registry::push(&artifact, &to, key.as_ref(), &registries).await {
        Ok(digest) => {
            let signed = if key.is_some() { "signed" } else { "not signed" };
            println!("{}: {} {}, {signed}", to.at(digest), description.name, description.version);
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error),
    })
}

/// Prints why something is not done.
fn failed(error: &porthole_registry::Error) -> ExitCode {
    eprintln!("porthole: {error}");
    ExitCode::FAILURE
}

/// Name of a key for display.
fn signed(key: Option<&str>) -> String {
    key.map_or_else(|| "no signature asked for".to_owned(), |key| format!("key {key}"))
}

fn image(text: &str) -> anyhow::Result<ImageReference> {
    ImageReference::parse(text).map_err(|error| anyhow!(error))
}

fn trusted_key(name: &str, path: &Path) -> anyhow::Result<TrustedKey> {
    let pem = fs::read(path).with_context(|| printable(path))?;
    TrustedKey::parse(name, &pem).with_context(|| printable(path))
}

/// Sources, trust and registries of a configuration, with the files that they name; also what `config check` asks.
pub(crate) fn sources(text: &ToolSources) -> anyhow::Result<(Vec<Source>, Trust, Registries)> {
    let mut trust = text.trust().map_err(|error| anyhow!(error))?;
    for (name, path) in text.keys() {
        let key = trusted_key(name, path).with_context(|| format!("trust.keys.{name}"))?;
        trust.keys.insert(name.clone(), key);
    }
    let sources = text.sources().map_err(|error| anyhow!(error))?;
    trust.check(&sources).context("tools.sources")?;
    let mut registries = Registries::default();
    for (host, registry) in text.registries()? {
        registries.add(host, registry).map_err(|error| anyhow!("registries: {host}: {error}"))?;
    }
    Ok((sources, trust, registries))
}
