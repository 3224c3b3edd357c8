//! Curve of latency by load, as SVG: p50 dashed, p99 in full.

use std::fmt::Write as _;

use super::results::{Contender, Load};

/// Size of the drawing, and the margins that the scales stand in.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const MARGIN: f64 = 60.0;
/// Contenders with their colours.
const LINES: [(Contender, &str, &str); 3] = [
    (Contender::ApiServer, "#4477aa", "API server"),
    (Contender::Porthole, "#228833", "Porthole /mcp"),
    (Contender::Peer, "#cc6677", "kubernetes-mcp-server"),
];

/// Scales of both axes; that of latency is logarithmic.
struct Scale {
    rate: f64,
    least: f64,
    most: f64,
}

impl Scale {
    /// None without a load.
    fn of(loads: &[Load]) -> Option<Self> {
        let rate = loads.iter().map(|load| load.rate).fold(0.0, f64::max);
        let least = loads.iter().map(|load| load.p50).fold(f64::INFINITY, f64::min);
        let most = loads.iter().map(|load| load.p99).fold(0.0, f64::max);
        let decade = |value: f64| value.max(0.01).log10();
        (rate > 0.0).then(|| Self {
            rate,
            least: decade(least).floor(),
            most: decade(most).ceil().max(decade(least).floor() + 1.0),
        })
    }

    fn x(&self, rate: f64) -> f64 {
        MARGIN + rate / self.rate * (WIDTH - 2.0 * MARGIN)
    }

    fn y(&self, latency: f64) -> f64 {
        let part = (latency.max(0.01).log10() - self.least) / (self.most - self.least);
        HEIGHT - MARGIN - part * (HEIGHT - 2.0 * MARGIN)
    }
}

/// Draws the loads of one kind of work; None without any.
pub(crate) fn curve(loads: &[Load]) -> Option<String> {
    let scale = Scale::of(loads)?;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"Latency by calls a second\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    axes(&mut svg, &scale);
    let mut legend = MARGIN;
    for (contender, colour, name) in LINES {
        let mut points: Vec<&Load> = loads.iter().filter(|load| load.contender == contender).collect();
        points.sort_by(|one, other| one.rate.total_cmp(&other.rate));
        if points.is_empty() {
            continue;
        }
        for (dash, latency) in
            [(" stroke-dasharray=\"4 3\"", (|load| load.p50) as fn(&Load) -> f64), ("", |load| load.p99)]
        {
            let at = |load: &&Load| format!("{:.1},{:.1}", scale.x(load.rate), scale.y(latency(load)));
            let line = points.iter().map(at).collect::<Vec<_>>().join(" ");
            let _ = writeln!(
                svg,
                "<polyline points=\"{line}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dash}/>"
            );
        }
        let _ = writeln!(svg, "<text x=\"{legend}\" y=\"20\" fill=\"{colour}\">{name}</text>");
        legend += 180.0;
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

/// Draws a line for each power of ten of latency, and five marks of the rate.
fn axes(svg: &mut String, scale: &Scale) {
    let (left, right, bottom) = (MARGIN, WIDTH - MARGIN, HEIGHT - MARGIN);
    let mut decade = scale.least;
    while decade <= scale.most {
        let (latency, y) = (10_f64.powf(decade), scale.y(10_f64.powf(decade)));
        let _ =
            writeln!(svg, "<line x1=\"{left}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>");
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{y:.1}\" text-anchor=\"end\" fill=\"#555\">{latency} ms</text>",
            left - 6.0
        );
        decade += 1.0;
    }
    for mark in 0..=4 {
        let rate = scale.rate * f64::from(mark) / 4.0;
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"#555\">{rate:.0}</text>",
            scale.x(rate),
            bottom + 18.0
        );
    }
    let words = "calls a second that are due; dashed p50, full p99";
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"#555\">{words}</text>",
        WIDTH / 2.0,
        HEIGHT - 14.0
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(contender: Contender, rate: f64, p50: f64, p99: f64) -> Load {
        Load { work: "pods_get".into(), contender, rate, due: 1, answered: 1, p50, p99, p999: p99 }
    }

    #[test]
    fn each_contender_has_two_lines_to_scale() {
        let loads = [
            load(Contender::Porthole, 100.0, 1.0, 10.0),
            load(Contender::Porthole, 50.0, 1.0, 100.0),
            load(Contender::PortholeAgain, 100.0, 1.0, 1.0),
        ];
        let svg = curve(&loads).unwrap();
        // By rate, not in the order of measuring; the second host is noise and not drawn.
        assert!(svg.contains("<polyline points=\"360.0,300.0 660.0,300.0\" fill=\"none\" stroke=\"#228833\" stroke-width=\"2\" stroke-dasharray"), "{svg}");
        assert!(svg.contains("<polyline points=\"360.0,60.0 660.0,180.0\" fill"), "{svg}");
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.contains(">1 ms<") && svg.contains(">10 ms<") && svg.contains(">100 ms<"), "{svg}");
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert_eq!(curve(&[]), None);
    }
}
