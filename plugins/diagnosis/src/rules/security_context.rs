//! A container that its own security settings forbid: root under runAsNonRoot, a profile or sysctl that the node does not
//! have or does not allow.
//!
//! Evidence: the kubelet's words in the waiting state or the pod's status.
//! Not to be taken for: Pod Security Admission, which lets no pod be made; a process that starts and then lacks a right.
//! Source: kubernetes/pkg/kubelet/kuberuntime/security_context_others.go, pkg/kubelet/sysctl, pkg/security/apparmor.

use super::Rule;
use crate::{
    Evidence, Facts, Finding, Object,
    containers::{Container, containers, judged_pods},
    object::text,
};

pub(super) const RULE: Rule = Rule { id: "security-context", find };

fn find(facts: &Facts) -> Vec<Finding> {
    judged_pods(facts)
        .flat_map(|pod| {
            let containers = containers(pod).filter_map(|container| of_container(facts, pod, container));
            containers.chain(of_pod(facts, pod))
        })
        .collect()
}

fn of_container(facts: &Facts, pod: &Object, container: Container<'_>) -> Option<Finding> {
    let is_of_start = |reason: &str| {
        matches!(
            reason,
            "CreateContainerConfigError"
                | "CreateContainerError"
                | "RunContainerError"
                | "StartError"
                | "ContainerCannotRun"
        )
    };
    let waiting = container.waiting().filter(|(reason, _)| is_of_start(reason)).map(|(_, message)| message);
    let ended = container.end().filter(|end| !container.is_running() && is_of_start(end.reason));
    let ended = ended.map(|end| end.message);
    let (message, (words, next)) =
        waiting.into_iter().chain(ended).find_map(|message| Some((message, cause(message)?)))?;
    let mut finding = Finding::new(
        RULE.id,
        facts.root(pod).reference(),
        format!("{} may not run: {words}", container.title()),
    )
    .affects(pod.reference())
    .with(Evidence::quote("", message, format!("status of {}", pod.reference())))
    .next(next);
    let settings = settings(pod, container);
    if !settings.is_empty() {
        finding = finding.with(Evidence::fact(settings, "securityContext"));
    }
    Some(finding)
}

/// A pod that the kubelet turned away as a whole.
fn of_pod(facts: &Facts, pod: &Object) -> Option<Finding> {
    let (words, next) = match pod.text("/status/reason") {
        "SysctlForbidden" => (
            "its node does not allow a sysctl that it sets",
            "leave the sysctl out, or allow it in the kubelet's allowedUnsafeSysctls",
        ),
        "AppArmor" => {
            ("its node cannot enforce its AppArmor profile", "load the profile on the node, or change it")
        }
        "PodOSNotSupported" => {
            ("its node has another operating system", "correct spec.os, or select other nodes")
        }
        _ => return None,
    };
    let place = format!("status of {}", pod.reference());
    let finding = Finding::new(RULE.id, facts.root(pod).reference(), format!("the pod may not run: {words}"));
    Some(
        finding
            .affects(pod.reference())
            .with(Evidence::quote(pod.text("/status/reason"), pod.text("/status/message"), place))
            .next(next),
    )
}

/// The meaning of the kubelet's or the runtime's words, if they are about security settings.
pub(super) fn cause(message: &str) -> Option<(&'static str, &'static str)> {
    let has = |part: &str| message.contains(part);
    if has("runAsNonRoot and image will run as root") || has("image will run as root") {
        Some((
            "runAsNonRoot is set, and the image runs as root",
            "set runAsUser to a number other than 0, or use an image whose USER is one",
        ))
    } else if has("non-numeric user") {
        Some((
            "runAsNonRoot is set, and the image names its user by a word, which the kubelet cannot check",
            "set runAsUser to the number of that user",
        ))
    } else if has("breaks non-root policy") {
        Some((
            "runAsNonRoot is set together with runAsUser 0",
            "set runAsUser to another number, or leave runAsNonRoot out",
        ))
    } else if has("apparmor") || has("AppArmor") {
        Some((
            "its AppArmor profile cannot be applied on the node",
            "load the profile on the node, or change it",
        ))
    } else if has("seccomp") {
        Some((
            "its seccomp profile cannot be loaded on the node",
            "put the profile on the node, or use RuntimeDefault",
        ))
    } else if has("unknown capability") || has("invalid capability") {
        Some((
            "it names a capability that does not exist",
            "correct securityContext.capabilities (without CAP_)",
        ))
    } else {
        None
    }
}

/// The settings that decide, where they are set.
fn settings(pod: &Object, container: Container<'_>) -> String {
    let mut settings = Vec::new();
    for (place, context) in
        [("pod", pod.at("/spec/securityContext")), ("container", container.spec.pointer("/securityContext"))]
    {
        for field in ["runAsNonRoot", "runAsUser"] {
            if let Some(value) = context.and_then(|context| context.get(field)) {
                settings.push(format!("{place} {field}: {value}"));
            }
        }
    }
    let image = text(container.spec, "/image");
    if !settings.is_empty() && !image.is_empty() {
        settings.push(format!("image {image}"));
    }
    settings.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RULE;
    use crate::recorded::{Recorded, pod};

    #[test]
    fn the_setting_that_forbids_it_is_named() {
        for (reason, message, words) in [
            (
                "CreateContainerConfigError",
                "container has runAsNonRoot and image will run as root (pod: \"web_shop(uid)\", container: app)",
                "the image runs as root",
            ),
            (
                "CreateContainerConfigError",
                "container has runAsNonRoot and image has non-numeric user (nginx), cannot verify user is non-root (pod: \"web_shop(uid)\", container: app)",
                "names its user by a word",
            ),
            (
                "CreateContainerConfigError",
                "container's runAsUser breaks non-root policy (pod: \"web_shop(uid)\", container: app)",
                "runAsUser 0",
            ),
            (
                "CreateContainerError",
                "failed to create containerd container: cannot load seccomp profile \"/var/lib/kubelet/seccomp/x.json\": open: no such file or directory",
                "seccomp profile",
            ),
        ] {
            let web = pod(
                "web",
                json!({"securityContext": {"runAsNonRoot": true}, "containers": [{"name": "app", "image": "nginx:1"}]}),
                json!({"phase": "Pending", "containerStatuses": [{"name": "app", "ready": false, "restartCount": 0,
                    "state": {"waiting": {"reason": reason, "message": message}}}]}),
            );
            let answer = Recorded::new(&[web]).ask("web");
            assert!(
                answer.contains(
                    "cause 1 (certain) [security-context] Pod shop/web: container app may not run:"
                ),
                "{answer}"
            );
            assert!(
                answer.contains(words) && answer.contains("pod runAsNonRoot: true, image nginx:1"),
                "{answer}"
            );
            assert!(!answer.contains("cause 2"), "{answer}");
        }
    }

    #[test]
    fn a_pod_that_the_kubelet_turns_away_is_a_fault_of_its_settings() {
        let web = pod(
            "web",
            json!({"containers": [{"name": "app"}]}),
            json!({"phase": "Failed", "reason": "SysctlForbidden", "message": "forbidden sysctl: \"net.core.somaxconn\" not allowlisted"}),
        );
        let answer = Recorded::new(&[web]).ask("web");
        assert!(answer.contains("[security-context]") && answer.contains("net.core.somaxconn"), "{answer}");
    }

    /// The kubelet has one reason for all that is wrong with the settings of a container.
    #[test]
    fn a_container_that_waits_for_something_else_is_no_fault_of_its_settings() {
        let message = "configmap \"app\" not found";
        let web = pod(
            "web",
            json!({"securityContext": {"runAsNonRoot": true}, "containers": [{"name": "app", "image": "nginx:1"}]}),
            json!({"phase": "Pending", "containerStatuses": [{"name": "app", "ready": false, "restartCount": 0,
                "state": {"waiting": {"reason": "CreateContainerConfigError", "message": message}}}]}),
        );
        let answer = Recorded::new(&[web]).ask("web");
        assert!(answer.contains("[config-missing]") && !answer.contains("security-context"), "{answer}");
    }

    const ROOT: &str = "container has runAsNonRoot and image will run as root";

    fn ended(reason: &str, state: Value) -> Recorded {
        let last = json!({"terminated": {"reason": reason, "exitCode": 128, "message": ROOT}});
        let status = json!([{"name": "app", "state": state, "lastState": last}]);
        Recorded::new(&[pod(
            "web",
            json!({"containers": [{"name": "app"}]}),
            json!({"phase": "Running", "containerStatuses": status}),
        )])
    }

    #[test]
    fn an_end_counts_if_the_process_never_began_and_none_runs_now() {
        let back_off = || json!({"waiting": {"reason": "CrashLoopBackOff"}});
        ended("StartError", back_off()).assert_found(&RULE, "the image runs as root");
        ended("ContainerCannotRun", back_off()).assert_found(&RULE, "the image runs as root");
        ended("Error", back_off()).assert_found(&RULE, "");
        ended("StartError", json!({"running": {}})).assert_found(&RULE, "");
    }

    #[test]
    fn each_form_of_the_words_for_a_setting_is_known() {
        for (words, meaning) in [
            ("Error: container has runAsNonRoot and image will run as root", "the image runs as root"),
            ("image will run as root", "the image runs as root"),
            ("failed to apply apparmor profile", "its AppArmor profile cannot be applied"),
            ("AppArmor is not supported", "its AppArmor profile cannot be applied"),
            ("unknown capability \"CAP_X\"", "a capability that does not exist"),
            ("invalid capability: CAP_X", "a capability that does not exist"),
        ] {
            assert!(super::cause(words).is_some_and(|(cause, _)| cause.contains(meaning)), "{words}");
        }
        assert_eq!(super::cause("executable file not found"), None);
    }
}
