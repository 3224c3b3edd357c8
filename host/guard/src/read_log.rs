//! Log of the reads of one call, for the audit line and for tool authors.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use porthole_cluster::ReadBudget;
use porthole_contract::{Failure, truncate};
use serde::Serialize;

use super::ReadSummary;

/// Max entries with a namespace of their own; later ones are merged per verb and resource, but for [`NEVER_MERGED`]. A call may read hundreds of
/// namespaces.
const MAX_SEPARATE: usize = 32;
/// Max entries, merged ones included. The attack: a call hides a read behind decoys of a hundred kinds; those of
/// [`NEVER_MERGED`] still get an entry.
const MAX_ENTRIES: usize = 96;
/// Resources that always get an entry under their own name, and up to [`MAX_ENTRIES`] with their namespace.
pub(crate) const NEVER_MERGED: [&str; 5] =
    ["secrets", "releases.helm.sh", "nodes/proxy", "pods/log", "configmaps"];
/// Max bytes of a recorded name.
const MAX_NAME: usize = 253;
/// Namespace of merged entries.
const SEVERAL: &str = "*";

/// Reads of one kind in one namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadRecord {
    /// `get`, `list`, or `*` for several.
    pub verb: &'static str,
    /// `pods`, `deployments.apps`, `pods/log`.
    pub resource: String,
    /// None for a cluster-scoped read; `*` for several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Number of reads.
    pub count: u32,
    /// Bytes returned to the component.
    pub bytes: u64,
    /// Number of failed reads, and the reason of the last failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<(u32, String)>,
}

/// All reads of a call. Outlives a call that is dropped.
pub struct ReadLog {
    reads: Mutex<Vec<ReadRecord>>,
    token_refused: AtomicBool,
    budget: Arc<ReadBudget>,
}

impl ReadLog {
    pub(super) fn new(budget: Arc<ReadBudget>) -> Self {
        Self { reads: Mutex::default(), token_refused: AtomicBool::new(false), budget }
    }

    /// Begins a read. If the entry is dropped before its end, the read is recorded as cut off.
    pub(super) fn begin<'l>(
        &'l self,
        verb: &'static str,
        resource: &str,
        namespace: Option<&'l str>,
    ) -> Entry<'l> {
        Entry { log: self, verb, resource: resource.to_owned(), namespace, ended: false }
    }

    fn record(
        &self,
        verb: &'static str,
        resource: &str,
        namespace: Option<&str>,
        result: Result<usize, String>,
    ) {
        let (resource, namespace) = (sanitize(resource), namespace.map(sanitize));
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        let at = find_or_add(&mut reads, verb, resource, namespace);
        let Some(read) = reads.get_mut(at) else { return };
        read.count = read.count.saturating_add(1);
        match result {
            Ok(bytes) => read.bytes = read.bytes.saturating_add(bytes as u64),
            Err(reason) => {
                let before = read.failed.as_ref().map_or(0, |(count, _)| *count);
                read.failed = Some((before.saturating_add(1), reason));
            }
        }
    }

    /// Adds bytes to a read that is recorded already.
    pub(super) fn add_bytes(
        &self,
        verb: &'static str,
        resource: &str,
        namespace: Option<&str>,
        bytes: usize,
    ) {
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        let at = find_or_add(&mut reads, verb, sanitize(resource), namespace.map(sanitize));
        if let Some(read) = reads.get_mut(at) {
            read.bytes = read.bytes.saturating_add(bytes as u64);
        }
    }

    /// Records that the API server rejected the token itself.
    pub(super) fn record_refused_token(&self) {
        self.token_refused.store(true, Relaxed);
    }

    /// The reads so far.
    pub fn summary(&self) -> ReadSummary {
        let records = self.reads.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ReadSummary {
            records,
            bytes: self.budget.bytes_read(),
            masked: self.budget.masked(),
            masked_values: self.budget.masked_values(),
            token_refused: self.token_refused.load(Relaxed),
        }
    }
}

/// True for a resource whose reads are always recorded under its own name.
pub fn is_never_merged(resource: &str) -> bool {
    NEVER_MERGED.contains(&resource)
}

/// Finds the entry for a read, or adds one.
fn find_or_add(
    reads: &mut Vec<ReadRecord>,
    verb: &'static str,
    resource: &str,
    namespace: Option<&str>,
) -> usize {
    let find = |reads: &[ReadRecord], verb: &str, resource: &str, namespace: Option<&str>| {
        reads.iter().position(|read| {
            read.verb == verb && read.resource == resource && read.namespace.as_deref() == namespace
        })
    };
    if let Some(at) = find(reads, verb, resource, namespace) {
        return at;
    }
    // Over the bounds, precision goes first: the namespace, then the resource.
    let never_merged = is_never_merged(resource);
    let separate = if never_merged { MAX_ENTRIES } else { MAX_SEPARATE };
    let (verb, resource, namespace) = if reads.len() < separate {
        (verb, resource, namespace)
    } else if reads.len() < MAX_ENTRIES || never_merged {
        (verb, resource, Some(SEVERAL))
    } else {
        ("*", "others", None)
    };
    find(reads, verb, resource, namespace).unwrap_or_else(|| {
        let (resource, namespace) = (resource.to_owned(), namespace.map(str::to_owned));
        reads.push(ReadRecord { verb, resource, namespace, count: 0, bytes: 0, failed: None });
        reads.len().saturating_sub(1)
    })
}

/// Restricts a recorded name to plain characters: if a kind or namespace was not found, the name comes from the
/// component.
fn sanitize(name: &str) -> &str {
    let fits =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'/' | b':' | b'*');
    let name = truncate(name, MAX_NAME);
    if name.bytes().all(fits) { name } else { "(no name)" }
}

/// A read in progress.
pub(super) struct Entry<'l> {
    log: &'l ReadLog,
    verb: &'static str,
    /// Qualified name of the kind, once resolved.
    pub(super) resource: String,
    namespace: Option<&'l str>,
    ended: bool,
}

impl Entry<'_> {
    /// Records the result: its bytes, or its failure.
    pub(super) fn end(mut self, result: Result<usize, &Failure>) {
        self.ended = true;
        let result = result.map_err(|failure| format!("{:?}", failure.reason));
        self.log.record(self.verb, &self.resource, self.namespace, result);
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.log.record(self.verb, &self.resource, self.namespace, Err("Left".to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> ReadLog {
        ReadLog::new(Arc::new(ReadBudget::new(tokio::time::Instant::now(), 1 << 20, 1 << 20)))
    }

    #[test]
    fn reads_of_one_kind_are_counted_together_and_their_number_has_a_bound() {
        let log = log();
        log.begin("list", "pods", Some("shop")).end(Ok(10));
        log.begin("list", "pods", Some("shop")).end(Ok(5));
        log.begin("list", "pods", None).end(Ok(1));
        let all = log.summary().records;
        assert_eq!((all.len(), all[0].count, all[0].bytes), (2, 2, 15));
        for n in 0..100 {
            log.begin("get", "pods", Some(&format!("n{n}"))).end(Ok(1));
        }
        let all = log.summary().records;
        assert_eq!(all.len(), MAX_SEPARATE + 1);
        assert_eq!(
            (all[MAX_SEPARATE].resource.as_str(), all[MAX_SEPARATE].namespace.as_deref()),
            ("pods", Some("*"))
        );
        assert_eq!(all.iter().map(|read| read.count).sum::<u32>(), 103);
    }

    #[test]
    fn a_name_is_recorded_only_if_its_characters_are_plain() {
        let long = "n".repeat(MAX_NAME + 9);
        for (name, shown) in [
            ("apps/v1:a-b_c.*", "apps/v1:a-b_c.*"),
            ("a b", "(no name)"),
            ("a\nb", "(no name)"),
            ("é", "(no name)"),
            (&long, &long[..MAX_NAME]),
        ] {
            assert_eq!(sanitize(name), shown);
        }
    }

    #[test]
    fn the_namespace_of_secrets_is_kept_behind_decoys() {
        let log = log();
        for n in 0..MAX_SEPARATE {
            log.begin("list", "pods", Some(&format!("n{n}"))).end(Ok(1));
        }
        log.begin("list", "secrets", Some("bank")).end(Ok(7));
        log.begin("list", "pods", Some("bank")).end(Ok(1));
        for n in 0..200 {
            log.begin("get", "secrets", Some(&format!("n{n}"))).end(Ok(1));
        }
        let all = log.summary().records;
        let count = |resource: &str, namespace: &str| {
            let is = |read: &&ReadRecord| {
                read.resource == resource && read.namespace.as_deref() == Some(namespace)
            };
            all.iter().filter(is).map(|read| read.count).sum::<u32>()
        };
        assert_eq!((count("secrets", "bank"), count("pods", "bank"), count("pods", "*")), (1, 0, 1));
        assert_eq!(all.len(), MAX_ENTRIES + 1);
        assert!(count("secrets", "*") > 100);
    }

    #[test]
    fn decoys_do_not_hide_a_list_of_secrets() {
        let log = log();
        for n in 0..500 {
            log.begin("list", &format!("decoys{n}.example.com"), Some("shop")).end(Ok(1));
        }
        log.begin("list", "secrets", None).end(Ok(7));
        log.begin("get", "\n{\"audit\":1}", Some(&"x".repeat(1000))).end(Ok(1));
        let all = log.summary().records;
        assert!(all.len() <= MAX_ENTRIES + 2, "{}", all.len());
        assert!(all.iter().any(|read| read.verb == "list" && read.resource == "secrets" && read.bytes == 7));
        assert_eq!(all.iter().map(|read| read.count).sum::<u32>(), 502);
        assert!(serde_json::to_vec(&all).unwrap().len() < 24 << 10);
    }

    #[test]
    fn a_read_that_is_cut_off_is_noted() {
        let log = log();
        drop(log.begin("list", "secrets", None));
        let all = log.summary().records;
        assert_eq!(
            (all[0].resource.as_str(), all[0].failed.as_ref().unwrap().1.as_str()),
            ("secrets", "Left")
        );
    }
}
