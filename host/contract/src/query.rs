//! Queries to the cluster, as in `kube-read` of the contract.

/// A kind by any name that kubectl accepts: `pods`, `po`, `Pod`, `deployments.apps`; with `apps/v1` if it matters.
#[derive(Debug, Clone)]
pub struct KindRef {
    /// The name.
    pub kind: String,
    /// Group and version, for example `apps/v1`.
    pub api_version: Option<String>,
}

/// The form in which each object is returned.
#[derive(Debug, Clone)]
pub enum View {
    /// The object as JSON, without bookkeeping.
    Whole,
    /// Only these fields.
    Fields(Vec<String>),
    /// The API server's own table, with a namespace column if the list covers all namespaces.
    Table,
    /// The table unchanged: without namespaces.
    Outline,
}

/// One object to read.
#[derive(Debug, Clone)]
pub struct GetQuery {
    /// None for a cluster-scoped kind.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
    /// The form of the answer.
    pub view: View,
}

/// Query for a list of objects.
#[derive(Debug, Clone)]
pub struct ListQuery {
    /// None: all namespaces, or a cluster-scoped kind.
    pub namespace: Option<String>,
    /// Selector as in kubectl's `--selector`.
    pub label_selector: Option<String>,
    /// Selector as in kubectl's `--field-selector`.
    pub field_selector: Option<String>,
    /// Max objects per page.
    pub limit: Option<u32>,
    /// Continue token of the previous page.
    pub continue_token: Option<String>,
    /// Exact resourceVersion to read.
    pub resource_version: Option<String>,
    /// The form of the answer.
    pub view: View,
}

/// Query for the writes to objects of a kind.
#[derive(Debug, Clone, Default)]
pub struct ChangesQuery {
    /// None: all namespaces, or a cluster-scoped kind.
    pub namespace: Option<String>,
    /// One object; None: those of the list.
    pub name: Option<String>,
    /// Selector as in kubectl's `--selector`.
    pub label_selector: Option<String>,
    /// RFC 3339 timestamp of the oldest write.
    pub since_time: Option<String>,
    /// Max objects per page.
    pub limit: Option<u32>,
    /// Continue token of the previous page.
    pub continue_token: Option<String>,
}

/// A container's log, from some line on.
#[derive(Debug, Clone, Default)]
pub struct LogSource {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// None: the pod's only container.
    pub container: Option<String>,
    /// The instance before the last restart.
    pub previous: bool,
    /// Number of lines from the end.
    pub tail_lines: Option<u32>,
    /// Age in seconds of the oldest line.
    pub since_seconds: Option<u32>,
    /// RFC 3339 timestamp of the oldest line.
    pub since_time: Option<String>,
}

/// Query for a container's log, with a filter for its lines.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    /// The log.
    pub source: LogSource,
    /// Prefix each line with its timestamp.
    pub timestamps: bool,
    /// Regular expression for the lines to keep.
    pub pattern: Option<String>,
    /// Keep the lines that do not match `pattern` instead.
    pub invert: bool,
    /// Lines to keep before and after each match.
    pub context_lines: u32,
    /// Write a run of equal lines once, with its count.
    pub fold: bool,
    /// Max bytes of text to return.
    pub limit_bytes: Option<u32>,
}

/// Query for the lines of a log that match, of which the first and the last are returned.
#[derive(Debug, Clone, Default)]
pub struct LogSearch {
    /// The log.
    pub source: LogSource,
    /// RFC 3339 timestamp; reading ends at the first later line.
    pub until_time: Option<String>,
    /// Regular expression for the lines that match; None: all lines.
    pub include: Option<String>,
    /// Regular expression for lines that do not match, even if `include` matches.
    pub exclude: Option<String>,
    /// Ignore case in both expressions.
    pub ignore_case: bool,
    /// Matches to return from the start; runs of equal lines count once if `fold`.
    pub first: u32,
    /// Matches to return from the end.
    pub last: u32,
    /// Lines to return before and after each match.
    pub context_lines: u32,
    /// Prefix each line with its timestamp.
    pub timestamps: bool,
    /// Write a run of equal lines once, with its count.
    pub fold: bool,
    /// Max bytes of a line to return.
    pub line_bytes: Option<u32>,
    /// Max bytes of text to return.
    pub limit_bytes: Option<u32>,
    /// Max bytes of the log to read.
    pub read_limit: Option<u64>,
}

/// Data source on a node.
#[derive(Debug, Clone)]
pub enum NodeSource {
    /// A service such as `kubelet`, or `/` and a file name under /var/log.
    Log(String),
    /// The kubelet's /stats/summary.
    StatsSummary,
}

/// Query for data of a node.
#[derive(Debug, Clone)]
pub struct NodeQuery {
    /// The node's name.
    pub node: String,
    /// The data source.
    pub source: NodeSource,
    /// Number of lines from the end of a log.
    pub tail_lines: Option<u32>,
}

/// Query to the API server's authorizer: the fields of a SelfSubjectAccessReview.
#[derive(Debug, Clone)]
pub struct AccessQuery {
    /// `get`, `list`, `create`…
    pub verb: String,
    /// For example `log`.
    pub subresource: Option<String>,
    /// None: all namespaces, or a cluster-scoped kind.
    pub namespace: Option<String>,
    /// None: any name.
    pub name: Option<String>,
}
