//! Reading a list page by page, always at one resourceVersion.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use porthole_field_path::{Path, echo};

use crate::{
    conditions::{Conditions, Matching},
    cursor::{PART, Position},
    entry::{Entry, Key},
    one_line,
    pages::{ListError, Page, PageError, PageRequest, Pages, View},
    server_table::statuses,
    shape::Shape,
};

/// The maximum number of objects in a page of outlines: 3 MB of pods, and some 12 MB here while they are counted. A page costs
/// the API server what the list is long, so a hundred pages of 500 take three to four times as long as three of these.
const MAX_OUTLINES: u32 = 20_000;
/// The least that is tried where so many are too much for one answer of the host.
const FEW_OUTLINES: u32 = 500;
/// The maximum number of objects behind a token that are read to reach a position; more are passed over by outlines.
const MAX_SKIPPED: u64 = PART - 1;
/// The maximum number of pages that are read again for objects of which only the outline was read: each may be megabytes
/// for a single object.
const MAX_REREAD_PAGES: usize = 6;

/// A part of a list.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) from: Position,
    /// The index of the first object behind it.
    pub(crate) until: u64,
}

impl Span {
    /// The objects from a position on.
    pub(crate) fn from(from: Position) -> Self {
        Self { from, until: u64::MAX }
    }
}

/// The end of a walk.
#[derive(Debug)]
pub(crate) struct WalkEnd {
    /// The number of objects read.
    pub(crate) seen: u64,
    /// The number of objects in the list, if the API server reports it.
    pub(crate) total: Option<u64>,
    /// True if `total` was counted to the end of the list.
    pub(crate) is_exact: bool,
    /// The reason for which the walk ended before the list, if the visitor did not end it.
    pub(crate) cut: Option<String>,
    /// The first position that was not read, if there is a `cut`.
    pub(crate) end: Position,
}

/// An object on a walk.
pub(crate) enum Item {
    Row(Entry),
    /// Only its status was read.
    Outline {
        status: String,
        healthy: bool,
    },
}

impl Item {
    pub(crate) fn status(&self) -> &str {
        match self {
            Self::Row(entry) => &entry.row.status,
            Self::Outline { status, .. } => status,
        }
    }

    pub(crate) fn is_healthy(&self) -> bool {
        match self {
            Self::Row(entry) => entry.row.healthy,
            Self::Outline { healthy, .. } => *healthy,
        }
    }
}

/// The objects of which a walk reads the whole row, where the kind has outlines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowScope {
    All,
    /// All, without the objects that earlier answers led with: see [`Cursor::bound`](crate::cursor::Cursor) and
    /// [`Cursor::rows_until`](crate::cursor::Cursor).
    Rest {
        rows_until: u64,
        bound: u64,
    },
    /// Those of the first page.
    FirstPage,
    /// Only outlines are read.
    None,
}

/// A list that can be walked repeatedly.
pub(crate) struct Walk<'w, 's, P> {
    pages: &'w mut P,
    shape: &'w mut Shape<'s>,
    /// One more path to read of each object, to sort by.
    sort: Option<Path>,
    /// Objects that do not meet them are passed over: they are read, and not visited.
    conditions: Option<Conditions>,
    /// Empty before the first page: the newest.
    resource_version: String,
    /// Maximum number of outlines in a page.
    max_outlines: u32,
    /// Tokens by the index of the object behind them, of positions that were far behind their own.
    tokens: BTreeMap<u64, String>,
}

impl<'w, 's, P: Pages> Walk<'w, 's, P> {
    pub(crate) fn new(
        pages: &'w mut P,
        shape: &'w mut Shape<'s>,
        sort: Option<Path>,
        conditions: Option<Conditions>,
        resource_version: String,
    ) -> Self {
        Self {
            pages,
            shape,
            sort,
            conditions,
            resource_version,
            max_outlines: MAX_OUTLINES,
            tokens: BTreeMap::new(),
        }
    }

    /// See [`Conditions::absent`].
    pub(crate) fn absent(&self) -> String {
        self.conditions.as_ref().map(Conditions::absent).unwrap_or_default()
    }

    pub(crate) fn resource_version(&self) -> &str {
        &self.resource_version
    }

    pub(crate) fn page_size(&self) -> u32 {
        self.shape.page_size()
    }

    pub(crate) fn header(&self) -> Vec<String> {
        self.shape.header()
    }

    /// Visits whole rows of a part of the list, until `visit` returns false. A limit that is reached behind the first page
    /// is reported and not an error: the objects before it are worth showing.
    pub(crate) fn rows(
        &mut self,
        span: Span,
        page_size: u32,
        scope: RowScope,
        mut visit: impl FnMut(Entry, Position) -> bool,
    ) -> Result<WalkEnd, ListError<P::Error>> {
        self.walk(span, page_size, scope, |seen, position| match seen {
            Item::Row(entry) => visit(entry, position),
            Item::Outline { .. } => true,
        })
    }

    /// As [`rows`](Self::rows), with outlines in the place of the rows outside of `scope`.
    pub(crate) fn walk(
        &mut self,
        Span { from, until }: Span,
        page_size: u32,
        scope: RowScope,
        mut visit: impl FnMut(Item, Position) -> bool,
    ) -> Result<WalkEnd, ListError<P::Error>> {
        // `end` is the page that is read next, so a walk that is cut off has it as the position to continue at.
        let end = self.near_position(from)?;
        let mut reached = WalkEnd { seen: 0, total: None, is_exact: false, cut: None, end };
        let mut is_first = true;
        loop {
            let at = reached.end.clone();
            // Conditions are about fields, which an outline does not hold.
            let is_whole = matches!(scope, RowScope::All | RowScope::Rest { .. })
                || (scope == RowScope::FirstPage && is_first)
                || self.conditions.is_some();
            let is_outline = !is_whole && self.shape.is_outlined();
            let page = if is_outline {
                // Nothing behind the end of the span is visited.
                let left = u32::try_from(until.saturating_sub(at.base)).unwrap_or(u32::MAX);
                self.outlines(&at, left.clamp(1, MAX_OUTLINES))
            } else {
                self.page(&at, page_size, self.row_view())
            };
            let page = match page {
                Ok(page) => page,
                // At the first page there is nothing to show, so the error itself is the answer.
                Err(error) if !is_first && error.is_limit() => {
                    reached.cut = Some(error.to_string());
                    return Ok(reached);
                }
                Err(error) => return Err(ListError::Page(error)),
            };
            let (count, mut seen) = self.items(&page.items, is_outline)?;
            seen.retain(|(index, _)| *index >= at.skip);
            if let RowScope::Rest { rows_until, bound } = scope {
                let has_led = match self.led(&at, count, &seen, rows_until..bound) {
                    Ok(has_led) => has_led,
                    Err(ListError::Page(error)) if !is_first && error.is_limit() => {
                        reached.cut = Some(error.to_string());
                        return Ok(reached);
                    }
                    Err(error) => return Err(error),
                };
                seen.retain(|(index, _)| !has_led.contains(index));
            }
            is_first = false;
            // Objects before the position were seen by the answer that ended there.
            reached.seen = reached.seen.saturating_add(count.saturating_sub(at.skip));
            let end = at.base.saturating_add(count);
            reached.total = match (&page.continue_token, page.remaining) {
                // The end of the list is exact; `remaining` may be missing, for example with a selector.
                (None, _) => Some(end),
                (Some(_), remaining) => remaining.map(|remaining| end.saturating_add(remaining)),
            };
            reached.is_exact = page.continue_token.is_none();
            for (index, seen) in seen {
                let position = Position { skip: index, ..at.clone() };
                if position.index() >= until || !visit(seen, position) {
                    return Ok(reached);
                }
            }
            let Some(token) = page.continue_token else { return Ok(reached) };
            if end >= until {
                return Ok(reached);
            }
            if token == at.token {
                return Err(ListError::Message(
                    "the API server answered a page with the same token that it was read with, so the list would never end; ask again"
                        .to_owned(),
                ));
            }
            // A position may lie behind a page that is shorter than when the position was written.
            reached.end = Position { token, base: end, skip: at.skip.saturating_sub(count) };
            self.pages.progress(end, reached.total);
        }
    }

    /// Those of a page's objects, by their index in it, that earlier answers led with: unhealthy by the row, and behind
    /// the rows of the first answer by the outline too.
    fn led(
        &mut self,
        at: &Position,
        count: u64,
        seen: &[(u64, Item)],
        Range { start: rows_until, end: bound }: Range<u64>,
    ) -> Result<BTreeSet<u64>, ListError<P::Error>> {
        let unhealthy = seen.iter().filter(|(_, item)| !item.is_healthy()).map(|(index, _)| *index);
        let mut led: BTreeSet<u64> =
            unhealthy.filter(|index| at.base.saturating_add(*index) < bound).collect();
        let is_outlined = |index: &u64| at.base.saturating_add(*index) >= rows_until;
        if !self.rows_may_contradict() || !led.iter().any(is_outlined) {
            return Ok(led);
        }
        let (mut from, mut read) = (at.clone(), 0_u64);
        // More than one turn only if pages of outlines are shorter than those of rows.
        while led.range(read..).any(is_outlined) {
            let limit = u32::try_from(count.saturating_sub(read)).unwrap_or(u32::MAX);
            let page = self.page(&from, limit, View::Outline).map_err(ListError::Page)?;
            for (index, (_, healthy)) in (read..).zip(statuses(&page.items)?) {
                if healthy && is_outlined(&index) {
                    led.remove(&index);
                }
                read = index.saturating_add(1);
            }
            match page.continue_token {
                Some(token) if token != from.token => from = Position { token, ..Position::default() },
                // What has no outline did not lead by one.
                _ => {
                    led.retain(|index| *index < read || !is_outlined(index));
                    break;
                }
            }
        }
        Ok(led)
    }

    /// True if a row is made by the tool, so that its health may be another than that of the API server's table.
    pub(crate) fn rows_may_contradict(&self) -> bool {
        self.conditions.is_none() && matches!(self.shape, Shape::Own { outlined: true, .. })
    }

    /// The number of objects of a page, and those to visit with their indexes in it.
    fn items(&mut self, json: &str, is_outline: bool) -> Result<(u64, Vec<(u64, Item)>), String> {
        if is_outline {
            let items = statuses(json)?.into_iter();
            let items = items.map(|(status, healthy)| Item::Outline { status, healthy });
            let items: Vec<_> = (0..).zip(items).collect();
            return Ok((items.len() as u64, items));
        }
        let Some(conditions) = &mut self.conditions else {
            let entries = self.shape.entries(json, self.sort.as_ref())?;
            return Ok((entries.len() as u64, (0..).zip(entries.into_iter().map(Item::Row)).collect()));
        };
        let Matching { items, indexes, count } = conditions.matching(json)?;
        let entries = self.shape.entries(&items, self.sort.as_ref())?;
        Ok((count, indexes.into_iter().zip(entries.into_iter().map(Item::Row)).collect()))
    }

    /// The view of which rows are made.
    fn row_view(&self) -> View {
        let sort = self.sort.iter().map(Path::to_string);
        let others: Vec<String> = sort.chain(self.conditions.iter().flat_map(Conditions::paths)).collect();
        self.shape.view(&others)
    }

    /// Reads outlines of so many objects, or of as many as an answer of the host holds.
    fn outlines(&mut self, at: &Position, limit: u32) -> Result<Page, P::Error> {
        loop {
            match self.page(at, limit.min(self.max_outlines), View::Outline) {
                Err(error) if error.is_too_large() && self.max_outlines > FEW_OUTLINES => {
                    self.max_outlines = self.max_outlines.min(limit).div_ceil(10).max(FEW_OUTLINES);
                }
                page => return page,
            }
        }
    }

    /// The same position few objects behind a token, where its own stands far before it.
    fn near_position(&mut self, at: Position) -> Result<Position, ListError<P::Error>> {
        let mut near = at;
        while near.skip > MAX_SKIPPED && self.conditions.is_none() && self.shape.is_outlined() {
            let index = near.index();
            if let Some((base, token)) = self.tokens.range(..=index).next_back()
                && *base > near.base
            {
                near = Position { token: token.clone(), base: *base, skip: index.saturating_sub(*base) };
                continue;
            }
            let limit = u32::try_from(near.skip).unwrap_or(u32::MAX);
            let page = self.outlines(&near, limit).map_err(ListError::Page)?;
            let passed = statuses(&page.items)?.len() as u64;
            match page.continue_token {
                Some(token) if passed > 0 && passed <= near.skip => {
                    let base = near.base.saturating_add(passed);
                    self.tokens.insert(base, token);
                }
                // It lies behind the list, which only a foreign token says.
                _ => break,
            }
        }
        Ok(near)
    }

    fn page(&mut self, at: &Position, limit: u32, view: View) -> Result<Page, P::Error> {
        let non_empty = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let page = self.pages.page(&PageRequest {
            limit,
            continue_token: non_empty(&at.token),
            resource_version: non_empty(&self.resource_version),
            view,
        })?;
        // From the first page on all reads are of its version: an object that is created or deleted meanwhile would
        // shift the positions of those behind it.
        self.resource_version.clone_from(&page.resource_version);
        Ok(page)
    }

    /// Reads the whole rows of objects of which only the outline was read, in their order, until `take` returns false.
    /// Returns the first position that was not read, if any: a limited number of pages is read again, and `reads` is the
    /// number of those so far.
    pub(crate) fn reread(
        &mut self,
        positions: &[Position],
        reads: &mut usize,
        mut take: impl FnMut(Entry, Position) -> bool,
    ) -> Result<Option<Position>, ListError<P::Error>> {
        // The outlines of one page are read again together: their token is that of the page.
        for group in positions.chunk_by(|a, b| a.token == b.token) {
            let Some(first) = group.first() else { continue };
            let mut pending = group.iter().peekable();
            let mut at = Position { skip: 0, ..first.clone() };
            // The index of the next object in the page that the outline was read of.
            let mut index = 0;
            // More than one turn only if the page is shorter than when the outline was read, or they stand far apart.
            while let Some(next) = pending.peek().copied() {
                // From the page reached, not from that of the outline: the next answer may have to read as many pages
                // again, and would end where this one does.
                let unread = Position { skip: next.skip.saturating_sub(index), ..at.clone() };
                if *reads >= MAX_REREAD_PAGES {
                    return Ok(Some(unread));
                }
                let near = match self.near_position(unread.clone()) {
                    // The next answer, which begins there, has reads for it.
                    Err(ListError::Page(error)) if error.is_limit() => return Ok(Some(unread)),
                    near => near?,
                };
                index = next.skip.saturating_sub(near.skip);
                at = Position { skip: 0, ..near };
                // No further than the last of them: the rows behind it were not asked for.
                let along = pending.clone().map(|position| position.skip.saturating_sub(index));
                let last = along.take_while(|skip| *skip <= MAX_SKIPPED).last().unwrap_or_default();
                let limit = u32::try_from(last.saturating_add(1)).unwrap_or(u32::MAX);
                let page = match self.page(&at, limit, self.row_view()) {
                    Ok(page) => page,
                    // As in `walk`: at the first read there is nothing to show instead.
                    Err(error) if *reads > 0 && error.is_limit() => {
                        return Ok(Some(Position { skip: next.skip.saturating_sub(index), ..at }));
                    }
                    Err(error) => return Err(ListError::Page(error)),
                };
                *reads = reads.saturating_add(1);
                for entry in self.shape.entries(&page.items, self.sort.as_ref())? {
                    if let Some(position) = pending.next_if(|position| position.skip == index)
                        && !take(entry, position.clone())
                    {
                        return Ok(None);
                    }
                    index = index.saturating_add(1);
                }
                match (pending.peek(), page.continue_token) {
                    (None, _) => break,
                    (Some(_), Some(token)) => {
                        at = Position { token, base: first.base.saturating_add(index), skip: 0 };
                    }
                    (Some(position), None) => return Ok(Some((*position).clone())),
                }
            }
        }
        Ok(None)
    }

    /// Sets the sort key of each entry to its cell under a column's title.
    pub(crate) fn key_by_column(&self, title: &str, entries: &mut [Entry]) -> Result<(), String> {
        let header = self.header();
        let column = column(&header, title);
        if column.is_none() && !is_namespace(title) {
            return Err(format!(
                "sortBy {} is neither a column ({}) nor a path such as metadata.name",
                echo(title),
                one_line(&header.join(", "))
            ));
        }
        for entry in entries {
            let cell = match column {
                Some(at) => entry.row.cells.get(at).map(String::as_str).unwrap_or_default(),
                None => &entry.row.namespace,
            };
            entry.key = Key::of_text(cell);
        }
        Ok(())
    }
}

/// The position of the column that a title means: `CPU(cores)` is found as CPU too.
pub(crate) fn column(header: &[String], title: &str) -> Option<usize> {
    let title = plain(title);
    header.iter().position(|other| {
        plain(other) == title || plain(other.split('(').next().unwrap_or_default()) == title
    })
}

/// True if a title means the column of namespaces, which is in no header.
pub(crate) fn is_namespace(title: &str) -> bool {
    plain(title) == "namespace"
}

fn plain(title: &str) -> String {
    title.replace(['-', '_', ' '], "").to_lowercase()
}
