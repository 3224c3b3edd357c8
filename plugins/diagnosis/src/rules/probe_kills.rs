//! A container that the kubelet ends again and again because its liveness or startup probe fails.
//!
//! Evidence: the events Killing and Unhealthy; without them, ends with the code of a signal at the time that the probe's
//! figures give, and a port that the container does not declare.
//! Not to be taken for: a kill for memory (OOMKilled), a process that ends by itself, a restart of long ago. Over, and said
//! to be, if the present instance is ready and has lived longer than the one that was ended.
//! Source: kubernetes/pkg/kubelet/prober, pkg/kubelet/kuberuntime/kuberuntime_manager.go.

use serde_json::Value;

use super::Rule;
use crate::{
    Certainty, Evidence, Facts, Finding, Object,
    containers::{Container, containers, judged_pods},
    probes::{self, Kill},
    time,
};

pub(super) const RULE: Rule = Rule { id: "probe-kills", find };

fn find(facts: &Facts) -> Vec<Finding> {
    judged_pods(facts)
        .flat_map(|pod| containers(pod).filter_map(|container| of(facts, pod, container)))
        .collect()
}

fn of(facts: &Facts, pod: &Object, container: Container<'_>) -> Option<Finding> {
    let Kill { probe, killing, failure } = probes::kill(facts, pod, container)?;
    let spec = container.spec.pointer(&format!("/{probe}Probe"))?;
    let asks = probes::asks(spec);
    let port = probes::undeclared_port(pod, container, spec);
    let why = match &port {
        Some(port) => format!("; {port}"),
        None => String::new(),
    };
    let is_over = is_over(container, spec, facts.now);
    let verb = match (killing.is_some(), is_over) {
        (true, false) => "is ended",
        (true, true) => "was ended",
        (false, false) => "seems to be ended",
        (false, true) => "seems to have been ended",
    };
    let again = if is_over { ", and is ready again" } else { "" };
    let summary =
        format!("{} {verb} by its {probe} probe, which asks for {asks}{why}{again}", container.title());
    let certainty = if killing.is_some() { Certainty::Certain } else { Certainty::Likely };
    let mut finding = Finding::new(RULE.id, facts.root(pod).reference(), summary)
        .affects(pod.reference())
        .certainty(certainty)
        .with(Evidence::fact(
            format!("{} restarts{}", container.restarts(), ended(container)),
            format!("status of {}", pod.reference()),
        ));
    if is_over {
        finding = finding.symptom();
    }
    for event in failure.into_iter().chain(killing) {
        finding = finding.with(Evidence::quote("", event.message(), event.place(facts.now)));
    }
    let message = failure.map(|event| event.message()).unwrap_or_default();
    finding = finding.with(Evidence::fact(
        format!("{probe}Probe: {asks}, {}", probes::times(spec)),
        format!("spec of {}", pod.reference()),
    ));
    Some(finding.next(next(probe, port.is_some(), message)))
}

/// True if the present instance is ready, and has lived longer than its probe needs and than the one that was ended.
fn is_over(container: Container<'_>, spec: &Value, now: u64) -> bool {
    let Some(since) = container.running_since().filter(|_| container.is_ready()) else { return false };
    let Some(before) = container.end().and_then(|end| Some(end.finished?.saturating_sub(end.started?)))
    else {
        return false;
    };
    let needed = u64::try_from(probes::budget(spec)).unwrap_or_default();
    now.saturating_sub(since) > before.max(needed)
}

fn ended(container: Container<'_>) -> String {
    let Some(end) = container.end() else { return String::new() };
    let ran = end.started.zip(end.finished).map(|(started, finished)| finished.saturating_sub(started));
    let ran = ran.map(|ran| format!(" after {}", time::age(ran))).unwrap_or_default();
    format!("; the last instance ended with code {}{ran}", end.code)
}

fn next(probe: &str, is_other_port: bool, message: &str) -> String {
    if is_other_port {
        format!("correct the port of the {probe}Probe")
    } else if message.contains("statuscode: 404") {
        format!("correct the path of the {probe}Probe")
    } else if ["context deadline exceeded", "timed out", "i/o timeout"]
        .iter()
        .any(|word| message.contains(word))
    {
        format!("raise timeoutSeconds of the {probe}Probe, or find out why the answer takes so long")
    } else if probe == "startup" {
        "raise failureThreshold of the startupProbe if the start only takes long; pods_log with previous=true shows how far it came".to_owned()
    } else {
        format!(
            "see with pods_log, previous=true, what it does when the probe asks; a slow start wants a startupProbe ({probe} probes begin at once)"
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::recorded::{Recorded, event, pod};

    /// Ended `seconds` after its start.
    fn restarted(code: i64, reason: &str, seconds: u64, port: i64) -> Value {
        let finished = format!("2026-11-24T11:50:{seconds:02}Z");
        let last = json!({"terminated": {"exitCode": code, "reason": reason,
            "startedAt": "2026-11-24T11:50:00Z", "finishedAt": finished}});
        let probe = json!({"httpGet": {"path": "/live", "port": port}, "initialDelaySeconds": 10,
            "periodSeconds": 5, "failureThreshold": 3});
        pod(
            "shop-1",
            json!({"nodeName": "n1", "containers": [{"name": "web", "ports": [{"containerPort": 80}], "livenessProbe": probe}]}),
            json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"name": "web", "ready": true, "started": true, "restartCount": 4,
                "state": {"running": {"startedAt": "2026-11-24T11:59:50Z"}}, "lastState": last}]}),
        )
    }

    /// On a busy machine probes time out, and are asked late.
    #[test]
    fn what_is_over_is_said_to_be_over() {
        let mut pod = restarted(137, "Error", 20, 80);
        pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"] =
            "2026-11-24T11:50:21Z".into();
        let failed = event(&pod, "Unhealthy", "Liveness probe failed: dial tcp 10.0.0.5:80: i/o timeout");
        let killing = event(&pod, "Killing", "Container web failed liveness probe, will be restarted");
        let answer = Recorded::new(&[pod.clone(), failed, killing]).ask("shop-1");
        assert!(answer.contains("(certain) [probe-kills] Pod shop/shop-1: container web was ended by its liveness probe, which asks for GET /live on port 80, and is ready again"), "{answer}");
        assert!(answer.contains("raise timeoutSeconds"), "{answer}");
        let answer = Recorded::new(&[pod]).ask("shop-1");
        assert!(answer.contains("seems to have been ended"), "{answer}");
    }

    #[test]
    fn a_probe_that_is_asked_late_ends_a_container_late() {
        let mut pod = restarted(137, "Error", 0, 80);
        let last = &mut pod["status"]["containerStatuses"][0]["lastState"]["terminated"];
        last["finishedAt"] = "2026-11-24T11:59:00Z".into();
        let failed = event(&pod, "Unhealthy", "Liveness probe failed: dial tcp 10.0.0.5:80: i/o timeout");
        let answer = Recorded::new(&[pod.clone(), failed]).ask("shop-1");
        assert!(answer.contains("(likely) [probe-kills]") && !answer.contains("container-exits"), "{answer}");
        // Nothing says that the probe fails.
        let answer = Recorded::new(&[pod.clone()]).ask("shop-1");
        assert!(!answer.contains("probe-kills") && answer.contains("container-exits"), "{answer}");
        // The state says that a startup probe fails.
        pod["spec"]["containers"][0]["startupProbe"] = pod["spec"]["containers"][0]["livenessProbe"].take();
        pod["status"]["containerStatuses"][0]["started"] = false.into();
        pod["status"]["containerStatuses"][0]["ready"] = false.into();
        pod["status"]["conditions"][0]["status"] = "False".into();
        let answer = Recorded::new(&[pod]).ask("shop-1");
        assert!(answer.contains("(likely) [probe-kills]") && !answer.contains("container-exits"), "{answer}");
    }

    #[test]
    fn the_kubelets_word_makes_it_certain() {
        let pod = restarted(0, "Completed", 20, 9090);
        let mut unhealthy = event(
            &pod,
            "Unhealthy",
            "Liveness probe failed: Get \"http://10.0.0.5:9090/live\": dial tcp 10.0.0.5:9090: connect: connection refused",
        );
        unhealthy["involvedObject"]["fieldPath"] = "spec.containers{web}".into();
        let killing = event(&pod, "Killing", "Container web failed liveness probe, will be restarted");
        let answer = Recorded::new(&[pod, unhealthy, killing]).ask("shop-1");
        assert!(answer.contains("cause 1 (certain) [probe-kills] Pod shop/shop-1: container web is ended by its liveness probe, which asks for GET /live on port 9090; the container declares containerPort 80 only"), "{answer}");
        assert!(answer.contains("9090: connect: connection refused"), "{answer}");
        assert!(!answer.contains("cause 2"), "{answer}");
    }

    #[test]
    fn without_events_the_time_of_the_end_tells() {
        for (code, reason) in [(137, "Error"), (143, "Error"), (0, "Completed")] {
            let answer = Recorded::new(&[restarted(code, reason, 20, 9090)]).ask("shop-1");
            assert!(
                answer.contains("cause 1 (likely) [probe-kills]") && answer.contains("seems to be ended"),
                "{answer}"
            );
            assert!(!answer.contains("container-exits"), "{answer}");
        }
    }

    #[test]
    fn other_ends_are_not_those_of_a_probe() {
        for (code, reason, seconds) in [(137, "OOMKilled", 20), (1, "Error", 20), (143, "Error", 2)] {
            let answer = Recorded::new(&[restarted(code, reason, seconds, 9090)]).ask("shop-1");
            assert!(!answer.contains("probe-kills"), "{code} {reason}: {answer}");
        }
    }
}
