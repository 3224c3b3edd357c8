//! A sidecar that holds up its pod: a Job's work is done and an ordinary sidecar runs on, or a native sidecar does not get
//! ready and nothing after it starts.
//!
//! Evidence: the states of the containers of one pod.
//! Not to be taken for: two containers of a Job that both still work, a sidecar that has only just begun, one that crashes.
//! Source: kubernetes/pkg/kubelet/kuberuntime (KEP-753, sidecar containers).

use super::Rule;
use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Object,
    containers::{Container, containers, judged_pods},
    health::STARTING,
    probes, time,
};

pub(super) const RULE: Rule = Rule { id: "sidecar-holds", find };

/// Seconds in which containers of one pod may end one after the other.
const TOGETHER: u64 = 120;

fn find(facts: &Facts) -> Vec<Finding> {
    judged_pods(facts).filter_map(|pod| of_job(facts, pod).or_else(|| of_native(facts, pod))).collect()
}

fn of_job(facts: &Facts, pod: &Object) -> Option<Finding> {
    let is_of_job = facts.root(pod).kind() != Kind::Pod && pod.owner().is_some_and(|(kind, _)| kind == "Job");
    let all: Vec<Container<'_>> = containers(pod).filter(|container| !container.is_init).collect();
    let done: Vec<(Container<'_>, u64)> = all
        .iter()
        .filter_map(|container| {
            let end = container.end().filter(|end| end.is_current && end.code == 0)?;
            Some((*container, end.finished?))
        })
        .collect();
    let running: Vec<&Container<'_>> = all.iter().filter(|container| container.is_running()).collect();
    let since = done.iter().map(|(_, finished)| *finished).max()?;
    let ago = facts.now.saturating_sub(since);
    if !is_of_job || running.is_empty() || done.len() + running.len() != all.len() || ago <= TOGETHER {
        return None;
    }
    let names = |containers: &mut dyn Iterator<Item = &str>| containers.collect::<Vec<_>>().join(", ");
    let finished = names(&mut done.iter().map(|(container, _)| container.name()));
    let holding = names(&mut running.iter().map(|container| container.name()));
    let place = format!("status of {}", pod.reference());
    Some(
        Finding::new(
            RULE.id,
            facts.root(pod).reference(),
            format!("container {finished} is done, and container {holding} runs on, so the Job does not end"),
        )
        .affects(pod.reference())
        .certainty(Certainty::Likely)
        .with(Evidence::fact(
            format!("container {finished} ended with exit code 0, {} ago; container {holding} is running", time::age(ago)),
            place,
        ))
        .next(format!("make {holding} an init container with restartPolicy Always (a native sidecar), or let it end with the work")),
    )
}

fn of_native(facts: &Facts, pod: &Object) -> Option<Finding> {
    // Those after it wait for it to be started, not to be ready.
    let sidecar = containers(pod).find(|container| container.is_sidecar() && !container.is_started())?;
    let ran = facts.now.saturating_sub(sidecar.running_since()?);
    let waits = containers(pod).any(|container| !container.is_init && container.waits_to_be_created());
    if !waits || ran <= STARTING || probes::kill(facts, pod, sidecar).is_some() {
        return None;
    }
    let mut finding = Finding::new(
        RULE.id,
        facts.root(pod).reference(),
        format!("sidecar {} is not started, and the containers after it wait for it", sidecar.name()),
    )
    .affects(pod.reference())
    .with(Evidence::fact(
        format!("it runs since {}, started: false", time::age(ran)),
        format!("status of {}", pod.reference()),
    ))
    .next(format!(
        "see with pods_log, container={}, how far it comes; correct its startupProbe",
        sidecar.name()
    ));
    if let Some(event) = probes::failure(facts, pod, sidecar, "startup") {
        finding = finding.with(Evidence::quote("", event.message(), event.place(facts.now)));
    }
    if let Some(probe) = sidecar.spec.pointer("/startupProbe") {
        let words = format!("startupProbe: {}, {}", probes::asks(probe), probes::times(probe));
        finding = finding.with(Evidence::fact(words, format!("spec of {}", pod.reference())));
    }
    Some(finding)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RULE;
    use crate::recorded::{Recorded, object, pod};

    fn job(finished: &str) -> Vec<Value> {
        let mut job = object("Job", "import");
        job["status"] = json!({"active": 1});
        let mut pod = pod(
            "import-x",
            json!({"nodeName": "n1", "containers": [{"name": "work"}, {"name": "proxy"}]}),
            json!({"phase": "Running", "containerStatuses": [
                {"name": "work", "ready": false, "restartCount": 0, "state": {"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": finished}}},
                {"name": "proxy", "ready": true, "restartCount": 0, "state": {"running": {"startedAt": "2026-11-24T11:00:00Z"}}}]}),
        );
        pod["metadata"]["ownerReferences"] = json!([{"kind": "Job", "name": "import", "controller": true}]);
        vec![job, pod]
    }

    #[test]
    fn a_job_whose_work_is_done_is_held_by_what_still_runs() {
        let answer = Recorded::new(&job("2026-11-24T11:20:00Z")).ask("import");
        assert!(answer.contains("cause 1 (likely) [sidecar-holds] Job shop/import: container work is done, and container proxy runs on"), "{answer}");
        let answer = Recorded::new(&job("2026-11-24T11:59:30Z")).ask("import");
        assert!(!answer.contains("sidecar-holds"), "{answer}");
    }

    #[test]
    fn a_native_sidecar_that_is_not_started_holds_the_others() {
        let mesh = |started: bool| {
            pod(
                "web-1",
                json!({"nodeName": "n1", "containers": [{"name": "app"}], "initContainers": [{"name": "mesh", "restartPolicy": "Always",
                    "startupProbe": {"tcpSocket": {"port": 15021}}}]}),
                json!({"phase": "Pending",
                    "initContainerStatuses": [{"name": "mesh", "ready": false, "started": started, "restartCount": 0, "state": {"running": {"startedAt": "2026-11-24T11:30:00Z"}}}],
                    "containerStatuses": [{"name": "app", "ready": false, "restartCount": 0, "state": {"waiting": {"reason": "PodInitializing"}}}]}),
            )
        };
        let answer = Recorded::new(&[mesh(false)]).ask("web-1");
        assert!(
            answer.contains("cause 1 (certain) [sidecar-holds] Pod shop/web-1: sidecar mesh is not started"),
            "{answer}"
        );
        assert!(answer.contains("a connection to port 15021"), "{answer}");
        let answer = Recorded::new(&[mesh(true)]).ask("web-1");
        assert!(!answer.contains("sidecar-holds"), "{answer}");
    }

    #[test]
    fn only_a_job_whose_other_containers_all_are_done_is_held() {
        let done = "2026-11-24T11:20:00Z";
        let with = |change: fn(&mut Vec<Value>)| {
            let mut objects = job(done);
            change(&mut objects);
            Recorded::new(&objects)
        };
        with(|_| {}).assert_found(&RULE, "container work is done, and container proxy runs on");
        // A pod of nobody, and one of a Job that is not known.
        with(|objects| objects[1]["metadata"]["ownerReferences"] = json!([])).assert_found(&RULE, "");
        with(|objects| _ = objects.remove(0)).assert_found(&RULE, "");
        with(|objects| {
            objects[0]["kind"] = "StatefulSet".into();
            objects[1]["metadata"]["ownerReferences"][0]["kind"] = "StatefulSet".into();
        })
        .assert_found(&RULE, "");
        with(|objects| {
            objects[1]["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] = 1.into()
        })
        .assert_found(&RULE, "");
        // It was restarted since.
        with(|objects| {
            let status = &mut objects[1]["status"]["containerStatuses"][0];
            status["lastState"] = status["state"].clone();
            status["state"] = json!({"running": {"startedAt": "2026-11-24T11:21:00Z"}});
        })
        .assert_found(&RULE, "");
        with(|objects| {
            let end = objects[1]["status"]["containerStatuses"][0]["state"].clone();
            objects[1]["status"]["containerStatuses"][1]["state"] = end;
        })
        .assert_found(&RULE, "");
        with(|objects| {
            objects[1]["status"]["containerStatuses"][1]["state"] =
                json!({"waiting": {"reason": "CrashLoopBackOff"}})
        })
        .assert_found(&RULE, "");
    }

    #[test]
    fn a_sidecar_that_has_just_begun_or_that_holds_nothing_is_no_fault() {
        let mesh = |since: &str, app: Value| {
            let status = |name: &str, state: Value| json!({"name": name, "ready": false, "started": false, "restartCount": 0, "state": state});
            Recorded::new(&[pod(
                "web-1",
                json!({"containers": [{"name": "app"}], "initContainers": [{"name": "mesh", "restartPolicy": "Always"}]}),
                json!({"phase": "Pending", "containerStatuses": [status("app", app)],
                    "initContainerStatuses": [status("mesh", json!({"running": {"startedAt": since}}))]}),
            )])
        };
        let waits = || json!({"waiting": {"reason": "PodInitializing"}});
        mesh("2026-11-24T11:30:00Z", waits()).assert_found(&RULE, "sidecar mesh is not started");
        mesh("2026-11-24T11:59:30Z", waits()).assert_found(&RULE, "");
        mesh("2026-11-24T11:30:00Z", json!({"running": {}})).assert_found(&RULE, "");
    }
}
