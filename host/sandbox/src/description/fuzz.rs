//! Oracle of declarations: what is served is plain and bounded, and what is refused is said in a short line.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an oracle speaks by a panic"
)]

use super::{Description, Value, controls_display, world};

/// A declaration is refused in a short line, or steers nothing, grants reading alone, and has a schema within its bounds.
/// Its lines are name, version, title, summary, groups and resources (separated by commas); the rest is the schema.
pub fn description(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.splitn(7, '\n').map(str::to_owned);
    let mut next = || lines.next().unwrap_or_default();
    let list = |text: String| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let raw = world::Description {
        name: next(),
        version: next(),
        title: next(),
        summary: next(),
        reads: vec![world::ReadRule {
            api_groups: list(next()),
            resources: list(next()),
            verbs: vec![world::Verb::Get, world::Verb::List],
        }],
        input_schema: next(),
        output_schema: None,
    };
    let description = match Description::parse(raw) {
        Ok(description) => description,
        Err(error) => {
            let error = error.to_string();
            assert!(error.len() < 1500, "a reason of {} bytes", error.len());
            return assert!(!error.chars().any(controls_display), "{error:?}");
        }
    };
    assert!(!description.title.chars().chain(description.summary.chars()).any(controls_display));
    for rule in description.grant.rules() {
        let only = |name: &str, others: &str| {
            name == "*"
                || name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || others.contains(b as char))
        };
        assert!(rule.api_groups.iter().all(|group| only(group, "-.")), "{rule:?}");
        assert!(rule.resources.iter().all(|resource| only(resource, "-/")), "{rule:?}");
        assert!(!rule.resources.iter().any(|resource| resource.ends_with("/exec")), "{rule:?}");
    }
    let schema = Value::Object((*description.input_schema).clone());
    assert!(depth(&schema) <= 16, "{schema}");
    plain(&schema);
}

fn depth(value: &Value) -> usize {
    let below = match value {
        Value::Object(fields) => fields.values().map(depth).max(),
        Value::Array(items) => items.iter().map(depth).max(),
        _ => return 0,
    };
    below.unwrap_or(0) + 1
}

/// No schema in it refers elsewhere or has a pattern; a property may be called so.
fn plain(schema: &Value) {
    let Value::Object(fields) = schema else { return };
    for (key, value) in fields {
        assert!(!["$ref", "pattern", "anyOf", "oneOf", "allOf", "not"].contains(&key.as_str()), "{key}");
        match key.as_str() {
            "properties" => value.as_object().unwrap().values().for_each(plain),
            "default" | "const" | "enum" | "examples" => {}
            _ => plain(value),
        }
    }
}
