//! Timestamps: parses `$now-3d4h` in a manifest, and formats ages like `kubectl`.

use jiff::{Timestamp, Unit};
use serde_json::Value;

/// Format of a Kubernetes timestamp.
const SECONDS: &str = "%Y-%m-%dT%H:%M:%SZ";
/// Fields of type MicroTime. All other timestamps have whole seconds, and Go's parsers insist on the right format.
const MICROSECONDS: [&str; 4] = ["eventTime", "lastObservedTime", "acquireTime", "renewTime"];

/// Replaces every string of the form `$now`, `$now-3d4h` or `$now+30s`; `Err` holds an invalid one.
pub(crate) fn fill(value: &mut Value, now: Timestamp) -> Result<(), String> {
    fill_as(value, now, SECONDS)
}

fn fill_as(value: &mut Value, now: Timestamp, format: &str) -> Result<(), String> {
    match value {
        Value::String(text) if text.starts_with("$now") => {
            let moment = relative(text, now).ok_or_else(|| text.clone())?;
            *text = moment.strftime(format).to_string();
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| fill_as(item, now, format)),
        Value::Object(fields) => fields.iter_mut().try_for_each(|(name, field)| {
            let micro = MICROSECONDS.contains(&name.as_str());
            fill_as(field, now, if micro { "%Y-%m-%dT%H:%M:%S.%6fZ" } else { SECONDS })
        }),
        _ => Ok(()),
    }
}

fn relative(text: &str, now: Timestamp) -> Option<Timestamp> {
    let offset = text.strip_prefix("$now")?;
    if offset.is_empty() {
        return Some(now);
    }
    let (sign, span) = offset.split_at_checked(1)?;
    let span = humantime::parse_duration(span).ok()?;
    match sign {
        "-" => now.checked_sub(span).ok(),
        "+" => now.checked_add(span).ok(),
        _ => None,
    }
}

/// Seconds since a timestamp in a JSON value; `None` if it is no timestamp.
pub(crate) fn seconds_since(value: &Value, now: Timestamp) -> Option<i64> {
    let then: Timestamp = value.as_str()?.parse().ok()?;
    Some(now.as_second().saturating_sub(then.as_second()))
}

/// Age of a timestamp as in a table, `<unknown>` if it is missing.
pub(crate) fn age(value: &Value, now: Timestamp) -> String {
    seconds_since(value, now).map_or_else(|| "<unknown>".to_owned(), duration)
}

/// Formats seconds like `k8s.io/apimachinery/pkg/util/duration.HumanDuration`.
pub(crate) fn duration(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let two = |big: i64, unit: char, small: i64, part: char| {
        if small == 0 { format!("{big}{unit}") } else { format!("{big}{unit}{small}{part}") }
    };
    match seconds {
        ..=-2 => "<invalid>".to_owned(),
        -1..=0 => "0s".to_owned(),
        1..120 => format!("{seconds}s"),
        _ if minutes < 10 => two(minutes, 'm', seconds % 60, 's'),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => two(hours, 'h', minutes % 60, 'm'),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 192 => two(days, 'd', hours % 24, 'h'),
        _ if days < 730 => format!("{days}d"),
        _ if days < 2920 => two(days / 365, 'y', days % 365, 'd'),
        _ => format!("{}y", days / 365),
    }
}

/// Current time of the cluster, in whole seconds.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    now.round(Unit::Second).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_kubectl_writes_them() {
        for (seconds, text) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (185, "3m5s"),
            (600, "10m"),
            (10_800, "3h"),
            (12_000, "3h20m"),
            (28_800, "8h"),
            (180_000, "2d2h"),
            (864_000, "10d"),
            (70_000_000, "2y80d"),
            (252_287_999, "7y364d"),
            (252_288_000, "8y"),
            (283_910_400, "9y"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn moments_are_relative_to_now() {
        let now: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap_or_default();
        let mut value = serde_json::json!({"a": ["$now-1h30m", "$now", "$nowhere else"], "b": "$now+30s"});
        assert_eq!(fill(&mut value, now), Err("$nowhere else".to_owned()));
        let mut value = serde_json::json!({"a": ["$now-1h30m", "$now"], "eventTime": "$now+30s"});
        assert_eq!(fill(&mut value, now), Ok(()));
        assert_eq!(
            value,
            serde_json::json!({"a": ["2026-11-24T08:30:00Z", "2026-11-24T10:00:00Z"], "eventTime": "2026-11-24T10:00:30.000000Z"})
        );
    }
}
