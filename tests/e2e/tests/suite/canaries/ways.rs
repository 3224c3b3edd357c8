//! Every way by which bytes leave a host, asked and searched.

use std::{
    fmt,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use porthole_testbed::{
    cluster::Cluster,
    dify::Dify,
    http::{Streamable, send},
    porthole::{Porthole, tools},
};
use serde_json::{Value, json};

use super::search::Search;

/// Output forms of a list, which its schema describes in words.
const OUTPUTS: [&str; 6] = ["table", "names", "count", "yaml", "json", "wide"];

/// A tool with its arguments.
pub(super) type Call = (&'static str, Value);

/// Callers.
#[derive(Clone, Copy)]
pub(super) struct Callers<'a> {
    /// Token of one who may read all.
    pub(super) keeper: &'a str,
    /// Token of one without rights.
    pub(super) nobody: &'a str,
}

/// Result of a search.
pub(super) struct Found<'a> {
    search: &'a Search,
    pub(super) leaks: Vec<String>,
    /// Texts of the answers.
    pub(super) shown: String,
    calls: usize,
    forms: usize,
    answers: usize,
    errors: usize,
    bytes: usize,
}

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, forms, answers, errors, bytes, .. } = self;
        write!(
            f,
            "{calls} calls in {forms} forms ({answers} answers, {errors} errors), {bytes} bytes searched"
        )
    }
}

/// Makes the calls in every form of output and fields, by every way, ends the host, and searches its answers, pages, logs and
/// files.
pub(super) async fn search_all<'a>(
    search: &'a Search,
    host: Porthole,
    folder: &Path,
    callers: Callers<'_>,
    (calls, paths): (&[Call], &[&str]),
) -> Found<'a> {
    let mut found = Found {
        search,
        leaks: Vec::new(),
        shown: String::new(),
        calls: calls.len(),
        forms: 0,
        answers: 0,
        errors: 0,
        bytes: 0,
    };
    found.ask_in_every_form(&host, callers.keeper, calls, paths).await;
    found.ask_by_other_ways(&host, callers, calls).await;
    found.look_at_what_is_kept(host, folder).await;
    found
}

impl Found<'_> {
    fn look(&mut self, whence: &str, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.leaks.extend(self.search.find(bytes).into_iter().map(|leak| format!("{whence}: {leak}")));
    }

    async fn ask_in_every_form(&mut self, host: &Porthole, keeper: &str, calls: &[Call], paths: &[&str]) {
        let streamable = Streamable::new(&host.origin, Some(keeper));
        let listed = streamable.request("tools/list", json!({})).await.unwrap();
        let all = in_every_form(calls, listed["tools"].as_array().unwrap(), paths);
        self.forms = all.len();
        for (tool, arguments) in &all {
            let call = json!({"name": tool, "arguments": arguments});
            let result = streamable.request("tools/call", call).await.unwrap();
            if result["isError"] == true {
                self.errors += 1
            } else {
                self.answers += 1
            }
            let what = format!("{tool} {arguments}");
            self.look(&what, result.to_string().as_bytes());
            // Once more without the JSON around it, which escapes.
            let text = porthole_testbed::http::text(&result).unwrap();
            assert!(!text.contains("more bytes"), "{what}: an answer that is cut off proves nothing");
            self.look(&format!("{what}, its text"), text.as_bytes());
            self.shown.push_str(&text);
        }
        assert!(self.answers > self.errors, "{self}");
    }

    /// Dify's way, the operator's page, an account that may read nothing, arguments that are wrong, and the token itself where
    /// a name belongs.
    async fn ask_by_other_ways(&mut self, host: &Porthole, callers: Callers<'_>, calls: &[Call]) {
        let Callers { keeper, nobody } = callers;
        let page = host.page().await.unwrap();
        let streamable = Streamable::new(&host.origin, Some(keeper));
        let refused = Streamable::new(&host.origin, Some(nobody));
        for (tool, arguments) in calls {
            let answer = Dify::visit(&host.origin, Some(keeper), tool, arguments.clone()).await.unwrap();
            self.look("/sse", answer.as_bytes());
            self.look("the page", try_tool(&page, tool, arguments, keeper).await.as_bytes());
            self.look("a refusal", refused.call(tool, arguments.clone()).await.unwrap().as_bytes());
            let mut wrong = arguments.clone();
            wrong["fields"] = "data[".into();
            wrong["container"] = "none".into();
            self.look("an error", refused.call(tool, wrong.clone()).await.unwrap().as_bytes());
            self.look("an error", streamable.call(tool, wrong).await.unwrap().as_bytes());
            // The answer goes to the caller, whose token it is; what the operator sees is searched below.
            let mut own = arguments.clone();
            own["name"] = keeper.into();
            streamable.call(tool, own).await.unwrap();
        }
        for path in ["/", "/metrics", "/tools/resources_get", "/style.css"] {
            let answer = send("GET", &format!("{page}{path}"), None, "").await.unwrap();
            self.look(path, answer.body.as_bytes());
        }
        for path in ["/readyz", "/healthz"] {
            let answer = send("GET", &format!("{}{path}", host.origin), None, "").await.unwrap();
            self.look(path, answer.body.as_bytes());
        }
    }

    async fn look_at_what_is_kept(&mut self, host: Porthole, folder: &Path) {
        let printed = host.printed().unwrap();
        let log = host.log.clone();
        // Ends after the last line of the audit and the log is written.
        host.terminate().await.unwrap();
        self.look("standard output", printed.as_bytes());
        self.look("the log", &std::fs::read(&log).unwrap());
        let kept = files(folder);
        for part in ["/audit", "/compiled/", "/tools/"] {
            assert!(kept.iter().any(|(name, bytes)| name.contains(part) && !bytes.is_empty()), "no {part}");
        }
        for (name, bytes) in &kept {
            self.look(name, bytes);
        }
        assert!(kept_at_trace(&log), "the log is not written at its most verbose level");
    }
}

/// The calls in every form of output that their tools have.
fn in_every_form(calls: &[Call], listed: &[Value], paths: &[&str]) -> Vec<Call> {
    let mut all = Vec::new();
    for (tool, arguments) in calls {
        let schema = listed.iter().find(|listed| listed["name"] == *tool).unwrap();
        let properties = &schema["inputSchema"]["properties"];
        let outputs: Vec<Value> = match &properties["output"] {
            Value::Null => Vec::new(),
            output => match output["enum"].as_array() {
                Some(values) => values.clone(),
                None => OUTPUTS.iter().map(|&output| output.into()).collect(),
            },
        };
        let fields = if properties["fields"].is_null() { &[] } else { paths };
        let mut add = |output: Option<&Value>, fields: Option<&str>| {
            let mut arguments = arguments.clone();
            if let Some(output) = output {
                arguments["output"] = output.clone();
            }
            if let Some(fields) = fields {
                arguments["fields"] = fields.into();
            }
            all.push((*tool, arguments));
        };
        for output in std::iter::once(None).chain(outputs.iter().map(Some)) {
            add(output, None);
            fields.iter().for_each(|fields| add(output, Some(fields)));
        }
    }
    all
}

/// All files below a folder, with their contents.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    files
}

/// A cache folder with what other hosts of the run have compiled, but for one tool, so that the host writes there too.
fn compiled(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    let known = std::fs::read_dir(porthole_testbed::prepared::path("PORTHOLE_CACHE")).unwrap();
    let mut known: Vec<PathBuf> = known.map(|entry| entry.unwrap().path()).collect();
    known.retain(|path| path.extension().is_some_and(|ending| ending == "cwasm"));
    known.sort();
    for path in known.iter().skip(1) {
        std::fs::copy(path, folder.join(path.file_name().unwrap())).unwrap();
    }
}

/// A host with this configuration and all its files in one folder, and its operator's page.
pub(super) async fn host(cluster: &Cluster, config: &str, folder: &Path) -> Porthole {
    let text = |name: &str| folder.join(name).display().to_string();
    let plugins = folder.join("tools");
    std::fs::create_dir(&plugins).unwrap();
    for entry in std::fs::read_dir(tools()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), plugins.join(entry.file_name())).unwrap();
    }
    std::fs::write(folder.join("porthole.yaml"), config).unwrap();
    compiled(&folder.join("compiled"));
    let options = [
        "--kubeconfig",
        &cluster.kubeconfig.display().to_string(),
        "--plugins",
        &text("tools"),
        "--config",
        &text("porthole.yaml"),
        "--audit",
        &text("audit"),
        "--admin-listen",
        "127.0.0.1:0",
    ];
    let host = Porthole::spawn_in(&options, &[("PORTHOLE_CACHE", text("compiled"))]).unwrap();
    host.until_loaded().await.unwrap();
    host
}

/// A tool tried on the operator's page, as a browser submits its form.
async fn try_tool(page: &str, tool: &str, arguments: &Value, token: &str) -> String {
    let mut fields = vec![(":token".to_owned(), token.to_owned())];
    for (name, value) in arguments.as_object().unwrap() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        fields.push((name.clone(), text));
    }
    let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let fields: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    let request = http::Request::post(format!("{page}/tools/{tool}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(http_body_util::Full::from(fields.join("&")))
        .unwrap();
    let response = porthole_testbed::http::client().request(request).await.unwrap();
    assert_eq!(response.status().as_u16(), 200, "{tool} {arguments}");
    let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    String::from_utf8_lossy(&body).into_owned()
}

/// True if a host has logged at the most verbose level.
fn kept_at_trace(log: &Path) -> bool {
    memchr::memmem::find(&std::fs::read(log).unwrap(), b" TRACE ").is_some()
}
