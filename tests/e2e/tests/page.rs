//! Admin page in headless Chromium, wide and narrow; fails on any complaint of the browser.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop with a panic")]

use std::{path::Path, process::Command};

use porthole_testbed::{
    http::Streamable,
    porthole::{Porthole, tools},
};
use serde_json::json;

/// Minimum size of a screenshot, in bytes: an all-white one is smaller.
const SOMETHING_TO_SEE: u64 = 20_000;

/// DOM or screenshot output of a page, and the browser's messages.
fn browser(options: &[&str], url: &str) -> (String, String) {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new("chromium")
        // Chromium's sandbox does not start for root; the page is trusted.
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--enable-logging=stderr",
            "--v=0",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(options)
        .arg(url)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    (text(&output.stdout), text(&output.stderr))
}

fn picture(url: &str, size: &str, file: &Path) {
    let (_, messages) =
        browser(&[&format!("--window-size={size}"), &format!("--screenshot={}", file.display())], url);
    // Examples: "Refused to apply style … Content Security Policy", "Failed to load resource".
    for complaint in ["Refused to", "Content Security Policy", "Failed to load resource", "CONSOLE"] {
        assert!(!messages.contains(complaint), "{url} at {size}: {messages}");
    }
    let bytes = std::fs::metadata(file).unwrap().len();
    assert!(bytes > SOMETHING_TO_SEE, "{url} at {size}: a picture of {bytes} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_shown_wide_and_narrow_without_a_complaint() {
    let tools = tools();
    let options = [
        "--demo",
        "--identity",
        "host",
        "--plugins",
        tools.to_str().unwrap(),
        "--admin-listen",
        "127.0.0.1:0",
    ];
    let host = Porthole::with(&options).await.unwrap();
    let client = Streamable::new(&host.origin, None);
    client.call("pods_list", json!({})).await.unwrap();
    client.call("pods_get", json!({"name": "</td><script>document.title='taken'</script>"})).await.unwrap();
    let page = host.page().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (path, size) in [
        ("/", "1280,1400"),
        ("/", "400,1400"),
        ("/tools/pods_log", "1280,900"),
        ("/tools/pods_log", "400,1400"),
    ] {
        picture(&format!("{page}{path}"), size, &folder.path().join("picture.png"));
    }
    let (dom, _) = browser(&["--dump-dom"], &format!("{page}/"));
    assert!(dom.contains("<title>Porthole</title>"), "what a client wrote has run: {dom}");
    assert!(dom.matches("<tr>").count() > 24 && dom.contains("pods_list</a>"), "{dom}");
    assert!(dom.matches("<polyline").count() >= 3 && dom.contains("Calls a minute: at most"), "{dom}");
    assert!(dom.contains("Who read what") && dom.contains("<td class=\"wide mono\">pods"), "{dom}");
    // With --identity host requests need no token, and the form has no field for one.
    let (form, _) = browser(&["--dump-dom"], &format!("{page}/tools/pods_log"));
    assert!(form.contains("name=\"sinceSeconds\"") && !form.contains("type=\"password\""), "{form}");
}
