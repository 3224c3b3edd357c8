//! The state of a pod whose log is empty: often the answer to the question behind it.

use porthole_sdk::{pod::Pod, prelude::*};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Ended {
    status: Status,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    container_statuses: Vec<Container>,
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
    terminated: Option<Terminated>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Terminated {
    exit_code: i32,
}

/// ` It is CrashLoopBackOff; container app ended with exit code 1, restarted 4 times.` Empty if it cannot be read.
pub(crate) fn of(namespace: &str, pod: &str) -> String {
    let read: Result<Value, _> =
        get(kind("pods"), Some(namespace.to_owned()), pod, &["metadata", "spec", "status"]);
    let Ok(object) = read else { return String::new() };
    let status = serde_json::from_value::<Pod>(object.clone()).map(|pod| pod.status()).unwrap_or_default();
    let ended: Ended = serde_json::from_value(object).unwrap_or_default();
    let containers = ended.status.container_statuses.iter().filter_map(|container| {
        let last = container.state.terminated.as_ref().or(container.last_state.terminated.as_ref())?;
        let restarts = match container.restart_count {
            0 => String::new(),
            count => format!(", restarted {count} times"),
        };
        Some(format!("; container {} ended with exit code {}{restarts}", container.name, last.exit_code))
    });
    format!(" It is {status}{}.", containers.collect::<String>())
}
