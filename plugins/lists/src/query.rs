//! The orders of a list: by health, as the API server has it, or sorted; and the continuation of each.

use crate::{
    answer::AnswerFormat,
    counts::Counts,
    cursor::{Cursor, Phase, Position, Severity},
    engine::List,
    entry::{Entry, Key},
    fold::FoldRules,
    lead::{Lead, LeadRows},
    pages::{ListError, Pages},
    request::{ListRequest, Order, Output},
    selection::{AnswerRows, Scan, Selection},
    walk::{Item, RowScope, Span, Walk, WalkEnd},
};

/// Room in an answer for the counts, and for the notice of omissions with its continue token, in bytes.
const NOTICE: usize = 1024;
/// The maximum number of objects in a page of rows that are shown and not counted: about as many as an answer holds.
const MAX_SHOWN: u32 = 250;

/// One answer of a list.
pub(crate) struct Query<'q> {
    pub(crate) list: &'q List<'q>,
    pub(crate) request: &'q ListRequest,
    pub(crate) output: Output,
    pub(crate) order: Option<Order>,
    /// True if `order` names a column and not a path.
    pub(crate) sorts_by_column: bool,
    pub(crate) cursor: Option<&'q Cursor>,
    /// See [`Cursor::chosen_at`]; `None` if there are no conditions.
    pub(crate) chosen_at: Option<u64>,
    pub(crate) fold: Option<FoldRules>,
}

impl Query<'_> {
    /// The room for rows, in bytes.
    fn row_budget(&self) -> usize {
        let requested = self.request.max_bytes.filter(|bytes| *bytes > 0).map(|bytes| bytes as usize);
        let budget = requested.map_or(self.list.budget, |bytes| bytes.min(self.list.budget));
        let notice = self.fold.map_or(0, |fold| fold.notice.len().saturating_add(1));
        budget.max(2 * NOTICE).saturating_sub(NOTICE).saturating_sub(notice)
    }

    /// The severity of an object; `None` if it is healthy.
    fn severity(&self, status: &str, is_healthy: bool) -> Option<Severity> {
        let severity = || self.fold.map_or(Severity::LEAST, |fold| Severity::new((fold.severity)(status)));
        (!is_healthy).then(severity)
    }

    fn selection(&self) -> Selection {
        Selection::new(self.row_budget(), self.request.max_rows())
    }

    fn start(&self) -> Position {
        self.cursor.map(|cursor| cursor.position.clone()).unwrap_or_default()
    }

    /// The number of objects of a page whose rows are shown.
    fn page_size<P: Pages>(&self, walk: &Walk<'_, '_, P>) -> u32 {
        // Of a page of a list with conditions an answer may show none.
        if self.chosen_at.is_some() { walk.page_size() } else { walk.page_size().min(MAX_SHOWN) }
    }

    /// The extent of a list with conditions, of which so many objects were read.
    fn scan<P: Pages>(&self, walk: &Walk<'_, '_, P>, read: u64) -> Option<Scan> {
        self.chosen_at.map(|chosen_at| Scan { chosen_at, read, is_in_order: false, absent: walk.absent() })
    }

    /// The counted objects, in the words of the first line.
    fn counted(&self, reached: &WalkEnd) -> String {
        let noun = self.list.noun;
        match (self.chosen_at, &reached.cut) {
            (None, _) => noun.to_owned(),
            (Some(_), None) => format!("of {} {noun} match", reached.seen),
            (Some(_), Some(_)) => format!("of the first {} {noun} match", reached.seen),
        }
    }

    /// The number of objects of each status, and no rows.
    pub(crate) fn counts<P: Pages>(&self, walk: &mut Walk<'_, '_, P>) -> Result<String, ListError<P::Error>> {
        let mut counts = Counts::default();
        let page_size = walk.page_size();
        // Only a count with conditions continues: they may need more reads than a call has.
        let start = if self.chosen_at.is_some() { self.start() } else { Position::default() };
        let reached = walk.walk(Span::from(start.clone()), page_size, RowScope::None, |seen, _| {
            counts.add(seen.status());
            true
        })?;
        if counts.total() == 0 && reached.cut.is_none() && start == Position::default() {
            return Ok(self.answer().no_objects(self.scan(walk, reached.seen).as_ref()));
        }
        let counted = match self.chosen_at {
            Some(_) if start != Position::default() => {
                format!("of the next {} {} match", reached.seen, self.list.noun)
            }
            _ => self.counted(&reached),
        };
        let mut text = counts.line(&counted, self.row_budget());
        if let Some(cut) = reached.cut {
            text.push_str(&format!("\nonly these were counted: {cut}"));
            if self.chosen_at.is_some() {
                let next = Cursor {
                    phase: Phase::Rest,
                    position: reached.end,
                    shown: 0,
                    total: 0,
                    bound: 0,
                    rows_until: 0,
                    resource_version: walk.resource_version().to_owned(),
                    chosen_at: self.chosen_at,
                };
                text.push_str(&format!("\ngo on with continue={next}"));
            }
        }
        Ok(text)
    }

    /// The first answer by health: counts, unhealthy objects, and the rest if there is room.
    pub(crate) fn select_by_health<P: Pages>(
        &self,
        walk: &mut Walk<'_, '_, P>,
    ) -> Result<AnswerRows, ListError<P::Error>> {
        let (mut lead, mut rest) = (Lead::new(self.selection().folding()), self.selection());
        let mut counts = Counts::default();
        let (mut rows_until, mut first_healthy) = (0, None);
        let page_size = walk.page_size();
        // An answer has room for a part of a long list; of what follows it is enough to know the status.
        let reached =
            walk.walk(Span::from(self.start()), page_size, RowScope::FirstPage, |seen, position| {
                counts.add(seen.status());
                if matches!(seen, Item::Row(_)) {
                    rows_until = position.index().saturating_add(1);
                }
                match (self.severity(seen.status(), seen.is_healthy()), seen) {
                    (Some(severity), Item::Row(entry)) => lead.row(severity, entry, position),
                    (None, Item::Row(entry)) => {
                        rest.offer(entry, position);
                    }
                    (Some(severity), Item::Outline { .. }) => lead.outline(severity, position),
                    (None, Item::Outline { .. }) => {
                        first_healthy.get_or_insert(position);
                    }
                }
                true
            })?;
        let lead = lead.select(walk)?;
        // Their rows are not shown here, so the next answer goes on there although there may be room.
        let first_left =
            first_healthy.into_iter().chain(lead.first_healthy.clone()).min_by_key(Position::index);
        if let Some(position) = first_left {
            rest.stop_at(position);
        }
        // The list continues where it could not be read on.
        let line = counts.line(&self.counted(&reached), NOTICE / 2);
        let after = reached.cut.is_some().then_some((Phase::Rest, reached.end));
        let total = match self.chosen_at {
            None => reached.total.unwrap_or(0),
            Some(_) if reached.is_exact => counts.total(),
            Some(_) => 0,
        };
        Ok(AnswerRows::by_health(lead, rest, after, total, reached.seen)
            .with_rows_until(rows_until)
            .with_counts(Some(line), reached.cut)
            .with_scan(self.scan(walk, reached.seen))
            .with_exact_total(reached.is_exact))
    }

    /// A further answer by health, of unhealthy objects: those of one severity, or of the next that there are any of.
    pub(crate) fn select_more_unhealthy<P: Pages>(
        &self,
        walk: &mut Walk<'_, '_, P>,
        cursor: &Cursor,
        severity: Severity,
    ) -> Result<AnswerRows, ListError<P::Error>> {
        let (mut severity, mut start) = (severity, cursor.position.clone());
        let page_size = walk.page_size();
        loop {
            let mut lead = Lead::new(self.selection().folding());
            // Unhealthy objects behind the bound were not seen by the first answer, and are shown among the rest.
            let span = Span { from: start, until: cursor.bound };
            // As the first answer read them, or an object could lead in both or in neither.
            let scope = if span.from.token.is_empty() && walk.rows_may_contradict() {
                RowScope::FirstPage
            } else {
                RowScope::None
            };
            let reached = walk.walk(span, page_size, scope, |seen, position| {
                match (self.severity(seen.status(), seen.is_healthy()), seen) {
                    (other, _) if other != Some(severity) => {}
                    (_, Item::Outline { .. }) => lead.outline(severity, position),
                    (_, Item::Row(entry)) => lead.row(severity, entry, position),
                }
                true
            })?;
            let lead = lead.select(walk)?;
            start = Position::default();
            if lead.entries.is_empty() && lead.next.is_none() && reached.cut.is_none() {
                if let Some(below) = severity.below() {
                    severity = below;
                    continue;
                }
                let rest = Cursor { phase: Phase::Rest, position: start, ..cursor.clone() };
                return self.select_rest(walk, &rest);
            }
            // If all unhealthy ones are shown, the next answer reads the list once more for the others.
            let (total, is_exact) = self.total(&reached, cursor);
            let total = if is_exact { total } else { cursor.total };
            let scan = self.scan(walk, reached.end.index());
            let after = match (reached.cut, severity.below()) {
                (Some(_), _) => (Phase::Unhealthy(severity), reached.end),
                (None, Some(below)) => (Phase::Unhealthy(below), start),
                (None, None) => (Phase::Rest, start),
            };
            let lead = LeadRows { next: lead.next.or(Some(after)), ..lead };
            return Ok(AnswerRows::by_health(lead, self.selection(), None, total, cursor.bound)
                .with_rows_until(cursor.rows_until)
                .with_scan(scan)
                .with_exact_total(is_exact));
        }
    }

    /// A further answer by health, of the objects that earlier answers did not lead with.
    pub(crate) fn select_rest<P: Pages>(
        &self,
        walk: &mut Walk<'_, '_, P>,
        cursor: &Cursor,
    ) -> Result<AnswerRows, ListError<P::Error>> {
        let mut rest = self.selection();
        let page_size = self.page_size(walk);
        let scope = RowScope::Rest { rows_until: cursor.rows_until, bound: cursor.bound };
        let span = Span::from(cursor.position.clone());
        let reached = walk.rows(span, page_size, scope, |entry, position| rest.offer(entry, position))?;
        let (total, is_exact) = self.total(&reached, cursor);
        let scan = self.scan(walk, reached.end.index());
        let after = reached.cut.is_some().then_some((Phase::Rest, reached.end));
        let cut = reached.cut.filter(|_| scan.is_some());
        Ok(AnswerRows::in_order(rest, after, total, cursor.bound)
            .with_rows_until(cursor.rows_until)
            .with_counts(None, cut)
            .with_scan(scan)
            .with_exact_total(is_exact))
    }

    /// The number of objects of the whole list, and true if it is certain, for a further answer.
    fn total(&self, reached: &WalkEnd, cursor: &Cursor) -> (u64, bool) {
        match self.chosen_at {
            None => (reached.total.unwrap_or(cursor.total), reached.is_exact),
            // A walk from the middle on counts no matches before it; the first answer has counted all, or was cut.
            Some(_) => (cursor.total, cursor.total > 0),
        }
    }

    /// The order of the API server; nothing is read behind the end of the answer.
    pub(crate) fn select_in_order<P: Pages>(
        &self,
        walk: &mut Walk<'_, '_, P>,
    ) -> Result<AnswerRows, ListError<P::Error>> {
        let mut rows = self.selection();
        let page_size = self.page_size(walk);
        let reached = walk.rows(Span::from(self.start()), page_size, RowScope::All, |entry, position| {
            rows.offer(entry, position)
        })?;
        let cursor_total = self.cursor.map_or(0, |cursor| cursor.total);
        let after = reached.cut.is_some().then_some((Phase::Rest, reached.end.clone()));
        if self.chosen_at.is_some() {
            let is_whole = reached.is_exact && rows.is_complete();
            let read = reached.total.filter(|_| is_whole).unwrap_or(reached.end.index());
            let scan = self.scan(walk, read).map(|scan| Scan { is_in_order: true, ..scan });
            let before = self.cursor.map_or(0, |cursor| cursor.shown);
            let total = if is_whole { before.saturating_add(rows.len()) } else { cursor_total };
            return Ok(AnswerRows::in_order(rows, after, total, 0)
                .with_counts(None, reached.cut)
                .with_scan(scan)
                .with_exact_total(is_whole));
        }
        // `remainingItemCount` may be inexact until the last page.
        let total = reached.total.unwrap_or(cursor_total);
        let counts = (self.cursor.is_none() && total > 0 && self.output == Output::Table)
            .then(|| format!("{total} {}", self.list.noun));
        Ok(AnswerRows::in_order(rows, after, total, 0)
            .with_counts(counts, None)
            .with_exact_total(reached.is_exact))
    }

    /// All objects, sorted.
    pub(crate) fn select_sorted<P: Pages>(
        &self,
        walk: &mut Walk<'_, '_, P>,
    ) -> Result<AnswerRows, ListError<P::Error>> {
        let mut counts = Counts::default();
        let mut all: Vec<Entry> = Vec::new();
        // Every answer sorts the objects that the first one read: with others among them it would repeat or skip rows.
        let bound = self.cursor.map_or(u64::MAX, |cursor| cursor.bound);
        let page_size = walk.page_size();
        let span = Span { from: Position::default(), until: bound };
        let reached = walk.rows(span, page_size, RowScope::All, |entry, _| {
            counts.add(&entry.row.status);
            all.push(entry);
            true
        })?;
        let total = all.len() as u64;
        let read = reached.seen.min(bound);
        if let (Some(cursor), Some(cut)) = (self.cursor, &reached.cut)
            && read < cursor.bound
        {
            return Err(ListError::Message(format!(
                "only {read} of the {} objects of the earlier answer could be read again: {cut} Ask again, or narrow the list.",
                cursor.bound
            )));
        }
        match &self.order {
            None => all.sort_by_key(|entry| std::cmp::Reverse(entry.row.time)),
            Some(Order { by, direction }) => {
                // A name that no object has a field of is a misspelt column, unless there is no object to have one.
                let is_nothing = |order: &Order| {
                    !order.is_path() && !all.is_empty() && all.iter().all(|entry| entry.key == Key::Missing)
                };
                if self.sorts_by_column || self.order.as_ref().is_some_and(is_nothing) {
                    walk.key_by_column(by, &mut all)?;
                }
                all.sort_by(|a, b| a.key.compare(&b.key, *direction));
            }
        }
        let shown = self.cursor.map_or(0, |cursor| cursor.shown);
        let mut rows = self.selection();
        for (index, entry) in (0_u64..).zip(all) {
            let position = Position { base: index, ..Position::default() };
            if index >= shown && !rows.offer(entry, position) {
                break;
            }
        }
        let line = self.cursor.is_none().then(|| counts.line(&self.counted(&reached), NOTICE / 2));
        Ok(AnswerRows::sorted(rows, total, read)
            .with_counts(line, reached.cut)
            .with_scan(self.scan(walk, read)))
    }

    fn answer(&self) -> AnswerFormat<'_> {
        AnswerFormat {
            list: self.list,
            output: self.output,
            budget: self.row_budget(),
            is_narrowed: self.request.is_narrowed(),
            fold: self.fold,
        }
    }

    pub(crate) fn render(&self, header: &[String], resource_version: &str, selected: &AnswerRows) -> String {
        let before = self.cursor.map_or(0, |cursor| cursor.shown);
        self.answer().render(header, resource_version, selected, before)
    }
}
