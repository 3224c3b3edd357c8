//! Going through a list chunk by chunk, always as it was at one resourceVersion.

use super::{
    cursor::Place,
    entry::{Entry, Key, Shape},
    server_table::ServerTable,
};
use crate::{
    Error, call,
    kube_read::{self, ListQuery, Page, ReadError, Reason, View},
};

/// Why a list cannot be answered.
pub(super) enum Stop {
    /// The first read failed.
    Read(ReadError),
    /// An argument is wrong, or the cluster said something odd.
    Message(String),
}

impl From<Stop> for Error {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Read(error) => Self::Read(error),
            Stop::Message(message) => Self::Message(message),
        }
    }
}

impl From<String> for Stop {
    fn from(message: String) -> Self {
        Self::Message(message)
    }
}

/// How far a walk came.
#[derive(Debug)]
pub(super) struct Reached {
    /// Objects read.
    pub(super) seen: u64,
    /// How many there are in all, where the API server says so.
    pub(super) total: Option<u64>,
    /// Why it ended before the list, if that was not wished.
    pub(super) cut: Option<String>,
    /// The first place that was not read.
    pub(super) end: Place,
}

/// Rows of an outline asked for at once.
const OUTLINED: u32 = 500;
/// Chunks that are read again for objects that are not well: each may be megabytes for a single one.
const FETCHED: usize = 6;

/// An object on the way through a list.
pub(super) enum Seen {
    Whole(Entry),
    /// Only how it is.
    Outline {
        word: String,
        well: bool,
    },
}

/// A list to be gone through, as often as needed.
pub(super) struct Walk<'w, 's> {
    query: ListQuery,
    shape: &'w mut Shape<'s>,
    /// One more path to read of each object, to sort by.
    path: Option<String>,
    /// Empty until the first chunk has come: the newest.
    pub(super) resource_version: String,
}

impl<'w, 's> Walk<'w, 's> {
    pub(super) fn new(query: ListQuery, shape: &'w mut Shape<'s>, path: Option<String>) -> Self {
        Self { query, shape, path, resource_version: String::new() }
    }

    pub(super) fn namespace(&self) -> Option<&str> {
        self.query.namespace.as_deref()
    }

    pub(super) fn chunk(&self) -> u32 {
        self.shape.chunk()
    }

    pub(super) fn header(&self) -> Vec<String> {
        self.shape.header()
    }

    /// Hands on entries from a place on, until `visit` returns false. What ends the reading later than at the first
    /// chunk (bytes, time) is told and not an error: what has been read is worth showing.
    pub(super) fn go(
        &mut self,
        from: Place,
        chunk: u32,
        mut visit: impl FnMut(Entry, Place) -> bool,
    ) -> Result<Reached, Stop> {
        self.outlined(from, chunk, u64::MAX, |seen, place| match seen {
            Seen::Whole(entry) => visit(entry, place),
            Seen::Outline { .. } => true,
        })
    }

    /// As [`go`](Self::go); after `whole` objects only the outline of each is read, where this kind has one.
    pub(super) fn outlined(
        &mut self,
        from: Place,
        chunk: u32,
        whole: u64,
        mut visit: impl FnMut(Seen, Place) -> bool,
    ) -> Result<Reached, Stop> {
        let mut reached = Reached { seen: 0, total: None, cut: None, end: from };
        loop {
            let at = reached.end.clone();
            let outline = reached.seen >= whole && self.shape.is_outlined();
            let page = match self.page(&at, if outline { OUTLINED } else { chunk }, outline) {
                Ok(page) => page,
                Err(error) if reached.seen > 0 && tells(error.reason) => {
                    reached.cut = Some(error.message);
                    return Ok(reached);
                }
                Err(error) => return Err(Stop::Read(error)),
            };
            let seen: Vec<Seen> = if outline {
                let rows = ServerTable::read(&page.items)?.rows.into_iter();
                rows.map(|row| Seen::Outline { word: row.word, well: row.well }).collect()
            } else {
                self.shape.entries(&page, self.path.as_deref())?.into_iter().map(Seen::Whole).collect()
            };
            let count = seen.len() as u64;
            reached.seen = reached.seen.saturating_add(count.saturating_sub(at.skip));
            let end = at.base.saturating_add(count);
            reached.total = match (&page.continue_token, page.remaining) {
                (None, _) => Some(end),
                (Some(_), left) => left.map(|left| end.saturating_add(left)),
            };
            for (index, seen) in (0_u64..).zip(seen) {
                if index >= at.skip && !visit(seen, Place { skip: index, ..at.clone() }) {
                    return Ok(reached);
                }
            }
            let Some(token) = page.continue_token else { return Ok(reached) };
            reached.end = Place { token, base: end, skip: 0 };
            #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
            call::progress(end as f64, reached.total.map(|total| total as f64), "objects read");
        }
    }

    fn page(&mut self, at: &Place, limit: u32, outline: bool) -> Result<Page, ReadError> {
        let view = if outline { View::Outline } else { self.shape.view(self.path.as_deref()) };
        let query = ListQuery {
            limit: Some(limit),
            continue_token: Some(at.token.clone()).filter(|token| !token.is_empty()),
            resource_version: Some(self.resource_version.clone()).filter(|version| !version.is_empty()),
            view,
            ..self.query.clone()
        };
        let page = kube_read::list_objects(&query)?;
        self.resource_version.clone_from(&page.resource_version);
        Ok(page)
    }

    /// Reads objects of which only the outline was seen, in their order, chunk by chunk, until `take` returns false.
    /// Returns the first place that was not read: some chunks are read, not all of a list.
    pub(super) fn fetch(
        &mut self,
        places: &[Place],
        mut take: impl FnMut(Entry, Place) -> bool,
    ) -> Result<Option<Place>, Stop> {
        let chunks = places.chunk_by(|a, b| a.token == b.token);
        for (read, chunk) in chunks.enumerate() {
            let (Some(first), Some(last)) = (chunk.first(), chunk.last()) else { continue };
            if read >= FETCHED {
                return Ok(Some(first.clone()));
            }
            let limit = u32::try_from(last.skip.saturating_add(1)).unwrap_or(u32::MAX);
            let page = match self.page(&Place { skip: 0, ..first.clone() }, limit, false) {
                Ok(page) => page,
                Err(error) if read > 0 && tells(error.reason) => return Ok(Some(first.clone())),
                Err(error) => return Err(Stop::Read(error)),
            };
            let entries = self.shape.entries(&page, self.path.as_deref())?;
            let mut wanted = chunk.iter().peekable();
            for (index, entry) in (0_u64..).zip(entries) {
                if let Some(place) = wanted.next_if(|place| place.skip == index)
                    && !take(entry, place.clone())
                {
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    /// Gives each entry the key under a column's title.
    pub(super) fn key_by_column(&self, title: &str, entries: &mut [Entry]) -> Result<(), Stop> {
        let header = self.header();
        let plain = |text: &str| text.replace(['-', '_', ' '], "").to_lowercase();
        // NAME(cores) is called NAME as well.
        let is = |other: &String| {
            plain(other) == plain(title) || plain(other.split('(').next().unwrap_or_default()) == plain(title)
        };
        let column = header.iter().position(is);
        if column.is_none() && plain(title) != "namespace" {
            return Err(Stop::Message(format!(
                "sortBy {title:?} is neither a column ({}) nor a path such as metadata.name",
                header.join(", ")
            )));
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

/// Whether an error only ends the reading.
fn tells(reason: Reason) -> bool {
    matches!(reason, Reason::OverReads | Reason::OverBytes | Reason::OverTime | Reason::TooLarge)
}
