//! The time that an answer covers.

use std::time::{Duration, UNIX_EPOCH};

use porthole_diagnosis::time;

/// Without a word on it: a day.
const DEFAULT: u64 = 86_400;
/// Ten years: no cluster remembers more.
const MAX: u64 = 3660 * 86_400;

/// From some time until now, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) since: u64,
    pub(crate) now: u64,
}

impl Window {
    /// Parses `90m`, `1h30m`, `2d`, or a time; a day if there is none.
    pub(crate) fn parse(text: Option<&str>, now: u64) -> Result<Self, String> {
        let age = match text {
            None => Some(DEFAULT),
            Some(text) => match humantime::parse_duration(text.trim_end_matches(" ago")) {
                Ok(duration) => Some(duration.as_secs()),
                Err(_) => parse(text).and_then(|then| now.checked_sub(then)),
            },
        };
        let age = age.filter(|age| (1..=MAX).contains(age)).ok_or_else(|| {
            format!(
                "since {:?} is neither an age such as 30m, 6h or 2d, nor a time in the past such as 2026-11-24T10:00:00Z",
                text.unwrap_or_default()
            )
        })?;
        Ok(Self { since: now.saturating_sub(age), now })
    }

    /// True for a time within it. Clocks of nodes differ, so what is in the future counts too.
    pub(crate) fn has(self, time: u64) -> bool {
        time >= self.since
    }

    /// Its length in seconds.
    pub(crate) fn length(self) -> u64 {
        self.now.saturating_sub(self.since)
    }

    /// A time and its age: `10:59:25Z 35s`; with the day if it is another one than today.
    pub(crate) fn stamp(self, time: u64) -> String {
        let text = rfc3339(time);
        let (day, clock) = text.split_once('T').unwrap_or_default();
        let age = time::age(self.now.saturating_sub(time));
        if rfc3339(self.now).starts_with(day) {
            return format!("{clock} {age}");
        }
        format!("{} {clock} {age}", day.get(5..).unwrap_or_default())
    }
}

/// `2026-11-24T10:00:00Z`
pub(crate) fn rfc3339(time: u64) -> String {
    // The largest that the format can write, instead of a panic.
    const END: u64 = 253_402_300_799;
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(time.min(END))).to_string()
}

/// Seconds since 1970 of an RFC 3339 time with any offset: Helm writes local times.
pub(crate) fn parse(text: &str) -> Option<u64> {
    if let Some(time) = time::parse(text) {
        return Some(time);
    }
    let at = text.len().checked_sub(6)?;
    let (local, offset) = (text.get(..at)?, text.get(at..)?);
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let seconds =
        hours.parse::<u64>().ok()?.checked_mul(3600)? + minutes.parse::<u64>().ok()?.checked_mul(60)?;
    let local = time::parse(&format!("{local}Z"))?;
    match offset.get(..1)? {
        "+" => local.checked_sub(seconds),
        "-" => local.checked_add(seconds),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_521_600; // 2026-11-24T12:00:00Z

    #[test]
    fn a_time_is_an_age_or_a_date() {
        for (text, age) in [
            (None, 86_400),
            (Some("1h"), 3600),
            (Some("1h30m"), 5400),
            (Some("2 days ago"), 172_800),
            (Some("2026-11-24T11:00:00Z"), 3600),
            (Some("2026-11-24T12:00:00+01:00"), 3600),
        ] {
            assert_eq!(Window::parse(text, NOW).map(Window::length), Ok(age), "{text:?}");
        }
        for text in ["", "yesterday", "-1h", "0s", "5000d", "2027-01-01T00:00:00Z"] {
            assert!(Window::parse(Some(text), NOW).unwrap_err().contains("such as 30m"), "{text}");
        }
    }

    #[test]
    fn a_stamp_has_the_day_if_it_is_another() {
        let window = Window { since: NOW - 86_400, now: NOW };
        assert_eq!(window.stamp(NOW - 35), "11:59:25Z 35s");
        assert_eq!(window.stamp(NOW - 50_000), "11-23 22:06:40Z 13h");
        assert_eq!(parse("2026-11-24T13:00:00.123456+01:00"), Some(NOW));
        assert_eq!(parse("2026-11-24T13:00:00+xx:00"), None);
        assert_eq!(rfc3339(u64::MAX), "9999-12-31T23:59:59Z");
    }
}
