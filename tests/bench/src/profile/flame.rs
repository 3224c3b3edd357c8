//! Flame graph of stacks, as SVG: width by samples, outermost functions at the bottom, the whole name in each title.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    layers::{Layer, layer},
    stacks::Stack,
};

const WIDTH: f64 = 1400.0;
const ROW: f64 = 16.0;
/// Least width of a box; narrower ones and what stands on them are left out.
const LEAST: f64 = 0.5;
/// Frames of a stack that are drawn, from the outermost.
const MAX_DEPTH: usize = 96;
/// Width of a letter, to cut names.
const LETTER: f64 = 6.5;

/// Calls of a function, by their callees.
#[derive(Default)]
struct Node {
    samples: usize,
    callees: BTreeMap<String, Self>,
}

impl Node {
    fn depth(&self) -> usize {
        1 + self.callees.values().map(Self::depth).max().unwrap_or(0)
    }
}

/// Draws the stacks; each layer has a box of its own at the bottom.
pub(crate) fn graph(stacks: &[Stack]) -> String {
    let mut root = Node::default();
    for stack in stacks {
        root.samples += 1;
        let mut node = root.callees.entry(layer(stack).name().to_owned()).or_default();
        node.samples += 1;
        for frame in stack.iter().rev().take(MAX_DEPTH) {
            node = node.callees.entry(frame.function.clone()).or_default();
            node.samples += 1;
        }
    }
    let height = root.depth() as f64 * ROW;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"monospace\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    let all = root.samples.max(1);
    draw(&mut svg, "all", &root, all, (0.0, height - ROW));
    svg.push_str("</svg>\n");
    svg
}

/// Draws a box, and its callees on it.
fn draw(svg: &mut String, name: &str, node: &Node, all: usize, (mut x, y): (f64, f64)) {
    let width = node.samples as f64 / all as f64 * WIDTH;
    if width < LEAST {
        return;
    }
    let share = node.samples as f64 * 100.0 / all as f64;
    let _ = writeln!(
        svg,
        "<g><title>{} ({} samples, {share:.2} %)</title><rect x=\"{x:.1}\" y=\"{y:.0}\" width=\"{width:.1}\" height=\"{}\" fill=\"{}\" stroke=\"#fff\"/>",
        escaped(name),
        node.samples,
        ROW,
        colour(name)
    );
    let letters = (width / LETTER).floor().max(0.0);
    if letters >= 3.0 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of WIDTH")]
        let cut: String = name.chars().take(letters as usize).collect();
        let _ = write!(svg, "<text x=\"{:.1}\" y=\"{:.0}\">{}</text>", x + 2.0, y + 12.0, escaped(&cut));
    }
    svg.push_str("</g>\n");
    for (name, callee) in &node.callees {
        draw(svg, name, callee, all, (x, y - ROW));
        x += callee.samples as f64 / all as f64 * WIDTH;
    }
}

/// Colour by layer for functions that have one, so that a layer is seen.
fn colour(name: &str) -> &'static str {
    let frame = super::stacks::Frame { function: name.to_owned(), file: String::new() };
    match layer(&vec![frame]) {
        Layer::HttpIn | Layer::HttpOut | Layer::Http => "#9ecae1",
        Layer::Mcp | Layer::Tools | Layer::Identity => "#a1d99b",
        Layer::Instantiate | Layer::Sandbox | Layer::Component => "#fdae6b",
        Layer::Guard | Layer::Cluster | Layer::Json => "#bcbddc",
        Layer::Tls => "#fc9272",
        Layer::Logging | Layer::Runtime | Layer::Unknown => "#d9d9d9",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::stacks::Frame;
    use super::*;

    #[test]
    fn width_is_by_samples_and_names_are_escaped() {
        let frame = |function: &str| Frame { function: function.into(), file: "/bin/porthole".into() };
        let stacks = [
            vec![frame("<a as b>::c"), frame("rmcp::main")],
            vec![frame("rmcp::other"), frame("rmcp::main")],
        ];
        let svg = graph(&stacks);
        assert!(svg.contains("<title>rmcp::main (2 samples, 100.00 %)</title><rect x=\"0.0\""), "{svg}");
        assert!(svg.contains("<title>&lt;a as b&gt;::c (1 samples, 50.00 %)</title>"), "{svg}");
        assert!(svg.contains("width=\"700.0\"") && !svg.contains("<a as"), "{svg}");
    }
}
