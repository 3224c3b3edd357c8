//! Schedules of CronJobs: the times at which one is due, in UTC.

/// Seconds of a minute and of a day.
const MINUTE: u64 = 60;
const DAY: u64 = 86_400;
/// Days that are looked at for a due time: a leap year.
const HORIZON: u64 = 366;
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A schedule of five fields, each the set of values as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Schedule {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// True if either day may fit, since both are restricted.
    is_either: bool,
}

impl Schedule {
    /// The schedule of a text such as `*/5 * * * *` or `@daily`; None for what is not understood.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            text => text,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.as_slice() else { return None };
        // A star with a step restricts, as it does in the library of the controller.
        let is_free = |field: &str| field.split(',').any(|part| matches!(part, "*" | "?" | "*/1"));
        // Sunday is 0 and 7.
        let weekday_bits = bits(weekdays, 0, 7, &DAYS)?;
        Some(Self {
            minutes: bits(minutes, 0, 59, &[])?,
            hours: bits(hours, 0, 23, &[])?,
            days: bits(days, 1, 31, &[])?,
            months: bits(months, 1, 12, &MONTHS)?,
            weekdays: weekday_bits | (weekday_bits >> 7 & 1),
            is_either: !is_free(days) && !is_free(weekdays),
        })
    }

    /// The first due time after `after`, if there is one within a year.
    pub(crate) fn next(&self, after: u64) -> Option<u64> {
        let first = (after / MINUTE + 1) * MINUTE;
        let days = (first / DAY..first / DAY + HORIZON).filter(|day| self.is_day(*day));
        let mut times = days.flat_map(|day| (day * DAY..(day + 1) * DAY).step_by(60));
        times.find(|time| *time >= first && self.is_time(*time))
    }

    fn is_day(&self, days: u64) -> bool {
        let (month, day) = date(days);
        let weekday = (days + 4) % 7;
        let (is_day, is_weekday) = (has(self.days, day), has(self.weekdays, weekday));
        has(self.months, month) && if self.is_either { is_day || is_weekday } else { is_day && is_weekday }
    }

    fn is_time(&self, time: u64) -> bool {
        has(self.minutes, time / MINUTE % 60) && has(self.hours, time / 3600 % 24)
    }
}

fn has(bits: u64, value: u64) -> bool {
    bits >> value & 1 == 1
}

/// The values of a field such as `1,5-9/2` or `mon-fri`.
fn bits(field: &str, least: u64, most: u64, names: &[&str]) -> Option<u64> {
    let number = |text: &str| {
        let text = text.to_lowercase();
        let named = names.iter().position(|name| **name == text);
        let value = match named {
            Some(at) => at as u64 + least,
            None => text.parse().ok()?,
        };
        (least..=most).contains(&value).then_some(value)
    };
    let mut bits = 0;
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<u64>().ok().filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" || range == "?" => (least, most),
            Some((from, to)) => (number(from)?, number(to)?),
            None if part.contains('/') => (number(range)?, most),
            None => (number(range)?, number(range)?),
        };
        if from > to {
            return None;
        }
        bits |= (from..=to).step_by(usize::try_from(step).ok()?).fold(0, |bits, value| bits | 1 << value);
    }
    Some(bits)
}

/// Month and day of the month of a day since 1970 (civil_from_days by Howard Hinnant).
fn date(days: u64) -> (u64, u64) {
    let days = days + 719_468;
    let of_era = days % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    (if month < 10 { month + 3 } else { month - 9 }, day)
}

#[cfg(test)]
mod tests {
    use super::{Schedule, date};
    use crate::time;

    fn next(schedule: &str, after: &str) -> Option<u64> {
        Schedule::parse(schedule)?.next(time::parse(after)?)
    }

    #[test]
    fn a_schedule_is_due_as_cron_says() {
        // 2026-11-24 is a Tuesday.
        for (schedule, due) in [
            ("*/5 * * * *", "2026-11-24T12:05:00Z"),
            ("0 3 * * *", "2026-11-25T03:00:00Z"),
            ("@hourly", "2026-11-24T13:00:00Z"),
            ("30 4 1 * *", "2026-12-01T04:30:00Z"),
            ("0 0 * * mon-fri", "2026-11-25T00:00:00Z"),
            ("0 0 * * 7", "2026-11-29T00:00:00Z"),
            ("0 0 13 * fri", "2026-11-27T00:00:00Z"),
            ("0 0 29 feb *", "2028-02-29T00:00:00Z"),
            ("15,45 8-18/2 * * *", "2026-11-24T12:15:00Z"),
        ] {
            let found = next(schedule, "2026-11-24T12:00:00Z");
            let due = if schedule.contains("feb") { None } else { time::parse(due) };
            assert_eq!(found, due, "{schedule}");
        }
        for schedule in
            ["0 9-5 * * *", "", "* * * *", "61 * * * *", "x * * * *", "*/0 * * * *", "TZ=UTC 0 0 * * *"]
        {
            assert_eq!(Schedule::parse(schedule), None, "{schedule}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_has_its_month_and_day() {
        let mut days = 0;
        for year in 1970..2371 {
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let february = if is_leap { 29 } else { 28 };
            let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            for (month, length) in (1..).zip(lengths) {
                for day in 1..=length {
                    assert_eq!(date(days), (month, day), "{year}");
                    days += 1;
                }
            }
        }
    }

    #[test]
    fn a_schedule_is_next_due_after_a_time_and_never_at_it() {
        for (schedule, after, due) in [
            ("* * * * *", "2026-11-24T12:00:59Z", "2026-11-24T12:01:00Z"),
            ("0 12 * * *", "2026-11-24T11:59:59Z", "2026-11-24T12:00:00Z"),
            ("0 12 * * *", "2026-11-24T12:00:00Z", "2026-11-25T12:00:00Z"),
            ("0 0 29 feb *", "2027-12-01T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("59 23 31 12 *", "2026-11-24T12:00:00Z", "2026-12-31T23:59:00Z"),
            ("@yearly", "2026-11-24T12:00:00Z", "2027-01-01T00:00:00Z"),
            ("@annually", "2026-11-24T12:00:00Z", "2027-01-01T00:00:00Z"),
            ("@monthly", "2026-11-24T12:00:00Z", "2026-12-01T00:00:00Z"),
            ("@weekly", "2026-11-24T12:00:00Z", "2026-11-29T00:00:00Z"),
            ("@daily", "2026-11-24T12:00:00Z", "2026-11-25T00:00:00Z"),
            ("@midnight", "2026-11-24T12:00:00Z", "2026-11-25T00:00:00Z"),
            ("5/20 * * * *", "2026-11-24T12:26:00Z", "2026-11-24T12:45:00Z"),
            ("0 0 ? * sun", "2026-11-24T12:00:00Z", "2026-11-29T00:00:00Z"),
            // A star with a step restricts: either day is due.
            ("0 0 */2 * mon", "2026-11-24T12:00:00Z", "2026-11-25T00:00:00Z"),
            // With a star in one field, the other decides.
            ("0 0 1 * *", "2026-11-24T12:00:00Z", "2026-12-01T00:00:00Z"),
            ("0 0 1 jan mon", "2026-12-30T12:00:00Z", "2027-01-01T00:00:00Z"),
        ] {
            assert_eq!(next(schedule, after), time::parse(due), "{schedule} after {after}");
        }
    }
}
