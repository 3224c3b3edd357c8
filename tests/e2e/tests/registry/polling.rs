//! Registries that are asked again and again: by `porthole plugin pull --poll` beside a host, and by the host itself.

use std::{
    fs::{self, File},
    process::{Child, Command},
    time::{Duration, Instant},
};

use porthole_testbed::{
    component::{Component, Rule, Verb},
    http::send,
    porthole::{Porthole, binary},
    registry::{Referrers, Registry},
    versions::{number, version},
};
use serde_json::Value;

use crate::{
    serving::until_ready,
    stage::{Stage, tool, until},
};

/// Maximum time until a poll is counted: several of its intervals.
const COUNTED: Duration = Duration::from_secs(60);

/// A running `porthole plugin pull --poll 1s`; killed on drop.
struct Poller<'s> {
    stage: &'s Stage,
    child: Child,
}

impl<'s> Poller<'s> {
    fn start(stage: &'s Stage) -> Self {
        let printed = File::create(stage.path().join("printed")).unwrap();
        let child = Command::new(binary())
            .args(["plugin", "pull", "--config", "porthole.yaml", "--into", "tools", "--poll", "1s"])
            .current_dir(stage.path())
            .stderr(printed.try_clone().unwrap())
            .stdout(printed)
            .spawn()
            .unwrap();
        Self { stage, child }
    }

    fn printed(&self) -> String {
        fs::read_to_string(self.stage.path().join("printed")).unwrap()
    }

    async fn until_printed(&self, text: &str) {
        until(text, || self.printed().contains(text)).await;
    }

    /// Sends SIGTERM; the exit code.
    async fn stop(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let status = std::cell::Cell::new(None);
        let child = std::cell::RefCell::new(&mut self.child);
        until("its end", || {
            status.set(child.borrow_mut().try_wait().unwrap());
            status.get().is_some()
        })
        .await;
        status.get().unwrap().code()
    }
}

impl Drop for Poller<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_follows_a_tag_to_what_a_named_key_has_signed_and_to_nothing_else() {
    let registry = Registry::start(Referrers::Api).unwrap();
    let stage = Stage::new();
    let image = format!("{}/tools/certs:1", registry.host);
    let source = format!("- {{image: \"{image}\", signedBy: [platform]}}");
    let keys = "keys: {platform: p256.pub}";
    stage.configure(&registry.host, &source, keys);
    let served = |name: &str| {
        fs::read(stage.file("certs.wasm")).is_ok_and(|bytes| bytes == fs::read(tool(name)).unwrap())
    };
    let poller = Poller::start(&stage);
    // Nothing is there yet, and that is not the end of it.
    poller.until_printed("is not there").await;
    stage.push("namespaces_list", &image, Some("p256.key"));
    until("the first", || served("namespaces_list")).await;
    // The tag moves to what nobody, and then another key, has signed.
    stage.push("pods_list", &image, None);
    poller.until_printed("is not signed by platform: there is no signature").await;
    stage.push("pods_list", &image, Some("ed25519.key"));
    poller.until_printed("is not signed by platform: its signature is by another key").await;
    assert!(served("namespaces_list"));
    let second = stage.push("pods_list", &image, Some("p256.key"));
    until("the second", || served("pods_list")).await;
    until("its entry", || fs::read_to_string(stage.file("sources.lock")).unwrap().contains(&second)).await;
    // A mistake in the configuration changes nothing, and is no end either.
    stage.replace("porthole.yaml", "tools: {sources: 1}");
    poller.until_printed("nothing is pulled until that is mended").await;
    assert!(served("pods_list"));
    // What is revoked while it runs leaves the folder.
    stage.configure(&registry.host, &source, &format!("{{{keys}, revoked: [\"{second}\"]}}"));
    until("revoked", || !stage.file("certs.wasm").exists()).await;
    stage.configure(&registry.host, &source, keys);
    until("the second again", || served("pods_list")).await;
    drop(registry);
    poller.until_printed("the registry does not answer").await;
    assert!(served("pods_list"));
    // At its end: a poll may have a file that it is still writing.
    assert_eq!(poller.stop().await, Some(0));
    let names: Vec<_> =
        fs::read_dir(stage.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "the tool, its proof and the lock: {names:?}");
}

#[test]
fn a_poll_that_cannot_begin_says_so() {
    let stage = Stage::new();
    stage.configure("127.0.0.1:1", "- {image: \"127.0.0.1:1/tools/certs:1\"}", "{}");
    let run =
        |poll| stage.run(&["plugin", "pull", "--config", "porthole.yaml", "--into", "tools", "--poll", poll]);
    let (code, output) = run("1s");
    assert!(code == 2 && output.contains("has no digest and no signedBy"), "{output}");
    let (code, output) = run("1ms");
    assert!(code == 2 && output.contains("an interval is 1s to 1day"), "{output}");
}

/// Declaration of the guest `versioned`, and what a later version asks for beside it.
const READS: [Rule<'static>; 2] =
    [(&[""], &["namespaces"], &[Verb::List]), (&[""], &["secrets"], &[Verb::Get])];

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_the_network_pulls_by_itself_and_goes_on_with_what_it_has() {
    let registry = Registry::start(Referrers::Api).unwrap();
    let stage = Stage::new();
    fs::create_dir(stage.folder()).unwrap();
    let image = format!("{}/tools/versioned:1", registry.host);
    let push = |bytes: &[u8], key: Option<&str>| {
        let file = stage.path().join("pushed.wasm");
        fs::write(&file, bytes).unwrap();
        stage.push_file(&file, &image, key)
    };
    stage.configure(
        &registry.host,
        &format!(
            "- {{image: \"{image}\", signedBy: [platform], poll: 1s}}\n  network: true\n  approve: wider"
        ),
        "keys: {platform: p256.pub}",
    );
    let folder = stage.folder().display().to_string();
    let config = stage.path().join("porthole.yaml").display().to_string();
    // The paths of keys are relative to the folder of the process.
    let host = Porthole::start_by(
        in_folder(&stage),
        &[
            "--plugins",
            &folder,
            "--config",
            &config,
            "--demo",
            "--identity",
            "host",
            "--admin-listen",
            "127.0.0.1:0",
        ],
        &[],
    )
    .unwrap();
    let error = |ready: &Value, text: &str| {
        ready["sources"][0]["error"].as_str().is_some_and(|error| error.contains(text))
    };
    let serves = |ready: &Value, n: u32| ready["tools"][0]["version"] == number(n);
    let missing = until_ready(&host, "nothing there", |ready| error(ready, "is not there")).await;
    assert_eq!(missing["sources"][0]["image"], image, "{missing}");
    let first = push(&version(1), Some("p256.key"));
    let is_first = |ready: &Value| {
        serves(ready, 1)
            && ready["tools"][0]["source"].as_str().is_some_and(|source| source.ends_with(&first))
    };
    until_ready(&host, "the first", is_first).await;
    // Nobody has signed what the tag is now.
    push(&version(2), None);
    let ready = until_ready(&host, "unsigned", |ready| error(ready, "is not signed by platform")).await;
    assert!(
        is_first(&ready) && ready["ready"] == true && ready["sources"][0]["checked"].is_string(),
        "{ready}"
    );
    host.until_logged("a tool is not pulled, what is in the folder is served as it was").await.unwrap();
    let second = push(&version(2), Some("p256.key"));
    let is_second = |ready: &Value| {
        serves(ready, 2)
            && ready["tools"][0]["source"].as_str().is_some_and(|source| source.ends_with(&second))
    };
    until_ready(&host, "the second", |ready| is_second(ready) && ready["sources"][0].get("error").is_none())
        .await;
    // A signature is no approval: what asks for more is held, and the version before goes on, with its own origin.
    let wider = Component { name: "versioned", version: &number(3), reads: &READS, ..Component::default() };
    push(&wider.build(), Some("p256.key"));
    let ready = until_ready(&host, "held", |ready| ready["held"][0]["version"] == number(3)).await;
    assert_eq!(ready["held"][0]["asksFor"], "get secrets", "{ready}");
    assert!(is_second(&ready) && ready["tools"][0]["signedBy"] == "platform", "{ready}");
    let page = host.page().await.unwrap();
    // The poll after that finds nothing new.
    until_counted(&page, &image, "unchanged").await;
    drop(registry);
    let ready = until_ready(&host, "down", |ready| error(ready, "the registry does not answer")).await;
    assert!(is_second(&ready), "{ready}");
    for outcome in ["pulled", "failed"] {
        until_counted(&page, &image, outcome).await;
    }
    let text = send("GET", &format!("{page}/"), None, "").await.unwrap().body;
    assert!(text.contains(&second) && text.contains("signed by platform"), "{text}");
    assert!(host.terminate().await.unwrap().0.success());
}

/// Waits until a poll of this image had this outcome.
async fn until_counted(page: &str, image: &str, outcome: &str) {
    let name = format!("porthole_source_pulls_total{{image=\"{image}\",outcome=\"{outcome}\"}} ");
    let begun = Instant::now();
    loop {
        let metrics = send("GET", &format!("{page}/metrics"), None, "").await.unwrap().body;
        let count = metrics.lines().find_map(|line| line.strip_prefix(&*name)?.parse::<u32>().ok());
        if count.is_some_and(|count| count > 0) {
            return;
        }
        assert!(begun.elapsed() < COUNTED, "{name}: {metrics}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The binary, run in the stage's folder.
fn in_folder(stage: &Stage) -> Command {
    let mut command = Command::new(binary());
    command.current_dir(stage.path());
    command
}
