//! Choosing the entries that an answer has room for, and knowing where the next one starts.

use super::{
    cursor::{Cursor, Phase, Place},
    entry::Entry,
};

/// Entries in their order, until there is no room.
pub(super) struct Pick {
    entries: Vec<(Entry, Place)>,
    bytes: usize,
    room: usize,
    most: usize,
    /// The first that there was no room for.
    left: Option<Place>,
}

impl Pick {
    pub(super) fn new(room: usize, most: usize) -> Self {
        Self { entries: Vec::new(), bytes: 0, room, most, left: None }
    }

    /// Takes the entry where there is room. Returns whether more can be taken.
    pub(super) fn offer(&mut self, entry: Entry, place: Place) -> bool {
        if self.left.is_some() {
            return false;
        }
        let bytes = self.bytes.saturating_add(entry.len());
        // One that is larger than all the room is shown alone: the host cuts it and says so.
        if self.entries.len() >= self.most || (bytes > self.room && !self.entries.is_empty()) {
            self.left = Some(place);
            return false;
        }
        self.bytes = bytes;
        self.entries.push((entry, place));
        true
    }

    /// There is more from `place` on, though there may be room.
    pub(super) fn leave(&mut self, place: Place) {
        self.left.get_or_insert(place);
    }

    pub(super) fn is_whole(&self) -> bool {
        self.left.is_none()
    }
}

/// What an answer shows, and how it goes on.
pub(super) struct Picked {
    pub(super) entries: Vec<(Entry, Place)>,
    /// How many of the entries lead because they are not well.
    leading: usize,
    /// Where the list goes on behind the entries.
    pub(super) after: Option<(Phase, Place)>,
    pub(super) counts: Option<String>,
    /// Why not all of the list was read.
    pub(super) cut: Option<String>,
    total: u64,
    bound: u64,
    sorted: bool,
}

impl Picked {
    /// The unwell, and the rest where all of the unwell had room.
    pub(super) fn by_need(
        unwell: Pick,
        rest: Pick,
        after: Option<(Phase, Place)>,
        total: u64,
        bound: u64,
    ) -> Self {
        let leading = unwell.entries.len();
        let most = unwell.most;
        let mut picked = Self {
            entries: unwell.entries,
            leading,
            after: None,
            counts: None,
            cut: None,
            total,
            bound,
            sorted: false,
        };
        if let Some(place) = unwell.left {
            picked.after = Some((Phase::Unwell, place));
            return picked;
        }
        picked.entries.extend(rest.entries);
        picked.after = rest.left.map(|place| (Phase::Rest, place)).or(after);
        if picked.entries.len() > most {
            picked.after = picked.at(most);
            picked.entries.truncate(most);
        }
        picked
    }

    pub(super) fn sorted(rest: Pick, total: u64) -> Self {
        let after = rest.left.map(|place| (Phase::Sorted, place));
        Self {
            entries: rest.entries,
            leading: 0,
            after,
            counts: None,
            cut: None,
            total,
            bound: 0,
            sorted: true,
        }
    }

    pub(super) fn counted(mut self, counts: Option<String>, cut: Option<String>) -> Self {
        (self.counts, self.cut) = (counts, cut);
        self
    }

    pub(super) fn bound(&self) -> u64 {
        if self.sorted { self.total } else { self.bound }
    }

    fn at(&self, index: usize) -> Option<(Phase, Place)> {
        let phase = match index {
            _ if self.sorted => Phase::Sorted,
            index if index < self.leading => Phase::Unwell,
            _ => Phase::Rest,
        };
        self.entries.get(index).map(|(_, place)| (phase, place.clone()))
    }

    /// The cursor behind the first `shown` entries; None where that is the end.
    pub(super) fn next(&self, shown: usize, before: u64, resource_version: &str) -> Option<Cursor> {
        let (phase, place) = self.at(shown).or_else(|| self.after.clone())?;
        if self.total > 0 && before.saturating_add(shown as u64) >= self.total {
            return None;
        }
        Some(Cursor {
            phase,
            // A sorted list is gone through again; its place is how much of it was shown.
            place: if phase == Phase::Sorted { Place::default() } else { place },
            shown: before.saturating_add(shown as u64),
            total: self.total,
            bound: self.bound,
            resource_version: resource_version.to_owned(),
        })
    }
}
