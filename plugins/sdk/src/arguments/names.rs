//! Names of arguments, compared while a tool is compiled: two of one name could never be called.

/// The names of a struct of arguments, for the compiler to find one that is there twice.
#[doc(hidden)]
pub struct Names {
    pub own: &'static [&'static str],
    /// Those of the structs that are flattened into it.
    pub flattened: &'static [&'static Names],
}

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "what is const has no iterators"
)]
impl Names {
    /// True if each name is there once.
    pub const fn are_unique(&self) -> bool {
        self.are_once_in(self)
    }

    const fn are_once_in(&self, all: &Self) -> bool {
        let mut at = 0;
        while at < self.own.len() {
            if all.count(self.own[at]) != 1 {
                return false;
            }
            at += 1;
        }
        let mut at = 0;
        while at < self.flattened.len() {
            if !self.flattened[at].are_once_in(all) {
                return false;
            }
            at += 1;
        }
        true
    }

    const fn count(&self, name: &str) -> usize {
        let (mut count, mut at) = (0, 0);
        while at < self.own.len() {
            if is_same(self.own[at].as_bytes(), name.as_bytes()) {
                count += 1;
            }
            at += 1;
        }
        at = 0;
        while at < self.flattened.len() {
            count += self.flattened[at].count(name);
            at += 1;
        }
        count
    }
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    match (one.split_first(), other.split_first()) {
        (None, None) => true,
        (Some((a, one)), Some((b, other))) => *a == *b && is_same(one, other),
        _ => false,
    }
}
