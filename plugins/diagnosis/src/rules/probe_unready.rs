//! A container that runs and gets no traffic, because its readiness probe does not succeed.
//!
//! Evidence: it runs, is started and not ready, longer than its probe needs to succeed; the event Unhealthy says why.
//! Not to be taken for: the time after a start, a restart by a liveness probe, a readiness gate. Often a consequence: of
//! what the probe checks.
//! Source: kubernetes/pkg/kubelet/prober.

use super::Rule;
use crate::{
    Evidence, Facts, Finding, Object,
    containers::{Container, containers, judged_pods},
    probes, time,
};

pub(super) const RULE: Rule = Rule { id: "probe-unready", find };

fn find(facts: &Facts) -> Vec<Finding> {
    judged_pods(facts)
        .flat_map(|pod| containers(pod).filter_map(|container| of(facts, pod, container)))
        .collect()
}

fn of(facts: &Facts, pod: &Object, container: Container<'_>) -> Option<Finding> {
    let spec = container.spec.pointer("/readinessProbe")?;
    let since = container.running_since()?;
    let ran = facts.now.saturating_sub(since);
    let needed = u64::try_from(probes::budget(spec)).unwrap_or_default();
    if container.is_ready()
        || !container.is_started()
        || ran <= needed
        || probes::kill(facts, pod, container).is_some()
    {
        return None;
    }
    let asks = probes::asks(spec);
    let port = probes::undeclared_port(pod, container, spec);
    let why = port.as_ref().map(|port| format!("; {port}")).unwrap_or_default();
    let summary = format!(
        "{} runs and is not ready: its readiness probe, {asks}, does not succeed{why}",
        container.title()
    );
    let mut finding = Finding::new(RULE.id, facts.root(pod).reference(), summary)
        .affects(pod.reference())
        .symptom()
        .with(Evidence::fact(
            format!("runs since {}, ready: false", time::age(ran)),
            format!("status of {}", pod.reference()),
        ));
    let failures = probes::failures(facts, pod, container, "readiness");
    // Between answers that say why there may be some that came too late.
    let answered = failures.iter().find(|event| event.message().contains("statuscode: "));
    let told = failures.iter().take(1).chain(answered);
    let messages: Vec<&str> = told.clone().map(|event| event.message()).collect();
    for (at, event) in told.enumerate() {
        if at == 0 || messages.first() != Some(&event.message()) {
            finding = finding.with(Evidence::quote("", event.message(), event.place(facts.now)));
        }
    }
    if failures.is_empty() {
        finding = finding.with(Evidence::fact("no event says why: events are kept for an hour", "events"));
    }
    finding = finding.with(Evidence::fact(
        format!("readinessProbe: {asks}, {}", probes::times(spec)),
        format!("spec of {}", pod.reference()),
    ));
    let message = messages.last().copied().unwrap_or_default();
    Some(finding.next(next(port.is_some(), message)))
}

fn next(is_other_port: bool, message: &str) -> &'static str {
    if is_other_port {
        "correct the port of the readinessProbe"
    } else if message.contains("statuscode: 404") {
        "correct the path of the readinessProbe"
    } else if message.contains("statuscode: 5") {
        "see with pods_log what the application misses: it answers, and says that it is not ready"
    } else if message.contains("connection refused") {
        "see with pods_log on which port the application listens, and whether it has come that far"
    } else {
        "see with pods_log what the application says when the probe asks"
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::recorded::{Recorded, event, pod};

    fn unready(started_at: &str) -> Value {
        let probe = json!({"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 5});
        pod(
            "api-1",
            json!({"nodeName": "n1", "containers": [{"name": "api", "ports": [{"containerPort": 80, "name": "http"}], "readinessProbe": probe}]}),
            json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}],
                "containerStatuses": [{"name": "api", "ready": false, "started": true, "restartCount": 0,
                "state": {"running": {"startedAt": started_at}}}]}),
        )
    }

    #[test]
    fn a_probe_that_fails_is_named_with_the_kubelets_words_or_without() {
        let pod = unready("2026-11-24T11:01:00Z");
        let failed =
            event(&pod, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503");
        for (objects, words) in
            [(vec![pod.clone(), failed], "statuscode: 503"), (vec![pod], "no event says why")]
        {
            let answer = Recorded::new(&objects).ask("api-1");
            assert!(answer.contains("cause 1 (certain) [probe-unready] Pod shop/api-1: container api runs and is not ready: its readiness probe, GET /ready on port http"), "{answer}");
            assert!(answer.contains(words), "{answer}");
        }
    }

    #[test]
    fn an_answer_of_the_application_is_quoted_beside_a_timeout() {
        let pod = unready("2026-11-24T11:01:00Z");
        let mut failed =
            event(&pod, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 404");
        failed["lastTimestamp"] = "2026-11-24T11:40:00Z".into();
        let late = event(&pod, "Unhealthy", "Readiness probe failed: context deadline exceeded");
        let answer = Recorded::new(&[pod, failed, late]).ask("api-1");
        assert!(answer.contains("deadline exceeded`") && answer.contains("statuscode: 404`"), "{answer}");
        assert!(answer.contains("next: correct the path"), "{answer}");
    }

    #[test]
    fn a_container_that_has_just_begun_is_no_fault() {
        let answer = Recorded::new(&[unready("2026-11-24T11:59:50Z")]).ask("api-1");
        assert!(!answer.contains("probe-unready"), "{answer}");
    }
}
