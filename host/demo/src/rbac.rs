//! Authorization: evaluates the Roles and bindings among the objects like the API server's RBAC authorizer.

use serde_json::Value;

use crate::{objects::Object, path::Resource};

/// Authenticated user.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) groups: Vec<String>,
    pub(crate) uid: String,
}

/// Rules that apply to a user, each with its namespace (`None`: cluster-wide).
pub(crate) fn rules<'a>(objects: &'a [Object], user: &User) -> Vec<(Option<&'a str>, &'a Value)> {
    let mut found = Vec::new();
    for binding in objects.iter().filter(|object| object.kind.kind.ends_with("RoleBinding")) {
        let mut subjects = binding.json["subjects"].as_array().into_iter().flatten();
        if !subjects.any(|subject| names(subject, user, binding.namespace.as_deref())) {
            continue;
        }
        let role = &binding.json["roleRef"];
        let within = if role["kind"] == "Role" { binding.namespace.as_deref() } else { None };
        let role = objects.iter().find(|object| {
            role["kind"] == object.kind.kind.as_str()
                && role["name"] == object.name.as_str()
                && object.namespace.as_deref() == within
        });
        let rules = role.map(|role| role.json["rules"].as_array().into_iter().flatten());
        found.extend(rules.into_iter().flatten().map(|rule| (binding.namespace.as_deref(), rule)));
    }
    found
}

/// True if a rule of the user allows the request.
pub(crate) fn allows(objects: &[Object], user: &User, verb: &str, requested: &Resource) -> bool {
    rules(objects, user).into_iter().any(|(within, rule)| {
        let there = within.is_none() || (within.is_some() && within == requested.namespace.as_deref());
        there && covers(rule, verb, requested)
    })
}

fn covers(rule: &Value, verb: &str, requested: &Resource) -> bool {
    let holds = |field: &str, value: &str| {
        rule[field].as_array().into_iter().flatten().any(|item| item == "*" || item == value)
    };
    let any_part =
        requested.subresource.as_ref().is_some_and(|part| holds("resources", &format!("*/{part}")));
    let names = rule["resourceNames"].as_array().filter(|names| !names.is_empty());
    let named = names.is_none_or(|names| {
        requested.name.as_ref().is_some_and(|requested| names.iter().any(|name| name == requested.as_str()))
    });
    holds("verbs", verb)
        && holds("apiGroups", &requested.group)
        && (holds("resources", &requested.with_subresource()) || any_part)
        && named
}

fn names(subject: &Value, user: &User, binding_namespace: Option<&str>) -> bool {
    let name = subject["name"].as_str().unwrap_or_default();
    match subject["kind"].as_str() {
        Some("User") => user.name == name,
        Some("Group") => user.groups.iter().any(|group| group == name),
        Some("ServiceAccount") => {
            let namespace = subject["namespace"].as_str().or(binding_namespace).unwrap_or_default();
            user.name == format!("system:serviceaccount:{namespace}:{name}")
        }
        _ => false,
    }
}
