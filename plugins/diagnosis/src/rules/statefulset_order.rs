//! A pod of a StatefulSet that holds up the others: they are made and updated in order, each after the one before is ready.
//!
//! Evidence: the pods by their ordinal, the pod's revision beside `status.updateRevision`; there is no condition for it.
//! Not to be taken for: `podManagementPolicy: Parallel`, pods below a partition, `OnDelete`, a pod that just starts.
//! Source: kubernetes/pkg/controller/statefulset/stateful_set_control.go; documentation "Forced rollback".

use super::Rule;
use crate::{Certainty, Evidence, Facts, Finding, Kind, Object, health};

pub(super) const RULE: Rule = Rule { id: "statefulset-order", find };

/// Ordinals that are looked at: a StatefulSet may ask for any number of pods.
const ORDINALS: i64 = 1000;
/// Ordinals that are named.
const NAMES: usize = 3;

fn find(facts: &Facts) -> Vec<Finding> {
    let ordered = |set: &&Object| {
        set.text("/spec/podManagementPolicy") != "Parallel" && facts.is_listed(Kind::Pod, set.namespace())
    };
    facts.all(Kind::StatefulSet).filter(ordered).flat_map(|set| of(facts, set)).collect()
}

fn of(facts: &Facts, set: &Object) -> Vec<Finding> {
    let first = set.number("/spec/ordinals/start").unwrap_or(0);
    let wanted = first..first.saturating_add(set.number("/spec/replicas").unwrap_or(1).clamp(0, ORDINALS));
    let pods = facts.pods_of(set);
    let pod = |ordinal: i64| {
        let name = format!("{}-{ordinal}", set.name());
        pods.iter().copied().find(|pod| pod.name() == name)
    };
    let is_late = |pod: &Object| {
        let age = pod.created().map_or(u64::MAX, |created| facts.now.saturating_sub(created));
        !health::is_ready(pod) && age >= health::STARTING
    };
    // The lowest one holds up the rest.
    let Some((ordinal, holder)) =
        wanted.clone().filter_map(|ordinal| Some((ordinal, pod(ordinal)?))).find(|(_, pod)| is_late(pod))
    else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let absent: Vec<String> = wanted
        .filter(|other| *other > ordinal && pod(*other).is_none())
        .map(|other| other.to_string())
        .collect();
    let state = health::health(facts, holder).map(|health| health.detail).unwrap_or_default();
    let state =
        || Evidence::fact(format!("pod {ordinal}: {state}"), format!("status of {}", holder.reference()));
    if !absent.is_empty() {
        let summary = format!(
            "pod {ordinal} is not ready, so {} of its pods are not created: they are made in order",
            absent.len()
        );
        findings.push(
            Finding::new(RULE.id, set.reference(), summary)
                .with(state())
                .with(Evidence::fact(
                    format!("no pod {}", named(&absent)),
                    "podManagementPolicy OrderedReady",
                ))
                .affects(holder.reference())
                .next(format!("find out why pod {ordinal} is not ready: diagnose name={}", holder.name()))
                .symptom(),
        );
    }
    let revision = holder.map("/metadata/labels");
    let revision =
        revision.iter().find(|(key, _)| *key == "controller-revision-hash").map(|(_, value)| *value);
    let newest = set.text("/status/updateRevision");
    let is_kept = set.text("/spec/updateStrategy/type") == "OnDelete"
        || set.number("/spec/updateStrategy/rollingUpdate/partition").is_some_and(|least| ordinal < least);
    if let Some(revision) = revision.filter(|revision| !newest.is_empty() && *revision != newest && !is_kept)
    {
        let summary = format!(
            "pod {ordinal} is not ready and of an older revision; it is not replaced by one of the new template until it is ready"
        );
        findings.push(
            Finding::new(RULE.id, set.reference(), summary)
                .with(state())
                .with(Evidence::fact(
                    format!("the pod is of {revision}, the template of {newest}"),
                    "status.updateRevision",
                ))
                .affects(holder.reference())
                .certainty(Certainty::Likely)
                .next(
                    "let the pod be replaced by hand: the controller makes it anew from the present template",
                ),
        );
    }
    findings
}

fn named(ordinals: &[String]) -> String {
    let shown: Vec<&str> = ordinals.iter().map(String::as_str).take(NAMES).collect();
    let more = ordinals.len().saturating_sub(NAMES);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RULE;
    use crate::recorded::{Recorded, owned, pod, with};

    fn cluster(policy: &str, revision: &str, created: &str) -> Vec<Value> {
        let set = with(
            "StatefulSet",
            "db",
            json!({"replicas": 3, "podManagementPolicy": policy, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}}),
            json!({"replicas": 1, "currentRevision": "db-1", "updateRevision": "db-2"}),
        );
        let mut pod = pod(
            "db-0",
            json!({"containers": [{"name": "app"}]}),
            json!({"phase": "Running", "containerStatuses": [{"name": "app", "ready": false, "restartCount": 0, "state": {"running": {}}}]}),
        );
        pod["metadata"]["labels"] = json!({"controller-revision-hash": revision});
        pod["metadata"]["creationTimestamp"] = created.into();
        vec![owned(pod, &set), set]
    }

    #[test]
    fn the_pod_that_holds_up_the_others_is_named() {
        let answer = Recorded::new(&cluster("OrderedReady", "db-2", "2026-11-24T11:00:00Z")).ask("db");
        assert!(answer.contains("[statefulset-order] StatefulSet shop/db: pod 0 is not ready, so 2 of its pods are not created"), "{answer}");
        assert!(answer.contains("no pod 1, 2"), "{answer}");
        assert!(!answer.contains("older revision"), "{answer}");
        let answer = Recorded::new(&cluster("OrderedReady", "db-1", "2026-11-24T11:00:00Z")).ask("db");
        assert!(answer.contains("the pod is of db-1, the template of db-2"), "{answer}");
    }

    #[test]
    fn pods_that_are_made_side_by_side_or_just_start_are_no_fault() {
        for (policy, created) in
            [("Parallel", "2026-11-24T11:00:00Z"), ("OrderedReady", "2026-11-24T11:59:40Z")]
        {
            let answer = Recorded::new(&cluster(policy, "db-1", created)).ask("db");
            assert!(!answer.contains("statefulset-order"), "{answer}");
        }
    }

    #[test]
    fn a_pod_below_the_partition_keeps_its_revision_on_purpose() {
        let mut objects = cluster("Parallel", "db-1", "2026-11-24T11:00:00Z");
        objects[1]["spec"]["podManagementPolicy"] = "OrderedReady".into();
        objects[1]["spec"]["replicas"] = 1.into();
        Recorded::new(&objects).assert_found(&RULE, "pod 0 is not ready and of an older revision");
        objects[1]["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = 1.into();
        Recorded::new(&objects).assert_found(&RULE, "");
    }
}
