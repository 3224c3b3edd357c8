//! Oracle of the operator's masks: what is masked shows nothing, and all else is as without them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an oracle speaks by a panic"
)]

use super::{FieldSelection, ValueMasks, is_credential};
use crate::{
    Redaction,
    fuzz::{Tree, line},
    shape::copy,
};

fn copied(json: &[u8], masks: &ValueMasks) -> Option<(Tree, u64)> {
    let mut out = Vec::new();
    let masked = copy(json, FieldSelection::All, Redaction::Bookkeeping, masks, &mut out).ok()?;
    Some((serde_json::from_slice(&out).expect("what is copied is JSON"), masked))
}

/// The first line has the masked paths, separated by commas; without one only environments are masked.
pub fn value_masks(data: &[u8]) {
    let (first, json) = line(data);
    let paths: Vec<String> =
        if first.is_empty() { Vec::new() } else { first.split(',').map(str::to_owned).collect() };
    let Ok(masks) = ValueMasks::new(&paths, true) else { return };
    let Some((masked, count)) = copied(json, &masks) else { return };
    if let Some(fields) = &masks.fields {
        paths_are_masked(&masked, fields.selection());
    }
    environments_are_masked(&masked);
    let Some((plain, none)) = copied(json, &ValueMasks::default()) else {
        panic!("an object is copied with masks, and not without")
    };
    assert_eq!(none, 0);
    let differ = differences(&plain, &masked);
    assert!(differ <= count, "{differ} values differ, and {count} are counted");
}

fn paths_are_masked(tree: &Tree, fields: FieldSelection<'_>) {
    match tree {
        _ if fields == FieldSelection::All => blank(tree),
        Tree::Object(members) => members.iter().for_each(|(name, value)| {
            if let Some(below) = fields.below(name) {
                paths_are_masked(value, below);
            }
        }),
        Tree::Array(items) => items.iter().for_each(|item| paths_are_masked(item, fields)),
        Tree::Scalar(_) => {}
    }
}

fn environments_are_masked(tree: &Tree) {
    match tree {
        Tree::Object(members) => members.iter().for_each(|(name, value)| match (name.as_str(), value) {
            ("env", Tree::Array(variables)) => variables.iter().for_each(variable),
            ("annotations", _) => {}
            _ => environments_are_masked(value),
        }),
        Tree::Array(items) => items.iter().for_each(environments_are_masked),
        Tree::Scalar(_) => {}
    }
}

fn variable(tree: &Tree) {
    let Tree::Object(members) = tree else { return };
    let names: Vec<Option<&str>> = members
        .iter()
        .filter(|(key, _)| key == "name")
        .map(|(_, name)| if let Tree::Scalar(name) = name { name.as_str() } else { None })
        .collect();
    if names.len() != 1 || names.iter().any(|name| name.is_none_or(is_credential)) {
        members.iter().filter(|(key, _)| key == "value").for_each(|(_, value)| blank(value));
    }
}

fn blank(tree: &Tree) {
    match tree {
        Tree::Object(members) => members.iter().for_each(|(_, value)| blank(value)),
        Tree::Array(items) => items.iter().for_each(blank),
        Tree::Scalar(value) => {
            let is_mask = value.as_str().is_some_and(|text| text.starts_with("<masked: "));
            assert!(value.is_null() || is_mask, "{value} is masked, and handed out");
        }
    }
}

/// Number of scalars that differ; panics if anything else does.
fn differences(plain: &Tree, masked: &Tree) -> u64 {
    match (plain, masked) {
        (Tree::Object(plain), Tree::Object(masked)) => {
            assert_eq!(plain.len(), masked.len());
            let both = plain.iter().zip(masked);
            both.map(|((name, plain), (other, masked))| {
                assert_eq!(name, other);
                differences(plain, masked)
            })
            .sum()
        }
        (Tree::Array(plain), Tree::Array(masked)) => {
            assert_eq!(plain.len(), masked.len());
            plain.iter().zip(masked).map(|(plain, masked)| differences(plain, masked)).sum()
        }
        (plain @ Tree::Scalar(_), Tree::Scalar(shown)) if plain != masked => {
            assert!(shown.as_str().is_some_and(|text| text.contains("<masked: ")), "{shown} for {plain:?}");
            1
        }
        _ => {
            assert_eq!(plain, masked);
            0
        }
    }
}
