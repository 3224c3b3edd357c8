//! Streaming projection and redaction of JSON from the API server.
//!
//! Everything happens while the JSON is parsed, so that a list of thousands needs the memory of one object, and no byte
//! of a redacted value reaches the layers above.

mod copy;
mod credentials;
mod fields;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod items;
mod masked;
pub(crate) mod masks;

pub use copy::Redaction;
pub(super) use copy::{copy, copy_message};
pub(super) use fields::{FieldSelection, Projection};
pub(super) use items::{Items, NotAList};
pub(super) use masked::{MaskedTexts, masked_texts};
pub(super) use masks::CONFIGURED;
pub use masks::ValueMasks;
