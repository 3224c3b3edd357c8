//! The continue token of an answer: the version of the list that all answers show, and the position of the next one.
//!
//! It contains the API server's own token; what would end the word is percent-encoded. Every answer reads the list at the resourceVersion of the first,
//! so an object that lives throughout is shown exactly once.

use std::fmt::Write as _;

/// The error of a text that no answer gave.
pub(crate) const INVALID_TOKEN: &str =
    "continue parameter is not the token of an earlier answer; leave it out to start again";

/// The number of objects in a part of a page: a page of rows.
pub(crate) const PART: u64 = 500;

/// A position in a list: a page of the API server's, and a number of its objects to skip.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    /// The API server's continue token; empty for the start of the list.
    pub(crate) token: String,
    /// Objects before the page.
    pub(crate) base: u64,
    /// Objects of the page before the position.
    pub(crate) skip: u64,
}

impl Position {
    /// Objects before it in the whole list: its index.
    pub(crate) fn index(&self) -> u64 {
        self.base.saturating_add(self.skip)
    }

    /// Part of a page that may hold the whole list: its objects are read together.
    pub(crate) fn part(&self) -> (&str, u64) {
        (&self.token, self.skip / PART)
    }
}

/// The severity of an unhealthy object's status; the worst lead the list. A digit, and not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Severity(u8);

impl Severity {
    /// The least, and the only one of a list whose statuses have no order.
    pub(crate) const LEAST: Self = Self(1);

    pub(crate) fn new(severity: u32) -> Self {
        Self(u8::try_from(severity).unwrap_or(u8::MAX).clamp(1, 9))
    }

    /// The next one that is less severe.
    pub(crate) fn below(self) -> Option<Self> {
        (self > Self::LEAST).then(|| Self(self.0.saturating_sub(1)))
    }
}

/// The objects that the next answer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// The unhealthy ones of a severity before `bound`.
    Unhealthy(Severity),
    /// The rest: all objects except for those that earlier answers led with.
    Rest,
    /// A sorted list, after the first `shown` rows.
    Sorted,
}

/// The end of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) phase: Phase,
    /// Rows that earlier answers showed.
    pub(crate) shown: u64,
    /// The number of objects in the list; 0: unknown.
    pub(crate) total: u64,
    /// The unhealthy objects before this index lead the list; of a sorted list, objects from this index on were not
    /// read by the first answer and take no part.
    pub(crate) bound: u64,
    /// Objects before this index lead the list by their rows, those from it on by their outlines; at least `bound` if all
    /// rows were read.
    pub(crate) rows_until: u64,
    pub(crate) position: Position,
    pub(crate) resource_version: String,
    /// Seconds since 1970 at which the first answer compared ages, so that all answers choose the same objects; `None`: the
    /// list is without conditions.
    pub(crate) chosen_at: Option<u64>,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let phase = match self.phase {
            Phase::Unhealthy(Severity::LEAST) => 'u',
            Phase::Unhealthy(Severity(severity)) => char::from(b'0'.saturating_add(severity)),
            Phase::Rest => 'r',
            Phase::Sorted => 's',
        };
        let Self { shown, total, bound, rows_until, position, resource_version, chosen_at, .. } = self;
        let Position { token, base, skip } = position;
        let chosen_at = chosen_at.map(|seconds| seconds.to_string()).unwrap_or_default();
        let rows_until =
            Some(rows_until).filter(|rows| *rows < bound).map(|rows| format!("-{rows}")).unwrap_or_default();
        write!(f, "{phase}{chosen_at}.{shown}.{total}.{bound}{rows_until}.{base}.{skip}.")?;
        // A dot in the version would be read as the end of it.
        escape(f, resource_version, |byte| byte == b'.')?;
        f.write_str(".")?;
        match token.as_str() {
            "" => f.write_str("-"),
            "-" => f.write_str("%2D"),
            // Never a dot at the end: a model that copies the token would take it for that of a sentence.
            token if token.ends_with('.') => escape(f, token, |byte| byte == b'.'),
            token => escape(f, token, |_| false),
        }
    }
}

/// Writes a text of the API server, which may hold anything, so that it stays one word: percent-encoded where it must be.
/// Tokens and versions as Kubernetes makes them are unchanged.
fn escape(f: &mut std::fmt::Formatter<'_>, text: &str, also: impl Fn(u8) -> bool) -> std::fmt::Result {
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !matches!(byte, b'%' | b'"' | b'\\') && !also(byte) {
            f.write_char(char::from(byte))?;
        } else {
            write!(f, "%{byte:02X}")?;
        }
    }
    Ok(())
}

/// The text that was escaped; `None` if it is not what [`escape`] writes.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        let (hex, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(hex, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

impl std::str::FromStr for Cursor {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = || {
            let mut parts = text.trim().splitn(8, '.');
            let (phase, chosen_at) = parts.next()?.split_at_checked(1)?;
            let phase = match phase {
                "u" => Phase::Unhealthy(Severity::LEAST),
                "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" => {
                    Phase::Unhealthy(Severity(phase.parse().ok()?))
                }
                "r" => Phase::Rest,
                "s" => Phase::Sorted,
                _ => return None,
            };
            let chosen_at = match chosen_at {
                "" => None,
                seconds => Some(seconds.parse().ok()?),
            };
            let mut number = || parts.next()?.parse::<u64>().ok();
            let (shown, total) = (number()?, number()?);
            let bound = parts.next()?;
            let (bound, rows_until) = match bound.split_once('-') {
                None => (bound.parse().ok()?, u64::MAX),
                Some((bound, rows)) => (bound.parse::<u64>().ok()?, rows.parse::<u64>().ok()?),
            };
            if rows_until != u64::MAX && rows_until >= bound {
                return None;
            }
            // No list is longer, and the index of a position must not overflow.
            let mut number = || parts.next()?.parse::<u32>().ok().map(u64::from);
            let (base, skip) = (number()?, number()?);
            let resource_version = unescape(parts.next()?)?;
            let token = unescape(parts.next().filter(|token| *token != "-").unwrap_or_default())?;
            let position = Position { token, base, skip };
            Some(Self { phase, shown, total, bound, rows_until, position, resource_version, chosen_at })
        };
        parsed().ok_or_else(|| INVALID_TOKEN.to_owned())
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
            rows_until: 500,
            position: Position { token: "eyJ2IjoibWV0YS5rOHMuaW8vdjEi.x".into(), base: 500, skip: 7 },
            resource_version: "4711".into(),
            chosen_at: None,
        };
        assert_eq!(cursor.to_string().parse(), Ok(cursor.clone()));
        let start = Cursor { position: Position::default(), ..cursor.clone() };
        assert!(start.to_string().ends_with(".-"));
        assert_eq!(start.to_string().parse(), Ok(start));
        let all_rows = Cursor { rows_until: u64::MAX, ..cursor.clone() };
        assert!(all_rows.to_string().starts_with("r.180.2000.2000.500."));
        assert_eq!(all_rows.to_string().parse(), Ok(all_rows));
        for severity in 1..=9 {
            let worse = Cursor {
                phase: Phase::Unhealthy(Severity::new(severity)),
                chosen_at: Some(7),
                ..cursor.clone()
            };
            assert_eq!(worse.to_string().parse(), Ok(worse));
        }
        let chosen = Cursor { chosen_at: Some(1_772_366_400), ..cursor.clone() };
        assert!(chosen.to_string().starts_with("r1772366400.180."));
        assert_eq!(chosen.to_string().parse(), Ok(chosen));
        for (version, token) in
            [("1.2", "a.b"), ("", ""), ("%2E", "%2E"), ("a b\n", "x\ny."), ("-", "-"), ("é", "é")]
        {
            let odd = Cursor {
                position: Position { token: token.into(), ..Position::default() },
                resource_version: version.into(),
                ..cursor.clone()
            };
            let text = odd.to_string();
            assert_eq!(text.parse(), Ok(odd), "{text}");
            assert!(text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.ends_with('.'), "{text:?}");
        }
        for text in [
            "",
            "eyJ2",
            "r.1.2",
            "r.1.2.3-3.4.5.6.t",
            "r.1.2.3-.4.5.6.t",
            "x.1.2.3.4.5.6.t",
            "0.1.2.3.4.5.6.t",
            "1.1.2.3.4.5.6.t",
            "r.a.2.3.4.5.6.t",
            "rr.1.2.3.4.5.6.t",
            "é.1.2.3.4.5.6.t",
        ] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }
}
