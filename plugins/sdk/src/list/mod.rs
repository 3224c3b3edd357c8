//! Lists: counts first, then what is not well, then the rest until the answer is full, and the way to what is left.
//!
//! `asked` are the arguments, `entry` makes rows of objects, `walk` goes through the list chunk by chunk, `pick` chooses
//! what there is room for, `cursor` is the token that goes on from there.

mod asked;
mod counts;
mod cursor;
mod entry;
mod pick;
mod reach;
mod server_table;
mod walk;

use serde::de::DeserializeOwned;

pub use asked::{Asked, ListRequest, Output};
pub use entry::Row;

use crate::{
    Answer, Error, Table, call,
    kube_read::{KindRef, ListQuery, Reason},
    text,
};
use counts::Counts;
use cursor::{Cursor, Phase, Place};
use entry::{Entry, Shape};
use pick::{Pick, Picked};
use walk::{Seen, Stop, Walk};

/// Kept of the answer for the counts, and for the line on what was left out with its continue token.
const NOTICE: usize = 1024;
/// Objects to read at once where some of them are shown and none are counted: about what an answer has room for.
const SHOWN: u32 = 250;
/// The path behind the column AGE, which as text has no order.
const CREATED: &str = "metadata.creationTimestamp";

/// What to list, and how it is called in the answer.
pub struct List {
    /// The kind.
    pub kind: KindRef,
    /// None: all namespaces, or a cluster-scoped kind.
    pub namespace: Option<String>,
    /// `pods`, for the words around the table.
    pub noun: String,
}

/// The columns of a tool's own table.
pub struct Columns<'c, T> {
    /// The fields that a row needs.
    pub fields: &'c [&'c str],
    /// The titles, without the namespace.
    pub header: &'c [&'c str],
    /// Makes a row of an object.
    pub row: fn(&T) -> Row,
    /// Told by [`Row::time`], the newest first, instead of by what is not well.
    pub newest_first: bool,
    /// Whether the API server's table has a word for an object that is the same as [`Row::word`], so that long lists can
    /// be counted by it.
    pub outlined: bool,
}

impl List {
    /// Lists objects with the tool's own columns.
    pub fn rows<T: DeserializeOwned>(
        &self,
        arguments: &impl ListRequest,
        columns: &Columns<'_, T>,
    ) -> Answer {
        let row = |json: &str| entry::typed::<T>(json, columns.row);
        let own = Shape::Own {
            fields: columns.fields.iter().map(|field| (*field).to_owned()).collect(),
            header: columns.header,
            row: &row,
            outlined: columns.outlined,
        };
        self.answered(&arguments.asked(), own, columns.newest_first)
    }

    /// Lists objects as the table that the API server makes of them.
    pub fn server_table(&self, arguments: &impl ListRequest) -> Answer {
        self.answered(&arguments.asked(), Shape::Server { header: Vec::new() }, false)
    }

    fn answered(&self, asked: &Asked, own: Shape<'_>, newest_first: bool) -> Answer {
        let fields = asked.fields();
        let output = asked.output()?;
        let mut shape = match output {
            Output::Table | Output::Count if fields.is_empty() => own,
            Output::Table | Output::Count => Shape::Fields(fields.clone()),
            Output::Names => Shape::Names,
            Output::Yaml | Output::Json => Shape::Bodies { fields: fields.clone(), output },
        };
        let mut order = asked.order();
        if let Some((by, _)) = &mut order {
            if by.eq_ignore_ascii_case("age") {
                CREATED.clone_into(by);
            }
            // The API server's table holds no field that could be sorted by.
            if by.contains('.') && matches!(shape, Shape::Server { .. }) {
                shape = Shape::Fields(vec![by.clone()]);
            }
            if output == Output::Yaml && fields.is_empty() || output == Output::Json && fields.is_empty() {
                return Err("sortBy with whole objects would read all of them: choose fields too".into());
            }
        }
        let job = Job { list: self, asked, output, order, newest_first };
        match job.run(&mut shape, self.namespace.clone()) {
            Err(Stop::Read(error)) if error.reason == Reason::Forbidden && self.namespace.is_none() => {
                let (namespace, told) = reach::elsewhere(&self.kind, &self.noun, &error.message)?;
                let answer = job.run(&mut shape, Some(namespace)).map_err(Error::from)?;
                text(format!("{told}\n{answer}"))
            }
            other => text(other.map_err(Error::from)?),
        }
    }
}

/// One list to answer.
struct Job<'j> {
    list: &'j List,
    asked: &'j Asked,
    output: Output,
    order: Option<(String, bool)>,
    newest_first: bool,
}

impl Job<'_> {
    fn run(&self, shape: &mut Shape<'_>, namespace: Option<String>) -> Result<String, Stop> {
        let cursor: Option<Cursor> = self.asked.continue_token.as_deref().map(str::parse).transpose()?;
        // A path is read of each object; a column's title is looked for in the rows.
        let path = self.order.as_ref().map(|(by, _)| by.clone()).filter(|by| by.contains('.'));
        let query = ListQuery {
            kind: self.list.kind.clone(),
            namespace,
            label_selector: self.asked.label_selector.clone(),
            field_selector: self.asked.field_selector.clone(),
            limit: None,
            continue_token: None,
            resource_version: None,
            view: shape.view(path.as_deref()),
        };
        let mut walk = Walk::new(query, shape, path);
        if let Some(cursor) = &cursor {
            walk.resource_version.clone_from(&cursor.resource_version);
        }
        if self.output == Output::Count {
            return self.counted(&mut walk);
        }
        let sorted = self.newest_first || self.order.is_some();
        if cursor.as_ref().is_some_and(|cursor| sorted != (cursor.phase == Phase::Sorted)) {
            return Err("continue parameter is of another order: leave it out to start again"
                .to_owned()
                .into());
        }
        let picked = if sorted {
            self.sorted(&mut walk, cursor.as_ref())?
        } else if self.output == Output::Table && self.asked.fields().is_empty() {
            self.by_need(&mut walk, cursor.as_ref())?
        } else {
            self.in_order(&mut walk, cursor.as_ref())?
        };
        Ok(self.told(&walk, picked, cursor.as_ref()))
    }

    /// Bytes of the answer, and of them those that rows may take.
    fn budget(&self) -> usize {
        let host = call::output_budget() as usize;
        let asked = self.asked.max_bytes.filter(|bytes| *bytes > 0).map_or(host, |bytes| bytes as usize);
        asked.min(host).max(2 * NOTICE).saturating_sub(NOTICE)
    }

    fn most(&self) -> usize {
        self.asked.limit.filter(|limit| *limit > 0).map_or(usize::MAX, |limit| limit as usize)
    }

    fn pick(&self) -> Pick {
        Pick::new(self.budget(), self.most())
    }

    fn counted(&self, walk: &mut Walk<'_, '_>) -> Result<String, Stop> {
        let mut counts = Counts::default();
        let reached = walk.outlined(Place::default(), walk.chunk(), 0, |seen, _| {
            match &seen {
                Seen::Whole(Entry { row: Row { word, .. }, .. }) | Seen::Outline { word, .. } => {
                    counts.add(word)
                }
            }
            true
        })?;
        let mut told = counts.line(&self.list.noun, self.budget());
        if let Some(cut) = reached.cut {
            told.push_str(&format!("\nonly these were counted: {cut}"));
        }
        if counts.total() == 0 { Ok(self.none(walk)) } else { Ok(told) }
    }

    /// Counts, the unwell, the rest.
    fn by_need(&self, walk: &mut Walk<'_, '_>, cursor: Option<&Cursor>) -> Result<Picked, Stop> {
        let (mut counts, mut unwell, mut rest) = (Counts::default(), self.pick(), self.pick());
        let phase = cursor.map(|cursor| cursor.phase);
        let from = cursor.map(|cursor| cursor.place.clone()).unwrap_or_default();
        let bound = cursor.map_or(u64::MAX, |cursor| cursor.bound);
        let mut outlined = Vec::new();
        let reached = match phase {
            Some(Phase::Rest) => walk.go(from, SHOWN, |entry, place| {
                let leads = !entry.row.well && place.index() < bound;
                leads || rest.offer(entry, place)
            })?,
            _ => {
                // Of a long list a part is shown; of the rest it is enough to know how it is.
                let chunk = walk.chunk();
                let whole = if phase.is_none() { 1 } else { 0 };
                walk.outlined(from, chunk, whole, |seen, place| {
                    if place.index() >= bound {
                        return false;
                    }
                    let (word, well) = match &seen {
                        Seen::Whole(entry) => (&entry.row.word, entry.row.well),
                        Seen::Outline { word, well } => (word, *well),
                    };
                    counts.add(word);
                    match seen {
                        Seen::Whole(entry) if !well => {
                            unwell.offer(entry, place);
                        }
                        Seen::Whole(entry) if phase.is_none() => {
                            rest.offer(entry, place);
                        }
                        Seen::Outline { .. } if !well => outlined.push(place),
                        Seen::Outline { .. } if phase.is_none() => rest.leave(place),
                        _ => {}
                    }
                    true
                })?
            }
        };
        if unwell.is_whole()
            && let Some(place) = walk.fetch(&outlined, |entry, place| unwell.offer(entry, place))?
        {
            unwell.leave(place);
        }
        let (bound, cut, total) = match cursor {
            Some(cursor) => (cursor.bound, None, cursor.total),
            None => (reached.seen, reached.cut.clone(), reached.total.unwrap_or(0)),
        };
        let after = match (phase, reached.cut.is_some()) {
            // The list goes on where it could not be read on.
            (None | Some(Phase::Rest), true) => Some((Phase::Rest, reached.end)),
            (Some(Phase::Unwell), true) => Some((Phase::Unwell, reached.end)),
            (Some(Phase::Unwell), false) if unwell.is_whole() => Some((Phase::Rest, Place::default())),
            _ => None,
        };
        let counts = cursor.is_none().then(|| counts.line(&self.list.noun, NOTICE / 2));
        Ok(Picked::by_need(unwell, rest, after, total, bound).counted(counts, cut))
    }

    /// As the API server orders them, without looking further than the answer.
    fn in_order(&self, walk: &mut Walk<'_, '_>, cursor: Option<&Cursor>) -> Result<Picked, Stop> {
        let mut rest = self.pick();
        let from = cursor.map(|cursor| cursor.place.clone()).unwrap_or_default();
        let chunk = walk.chunk().min(SHOWN);
        let reached = walk.go(from, chunk, |entry, place| rest.offer(entry, place))?;
        let total = cursor.map_or(reached.total.unwrap_or(0), |cursor| cursor.total);
        let after = reached.cut.is_some().then_some((Phase::Rest, reached.end));
        let counts = (cursor.is_none() && total > 0 && self.output == Output::Table)
            .then(|| format!("{total} {}", self.list.noun));
        Ok(Picked::by_need(self.pick(), rest, after, total, 0).counted(counts, None))
    }

    /// All of them, sorted.
    fn sorted(&self, walk: &mut Walk<'_, '_>, cursor: Option<&Cursor>) -> Result<Picked, Stop> {
        let mut counts = Counts::default();
        let mut all: Vec<Entry> = Vec::new();
        let reached = walk.go(Place::default(), walk.chunk(), |entry, _| {
            counts.add(&entry.row.word);
            all.push(entry);
            true
        })?;
        match &self.order {
            None => all.sort_by_key(|entry| std::cmp::Reverse(entry.row.time)),
            Some((by, descending)) => {
                if !by.contains('.') {
                    walk.key_by_column(by, &mut all)?;
                }
                all.sort_by(|a, b| a.key.compare(&b.key, *descending));
            }
        }
        let total = all.len() as u64;
        let skipped = cursor.map_or(0, |cursor| cursor.shown);
        let mut rest = self.pick();
        for (at, entry) in all.into_iter().enumerate() {
            let place = Place { base: at as u64, ..Place::default() };
            if place.base >= skipped && !rest.offer(entry, place) {
                break;
            }
        }
        let counts = cursor.is_none().then(|| counts.line(&self.list.noun, NOTICE / 2));
        Ok(Picked::sorted(rest, total).counted(counts, reached.cut))
    }

    fn none(&self, walk: &Walk<'_, '_>) -> String {
        let place =
            walk.namespace().map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
        let by = if self.asked.is_narrowed() { " that match the selector" } else { "" };
        format!("No {}{place}{by}.", self.list.noun)
    }

    /// The answer.
    fn told(&self, walk: &Walk<'_, '_>, picked: Picked, cursor: Option<&Cursor>) -> String {
        let before = cursor.map_or(0, |cursor| cursor.shown);
        if picked.entries.is_empty() && picked.after.is_none() {
            return if before == 0 { self.none(walk) } else { format!("No more {}.", self.list.noun) };
        }
        let (rows, shown) = self.rows(walk, &picked);
        let notice = picked.next(shown, before, &walk.resource_version).map(|next| {
            let until = before.saturating_add(shown as u64);
            let range = if before == 0 { until.to_string() } else { format!("{} to {until}", before + 1) };
            let of = if next.total > 0 { format!("of {}", next.total) } else { "and there are more".to_owned() };
            let narrow = if self.list.namespace.is_none() { "a namespace, " } else { "" };
            format!("shown {range} {of}; narrow with {narrow}labelSelector, fieldSelector or fields, or go on with continue={next}")
        });
        let counts = picked.counts.as_ref().filter(|_| self.output == Output::Table);
        let mut head = counts.map(|counts| format!("{counts}\n")).unwrap_or_default();
        if let Some(cut) = &picked.cut {
            head.push_str(&format!("only the first {} were read: {cut}\n", picked.bound()));
        }
        match (self.output, notice) {
            (Output::Json, notice) => {
                let notice = notice.map(|notice| format!(",\"notice\":{}", serde_json::Value::from(notice)));
                format!("{{\"items\":[{rows}]{}}}", notice.unwrap_or_default())
            }
            (Output::Yaml, Some(notice)) => format!("{rows}# {notice}\n"),
            (_, Some(notice)) => format!("{head}{rows}{notice}\n"),
            (_, None) => head + &rows,
        }
    }

    /// The picked rows as text, and how many of them there was room for.
    fn rows(&self, walk: &Walk<'_, '_>, picked: &Picked) -> (String, usize) {
        let entries = picked.entries.iter().map(|(entry, _)| entry);
        match self.output {
            Output::Json => {
                let bodies: Vec<String> =
                    entries.map(|entry| entry.body(self.output, self.budget())).collect();
                (bodies.join(","), bodies.len())
            }
            Output::Yaml => {
                let bodies: Vec<String> =
                    entries.map(|entry| entry.body(self.output, self.budget())).collect();
                (bodies.concat(), bodies.len())
            }
            Output::Names => {
                let names = entries.map(|Entry { row, .. }| match row.namespace.as_str() {
                    namespace if namespace.is_empty() || walk.namespace().is_some() => {
                        format!("{}\n", row.name)
                    }
                    namespace => format!("{namespace}/{}\n", row.name),
                });
                (names.collect(), picked.entries.len())
            }
            Output::Table | Output::Count => {
                let header = std::iter::once("NAMESPACE".to_owned()).chain(walk.header());
                let mut table = Table::new(header);
                for Entry { row, .. } in entries {
                    // Where one was asked for, all are in it.
                    let namespace =
                        if walk.namespace().is_some() { String::new() } else { row.namespace.clone() };
                    table.row(std::iter::once(namespace).chain(row.cells.iter().cloned()));
                }
                table.fit(self.budget())
            }
        }
    }
}
