//! Label selectors, expressions of node affinity, and tolerations, as Kubernetes evaluates them.

use serde_json::Value;

use crate::object::{list, map, text};

/// Labels of an object.
pub type Labels<'o> = [(&'o str, &'o str)];

fn value_of<'o>(labels: &Labels<'o>, key: &str) -> Option<&'o str> {
    labels.iter().find(|(other, _)| *other == key).map(|(_, value)| *value)
}

/// True if labels satisfy an expression such as `disktype In [ssd]`.
pub fn holds(labels: &Labels<'_>, expression: &Value) -> bool {
    let own = value_of(labels, text(expression, "/key"));
    let values = || list(expression, "/values").iter().filter_map(Value::as_str);
    let numbers = || Some((own?.parse::<i64>().ok()?, values().next()?.parse::<i64>().ok()?));
    match text(expression, "/operator") {
        "In" => own.is_some_and(|own| values().any(|value| value == own)),
        "NotIn" => own.is_none_or(|own| values().all(|value| value != own)),
        "Exists" => own.is_some(),
        "DoesNotExist" => own.is_none(),
        "Gt" => numbers().is_some_and(|(own, bound)| own > bound),
        "Lt" => numbers().is_some_and(|(own, bound)| own < bound),
        _ => false,
    }
}

/// An expression for a sentence: `disktype In [ssd]`.
pub fn show(expression: &Value) -> String {
    let values: Vec<&str> = list(expression, "/values").iter().filter_map(Value::as_str).collect();
    let base = format!("{} {}", text(expression, "/key"), text(expression, "/operator"));
    if values.is_empty() { base } else { format!("{base} [{}]", values.join(", ")) }
}

/// True if labels satisfy a selector with `matchLabels` and `matchExpressions`. An empty one selects everything.
pub fn selects(selector: &Value, labels: &Labels<'_>) -> bool {
    map(selector.pointer("/matchLabels")).iter().all(|label| labels.contains(label))
        && list(selector, "/matchExpressions").iter().all(|expression| holds(labels, expression))
}

/// True if one of the tolerations is for a taint.
pub fn tolerates(tolerations: &[Value], taint: &Value) -> bool {
    tolerations.iter().any(|toleration| {
        let [key, operator, effect] =
            ["/key", "/operator", "/effect"].map(|pointer| text(toleration, pointer));
        (effect.is_empty() || effect == text(taint, "/effect"))
            && (key.is_empty() || key == text(taint, "/key"))
            && match operator {
                "Exists" => true,
                // An empty key fits every taint only with Exists.
                "" | "Equal" => !key.is_empty() && text(toleration, "/value") == text(taint, "/value"),
                _ => false,
            }
    })
}

/// A taint for a sentence: `gpu=true:NoSchedule`.
pub fn show_taint(taint: &Value) -> String {
    let value = text(taint, "/value");
    let value = if value.is_empty() { String::new() } else { format!("={value}") };
    format!("{}{value}:{}", text(taint, "/key"), text(taint, "/effect"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_expression_holds_as_the_scheduler_has_it() {
        let labels = [("disk", "ssd"), ("cores", "8")];
        for (key, operator, values, expected) in [
            ("disk", "In", json!(["hdd", "ssd"]), true),
            ("disk", "NotIn", json!(["ssd"]), false),
            ("zone", "NotIn", json!(["a"]), true),
            ("zone", "Exists", json!([]), false),
            ("zone", "DoesNotExist", json!([]), true),
            ("cores", "Gt", json!(["4"]), true),
            ("cores", "Lt", json!(["4"]), false),
            ("disk", "Gt", json!(["4"]), false),
        ] {
            let expression = json!({"key": key, "operator": operator, "values": values});
            assert_eq!(holds(&labels, &expression), expected, "{expression}");
        }
        assert_eq!(show(&json!({"key": "d", "operator": "In", "values": ["a", "b"]})), "d In [a, b]");
    }

    #[test]
    fn a_toleration_fits_by_key_value_and_effect() {
        let taint = json!({"key": "gpu", "value": "true", "effect": "NoSchedule"});
        for (toleration, expected) in [
            (json!({"key": "gpu", "operator": "Equal", "value": "true", "effect": "NoSchedule"}), true),
            (json!({"key": "gpu", "value": "yes"}), false),
            (json!({"key": "gpu", "operator": "Exists", "effect": "NoExecute"}), false),
            (json!({"operator": "Exists"}), true),
            (json!({"value": "true"}), false),
        ] {
            assert_eq!(tolerates(std::slice::from_ref(&toleration), &taint), expected, "{toleration}");
        }
        assert_eq!(show_taint(&taint), "gpu=true:NoSchedule");
    }

    #[test]
    fn a_number_is_neither_above_nor_below_itself() {
        for (operator, bound, expected) in
            [("Gt", "7", true), ("Gt", "8", false), ("Lt", "9", true), ("Lt", "8", false)]
        {
            let expression = json!({"key": "cores", "operator": operator, "values": [bound]});
            assert_eq!(holds(&[("cores", "8")], &expression), expected, "{expression}");
        }
    }
}
