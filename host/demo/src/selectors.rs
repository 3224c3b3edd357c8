//! Label and field selectors, in the grammar of `k8s.io/apimachinery/pkg/labels` and `…/fields`.
//!
//! By hand, because kube's Selector has no parser and no fields; its matching is eight lines of this.

use serde_json::Value;

use crate::{kinds::Kind, status::Refusal};

/// Label and field requirements; empty ones match every object.
#[derive(Debug, Default)]
pub(crate) struct Selectors {
    labels: Vec<Requirement>,
    fields: Vec<(String, bool, String)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Requirement {
    Exists(String),
    Absent(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
}

impl Selectors {
    pub(crate) fn parse(labels: &str, fields: &str, kind: &Kind) -> Result<Self, Refusal> {
        let labels = outside_brackets(labels).map(|part| requirement(part.trim()));
        let labels = labels.collect::<Result<_, _>>().map_err(|part| {
            Refusal::bad_request(format!(
                "unable to parse requirement: found {part:?}, expected: a label selector"
            ))
        })?;
        let mut parsed = Vec::new();
        for part in fields.split(',').filter(|part| !part.is_empty()) {
            let invalid =
                || Refusal::bad_request(format!("invalid selector: '{fields}'; can't understand '{part}'"));
            let (field, equal, value) = split(part).ok_or_else(invalid)?;
            if !is_supported(kind, field) {
                return Err(Refusal::bad_request(format!("field label not supported: {field}")));
            }
            parsed.push((field.to_owned(), equal, value.to_owned()));
        }
        Ok(Self { labels, fields: parsed })
    }

    pub(crate) fn take(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        let value = |key: &str| labels.get(key).and_then(Value::as_str);
        let labelled = self.labels.iter().all(|requirement| match requirement {
            Requirement::Exists(key) => value(key).is_some(),
            Requirement::Absent(key) => value(key).is_none(),
            Requirement::In(key, values) => value(key).is_some_and(|value| values.iter().any(|v| v == value)),
            Requirement::NotIn(key, values) => {
                !value(key).is_some_and(|value| values.iter().any(|v| v == value))
            }
        });
        labelled
            && self.fields.iter().all(|(field, equal, value)| (field_of(object, field) == *value) == *equal)
    }
}

/// Value of a field for a selector; empty if missing.
fn field_of(object: &Value, field: &str) -> String {
    let mut place = object;
    for part in field.split('.') {
        place = place.get(part).unwrap_or(&Value::Null);
    }
    match place {
        Value::String(text) => text.clone(),
        // The API server selects by the component of the source; an event without a source has an empty one.
        Value::Null if field == "source" => {
            object["source"]["component"].as_str().unwrap_or_default().to_owned()
        }
        Value::Null if field == "spec.unschedulable" => "false".to_owned(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// True if the API server can select by this field (pkg/registry/*/strategy.go of Kubernetes).
fn is_supported(kind: &Kind, field: &str) -> bool {
    let more: &[&str] = match (kind.group.as_str(), kind.plural.as_str()) {
        ("", "pods") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        ("", "events") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("events.k8s.io", "events") => {
            &["regarding.kind", "regarding.namespace", "regarding.name", "regarding.uid", "reason", "type"]
        }
        ("", "nodes") => &["spec.unschedulable"],
        ("", "namespaces") => &["status.phase"],
        ("", "secrets") => &["type"],
        ("", "services") => &["spec.clusterIP", "spec.type"],
        ("batch", "jobs") => &["status.successful"],
        ("apps", "replicasets") | ("", "replicationcontrollers") => &["status.replicas"],
        _ => &[],
    };
    matches!(field, "metadata.name" | "metadata.namespace") || more.contains(&field)
}

fn split(part: &str) -> Option<(&str, bool, &str)> {
    if let Some((field, value)) = part.split_once("!=") {
        return Some((field, false, value));
    }
    let (field, value) = part.split_once("==").or_else(|| part.split_once('='))?;
    Some((field, true, value))
}

/// Splits at commas outside of parentheses.
fn outside_brackets(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0i32;
    let parts = text.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.filter(|part| !part.trim().is_empty())
}

fn requirement(part: &str) -> Result<Requirement, String> {
    let key = |text: &str| -> Result<String, String> {
        let text = text.trim();
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if text.is_empty() || !text.chars().all(allowed) { Err(part.to_owned()) } else { Ok(text.to_owned()) }
    };
    let value = |text: &str| if text.trim().is_empty() { Ok(String::new()) } else { key(text) };
    if let Some(absent) = part.strip_prefix('!') {
        return key(absent).map(Requirement::Absent);
    }
    if let Some(open) = part.strip_suffix(')') {
        let (before, values) = open.split_once('(').ok_or(part)?;
        let values = values.split(',').map(value).collect::<Result<_, _>>()?;
        let mut words = before.split_whitespace();
        let (label, operator, end) = (words.next().ok_or(part)?, words.next().ok_or(part)?, words.next());
        return match (operator, end) {
            ("in", None) => Ok(Requirement::In(key(label)?, values)),
            ("notin", None) => Ok(Requirement::NotIn(key(label)?, values)),
            _ => Err(part.to_owned()),
        };
    }
    match split(part) {
        Some((label, true, text)) => Ok(Requirement::In(key(label)?, vec![value(text)?])),
        Some((label, false, text)) => Ok(Requirement::NotIn(key(label)?, vec![value(text)?])),
        None => key(part).map(Requirement::Exists),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn takes(labels: &str, fields: &str) -> Option<bool> {
        let kind = crate::kinds::everywhere().into_iter().find(|kind| kind.plural == "pods")?;
        let pod = json!({"metadata": {"name": "web", "labels": {"app": "web", "tier": "front"}}, "spec": {"nodeName": "n1"}});
        Selectors::parse(labels, fields, &kind).ok().map(|selectors| selectors.take(&pod))
    }

    #[test]
    fn selectors_mean_what_they_mean_to_kubectl() {
        for (labels, fields, taken) in [
            ("", "", Some(true)),
            ("app=web", "", Some(true)),
            ("app==web,tier in (front, back)", "", Some(true)),
            ("app!=web", "", Some(false)),
            ("missing!=x", "", Some(true)),
            ("tier notin (front)", "", Some(false)),
            ("!app", "", Some(false)),
            ("tier", "spec.nodeName=n1,metadata.name!=api", Some(true)),
            ("", "spec.nodeName=n2", Some(false)),
            ("", "status.phase=", Some(true)),
            ("", "spec.replicas=1", None),
            ("a=b=c", "", None),
            ("app in web", "", None),
        ] {
            assert_eq!(takes(labels, fields), taken, "{labels} {fields}");
        }
    }
}
