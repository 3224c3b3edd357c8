//! Shared parts of the tools on metrics.

use crate::{
    Error, Table, call,
    kube_read::{ReadError, Reason},
};

/// Kept of the answer for the line on what was left out, and a total.
const NOTICE: usize = 256;

/// The error of a read of `metrics.k8s.io`: where the API is missing, what to do about it.
pub fn metrics_error(error: ReadError) -> Error {
    match error.reason {
        Reason::UnknownKind | Reason::Unsupported => Error::Read(ReadError {
            message: "the metrics API is not available: metrics-server is not installed in this cluster, or is not ready. Ask the cluster's owner for it.".to_owned(),
            retry_after_seconds: None,
            ..error
        }),
        _ => Error::Read(error),
    }
}

/// The table, as many of its rows as there is room for, and a line on the rest.
pub fn top(table: &Table, noun: &str, narrow: &str) -> String {
    let (mut rows, shown) = table.fit((call::output_budget() as usize).saturating_sub(NOTICE));
    if shown < table.len() {
        rows.push_str(&format!(
            "{shown} {noun} with the highest CPU shown of {}; narrow it with {narrow}\n",
            table.len()
        ));
    }
    rows
}
