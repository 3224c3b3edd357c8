//! Admin port: the page, a tool called from it, and the metrics.

use std::path::Path;

use porthole_testbed::{
    component::{Component, Data},
    hostile_api::HostileApi,
    http::{Answer, Streamable, client},
    porthole::{Porthole, tools},
};
use serde_json::json;

use crate::reader;

struct Operator {
    host: Porthole,
    page: String,
    token: String,
}

impl Operator {
    async fn new() -> Self {
        let (cluster, token) = reader().await;
        Self::of(&cluster.kubeconfig, &tools(), token).await
    }

    async fn of(kubeconfig: &Path, tools: &Path, token: String) -> Self {
        let options = [
            "--kubeconfig",
            kubeconfig.to_str().unwrap(),
            "--plugins",
            tools.to_str().unwrap(),
            "--admin-listen",
            "127.0.0.1:0",
        ];
        let host = Porthole::with(&options).await.unwrap();
        let page = host.page().await.unwrap();
        Self { host, page, token }
    }

    async fn get(&self, path: &str) -> Answer {
        porthole_testbed::http::send("GET", &format!("{}{path}", self.page), None, "").await.unwrap()
    }

    /// Submits the form of a tool like a browser.
    async fn try_tool(&self, tool: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let encode = |text: &str| {
            text.bytes()
                .map(|byte| match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => {
                        char::from(byte).to_string()
                    }
                    other => format!("%{other:02X}"),
                })
                .collect::<String>()
        };
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let request = http::Request::post(format!("{}/tools/{tool}", self.page))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(http_body_util::Full::from(body.join("&")))
            .unwrap();
        let response = client().request(request).await.unwrap();
        let status = response.status().as_u16();
        let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_what_is_served_and_what_calls_came_to() {
    let operator = Operator::new().await;
    let client = Streamable::new(&operator.host.origin, Some(&operator.token));
    client.call("pods_list", json!({"labelSelector": "app=web"})).await.unwrap();
    client.call("pods_get", json!({"name": "<script>alert(1)</script>"})).await.unwrap();
    client.call("no_such<b>tool", json!({})).await.unwrap();
    let page = operator.get("/").await;
    assert_eq!(page.status, 200);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    let body = &page.body;
    for part in [
        "<a href=\"/tools/pods_list\">pods_list</a>",
        "get pods/log; get, list pods;",
        "system:serviceaccount:tests:reader",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "no_such&lt;b&gt;tool",
        ">unknown<",
        " ms</td>",
    ] {
        assert!(body.contains(part), "no {part:?} in {body}");
    }
    for never in ["<script", "http://", "style=", "onclick", "<b>tool"] {
        assert!(!body.contains(never), "{never:?} in {body}");
    }
    let style = operator.get("/style.css").await;
    assert!(style.headers["content-type"].to_str().unwrap().starts_with("text/css"));
    assert_eq!(operator.get("/tools/nope").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_is_tried_with_a_token_that_is_kept_nowhere() {
    let operator = Operator::new().await;
    let form = operator.get("/tools/pods_list_in_namespace").await.body;
    for part in [
        "method=\"post\"",
        "name=\"namespace\" value=\"\" required",
        "name=\"limit\" type=\"number\"",
        "type=\"password\" autocomplete=\"off\"",
    ] {
        assert!(form.contains(part), "no {part:?} in {form}");
    }
    assert!(form.find("for=\"namespace\"") < form.find("for=\"continue\""), "what must be given comes first");
    let fields = [
        ("namespace", "shop"),
        ("labelSelector", "app=web"),
        ("limit", ""),
        (":token", operator.token.as_str()),
    ];
    let (status, answer) = operator.try_tool("pods_list_in_namespace", &fields).await;
    assert!(status == 200 && answer.contains("web-6d4f9c7b8d-k8pq2"), "{answer}");
    assert!(
        answer.contains("as system:serviceaccount:tests:reader") && answer.contains("value=\"app=web\""),
        "{answer}"
    );
    assert!(!answer.contains(&operator.token), "the token comes back");
    let overview = operator.get("/").await.body;
    assert!(overview.contains(">the operator's page<") && !overview.contains(&operator.token), "{overview}");
    let log = std::fs::read_to_string(&operator.host.log).unwrap();
    assert!(!log.contains(&operator.token), "the token is in the log");
    for (token, status) in [("", 401), ("wrong", 401), ("no\ntoken", 400)] {
        let (answered, page) = operator.try_tool("pods_list", &[(":token", token)]).await;
        assert_eq!(answered, status, "{page}");
    }
    let (_, refused) =
        operator.try_tool("pods_list", &[("output", "<i>"), (":token", operator.token.as_str())]).await;
    assert!(refused.contains("output parameter must be one of") && !refused.contains("<i>"), "{refused}");
}

/// Ends an element and an attribute; without the characters that a declaration is refused for.
const MARKUP: &str = "<script>alert(1)</script>\"><img src=x onerror=alert(1)>";

/// [`MARKUP`] that also reverses the text after it and clears a terminal.
fn hostile() -> String {
    format!("{MARKUP}\u{202e}\u{1b}[2J")
}

/// Asserts that a page shows hostile text at least so many times, and that none of it is markup or steers.
fn assert_text(page: &str, times: usize) {
    let shown = page.matches("&lt;script&gt;alert(1)&lt;/script&gt;").count();
    assert!(shown >= times, "{shown} of {times} in {page}");
    assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
    assert!(!page.contains(['\u{202e}', '\u{1b}']), "{page:?}");
}

/// A component that is hostile in all that it declares and answers.
fn attacker(name: &str, is_error: bool) -> Vec<u8> {
    let mut data = Data::default();
    let [at, length] = data.text(&hostile());
    let text = [0, at, length, 0, 0, 0, 0];
    let image = [1, at, 0, at, length, 0, 0];
    let embedded = [3, at, length, at, length, at, length];
    let contents = data.words(&[text, image, embedded].concat());
    let result = if is_error { vec![1, at, length] } else { vec![0, contents, 3, 0, 0, 0] };
    let run = format!("(i32.const {})", data.words(&result));
    let property = |kind: &str| json!({"type": kind, "description": hostile()});
    let properties =
        json!({"text": property("string"), "flag": property("boolean"), "count": property("integer")});
    let schema = json!({"type": "object", "properties": properties}).to_string();
    Component { name, title: MARKUP, summary: MARKUP, schema: &schema, data, run, ..Component::default() }
        .build()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_foreign_on_the_page_becomes_markup_or_steers() {
    let api = HostileApi::start(|path| {
        let user = json!({"status": {"userInfo": {"username": hostile(), "uid": "visitor-1", "groups": []}}});
        path.contains("/selfsubjectreviews").then(|| (200, user.to_string()))
    });
    let api = api.await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("attacker.wasm", &attacker("attacker", false));
    write("complainer.wasm", &attacker("complainer", true));
    write("named.wasm", &attacker(&hostile(), false));
    // A file name cannot hold a slash.
    write(&format!("{}.wasm", hostile().replace('/', "\\")), b"no component");
    let operator = Operator::of(&api.kubeconfig, folder.path(), "opaque-visitor-0123456789".to_owned()).await;
    let client = Streamable::new(&operator.host.origin, Some(&operator.token));
    let own_name = json!({"io.modelcontextprotocol/clientInfo": {"name": hostile(), "version": "1"}});
    for tool in ["attacker", "complainer", &hostile()] {
        let call = json!({"name": tool, "arguments": {"text": hostile()}, "_meta": own_name});
        client.request("tools/call", call).await.unwrap();
    }
    let overview = operator.get("/").await.body;
    // A reason; of three calls the arguments, the callers and the clients, and one name.
    assert_text(&overview, 11);
    assert!(overview.contains("&lt;img src=x onerror=alert(1)&gt;\\u{202e}\\u{1b}[2J.wasm"), "{overview}");
    let form = operator.get("/tools/attacker").await.body;
    // The summary and three descriptions.
    assert_text(&form, 4);
    let fields = [("text", MARKUP), (":token", operator.token.as_str())];
    // The form with its value, the caller, and the answer's text, type and link.
    for (tool, times) in [("attacker", 4 + 1 + 1 + 3), ("complainer", 4 + 1 + 1 + 1)] {
        let (status, page) = operator.try_tool(tool, &fields).await;
        assert_eq!(status, 200, "{page}");
        assert_text(&page, times);
    }
    let missing = operator.get("/tools/%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%3E%E2%80%AE%1B").await;
    assert_eq!(missing.status, 404);
    assert_text(&missing.body, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_cannot_use_the_operators_port() {
    let operator = Operator::new().await;
    for (name, value) in [("host", "evil.example"), ("origin", "http://evil.example")] {
        let request = http::Request::post(format!("{}/tools/pods_list", operator.page))
            .header("content-type", "application/x-www-form-urlencoded")
            .header(name, value)
            .body(http_body_util::Full::default())
            .unwrap();
        assert_eq!(client().request(request).await.unwrap().status(), 403, "{name}: {value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_openmetrics_and_count_what_happened() {
    let operator = Operator::new().await;
    let client = Streamable::new(&operator.host.origin, Some(&operator.token));
    client.call("pods_list", json!({})).await.unwrap();
    client.call("pods_get", json!({"name": "nope", "namespace": "default"})).await.unwrap();
    client.call("invented", json!({})).await.unwrap();
    client.call("pods_list", json!({"limit": "many"})).await.unwrap();
    let answer = operator.get("/metrics").await;
    assert!(
        answer.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("application/openmetrics-text; version=1.0.0")
    );
    let text = &answer.body;
    assert!(text.ends_with("# EOF\n"), "{text}");
    for line in [
        "porthole_calls_total{tool=\"pods_list\",verdict=\"ok\"} 1",
        "porthole_calls_total{tool=\"pods_list\",verdict=\"arguments\"} 1",
        "porthole_calls_total{tool=\"pods_get\",verdict=\"error\"} 1",
        "porthole_calls_total{tool=\"_other\",verdict=\"unknown\"} 1",
        "porthole_reads_total{verb=\"list\",outcome=\"ok\"}",
        "porthole_reads_total{verb=\"get\",outcome=\"failed\"} 1",
        "mcp_server_operation_duration_seconds_count{mcp_method_name=\"tools/call\",gen_ai_tool_name=\"pods_list\",error_type=\"\"} 1",
        "porthole_kube_request_duration_seconds_bucket{le=\"0.001\",code=\"200\"}",
        "porthole_kube_request_duration_seconds_count{code=\"404\"} 1",
        "porthole_plugin{tool=\"pods_list\",version=\"0.1.0\"",
        "porthole_plugin_loads_total{outcome=\"ok\"}",
        "porthole_compiled_",
        "porthole_sessions 0",
        "porthole_instances 0",
        "porthole_build_info{version=",
    ] {
        assert!(text.contains(line), "no {line:?} in {text}");
    }
    assert!(!text.contains("invented"), "{text}");
}
