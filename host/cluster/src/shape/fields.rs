//! Field paths, for example `metadata.name`, `spec.containers[].image`, `metadata.labels['app.kubernetes.io/name']`.

use std::collections::BTreeMap;

use porthole_contract::{Failure, Reason};
use porthole_field_path::{Path, PathError};

/// Max paths of a projection, which bounds the tree that a component can make the host build.
const MAX_PATHS: usize = 128;
/// Max bytes of all paths together. A query of a component may bring 4 MiB, and the tree would take thirty times as much.
const MAX_PATHS_BYTES: usize = 64 << 10;

/// Requested fields as a tree. Arrays are transparent: a path continues in each element.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Projection {
    children: BTreeMap<String, Projection>,
    /// True if everything below is requested, even if a longer path ends deeper.
    whole: bool,
}

/// Selection below one position of an object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum FieldSelection<'p> {
    /// Everything below.
    All,
    /// Only these fields.
    Only(&'p Projection),
}

impl<'p> FieldSelection<'p> {
    /// The selection below `key`; `None` if the key is not selected.
    pub(super) fn below(self, key: &str) -> Option<Self> {
        match self {
            Self::All => Some(Self::All),
            Self::Only(projection) => projection.children.get(key).map(Projection::selection),
        }
    }
}

impl Projection {
    /// Parses paths. Rejects an empty list, unbalanced brackets, indexes and empty names.
    pub(crate) fn parse(paths: &[String]) -> Result<Self, Failure> {
        if paths.is_empty() || paths.len() > MAX_PATHS {
            return Err(Failure::new(
                Reason::Invalid,
                format!("fields: 1 to {MAX_PATHS} paths, not {}", paths.len()),
            ));
        }
        let bytes = paths.iter().fold(0usize, |sum, path| sum.saturating_add(path.len()));
        if bytes > MAX_PATHS_BYTES {
            return Err(Failure::new(
                Reason::Invalid,
                format!("fields: paths of {bytes} bytes; at most {MAX_PATHS_BYTES} may be named"),
            ));
        }
        let mut root = Self::default();
        for path in paths {
            let path: Path =
                path.parse().map_err(|error: PathError| Failure::new(Reason::Invalid, error.to_string()))?;
            let mut node = &mut root;
            for name in path.names() {
                node = node.children.entry(name.clone()).or_default();
            }
            node.whole = true;
        }
        Ok(root)
    }

    /// A projection of everything.
    pub(crate) fn all() -> Self {
        Self { children: BTreeMap::new(), whole: true }
    }

    /// True if a path leads to this field, to one above it or to one below it.
    pub(crate) fn touches<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> bool {
        let end = names.into_iter().try_fold(self.selection(), |at, name| at.below(name));
        end.is_some()
    }

    pub(crate) fn selection(&self) -> FieldSelection<'_> {
        if self.whole { FieldSelection::All } else { FieldSelection::Only(self) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_path_wins_over_a_longer_one() {
        let projection = Projection::parse(&["a.b".into(), "a".into()]).unwrap();
        let below = projection.selection().below("a").unwrap();
        assert_eq!(below, FieldSelection::All);
        assert_eq!(projection.selection().below("b"), None);
    }
    /// The attack: paths of 4 MiB from a component, whose names and whose error were outside of every account.
    #[test]
    fn vast_fields_are_refused_in_a_line() {
        let long = vec!["\u{1}".repeat(4 << 20)];
        let many: Vec<String> = (0..128).map(|n| format!("a{n}.{}", "b".repeat(600))).collect();
        let deep = vec!["a.".repeat(30_000)];
        for paths in [long, many, deep] {
            let failure = Projection::parse(&paths).unwrap_err();
            assert!(failure.message.len() < 2048, "{} bytes", failure.message.len());
        }
    }
}
