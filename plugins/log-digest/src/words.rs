//! Words of a line, with wildcards where values stand.

/// Stands for what differs.
pub(crate) const WILDCARD: &str = "<*>";
/// Max bytes of a line to look at.
pub(crate) const MAX_LINE: usize = 512;
/// Max words; the rest of a line is one word.
const MAX_WORDS: usize = 32;

/// Words of the current line, in one buffer that is used again.
#[derive(Debug, Default)]
pub(crate) struct Words {
    text: String,
    ends: Vec<usize>,
}

impl Words {
    /// Reads a line.
    pub(crate) fn read(&mut self, line: &str) {
        self.text.clear();
        self.ends.clear();
        let line = line.get(..line.floor_char_boundary(MAX_LINE)).unwrap_or_default();
        let mut rest = line.trim();
        while !rest.is_empty() {
            let end = match self.ends.len() {
                last if last + 1 >= MAX_WORDS => rest.len(),
                _ => rest.find(char::is_whitespace).unwrap_or(rest.len()),
            };
            let (word, after) = rest.split_at(end);
            self.generalize(word);
            self.ends.push(self.text.len());
            rest = after.trim_start();
        }
    }

    /// Appends a word, each value in it as a wildcard: a run of letters and digits that has a digit.
    fn generalize(&mut self, word: &str) {
        if is_status(word) {
            self.text.push_str(word);
            return;
        }
        let begin = self.text.len();
        let mut rest = word;
        while !rest.is_empty() {
            let end = rest.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(rest.len());
            let (run, after) = rest.split_at(end);
            if run.contains(|letter: char| letter.is_ascii_digit()) {
                self.wildcard(begin);
            } else {
                self.text.push_str(run);
            }
            let mark = after.chars().next();
            rest = mark.map_or("", |mark| after.get(mark.len_utf8()..).unwrap_or_default());
            if let Some(mark) = mark {
                self.text.push(if mark.is_control() { ' ' } else { mark });
            }
        }
    }

    /// Appends a wildcard; values with only a mark between them, as in addresses and times, are one.
    fn wildcard(&mut self, begin: usize) {
        let word = self.text.get(begin..).unwrap_or_default();
        let joined =
            word.strip_suffix(['.', ':', '-', ',', '_', '+']).filter(|before| before.ends_with(WILDCARD));
        match joined.map(str::len) {
            Some(length) => self.text.truncate(begin + length),
            None => self.text.push_str(WILDCARD),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, end)| self.text.get(begin..*end).unwrap_or_default())
    }
}

/// True for a number that names a kind of answer, as `404` in HTTP: it is no value.
pub(crate) fn is_status(word: &str) -> bool {
    matches!(word.as_bytes(), [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_wildcards_and_names_stay() {
        for (line, expected) in [
            ("GET /products/17 200 31ms", "GET|/products/<*>|200|<*>"),
            ("2026-11-24T10:00:00.123Z INFO x", "<*>|INFO|x"),
            ("  dial tcp 10.0.0.7:5432:  refused ", "dial|tcp|<*>:|refused"),
            ("trace=0af7651916 user=\"u-4\"", "trace=<*>|user=\"u-<*>\""),
            ("größe ünïcode7 ok", "größe|<*>|ok"),
            ("", ""),
        ] {
            let mut words = Words::default();
            words.read(line);
            assert_eq!(words.iter().collect::<Vec<_>>().join("|"), expected, "{line}");
        }
    }

    #[test]
    fn a_line_has_a_bounded_number_of_words() {
        let mut words = Words::default();
        words.read(&"a ".repeat(10_000));
        assert_eq!(words.len(), MAX_WORDS);
    }
}
