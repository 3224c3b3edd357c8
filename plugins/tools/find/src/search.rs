//! The plan of a search, within what a call may read.
//!
//! Names first, over everything: the API server's table without namespaces is a twentieth of the objects, and has IPs,
//! hosts and images too. Only if no name has the word are labels and annotations worth their bytes: of the kinds with few
//! objects first, and as far as they fit. The namespace of what is shown is read by its name.

use std::collections::{BTreeMap, BTreeSet};

use porthole_diagnosis::Kind;
use porthole_sdk::{ListEnd, prelude::*};

use crate::{
    kinds::{Object, PAGE, Searchable},
    matching::{self, Match},
    source::Source,
};

/// Rows of an answer.
pub(crate) const ROWS: usize = 40;
/// Names like the word that are offered.
const ALIKE: usize = 3;
/// Bytes of a search: two thirds of the default of `readBytes`, since objects may be larger than [`Searchable::bytes`]
/// assumes.
const BYTES: usize = 22 << 20;
/// Bytes of names and columns.
const OUTLINE_BYTES: usize = 12 << 20;
/// Bytes of a row that the host leaves out: `"object":null`.
const ROW: usize = 16;
/// Bytes of a row of an outline, as the API server sends it.
const ROW_BYTES: usize = 160;
/// A page counts as this many bytes at least, since a call's number of reads has a limit too.
const MIN_PAGE: usize = 64 << 10;
/// Pages of a list that its bytes end before.
const MAX_PAGES: usize = 1024;
/// The error that ends a list. It is not shown.
const ENOUGH: &str = "enough";

/// An object in all namespaces, as far as outlines name it.
type Name = (Kind, String);

/// The extent of a search.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    /// Kinds that could not be read, with the reason.
    pub(crate) unread: BTreeMap<Kind, String>,
    /// Kinds of which only so many names were read.
    pub(crate) partly: BTreeMap<Kind, usize>,
    /// Kinds whose labels and annotations were not read, or not all of them, with the number of their objects.
    pub(crate) shallow: BTreeMap<Kind, usize>,
    /// Namespaces that were read where not all may be.
    pub(crate) namespaces: BTreeSet<String>,
}

/// The result of a search.
#[derive(Debug)]
pub(crate) struct Found {
    /// The first of what was found.
    pub(crate) matches: Vec<Match>,
    /// The number of all that was found.
    pub(crate) total: usize,
    /// True if a name has the word, so that nothing but names was looked at.
    pub(crate) is_by_name: bool,
    /// Names like the word, if nothing was found.
    pub(crate) alike: Vec<String>,
    pub(crate) coverage: Coverage,
}

/// A search of one word.
pub(crate) struct Search<'s, S> {
    /// In lower case.
    query: &'s str,
    namespace: Option<&'s str>,
    source: &'s mut S,
    /// Bytes of outlines that are left.
    left: usize,
    /// Objects of the outlines.
    rows: Vec<Object>,
    coverage: Coverage,
}

impl<'s, S: Source> Search<'s, S> {
    /// A search in a namespace, or in all; `query` is in lower case.
    pub(crate) fn new(query: &'s str, namespace: Option<&'s str>, source: &'s mut S) -> Self {
        let (left, rows, coverage) = (OUTLINE_BYTES, Vec::new(), Coverage::default());
        Self { query, namespace, source, left, rows, coverage }
    }

    /// Searches some kinds.
    pub(crate) fn run(mut self, kinds: &[&'static Searchable]) -> Found {
        let (late, named): (Vec<&Searchable>, Vec<&Searchable>) =
            kinds.iter().partition(|searchable| searchable.is_for_details_only());
        self.read_outlines(&named);
        let mut matches = self.matches();
        matches.retain(Match::is_of_name);
        let is_by_name = !matches.is_empty();
        if !is_by_name {
            self.read_outlines(&late);
            self.read_details(kinds);
            matches = self.matches();
        }
        matches.sort();
        let total = matches.len();
        let matches = self.with_namespaces(matches);
        let alike = if matches.is_empty() { self.alike() } else { Vec::new() };
        Found { matches, total, is_by_name, alike, coverage: self.coverage }
    }

    fn matches(&self) -> Vec<Match> {
        self.rows.iter().filter_map(|object| matching::find(self.query, object)).collect()
    }

    /// Reads names and columns. A kind may leave half of the bytes for the later ones, and then has an equal share.
    fn read_outlines(&mut self, kinds: &[&'static Searchable]) {
        let Self { source, namespace, left, rows, .. } = self;
        let queries: Vec<ListQuery> = kinds.iter().map(|kind| kind.outline(*namespace)).collect();
        let mut shares: BTreeMap<usize, usize> = BTreeMap::new();
        let mut counts = vec![0_usize; kinds.len()];
        let ends = source.pages(&queries, MAX_PAGES, &mut |number, read_in, page| {
            let (Some(kind), Some(count)) = (kinds.get(number), counts.get_mut(number)) else {
                return Ok(());
            };
            let equal = left.checked_div(kinds.len().saturating_sub(number)).unwrap_or(0);
            let share = shares.entry(number).or_insert(left.saturating_sub(OUTLINE_BYTES / 2).max(equal));
            let objects = kind.rows(page, read_in)?;
            let bytes = page.len().saturating_add(objects.len().saturating_mul(ROW)).max(MIN_PAGE);
            *left = left.saturating_sub(bytes);
            *share = share.saturating_sub(bytes);
            *count = count.saturating_add(objects.len());
            rows.extend(objects);
            if *share == 0 { Err(ENOUGH.to_owned()) } else { Ok(()) }
        });
        for ((kind, count), end) in kinds.iter().zip(counts).zip(ends) {
            let is_read = self.note(kind, end);
            if count > 0 && !is_read {
                self.coverage.unread.remove(&kind.kind);
                self.coverage.partly.insert(kind.kind, count);
            }
        }
    }

    /// Notes how a list ended; false if that was before its end.
    fn note(&mut self, searchable: &Searchable, end: Result<ListEnd, ReadError>) -> bool {
        match end {
            Ok(ListEnd::Whole) => true,
            Ok(ListEnd::Namespaces(read)) => {
                self.coverage.namespaces.extend(read);
                true
            }
            Ok(ListEnd::PageLimit | ListEnd::Failed(_)) => false,
            Err(error) => {
                let is_forbidden = error.reason == Reason::Forbidden;
                let reason = if is_forbidden { "forbidden".to_owned() } else { error.message };
                self.coverage.unread.insert(searchable.kind, reason);
                false
            }
        }
    }

    /// Reads the objects themselves of the kinds that fit into what is left for them, instead of their rows.
    fn read_details(&mut self, kinds: &[&'static Searchable]) {
        let mut left = BYTES.saturating_sub(OUTLINE_BYTES).saturating_add(self.left);
        let mut chosen: Vec<(&'static Searchable, ListQuery)> = Vec::new();
        for searchable in kinds {
            let Some(query) = searchable.details(self.namespace) else { continue };
            let count = self.count(searchable.kind);
            let is_known = !self.coverage.partly.contains_key(&searchable.kind);
            match left.checked_sub(count.saturating_mul(searchable.bytes)) {
                // Without names there are no objects, or none that may be read.
                _ if count == 0 => {}
                Some(rest) if is_known => {
                    left = rest;
                    chosen.push((searchable, query));
                }
                _ => {
                    self.coverage.shallow.insert(searchable.kind, count);
                }
            }
        }
        let queries: Vec<ListQuery> = chosen.iter().map(|(_, query)| query.clone()).collect();
        let mut read: Vec<Vec<Object>> = queries.iter().map(|_| Vec::new()).collect();
        let ends = self.source.pages(&queries, MAX_PAGES, &mut |number, _, page| {
            if let (Some((searchable, _)), Some(read)) = (chosen.get(number), read.get_mut(number)) {
                read.extend(searchable.objects(page)?);
            }
            Ok(())
        });
        for (((searchable, _), objects), end) in chosen.iter().zip(read).zip(ends) {
            if !matches!(end, Ok(ListEnd::Whole | ListEnd::Namespaces(_))) {
                self.coverage.shallow.insert(searchable.kind, self.count(searchable.kind));
            }
            // Of objects that were not reached there is still what the table shows.
            let names: BTreeSet<&str> = objects.iter().map(|object| object.name.as_str()).collect();
            self.rows.retain(|row| row.kind != searchable.kind || !names.contains(row.name.as_str()));
            self.rows.extend(objects);
        }
    }

    fn count(&self, kind: Kind) -> usize {
        self.rows.iter().filter(|row| row.kind == kind).count()
    }

    /// The first matches, with the namespaces that the outlines do not have.
    fn with_namespaces(&mut self, mut matches: Vec<Match>) -> Vec<Match> {
        matches.truncate(ROWS);
        let (found, read) = self.named(matches.iter().filter_map(Match::without_namespace).collect());
        matches.retain(|known| known.without_namespace().is_none_or(|name| !read.contains(&name)));
        matches.extend(found.iter().filter_map(|object| matching::find(self.query, object)));
        matches.sort();
        matches.truncate(ROWS);
        matches
    }

    /// The objects of some names in all namespaces, and the names that could be read.
    fn named(&mut self, names: BTreeSet<Name>) -> (Vec<Object>, BTreeSet<Name>) {
        let mut by_kind: BTreeMap<Kind, BTreeSet<String>> = BTreeMap::new();
        for (kind, name) in names {
            by_kind.entry(kind).or_default().insert(name);
        }
        let namespaces = self.namespaces();
        let (mut found, mut read, mut others) = (Vec::new(), BTreeSet::new(), Vec::new());
        for (kind, names) in by_kind {
            let Some(searchable) = Searchable::of(kind) else { continue };
            // To find a name the API server looks at all objects of the kind, to list a namespace at those in it.
            let is_short = self.count(kind).saturating_mul(ROW_BYTES) < BYTES - OUTLINE_BYTES;
            if is_short && !namespaces.is_empty() && namespaces.len() < names.len() {
                let (objects, found_names) = self.in_namespaces(searchable, &names, &namespaces);
                found.extend(objects);
                read.extend(found_names);
            } else {
                others.extend(names.into_iter().map(|name| (searchable, (kind, name))));
            }
        }
        let (objects, names) = self.by_name(others);
        found.extend(objects);
        read.extend(names);
        (found, read)
    }

    /// The names of all namespaces; none if not all were read.
    fn namespaces(&self) -> Vec<String> {
        let is_whole = self.namespace.is_none() && !self.coverage.partly.contains_key(&Kind::Namespace);
        let namespaces = self.rows.iter().filter(|row| is_whole && row.kind == Kind::Namespace);
        namespaces.map(|row| row.name.clone()).collect()
    }

    /// As [`named`](Self::named), of one kind, by the outlines of each namespace.
    fn in_namespaces(
        &mut self,
        searchable: &'static Searchable,
        names: &BTreeSet<String>,
        namespaces: &[String],
    ) -> (Vec<Object>, BTreeSet<Name>) {
        let queries: Vec<ListQuery> =
            namespaces.iter().map(|namespace| searchable.outline(Some(namespace))).collect();
        let mut found: Vec<Object> = Vec::new();
        let ends = self.source.pages(&queries, MAX_PAGES, &mut |_, read_in, page| {
            found.extend(searchable.rows(page, read_in)?.into_iter().filter(|row| names.contains(&row.name)));
            Ok(())
        });
        let is_whole = ends.iter().all(|end| matches!(end, Ok(ListEnd::Whole)));
        let is_read = |name: &&String| is_whole || found.iter().any(|object| object.name == **name);
        let read = names.iter().filter(is_read).map(|name| (searchable.kind, name.clone())).collect();
        (found, read)
    }

    /// As [`named`](Self::named), each by a read of its own.
    fn by_name(&mut self, names: Vec<(&'static Searchable, Name)>) -> (Vec<Object>, BTreeSet<Name>) {
        // In a selector anything else could be more than a name.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        let names: Vec<(&Searchable, Name)> =
            names.into_iter().filter(|(_, (_, name))| name.bytes().all(is_plain)).collect();
        let query = |(searchable, (kind, name)): &(&Searchable, Name)| {
            let namesakes = self.rows.iter().filter(|row| row.kind == *kind && row.name == *name).count();
            searchable.named(name, (namesakes > ROWS).then_some(PAGE))
        };
        let queries: Vec<ListQuery> = names.iter().map(query).collect();
        let mut found = Vec::new();
        let ends = self.source.pages(&queries, 1, &mut |number, read_in, page| {
            if let Some((searchable, (_, name))) = names.get(number) {
                found.extend(searchable.rows(page, read_in)?.into_iter().filter(|row| row.name == *name));
            }
            Ok(())
        });
        let read = names.into_iter().zip(ends).filter(|(_, end)| end.is_ok());
        (found, read.map(|((_, name), _)| name).collect())
    }

    /// The names like the word, each with its namespace.
    fn alike(&mut self) -> Vec<String> {
        let alike = matching::alike(self.query, &self.rows);
        let place = |object: &Object| {
            alike.iter().position(|(kind, name)| *kind == object.kind && *name == object.name)
        };
        let (known, unknown): (Vec<Object>, Vec<Object>) = std::mem::take(&mut self.rows)
            .into_iter()
            .filter(|object| place(object).is_some())
            .partition(|object| object.namespace.is_some());
        let (found, _) = self.named(unknown.into_iter().map(|object| (object.kind, object.name)).collect());
        let named = known.iter().chain(&found).map(|object| (place(object), matching::reference(object)));
        let named: BTreeSet<(Option<usize>, String)> = named.collect();
        named.into_iter().map(|(_, reference)| reference).take(ALIKE).collect()
    }
}
