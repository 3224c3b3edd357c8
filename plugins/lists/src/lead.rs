//! The unhealthy objects of a list, the worst first: those whose rows were read, and outlines that are read again.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, btree_map::Entry as Slot},
};

use crate::{
    cursor::{Phase, Position, Severity},
    entry::Entry,
    pages::{ListError, Pages},
    selection::{Selected, Selection},
    walk::Walk,
};

/// Unhealthy objects of one severity, in their order.
struct Level {
    rows: Selection,
    /// Objects behind the rows, of which only the status was read.
    outlines: Vec<Position>,
}

/// Unhealthy objects, gathered on a walk.
pub(crate) struct Lead {
    levels: BTreeMap<Reverse<Severity>, Level>,
    /// An answer without rows, with the room that each has.
    empty: Selection,
}

/// The unhealthy objects of an answer, and the continuation if there are more.
pub(crate) struct LeadRows {
    pub(crate) entries: Vec<Selected>,
    pub(crate) next: Option<(Phase, Position)>,
    /// The first object whose row is healthy, against its outline: it is left to the rest.
    pub(crate) first_healthy: Option<Position>,
}

/// The rows of outlines that were read for another severity, by the index of their object.
type Read = BTreeMap<u64, Entry>;

impl Lead {
    pub(crate) fn new(empty: Selection) -> Self {
        Self { levels: BTreeMap::new(), empty }
    }

    fn level(&mut self, severity: Severity) -> &mut Level {
        match self.levels.entry(Reverse(severity)) {
            Slot::Occupied(level) => level.into_mut(),
            Slot::Vacant(vacant) => vacant.insert(Level { rows: self.empty.clone(), outlines: Vec::new() }),
        }
    }

    pub(crate) fn row(&mut self, severity: Severity, entry: Entry, position: Position) {
        self.level(severity).rows.offer(entry, position);
    }

    pub(crate) fn outline(&mut self, severity: Severity, position: Position) {
        self.level(severity).outlines.push(position);
    }

    /// The rows of an answer, each at the severity of its outline: the level of a row must be the same in every answer.
    pub(crate) fn select<P: Pages>(
        mut self,
        walk: &mut Walk<'_, '_, P>,
    ) -> Result<LeadRows, ListError<P::Error>> {
        let mut selected = LeadRows { entries: Vec::new(), next: None, first_healthy: None };
        let (mut left, mut reads, mut read) = (self.empty.clone(), 0, Read::new());
        let severities: Vec<Severity> = self.levels.keys().map(|Reverse(severity)| *severity).collect();
        for (at, severity) in severities.iter().copied().enumerate() {
            if left.is_spent() {
                selected.next = Some((Phase::Unhealthy(severity), Position::default()));
                break;
            }
            let others: Vec<Position> = severities
                .iter()
                .skip(at.saturating_add(1))
                .filter_map(|other| self.levels.get(&Reverse(*other)))
                .flat_map(|level| level.outlines.iter().cloned())
                .collect();
            let Some(Level { mut rows, outlines }) = self.levels.remove(&Reverse(severity)) else { continue };
            let first_healthy = &mut selected.first_healthy;
            let mut offer = |rows: &mut Selection, entry: Entry, position: Position| {
                if !entry.row.healthy {
                    return rows.offer(entry, position);
                }
                // What is well does not lead, so the rest begins there at the latest.
                if first_healthy.as_ref().is_none_or(|first| position.index() < first.index()) {
                    *first_healthy = Some(position);
                }
                true
            };
            for part in outlines.chunk_by(|a, b| a.part() == b.part()) {
                let Some(first) = part.first().filter(|_| rows.is_complete()) else { break };
                // A part that was read for a worse severity was read to its end.
                if read.contains_key(&first.index()) {
                    for position in part {
                        if let Some(entry) = read.remove(&position.index()) {
                            offer(&mut rows, entry, position.clone());
                        }
                    }
                    continue;
                }
                // Less severe ones of the same part are read along, and kept until it is their turn.
                let along = others.iter().filter(|other| other.part() == first.part());
                let mut positions: Vec<Position> = part.iter().chain(along).cloned().collect();
                positions.sort_by_key(Position::index);
                let unread = walk.reread(&positions, &mut reads, |entry, position| {
                    if part.binary_search_by_key(&position.index(), Position::index).is_ok() {
                        return offer(&mut rows, entry, position);
                    }
                    read.insert(position.index(), entry);
                    true
                })?;
                if let Some(position) = unread {
                    rows.stop_at(position);
                }
            }
            left.charge(&rows);
            let (entries, next) = rows.into_rows();
            selected.entries.extend(entries.into_iter().map(|(entry, position)| Selected {
                entry,
                position,
                phase: Phase::Unhealthy(severity),
            }));
            if let Some(position) = next {
                selected.next = Some((Phase::Unhealthy(severity), position));
                break;
            }
        }
        Ok(selected)
    }
}
