//! Folding: the unhealthy rows of one workload that are alike become one row with their number.
//!
//! 500 pods that wait for the same reason tell no more than one of them, and would push all others out of the answer.

use std::collections::HashMap;

use crate::{entry::Row, selection::Selected};

/// The way in which alike rows of a list become one, and the order of its statuses.
pub struct Fold<T> {
    /// The key that alike objects share, of an object and its row: their workload, status and reason. Empty for an object that
    /// is never folded.
    /// Objects of different [`Row::namespace`] are never alike.
    pub alike: fn(&T, &Row) -> String,
    /// The severity of a status by which an unhealthy object is counted, 1 to 9: the worst lead the list.
    pub severity: fn(&str) -> u32,
    /// The cells of a row that stands for these rows, two or more; its name is that of the first.
    pub cells: fn(&[&Row]) -> Vec<String>,
    /// The words above the table on the rows that stand for several, and how to see each object.
    pub notice: &'static str,
}

/// The part of a [`Fold`] that is the same for every type of object.
#[derive(Clone, Copy)]
pub(crate) struct FoldRules {
    pub(crate) severity: fn(&str) -> u32,
    pub(crate) cells: fn(&[&Row]) -> Vec<String>,
    pub(crate) notice: &'static str,
}

impl<T> From<&Fold<T>> for FoldRules {
    fn from(fold: &Fold<T>) -> Self {
        Self { severity: fold.severity, cells: fold.cells, notice: fold.notice }
    }
}

/// The entries of an answer by the rows that show them, in the order of the first entry of each.
pub(crate) fn groups(entries: &[Selected]) -> Vec<Vec<&Selected>> {
    let mut groups: Vec<Vec<&Selected>> = Vec::with_capacity(entries.len());
    let mut by_key = HashMap::new();
    for selected in entries {
        let Some(key) = selected.fold_key() else {
            groups.push(vec![selected]);
            continue;
        };
        let number = *by_key.entry(key).or_insert(groups.len());
        match groups.get_mut(number) {
            Some(group) => group.push(selected),
            None => groups.push(vec![selected]),
        }
    }
    groups
}

/// The number of leading entries that the first `rows` rows show, and no other: an answer that ends before a row continues
/// with its first entry, so what lies behind that one is left to the next answer, in whichever row it would be.
pub(crate) fn entries_before(entries: &[Selected], rows: usize) -> usize {
    let mut seen = std::collections::HashSet::new();
    let mut count = 0_usize;
    for (index, selected) in entries.iter().enumerate() {
        if selected.fold_key().is_none_or(|key| seen.insert(key)) {
            if count >= rows {
                return index;
            }
            count = count.saturating_add(1);
        }
    }
    entries.len()
}
