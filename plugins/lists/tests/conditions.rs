//! Lists with conditions, as a caller sees them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use porthole_lists::{Columns, List, ListRequest, Page, PageError, PageRequest, Pages, Row, View};
use serde_json::{Value, json};

/// A limit of the call.
#[derive(Debug)]
struct Spent;

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the call has no more reads.")
    }
}

impl PageError for Spent {
    fn is_limit(&self) -> bool {
        true
    }
}

/// Pages of three objects each, and a number of reads.
struct Cluster {
    objects: Vec<Value>,
    reads: u32,
}

impl Pages for Cluster {
    type Error = Spent;

    fn page(&mut self, request: &PageRequest) -> Result<Page, Spent> {
        assert!(matches!(request.view, View::Fields(_) | View::Whole), "a table has no fields");
        self.reads = self.reads.checked_sub(1).ok_or(Spent)?;
        let start: usize = request.continue_token.as_deref().map_or(0, |token| token.parse().unwrap());
        let end = self.objects.len().min(start + 3);
        Ok(Page {
            items: json!(self.objects[start..end]).to_string(),
            continue_token: (end < self.objects.len()).then(|| end.to_string()),
            remaining: None,
            resource_version: "7".to_owned(),
        })
    }
}

fn row(object: &Value) -> Row {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    Row {
        name: text("/metadata/name"),
        cells: vec![text("/metadata/name"), text("/phase")],
        status: text("/phase"),
        healthy: text("/phase") == "Running",
        ..Row::default()
    }
}

const COLUMNS: Columns<'_, Value> =
    Columns { fields: &["phase"], header: &["NAME", "PHASE"], row, newest_first: false, outlined: true };

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn cluster(reads: u32) -> Cluster {
    let object = |(n, phase): (u64, &&str)| {
        json!({"metadata": {"name": format!("web-{n}"), "creationTimestamp": format!("1970-01-01T00:00:0{n}Z")},
            "phase": phase, "restarts": n})
    };
    let phases = ["Running", "Pending", "Running", "Failed", "Running", "Running", "Pending"];
    Cluster { objects: (0..).zip(&phases).map(object).collect(), reads }
}

fn list(now: SystemTime) -> List<'static> {
    List { noun: "pods", namespace: None, can_narrow: true, budget: 32 << 10, now }
}

fn request(filter: &str) -> ListRequest {
    ListRequest { filter: Some(filter.to_owned()), ..ListRequest::default() }
}

fn ask(request: &ListRequest, reads: u32) -> String {
    list(at(10))
        .rows(request, &COLUMNS, &mut cluster(reads))
        .map(|text| text.trim_end().to_owned())
        .unwrap_or_else(|error| format!("ERROR: {error}"))
}

fn output(output: &str, filter: &str) -> ListRequest {
    ListRequest { output: Some(output.to_owned()), ..request(filter) }
}

#[test]
fn every_form_says_how_many_of_how_many_match() {
    let filter = "phase!=Running,restarts>1";
    assert_eq!(
        ask(&request(filter), 9),
        "2 of 7 pods match: 1 Failed, 1 Pending\nNAME   PHASE\nweb-3  Failed\nweb-6  Pending"
    );
    assert_eq!(ask(&output("count", filter), 9), "2 of 7 pods match: 1 Failed, 1 Pending");
    assert_eq!(ask(&output("names", filter), 9), "2 of 7 pods match\nweb-3\nweb-6");
    let sorted = ListRequest { sort_by: Some("-restarts".to_owned()), ..request(filter) };
    assert_eq!(
        ask(&sorted, 9),
        "2 of 7 pods match: 1 Failed, 1 Pending\nNAME   PHASE\nweb-6  Pending\nweb-3  Failed"
    );
    let fields = ListRequest { fields: Some("restarts".to_owned()), ..request(filter) };
    assert_eq!(ask(&fields, 9), "2 of 7 pods match\nNAME   restarts\nweb-3  3\nweb-6  6");
    let json: Value = serde_json::from_str(&ask(&output("json", filter), 9)).unwrap();
    assert_eq!((json["items"].as_array().unwrap().len(), &json["notice"]), (2, &json!("2 of 7 pods match")));
    assert!(ask(&output("yaml", filter), 9).ends_with("# 2 of 7 pods match"));
}

/// The API server's table holds no field to compare.
#[test]
fn a_kind_without_own_columns_shows_what_is_compared() {
    let answer = list(at(10)).server_table(&request("restarts > 3, phase=Running"), &mut cluster(9)).unwrap();
    assert_eq!(
        answer,
        "2 of 7 pods match\nNAME   restarts  phase\nweb-4  4         Running\nweb-5  5         Running\n"
    );
}

#[test]
fn nothing_that_matches_is_said_with_the_path_that_no_object_has() {
    assert_eq!(ask(&request("phase=Gone"), 9), "0 of 7 pods match.");
    assert_eq!(ask(&request("phsae=Running,phase=Running"), 9), "0 of 7 pods match; none has \"phsae\".");
    let sorted = ListRequest { sort_by: Some("restarts".to_owned()), ..request("phase=Gone") };
    assert_eq!(ask(&sorted, 9), "0 of 7 pods match.");
    let error = ask(&request("phase"), 9);
    assert!(error.starts_with("ERROR: where parameter: condition \"phase\" is malformed"), "{error}");
}

fn token(answer: &str) -> Option<String> {
    let token = answer.split_once("continue=")?.1;
    Some(token.split(['\n', '"']).next()?.to_owned())
}

#[test]
fn a_scan_that_ends_early_says_so_and_goes_on() {
    let mut asked = request("phase=Failed");
    let first = ask(&asked, 1);
    assert!(
        first.starts_with(
            "0 of the first 3 pods match\nonly the first 3 were read: the call has no more reads.\nshown none here and there may be more;"
        ),
        "{first}"
    );
    asked.continue_token = token(&first);
    let second = ask(&asked, 1);
    assert!(second.starts_with("only the first 6 were read: the call has no more reads.\n"), "{second}");
    assert!(second.contains("web-3  Failed\nshown 1 and there may be more;"), "{second}");
    asked.continue_token = token(&second);
    assert_eq!(ask(&asked, 1), "No more pods.");

    let mut counted = output("count", "phase=Running");
    let first = ask(&counted, 2);
    assert!(
        first.starts_with("4 of the first 6 pods match: 4 Running\nonly these were counted: "),
        "{first}"
    );
    counted.continue_token = token(&first);
    assert_eq!(ask(&counted, 2), "0 of the next 1 pods match");

    let names = ListRequest { limit: Some(1), ..output("names", "phase=Running") };
    let first = ask(&names, 9);
    assert!(
        first.starts_with("1 of the first 2 pods match\nweb-0\nshown 1 and there may be more;"),
        "{first}"
    );
}

/// Objects grow older between two answers; the second one chooses as the first did.
#[test]
fn ages_are_compared_at_the_time_of_the_first_answer() {
    let mut asked = ListRequest {
        limit: Some(1),
        sort_by: Some("-restarts".to_owned()),
        ..request("metadata.creationTimestamp>7s")
    };
    let first = list(at(10)).rows(&asked, &COLUMNS, &mut cluster(9)).unwrap();
    assert!(
        first.starts_with("3 of 7 pods match: 2 Running, 1 Pending\n") && first.contains("web-2"),
        "{first}"
    );
    asked.continue_token = token(&first);
    let second = list(at(60)).rows(&asked, &COLUMNS, &mut cluster(9)).unwrap();
    assert!(second.contains("web-1") && second.contains("shown 2 to 2 of 3"), "{second}");
}

#[test]
fn a_token_goes_on_with_its_own_conditions_only() {
    let mut asked = ListRequest { limit: Some(1), ..request("phase=Running") };
    let first = ask(&asked, 9);
    asked.continue_token = token(&first);
    asked.filter = None;
    assert!(ask(&asked, 9).contains("of a list with another where parameter"), "{first}");
}
