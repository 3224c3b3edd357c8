//! Approval of what a tool may read: files that ask for more than was approved, while the host serves others.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use porthole_testbed::{
    component::{Component, Rule, Verb},
    http::{Streamable, send},
    porthole::{Porthole, binary, tools},
    versions::{number, version},
};
use serde_json::{Value, json};

/// Declaration of the guest `versioned`.
const NAMESPACES: Rule<'static> = (&[""], &["namespaces"], &[Verb::List]);
const SECRETS: Rule<'static> = (&[""], &["secrets"], &[Verb::Get]);

/// A folder with the tools, and a place for what is beside it.
struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tools")).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Renames a file into the folder of tools.
    fn put(&self, file: &str, bytes: &[u8]) {
        self.replace(&self.path("tools").join(file), bytes);
    }

    /// Replaces a file in one step: the host may read it at any moment.
    fn replace(&self, file: &Path, bytes: &[u8]) {
        let aside = self.path("aside.new");
        fs::write(&aside, bytes).unwrap();
        fs::rename(aside, file).unwrap();
    }

    /// A host with this configuration, and other options.
    fn host(&self, config: &str, options: &[&str]) -> Porthole {
        fs::write(self.path("porthole.yaml"), config).unwrap();
        let (tools, config) = (self.text("tools"), self.text("porthole.yaml"));
        let mut all = vec!["--demo", "--identity", "host", "--plugins", &tools, "--config", &config];
        all.extend(options);
        Porthole::spawn(&all).unwrap()
    }

    fn locked(&self) -> Value {
        serde_json::from_str(&fs::read_to_string(self.path("tools.lock")).unwrap()).unwrap()
    }
}

/// A tool that only declares.
fn declaring(name: &str, version: &str, reads: &[Rule<'_>]) -> Vec<u8> {
    Component { name, version, reads, ..Component::default() }.build()
}

/// `versioned` in a later version, with these reads.
fn later(n: u32, reads: &[Rule<'_>]) -> Vec<u8> {
    declaring("versioned", &number(n), reads)
}

/// Runs `porthole plugin`: its standard output.
fn plugin(arguments: &[&str]) -> String {
    let output = std::process::Command::new(binary()).arg("plugin").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until /readyz satisfies a condition.
async fn until_ready(host: &Porthole, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    super::until_ready(host, Duration::from_secs(60), what, condition).await
}

/// Version of a tool that is served; empty if none is.
fn served(readiness: &Value, tool: &str) -> String {
    let tools = readiness["tools"].as_array().unwrap();
    let tool = tools.iter().find(|served| served["name"] == tool);
    tool.map(|tool| tool["version"].as_str().unwrap().to_owned()).unwrap_or_default()
}

/// Reason that a file is not served; empty if it is.
fn reason(readiness: &Value, file: &str) -> String {
    let failed = readiness["failed"].as_array().unwrap().iter().find(|failed| failed["file"] == file);
    failed.map(|failed| failed["reason"].as_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wider_file_is_held_while_the_old_one_goes_on_and_served_once_it_is_approved() {
    let stage = Stage::new();
    stage.put("tool.wasm", &version(1));
    let lock = stage.text("tools.lock");
    let audit = stage.text("audit");
    let options = ["--lock", &lock, "--admin-listen", "127.0.0.1:0", "--audit", &audit];
    let host = stage.host("tools: {approve: wider}", &options);
    until_ready(&host, "first", |ready| served(ready, "versioned") == number(1)).await;
    crate::until("the lock", 20, || stage.path("tools.lock").exists()).await;
    let entry = stage.locked()["approved"][0].clone();
    assert_eq!((&entry["tool"], &entry["version"]), (&json!("versioned"), &json!(number(1))));
    assert_eq!(entry["reads"], json!([{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list"]}]));

    // What stays within it replaces it, and raises the version below which none may fall.
    stage.put("tool.wasm", &version(2));
    until_ready(&host, "not wider", |ready| served(ready, "versioned") == number(2)).await;
    crate::until("its version", 20, || stage.locked()["approved"][0]["version"] == number(2)).await;

    let client = Streamable::new(&host.origin, None);
    let held = std::sync::atomic::AtomicBool::new(false);
    let calls = async {
        let mut count = 0;
        while count < 20 || !held.load(std::sync::atomic::Ordering::Relaxed) {
            let answer = client.call("versioned", json!({})).await.unwrap();
            assert!(answer.starts_with(&number(2)), "{answer}");
            count += 1;
        }
    };
    let replacing = async {
        stage.put("tool.wasm", &later(3, &[NAMESPACES, SECRETS]));
        let ready = until_ready(&host, "held", |ready| !reason(ready, "tool.wasm").is_empty()).await;
        held.store(true, std::sync::atomic::Ordering::Relaxed);
        ready
    };
    let (ready, ()) = tokio::join!(replacing, calls);
    let why = reason(&ready, "tool.wasm");
    assert!(why.contains("it asks for (get secrets) in addition"), "{why}");
    assert!(
        why.contains("plugin approve") && why.contains(&format!("Version {} (sha256:", number(2))),
        "{why}"
    );
    assert_eq!(served(&ready, "versioned"), number(2));
    let expected =
        json!([{"file": "tool.wasm", "tool": "versioned", "version": number(3), "asksFor": "get secrets"}]);
    assert_eq!(ready["held"], expected);
    let page = host.page().await.unwrap();
    let metrics = send("GET", &format!("{page}/metrics"), None, "").await.unwrap().body;
    let gauge = format!(
        "porthole_tools_held{{tool=\"versioned\",version=\"{}\",reason=\"wider\",asks_for=\"get secrets\"}} 1",
        number(3)
    );
    assert!(metrics.contains(&gauge), "{gauge} is not in {metrics}");
    let shown = send("GET", &format!("{page}/"), None, "").await.unwrap().body;
    assert!(shown.contains("it asks for (get secrets) in addition"), "{shown}");
    host.until_logged("tool.wasm is not served: it asks for (get secrets) in addition").await.unwrap();

    let file = stage.text("tools/tool.wasm");
    let inspected = plugin(&["inspect", &file, "--lock", &lock]);
    assert!(inspected.contains("approved  no: it asks for (get secrets) in addition"), "{inspected}");
    plugin(&["approve", &file, "--lock", &lock]);
    let ready = until_ready(&host, "approved", |ready| served(ready, "versioned") == number(3)).await;
    assert_eq!((reason(&ready, "tool.wasm"), &ready["held"]), (String::new(), &Value::Null));
    let by = stage.locked()["approved"][0]["by"].as_str().unwrap().to_owned();
    assert!(by.contains("uid "), "{by}");
    host.until_logged("approved: it may list namespaces; get secrets").await.unwrap();
    let audited = || {
        let text = fs::read_to_string(&audit).unwrap();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["event"] == "approved").collect::<Vec<_>>()
    };
    crate::until("a line of each approval", 20, || audited().len() >= 2).await;
    let lines = audited();
    let told: Vec<_> = lines.iter().map(|line| (&line["version"], &line["by"])).collect();
    let first_seen = json!("porthole, when it was first seen");
    assert_eq!(told, [(&json!(number(1)), &first_seen), (&json!(number(3)), &json!(by))]);
    assert!(plugin(&["inspect", &file, "--lock", &lock]).contains("approved  yes: "));
    let metrics = send("GET", &format!("{page}/metrics"), None, "").await.unwrap().body;
    assert!(!metrics.contains("porthole_tools_held{"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lower_version_is_held_also_after_a_restart_and_a_renamed_tool_is_new() {
    let stage = Stage::new();
    let lock = stage.text("tools.lock");
    stage.put("tool.wasm", &later(5, &[NAMESPACES]));
    let host = stage.host("tools: {approve: wider}", &["--lock", &lock]);
    until_ready(&host, "first", |ready| served(ready, "versioned") == number(5)).await;
    stage.put("tool.wasm", &later(4, &[NAMESPACES]));
    let ready = until_ready(&host, "older", |ready| !reason(ready, "tool.wasm").is_empty()).await;
    assert!(reason(&ready, "tool.wasm").contains(&format!("lower than {}", number(5))), "{ready}");
    assert_eq!(served(&ready, "versioned"), number(5));
    crate::until("the lock", 20, || stage.path("tools.lock").exists()).await;
    assert!(host.terminate().await.unwrap().0.success());

    // Nothing is left to go on with.
    stage.put("wide.wasm", &declaring("wide", "1.0.0", &[NAMESPACES]));
    let host = stage.host("tools: {approve: wider}", &["--lock", &lock]);
    let ready = until_ready(&host, "again", |ready| served(ready, "wide") == "1.0.0").await;
    assert!(served(&ready, "versioned").is_empty(), "{ready}");
    let ready = until_ready(&host, "older again", |ready| !reason(ready, "tool.wasm").is_empty()).await;
    assert!(reason(&ready, "tool.wasm").contains("lower than"), "{ready}");
    stage.put("tool.wasm", &later(6, &[NAMESPACES, SECRETS]));
    let is_wider = |ready: &Value| reason(ready, "tool.wasm").contains("(get secrets) in addition");
    let ready = until_ready(&host, "wider after a restart", is_wider).await;
    assert!(served(&ready, "versioned").is_empty(), "{ready}");
    // Another name: what `versioned` was approved for does not count, and nothing narrows it either.
    stage.put("tool.wasm", &declaring("renamed", "0.1.0", &[SECRETS]));
    until_ready(&host, "renamed", |ready| served(ready, "renamed") == "0.1.0").await;
    crate::until("both names", 20, || stage.locked()["approved"].as_array().unwrap().len() == 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_lock_a_wider_file_is_held_until_a_restart() {
    let stage = Stage::new();
    stage.put("tool.wasm", &later(1, &[NAMESPACES]));
    let host = stage.host("tools: {approve: wider}", &[]);
    until_ready(&host, "first", |ready| served(ready, "versioned") == number(1)).await;
    stage.put("tool.wasm", &later(2, &[(&["*"], &["*"], &[Verb::List])]));
    let ready = until_ready(&host, "held", |ready| !reason(ready, "tool.wasm").is_empty()).await;
    assert!(reason(&ready, "tool.wasm").contains("(list any kind) in addition"), "{ready}");
    // A bad file after it does not make the held one served, nor the old one go.
    stage.put("tool.wasm", b"nothing");
    let bad = |ready: &Value| reason(ready, "tool.wasm").contains("not a WebAssembly component");
    assert_eq!(served(&until_ready(&host, "bad", bad).await, "versioned"), number(1));
    stage.put("tool.wasm", &later(2, &[(&["*"], &["*"], &[Verb::List])]));
    until_ready(&host, "held again", |ready| reason(ready, "tool.wasm").contains("any kind")).await;
    assert!(host.terminate().await.unwrap().0.success());
    let host = stage.host("tools: {approve: wider}", &[]);
    until_ready(&host, "a restart", |ready| served(ready, "versioned") == number(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn always_serves_what_the_configuration_approves_and_follows_it() {
    let stage = Stage::new();
    stage.put("tool.wasm", &later(1, &[NAMESPACES]));
    stage.put("other.wasm", &declaring("other", "1.0.0", &[]));
    let host = stage.host("tools:\n  approve: always\n  approved: []\n", &[]);
    let ready = until_ready(&host, "all held", |ready| !reason(ready, "tool.wasm").is_empty()).await;
    assert!(reason(&ready, "tool.wasm").contains("nothing is approved under its name"), "{ready}");
    let ready = until_ready(&host, "both", |ready| !reason(ready, "other.wasm").is_empty()).await;
    assert_eq!(ready["tools"], json!([]));

    // As a ConfigMap changes: the file is a link into a folder that is swapped.
    let lines = plugin(&["approve", &stage.text("tools/tool.wasm")]);
    let indented: String = lines.lines().map(|line| format!("  {line}\n")).collect();
    let config = |approved: &str| format!("tools:\n  approve: always\n  approved:\n{approved}");
    let swap = |text: &str, folder: &str| {
        fs::create_dir(stage.path(folder)).unwrap();
        fs::write(stage.path(folder).join("porthole.yaml"), text).unwrap();
        symlink(Path::new(folder).join("porthole.yaml"), stage.path("config.new")).unwrap();
        fs::rename(stage.path("config.new"), stage.path("porthole.yaml")).unwrap();
    };
    swap(&config(&indented), "..1");
    let ready = until_ready(&host, "approved", |ready| served(ready, "versioned") == number(1)).await;
    assert!(!reason(&ready, "other.wasm").is_empty(), "{ready}");
    host.until_logged("approved: it may list namespaces").await.unwrap();
    // Nonsense changes nothing, and is reported.
    swap("tools: {approved: [nonsense]}", "..2");
    let name = stage.text("porthole.yaml");
    let ready = until_ready(&host, "nonsense", |ready| !reason(ready, &name).is_empty()).await;
    assert_eq!(served(&ready, "versioned"), number(1));
    // An approval that is taken back takes its tool away.
    swap("tools:\n  approve: always\n  approved: []\n", "..3");
    until_ready(&host, "taken back", |ready| served(ready, "versioned").is_empty()).await;
    swap(&config(&indented), "..4");
    until_ready(&host, "given again", |ready| served(ready, "versioned") == number(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_of_any_kind_names_the_kinds_of_the_day_and_later_ones_wait() {
    let stage = Stage::new();
    stage.put("resources_list.wasm", &fs::read(tools().join("resources_list.wasm")).unwrap());
    fs::create_dir(stage.path("before")).unwrap();
    fs::create_dir(stage.path("after")).unwrap();
    let namespace = "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}";
    fs::write(stage.path("before/all.yaml"), namespace).unwrap();
    let widget = "---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget}
  versions: [{name: v1, served: true, storage: true}]
---
{apiVersion: example.com/v1, kind: Widget, metadata: {name: gadget-7, namespace: shop}}
";
    fs::write(stage.path("after/all.yaml"), format!("{namespace}\n{widget}")).unwrap();
    let (lock, file) = (stage.text("tools.lock"), stage.text("tools/resources_list.wasm"));
    plugin(&["approve", &file, "--lock", &lock, "--kinds", "--demo", &stage.text("before")]);
    let named = stage.locked()["approved"][0]["kinds"].clone();
    assert!(named.as_array().unwrap().contains(&json!("deployments.apps")), "{named}");

    let (plugins, config, page) = (stage.text("tools"), stage.text("porthole.yaml"), "127.0.0.1:0");
    fs::write(&config, "tools: {approve: always}").unwrap();
    let after = stage.text("after");
    let host = Porthole::spawn(&[
        "--demo",
        &after,
        "--identity",
        "host",
        "--plugins",
        &plugins,
        "--config",
        &config,
        "--lock",
        &lock,
        "--admin-listen",
        page,
    ])
    .unwrap();
    until_ready(&host, "approved", |ready| !served(ready, "resources_list").is_empty()).await;
    let client = Streamable::new(&host.origin, None);
    let widgets = || client.call("resources_list", json!({"kind": "Widget", "apiVersion": "example.com/v1"}));
    let namespaces =
        client.call("resources_list", json!({"kind": "Namespace", "apiVersion": "v1"})).await.unwrap();
    assert!(namespaces.contains("shop"), "{namespaces}");
    let closed = widgets().await.unwrap();
    assert!(
        closed.contains("widgets of example.com is not one of them") && closed.contains("--kinds"),
        "{closed}"
    );
    let shown = send("GET", &format!("{}/", host.page().await.unwrap()), None, "").await.unwrap().body;
    let told = format!("list any kind (`*`: {} kinds of its approval)", named.as_array().unwrap().len());
    assert!(shown.contains(&told), "{shown}");
    assert!(plugin(&["inspect", &file, "--lock", &lock]).contains("kinds) by "));
    assert!(plugin(&["approve", &file, "--lock", &lock]).contains("- deployments.apps\n"));
    assert_eq!(stage.locked()["approved"][0]["kinds"], named, "they are kept");

    plugin(&["approve", &file, "--lock", &lock, "--kinds", "--demo", &after]);
    let begun = Instant::now();
    loop {
        let listed = widgets().await.unwrap();
        if listed.contains("gadget-7") {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{listed}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    plugin(&["approve", &file, "--lock", &lock, "--any-kind"]);
    assert_eq!(stage.locked()["approved"][0].get("kinds"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_lock_lets_nothing_wider_in_and_is_left_to_the_operator() {
    let stage = Stage::new();
    let lock = stage.text("tools.lock");
    stage.put("tool.wasm", &later(1, &[NAMESPACES]));
    let host = stage.host("tools: {approve: wider}", &["--lock", &lock]);
    until_ready(&host, "first", |ready| served(ready, "versioned") == number(1)).await;
    crate::until("the lock", 20, || stage.path("tools.lock").exists()).await;
    let good = fs::read(&lock).unwrap();
    let damaged = String::from_utf8(good.clone()).unwrap().replace("\"list\"", "\"*\"");
    stage.replace(Path::new(&lock), damaged.as_bytes());
    let ready = until_ready(&host, "damaged", |ready| !reason(ready, &lock).is_empty()).await;
    let why = reason(&ready, &lock);
    assert!(why.contains("\"*\" is not get or list") && why.contains("mend it"), "{why}");
    assert_eq!(served(&ready, "versioned"), number(1), "what was let in goes on");
    stage.put("tool.wasm", &later(2, &[NAMESPACES, SECRETS]));
    stage.put("new.wasm", &declaring("new_one", "1.0.0", &[SECRETS]));
    let ready =
        until_ready(&host, "held", |ready| ready["held"].as_array().is_some_and(|held| held.len() == 2))
            .await;
    assert!(reason(&ready, "tool.wasm").contains("(get secrets) in addition"), "{ready}");
    assert!(reason(&ready, "new.wasm").contains("the lock of approvals cannot be read"), "{ready}");
    assert!(host.terminate().await.unwrap().0.success());

    // At a start nobody knows what was approved, so nothing is served.
    let host = stage.host("tools: {approve: wider}", &["--lock", &lock]);
    let all = |ready: &Value| ready["held"].as_array().is_some_and(|held| held.len() == 2);
    let ready = until_ready(&host, "a start", all).await;
    assert_eq!(ready["tools"], json!([]));
    assert_eq!(fs::read_to_string(&lock).unwrap(), damaged);
    stage.replace(Path::new(&lock), &good);
    let ready = until_ready(&host, "mended", |ready| served(ready, "new_one") == "1.0.0").await;
    assert!(reason(&ready, "tool.wasm").contains("(get secrets) in addition"), "{ready}");
    assert!(reason(&ready, &lock).is_empty(), "{ready}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_cannot_be_written_is_reported_and_the_tools_are_served() {
    let stage = Stage::new();
    // A folder that is not there, because root may write to any that is.
    let lock = stage.text("missing/tools.lock");
    stage.put("tool.wasm", &later(1, &[NAMESPACES]));
    let host = stage.host("tools: {approve: wider}", &["--lock", &lock]);
    // It is ready a moment after it has tried all files and reported what failed.
    let is_reported = |ready: &Value| !reason(ready, &lock).is_empty() && ready["ready"] == true;
    let ready = until_ready(&host, "reported", is_reported).await;
    let why = reason(&ready, &lock);
    assert!(why.contains("cannot be written") && why.contains("until this process ends"), "{why}");
    assert_eq!(served(&ready, "versioned"), number(1));
    stage.put("tool.wasm", &later(2, &[SECRETS]));
    until_ready(&host, "held", |ready| reason(ready, "tool.wasm").contains("(get secrets)")).await;
    fs::create_dir(stage.path("missing")).unwrap();
    let ready = until_ready(&host, "written", |ready| reason(ready, &lock).is_empty()).await;
    assert_eq!(served(&ready, "versioned"), number(1));
    let written = fs::read_to_string(&lock).unwrap();
    assert!(written.contains("namespaces") && !written.contains("secrets"), "{written}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_approvals_are_kept_while_one_is_added() {
    let stage = Stage::new();
    let lock = stage.text("tools.lock");
    let entry = |n: u32| {
        json!({"tool": format!("tool_{n}"), "version": "1.0.0", "digest": format!("sha256:{n:064x}"),
            "reads": [{"apiGroups": ["", "apps"], "resources": ["pods", "pods/log", "deployments"], "verbs": ["get", "list"]}],
            "by": "jane (uid 1000)", "at": "2026-11-29T10:00:00Z"})
    };
    let entries: Vec<Value> = (0..2000).map(entry).collect();
    fs::write(&lock, json!({"format": 1, "approved": entries}).to_string()).unwrap();
    stage.put("tool_7.wasm", &declaring("tool_7", "1.0.1", &[(&["apps"], &["deployments"], &[Verb::Get])]));
    stage.put("tool_8.wasm", &declaring("tool_8", "1.0.1", &[(&["batch"], &["jobs"], &[Verb::Get])]));
    let host = stage.host("tools: {approve: always}", &["--lock", &lock]);
    // Two files are loaded at once, and each is published when it is.
    let both = |ready: &Value| served(ready, "tool_7") == "1.0.1" && !reason(ready, "tool_8.wasm").is_empty();
    let ready = until_ready(&host, "loaded", both).await;
    assert!(reason(&ready, "tool_8.wasm").contains("(get jobs.batch) in addition"), "{ready}");
    let begun = Instant::now();
    plugin(&["approve", &stage.text("tools/tool_8.wasm"), "--lock", &lock]);
    until_ready(&host, "approved", |ready| served(ready, "tool_8") == "1.0.1").await;
    eprintln!("one of 2,000 was approved and served after {:?}", begun.elapsed());
    let kept = stage.locked();
    assert_eq!(kept["approved"].as_array().unwrap().len(), 2000);
    crate::until("the version that is served", 20, || {
        let approved = stage.locked()["approved"].clone();
        let seven = approved.as_array().unwrap().iter().find(|entry| entry["tool"] == "tool_7").cloned();
        seven.is_some_and(|seven| seven["version"] == "1.0.1")
    })
    .await;
}

#[test]
fn a_file_that_would_not_be_served_is_not_approved() {
    let stage = Stage::new();
    let lock = stage.text("tools.lock");
    stage.put("good.wasm", &later(1, &[NAMESPACES]));
    stage.put("bad.wasm", b"nothing");
    let (good, bad) = (stage.text("tools/good.wasm"), stage.text("tools/bad.wasm"));
    let output = std::process::Command::new(binary())
        .args(["plugin", "approve", &good, &bad, "--lock", &lock])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("would not be served"));
    assert!(!stage.path("tools.lock").exists(), "neither of them");
    fs::write(stage.path("tools.lock"), "{}").unwrap();
    let output = std::process::Command::new(binary())
        .args(["plugin", "approve", &good, "--lock", &lock])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && said.contains("not a list of approvals"), "{said}");
    assert_eq!(fs::read_to_string(stage.path("tools.lock")).unwrap(), "{}");
}
