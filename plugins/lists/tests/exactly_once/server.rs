//! A simulated API server: pages of any size, inexact counts, and calls whose reads end.

use std::fmt;

use porthole_lists::{Page, PageError, PageRequest, Pages, View};
use serde_json::{Value, json};

/// Opaque, as the API has it: nothing may be read out of it, not even where it ends.
const VERSION: &str = "7.1%2E";

/// Outlines in an answer of a host that is narrow.
const NARROW: usize = 700;

/// A list as an API server holds it, and the behaviour of one call's reads.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) objects: Vec<Object>,
    /// Objects per page of outlines, below what is asked for.
    pub(crate) max_page: u32,
    /// Objects per page of any other view.
    pub(crate) max_rows: u32,
    /// True if an answer holds no more than some hundreds of outlines.
    pub(crate) is_narrow: bool,
    /// The `remainingItemCount` that pages report.
    pub(crate) remaining: Remaining,
}

/// The `remainingItemCount` of pages. The API calls it inexact.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Remaining {
    None,
    Exact,
    Zero,
    Half,
    Double,
    Vast,
}

impl Remaining {
    fn of(self, left: usize) -> Option<u64> {
        let left = left as u64;
        match self {
            Self::None => None,
            Self::Exact => Some(left),
            Self::Zero => Some(0),
            Self::Half => Some(left / 2),
            Self::Double => Some(left * 2),
            Self::Vast => Some(u64::MAX),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) status: &'static str,
    /// STATUS in the API server's table, which should be the same.
    pub(crate) outlined_status: &'static str,
    /// Bytes in a cell of its row.
    pub(crate) width: usize,
    pub(crate) time: u64,
}

impl Object {
    pub(crate) fn json(&self, at: usize) -> Value {
        json!({"metadata": {"name": name(at)}, "status": self.status, "pad": "x".repeat(self.width), "time": self.time})
    }
}

/// The fields of an object that were asked for: an engine that forgets one finds nothing there.
fn only(fields: &[String], mut object: Value) -> Value {
    let is_asked = |key: &str| fields.iter().any(|field| field.split('.').next() == Some(key));
    object.as_object_mut().unwrap().retain(|key, _| is_asked(key));
    object
}

/// The reads of one call: so many, then an error.
pub(crate) struct Call<'s> {
    pub(crate) server: &'s Server,
    pub(crate) reads: u32,
    pub(crate) error: Failed,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Failed {
    Limit,
    TooLarge,
    Unavailable,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no more reads in this call")
    }
}

impl PageError for Failed {
    fn is_limit(&self) -> bool {
        matches!(self, Self::Limit | Self::TooLarge)
    }

    fn is_too_large(&self) -> bool {
        *self == Self::TooLarge
    }
}

impl Pages for Call<'_> {
    type Error = Failed;

    fn page(&mut self, request: &PageRequest) -> Result<Page, Failed> {
        self.reads = self.reads.checked_sub(1).ok_or(self.error)?;
        if let Some(version) = &request.resource_version {
            assert_eq!(version, VERSION, "every page is of the first one's version");
        }
        let objects = &self.server.objects;
        let start: usize = request.continue_token.as_deref().map_or(0, |token| token.parse().unwrap());
        let is_outline = request.view == View::Outline;
        let max = if is_outline { self.server.max_page } else { self.server.max_rows };
        let limit = request.limit.min(max).max(1) as usize;
        let end = objects.len().min(start + limit);
        if is_outline && self.server.is_narrow && end - start > NARROW {
            return Err(Failed::TooLarge);
        }
        let named = objects[start..end].iter().zip(start..);
        let items = match &request.view {
            View::Table | View::Outline => {
                let rows: Vec<Value> =
                    named.map(|(object, at)| json!({"cells": [name(at), object.outlined_status]})).collect();
                json!({"columnDefinitions": [{"name": "Name"}, {"name": "Status"}], "rows": rows})
            }
            View::Whole => named.map(|(object, at)| object.json(at)).collect(),
            View::Fields(fields) => named.map(|(object, at)| only(fields, object.json(at))).collect(),
        };
        Ok(Page {
            items: items.to_string(),
            continue_token: (end < objects.len()).then(|| end.to_string()),
            remaining: Some(objects.len() - end)
                .filter(|left| *left > 0)
                .and_then(|left| self.server.remaining.of(left)),
            resource_version: VERSION.to_owned(),
        })
    }
}

pub(crate) fn name(at: usize) -> String {
    format!("o{at:04}o")
}
