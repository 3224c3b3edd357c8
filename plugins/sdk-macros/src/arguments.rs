//! `#[derive(Arguments)]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{
    Data, DeriveInput, Expr, Field, Fields, GenericArgument, Ident, PathArguments, Result, Type,
    spanned::Spanned,
};

use crate::argument::{Options, doc, error_at, number};

const KEYS: [&str; 5] = ["default", "min", "max", "rename", "flatten"];

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return error_at(
            &input.ident,
            "arguments are a struct; an enum is one argument: #[derive(Argument)]",
        );
    };
    if !input.generics.params.is_empty() {
        return error_at(&input.generics, "arguments have no generics");
    }
    let none = syn::FieldsNamed { brace_token: Default::default(), named: Default::default() };
    let fields = match &data.fields {
        Fields::Named(fields) => fields,
        Fields::Unit => &none,
        Fields::Unnamed(fields) => return error_at(fields, "an argument has a name: use named fields"),
    };
    let arguments = fields.named.iter().map(argument).collect::<Result<Vec<_>>>()?;
    let name = &input.ident;
    let mut own: Vec<&str> = Vec::new();
    for (argument, field) in arguments.iter().zip(&fields.named) {
        let Some(name) = argument.name.as_deref() else { continue };
        if own.contains(&name) {
            return error_at(
                field,
                format!("two arguments are called {name}: the second would hide the first"),
            );
        }
        own.push(name);
    }
    let flattened = arguments.iter().filter(|argument| argument.name.is_none()).map(|argument| argument.ty);
    let names = quote! {
        ::porthole_sdk::Names {
            own: &[#(#own),*],
            flattened: &[#(&<#flattened as ::porthole_sdk::Arguments>::NAMES),*],
        }
    };
    let declare = arguments.iter().map(|argument| &argument.declare);
    let read = arguments.iter().map(|argument| &argument.read);
    let constructor =
        if matches!(data.fields, Fields::Unit) { quote!(Self) } else { quote!(Self { #(#read)* }) };
    Ok(quote! {
        #[automatically_derived]
        impl ::porthole_sdk::Arguments for #name {
            const NAMES: ::porthole_sdk::Names = #names;

            #[allow(unused_variables, reason = "a tool may take no arguments")]
            fn declare(schema: &mut ::porthole_sdk::Schema) {
                #(#declare)*
            }

            #[allow(unused_variables, reason = "a tool may take no arguments")]
            fn read(given: &::porthole_sdk::Given) -> ::core::result::Result<Self, ::porthole_sdk::Error> {
                ::core::result::Result::Ok(#constructor)
            }
        }

        // Those of a struct that is flattened are known to the compiler alone.
        const _: () = ::core::assert!(
            <#name as ::porthole_sdk::Arguments>::NAMES.are_unique(),
            "two arguments have one name, one of them in a struct that is flattened"
        );
    })
}

/// A field's parts of the implementation.
struct Argument<'f> {
    /// The name that callers use; `None` if the field is flattened.
    name: Option<String>,
    ty: &'f Type,
    declare: TokenStream,
    read: TokenStream,
}

fn argument(field: &Field) -> Result<Argument<'_>> {
    let Some(ident) = &field.ident else { return error_at(field, "an argument has a name") };
    let (ty, at) = (&field.ty, field.ty.span());
    let options = Options::parse(&field.attrs, &KEYS)?;
    if let Some(span) = options.flatten {
        let Options { default: None, min: None, max: None, rename: None, .. } = &options else {
            return error_at(span, "a struct of arguments has neither default nor bounds nor a name");
        };
        return Ok(Argument {
            name: None,
            ty,
            declare: quote_spanned!(at=> <#ty as ::porthole_sdk::Arguments>::declare(schema);),
            read: quote_spanned!(at=> #ident: <#ty as ::porthole_sdk::Arguments>::read(given)?,),
        });
    }
    check(field, &options)?;
    let name = match &options.rename {
        Some(name) if is_name(&name.value()) => name.value(),
        Some(name) => return error_at(name, "a name begins with a letter; letters, digits, _ and - follow"),
        None => camel_case(&ident.to_string()),
    };
    let description = doc(&field.attrs);
    let bound = |bound: &Option<Expr>| match bound.as_ref().and_then(number) {
        Some(number) => quote!(::core::option::Option::Some(#number)),
        None => quote!(::core::option::Option::None),
    };
    let (min, max) = (bound(&options.min), bound(&options.max));
    let default = match &options.default {
        Some(value) if is_type(ty, "String") => {
            quote!(::core::option::Option::Some(::std::string::String::from(#value)))
        }
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    };
    let spec = quote! {
        &::porthole_sdk::Spec { name: #name, description: #description, min: #min, max: #max }
    };
    // Spanned at the type, where the compiler then reports one that is no argument.
    Ok(Argument {
        declare: quote_spanned!(at=> schema.add::<#ty>(#spec, #default);),
        read: quote_spanned!(at=> #ident: given.argument::<#ty>(#spec, #default)?,),
        name: Some(name),
        ty,
    })
}

/// Refuses what the host would refuse when it loads the tool, at its place in the source.
fn check(field: &Field, options: &Options) -> Result<()> {
    let ty = &field.ty;
    if doc(&field.attrs).is_empty() {
        return error_at(field, "say in a doc comment what it is: models read it");
    }
    if let Some(default) = &options.default
        && (option(ty).is_some() || is_type(ty, "Vec"))
    {
        return error_at(default, "an Option or a list has no default: it is None, or empty");
    }
    let plain = option(ty).unwrap_or(ty);
    let is_number = is_type(plain, "u32") || is_type(plain, "f64");
    for bound in [&options.min, &options.max].into_iter().flatten() {
        if !is_number {
            return error_at(bound, "only numbers have bounds: u32, f64, and Option of those");
        }
        match number(bound) {
            None => return error_at(bound, "a bound is a literal number"),
            Some(number) if is_type(plain, "u32") && (number < 0.0 || number.fract() != 0.0) => {
                return error_at(bound, "a bound of a u32 is a whole number from 0 on");
            }
            Some(_) => {}
        }
    }
    let (min, max) = (options.min.as_ref().and_then(number), options.max.as_ref().and_then(number));
    if let (Some(min), Some(max), Some(bound)) = (min, max, &options.max)
        && min > max
    {
        return error_at(bound, "max is below min");
    }
    if let Some(default) = &options.default
        && let Some(value) = number(default)
        && (min.is_some_and(|min| value < min) || max.is_some_and(|max| value > max))
    {
        return error_at(default, "the default is out of bounds");
    }
    Ok(())
}

/// True if the last word of a type's path is this.
fn is_type(ty: &Type, name: &str) -> bool {
    last(ty).is_some_and(|(ident, _)| ident == name)
}

/// The type within an `Option`.
fn option(ty: &Type) -> Option<&Type> {
    let (_, PathArguments::AngleBracketed(arguments)) = last(ty).filter(|(ident, _)| *ident == "Option")?
    else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

fn last(ty: &Type) -> Option<(&Ident, &PathArguments)> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| (&segment.ident, &segment.arguments)),
        Type::Group(group) => last(&group.elem),
        _ => None,
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// `label_selector` as agents know it: `labelSelector`.
fn camel_case(field: &str) -> String {
    let mut parts = field.strip_prefix("r#").unwrap_or(field).split('_');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn derived(input: DeriveInput) -> String {
        derive(&input).map_or_else(|error| error.to_string(), |tokens| tokens.to_string())
    }

    #[test]
    fn a_field_becomes_an_argument_by_its_doc_comment_and_attribute() {
        let tokens = derived(parse_quote! {
            struct Logs {
                /// Lines from
                /// the end
                #[argument(default = 100, min = 1, max = 5000)]
                tail_lines: u32,
                /// Pod
                #[argument(rename = "from")]
                r#type: Option<String>,
                #[argument(flatten)]
                list: ListArguments,
            }
        });
        for part in [
            r#"name : "tailLines""#,
            r#"description : "Lines from the end""#,
            "Some (1f64)",
            "Some (5000f64)",
            "Some (100)",
            r#"name : "from""#,
            "list : < ListArguments as :: porthole_sdk :: Arguments > :: read (given) ?",
        ] {
            assert!(tokens.contains(part), "{part} is not in {tokens}");
        }
    }

    #[test]
    fn misuse_is_refused_where_it_stands() {
        let field = |field: Field| parse_quote!(struct Logs { #field });
        let cases: [(DeriveInput, &str); 13] = [
            (
                parse_quote!(
                    struct Logs {
                        /// One
                        a_b: String,
                        /// Another
                        aB: String,
                    }
                ),
                "two arguments are called aB",
            ),
            (
                parse_quote!(
                    struct Logs {
                        /// One
                        #[argument(rename = "from")]
                        a: String,
                        /// Another
                        from: String,
                    }
                ),
                "two arguments are called from",
            ),
            (
                parse_quote!(
                    enum Logs {
                        A,
                    }
                ),
                "an enum is one argument",
            ),
            (
                parse_quote!(
                    struct Logs(String);
                ),
                "use named fields",
            ),
            (field(parse_quote!(name: String)), "say in a doc comment"),
            (field(parse_quote!(#[doc = "x"] #[argument(defualt = 1)] n: u32)), "no such key here"),
            (field(parse_quote!(#[doc = "x"] #[argument(default = 1, default = 2)] n: u32)), "given twice"),
            (field(parse_quote!(#[doc = "x"] #[argument(default = 1)] n: Option<u32>)), "has no default"),
            (field(parse_quote!(#[doc = "x"] #[argument(min = 1)] n: String)), "only numbers have bounds"),
            (field(parse_quote!(#[doc = "x"] #[argument(min = 3, max = 2)] n: u32)), "max is below min"),
            (field(parse_quote!(#[doc = "x"] #[argument(min = -1)] n: u32)), "a whole number from 0 on"),
            (field(parse_quote!(#[doc = "x"] #[argument(default = 9, max = 2)] n: u32)), "out of bounds"),
            (field(parse_quote!(#[argument(flatten, min = 1)] n: Nested)), "neither default nor bounds"),
        ];
        for (input, expected) in cases {
            let message = derived(input);
            assert!(message.contains(expected), "{expected} is not in {message}");
        }
    }

    #[test]
    fn names_become_camel_case() {
        for (field, name) in [("label_selector", "labelSelector"), ("r#continue", "continue"), ("n", "n")] {
            assert_eq!(camel_case(field), name);
        }
    }
}
