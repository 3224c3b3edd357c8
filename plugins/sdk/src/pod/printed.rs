//! The columns of `kubectl get pods`, by its rules (printPod in kubernetes/pkg/printers/internalversion).

use super::{Condition, ContainerStatus, Pod};
use crate::parse_time;

/// Columns of a pod that `kubectl get` prints.
#[derive(Debug, PartialEq)]
pub(super) struct Printed {
    pub(super) ready: usize,
    /// Containers and sidecars.
    pub(super) all: usize,
    pub(super) restarts: u64,
    pub(super) status: String,
}

impl Printed {
    pub(super) fn of(pod: &Pod) -> Self {
        let Pod { metadata, spec, status } = pod;
        let sidecars = spec.init_containers.iter().filter(|container| container.restart_policy == "Always");
        let all = spec.containers.len().saturating_add(sidecars.count());
        let mut text = if status.reason.is_empty() { status.phase.clone() } else { status.reason.clone() };
        let gated = |condition: &Condition| {
            condition.r#type == "PodScheduled" && condition.reason == "SchedulingGated"
        };
        if status.conditions.iter().any(gated) {
            text = "SchedulingGated".to_owned();
        }
        let mut printed = Self { ready: 0, all, restarts: 0, status: text };
        let is_initializing = printed.add_init_containers(pod);
        if !is_initializing || pod.is_condition_true("Initialized") {
            printed.add_containers(pod);
        }
        // Last: phase and reason of a pod stay as they were while it is deleted.
        if metadata.deletion_timestamp.as_deref().and_then(parse_time).is_some() {
            if status.reason == "NodeLost" {
                printed.status = "Unknown".to_owned();
            } else if !matches!(status.phase.as_str(), "Succeeded" | "Failed") {
                printed.status = "Terminating".to_owned();
            }
        }
        printed
    }

    /// Takes what the init containers say; true if one of them has not ended.
    fn add_init_containers(&mut self, pod: &Pod) -> bool {
        let count = pod.spec.init_containers.len();
        for (at, status) in pod.status.init_container_statuses.iter().enumerate() {
            self.restarts = self.restarts.saturating_add(status.restart_count);
            let state = &status.state;
            if state.terminated.as_ref().is_some_and(|terminated| terminated.exit_code == 0) {
                continue;
            }
            if pod.is_sidecar(&status.name) && status.started == Some(true) {
                self.ready = self.ready.saturating_add(usize::from(status.ready));
                continue;
            }
            self.status = match (&state.terminated, &state.waiting) {
                (Some(terminated), _) => format!("Init:{}", terminated.summary()),
                (None, Some(waiting))
                    if !waiting.reason.is_empty() && waiting.reason != "PodInitializing" =>
                {
                    format!("Init:{}", waiting.reason)
                }
                _ => format!("Init:{at}/{count}"),
            };
            return true;
        }
        false
    }

    fn add_containers(&mut self, pod: &Pod) {
        // Restarts of init containers are history now, but for those of sidecars.
        let sidecars = pod.status.init_container_statuses.iter().filter(|init| pod.is_sidecar(&init.name));
        let all = sidecars.chain(&pod.status.container_statuses);
        self.restarts = all.map(|status| status.restart_count).fold(0, u64::saturating_add);
        let (mut is_running, mut error) = (false, None);
        // From the last on, so that the first container with a reason has the last word.
        for ContainerStatus { state, ready, .. } in pod.status.container_statuses.iter().rev() {
            match (&state.waiting, &state.terminated) {
                (Some(waiting), _) if !waiting.reason.is_empty() => self.status.clone_from(&waiting.reason),
                (_, Some(terminated)) => {
                    self.status = terminated.summary();
                    if terminated.exit_code != 0 {
                        error = Some(terminated.summary());
                    }
                }
                _ if *ready && state.running.is_some() => {
                    is_running = true;
                    self.ready = self.ready.saturating_add(1);
                }
                _ => {}
            }
        }
        if self.status == "Completed" {
            match error {
                _ if is_running && pod.is_condition_true("Ready") => self.status = "Running".to_owned(),
                Some(error) => self.status = error,
                None if is_running => self.status = "NotReady".to_owned(),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(json: &str) -> Printed {
        Printed::of(&serde_json::from_str(json).unwrap())
    }

    fn status(json: &str) -> String {
        printed(json).status
    }

    #[test]
    fn the_word_is_that_of_kubectl() {
        for (pod, expected) in [
            (
                r#"{"status":{"phase":"Running","containerStatuses":[{"ready":true,"state":{"running":{"startedAt":"x"}}}]}}"#,
                "Running",
            ),
            (
                r#"{"status":{"phase":"Running","containerStatuses":[{"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}}"#,
                "CrashLoopBackOff",
            ),
            (r#"{"status":{"phase":"Failed","reason":"Evicted"}}"#, "Evicted"),
            (
                r#"{"status":{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"exitCode":3}}}]}}"#,
                "ExitCode:3",
            ),
            (
                r#"{"status":{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"exitCode":137,"reason":"OOMKilled"}}}]}}"#,
                "OOMKilled",
            ),
            (
                r#"{"spec":{"initContainers":[{"name":"a"},{"name":"b"}]},"status":{"phase":"Pending","initContainerStatuses":[
                {"name":"a","state":{"terminated":{"exitCode":0}}},{"name":"b","state":{"running":{}}}]}}"#,
                "Init:1/2",
            ),
            (
                r#"{"spec":{"initContainers":[{"name":"a"}]},"status":{"initContainerStatuses":[{"name":"a","state":{"waiting":{"reason":"ErrImagePull"}}}]}}"#,
                "Init:ErrImagePull",
            ),
            (
                r#"{"spec":{"initContainers":[{"name":"s","restartPolicy":"Always"}]},"status":{"phase":"Running",
                "initContainerStatuses":[{"name":"s","started":true,"state":{"running":{}}}]}}"#,
                "Running",
            ),
            (
                r#"{"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"},"status":{"phase":"Running"}}"#,
                "Terminating",
            ),
            (
                r#"{"status":{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"SchedulingGated"}]}}"#,
                "SchedulingGated",
            ),
            (
                r#"{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}],"containerStatuses":[
                {"state":{"terminated":{"reason":"Completed","exitCode":0}}},{"ready":true,"state":{"running":{}}}]}}"#,
                "Running",
            ),
            (
                r#"{"status":{"phase":"Running","containerStatuses":[{"state":{"terminated":{"reason":"Completed","exitCode":0}}},
                {"state":{"terminated":{"reason":"Error","exitCode":1}}}]}}"#,
                "Error",
            ),
            (
                r#"{"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"},"status":{"phase":"Succeeded"}}"#,
                "Succeeded",
            ),
            (
                r#"{"spec":{"initContainers":[{"name":"s","restartPolicy":"Always"}]},"status":{"phase":"Running",
                "conditions":[{"type":"Initialized","status":"True"}],
                "initContainerStatuses":[{"name":"s","started":false,"state":{"waiting":{"reason":"CrashLoopBackOff"}}}],
                "containerStatuses":[{"state":{"waiting":{"reason":"ErrImagePull"}}}]}}"#,
                "ErrImagePull",
            ),
        ] {
            assert_eq!(status(pod), expected, "{pod}");
        }
    }

    #[test]
    fn a_pod_has_the_restarts_of_its_column() {
        let pod = r#"{"status":{"phase":"Pending","initContainerStatuses":[{"name":"i","restartCount":12,
            "state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}}"#;
        let pod: Pod = serde_json::from_str(pod).unwrap();
        assert_eq!((pod.restarts(), pod.row().cells[3].as_str()), (12, "12"));
    }

    #[test]
    fn restarts_of_an_init_container_count_until_it_ends() {
        let pod = |exit: &str, ready: &str| {
            printed(&format!(
                r#"{{"spec":{{"containers":[{{"image":"x"}}],"initContainers":[{{"name":"i"}},{{"name":"s","restartPolicy":"Always"}}]}},
                "status":{{"phase":"Pending","initContainerStatuses":[{{"name":"i","restartCount":12,"state":{{{exit}}}}},
                {{"name":"s","restartCount":2,"ready":true,"started":true,"state":{{"running":{{}}}}}}],
                "containerStatuses":[{{"restartCount":1,{ready}}}]}}}}"#
            ))
        };
        let crashing = pod(r#""waiting":{"reason":"CrashLoopBackOff"}"#, r#""state":{}"#);
        let expected = Printed { ready: 0, all: 2, restarts: 12, status: "Init:CrashLoopBackOff".into() };
        assert_eq!(crashing, expected);
        let ended = pod(r#""terminated":{"exitCode":0}"#, r#""ready":true,"state":{"running":{}}"#);
        assert_eq!(ended, Printed { ready: 2, all: 2, restarts: 3, status: "Pending".into() });
    }
}
