//! The shapes of a log's lines with their counts: lines that differ in numbers, names and ids are one shape.
//!
//! The algorithm is Drain (He et al., ICWS 2017): a tree of fixed depth by the number of words and the first of them that is no value, and
//! in a leaf the most similar template, whose differing words become `<*>`. By hand, because the crate `drain3` interns
//! every word for ever and brings `regex`, and `drain-rs` needs a grok library.
//!
//! Nothing here panics on any line, and memory is bounded whatever the log holds.

mod severity;
mod shape;
mod words;

use std::collections::BTreeMap;

pub use shape::Shape;
use words::{WILDCARD, Words};

/// Max shapes. Lines of further ones are counted as others.
const MAX_SHAPES: usize = 1000;
/// Max shapes that a line is compared with. The attack: a log of lines that are all alike and never equal.
const MAX_LEAF: usize = 64;
/// Min part of equal words for a line to have a template's shape, in percent.
const MIN_SIMILARITY: usize = 60;
/// Words among which the first without a value leads to a leaf: many lines begin with a time.
const HEAD: usize = 4;

/// Shapes of the lines so far.
#[derive(Debug, Default)]
pub struct Digest {
    shapes: Vec<Shape>,
    /// Indices of shapes by number of words, severity and the first word that is no value.
    leaves: BTreeMap<Key, Vec<usize>>,
    others: Option<Shape>,
    lines: u64,
    words: Words,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    words: usize,
    erring: bool,
    first: u64,
}

impl Digest {
    /// Counts a line with its timestamp, empty if it has none. Lines may come in any order.
    pub fn add(&mut self, time: &str, line: &str) {
        self.lines = self.lines.saturating_add(1);
        let erring = severity::is_erring(line);
        self.words.read(line);
        let first = self.words.iter().take(HEAD).find(|word| !word.contains(WILDCARD)).map_or(0, fingerprint);
        let key = Key { words: self.words.len(), erring, first };
        let leaf = self.leaves.get(&key).map(Vec::as_slice).unwrap_or_default();
        let mut best: Option<(usize, usize)> = None;
        for &at in leaf {
            let Some(shape) = self.shapes.get(at) else { continue };
            let same = shape.same_words(&self.words);
            if same.saturating_mul(100) >= self.words.len().saturating_mul(MIN_SIMILARITY)
                && best.is_none_or(|(most, _)| same > most)
            {
                best = Some((same, at));
            }
        }
        if let Some(shape) = best.and_then(|(_, at)| self.shapes.get_mut(at)) {
            shape.generalize(&self.words);
            shape.count(time);
            return;
        }
        if self.shapes.len() >= MAX_SHAPES || leaf.len() >= MAX_LEAF {
            self.others.get_or_insert_with(|| Shape::new(&self.words, line, erring)).count(time);
            return;
        }
        let mut shape = Shape::new(&self.words, line, erring);
        shape.count(time);
        self.leaves.entry(key).or_default().push(self.shapes.len());
        self.shapes.push(shape);
    }

    /// Number of lines.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The shapes, erring ones first, and of both the rare ones first; and the lines of further shapes, of which one is
    /// the example.
    pub fn finish(self) -> (Vec<Shape>, Option<Shape>) {
        let mut shapes = self.shapes;
        shapes.sort_by(|one, other| {
            let key = |shape: &Shape| (!shape.is_erring(), shape.lines());
            key(one).cmp(&key(other)).then_with(|| one.first().cmp(other.first()))
        });
        (shapes, self.others)
    }
}

/// FNV-1a. Two words with one fingerprint share a leaf, where they are compared.
fn fingerprint(word: &str) -> u64 {
    word.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest<'l>(lines: impl IntoIterator<Item = (&'l str, &'l str)>) -> Vec<String> {
        let mut digest = Digest::default();
        lines.into_iter().for_each(|(time, line)| digest.add(time, line));
        let (shapes, others) = digest.finish();
        assert!(others.is_none());
        shapes.iter().map(|shape| format!("{} {}", shape.lines(), shape.text())).collect()
    }

    #[test]
    fn lines_that_differ_in_values_are_one_shape_and_erring_and_rare_ones_come_first() {
        let log: Vec<String> = (0..1000)
            .map(|n| match n {
                500 => "ERROR order 777-X: dial tcp 10.0.0.7:5432: connection refused".to_owned(),
                501 | 502 => format!("config reloaded from /etc/app/{n}.yaml"),
                _ if n % 100 == 7 => format!("GET /products/{n} 500 {n}ms"),
                _ => format!("GET /products/{n} 200 {n}ms user=u{n} id=0af7651916cd43dd8448eb211c80{n:04}"),
            })
            .collect();
        assert_eq!(
            digest(log.iter().map(|line| ("", line.as_str()))),
            [
                "1 ERROR order 777-X: dial tcp 10.0.0.7:5432: connection refused",
                "10 GET /products/<*> 500 <*>",
                "2 config reloaded from /etc/app/<*>.yaml",
                "987 GET /products/<*> 200 <*> user=<*> id=<*>",
            ]
        );
    }

    #[test]
    fn words_without_digits_that_differ_become_wildcards() {
        let log = ["user alice logged in from home now", "user bob logged in from work now"];
        assert_eq!(digest(log.map(|line| ("", line))), ["2 user <*> logged in from <*> now"]);
    }

    #[test]
    fn times_are_those_of_the_first_and_last_line_in_whatever_order_they_come() {
        let mut digest = Digest::default();
        for time in ["2026-11-24T10:00:02Z", "2026-11-24T10:00:01Z", "2026-11-24T10:00:03Z", ""] {
            digest.add(time, "tick");
        }
        let (shapes, _) = digest.finish();
        assert_eq!((shapes[0].first(), shapes[0].last()), ("2026-11-24T10:00:01Z", "2026-11-24T10:00:03Z"));
    }

    #[test]
    fn a_log_of_shapes_without_end_is_counted_in_bounded_memory() {
        let mut digest = Digest::default();
        for n in 0..20_000u32 {
            let letters: String = (0..4).map(|at| char::from(b'a' + (n >> (4 * at) & 15) as u8)).collect();
            digest.add("", &format!("{letters} {}", "word ".repeat(n as usize % 37)));
            digest.add("", &format!("same same {letters} {letters}x {letters}y"));
        }
        assert_eq!(digest.lines(), 40_000);
        let (shapes, others) = digest.finish();
        assert!(shapes.len() <= MAX_SHAPES);
        let counted = shapes.iter().chain(&others).map(Shape::lines).sum::<u64>();
        assert_eq!(counted, 40_000);
    }

    proptest! {
        #[test]
        fn every_line_is_counted_once_and_shapes_are_short_lines(lines in prop::collection::vec(any::<String>(), 0..50)) {
            let mut digest = Digest::default();
            lines.iter().for_each(|line| digest.add("2026-11-24T10:00:02Z", line));
            let (shapes, others) = digest.finish();
            prop_assert_eq!(shapes.iter().chain(&others).map(Shape::lines).sum::<u64>(), lines.len() as u64);
            for shape in &shapes {
                prop_assert!(shape.text().len() <= 600 && !shape.text().contains('\n'), "{}", shape.text());
            }
        }
    }
}
