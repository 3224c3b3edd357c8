//! The list engine: counts first, then the unhealthy objects, then the rest until the answer is full, and a token that
//! continues exactly there. It does no I/O: [`Pages`] reads the list, and the budget is an argument.
//!
//! An object that lives throughout is shown exactly once over all answers of a list, or an answer says that it is
//! missing. `tests/exactly_once` holds that for any list, page size, budget and interruption. Alike rows may be shown as
//! one with their number: then each object is counted in exactly one row.
//!
//! - `request`: the arguments of a caller; `pages`: the seam to the cluster
//! - `entry`, `shape`, `server_table`, `body`: rows of objects; `conditions`: the objects that a list is narrowed to
//! - `walk`: reading page by page; `selection`: the rows that an answer has room for; `fold`: alike rows as one; `lead`: the
//!   unhealthy objects, worst first; `cursor`: the continue token
//! - `engine`: a request and its answer; `query`: the three orders; `answer`: the text, with foreign text as [`one_line`]

mod answer;
mod body;
mod conditions;
mod counts;
mod cursor;
mod engine;
mod entry;
mod fold;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod lead;
mod pages;
mod query;
mod request;
mod selection;
mod server_table;
mod shape;
mod table;
mod walk;

pub use body::{pruned, to_yaml, yaml};
pub use engine::List;
pub use entry::Row;
pub use fold::Fold;
pub use pages::{ListError, Page, PageError, PageRequest, Pages, View};
pub use porthole_field_path::one_line;
pub use request::{ListRequest, Output};
pub use shape::Columns;
pub use table::Table;
