//! The first line of a list: how many there are, and of what.

use std::collections::HashMap;

/// Words told by name; the line is read by people too.
const MOST: usize = 40;

/// How often each word came.
#[derive(Default)]
pub(super) struct Counts {
    words: HashMap<String, u64>,
    total: u64,
}

impl Counts {
    pub(super) fn add(&mut self, word: &str) {
        self.total = self.total.saturating_add(1);
        match self.words.get_mut(word) {
            Some(count) => *count = count.saturating_add(1),
            None => {
                self.words.insert(word.to_owned(), 1);
            }
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// `2000 pods: 1987 Running, 9 Pending, 4 CrashLoopBackOff`, in no more than `room` bytes.
    pub(super) fn line(&self, noun: &str, room: usize) -> String {
        let mut line = format!("{} {noun}", self.total);
        let mut words: Vec<(&String, &u64)> =
            self.words.iter().filter(|(word, _)| !word.is_empty()).collect();
        if words.is_empty() {
            return line;
        }
        words.sort_by(|(a, x), (b, y)| y.cmp(x).then(a.cmp(b)));
        // Where nearly each is different, as names are, the line would be the list.
        let most = if words.len() > MOST && room < 2048 { 5 } else { words.len() };
        let mut told = 0;
        for (word, count) in words.iter().take(most) {
            let next = format!("{} {count} {word}", if told == 0 { ":" } else { "," });
            if line.len().saturating_add(next.len()) > room {
                break;
            }
            line.push_str(&next);
            told += 1;
        }
        if told < words.len() {
            line.push_str(&format!(", and {} others", words.len() - told));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_come_first() {
        let mut counts = Counts::default();
        for word in ["Pending", "Running", "Running", "", "Evicted"] {
            counts.add(word);
        }
        assert_eq!(counts.line("pods", 1000), "5 pods: 2 Running, 1 Evicted, 1 Pending");
        assert_eq!(counts.line("pods", 20), "5 pods: 2 Running, and 2 others");
        assert_eq!(Counts::default().line("pods", 100), "0 pods");
    }
}
