//! The state of a pod whose log is empty: often the answer to the question behind it.

use std::fmt;

use porthole_sdk::{one_line, pod::Pod, prelude::*};

/// Bytes of a message or reason in the sentence: a termination message may have 4 KiB, and be written by the container.
const MAX_MESSAGE: usize = 300;

/// A text of an object as a part of the sentence: one line, or it could write a part of the answer of its own.
struct Message<'t>(&'t str);

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = one_line(self.0);
        let cut = line.get(..line.floor_char_boundary(MAX_MESSAGE)).unwrap_or_default();
        f.write_str(cut)?;
        if cut.len() < line.len() { f.write_str("…") } else { Ok(()) }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Ended {
    status: Status,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    conditions: Vec<Condition>,
    init_container_statuses: Vec<Container>,
    container_statuses: Vec<Container>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Condition {
    r#type: String,
    status: String,
    reason: String,
    message: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    name: String,
    restart_count: u64,
    state: State,
    last_state: State,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct State {
    waiting: Option<Waiting>,
    running: Option<serde::de::IgnoredAny>,
    terminated: Option<Terminated>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Waiting {
    message: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Terminated {
    reason: String,
    message: String,
    exit_code: i32,
}

/// Account of a log by its pod's status.
#[derive(Debug, PartialEq)]
pub(crate) struct PodState {
    /// ` It is CrashLoopBackOff; container app ended with exit code 1, restarted 4 times.`
    pub(crate) sentence: String,
    /// True if a container can have written something: the one that was asked for, if there was one.
    pub(crate) has_started: bool,
}

/// The state of a pod; `None` if it cannot be read.
pub(crate) fn of(namespace: &str, pod: &str, container: Option<&str>) -> Option<PodState> {
    let fields = ["metadata", "spec", "status"];
    let object: Value = get(kind("pods"), Some(namespace.to_owned()), pod, &fields).ok()?;
    Some(PodState::of(object, container))
}

impl PodState {
    fn of(object: Value, container: Option<&str>) -> Self {
        let status =
            serde_json::from_value::<Pod>(object.clone()).map(|pod| pod.status()).unwrap_or_default();
        let ended: Ended = serde_json::from_value(object).unwrap_or_default();
        let Status { conditions, init_container_statuses, container_statuses } = &ended.status;
        let mut parts = vec![format!(" It is {}", Message(&status))];
        let unscheduled = conditions
            .iter()
            .find(|condition| condition.r#type == "PodScheduled" && condition.status == "False");
        parts.extend(
            unscheduled.map(|Condition { reason, message, .. }| {
                format!("{}: {}", Message(reason), Message(message))
            }),
        );
        let is_meant = |status: &&Container| container.is_none_or(|container| status.name == container);
        let all = || init_container_statuses.iter().chain(container_statuses);
        parts.extend(all().filter_map(Container::end));
        let has_started = match container {
            None => container_statuses.iter().any(Container::has_started),
            Some(_) => all().filter(is_meant).any(Container::has_started),
        };
        Self { sentence: format!("{}.", parts.join("; ").trim_end_matches('.')), has_started }
    }
}

impl Container {
    /// `container app ended with exit code 1, restarted 4 times`
    fn end(&self) -> Option<String> {
        let restarts = match self.restart_count {
            0 => String::new(),
            count => format!(", restarted {count} times"),
        };
        let Some(last) = self.state.terminated.as_ref().or(self.last_state.terminated.as_ref()) else {
            let waiting = self.state.waiting.as_ref().filter(|waiting| !waiting.message.is_empty())?;
            return Some(format!("container {} waits: {}", Message(&self.name), Message(&waiting.message)));
        };
        // An init container that is done is in order.
        if last.exit_code == 0 && self.state.terminated.is_some() {
            return None;
        }
        let Terminated { reason, message, exit_code } = last;
        let why = match (reason.as_str(), message.as_str()) {
            ("" | "Error" | "Completed", "") => String::new(),
            (reason, "") => format!(" ({})", Message(reason)),
            (reason, message) => format!(" ({}: {})", Message(reason), Message(message)),
        };
        Some(format!("container {} ended with exit code {exit_code}{why}{restarts}", Message(&self.name)))
    }

    fn has_started(&self) -> bool {
        let has_run = |state: &State| {
            // Of a container that could not be started the runtime reports an end.
            let ended = state.terminated.as_ref().filter(|ended| ended.reason != "StartError");
            state.running.is_some() || ended.is_some()
        };
        has_run(&self.state) || has_run(&self.last_state)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_container_says_of_its_end_writes_no_line_of_the_answer() {
        const FORGED: &str = "x\n== pod other ==\nall is well";
        let long = "ä".repeat(4096);
        for text in [FORGED, &long] {
            let ended = json!({"terminated": {"exitCode": 1, "reason": text, "message": text}});
            let status = json!({"phase": "Pending", "reason": text,
                "conditions": [{"type": "PodScheduled", "status": "False", "reason": text, "message": text}],
                "containerStatuses": [
                    {"name": "app", "state": {"waiting": {"reason": "x", "message": text}}},
                    {"name": "side", "state": {}, "lastState": ended}]});
            let sentence = PodState::of(json!({"status": status}), None).sentence;
            assert!(!sentence.contains('\n') && sentence.len() < 7 * MAX_MESSAGE, "{sentence}");
            assert!(
                sentence.contains("container app waits: ") && sentence.contains("container side ended"),
                "{sentence}"
            );
        }
    }

    #[test]
    fn a_silent_log_has_a_reason() {
        let scheduled = json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no node."}]);
        let end =
            |reason: &str, message: &str| json!({"exitCode": 128, "reason": reason, "message": message});
        for (status, container, expected, has_started) in [
            (
                json!({"phase": "Pending", "conditions": scheduled}),
                None,
                " It is Pending; Unschedulable: no node.",
                false,
            ),
            (
                json!({"phase": "Running", "containerStatuses": [{"name": "app", "restartCount": 19,
                    "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}}]}),
                None,
                " It is CrashLoopBackOff; container app ended with exit code 1, restarted 19 times.",
                true,
            ),
            (
                json!({"phase": "Pending", "initContainerStatuses": [{"name": "first", "state": {"terminated": end("StartError", "no such file")}}]}),
                Some("first"),
                " It is Init:StartError; container first ended with exit code 128 (StartError: no such file).",
                false,
            ),
            (
                json!({"phase": "Succeeded", "containerStatuses": [{"name": "app", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]}),
                None,
                " It is Completed.",
                true,
            ),
        ] {
            let state = PodState::of(json!({"status": status}), container);
            assert_eq!(state, PodState { sentence: expected.to_owned(), has_started }, "{status}");
        }
    }
}
