//! Entries into this crate's pure paths for `host/porthole/tests/costs.rs`, which counts their allocations, so that nothing
//! private becomes public.

use crate::shape::{FieldSelection, Items, NotAList, Projection, Redaction, ValueMasks, copy};

/// Cuts a list that arrives in chunks of `size` bytes, and copies each element with its messages masked, at these paths
/// or whole. Returns the number of elements and the bytes that remain; `None` if it is not a list of JSON objects.
pub fn split(json: &[u8], size: usize, paths: &[String]) -> Option<(usize, usize)> {
    let projection = if paths.is_empty() { None } else { Some(Projection::parse(paths).ok()?) };
    let selection = projection.as_ref().map_or(FieldSelection::All, Projection::selection);
    let (mut items, mut count, mut out) = (Items::of("items"), 0_usize, Vec::new());
    let masks = ValueMasks::default();
    for chunk in json.chunks(size.max(1)) {
        let fed = items.feed(chunk, |element| {
            count = count.saturating_add(1);
            copy(element, selection, Redaction::Messages, &masks, &mut out).map(drop).map_err(|_| NotAList)
        });
        fed.ok()?;
    }
    Some((count, out.len()))
}

/// Copies an object as a Secret, without its values.
pub fn redact(json: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    copy(json, FieldSelection::All, Redaction::SecretValues, &ValueMasks::default(), &mut out).ok()?;
    Some(out)
}
