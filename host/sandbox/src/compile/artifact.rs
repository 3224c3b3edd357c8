//! Format of the compiler's output: a header, and the code.

use sha2::{Digest as _, Sha256};

/// The first bytes, and the version of this form.
const MAGIC: [u8; 8] = *b"PHCODE01";
/// Bytes of a header.
pub(super) const HEADER: usize = 88;

/// Header that the host compares before it uses a byte of the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// Engine that can load the code; see [`fingerprint`](super::super::compiled::fingerprint).
    pub(super) engine: u64,
    /// SHA-256 of the component that the compiler read.
    pub(super) wasm: [u8; 32],
    /// SHA-256 of the code.
    pub(super) code: [u8; 32],
    /// Bytes of the code.
    pub(super) length: u64,
}

impl Header {
    /// The header of code that was compiled from a component.
    pub(super) fn of(engine: u64, wasm: &[u8], code: &[u8]) -> Self {
        Self {
            engine,
            wasm: Sha256::digest(wasm).into(),
            code: Sha256::digest(code).into(),
            length: code.len() as u64,
        }
    }

    pub(super) fn to_bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let parts: [&[u8]; 5] =
            [&MAGIC, &self.engine.to_le_bytes(), &self.wasm, &self.code, &self.length.to_le_bytes()];
        for (to, from) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        bytes
    }

    /// Parses a header; None where the bytes are none of this form.
    pub(super) fn parse(bytes: &[u8; HEADER]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<8>()?;
        let (engine, rest) = rest.split_first_chunk::<8>()?;
        let (wasm, rest) = rest.split_first_chunk::<32>()?;
        let (code, rest) = rest.split_first_chunk::<32>()?;
        let (length, rest) = rest.split_first_chunk::<8>()?;
        (*magic == MAGIC && rest.is_empty()).then_some(Self {
            engine: u64::from_le_bytes(*engine),
            wasm: *wasm,
            code: *code,
            length: u64::from_le_bytes(*length),
        })
    }
}
