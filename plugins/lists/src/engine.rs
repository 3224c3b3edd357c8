//! The orders of a list: by health, as the API server has it, or sorted; and the continuation of each.

use porthole_field_path::{Path, PathError};
use serde::de::DeserializeOwned;

use crate::{
    answer::AnswerFormat,
    counts::Counts,
    cursor::{Cursor, Phase, Position},
    entry::{Entry, Key},
    pages::{ListError, Pages},
    request::{ListRequest, Order, Output},
    selection::{AnswerRows, Selection},
    shape::{Columns, Field, Shape, typed_rows},
    walk::{Item, RowScope, Walk, WalkEnd, column, is_namespace},
};

/// Room in an answer for the counts, and for the notice of omissions with its continue token, in bytes.
pub(crate) const NOTICE: usize = 1024;
/// The maximum number of objects in a page of rows that are shown and not counted: about as many as an answer holds.
const MAX_SHOWN: u32 = 250;
/// The path behind the column AGE, whose text has no order.
const CREATED: &str = "metadata.creationTimestamp";

/// The order of a list whose request names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DefaultOrder {
    ByHealth,
    NewestFirst,
}

/// A list to answer.
#[derive(Debug, Clone, Copy)]
pub struct List<'l> {
    /// The plural for the words around the rows: `pods`.
    pub noun: &'l str,
    /// The namespace that is read; `None`: all namespaces, or a cluster-scoped kind.
    pub namespace: Option<&'l str>,
    /// True if a narrower namespace can be suggested, because the caller named none.
    pub can_narrow: bool,
    /// The maximum size of the answer, in bytes.
    pub budget: usize,
}

impl List<'_> {
    /// Answers with the tool's own columns.
    ///
    /// # Errors
    /// A malformed request, and a page that cannot be read before there is anything to show.
    pub fn rows<T: DeserializeOwned, P: Pages>(
        &self,
        request: &ListRequest,
        columns: &Columns<'_, T>,
        pages: &mut P,
    ) -> Result<String, ListError<P::Error>> {
        let rows = |json: &str| typed_rows::<T>(json, columns.row);
        let own = Shape::Own {
            fields: columns.fields.iter().map(|field| (*field).to_owned()).collect(),
            header: columns.header,
            rows: &rows,
            outlined: columns.outlined,
        };
        let order = if columns.newest_first { DefaultOrder::NewestFirst } else { DefaultOrder::ByHealth };
        self.answer(request, own, order, pages)
    }

    /// Answers with the table that the API server makes of the objects.
    ///
    /// # Errors
    /// As [`rows`](Self::rows).
    pub fn server_table<P: Pages>(
        &self,
        request: &ListRequest,
        pages: &mut P,
    ) -> Result<String, ListError<P::Error>> {
        self.answer(request, Shape::Server { header: Vec::new() }, DefaultOrder::ByHealth, pages)
    }

    fn answer<P: Pages>(
        &self,
        request: &ListRequest,
        own: Shape<'_>,
        default_order: DefaultOrder,
        pages: &mut P,
    ) -> Result<String, ListError<P::Error>> {
        let (fields, output) = (request.fields(), request.output()?);
        let mut order = request.order();
        if let Some(order) = &mut order {
            if order.by.eq_ignore_ascii_case("age") {
                CREATED.clone_into(&mut order.by);
            }
            if matches!(output, Output::Yaml | Output::Json) && fields.is_empty() {
                return Err(ListError::Message(
                    "sortBy with whole objects would read all of them: choose fields too".to_owned(),
                ));
            }
        }
        let titles = match &own {
            // A title of the API server's table is not known before a page is read.
            Shape::Server { .. } => None,
            _ => Some(own.header()),
        };
        let sort = order.as_ref().map(|order| sort_path(order, titles.filter(|_| fields.is_empty())));
        let sort: Option<Path> = sort.transpose()?.flatten();
        let chosen =
            |titles: Vec<String>| titles.into_iter().map(Field::parse).collect::<Result<Vec<_>, _>>();
        let mut shape = match output {
            Output::Table | Output::Count if fields.is_empty() => match (own, &order) {
                // The API server's table holds no field to sort by.
                (Shape::Server { .. }, Some(Order { by, .. })) if sort.is_some() => {
                    Shape::Fields(chosen(vec![by.clone()])?)
                }
                (own, _) => own,
            },
            Output::Table | Output::Count => Shape::Fields(chosen(fields.clone())?),
            Output::Names => Shape::Names,
            Output::Yaml | Output::Json => Shape::Bodies { fields: fields.clone(), output },
        };
        let cursor: Option<Cursor> = request.continue_token.as_deref().map(str::parse).transpose()?;
        let is_sorted = default_order == DefaultOrder::NewestFirst || order.is_some();
        let is_by_health = output == Output::Table && fields.is_empty();
        let sorts_by_column = sort.is_none();
        let query = Query { list: self, request, output, order, sorts_by_column, cursor: cursor.as_ref() };
        let version = cursor.as_ref().map(|cursor| cursor.resource_version.clone()).unwrap_or_default();
        let mut walk = Walk::new(pages, &mut shape, sort, version);
        if output == Output::Count {
            return query.counts(&mut walk);
        }
        // A cursor counts objects in the order of its own list; in another it would repeat some and skip others.
        if cursor.as_ref().is_some_and(|cursor| is_sorted != (cursor.phase == Phase::Sorted)) {
            return Err(ListError::Message(
                "continue parameter is of another order: leave it out to start again".to_owned(),
            ));
        }
        let selected = match &cursor {
            _ if is_sorted => query.select_sorted(&mut walk)?,
            _ if !is_by_health => query.select_in_order(&mut walk)?,
            None => query.select_by_health(&mut walk)?,
            Some(cursor) if cursor.phase == Phase::Unhealthy => {
                query.select_more_unhealthy(&mut walk, cursor)?
            }
            Some(cursor) => query.select_rest(&mut walk, cursor)?,
        };
        Ok(query.render(&walk.header(), walk.resource_version(), &selected))
    }
}

/// One answer of a list.
struct Query<'q> {
    list: &'q List<'q>,
    request: &'q ListRequest,
    output: Output,
    order: Option<Order>,
    /// True if `order` names a column and not a path.
    sorts_by_column: bool,
    cursor: Option<&'q Cursor>,
}

/// The path that an order names; `None` if it is the title of a column. A name without dot or bracket is a path if the
/// columns are known and none is called so.
fn sort_path(order: &Order, titles: Option<Vec<String>>) -> Result<Option<Path>, String> {
    let path = || order.by.parse().map_err(|error: PathError| error.to_string());
    if order.is_path() {
        return path().map(Some);
    }
    let is_column = |titles: &Vec<String>| column(titles, &order.by).is_some() || is_namespace(&order.by);
    // What is no path is answered with the columns that there are.
    Ok(titles.filter(|titles| !is_column(titles)).and_then(|_| path().ok()))
}

impl Query<'_> {
    /// The room for rows, in bytes.
    fn row_budget(&self) -> usize {
        let requested = self.request.max_bytes.filter(|bytes| *bytes > 0).map(|bytes| bytes as usize);
        let budget = requested.map_or(self.list.budget, |bytes| bytes.min(self.list.budget));
        budget.max(2 * NOTICE).saturating_sub(NOTICE)
    }

    fn selection(&self) -> Selection {
        Selection::new(self.row_budget(), self.request.max_rows())
    }

    fn start(&self) -> Position {
        self.cursor.map(|cursor| cursor.position.clone()).unwrap_or_default()
    }

    /// The number of objects of each status, and no rows.
    fn counts<P: Pages>(&self, walk: &mut Walk<'_, '_, P>) -> Result<String, ListError<P::Error>> {
        let mut counts = Counts::default();
        let page_size = walk.page_size();
        let reached = walk.walk(Position::default(), page_size, RowScope::None, |seen, _| {
            counts.add(seen.status());
            true
        })?;
        if counts.total() == 0 {
            return Ok(self.answer().no_objects());
        }
        let mut text = counts.line(self.list.noun, self.row_budget());
        if let Some(cut) = reached.cut {
            text.push_str(&format!("\nonly these were counted: {cut}"));
        }
        Ok(text)
    }

    /// The first answer by health: counts, unhealthy objects, and the rest if there is room.
    fn select_by_health<P: Pages>(
        &self,
        walk: &mut Walk<'_, '_, P>,
    ) -> Result<AnswerRows, ListError<P::Error>> {
        let (mut unhealthy, mut rest) = (self.selection(), self.selection());
        let mut counts = Counts::default();
        let mut outlines = Vec::new();
        let page_size = walk.page_size();
        // An answer has room for a part of a long list; of what follows it is enough to know the status.
        let reached = walk.walk(self.start(), page_size, RowScope::FirstPage, |seen, position| {
            counts.add(seen.status());
            match (seen.is_healthy(), seen) {
                (false, Item::Row(entry)) => {
                    unhealthy.offer(entry, position);
                }
                (true, Item::Row(entry)) => {
                    rest.offer(entry, position);
                }
                (false, Item::Outline { .. }) => outlines.push(position),
                // Its row was not read, so the next answer goes on here although there may be room.
                (true, Item::Outline { .. }) => rest.stop_at(position),
            }
            true
        })?;
        self.reread_unhealthy(walk, &outlines, &mut unhealthy)?;
        // The list continues where it could not be read on.
        let after = reached.cut.is_some().then_some((Phase::Rest, reached.end));
        let line = counts.line(self.list.noun, NOTICE / 2);
        let total = reached.total.unwrap_or(0);
        Ok(AnswerRows::by_health(unhealthy, rest, after, total, reached.seen)
            .with_counts(Some(line), reached.cut)
            .with_exact_total(reached.is_exact))
    }

    /// A further answer by health, of unhealthy objects.
    fn select_more_unhealthy<P: Pages>(
        &self,
        walk: &mut Walk<'_, '_, P>,
        cursor: &Cursor,
    ) -> Result<AnswerRows, ListError<P::Error>> {
        let mut unhealthy = self.selection();
        let mut outlines = Vec::new();
        let page_size = walk.page_size();
        let WalkEnd { cut, end, total, is_exact, .. } =
            walk.walk(self.start(), page_size, RowScope::None, |seen, position| {
                // Unhealthy objects behind the bound were not seen by the first answer, and are shown among the rest.
                if position.index() >= cursor.bound {
                    return false;
                }
                match (seen.is_healthy(), seen) {
                    (true, _) => {}
                    (false, Item::Outline { .. }) => outlines.push(position),
                    (false, Item::Row(entry)) => {
                        unhealthy.offer(entry, position);
                    }
                }
                true
            })?;
        self.reread_unhealthy(walk, &outlines, &mut unhealthy)?;
        // All unhealthy ones are shown, so the next answer reads the list once more for the others.
        let after = match cut {
            Some(_) => (Phase::Unhealthy, end),
            None => (Phase::Rest, Position::default()),
        };
        let total = total.filter(|_| is_exact).unwrap_or(cursor.total);
        Ok(AnswerRows::by_health(unhealthy, self.selection(), Some(after), total, cursor.bound)
            .with_exact_total(is_exact))
    }

    fn reread_unhealthy<P: Pages>(
        &self,
        walk: &mut Walk<'_, '_, P>,
        outlines: &[Position],
        unhealthy: &mut Selection,
    ) -> Result<(), ListError<P::Error>> {
        if !unhealthy.is_complete() {
            return Ok(());
        }
        // A row that turns out to be healthy belongs to the rest, which would show it a second time.
        let left =
            walk.reread(outlines, |entry, position| entry.row.healthy || unhealthy.offer(entry, position))?;
        if let Some(position) = left {
            unhealthy.stop_at(position);
        }
        Ok(())
    }

    /// A further answer by health, of the objects that earlier answers did not lead with.
    fn select_rest<P: Pages>(
        &self,
        walk: &mut Walk<'_, '_, P>,
        cursor: &Cursor,
    ) -> Result<AnswerRows, ListError<P::Error>> {
        let mut rest = self.selection();
        let reached = walk.rows(self.start(), MAX_SHOWN, |entry, position| {
            let has_led = !entry.row.healthy && position.index() < cursor.bound;
            has_led || rest.offer(entry, position)
        })?;
        let total = reached.total.unwrap_or(cursor.total);
        let after = reached.cut.is_some().then_some((Phase::Rest, reached.end));
        Ok(AnswerRows::by_health(self.selection(), rest, after, total, cursor.bound)
            .with_exact_total(reached.is_exact))
    }

    /// The order of the API server; nothing is read behind the end of the answer.
    fn select_in_order<P: Pages>(
        &self,
        walk: &mut Walk<'_, '_, P>,
    ) -> Result<AnswerRows, ListError<P::Error>> {
        let mut rows = self.selection();
        let page_size = walk.page_size().min(MAX_SHOWN);
        let reached = walk.rows(self.start(), page_size, |entry, position| rows.offer(entry, position))?;
        // `remainingItemCount` may be inexact until the last page.
        let total = reached.total.unwrap_or_else(|| self.cursor.map_or(0, |cursor| cursor.total));
        let after = reached.cut.is_some().then_some((Phase::Rest, reached.end));
        let counts = (self.cursor.is_none() && total > 0 && self.output == Output::Table)
            .then(|| format!("{total} {}", self.list.noun));
        Ok(AnswerRows::by_health(self.selection(), rows, after, total, 0)
            .with_counts(counts, None)
            .with_exact_total(reached.is_exact))
    }

    /// All objects, sorted.
    fn select_sorted<P: Pages>(&self, walk: &mut Walk<'_, '_, P>) -> Result<AnswerRows, ListError<P::Error>> {
        let mut counts = Counts::default();
        let mut all: Vec<Entry> = Vec::new();
        // Every answer sorts the objects that the first one read: with others among them it would repeat or skip rows.
        let bound = self.cursor.map_or(u64::MAX, |cursor| cursor.bound);
        let page_size = walk.page_size();
        let reached = walk.rows(Position::default(), page_size, |entry, position| {
            if position.index() >= bound {
                return false;
            }
            counts.add(&entry.row.status);
            all.push(entry);
            true
        })?;
        let total = all.len() as u64;
        if let (Some(cursor), Some(cut)) = (self.cursor, &reached.cut)
            && total < cursor.bound
        {
            return Err(ListError::Message(format!(
                "only {total} of the {} objects of the earlier answer could be read again: {cut} Ask again, or narrow the list.",
                cursor.bound
            )));
        }
        match &self.order {
            None => all.sort_by_key(|entry| std::cmp::Reverse(entry.row.time)),
            Some(Order { by, direction }) => {
                // A name that no object has a field of is a misspelt column.
                let is_nothing =
                    |order: &Order| !order.is_path() && all.iter().all(|entry| entry.key == Key::Missing);
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
        let line = self.cursor.is_none().then(|| counts.line(self.list.noun, NOTICE / 2));
        Ok(AnswerRows::sorted(rows, total).with_counts(line, reached.cut))
    }

    fn answer(&self) -> AnswerFormat<'_> {
        AnswerFormat {
            list: self.list,
            output: self.output,
            budget: self.row_budget(),
            is_narrowed: self.request.is_narrowed(),
        }
    }

    fn render(&self, header: &[String], resource_version: &str, selected: &AnswerRows) -> String {
        let before = self.cursor.map_or(0, |cursor| cursor.shown);
        self.answer().render(header, resource_version, selected, before)
    }
}
