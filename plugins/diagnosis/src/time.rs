//! Times of the API: RFC 3339 in UTC, and ages.

use std::time::UNIX_EPOCH;

/// Seconds since 1970 of a time such as `2026-11-24T10:00:00Z`, with or without a fraction.
pub fn parse(text: &str) -> Option<u64> {
    let time = humantime::parse_rfc3339(text).ok()?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// `45s`, `12m`, `3h`, `4d`
pub fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_that_of_the_calendar() {
        assert_eq!(parse("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse("2026-11-29T05:38:41Z"), Some(1_795_930_721));
        assert_eq!(parse("2024-02-29T23:59:59.123456Z"), Some(1_709_251_199));
        for text in ["", "2026", "2026-13-01T00:00:00Z", "2026-01-01T25:00:00Z", "x-y-zT1:2:3Z"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(
            (age(59), age(600), age(8000), age(200_000)),
            ("59s".into(), "10m".into(), "2h".into(), "2d".into())
        );
    }

    #[test]
    fn an_age_is_in_the_largest_unit_of_which_there_are_two() {
        for (seconds, shown) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7199, "119m"),
            (7200, "2h"),
            (172_799, "47h"),
            (172_800, "2d"),
        ] {
            assert_eq!(age(seconds), shown);
        }
    }
}
