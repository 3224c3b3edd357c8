//! `cargo xtask bench tokens`: asks Porthole and the popular server twenty questions about one cluster, and counts the
//! tokens of the answers. An answer counts only if it contains the expected fact.

mod fill;
mod questions;

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use porthole_testbed::{accounts, http::Streamable, porthole::until_ready};
use serde_json::{Value, json};

use crate::setup::Setup;
use questions::{Calls, QUESTIONS};

const OURS: &str = "127.0.0.1:18082";

/// Answers of one server to one question.
struct Answers {
    /// Texts that the model receives, by call.
    texts: Vec<String>,
    /// Missing fact.
    missing: Option<String>,
}

pub(crate) async fn run(setup: &Setup, peer: &Path, tokenizer: &Path, show: bool) -> Result<()> {
    let cluster = setup.cluster(fill::fill).await?;
    let client = cluster.admin().await?;
    accounts::namespace(&client, "bench").await?;
    let token = accounts::account(&client, "bench", "reader").await?;
    let mut rules = accounts::reader_rules();
    rules
        .as_array_mut()
        .context("rules")?
        .push(json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}));
    accounts::allow(&client, ("bench", "reader"), None, rules).await?;
    let reader = cluster.write_kubeconfig("bench.kubeconfig", &json!({"token": token}))?;
    let mut host = setup.host(&cluster, &setup.porthole, OURS)?;
    let origin = format!("http://{OURS}");
    until_ready(&origin).await?;
    let mut other = crate::peer::start(peer, &reader).await?;
    let (ours, theirs) = (Streamable::new(&origin, Some(&token)), crate::peer::client(&token));
    crate::peer::greet(&theirs).await?;

    let mut both: Vec<(String, Answers, Answers)> = Vec::new();
    let lists =
        [tools(&ours).await?, tools(&theirs).await?].map(|text| Answers { texts: vec![text], missing: None });
    let [our_list, their_list] = lists;
    both.push(("tools/list".to_owned(), our_list, their_list));
    for question in &QUESTIONS {
        let mine = ask(&ours, &question.ours(), question.facts).await?;
        if show {
            eprintln!(
                "=== {}. {}\n{}\n",
                question.number,
                question.asked,
                mine.texts.join("\n").replace("\\n", "\n")
            );
        }
        let other = ask(&theirs, &question.theirs(), question.facts).await?;
        both.push((format!("{}. {}", question.number, question.asked), mine, other));
    }
    host.kill().await?;
    other.kill().await?;
    let texts: Vec<[&Vec<String>; 2]> =
        both.iter().map(|(_, ours, theirs)| [&ours.texts, &theirs.texts]).collect();
    table(&both, &count(tokenizer, &texts)?)
}

async fn tools(client: &Streamable) -> Result<String> {
    Ok(client.request("tools/list", json!({})).await?["tools"].to_string())
}

/// Makes the calls, and searches the answers for the facts.
async fn ask(client: &Streamable, calls: &Calls, facts: &[&str]) -> Result<Answers> {
    let mut texts = Vec::new();
    for (tool, arguments) in calls {
        let result = client.request("tools/call", json!({"name": tool, "arguments": arguments})).await?;
        ensure!(result["isError"] != json!(true), "{tool} {arguments}: {result}");
        texts.push(result["content"].to_string());
        if let Some(structured) = result.get("structuredContent").filter(|value| !value.is_null()) {
            texts.push(structured.to_string());
        }
    }
    // YAML may break a line within the fact.
    let all = texts.concat().replace("\\n", " ");
    let all = all.split_whitespace().collect::<Vec<_>>().join(" ");
    // Alternatives are separated by `|`.
    let missing = facts.iter().find(|fact| !fact.split('|').any(|way| all.contains(way)));
    Ok(Answers { texts, missing: missing.map(|fact| (*fact).to_owned()) })
}

/// Number of tokens of each text, by gpt-tokenizer's o200k.
pub(crate) fn count(modules: &Path, texts: &[[&Vec<String>; 2]]) -> Result<Vec<[u64; 2]>> {
    const SCRIPT: &str = "const {encode} = require(process.argv[1] + '/gpt-tokenizer/cjs/encoding/o200k_base.js'); \
        let text = ''; process.stdin.on('data', d => text += d).on('end', () => console.log(JSON.stringify( \
        JSON.parse(text).map(sides => sides.map(texts => texts.reduce((sum, t) => sum + encode(t).length, 0))))));";
    let mut node = Command::new("node")
        .args(["-e", SCRIPT])
        .arg(modules)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting node")?;
    node.stdin.take().context("stdin")?.write_all(&serde_json::to_vec(texts)?)?;
    let output = node.wait_with_output()?;
    ensure!(output.status.success(), "gpt-tokenizer failed");
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn table(both: &[(String, Answers, Answers)], counts: &[[u64; 2]]) -> Result<()> {
    println!("| question | Porthole | kubernetes-mcp-server | |\n|---|---|---|---|");
    let (mut all, mut few, mut missing) = ([0; 2], [0; 2], 0);
    for ((question, ours, theirs), [mine, other]) in both.iter().zip(counts) {
        let dearer = if mine > other { "dearer" } else { "" };
        let lacks: Vec<String> = [("ours", ours), ("theirs", theirs)]
            .iter()
            .filter_map(|(side, said)| {
                Some(format!("{side} lacks {}", said.missing.as_ref()?.replace('|', " or ")))
            })
            .collect();
        missing += usize::from(ours.missing.is_some());
        println!("| {question} | {mine} | {other} | {dearer}{} |", lacks.join("; "));
        let heavy = question.starts_with("2. ") || question.starts_with("3. ");
        for (sum, counted) in [(&mut all, true), (&mut few, !heavy)] {
            if counted {
                sum[0] += mine;
                sum[1] += other;
            }
        }
    }
    let ratio = |[ours, theirs]: [u64; 2]| theirs as f64 / ours as f64;
    println!("| **all** | {} | {} | one to {:.1} |", all[0], all[1], ratio(all));
    println!("| **without 2 and 3** | {} | {} | one to {:.1} |", few[0], few[1], ratio(few));
    ensure!(missing == 0, "{missing} of our answers lack their fact");
    Ok(())
}

/// Call arguments from pairs; numbers and booleans keep their type.
fn arguments(pairs: &[(&str, &str)]) -> Value {
    let value = |text: &str| match serde_json::from_str(text) {
        Ok(value @ (Value::Bool(_) | Value::Number(_))) => value,
        _ => Value::from(text),
    };
    pairs
        .iter()
        .map(|(name, text)| ((*name).to_owned(), value(text)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
