//! A ServiceAccount that may not do what its pods ask of the API server.
//!
//! Evidence: the API server's own sentence in a log or an event, joined with roles and bindings: a verb that the account's
//! role does not list, a binding of another account, or no binding at all.
//! Not to be taken for: a refusal of before a right was given; roles that may not be read, from which nothing follows.
//! Source: kubernetes/staging/src/k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/errors.go.

use super::Rule;
use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Object, Presence, Reference,
    object::text,
    rights::{self, Denial, Grant},
};

pub(super) const RULE: Rule = Rule { id: "access-denied", find };

/// Verbs of a role that are shown.
const VERBS: usize = 8;
/// Bindings that are shown.
const SHOWN: usize = 2;

fn find(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut open: Vec<Denial> = rights::denials(facts).into_iter().collect();
    // A controller asks for several verbs of one resource: one finding.
    while let Some(first) = open.first().cloned() {
        let is_same = |other: &Denial| {
            (&other.account, &other.resource, &other.group, &other.namespace)
                == (&first.account, &first.resource, &first.group, &first.namespace)
        };
        let (same, rest): (Vec<Denial>, Vec<Denial>) = open.into_iter().partition(is_same);
        open = rest;
        findings.extend(of(facts, &same));
    }
    findings
}

/// Refusals of one account, resource and namespace.
fn of(facts: &Facts, denials: &[Denial]) -> Option<Finding> {
    let first = denials.first()?;
    let Denial { account, resource, namespace, .. } = first;
    let bindings = rights::bindings(facts, first);
    let grants: Vec<Grant> = bindings
        .iter()
        .filter(|binding| rights::binds(binding, account))
        .map(|binding| rights::grant(facts, binding, first))
        .collect();
    let gives = |grant: &Grant, verb: &str| {
        grant.verbs.as_ref().is_some_and(|verbs| verbs.contains(&verb) || verbs.contains(&"*"))
    };
    // Others were given since.
    let missing: Vec<&Denial> =
        denials.iter().filter(|denial| !grants.iter().any(|grant| gives(grant, &denial.verb))).collect();
    let denial = *missing.first()?;
    let wanted: Vec<&str> = missing.iter().map(|denial| denial.verb.as_str()).collect();
    let wanted = wanted.join(", ");
    let scope = match namespace.as_str() {
        "" => "in the whole cluster".to_owned(),
        namespace => format!("in namespace {namespace}"),
    };
    let (why, facts_of_it) = reason(facts, denial, &grants, &bindings);
    let summary = format!("its ServiceAccount {} may not {wanted} {resource} {scope}{why}", account.name);
    let certainty = if facts_of_it.is_empty() { Certainty::Likely } else { Certainty::Certain };
    let mut finding = Finding::new(RULE.id, account.clone(), summary)
        .certainty(certainty)
        .with(Evidence::quote("the API server refused", &denial.quote, place(facts, denial)))
        .next(format!(
            "add the verb {wanted} for {resource} to a role that is bound to {}, or use another account",
            account.name
        ));
    finding.evidence.extend(facts_of_it);
    for pod in facts.within(Kind::Pod, &account.namespace).filter(|pod| runs_as(pod, account)) {
        finding = finding.affects(pod.reference()).affects(facts.root(pod).reference());
    }
    Some(finding)
}

/// The words that say why, and the facts behind them; none, if roles and bindings are not known.
fn reason(facts: &Facts, denial: &Denial, grants: &[Grant], bindings: &[&Object]) -> (String, Vec<Evidence>) {
    let Denial { account, resource, namespace, .. } = denial;
    let is_missing =
        |role: &Reference| matches!(facts.find(role.kind, &role.namespace, &role.name), Presence::Absent);
    let lists = |grant: &&Grant| grant.verbs.as_ref().is_some_and(|verbs| !verbs.is_empty());
    let about: Vec<&Grant> = grants.iter().filter(lists).collect();
    if let [first, ..] = about.as_slice() {
        let fact = |grant: &&Grant| {
            let label =
                format!("{} of {}: {resource}: {}", grant.role, grant.binding.reference(), verbs(grant));
            Evidence::fact(label, "rules of the role")
        };
        let why = format!(": {} gives it only {}", first.role, verbs(first));
        return (why, about.iter().take(SHOWN).map(fact).collect());
    }
    let is_listed = facts.is_listed(Kind::ClusterRoleBinding, "")
        && (namespace.is_empty() || facts.is_listed(Kind::RoleBinding, namespace));
    if !is_listed || !grants.iter().all(|grant| grant.verbs.is_some() || is_missing(&grant.role)) {
        return (String::new(), Vec::new());
    }
    let own: Vec<&Grant> = grants.iter().filter(|grant| rights::is_own(grant.binding, account)).collect();
    if let [first, ..] = own.as_slice() {
        let why = if is_missing(&first.role) { "does not exist" } else { "does not list that resource" };
        let fact = |grant: &&Grant| {
            let label =
                format!("{} gives it {}, with nothing for {resource}", grant.binding.reference(), grant.role);
            Evidence::fact(label, "roles and bindings")
        };
        return (format!(": its {} {why}", first.role), own.iter().take(SHOWN).map(fact).collect());
    }
    let mut others = of_others(facts, denial, bindings);
    if others.is_empty() {
        let label = format!("no RoleBinding or ClusterRoleBinding is made for {account}");
        others.push(Evidence::fact(label, "list of bindings"));
    }
    (": no binding gives it a role there".to_owned(), others)
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
    let verbs = grant.verbs.iter().flatten().copied();
    verbs.take(VERBS).collect::<Vec<_>>().join(", ")
}

fn runs_as(pod: &Object, account: &Reference) -> bool {
    let name = match pod.text("/spec/serviceAccountName") {
        "" => "default",
        name => name,
    };
    name == account.name
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
    fn what_all_accounts_have_is_no_role_of_its_own_and_verbs_of_one_resource_are_one_cause() {
        let mut binding = object("ClusterRoleBinding", "system:basic-user");
        binding["roleRef"] = json!({"kind": "ClusterRole", "name": "system:basic-user"});
        binding["subjects"] = json!([{"kind": "Group", "name": "system:authenticated"}]);
        let mut role = object("ClusterRole", "system:basic-user");
        role["rules"] = json!([{"apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews"], "verbs": ["create"]}]);
        let mut pod = running("watch-1");
        pod["spec"]["serviceAccountName"] = "watcher".into();
        let log = format!("{REFUSAL}\n{}", REFUSAL.replace("cannot list", "cannot watch"));
        let answer = Recorded::new(&[pod, role, binding]).log("app", false, &log).ask("watch");
        assert!(
            answer.contains("may not list, watch pods in namespace shop: no binding gives it a role there"),
            "{answer}"
        );
        assert!(!answer.contains("basic-user") && !answer.contains("cause 2"), "{answer}");
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

    #[test]
    fn a_pod_without_an_account_runs_as_the_default_one() {
        let runs_as = |own: &str, name: &str| {
            let pod = crate::Object::new(Kind::Pod, json!({"spec": {"serviceAccountName": own}}));
            super::runs_as(&pod, &crate::Reference::new(Kind::ServiceAccount, "shop", name))
        };
        for (own, name, expected) in
            [("", "default", true), ("", "web", false), ("web", "web", true), ("web", "default", false)]
        {
            assert_eq!(runs_as(own, name), expected, "{own} {name}");
        }
    }
}
