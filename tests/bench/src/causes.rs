//! `cargo xtask bench causes`: what two servers tell of the causes of faults. Porthole answers by one call; the popular
//! server by the shortest way there is, which a model has to find. Run within the network of a node.
//!
//! A fact of a diagnosis counts only in a right cause (see [`porthole_testbed::verdict`]); of the popular server's raw
//! objects it counts wherever it stands.

mod shop;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use porthole_testbed::{
    accounts,
    cases::{Call, Case, NOISE, STEADY},
    http::{Streamable, text},
    node::Node,
    porthole::until_ready,
    verdict::{Expectation, Verdict},
    workloads,
};
use regex::Regex;
use serde_json::{Value, json};

use crate::{peer, setup::serve, tokens::count};

const OURS: &str = "127.0.0.1:18083";
const SHOP: &str = "127.0.0.1:18084";

/// Programs and folders of the benchmark.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The host
    #[arg(long)]
    porthole: PathBuf,
    /// Its tools
    #[arg(long)]
    plugins: PathBuf,
    /// The other server's program
    #[arg(long)]
    peer: PathBuf,
    /// A folder of npm modules with gpt-tokenizer in it
    #[arg(long)]
    tokenizer: PathBuf,
    /// Name of the node, in whose network this runs
    #[arg(long)]
    node: String,
    /// The repository
    #[arg(long)]
    root: PathBuf,
}

/// A fault, and how each server is asked about it.
struct Question {
    name: String,
    ours: Call,
    theirs: Vec<Call>,
    ours_must_say: Expectation,
    theirs_must_say: Expectation,
    facts: usize,
}

/// Answers of one server to one question.
struct Answers {
    /// Answers that the model receives, by call.
    texts: Vec<String>,
    /// The part of them that is read, as one text.
    read: String,
    calls: usize,
    took: Duration,
    verdict: Verdict,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    let mut rows = of_cases(options).await?;
    rows.extend(of_shop(options).await?);
    let texts: Vec<[&Vec<String>; 2]> =
        rows.iter().map(|(_, ours, theirs)| [&ours.texts, &theirs.texts]).collect();
    table(&rows, &count(&options.tokenizer, &texts)?)
}

type Row = (Question, Answers, Answers);

/// The cases (tests/cases), all on the node at once, and a crowd of pods beside them.
async fn of_cases(options: &Options) -> Result<Vec<Row>> {
    let node = Node::named(&options.node)?;
    let cases = Case::read(&options.root)?;
    workloads::import(&node, &options.root)?;
    apply(&node, &cases).await?;
    let client = node.admin().await?;
    accounts::namespace(&client, "bench").await?;
    let token = accounts::account(&client, "bench", "reader").await?;
    accounts::allow(&client, ("bench", "reader"), None, rules()).await?;
    let reader =
        with_user(&node.kubeconfig(), &node.folder().join("bench.kubeconfig"), &json!({"token": token}))?;
    let kubeconfig = node.kubeconfig().display().to_string();
    let _host = serve(&options.porthole, OURS, &options.plugins, &["--kubeconfig", &kubeconfig])?;
    let questions = cases.iter().map(|case| {
        Ok(Question {
            name: case.name.clone(),
            ours: case.call.clone(),
            theirs: case.popular_server.clone(),
            ours_must_say: case.expectation()?,
            theirs_must_say: case.facts()?,
            facts: case.number_of_facts(),
        })
    });
    ask_both(options, &format!("http://{OURS}"), (&reader, &token), questions.collect::<Result<_>>()?).await
}

/// The faults of the demo's shop, in the embedded cluster.
async fn of_shop(options: &Options) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let kubeconfig = folder.path().join("kubeconfig");
    let path = kubeconfig.display().to_string();
    let _host = serve(&options.porthole, SHOP, &options.plugins, &["--demo", "--demo-kubeconfig", &path])?;
    let origin = format!("http://{SHOP}");
    until_ready(&origin).await?;
    let file = kube::config::Kubeconfig::read_from(&kubeconfig)?;
    let user = serde_json::to_value(&file.auth_infos)?;
    let token = user[0]["user"]["token"].as_str().context("the demo's kubeconfig has no token")?.to_owned();
    ask_both(options, &origin, (&kubeconfig, &token), shop::questions()?).await
}

async fn apply(node: &Node, cases: &[Case]) -> Result<()> {
    let crowd = node.folder().join("crowd.yaml");
    std::fs::write(&crowd, NOISE)?;
    node.kubectl(&["create", "namespace", "crowd"])?;
    node.kubectl(&["apply", "-n", "crowd", "-f", &crowd.display().to_string()])?;
    for case in cases {
        case.apply(node)?;
    }
    let begun = Instant::now();
    loop {
        let left = Case::unsteady(cases, node)?;
        if left.is_empty() {
            break;
        }
        ensure!(begun.elapsed() < STEADY, "not shown after {STEADY:?}: {}", left.join("\n"));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    eprintln!("{} cases, all shown after {} s", cases.len(), begun.elapsed().as_secs());
    Ok(())
}

/// Rules of the reader, who may read RBAC too: some causes are in it.
fn rules() -> Value {
    let mut rules = accounts::reader_rules();
    if let Some(rules) = rules.as_array_mut() {
        rules.push(
            json!({"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["*"], "verbs": ["get", "list"]}),
        );
    }
    rules
}

/// Copy of a kubeconfig with another user.
fn with_user(kubeconfig: &Path, copy: &Path, user: &Value) -> Result<PathBuf> {
    let file = kube::config::Kubeconfig::read_from(kubeconfig)?;
    let mut content = serde_json::to_value(&file)?;
    content["users"][0]["user"] = user.clone();
    std::fs::write(copy, content.to_string())?;
    Ok(copy.to_owned())
}

async fn ask_both(
    options: &Options,
    origin: &str,
    (kubeconfig, token): (&Path, &str),
    questions: Vec<Question>,
) -> Result<Vec<Row>> {
    until_ready(origin).await?;
    let mut other = peer::start(&options.peer, kubeconfig).await?;
    let (ours, theirs) = (Streamable::new(origin, Some(token)), peer::client(token));
    peer::greet(&theirs).await?;
    let mut rows = Vec::new();
    for question in questions {
        let mine = ask(&ours, std::slice::from_ref(&question.ours), &question.ours_must_say).await?;
        let peers = ask(&theirs, &question.theirs, &question.theirs_must_say).await?;
        rows.push((question, mine, peers));
    }
    other.kill().await?;
    Ok(rows)
}

/// Makes the calls, and judges all that they answered.
async fn ask(client: &Streamable, calls: &[Call], must_say: &Expectation) -> Result<Answers> {
    let (begun, mut texts, mut read) = (Instant::now(), Vec::new(), String::new());
    for Call { tool, arguments } in calls {
        let arguments = resolved(arguments, &read)?;
        let result = client.request("tools/call", json!({"name": tool, "arguments": arguments})).await?;
        let answer = text(&result)?;
        read.push_str(&answer);
        read.push('\n');
        texts.push(result["content"].to_string());
        let structured = result.get("structuredContent").filter(|value| !value.is_null());
        texts.extend(structured.map(Value::to_string));
    }
    let took = begun.elapsed();
    Ok(Answers { verdict: must_say.judge(&read), texts, read, calls: calls.len(), took })
}

/// Arguments with each `{re: …}` replaced by what the expression finds in the answers before.
fn resolved(arguments: &Value, read: &str) -> Result<Value> {
    let mut resolved = arguments.clone();
    for (_, value) in resolved.as_object_mut().into_iter().flatten() {
        if let Some(expression) = value.get("re").and_then(Value::as_str) {
            let regex = Regex::new(expression)?;
            let found = regex.captures(read).and_then(|found| found.get(1).or(found.get(0)));
            // An answer that does not have it is the end of that way: the call is made with nothing, and fails.
            *value = Value::from(found.map_or("", |found| found.as_str()));
        }
    }
    Ok(resolved)
}

fn table(rows: &[Row], counts: &[[u64; 2]]) -> Result<()> {
    println!(
        "| fault | facts | wrong causes | calls | tokens | ms | facts | calls | tokens | ms |\n|---|---|---|---|---|---|---|---|---|---|"
    );
    let (mut facts, mut wrong) = ([0; 3], 0);
    let (mut calls, mut tokens, mut times) = ([0; 2], [0; 2], [Duration::ZERO; 2]);
    let mut wrong_ones = Vec::new();
    for ((question, ours, theirs), counted) in rows.iter().zip(counts) {
        // What is missing may also be a cause of a rule: facts are written as expressions.
        let is_fact = |missing: &&String| missing.starts_with('/');
        let found =
            |answers: &Answers| question.facts - answers.verdict.missing.iter().filter(is_fact).count();
        let mistakes = ours.verdict.wrong.len() + ours.verdict.forbidden.len();
        println!(
            "| {} | {}/{} | {mistakes} | {} | {} | {} | {}/{} | {} | {} | {} |",
            question.name,
            found(ours),
            question.facts,
            ours.calls,
            counted[0],
            ours.took.as_millis(),
            found(theirs),
            question.facts,
            theirs.calls,
            counted[1],
            theirs.took.as_millis(),
        );
        facts = [facts[0] + found(ours), facts[1] + found(theirs), facts[2] + question.facts];
        wrong += mistakes;
        for (side, answers) in [ours, theirs].into_iter().enumerate() {
            calls[side] += answers.calls;
            tokens[side] += counted[side];
            times[side] += answers.took;
        }
        if !ours.verdict.is_right() {
            wrong_ones.push(format!("{}: {}\n{}", question.name, ours.verdict, ours.read));
        }
    }
    println!(
        "| **all {}** | {}/{} | {wrong} | {} | {} | {} | {}/{} | {} | {} | {} |",
        rows.len(),
        facts[0],
        facts[2],
        calls[0],
        tokens[0],
        times[0].as_millis(),
        facts[1],
        facts[2],
        calls[1],
        tokens[1],
        times[1].as_millis(),
    );
    ensure!(
        wrong_ones.is_empty(),
        "{} of our answers are wrong:\n{}",
        wrong_ones.len(),
        wrong_ones.join("\n\n")
    );
    Ok(())
}
