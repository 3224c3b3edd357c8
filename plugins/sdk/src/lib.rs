//! The library of Porthole's tools in Rust. A tool is a struct of arguments, and a function with a line about itself.
//!
//! ```no_run
//! use porthole_sdk::{prelude::*, tool};
//!
//! #[derive(Arguments)]
//! struct Request {
//!     /// Name of the ConfigMap
//!     name: String,
//!     /// Default: the default namespace
//!     namespace: Option<String>,
//! }
//!
//! /// The keys of one ConfigMap, without their values.
//! #[tool(title = "Keys of a ConfigMap", reads(get("configmaps")))]
//! fn configmap_keys(request: Request) -> Answer {
//!     let namespace = namespace_or_default(request.namespace);
//!     let map: Value = get(kind("configmaps"), Some(namespace), &request.name, &["data"])?;
//!     let keys: Vec<&str> = map["data"].as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
//!     text(keys.join("\n"))
//! }
//! # fn main() {}
//! ```
//!
//! The doc comments of the fields become the descriptions in the schema ([`Arguments`]); that of the function is the
//! summary ([`tool`](macro@tool)). `reads` is all that the tool may ask for. An [`Error`] is text for the model, and keeps
//! the reason of a failed read.
//!
//! Everything a tool can reach is in [`kube_read`] and [`call`]; both are made from `wit/porthole.wit`.

// The macros generate paths that begin with `::porthole_sdk`, in this crate too.
extern crate self as porthole_sdk;

mod arguments;
mod deprecated;
mod error;
pub mod event;
mod list;
mod list_arguments;
mod location;
mod metrics;
mod missing;
pub mod owned;
mod pages;

pub mod pod;
mod reach;
mod read;
mod rows;
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

#[doc(hidden)]
pub use arguments::Names;
pub use arguments::{Argument, Arguments, Given, Schema, Spec};
pub use bindings::porthole::tool::{call, kube_read, types};
pub use error::Error;
pub use list::{Kept, List};
pub use list_arguments::ListArguments;
pub use location::{Locations, get_by_name, locate, locate_preferred};
pub use metrics::{Resource, TopArguments, metrics_error};
pub use missing::{elsewhere, get_or_suggest, node_read, suggestion};
pub use pages::{ListEnd, OUTLINES, list_pages};
pub use porthole_field_path::{self as field_path, quantity};
pub use porthole_lists::{Columns, Fold, ListRequest, Output, Row, Table, one_line, pruned, to_yaml, yaml};
pub use porthole_sdk_macros::{Argument, Arguments, tool};
pub use read::{Answer, get, kind, list_all_of, log_of, namespace_or_default, parsed, paths, text};
pub use rows::{TableRow, table_rows};
pub use serde_json::Value;
pub use table::TableAnswer;
pub use time::{age, parse_time, seconds_since};
#[doc(hidden)]
pub use tool::{About, Reads, answer};

/// The names that most tools need.
///
/// `tool` here is the deprecated macro, so that older tools compile; the attribute is [`tool`](macro@crate::tool) of the
/// crate itself, and joins the prelude when the macro goes.
pub mod prelude {
    #[allow(deprecated, reason = "tools of 0.1 compile for one version more")]
    pub use crate::{__tool as tool, arguments, list_arguments};
    pub use crate::{
        Answer, Argument, Arguments, Columns, Error, List, ListArguments, Row, Table, TableAnswer, age, call,
        get, get_by_name, get_or_suggest, kind,
        kube_read::{self, Cut, GetQuery, KindRef, ListQuery, LogQuery, Page, ReadError, Reason, View},
        list_all_of, log_of, namespace_or_default, parsed, paths, suggestion, text, yaml,
    };
    pub use serde::Deserialize;
    pub use serde_json::Value;
}
