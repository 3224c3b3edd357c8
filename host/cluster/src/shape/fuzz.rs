//! Oracles of the JSON splitter, the copier and field paths: serde_json sees the same.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an oracle speaks by a panic"
)]

use super::{FieldSelection, Items, NotAList, Projection, Redaction, ValueMasks, copy};
use crate::{
    envelope::envelope,
    fuzz::{Members, Tree, containers, line},
};

/// Cuts a list in pieces of `size` bytes: its elements, and the list around them where it is one.
fn cut(json: &[u8], size: usize) -> (Vec<String>, Option<Items>) {
    let mut items = Items::of("items");
    let mut found = Vec::new();
    for piece in json.chunks(size) {
        let fed = items.feed(piece, |element| {
            found.push(String::from_utf8_lossy(element).into_owned());
            Ok::<_, NotAList>(())
        });
        if fed.is_err() {
            return (found, None);
        }
    }
    (found, Some(items))
}

/// The splitter finds what serde_json finds, however the bytes are chunked. The first byte is the size of the pieces.
///
/// Names are not unescaped while a list is cut. A list whose `items` are spelt with an escape is therefore refused.
pub fn json_splitter(data: &[u8]) {
    let Some((size, json)) = data.split_first() else { return };
    let (found, list) = cut(json, json.len().max(1));
    let around = list.and_then(|list| list.envelope().ok());
    for size in [1, usize::from(*size).saturating_add(1)] {
        let (again, list) = cut(json, size);
        assert_eq!(again, found, "in pieces of {size}");
        assert_eq!(list.and_then(|list| list.envelope().ok()), around, "in pieces of {size}");
    }
    let Ok(document) = serde_json::from_slice::<Members>(json) else { return };
    let expected = containers(&document, "items");
    if found != expected {
        assert!(json.contains(&b'\\'), "{found:?} are not {expected:?}");
        let (_, list) = cut(json, 1);
        assert!(list.is_none_or(|list| envelope(list, "it").is_err()), "not all of a list is handed out");
        return;
    }
    let around: Members = serde_json::from_slice(&around.expect("a list")).expect("JSON around the elements");
    let names = |members: &Members| members.0.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&around), names(&document));
    for ((name, left), (_, whole)) in around.0.iter().zip(&document.0) {
        let is_cut = name == "items" && whole.get().starts_with('[');
        assert!(left.get() == whole.get() || (is_cut && left.get() == "[]"), "{name}: {left}");
    }
}

/// The tree with what is wanted of it.
fn pruned(tree: Tree, selection: FieldSelection<'_>) -> Tree {
    match tree {
        Tree::Object(members) => {
            let kept = members.into_iter().filter_map(|(name, value)| {
                let below = selection.below(&name)?;
                Some((name, pruned(value, below)))
            });
            Tree::Object(kept.collect())
        }
        Tree::Array(items) => Tree::Array(items.into_iter().map(|item| pruned(item, selection)).collect()),
        scalar => scalar,
    }
}

/// The tree without what no object keeps.
fn without_bookkeeping(tree: Tree, location: &str) -> Tree {
    match tree {
        Tree::Object(members) => {
            let kept = members.into_iter().filter_map(|(name, value)| {
                let below = match (location, name.as_str()) {
                    ("root", "metadata") => "metadata",
                    ("metadata", "annotations") => "annotations",
                    ("metadata", "managedFields")
                    | ("annotations", "kubectl.kubernetes.io/last-applied-configuration") => return None,
                    _ => "elsewhere",
                };
                let value = without_bookkeeping(value, below);
                Some((name, value))
            });
            Tree::Object(kept.collect())
        }
        Tree::Array(items) => {
            Tree::Array(items.into_iter().map(|item| without_bookkeeping(item, location)).collect())
        }
        scalar => scalar,
    }
}

/// The paths in the first line, separated by commas. An empty line is everything.
fn paths(text: &str) -> Option<Option<Projection>> {
    if text.is_empty() {
        return Some(None);
    }
    let paths: Vec<String> = text.split(',').map(str::to_owned).collect();
    Projection::parse(&paths).ok().map(Some)
}

/// The copier keeps what serde_json's view of the same object has at the wanted paths, less the bookkeeping. On an error
/// it leaves nothing behind.
pub fn projection(data: &[u8]) {
    let (first, json) = line(data);
    let Some(projection) = paths(&first) else { return };
    let selection = projection.as_ref().map_or(FieldSelection::All, Projection::selection);
    let mut out = b"kept".to_vec();
    let copied = copy(json, selection, Redaction::Bookkeeping, &ValueMasks::default(), &mut out);
    let expected = serde_json::from_slice::<Tree>(json);
    if copied.is_err() {
        assert_eq!(out, b"kept");
        assert!(expected.is_err(), "it is JSON: {copied:?}");
        return;
    }
    let found: Tree = serde_json::from_slice(&out[4..]).expect("what is copied is JSON");
    if let Ok(expected) = expected {
        assert_eq!(found, without_bookkeeping(pruned(expected, selection), "root"));
    }
}

/// Nothing of a Secret is handed out but its keys, its names and its labels, whichever fields are asked for.
pub fn redaction(data: &[u8]) {
    let (first, json) = line(data);
    let Some(projection) = paths(&first) else { return };
    for selection in
        [FieldSelection::All, projection.as_ref().map_or(FieldSelection::All, Projection::selection)]
    {
        let mut out = Vec::new();
        if copy(json, selection, Redaction::SecretValues, &ValueMasks::default(), &mut out).is_ok() {
            root(&serde_json::from_slice(&out).expect("what is copied is JSON"));
        }
    }
}

fn root(tree: &Tree) {
    match tree {
        Tree::Object(members) => members.iter().for_each(|(name, value)| match name.as_str() {
            "apiVersion" | "kind" | "type" | "immutable" => {}
            "metadata" => metadata(value),
            _ => blank(value),
        }),
        Tree::Array(items) => items.iter().for_each(root),
        scalar => blank(scalar),
    }
}

fn metadata(tree: &Tree) {
    match tree {
        Tree::Object(members) => members.iter().for_each(|(name, value)| match name.as_str() {
            "managedFields" => panic!("managedFields are handed out"),
            "annotations" => blank(value),
            _ => {}
        }),
        Tree::Array(items) => items.iter().for_each(metadata),
        Tree::Scalar(_) => {}
    }
}

fn blank(tree: &Tree) {
    match tree {
        Tree::Object(members) => members.iter().for_each(|(_, value)| blank(value)),
        Tree::Array(items) => items.iter().for_each(blank),
        Tree::Scalar(value) => {
            assert!(value.is_null() || value == "<redacted>", "{value} of a Secret is handed out");
        }
    }
}

/// A path written with names is read as these names, in brackets and with dots. The names are the lines of the input.
pub fn field_path(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    let parsed = Projection::parse(std::slice::from_ref(&text));
    if let Err(failure) = &parsed {
        assert!(failure.message.len() < 2048, "an error of {} bytes", failure.message.len());
    }
    // Four bytes more would be refused.
    if let Some(parsed) = parsed.ok().filter(|_| text.len() + 4 <= porthole_field_path::MAX_BYTES) {
        for more in ["[]", "[*]"] {
            assert_eq!(
                Projection::parse(&[format!("{text}{more}")]).as_ref().ok(),
                Some(&parsed),
                "{text:?}"
            );
        }
    }
    let names: Vec<&str> = text.split('\n').filter(|name| !name.is_empty() && !name.contains(']')).collect();
    if names.is_empty() || names.len() > 32 {
        return;
    }
    let quoted: String = names.iter().map(|name| format!("['{name}']")).collect();
    if quoted.len() > porthole_field_path::MAX_BYTES {
        return;
    }
    let parsed = Projection::parse(&[quoted]).expect("names in brackets are a path");
    let end = names.iter().try_fold(parsed.selection(), |at, name| at.below(name));
    assert_eq!(end, Some(FieldSelection::All));
    if names.iter().all(|name| *name != "*" && !name.contains(['.', '[', '\'', '"', ' '])) {
        assert_eq!(Projection::parse(&[names.join(".")]).ok(), Some(parsed));
    }
}
