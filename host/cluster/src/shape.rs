//! What of an object is handed over: chosen fields, without the bulk and the secrets that nobody may have.
//!
//! Everything happens while the JSON is parsed, so that a list of thousands costs the memory of one object, and no
//! byte of a withheld value exists in what later rooms see.

mod copy;
mod fields;
mod items;

pub use copy::Withheld;
pub(super) use copy::copy;
pub(super) use fields::{Projection, Wanted};
pub(super) use items::{Items, NotAList};
