//! A template that violates the Pod Security level that its namespace enforces.
//!
//! Evidence: the API server's words, which list the fields; without them the join of the namespace's label with the
//! template.
//! Not to be taken for: the levels `warn` and `audit`, which refuse nothing; a violation while all pods exist.
//! Source: kubernetes/staging/src/k8s.io/pod-security-admission/policy.

use serde_json::Value;

use super::Rule;
use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Presence, needs,
    object::{list, text},
    refusals::{Check, Shortage, between, shortages},
};

pub(super) const RULE: Rule = Rule { id: "pod-security", find };

const LABEL: &str = "pod-security.kubernetes.io/enforce";

fn find(facts: &Facts) -> Vec<Finding> {
    shortages(facts)
        .iter()
        .filter_map(|shortage| match shortage.message(Check::PodSecurity) {
            Some(message) => {
                let level = between(message, "violates PodSecurity \"", &['"', ':'])?;
                let (_, list) = message.split_once("\": ")?;
                // "allowPrivilegeEscalation != false (container \"app\" must set …), seccompProfile (pod or …)"
                let checks =
                    list.split("), ").filter_map(|check| check.split(" (").next()).map(str::to_owned);
                Some(finding(facts, shortage, level, &checks.collect::<Vec<_>>()))
            }
            None if shortage.refusal.is_none() => joined(facts, shortage),
            None => None,
        })
        .collect()
}

fn finding(facts: &Facts, shortage: &Shortage<'_>, level: &str, checks: &[String]) -> Finding {
    let workload = shortage.workload;
    let summary = format!(
        "namespace {} enforces Pod Security level {level}, which its template violates: {}",
        workload.namespace(),
        checks.join(", ")
    );
    let finding = Finding::new(RULE.id, facts.root(workload).reference(), summary);
    shortage
        .explained_by(facts, finding)
        .next("set these fields in the securityContext of the template, or change the level of the namespace")
}

fn joined(facts: &Facts, shortage: &Shortage<'_>) -> Option<Finding> {
    let spec = needs::pod_spec(shortage.workload)?;
    let Presence::Found(namespace) = facts.find(Kind::Namespace, "", shortage.workload.namespace()) else {
        return None;
    };
    let labels = namespace.map("/metadata/labels");
    let (_, level) = labels.iter().find(|(key, _)| *key == LABEL)?;
    let mut checks = Vec::new();
    if matches!(*level, "baseline" | "restricted") {
        baseline(spec, &mut checks);
    }
    if *level == "restricted" && text(spec, "/os/name") != "windows" {
        restricted(spec, &mut checks);
    }
    checks.dedup();
    (!checks.is_empty()).then(|| {
        finding(facts, shortage, level, &checks)
            .with(Evidence::fact(format!("{LABEL}={level}"), "labels of the namespace"))
            .certainty(Certainty::Likely)
    })
}

fn is(value: &Value, pointer: &str, expected: bool) -> bool {
    value.pointer(pointer).and_then(Value::as_bool) == Some(expected)
}

fn baseline(spec: &Value, checks: &mut Vec<String>) {
    let mut add = |is_violated: bool, check: &str| {
        if is_violated {
            checks.push(check.to_owned());
        }
    };
    let fields = ["/hostNetwork", "/hostPID", "/hostIPC"];
    add(fields.iter().any(|field| is(spec, field, true)), "host namespaces");
    add(list(spec, "/volumes").iter().any(|volume| volume.get("hostPath").is_some()), "hostPath volumes");
    for container in needs::containers(spec) {
        add(is(container, "/securityContext/privileged", true), "privileged");
        let host_port =
            |port: &Value| port.get("hostPort").and_then(Value::as_i64).is_some_and(|port| port != 0);
        add(list(container, "/ports").iter().any(host_port), "hostPort");
    }
}

fn restricted(spec: &Value, checks: &mut Vec<String>) {
    for container in needs::containers(spec) {
        let context = container.get("securityContext").unwrap_or(&Value::Null);
        let own = |pointer: &str| {
            context.pointer(pointer).or(spec.get("securityContext").and_then(|pod| pod.pointer(pointer)))
        };
        let name = text(container, "/name");
        let of =
            if needs::containers(spec).count() > 1 { format!(" of container {name}") } else { String::new() };
        let mut add = |is_fine: bool, check: &str| {
            if !is_fine {
                checks.push(format!("{check}{of}"));
            }
        };
        add(is(context, "/allowPrivilegeEscalation", false), "allowPrivilegeEscalation != false");
        let drops_all = list(context, "/capabilities/drop").iter().any(|name| name == "ALL");
        add(drops_all, "unrestricted capabilities");
        add(own("/runAsNonRoot").and_then(Value::as_bool) == Some(true), "runAsNonRoot != true");
        let profile = own("/seccompProfile/type").and_then(Value::as_str);
        add(matches!(profile, Some("RuntimeDefault" | "Localhost")), "seccompProfile");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{
        Kind,
        recorded::{Recorded, event, object},
    };

    const MESSAGE: &str = "pods \"agent-x\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \"app\" must set securityContext.allowPrivilegeEscalation=false), seccompProfile (pod or container \"app\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")";

    fn cluster(level: &str, context: Value) -> [Value; 2] {
        let mut set = object("DaemonSet", "agent");
        set["spec"] =
            json!({"template": {"spec": {"containers": [{"name": "app", "securityContext": context}]}}});
        set["status"] = json!({"desiredNumberScheduled": 2, "currentNumberScheduled": 0});
        let mut namespace = object("Namespace", "shop");
        namespace["metadata"]["labels"] = json!({"pod-security.kubernetes.io/enforce": level});
        namespace["status"] = json!({"phase": "Active"});
        [set, namespace]
    }

    fn strict() -> Value {
        json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true,
            "seccompProfile": {"type": "RuntimeDefault"}})
    }

    #[test]
    fn the_fields_that_are_missing_are_listed() {
        let [set, namespace] = cluster("restricted", json!({}));
        let said = event(&set, "FailedCreate", &format!("Error creating: {MESSAGE}"));
        let answer = Recorded::new(&[set, namespace, said]).ask("agent");
        assert!(answer.contains("cause 1 (certain) [pod-security] DaemonSet shop/agent: namespace shop enforces Pod Security level restricted, which its template violates: allowPrivilegeEscalation != false, seccompProfile\n"), "{answer}");
        let answer = Recorded::new(&cluster("baseline", json!({"privileged": true}))).ask("agent");
        assert!(
            answer.contains("cause 1 (likely) [pod-security]") && answer.contains("violates: privileged"),
            "{answer}"
        );
        let mut context = strict();
        context["runAsNonRoot"] = false.into();
        let answer = Recorded::new(&cluster("restricted", context)).ask("agent");
        assert!(answer.contains("violates: runAsNonRoot != true\n"), "{answer}");
    }

    #[test]
    fn what_is_allowed_or_not_known_is_no_fault() {
        for cluster in [
            Recorded::new(&cluster("restricted", strict())),
            Recorded::new(&cluster("privileged", json!({"privileged": true}))),
            Recorded::new(&cluster("restricted", json!({}))).deny(Kind::Namespace),
        ] {
            let answer = cluster.ask("agent");
            assert!(!answer.contains("pod-security"), "{answer}");
        }
    }
}
