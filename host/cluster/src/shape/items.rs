//! Cuts the elements of a list's `items`, or a table's `rows`, out of the stream of its bytes, holding one element at a time.

use memchr::memchr2;

/// The list around its items (kind, metadata) is some hundred bytes; more than this is not a list of Kubernetes.
const MAX_ENVELOPE: usize = 1 << 20;

/// Cuts a list apart while it arrives.
#[derive(Default)]
pub(crate) struct Items {
    /// The key of the array to cut, in its quotes.
    key: Vec<u8>,
    /// What has arrived and is neither handed out nor thrown away.
    buffer: Vec<u8>,
    /// How much of the buffer has been looked at.
    scanned: usize,
    /// Brackets and braces open at `scanned`.
    depth: usize,
    /// Where in the buffer the string began that `scanned` stands in.
    string: Option<usize>,
    /// The last string at depth 1 was the key, so an array that begins now is the one to cut.
    items_next: bool,
    /// Inside the array `items`.
    inside: bool,
    /// Where in the buffer the current element began.
    element: Option<usize>,
    /// The list without its elements.
    envelope: Vec<u8>,
}

/// Something that is not a list arrived.
#[derive(Debug, PartialEq)]
pub(crate) struct NotAList;

impl Items {
    /// Cuts the array under `key`, at the root of the document.
    pub(crate) fn of(key: &str) -> Self {
        Self { key: format!("\"{key}\"").into_bytes(), ..Self::default() }
    }

    /// Takes the next bytes; hands each element that is now complete to `element`.
    pub(crate) fn feed<E: From<NotAList>>(
        &mut self,
        chunk: &[u8],
        mut element: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.buffer.extend_from_slice(chunk);
        let mut at = self.scanned;
        while let Some(&byte) = self.buffer.get(at) {
            if let Some(began) = self.string {
                let rest = self.buffer.get(at..).unwrap_or_default();
                let Some(found) = memchr2(b'"', b'\\', rest) else {
                    at = self.buffer.len();
                    break;
                };
                at = at.saturating_add(found);
                if self.buffer.get(at) == Some(&b'\\') {
                    // An escape is two bytes; wait for the second.
                    if at.saturating_add(1) >= self.buffer.len() {
                        break;
                    }
                    at = at.saturating_add(2);
                    continue;
                }
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
        self.forget(at);
        if self.envelope.len() > MAX_ENVELOPE || (!self.inside && self.buffer.len() > MAX_ENVELOPE) {
            return Err(NotAList.into());
        }
        Ok(())
    }

    /// Lets go of the bytes before `at` that are no longer needed.
    fn forget(&mut self, at: usize) {
        let keep = [self.element, self.string].into_iter().flatten().min().unwrap_or(at).min(at);
        if !self.inside {
            self.envelope.extend_from_slice(self.buffer.get(..keep).unwrap_or_default());
        }
        self.buffer.drain(..keep);
        self.element = self.element.map(|began| began.saturating_sub(keep));
        self.string = self.string.map(|began| began.saturating_sub(keep));
        self.scanned = at.saturating_sub(keep);
    }

    /// The list without its elements, once everything has arrived.
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
