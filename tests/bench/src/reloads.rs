//! `cargo xtask bench reload`: times a dropped tool, replacement under load, a start with thirty tools, and tools in
//! other languages. On the embedded cluster, so that no API server affects the results.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use porthole_testbed::{
    http::{Streamable, send},
    versions::{named, number, version},
};
use serde_json::json;

use crate::{process::memory, setup::many_tools};

/// Number of dropped tools.
const DROPS: u32 = 20;
/// Number of replacements under load, one per second.
const REPLACED: u32 = 60;
/// Calls per second meanwhile.
const RATE: u64 = 50;
/// Number of tools at the start.
const TOOLS: u32 = 30;

/// A host that reads the embedded cluster as its admin, with a timestamped log.
struct Host {
    child: Child,
    log: PathBuf,
    begun: Instant,
    origin: String,
    listening: Duration,
}

impl Host {
    async fn start(porthole: &Path, folder: &Path, tools: &Path, cache: &Path) -> Result<Self> {
        let log = folder.join("log");
        let begun = Instant::now();
        let child = Command::new(porthole)
            .args([
                "serve",
                "--demo",
                "--identity",
                "host",
                "--listen",
                "127.0.0.1:0",
                "--admin-listen",
                "off",
            ])
            .args(["--audit", "off", "--plugins"])
            .arg(tools)
            .arg("--cache")
            .arg(cache)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .spawn()
            .context("starting porthole")?;
        let mut host = Self { child, log, begun, origin: String::new(), listening: Duration::ZERO };
        host.listening = host.until("listening on ").await?;
        let text = std::fs::read_to_string(&host.log)?;
        let origin = text.split("listening on ").nth(1).and_then(|rest| rest.split(": ").next());
        host.origin = origin.context("an address")?.to_owned();
        Ok(host)
    }

    /// Time from the start until the log contains a text.
    async fn until(&self, text: &str) -> Result<Duration> {
        while !std::fs::read_to_string(&self.log)?.contains(text) {
            ensure!(self.begun.elapsed() < Duration::from_secs(120), "{text:?} is not logged");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(self.begun.elapsed())
    }

    /// Waits until /readyz reports a version of a tool.
    async fn serves(&self, tool: &str, version: &str) -> Result<()> {
        let begun = Instant::now();
        loop {
            let ready: serde_json::Value =
                serde_json::from_str(&send("GET", &format!("{}/readyz", self.origin), None, "").await?.body)?;
            let tools = ready["tools"].as_array().context("tools")?;
            if tools.iter().any(|served| served["name"] == tool && served["version"] == version) {
                return Ok(());
            }
            ensure!(begun.elapsed() < Duration::from_secs(30), "{tool} {version} is not served: {ready}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn memory(&self) -> u64 {
        memory(Some(self.child.id()))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Renames a file into place.
fn put(folder: &Path, file: &str, bytes: &[u8]) -> Result<()> {
    let aside = folder.join(format!(".{file}.new"));
    std::fs::write(&aside, bytes)?;
    Ok(std::fs::rename(aside, folder.join(file))?)
}

fn median(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort();
    let ms = |time: &Duration| time.as_secs_f64() * 1e3;
    (times.get(times.len() / 2).map_or(0.0, ms), times.last().map_or(0.0, ms))
}

pub(crate) async fn run(porthole: &Path, plugins: &Path, examples: Option<&Path>) -> Result<()> {
    dropped(porthole).await?;
    replaced(porthole).await?;
    started(porthole, plugins).await?;
    if let Some(examples) = examples {
        languages(porthole, plugins, examples)?;
    }
    Ok(())
}

async fn dropped(porthole: &Path) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let tools = folder.path().join("tools");
    std::fs::create_dir(&tools)?;
    let host = Host::start(porthole, folder.path(), &tools, &folder.path().join("cache")).await?;
    for what in ["fresh", "compiled before"] {
        let mut times = Vec::new();
        for n in 0..DROPS {
            let (name, file) = (format!("tool_{n:04}"), format!("{n}.wasm"));
            let bytes = named(&name, n);
            let begun = Instant::now();
            put(&tools, &file, &bytes)?;
            host.serves(&name, &number(n)).await?;
            times.push(begun.elapsed());
        }
        let (middle, worst) = median(times);
        let size = version(0).len() / 1000;
        println!(
            "a {what} tool of {size} kB is served {middle:.0} ms after its rename (median of {DROPS}; worst {worst:.0} ms)"
        );
        for n in 0..DROPS {
            std::fs::remove_file(tools.join(format!("{n}.wasm")))?;
        }
        while !host_is_empty(&host).await? {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    Ok(())
}

async fn host_is_empty(host: &Host) -> Result<bool> {
    Ok(send("GET", &format!("{}/readyz", host.origin), None, "").await?.body.contains("\"tools\":[]"))
}

async fn replaced(porthole: &Path) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let tools = folder.path().join("tools");
    std::fs::create_dir(&tools)?;
    put(&tools, "tool.wasm", &version(0))?;
    let host = Host::start(porthole, folder.path(), &tools, &folder.path().join("cache")).await?;
    host.serves("versioned", &number(0)).await?;
    let going_on = AtomicBool::new(true);
    let replace = async {
        let mut memory = Vec::new();
        let mut second = tokio::time::interval(Duration::from_secs(1));
        for n in 1..=REPLACED {
            second.tick().await;
            put(&tools, "tool.wasm", &version(n))?;
            if n % 10 == 0 {
                memory.push(host.memory());
            }
        }
        host.serves("versioned", &number(REPLACED)).await?;
        going_on.store(false, Ordering::Relaxed);
        anyhow::Ok(memory)
    };
    let client = Streamable::new(&host.origin, None);
    let calls = async {
        let mut each = tokio::time::interval(Duration::from_millis(1000 / RATE));
        let (mut answered, mut failed, mut seen) = (0u32, 0u32, std::collections::BTreeSet::new());
        let mut times = Vec::new();
        while going_on.load(Ordering::Relaxed) {
            each.tick().await;
            let begun = Instant::now();
            let answer = client.call("versioned", json!({})).await;
            times.push(begun.elapsed());
            match answer.as_ref().ok().and_then(|text| text.strip_suffix(" namespaces")) {
                Some(text) => {
                    answered += 1;
                    seen.insert(text.split(' ').next().unwrap_or_default().to_owned());
                }
                None => {
                    failed += 1;
                    eprintln!("{answer:?}");
                }
            }
        }
        anyhow::Ok((answered, failed, seen.len(), times))
    };
    let (memory, (answered, failed, seen, times)) = tokio::try_join!(replace, calls)?;
    let (middle, worst) = median(times);
    println!(
        "replaced {REPLACED} times, once a second, under {RATE} calls a second: {answered} answered, {failed} failed, by {seen} versions; p50 {middle:.1} ms, worst {worst:.0} ms; memory every 10 s {memory:?} MB"
    );
    Ok(())
}

async fn started(porthole: &Path, plugins: &Path) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let tools = folder.path().join("tools");
    many_tools(plugins, &tools, TOOLS)?;
    for what in ["cold", "warm", "warm"] {
        let host = Host::start(porthole, folder.path(), &tools, &folder.path().join("cache")).await?;
        let loaded = host.until("tools loaded from").await?;
        println!(
            "a {what} start with {TOOLS} tools: listening after {:.0} ms, all served after {:.0} ms, {} MB",
            host.listening.as_secs_f64() * 1e3,
            loaded.as_secs_f64() * 1e3,
            host.memory()
        );
    }
    Ok(())
}

/// Output of `porthole plugin call` for each language, without and with a compile cache.
fn languages(porthole: &Path, plugins: &Path, examples: &Path) -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (language, file) in [
        ("Rust", plugins.join("pods_list.wasm")),
        ("JavaScript", examples.join("images_list.wasm")),
        ("Python", examples.join("quota_usage.wasm")),
    ] {
        let size = std::fs::metadata(&file).with_context(|| format!("{}", file.display()))?.len() / 1000;
        for what in ["cold", "cached"] {
            let output = Command::new(porthole)
                .args(["plugin", "call", "--demo", "--cache"])
                .arg(folder.path().join("cache"))
                .arg(&file)
                .output()?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let took = said.lines().find(|line| line.starts_with("took")).unwrap_or(&said);
            println!("{language}, {size} kB, {what}: {}", took.trim());
        }
    }
    Ok(())
}
