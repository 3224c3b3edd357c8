//! The last readers by caller and tool, with the kinds that they read, in bounded memory.

use std::{
    collections::{BTreeSet, VecDeque},
    time::SystemTime,
};

use porthole_contract::truncate;
use porthole_guard::{ReadRecord, is_never_merged};

/// Max readers that are kept; the one that has not read for the longest time is dropped.
const MAX_READERS: usize = 50;
/// Max kinds of a reader, but for the few that are never merged; of further ones only their existence is kept. The attacks:
/// a tool that reads every kind there is, or as many decoys before `secrets`.
const MAX_KINDS: usize = 16;
/// Max bytes of a user name, which the API server's authenticator chooses.
const MAX_CALLER: usize = 256;

/// Reads of a caller through a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// Caller's user name.
    pub caller: String,
    /// Tool name.
    pub tool: String,
    /// Resources that were read: `pods`, `deployments.apps`, `pods/log`.
    pub kinds: BTreeSet<String>,
    /// True if more kinds were read than `kinds` holds.
    pub has_more_kinds: bool,
    /// Number of reads.
    pub reads: u64,
    /// Number of failed reads.
    pub failed: u64,
    /// Timestamp of the last call with a read.
    pub last: SystemTime,
}

/// The last readers, newest first.
#[derive(Debug, Default)]
pub(super) struct Readers(VecDeque<Reader>);

impl Readers {
    /// Records the reads of a call. A call without reads leaves no trace here.
    pub(super) fn record(&mut self, caller: &str, tool: &str, at: SystemTime, reads: &[ReadRecord]) {
        if reads.is_empty() {
            return;
        }
        let caller = truncate(caller, MAX_CALLER);
        let known = self.0.iter().position(|reader| reader.caller == caller && reader.tool == tool);
        let mut reader = known.and_then(|at| self.0.remove(at)).unwrap_or_else(|| Reader {
            caller: caller.to_owned(),
            tool: tool.to_owned(),
            kinds: BTreeSet::new(),
            has_more_kinds: false,
            reads: 0,
            failed: 0,
            last: at,
        });
        reader.last = at;
        for read in reads {
            reader.reads = reader.reads.saturating_add(read.count.into());
            let failed = read.failed.as_ref().map_or(0, |(count, _)| *count);
            reader.failed = reader.failed.saturating_add(failed.into());
            // A kind that was asked for in vain takes no place of one that was read.
            let in_vain = failed >= read.count && read.bytes == 0;
            if in_vain || reader.kinds.contains(&read.resource) {
                continue;
            }
            if reader.kinds.len() < MAX_KINDS || is_never_merged(&read.resource) {
                reader.kinds.insert(read.resource.clone());
            } else {
                reader.has_more_kinds = true;
            }
        }
        self.0.push_front(reader);
        self.0.truncate(MAX_READERS);
    }

    /// The readers, newest first.
    pub(super) fn list(&self) -> Vec<Reader> {
        self.0.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(resource: &str, count: u32, failed: u32) -> ReadRecord {
        ReadRecord {
            verb: "list",
            resource: resource.to_owned(),
            namespace: None,
            count,
            bytes: 1,
            failed: (failed > 0).then(|| (failed, "forbidden".to_owned())),
        }
    }

    #[test]
    fn reads_of_a_caller_by_a_tool_are_added_up_and_the_last_come_first() {
        let mut readers = Readers::default();
        let at = SystemTime::UNIX_EPOCH;
        readers.record("a", "find", at, &[read("pods", 2, 1), read("services", 1, 0)]);
        readers.record("b", "find", at, &[read("pods", 1, 0)]);
        readers.record("b", "access_check", at, &[]);
        readers.record("a", "find", at, &[read("pods", 3, 0)]);
        let list = readers.list();
        let shown: Vec<_> =
            list.iter().map(|r| (&*r.caller, &*r.tool, r.reads, r.failed, r.kinds.len())).collect();
        assert_eq!(shown, [("a", "find", 6, 1, 2), ("b", "find", 1, 0, 1)]);
    }

    #[test]
    fn decoys_do_not_hide_who_read_secrets() {
        let mut readers = Readers::default();
        let at = SystemTime::UNIX_EPOCH;
        let decoys: Vec<ReadRecord> =
            (0..100).map(|n| read(&format!("decoys{n}.example.com"), 1, 0)).collect();
        readers.record("a", "find", at, &decoys);
        readers.record("a", "find", at, &[read("secrets", 1, 0), read("releases.helm.sh", 2, 1)]);
        let reader = &readers.list()[0];
        assert!(reader.kinds.contains("secrets") && reader.kinds.contains("releases.helm.sh"), "{reader:?}");
        assert_eq!((reader.kinds.len(), reader.has_more_kinds), (MAX_KINDS + 2, true));
    }

    #[test]
    fn reads_that_failed_take_no_place_of_a_kind() {
        let mut readers = Readers::default();
        let at = SystemTime::UNIX_EPOCH;
        let refused =
            (0..100).map(|n| ReadRecord { bytes: 0, ..read(&format!("decoys{n}.example.com"), 1, 1) });
        readers.record("a", "find", at, &refused.collect::<Vec<_>>());
        // One whose answer was cut off after its first bytes was read.
        readers.record("a", "find", at, &[read("pods", 2, 1), read("pods/log", 1, 1)]);
        let reader = &readers.list()[0];
        let kinds: Vec<&str> = reader.kinds.iter().map(String::as_str).collect();
        assert_eq!((&kinds[..], reader.has_more_kinds), (&["pods", "pods/log"][..], false));
        assert_eq!((reader.reads, reader.failed), (103, 102));
    }

    #[test]
    fn neither_callers_nor_kinds_nor_names_grow_without_bound() {
        let mut readers = Readers::default();
        for n in 0..1_000 {
            let caller = format!("{n}{}", "x".repeat(10_000));
            readers.record(&caller, "find", SystemTime::UNIX_EPOCH, &[read(&format!("kind-{n}"), 1, 0)]);
            readers.record("one", "find", SystemTime::UNIX_EPOCH, &[read(&format!("kind-{n}"), 1, 0)]);
        }
        let list = readers.list();
        assert_eq!(list.len(), MAX_READERS);
        assert!(list.iter().all(|reader| reader.caller.len() <= MAX_CALLER));
        let one = &list[0];
        assert_eq!(
            (&*one.caller, one.reads, one.kinds.len(), one.has_more_kinds),
            ("one", 1_000, MAX_KINDS, true)
        );
    }
}
