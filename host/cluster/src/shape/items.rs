//! JSON array splitter: cuts the elements of a list's `items`, or a table's `rows`, out of a byte stream, holding one
//! element at a time.
//!
//! By hand, because serde_json cannot pause between two chunks; `shape/fuzz.rs` compares both.

use memchr::memchr2;

/// Max bytes of a list around its items (kind, metadata). It has some hundred bytes; a larger one is not a Kubernetes
/// list.
const MAX_ENVELOPE: usize = 1 << 20;

/// Incremental splitter for one list. It tracks strings and nesting only; elements are parsed by the caller.
#[derive(Default)]
pub(crate) struct Items {
    /// Key of the array to split, with its quotes.
    key: Vec<u8>,
    /// Bytes that are neither delivered nor discarded.
    buffer: Vec<u8>,
    /// Length of the scanned prefix of the buffer.
    scanned: usize,
    /// Open brackets and braces at `scanned`.
    depth: usize,
    /// Start of the string that `scanned` is in.
    string: Option<usize>,
    /// True if the last string at depth 1 was the key, so that an array that begins now is the one to split.
    items_next: bool,
    /// True within the array to split.
    inside: bool,
    /// Start of the current element in the buffer.
    element: Option<usize>,
    /// The list without its elements.
    envelope: Vec<u8>,
}

/// The input is not a list.
#[derive(Debug, PartialEq)]
pub(crate) struct NotAList;

impl Items {
    /// Creates a splitter for the array under `key`, at the root of the document.
    pub(crate) fn of(key: &str) -> Self {
        Self { key: format!("\"{key}\"").into_bytes(), ..Self::default() }
    }

    /// Scans the next bytes; passes each element that is now complete to `element`.
    pub(crate) fn feed<E: From<NotAList>>(
        &mut self,
        chunk: &[u8],
        mut element: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.buffer.extend_from_slice(chunk);
        let mut at = self.scanned;
        while let Some(&byte) = self.buffer.get(at) {
            // Brackets within a string do not count, so strings are skipped as a whole.
            if let Some(began) = self.string {
                let rest = self.buffer.get(at..).unwrap_or_default();
                let Some(found) = memchr2(b'"', b'\\', rest) else {
                    at = self.buffer.len();
                    break;
                };
                at = at.saturating_add(found);
                if self.buffer.get(at) == Some(&b'\\') {
                    // An escape is two bytes; wait for the second, which may be a quote.
                    if at.saturating_add(1) >= self.buffer.len() {
                        break;
                    }
                    at = at.saturating_add(2);
                    continue;
                }
                // A string value that equals the key sets it as well, but the key after it resets it before an array
                // can follow.
                if self.depth == 1 {
                    self.items_next = self.buffer.get(began..=at) == Some(&self.key);
                }
                self.string = None;
                at = at.saturating_add(1);
                continue;
            }
            match byte {
                b'"' => self.string = Some(at),
                b'{' | b'[' => {
                    if byte == b'[' && self.depth == 1 && self.items_next && !self.inside {
                        self.inside = true;
                        self.items_next = false;
                        // The envelope keeps the opening bracket; with the closing one it parses as an empty array.
                        self.envelope.extend_from_slice(self.buffer.get(..=at).unwrap_or_default());
                        self.buffer.drain(..=at);
                        self.depth = 2;
                        at = 0;
                        continue;
                    }
                    if self.inside && self.depth == 2 {
                        self.element = Some(at);
                    }
                    self.depth = self.depth.saturating_add(1);
                }
                b'}' | b']' => {
                    self.depth = self.depth.checked_sub(1).ok_or(NotAList)?;
                    if self.inside && self.depth == 2 {
                        let began = self.element.take().ok_or(NotAList)?;
                        element(self.buffer.get(began..=at).unwrap_or_default())?;
                    // The end of the array: its bytes are dropped, from here on the envelope goes on.
                    } else if self.inside && self.depth == 1 {
                        self.inside = false;
                        self.buffer.drain(..at);
                        at = 0;
                    }
                }
                _ => {}
            }
            at = at.saturating_add(1);
        }
        // Both bounds: an envelope that has been moved out of the buffer, and one token that never ends.
        self.forget(at);
        if self.envelope.len() > MAX_ENVELOPE || (!self.inside && self.buffer.len() > MAX_ENVELOPE) {
            return Err(NotAList.into());
        }
        Ok(())
    }

    /// Bytes held: an unfinished element, and the envelope.
    pub(crate) fn buffered(&self) -> usize {
        self.buffer.len().saturating_add(self.envelope.len())
    }

    /// Discards the bytes before `at` that are no longer needed: all but the current element or string.
    fn forget(&mut self, at: usize) {
        // A string that is cut in two must stay whole until its end, since it may be the key.
        let keep = [self.element, self.string].into_iter().flatten().min().unwrap_or(at).min(at);
        if !self.inside {
            self.envelope.extend_from_slice(self.buffer.get(..keep).unwrap_or_default());
        }
        self.buffer.drain(..keep);
        self.element = self.element.map(|began| began.saturating_sub(keep));
        self.string = self.string.map(|began| began.saturating_sub(keep));
        self.scanned = at.saturating_sub(keep);
    }

    /// Returns the list without its elements; an error if the list is incomplete.
    pub(crate) fn envelope(self) -> Result<Vec<u8>, NotAList> {
        if self.depth == 0 && !self.envelope.is_empty() { Ok(self.envelope) } else { Err(NotAList) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl From<NotAList> for () {
        fn from(_: NotAList) -> Self {}
    }

    fn cut(json: &str, chunk: usize) -> (Vec<String>, Result<String, NotAList>) {
        let mut items = Items::of("items");
        let mut found = Vec::new();
        for piece in json.as_bytes().chunks(chunk) {
            let fed: Result<(), ()> = items.feed(piece, |element| {
                found.push(String::from_utf8(element.to_vec()).unwrap());
                Ok(())
            });
            if fed.is_err() {
                return (found, Err(NotAList));
            }
        }
        (found, items.envelope().map(|envelope| String::from_utf8(envelope).unwrap()))
    }

    #[test]
    fn elements_are_the_same_however_the_bytes_arrive() {
        let list = r#"{"kind":"items","x":[1,[2]],"metadata":{"items":[{"no":1}],"continue":"a\"]b"},"items" : [ {"a":"}]\\\"{"} , {"b":[{"c":{}}]},{}],"tail":{"y":[]}}"#;
        let whole = cut(list, list.len());
        assert_eq!(whole.0, [r#"{"a":"}]\\\"{"}"#, r#"{"b":[{"c":{}}]}"#, "{}"]);
        assert_eq!(
            whole.1.as_deref(),
            Ok(
                r#"{"kind":"items","x":[1,[2]],"metadata":{"items":[{"no":1}],"continue":"a\"]b"},"items" : [],"tail":{"y":[]}}"#
            )
        );
        for chunk in [1, 2, 3, 7, 13, 64] {
            assert_eq!(cut(list, chunk), whole, "in pieces of {chunk}");
        }
    }

    #[test]
    fn an_empty_or_absent_array_has_no_elements() {
        assert_eq!(cut(r#"{"items":[]}"#, 1), (vec![], Ok(r#"{"items":[]}"#.into())));
        assert_eq!(cut(r#"{"items":null}"#, 1), (vec![], Ok(r#"{"items":null}"#.into())));
    }

    #[test]
    fn a_list_that_breaks_off_is_not_a_list() {
        for json in ["", "}", r#"{"items":[{"a":1}"#, r#"{"items":[{"a":1},"#, r#"{"a":"b"#] {
            assert_eq!(cut(json, 3).1, Err(NotAList), "{json:?}");
        }
    }

    #[test]
    fn a_long_list_is_not_kept() {
        let mut items = Items::of("items");
        items.feed::<()>(br#"{"items":["#, |_| Ok(())).unwrap();
        for _ in 0..10_000 {
            items.feed::<()>(br#"{"name":"some pod or other"},"#, |_| Ok(())).unwrap();
        }
        assert!(items.buffer.capacity() < 1024, "{}", items.buffer.capacity());
    }
}
