//! The answer about a subject: whether it may, through which binding, and what is missing.

use std::collections::BTreeSet;

use porthole_diagnosis::rbac::{Resource, RoleRule};
use porthole_sdk::{field_path::echo, one_line, prelude::*};

use crate::{
    grants::{Grant, Grants},
    subject::Subject,
};

/// The maximum number of verbs that are asked about.
const MAX_VERBS: usize = 16;
/// The maximum number of grants, and of namespaces, that a verdict names.
const MAX_NAMED: usize = 8;
/// The maximum number of entries of a rule in a cell.
const MAX_ENTRIES: usize = 12;
/// Kept of the answer for the lines around a table of rules.
const NOTICE: usize = 2048;

/// A question about a subject.
pub(crate) struct Question<'q> {
    pub(crate) verbs: &'q [String],
    pub(crate) resource: &'q Resource,
    pub(crate) namespace: Option<&'q str>,
    pub(crate) name: Option<&'q str>,
}

/// The verbs of a comma-separated list.
pub(crate) fn verbs(text: &str) -> Result<Vec<String>, Error> {
    let verbs: Vec<String> =
        text.split(',').map(|verb| verb.trim().to_lowercase()).filter(|verb| !verb.is_empty()).collect();
    let is_verb = |verb: &String| verb == "*" || verb.bytes().all(|byte| byte.is_ascii_lowercase());
    if verbs.len() > MAX_VERBS || !verbs.iter().all(is_verb) {
        return Err(format!("verb parameter must be verbs such as get,list, not {}", echo(text)).into());
    }
    Ok(verbs)
}

impl Question<'_> {
    fn allows(&self, grant: &Grant, verb: &str) -> bool {
        grant.rules().any(|rule| rule.covers(self.resource) && rule.is_about(self.name) && rule.lists(verb))
    }

    /// `list pods "web" in namespace shop`
    fn of(&self, verbs: &[&str]) -> String {
        let object = self.name.map(|name| format!(" {}", echo(name))).unwrap_or_default();
        format!("{} {}{object} {}", verbs.join(", "), self.resource, place(self.namespace))
    }
}

fn place(namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) => format!("in namespace {}", one_line(namespace)),
        None => "in all namespaces".to_owned(),
    }
}

/// The verdict for a subject; the verbs that are not given, and what is given instead.
pub(crate) fn answer(subject: &Subject, grants: &Grants, question: &Question) -> String {
    let title = &subject.title;
    let is_master = subject.user.groups.iter().any(|group| group == "system:masters");
    let given = |verb: &&str| {
        let mut here = grants.all.iter().filter(|grant| grant.holds_in(question.namespace));
        is_master || here.any(|grant| question.allows(grant, verb))
    };
    let (may, missing): (Vec<&str>, Vec<&str>) = question.verbs.iter().map(String::as_str).partition(given);
    let mut output = match (missing.as_slice(), grants.unread.as_slice()) {
        ([], _) => format!("yes: {title} may {}, by RBAC.\n", question.of(&may)),
        (_, []) => format!(
            "no: {title} may not {}: no role that is bound to it allows that.\n",
            question.of(&missing)
        ),
        (_, unread) => format!(
            "not known: whether {title} may {} cannot be said, because this account may not read all of RBAC ({}).\n",
            question.of(&missing),
            unread.join("; ")
        ),
    };
    if !missing.is_empty() && !may.is_empty() {
        output.push_str(&format!("It may {}.\n", question.of(&may)));
    }
    if is_master {
        output.push_str("Members of system:masters may do everything; no role is asked.\n");
    }
    output.push_str(&through(grants, question));
    if !missing.is_empty() {
        output.push_str(&elsewhere(grants, question, &missing));
        output.push_str(&around(subject, grants));
    }
    output
}

/// The bindings whose roles are about the resource, and the verbs of those.
fn through(grants: &Grants, question: &Question) -> String {
    let mut lines = Vec::new();
    for grant in grants.all.iter().filter(|grant| grant.holds_in(question.namespace)) {
        for rule in grant.rules().filter(|rule| rule.covers(question.resource)) {
            let names = match rule.names().as_slice() {
                [] => String::new(),
                names => format!(", only those named {}", entries(names)),
            };
            let verbs = entries(&rule.verbs());
            lines.push(format!(
                "{} gives it {}: {verbs} {}{names}\n",
                grant.binding, grant.role, question.resource
            ));
        }
    }
    lines.dedup();
    if lines.is_empty() {
        return format!("None of its roles is about {} there.\n", question.resource);
    }
    let rest = lines.len().saturating_sub(MAX_NAMED);
    lines.truncate(MAX_NAMED);
    if rest > 0 {
        lines.push(format!("… and {rest} more\n"));
    }
    lines.concat()
}

/// Single namespaces in which all that is missing is given.
fn elsewhere(grants: &Grants, question: &Question, missing: &[&str]) -> String {
    if question.namespace.is_some() {
        return String::new();
    }
    let namespaces: BTreeSet<&str> =
        grants.all.iter().filter_map(|grant| grant.namespace.as_deref()).collect();
    let is_given = |namespace: &&&str| {
        missing.iter().all(|verb| {
            let mut here = grants.all.iter().filter(|grant| grant.holds_in(Some(namespace)));
            here.any(|grant| question.allows(grant, verb))
        })
    };
    let given: Vec<&str> = namespaces.iter().filter(is_given).copied().collect();
    if given.is_empty() {
        return String::new();
    }
    let rest = given.len().saturating_sub(MAX_NAMED);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    let named: Vec<&str> = given.iter().take(MAX_NAMED).copied().collect();
    format!("In these namespaces it may: {}{more}.\n", named.join(", "))
}

/// Other explanations of a right that is missing.
fn around(subject: &Subject, grants: &Grants) -> String {
    let mut output: String =
        grants.dangling.iter().take(MAX_NAMED).map(|dangling| format!("{dangling}.\n")).collect();
    if grants.unread.is_empty()
        && grants.dangling.is_empty()
        && grants.all.iter().all(|grant| grant.is_general)
    {
        output.push_str(&format!(
            "No binding names {}; what it has is what every account has.\n",
            subject.title
        ));
    }
    if subject.has_unknown_groups {
        output.push_str(
            "RBAC does not know the groups of a user: only bindings of the user itself count here; subject=group:NAME asks for a group's.\n",
        );
    }
    output
}

/// All rules of a subject, or those about a resource.
pub(crate) fn rules(
    subject: &Subject,
    grants: &Grants,
    resource: Option<&Resource>,
    namespace: Option<&str>,
) -> String {
    let mut table = Table::new(["NAMESPACE", "VERBS", "RESOURCES", "ONLY", "THROUGH"]);
    let mut general: BTreeSet<&str> = BTreeSet::new();
    for grant in &grants.all {
        if grant.is_general && resource.is_none() {
            general.insert(&grant.role);
            continue;
        }
        for rule in grant.rules().filter(|rule| resource.is_none_or(|resource| rule.covers(resource))) {
            table.row([
                grant.namespace.clone().unwrap_or_else(|| "*".to_owned()),
                entries(&rule.verbs()),
                resources(rule),
                entries(&rule.names()),
                format!("{}, {}", grant.binding, grant.role),
            ]);
        }
    }
    let about = resource.map(|resource| format!(" about {resource}")).unwrap_or_default();
    let place = namespace.map(|namespace| format!(" {}", place(Some(namespace)))).unwrap_or_default();
    let mut output = match table.len() {
        0 => format!("{} has no rules{about} of RBAC{place}.\n", subject.title),
        rules => format!("{} has {rules} rules{about} of RBAC{place}:\n", subject.title),
    };
    let (rows, shown) = table.fit((call::output_budget() as usize).saturating_sub(NOTICE));
    if !table.is_empty() {
        output.push_str(&rows);
    }
    if shown < table.len() {
        output.push_str(&format!("shown {shown} of {}; narrow with namespace or kind\n", table.len()));
    }
    if !general.is_empty() {
        let general: Vec<&str> = general.into_iter().collect();
        output.push_str(&format!("And what every account may: {}.\n", entries(&general)));
    }
    if !grants.unread.is_empty() {
        output.push_str(&format!(
            "NOT ALL: this account may not read all of RBAC ({}).\n",
            grants.unread.join("; ")
        ));
    }
    output.push_str(&around(subject, grants));
    output
}

/// `pods,pods/log` or `deployments.apps`; paths, of a rule about those.
fn resources(rule: RoleRule<'_>) -> String {
    let mut all = Vec::new();
    for group in rule.groups() {
        for name in rule.resources() {
            all.push(Resource { group: group.to_owned(), name: name.to_owned() }.to_string());
        }
    }
    all.extend(rule.paths().into_iter().map(str::to_owned));
    entries(&all.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Entries joined with commas, and how many more there are.
fn entries(all: &[&str]) -> String {
    let mut text = all.iter().take(MAX_ENTRIES).copied().collect::<Vec<_>>().join(", ");
    if all.len() > MAX_ENTRIES {
        text.push_str(&format!(" and {} more", all.len() - MAX_ENTRIES));
    }
    one_line(&text).into_owned()
}
