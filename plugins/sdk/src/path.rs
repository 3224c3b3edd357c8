//! Field paths as callers write them, in objects that the host has already pruned to them.

use serde_json::Value;

/// The paths of a comma-separated list. Commas inside of brackets separate nothing.
pub fn split(list: Option<&str>) -> Vec<&str> {
    let mut depth = 0_u32;
    let parts = list.unwrap_or_default().split(|letter| {
        match letter {
            '[' => depth = depth.saturating_add(1),
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    });
    parts.map(|path| path.trim().trim_start_matches('.')).filter(|path| !path.is_empty()).collect()
}

/// The names of a path: `spec.containers[].image`, `metadata.labels['app.kubernetes.io/name']`. The host has refused
/// malformed ones.
pub fn names(path: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            continue;
        }
        let (name, after) = match rest.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
            Some((inside, after)) => (inside.trim_matches(['\'', '"']), after),
            // A bracket that is never closed is a part of the last name.
            None => rest.split_at(rest.find(['.', '[']).filter(|at| *at > 0).unwrap_or(rest.len())),
        };
        if !name.is_empty() && name != "*" {
            names.push(name.to_owned());
        }
        rest = after;
    }
    names
}

/// The values at a path; arrays are gone through.
pub fn values<'v>(value: &'v Value, names: &[String]) -> Vec<&'v Value> {
    match (value, names.split_first()) {
        (Value::Array(items), _) => items.iter().flat_map(|item| values(item, names)).collect(),
        (Value::Null, None) => Vec::new(),
        (value, None) => vec![value],
        (value, Some((name, below))) => value.get(name).map(|value| values(value, below)).unwrap_or_default(),
    }
}

/// A value in a cell: text as it is, `key=value` for the entries of a map, anything deeper as JSON.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(entries) if entries.values().all(|value| !value.is_object() && !value.is_array()) => {
            let entries: Vec<String> =
                entries.iter().map(|(key, value)| format!("{key}={}", shown(value))).collect();
            entries.join(",")
        }
        other => other.to_string(),
    }
}

/// The cell of a path, by its names.
pub fn cell(object: &Value, names: &[String]) -> String {
    let found: Vec<String> = values(object, names).into_iter().map(shown).collect();
    found.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_followed_through_arrays_and_quotes() {
        let pod = serde_json::json!({"spec": {"containers": [{"image": "a"}, {"image": "b", "ports": [{"p": 1}]}]},
            "metadata": {"labels": {"app.kubernetes.io/name": "web", "x": "y"}}});
        for (path, expected) in [
            ("spec.containers[].image", "a,b"),
            ("spec.containers[*].image", "a,b"),
            ("spec.containers.image", "a,b"),
            ("metadata.labels['app.kubernetes.io/name']", "web"),
            ("metadata.labels", "app.kubernetes.io/name=web,x=y"),
            ("spec.containers[].ports", "p=1"),
            ("spec.nothing.there", ""),
            ("spec.containers[].ports[].p", "1"),
        ] {
            assert_eq!(cell(&pod, &names(path)), expected, "{path}");
        }
    }
    #[test]
    fn a_malformed_path_ends_too() {
        assert_eq!(names(".spec.x"), ["spec", "x"]);
        assert_eq!(names("spec[abc"), ["spec", "[abc"]);
        assert_eq!(names("[[.]a..b]"), ["[.", "a", "b]"]);
    }
}
