//! The reads that one call has made, for the audit line and for authors of tools.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::kube::Failure;

/// Different reads that are told apart; more are counted together. A call may make hundreds, of as many namespaces.
const MOST: usize = 32;

/// Bytes of a name that is kept.
const LONGEST: usize = 100;

/// Reads of one kind in one namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Made {
    pub(crate) verb: &'static str,
    /// `pods`, `deployments.apps`, `pods/log`.
    pub(crate) resource: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<String>,
    pub(crate) count: u32,
    /// What was handed over to the component.
    pub(crate) bytes: u64,
    /// How many of them failed, and why the last one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failed: Option<(u32, String)>,
}

/// All reads of a call.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Vec<Made>>);

impl Ledger {
    /// Notes a read and what came of it: its bytes, or its failure.
    pub(super) fn note(
        &self,
        verb: &'static str,
        resource: &str,
        namespace: Option<&str>,
        came: Result<usize, &Failure>,
    ) {
        let (resource, namespace) = (short(resource), namespace.map(short));
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |made: &Made| {
            made.verb == verb && made.resource == resource && made.namespace.as_deref() == namespace
        };
        let at = all.iter().position(same).or((all.len() >= MOST).then_some(MOST.saturating_sub(1)));
        let at = at.unwrap_or_else(|| {
            let (resource, namespace) = (resource.to_owned(), namespace.map(str::to_owned));
            all.push(Made { verb, resource, namespace, count: 0, bytes: 0, failed: None });
            all.len().saturating_sub(1)
        });
        let Some(made) = all.get_mut(at) else { return };
        if !same(made) {
            (made.verb, made.resource, made.namespace) = ("*", "others".to_owned(), None);
        }
        made.count = made.count.saturating_add(1);
        match came {
            Ok(bytes) => made.bytes = made.bytes.saturating_add(bytes as u64),
            Err(failure) => {
                let before = made.failed.as_ref().map_or(0, |(count, _)| *count);
                made.failed = Some((before.saturating_add(1), format!("{:?}", failure.reason)));
            }
        }
    }

    pub(crate) fn all(&self) -> Vec<Made> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Names come from the component where they are not names of kinds.
fn short(name: &str) -> &str {
    name.get(..name.floor_char_boundary(LONGEST)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_of_one_kind_are_counted_together_and_their_number_has_a_bound() {
        let made = Ledger::default();
        made.note("list", "pods", Some("shop"), Ok(10));
        made.note("list", "pods", Some("shop"), Ok(5));
        made.note("list", "pods", None, Ok(1));
        let all = made.all();
        assert_eq!((all.len(), all[0].count, all[0].bytes), (2, 2, 15));
        for n in 0..100 {
            made.note("get", "pods", Some(&format!("n{n}")), Ok(1));
        }
        let all = made.all();
        assert_eq!(all.len(), MOST);
        assert_eq!(all[MOST - 1].resource, "others");
        assert_eq!(all.iter().map(|made| made.count).sum::<u32>(), 103);
    }
}
