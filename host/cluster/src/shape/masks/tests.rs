use super::*;
use crate::{Redaction, shape::copy};

fn shown(json: &str, paths: &[&str], environment: bool) -> (String, u64) {
    with_fields(json, paths, environment, &[])
}

fn with_fields(json: &str, paths: &[&str], environment: bool, fields: &[&str]) -> (String, u64) {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let masks = ValueMasks::new(&owned(paths), environment).unwrap();
    let projection = (!fields.is_empty()).then(|| Projection::parse(&owned(fields)).unwrap());
    let selection = projection.as_ref().map_or(FieldSelection::All, Projection::selection);
    let mut out = Vec::new();
    let masked = copy(json.as_bytes(), selection, Redaction::Bookkeeping, &masks, &mut out).unwrap();
    (String::from_utf8(out).unwrap(), masked)
}

const CONFIG: &str = r#"{"kind":"ConfigMap","metadata":{"name":"app"},"data":{"pass\u0077ord":"hunter2","url":"db:5432","nested":{"list":["hunter2",7,true,null]}}}"#;

#[test]
fn a_named_path_is_masked_with_all_below_it() {
    assert_eq!(
        shown(CONFIG, &["data.password", "data.nested"], false),
        (
            r#"{"kind":"ConfigMap","metadata":{"name":"app"},"data":{"password":"<masked: configured>","url":"db:5432","nested":{"list":["<masked: configured>","<masked: configured>","<masked: configured>",null]}}}"#
                .to_owned(),
            4
        )
    );
    let all = shown(CONFIG, &["data"], false);
    assert_eq!((all.0.contains("db:5432"), all.1), (false, 5));
    assert_eq!(shown(CONFIG, &["data.other"], false), shown(CONFIG, &[], true));
}

#[test]
fn fields_see_the_mask() {
    for fields in [&["data.password"][..], &["data"], &["data.nested.list", "data.password"]] {
        let (text, masked) = with_fields(CONFIG, &["data.password", "data.nested"], false, fields);
        assert!(!text.contains("hunter2") && text.contains(CONFIGURED) && masked > 0, "{fields:?}: {text}");
    }
    // What is not copied is not counted.
    assert_eq!(with_fields(CONFIG, &["data.password"], false, &["data.url"]).1, 0);
}

const TEMPLATE: &str = r#"{"kind":"Deployment","spec":{"template":{"spec":{"initContainers":[{"name":"init","env":[{"name":"DB_PASSWORD","value":"hunter2"}]}],
    "containers":[{"name":"app","env":[{"value":"hunter2","name":"apiKey"},{"name":"LOG_LEVEL","value":"debug"},{"name":"TOKEN","valueFrom":{"secretKeyRef":{"name":"db","key":"token"}}},
    {"name":"DATABASE_URL","value":"postgres://app:hunter2@db/orders"}]}]}}}}"#;

#[test]
fn values_of_variables_that_look_like_credentials_are_masked_and_references_stay() {
    let (text, masked) = shown(TEMPLATE, &[], true);
    assert!(!text.contains("hunter2"), "{text}");
    for kept in [
        r#"{"name":"DB_PASSWORD","value":"<masked: environment>"}"#,
        r#"{"value":"<masked: environment>","name":"apiKey"}"#,
        r#"{"name":"LOG_LEVEL","value":"debug"}"#,
        r#"{"name":"TOKEN","valueFrom":{"secretKeyRef":{"name":"db","key":"token"}}}"#,
        r#""value":"postgres://app:<masked: url password>@db/orders""#,
    ] {
        assert!(text.contains(kept), "{kept} in {text}");
    }
    assert_eq!(masked, 3);
    let (text, masked) = shown(TEMPLATE, &[], false);
    assert_eq!((text.matches("hunter2").count(), masked), (3, 0));
}

#[test]
fn a_variable_hides_behind_no_form() {
    for list in [
        r#"[{"name":"HOME","name":"TOKEN","value":"hunter2"}]"#,
        r#"[{"name":"TOKEN","value":"x","value":"hunter2"}]"#,
        r#"[{"name":"HOME","n\u0061me":"TOKEN","value":"hunter2"}]"#,
        r#"[{"n\u0061me":"TO\u004bEN","v\u0061lue":"hunter2"}]"#,
        r#"[{"value":"hunter2"}]"#,
        r#"[{"name":7,"value":"hunter2"}]"#,
        r#"[{"name":"TOKEN","value":{"odd":["hunter2"]}}]"#,
        r#"[[{"name":"TOKEN","value":"hunter2"}]]"#,
        r#"["TOKEN=hunter2"]"#,
    ] {
        let (text, masked) = shown(&format!(r#"{{"spec":{{"env":{list}}}}}"#), &[], true);
        assert!(!text.contains("hunter2") && masked > 0, "{list}: {text}");
        for fields in [&["spec.env.value"][..], &["spec"]] {
            let object = format!(r#"{{"spec":{{"env":{list}}}}}"#);
            assert!(!with_fields(&object, &[], true, fields).0.contains("hunter2"), "{list}");
        }
    }
    for plain in [r#"{"env":"prod"}"#, r#"{"env":[]}"#, r#"{"env":["HOME=x",7]}"#, r#"{"env":null}"#] {
        assert!(shown(plain, &[], true).0.len() >= plain.len() - 1, "{plain}");
    }
}

#[test]
fn copies_of_the_object_in_annotations_are_masked() {
    let object = r#"{"metadata":{"annotations":{"kapp.k14s.io/original":"{\"kind\":\"ConfigMap\",\"data\":{\"password\":\"hunter2\"}}",
        "objectset.rio.cattle.io/applied":"H4sIhunter2","team":"a","note":"{\"color\":\"blue\"}"}},"spec":{"template":{"metadata":{"annotations":{"x":"[{\"env\":[\"hunter2\"]}]"}}}}}"#;
    for (paths, environment) in [(&["data.password"][..], false), (&[], true)] {
        let (text, masked) = shown(object, paths, environment);
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains(r#""team":"a""#) && text.contains("blue") && masked == 3, "{text}");
    }
    assert_eq!(shown(object, &[], false).1, 0);
}

/// The attack: lists of variables within variables, each read by a parser of its own, down the whole stack.
#[test]
fn environments_within_environments_are_no_way_down_the_stack() {
    let deep = format!("{}{}", r#"{"env":[{"a":"#.repeat(20_000), "1".to_owned() + &"}]}".repeat(20_000));
    let mut out = Vec::new();
    let masks = ValueMasks::new(&[], true).unwrap();
    assert!(copy(deep.as_bytes(), FieldSelection::All, Redaction::Bookkeeping, &masks, &mut out).is_err());
    assert!(out.is_empty());
}

#[test]
fn what_selectors_ask_for_cannot_be_masked() {
    for path in [
        "metadata",
        "metadata.labels",
        "metadata.labels.app",
        "metadata.name",
        "kind",
        "metadata.labels['a.b/c']",
    ] {
        let failure = ValueMasks::new(&[path.to_owned()], false).unwrap_err();
        assert!(failure.message.contains("cannot be masked"), "{path}: {failure}");
    }
    assert!(ValueMasks::new(&["metadata.annotations".to_owned(), "data".to_owned()], false).is_ok());
    assert!(ValueMasks::new(&["data[".to_owned()], false).is_err());
}
