//! Label selectors as workloads write them, as the text that a list takes.

use std::collections::BTreeMap;

use serde::Deserialize;

/// `spec.selector` of a workload, or the flat map of a Service.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Selector {
    match_labels: BTreeMap<String, String>,
    match_expressions: Vec<Expression>,
}

#[derive(Deserialize)]
struct Expression {
    key: String,
    operator: String,
    #[serde(default)]
    values: Vec<String>,
}

/// The selector as text; None where it selects nothing.
pub fn text(selector: &serde_json::Value) -> Option<String> {
    let fields = selector.as_object()?;
    let parts: Vec<String> = if fields.contains_key("matchLabels") || fields.contains_key("matchExpressions")
    {
        let Selector { match_labels, match_expressions } = Selector::deserialize(selector).ok()?;
        let labels = match_labels.iter().map(|(key, value)| format!("{key}={value}"));
        let expressions = match_expressions.iter().filter_map(|Expression { key, operator, values }| {
            let values = values.join(",");
            match operator.as_str() {
                "In" => Some(format!("{key} in ({values})")),
                "NotIn" => Some(format!("{key} notin ({values})")),
                "Exists" => Some(key.clone()),
                "DoesNotExist" => Some(format!("!{key}")),
                _ => None,
            }
        });
        labels.chain(expressions).collect()
    } else {
        fields.iter().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?))).collect()
    };
    (!parts.is_empty()).then(|| parts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_become_text() {
        let workload = serde_json::json!({"matchLabels": {"app": "web"}, "matchExpressions": [
            {"key": "tier", "operator": "NotIn", "values": ["a", "b"]}, {"key": "x", "operator": "Exists"}]});
        assert_eq!(text(&workload).as_deref(), Some("app=web,tier notin (a,b),x"));
        assert_eq!(text(&serde_json::json!({"app": "web"})).as_deref(), Some("app=web"));
        assert_eq!(text(&serde_json::json!({})), None);
    }
}
