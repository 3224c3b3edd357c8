use serde_json::json;

use super::*;

fn parameters() -> Parameters {
    let schema = json!({"type": "object", "required": ["name"], "properties": {
        "name": {"type": "string", "description": "Name of the pod."},
        "tail": {"type": "integer", "default": 100, "minimum": 0, "maximum": 5000},
        "ratio": {"type": "number"},
        "previous": {"type": "boolean"},
        "output": {"type": "string", "enum": ["table", "yaml"]},
        "labelSelector": {"type": "string"},
        "fields": {"type": "array", "items": {"type": "string"}},
    }});
    Parameters::parse(schema.as_object().unwrap()).unwrap()
}

fn coerced(arguments: Value) -> Result<Value, String> {
    let text = parameters().coerce(arguments.as_object().unwrap().clone())?;
    Ok(serde_json::from_str(&text).unwrap())
}

#[test]
fn values_are_made_to_fit_where_their_meaning_is_plain() {
    for (given, expected) in [
        (json!({"tail": 5.0}), json!({"tail": 5})),
        (json!({"tail": "5"}), json!({"tail": 5})),
        (json!({"tail": "5.0"}), json!({"tail": 5})),
        (json!({"tail": null}), json!({"tail": 100})),
        (json!({"tail": ""}), json!({"tail": 100})),
        (json!({"ratio": "1.5"}), json!({"tail": 100, "ratio": 1.5})),
        (json!({"previous": "true"}), json!({"tail": 100, "previous": true})),
        (json!({"previous": 0}), json!({"tail": 100, "previous": false})),
        (json!({"label_selector": "app=web"}), json!({"tail": 100, "labelSelector": "app=web"})),
        (
            json!({"output": "yaml", "labelSelector": 7}),
            json!({"tail": 100, "output": "yaml", "labelSelector": "7"}),
        ),
        (json!({"fields": "a, b"}), json!({"tail": 100, "fields": ["a", "b"]})),
        (json!({"fields": "[\"a\"]"}), json!({"tail": 100, "fields": ["a"]})),
        (json!({"fields": ["a", 1]}), json!({"tail": 100, "fields": ["a", "1"]})),
    ] {
        let mut given = given;
        given["name"] = "web".into();
        let mut expected = expected;
        expected["name"] = "web".into();
        assert_eq!(coerced(given.clone()), Ok(expected), "{given}");
    }
}

#[test]
fn anything_else_is_an_error_that_names_the_argument() {
    for (given, hint) in [
        (json!({}), "name parameter required: Name of the pod."),
        (json!({"name": "  "}), "name parameter required"),
        (json!({"name": {"a": 1}}), "name parameter must be a string"),
        (json!({"name": "a", "tail": "invalid"}), "tail parameter must be an integer, not \"invalid\""),
        (json!({"name": "a", "tail": 1.5}), "tail parameter must be an integer"),
        (json!({"name": "a", "tail": -1}), "tail parameter must be at least 0"),
        (json!({"name": "a", "tail": 1e300}), "tail parameter must be an integer"),
        (json!({"name": "a", "tail": 5001}), "tail parameter must be at most 5000"),
        (json!({"name": "a", "previous": "maybe"}), "previous parameter must be a boolean"),
        (json!({"name": "a", "output": "wide"}), "one of table, yaml"),
        (json!({"name": "a", "fields": {"x": 1}}), "fields parameter must be an array of strings"),
        (json!({"name": "a", "selector": "x"}), "unknown argument \"selector\"; it takes "),
        (json!({"name": "a", "labelSelector": "x", "label_selector": "y"}), "given twice"),
    ] {
        let error = coerced(given.clone()).unwrap_err();
        assert!(error.contains(hint), "{given}: {error}");
    }
}

#[test]
fn a_schema_that_clients_would_lose_is_refused() {
    for schema in [
        json!({}),
        json!({"type": "object", "anyOf": []}),
        json!({"type": "object", "properties": {"a": {}}}),
        json!({"type": "object", "properties": {"a": {"type": ["string", "null"]}}}),
        json!({"type": "object", "properties": {"a": {"type": "object"}}}),
        json!({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "integer"}}}}),
        json!({"type": "object", "properties": {"a": {"type": "integer", "default": "x"}}}),
        json!({"type": "object", "required": ["b"], "properties": {}}),
    ] {
        assert!(Parameters::parse(schema.as_object().unwrap()).is_err(), "{schema}");
    }
    assert!(Parameters::parse(json!({"type": "object"}).as_object().unwrap()).is_ok());
}

#[test]
fn arguments_without_end_are_refused_before_they_are_looked_at_and_not_repeated() {
    let long = "x".repeat(900_000);
    for given in [
        json!({"name": long}),
        json!({"fields": vec![""; 40_000]}),
        json!({"name": {"a": [[long]]}}),
        json!({ long: 1 }),
    ] {
        let error = coerced(given).unwrap_err();
        assert!(error.contains("over 65536 bytes") && error.len() < 200, "{}", error.len());
    }
    let long = "x".repeat(60_000);
    for given in
        [json!({ long.clone(): 1 }), json!({"name": "a", "tail": long}), json!({"name": "a", "output": long})]
    {
        let error = coerced(given).unwrap_err();
        assert!(error.len() < 400 && error.contains("(60000 bytes)"), "{error}");
    }
}

#[test]
fn a_reason_is_short_whatever_the_schema_holds() {
    let choices: Vec<String> = (0..128).map(|n| format!("{n:0>256}")).collect();
    for schema in [
        json!({"type": "object", "required": ["\u{e0001}".repeat(16_300)]}),
        json!({"type": "object", "properties": {"a": {"type": "string", "enum": choices, "default": "none"}}}),
        json!({"type": "object", "properties": {"x".repeat(60_000): {"type": "null"}}}),
    ] {
        let reason = Parameters::parse(schema.as_object().unwrap()).unwrap_err();
        assert!(reason.len() < 2048, "{} bytes: {reason:.200}", reason.len());
    }
}
