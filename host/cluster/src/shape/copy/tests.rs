use super::*;
use crate::shape::Projection;

fn copied(json: &str, paths: &[&str], redaction: Redaction) -> String {
    let paths: Vec<String> = paths.iter().map(|path| path.to_string()).collect();
    let projection = (!paths.is_empty()).then(|| Projection::parse(&paths).unwrap());
    let selection = projection.as_ref().map_or(FieldSelection::All, Projection::selection);
    let mut out = Vec::new();
    copy(json.as_bytes(), selection, redaction, &ValueMasks::default(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

const SECRET: &str = r#"{"kind":"Secret","metadata":{"name":"db","managedFields":[{"a":1}],"annotations":{
    "kubectl.kubernetes.io/last-applied-configuration":"{\"data\":{\"password\":\"aHVudGVyMg==\"}}","team":"a"}},
    "data":{"pass\u0077ord":"aHVudGVyMg==","odd":{"deep":["aHVudGVyMg==",7,true,null]}},"stringData":{"x":"hunter2"},"type":"Opaque"}"#;

#[test]
fn no_value_of_a_secret_is_copied_whichever_way_it_is_asked_for() {
    for paths in [
        &[][..],
        &["data"],
        &["data.password"],
        &["data.odd.deep"],
        &["stringData"],
        &["metadata.annotations"],
        &["metadata.annotations['kubectl.kubernetes.io/last-applied-configuration']"],
        &["metadata", "data", "stringData"],
    ] {
        let text = copied(SECRET, paths, Redaction::SecretValues);
        assert!(!text.contains("aHVudGVyMg") && !text.contains("hunter2"), "{paths:?}: {text}");
    }
    let whole = copied(SECRET, &[], Redaction::SecretValues);
    assert_eq!(
        whole,
        r#"{"kind":"Secret","metadata":{"name":"db","annotations":{"team":"<redacted>"}},"data":{"password":"<redacted>","odd":{"deep":["<redacted>","<redacted>","<redacted>",null]}},"stringData":{"x":"<redacted>"},"type":"Opaque"}"#
    );
}

#[test]
fn copies_of_the_values_in_annotations_are_blanked_in_every_view() {
    let secret = r#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"db","labels":{"app":"db"},"annotations":{
        "kapp.k14s.io/original":"{\"stringData\":{\"password\":\"hunter2\"}}","objectset.rio.cattle.io/applied":"H4sIhunter2",
        "openshift.io/token-secret.value":"hunter2","odd":["hunter2",{"deep":"hunter2"}]}},"type":"Opaque","immutable":true,
        "items":[{"data":{"password":"hunter2"}}],"extra":"hunter2"}"#;
    for paths in [
        &[][..],
        &["metadata"],
        &["metadata.annotations"],
        &["metadata.annotations['kapp.k14s.io/original']", "metadata.annotations.odd.deep"],
        &["items", "items[].data.password", "extra"],
    ] {
        let text = copied(secret, paths, Redaction::SecretValues);
        assert!(!text.contains("hunter2"), "{paths:?}: {text}");
    }
    let whole = copied(secret, &[], Redaction::SecretValues);
    for kept in ["\"openshift.io/token-secret.value\":\"<redacted>\"", "{\"app\":\"db\"}", "Opaque", "true"] {
        assert!(whole.contains(kept), "{kept} in {whole}");
    }
    let plain = r#"{"metadata":{"annotations":"hunter2"}}"#;
    assert!(!copied(plain, &[], Redaction::SecretValues).contains("hunter2"));
}

#[test]
fn secrets_in_messages_are_masked_in_every_view() {
    let event = r#"{"kind":"Event","metadata":{"name":"a","annotations":{"x":"password=kept"}},"mess\u0061ge":"login pass\u0077ord=hunter2 failed","note":"Bearer hunter2hunter2","reason":"token=kept","count":2}"#;
    let pod = r#"{"kind":"Pod","status":{"containerStatuses":[{"lastState":{"terminated":{"message":"-----BEGIN PRIVATE KEY-----\nhunter2\n","exitCode":1}}}],"conditions":[{"message":{"odd":["password=hunter2"]}}]}}"#;
    for (object, paths) in [
        (event, &[][..]),
        (event, &["message"]),
        (event, &["note", "metadata"]),
        (pod, &[]),
        (pod, &["status.containerStatuses[].lastState.terminated.message", "status.conditions"]),
    ] {
        let text = copied(object, paths, Redaction::Messages);
        assert!(!text.contains("hunter2"), "{paths:?}: {text}");
        assert!(text.contains("<masked: "), "{paths:?}: {text}");
        assert!(copied(object, paths, Redaction::Bookkeeping).contains("hunter2"));
    }
    let whole = copied(event, &[], Redaction::Messages);
    assert_eq!(
        whole,
        r#"{"kind":"Event","metadata":{"name":"a","annotations":{"x":"password=kept"}},"message":"login password=<masked: password> failed","note":"Bearer <masked: bearer token>","reason":"token=kept","count":2}"#
    );
}

#[test]
fn bookkeeping_is_left_out_of_every_kind_and_values_stay() {
    let text = copied(SECRET, &[], Redaction::Bookkeeping);
    assert!(
        text.contains("aHVudGVyMg==") && !text.contains("managedFields") && !text.contains("last-applied")
    );
}

#[test]
fn only_wanted_fields_are_copied_through_arrays() {
    let pod = r#"{"metadata":{"name":"a\"b","uid":"u"},"spec":{"containers":[{"name":"x","image":"i"},{"name":"y"}],"n":1.5},"status":null}"#;
    assert_eq!(
        copied(pod, &["metadata.name", "spec.containers[].image", "status"], Redaction::Bookkeeping),
        r#"{"metadata":{"name":"a\"b"},"spec":{"containers":[{"image":"i"},{}]},"status":null}"#
    );
    assert_eq!(copied(pod, &[], Redaction::Bookkeeping), pod);
    assert_eq!(copied("[]", &["a"], Redaction::Bookkeeping), "[]");
}

#[test]
fn a_broken_or_bottomless_document_leaves_nothing_behind() {
    let mut out = b"kept".to_vec();
    let deep = "[".repeat(500);
    for json in ["{\"a\":", "{} {}", deep.as_str()] {
        assert!(
            copy(
                json.as_bytes(),
                FieldSelection::All,
                Redaction::Bookkeeping,
                &ValueMasks::default(),
                &mut out
            )
            .is_err()
        );
        assert_eq!(out, b"kept");
    }
}
