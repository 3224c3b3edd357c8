//! Selecting the rows that an answer has room for, and the position at which the next answer starts.

use std::collections::HashSet;

use crate::{
    cursor::{Cursor, Phase, Position},
    entry::{Entry, Row},
    fold::entries_before,
    lead::LeadRows,
};

/// An object that an answer shows.
pub(crate) struct Selected {
    pub(crate) entry: Entry,
    pub(crate) position: Position,
    /// The phase that a continuation at this object has.
    pub(crate) phase: Phase,
}

impl Selected {
    /// The key that it has in common with those in the same row; `None` if it has a row of its own.
    pub(crate) fn fold_key(&self) -> Option<(&str, &str, Phase)> {
        let Row { namespace, .. } = &self.entry.row;
        // What is well is listed, and so are those that the first answer did not see.
        let is_folded = matches!(self.phase, Phase::Unhealthy(_)) && !self.entry.alike.is_empty();
        is_folded.then_some((namespace, &self.entry.alike, self.phase))
    }
}

/// Objects in their order, until a budget of bytes or of rows is spent.
#[derive(Clone)]
pub(crate) struct Selection {
    entries: Vec<(Entry, Position)>,
    /// The rows that alike objects are added to; `None` if each object has a row.
    alike: Option<HashSet<(String, String)>>,
    rows: usize,
    bytes: usize,
    max_bytes: usize,
    max_rows: usize,
    /// The first object that is left for the next answer.
    next: Option<Position>,
}

impl Selection {
    pub(crate) fn new(max_bytes: usize, max_rows: usize) -> Self {
        Self { entries: Vec::new(), alike: None, rows: 0, bytes: 0, max_bytes, max_rows, next: None }
    }

    /// As this one, with alike objects in one row.
    pub(crate) fn folding(self) -> Self {
        Self { alike: Some(HashSet::new()), ..self }
    }

    /// Takes the object if there is room. Returns true if more can be taken.
    pub(crate) fn offer(&mut self, entry: Entry, position: Position) -> bool {
        if self.next.is_some() {
            return false;
        }
        let key = (entry.row.namespace.clone(), entry.alike.clone());
        let has_row = |alike: &HashSet<(String, String)>| !entry.alike.is_empty() && alike.contains(&key);
        if !self.alike.as_ref().is_some_and(has_row) {
            let bytes = self.bytes.saturating_add(entry.len());
            // A row that is larger than the whole budget is taken alone: else no answer would ever get past it.
            if self.rows >= self.max_rows || (bytes > self.max_bytes && !self.entries.is_empty()) {
                self.next = Some(position);
                return false;
            }
            self.bytes = bytes;
            self.rows = self.rows.saturating_add(1);
            if let Some(alike) = &mut self.alike {
                alike.insert(key);
            }
        }
        self.entries.push((entry, position));
        true
    }

    /// Leaves everything from `position` on to the next answer, although there may be room.
    pub(crate) fn stop_at(&mut self, position: Position) {
        self.next.get_or_insert(position);
    }

    /// The number of objects that were taken.
    pub(crate) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// True if nothing was left for the next answer.
    pub(crate) fn is_complete(&self) -> bool {
        self.next.is_none()
    }

    /// Counts the rows of another selection against its own budget.
    pub(crate) fn charge(&mut self, other: &Self) {
        self.rows = self.rows.saturating_add(other.rows);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    /// True if there is no room for a row.
    pub(crate) fn is_spent(&self) -> bool {
        self.rows >= self.max_rows || self.bytes >= self.max_bytes
    }

    /// The objects, and the first that is left.
    pub(crate) fn into_rows(self) -> (Vec<(Entry, Position)>, Option<Position>) {
        (self.entries, self.next)
    }

    /// Its objects as those of an answer in this phase.
    fn into_selected(self, phase: Phase) -> (Vec<Selected>, Option<(Phase, Position)>) {
        let selected = |(entry, position)| Selected { entry, position, phase };
        (self.entries.into_iter().map(selected).collect(), self.next.map(|position| (phase, position)))
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

/// The objects of an answer, and the continuation behind them.
pub(crate) struct AnswerRows {
    pub(crate) entries: Vec<Selected>,
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
    /// See [`Cursor::rows_until`].
    rows_until: u64,
    /// Set if the list has conditions.
    pub(crate) scan: Option<Scan>,
}

impl AnswerRows {
    /// The unhealthy objects, and the others if there was room for all of the unhealthy ones.
    pub(crate) fn by_health(
        lead: LeadRows,
        rest: Selection,
        after: Option<(Phase, Position)>,
        total: u64,
        bound: u64,
    ) -> Self {
        let max_rows = rest.max_rows;
        let mut selected = Self {
            entries: lead.entries,
            after: lead.next,
            counts: None,
            cut: None,
            total,
            is_exact: false,
            bound,
            rows_until: u64::MAX,
            scan: None,
        };
        if selected.after.is_none() {
            let (rest, next) = rest.into_selected(Phase::Rest);
            selected.entries.extend(rest);
            selected.after = next.or(after);
        }
        selected.limit(max_rows);
        selected
    }

    /// Objects in an order that has no unhealthy ones before the others.
    pub(crate) fn in_order(
        rows: Selection,
        after: Option<(Phase, Position)>,
        total: u64,
        bound: u64,
    ) -> Self {
        let (entries, next) = rows.into_selected(Phase::Rest);
        let (counts, cut, scan) = (None, None, None);
        let rows_until = u64::MAX;
        Self { entries, after: next.or(after), counts, cut, total, is_exact: false, bound, rows_until, scan }
    }

    /// Objects of a sorted list of `total`, among the first `bound` that were read.
    pub(crate) fn sorted(rows: Selection, total: u64, bound: u64) -> Self {
        let (entries, after) = rows.into_selected(Phase::Sorted);
        let (counts, cut, scan) = (None, None, None);
        Self { entries, after, counts, cut, total, is_exact: true, bound, rows_until: u64::MAX, scan }
    }

    /// Leaves what is behind so many rows to the next answer.
    fn limit(&mut self, max_rows: usize) {
        let shown = entries_before(&self.entries, max_rows);
        if shown < self.entries.len() {
            self.after = self.start_of(shown);
            self.entries.truncate(shown);
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

    pub(crate) fn with_rows_until(mut self, rows_until: u64) -> Self {
        self.rows_until = rows_until;
        self
    }

    pub(crate) fn with_scan(mut self, scan: Option<Scan>) -> Self {
        self.scan = scan;
        self
    }

    /// The continuation that starts with the entry at `index`.
    fn start_of(&self, index: usize) -> Option<(Phase, Position)> {
        self.entries.get(index).map(|selected| (selected.phase, selected.position.clone()))
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
            rows_until: self.rows_until,
            resource_version: resource_version.to_owned(),
            chosen_at: self.scan.as_ref().map(|scan| scan.chosen_at),
        })
    }

    /// The number of objects that no answer shows, if the list ends behind the first `shown` entries. Not 0 if the
    /// API server's pages contradict each other.
    pub(crate) fn missing(&self, shown: usize, before: u64) -> u64 {
        self.total.saturating_sub(before.saturating_add(shown as u64))
    }
}
