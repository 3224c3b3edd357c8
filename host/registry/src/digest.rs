//! SHA-256 digests of manifests and layers.

use std::fmt;

use porthole_contract::{Digest, Echo};
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// Name of the only algorithm, as it stands before the hex digits.
const ALGORITHM: &str = "sha256:";

/// Digest of a manifest or a layer: `sha256:` and 64 lower-case hex digits. Other algorithms are refused: nothing that
/// signs tools uses one, and two digests of one content would be two identities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct ContentDigest(Digest);

impl ContentDigest {
    /// Parses `sha256:…`.
    pub fn parse(text: &str) -> Option<Self> {
        Digest::from_hex(text.strip_prefix(ALGORITHM)?).map(Self)
    }

    /// Digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::end(Sha256::new_with_prefix(bytes))
    }

    /// Digest that a hasher ends with.
    pub(crate) fn end(hasher: Sha256) -> Self {
        Self(Digest::new(hasher.finalize().into()))
    }

    /// The digest as the host has it of a component's file.
    pub fn sha256(&self) -> Digest {
        self.0
    }

    /// The hex digits alone.
    pub(crate) fn hex(&self) -> String {
        self.0.to_string()
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ALGORITHM}{}", self.0)
    }
}

impl Serialize for ContentDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl TryFrom<String> for ContentDigest {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let echo = Echo(&text);
        Self::parse(&text).ok_or_else(|| format!("{echo} is not a digest like sha256:… with 64 hex digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_has_one_spelling() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(ContentDigest::parse(empty), Some(ContentDigest::of(b"")));
        assert_eq!(ContentDigest::of(b"").to_string(), empty);
        let (upper, short, long) = (empty.to_uppercase(), empty.split_at(70).0, format!("{empty}0"));
        for refused in ["", "sha256:", &upper, short, &long, &empty.replace("sha256", "sha512")] {
            assert_eq!(ContentDigest::parse(refused), None, "{refused}");
        }
    }
}
