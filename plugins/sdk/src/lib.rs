//! What Porthole's tools in Rust share. A tool is three things: its arguments, a line about itself, and a function.
//!
//! ```ignore
//! use porthole_sdk::prelude::*;
//!
//! arguments! {
//!     /// Name of the ConfigMap.
//!     name: String,
//! }
//!
//! tool! {
//!     name: "configmap_keys",
//!     title: "Keys of a ConfigMap",
//!     summary: "The keys of one ConfigMap, without their values.",
//!     reads: [get "" "configmaps"],
//! }
//!
//! fn run(arguments: Arguments) -> Answer {
//!     let map: Value = get("configmaps", None, &arguments.name, &["data"])?;
//!     …
//! }
//! ```
//!
//! Everything a tool can reach is in [`kube_read`] and [`call`]; both are made from `wit/porthole.wit`.

mod arguments;
pub mod event;
mod list;
mod metrics;
mod missing;
mod object;
pub mod path;
pub mod pod;
pub mod quantity;
mod read;
pub mod selector;
mod table;
mod time;
mod tool;

/// The contract's types and functions, made from `wit/porthole.wit`.
#[allow(missing_docs, unused_qualifications, clippy::all, reason = "made by wit-bindgen")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "tool",
        pub_export_macro: true,
        default_bindings_module: "porthole_sdk::bindings",
    });
}

pub use arguments::{Argument, Schema};
pub use bindings::porthole::tool::{call, kube_read, types};
pub use list::{Asked, Columns, List, ListArguments, Output, Row};
pub use metrics::{metrics_error, top};
pub use missing::{get_or_suggest, node_read, suggestion};
pub use object::{pruned, written, yaml};
pub use path::split as paths;
pub use read::{Answer, get, kind, list_all_of, log_of, namespace_or_default, parsed, text};
#[doc(hidden)]
pub use serde;
pub use table::Table;
pub use time::{age, parse_time, seconds_since};
#[doc(hidden)]
pub use tool::parse_arguments;

/// What a tool usually needs.
pub mod prelude {
    pub use crate::{
        Answer, Columns, List, ListArguments, Row, Table, age, arguments, call, get, get_or_suggest, kind,
        kube_read::{self, Cut, GetQuery, KindRef, ListQuery, LogQuery, Page, ReadError, Reason, View},
        list_all_of, list_arguments, log_of, namespace_or_default, parsed, paths, suggestion, text, tool,
        yaml,
    };
    pub use serde::Deserialize;
    pub use serde_json::Value;
}
