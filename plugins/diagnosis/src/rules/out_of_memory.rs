//! A container that is killed because it uses more memory than it may, or than its node has.
//!
//! Evidence: the reason OOMKilled of its last end, which outlasts all events; the runtime's word that even the start of
//! its process did not fit; with a memory limit also a SIGKILL that nobody in the cluster sent, since containerd may report
//! the end before the kernel's word of memory, and the reason then stays Error.
//! Not to be taken for: exit code 137 of a kill by a probe, a deletion or an eviction; a kill of long ago in a container
//! that is ready.
//! Source: kubernetes/pkg/kubelet/kuberuntime; runc/libcontainer ("container init was OOM-killed"); containerd,
//! internal/cri/server/events.go (TaskOOM and TaskExit are events of their own).

use super::Rule;
use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Object,
    containers::{Container, End, containers, judged_pods},
    object::text,
    time,
};

pub(super) const RULE: Rule = Rule { id: "out-of-memory", find };

/// Seconds of a run in which memory is used up at the start, and not leaked.
const AT_ONCE: u64 = 60;

fn find(facts: &Facts) -> Vec<Finding> {
    judged_pods(facts)
        .flat_map(|pod| containers(pod).filter_map(|container| of(facts, pod, container)))
        .collect()
}

/// True if an end is one for want of memory.
pub(super) fn is_out_of_memory(end: &End<'_>) -> bool {
    end.reason == "OOMKilled" || end.message.contains("OOM-killed")
}

/// True if a container with a memory limit was killed, and neither a probe nor the end of its pod did that.
pub(super) fn is_unexplained_kill(pod: &Object, container: Container<'_>, end: &End<'_>) -> bool {
    let has_probe = |probe: &str| container.spec.get(probe).is_some();
    let is_sent = pod.deleted().is_some()
        || !pod.text("/status/reason").is_empty()
        || ["livenessProbe", "startupProbe"].into_iter().any(has_probe);
    end.code == 137 && end.reason == "Error" && !is_sent && !limit(pod, container).0.is_empty()
}

fn of(facts: &Facts, pod: &Object, container: Container<'_>) -> Option<Finding> {
    let end = container.recent_end(facts.now)?;
    let is_told = is_out_of_memory(&end);
    if !is_told && !is_unexplained_kill(pod, container, &end) {
        return None;
    }
    let (limit, of) = limit(pod, container);
    let title = container.title();
    let summary = if !is_told {
        format!(
            "{title} is killed (SIGKILL) by nobody in the cluster, so probably for want of memory, although its status does not say OOMKilled; its {of} is {limit}"
        )
    } else if limit.is_empty() {
        format!("{title} is killed for want of memory (OOMKilled); it has no memory limit")
    } else {
        format!("{title} is killed for want of memory (OOMKilled); its {of} is {limit}")
    };
    let next = match limit {
        "" => {
            "give it a memory request and limit that fit what it uses, and see what else uses the node's memory"
        }
        _ => {
            "raise resources.limits.memory, or lower what it uses (heap, cache, workers); pods_top shows what it uses"
        }
    };
    let place = format!("status of {}", pod.reference());
    let mut finding = Finding::new(RULE.id, facts.root(pod).reference(), summary)
        .affects(pod.reference())
        .with(Evidence::quote(ended(facts, container, &end), end.message, place))
        .next(next);
    if !limit.is_empty() {
        let request = text(container.spec, "/resources/requests/memory");
        let request = if request.is_empty() { String::new() } else { format!(", request {request}") };
        finding = finding.with(Evidence::fact(format!("memory: limit {limit}{request}"), "resources"));
    }
    if let (Some(started), Some(finished)) = (end.started, end.finished) {
        let ran = finished.saturating_sub(started);
        let kind =
            if ran < AT_ONCE { "at once, so not by a slow leak" } else { "before it reached the limit" };
        finding = finding.with(Evidence::fact(format!("it ran {} {kind}", time::age(ran)), "lastState"));
    }
    let pressure = || {
        let node = facts.get(&crate::Reference::new(Kind::Node, "", pod.text("/spec/nodeName")))?;
        let event = facts.events(node).into_iter().find(|event| event.reason() == "SystemOOM")?;
        Some(Evidence::quote("", event.message(), format!("event SystemOOM of {}", node.reference())))
    };
    let pressure = pressure();
    // Without either it was the node's memory, or a limit that is not in the pod's spec.
    if !is_told || (pressure.is_none() && limit.is_empty()) {
        finding = finding.certainty(Certainty::Likely);
    }
    Some(match pressure {
        Some(event) => finding.with(event),
        None => finding,
    })
}

/// The words for an end: exit code, restarts, age.
fn ended(facts: &Facts, container: Container<'_>, end: &End<'_>) -> String {
    let age = end.finished.map(|at| format!(", last {} ago", time::age(facts.now.saturating_sub(at))));
    let now = if container.is_ready() { "; it runs again" } else { "" };
    format!(
        "{} exit code {}, {} restarts{}{now}",
        end.reason,
        end.code,
        container.restarts(),
        age.unwrap_or_default()
    )
}

/// The limit that holds for a container, and its name: its own or that of the pod.
fn limit<'p>(pod: &'p Object, container: Container<'p>) -> (&'p str, &'static str) {
    let own = text(container.spec, "/resources/limits/memory");
    if !own.is_empty() {
        return (own, "memory limit");
    }
    (pod.text("/spec/resources/limits/memory"), "pod's memory limit")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::recorded::{Recorded, object, pod};

    fn killed(limits: Value, state: Value, ready: bool, finished: &str) -> Value {
        let last = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled",
            "startedAt": "2026-11-24T11:50:00Z", "finishedAt": finished}});
        pod(
            "cruncher-0",
            json!({"nodeName": "n1", "containers": [{"name": "work", "resources": {"limits": limits}}]}),
            json!({"phase": "Running", "conditions": [{"type": "Ready", "status": if ready {"True"} else {"False"}}],
                "containerStatuses": [{"name": "work", "ready": ready, "restartCount": 7, "state": state,
                "lastState": last}]}),
        )
    }

    fn back_off() -> Value {
        json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container=work"}})
    }

    #[test]
    fn the_limit_that_is_too_small_is_named() {
        let pod = killed(json!({"memory": "96Mi"}), back_off(), false, "2026-11-24T11:50:02Z");
        let answer = Recorded::new(&[pod]).ask("cruncher-0");
        assert!(answer.contains("cause 1 (certain) [out-of-memory] Pod shop/cruncher-0: container work is killed for want of memory (OOMKilled); its memory limit is 96Mi"), "{answer}");
        assert!(answer.contains("exit code 137, 7 restarts, last 9m ago"), "{answer}");
        assert!(answer.contains("ran 2s at once"), "{answer}");
        assert!(!answer.contains("container-exits"), "{answer}");
    }

    #[test]
    fn a_kill_that_nobody_sent_is_probably_one_for_memory() {
        let told = |change: &dyn Fn(&mut Value)| {
            let mut pod = killed(json!({"memory": "50Mi"}), back_off(), false, "2026-11-24T11:50:00Z");
            pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["reason"] = "Error".into();
            change(&mut pod);
            Recorded::new(&[pod]).ask("cruncher-0")
        };
        let answer = told(&|_| {});
        assert!(answer.contains("cause 1 (likely) [out-of-memory] Pod shop/cruncher-0: container work is killed (SIGKILL) by nobody in the cluster, so probably for want of memory, although its status does not say OOMKilled; its memory limit is 50Mi"), "{answer}");
        assert!(!answer.contains("container-exits"), "{answer}");
        let changes: [&dyn Fn(&mut Value); 5] = [
            &|pod| pod["spec"]["containers"][0]["resources"] = json!({}),
            &|pod| pod["spec"]["containers"][0]["livenessProbe"] = json!({"tcpSocket": {"port": 80}}),
            &|pod| pod["spec"]["containers"][0]["startupProbe"] = json!({"tcpSocket": {"port": 80}}),
            &|pod| pod["status"]["reason"] = "Evicted".into(),
            &|pod| pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] = 143.into(),
        ];
        for (number, change) in changes.iter().enumerate() {
            let answer = told(change);
            assert!(!answer.contains("[out-of-memory]"), "{number}: {answer}");
        }
    }

    #[test]
    fn without_a_limit_it_is_the_node_that_has_no_more() {
        let mut node = object("Node", "n1");
        node["status"] = json!({"conditions": [{"type": "Ready", "status": "True"}]});
        let mut event = crate::recorded::event(
            &node,
            "SystemOOM",
            "System OOM encountered, victim process: java, pid: 77",
        );
        // Kubelets write the name of a node as its uid, and leave its namespace empty.
        event["involvedObject"] = json!({"kind": "Node", "name": "n1", "uid": "n1"});
        let pod = killed(json!({}), back_off(), false, "2026-11-24T11:50:02Z");
        let answer = Recorded::new(&[pod, node, event]).ask("cruncher-0");
        assert!(answer.contains("it has no memory limit"), "{answer}");
        assert!(answer.contains("victim process: java"), "{answer}");
    }

    #[test]
    fn a_kill_of_last_month_is_no_fault_of_today() {
        let running = json!({"running": {"startedAt": "2026-10-24T11:00:00Z"}});
        let pod = killed(json!({"memory": "96Mi"}), running.clone(), true, "2026-10-24T11:00:00Z");
        let answer = Recorded::new(&[pod]).ask("cruncher-0");
        assert!(!answer.contains("out-of-memory"), "{answer}");
        let pod = killed(json!({"memory": "96Mi"}), running, true, "2026-11-24T11:40:00Z");
        let answer = Recorded::new(&[pod]).ask("cruncher-0");
        assert!(answer.contains("[out-of-memory]") && answer.contains("it runs again"), "{answer}");
    }
}
