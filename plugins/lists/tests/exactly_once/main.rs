//! Over any list, page size, budget, interruption and conditions, each object that meets them is shown exactly once or said
//! to be missing.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod choice;
mod folding;
mod server;

use std::{collections::BTreeMap, time::UNIX_EPOCH};

use porthole_lists::{Columns, List, ListRequest, Row};
use proptest::{prelude::*, sample::select};
use serde_json::Value;

use choice::{Choice, choice};
use folding::FOLD;
use server::{Call, Failed, Object, Remaining, Server, name};

fn row(object: &Value) -> Row {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let status = text("/status");
    Row {
        namespace: String::new(),
        name: text("/metadata/name"),
        cells: vec![text("/metadata/name"), status.clone(), text("/pad")],
        healthy: status == "Running",
        status,
        time: object["time"].as_u64().unwrap_or_default(),
    }
}

/// The form of the answers of a list.
#[derive(Debug, Clone, Copy)]
enum Form {
    ByHealth,
    /// By health, with alike rows as one; a list with conditions shows each object nevertheless.
    Folded,
    ServerTable,
    NewestFirst,
    Sorted(&'static str),
    Names,
    Json,
    Yaml,
    Fields,
}

impl Form {
    fn answer(
        self,
        call: &mut Call<'_>,
        choice: Choice,
        continue_token: Option<String>,
        budget: usize,
        limit: Option<u32>,
    ) -> Result<String, String> {
        let list = List { noun: "things", namespace: None, can_narrow: true, budget, now: UNIX_EPOCH };
        let text = |text: &str| Some(text.to_owned());
        let filter = choice.filter().map(str::to_owned);
        let mut request = ListRequest { continue_token, limit, filter, ..ListRequest::default() };
        let mut newest_first = false;
        match self {
            Self::ByHealth | Self::Folded | Self::ServerTable => {}
            Self::NewestFirst => newest_first = true,
            Self::Sorted(by) => request.sort_by = text(by),
            Self::Names => request.output = text("names"),
            Self::Json => request.output = text("json"),
            Self::Yaml => request.output = text("yaml"),
            Self::Fields => request.fields = text("status"),
        }
        let columns = Columns {
            fields: &["status", "pad", "time"],
            header: &["NAME", "STATUS", "PAD"],
            row,
            newest_first,
            outlined: true,
        };
        match self {
            Self::ServerTable => list.server_table(&request, call),
            Self::Folded => {
                list.folded_rows(&request, &Columns { row: folding::row, ..columns }, &FOLD, call)
            }
            _ => list.rows(&request, &columns, call),
        }
        .map_err(|error| error.to_string())
    }
}

/// The names that a text shows, each as often as it is shown.
fn names(text: &str) -> Vec<String> {
    let is_name = |word: &&str| {
        word.len() == 6
            && word.starts_with('o')
            && word.ends_with('o')
            && word[1..5].bytes().all(|b| b.is_ascii_digit())
    };
    text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(is_name).map(str::to_owned).collect()
}

fn continue_token(text: &str) -> Option<String> {
    let token = text.split_once("continue=")?.1;
    Some(token.split(['\n', '"', ' ']).next()?.to_owned())
}

/// Rows of all answers of a list.
#[derive(Debug, Default)]
struct Observation {
    times: BTreeMap<String, u32>,
    /// An answer said that objects are missing.
    reports_missing: bool,
    answers: u32,
    /// Of a folded list the numbers of objects in its rows.
    folded: folding::Counted,
}

/// Reads a list to its end; `reads` is the number of reads of each call, the last one for all that follow.
fn read(
    server: &Server,
    (form, choice): (Form, Choice),
    budgets: &[usize],
    limit: Option<u32>,
    reads: &[u32],
    error: Failed,
) -> Result<Observation, String> {
    // A long list in very short answers costs time and shows nothing new.
    let limit = limit.map(|limit| limit.max(server.objects.len() as u32 / 20));
    let mut shown = Observation::default();
    let mut token = None;
    loop {
        let at = shown.answers as usize;
        let reads = *reads.get(at).or(reads.last()).unwrap();
        let budget = *budgets.get(at).or(budgets.last()).unwrap();
        let mut call = Call { server, reads, error };
        let text = form.answer(&mut call, choice, token.clone(), budget, limit)?;
        let names = names(&text);
        for name in &names {
            *shown.times.entry(name.clone()).or_default() += 1;
        }
        if matches!(form, Form::Folded) {
            shown.folded.add(&text)?;
        }
        shown.reports_missing |= text.contains("only the first") || text.contains("are missing here");
        shown.answers += 1;
        match continue_token(&text) {
            None => return Ok(shown),
            Some(next) => {
                assert!(token.as_ref() != Some(&next), "no progress: {text}");
                token = Some(next);
            }
        }
        assert!(shown.answers < 5000, "the list never ends");
    }
}

/// Holds that every object of a folded list is counted in one row.
fn check_folded(server: &Server, shown: &Observation) -> Result<(), TestCaseError> {
    prop_assert!(shown.times.values().all(|times| *times == 1), "{:?}", shown.times);
    shown.folded.check(server, shown.reports_missing).map_err(TestCaseError::fail)
}

/// Holds that every object that is chosen is shown once, or not at all and said to be missing, and that no other is shown.
fn check(server: &Server, (form, choice): (Form, Choice), shown: &Observation) -> Result<(), TestCaseError> {
    if matches!((form, choice), (Form::Folded, Choice::All)) {
        return check_folded(server, shown);
    }
    for at in 0..server.objects.len() {
        match shown.times.get(&name(at)) {
            Some(1) if choice.has(&server.objects[at]) => {}
            None if shown.reports_missing || !choice.has(&server.objects[at]) => {}
            times => {
                let status = (server.objects[at].status, server.objects[at].outlined_status);
                prop_assert!(
                    false,
                    "{} {status:?} is shown {times:?} times in {} answers of {choice:?}",
                    name(at),
                    shown.answers
                );
            }
        }
    }
    prop_assert!(shown.times.len() <= server.objects.len());
    Ok(())
}

const STATUSES: [&str; 4] = ["Running", "Running", "CrashLoopBackOff", "Pending"];

fn object(agrees: bool) -> impl Strategy<Value = Object> {
    (
        select(&STATUSES[..]),
        select(&STATUSES[..]),
        prop_oneof![4 => 0_usize..40, 1 => 0_usize..3000],
        0_u64..20,
    )
        .prop_map(move |(status, other, width, time)| Object {
            status,
            outlined_status: if agrees { status } else { other },
            width,
            time,
        })
}

/// Mostly short lists of short pages; some with more objects than a full page of rows or outlines holds.
fn server(agrees: bool) -> impl Strategy<Value = Server> {
    let short = (prop::collection::vec(object(agrees), 0..80), 1_u32..30);
    let long = (prop::collection::vec(object(agrees), 400..1100), Just(u32::MAX));
    (prop_oneof![20 => short, 1 => long], 1_u32..4, any::<bool>(), remaining()).prop_map(
        |((objects, max_page), shorter, is_narrow, remaining)| {
            let max_rows = (max_page / shorter).max(1);
            Server { objects, max_page, max_rows, is_narrow, remaining }
        },
    )
}

fn remaining() -> impl Strategy<Value = Remaining> {
    let inexact = vec![Remaining::Zero, Remaining::Half, Remaining::Double, Remaining::Vast];
    prop_oneof![2 => select(vec![Remaining::None, Remaining::Exact]), 1 => select(inexact)]
}

fn form() -> impl Strategy<Value = Form> {
    select(vec![
        Form::ByHealth,
        Form::ByHealth,
        Form::Folded,
        Form::ServerTable,
        Form::NewestFirst,
        Form::Sorted("STATUS"),
        Form::Sorted("-status.x"),
        Form::Sorted("time"),
        Form::Sorted("-['status']"),
        Form::Names,
        Form::Json,
        Form::Yaml,
        Form::Fields,
    ])
}

fn budgets() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![Just(0_usize), 2000_usize..6000, 6000_usize..64_000], 1..4)
}

fn limit() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![3 => Just(None), 1 => (5_u32..50).prop_map(Some)]
}

proptest! {
    /// Without interruptions nothing may be missing.
    #[test]
    fn each_object_is_shown_exactly_once(
        server in server(true), form in form(), choice in choice(), budgets in budgets(), limit in limit(),
    ) {
        let shown =
            read(&server, (form, choice), &budgets, limit, &[u32::MAX], Failed::Limit).map_err(TestCaseError::fail)?;
        prop_assert!(!shown.reports_missing);
        check(&server, (form, choice), &shown)?;
    }

    /// A call that reaches its limits midway continues in the next one, or the list is said to be cut.
    #[test]
    fn a_limit_midway_loses_nothing_in_silence(
        server in server(true), form in form(), choice in choice(), budgets in budgets(), limit in limit(),
        reads in prop::collection::vec(1_u32..12, 0..4), last in 3_u32..40,
    ) {
        let reads: Vec<u32> = reads.into_iter().chain([last]).collect();
        match read(&server, (form, choice), &budgets, limit, &reads, Failed::Limit) {
            Ok(shown) => check(&server, (form, choice), &shown)?,
            // A sorted list must be read again as far as before.
            Err(error) => prop_assert!(error.contains("could be read again") || error.contains("no more reads"), "{error}"),
        }
    }

    /// Any other error is an error, not a shorter list.
    #[test]
    fn an_error_midway_is_an_error(
        server in server(true), form in form(), choice in choice(), budgets in budgets(), reads in 1_u32..4,
    ) {
        match read(&server, (form, choice), &budgets, None, &[reads], Failed::Unavailable) {
            Ok(shown) => {
                prop_assert!(!shown.reports_missing);
                check(&server, (form, choice), &shown)?;
            }
            Err(error) => prop_assert!(error.contains("no more reads"), "{error}"),
        }
    }

    /// A folded list leads with the worst, over all of its answers.
    #[test]
    fn the_worst_come_first(server in server(true), budgets in budgets(), limit in limit()) {
        let folded = (Form::Folded, Choice::All);
        let shown = read(&server, folded, &budgets, limit, &[u32::MAX], Failed::Limit).map_err(TestCaseError::fail)?;
        prop_assert!(shown.folded.is_worst_first(), "{:?}", shown.folded);
    }

    /// Counts of conditions, read in as many calls as they need, are those of the objects.
    #[test]
    fn counts_add_up(server in server(true), choice in choice(), reads in prop::collection::vec(1_u32..12, 1..4)) {
        let chosen = server.objects.iter().filter(|object| choice.has(object)).count() as u64;
        let list = List { noun: "things", namespace: None, can_narrow: true, budget: 32 << 10, now: UNIX_EPOCH };
        let (mut token, mut counted, mut scanned) = (None, 0, 0);
        for at in 0.. {
            let request = ListRequest {
                output: Some("count".to_owned()),
                filter: choice.filter().map(str::to_owned),
                continue_token: token,
                ..ListRequest::default()
            };
            let reads = if choice == Choice::All { u32::MAX } else { *reads.get(at).or(reads.last()).unwrap() };
            let mut call = Call { server: &server, reads, error: Failed::Limit };
            let text = list.server_table(&request, &mut call).map_err(|error| TestCaseError::fail(error.to_string()))?;
            let mut numbers = text.split([' ', ':', '\n']).filter_map(|word| word.parse::<u64>().ok());
            counted += numbers.next().unwrap_or_default();
            scanned += numbers.next().unwrap_or_default();
            token = continue_token(&text);
            if token.is_none() {
                break;
            }
            prop_assert!(at < 2000, "{text}");
        }
        prop_assert_eq!(counted, chosen);
        if choice != Choice::All {
            prop_assert_eq!(scanned, server.objects.len() as u64);
        }
    }

    /// A token is foreign text: any is answered, with an error or an answer that ends.
    #[test]
    fn any_token_is_answered(server in server(true), form in form(), choice in choice(), token in r"[urs2-9]([0-9]{1,4})?\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.([0-9]{1,3}|4294967295|18446744073709551615)\.([0-9]{1,4}|4294967295|18446744073709551615)\.7%2E1%252E\.(-|[0-9])") {
        let at_most = server.objects.len();
        let mut call = Call { server: &server, reads: 100, error: Failed::Limit };
        // A token behind the list is one that no answer gave: the simulated server cannot read it.
        if token.rsplit('.').next().and_then(|at| at.parse::<usize>().ok()).is_none_or(|at| at <= at_most) {
            let _ = form.answer(&mut call, choice, Some(token), 4000, None);
        }
    }
}

proptest! {
    // Long lists of many unhealthy objects are read as often as they have answers.
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// A table of the API server that contradicts the rows, in health or in severity, hides no object and shows none twice.
    #[test]
    fn a_contradicting_table_hides_nothing(
        server in server(false), form in form(), budgets in budgets(), limit in limit(),
    ) {
        let all = (form, Choice::All);
        let shown = read(&server, all, &budgets, limit, &[u32::MAX], Failed::Limit).map_err(TestCaseError::fail)?;
        prop_assert!(!shown.reports_missing);
        check(&server, all, &shown)?;
    }

    /// So it is over calls that reach their limits midway.
    #[test]
    fn a_contradicting_table_and_limits_lose_nothing_in_silence(
        server in server(false), form in form(), budgets in budgets(), limit in limit(),
        reads in prop::collection::vec(1_u32..12, 0..4), last in 3_u32..40,
    ) {
        let all = (form, Choice::All);
        let reads: Vec<u32> = reads.into_iter().chain([last]).collect();
        match read(&server, all, &budgets, limit, &reads, Failed::Limit) {
            Ok(shown) => check(&server, all, &shown)?,
            Err(error) => prop_assert!(error.contains("could be read again") || error.contains("no more reads"), "{error}"),
        }
    }
}

/// Rows come in shorter pages than outlines, and each call has reads for a part of those of one page of outlines.
#[test]
fn an_answer_without_room_for_a_page_of_outlines_gets_on() {
    let object = |status| Object { status, outlined_status: status, width: 0, time: 0 };
    let objects = (0..66).map(|at| object(if at < 19 { "Running" } else { "Pending" })).collect();
    let server = Server { objects, max_page: 15, max_rows: 5, is_narrow: false, remaining: Remaining::None };
    let shown = read(&server, (Form::ServerTable, Choice::All), &[0], None, &[7], Failed::Limit);
    check(&server, (Form::ServerTable, Choice::All), &shown.unwrap_or_else(|error| panic!("{error}")))
        .unwrap_or_else(|error| panic!("{error}"));
}

/// The API calls `remainingItemCount` inexact: one of 0 beside a token once ended a list of 1,000 behind 508.
#[test]
fn a_count_that_is_too_small_ends_no_list() {
    let object = |at| Object {
        status: if at % 50 == 0 { "Pending" } else { "Running" },
        outlined_status: if at % 50 == 0 { "Pending" } else { "Running" },
        width: 20,
        time: 0,
    };
    for remaining in [Remaining::Zero, Remaining::Half, Remaining::Double, Remaining::Vast] {
        let server = Server {
            objects: (0..1000).map(object).collect(),
            max_page: 500,
            max_rows: 100,
            is_narrow: false,
            remaining,
        };
        for form in [Form::ByHealth, Form::Folded, Form::ServerTable, Form::Names, Form::Fields] {
            for choice in [Choice::All, Choice::NotRunning, Choice::None] {
                let shown = read(&server, (form, choice), &[8000], None, &[u32::MAX], Failed::Limit);
                let shown = shown.unwrap_or_else(|error| panic!("{error}"));
                assert!(!shown.reports_missing, "{form:?} {remaining:?}");
                check(&server, (form, choice), &shown)
                    .unwrap_or_else(|error| panic!("{form:?} {remaining:?}: {error}"));
            }
        }
    }
}

/// Unhealthy objects far behind the first page are found, and answers go on from there.
#[test]
fn what_stands_far_apart_in_one_page_is_shown_once() {
    let is_unhealthy = |at: u32| matches!(at, 700 | 4200..4900 | 7999);
    let object = |at| {
        let status = if is_unhealthy(at) { "CrashLoopBackOff" } else { "Running" };
        Object { status, outlined_status: status, width: 20, time: 0 }
    };
    for is_narrow in [false, true] {
        let objects = (0..8000).map(object).collect();
        let server = Server {
            objects,
            max_page: u32::MAX,
            max_rows: u32::MAX,
            is_narrow,
            remaining: Remaining::Exact,
        };
        for form in [Form::ByHealth, Form::Folded, Form::ServerTable] {
            let all = (form, Choice::All);
            let shown = read(&server, all, &[16_000], None, &[u32::MAX], Failed::Limit);
            let shown = shown.unwrap_or_else(|error| panic!("{error}"));
            assert!(!shown.reports_missing, "{form:?}");
            check(&server, all, &shown).unwrap_or_else(|error| panic!("{form:?}: {error}"));
        }
    }
}

/// A long list is a page of rows and one of outlines, a count one of outlines; an unhealthy object at the end is two reads
/// more: to pass over what stands before it, and its row.
#[test]
fn a_long_list_is_read_at_once() {
    let list = List { noun: "things", namespace: None, can_narrow: true, budget: 16_000, now: UNIX_EPOCH };
    let reads = |broken: Option<usize>, output: Option<&str>| {
        let object = |at| {
            let status = if Some(at) == broken { "CrashLoopBackOff" } else { "Running" };
            Object { status, outlined_status: status, width: 20, time: 0 }
        };
        let objects = (0..9000).map(object).collect();
        let (max_page, remaining) = (u32::MAX, Remaining::Exact);
        let server = Server { objects, max_page, max_rows: max_page, is_narrow: false, remaining };
        let mut call = Call { server: &server, reads: 100, error: Failed::Unavailable };
        let request = ListRequest { output: output.map(str::to_owned), ..ListRequest::default() };
        let text = list.server_table(&request, &mut call).unwrap_or_else(|error| panic!("{error}"));
        assert!(text.starts_with("9000 things: "), "{text}");
        assert_eq!(broken.is_some() && output.is_none(), text.contains("o8999o"), "{text}");
        100 - call.reads
    };
    assert_eq!(reads(None, None), 2);
    assert_eq!(reads(None, Some("count")), 1);
    assert_eq!(reads(Some(8999), None), 4);
    assert_eq!(reads(Some(8999), Some("count")), 1);
}

/// Counts are worth showing where the reads of a call end before the rows that lead, and the next call has reads for them.
#[test]
fn a_row_that_a_call_does_not_reach_is_the_next_answer() {
    let object = |at| {
        let status = if at == 8999 { "CrashLoopBackOff" } else { "Running" };
        Object { status, outlined_status: status, width: 20, time: 0 }
    };
    let objects = (0..9000).map(object).collect();
    let (max_page, remaining) = (u32::MAX, Remaining::Exact);
    let server = Server { objects, max_page, max_rows: max_page, is_narrow: false, remaining };
    let list = (Form::ServerTable, Choice::All);
    let answer = |reads, token| {
        let mut call = Call { server: &server, reads, error: Failed::Limit };
        list.0.answer(&mut call, list.1, token, 16_000, None).unwrap_or_else(|error| panic!("{error}"))
    };
    let first = answer(2, None);
    assert!(first.starts_with("9000 things: 8999 Running, 1 CrashLoopBackOff"), "{first}");
    let next = answer(4, continue_token(&first));
    assert!(next.contains("o8999o"), "{next}");
}
