//! The state of custom resources: their own words, the resources that they own or refer to, and the pods behind them.

mod causes;
mod cluster;
mod resource;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::{
    Certainty, Facts, Finding, Kind, Listed, MAX_NAME, RULES, Reference, Request, Source, Unread, health,
    investigate, rank::CAUSES, render,
};
use causes::Cause;
use cluster::Cluster;
use resource::{Judgement, Resource, State};

/// Resources that are looked into.
const SUBJECTS: usize = 3;
/// Bytes of a line.
const LINE: usize = 400;

/// Groups of kinds that come with Kubernetes. Others that end with `.k8s.io`, such as the gateways, are custom.
const BUILT_IN: [&str; 27] = [
    "",
    "apps",
    "batch",
    "autoscaling",
    "policy",
    "extensions",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "custom.metrics.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "external.metrics.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "metrics.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

/// Fields of a custom resource that are read of all.
pub const CUSTOM_FIELDS: [&str; 16] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "metadata.generation",
    "metadata.ownerReferences",
    "metadata.deletionTimestamp",
    "metadata.finalizers",
    "status.conditions",
    "status.observedGeneration",
    "status.phase",
    "status.state",
    "status.status",
    "status.health",
    "status.message",
    "status.reason",
    "status.replicas",
];

/// A kind that the cluster serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomKind {
    /// `cert-manager.io`
    pub group: String,
    /// `certificates`
    pub plural: String,
    /// `Certificate`
    pub kind: String,
    /// `cert`
    pub short_names: Vec<String>,
    /// True if its objects live in a namespace.
    pub is_namespaced: bool,
}

impl CustomKind {
    /// The resource with its group, as a read names it.
    pub fn resource(&self) -> String {
        format!("{}.{}", self.plural, self.group)
    }

    fn is_called(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        let own = [self.kind.to_lowercase(), self.plural.clone(), self.resource()];
        own.contains(&name)
            || self.short_names.contains(&name)
            || name == format!("{}.{}", own[0], self.group)
    }
}

/// A list of custom resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomList {
    /// Its kind.
    pub kind: CustomKind,
    /// None: all namespaces, or a cluster-scoped kind.
    pub namespace: Option<String>,
    /// Only the object of this name, with its spec.
    pub name: Option<String>,
}

/// A cluster whose custom resources can be read.
pub trait CustomSource: Source {
    /// All kinds that the cluster serves and that can be listed.
    fn kinds(&mut self) -> Result<Vec<CustomKind>, Unread>;
    /// Lists of custom resources, with [`CUSTOM_FIELDS`] of each.
    fn customs(&mut self, lists: &[CustomList]) -> Vec<Result<Listed, Unread>>;
}

/// Answers a question about custom resources with at most three causes and their evidence.
///
/// # Errors
/// A sentence for the model: a kind that is none, or a name that nothing has.
pub fn diagnose_custom(request: &Request, source: &mut impl CustomSource) -> Result<String, String> {
    let given = |text: &Option<String>| {
        let text = render::line(text.as_deref().unwrap_or_default(), MAX_NAME);
        Some(text).filter(|text| !text.is_empty())
    };
    let (name, namespace, kind) = (given(&request.name), given(&request.namespace), given(&request.kind));
    // `certificate/web` names both.
    let (kind, name) = match name.as_deref().and_then(|name| name.split_once('/')) {
        Some((prefix, rest)) => (kind.or(Some(prefix.to_owned())), Some(rest.to_owned())),
        None => (kind, name),
    };
    let mut kinds = source.kinds().map_err(|error| match error {
        Unread::Failed(why) => format!("the kinds that the cluster serves cannot be read: {why}"),
        _ => "the kinds that the cluster serves cannot be read".to_owned(),
    })?;
    kinds.retain(|kind| !BUILT_IN.contains(&kind.group.as_str()));
    kinds.sort_by(|a, b| (&a.group, &a.plural).cmp(&(&b.group, &b.plural)));
    let wanted: Vec<CustomKind> =
        kinds.iter().filter(|one| kind.as_deref().is_none_or(|kind| one.is_called(kind))).cloned().collect();
    if wanted.is_empty() {
        return Err(match kind {
            None => "this cluster serves no custom kinds; diagnose knows the built-in ones".to_owned(),
            Some(kind) if Kind::parse(&kind).is_some() => {
                format!("kind {kind:?} is built in: ask diagnose")
            }
            Some(kind) => {
                format!("no custom kind is called {kind:?}; api_resources_list has those there are")
            }
        });
    }
    let mut cluster =
        Cluster { facts: Facts::new(source.now()), kinds, resources: Vec::new(), listed: BTreeSet::new() };
    cluster.read(source, &wanted, namespace.as_deref());
    let subject = cluster.subject(name.as_deref(), namespace.as_deref(), wanted.len())?;
    if subject.is_empty() {
        let place = namespace.map_or_else(String::new, |namespace| format!(" in namespace {namespace}"));
        let (kinds, looked_at, gaps) = (wanted.len(), cluster.resources.len(), cluster.gaps());
        return Ok(format!(
            "no custom resource of {kinds} kinds{place} says that it is not well: {looked_at} looked at{gaps}"
        ));
    }
    cluster.read_around(source, &subject);
    Ok(cluster.answer(source, &subject))
}

impl Cluster {
    /// The answer about a subject.
    fn answer(mut self, source: &mut impl CustomSource, subject: &[usize]) -> String {
        let shown: Vec<Resource> =
            subject.iter().take(SUBJECTS).filter_map(|at| self.resources.get(*at)).cloned().collect();
        let mut owned: Vec<Reference> = Vec::new();
        for resource in &shown {
            owned.extend(self.objects_of(&self.family(resource)));
        }
        let mut facts = std::mem::take(&mut self.facts);
        let (_, findings) = if owned.is_empty() {
            (BTreeSet::new(), Vec::new())
        } else {
            investigate(RULES, source, &mut facts, &owned)
        };
        self.facts = facts;
        let mut lines: Vec<String> = Vec::new();
        let mut causes: Vec<Cause> = Vec::new();
        for resource in &shown {
            let judgement = resource.judge(self.facts.now);
            let line = format!("{resource} ({}): {}", resource.group, words(&judgement));
            lines.push(render::line(&line, LINE));
            causes.extend(self.causes_of(source, resource));
        }
        let hidden = subject.len().saturating_sub(shown.len());
        if hidden > 0 {
            lines.push(format!("and {hidden} more that are not well; name one, or a namespace"));
        }
        let is_named = |finding: &Finding| finding.certainty == Certainty::Certain && !finding.is_symptom;
        // What is wrong with the pods is the reason of what their owner says of itself.
        let (first, last): (Vec<&Finding>, Vec<&Finding>) =
            findings.iter().partition(|finding| is_named(finding));
        causes.sort_by_key(|cause| std::cmp::Reverse(cause.judgement.certainty));
        let mut seen = BTreeSet::new();
        causes.retain(|cause| seen.insert((cause.rule, cause.object.clone())));
        let mut number = 0;
        for finding in first.iter().take(CAUSES) {
            number += 1;
            render::cause(&self.facts, number, finding, &mut lines);
        }
        for cause in causes.iter().take(CAUSES.saturating_sub(number)) {
            number += 1;
            lines.extend(cause.lines(number));
        }
        for finding in last.iter().take(CAUSES.saturating_sub(number)) {
            number += 1;
            render::cause(&self.facts, number, finding, &mut lines);
        }
        let more = (findings.len() + causes.len()).saturating_sub(number);
        if more > 0 {
            lines.push(format!("also: {more} more"));
        }
        if number == 0 {
            lines.push("no fault found in what it says of itself and in what it owns".to_owned());
        }
        lines.push(self.owned_line(&owned));
        lines.push(
            "not known: what its controller does beyond conditions and owner references; its log may tell"
                .to_owned(),
        );
        lines.join("\n") + &self.gaps()
    }

    /// `owns: 1 Deployment, 1 Pod` with the states of those that are not well.
    fn owned_line(&self, owned: &[Reference]) -> String {
        if owned.is_empty() {
            return "owns no built-in object that was read".to_owned();
        }
        let states = owned.iter().filter_map(|reference| {
            let health = health::health(&self.facts, self.facts.get(reference)?)?;
            Some(format!("{reference} {}, {}", health.state, health.detail))
        });
        let states: Vec<String> = states.take(4).collect();
        let names: Vec<String> = owned.iter().take(4).map(Reference::to_string).collect();
        let more = owned.len().saturating_sub(4);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let text = if states.is_empty() { names.join("; ") } else { states.join("; ") };
        render::line(&format!("owns: {text}{more}"), LINE)
    }
}

fn words(judgement: &Judgement) -> String {
    let word = match judgement.state {
        State::Well | State::Intended => return judgement.summary.clone(),
        State::Unknown => "not known",
        State::Working => "a change is under way",
        State::Unwell => "not well",
    };
    format!("{word}, {}", judgement.summary)
}
