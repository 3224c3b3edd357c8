//! Making a component of a function.

/// Makes this crate a tool: `fn run(arguments: Arguments) -> Answer` serves its calls.
///
/// `reads` is what the tool may ask for, each a verb, an API group ("" is core) and resources; the host refuses the rest.
#[macro_export]
macro_rules! tool {
    (
        name: $name:literal,
        title: $title:literal,
        summary: $summary:literal,
        reads: [$($($verb:ident)|+ $group:literal $($resource:literal)|+),* $(,)?] $(,)?
    ) => {
        struct Component;

        impl $crate::bindings::Guest for Component {
            fn describe() -> $crate::types::Description {
                $crate::types::Description {
                    name: $name.to_owned(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    title: $title.to_owned(),
                    summary: $summary.to_owned(),
                    input_schema: Arguments::schema(),
                    output_schema: None,
                    reads: vec![$($crate::types::ReadRule {
                        api_groups: vec![$group.to_owned()],
                        resources: vec![$($resource.to_owned()),+],
                        verbs: vec![$($crate::tool!(@verb $verb)),+],
                    }),*],
                }
            }

            fn run(arguments: String) -> Result<$crate::types::Outcome, String> {
                let arguments = $crate::parse_arguments(&arguments)?;
                run(arguments)
            }
        }

        $crate::bindings::export!(Component with_types_in $crate::bindings);
    };
    (@verb get) => { $crate::types::Verb::Get };
    (@verb list) => { $crate::types::Verb::List };
}

/// The arguments as the tool declares them. The host has made them fit, so an error here is a fault of the tool.
#[doc(hidden)]
pub fn parse_arguments<T: serde::de::DeserializeOwned>(arguments: &str) -> Result<T, String> {
    serde_json::from_str(arguments).map_err(|error| format!("the arguments do not fit this tool: {error}"))
}
