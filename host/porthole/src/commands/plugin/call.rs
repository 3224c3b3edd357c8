//! `porthole plugin call`: calls a tool once, and reports its resource usage.

use std::{io::IsTerminal, process::ExitCode, time::Instant};

use anyhow::{Context, bail};
use porthole_contract::{Content, Note, Printable, PrintableLines};
use porthole_identity::NO_PEER;
use porthole_tools::{Answer, Audit, Call, Catalog};
use serde_json::{Map, Value};

use super::{printable, size};
use crate::{
    cli::CallArgs,
    config::Config,
    demo::Demo,
    wiring::{self, Account, Host, Policy},
};

/// Maximum number of queued notes.
const MAX_NOTES: usize = 16;

pub(super) async fn call(options: CallArgs) -> anyhow::Result<ExitCode> {
    let arguments: Map<String, Value> = serde_json::from_str(&options.args)
        .with_context(|| format!("--args {:?}: not a JSON object", options.args))?;
    let Config { tools: settings, denied, policy: callers, masking, masked, default_namespace, .. } =
        Config::of(&options.load)?;
    let loader = wiring::loader(settings, options.load.cache)?;
    let began = Instant::now();
    let tool = match loader.load(&options.file).await {
        Ok(tool) => tool,
        Err(reason) => bail!("{}: {reason}", printable(&options.file)),
    };
    let loaded = began.elapsed();
    let demo = match &options.cluster.demo {
        Some(folder) => Some(Demo::start(folder.as_deref(), None).await?),
        None => None,
    };
    let source = wiring::source(demo.as_ref(), &options.cluster);
    let name = tool.description.name.clone();
    let catalog = Catalog::of(tool, loader);
    let policy = Policy { denied, callers, masking, masked, default_namespace };
    let host = Host::new(&source, Account::Host(None), policy, catalog, Audit::Off).await?;
    let caller = host.authenticator.authenticate(None, NO_PEER).await?;
    let (notes, mut queued_notes) = tokio::sync::mpsc::channel::<Note>(MAX_NOTES);
    let call = Call { tool: name.to_string(), arguments, client: None, notes: Some(notes) };
    let began = Instant::now();
    let report = async {
        while let Some(note) = queued_notes.recv().await {
            match note {
                Note::Progress(step) => eprintln!("progress  {}", Printable(&step.message)),
                Note::Log(level, message) => eprintln!("{level:<9?} {}", Printable(&message)),
            }
        }
    };
    let (call_report, ()) = tokio::join!(host.calls.call(call, &caller), report);
    let took = began.elapsed();
    let (text, code) = match call_report.answer {
        Answer::Outcome { content, structured } => {
            let structured = structured.map(|value| format!("\nstructured: {value}"));
            let content: Vec<String> = content.iter().map(text_of).collect();
            (content.join("\n") + &structured.unwrap_or_default(), ExitCode::SUCCESS)
        }
        Answer::Error(text) => (format!("ERROR: {text}"), ExitCode::FAILURE),
        Answer::Overlong { error, text } => (format!("ERROR: {error}\n{text}"), ExitCode::FAILURE),
    };
    // A program needs the unchanged bytes; a terminal would interpret control characters.
    if std::io::stdout().is_terminal() {
        println!("{}", PrintableLines(text.trim_end()));
    } else {
        println!("{}", text.trim_end());
    }
    let usage = call_report.usage;
    for read in &usage.reads.records {
        let namespace = read.namespace.as_ref().map(|name| format!(" in {}", Printable(name)));
        let failed = read.failed.as_ref().map(|(count, why)| format!(", {count} failed: {why}"));
        eprintln!(
            "read      {} {}{}, {} times, {}{}",
            read.verb,
            Printable(&read.resource),
            namespace.unwrap_or_default(),
            read.count,
            size(read.bytes),
            failed.unwrap_or_default()
        );
    }
    eprintln!(
        "took      {took:.1?}, of it {:.1?} inside the component; {} of memory; {} from the cluster, {} of answer; loaded in {loaded:.1?}",
        usage.cpu,
        size(usage.memory as u64),
        size(usage.reads.bytes),
        size(text.len() as u64),
    );
    Ok(code)
}

/// Renders content as text.
fn text_of(content: &Content) -> String {
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
