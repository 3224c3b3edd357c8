//! Columns of pods. The status is computed from several fields, as in `printPod`.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Printer,
    cells::{age, items, name, number, or_none, text},
};
use crate::timestamps;

pub(super) const PODS: Printer = Printer {
    columns: &[
        ("Name", 0),
        ("Ready", 0),
        ("Status", 0),
        ("Restarts", 0),
        ("Age", 0),
        ("IP", 1),
        ("Node", 1),
        ("Nominated Node", 1),
        ("Readiness Gates", 1),
    ],
    cells: |pod, now| {
        let shown = PodColumns::of(pod);
        let restarts = match &shown.last_restart {
            Some(last) if shown.restarts > 0 => {
                format!("{} ({} ago)", shown.restarts, timestamps::age(last, now))
            }
            _ => shown.restarts.to_string(),
        };
        let total = items(pod, "/spec/containers").count() + sidecars(pod).count();
        vec![
            name(pod),
            format!("{}/{total}", shown.ready).into(),
            shown.reason.into(),
            restarts.into(),
            age(pod, now),
            or_none(pod, "/status/podIP"),
            or_none(pod, "/spec/nodeName"),
            or_none(pod, "/status/nominatedNodeName"),
            gates(pod),
        ]
    },
};

fn sidecars(pod: &Value) -> impl Iterator<Item = &Value> {
    items(pod, "/spec/initContainers").filter(|container| container["restartPolicy"] == "Always")
}

fn gates(pod: &Value) -> Value {
    let gates: Vec<&Value> = items(pod, "/spec/readinessGates").collect();
    if gates.is_empty() {
        return super::cells::NONE.into();
    }
    let met = |gate: &&&Value| condition(pod, gate["conditionType"].as_str().unwrap_or_default());
    format!("{}/{}", gates.iter().filter(met).count(), gates.len()).into()
}

/// True if a condition of the pod is true.
fn condition(pod: &Value, ty: &str) -> bool {
    items(pod, "/status/conditions").any(|condition| condition["type"] == ty && condition["status"] == "True")
}

/// Computed columns of a pod.
#[derive(Default)]
struct PodColumns {
    reason: String,
    ready: usize,
    restarts: i64,
    /// Termination time of the last container that was or will be restarted.
    last_restart: Option<Value>,
}

impl PodColumns {
    fn of(pod: &Value) -> Self {
        let phase = text(pod, "/status/phase");
        let reason = Some(text(pod, "/status/reason")).filter(|reason| !reason.is_empty());
        let mut shown = Self { reason: reason.unwrap_or_else(|| phase.clone()), ..Self::default() };
        let gated = |condition: &Value| {
            condition["type"] == "PodScheduled" && condition["reason"] == "SchedulingGated"
        };
        if items(pod, "/status/conditions").any(gated) {
            shown.reason = "SchedulingGated".to_owned();
        }
        let initializing = shown.init(pod);
        if !initializing || condition(pod, "Initialized") {
            shown.main(pod);
        }
        if pod.pointer("/metadata/deletionTimestamp").is_some() {
            if text(pod, "/status/reason") == "NodeLost" {
                shown.reason = "Unknown".to_owned();
            } else if !matches!(phase.as_str(), "Failed" | "Succeeded") {
                shown.reason = "Terminating".to_owned();
            }
        }
        shown
    }

    /// Evaluates the init containers; true if one of them has not finished.
    fn init(&mut self, pod: &Value) -> bool {
        let total = items(pod, "/spec/initContainers").count();
        for (number, status) in items(pod, "/status/initContainerStatuses").enumerate() {
            self.count(status);
            let is_sidecar = sidecars(pod).any(|sidecar| sidecar["name"] == status["name"]);
            let (ended, waiting) = (&status["state"]["terminated"], &status["state"]["waiting"]["reason"]);
            if ended["exitCode"] == 0 {
                continue;
            }
            if is_sidecar && status["started"] == true {
                self.ready += usize::from(status["ready"] == true);
                continue;
            }
            self.reason = if ended.is_object() {
                format!("Init:{}", end(ended))
            } else if waiting.as_str().is_some_and(|reason| reason != "PodInitializing") {
                format!("Init:{}", waiting.as_str().unwrap_or_default())
            } else {
                format!("Init:{number}/{total}")
            };
            return true;
        }
        false
    }

    fn main(&mut self, pod: &Value) {
        // Restarts of init containers do not count beside those of the containers, unless they are sidecars.
        self.restarts = items(pod, "/status/initContainerStatuses")
            .filter(|status| sidecars(pod).any(|sidecar| sidecar["name"] == status["name"]))
            .map(|status| number(status, "/restartCount"))
            .sum();
        let mut running = false;
        for status in items(pod, "/status/containerStatuses").rev() {
            self.count(status);
            let (waiting, ended) = (&status["state"]["waiting"]["reason"], &status["state"]["terminated"]);
            if let Some(reason) = waiting.as_str().filter(|reason| !reason.is_empty()) {
                self.reason = reason.to_owned();
            } else if ended.is_object() {
                self.reason = end(ended);
            } else if status["ready"] == true && status["state"]["running"].is_object() {
                running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" && running {
            self.reason = if condition(pod, "Ready") { "Running" } else { "NotReady" }.to_owned();
        }
    }

    fn count(&mut self, status: &Value) {
        self.restarts += number(status, "/restartCount");
        let ended = status.pointer("/lastState/terminated/finishedAt");
        let later = |last: &Option<Value>| moment(ended) > moment(last.as_ref());
        if ended.is_some() && later(&self.last_restart) {
            self.last_restart = ended.cloned();
        }
    }
}

fn moment(value: Option<&Value>) -> Option<Timestamp> {
    value?.as_str()?.parse().ok()
}

/// Reason of a container's termination.
fn end(terminated: &Value) -> String {
    match (terminated["reason"].as_str(), terminated["signal"].as_i64()) {
        (Some(reason), _) if !reason.is_empty() => reason.to_owned(),
        (_, Some(signal)) if signal != 0 => format!("Signal:{signal}"),
        _ => format!("ExitCode:{}", number(terminated, "/exitCode")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_status_column_says_what_kubectl_says() {
        let waiting =
            |reason: &str| json!({"name": "a", "restartCount": 2, "state": {"waiting": {"reason": reason}}});
        let running = json!({"name": "b", "ready": true, "state": {"running": {}}});
        let ended = |code: i32| json!({"name": "a", "state": {"terminated": {"exitCode": code}}});
        let completed = json!({"name": "a", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}});
        for (status, deleted, reason, ready, restarts) in [
            (json!({"phase": "Pending"}), false, "Pending", 0, 0),
            (json!({"phase": "Failed", "reason": "Evicted"}), true, "Evicted", 0, 0),
            (
                json!({"phase": "Running", "containerStatuses": [waiting("CrashLoopBackOff"), running]}),
                false,
                "CrashLoopBackOff",
                1,
                2,
            ),
            (json!({"phase": "Running", "containerStatuses": [ended(3)]}), false, "ExitCode:3", 0, 0),
            (json!({"phase": "Running", "containerStatuses": [completed, running]}), false, "NotReady", 1, 0),
            (json!({"phase": "Running", "containerStatuses": [running]}), true, "Terminating", 1, 0),
            (
                json!({"phase": "Pending", "initContainerStatuses": [ended(1)]}),
                false,
                "Init:ExitCode:1",
                0,
                0,
            ),
            (
                json!({"phase": "Pending", "initContainerStatuses": [waiting("PodInitializing")]}),
                false,
                "Init:0/1",
                0,
                2,
            ),
        ] {
            let mut pod =
                json!({"metadata": {}, "spec": {"initContainers": [{"name": "a"}]}, "status": status});
            if deleted {
                pod["metadata"]["deletionTimestamp"] = "2026-11-24T10:00:00Z".into();
            }
            let shown = PodColumns::of(&pod);
            assert_eq!(
                (shown.reason.as_str(), shown.ready, shown.restarts),
                (reason, ready, restarts),
                "{pod}"
            );
        }
    }
}
