//! The arguments that every list tool takes.

use crate::{Arguments, ListRequest};

/// The arguments of every list, for a field with `#[argument(flatten)]`; [`List`](crate::List) answers them.
///
/// ```
/// use porthole_sdk::prelude::*;
///
/// #[derive(Arguments)]
/// struct Request {
///     /// Default: all namespaces
///     namespace: Option<String>,
///     #[argument(flatten)]
///     list: ListArguments,
/// }
///
/// fn services(request: Request) -> Answer {
///     let list = List { kind: kind("services"), namespace: request.namespace, noun: "services".into() };
///     list.server_table(&request.list)
/// }
/// ```
#[derive(Arguments, Default, Debug, Clone)]
pub struct ListArguments {
    /// e.g. app=web,tier!=test
    pub label_selector: Option<String>,
    /// e.g. metadata.name=web
    pub field_selector: Option<String>,
    /// Conditions: status.phase!=Running,a.b>1; < ~ exists
    pub r#where: Option<String>,
    /// Show these fields instead: spec.containers[].image,metadata.labels
    pub fields: Option<String>,
    /// Rows at most
    pub limit: Option<u32>,
    /// Token from an earlier answer
    pub r#continue: Option<String>,
    /// Column or path; -path: descending
    pub sort_by: Option<String>,
    // Not an enum: `Output` reads it in any case, and with names that the schema does not list.
    /// table, names, count (by status or fields), yaml, json
    pub output: Option<String>,
    /// Answer size at most
    pub max_bytes: Option<u32>,
}

impl From<&ListArguments> for ListRequest {
    fn from(arguments: &ListArguments) -> Self {
        let ListArguments {
            label_selector,
            field_selector,
            r#where: filter,
            fields,
            limit,
            r#continue: continue_token,
            sort_by,
            output,
            max_bytes,
        } = arguments.clone();
        Self {
            label_selector,
            field_selector,
            filter,
            fields,
            limit,
            continue_token,
            sort_by,
            output,
            max_bytes,
        }
    }
}
