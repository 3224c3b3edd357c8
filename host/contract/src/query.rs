//! Questions to the cluster: the queries of `kube-read` in the contract.

/// A kind by any name that kubectl takes: `pods`, `po`, `Pod`, `deployments.apps`; with `apps/v1` if it matters.
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
    /// The API server's own table, with the namespace if the list goes over all of them.
    Table,
    /// The table as it is: without namespaces.
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

/// Objects to list.
#[derive(Debug, Clone)]
pub struct ListQuery {
    /// None: all namespaces, or a cluster-scoped kind.
    pub namespace: Option<String>,
    /// As kubectl's `--selector`.
    pub label_selector: Option<String>,
    /// As kubectl's `--field-selector`.
    pub field_selector: Option<String>,
    /// Objects per page at most.
    pub limit: Option<u32>,
    /// End of the page before.
    pub continue_token: Option<String>,
    /// Exactly this resourceVersion.
    pub resource_version: Option<String>,
    /// The form of the answer.
    pub view: View,
}

/// A container's log, and which of its lines to keep.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// None: the pod's only container.
    pub container: Option<String>,
    /// The instance before the last restart.
    pub previous: bool,
    /// Lines from the end.
    pub tail_lines: Option<u32>,
    /// Lines of the last seconds.
    pub since_seconds: Option<u32>,
    /// Lines since an RFC 3339 timestamp.
    pub since_time: Option<String>,
    /// Begin each line with its timestamp.
    pub timestamps: bool,
    /// A regular expression; lines that match are kept.
    pub pattern: Option<String>,
    /// Keep the lines that do not match instead.
    pub invert: bool,
    /// Lines to keep before and after each that matches.
    pub context_lines: u32,
    /// Write runs of equal lines once, with their number.
    pub fold: bool,
    /// Bytes of text to return at most.
    pub limit_bytes: Option<u32>,
}

/// The part of a node to read.
#[derive(Debug, Clone)]
pub enum NodeSource {
    /// A service such as `kubelet`, or `/` and the name of a file under /var/log.
    Log(String),
    /// The kubelet's /stats/summary.
    StatsSummary,
}

/// A node, the part of it to read, and the number of lines from its end.
#[derive(Debug, Clone)]
pub struct NodeQuery {
    /// The node's name.
    pub node: String,
    /// The part to read.
    pub source: NodeSource,
    /// Lines from the end of a log.
    pub tail_lines: Option<u32>,
}

/// May the caller do `verb` to this? The fields of a SelfSubjectAccessReview.
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
