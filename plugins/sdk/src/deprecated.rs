//! The macros of 0.1, which the next version will not have. A tool that uses them compiles as it is, except that an error
//! made of a text is `Err(text.into())`.

/// Declares `struct Arguments`. A field's doc comment is its description; `= value` is its default.
#[macro_export]
#[deprecated(note = "use #[derive(Arguments)] on a struct of your own")]
macro_rules! arguments {
    ($($fields:tt)*) => { $crate::__arguments! { $($fields)* } };
}

/// Declares `struct Arguments` with those that every list tool takes.
#[macro_export]
#[deprecated(note = "use #[derive(Arguments)] with a field #[argument(flatten)] list: ListArguments")]
macro_rules! list_arguments {
    ($($fields:tt)*) => {
        $crate::__arguments! {
            $($fields)*
            /// e.g. app=web,tier!=test
            label_selector: Option<String>,
            /// e.g. metadata.name=web
            field_selector: Option<String>,
            /// Show these fields instead: spec.containers[].image,metadata.labels
            fields: Option<String>,
            /// Rows at most
            limit: Option<u32>,
            /// Token from an earlier answer
            r#continue: Option<String>,
            /// Column or path; -path: descending
            sort_by: Option<String>,
            /// table, names, count (by status or fields), yaml, json
            output: Option<String>,
            /// Answer size at most
            max_bytes: Option<u32>,
        }

        impl From<&Arguments> for $crate::ListRequest {
            fn from(arguments: &Arguments) -> Self {
                Self {
                    label_selector: arguments.label_selector.clone(),
                    field_selector: arguments.field_selector.clone(),
                    fields: arguments.fields.clone(),
                    limit: arguments.limit,
                    continue_token: arguments.r#continue.clone(),
                    sort_by: arguments.sort_by.clone(),
                    output: arguments.output.clone(),
                    max_bytes: arguments.max_bytes,
                    ..Self::default()
                }
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __arguments {
    ($($(#[doc = $doc:literal])* $field:ident : $ty:ty $(= $default:expr)?),* $(,)?) => {
        /// The arguments of this tool.
        #[derive(Default, $crate::Arguments)]
        struct Arguments {
            $($(#[doc = $doc])* $(#[argument(default = $default)])? $field: $ty,)*
        }
    };
}

/// Makes this crate a tool: `fn run(arguments: Arguments) -> Answer` serves its calls.
#[doc(hidden)]
#[macro_export]
#[deprecated(note = "use #[tool(…)] on a function: use porthole_sdk::{prelude::*, tool}")]
macro_rules! __tool {
    (
        name: $name:literal,
        title: $title:literal,
        summary: $summary:literal,
        reads: [$($($verb:ident)|+ $group:literal $($resource:literal)|+),* $(,)?] $(,)?
    ) => {
        struct Component;

        impl $crate::bindings::Guest for Component {
            fn describe() -> $crate::types::Description {
                $crate::About {
                    name: $name,
                    version: env!("CARGO_PKG_VERSION"),
                    title: $title,
                    summary: $summary,
                    reads: &[$($crate::Reads {
                        group: $group,
                        resources: &[$($resource),+],
                        verbs: &[$($crate::__verb!($verb)),+],
                    }),*],
                }
                .describe::<Arguments>()
            }

            fn run(arguments: String) -> Result<$crate::types::Outcome, String> {
                $crate::answer(&arguments, run)
            }
        }

        $crate::bindings::export!(Component with_types_in $crate::bindings);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __verb {
    (get) => {
        $crate::types::Verb::Get
    };
    (list) => {
        $crate::types::Verb::List
    };
}
