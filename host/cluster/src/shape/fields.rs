//! Field paths, for example `metadata.name`, `spec.containers[].image`, `metadata.labels['app.kubernetes.io/name']`.

use std::collections::BTreeMap;

use porthole_contract::{Failure, Reason};
use porthole_field_path::{Path, PathError};

/// Max paths of a projection, which bounds the tree that a component can make the host build.
const MAX_PATHS: usize = 128;

/// Requested fields as a tree. Arrays are transparent: a path continues in each element.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Projection {
    children: BTreeMap<String, Projection>,
    /// True if everything below is requested, even if a longer path ends deeper.
    whole: bool,
}

/// Selection below one position of an object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Wanted<'p> {
    Everything,
    Some(&'p Projection),
}

impl<'p> Wanted<'p> {
    /// The selection below `key`; `None` if the key is not selected.
    pub(super) fn below(self, key: &str) -> Option<Self> {
        match self {
            Self::Everything => Some(Self::Everything),
            Self::Some(projection) => projection.children.get(key).map(Projection::wanted),
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

    pub(crate) fn wanted(&self) -> Wanted<'_> {
        if self.whole { Wanted::Everything } else { Wanted::Some(self) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_path_wins_over_a_longer_one() {
        let projection = Projection::parse(&["a.b".into(), "a".into()]).unwrap();
        let below = projection.wanted().below("a").unwrap();
        assert_eq!(below, Wanted::Everything);
        assert_eq!(projection.wanted().below("b"), None);
    }
}
