//! The first line of a list: the number of objects, by status.

use std::collections::HashMap;

use crate::one_line;

/// The maximum number of different statuses that are all listed; with more the line would be the list.
const MAX_LISTED: usize = 40;
/// The number of statuses that are listed of so many.
const LEADING: usize = 5;
/// Room for a line of more than [`MAX_LISTED`] statuses, in bytes.
const LONG_LINE: usize = 2048;

/// The number of objects by status.
#[derive(Default)]
pub(crate) struct Counts {
    by_status: HashMap<String, u64>,
    total: u64,
}

impl Counts {
    /// Counts an object; one with an empty status counts for the total alone.
    pub(crate) fn add(&mut self, status: &str) {
        let status = &*one_line(status);
        self.total = self.total.saturating_add(1);
        match self.by_status.get_mut(status) {
            Some(count) => *count = count.saturating_add(1),
            None => {
                self.by_status.insert(status.to_owned(), 1);
            }
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// `2000 pods: 1987 Running, 9 Pending, 4 CrashLoopBackOff`, in no more than `room` bytes.
    pub(crate) fn line(&self, noun: &str, room: usize) -> String {
        let mut line = format!("{} {noun}", self.total);
        let mut statuses: Vec<(&String, &u64)> =
            self.by_status.iter().filter(|(status, _)| !status.is_empty()).collect();
        if statuses.is_empty() {
            return line;
        }
        statuses.sort_by(|(a, x), (b, y)| y.cmp(x).then(a.cmp(b)));
        let max = if statuses.len() > MAX_LISTED && room < LONG_LINE { LEADING } else { statuses.len() };
        let mut listed = 0;
        for (status, count) in statuses.iter().take(max) {
            let next = format!("{} {count} {status}", if listed == 0 { ":" } else { "," });
            if line.len().saturating_add(next.len()) > room {
                break;
            }
            line.push_str(&next);
            listed += 1;
        }
        if listed < statuses.len() {
            line.push_str(&format!(", and {} others", statuses.len() - listed));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_come_first() {
        let mut counts = Counts::default();
        for status in ["Pending", "Running", "Running", "", "Evicted"] {
            counts.add(status);
        }
        assert_eq!(counts.line("pods", 1000), "5 pods: 2 Running, 1 Evicted, 1 Pending");
        assert_eq!(counts.line("pods", 20), "5 pods: 2 Running, and 2 others");
        assert_eq!(Counts::default().line("pods", 100), "0 pods");
    }
}
