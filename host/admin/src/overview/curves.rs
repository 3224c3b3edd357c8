//! Curves of the last hour, as a part of the overview: calls, errors and p99 of each minute, drawn as SVG on the server.
//!
//! Only numbers and fixed words are spliced in. Colours are classes of the style sheet: the Content-Security-Policy admits
//! no style within the page.

use std::{fmt::Write as _, time::Duration};

use maud::{Markup, html};
use porthole_tools::{MINUTES, MinuteMetrics};

use crate::layout::milliseconds;

/// Width of a minute, in units of the drawing.
const STEP: usize = 4;
/// Height of a curve.
const HEIGHT: f64 = 48.0;

/// Renders the curves of the last hour, oldest minute first.
pub(super) fn curves(hour: &[MinuteMetrics]) -> Markup {
    let number = |value: f64| format!("{value:.0}");
    let duration = |value: f64| milliseconds(Duration::from_secs_f64(value));
    let count = |count: u64| {
        #[expect(clippy::cast_precision_loss, reason = "a height of at most 48 units")]
        let count = count as f64;
        Some(count)
    };
    html! {
        h2 { "The last hour" }
        @if hour.iter().all(|minute| minute.calls == 0) {
            p.quiet { "No calls." }
        } @else {
            div.curves {
                (curve("Calls a minute", "line", number, hour.iter().map(|minute| count(minute.calls))))
                (curve("Errors a minute", "line error", number, hour.iter().map(|minute| count(minute.errors))))
                (curve("p99", "line", duration, hour.iter().map(|minute| Some(minute.p99?.as_secs_f64()))))
            }
            p.quiet { "Each point is a minute, the last one is not over. A minute without calls has no p99." }
        }
    }
}

/// Renders one curve, scaled to its highest value, with that and the last value in words.
fn curve(
    name: &str,
    class: &str,
    shown: impl Fn(f64) -> String,
    values: impl Iterator<Item = Option<f64>>,
) -> Markup {
    let values: Vec<Option<f64>> = values.collect();
    let highest = values.iter().flatten().copied().fold(0.0, f64::max);
    let last = values.last().copied().flatten().map_or_else(|| "-".to_owned(), &shown);
    let words = format!("at most {}, now {last}", shown(highest));
    let view = format!("0 -2 {} {}", MINUTES.saturating_mul(STEP), HEIGHT + 4.0);
    html! {
        figure {
            figcaption { (name) span.quiet { " " (words) } }
            svg viewBox=(view) role="img" preserveAspectRatio="none" aria-label={ (name) ": " (words) } {
                @for points in lines(&values, highest) {
                    polyline class=(class) points=(points) {}
                }
            }
        }
    }
}

/// Points of each run of values; a minute without a value interrupts the curve. A single value is drawn as a minute's dash.
fn lines(values: &[Option<f64>], highest: f64) -> Vec<String> {
    let height = |value: f64| if highest > 0.0 { HEIGHT - value / highest * HEIGHT } else { HEIGHT };
    let mut lines = Vec::new();
    let mut points = String::new();
    for (minute, value) in values.iter().enumerate() {
        let Some(value) = value else {
            lines.extend((!points.is_empty()).then(|| std::mem::take(&mut points)));
            continue;
        };
        let x = minute.saturating_mul(STEP);
        if points.is_empty() {
            let _ = write!(points, "{x},{:.1}", height(*value));
        }
        let _ = write!(points, " {},{:.1}", x.saturating_add(STEP), height(*value));
    }
    lines.extend((!points.is_empty()).then_some(points));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An hour of which only the last minutes have calls.
    fn hour(last: &[MinuteMetrics]) -> Vec<MinuteMetrics> {
        let mut hour = vec![MinuteMetrics::default(); MINUTES - last.len()];
        hour.extend(last);
        hour
    }

    fn minute(calls: u64, errors: u64, p99: Option<u64>) -> MinuteMetrics {
        MinuteMetrics { calls, errors, p99: p99.map(Duration::from_millis) }
    }

    #[test]
    fn an_hour_is_drawn_to_scale_and_a_minute_without_calls_has_no_p99() {
        let last =
            [minute(8, 0, Some(20)), minute(0, 0, None), minute(4, 2, Some(5)), minute(2, 0, Some(10))];
        let page = curves(&hour(&last)).into_string();
        for part in [
            "<figcaption>Calls a minute<span class=\"quiet\"> at most 8, now 2</span></figcaption>",
            "<svg viewBox=\"0 -2 240 52\" role=\"img\" preserveAspectRatio=\"none\" aria-label=\"Calls a minute: at most 8, now 2\">",
            " 224,48.0 228,0.0 232,48.0 236,24.0 240,36.0\"></polyline></svg>",
            "<polyline class=\"line error\" points=\"0,48.0",
            "aria-label=\"p99: at most 20 ms, now 10 ms\"><polyline class=\"line\" points=\"224,0.0 228,0.0\"></polyline>\
             <polyline class=\"line\" points=\"232,36.0 236,36.0 240,24.0\"></polyline></svg>",
        ] {
            assert!(page.contains(part), "no {part:?} in {page}");
        }
        // The Content-Security-Policy would refuse both.
        assert!(!page.contains("style=") && !page.contains("<script"), "{page}");
    }

    #[test]
    fn an_hour_without_calls_is_said_and_one_without_errors_is_flat() {
        let page = curves(&hour(&[])).into_string();
        assert_eq!(page, "<h2>The last hour</h2><p class=\"quiet\">No calls.</p>");
        let page = curves(&hour(&[minute(1, 0, Some(1))])).into_string();
        assert!(page.contains("Errors a minute: at most 0, now 0") && !page.contains("NaN"), "{page}");
    }
}
