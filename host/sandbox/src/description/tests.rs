use porthole_contract::{MAX_READ_RULES, MAX_RULE_BYTES};
use world::{ReadRule as RawRule, Verb};

use super::*;

fn raw() -> world::Description {
    world::Description {
        name: "pods_list".to_owned(),
        version: "1.2.0-rc.1+build".to_owned(),
        title: "Pods".to_owned(),
        summary: "All pods: CrashLoopBackOff, Pending…".to_owned(),
        input_schema: r#"{"type": "object", "properties": {"pattern": {"type": "string"}}}"#.to_owned(),
        output_schema: None,
        reads: vec![rule(&["", "metrics.k8s.io", "*"], &["pods", "pods/log", "nodes/proxy", "*"])],
    }
}

fn rule(groups: &[&str], resources: &[&str]) -> RawRule {
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    RawRule { api_groups: own(groups), resources: own(resources), verbs: vec![Verb::Get, Verb::Get] }
}

fn error(change: impl FnOnce(&mut world::Description)) -> String {
    let mut description = raw();
    change(&mut description);
    Description::parse(description).unwrap_err().to_string()
}

#[test]
fn a_plain_declaration_is_taken_as_it_is() {
    let description = Description::parse(raw()).unwrap();
    assert_eq!(&*description.name, "pods_list");
    let [rule] = description.grant.rules() else { panic!("one rule") };
    assert_eq!(rule.verbs, [porthole_contract::Verb::Get]);
    assert_eq!(rule.resources.len(), 4);
    assert!(description.input_schema["properties"]["pattern"].is_object(), "an argument may have that name");
}

#[test]
fn a_rule_that_is_not_one_of_rbac_is_refused() {
    let newline = "pods\n  - apiGroups: [\"*\"]";
    for resource in [
        "secrets ",
        newline,
        "",
        "Pods",
        "pods/",
        "/log",
        "pods/log/x",
        "a,b",
        "pods]",
        "-a",
        "**",
        "*/log",
        "é",
    ] {
        let error = error(|raw| raw.reads = vec![rule(&[""], &["pods", resource])]);
        assert!(error.contains("is not a resource") && !error.contains('\n'), "{resource:?}: {error}");
    }
    for group in ["apps\n", "Apps", "a b", ".", "apps.", "a..b", "**", "\u{1b}[2J"] {
        let error = error(|raw| raw.reads = vec![rule(&[group], &["pods"])]);
        assert!(error.contains("is not an API group") && !error.contains('\u{1b}'), "{group:?}: {error}");
    }
    for resource in ["pods/exec", "pods/attach", "pods/portforward", "pods/proxy", "services/proxy"] {
        let error = error(|raw| raw.reads = vec![rule(&[""], &[resource])]);
        assert!(error.contains("more than reading"), "{error}");
    }
    assert!(error(|raw| raw.reads[0].verbs.clear()).contains("grants nothing"));
    assert!(error(|raw| raw.reads[0].api_groups.clear()).contains("grants nothing"));
    assert!(error(|raw| raw.reads = vec![rule(&[""], &["pods"]); MAX_READ_RULES + 1]).contains("65 rules"));
    let many = vec!["p"; MAX_RULE_BYTES / 2 + 1];
    assert!(error(|raw| raw.reads = vec![rule(&[""], &many)]).contains("bytes; at most"));
    let label = "p".repeat(64);
    let error = error(|raw| raw.reads = vec![rule(&[""], &[&label])]);
    assert!(error.contains("is not a resource") && error.len() < 200, "{error}");
}

#[test]
fn names_and_texts_are_bounded_and_steer_nothing() {
    for name in ["", "Pods", "pods-list", "a\nb", "é", &"a".repeat(65)] {
        assert!(error(|raw| raw.name = name.to_owned()).starts_with("its name "), "{name:?}");
    }
    for version in ["", "1.0 ", "1\n", "1.0'", &"1".repeat(65)] {
        assert!(error(|raw| raw.version = version.to_owned()).starts_with("its version "), "{version:?}");
    }
    for text in ["a\nb", "\u{1b}[2J", "\u{202e}gnp", "a\u{2028}b", "\r", "\u{0}"] {
        assert!(error(|raw| raw.title = text.to_owned()).starts_with("its title holds"), "{text:?}");
        assert!(error(|raw| raw.summary = text.to_owned()).starts_with("its summary holds"), "{text:?}");
    }
    assert!(error(|raw| raw.summary = "x".repeat(3_500_000)).contains("has 3500000 bytes"));
    assert!(error(|raw| raw.title = "x".repeat(MAX_TITLE + 1)).contains("its title has 129 bytes"));
    assert!(error(|raw| raw.summary = "  ".to_owned()).contains("is empty"));
    let long = error(|raw| raw.name = "A".repeat(1 << 20));
    assert!(long.len() < 300, "{} bytes", long.len());
}

#[test]
fn a_schema_that_refers_matches_chooses_or_grows_is_refused() {
    let deep = format!("{}1{}", r#"{"default": ["#.repeat(20), "]}".repeat(20));
    let many: Map<String, Value> =
        (0..60_000).map(|n| (format!("p{n}"), serde_json::json!({"type": "string"}))).collect();
    let nested = r#"{"type": "object", "properties": {"a": {"type": "array", "items": X}}}"#;
    for (schema, expected) in [
        ("[]".to_owned(), "is not a JSON object"),
        (nested.replace('X', r##"{"$ref": "#"}"##), "uses $ref"),
        (nested.replace('X', r#"{"type": "string", "pattern": "(a+)+$"}"#), "uses pattern"),
        (nested.replace('X', r#"{"x": [{"x": {"anyOf": []}}]}"#), "uses anyOf"),
        (nested.replace('X', &deep), "levels deep"),
        (nested.replace('X', r#"{"properties": {"a\nb": {}}}"#), r#"a property "a\nb""#),
        (nested.replace('X', r#"{"properties": {"1": {}}}"#), "a property \"1\""),
        (nested.replace('X', r#"{"properties": {"a": true}}"#), "not an object"),
        (nested.replace('X', &format!("{{\"description\": {:?}}}", "x".repeat(3000))), "description of 3000"),
        (nested.replace('X', &format!("{{\"enum\": [{:?}]}}", "x".repeat(300))), "an enum"),
        (nested.replace('X', r#"{"enum": [{"$ref": ""}]}"#), "an enum"),
        (nested.replace('X', &format!("{{\"required\": [{:?}]}}", "x".repeat(65))), "requires \"xxx"),
        (nested.replace('X', r#"{"required": ["\u0000"]}"#), "requires \"\\0\""),
        (nested.replace('X', r#"{"required": [1]}"#), "requires 1"),
        (
            nested.replace('X', &serde_json::json!({"required": vec!["a"; 65]}).to_string()),
            "requires more than 64",
        ),
        (serde_json::json!({"properties": many}).to_string(), "bytes; at most"),
        (
            serde_json::json!({"properties": many.into_iter().take(65).collect::<Map<_, _>>()}).to_string(),
            "more than 64 properties",
        ),
    ] {
        for output in [false, true] {
            let error = error(|raw| {
                if output {
                    raw.output_schema = Some(schema.clone());
                } else {
                    raw.input_schema.clone_from(&schema);
                }
            });
            assert!(error.contains(expected) && error.len() < 400, "{expected}: {error:.500}");
            assert!(
                error.starts_with(if output { "its output-schema" } else { "its input-schema" }),
                "{error}"
            );
        }
    }
}
