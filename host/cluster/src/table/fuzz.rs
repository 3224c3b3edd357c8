//! Oracle of tables: serde_json sees the same cells, and nothing of the objects.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an oracle speaks by a panic"
)]

use super::{CellMasks, Failure, NamespaceColumn, Page, ReadBudget, Rows};
use crate::fuzz::{Members, Tree, containers};

fn page(body: &[u8], size: usize, column: NamespaceColumn) -> Result<Page, Failure> {
    let budget = ReadBudget::new(tokio::time::Instant::now(), 0, 1 << 20);
    let mut rows = Rows::new(column, crate::Redaction::Bookkeeping, CellMasks::default());
    for piece in body.chunks(size) {
        rows.feed(piece, &budget, "pods")?;
    }
    rows.page(&budget, "pods")
}

/// A table has the cells that serde_json finds, however the bytes are chunked. The first byte is the size of the pieces.
pub fn table(data: &[u8]) {
    let Some((size, json)) = data.split_first() else { return };
    for column in [NamespaceColumn::Absent, NamespaceColumn::Added] {
        let whole = page(json, json.len().max(1), column);
        let pieces = page(json, usize::from(*size).saturating_add(1), column);
        let shown = |page: &Result<Page, Failure>| {
            page.as_ref().map(|page| (page.items.clone(), page.count)).map_err(ToString::to_string)
        };
        assert_eq!(shown(&whole), shown(&pieces));
        let Ok(page) = whole else { continue };
        let items: Members = serde_json::from_str(&page.items).expect("a page is JSON");
        let rows = containers(&items, "rows");
        assert_eq!(rows.len(), page.count as usize);
        let Ok(document) = serde_json::from_slice::<Members>(json) else { continue };
        let theirs = containers(&document, "rows");
        assert_eq!(theirs.len(), rows.len());
        for (ours, theirs) in rows.iter().zip(&theirs) {
            let (ours, theirs) = (cells(ours), cells(theirs));
            if let (Some(ours), Some(theirs)) = (ours, theirs) {
                assert_eq!(ours[usize::from(column == NamespaceColumn::Added)..], theirs);
            }
        }
    }
}

/// The cells of a row that is an object.
fn cells(row: &str) -> Option<Vec<Tree>> {
    let row: Members = serde_json::from_str(row).ok()?;
    let (_, cells) = row.0.iter().find(|(name, _)| name == "cells")?;
    serde_json::from_str(cells.get()).ok()
}
