//! Names that are nearly another one, and lines of a log that are of the present.

use std::collections::BTreeSet;

use crate::{Facts, Object, health, time};

/// Names that are offered.
const NAMES: usize = 3;
/// Seconds for which a line of the log of a pod that is ready says something of the present.
const RECENT: u64 = 15 * 60;

/// Those of `names` that `name` may have been meant for: contained in it or the other way round, or a few letters apart.
pub(crate) fn near<'n>(name: &str, names: &BTreeSet<&'n str>) -> Vec<&'n str> {
    let is_near = |other: &&&str| {
        let is_part = name.len() > 2 && other.len() > 2 && (other.contains(name) || name.contains(**other));
        is_part || distance(name, other) <= 1 + name.len() / 6
    };
    names.iter().filter(is_near).take(NAMES).copied().collect()
}

/// Letters to insert, delete or replace.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut next = vec![at + 1];
        for (column, wanted) in other.iter().enumerate() {
            let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
            let replaced = cell(&row, column) + usize::from(letter != *wanted);
            next.push(replaced.min(cell(&row, column + 1) + 1).min(cell(&next, column) + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// True if a line of a pod's log of `time` says something of its present state.
pub(crate) fn recent(facts: &Facts, pod: &Object, time: &str) -> bool {
    !health::is_ready(pod) || time::parse(time).is_none_or(|time| facts.now.saturating_sub(time) <= RECENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_near_if_it_is_a_part_or_a_slip() {
        let names = BTreeSet::from(["redis-cache", "mail", "postgres"]);
        assert_eq!(near("cache", &names), ["redis-cache"]);
        assert_eq!(near("postgers", &names), ["postgres"]);
        assert_eq!(near("postgre", &names), ["postgres"]);
        assert_eq!(near("mial-server", &names), [] as [&str; 0]);
    }
}
