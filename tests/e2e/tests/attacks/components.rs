//! Components that attack the host with their answers, logs and memory.

use std::time::Duration;

use futures::future::join_all;
use porthole_testbed::{
    component::{Component, Data},
    http::send,
};
use serde_json::{Value, json};

use crate::{
    Case,
    stage::{Setting, Stage},
};

/// Call limits, so that loops end soon.
const CONFIG: &str = "limits: {timeout: 4s, cpu: 1s}\n";
/// Call limits for a call that computes beside others: what it waits for a processor is no part of its limit.
const PATIENT: &str = "limits: {timeout: 2m, cpu: 1s}\n";
/// Larger than any answer within `output` as escaped JSON.
const ANSWER: usize = 96 << 10;
/// An `ok` outcome with no content.
const NOTHING: [u32; 6] = [0, 0, 0, 0, 0, 0];

/// A component with its name.
type NamedComponent = (&'static str, Vec<u8>);

/// Builds a component whose `run` may refer to its static data.
fn component(name: &'static str, memory: u32, run: impl FnOnce(&mut Data) -> String) -> NamedComponent {
    let mut data = Data::default();
    let run = run(&mut data);
    (name, Component { name, memory, data, run, ..Component::default() }.build())
}

async fn staged(case: &'static Case, components: Vec<NamedComponent>) -> Stage {
    staged_with(case, CONFIG, components).await
}

/// Sets the stage like [`staged`], with another configuration.
async fn staged_with(case: &'static Case, config: &str, components: Vec<NamedComponent>) -> Stage {
    let names: Vec<(String, Vec<u8>)> =
        components.into_iter().map(|(name, bytes)| (format!("{name}.wasm"), bytes)).collect();
    let files = names.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    let stage = Stage::set(case, Setting { config, files, guests: &["hostile"], ..Setting::default() }).await;
    for (name, _) in &names {
        let reason = stage.reason(name).await;
        assert!(reason.is_none(), "{name}: {reason:?}");
    }
    stage
}

/// Whole body of a call's answer over `/mcp`.
async fn body(stage: &Stage, token: &str, tool: &str) -> String {
    let call =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": {}}});
    send("POST", &format!("{}/mcp", stage.host.origin), Some(token), &call.to_string()).await.unwrap().body
}

/// Calls each, and expects an error of limited size.
async fn stopped(stage: &Stage, names: &[&'static str]) {
    let nobody = stage.nobody().await;
    stage
        .attack(async {
            for name in names {
                let body = body(stage, &nobody, name).await;
                assert!(body.len() < ANSWER, "{name}: {} bytes", body.len());
                let shown = body.get(..300).unwrap_or(&body);
                assert!(body.contains("\"isError\":true"), "{name}: {shown}");
            }
        })
        .await;
    stage.assert_serves().await;
}

fn names(components: &[NamedComponent]) -> Vec<&'static str> {
    components.iter().map(|(name, _)| *name).collect()
}

/// A line that could be mistaken for one of the audit.
const FORGED: &str = "x\n{\"audit\":\"2026-01-01T00:00:00.000Z\",\"caller\":\"forged\",\"tool\":\"pods_list\",\"verdict\":\"ok\"}\n";

/// Asserts that no line of the log begins like an audit line.
pub(crate) fn assert_nothing_forged(log: &[u8]) {
    let text = String::from_utf8_lossy(log);
    // Terminals and line readers end a line at each of these.
    let lines = text.split(['\n', '\r', '\u{2028}', '\u{2029}', '\u{85}']);
    let forged: Vec<&str> = lines.filter(|line| line.trim_start().starts_with("{\"audit\"")).collect();
    assert!(forged.is_empty(), "{forged:?}");
}

pub(crate) async fn forged_line(case: &'static Case) {
    let forger = component("forger", 0, |data| {
        let [at, length] = data.text(FORGED);
        let nothing = data.words(&NOTHING);
        format!("(call $log (i32.const 3) (i32.const {at}) (i32.const {length})) (i32.const {nothing})")
    });
    let stage = staged(case, vec![forger]).await;
    let nobody = stage.nobody().await;
    stage.attack(body(&stage, &nobody, "forger")).await;
    // The log contains the tool's output.
    stage.host.until_logged("forged").await.unwrap();
    assert_nothing_forged(&stage.log());
    // The file does not contain it either: the caller is the authenticated one.
    assert!(stage.audit().await.iter().all(|line| line["caller"] != "forged"));
}

pub(crate) async fn terminal(case: &'static Case) {
    let stage = staged(case, vec![]).await;
    let nobody = stage.nobody().await;
    let client = stage.client(&nobody);
    let answer = stage.attack(client.call("hostile", json!({"what": "deface"}))).await.unwrap();
    assert!(answer.starts_with("ERROR"), "{answer}");
    let log = stage.log();
    for bad in ["\r", "\u{1b}", "\u{202e}"] {
        assert!(!String::from_utf8_lossy(&log).contains(bad), "{bad:?} stands in the log");
    }
    assert_nothing_forged(&log);
}

pub(crate) async fn log_flood(case: &'static Case) {
    let stage = staged(case, vec![flooder()]).await;
    let before = stage.log().len();
    flood_log(&stage).await;
    let logged = stage.log().len() - before;
    assert!(logged < 4 * (64 << 10), "{logged} bytes of log");
}

/// A component that logs 4 kB, 30,000 times.
pub(crate) fn flooder() -> NamedComponent {
    component("flooder", 0, |data| {
        let [at, length] = data.text(&"y".repeat(4096));
        let nothing = data.words(&NOTHING);
        format!(
            "(local $n i32) (loop $again
                (call $log (i32.const 3) (i32.const {at}) (i32.const {length}))
                (local.set $n (i32.add (local.get $n) (i32.const 1)))
                (br_if $again (i32.lt_u (local.get $n) (i32.const 30000))))
            (i32.const {nothing})"
        )
    })
}

/// The attack of [`log_flood`].
pub(crate) async fn flood_log(stage: &Stage) {
    let nobody = stage.nobody().await;
    stage.attack(join_all((0..2).map(|_| body(stage, &nobody, "flooder")))).await;
}

pub(crate) async fn answers(case: &'static Case) {
    const LONG: u32 = 3_000_000;
    // The long bytes follow the static ones, at an address chosen before those are complete.
    let place = |data: &Data| data.end() + 4096;
    let outcome = |data: &mut Data, content: &[u32]| {
        let item = data.words(content);
        data.words(&[0, item, 1, 0, 0, 0])
    };
    let fill = |at: u32, result: u32| {
        format!("(memory.fill (i32.const {at}) (i32.const 120) (i32.const {LONG})) (i32.const {result})")
    };
    let memory = LONG + (1 << 20);
    let components = vec![
        component("long_error", memory, |data| {
            let at = place(data);
            let result = data.words(&[1, at, LONG, 0, 0, 0]);
            fill(at, result)
        }),
        component("long_uri", memory, |data| {
            let at = place(data);
            let result = outcome(data, &[3, at, LONG, 0, 0, 0, 0]);
            fill(at, result)
        }),
        component("long_mime", memory, |data| {
            let at = place(data);
            let result = outcome(data, &[1, 0, 0, at, LONG, 0, 0]);
            fill(at, result)
        }),
        component("long_image", memory, |data| {
            let at = place(data);
            let [mime, length] = data.text("image/png");
            let result = outcome(data, &[1, at, LONG, mime, length, 0, 0]);
            fill(at, result)
        }),
        component("long_embedded", memory, |data| {
            let at = place(data);
            let result = outcome(data, &[3, 0, 0, at, LONG, 0, 0]);
            fill(at, result)
        }),
    ];
    let names = names(&components);
    let stage = staged(case, components).await;
    stopped(&stage, &names).await;
    for line in stage
        .audit()
        .await
        .iter()
        .filter(|line| line["tool"].as_str().is_some_and(|tool| tool.starts_with("long_")))
    {
        assert!(line["bytesOut"].as_u64().unwrap() < ANSWER as u64, "{line}");
    }
    stage.assert_grown_less_than(96);
}

pub(crate) async fn sizes(case: &'static Case) {
    const ITEMS: u32 = 1_000_000;
    const TEXT: u32 = 100 << 20;
    let components = vec![
        // An empty text is seven zero words.
        component("million", ITEMS * 28 + (1 << 20), |data| {
            let at = data.end() + 4096;
            let result = data.words(&[0, at, ITEMS, 0, 0, 0]);
            format!("(i32.const {result})")
        }),
        component("long_text", TEXT + (1 << 20), |data| {
            let at = data.end() + 4096;
            let item = data.words(&[0, at, TEXT, 0, 0, 0, 0]);
            let result = data.words(&[0, item, 1, 0, 0, 0]);
            format!("(i32.const {result})")
        }),
    ];
    let names = names(&components);
    let stage = staged(case, components).await;
    stopped(&stage, &names).await;
}

pub(crate) async fn handles(case: &'static Case) {
    let endless = component("handles", 0, |_| {
        "(loop $again (drop (call $pollable (i64.const 1))) (br $again)) (unreachable)".into()
    });
    let stage = staged(case, vec![endless]).await;
    stopped(&stage, &["handles"]).await;
    stage.assert_grown_less_than(192);
}

pub(crate) async fn allocators(case: &'static Case) {
    let with = |name: &'static str, realloc: &'static str| {
        let mut data = Data::default();
        let nothing = data.words(&NOTHING);
        (
            name,
            Component {
                name,
                data,
                realloc: Some(realloc),
                run: format!("(i32.const {nothing})"),
                ..Component::default()
            }
            .build(),
        )
    };
    let components = vec![
        with("realloc_loop", "(loop $again (br $again)) (unreachable)"),
        with("realloc_outside", "(i32.const -16)"),
        with("realloc_end", "(i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1))"),
        with("realloc_trap", "(unreachable)"),
    ];
    let names = names(&components);
    let stage = staged(case, components).await;
    stopped(&stage, &names).await;
}

pub(crate) async fn outcomes(case: &'static Case) {
    let result = |name: &'static str, words: Vec<u32>, bytes: &'static [u8]| {
        component(name, 0, move |data| {
            let at = data.bytes(bytes);
            let words: Vec<u32> = words.iter().map(|word| if *word == 0xda7a { at } else { *word }).collect();
            let result = data.words(&words);
            format!("(i32.const {result})")
        })
    };
    let components = vec![
        result("bad_tag", vec![99, 0, 0, 0, 0, 0], b""),
        result("bad_content", vec![0, 0xda7a, 1, 0, 0, 0], &[9; 28]),
        result("bad_utf8", vec![1, 0xda7a, 4, 0, 0, 0], b"\xff\xfe\xc0\x80"),
        result("bad_length", vec![1, 0xda7a, u32::MAX, 0, 0, 0], b""),
        result("bad_list", vec![0, 0xda7a, u32::MAX, 0, 0, 0], b""),
        result("bad_pointer", vec![1, 0xffff_fff0, 64, 0, 0, 0], b""),
        component("bad_result", 0, |_| "(i32.const -4)".into()),
        component("unaligned", 0, |_| "(i32.const 1025)".into()),
        component("trap", 0, |_| "(unreachable)".into()),
    ];
    let names = names(&components);
    let stage = staged(case, components).await;
    stopped(&stage, &names).await;
}

pub(crate) async fn growth(case: &'static Case) {
    let with = |name: &'static str, items: &str, run: &str| {
        (
            name,
            Component { name, items: items.to_owned(), run: run.to_owned(), ..Component::default() }.build(),
        )
    };
    let components = vec![
        with("tables", "(table $t 1 funcref)", "(loop $again (drop (table.grow $t (ref.null func) (i32.const 1000000))) (br $again)) (unreachable)"),
        with("memories", "", "(loop $again (drop (memory.grow (i32.const 16))) (br $again)) (unreachable)"),
        with(
            "fills",
            "",
            "(drop (memory.grow (i32.const 1600)))
            (loop $again (memory.fill (i32.const 0) (i32.const 1) (i32.const 100000000)) (br $again)) (unreachable)",
        ),
        with("recursion", "(func $f (param i64 i64 i64 i64) (call $f (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)))", "(call $f (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)) (unreachable)"),
    ];
    let names = names(&components);
    let stage = staged(case, components).await;
    stopped(&stage, &names).await;
    stage.assert_grown_less_than(256);
}

pub(crate) async fn spinning(case: &'static Case) {
    // A harmless tool that computes for a third of its CPU limit, alone and beside spinning ones.
    let worker = component("worker", 0, |data| {
        let nothing = data.words(&NOTHING);
        format!(
            "(local $n i32) (loop $again
                (local.set $n (i32.add (local.get $n) (i32.const 1)))
                (br_if $again (i32.lt_u (local.get $n) (i32.const 400000000))))
            (i32.const {nothing})"
        )
    });
    let stage = staged_with(case, PATIENT, vec![worker]).await;
    let client = stage.client(&stage.bystander.token);
    let work = async || client.call("worker", json!({})).await.unwrap();
    let alone = work().await;
    assert!(!alone.starts_with("ERROR"), "{alone}");
    let amid = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        work().await
    };
    let ((), amid) = tokio::join!(spin(&stage), amid);
    assert!(!amid.starts_with("ERROR"), "an innocent was charged for waiting: {amid}");
    let lines = stage.audit().await;
    let worked: Vec<&Value> =
        lines.iter().filter(|line| line["tool"] == "worker").map(|line| &line["cpuUs"]).collect();
    println!(
        "attacks: [46] a tool that computes was charged {} us alone, {} us among eight that spin",
        worked[0], worked[1]
    );
    let (own, others): (Vec<&Value>, Vec<&Value>) =
        lines.iter().filter(|line| line["tool"] != "worker").partition(|line| line["tool"] == "hostile");
    assert_eq!(own.len(), 8);
    for line in own {
        assert!(line["cpuUs"].as_u64().unwrap() < 2_000_000, "a spinning call is stopped at its cpu: {line}");
    }
    // A few milliseconds of work each; the wait for a processor is not the component's time.
    let mut times: Vec<u64> = others.iter().filter_map(|line| line["cpuUs"].as_u64()).collect();
    times.sort_unstable();
    let worst = times.last().copied().unwrap_or_default();
    println!(
        "attacks: [46] a bystander was charged {worst} us of CPU at most, {} in the middle",
        times[times.len() / 2]
    );
    assert!(worst < 100_000, "an innocent call was charged {worst} us");
}

/// The attack of [`spinning`].
pub(crate) async fn spin(stage: &Stage) {
    let nobody = stage.nobody().await;
    let clients: Vec<_> = (0..8).map(|_| stage.client(&nobody)).collect();
    let attack = join_all(clients.iter().map(|client| client.call("hostile", json!({"what": "loop"}))));
    for answer in stage.attack(attack).await {
        let text = answer.unwrap();
        assert!(text.starts_with("ERROR"), "{text}");
    }
}
