//! The macros of `porthole-sdk`, which re-exports them; its documentation has examples that compile.
//!
//! What they generate names `::porthole_sdk` alone, and holds no logic: schemas, checks and defaults are the SDK's, so that
//! a component has them once.

mod argument;
mod arguments;
mod choices;
mod tool;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a struct the arguments of a tool: a schema, and the values of a call.
///
/// A field is an argument; its doc comment is the description that models read, its name becomes camelCase. Types: `String`,
/// `bool`, `u32`, `f64`, `Vec<String>`, an enum with `#[derive(Argument)]`, and `Option` of those.
///
/// | attribute | meaning |
/// |---|---|
/// | `#[argument(default = 100)]` | the value if the caller gives none; the description says so too |
/// | `#[argument(min = 1, max = 5000)]` | bounds of a number |
/// | `#[argument(rename = "from")]` | another name than the field's |
/// | `#[argument(flatten)]` | the field is a struct of arguments itself, such as `ListArguments` |
///
/// An argument without a default that is no `Option` and no list is required.
#[proc_macro_derive(Arguments, attributes(argument))]
pub fn derive_arguments(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    arguments::derive(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes an enum of plain variants the type of an argument: a string that is one of their names.
///
/// A variant is called by its name in lower case, or as `#[argument(rename = "not-ready")]` says.
/// `#[argument(alias = "wide")]` is another name for it, which the schema lists too: hosts refuse what it does not list.
#[proc_macro_derive(Argument, attributes(argument))]
pub fn derive_argument(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    choices::derive(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes this crate a tool of a function from arguments to an `Answer`.
///
/// | key | meaning |
/// |---|---|
/// | `title = "Log of pods"` | required; for people |
/// | `name = "pods_log"` | the function's name if left out |
/// | `summary = "…"` | for models; the function's doc comment if left out |
/// | `reads(…)` | all that the tool may ask for; nothing if left out |
///
/// A read is a verb (`get`, `list`, or `get_list` for both) with resources, and before them the API group if it is not the
/// core group: `reads(get("pods/log"), get_list("pods"), get("apps": "deployments", "statefulsets"))`. `"*": "*"` is
/// everything. The function takes one struct with `#[derive(Arguments)]`, or nothing.
#[proc_macro_attribute]
pub fn tool(attribute: TokenStream, item: TokenStream) -> TokenStream {
    tool::expand(attribute.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}
