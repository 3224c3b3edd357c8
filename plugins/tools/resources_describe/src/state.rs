//! Status of an object: its conditions and, of a pod, its containers; a line each.

use porthole_sdk::{parse_time, prelude::*, seconds_since};

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Condition {
    r#type: String,
    status: String,
    reason: String,
    message: String,
    last_transition_time: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    name: String,
    ready: bool,
    restart_count: u64,
    state: State,
    last_state: State,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct State {
    waiting: Option<StateDetail>,
    running: Option<StateDetail>,
    terminated: Option<StateDetail>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct StateDetail {
    reason: String,
    message: String,
    exit_code: i32,
    signal: i32,
    started_at: String,
    finished_at: String,
}

impl State {
    fn render(&self) -> Option<String> {
        let message = |detail: &StateDetail| {
            if detail.message.is_empty() { String::new() } else { format!(": {}", detail.message.trim()) }
        };
        if let Some(detail) = &self.waiting {
            return Some(format!("waiting {}{}", detail.reason, message(detail)));
        }
        if let Some(detail) = &self.terminated {
            let signal =
                if detail.signal == 0 { String::new() } else { format!(", signal {}", detail.signal) };
            let (reason, exit) = (&detail.reason, detail.exit_code);
            let when = when(&detail.finished_at);
            return Some(format!("terminated {reason}, exit code {exit}{signal}{when}{}", message(detail)));
        }
        let detail = self.running.as_ref()?;
        Some(format!("running{}", when(&detail.started_at).replace(" ago", "").replace(", ", " since ")))
    }
}

/// `, 5m ago`
fn when(time: &str) -> String {
    let age = age(time);
    if age.is_empty() { age } else { format!(", {age} ago") }
}

impl Container {
    fn line(&self, kind: &str) -> String {
        let ready = if self.ready { "ready" } else { "not ready" };
        let state = self.state.render().unwrap_or_else(|| "no state yet".to_owned());
        let last = self.last_state.render().map(|last| format!("; before: {last}")).unwrap_or_default();
        format!("{kind} {}: {ready}, {} restarts, {state}{last}\n", self.name, self.restart_count)
    }
}

impl Condition {
    fn line(&self) -> String {
        let reason = if self.reason.is_empty() { String::new() } else { format!(" {}", self.reason) };
        let message = if self.message.is_empty() { String::new() } else { format!(": {}", self.message) };
        let since = age(&self.last_transition_time);
        let since = if since.is_empty() { since } else { format!(" since {since}") };
        format!("condition {}={}{reason}{since}{message}\n", self.r#type, self.status)
    }
}

/// Takes conditions and container states out of the object, and renders them.
pub(crate) fn take(object: &mut Value) -> String {
    let mut output = deleting(object);
    let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) else { return output };
    for (field, kind) in [
        ("initContainerStatuses", "init container"),
        ("containerStatuses", "container"),
        ("ephemeralContainerStatuses", "ephemeral container"),
    ] {
        let containers: Vec<Container> =
            status.remove(field).and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default();
        containers.iter().for_each(|container| output.push_str(&container.line(kind)));
    }
    let conditions = status.get("conditions").cloned().unwrap_or_default();
    if let Ok(conditions) = serde_json::from_value::<Vec<Condition>>(conditions) {
        status.remove("conditions");
        conditions.iter().for_each(|condition| output.push_str(&condition.line()));
    }
    output
}

/// The containers that are not well, and the conditions that say why, of a pod.
pub(crate) fn troubles(pod: &Value) -> String {
    let read = |field: &str| pod.pointer(&format!("/status/{field}")).cloned().unwrap_or_default();
    let mut output = String::new();
    for (field, kind) in [("initContainerStatuses", "init container"), ("containerStatuses", "container")] {
        let containers: Vec<Container> = serde_json::from_value(read(field)).unwrap_or_default();
        let is_done = |container: &Container| {
            container.state.terminated.as_ref().is_some_and(|ended| ended.exit_code == 0)
        };
        for container in containers.iter().filter(|container| !container.ready && !is_done(container)) {
            output.push_str(&container.line(kind));
        }
    }
    let conditions: Vec<Condition> = serde_json::from_value(read("conditions")).unwrap_or_default();
    // Those on readiness repeat the lines above.
    let says_why = |condition: &&Condition| {
        condition.status == "False"
            && !condition.message.is_empty()
            && !matches!(condition.r#type.as_str(), "Ready" | "ContainersReady" | "Initialized")
    };
    conditions.iter().filter(says_why).for_each(|condition| output.push_str(&condition.line()));
    output
}

/// That an object is being deleted, and what holds it.
fn deleting(object: &Value) -> String {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let Some(time) = parse_time(text("/metadata/deletionTimestamp")) else { return String::new() };
    let finalizers = object.pointer("/metadata/finalizers").and_then(Value::as_array);
    let held: Vec<&str> = finalizers.into_iter().flatten().filter_map(Value::as_str).collect();
    let held = if held.is_empty() { String::new() } else { format!("; finalizers {}", held.join(", ")) };
    format!("being deleted, grace ended {}s ago{held}\n", seconds_since(time))
}
