//! Streaming projection and redaction of JSON from the API server.
//!
//! Everything happens while the JSON is parsed, so that a list of thousands needs the memory of one object, and no byte
//! of a redacted value reaches the layers above.

mod copy;
mod fields;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod items;

pub use copy::Redaction;
pub(super) use copy::copy;
pub(super) use fields::{FieldSelection, Projection};
pub(super) use items::{Items, NotAList};
