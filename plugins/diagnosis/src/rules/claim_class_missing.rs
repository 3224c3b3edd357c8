//! A PersistentVolumeClaim that no volume can be made for: its StorageClass does not exist, or it names none and there is
//! no default.
//!
//! Evidence: the claim is Pending, and the list of StorageClasses was read whole.
//! Not to be taken for: a class that waits for the first consumer, a claim of a volume made by hand (`volumeName`, or an
//! empty class with a volume that fits).
//! Source: kubernetes/pkg/controller/volume/persistentvolume.

use super::Rule;
use crate::{
    Evidence, Facts, Finding, Kind, Object, Presence,
    placement::{trouble, volumes},
};

pub(super) const RULE: Rule = Rule { id: "claim-class-missing", find };

/// Seconds in which a claim is bound to a volume that is there.
const BINDING: u64 = 10;
/// The annotations of the class that claims without one get.
const DEFAULTS: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

fn find(facts: &Facts) -> Vec<Finding> {
    let pending = |claim: &&Object| {
        let age = claim.created().map_or(u64::MAX, |created| facts.now.saturating_sub(created));
        // A volume made by hand can have a class that is no object; binding takes a moment.
        claim.text("/status/phase") == "Pending" && claim.text("/spec/volumeName").is_empty() && age > BINDING
    };
    facts
        .all(Kind::PersistentVolumeClaim)
        .filter(pending)
        .filter_map(|claim| of_claim(facts, claim))
        .collect()
}

fn of_claim(facts: &Facts, claim: &Object) -> Option<Finding> {
    let class = volumes::class_of(claim);
    let summary = match class {
        // An empty class asks for a volume that somebody makes by hand.
        Some("") => return None,
        Some(class) => match facts.find(Kind::StorageClass, "", class) {
            Presence::Absent => format!("its StorageClass {class} does not exist"),
            Presence::Found(_) | Presence::Unknown => return None,
        },
        None if facts.is_listed(Kind::StorageClass, "") && default(facts).is_none() => {
            "it names no StorageClass, and the cluster has no default one".to_owned()
        }
        None => return None,
    };
    let mut finding = Finding::new(RULE.id, claim.reference(), summary)
        .with(Evidence::fact("the claim is Pending", format!("status of {}", claim.reference())))
        .with(Evidence::fact(classes(facts), "list of StorageClasses"))
        .next("create the class, or make the claim anew with one that exists (a claim's class cannot be changed)");
    if let Some(event) = facts.events(claim).first() {
        finding = finding.with(Evidence::quote("", event.message(), format!("event {}", event.reason())));
    }
    Some(trouble::with(facts, volumes::users(facts, claim).into_iter(), finding))
}

fn default(facts: &Facts) -> Option<&Object> {
    let is_default = |class: &&Object| {
        let annotations = class.map("/metadata/annotations");
        DEFAULTS.iter().any(|name| annotations.contains(&(*name, "true")))
    };
    facts.all(Kind::StorageClass).find(is_default)
}

fn classes(facts: &Facts) -> String {
    let names: Vec<&str> = facts.all(Kind::StorageClass).map(Object::name).take(8).collect();
    if names.is_empty() {
        "there is no StorageClass at all".to_owned()
    } else {
        format!("there are: {}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RULE;
    use crate::{
        Kind,
        recorded::{Recorded, object, pod},
    };

    fn claim(class: Value) -> Vec<Value> {
        let mut claim = object("PersistentVolumeClaim", "data");
        claim["spec"] = json!({"storageClassName": class, "accessModes": ["ReadWriteOnce"]});
        claim["status"] = json!({"phase": "Pending"});
        let volumes = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
        let spec = json!({"containers": [{"name": "db"}], "volumes": volumes});
        vec![claim, pod("db-0", spec, json!({"phase": "Pending"})), object("StorageClass", "fast")]
    }

    #[test]
    fn the_class_that_is_missing_is_named_with_those_that_are_there() {
        let answer = Recorded::new(&claim(json!("fsat"))).ask("db-0");
        assert!(answer.contains("cause 1 (certain) [claim-class-missing] PersistentVolumeClaim shop/data: its StorageClass fsat does not exist (affects 1 Pod)"), "{answer}");
        assert!(answer.contains("there are: fast"), "{answer}");
        let none = Recorded::new(&claim(Value::Null)).ask("data");
        assert!(none.contains("no default one"), "{none}");
    }

    #[test]
    fn the_claim_is_the_cause_of_a_deployment_whose_pod_waits_for_it() {
        let message = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";
        let [mut web, mut set] = [object("Deployment", "cache"), object("ReplicaSet", "cache-7c9")];
        set["metadata"]["ownerReferences"] =
            json!([{"kind": "Deployment", "name": "cache", "controller": true}]);
        web["spec"] = json!({"replicas": 1});
        let mut objects = claim(json!("gone"));
        objects[1]["metadata"]["ownerReferences"] =
            json!([{"kind": "ReplicaSet", "name": "cache-7c9", "controller": true}]);
        objects[1]["status"]["conditions"] = json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]);
        objects.extend([web, set]);
        let answer = Recorded::new(&objects).ask("cache");
        assert!(answer.contains("cause 1 (certain) [claim-class-missing] PersistentVolumeClaim shop/data: its StorageClass gone does not exist (affects 1 Deployment, 1 Pod)"), "{answer}");
        assert!(!answer.contains("cause 2"), "{answer}");
    }

    #[test]
    fn an_older_annotation_names_a_class_too() {
        let mut objects = claim(Value::Null);
        objects[0]["metadata"]["annotations"] = json!({"volume.beta.kubernetes.io/storage-class": "fast"});
        let answer = Recorded::new(&objects).ask("data");
        assert!(!answer.contains("claim-class-missing"), "{answer}");
    }

    #[test]
    fn a_class_that_exists_or_that_nobody_may_list_is_no_fault() {
        for cluster in [
            Recorded::new(&claim(json!("fast"))),
            Recorded::new(&claim(json!(""))),
            Recorded::new(&claim(json!("x"))).deny(Kind::StorageClass),
        ] {
            let answer = cluster.ask("db-0");
            assert!(!answer.contains("claim-class-missing"), "{answer}");
        }
    }

    #[test]
    fn a_claim_without_a_class_lacks_one_only_if_no_class_is_the_default() {
        let mut objects = claim(Value::Null);
        Recorded::new(&objects).assert_found(&RULE, "the cluster has no default one");
        Recorded::new(&objects).deny(Kind::StorageClass).assert_found(&RULE, "");
        objects[2]["metadata"]["annotations"] =
            json!({"storageclass.kubernetes.io/is-default-class": "true"});
        Recorded::new(&objects).assert_found(&RULE, "");
    }
}
