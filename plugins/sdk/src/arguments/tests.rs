use super::*;
use crate::{Argument, Arguments, ListArguments};

#[derive(Argument, Debug, PartialEq)]
enum Level {
    Info,
    #[argument(alias = "warning")]
    Warn,
}

#[derive(Arguments, Debug)]
struct Request {
    /// Name of the pod
    name: String,
    /// Lines from the end
    #[argument(default = 100, min = 1, max = 5000)]
    tail_lines: u32,
    /// Is it old?
    #[argument(default = true)]
    old: bool,
    /// Share
    #[argument(min = 0.5, max = 1)]
    share: Option<f64>,
    /// Of these
    containers: Vec<String>,
    /// At least
    #[argument(default = Level::Warn)]
    level: Level,
    /// Greeting
    #[argument(default = "hello", rename = "word")]
    greeting: String,
    #[argument(flatten)]
    list: ListArguments,
}

fn read(json: &str) -> Result<Request, Error> {
    Given::parse(json)?.arguments()
}

fn error(json: &str) -> String {
    read(json).map_or_else(|error| error.to_string(), |request| format!("{request:?}"))
}

#[test]
fn defaults_hold_without_the_host() {
    let request = read(r#"{"name": "web", "old": null, "word": " "}"#).unwrap();
    assert_eq!((request.tail_lines, request.old, request.greeting.as_str()), (100, true, "hello"));
    assert_eq!((request.level, request.share, request.containers.len()), (Level::Warn, None, 0));
    assert_eq!(request.list.limit, None);
}

#[test]
fn two_arguments_of_one_name_are_counted_also_where_they_are_flattened() {
    const LIST: Names = Names { own: &["limit", "fields"], flattened: &[] };
    assert!(Names { own: &["name", "limits"], flattened: &[&LIST] }.are_unique());
    for names in [
        Names { own: &["name", "limit"], flattened: &[&LIST] },
        Names { own: &["a", "a"], flattened: &[] },
        Names { own: &[], flattened: &[&LIST, &LIST] },
        Names { own: &["fields"], flattened: &[&Names { own: &[], flattened: &[&LIST] }] },
    ] {
        assert!(!names.are_unique(), "{:?} {}", names.own, names.flattened.len());
    }
    assert!(Request::NAMES.are_unique());
    assert_eq!((Request::NAMES.own.first(), Request::NAMES.flattened.len()), (Some(&"name"), 1));
}

#[test]
fn no_error_repeats_a_whole_argument() {
    let long = "\u{1}".repeat(60_000);
    for arguments in [
        json!({"name": [long]}),
        json!({"name": "web", "tailLines": long}),
        json!({"name": "web", "level": long}),
        json!({"name": "web", "old": {long.as_str(): 1}}),
        json!(long),
    ] {
        let error = error(&arguments.to_string());
        assert!(error.len() < 1500, "{} bytes: {error:.200}", error.len());
    }
    let error = crate::parsed::<u32>(&json!(long).to_string()).unwrap_err();
    assert!(error.len() < 1500, "{} bytes", error.len());
}

#[test]
fn values_are_taken_as_they_are_named() {
    let json = r#"{"name": "web", "tailLines": 1, "old": false, "share": 1, "containers": ["a", "b"],
        "level": "warning", "word": "hi", "continue": "x", "limit": 7}"#;
    let request = read(json).unwrap();
    assert_eq!((request.tail_lines, request.old, request.share), (1, false, Some(1.0)));
    assert_eq!((request.name.as_str(), request.containers.join("+").as_str()), ("web", "a+b"));
    assert_eq!(request.level, Level::Warn);
    assert_eq!((request.list.r#continue.as_deref(), request.list.limit), (Some("x"), Some(7)));
}

#[test]
fn an_error_names_the_argument_and_what_it_must_be() {
    for (json, expected) in [
        ("{}", "name parameter required: Name of the pod"),
        (r#"{"name": " "}"#, "name parameter required: Name of the pod"),
        (r#"{"name": 1}"#, "name parameter must be a string, not 1"),
        (r#"{"name": "w", "tailLines": 0}"#, "tailLines parameter must be at least 1, not 0"),
        (r#"{"name": "w", "tailLines": 5001}"#, "tailLines parameter must be at most 5000, not 5001"),
        (r#"{"name": "w", "share": 0.25}"#, "share parameter must be at least 0.5, not 0.25"),
        (
            r#"{"name": "w", "level": "loud"}"#,
            r#"level parameter must be one of info, warn, warning, not "loud""#,
        ),
        (r#"{"name": "w", "containers": [1]}"#, "containers parameter must be an array of strings, not [1]"),
        (r#"{"name": "w", "limit": -1}"#, "limit parameter must be an integer from 0 to 4294967295, not -1"),
    ] {
        assert_eq!(error(json), expected, "{json}");
    }
    assert!(error("[]").starts_with("the arguments are not a JSON object"));
}

#[test]
fn the_schema_is_in_the_subset_of_the_host() {
    let schema: Value = serde_json::from_str(&Request::schema()).unwrap();
    let expected = json!({"type": "integer", "minimum": 1, "maximum": 5000, "default": 100,
        "description": "Lines from the end. Default: 100"});
    assert_eq!(schema["properties"]["tailLines"], expected);
    let expected = json!({"type": "string", "enum": ["info", "warn", "warning"], "default": "warn",
        "description": "At least. Default: \"warn\""});
    assert_eq!(schema["properties"]["level"], expected);
    let expected = json!({"type": "number", "minimum": 0.5, "maximum": 1, "description": "Share"});
    assert_eq!(schema["properties"]["share"], expected);
    assert_eq!(schema["properties"]["old"]["description"], "Is it old? Default: true");
    assert_eq!(
        schema["properties"]["limit"],
        json!({"type": "integer", "minimum": 0, "description": "Rows at most"})
    );
    assert_eq!(schema["required"], json!(["name"]));
    assert_eq!(<()>::schema(), r#"{"properties":{},"type":"object"}"#);
}
