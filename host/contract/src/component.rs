//! Identity of a component: its tool's name, its version, and the digest of its file.

use std::{borrow::Borrow, cmp::Ordering, fmt, ops::Deref};

use serde::{Serialize, Serializer};

/// Max bytes of a name and of a version; both appear in logs, metrics and errors.
const MAX_NAME: usize = 64;

/// The name of a tool: 1 to 64 of `a-z`, `0-9` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ToolName(String);

/// The version of a tool: 1 to 64 of letters, digits, `.`, `+` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Version(String);

impl ToolName {
    /// Parses a name; `None` if a client could not list it.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        is_valid(text, plain).then(|| Self(text.to_owned()))
    }
}

impl Version {
    /// Parses a version; `None` if it is empty, too long or holds other characters.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".+-".contains(&byte);
        is_valid(text, plain).then(|| Self(text.to_owned()))
    }
    /// True if this version comes before another: by the numbers between dots, a pre-release before its release, and
    /// without what follows a `+`. Semantic versions are ordered as their specification says, others by the same rules.
    pub fn precedes(&self, other: &Self) -> bool {
        precedence(&self.0, &other.0) == Ordering::Less
    }
}

fn precedence(one: &str, other: &str) -> Ordering {
    let ((one, one_pre), (other, other_pre)) = (parts(one), parts(other));
    let (mut left, mut right) = (one.split('.'), other.split('.'));
    loop {
        // 1.0 is 1.0.0.
        let order = match (left.next(), right.next()) {
            (None, None) => break,
            (left, right) => identifiers(left.unwrap_or("0"), right.unwrap_or("0")),
        };
        if order.is_ne() {
            return order;
        }
    }
    match (one_pre, other_pre) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(left), Some(right)) => {
            let mut orders =
                left.split('.').zip(right.split('.')).map(|(left, right)| identifiers(left, right));
            let differing = orders.find(|order| order.is_ne());
            differing.unwrap_or_else(|| left.split('.').count().cmp(&right.split('.').count()))
        }
    }
}

/// Release and pre-release of a version, without a `v` before and the build after.
fn parts(text: &str) -> (&str, Option<&str>) {
    let is_numbered = |rest: &&str| rest.starts_with(|first: char| first.is_ascii_digit());
    let text = text.strip_prefix('v').filter(is_numbered).unwrap_or(text);
    let text = text.split_once('+').map_or(text, |(text, _)| text);
    text.split_once('-').map_or((text, None), |(release, pre)| (release, Some(pre)))
}

/// Order of two parts of a version: numbers by value and before words.
fn identifiers(left: &str, right: &str) -> Ordering {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match (is_number(left), is_number(right)) {
        (true, true) => {
            // By length first: it may have more digits than an integer.
            let (left, right) = (left.trim_start_matches('0'), right.trim_start_matches('0'));
            left.len().cmp(&right.len()).then_with(|| left.cmp(right))
        }
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => left.cmp(right),
    }
}

fn is_valid(text: &str, plain: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.len() <= MAX_NAME && text.bytes().all(plain)
}

/// Lets maps be looked up with a client's text.
impl Borrow<str> for ToolName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Deref for ToolName {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Deref for Version {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ToolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// SHA-256 of a component's file. Printed and serialized in hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Wraps the bytes of a SHA-256 hash.
    pub fn new(hash: [u8; 32]) -> Self {
        Self(hash)
    }

    /// Parses 64 lowercase hex digits, with `sha256:` before them or without it.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_hex(text.strip_prefix("sha256:").unwrap_or(text))
    }

    /// Parses 64 lowercase hex digits and nothing beside them.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        let mut hash = [0; 32];
        if digits.len() != hash.len() * 2 {
            return None;
        }
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = pair else { return None };
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(hash))
    }

    /// The hash itself.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first twelve hex digits, enough for an operator to distinguish files.
    pub fn short(&self) -> String {
        let mut digits = self.to_string();
        digits.truncate(12);
        digits
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_versions_are_short_and_plain() {
        assert_eq!(&*ToolName::parse("pods_list").unwrap(), "pods_list");
        assert_eq!(Version::parse("1.2.0-rc.1+build").unwrap().to_string(), "1.2.0-rc.1+build");
        let long = "x".repeat(MAX_NAME + 1);
        for refused in ["", "Pods", "pods-list", "a b", "é", long.as_str()] {
            assert!(ToolName::parse(refused).is_none(), "{refused:?}");
        }
        for refused in ["", "1 2", "1\n2", "1_2", long.as_str()] {
            assert!(Version::parse(refused).is_none(), "{refused:?}");
        }
    }

    #[test]
    fn versions_have_an_order() {
        let rising = [
            "0.9",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.2",
            "1.10.0",
            "v2",
            "10.0",
            "99999999999999999999999.0",
            "100000000000000000000000",
            "nightly",
        ];
        let version = |text: &str| Version::parse(text).unwrap();
        for (at, lower) in rising.iter().enumerate() {
            for (beside, higher) in rising.iter().enumerate() {
                assert_eq!(version(lower).precedes(&version(higher)), at < beside, "{lower} and {higher}");
            }
        }
        for (one, other) in
            [("1.0", "1.0.0"), ("v1.2", "1.2"), ("1.0+a", "1.0+b"), ("01.2", "1.02"), ("a", "a")]
        {
            assert!(!version(one).precedes(&version(other)) && !version(other).precedes(&version(one)));
        }
    }

    #[test]
    fn a_digest_is_printed_in_hex() {
        let mut hash = [0; 32];
        hash[0] = 0xab;
        let digest = Digest::new(hash);
        assert_eq!(digest.short(), "ab0000000000");
        assert_eq!(serde_json::to_value(digest).unwrap().as_str().unwrap().len(), 64);
        assert_eq!(Digest::parse(&digest.to_string()), Some(digest));
        assert_eq!(Digest::parse(&format!("sha256:{digest}")), Some(digest));
        assert_eq!(Digest::from_hex(&format!("sha256:{digest}")), None);
        for refused in ["", "ab", &"g".repeat(64), &"A".repeat(64), &"é".repeat(32), &format!("{digest}0")] {
            assert_eq!(Digest::parse(refused), None, "{refused}");
        }
    }
}
