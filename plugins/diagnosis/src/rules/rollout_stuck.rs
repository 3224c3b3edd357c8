//! A rollout of a Deployment that does not get on: the pods of its newest ReplicaSet do not become ready.
//!
//! Evidence: the condition Progressing; before its deadline, containers of the newest ReplicaSet that fail. The templates of
//! the two newest ReplicaSets say what was changed, which also stands with the cause if that is found.
//! Not to be taken for: a rollout under way, one that waits for slow pods, a paused Deployment.
//! Source: kubernetes/pkg/controller/deployment/progress.go.

use super::Rule;
use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Object, health,
    object::text,
    template::{changes, revision, revisions},
    time,
};

pub(super) const RULE: Rule = Rule { id: "rollout-stuck", find };

/// Seconds of a day.
const DAY: u64 = 86_400;

fn find(facts: &Facts) -> Vec<Finding> {
    let wanted = |deployment: &&Object| {
        deployment.number("/spec/replicas") != Some(0) && !deployment.flag("/spec/paused")
    };
    facts.all(Kind::Deployment).filter(wanted).filter_map(|deployment| of(facts, deployment)).collect()
}

fn of(facts: &Facts, deployment: &Object) -> Option<Finding> {
    let sets = revisions(facts, deployment);
    let (newest, older) = match sets.as_slice() {
        [newest, older @ ..] => (Some(*newest), older),
        [] => (None, [].as_slice()),
    };
    let condition = deployment
        .condition("Progressing")
        .filter(|condition| condition.status == "False" && condition.reason == "ProgressDeadlineExceeded");
    let pods: Vec<&Object> = newest.map(|set| facts.pods_of(set)).unwrap_or_default();
    let is_old_serving = older.iter().any(|set| set.number("/status/readyReplicas").unwrap_or(0) > 0);
    // Without a rollout of the last day, pods that fail are a matter of other rules.
    let is_young = newest.and_then(Object::created).is_some_and(|created| facts.now < created + DAY);
    let is_rollout = !older.is_empty() && (is_old_serving || is_young);
    if condition.is_none() && !(is_rollout && pods.iter().any(|pod| fails(pod))) {
        return None;
    }
    let number = |pointer: &str| deployment.number(pointer).unwrap_or(0);
    let ready = newest.map_or(0, |set| set.number("/status/readyReplicas").unwrap_or(0));
    let of_old = if is_old_serving { "; pods of an older revision still serve" } else { "" };
    let summary = format!(
        "its rollout does not get on: {ready} of {} pods of the newest revision are ready{of_old}",
        deployment.number("/spec/replicas").unwrap_or(1)
    );
    let counts = format!(
        "updated {}, ready {}, unavailable {}",
        number("/status/updatedReplicas"),
        number("/status/readyReplicas"),
        number("/status/unavailableReplicas")
    );
    let mut finding = Finding::new(RULE.id, deployment.reference(), summary)
        .with(match condition {
            Some(condition) => Evidence::quote("", condition.message, "condition Progressing"),
            None => Evidence::fact("containers of the newest revision fail", "status of its pods"),
        })
        .with(Evidence::fact(counts, format!("status of {}", deployment.reference())))
        .certainty(if condition.is_some() { Certainty::Certain } else { Certainty::Likely })
        .next("correct the template, or roll back to the revision before")
        .change(newest.zip(older.first().copied()).and_then(|(newest, older)| change(facts, newest, older)))
        .symptom();
    for pod in pods.into_iter().filter(|pod| !health::is_ready(pod)) {
        finding = finding.affects(pod.reference());
    }
    Some(finding)
}

/// True if a container waits because of an error, or has been restarted.
fn fails(pod: &Object) -> bool {
    !health::is_ready(pod)
        && health::statuses(pod).any(|status| {
            let reason = text(status, "/state/waiting/reason");
            ["Err", "BackOff", "Invalid"].iter().any(|part| reason.contains(part))
                || status.pointer("/restartCount").and_then(serde_json::Value::as_i64).unwrap_or(0) > 0
        })
}

/// The change between two revisions.
fn change(facts: &Facts, newest: &Object, older: &Object) -> Option<Evidence> {
    let changes = changes(older.at("/spec/template/spec")?, newest.at("/spec/template/spec")?);
    let name = |set: &Object| revision(set).map_or(set.name().to_owned(), |number| number.to_string());
    // A rollback takes an older ReplicaSet up again, whose creation says nothing.
    let created = newest.created().filter(|created| older.created() < Some(*created));
    let age = created.map(|created| format!(" {} ago", time::age(facts.now.saturating_sub(created))));
    let (from, to) = (name(older), name(newest));
    let label = format!("changed{} from revision {from} to {to}", age.unwrap_or_default());
    if changes.is_empty() {
        return Some(Evidence::fact(
            format!("{label}: nothing but labels and annotations"),
            "templates of the ReplicaSets",
        ));
    }
    Some(Evidence::quote(label, changes.join("; "), "templates of the ReplicaSets"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RULE;
    use crate::recorded::{Recorded, owned, pod, with};

    fn set(name: &str, revision: &str, image: &str, ready: i64, deployment: &Value) -> Value {
        let template = json!({"spec": {"containers": [{"name": "app", "image": image}]}});
        let mut set = owned(
            with(
                "ReplicaSet",
                name,
                json!({"replicas": 1, "template": template}),
                json!({"replicas": 1, "readyReplicas": ready}),
            ),
            deployment,
        );
        set["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": revision});
        set
    }

    fn cluster(progressing: Value, waiting: Value) -> Vec<Value> {
        let deployment = with(
            "Deployment",
            "web",
            json!({"replicas": 1, "template": {"spec": {"containers": [{"name": "app", "image": "app:1.9"}]}}}),
            json!({"replicas": 2, "readyReplicas": 1, "updatedReplicas": 1, "unavailableReplicas": 1, "conditions": [progressing]}),
        );
        // Revision 10 is after 9.
        let (old, new) =
            (set("web-b", "9", "app:1.8", 1, &deployment), set("web-a", "10", "app:1.9", 0, &deployment));
        let pod = pod(
            "web-a-1",
            json!({"containers": [{"name": "app", "image": "app:1.9"}]}),
            json!({"phase": "Pending", "containerStatuses": [{"name": "app", "ready": false, "restartCount": 0,
                "state": {"waiting": waiting}}]}),
        );
        vec![owned(pod, &new), deployment, old, new]
    }

    fn stuck() -> Value {
        json!({"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
            "message": "ReplicaSet \"web-a\" has timed out progressing."})
    }

    #[test]
    fn the_change_stands_with_the_rollout_or_with_its_cause() {
        let answer = Recorded::new(&cluster(stuck(), json!({"reason": "ContainerCreating"}))).ask("web");
        assert!(answer.contains("cause 1 (certain) [rollout-stuck] Deployment shop/web: its rollout does not get on: 0 of 1 pods of the newest revision are ready; pods of an older revision still serve"), "{answer}");
        assert!(
            answer.contains("changed from revision 9 to 10: `image of app: app:1.8 -> app:1.9`"),
            "{answer}"
        );
        let denied = Recorded::new(&cluster(stuck(), json!({"reason": "ContainerCreating"})));
        let answer = denied.deny(crate::Kind::ReplicaSet).ask("web");
        assert!(answer.contains("[rollout-stuck]") && !answer.contains("changed"), "{answer}");
        let waiting = json!({"reason": "ImagePullBackOff", "message": "Back-off pulling image \"app:1.9\": ErrImagePull: rpc error: not found"});
        for condition in
            [stuck(), json!({"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"})]
        {
            let answer = Recorded::new(&cluster(condition, waiting.clone())).ask("web");
            assert!(answer.contains("cause 1 (certain) [image-pull] Deployment shop/web"), "{answer}");
            assert!(answer.contains("changed from revision 9 to 10"), "{answer}");
            assert!(!answer.contains("rollout-stuck"), "{answer}");
        }
    }

    #[test]
    fn a_rollout_under_way_is_no_fault() {
        let condition = json!({"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"});
        let answer = Recorded::new(&cluster(condition, json!({"reason": "ContainerCreating"}))).ask("web");
        assert!(!answer.contains("rollout-stuck"), "{answer}");
    }

    fn failing() -> Vec<Value> {
        let condition = json!({"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"});
        cluster(condition, json!({"reason": "ErrImagePull"}))
    }

    #[test]
    fn a_deployment_that_is_paused_or_wants_no_pod_has_no_rollout() {
        let with = |field: &str, value: Value| {
            let mut objects = failing();
            objects[1]["spec"][field] = value;
            Recorded::new(&objects)
        };
        with("paused", json!(false)).assert_found(&RULE, "its rollout does not get on");
        with("paused", json!(true)).assert_found(&RULE, "");
        with("replicas", json!(0)).assert_found(&RULE, "");
    }

    #[test]
    fn pods_that_fail_are_of_a_rollout_if_an_older_revision_serves_or_the_newest_is_of_the_last_day() {
        for (ready, created, words) in [
            (1, "2026-11-20T11:00:00Z", "; pods of an older revision still serve"),
            (
                0,
                "2026-11-24T11:00:00Z",
                "its rollout does not get on: 0 of 1 pods of the newest revision are ready",
            ),
            (0, "2026-11-20T11:00:00Z", ""),
        ] {
            let mut objects = failing();
            objects[2]["status"]["readyReplicas"] = ready.into();
            objects[3]["metadata"]["creationTimestamp"] = created.into();
            Recorded::new(&objects).assert_found(&RULE, words);
            objects.remove(2);
            Recorded::new(&objects).assert_found(&RULE, "");
        }
        let mut objects = failing();
        objects[2]["status"]["readyReplicas"] = 0.into();
        assert!(!Recorded::new(&objects).findings(&RULE)[0].contains("still serve"));
    }

    #[test]
    fn a_pod_of_the_newest_revision_fails_once_it_was_restarted() {
        let mut objects = failing();
        let status = &mut objects[0]["status"]["containerStatuses"][0];
        status["state"] = json!({"running": {}});
        Recorded::new(&objects).assert_found(&RULE, "");
        objects[0]["status"]["containerStatuses"][0]["restartCount"] = 1.into();
        Recorded::new(&objects).assert_found(&RULE, "its rollout does not get on");
    }

    #[test]
    fn the_age_of_a_change_is_known_only_if_the_newest_revision_is_the_younger_one() {
        let mut objects = cluster(stuck(), json!({"reason": "ContainerCreating"}));
        objects[2]["metadata"]["creationTimestamp"] = "2026-11-24T10:00:00Z".into();
        let answer = Recorded::new(&objects).ask("web");
        assert!(answer.contains("changed 60m ago from revision 9 to 10"), "{answer}");
        objects[2]["metadata"]["creationTimestamp"] = "2026-11-24T11:30:00Z".into();
        let answer = Recorded::new(&objects).ask("web");
        assert!(answer.contains("changed from revision 9 to 10"), "{answer}");
    }
}
