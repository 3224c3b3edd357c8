//! Selecting the rows that an answer has room for, and the position at which the next answer starts.

use crate::{
    cursor::{Cursor, Phase, Position},
    entry::Entry,
};

/// Rows in their order, until a budget of bytes or of rows is spent.
pub(crate) struct Selection {
    entries: Vec<(Entry, Position)>,
    bytes: usize,
    max_bytes: usize,
    max_rows: usize,
    /// The first row that is left for the next answer.
    next: Option<Position>,
}

impl Selection {
    pub(crate) fn new(max_bytes: usize, max_rows: usize) -> Self {
        Self { entries: Vec::new(), bytes: 0, max_bytes, max_rows, next: None }
    }

    /// Takes the row if there is room. Returns true if more can be taken.
    pub(crate) fn offer(&mut self, entry: Entry, position: Position) -> bool {
        if self.next.is_some() {
            return false;
        }
        let bytes = self.bytes.saturating_add(entry.len());
        // A row that is larger than the whole budget is taken alone: else no answer would ever get past it.
        if self.entries.len() >= self.max_rows || (bytes > self.max_bytes && !self.entries.is_empty()) {
            self.next = Some(position);
            return false;
        }
        self.bytes = bytes;
        self.entries.push((entry, position));
        true
    }

    /// Leaves everything from `position` on to the next answer, although there may be room.
    pub(crate) fn stop_at(&mut self, position: Position) {
        self.next.get_or_insert(position);
    }

    /// The number of rows that were taken.
    pub(crate) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// True if nothing was left for the next answer.
    pub(crate) fn is_complete(&self) -> bool {
        self.next.is_none()
    }
}

/// The extent of a list with conditions.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    /// See [`Cursor::chosen_at`].
    pub(crate) chosen_at: u64,
    /// Objects of the list that were read, those of earlier answers among them.
    pub(crate) read: u64,
    /// True if the answer is in the order of the API server, so that what it shows counts for what it read.
    pub(crate) is_in_order: bool,
    /// See [`Conditions::absent`](crate::conditions::Conditions::absent).
    pub(crate) absent: String,
}

/// The rows of an answer, and the continuation behind them.
pub(crate) struct AnswerRows {
    pub(crate) entries: Vec<(Entry, Position)>,
    /// The number of entries that lead because they are unhealthy.
    leading: usize,
    /// The continuation behind all entries; `None` at the end of the list.
    pub(crate) after: Option<(Phase, Position)>,
    /// The line of counts, on the first answer.
    pub(crate) counts: Option<String>,
    /// The reason for which the list was not read to its end.
    pub(crate) cut: Option<String>,
    /// The number of objects in the list; 0: unknown.
    pub(crate) total: u64,
    /// True if `total` was counted to the end of the list: `remainingItemCount` may be too small.
    is_exact: bool,
    /// See [`Cursor::bound`].
    pub(crate) bound: u64,
    is_sorted: bool,
    /// Set if the list has conditions.
    pub(crate) scan: Option<Scan>,
}

impl AnswerRows {
    /// The unhealthy rows, and the others if there was room for all of the unhealthy ones.
    pub(crate) fn by_health(
        unhealthy: Selection,
        rest: Selection,
        after: Option<(Phase, Position)>,
        total: u64,
        bound: u64,
    ) -> Self {
        let (leading, max_rows) = (unhealthy.entries.len(), unhealthy.max_rows);
        let mut selected = Self {
            entries: unhealthy.entries,
            leading,
            after: None,
            counts: None,
            cut: None,
            total,
            is_exact: false,
            bound,
            is_sorted: false,
            scan: None,
        };
        if let Some(position) = unhealthy.next {
            selected.after = Some((Phase::Unhealthy, position));
            return selected;
        }
        selected.entries.extend(rest.entries);
        selected.after = rest.next.map(|position| (Phase::Rest, position)).or(after);
        if selected.entries.len() > max_rows {
            selected.after = selected.start_of(max_rows);
            selected.entries.truncate(max_rows);
        }
        selected
    }

    /// Rows of a sorted list of `total` objects, among the first `bound` that were read.
    pub(crate) fn sorted(rows: Selection, total: u64, bound: u64) -> Self {
        let after = rows.next.map(|position| (Phase::Sorted, position));
        Self {
            entries: rows.entries,
            leading: 0,
            after,
            counts: None,
            cut: None,
            total,
            is_exact: true,
            bound,
            is_sorted: true,
            scan: None,
        }
    }

    pub(crate) fn with_counts(mut self, counts: Option<String>, cut: Option<String>) -> Self {
        (self.counts, self.cut) = (counts, cut);
        self
    }

    pub(crate) fn with_exact_total(mut self, is_exact: bool) -> Self {
        self.is_exact = is_exact;
        self
    }

    pub(crate) fn with_scan(mut self, scan: Option<Scan>) -> Self {
        self.scan = scan;
        self
    }

    /// The continuation that starts with the entry at `index`.
    fn start_of(&self, index: usize) -> Option<(Phase, Position)> {
        let phase = match index {
            _ if self.is_sorted => Phase::Sorted,
            index if index < self.leading => Phase::Unhealthy,
            _ => Phase::Rest,
        };
        self.entries.get(index).map(|(_, position)| (phase, position.clone()))
    }

    /// The cursor behind the first `shown` entries; `None` if the list ends there.
    pub(crate) fn next(&self, shown: usize, before: u64, resource_version: &str) -> Option<Cursor> {
        let (phase, position) = self.start_of(shown).or_else(|| self.after.clone())?;
        let until = before.saturating_add(shown as u64);
        if self.is_exact && self.total > 0 && until >= self.total {
            return None;
        }
        Some(Cursor {
            phase,
            // A sorted list is read again from its start; `shown` rows of it are skipped.
            position: if phase == Phase::Sorted { Position::default() } else { position },
            shown: until,
            total: self.total,
            bound: self.bound,
            resource_version: resource_version.to_owned(),
            chosen_at: self.scan.as_ref().map(|scan| scan.chosen_at),
        })
    }

    /// The number of objects that no answer shows, if the list ends behind the first `shown` entries. Not 0 if a kind's
    /// table calls an object healthy that its row calls unhealthy, against [`Columns::outlined`](crate::Columns).
    pub(crate) fn missing(&self, shown: usize, before: u64) -> u64 {
        self.total.saturating_sub(before.saturating_add(shown as u64))
    }
}
