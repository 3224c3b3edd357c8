//! A workload that wants no pods.
//!
//! Evidence: `spec.replicas` is 0. It is intended, and the reason for which it, or a Service of it, does not answer.
//! Not to be taken for: the old ReplicaSets of a Deployment.
//! Source: kubernetes/pkg/controller/podautoscaler/horizontal.go (ScalingDisabled).

use super::Rule;
use crate::{Evidence, Facts, Finding, Kind, Object, health, needs, relations};

pub(super) const RULE: Rule = Rule { id: "scaled-to-zero", find };

fn find(facts: &Facts) -> Vec<Finding> {
    let kinds = [Kind::Deployment, Kind::StatefulSet, Kind::ReplicaSet];
    let is_idle = |workload: &&Object| {
        workload.number("/spec/replicas") == Some(0)
            && workload.owner().is_none()
            && workload.deleted().is_none()
    };
    kinds
        .into_iter()
        .flat_map(|kind| facts.all(kind))
        .filter(is_idle)
        .map(|workload| of(facts, workload))
        .collect()
}

fn of(facts: &Facts, workload: &Object) -> Finding {
    let mut finding = Finding::new(RULE.id, workload.reference(), "it is scaled to 0, so it has no pods")
        .with(Evidence::fact("replicas: 0", format!("spec of {}", workload.reference())))
        .next("scale it up, if it is to run")
        .symptom();
    let is_scaler =
        |scaler: &&Object| needs::needs(scaler).iter().any(|need| need.object == workload.reference());
    let namespace = workload.namespace();
    if let Some(scaler) = facts.within(Kind::HorizontalPodAutoscaler, namespace).find(is_scaler) {
        finding = finding.with(Evidence::fact(
            "an autoscaler does not scale up from 0 by itself",
            format!("spec of {}", scaler.reference()),
        ));
    }
    let services = facts.within(Kind::Service, namespace).filter(|service| {
        // Others may serve in its place.
        !relations::selected(facts, service).any(health::is_ready)
            && relations::workloads_behind(facts, service)
                .any(|other| other.reference() == workload.reference())
    });
    services.fold(finding, |finding, service| finding.affects(service.reference()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RULE;
    use crate::{
        Kind,
        recorded::{Recorded, object, running, with},
    };

    #[test]
    fn it_is_named_to_who_asks_about_it_or_depends_on_it() {
        let template = json!({"metadata": {"labels": {"app": "db"}}, "spec": {"containers": []}});
        let mut client = running("client");
        client["spec"]["containers"][0]["env"] =
            json!([{"name": "DB", "value": "postgres://database:5432/x"}]);
        let cluster = Recorded::new(&[
            with("StatefulSet", "db", json!({"replicas": 0, "template": template}), json!({"replicas": 0})),
            with(
                "Service",
                "database",
                json!({"selector": {"app": "db"}, "ports": [{"port": 5432}]}),
                json!({}),
            ),
            client,
            running("other"),
            object("Namespace", "shop"),
        ]);
        for name in ["db", "database", "client"] {
            let answer = cluster.clone().ask(name);
            assert!(
                answer.contains("[scaled-to-zero] StatefulSet shop/db: it is scaled to 0, so it has no pods"),
                "{name}: {answer}"
            );
            assert!(answer.contains("(affects 1 Service)"), "{name}: {answer}");
        }
        let answer = cluster.clone().ask("other");
        assert!(!answer.contains("scaled-to-zero"), "{answer}");
        let answer = cluster.ask_for("", "shop", "");
        assert!(answer.contains("no fault found"), "{answer}");
    }

    #[test]
    fn a_service_is_affected_only_if_it_has_no_ready_pod_and_the_workload_is_behind_it() {
        let template = |app: &str| json!({"metadata": {"labels": {"app": app}}, "spec": {"containers": []}});
        let idle = with("StatefulSet", "db", json!({"replicas": 0, "template": template("db")}), json!({}));
        let service = |app: &str| with("Service", app, json!({"selector": {"app": app}}), json!({}));
        let ready = |app: &str| {
            let mut pod = running("other");
            pod["metadata"]["labels"] = json!({"app": app});
            pod
        };
        for (objects, expected) in [
            (vec![service("db")], true),
            (vec![service("db"), ready("db")], false),
            (vec![service("mail")], false),
        ] {
            let objects: Vec<Value> = objects.into_iter().chain([idle.clone()]).collect();
            let findings = (RULE.find)(&Recorded::new(&objects).facts());
            assert_eq!(findings[0].affects.iter().any(|object| object.kind == Kind::Service), expected);
        }
    }
}
