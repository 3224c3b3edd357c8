//! Answers beside those of kubectl and of the kubelet, on the same objects.

mod describe;
mod lists;
mod logs;
mod nodes;
mod top;

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, Weak},
    time::Duration,
};

use porthole_testbed::{accounts, http::Streamable, node::Node, porthole::Porthole};
use regex::Regex;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::shell;

/// Maximum time until what controllers, kubelet and a caller see is the same.
pub(super) const STEADY: Duration = Duration::from_secs(240);

/// The stage of the tests that run. The last of them ends its host: nothing drops a static.
static STAGE: Mutex<Weak<Stage>> = Mutex::const_new(Weak::new());

/// The node with the fixture, and a host in its network whose caller may read everything.
pub(super) struct Stage {
    pub(super) node: Node,
    host: Porthole,
    token: String,
}

impl Stage {
    pub(super) async fn get() -> Arc<Self> {
        let mut stage = STAGE.lock().await;
        if let Some(stage) = stage.upgrade() {
            return stage;
        }
        let started = Arc::new(Self::start().await);
        *stage = Arc::downgrade(&started);
        started
    }

    async fn start() -> Self {
        let node = Node::for_tests();
        shell(&node, "kubectl apply --server-side -f tests/fixtures/truth.yaml");
        // Another stage may have made them already.
        let account = "made() { kubectl create \"$@\" --dry-run=client -o yaml | kubectl apply -f -; }
            made serviceaccount -n truth reader
            made clusterrolebinding truth-reader --clusterrole=cluster-admin --serviceaccount=truth:reader
            kubectl create token -n truth reader";
        let token = shell(&node, account).lines().last().unwrap().to_owned();
        accounts::remember(&token);
        // One call reads a log of 95 MB, which takes a busy machine longer than the default of 30 s.
        let limits = "limits: {timeout: 120s}";
        let host = Porthole::configured(&node.kubeconfig(), limits).await.unwrap();
        Self { node, host, token }
    }

    pub(super) async fn call(&self, tool: &str, arguments: Value) -> String {
        Streamable::new(&self.host.origin, Some(&self.token)).call(tool, arguments).await.unwrap()
    }

    /// Rows of a list, of all its answers.
    pub(super) async fn rows(&self, tool: &str, arguments: Value) -> Rows {
        let mut arguments = arguments;
        let mut rows = Rows::new();
        loop {
            let answer = self.call(tool, arguments.clone()).await;
            rows.extend(of_tool(&answer));
            let Some((_, token)) = answer.split_once("continue=") else { return rows };
            arguments["continue"] = token.trim().into();
        }
    }

    /// Output of kubectl, whose arguments are separated by spaces.
    pub(super) fn kubectl(&self, arguments: &str) -> String {
        self.node.kubectl(&arguments.split(' ').collect::<Vec<_>>()).unwrap()
    }

    /// JSON of kubectl.
    pub(super) fn json(&self, arguments: &str) -> Value {
        serde_json::from_str(&self.kubectl(&format!("{arguments} -o json"))).unwrap()
    }
}

/// Rows of a table: their cells by title, without those that are empty.
pub(super) type Rows = Vec<BTreeMap<String, String>>;

/// Cells without the words for nothing.
fn row<'t>(titles: &[String], cells: impl Iterator<Item = &'t str>) -> BTreeMap<String, String> {
    let pairs = titles.iter().cloned().zip(cells.map(|cell| cell.trim().to_owned()));
    pairs.filter(|(_, cell)| !matches!(cell.as_str(), "" | "-" | "<none>" | "<unset>")).collect()
}

/// Rows of a table of kubectl, whose columns begin where their titles do.
pub(super) fn of_kubectl(text: &str) -> Rows {
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    let starts: Vec<usize> =
        Regex::new(r"\S+( \S+)*").unwrap().find_iter(header).map(|title| title.start()).collect();
    let cut = |line: &str| -> Vec<String> {
        let letters: Vec<char> = line.chars().collect();
        let ends = starts.iter().skip(1).copied().chain([letters.len()]);
        let cell = |(start, end): (&usize, usize)| letters.iter().take(end).skip(*start).collect::<String>();
        starts.iter().zip(ends).map(cell).collect()
    };
    let titles: Vec<String> = cut(header).iter().map(|title| title.trim().to_owned()).collect();
    lines.map(|line| row(&titles, cut(line).iter().map(String::as_str))).collect()
}

/// Rows of a table of a tool, whose columns are separated by two spaces, below the lines on the whole.
pub(super) fn of_tool(text: &str) -> Rows {
    let gap = Regex::new("  +").unwrap();
    let is_head = |line: &&str| line.starts_with(|first: char| first.is_ascii_digit() || first == '×');
    let mut lines = text.lines().skip_while(is_head);
    let titles: Vec<String> = gap.split(lines.next().unwrap_or_default()).map(str::to_owned).collect();
    lines.filter(|line| !line.starts_with("shown ")).map(|line| row(&titles, gap.split(line))).collect()
}

/// MiB of a text such as `12Mi`, `1.53Gi`, or `0` for none.
fn mebibytes(text: &str) -> f64 {
    let units = [("Ki", 1.0 / 1024.0), ("Mi", 1.0), ("Gi", 1024.0), ("", 1.0 / 1_048_576.0)];
    let known = units.iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, size)));
    let number = known.and_then(|(number, size)| Some(number.parse::<f64>().ok()? * size));
    number.unwrap_or_else(|| panic!("{text} is no number of bytes, Ki, Mi or Gi"))
}

#[test]
fn a_size_may_have_a_fraction_and_any_unit() {
    for (text, expected) in [("512Ki", 0.5), ("12Mi", 12.0), ("1.5Gi", 1536.0), ("0", 0.0)] {
        assert!((mebibytes(text) - expected).abs() < 1e-9, "{text}");
    }
}

/// Seconds of an age such as `5h30m`; None for another text.
fn seconds(age: &str) -> Option<u64> {
    static PART: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(\d+)([smhdy])").unwrap());
    static AGE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^(\d+[smhdy])+( ago)?$").unwrap());
    let unit = |unit: &str| match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => 31_536_000,
    };
    let parts = PART.captures_iter(age).map(|part| part[1].parse::<u64>().unwrap() * unit(&part[2]));
    AGE.is_match(age).then(|| parts.sum())
}

/// True if two cells say the same; ages were read at different times.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    match (seconds(one), seconds(other)) {
        (Some(one), Some(other)) => one.abs_diff(other) <= 15 + one / 10,
        _ => one == other,
    }
}

/// Differences between rows in these columns; empty if there is none.
pub(super) fn differences(expected: &Rows, actual: &Rows, key: &[&str], titles: &[&str]) -> Vec<String> {
    let identity = |row: &BTreeMap<String, String>| {
        key.iter().map(|title| row.get(*title).cloned().unwrap_or_default()).collect::<Vec<_>>()
    };
    let by_key = |rows: &Rows| -> BTreeMap<Vec<String>, BTreeMap<String, String>> {
        rows.iter().map(|row| (identity(row), row.clone())).collect()
    };
    let (expected, actual) = (by_key(expected), by_key(actual));
    let mut found: Vec<String> = actual
        .keys()
        .filter(|key| !expected.contains_key(*key))
        .map(|key| format!("{key:?} is not there"))
        .collect();
    for (key, row) in &expected {
        let Some(other) = actual.get(key) else {
            found.push(format!("{key:?} is missing"));
            continue;
        };
        for title in titles {
            let cell = |row: &BTreeMap<String, String>| row.get(*title).cloned().unwrap_or_default();
            if !is_same(&cell(row), &cell(other)) {
                found.push(format!(
                    "{key:?} {title}: kubectl has {:?}, the tool {:?}",
                    cell(row),
                    cell(other)
                ));
            }
        }
    }
    found
}
