//! Identity of a component: its tool's name, its version, and the digest of its file.

use std::{borrow::Borrow, fmt, ops::Deref};

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
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Wraps the bytes of a SHA-256 hash.
    pub fn new(hash: [u8; 32]) -> Self {
        Self(hash)
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
    fn a_digest_is_printed_in_hex() {
        let mut hash = [0; 32];
        hash[0] = 0xab;
        let digest = Digest::new(hash);
        assert_eq!(digest.short(), "ab0000000000");
        assert_eq!(serde_json::to_value(digest).unwrap().as_str().unwrap().len(), 64);
    }
}
