//! An API of another server that does not answer, and what breaks by it: autoscalers, and the deletion of namespaces.
//!
//! Evidence: the condition Available of the APIService.
//! Not to be taken for: APIs of the API server itself, which have no Service.
//! Source: kubernetes/staging/src/k8s.io/kube-aggregator/pkg/controllers/status.

use super::Rule;
use crate::{Evidence, Facts, Finding, Kind, Object, Reference, object::text};

pub(super) const RULE: Rule = Rule { id: "api-service-down", find };

fn find(facts: &Facts) -> Vec<Finding> {
    facts.all(Kind::ApiService).filter_map(|api| of(facts, api)).collect()
}

fn of(facts: &Facts, api: &Object) -> Option<Finding> {
    let condition = api.condition("Available").filter(|condition| condition.status == "False")?;
    let (namespace, name) = (api.text("/spec/service/namespace"), api.text("/spec/service/name"));
    let service = Reference::new(Kind::Service, namespace, name);
    let summary = match condition.reason {
        "ServiceNotFound" => format!("it is down: its {service} does not exist"),
        "ServicePortError" => format!("it is down: its {service} lacks the port"),
        "EndpointsNotFound" | "MissingEndpoints" => format!("it is down: its {service} has no endpoint"),
        "FailedDiscoveryCheck" => format!("it is down: its server behind {service} does not answer"),
        reason => format!("it is down: {reason}"),
    };
    let mut finding = Finding::new(RULE.id, api.reference(), summary)
        .with(Evidence::quote("", condition.message, "condition Available"))
        .affects(service.clone())
        .next(format!(
            "find out why the pods of its Service are not ready: diagnose name={name} namespace={namespace}"
        ));
    // The figures of an autoscaler come from these APIs; a namespace is deleted only if every API answers.
    let group = api.name().split_once('.').map(|(_, group)| group).unwrap_or_default();
    for scaler in facts.all(Kind::HorizontalPodAutoscaler).filter(|scaler| uses(scaler, group)) {
        finding = finding.affects(scaler.reference());
    }
    for namespace in facts.all(Kind::Namespace).filter(|namespace| namespace.deleted().is_some()) {
        finding = finding.affects(namespace.reference());
    }
    Some(finding)
}

fn uses(scaler: &Object, group: &str) -> bool {
    let kinds: &[&str] = match group {
        "metrics.k8s.io" => &["Resource", "ContainerResource"],
        "custom.metrics.k8s.io" => &["Pods", "Object"],
        "external.metrics.k8s.io" => &["External"],
        _ => return false,
    };
    let metrics = scaler.list("/spec/metrics");
    // The old form of an autoscaler has only a target of its processor use.
    let is_old = metrics.is_empty() && group == "metrics.k8s.io";
    is_old || metrics.iter().any(|metric| kinds.contains(&text(metric, "/type")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RULE;
    use crate::{
        Kind,
        recorded::{Recorded, object, with},
    };

    pub(super) fn api(reason: &str, message: &str) -> Value {
        let conditions =
            json!([{"type": "Available", "status": "False", "reason": reason, "message": message}]);
        let spec = json!({"service": {"namespace": "kube-system", "name": "metrics-server", "port": 443}});
        with("APIService", "v1beta1.metrics.k8s.io", spec, json!({"conditions": conditions}))
    }

    #[test]
    fn it_is_the_cause_of_autoscalers_and_of_namespaces_that_stay() {
        let down = api(
            "MissingEndpoints",
            "endpointslices for service/metrics-server in \"kube-system\" have no addresses with port name \"https\"",
        );
        let message = "the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: the server is currently unable to handle the request (get pods.metrics.k8s.io)";
        let scaler = with(
            "HorizontalPodAutoscaler",
            "web",
            json!({"metrics": [{"type": "Resource", "resource": {"name": "cpu"}}]}),
            json!({"conditions": [{"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric", "message": message}]}),
        );
        let answer = Recorded::new(&[down.clone(), scaler]).ask("web");
        assert!(answer.contains("cause 1 (certain) [api-service-down] APIService v1beta1.metrics.k8s.io: it is down: its Service kube-system/metrics-server has no endpoint"), "{answer}");
        assert!(!answer.contains("autoscaler-blind"), "{answer}");
        let mut namespace = object("Namespace", "shop");
        namespace["metadata"]["deletionTimestamp"] = "2026-11-24T11:00:00Z".into();
        namespace["status"] = json!({"phase": "Terminating", "conditions": [{"type": "NamespaceDeletionDiscoveryFailure", "status": "True", "reason": "DiscoveryFailed",
            "message": "Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: metrics.k8s.io/v1beta1: the server is currently unable to handle the request"}]});
        let answer = Recorded::new(&[down, namespace]).ask_for("", "shop", "");
        assert!(
            answer.contains("cause 1 (certain) [api-service-down]") && answer.contains("affects 1 Namespace"),
            "{answer}"
        );
        assert!(!answer.contains("[namespace-terminating]"), "{answer}");
    }

    #[test]
    fn an_api_that_nothing_here_uses_is_left_out() {
        let pod = crate::recorded::running("web");
        let answer = Recorded::new(&[api("ServiceNotFound", "x"), pod]).ask("web");
        assert!(answer.contains("no fault found"), "{answer}");
    }

    #[test]
    fn the_reason_of_an_api_that_is_down_is_told() {
        for (reason, words) in [
            ("ServiceNotFound", "its Service kube-system/metrics-server does not exist"),
            ("ServicePortError", "its Service kube-system/metrics-server lacks the port"),
            ("EndpointsNotFound", "its Service kube-system/metrics-server has no endpoint"),
            ("FailedDiscoveryCheck", "its server behind Service kube-system/metrics-server does not answer"),
            ("Other", "it is down: Other"),
        ] {
            Recorded::new(&[api(reason, "x")]).assert_found(&RULE, words);
        }
    }

    #[test]
    fn an_autoscaler_is_affected_only_by_the_api_that_its_figures_come_from() {
        let (usage, custom, external) =
            ("metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io");
        for (group, metrics, expected) in [
            (usage, json!([{"type": "Resource"}]), true),
            (usage, json!([{"type": "ContainerResource"}]), true),
            (usage, json!([{"type": "External"}]), false),
            (usage, json!([]), true),
            (custom, json!([{"type": "Pods"}]), true),
            (custom, json!([{"type": "Resource"}, {"type": "Object"}]), true),
            (custom, json!([{"type": "Resource"}]), false),
            (custom, json!([]), false),
            (external, json!([{"type": "External"}]), true),
            (external, json!([{"type": "Pods"}]), false),
            ("example.com", json!([{"type": "Resource"}]), false),
        ] {
            let mut down = api("MissingEndpoints", "x");
            down["metadata"]["name"] = format!("v1.{group}").into();
            let scaler = with("HorizontalPodAutoscaler", "web", json!({"metrics": metrics}), json!({}));
            let findings = (RULE.find)(&Recorded::new(&[down, scaler]).facts());
            let is_affected =
                findings[0].affects.iter().any(|object| object.kind == Kind::HorizontalPodAutoscaler);
            assert_eq!(is_affected, expected, "{group} {metrics}");
        }
    }
}
