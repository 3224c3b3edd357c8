//! Fuzzing: libFuzzer over the targets of tests/fuzz, with the compiler and the dependencies of every other build.
//!
//! cargo-fuzz would want a nightly compiler, and build wasmtime anew with it. What it adds is a sanitizer of memory, which finds
//! little in a host without unsafe code, and flags that the stable compiler takes too: `tests/fuzz/instrument.sh` passes them
//! to the crates of this workspace alone. So a machine needs a C++ compiler for libFuzzer, and nothing else.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

use anyhow::{Context, Result, bail};

use crate::shell::{built, cache, command, has, root, run_aside};

/// Memory of one target, in MB. The bounds of the parsers are far below; an input that takes more is a finding.
const MAX_MEMORY: u32 = 1024;
/// Bytes of an input. Longer ones are rarely stranger, and slower.
const MAX_LENGTH: u32 = 4096;
/// Seconds that one input may take.
const MAX_TIME: u32 = 10;
/// Seconds that a failing input is made smaller for.
const TO_MINIMISE: u32 = 20;

/// Refuses a machine without what fuzzing needs; says how to get it.
pub(crate) fn can_run() -> Result<()> {
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    if !has(&compiler) {
        bail!("libFuzzer needs a C++ compiler, and there is no {compiler}: apt-get install g++");
    }
    Ok(())
}

/// Origin of the inputs of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inputs {
    /// Random ones, on top of all that earlier runs found.
    New,
    /// The same sequence in every run of the same program: CI must not end differently without a change.
    Repeatable,
}

/// Runs one target, or all of them one after the other, each for so many seconds.
pub(crate) fn fuzz(only: Option<&str>, seconds: u32, inputs: Inputs) -> Result<()> {
    let targets = targets()?;
    let chosen: Vec<&String> = targets.iter().filter(|name| only.is_none_or(|only| *name == only)).collect();
    if chosen.is_empty() {
        bail!("no target is called that; there are {}", targets.join(", "));
    }
    build()?;
    let mut failed = Vec::new();
    for target in chosen {
        if let Err(error) = one(target, seconds, inputs) {
            eprintln!("{error:#}");
            failed.push(target.as_str());
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("inputs were found that break {}", failed.join(", ")) }
}

fn home() -> PathBuf {
    root().join("tests/fuzz")
}

/// The names of all targets: a test sees to it that each has a corpus, and each corpus a target.
fn targets() -> Result<Vec<String>> {
    let folder = home().join("corpus");
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut names =
        entries.map(|entry| Ok(entry?.file_name().display().to_string())).collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

/// Builds the program in the folder of the release build, whose dependencies it shares.
fn build() -> Result<()> {
    eprintln!("building the fuzz targets");
    let features = ["--bin", "porthole-fuzz", "--features", "porthole-fuzz/libfuzzer"];
    let mut cargo = command("cargo", &["build", "--release", "--workspace"]);
    run_aside(cargo.args(features).env("RUSTC_WORKSPACE_WRAPPER", home().join("instrument.sh")))
}

/// libFuzzer with one target.
fn fuzzer(target: &str) -> Command {
    let mut fuzzer = command(&built("porthole-fuzz").display().to_string(), &[]);
    fuzzer.env("PORTHOLE_FUZZ_TARGET", target).stdin(Stdio::null());
    fuzzer.args([format!("-rss_limit_mb={MAX_MEMORY}"), format!("-timeout={MAX_TIME}")]);
    fuzzer
}

/// Runs one target. New inputs are kept in the cache; one that breaks it becomes a regression.
fn one(target: &str, seconds: u32, inputs: Inputs) -> Result<()> {
    let finds = match inputs {
        Inputs::New => cache().join("fuzz").join(target),
        Inputs::Repeatable => {
            let finds = cache().join("fuzz-repeated").join(target);
            let _ = fs::remove_dir_all(&finds);
            finds
        }
    };
    let broken = cache().join("fuzz-broken").join(target);
    let regressions = home().join("regressions").join(target);
    for folder in [&finds, &broken, &regressions] {
        fs::create_dir_all(folder)?;
    }
    let known = fs::read_dir(&finds)?.count();
    let log = broken.join("log");
    let began = SystemTime::now();
    let mut fuzzer = fuzzer(target);
    fuzzer.arg(&finds).arg(home().join("corpus").join(target)).arg(&regressions);
    fuzzer.args([format!("-max_total_time={seconds}"), format!("-artifact_prefix={}/", broken.display())]);
    fuzzer.arg(format!("-max_len={MAX_LENGTH}"));
    if inputs == Inputs::Repeatable {
        fuzzer.arg("-seed=1");
    }
    fuzzer.arg("-print_final_stats=1").stdout(Stdio::null()).stderr(fs::File::create(&log)?);
    let status = fuzzer.status().context("cannot start the fuzzer")?;
    // Without a new input the folder was made for nothing.
    let _ = fs::remove_dir(&regressions);
    let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    if status.success() {
        let figure = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("?").trim();
        let runs = figure("stat::number_of_executed_units:");
        let speed = figure("stat::average_exec_per_sec:");
        let new = fs::read_dir(&finds)?.count().saturating_sub(known);
        eprintln!("{target:<16} {runs:>9} inputs, {speed:>7} a second, {new:>4} new ones kept");
        return Ok(());
    }
    let end: Vec<&str> = said.lines().filter(|line| !line.starts_with('#')).collect();
    eprintln!("{}", end.get(end.len().saturating_sub(30)..).unwrap_or_default().join("\n"));
    let Some(input) = written_since(&broken, began)? else {
        bail!("{target} ended with {status} and left no input; its log is {}", log.display());
    };
    let kept = regressions.join(input.file_name().unwrap_or_default());
    fs::create_dir_all(&regressions)?;
    fs::copy(minimised(target, &input), &kept)?;
    let file = kept.strip_prefix(root()).unwrap_or(&kept).display();
    bail!(
        "{target} is broken by {file}. It fails again in: cargo test -p porthole-fuzz. Mend, rename and commit it."
    )
}

/// The newest input of a folder that is not older than this.
fn written_since(folder: &Path, began: SystemTime) -> Result<Option<PathBuf>> {
    let mut newest = None;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let written = entry.metadata()?.modified()?;
        if entry.file_name() != "log" && written >= began {
            newest = newest.max(Some((written, entry.path())));
        }
    }
    Ok(newest.map(|(_, path)| path))
}

/// A smaller input that breaks the target too, where there is one.
fn minimised(target: &str, input: &Path) -> PathBuf {
    let small = input.with_extension("small");
    let mut minimiser = fuzzer(target);
    // Without the length of other inputs: with it libFuzzer leaves an empty one.
    minimiser.args(["-minimize_crash=1".to_owned(), format!("-max_total_time={TO_MINIMISE}")]);
    minimiser.arg(format!("-exact_artifact_path={}", small.display())).arg(input);
    let _ = minimiser.stdout(Stdio::null()).stderr(Stdio::null()).status();
    let mut again = fuzzer(target);
    let breaks = again.arg(&small).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let breaks = small.exists() && breaks.is_ok_and(|status| !status.success());
    if breaks { small } else { input.to_owned() }
}
