//! A list and the answer to a request: columns, order, conditions, and the continuation of an earlier answer.

use std::time::{SystemTime, UNIX_EPOCH};

use porthole_field_path::{Filter, Path, PathError};
use serde::de::DeserializeOwned;

use crate::{
    conditions::Conditions,
    cursor::{Cursor, INVALID_TOKEN, Phase},
    entry::Entry,
    fold::{Fold, FoldRules},
    pages::{ListError, Pages},
    query::Query,
    request::{ListRequest, Order, Output},
    shape::{Columns, Field, IDENTITY, Shape, typed_entries},
    walk::{Walk, column, is_namespace},
};

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
    /// The time that conditions compare ages at.
    pub now: SystemTime,
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
        self.typed(request, columns, None, pages)
    }

    /// As [`rows`](Self::rows), the worst of the unhealthy objects first, and those that are alike in one row, unless the
    /// request chooses fields, conditions, an order or another form.
    ///
    /// # Errors
    /// As [`rows`](Self::rows).
    pub fn folded_rows<T: DeserializeOwned, P: Pages>(
        &self,
        request: &ListRequest,
        columns: &Columns<'_, T>,
        fold: &Fold<T>,
        pages: &mut P,
    ) -> Result<String, ListError<P::Error>> {
        self.typed(request, columns, Some(fold), pages)
    }

    fn typed<T: DeserializeOwned, P: Pages>(
        &self,
        request: &ListRequest,
        columns: &Columns<'_, T>,
        fold: Option<&Fold<T>>,
        pages: &mut P,
    ) -> Result<String, ListError<P::Error>> {
        // A request with conditions or an order is for the objects themselves.
        let is_folded = request.filter()?.is_none() && request.order().is_none();
        let alike = fold.filter(|_| is_folded).map(|fold| fold.alike);
        let entry = |object: &T| {
            let row = (columns.row)(object);
            let alike = alike.map(|alike| alike(object, &row)).unwrap_or_default();
            Entry { alike, ..Entry::of(row) }
        };
        let rows = |json: &str| typed_entries::<T>(json, entry);
        let own = Shape::Own {
            fields: columns.fields.iter().map(|field| (*field).to_owned()).collect(),
            header: columns.header,
            rows: &rows,
            outlined: columns.outlined,
        };
        let order = if columns.newest_first { DefaultOrder::NewestFirst } else { DefaultOrder::ByHealth };
        self.answer(request, own, order, fold.map(FoldRules::from), pages)
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
        self.answer(request, Shape::Server { header: Vec::new() }, DefaultOrder::ByHealth, None, pages)
    }

    fn answer<P: Pages>(
        &self,
        request: &ListRequest,
        own: Shape<'_>,
        default_order: DefaultOrder,
        fold: Option<FoldRules>,
        pages: &mut P,
    ) -> Result<String, ListError<P::Error>> {
        let (fields, output, filter) = (request.fields(), request.output()?, request.filter()?);
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
        let own = match (own, &filter) {
            // The API server's table holds no field to compare, nor one to sort by.
            (Shape::Server { .. }, Some(filter)) => {
                let paths = filter.conditions().iter().map(|condition| condition.path().to_string());
                Shape::Compared(fields_of(paths.filter(|path| !IDENTITY.contains(&path.as_str())))?)
            }
            (own, _) => own,
        };
        let titles = match &own {
            // A title of the API server's table is not known before a page is read.
            Shape::Server { .. } => None,
            _ => Some(own.header()),
        };
        let sort = order.as_ref().map(|order| sort_path(order, titles.filter(|_| fields.is_empty())));
        let sort: Option<Path> = sort.transpose()?.flatten();
        let mut shape = match output {
            Output::Table | Output::Count if fields.is_empty() => match (own, &order) {
                (Shape::Server { .. }, Some(Order { by, .. })) if sort.is_some() => {
                    Shape::Fields(fields_of([by.clone()])?)
                }
                (own, _) => own,
            },
            Output::Table | Output::Count => Shape::Fields(fields_of(fields.clone())?),
            Output::Names => Shape::Names,
            Output::Yaml | Output::Json => Shape::Bodies { fields: fields.clone(), output },
        };
        let cursor: Option<Cursor> = request.continue_token.as_deref().map(str::parse).transpose()?;
        let is_sorted = default_order == DefaultOrder::NewestFirst || order.is_some();
        let is_by_health = output == Output::Table && fields.is_empty();
        let sorts_by_column = sort.is_none();
        let conditions = self.conditions(filter, cursor.as_ref())?;
        let chosen_at = conditions.as_ref().map(Conditions::chosen_at);
        let query = Query {
            list: self,
            request,
            output,
            order,
            sorts_by_column,
            cursor: cursor.as_ref(),
            chosen_at,
            fold,
        };
        let version = cursor.as_ref().map(|cursor| cursor.resource_version.clone()).unwrap_or_default();
        let mut walk = Walk::new(pages, &mut shape, sort, conditions, version);
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
            Some(cursor) => match cursor.phase {
                Phase::Unhealthy(severity) => query.select_more_unhealthy(&mut walk, cursor, severity)?,
                Phase::Rest | Phase::Sorted => query.select_rest(&mut walk, cursor)?,
            },
        };
        Ok(query.render(&walk.header(), walk.resource_version(), &selected))
    }

    /// The conditions of a list, at the time of its first answer.
    fn conditions(
        &self,
        filter: Option<Filter>,
        cursor: Option<&Cursor>,
    ) -> Result<Option<Conditions>, String> {
        // A cursor counts the objects that meet the conditions of its own list.
        if cursor.is_some_and(|cursor| cursor.chosen_at.is_some() != filter.is_some()) {
            return Err(
                "continue parameter is of a list with another where parameter: repeat that one, or leave continue out to start again"
                    .to_owned(),
            );
        }
        let Some(filter) = filter else { return Ok(None) };
        let now = || self.now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let chosen_at = cursor.and_then(|cursor| cursor.chosen_at).unwrap_or_else(now);
        Conditions::new(filter, chosen_at).map(Some).ok_or_else(|| INVALID_TOKEN.to_owned())
    }
}

/// Columns of these paths, each once.
fn fields_of(paths: impl IntoIterator<Item = String>) -> Result<Vec<Field>, String> {
    let mut titles: Vec<String> = Vec::new();
    for path in paths {
        if !titles.contains(&path) {
            titles.push(path);
        }
    }
    titles.into_iter().map(Field::parse).collect()
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
