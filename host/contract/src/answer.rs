//! Records that the cluster returns: the answers of `kube-read` in the contract.

/// A resource that the API server serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// Empty for the core group.
    pub group: String,
    /// For example `v1`.
    pub version: String,
    /// `pods`: the name in paths and RBAC rules.
    pub plural: String,
    /// `pod`.
    pub singular: String,
    /// `Pod`.
    pub kind: String,
    /// `po`.
    pub short_names: Vec<String>,
    /// True if its objects live in namespaces.
    pub namespaced: bool,
    /// `get`, `list`, `watch`…
    pub verbs: Vec<String>,
}

/// Name of a resource, as an access review compares it.
#[derive(Debug, Clone, Copy)]
pub struct ResourceName<'n> {
    /// Empty for the core group.
    pub group: &'n str,
    /// `*` for every version.
    pub version: &'n str,
    /// `pods`.
    pub plural: &'n str,
}

impl Kind {
    /// The name for an access review.
    pub fn resource_name(&self) -> ResourceName<'_> {
        ResourceName { group: &self.group, version: &self.version, plural: &self.plural }
    }

    /// `pods` or `deployments.apps`.
    pub fn qualified_name(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// True if `name` is one of its names, ignoring case.
    pub fn has_name(&self, name: &str) -> bool {
        let same = |other: &str| other.eq_ignore_ascii_case(name);
        same(&self.plural)
            || same(&self.singular)
            || same(&self.kind)
            || self.short_names.iter().any(|s| same(s))
    }
}

/// One page of a list.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// A JSON array of objects, or a `meta.k8s.io/v1` Table (its rows first).
    pub items: String,
    /// Objects in it.
    pub count: u32,
    /// The resourceVersion of the list.
    pub resource_version: String,
    /// Start of the next page; None after the last.
    pub continue_token: Option<String>,
    /// Objects after this page, if the API server says so.
    pub remaining: Option<u64>,
}

/// Reason for the end of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The log ended.
    Whole,
    /// The text reached its limit.
    ByteLimit,
    /// The call's time or bytes ran out.
    TimeLimit,
}

/// Lines of a log.
#[derive(Debug, Clone)]
pub struct LogText {
    /// The lines that were kept; invalid UTF-8 is replaced.
    pub text: String,
    /// Lines read, kept or not.
    pub lines_read: u64,
    /// Bytes read, kept or not.
    pub bytes_read: u64,
    /// Reason for the end of the text.
    pub cut: Cut,
}

/// Reason for the end of a read of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogEnd {
    /// The log ended.
    Whole,
    /// A line is later than `until_time`.
    UntilTime,
    /// The query's `read_limit` is reached.
    ReadLimit,
    /// The call's bytes ran out: `logBytes` of a search, `readBytes` of a log that is handed over.
    OverBytes,
    /// The call's time ran out.
    TimeLimit,
}

/// Result of a search in a log.
#[derive(Debug, Clone)]
pub struct LogMatches {
    /// The first matches with their context; invalid UTF-8 is replaced.
    pub first: String,
    /// The last matches with their context, as far as they are not in `first`.
    pub last: String,
    /// Lines that match.
    pub matched: u64,
    /// Lines that match and are in `first` or `last`.
    pub shown: u64,
    /// Timestamp of the first match.
    pub first_match: Option<String>,
    /// Timestamp of the last match.
    pub last_match: Option<String>,
    /// Lines read.
    pub lines_read: u64,
    /// Bytes of these lines, without the timestamps that the kubelet adds.
    pub bytes_read: u64,
    /// Timestamp of the first line read.
    pub first_line: Option<String>,
    /// Timestamp of the last line read.
    pub last_line: Option<String>,
    /// Lines that were searched in their beginning only, because they are long.
    pub long_lines: u64,
    /// Reason for the end.
    pub end: LogEnd,
}

/// Whole lines of a log that is read piece by piece.
#[derive(Debug, Clone)]
pub struct LogChunk {
    /// The lines; invalid UTF-8 is replaced.
    pub text: String,
    /// Number of lines.
    pub lines: u64,
    /// Reason for the end; None if the log may go on.
    pub end: Option<LogEnd>,
}

/// A Helm release in its newest revision, without values or manifest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Release {
    /// The release's name.
    pub name: String,
    /// The release's namespace.
    pub namespace: String,
    /// The revision, counted from 1.
    pub revision: u32,
    /// For example `deployed`.
    pub status: String,
    /// The chart's name; empty if the Secret cannot be opened.
    pub chart: String,
    /// The chart's version.
    pub chart_version: String,
    /// The version of the application in it.
    pub app_version: String,
    /// RFC 3339.
    pub updated: String,
}

/// The last write of one manager to an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The object's namespace; empty for a cluster-scoped kind.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The object's uid.
    pub uid: String,
    /// RFC 3339 timestamp of the object's creation.
    pub created: String,
    /// The name that the writing program gave itself.
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// RFC 3339; empty if the API server kept none.
    pub time: String,
    /// For example `status`; empty for the object itself.
    pub subresource: String,
    /// Names of the fields that the manager owns, two levels at most.
    pub fields: Vec<String>,
    /// Fields beyond these.
    pub more_fields: u32,
}

/// The writes to one page of objects.
#[derive(Debug, Clone, Default)]
pub struct ChangesPage {
    /// The writes, in the order of the objects.
    pub changes: Vec<Change>,
    /// Objects read.
    pub count: u32,
    /// Start of the next page; None after the last.
    pub continue_token: Option<String>,
    /// Objects after this page, if the API server says so.
    pub remaining: Option<u64>,
}

/// The account behind a credential: `status.userInfo` of a SelfSubjectReview (`authentication.k8s.io/v1`).
#[derive(Debug, Clone)]
pub struct UserInfo {
    /// For example `system:serviceaccount:NAMESPACE:NAME`.
    pub username: String,
    /// Empty for accounts without one.
    pub uid: String,
    /// The groups that RBAC may bind.
    pub groups: Vec<String>,
}

/// Decision of the API server's authorizer.
#[derive(Debug, Clone)]
pub struct AccessDecision {
    /// True if the account may do it.
    pub allowed: bool,
    /// The rule that decided, or the reason that none did.
    pub reason: String,
}
