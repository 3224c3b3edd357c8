//! Conditions on the objects of a list, and the objects of a page that meet them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use porthole_field_path::{Filter, echo};
use serde_json::Value;

use crate::pages::parse;

/// The maximum number of paths that a notice names.
const MAX_NAMED: usize = 3;

/// The conditions of a list.
pub(crate) struct Conditions {
    filter: Filter,
    /// Seconds since 1970 at the time that ages are compared at.
    chosen_at: u64,
    now: SystemTime,
    /// True for each condition if an object had a value at its path.
    has_value: Vec<bool>,
}

/// The objects of a page that meet the conditions.
pub(crate) struct Matching {
    /// A JSON array of them.
    pub(crate) items: String,
    /// Their indexes among the objects of the page.
    pub(crate) indexes: Vec<u64>,
    /// The number of objects in the page.
    pub(crate) count: u64,
}

impl Conditions {
    /// Conditions that compare ages at this time; `None` if there is no such time.
    pub(crate) fn new(filter: Filter, chosen_at: u64) -> Option<Self> {
        let now = UNIX_EPOCH.checked_add(Duration::from_secs(chosen_at))?;
        let has_value = vec![false; filter.conditions().len()];
        Some(Self { filter, chosen_at, now, has_value })
    }

    /// See [`Cursor::chosen_at`](crate::cursor::Cursor::chosen_at).
    pub(crate) fn chosen_at(&self) -> u64 {
        self.chosen_at
    }

    /// The paths to read of each object.
    pub(crate) fn paths(&self) -> impl Iterator<Item = String> {
        self.filter.conditions().iter().map(|condition| condition.path().to_string())
    }

    /// The objects of a JSON array that meet the conditions.
    pub(crate) fn matching(&mut self, json: &str) -> Result<Matching, String> {
        let objects: Vec<Value> = parse(json)?;
        let count = objects.len() as u64;
        let (mut indexes, mut kept) = (Vec::new(), Vec::new());
        for (index, object) in (0_u64..).zip(objects) {
            for (condition, has_value) in self.filter.conditions().iter().zip(&mut self.has_value) {
                *has_value = *has_value || !condition.path().values(&object).is_empty();
            }
            if self.filter.matches(&object, self.now) {
                indexes.push(index);
                kept.push(object);
            }
        }
        Ok(Matching { items: Value::Array(kept).to_string(), indexes, count })
    }

    /// A part of a sentence on the paths at which no object had a value: one of them may be misspelt.
    pub(crate) fn absent(&self) -> String {
        let absent =
            self.filter.conditions().iter().zip(&self.has_value).filter(|(_, has_value)| !**has_value);
        let mut paths: Vec<String> =
            absent.map(|(condition, _)| echo(&condition.path().to_string())).collect();
        paths.truncate(MAX_NAMED);
        if paths.is_empty() { String::new() } else { format!("; none has {}", paths.join(" or ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_objects_that_match_keep_their_indexes() {
        let filter: Filter = "a>1,b!=x,c.d!=1".parse().unwrap_or_else(|error| panic!("{error}"));
        let mut conditions = Conditions::new(filter, 0).unwrap_or_else(|| panic!("1970 is a time"));
        assert_eq!(conditions.paths().collect::<Vec<_>>(), ["a", "b", "c.d"]);
        let Matching { items, indexes, count } = conditions
            .matching(r#"[{"a":1},{"a":2,"b":"x"},{"a":3},null,{"a":4,"b":"y"}]"#)
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((items.as_str(), count), (r#"[{"a":3},{"a":4,"b":"y"}]"#, 5));
        assert_eq!(indexes, [2, 4]);
        assert_eq!(conditions.absent(), "; none has \"c.d\"");
        assert!(Conditions::new(Filter::default(), u64::MAX).is_none());
    }
}
