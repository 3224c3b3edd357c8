//! `porthole rbac`: prints the ClusterRole for an account that uses the tools of a folder.
//!
//! The role is the sum of the tools' declarations, readable enough for an operator to approve. `*` in a declaration
//! means "any kind that the caller may read"; a role cannot express that without Secrets, so it is expanded to the
//! built-in kinds of Kubernetes that hold no credentials.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context as _;
use k8s_openapi::{
    api::rbac::v1::{ClusterRole, PolicyRule},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use porthole_contract::{Printable, ReadRule};
use porthole_tools::Loader;
use serde::Serialize;
use serde_saphyr::FlowSeq;

use crate::{
    cli::{ExtraRole, Rbac},
    commands::plugin,
};

/// Expansion of `*`: every commonly read built-in kind of Kubernetes, without Secrets and the kubelets.
const KINDS: [(&str, &[&str]); 16] = [
    (
        "",
        &[
            "configmaps",
            "endpoints",
            "events",
            "limitranges",
            "namespaces",
            "nodes",
            "persistentvolumeclaims",
            "persistentvolumes",
            "pods",
            "podtemplates",
            "replicationcontrollers",
            "resourcequotas",
            "serviceaccounts",
            "services",
        ],
    ),
    ("apiextensions.k8s.io", &["customresourcedefinitions"]),
    ("apps", &["controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets"]),
    ("autoscaling", &["horizontalpodautoscalers"]),
    ("batch", &["cronjobs", "jobs"]),
    ("certificates.k8s.io", &["certificatesigningrequests"]),
    ("coordination.k8s.io", &["leases"]),
    ("discovery.k8s.io", &["endpointslices"]),
    ("events.k8s.io", &["events"]),
    ("metrics.k8s.io", &["nodes", "pods"]),
    ("networking.k8s.io", &["ingressclasses", "ingresses", "networkpolicies"]),
    ("node.k8s.io", &["runtimeclasses"]),
    ("policy", &["poddisruptionbudgets"]),
    ("rbac.authorization.k8s.io", &["clusterrolebindings", "clusterroles", "rolebindings", "roles"]),
    ("scheduling.k8s.io", &["priorityclasses"]),
    (
        "storage.k8s.io",
        &["csidrivers", "csinodes", "csistoragecapacities", "storageclasses", "volumeattachments"],
    ),
];
/// Never in the main role: kinds whose values are credentials (Helm's releases are Secrets), and the kubelet's whole
/// API.
const EXCLUDED: [(&str, &str); 3] = [("", "secrets"), ("helm.sh", "releases"), ("", "nodes/proxy")];

pub(crate) fn run(options: &Rbac) -> anyhow::Result<ExitCode> {
    let Rbac { plugins, name, with, load } = options;
    let loader = plugin::loader(load.clone())?;
    let files = porthole_tools::files(plugins).with_context(|| {
        format!("{}: name another folder with --plugins", Printable(&plugins.to_string_lossy()))
    })?;
    let (rules, complete) = plugin::block_on(read_declarations(&files, &loader))?;
    if rules.is_empty() {
        anyhow::bail!(
            "there is no tool in {}; build them with `cargo xtask plugins`, or name a folder with --plugins",
            Printable(&plugins.to_string_lossy())
        );
    }
    let text = document(name, &rules, with)?;
    #[expect(clippy::print_stdout, reason = "the answer of the command")]
    {
        print!("{text}");
    }
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Declared rules by tool name, and whether every file was a valid tool.
async fn read_declarations(
    files: &[PathBuf],
    loader: &Loader,
) -> anyhow::Result<(Vec<(String, Vec<ReadRule>)>, bool)> {
    let mut rules = Vec::new();
    let mut complete = true;
    for file in files {
        match loader.load(file).await {
            Ok(tool) => {
                rules.push((tool.description.name.to_string(), tool.description.grant.rules().to_vec()))
            }
            Err(reason) => {
                complete = false;
                warn(&format!("{} is left out: {reason}", Printable(&file.to_string_lossy())));
            }
        }
    }
    Ok((rules, complete))
}

#[expect(clippy::print_stderr, reason = "stdout is for kubectl")]
fn warn(text: &str) {
    eprintln!("porthole: {text}");
}

/// Renders the roles as YAML, with the tools that need them. Names in comments were parsed, so none can end a line.
fn document(
    name: &str,
    tools: &[(String, Vec<ReadRule>)],
    with: &[ExtraRole],
) -> Result<String, serde_saphyr::ser::Error> {
    let all: Vec<ReadRule> = tools.iter().flat_map(|(_, rules)| rules.clone()).collect();
    let mut text =
        format!("# What an account needs to use these {} tools: made by `porthole rbac`.\n", tools.len());
    let any: Vec<&str> = tools
        .iter()
        .filter(|(_, rules)| rules.iter().any(|rule| rule.resources.iter().any(|resource| resource == "*")))
        .map(|(tool, _)| tool.as_str())
        .collect();
    if !any.is_empty() {
        let _ = writeln!(
            text,
            "# {} read any kind that the account may read; written out are the kinds of Kubernetes\n# that hold no credentials. Add your own resources; `porthole rbac` never adds Secrets.",
            any.join(", ")
        );
    }
    for (tool, rules) in tools {
        for (_, resource) in EXCLUDED {
            if rules.iter().any(|rule| rule.resources.iter().any(|declared| declared == resource)) {
                let with = match resource {
                    "releases" => ", which are Secrets; --with helm adds them",
                    "nodes/proxy" => "; --with nodes adds it",
                    _ => "",
                };
                let _ = writeln!(text, "# Left out: {tool} also declares {resource}{with}.");
            }
        }
    }
    let mut resources = resources(&all, Wildcards::Expanded);
    resources.retain(|(group, resource), _| !EXCLUDED.contains(&(group.as_str(), resource.as_str())));
    text.push_str(&role(name.to_owned(), policy(&resources))?);
    for more in with {
        let (what, resource, verbs, why) = match more {
            ExtraRole::Nodes => (
                "nodes",
                "nodes/proxy",
                vec!["get"],
                "# The kubelets' logs and statistics. nodes/proxy also opens the rest of the kubelet's API to this account's token.",
            ),
            ExtraRole::Helm => (
                "helm",
                "secrets",
                vec!["get", "list"],
                "# Helm keeps releases in Secrets. Whoever has this account's token reads every Secret; Porthole's tools see none of the values.",
            ),
        };
        let rule = policy_rule("", vec![resource], verbs);
        let _ = write!(text, "---\n{why}\n{}", role(format!("{name}-{what}"), vec![rule])?);
    }
    Ok(text)
}

/// Renders a ClusterRole as YAML.
fn role(name: String, rules: Vec<PolicyRule>) -> Result<String, serde_saphyr::ser::Error> {
    let metadata = ObjectMeta { name: Some(name), ..ObjectMeta::default() };
    let role = ClusterRole { metadata, rules: Some(rules), aggregation_rule: None };
    yaml(&RoleDocument::of(&role))
}

/// A ClusterRole serialized with each list on one line.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RoleDocument<'r> {
    api_version: &'static str,
    kind: &'static str,
    metadata: &'r ObjectMeta,
    rules: Vec<RuleDocument<'r>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RuleDocument<'r> {
    api_groups: FlowSeq<&'r [String]>,
    resources: FlowSeq<&'r [String]>,
    verbs: FlowSeq<&'r [String]>,
}

impl<'r> RoleDocument<'r> {
    fn of(role: &'r ClusterRole) -> Self {
        Self {
            api_version: <ClusterRole as k8s_openapi::Resource>::API_VERSION,
            kind: <ClusterRole as k8s_openapi::Resource>::KIND,
            metadata: &role.metadata,
            rules: role.rules.iter().flatten().map(RuleDocument::of).collect(),
        }
    }
}

impl<'r> RuleDocument<'r> {
    fn of(rule: &'r PolicyRule) -> Self {
        Self {
            api_groups: FlowSeq(rule.api_groups.as_deref().unwrap_or_default()),
            resources: FlowSeq(rule.resources.as_deref().unwrap_or_default()),
            verbs: FlowSeq(&rule.verbs),
        }
    }
}

fn yaml(document: &impl Serialize) -> Result<String, serde_saphyr::ser::Error> {
    let options = serde_saphyr::ser_options! { compact_list_indent: false };
    serde_saphyr::to_string_with_options(document, options)
}

type Resources = BTreeMap<(String, String), BTreeSet<&'static str>>;

/// Treatment of `*` in a declaration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wildcards {
    Kept,
    /// Replaced by [`KINDS`].
    Expanded,
}

/// Verbs by group and resource.
fn resources(rules: &[ReadRule], wildcards: Wildcards) -> Resources {
    let mut found = Resources::new();
    let mut add = |group: &str, resource: &str, rule: &ReadRule| {
        let verbs = rule.verbs.iter().map(|verb| verb.name());
        found.entry((group.to_owned(), resource.to_owned())).or_default().extend(verbs);
    };
    for rule in rules {
        for group in &rule.api_groups {
            for resource in &rule.resources {
                if wildcards == Wildcards::Kept || (group != "*" && resource != "*") {
                    add(group, resource, rule);
                    continue;
                }
                for (known, kinds) in KINDS.iter().filter(|(known, _)| group == "*" || group == known) {
                    for kind in kinds.iter().filter(|kind| resource == "*" || resource == *kind) {
                        add(known, kind, rule);
                    }
                }
            }
        }
    }
    found
}

/// Renders a declaration as unexpanded role rules, indented by `indent` spaces.
pub(crate) fn rules_yaml(rules: &[ReadRule], indent: usize) -> Result<String, serde_saphyr::ser::Error> {
    let rules = policy(&resources(rules, Wildcards::Kept));
    if rules.is_empty() {
        return Ok(String::new());
    }
    let text = yaml(&rules.iter().map(RuleDocument::of).collect::<Vec<_>>())?;
    let space = " ".repeat(indent);
    Ok(text.lines().map(|line| format!("{space}{line}\n")).collect())
}

/// Groups resources with the same group and verbs into one rule.
fn policy(resources: &Resources) -> Vec<PolicyRule> {
    let mut rules: BTreeMap<(&str, &BTreeSet<&'static str>), Vec<&str>> = BTreeMap::new();
    for ((group, resource), verbs) in resources {
        rules.entry((group, verbs)).or_default().push(resource);
    }
    rules
        .into_iter()
        .map(|((group, verbs), resources)| policy_rule(group, resources, verbs.iter().copied().collect()))
        .collect()
}

fn policy_rule(group: &str, resources: Vec<&str>, verbs: Vec<&str>) -> PolicyRule {
    let own = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<Vec<_>>();
    PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(own(resources)),
        verbs: own(verbs),
        ..PolicyRule::default()
    }
}

#[cfg(test)]
mod tests {
    use porthole_contract::Verb;

    use super::*;

    fn rule(group: &str, resources: &[&str], verbs: &[Verb]) -> ReadRule {
        ReadRule {
            api_groups: vec![group.to_owned()],
            resources: resources.iter().map(|resource| (*resource).to_owned()).collect(),
            verbs: verbs.to_vec(),
        }
    }

    #[test]
    fn rules_of_many_tools_become_one_role() {
        let tools = [
            (
                "a".to_owned(),
                vec![rule("", &["pods"], &[Verb::List]), rule("apps", &["deployments"], &[Verb::List])],
            ),
            ("b".to_owned(), vec![rule("", &["pods"], &[Verb::Get]), rule("", &["pods/log"], &[Verb::Get])]),
        ];
        let text = document("reader", &tools, &[]).unwrap();
        assert!(text.ends_with(
            "rules:\n  - apiGroups: [\"\"]\n    resources: [pods/log]\n    verbs: [get]\n  - apiGroups: [\"\"]\n    resources: [pods]\n    verbs: [get, list]\n  - apiGroups: [apps]\n    resources: [deployments]\n    verbs: [list]\n"
        ), "{text}");
    }

    #[test]
    fn a_star_never_becomes_secrets_or_the_kubelet() {
        let tools = [
            ("any".to_owned(), vec![rule("*", &["*"], &[Verb::Get, Verb::List])]),
            ("keys".to_owned(), vec![rule("", &["secrets", "nodes/proxy"], &[Verb::Get])]),
        ];
        let text = document("reader", &tools, &[]).unwrap();
        let rules = text.split("rules:").nth(1).unwrap();
        assert!(rules.contains("deployments") && rules.contains("configmaps"));
        assert!(!rules.contains("secrets") && !rules.contains("proxy") && !rules.contains('*'), "{rules}");
        assert!(text.contains("# Left out: keys also declares secrets."), "{text}");
        let helm = document("reader", &tools, &[ExtraRole::Helm, ExtraRole::Nodes]).unwrap();
        assert!(helm.contains("name: reader-helm") && helm.contains("resources: [secrets]"));
        assert!(helm.contains("name: reader-nodes") && helm.contains("resources: [nodes/proxy]"));
    }
    /// Declarations can no longer contain such names; the serializer would quote them too.
    #[test]
    fn a_name_cannot_become_a_rule() {
        let attack = "pods\n  - apiGroups: [\"*\"]\n    resources: [\"*\"]\n    verbs: [\"*\"]";
        let tools = [(
            "a".to_owned(),
            vec![rule("apps\n", &[attack, "secrets ", "null", "on", "a: b", "#c", "1"], &[Verb::Get])],
        )];
        let text = document("reader", &tools, &[]).unwrap();
        let role: ClusterRole = serde_saphyr::from_str(&text).unwrap();
        let [rule] = &role.rules.unwrap()[..] else { panic!("{text}") };
        assert_eq!(rule.api_groups.as_ref().unwrap(), &["apps\n"], "{text}");
        assert_eq!(
            rule.resources.as_ref().unwrap(),
            &["#c", "1", "a: b", "null", "on", attack, "secrets "],
            "{text}"
        );
        assert_eq!(rule.verbs, ["get"]);
    }
}
