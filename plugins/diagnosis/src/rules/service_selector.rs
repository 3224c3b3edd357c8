//! A Service that selects no pod, although pods with nearly its labels are there.
//!
//! Evidence: the join of its selector with the labels of all pods of the namespace.
//! Not to be taken for: a Service without a selector, `ExternalName`, or one whose workload is scaled to 0.
//! Source: kubernetes/pkg/controller/endpointslice; diagnosis of several public evaluations: the join that models miss.

use super::Rule;
use crate::{Certainty, Evidence, Facts, Finding, Kind, Object, has_labels, needs, object::map, selected};

pub(super) const RULE: Rule = Rule { id: "service-selector", find };

fn find(facts: &Facts) -> Vec<Finding> {
    let is_known = |service: &&Object| facts.is_listed(Kind::Pod, service.namespace());
    facts.all(Kind::Service).filter(is_known).filter_map(|service| of_service(facts, service)).collect()
}

fn of_service(facts: &Facts, service: &Object) -> Option<Finding> {
    let selector = service.map("/spec/selector");
    let is_external = service.text("/spec/type") == "ExternalName";
    if is_external
        || selector.is_empty()
        || selected(facts, service).next().is_some()
        || is_intended(facts, service)
    {
        return None;
    }
    let text = labels(&selector);
    let mut finding =
        Finding::new(RULE.id, service.reference(), format!("it selects no pod: no pod has {text}")).with(
            Evidence::fact(format!("selector {text}; 0 pods fit, so it has no endpoint"), "spec.selector"),
        );
    // Pods that lack one label of several are those that were meant.
    let near = facts.within(Kind::Pod, service.namespace()).filter_map(|pod| {
        let own = pod.map("/metadata/labels");
        let wrong: Vec<(&str, &str)> =
            selector.iter().copied().filter(|label| !own.contains(label)).collect();
        (wrong.len() < selector.len() || shares_key(&own, &wrong)).then_some((wrong.len(), pod, wrong))
    });
    match near.min_by_key(|(count, pod, _)| (*count, pod.name())) {
        None => finding = finding.certainty(Certainty::Likely),
        Some((_, pod, wrong)) => {
            let own = pod.map("/metadata/labels");
            let theirs = wrong.iter().map(|(key, value)| match own.iter().find(|(other, _)| other == key) {
                Some((_, other)) => format!("{key}={other}, not {key}={value}"),
                None => format!("no label {key}"),
            });
            let theirs: Vec<String> = theirs.collect();
            finding = finding.with(Evidence::fact(
                format!("nearest: {} has {}", pod.reference(), theirs.join(", ")),
                "metadata.labels",
            ));
        }
    }
    Some(finding.next("correct the selector of the Service, or the labels of the pods' template"))
}

fn shares_key(own: &[(&str, &str)], wrong: &[(&str, &str)]) -> bool {
    wrong.iter().any(|(key, _)| own.iter().any(|(other, _)| other == key))
}

/// True if a workload whose pods would fit wants none.
fn is_intended(facts: &Facts, service: &Object) -> bool {
    let selector = service.map("/spec/selector");
    let idle =
        |workload: &&Object| workload.kind().is_workload() && workload.number("/spec/replicas") == Some(0);
    facts.within_any(service.namespace()).filter(idle).any(|workload| {
        let pod = workload.at("/spec/template/metadata/labels");
        needs::pod_spec(workload).is_some() && has_labels(&map(pod), &selector)
    })
}

fn labels(selector: &[(&str, &str)]) -> String {
    let labels: Vec<String> = selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
    labels.join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RULE;
    use crate::recorded::{Recorded, object, running};

    fn service(selector: Value) -> Vec<Value> {
        let mut service = object("Service", "backend");
        service["spec"] = json!({"selector": selector, "ports": [{"port": 80}]});
        let mut pod = running("backend-1");
        pod["metadata"]["labels"] = json!({"app": "backend", "version": "v1"});
        vec![service, pod]
    }

    #[test]
    fn the_label_that_differs_is_named() {
        let answer = Recorded::new(&service(json!({"app": "backend", "version": "v2"}))).ask("backend");
        assert!(answer.contains("cause 1 (certain) [service-selector] Service shop/backend"), "{answer}");
        assert!(answer.contains("Pod shop/backend-1 has version=v1, not version=v2"), "{answer}");
    }

    /// The workload is well: it is the Service that nobody reaches it through.
    #[test]
    fn a_workload_leads_to_the_service_that_misses_it_by_one_label() {
        for (selector, is_found) in [
            (json!({"app": "backend", "version": "v2"}), true),
            (json!({"app": "backnd"}), true),
            (json!({"app": "mail"}), false),
            (json!({"app": "mail", "version": "v2"}), false),
        ] {
            let answer = Recorded::new(&service(selector.clone())).ask_for("backend-1", "shop", "pod");
            assert_eq!(
                answer.contains("[service-selector] Service shop/backend"),
                is_found,
                "{selector}: {answer}"
            );
        }
    }

    #[test]
    fn a_service_that_selects_a_pod_or_nothing_is_no_fault() {
        for selector in [json!({"app": "backend"}), json!({})] {
            let answer = Recorded::new(&service(selector)).ask("backend");
            assert!(!answer.contains("service-selector"), "{answer}");
        }
        let mut scaled = service(json!({"app": "idle"}));
        let mut workload = object("Deployment", "idle");
        workload["spec"] =
            json!({"replicas": 0, "template": {"metadata": {"labels": {"app": "idle"}}, "spec": {}}});
        scaled.push(workload);
        let answer = Recorded::new(&scaled).ask("backend");
        assert!(!answer.contains("service-selector"), "{answer}");
    }

    #[test]
    fn a_service_of_a_workload_that_wants_no_pods_selects_none_on_purpose() {
        let idle = |kind: &str, replicas: i64, app: &str| {
            let mut objects = service(json!({"app": "idle"}));
            let mut workload = object(kind, "idle");
            let template = json!({"metadata": {"labels": {"app": app}}, "spec": {}});
            workload["spec"] = json!({"replicas": replicas, "template": template});
            objects.push(workload);
            Recorded::new(&objects)
        };
        let words = "it selects no pod: no pod has app=idle";
        idle("Deployment", 0, "idle").assert_found(&RULE, "");
        idle("Deployment", 1, "idle").assert_found(&RULE, words);
        idle("Deployment", 0, "mail").assert_found(&RULE, words);
    }

    /// The certainty tells whether a pod was found that may have been meant.
    #[test]
    fn a_pod_is_near_if_it_shares_a_label_or_a_key() {
        for (selector, is_near) in [
            (json!({"app": "backend", "tier": "x"}), true),
            (json!({"version": "v2"}), true),
            (json!({"tier": "x"}), false),
        ] {
            let answer = Recorded::new(&service(selector.clone())).ask_for("backend", "shop", "service");
            assert_eq!(answer.contains("nearest: Pod shop/backend-1"), is_near, "{selector}: {answer}");
        }
    }
}
