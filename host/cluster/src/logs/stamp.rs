//! Timestamps that the kubelet puts before lines.

use porthole_contract::{Echo, Failure, Reason};

use super::source::MAX_TIME;

/// Min bytes of an RFC 3339 timestamp: `2026-11-24T10:00:00Z`.
const MIN_STAMP: usize = 20;
/// Max bytes: nine digits of a second, and an offset.
const MAX_STAMP: usize = 35;

/// A line without its timestamp, and the timestamp if there is one.
pub(super) fn split(line: &[u8]) -> (Option<&str>, &[u8]) {
    let none = (None, line);
    let head = line.get(..line.len().min(MAX_STAMP.saturating_add(1))).unwrap_or(line);
    let Some(space) = memchr::memchr(b' ', head) else {
        // The kubelet's line without text: its timestamp and a space, or a line of the application.
        return none;
    };
    match (line.get(..space).and_then(stamp), line.get(space.saturating_add(1)..)) {
        (Some(stamp), Some(text)) => (Some(stamp), text),
        _ => none,
    }
}

/// The text, if it has the form of a timestamp. Its numbers are not checked: the kubelet wrote it.
fn stamp(bytes: &[u8]) -> Option<&str> {
    const FORM: &[u8] = b"0000-00-00T00:00:00";
    let fits = |(byte, form): (&u8, &u8)| match form {
        b'0' => byte.is_ascii_digit(),
        form => byte == form,
    };
    let rest = bytes.get(FORM.len()..)?;
    let ends = matches!(rest, [.., b'Z'] | [.., b'0'..=b'9']);
    let plain =
        rest.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'Z' | b':' | b'+' | b'-'));
    let is_stamp = bytes.len() >= MIN_STAMP
        && bytes.len() <= MAX_STAMP
        && bytes.iter().zip(FORM).all(fits)
        && ends
        && plain;
    str::from_utf8(bytes).ok().filter(|_| is_stamp)
}

/// A point in time for comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(jiff::Timestamp);

impl Moment {
    /// Parses an RFC 3339 timestamp.
    pub(super) fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|_| text.len() <= MAX_TIME).map(Self)
    }

    /// Parses a caller's argument.
    pub(super) fn argument(name: &str, text: &str) -> Result<Self, Failure> {
        Self::parse(text).ok_or_else(|| {
            let cause = format!("{name} {} is not a time; write it like 2026-11-24T10:00:00Z", Echo(text));
            Failure::new(Reason::Invalid, cause)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_taken_off_and_nothing_else() {
        for (line, stamp, text) in [
            ("2026-11-24T10:00:00.123456789Z a b", Some("2026-11-24T10:00:00.123456789Z"), "a b"),
            ("2026-11-24T10:00:00+02:00 a", Some("2026-11-24T10:00:00+02:00"), "a"),
            ("2026-11-24T10:00:00Z ", Some("2026-11-24T10:00:00Z"), ""),
            ("2026-11-24T10:00:00Z", None, "2026-11-24T10:00:00Z"),
            ("2026-11-24 10:00:00 a", None, "2026-11-24 10:00:00 a"),
            ("2026-11-24T10:00:00,5Z a", None, "2026-11-24T10:00:00,5Z a"),
            ("2026-11-24T10:00 a", None, "2026-11-24T10:00 a"),
            ("tick 7 ..", None, "tick 7 .."),
            ("", None, ""),
        ] {
            assert_eq!(split(line.as_bytes()), (stamp, text.as_bytes()), "{line}");
        }
    }

    #[test]
    fn times_compare_whatever_their_offsets_and_digits() {
        let moment = |text: &str| Moment::parse(text).unwrap();
        assert!(moment("2026-11-24T10:00:00.5Z") > moment("2026-11-24T10:00:00.49Z"));
        assert_eq!(moment("2026-11-24T12:00:00+02:00"), moment("2026-11-24T10:00:00Z"));
        let failure = Moment::argument("untilTime", "yesterday").unwrap_err();
        assert!(
            failure.message.contains("untilTime \"yesterday\"") && failure.reason == Reason::Invalid,
            "{failure}"
        );
    }
}
