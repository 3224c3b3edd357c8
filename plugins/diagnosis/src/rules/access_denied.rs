//! A ServiceAccount that may not do what its pods ask of the API server.
//!
//! Evidence: the API server's own sentence in a log or an event, joined with roles and bindings: a verb that the account's
//! role does not list, a binding of another account, or no binding at all.
//! Not to be taken for: a refusal of before a right was given; roles that may not be read, from which nothing follows.
//! Source: kubernetes/staging/src/k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/errors.go.

use super::Rule;
use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Object, Presence, Reference, needs,
    object::text,
    rights::{self, Denial, Grant},
};

pub(super) const RULE: Rule = Rule { id: "access-denied", find };

/// Bindings that are shown.
const SHOWN: usize = 2;

fn find(facts: &Facts) -> Vec<Finding> {
    let denials = rights::denials(facts);
    denials.iter().filter_map(|denial| of(facts, denial)).collect()
}

fn of(facts: &Facts, denial: &Denial) -> Option<Finding> {
    let Denial { account, verb, resource, namespace, .. } = denial;
    let scope = if namespace.is_empty() {
        "in the whole cluster".to_owned()
    } else {
        format!("in namespace {namespace}")
    };
    let bindings = rights::bindings(facts, denial);
    let grants: Vec<Grant> = bindings
        .iter()
        .filter(|binding| rights::binds(binding, account))
        .map(|binding| rights::grant(facts, binding, denial))
        .collect();
    let gives = |grant: &Grant| {
        grant.verbs.as_ref().is_some_and(|verbs| verbs.contains(&verb.as_str()) || verbs.contains(&"*"))
    };
    // The right was given since.
    if grants.iter().any(gives) {
        return None;
    }
    let is_known = facts.is_listed(Kind::ClusterRoleBinding, "")
        && (namespace.is_empty() || facts.is_listed(Kind::RoleBinding, namespace));
    let all_read = grants.iter().all(|grant| {
        grant.verbs.is_some()
            || matches!(
                facts.find(grant.role.kind, &grant.role.namespace, &grant.role.name),
                Presence::Absent
            )
    });
    let about: Vec<&Grant> =
        grants.iter().filter(|grant| grant.verbs.as_ref().is_some_and(|verbs| !verbs.is_empty())).collect();
    let who = format!("its ServiceAccount {} may not {verb} {resource} {scope}", account.name);
    let (summary, mut facts_of_it) = if let [first, ..] = about.as_slice() {
        (
            format!("{who}: {} gives it only {}", first.role, verbs(first)),
            about
                .iter()
                .take(SHOWN)
                .map(|grant| {
                    Evidence::fact(
                        format!(
                            "{} of {}: {resource}: {}",
                            grant.role,
                            grant.binding.reference(),
                            verbs(grant)
                        ),
                        "rules of the role",
                    )
                })
                .collect(),
        )
    } else if !is_known || !all_read {
        (who, Vec::new())
    } else if let Some(grant) = grants.first() {
        let missing =
            matches!(facts.find(grant.role.kind, &grant.role.namespace, &grant.role.name), Presence::Absent);
        let why = if missing { "does not exist" } else { "does not list that resource" };
        (
            format!("{who}: its {} {why}", grant.role),
            grants
                .iter()
                .take(SHOWN)
                .map(|grant| {
                    Evidence::fact(
                        format!(
                            "{} gives it {}, with nothing for {resource}",
                            grant.binding.reference(),
                            grant.role
                        ),
                        "roles and bindings",
                    )
                })
                .collect(),
        )
    } else {
        let others = of_others(facts, denial, &bindings);
        (
            format!("{who}: no binding gives it a role there"),
            if others.is_empty() {
                vec![Evidence::fact(
                    format!("no RoleBinding or ClusterRoleBinding names {account}"),
                    "list of bindings",
                )]
            } else {
                others
            },
        )
    };
    let is_joined = !facts_of_it.is_empty();
    let mut finding = Finding::new(RULE.id, account.clone(), summary).certainty(if is_joined {
        Certainty::Certain
    } else {
        Certainty::Likely
    });
    finding = finding.with(Evidence::quote("the API server refused", &denial.quote, place(facts, denial)));
    finding.evidence.append(&mut facts_of_it);
    for pod in facts.within(Kind::Pod, &account.namespace).filter(|pod| runs_as(pod, account)) {
        finding = finding.affects(pod.reference()).affects(facts.root(pod).reference());
    }
    Some(finding.next(format!(
        "add the verb {verb} for {resource} to a role that is bound to {}, or use another account",
        account.name
    )))
}

/// Bindings whose role has the verb, but which name another account.
fn of_others(facts: &Facts, denial: &Denial, bindings: &[&Object]) -> Vec<Evidence> {
    let mut others = Vec::new();
    for binding in bindings.iter().filter(|binding| binding.kind() == Kind::RoleBinding) {
        let grant = rights::grant(facts, binding, denial);
        let has =
            grant.verbs.is_some_and(|verbs| verbs.iter().any(|verb| *verb == "*" || *verb == denial.verb));
        for subject in binding
            .list("/subjects")
            .iter()
            .filter(|subject| has && text(subject, "/kind") == "ServiceAccount")
        {
            let name = format!("{}/{}", rights::namespace(binding, subject), text(subject, "/name"));
            let label = format!(
                "{} gives {} to ServiceAccount {name}, not to {}/{}",
                binding.reference(),
                grant.role,
                denial.account.namespace,
                denial.account.name
            );
            others.push(Evidence::fact(label, "subjects of the binding"));
        }
    }
    others.truncate(SHOWN);
    others
}

fn verbs(grant: &Grant) -> String {
    grant.verbs.as_ref().map(|verbs| verbs.join(", ")).unwrap_or_default()
}

fn runs_as(pod: &Object, account: &Reference) -> bool {
    let name = match pod.text("/spec/serviceAccountName") {
        "" => "default",
        name => name,
    };
    name == account.name && needs::pod_spec(pod).is_some()
}

fn place(facts: &Facts, denial: &Denial) -> String {
    let is_same = |text: &str| {
        Denial::parse(text).is_some_and(|other| {
            other.verb == denial.verb && other.resource == denial.resource && other.account == denial.account
        })
    };
    let log = facts.all_logs().find(|log| log.lines().any(|(_, line)| is_same(line)));
    log.map_or("event".to_owned(), |log| format!("log {}", log.container))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{
        Kind,
        recorded::{Recorded, event, object, running},
    };

    const REFUSAL: &str = "Error from server (Forbidden): pods is forbidden: User \"system:serviceaccount:shop:watcher\" cannot list resource \"pods\" in API group \"\" in the namespace \"shop\"";

    fn cluster(subject: &str, verbs: Value) -> Vec<Value> {
        let mut pod = running("watch-1");
        pod["spec"]["serviceAccountName"] = "watcher".into();
        let mut role = object("Role", "watch");
        role["rules"] = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": verbs}, {"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list"]}]);
        let mut binding = object("RoleBinding", "watch");
        binding["roleRef"] =
            json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "watch"});
        binding["subjects"] = json!([{"kind": "ServiceAccount", "name": subject, "namespace": "shop"}]);
        vec![pod, role, binding, object("ServiceAccount", "watcher")]
    }

    #[test]
    fn the_verb_that_the_role_lacks_is_named() {
        let answer =
            Recorded::new(&cluster("watcher", json!(["get"]))).log("app", false, REFUSAL).ask("watch");
        assert!(answer.contains("cause 1 (certain) [access-denied] ServiceAccount shop/watcher: its ServiceAccount watcher may not list pods in namespace shop: Role shop/watch gives it only get (affects 1 Pod)"), "{answer}");
        assert!(
            answer.contains("cannot list resource \"pods\"")
                && answer.contains("RoleBinding shop/watch: pods: get"),
            "{answer}"
        );
        let json = REFUSAL.replace('"', "\\\"");
        let answer = Recorded::new(&cluster("watcher", json!(["get"])))
            .log("app", false, &format!("{{\"msg\":\"{json}\"}}"))
            .ask("watch");
        assert!(answer.contains("Role shop/watch gives it only get"), "{answer}");
    }

    #[test]
    fn a_binding_of_another_account_is_named() {
        let answer =
            Recorded::new(&cluster("watch", json!(["list"]))).log("app", false, REFUSAL).ask("watch");
        assert!(answer.contains("no binding gives it a role there"), "{answer}");
        assert!(answer.contains("RoleBinding shop/watch gives Role shop/watch to ServiceAccount shop/watch, not to shop/watcher"), "{answer}");
        let mut objects = cluster("watcher", json!(["get"]));
        let refusal = event(&objects[0], "Failed", REFUSAL);
        objects.push(refusal);
        let answer = Recorded::new(&objects).ask("watch");
        assert!(answer.contains("Role shop/watch gives it only get"), "{answer}");
    }

    #[test]
    fn roles_that_may_not_be_read_prove_nothing_and_a_right_given_since_is_history() {
        let answer = Recorded::new(&cluster("watcher", json!(["get"])))
            .log("app", false, REFUSAL)
            .deny(Kind::RoleBinding)
            .ask("watch");
        assert!(
            answer.contains("cause 1 (likely) [access-denied]") && !answer.contains("no binding"),
            "{answer}"
        );
        let answer = Recorded::new(&cluster("watcher", json!(["*"]))).log("app", false, REFUSAL).ask("watch");
        assert!(!answer.contains("access-denied"), "{answer}");
    }
}
