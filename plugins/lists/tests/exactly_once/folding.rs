//! A list whose alike rows are one: the number of each row, and the account of them.

use std::collections::BTreeMap;

use porthole_lists::{Fold, Row};
use serde_json::Value;

use crate::server::{Object, Server};

/// The rows of a folded list, as all of its answers show them.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    /// Objects by what they have in common.
    counts: BTreeMap<String, usize>,
    /// Statuses in the order of the rows.
    statuses: Vec<String>,
}

/// Cells of an object's row beside its name.
fn common(object: &Object) -> String {
    format!("{} w{}", object.status, object.time % 3)
}

pub(crate) fn row(object: &Value) -> Row {
    let row = crate::row(object);
    let workload = format!("w{}", object["time"].as_u64().unwrap_or_default() % 3);
    let [name, status, pad] = row.cells.try_into().unwrap();
    Row { cells: vec![name, format!("{status} {workload}"), pad], ..row }
}

fn severity(status: &str) -> u32 {
    match status {
        "CrashLoopBackOff" => 4,
        _ => 2,
    }
}

pub(crate) const FOLD: Fold<Value> = Fold {
    alike: |_, row| row.cells[1].clone(),
    severity,
    cells: |rows| {
        let mut cells = rows[0].cells.clone();
        cells[0] = format!("{} ×{}", rows[0].name, rows.len());
        cells
    },
    notice: "×: so many",
};

impl Counted {
    /// Adds the rows of an answer.
    pub(crate) fn add(&mut self, text: &str) -> Result<(), String> {
        for line in text.lines().filter(|line| !crate::names(line).is_empty()) {
            let mut words = line.split_whitespace().skip(1).peekable();
            let number = words.next_if(|word| word.starts_with('×'));
            let count = number.map_or(Ok(1), |number| number.trim_start_matches('×').parse());
            let status = words.next().ok_or(line)?;
            let key = format!("{status} {}", words.next().ok_or(line)?);
            *self.counts.entry(key).or_default() += count.map_err(|error| format!("{error}: {line}"))?;
            if number.is_some() && status == "Running" {
                return Err(format!("what is well is listed one by one: {line}"));
            }
            self.statuses.push(status.to_owned());
        }
        Ok(())
    }

    /// Holds that the counts are those of the objects, or not more if objects are said to be missing.
    pub(crate) fn check(&self, server: &Server, reports_missing: bool) -> Result<(), String> {
        let mut expected: BTreeMap<String, usize> = BTreeMap::new();
        for object in &server.objects {
            *expected.entry(common(object)).or_default() += 1;
        }
        let is_more = |(key, count): (&String, &usize)| expected.get(key).is_none_or(|all| count > all);
        if self.counts != expected && (!reports_missing || self.counts.iter().any(is_more)) {
            return Err(format!("counted {:?} of {expected:?}", self.counts));
        }
        Ok(())
    }

    /// True if no row is worse than one before it.
    pub(crate) fn is_worst_first(&self) -> bool {
        let severity = |status: &String| if status == "Running" { 0 } else { severity(status) };
        self.statuses.is_sorted_by(|one, next| severity(one) >= severity(next))
    }
}
