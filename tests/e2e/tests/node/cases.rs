//! Real faults (tests/cases), all in one cluster: a single call must name the cause of each.

use std::time::Instant;

use porthole_e2e::root;
use porthole_testbed::{
    cases::{Case, NOISE, STEADY},
    workloads,
};

use crate::{deployed::Deployed, shell, until};

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
    eprintln!("{:<40} {:<22} {:>7} {:>6}  result", "case", "call", "tokens", "ms");
    let mut wrong = Vec::new();
    for case in &cases {
        let begun = Instant::now();
        let answer = deployed.call(&case.call.tool, case.call.arguments.clone()).await;
        let took = begun.elapsed().as_millis();
        let verdict = case.expectation().unwrap().judge(&answer);
        // A token has four characters, roughly.
        let tokens = answer.len() / 4;
        eprintln!("{:<40} {:<22} {tokens:>7} {took:>6}  {verdict}", case.name, case.call.tool);
        if !verdict.is_right() {
            wrong.push(format!("{}: {verdict}\n{answer}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
}
