//! Requests that the API server refused, in logs and events, and what roles give to an account.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    Event, Facts, Kind, Object, Reference,
    object::text,
    rbac::{Resource, RoleRule, User},
};

/// Bytes between the parts of a refusal that are looked at.
const SENTENCE: usize = 600;

/// Different refusals that are looked at: a log may be full of them.
const DENIALS: usize = 24;

/// A request that the API server refused, by its own sentence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Denial {
    /// The ServiceAccount.
    pub account: Reference,
    /// `list`
    pub verb: String,
    /// `pods` or `pods/log`
    pub resource: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// Empty: the whole cluster.
    pub namespace: String,
    /// The sentence.
    pub quote: String,
}

impl Denial {
    /// The refusal in a text: `User "system:serviceaccount:NS:SA" cannot VERB resource "R" in API group "G" in the
    /// namespace "N"`, or `at the cluster scope`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if !text.contains(" cannot ") {
            return None;
        }
        // Loggers that write JSON escape the quotes.
        let plain = text.replace("\\\"", "\"");
        let (before, rest) = plain.split_once("User \"system:serviceaccount:")?;
        let rest = rest.get(..rest.floor_char_boundary(SENTENCE)).unwrap_or(rest);
        let (account, rest) = rest.split_once("\" cannot ")?;
        let (account_namespace, account) = account.split_once(':')?;
        let (verb, rest) = rest.split_once(" resource \"")?;
        let (resource, rest) = rest.split_once('"')?;
        let after =
            |mark: &str| rest.split_once(mark).and_then(|(_, rest)| rest.split_once('"')).map(|part| part.0);
        let is_word = |text: &str| {
            !text.is_empty()
                && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-./:*".contains(letter))
        };
        if ![account_namespace, account, verb, resource].into_iter().all(is_word) {
            return None;
        }
        let namespace = after("in the namespace \"").filter(|name| is_word(name)).unwrap_or_default();
        let subject = before.rsplit(['\n', '=', '[']).next().unwrap_or_default();
        Some(Self {
            account: Reference::new(Kind::ServiceAccount, account_namespace, account),
            verb: verb.to_owned(),
            resource: resource.to_owned(),
            group: after("in API group \"").filter(|group| is_word(group)).unwrap_or_default().to_owned(),
            namespace: namespace.to_owned(),
            quote: format!(
                "{subject}User \"system:serviceaccount:{account_namespace}:{account}\" cannot {verb} resource \"{resource}\"{rest}"
            ),
        })
    }
}

/// The refusals in all logs and events.
pub(crate) fn denials(facts: &Facts) -> BTreeSet<Denial> {
    let events = facts.all(Kind::Event).filter_map(|event| Denial::parse(Event::new(event).message()));
    let logs = facts.all_logs().flat_map(|log| log.lines().filter_map(|(_, line)| Denial::parse(line)));
    let mut denials: Vec<Denial> = Vec::new();
    for denial in events.chain(logs) {
        let is_same = |other: &Denial| {
            (&other.account, &other.verb, &other.resource, &other.group, &other.namespace)
                == (&denial.account, &denial.verb, &denial.resource, &denial.group, &denial.namespace)
        };
        if !denials.iter().any(is_same) {
            denials.push(denial);
        }
        if denials.len() == DENIALS {
            break;
        }
    }
    denials.into_iter().collect()
}

/// The right that a binding gives to an account.
#[derive(Debug)]
pub(crate) struct Grant<'f> {
    /// The RoleBinding or ClusterRoleBinding.
    pub binding: &'f Object,
    /// The role that it names.
    pub role: Reference,
    /// The verbs that the role lists for the resource; None if the role was not read.
    pub verbs: Option<Vec<&'f str>>,
}

/// The bindings that can give a right to the account in the place of a denial.
pub(crate) fn bindings<'f>(facts: &'f Facts, denial: &'f Denial) -> Vec<&'f Object> {
    let here = facts.within(Kind::RoleBinding, &denial.namespace).filter(|_| !denial.namespace.is_empty());
    here.chain(facts.all(Kind::ClusterRoleBinding)).collect()
}

/// The grant of a binding for the resource of a denial.
pub(crate) fn grant<'f>(facts: &'f Facts, binding: &'f Object, denial: &Denial) -> Grant<'f> {
    let kind = if binding.text("/roleRef/kind") == "Role" { Kind::Role } else { Kind::ClusterRole };
    let role = Reference::new(kind, binding.namespace(), binding.text("/roleRef/name"));
    let verbs = facts.get(&role).map(|object| verbs(object, denial));
    Grant { binding, role, verbs }
}

fn verbs<'f>(role: &'f Object, denial: &Denial) -> Vec<&'f str> {
    let resource = Resource { group: denial.group.clone(), name: denial.resource.clone() };
    let rules = RoleRule::all(role.list("/rules"));
    // A rule for some names gives no list, and perhaps not the object that was asked for.
    let rules = rules.filter(|rule| rule.covers(&resource) && rule.is_about(None));
    let verbs = rules.flat_map(RoleRule::verbs);
    verbs.filter(|verb| *verb == "*" || verb.chars().all(|letter| letter.is_ascii_alphabetic())).collect()
}

/// True if a subject of the binding is the account, or a group that it is in.
pub(crate) fn binds(binding: &Object, account: &Reference) -> bool {
    let user = User::account(&account.namespace, &account.name);
    binding.list("/subjects").iter().any(|subject| user.is(subject, binding.namespace()))
}

/// True if the binding is made for the account itself, and not for a group that all accounts are in.
pub(crate) fn is_own(binding: &Object, account: &Reference) -> bool {
    let groups = ["system:serviceaccounts", "system:authenticated"];
    let is_general =
        |subject: &Value| text(subject, "/kind") == "Group" && groups.contains(&text(subject, "/name"));
    binds(binding, account) && !binding.list("/subjects").iter().any(is_general)
}

/// The namespace of a subject; that of a RoleBinding, if it names none.
pub(crate) fn namespace<'o>(binding: &'o Object, subject: &'o Value) -> &'o str {
    match text(subject, "/namespace") {
        "" => binding.namespace(),
        namespace => namespace,
    }
}
