//! Fuzz targets: every parser of input from outside, each with an oracle.
//!
//! The oracles stand beside the parsers, behind the feature `fuzz` of their crates. A corpus is replayed with mutations by
//! an ordinary test; `cargo xtask fuzz` looks for new inputs with libFuzzer. To add a target: the oracle in the `fuzz` of its
//! crate, a line in [`TARGETS`], and seeds in `corpus`.

#[cfg(test)]
mod mutations;
#[cfg(test)]
mod tests;

use porthole_admin::fuzz as admin;
use porthole_cluster::fuzz as cluster;
use porthole_contract::fuzz as contract;
use porthole_field_path::fuzz as field_path;
use porthole_http::fuzz as http;
use porthole_lists::fuzz as lists;
use porthole_mcp::fuzz as mcp;
use porthole_registry::fuzz as registry;
use porthole_sandbox::fuzz as sandbox;
use porthole_tools::fuzz as tools;

/// A parser with its oracle.
pub struct Target {
    /// The name of its folder in `corpus` and `regressions`.
    pub name: &'static str,
    /// Parses an input; panics if the oracle is not met.
    pub run: fn(&[u8]),
}

/// All targets, from the cluster's answers to what clients send.
pub const TARGETS: &[Target] = &[
    Target { name: "json_splitter", run: cluster::json_splitter },
    Target { name: "projection", run: cluster::projection },
    Target { name: "redaction", run: cluster::redaction },
    Target { name: "value_masks", run: cluster::value_masks },
    Target { name: "field_path", run: cluster::field_path },
    Target { name: "filter", run: field_path::filter },
    Target { name: "cursor", run: lists::cursor },
    Target { name: "table", run: cluster::table },
    Target { name: "log_lines", run: cluster::log_lines },
    Target { name: "log_search", run: cluster::log_search },
    Target { name: "helm_release", run: cluster::helm_release },
    Target { name: "managed_fields", run: cluster::managed_fields },
    Target { name: "kinds", run: cluster::kinds },
    Target { name: "kubeconfig", run: cluster::kubeconfig },
    Target { name: "description", run: sandbox::description },
    Target { name: "imports", run: sandbox::imports },
    Target { name: "image_reference", run: registry::image_reference },
    Target { name: "image_manifest", run: registry::image_manifest },
    Target { name: "signature", run: registry::signature },
    Target { name: "sources_lock", run: registry::sources_lock },
    Target { name: "arguments", run: tools::arguments },
    Target { name: "audited", run: tools::audited },
    Target { name: "approvals", run: tools::approvals },
    Target { name: "message_ids", run: mcp::message_ids },
    Target { name: "sse_event", run: mcp::sse_event },
    Target { name: "authorization", run: http::authorization },
    Target { name: "host", run: http::host },
    Target { name: "html_text", run: admin::html_text },
    Target { name: "foreign_text", run: contract::foreign_text },
    Target { name: "names", run: contract::names },
];
