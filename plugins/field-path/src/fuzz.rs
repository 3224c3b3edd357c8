//! Oracle of conditions.

#![allow(clippy::unwrap_used, clippy::panic, reason = "an oracle speaks by a panic")]

use std::time::SystemTime;

use crate::{Filter, MAX_CONDITIONS, MAX_FILTER, Path};

/// A filter is refused in a short line, or ends where it ends: nothing of it swallows a condition behind it, and its paths
/// print to themselves. The first line is the filter, the rest an object.
pub fn filter(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (text, object) = text.split_once('\n').unwrap_or((&text, ""));
    let filter: Filter = match text.parse() {
        Ok(filter) => filter,
        Err(error) => {
            let error = format!("{error}");
            return assert!(error.len() < 2048, "an error of {} bytes", error.len());
        }
    };
    assert!(filter.conditions().len() <= MAX_CONDITIONS && text.len() <= MAX_FILTER);
    for condition in filter.conditions() {
        let path = condition.path();
        assert_eq!(path.to_string().parse::<Path>().as_ref(), Ok(path));
    }
    if let Ok(object) = serde_json::from_str(object) {
        filter.matches(&object, SystemTime::UNIX_EPOCH);
    }
    let more = format!("{text},a=1");
    if filter.conditions().len() < MAX_CONDITIONS && more.len() <= MAX_FILTER {
        let more: Filter = more.parse().unwrap_or_else(|error| panic!("{text:?} swallows a comma: {error}"));
        assert_eq!(more.conditions().len(), filter.conditions().len().saturating_add(1), "{text:?}");
    }
}
