//! A template whose requests or limits are outside the bounds of a LimitRange.
//!
//! Evidence: the API server's words; the join of template and LimitRange names the bound, also when the words are gone.
//! Not to be taken for: defaults of a LimitRange, which change pods and refuse none.
//! Source: kubernetes/plugin/pkg/admission/limitranger/admission.go.

use serde_json::Value;

use super::Rule;
use crate::{
    Certainty, Evidence, Facts, Finding, Kind, Object,
    demand::{Bound, Demand, add, of_container},
    needs,
    object::{list, map, text},
    quantity,
    refusals::{Check, Shortage, shortages},
};

pub(super) const RULE: Rule = Rule { id: "limit-range", find };

fn find(facts: &Facts) -> Vec<Finding> {
    shortages(facts)
        .iter()
        .filter_map(|shortage| {
            let is_named = shortage.message(Check::LimitRange).is_some();
            if !is_named && shortage.refusal.is_some() {
                return None;
            }
            of_shortage(facts, shortage, is_named)
        })
        .collect()
}

fn of_shortage(facts: &Facts, shortage: &Shortage<'_>, is_named: bool) -> Option<Finding> {
    let workload = shortage.workload;
    let ranges: Vec<&Object> = facts.within(Kind::LimitRange, workload.namespace()).collect();
    let spec = needs::pod_spec(workload).unwrap_or(&Value::Null);
    let outside: Vec<String> = ranges.iter().flat_map(|range| violations(&ranges, range, spec)).collect();
    let summary = match outside.as_slice() {
        [] if is_named => "its template is outside the bounds of a LimitRange of its namespace".to_owned(),
        [] => return None,
        outside => format!(
            "its template is outside the bounds of a LimitRange: {}",
            outside.iter().take(3).cloned().collect::<Vec<_>>().join("; ")
        ),
    };
    let finding = Finding::new(RULE.id, facts.root(workload).reference(), summary);
    let names: Vec<&str> = ranges.iter().map(|range| range.name()).collect();
    let mut finding = shortage
        .explained_by(facts, finding)
        .certainty(if is_named { Certainty::Certain } else { Certainty::Likely })
        .next("change the resources of the template, or the LimitRange");
    if !names.is_empty() {
        finding =
            finding.with(Evidence::fact(format!("LimitRanges: {}", names.join(", ")), "list of LimitRanges"));
    }
    Some(finding)
}

/// The bounds of a LimitRange that a pod spec is outside of.
fn violations(ranges: &[&Object], range: &Object, spec: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for limit in range.list("/spec/limits") {
        let subjects = match text(limit, "/type") {
            "Container" => containers(ranges, spec),
            "Pod" => vec![whole(&containers(ranges, spec))],
            _ => continue,
        };
        for (field, bound, word) in [("/max", Bound::Limits, "above"), ("/min", Bound::Requests, "below")] {
            for (resource, value) in map(limit.pointer(field)) {
                let Some(limit) = quantity::parse(value) else { continue };
                for (subject, requests, limits) in &subjects {
                    let own = if bound == Bound::Limits { limits } else { requests };
                    let kind = bound.field().trim_end_matches('s');
                    match own.get(resource) {
                        None => found
                            .push(format!("{subject} has no {resource} {kind}, {} wants one", range.name())),
                        Some(own)
                            if (bound == Bound::Limits && *own > limit)
                                || (bound == Bound::Requests && *own < limit) =>
                        {
                            let own = quantity::show(resource, *own);
                            found.push(format!(
                                "{resource} {kind} {own} of {subject} is {word} {value} of {}",
                                range.name()
                            ));
                        }
                        Some(_) => {}
                    }
                }
            }
        }
    }
    found
}

type Subject = (String, Demand, Demand);

/// Each container with its requests and limits, after the defaults of all LimitRanges.
fn containers(ranges: &[&Object], spec: &Value) -> Vec<Subject> {
    let default = |field: &str| {
        let limits = ranges.iter().flat_map(|range| range.list("/spec/limits"));
        let limits = limits.filter(|limit| text(limit, "/type") == "Container");
        let values = limits.flat_map(|limit| map(limit.get(field)));
        values
            .filter_map(|(name, value)| Some((name.to_owned(), quantity::parse(value)?)))
            .collect::<Demand>()
    };
    let all = ["/containers", "/initContainers"].into_iter().flat_map(|field| list(spec, field));
    all.map(|container| {
        let (mut requests, mut limits) = (default("defaultRequest"), default("default"));
        requests.extend(of_container(container, Bound::Requests));
        limits.extend(of_container(container, Bound::Limits));
        (format!("container {}", text(container, "/name")), requests, limits)
    })
    .collect()
}

/// The containers together: a resource counts only if each has it.
fn whole(containers: &[Subject]) -> Subject {
    let sum = |demands: Vec<&Demand>| {
        let mut total = Demand::new();
        for demand in &demands {
            add(&mut total, demand);
        }
        total.retain(|name, _| demands.iter().all(|demand| demand.contains_key(name)));
        total
    };
    let requests = sum(containers.iter().map(|(_, requests, _)| requests).collect());
    let limits = sum(containers.iter().map(|(_, _, limits)| limits).collect());
    ("the pod".to_owned(), requests, limits)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{
        Kind,
        recorded::{Recorded, event, object},
    };

    const MESSAGE: &str = "create Pod db-0 in StatefulSet db failed error: pods \"db-0\" is forbidden: maximum cpu usage per Container is 500m, but limit is 1";

    fn cluster(resources: Value) -> [Value; 2] {
        let mut set = object("StatefulSet", "db");
        set["spec"] = json!({"replicas": 1, "template": {"spec": {"containers": [{"name": "pg", "resources": resources}]}}});
        set["status"] = json!({"replicas": 0});
        let mut range = object("LimitRange", "bounds");
        range["spec"] =
            json!({"limits": [{"type": "Container", "max": {"cpu": "500m"}, "default": {"cpu": "100m"}}]});
        [set, range]
    }

    #[test]
    fn the_bound_is_named_with_the_event_and_without() {
        let [set, range] = cluster(json!({"limits": {"cpu": "1"}}));
        let said = event(&set, "FailedCreate", MESSAGE);
        let summary = "[limit-range] StatefulSet shop/db: its template is outside the bounds of a LimitRange: cpu limit 1 of container pg is above 500m of bounds";
        let answer = Recorded::new(&[set.clone(), range.clone(), said.clone()]).ask("db");
        assert!(answer.contains(&format!("cause 1 (certain) {summary}")), "{answer}");
        let answer = Recorded::new(&[set.clone(), range.clone()]).ask("db");
        assert!(answer.contains(&format!("cause 1 (likely) {summary}")), "{answer}");
        let answer = Recorded::new(&[set.clone(), range.clone(), said]).deny(Kind::LimitRange).ask("db");
        assert!(answer.contains("(certain) [limit-range]") && answer.contains("but limit is 1"), "{answer}");
        let answer = Recorded::new(&[set, range]).deny(Kind::LimitRange).ask("db");
        assert!(!answer.contains("limit-range"), "{answer}");
    }

    #[test]
    fn a_default_within_the_bounds_is_no_fault() {
        for resources in [json!({}), json!({"limits": {"cpu": "500m"}})] {
            let answer = Recorded::new(&cluster(resources)).ask("db");
            assert!(!answer.contains("limit-range"), "{answer}");
        }
    }
}
