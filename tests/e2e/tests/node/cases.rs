//! Real faults (tests/cases), all in one cluster: a single call must name the cause of each.

use std::time::Instant;

use porthole_e2e::root;
use porthole_testbed::{
    cases::{Case, NOISE, STEADY},
    verdict::Verdict,
    workloads,
};

use crate::{deployed::Deployed, shell, until};

/// Maximum number of times that a case is asked while its containers start again.
const MAX_TRIES: usize = 5;

/// An answer to a case, milliseconds that it took, and how often the case was asked.
struct CaseAnswer {
    answer: String,
    verdict: Verdict,
    took: u128,
    tries: usize,
}

/// Asks a case. An answer that is wrong counts only if the pods showed the same fault before and after it.
async fn ask(case: &Case, deployed: &Deployed) -> CaseAnswer {
    let mut tries = 0;
    loop {
        tries += 1;
        let before = until(&format!("{} shows", case.name), STEADY, async || {
            case.shown(&deployed.node).unwrap().ok_or_else(|| "not yet".to_owned())
        })
        .await;
        let begun = Instant::now();
        let answer = deployed.call(&case.call.tool, case.call.arguments.clone()).await;
        let took = begun.elapsed().as_millis();
        let verdict = case.expectation().unwrap().judge(&answer);
        if verdict.is_right() || tries == MAX_TRIES || case.shown(&deployed.node).unwrap() == Some(before) {
            return CaseAnswer { answer, verdict, took, tries };
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_names_the_cause_of_each_fault() {
    let deployed = Deployed::get().await;
    let cases = Case::read(&root()).unwrap();
    workloads::import(&deployed.node, &root()).unwrap();
    shell(
        &deployed.node,
        &format!("kubectl create namespace crowd; kubectl apply -n crowd -f - <<'YAML'\n{NOISE}\nYAML"),
    );
    for case in &cases {
        case.apply(&deployed.node).unwrap();
    }
    let begun = Instant::now();
    until("the faults show", STEADY, async || {
        let unsteady = Case::unsteady(&cases, &deployed.node).unwrap();
        if unsteady.is_empty() { Ok(()) } else { Err(unsteady.join("\n")) }
    })
    .await;
    until("the crowd is there", STEADY, async || {
        let pods = deployed.node.kubectl(&["get", "pods", "-n", "crowd", "-o", "name"]).unwrap();
        if pods.lines().count() == 500 { Ok(()) } else { Err(pods.lines().count().to_string()) }
    })
    .await;
    eprintln!("{} cases, steady after {} s", cases.len(), begun.elapsed().as_secs());
    eprintln!("{:<40} {:<22} {:>7} {:>6} {:>5}  result", "case", "call", "tokens", "ms", "tries");
    let mut wrong = Vec::new();
    for case in &cases {
        let CaseAnswer { answer, verdict, took, tries } = ask(case, deployed).await;
        // A token has four characters, roughly.
        let tokens = answer.len() / 4;
        eprintln!("{:<40} {:<22} {tokens:>7} {took:>6} {tries:>5}  {verdict}", case.name, case.call.tool);
        if !verdict.is_right() {
            wrong.push(format!("{}: {verdict}\n{answer}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
}
