//! A HorizontalPodAutoscaler that cannot do its work: its target is missing, its metrics are, or a request that they are
//! compared with.
//!
//! Evidence: the conditions AbleToScale and ScalingActive, joined with the target, its containers and the metrics API.
//! Not to be taken for: a target that is scaled to 0, a floor or a stabilized scale-down, the first minutes of pods.
//! Source: kubernetes/pkg/controller/podautoscaler/horizontal.go and metrics/client.go.

use super::Rule;
use crate::{
    Certainty, Condition, Evidence, Facts, Finding, Kind, Object, Presence, Reference, health, needs,
    object::{list, text},
};

pub(super) const RULE: Rule = Rule { id: "autoscaler-blind", find };

/// The API group of usage metrics.
const METRICS: &str = "metrics.k8s.io";

fn find(facts: &Facts) -> Vec<Finding> {
    facts.all(Kind::HorizontalPodAutoscaler).filter_map(|scaler| of(facts, scaler)).collect()
}

fn of(facts: &Facts, scaler: &Object) -> Option<Finding> {
    let target = needs::needs(scaler).into_iter().map(|need| need.object).next();
    let name = scaler.text("/spec/scaleTargetRef/name");
    let failing = |kind: &str| scaler.condition(kind).filter(|condition| condition.status == "False");
    let quote = |finding: Finding, condition: Condition| {
        let place = format!("condition {} of {}", condition.reason, scaler.reference());
        finding.with(Evidence::quote("", condition.message, place))
    };
    if let Some(target) = &target
        && matches!(facts.find(target.kind, &target.namespace, &target.name), Presence::Absent)
    {
        let summary = format!("its target {} {name} does not exist", target.kind);
        let mut finding = Finding::new(RULE.id, scaler.reference(), summary).next("correct scaleTargetRef");
        finding =
            finding.with(Evidence::fact(there(facts, target), format!("list of {}", target.kind.plural())));
        return Some(match failing("AbleToScale") {
            Some(condition) => quote(finding, condition),
            None => finding,
        });
    }
    if let Some(condition) = failing("AbleToScale").filter(|condition| condition.reason == "FailedGetScale") {
        let finding = Finding::new(
            RULE.id,
            scaler.reference(),
            format!("the scale of its target {name} cannot be read"),
        );
        return Some(quote(finding, condition).next("check kind, apiVersion and name of scaleTargetRef"));
    }
    let condition = failing("ScalingActive").filter(|condition| condition.reason != "ScalingDisabled")?;
    let target = target.and_then(|target| facts.get(&target));
    let message = condition.message;
    let finding = if let Some(resource) = after(message, "missing request for ") {
        let owner = target.unwrap_or(scaler);
        Finding::new(
            RULE.id,
            owner.reference(),
            format!("its containers lack a {resource} request, so the autoscaler cannot compute its use"),
        )
        .with(Evidence::fact(requests(target, resource), "spec.template"))
        .affects(scaler.reference())
        .next(format!("set resources.requests.{resource} on every container of the template"))
    } else if let Some(group) = unserved(message) {
        let is_of_group = |api: &Object| api.name().split_once('.').is_some_and(|(_, name)| name == group);
        let is_served = facts.all(Kind::ApiService).any(is_of_group);
        if !is_served && facts.is_listed(Kind::ApiService, "") {
            let api = Reference::new(Kind::ApiService, "", &format!("v1beta1.{group}"));
            let summary = format!("the cluster does not serve {group}, so the autoscaler has no figures");
            let install = if group == METRICS { "metrics-server" } else { "an adapter that serves that API" };
            Finding::new(RULE.id, api, summary)
                .with(Evidence::fact(format!("no APIService of {group}"), "list of APIServices"))
                .affects(scaler.reference())
                .next(format!("install {install}"))
        } else {
            Finding::new(RULE.id, scaler.reference(), format!("{group} does not answer the autoscaler"))
                .next("check the server of that API")
                .symptom()
        }
    } else {
        let age = condition.since.map_or(u64::MAX, |since| facts.now.saturating_sub(since));
        if age < 5 * health::STARTING {
            return None;
        }
        let summary = format!("it gets no figures for its metrics: {}", condition.reason);
        Finding::new(RULE.id, scaler.reference(), summary)
            .next("check the source of the metric; pods that are not ready have none")
            .symptom()
    };
    let finding = match target {
        Some(target) => finding.affects(target.reference()),
        None => finding,
    };
    Some(quote(finding, condition).certainty(Certainty::Certain))
}

/// The API group that a message says is not served, or does not answer.
fn unserved(message: &str) -> Option<&'static str> {
    let is_down = ["could not find the requested resource", "unable to handle the request", "registered"];
    let groups = ["external.metrics.k8s.io", "custom.metrics.k8s.io", METRICS];
    groups
        .into_iter()
        .find(|group| message.contains(group) && is_down.iter().any(|part| message.contains(part)))
}

/// The word after a mark: `cpu` of `missing request for cpu in container app of Pod web-x`.
fn after<'m>(message: &'m str, mark: &str) -> Option<&'m str> {
    let word = message.split_once(mark)?.1.split_whitespace().next()?;
    word.chars().all(|letter| letter.is_ascii_alphanumeric() || "-./".contains(letter)).then_some(word)
}

/// The containers of a template with and without a request.
fn requests(target: Option<&Object>, resource: &str) -> String {
    let Some(spec) = target.and_then(needs::pod_spec) else { return format!("no {resource} request") };
    let containers = list(spec, "/containers").iter().map(|container| {
        let requests = container.pointer("/resources/requests").or(container.pointer("/resources/limits"));
        let request =
            requests.and_then(|requests| requests.get(resource)).and_then(serde_json::Value::as_str);
        format!("{} {}", text(container, "/name"), request.unwrap_or("none"))
    });
    let containers: Vec<String> = containers.take(4).collect();
    format!("{resource} request of its containers: {}", containers.join(", "))
}

fn there(facts: &Facts, target: &Reference) -> String {
    let names: Vec<&str> = facts.within(target.kind, &target.namespace).map(Object::name).take(6).collect();
    if names.is_empty() {
        format!("there is no {} in the namespace", target.kind)
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
        recorded::{Recorded, object, with},
    };

    fn scaler(kind: &str, reason: &str, message: &str) -> Value {
        let condition = json!({"type": kind, "status": "False", "reason": reason, "message": message, "lastTransitionTime": "2026-11-24T11:00:00Z"});
        with(
            "HorizontalPodAutoscaler",
            "web-hpa",
            json!({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 5}),
            json!({"conditions": [condition]}),
        )
    }

    fn target() -> Value {
        let containers = json!([{"name": "app", "resources": {"requests": {"memory": "1Gi"}}}, {"name": "proxy", "resources": {"requests": {"cpu": "10m"}}}]);
        with(
            "Deployment",
            "web",
            json!({"replicas": 1, "template": {"spec": {"containers": containers}}}),
            json!({"readyReplicas": 1}),
        )
    }

    #[test]
    fn what_is_missing_is_named() {
        let message = "the HPA was unable to compute the replica count: failed to get cpu utilization: missing request for cpu in container app of Pod web-x";
        let cluster = Recorded::new(&[scaler("ScalingActive", "FailedGetResourceMetric", message), target()]);
        for name in ["web-hpa", "web"] {
            let answer = cluster.clone().ask(name);
            assert!(answer.contains("cause 1 (certain) [autoscaler-blind] Deployment shop/web: its containers lack a cpu request"), "{answer}");
            assert!(answer.contains("app none, proxy 10m"), "{answer}");
        }
        let message = "the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)";
        let cluster = Recorded::new(&[scaler("ScalingActive", "FailedGetResourceMetric", message), target()]);
        let answer = cluster.clone().ask("web-hpa");
        assert!(
            answer.contains(
                "[autoscaler-blind] APIService v1beta1.metrics.k8s.io: the cluster does not serve metrics.k8s.io"
            ),
            "{answer}"
        );
        let answer = cluster.deny(Kind::ApiService).ask("web-hpa");
        assert!(
            answer.contains("metrics.k8s.io does not answer") && !answer.contains("does not serve"),
            "{answer}"
        );
    }

    #[test]
    fn a_target_that_does_not_exist_is_named_if_the_list_was_read() {
        let mut other = target();
        other["metadata"]["name"] = "web-v2".into();
        let cluster = Recorded::new(&[
            scaler(
                "AbleToScale",
                "FailedGetScale",
                "the HPA controller was unable to get the target's current scale: deployments.apps \"web\" not found",
            ),
            other,
        ]);
        let answer = cluster.clone().ask("web-hpa");
        assert!(
            answer.contains("its target Deployment web does not exist")
                && answer.contains("there are: web-v2"),
            "{answer}"
        );
        let answer = cluster.deny(Kind::Deployment).ask("web-hpa");
        assert!(answer.contains("the scale of its target web cannot be read"), "{answer}");
    }

    #[test]
    fn a_target_of_another_api_group_is_not_looked_for_here() {
        let mut scaler = scaler("ScalingActive", "ScalingDisabled", "");
        scaler["spec"]["scaleTargetRef"]["apiVersion"] = "apps.kruise.io/v1alpha1".into();
        let answer = Recorded::new(&[scaler]).ask("web-hpa");
        assert!(!answer.contains("does not exist"), "{answer}");
    }

    #[test]
    fn a_target_scaled_to_0_is_no_fault() {
        let scaler = scaler(
            "ScalingActive",
            "ScalingDisabled",
            "scaling is disabled since the replica count of the target is zero",
        );
        let answer = Recorded::new(&[scaler, target(), object("Namespace", "shop")]).ask("web-hpa");
        assert!(!answer.contains("autoscaler-blind"), "{answer}");
    }

    #[test]
    fn figures_may_fail_for_five_minutes_while_pods_start() {
        for (since, words) in [
            ("2026-11-24T11:00:00Z", "it gets no figures for its metrics: FailedGetResourceMetric"),
            ("2026-11-24T11:56:00Z", ""),
        ] {
            let mut scaler = scaler("ScalingActive", "FailedGetResourceMetric", "no metrics returned");
            scaler["status"]["conditions"][0]["lastTransitionTime"] = since.into();
            Recorded::new(&[scaler, target()]).assert_found(&RULE, words);
        }
    }

    #[test]
    fn what_serves_a_missing_api_is_told_by_its_group() {
        for (group, install) in
            [("metrics.k8s.io", "install metrics-server"), ("custom.metrics.k8s.io", "install an adapter")]
        {
            let message = format!("the server could not find the requested resource (get pods.{group})");
            let scaler = scaler("ScalingActive", "FailedGetPodsMetric", &message);
            let findings = (RULE.find)(&Recorded::new(&[scaler, target()]).facts());
            assert!(findings[0].next.starts_with(install), "{}", findings[0].next);
        }
    }
}
