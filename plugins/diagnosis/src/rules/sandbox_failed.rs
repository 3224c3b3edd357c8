//! A pod whose sandbox cannot be made on its node: the network plugin fails, or the runtime.
//!
//! Evidence: the event FailedCreatePodSandBox; without it, the condition PodReadyToStartContainers, which cannot tell the
//! network from a volume.
//! Not to be taken for: a volume that cannot be mounted, the first seconds, an application's own network trouble.
//! Source: kubernetes/pkg/kubelet/kuberuntime/kuberuntime_sandbox.go, containerd/pkg/cri, containernetworking/cni.

use std::collections::BTreeSet;

use super::Rule;
use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Object, Reference,
    containers::{containers, judged_pods, seconds_on_node},
    creation,
    health::STARTING,
    needs::needs,
    time,
};

pub(super) const RULE: Rule = Rule { id: "sandbox-failed", find };

/// Reasons of events; the spelling changed.
const REASONS: [&str; 2] = ["FailedCreatePodSandBox", "FailedCreatePodSandbox"];
/// Reasons of events that name another hold-up.
const OTHERS: [&str; 3] = ["FailedMount", "FailedAttachVolume", "FailedMapVolume"];
/// Secrets that an answer names.
const NAMES: usize = 5;
/// Seconds without a container after which a silent pod is in trouble, and not only slow.
const SILENT: u64 = 300;

fn find(facts: &Facts) -> Vec<Finding> {
    judged_pods(facts).filter_map(|pod| of_event(facts, pod).or_else(|| of_state(facts, pod))).collect()
}

fn of_event(facts: &Facts, pod: &Object) -> Option<Finding> {
    let event = creation::events(facts, pod, &REASONS).into_iter().next()?;
    // The first try of a pod on a node that has just come often fails.
    if event.count() < 2 && seconds_on_node(facts, pod) <= STARTING {
        return None;
    }
    let node = pod.text("/spec/nodeName");
    let (is_of_node, words, next) = cause(event.message());
    let works = started_since(facts, pod);
    let object = if is_of_node && works.is_none() {
        Reference::new(Kind::Node, "", node)
    } else {
        facts.root(pod).reference()
    };
    let mut finding =
        Finding::new(RULE.id, object, format!("a pod's sandbox cannot be made on node {node}: {words}"))
            .affects(pod.reference())
            .affects(facts.root(pod).reference())
            .with(Evidence::quote("", event.message(), event.place(facts.now)))
            .next(next);
    if let Some(other) = works {
        let label =
            format!("{} has started on that node since, so not all pods fail there", other.reference());
        finding = finding.with(Evidence::fact(label, "state.running"));
    }
    Some(finding)
}

/// A pod that has come to the same node later, and has started.
fn started_since<'f>(facts: &'f Facts, pod: &Object) -> Option<&'f Object> {
    facts.all(Kind::Pod).find(|other| {
        other.created() > pod.created()
            && other.text("/spec/nodeName") == pod.text("/spec/nodeName")
            && !other.flag("/spec/hostNetwork")
            && containers(other).any(|container| container.is_running())
    })
}

/// True if the node is at fault, the words for it, and what to do.
fn cause(message: &str) -> (bool, &'static str, &'static str) {
    let has = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    if has(&["RuntimeHandler", "no runtime for", "runtime handler"]) {
        (
            false,
            "it has not the runtime of the pod's RuntimeClass",
            "correct runtimeClassName, or select nodes that have that runtime",
        )
    } else if has(&["sandbox image", "failed to pull"]) {
        // Before the network: "network is unreachable" is said of the registry.
        (
            true,
            "the image of sandboxes cannot be pulled",
            "look at the runtime's sandbox image and the node's way to its registry",
        )
    } else if has(&[
        "no IP addresses available",
        "no available IP",
        "IP pool",
        "failed to assign an IP",
        "insufficient IPs",
        "no free IP",
        "address pool",
    ]) {
        (
            true,
            "its network plugin has no free IP address",
            "free or add addresses (pod CIDR, subnet, IP pool)",
        )
    } else if has(&[
        "cni plugin not initialized",
        "no networks found in /etc/cni",
        "failed to find plugin",
        "no cni config",
    ]) {
        (
            true,
            "its network plugin is not installed",
            "look at the network plugin's DaemonSet pod on that node",
        )
    } else if has(&["network", "cni", "CNI", "plugin type="]) {
        (true, "its network plugin fails", "look at the network plugin's pod on that node, and its log")
    } else if has(&["no space left"]) {
        (true, "its disk is full", "free space on the node")
    } else {
        (true, "its container runtime cannot make a sandbox", "look at the container runtime on that node")
    }
}

/// A pod that has waited for long, and of which no event tells why.
fn of_state(facts: &Facts, pod: &Object) -> Option<Finding> {
    let waited = seconds_on_node(facts, pod);
    let has_words = !creation::events(facts, pod, &OTHERS).is_empty();
    if !creation::is_waiting(pod) || waited <= SILENT || has_words {
        return None;
    }
    let summary = match pod.condition("PodReadyToStartContainers") {
        Some(condition) if condition.status == "False" => {
            "the node has not mounted the pod's volumes or not made its network, and no event says which"
        }
        // Then its image is being pulled.
        Some(_) => return None,
        // Kubernetes before 1.29.
        None => {
            "the node has not mounted the pod's volumes, not made its network or not pulled its image, and no event says which"
        }
    };
    let place = format!("status of {}", pod.reference());
    let node = pod.text("/spec/nodeName");
    let finding = Finding::new(RULE.id, facts.root(pod).reference(), summary)
        .affects(pod.reference())
        .certainty(Certainty::Guess)
        .symptom()
        .with(Evidence::fact(format!("on node {node} for {} without a container", time::age(waited)), place))
        .next(
            "see whether other pods start on that node; the kubelet's log there has the reason (nodes_log)",
        );
    let secrets: BTreeSet<String> = needs(pod)
        .into_iter()
        .filter(|need| need.object.kind == Kind::Secret && !need.is_optional)
        .map(|need| need.object.name)
        .collect();
    if secrets.is_empty() {
        return Some(finding);
    }
    let names = secrets.into_iter().take(NAMES).collect::<Vec<_>>().join(", ");
    Some(finding.with(Evidence::fact(
        format!("it needs Secrets that are not read here, and that may be missing: {names}"),
        "spec",
    )))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RULE;
    use crate::recorded::{Recorded, event, pod, running};

    fn creating() -> Value {
        pod(
            "web-1",
            json!({"nodeName": "n7", "containers": [{"name": "app"}]}),
            json!({"phase": "Pending", "startTime": "2026-11-24T11:00:00Z",
                "conditions": [{"type": "PodReadyToStartContainers", "status": "False"}],
                "containerStatuses": [{"name": "app", "ready": false, "restartCount": 0,
                "state": {"waiting": {"reason": "ContainerCreating"}}}]}),
        )
    }

    #[test]
    fn the_node_is_at_fault_and_not_the_application() {
        for (message, words) in [
            (
                "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox \"a1\": plugin type=\"calico\" failed (add): error getting ClusterInformation: connection is unauthorized",
                "its network plugin fails",
            ),
            (
                "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox \"a1\": plugin type=\"host-local\" failed (add): failed to allocate for range 0: no IP addresses available in range set: 10.1.0.1-10.1.0.254",
                "no free IP address",
            ),
            (
                "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox image \"registry.k8s.io/pause:3.10\": failed to pull image \"registry.k8s.io/pause:3.10\": failed to do request: Head \"https://registry.k8s.io/v2/pause/manifests/3.10\": dial tcp: lookup registry.k8s.io on 10.1.1.53:53: dial udp 10.1.1.53:53: connect: network is unreachable",
                "the image of sandboxes cannot be pulled",
            ),
        ] {
            let pod = creating();
            let failed = event(&pod, "FailedCreatePodSandBox", message);
            let answer = Recorded::new(&[pod, failed]).ask("web-1");
            assert!(
                answer.contains(
                    "cause 1 (certain) [sandbox-failed] Node n7: a pod's sandbox cannot be made on node n7:"
                ),
                "{answer}"
            );
            assert!(answer.contains(words), "{words}: {answer}");
        }
        let pod = creating();
        let failed = event(
            &pod,
            "FailedCreatePodSandBox",
            "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox runtime: no runtime for \"kata\" is configured",
        );
        let answer = Recorded::new(&[pod, failed]).ask("web-1");
        assert!(
            answer.contains("[sandbox-failed] Pod shop/web-1") && answer.contains("RuntimeClass"),
            "{answer}"
        );
    }

    #[test]
    fn without_events_it_is_said_that_two_causes_are_possible() {
        let answer = Recorded::new(&[creating()]).ask("web-1");
        assert!(
            answer.contains("cause 1 (guess) [sandbox-failed]") && answer.contains("no event says which"),
            "{answer}"
        );
        let mut secret = creating();
        secret["spec"]["volumes"] = json!([{"name": "tls", "secret": {"secretName": "web-tls"}}]);
        let answer = Recorded::new(&[secret]).ask("web-1");
        assert!(answer.contains("may be missing: web-tls"), "{answer}");
        let mut pulling = creating();
        pulling["status"]["conditions"][0]["status"] = "True".into();
        let answer = Recorded::new(&[pulling]).ask("web-1");
        assert!(!answer.contains("sandbox-failed"), "{answer}");
        let mut young = creating();
        young["status"]["startTime"] = "2026-11-24T11:59:30Z".into();
        let answer = Recorded::new(&[young]).ask("web-1");
        assert!(!answer.contains("sandbox-failed"), "{answer}");
    }

    #[test]
    fn the_first_try_on_a_node_may_fail() {
        for (since, count, words) in [
            ("2026-11-24T11:59:30Z", 1, ""),
            ("2026-11-24T11:59:30Z", 2, "Node n7: a pod's sandbox cannot be made"),
            ("2026-11-24T11:00:00Z", 1, "Node n7: a pod's sandbox cannot be made"),
        ] {
            let mut pod = creating();
            pod["status"]["startTime"] = since.into();
            let mut failed = event(&pod, "FailedCreatePodSandBox", "plugin type=\"calico\" failed (add)");
            failed["count"] = count.into();
            Recorded::new(&[pod, failed]).assert_found(&RULE, words);
        }
    }

    #[test]
    fn a_node_on_which_a_later_pod_of_its_network_has_started_is_not_at_fault() {
        let (before, later) = ("2026-11-24T10:00:00Z", "2026-11-24T11:30:00Z");
        for (created, node, is_of_host, words) in [
            (later, "n7", false, "Pod shop/web-1: "),
            (before, "n7", false, "Node n7: "),
            ("2026-11-24T11:00:00Z", "n7", false, "Node n7: "),
            (later, "n8", false, "Node n7: "),
            (later, "n7", true, "Node n7: "),
        ] {
            let pod = creating();
            let failed = event(&pod, "FailedCreatePodSandBox", "plugin type=\"calico\" failed (add)");
            let mut other = running("other");
            other["metadata"]["creationTimestamp"] = created.into();
            other["spec"]["nodeName"] = node.into();
            other["spec"]["hostNetwork"] = is_of_host.into();
            Recorded::new(&[pod, failed, other]).assert_found(&RULE, words);
        }
    }
}
