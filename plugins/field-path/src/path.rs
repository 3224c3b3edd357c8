//! Parsing and printing of one path.

#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use crate::echo;

/// The maximum number of names in a path: deeper than any field of Kubernetes.
pub const MAX_DEPTH: usize = 32;
/// The maximum length of a path, in bytes: checked before anything is allocated (the attack was two million names).
pub const MAX_BYTES: usize = 4 << 10;

/// The names from the root of an object to a field; never empty, at most [`MAX_DEPTH`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Path {
    names: Vec<String>,
}

/// A path that does not follow the grammar: unbalanced brackets or quotes, an index, an empty name, too many names, or too
/// many bytes. It keeps as much of the path as it repeats.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "field path {0} is malformed; write it like spec.containers[].image or metadata.labels['app.kubernetes.io/name']"
)]
pub struct PathError(String);

impl Path {
    /// The names, outermost first.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

impl FromStr for Path {
    type Err = PathError;

    /// Parses a path; a dot in front of it is allowed, as kubectl's JSONPath has it.
    fn from_str(text: &str) -> Result<Self, PathError> {
        let malformed = || PathError(echo(text));
        if text.len() > MAX_BYTES {
            return Err(malformed());
        }
        let mut rest = text.strip_prefix('.').unwrap_or(text);
        let mut names = Vec::new();
        while !rest.is_empty() {
            let (name, after) = segment(rest, names.is_empty()).ok_or_else(malformed)?;
            if name.is_some() && names.len() >= MAX_DEPTH {
                return Err(malformed());
            }
            names.extend(name.map(str::to_owned));
            rest = after;
        }
        if names.is_empty() {
            return Err(malformed());
        }
        Ok(Self { names })
    }
}

/// The first name of `rest` (None for `[]` and `[*]`, which name nothing) and what follows its separator.
fn segment(rest: &str, is_first: bool) -> Option<(Option<&str>, &str)> {
    let Some(bracket) = rest.strip_prefix('[') else {
        let (name, after) = rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len()));
        // Every array is continued in all of its elements; a plain `*` would ask for a field of that name.
        if name.is_empty() || name == "*" || name.contains(['\'', '"', ']', ' ']) {
            return None;
        }
        return Some((Some(name), after_separator(after)?));
    };
    let (inside, after) = bracket.split_once(']')?;
    let name = match inside {
        "" | "*" if !is_first => None,
        _ => {
            let unquoted = |quote: char| inside.strip_prefix(quote)?.strip_suffix(quote);
            Some(unquoted('\'').or_else(|| unquoted('"')).filter(|name| !name.is_empty())?)
        }
    };
    Some((name, after_separator(after)?))
}

/// The text behind a name: its end, a bracket, or a dot with more behind it.
fn after_separator(after: &str) -> Option<&str> {
    match after.strip_prefix('.') {
        Some("") => None,
        Some(more) => Some(more),
        None if after.is_empty() || after.starts_with('[') => Some(after),
        None => None,
    }
}

impl fmt::Display for Path {
    /// Writes the path so that it parses to the same names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.names.iter().enumerate() {
            let special = |letter: char| {
                letter.is_whitespace()
                    || letter.is_control()
                    || matches!(letter, '.' | ',' | '[' | ']' | '\'' | '"')
            };
            let is_plain = name != "*" && !name.contains(special);
            match (is_plain, index) {
                (true, 0) => write!(f, "{name}")?,
                (true, _) => write!(f, ".{name}")?,
                // A name holds no `]`, so single quotes close it whatever else it holds.
                (false, _) => write!(f, "['{name}']")?,
            }
        }
        Ok(())
    }
}
