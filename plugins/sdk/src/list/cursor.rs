//! The continue token of a list: the version of the list that all pages show, and where the next one goes on.
//!
//! The API server's own token stands inside of it, untouched. Every page reads the list as it was at the first one's
//! resourceVersion, so an object that lives throughout comes exactly once.

/// A place in a list: a chunk of the API server's, and how many objects of it lie before.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The API server's continue token; empty for the start of the list.
    pub(super) token: String,
    /// Objects before the chunk.
    pub(super) base: u64,
    /// Objects of the chunk before the place.
    pub(super) skip: u64,
}

impl Place {
    /// Objects before it in the whole list.
    pub(super) fn index(&self) -> u64 {
        self.base.saturating_add(self.skip)
    }
}

/// Which objects the next page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Those that are not well.
    Unwell,
    /// The rest: all objects, but for the unwell ones before `bound`, which have been shown.
    Rest,
    /// A sorted list, after the rows that have been shown.
    Sorted,
}

/// Where an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) phase: Phase,
    /// Rows that earlier pages showed.
    pub(super) shown: u64,
    /// How many objects there are; 0: unknown.
    pub(super) total: u64,
    /// The unwell objects before this index lead the list.
    pub(super) bound: u64,
    pub(super) place: Place,
    pub(super) resource_version: String,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let phase = match self.phase {
            Phase::Unwell => 'u',
            Phase::Rest => 'r',
            Phase::Sorted => 's',
        };
        let Self { shown, total, bound, place, resource_version, .. } = self;
        let Place { token, base, skip } = place;
        // Never a dot at the end: whoever copies it would take it for that of a sentence.
        let token = if token.is_empty() { "-" } else { token };
        write!(f, "{phase}.{shown}.{total}.{bound}.{base}.{skip}.{resource_version}.{token}")
    }
}

impl std::str::FromStr for Cursor {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = || {
            let mut parts = text.trim().splitn(8, '.');
            let phase = match parts.next()? {
                "u" => Phase::Unwell,
                "r" => Phase::Rest,
                "s" => Phase::Sorted,
                _ => return None,
            };
            let mut number = || parts.next()?.parse::<u64>().ok();
            let (shown, total, bound) = (number()?, number()?, number()?);
            let (base, skip) = (number()?, number()?);
            let resource_version = parts.next()?.to_owned();
            let token = parts.next().filter(|token| *token != "-").unwrap_or_default().to_owned();
            let place = Place { token, base, skip };
            Some(Self { phase, shown, total, bound, place, resource_version })
        };
        parsed().ok_or_else(|| {
            "continue parameter is not the token of an earlier answer; leave it out to start again".to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_what_was_written() {
        let cursor = Cursor {
            phase: Phase::Rest,
            shown: 180,
            total: 2000,
            bound: 2000,
            place: Place { token: "eyJ2IjoibWV0YS5rOHMuaW8vdjEi.x".into(), base: 500, skip: 7 },
            resource_version: "4711".into(),
        };
        assert_eq!(cursor.to_string().parse(), Ok(cursor.clone()));
        let start = Cursor { place: Place::default(), ..cursor };
        assert!(start.to_string().ends_with(".-"));
        assert_eq!(start.to_string().parse(), Ok(start));
        for text in ["", "eyJ2", "r.1.2", "x.1.2.3.4.5.6.t", "r.a.2.3.4.5.6.t"] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }
}
