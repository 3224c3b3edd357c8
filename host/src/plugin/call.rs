//! `porthole plugin call`: one call, and what it took.

use std::{process::ExitCode, sync::Arc, time::Instant};

use anyhow::{Context, bail};
use serde_json::{Map, Value};

use super::{loader, size};
use crate::{
    cli::CallOnce,
    demo::Demo,
    guard::Audit,
    identity::{Callers, NO_PEER},
    kube::{ApiServer, Cluster},
    plugins::{Answer, Call, Plugins},
    sandbox::{Content, Note},
    serve,
};

/// Notes that wait to be printed.
const NOTES: usize = 16;

pub(super) async fn call(options: CallOnce) -> anyhow::Result<ExitCode> {
    let arguments: Map<String, Value> = serde_json::from_str(&options.args)
        .with_context(|| format!("--args {:?}: not a JSON object", options.args))?;
    let loader = loader(options.compiling)?;
    let began = Instant::now();
    let tool = match loader.load(&options.file, None).await {
        Ok(Some(tool)) => tool,
        Ok(None) => bail!("{} is empty", options.file.display()),
        Err(reason) => bail!("{}: {reason}", options.file.display()),
    };
    let loaded = began.elapsed();
    let demo = match &options.place.demo {
        Some(folder) => Some(Demo::start(folder.as_deref(), None).await?),
        None => None,
    };
    let source = serve::source(demo.as_ref(), &options.place);
    let cluster = Arc::new(Cluster::new(ApiServer::for_host(&source).await?));
    let caller = Callers::host(None).of(None, NO_PEER).await?;
    let name = tool.description.name.clone();
    let plugins = Plugins::new(options.file, loader, cluster, Audit::Off);
    plugins.serve_only(tool);
    let (notes, mut said) = tokio::sync::mpsc::channel::<Note>(NOTES);
    let call = Call { tool: name, arguments, client: None, notes: Some(notes) };
    let began = Instant::now();
    let report = async {
        while let Some(note) = said.recv().await {
            match note {
                Note::Progress(step) => eprintln!("progress  {}", step.message),
                Note::Log(level, message) => eprintln!("{level:<9?} {message}"),
            }
        }
    };
    let (answered, ()) = tokio::join!(plugins.call(call, &caller), report);
    let took = began.elapsed();
    let (text, code) = match answered.answer {
        Answer::Outcome(outcome) => {
            let structured = outcome.structured.map(|text| format!("\nstructured: {text}"));
            let content: Vec<String> = outcome.content.iter().map(shown).collect();
            (content.join("\n") + &structured.unwrap_or_default(), ExitCode::SUCCESS)
        }
        Answer::Error(text) => (format!("ERROR: {text}"), ExitCode::FAILURE),
        Answer::Overlong { error, text } => (format!("ERROR: {error}\n{text}"), ExitCode::FAILURE),
    };
    println!("{}", text.trim_end());
    let spent = answered.spent;
    for read in &spent.tally.made {
        let namespace = read.namespace.as_ref().map(|name| format!(" in {name}")).unwrap_or_default();
        let failed = read.failed.as_ref().map(|(count, why)| format!(", {count} failed: {why}"));
        eprintln!(
            "read      {} {}{namespace}, {} times, {}{}",
            read.verb,
            read.resource,
            read.count,
            size(read.bytes),
            failed.unwrap_or_default()
        );
    }
    eprintln!(
        "took      {took:.1?}, of it {:.1?} inside the component; {} of memory; {} from the cluster, {} of answer; loaded in {loaded:.1?}",
        spent.cpu,
        size(spent.memory as u64),
        size(spent.tally.bytes),
        size(text.len() as u64),
    );
    Ok(code)
}

/// Content on a terminal.
fn shown(content: &Content) -> String {
    match content {
        Content::Text(text) => text.clone(),
        Content::Embedded(embedded) => {
            format!("[{} {}]\n{}", embedded.uri, embedded.mime_type, embedded.text)
        }
        Content::Image(media) | Content::Audio(media) => {
            format!("[{}, {} bytes]", media.mime_type, media.data.len())
        }
    }
}
