//! Ages, as `kubectl` writes them.

use std::time::{SystemTime, UNIX_EPOCH};

/// The time in an RFC 3339 text of Kubernetes.
pub fn parse_time(text: &str) -> Option<SystemTime> {
    humantime::parse_rfc3339(text).ok()
}

/// Seconds from then to now; 0 where then is later.
pub fn seconds_since(then: SystemTime) -> u64 {
    SystemTime::now().duration_since(then).map_or(0, |age| age.as_secs())
}

/// The age of a timestamp: `45s`, `12m`, `5h30m`, `3d4h`, `12d`; empty if it is not a timestamp.
pub fn age(timestamp: &str) -> String {
    match parse_time(timestamp) {
        Some(then) if then > UNIX_EPOCH => short(seconds_since(then)),
        _ => String::new(),
    }
}

/// A duration in the units that matter (apimachinery's `duration.HumanDuration`).
fn short(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |big: u64, unit: char, small: u64, small_unit: char| match small {
        0 => format!("{big}{unit}"),
        _ => format!("{big}{unit}{small}{small_unit}"),
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, 'm', seconds % 60, 's'),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, 'h', minutes % 60, 'm'),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, 'd', hours % 24, 'h'),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => two(days / 365, 'y', days % 365, 'd'),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_those_of_kubectl() {
        for (seconds, expected) in [
            (0, "0s"),
            (119, "119s"),
            (125, "2m5s"),
            (600, "10m"),
            (7200, "120m"),
            (11_100, "3h5m"),
            (36_000, "10h"),
            (180_000, "2d2h"),
            (864_000, "10d"),
            (70_000_000, "2y80d"),
            (252_287_999, "7y364d"),
            (252_288_000, "8y"),
            (283_910_400, "9y"),
        ] {
            assert_eq!(short(seconds), expected);
        }
        assert_eq!(age(""), "");
        assert_eq!(age("nonsense"), "");
    }
}
