//! The tools folder: files that are no tools, never end, or are never ready.

use std::{os::unix::fs::symlink, path::Path, process::Command};

use porthole_testbed::component::Component;

use crate::{
    Case,
    components::assert_nothing_forged,
    stage::{PATIENCE, Setting, Stage},
};

/// File names sorted before and after those of the tools.
const NAMES: [&str; 2] = ["aaa.wasm", "zzz.wasm"];

/// Asserts that the tools are still served, each of `files` is reported, and a new tool is loaded afterwards.
async fn goes_on(stage: &Stage, files: &[&str]) {
    stage
        .attack(async {
            for file in files {
                stage.until_refused(file).await;
            }
            let late = Component { name: "late", ..Component::default() }.build();
            std::fs::write(stage.tools().join(".late"), late).unwrap();
            std::fs::rename(stage.tools().join(".late"), stage.tools().join("late.wasm")).unwrap();
            let begun = std::time::Instant::now();
            loop {
                let readiness = stage.host.readiness().await.unwrap();
                if readiness["tools"].as_array().unwrap().iter().any(|tool| tool["name"] == "late") {
                    break;
                }
                assert!(begun.elapsed() < PATIENCE, "a new tool is not served: {readiness}");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        })
        .await;
    stage.assert_serves().await;
}

fn fifo_at(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Waits for the tools themselves: files that are never ready must not block them.
async fn cold(case: &'static Case, setting: Setting<'_>) -> Stage {
    let stage = Stage::start(case, setting).await;
    porthole_testbed::porthole::until_ready(&stage.host.origin).await.unwrap();
    stage.host.until_loaded().await.unwrap();
    stage.settle().await
}

pub(crate) async fn fifo(case: &'static Case) {
    let prepare: fn(&Path) = |tools| fifo_at(&tools.join(NAMES[0]));
    let stage = cold(case, Setting { prepare: Some(prepare), ..Setting::default() }).await;
    fifo_at(&stage.tools().join(NAMES[1]));
    goes_on(&stage, &NAMES).await;
}

pub(crate) async fn zero(case: &'static Case) {
    let prepare: fn(&Path) = |tools| symlink("/dev/zero", tools.join(NAMES[0])).unwrap();
    let stage = cold(case, Setting { prepare: Some(prepare), ..Setting::default() }).await;
    symlink("/dev/zero", stage.tools().join(NAMES[1])).unwrap();
    goes_on(&stage, &NAMES).await;
    stage.assert_grown_less_than(128);
}

pub(crate) async fn broken(case: &'static Case) {
    let prepare: fn(&Path) = |tools| {
        symlink("/etc/passwd/x", tools.join("aaa.wasm")).unwrap();
        symlink("aab.wasm", tools.join("aab.wasm")).unwrap();
        symlink("/nowhere/at/all", tools.join("aac.wasm")).unwrap();
        for n in 0..2000 {
            std::fs::write(tools.join(format!("bad-{n:04}.wasm")), format!("bad {n}")).unwrap();
        }
    };
    let stage = cold(case, Setting { prepare: Some(prepare), ..Setting::default() }).await;
    symlink("zzz.wasm", stage.tools().join("zzz.wasm")).unwrap();
    goes_on(&stage, &["bad-0000.wasm"]).await;
    // Links, bad files and zzz.wasm, of which fifty are listed.
    let begun = std::time::Instant::now();
    loop {
        let readiness = stage.host.readiness().await.unwrap();
        if readiness["moreFailed"].as_u64().is_some_and(|more| more >= 1950) {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{}", readiness["moreFailed"]);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

pub(crate) async fn file_name(case: &'static Case) {
    let stage = Stage::usual(case).await;
    let name = "x\n{\"audit\":\"2026-01-01T00:00:00Z\",\"caller\":\"forged\"}\r\u{1b}[2K.wasm";
    std::fs::write(stage.tools().join(name), "garbage").unwrap();
    stage
        .attack(async {
            let begun = std::time::Instant::now();
            while stage.host.readiness().await.unwrap()["failed"].as_array().is_none_or(Vec::is_empty) {
                assert!(begun.elapsed() < PATIENCE, "the file is not named");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        })
        .await;
    let log = stage.log();
    assert_nothing_forged(&log);
    assert!(!log.contains(&b'\r') && !log.contains(&0x1b), "control characters stand in the log");
}

pub(crate) async fn loops(case: &'static Case) {
    let files = vec![
        (
            "aaa.wasm",
            Component { name: "aaa", start: "(loop $again (br $again))", ..Component::default() }.build(),
        ),
        (
            "zzz.wasm",
            Component { name: "zzz", describe: "(loop $again (br $again))", ..Component::default() }.build(),
        ),
    ];
    let stage = Stage::start(case, Setting { files, ..Setting::default() }).await;
    let begun = std::time::Instant::now();
    porthole_testbed::porthole::until_ready(&stage.host.origin).await.unwrap();
    println!(
        "attacks: [36] tools are served {:.1} s after the start beside files that loop",
        begun.elapsed().as_secs_f64()
    );
    stage.host.until_loaded().await.unwrap();
    let stage = stage.settle().await;
    goes_on(&stage, &NAMES).await;
}

pub(crate) async fn bombs(case: &'static Case) {
    let stage = Stage::usual(case).await;
    // Hundreds of registers that live across every branch of a table.
    let branches: String = (0..30_000).map(|n| format!("{} ", n % 64)).collect();
    let blocks: String = (0..64).map(|n| format!("(block $b{n} ")).collect();
    let ends: String = (0..64)
        .map(|n| {
            format!(") (local.set $l{} (i64.add (local.get $l{n}) (local.get $l{})))", n % 32, (n + 7) % 64)
        })
        .collect();
    let locals: String = (0..64).map(|n| format!("(local $l{n} i64) ")).collect();
    let table = |n: usize| {
        format!("(func $t{n} (param $x i32) {locals} {blocks} (br_table {branches} (local.get $x)) {ends})")
    };
    let tables: String = (0..24).map(table).collect();
    let functions: String = (0..200_000).map(|_| "(func (result i32) (i32.const 1))").collect();
    let files = [("tables.wasm", tables), ("functions.wasm", functions)].map(|(name, items)| {
        (name, Component { name: name.trim_end_matches(".wasm"), items, ..Component::default() }.build())
    });
    for (name, bytes) in &files {
        println!("attacks: [51] {name} has {} kB", bytes.len() / 1000);
    }
    stage
        .attack(async {
            for (name, bytes) in files {
                std::fs::write(stage.tools().join(".partial"), bytes).unwrap();
                std::fs::rename(stage.tools().join(".partial"), stage.tools().join(name)).unwrap();
                let begun = std::time::Instant::now();
                // Served, or reported with a reason: either way loading ended, and the host lives.
                loop {
                    let readiness = stage.host.readiness().await.unwrap();
                    let named = |list: &str, key: &str, value: &str| {
                        readiness[list]
                            .as_array()
                            .is_some_and(|list| list.iter().any(|item| item[key] == value))
                    };
                    if named("failed", "file", name) || named("tools", "name", name.trim_end_matches(".wasm"))
                    {
                        break;
                    }
                    assert!(begun.elapsed() < PATIENCE, "{name} is neither served nor refused");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
                println!(
                    "attacks: [51] {name}: {:?} after {:.1} s",
                    stage.reason(name).await,
                    begun.elapsed().as_secs_f64()
                );
            }
        })
        .await;
    stage.assert_serves().await;
    // The compiler's memory is its child's, not the host's.
    stage.assert_grown_less_than(128);
    println!("attacks: [51] all in the cage: {:?} MB at most", stage.cage.peak().map(|bytes| bytes >> 20));
}
