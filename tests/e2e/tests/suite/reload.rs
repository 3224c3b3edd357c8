//! Live reload: changes of the tools folder while the host serves it.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    time::{Duration, Instant},
};

use futures::StreamExt;
use http_body_util::BodyExt;
use porthole_testbed::{
    dify::{Dify, Event},
    http::Streamable,
    porthole::{Demo, Porthole, guest, tools},
    versions::{number, version},
};
use serde_json::{Value, json};

/// Time after which a file that is open and unchanged counts as complete (`SETTLE_TIME` of the host).
const SETTLED: Duration = Duration::from_millis(200);

/// A folder with these versions of a tool, and a host that serves it.
async fn host(files: &[(&str, u32)]) -> (tempfile::TempDir, Demo) {
    let folder = tempfile::tempdir().unwrap();
    for (file, n) in files {
        fs::write(folder.path().join(file), version(*n)).unwrap();
    }
    let demo = Demo::with(None, folder.path()).await.unwrap();
    (folder, demo)
}

fn client(demo: &Demo) -> Streamable {
    Streamable::new(&demo.host.origin, Some(&demo.token("admin")))
}

/// Renames a file into place, as a deployment should.
fn put(folder: &Path, file: &str, bytes: &[u8]) {
    let aside = folder.join(format!(".{file}.new"));
    fs::write(&aside, bytes).unwrap();
    fs::rename(aside, folder.join(file)).unwrap();
}

/// Waits until /readyz satisfies a condition.
async fn until_ready(host: &Porthole, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    super::until_ready(host, Duration::from_secs(60), what, condition).await
}

fn serves(readiness: &Value, n: u32) -> bool {
    readiness["tools"][0]["version"] == number(n)
}

fn failure(readiness: &Value, file: &str) -> String {
    let failed = readiness["failed"].as_array().unwrap().iter().find(|failed| failed["file"] == file);
    failed.map(|failed| failed["reason"].as_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_a_changed_a_bad_and_a_removed_file() {
    let (folder, demo) = host(&[]).await;
    let (folder, host) = (folder.path(), &demo.host);
    assert_eq!(host.readiness().await.unwrap()["tools"], json!([]));

    put(folder, "tool.wasm", &version(1));
    until_ready(host, "new", |ready| serves(ready, 1)).await;
    let answer = client(&demo).call("versioned", json!({})).await.unwrap();
    assert!(answer.starts_with(&number(1)), "{answer}");

    put(folder, "tool.wasm", &version(2));
    until_ready(host, "changed", |ready| serves(ready, 2)).await;

    put(folder, "tool.wasm", b"not a component");
    let ready = until_ready(host, "bad", |ready| !failure(ready, "tool.wasm").is_empty()).await;
    assert!(serves(&ready, 2), "the version before goes on: {ready}");
    let reason = failure(&ready, "tool.wasm");
    assert!(reason.starts_with("it is not a WebAssembly component"), "{reason}");
    assert!(reason.contains(&format!("Version {} (sha256:", number(2))), "{reason}");
    host.until_logged("tool.wasm is not served: it is not a WebAssembly component").await.unwrap();

    put(folder, "tool.wasm", &version(2));
    until_ready(host, "mended with the bytes that are served", |ready| {
        serves(ready, 2) && failure(ready, "tool.wasm").is_empty()
    })
    .await;

    // A file with the same tool does not replace the served one, but takes over when that is removed.
    put(folder, "a.wasm", &version(3));
    let ready = until_ready(host, "a twin before it", |ready| !failure(ready, "a.wasm").is_empty()).await;
    assert!(serves(&ready, 2) && failure(&ready, "a.wasm").contains("served from tool.wasm"), "{ready}");
    host.until_logged("a.wasm is not served: its tool versioned is served from tool.wasm").await.unwrap();
    fs::remove_file(folder.join("tool.wasm")).unwrap();
    until_ready(host, "the other alone", |ready| serves(ready, 3)).await;
    put(folder, "tool.wasm", &version(2));
    until_ready(host, "the other way round", |ready| !failure(ready, "tool.wasm").is_empty()).await;
    fs::remove_file(folder.join("a.wasm")).unwrap();
    until_ready(host, "the first again", |ready| serves(ready, 2)).await;

    fs::remove_file(folder.join("tool.wasm")).unwrap();
    until_ready(host, "removed", |ready| ready["tools"] == json!([])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_cold_start_the_file_that_is_called_as_its_tool_has_the_name() {
    let (_folder, demo) = host(&[("aaa_shadow.wasm", 1), ("versioned.wasm", 2), ("zzz.wasm", 3)]).await;
    let ready = until_ready(&demo.host, "loaded", |ready| serves(ready, 2)).await;
    for shadow in ["aaa_shadow.wasm", "zzz.wasm"] {
        assert!(failure(&ready, shadow).contains("versioned is served from versioned.wasm"), "{ready}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_still_being_written_is_not_tried() {
    for attempt in 0.. {
        let (folder, demo) = host(&[("tool.wasm", 1)]).await;
        let longest = write_by_parts(&folder.path().join("tool.wasm"), &version(2)).await;
        let whole = |ready: &Value| serves(ready, 2) && ready["failed"] == json!([]);
        until_ready(&demo.host, "written in place", whole).await;
        // A busy machine may keep the writer from going on, and half of a file that nobody writes may be tried.
        if longest < SETTLED {
            let log = fs::read_to_string(&demo.host.log).unwrap();
            assert!(!log.contains("is not served"), "half a file was tried");
            return;
        }
        assert!(attempt < 30, "the writer never goes on within {SETTLED:?}");
    }
}

/// Writes a file in place, in parts: slower than events arrive, faster than a file counts as complete. Returns the longest
/// time between two changes of the file.
async fn write_by_parts(path: &Path, bytes: &[u8]) -> Duration {
    use std::io::Write;
    let (mut longest, mut before) = (Duration::ZERO, Instant::now());
    let mut file = fs::File::create(path).unwrap();
    for part in bytes.chunks(bytes.len() / 8) {
        let begun = Instant::now();
        file.write_all(part).unwrap();
        file.flush().unwrap();
        longest = longest.max(before.elapsed());
        before = begun;
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    drop(file);
    longest.max(before.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_never_closes_the_file_does_not_keep_it_from_being_served() {
    let (folder, demo) = host(&[]).await;
    let mut file = fs::File::create(folder.path().join("tool.wasm")).unwrap();
    std::io::Write::write_all(&mut file, &version(4)).unwrap();
    until_ready(&demo.host, "whole, and open", |ready| serves(ready, 4)).await;
    drop(file);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configmap_swaps_all_of_its_files_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let write = |name: &str, n: u32| {
        fs::create_dir(folder.join(name)).unwrap();
        fs::write(folder.join(name).join("tool.wasm"), version(n)).unwrap();
    };
    // As the kubelet does: files are links into ..data, which is a link to a folder with a timestamp as its name.
    write("..2026_01", 1);
    symlink("..2026_01", folder.join("..data")).unwrap();
    symlink("..data/tool.wasm", folder.join("tool.wasm")).unwrap();
    let demo = Demo::with(None, folder).await.unwrap();
    until_ready(&demo.host, "the first", |ready| serves(ready, 1)).await;
    write("..2026_02", 2);
    symlink("..2026_02", folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    fs::remove_dir_all(folder.join("..2026_01")).unwrap();
    let ready = until_ready(&demo.host, "swapped", |ready| serves(ready, 2)).await;
    assert_eq!(ready["failed"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_folder_in_its_place_is_followed_and_an_unreadable_one_is_named() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("tools");
    fs::create_dir(&folder).unwrap();
    put(&folder, "tool.wasm", &version(1));
    let demo = Demo::with(None, &folder).await.unwrap();
    fs::rename(&folder, parent.path().join("old")).unwrap();
    let name = folder.display().to_string();
    let ready = until_ready(&demo.host, "gone", |ready| !failure(ready, &name).is_empty()).await;
    assert!(serves(&ready, 1), "what was served is still: {ready}");
    fs::create_dir(&folder).unwrap();
    put(&folder, "tool.wasm", &version(2));
    let ready = until_ready(&demo.host, "a new folder", |ready| serves(ready, 2)).await;
    assert_eq!(ready["failed"], json!([]));
    for n in 3..8 {
        put(&folder, "tool.wasm", &version(n));
        until_ready(&demo.host, "followed", |ready| serves(ready, n)).await;
    }
    // By events of the new folder too, and not by polling alone.
    let is_heard = || {
        let log = fs::read_to_string(&demo.host.log).unwrap();
        let followed: Vec<&str> = log.split(&format!("the events of {name} are followed")).collect();
        followed.len() > 2
            && followed.last().is_some_and(|after| after.contains(&format!("an event of {name}")))
    };
    crate::until("an event of the new folder", 60, is_heard).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_tries_everything_again() {
    let (folder, demo) = host(&[("tool.wasm", 1)]).await;
    put(folder.path(), "bad.wasm", b"nothing");
    until_ready(&demo.host, "bad", |ready| !failure(ready, "bad.wasm").is_empty()).await;
    let tries = || fs::read_to_string(&demo.host.log).unwrap().matches("bad.wasm is not served").count();
    crate::until("the first try", 60, || tries() == 1).await;
    let status = std::process::Command::new("kill").args(["-HUP", &demo.host.id().to_string()]).status();
    assert!(status.unwrap().success());
    crate::until("a second try", 60, || tries() == 2).await;
    assert!(serves(&demo.host.readiness().await.unwrap(), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_live_session_hears_of_it() {
    let (folder, demo) = host(&[("tool.wasm", 1)]).await;
    let token = demo.token("nobody");
    let mut dify = Dify::connect(&demo.host.origin, Some(&token)).await.unwrap();
    dify.initialize("2025-03-26").await.unwrap();
    let mut subscribed = Subscription::open(&demo.host.origin, &token).await;
    assert_eq!(subscribed.next().await["method"], "notifications/subscriptions/acknowledged");
    put(folder.path(), "tool.wasm", &version(2));
    let Event::Message(message) = dify.message().await.unwrap() else { panic!("a message") };
    assert_eq!(message["method"], "notifications/tools/list_changed");
    assert_eq!(subscribed.next().await["method"], "notifications/tools/list_changed");
    // The same bytes change nothing and notify no client: the next notification is for version 3.
    put(folder.path(), "tool.wasm", &version(2));
    put(folder.path(), "tool.wasm", &version(3));
    until_ready(&demo.host, "the third", |ready| serves(ready, 3)).await;
    assert_eq!(subscribed.next().await["method"], "notifications/tools/list_changed");
    assert_eq!(dify.request("ping", None).await.unwrap(), json!({}), "and the session lives");
    // A subscription ends with the host, without delaying the shutdown.
    let (status, took) = demo.host.terminate().await.unwrap();
    assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}");
}

/// `subscriptions/listen` of a 2026-07-28 client, over /mcp.
struct Subscription {
    body: futures::stream::BoxStream<'static, bytes::Bytes>,
    buffer: String,
}

impl Subscription {
    async fn open(origin: &str, token: &str) -> Self {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "listener", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen",
            "params": {"notifications": {"toolsListChanged": true}, "_meta": meta}});
        let request = http::Request::post(format!("{origin}/mcp"))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "subscriptions/listen")
            .header("authorization", format!("Bearer {token}"))
            .body(http_body_util::Full::from(message.to_string()));
        let response = porthole_testbed::http::client().request(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let body = BodyExt::into_data_stream(response.into_body()).map(Result::unwrap_or_default).boxed();
        Self { body, buffer: String::new() }
    }

    async fn next(&mut self) -> Value {
        let next = async {
            loop {
                if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                    let data: String =
                        event.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim).collect();
                    self.buffer = rest.to_owned();
                    if !data.is_empty() {
                        return serde_json::from_str(&data).unwrap();
                    }
                    continue;
                }
                let bytes = self.body.next().await.expect("the stream ended");
                self.buffer.push_str(&String::from_utf8_lossy(&bytes));
            }
        };
        tokio::time::timeout(Duration::from_secs(20), next).await.expect("nothing came")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_flight_end_on_the_version_they_began_with() {
    let (folder, demo) = host(&[("tool.wasm", 1)]).await;
    let mut dify = Dify::connect(&demo.host.origin, Some(&demo.token("admin"))).await.unwrap();
    dify.initialize("2025-03-26").await.unwrap();
    let params = json!({"name": "versioned", "arguments": {"wait": 3000}, "_meta": {"progressToken": "p"}});
    let message = json!({"jsonrpc": "2.0", "id": 70, "method": "tools/call", "params": params});
    dify.post(message.to_string(), Some(&demo.token("admin"))).await.unwrap();
    let Event::Message(begun) = dify.message().await.unwrap() else { panic!("a message") };
    assert_eq!(begun["method"], "notifications/progress", "{begun}");
    put(folder.path(), "tool.wasm", &version(2));
    until_ready(&demo.host, "swapped", |ready| serves(ready, 2)).await;
    let new = client(&demo).call("versioned", json!({})).await.unwrap();
    let old = porthole_testbed::http::text(&dify.answer_to(&json!(70)).await.unwrap()["result"]);
    assert!(old.unwrap().starts_with(&number(1)));
    assert!(new.starts_with(&number(2)), "{new}");
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_each_call_is_answered_by_exactly_one_version() {
    let (folder, demo) = host(&[("tool.wasm", 0)]).await;
    let versions = 20;
    let replaced = async {
        for n in 1..=versions {
            put(folder.path(), "tool.wasm", &version(n));
            until_ready(&demo.host, "replaced", |ready| serves(ready, n)).await;
        }
    };
    let replacing = std::sync::atomic::AtomicBool::new(true);
    let calls = async {
        let client = client(&demo);
        let mut last = 0;
        let mut seen = 0;
        while replacing.load(std::sync::atomic::Ordering::Relaxed) {
            let answer = client.call("versioned", json!({})).await.unwrap();
            let n: u32 = answer.split(' ').next().unwrap()["1.0.1".len()..].parse().unwrap();
            assert!(answer.ends_with(" namespaces") && n >= last && n <= versions, "{answer} after {last}");
            seen += u32::from(n != last);
            last = n;
        }
        seen
    };
    let ((), seen) = tokio::join!(
        async {
            replaced.await;
            replacing.store(false, std::sync::atomic::Ordering::Relaxed);
        },
        calls
    );
    assert!(seen > versions / 2, "only {seen} versions were seen by calls");
}

/// A host killed at any point of loading leaves no state that prevents the next one from serving.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_was_killed_at_any_moment_starts_again_and_serves() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("compiled");
    let plugins = folder.path().join("tools");
    fs::create_dir(&plugins).unwrap();
    for tool in ["namespaces_list.wasm", "pods_list.wasm", "pods_log.wasm"] {
        fs::copy(tools().join(tool), plugins.join(tool)).unwrap();
    }
    fs::copy(guest("hostile"), plugins.join("hostile.wasm")).unwrap();
    let (cache_option, plugins_option) = (cache.display().to_string(), plugins.display().to_string());
    let options = ["--demo", "--cache", &cache_option, "--plugins", &plugins_option];
    // Loading takes half a second, and longer on a busy machine, where compilers yield: the host is killed while
    // compiling, while writing and while swapping.
    for (round, after) in (0..).zip([5, 20, 50, 90, 130, 170, 210, 260, 320, 400, 500, 650, 1500, 4000]) {
        let host = Porthole::spawn(&options).unwrap();
        put(&plugins, "versioned.wasm", &version(round));
        tokio::time::sleep(Duration::from_millis(after)).await;
        // Drop sends SIGKILL.
        drop(host);
    }
    let partial = |name: &str| name.ends_with(".part");
    let names = || -> Vec<String> {
        fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    // Once more when something is cached, which a busy machine may not have come to in any of these times.
    let host = Porthole::spawn(&options).unwrap();
    crate::until("something is cached", 120, || names().iter().any(|name| !partial(name))).await;
    drop(host);
    let host = Porthole::with(&options).await.unwrap();
    let ready = host.readiness().await.unwrap();
    assert_eq!(ready["failed"], json!([]), "{ready}");
    assert_eq!(ready["tools"].as_array().unwrap().len(), 5, "{ready}");
    // A whole entry for each served tool, whatever else was left.
    assert!(names().iter().filter(|name| !partial(name)).count() >= 5, "{:?}", names());
}
