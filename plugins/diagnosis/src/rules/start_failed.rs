//! A container whose process cannot be started: its command is not in the image or may not be executed, a mount does not
//! fit, a hook fails.
//!
//! Evidence: the runtime's words in the waiting or the ended state; events repeat them.
//! Not to be taken for: a process that starts and exits (127 and 126 of a shell), a process that does not fit into memory,
//! a user or profile that the security context forbids.
//! Source: runc/libcontainer, containerd/pkg/cri, kubernetes/pkg/kubelet/kuberuntime/kuberuntime_container.go.

use super::{Rule, out_of_memory::is_out_of_memory, security_context};
use crate::{
    Evidence, Facts, Finding, Object,
    containers::{Container, containers, judged_pods},
    missing::Missing,
};

pub(super) const RULE: Rule = Rule { id: "start-failed", find };

/// Waiting reasons of a container that the runtime could not create or start.
const WAITING: [&str; 6] = [
    "CreateContainerConfigError",
    "RunContainerError",
    "CreateContainerError",
    "PostStartHookError",
    "PreCreateHookError",
    "PreStartHookError",
];
/// Reasons of an end of a process that never began.
const ENDED: [&str; 3] = ["StartError", "ContainerCannotRun", "ContainerCreateError"];

fn find(facts: &Facts) -> Vec<Finding> {
    judged_pods(facts)
        .flat_map(|pod| containers(pod).filter_map(|container| of(facts, pod, container)))
        .collect()
}

fn of(facts: &Facts, pod: &Object, container: Container<'_>) -> Option<Finding> {
    let waiting = container.waiting().filter(|(reason, _)| WAITING.contains(reason));
    let end = container.recent_end(facts.now).filter(|end| ENDED.contains(&end.reason));
    // A container that runs has been started since.
    let (reason, message) = match (waiting, end) {
        (Some((reason, message)), _) if !message.is_empty() => (reason, message),
        (_, Some(end)) if !container.is_running() => (end.reason, end.message),
        (Some(waiting), _) => waiting,
        _ => return None,
    };
    if end.is_some_and(|end| is_out_of_memory(&end))
        || security_context::cause(message).is_some()
        || Missing::parse(message).is_some()
    {
        return None;
    }
    let program = program(message);
    let (cause, next) = cause(reason, message, !program.is_empty());
    let subject =
        if program.is_empty() { "its process".to_owned() } else { format!("its command {program}") };
    let summary = format!("{} cannot be started: {subject} {cause}", container.title());
    let mut finding = Finding::new(RULE.id, facts.root(pod).reference(), summary)
        .affects(pod.reference())
        .with(Evidence::quote(reason, message, format!("status of {}", pod.reference())))
        .next(next);
    let command = container.command();
    if !command.is_empty() {
        finding = finding.with(Evidence::quote("command and args", command, "spec"));
    }
    Some(finding)
}

/// The program in the runtime's words: `exec: "wge": executable file not found in $PATH`.
fn program(message: &str) -> String {
    let quoted = message.split("exec: \"").nth(1).and_then(|rest| rest.split('"').next());
    let plain = || message.split("exec ").nth(1).and_then(|rest| rest.split(':').next());
    let program = quoted.or_else(plain).unwrap_or_default();
    // It is foreign text in a sentence of ours.
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+".contains(letter);
    if program.len() <= 100 && program.chars().all(is_plain) { program.to_owned() } else { String::new() }
}

/// The meaning of the runtime's words, and the next step.
fn cause(reason: &str, message: &str, is_exec: bool) -> (&'static str, &'static str) {
    let has = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    if has(&["executable file not found"]) {
        (
            "is not in the image (executable file not found)",
            "correct command in the template, or use an image that has it",
        )
    } else if has(&["exec format error"]) {
        ("is built for another architecture than the node", "use an image for the node's architecture")
    } else if has(&["mount a directory onto a file", "Are you trying to mount"]) {
        (
            "cannot be run: a directory is mounted onto a file, or the reverse",
            "correct mountPath or subPath of that mount",
        )
    } else if has(&["subPath"]) {
        (
            "cannot be run: the subPath of a mount cannot be prepared",
            "correct subPath, or create it on the volume",
        )
    } else if has(&["chdir to cwd", "set in config.json failed"]) {
        ("cannot be run: its working directory does not exist or may not be entered", "correct workingDir")
    } else if has(&["unable to find user", "no matching entries in passwd", "unable to find group"]) {
        (
            "cannot be run: the image has no such user or group",
            "set a numeric runAsUser, or correct USER of the image",
        )
    } else if has(&["no command specified"]) {
        ("is not given: neither the image nor the template names one", "set command in the template")
    } else if has(&["read-only file system"]) {
        (
            "cannot be run: a mount point cannot be made in a read-only file system",
            "mount elsewhere, or create the path in the image",
        )
    } else if is_exec && has(&["permission denied"]) {
        (
            "may not be executed (permission denied)",
            "make the file executable in the image or volume (defaultMode 0755)",
        )
    } else if is_exec && has(&["no such file or directory"]) {
        (
            "does not exist in the image (no such file or directory)",
            "correct the path, or the interpreter that the script names",
        )
    } else if has(&[" cache: timed out"]) {
        (
            "waits for a ConfigMap or Secret that the kubelet does not get in time",
            "see whether it exists, and whether the node reaches the API server",
        )
    } else if has(&["is reserved for", "already in use"]) {
        (
            "waits for the runtime, which still holds the container's name",
            "wait; if it stays, look at the node's container runtime",
        )
    } else if has(&["context deadline exceeded", "DeadlineExceeded"]) {
        (
            "waits for the node's container runtime, which does not answer in time",
            "look at the node's load and its container runtime",
        )
    } else if has(&["device plugin", "unresolvable CDI devices", "could not select device driver"]) {
        ("cannot be run: a device is not available", "check the node's device plugin")
    } else if reason == "PostStartHookError" {
        ("is stopped again because its postStart hook fails", "correct lifecycle.postStart")
    } else {
        ("is refused by the container runtime", "read the runtime's words")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RULE;
    use crate::recorded::{Recorded, pod};

    const NOT_FOUND: &str = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"crul\": executable file not found in $PATH: unknown";

    fn waiting(field: &str, state: Value, last: Value) -> Value {
        let specs = json!([{"name": "fetch", "image": "busybox", "command": ["crul", "-O", "x"]}]);
        let status =
            json!([{"name": "fetch", "ready": false, "restartCount": 3, "state": state, "lastState": last}]);
        let mut spec = json!({"containers": [{"name": "app"}]});
        spec[field] = specs;
        let statuses = if field == "containers" { "containerStatuses" } else { "initContainerStatuses" };
        let mut object = pod("agent", spec, json!({"phase": "Pending"}));
        object["status"][statuses] = status;
        object
    }

    #[test]
    fn a_command_that_is_not_in_the_image_is_named_in_every_state() {
        let ended = json!({"terminated": {"exitCode": 128, "reason": "StartError", "message": NOT_FOUND,
            "startedAt": "1970-01-01T00:00:00Z", "finishedAt": "2026-11-24T11:55:00Z"}});
        let back_off = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container=fetch"}});
        let run_error = json!({"waiting": {"reason": "RunContainerError", "message": NOT_FOUND}});
        for (field, title) in [("initContainers", "init container fetch"), ("containers", "container fetch")]
        {
            for (state, last) in [
                (back_off.clone(), ended.clone()),
                (run_error.clone(), json!({})),
                (ended.clone(), json!({})),
            ] {
                let answer = Recorded::new(&[waiting(field, state, last)]).ask("agent");
                assert!(answer.contains(&format!("cause 1 (certain) [start-failed] Pod shop/agent: {title} cannot be started: its command crul is not in the image")), "{answer}");
                assert!(answer.contains("exec: \"crul\": executable file not found"), "{answer}");
                assert!(!answer.contains("cause 2"), "{answer}");
            }
        }
    }

    #[test]
    fn other_words_of_the_runtime_are_told_apart() {
        for (reason, message, words) in [
            (
                "RunContainerError",
                "exec: \"/app/run.sh\": permission denied: unknown",
                "its command /app/run.sh may not be executed",
            ),
            (
                "CreateContainerError",
                "failed to generate container \"x\" spec: failed to generate spec: no command specified",
                "neither the image",
            ),
            (
                "RunContainerError",
                "error mounting \"/var/lib/kubelet/x\" to rootfs at \"/etc/app.conf\": not a directory: Are you trying to mount a directory onto a file (or vice-versa)?",
                "mounted onto a file",
            ),
            ("CreateContainerError", "context deadline exceeded", "does not answer in time"),
            (
                "CreateContainerConfigError",
                "failed to prepare subPath for volumeMount \"data\" of container \"fetch\"",
                "the subPath of a mount",
            ),
            (
                "PostStartHookError",
                "Exec lifecycle hook ([/x]) for Container \"fetch\" in Pod \"agent\" failed",
                "postStart hook fails",
            ),
        ] {
            let state = json!({"waiting": {"reason": reason, "message": message}});
            let answer = Recorded::new(&[waiting("containers", state, json!({}))]).ask("agent");
            assert!(answer.contains("[start-failed]") && answer.contains(words), "{words}: {answer}");
        }
    }

    #[test]
    fn a_container_that_runs_now_has_started() {
        let ended = json!({"terminated": {"exitCode": 128, "reason": "StartError", "message": NOT_FOUND,
            "finishedAt": "2026-11-24T11:59:00Z"}});
        let running = json!({"running": {"startedAt": "2026-11-24T11:59:30Z"}});
        let answer = Recorded::new(&[waiting("containers", running, ended)]).ask("agent");
        assert!(!answer.contains("start-failed"), "{answer}");
    }

    #[test]
    fn the_words_of_a_state_come_before_those_of_an_end() {
        let ended = |message: &str| {
            json!({"terminated": {"exitCode": 128, "reason": "StartError", "message": message,
            "finishedAt": "2026-11-24T11:55:00Z"}})
        };
        let waits = |message: &str| json!({"waiting": {"reason": "RunContainerError", "message": message}});
        let (arch, other) = ("exec /app: exec format error", "exec \"x\": no command specified");
        for (state, last, words) in [
            (waits(arch), ended(other), "its command /app is built for another architecture"),
            (waits(""), ended(arch), "its command /app is built for another architecture"),
            (waits(""), json!({}), "its process is refused by the container runtime"),
        ] {
            Recorded::new(&[waiting("containers", state, last)]).assert_found(&RULE, words);
        }
    }

    #[test]
    fn a_program_is_named_only_if_its_name_is_plain_and_short() {
        for (message, program) in [
            ("exec: \"/app/run.sh\": permission denied", "/app/run.sh"),
            ("exec: \"/app run; now\": permission denied", ""),
            (&format!("exec: \"{}\": permission denied", "a".repeat(101)), ""),
        ] {
            assert_eq!(super::program(message), program);
        }
    }

    #[test]
    fn a_denied_permission_is_of_the_program_only_if_one_is_named() {
        for (message, words) in [
            ("exec: \"/run.sh\": permission denied", "may not be executed"),
            ("open /etc/x: permission denied", "its process is refused by the container runtime"),
            (
                "exec: \"/run.sh\": operation not allowed",
                "its command /run.sh is refused by the container runtime",
            ),
        ] {
            let state = json!({"waiting": {"reason": "RunContainerError", "message": message}});
            Recorded::new(&[waiting("containers", state, json!({}))]).assert_found(&RULE, words);
        }
    }

    #[test]
    fn a_command_is_shown_only_if_the_template_has_one() {
        let state = json!({"waiting": {"reason": "RunContainerError", "message": NOT_FOUND}});
        let mut pod = waiting("containers", state, json!({}));
        let answer = Recorded::new(&[pod.clone()]).ask("agent");
        assert!(answer.contains("command and args: `crul -O x`"), "{answer}");
        pod["spec"]["containers"][0]["command"] = json!([]);
        let answer = Recorded::new(&[pod]).ask("agent");
        assert!(answer.contains("[start-failed]") && !answer.contains("command and args"), "{answer}");
    }
}
