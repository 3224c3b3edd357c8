//! Field paths, for example `metadata.name`, `spec.containers[].image`, `metadata.labels['app.kubernetes.io/name']`.

use std::collections::BTreeMap;

use porthole_contract::{Failure, Reason};

/// More paths than any question needs; bounds what a component can make the host build.
const MAX_PATHS: usize = 128;
/// Deeper than any field of Kubernetes.
const MAX_DEPTH: usize = 32;

/// The fields that somebody wants of each object, as a tree. Arrays are transparent: a path goes on in each element.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Projection {
    children: BTreeMap<String, Projection>,
    /// Everything below here, also where a longer path ends deeper.
    whole: bool,
}

/// What is wanted below one place of an object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Wanted<'p> {
    Everything,
    Some(&'p Projection),
}

impl<'p> Wanted<'p> {
    /// What is wanted below `key`; None where it is not wanted at all.
    pub(super) fn below(self, key: &str) -> Option<Self> {
        match self {
            Self::Everything => Some(Self::Everything),
            Self::Some(projection) => projection.children.get(key).map(Projection::wanted),
        }
    }
}

impl Projection {
    /// Parses paths. Refuses an empty list, unbalanced brackets, indexes and empty names.
    pub(crate) fn parse(paths: &[String]) -> Result<Self, Failure> {
        if paths.is_empty() || paths.len() > MAX_PATHS {
            return Err(Failure::new(
                Reason::Invalid,
                format!("fields: 1 to {MAX_PATHS} paths, not {}", paths.len()),
            ));
        }
        let mut root = Self::default();
        for path in paths {
            let segments = segments(path).ok_or_else(|| {
                Failure::new(
                    Reason::Invalid,
                    format!("field path {path:?} is malformed; write it like spec.containers[].image or metadata.labels['app.kubernetes.io/name']"),
                )
            })?;
            let mut node = &mut root;
            for segment in segments {
                node = node.children.entry(segment).or_default();
            }
            node.whole = true;
        }
        Ok(root)
    }

    pub(crate) fn wanted(&self) -> Wanted<'_> {
        if self.whole { Wanted::Everything } else { Wanted::Some(self) }
    }
}

/// The names of a path; None where it is malformed.
fn segments(path: &str) -> Option<Vec<String>> {
    let mut rest = path.strip_prefix('.').unwrap_or(path);
    let mut names = Vec::new();
    while !rest.is_empty() {
        if let Some(bracket) = rest.strip_prefix('[') {
            let (inside, after) = bracket.split_once(']')?;
            match inside {
                "" | "*" if !names.is_empty() => {}
                _ => {
                    let quoted =
                        ['\'', '"'].iter().find_map(|q| inside.strip_prefix(*q)?.strip_suffix(*q))?;
                    names.push(Some(quoted).filter(|name| !name.is_empty())?.to_owned());
                }
            }
            rest = match after.strip_prefix('.') {
                Some("") => return None,
                Some(more) => more,
                None if after.is_empty() || after.starts_with('[') => after,
                None => return None,
            };
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            if name.is_empty() || name.contains(['\'', '"', ']', ' ']) {
                return None;
            }
            names.push(name.to_owned());
            rest = match after.strip_prefix('.') {
                Some("") => return None,
                Some(more) => more,
                None => after,
            };
        }
    }
    (!names.is_empty() && names.len() <= MAX_DEPTH).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_at_dots_and_brackets() {
        for (path, expected) in [
            ("metadata.name", vec!["metadata", "name"]),
            (".metadata.name", vec!["metadata", "name"]),
            ("spec.containers[].image", vec!["spec", "containers", "image"]),
            ("spec.containers[*].image", vec!["spec", "containers", "image"]),
            (
                "metadata.labels['app.kubernetes.io/name']",
                vec!["metadata", "labels", "app.kubernetes.io/name"],
            ),
            ("data[\"a.b\"].c", vec!["data", "a.b", "c"]),
        ] {
            assert_eq!(
                segments(path).as_deref(),
                Some(&expected.iter().map(|s| s.to_string()).collect::<Vec<_>>()[..]),
                "{path}"
            );
        }
        for path in ["", ".", "a..b", "a.", "[]", "a[0]", "a['b'", "a['']", "a[]b", "a b"] {
            assert_eq!(segments(path), None, "{path:?} should be refused");
        }
    }

    #[test]
    fn a_shorter_path_wins_over_a_longer_one() {
        let projection = Projection::parse(&["a.b".into(), "a".into()]).unwrap();
        let below = projection.wanted().below("a").unwrap();
        assert_eq!(below, Wanted::Everything);
        assert_eq!(projection.wanted().below("b"), None);
    }
}
