//! Rules of a pod about other pods: affinity, anti-affinity, spread, host ports.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{candidates, names};
use crate::{
    Facts, Kind, Object, needs,
    object::{list, text},
    selectors,
};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";

fn terms<'p>(pod: &'p Object, field: &str) -> &'p [Value] {
    pod.list(&format!("/spec/affinity/{field}/{REQUIRED}"))
}

/// The anti-affinity of a pod to those of its own workload: more replicas than places.
pub fn anti_affinity(facts: &Facts, pod: &Object) -> (String, Vec<String>) {
    let labels = pod.map("/metadata/labels");
    let is_own =
        |term: &&Value| term.pointer("/labelSelector").is_some_and(|own| selectors::selects(own, &labels));
    let terms = terms(pod, "podAntiAffinity");
    let Some(term) = terms.iter().find(is_own).or(terms.first()) else {
        return ("the anti-affinity of pods that run keeps it off".to_owned(), Vec::new());
    };
    let key = text(term, "/topologyKey");
    let usable = candidates(facts, pod);
    let places: BTreeSet<&str> = usable.iter().filter_map(|node| label(node, key)).collect();
    let place = if key == "kubernetes.io/hostname" { "node" } else { key };
    let workload = facts.root(pod);
    let wanted = workload.number("/spec/replicas").filter(|_| workload.kind() != Kind::Pod && is_own(&term));
    let is_live = |pod: &&&Object| pod.deleted().is_none() && pod.text("/status/phase") != "Failed";
    let pods = facts.pods_of(workload).iter().filter(is_live).count();
    let fact = format!("anti-affinity over {key}: {} usable by labels and taints", places.len());
    let summary = match wanted {
        Some(wanted)
            if super::are_nodes_known(facts)
                && usize::try_from(wanted).is_ok_and(|wanted| wanted > places.len()) =>
        {
            format!(
                "its required anti-affinity allows one replica for each {place}: {wanted} replicas, but only {} it may use",
                places.len()
            )
        }
        // A rolling update makes the new pod before it ends an old one.
        Some(wanted)
            if workload.kind() == Kind::Deployment
                && usize::try_from(wanted).is_ok_and(|wanted| wanted < pods) =>
        {
            format!(
                "its required anti-affinity allows one replica for each {place}, and the additional pod of the rolling update finds none: maxSurge 0 would end an old one first"
            )
        }
        _ => format!("its required anti-affinity leaves no {place}: pods that it avoids are on each"),
    };
    // None would be usable, if none may be read.
    let facts = if super::are_nodes_known(facts) { vec![fact] } else { Vec::new() };
    (summary, facts)
}

fn label<'n>(node: &'n Object, key: &str) -> Option<&'n str> {
    let labels = node.map("/metadata/labels");
    let found = labels.into_iter().find(|(other, _)| *other == key).map(|(_, value)| value);
    // Kubelets label their node with its name; one without the label is still a place.
    found.or((key == "kubernetes.io/hostname").then(|| node.name()))
}

/// The required affinity of a pod to pods that are not there.
pub fn affinity(facts: &Facts, pod: &Object) -> (String, Vec<String>) {
    let missing = terms(pod, "podAffinity").iter().find(|term| {
        let is_here = list(term, "/namespaces").is_empty() && term.pointer("/namespaceSelector").is_none();
        let runs = |other: &&Object| {
            !other.text("/spec/nodeName").is_empty()
                && term
                    .pointer("/labelSelector")
                    .is_some_and(|selector| selectors::selects(selector, &other.map("/metadata/labels")))
        };
        is_here
            && facts.is_listed(Kind::Pod, pod.namespace())
            && !facts.within(Kind::Pod, pod.namespace()).any(|other| runs(&other))
    });
    match missing {
        Some(term) => {
            let selector = term.pointer("/labelSelector").unwrap_or(&Value::Null);
            (
                format!(
                    "its required pod affinity wants pods with {}, and none runs in its namespace",
                    shown(selector)
                ),
                Vec::new(),
            )
        }
        None => ("its required pod affinity leaves no node".to_owned(), Vec::new()),
    }
}

fn shown(selector: &Value) -> String {
    let labels = crate::object::map(selector.pointer("/matchLabels")).into_iter();
    let labels = labels.map(|(key, value)| format!("{key}={value}"));
    let expressions = list(selector, "/matchExpressions").iter().map(selectors::show);
    labels.chain(expressions).collect::<Vec<_>>().join(",")
}

/// True if a node has the labels that hard topology spread constraints of a pod count by.
pub fn fits(pod: &Object, node: &Object) -> bool {
    let hard = pod.list("/spec/topologySpreadConstraints").iter();
    let mut hard = hard.filter(|constraint| text(constraint, "/whenUnsatisfiable") != "ScheduleAnyway");
    hard.all(|constraint| label(node, text(constraint, "/topologyKey")).is_some())
}

/// The topology spread constraints of a pod that may keep it waiting.
pub fn spread(facts: &Facts, pod: &Object, reason: &str) -> (String, Vec<String>) {
    let hard = pod.list("/spec/topologySpreadConstraints").iter();
    let hard = hard.filter(|constraint| text(constraint, "/whenUnsatisfiable") != "ScheduleAnyway");
    let keys: Vec<&str> = hard.clone().map(|constraint| text(constraint, "/topologyKey")).collect();
    let missing = keys.iter().find(|key| facts.all(Kind::Node).all(|node| label(node, key).is_none()));
    if let Some(key) =
        missing.filter(|_| super::are_nodes_known(facts) || reason.contains("missing required label"))
    {
        return (format!("no node has the label {key} of its topology spread constraints"), Vec::new());
    }
    let constraints = hard.map(|constraint| {
        let skew = constraint.pointer("/maxSkew").and_then(Value::as_i64).unwrap_or(1);
        let key = text(constraint, "/topologyKey");
        let values: BTreeSet<&str> = facts.all(Kind::Node).filter_map(|node| label(node, key)).collect();
        let values: Vec<&str> = values.into_iter().collect();
        format!("maxSkew {skew} over {key}: {}", names(&values))
    });
    (format!("its topology spread constraints over {} leave no node", keys.join(", ")), constraints.collect())
}

/// The host ports of a pod.
pub fn ports(pod: &Object) -> (String, Vec<String>) {
    let spec = pod.at("/spec").unwrap_or(&Value::Null);
    let ports = needs::containers(spec).flat_map(|container| list(container, "/ports"));
    let ports = ports.filter_map(|port| port.pointer("/hostPort").and_then(Value::as_i64));
    let ports: Vec<String> = ports.map(|port| port.to_string()).collect();
    (format!("its host port {} is taken on every node that it may use", ports.join(", ")), Vec::new())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{affinity, anti_affinity, fits, ports, spread};
    use crate::{
        Kind, Object,
        recorded::{Recorded, object, owned, pod, running, with},
    };

    fn node(name: &str, labels: Value) -> Value {
        let mut node = object("Node", name);
        node["metadata"]["labels"] = labels;
        node
    }

    fn labelled(name: &str, app: &str) -> Value {
        let mut pod = running(name);
        pod["metadata"]["labels"] = json!({"app": app});
        pod
    }

    fn asks(spec: Value) -> Value {
        pod("web", spec, json!({"phase": "Pending"}))
    }

    fn near(field: &str, term: &Value) -> Value {
        let mut pod = asks(json!({"affinity": {field: {super::REQUIRED: [term]}}}));
        pod["metadata"]["labels"] = json!({"app": "web"});
        pod
    }

    #[test]
    fn pods_that_an_affinity_wants_are_named_only_if_none_is_placed() {
        let wants =
            "its required pod affinity wants pods with app=db,tier In [a], and none runs in its namespace";
        let leaves = "its required pod affinity leaves no node";
        let selector = json!({"matchLabels": {"app": "db"}, "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a"]}]});
        let term = json!({"labelSelector": selector});
        let mut placed = labelled("db", "db");
        placed["metadata"]["labels"]["tier"] = "a".into();
        let mut pending = placed.clone();
        pending["spec"]["nodeName"] = "".into();
        let mut there = placed.clone();
        there["metadata"]["namespace"] = "other".into();
        let with = |field: &str, value: Value| {
            let mut term = term.clone();
            term[field] = value;
            term
        };
        for (term, other, summary) in [
            (term.clone(), labelled("db", "db"), wants),
            (term.clone(), pending, wants),
            (term.clone(), there, wants),
            (term.clone(), placed, leaves),
            (with("namespaces", json!(["other"])), labelled("db", "db"), leaves),
            (with("namespaceSelector", json!({})), labelled("db", "db"), leaves),
        ] {
            let (pod, cluster) =
                (Object::new(Kind::Pod, near("podAffinity", &term)), Recorded::new(&[other]));
            assert_eq!(affinity(&cluster.facts(), &pod).0, summary, "{term}");
            assert_eq!(affinity(&cluster.deny(Kind::Pod).facts(), &pod).0, leaves, "{term}");
        }
    }

    #[test]
    fn the_pod_of_a_rolling_update_that_finds_no_place_counts_the_live_ones_only() {
        let deployment = with("Deployment", "web", json!({"replicas": 1}), json!({}));
        let term = json!({"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"});
        let pod = owned(near("podAntiAffinity", &term), &deployment);
        let other = |phase: &str, is_deleted: bool| {
            let mut other = owned(labelled("web-old", "web"), &deployment);
            other["status"]["phase"] = phase.into();
            if is_deleted {
                other["metadata"]["deletionTimestamp"] = "2026-11-24T12:00:20Z".into();
            }
            other
        };
        for (other, is_surge) in [
            (other("Running", false), true),
            (other("Failed", false), false),
            (other("Running", true), false),
        ] {
            let objects = [deployment.clone(), pod.clone(), other, node("n1", json!({}))];
            let (summary, _) =
                anti_affinity(&Recorded::new(&objects).facts(), &Object::new(Kind::Pod, pod.clone()));
            assert_eq!(summary.contains("additional pod of the rolling update"), is_surge, "{summary}");
        }
    }

    #[test]
    fn only_hard_constraints_of_spread_keep_a_pod_off() {
        let constraint =
            |key: &str, when: &str| json!({"topologyKey": key, "whenUnsatisfiable": when, "maxSkew": 2});
        let zoned = [node("n1", json!({"zone": "a"})), node("n2", json!({"zone": "b"}))];
        let of = |constraints: Value| {
            Object::new(Kind::Pod, asks(json!({"topologySpreadConstraints": constraints})))
        };
        let soft = constraint("rack", "ScheduleAnyway");
        let (hard, missing) = (constraint("zone", "DoNotSchedule"), constraint("rack", "DoNotSchedule"));
        let pod = of(json!([soft, hard]));
        let cluster = Recorded::new(&zoned);
        assert_eq!(
            spread(&cluster.facts(), &pod, ""),
            (
                "its topology spread constraints over zone leave no node".to_owned(),
                vec!["maxSkew 2 over zone: a, b".to_owned()]
            )
        );
        let named = "no node has the label rack of its topology spread constraints";
        let unnamed = "its topology spread constraints over rack leave no node";
        let unknown = Recorded::new(&[]).deny(Kind::Node).facts();
        let words = "2 node(s) didn't match pod topology spread constraints (missing required label)";
        let pod = of(json!([missing]));
        for (facts, reason, summary) in
            [(&cluster.facts(), "", named), (&unknown, words, named), (&unknown, "", unnamed)]
        {
            assert_eq!(spread(facts, &pod, reason).0, summary);
        }
        let node = Object::new(Kind::Node, zoned[0].clone());
        assert!(!fits(&pod, &node) && fits(&of(json!([soft, hard])), &node));
        let by_name = of(json!([constraint("kubernetes.io/hostname", "DoNotSchedule")]));
        assert!(fits(&by_name, &node));
    }

    #[test]
    fn host_ports_of_all_containers_are_named() {
        let port = |port: i64| json!({"name": "c", "ports": [{"containerPort": 1, "hostPort": port}, {"containerPort": 2}]});
        let pod = Object::new(Kind::Pod, asks(json!({"containers": [port(80), port(443)]})));
        assert_eq!(ports(&pod).0, "its host port 80, 443 is taken on every node that it may use");
    }
}
