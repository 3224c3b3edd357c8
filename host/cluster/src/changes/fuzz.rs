//! Oracle of managedFields: names of fields only, bounded, and those that serde_json finds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an oracle speaks by a panic"
)]

use porthole_contract::{Change, truncate};

use super::{
    Changes, MAX_ENTRIES, MAX_TEXT, Since,
    field_set::{FieldSet, MAX_NAME, MAX_NAMES},
};
use crate::fuzz::Tree;

/// The names of fields in a set, two levels of them.
fn names(set: &Tree) -> Vec<String> {
    let fields = |tree: &Tree| -> Vec<(String, Tree)> {
        let Tree::Object(members) = tree else { return Vec::new() };
        let fields = members.iter().filter_map(|(key, below)| Some((key.strip_prefix("f:")?, below)));
        fields.map(|(name, below)| (name.to_owned(), below.clone())).collect()
    };
    let mut names = Vec::new();
    for (name, below) in fields(set) {
        let below = fields(&below);
        if below.is_empty() {
            names.push(truncate(&name, MAX_NAME).to_owned());
        }
        names.extend(below.iter().map(|(below, _)| {
            let full = format!("{}.{}", truncate(&name, MAX_NAME), truncate(below, MAX_NAME));
            truncate(&full, MAX_NAME).to_owned()
        }));
    }
    names
}

/// The input is a set of fields, then an object.
pub fn managed_fields(data: &[u8]) {
    // Of what is skipped serde_json checks less: it may be no UTF-8.
    if let (Ok(set), Ok(tree)) = (serde_json::from_slice::<FieldSet>(data), serde_json::from_slice(data)) {
        let all = names(&tree);
        assert!(set.names.len() <= MAX_NAMES && set.names.iter().all(|name| name.len() <= MAX_NAME));
        assert_eq!(set.names, all[..all.len().min(MAX_NAMES)]);
        assert_eq!(set.more as usize, all.len() - set.names.len());
    }
    let mut changes = Changes::default();
    if changes.add(data, Since(None)).is_err() {
        assert!(changes.found.is_empty(), "an object that is none leaves nothing behind");
        return;
    }
    assert!(changes.found.len() <= MAX_ENTRIES && changes.objects == 1);
    for change in &changes.found {
        let Change { namespace, name, uid, created, manager, operation, time, subresource, .. } = change;
        let texts = [namespace, name, uid, created, manager, operation, time, subresource];
        assert!(texts.iter().all(|text| text.len() <= MAX_TEXT));
        assert!(change.fields.len() <= MAX_NAMES);
    }
    // A time leaves out what is older, and nothing else.
    let (since, mut later) = ("2026-06-01T00:00:00Z", Changes::default());
    later.add(data, Since::parse(Some(since)).unwrap()).unwrap();
    let is_old = |change: &&Change| super::is_timestamp(&change.time) && change.time.as_str() < since;
    assert_eq!(later.found.len() + changes.found.iter().filter(is_old).count(), changes.found.len());
}
