//! `#[derive(Argument)]` on an enum.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Fields, Ident, LitStr, Result, ext::IdentExt};

use crate::argument::{Options, error_at};

const KEYS: [&str; 2] = ["rename", "alias"];

/// A variant and the names that callers have for it, the first of which is its own.
struct Choice<'v> {
    variant: &'v Ident,
    names: Vec<LitStr>,
}

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Enum(data) = &input.data else {
        return error_at(
            &input.ident,
            "only an enum is one argument; a struct has several: #[derive(Arguments)]",
        );
    };
    let mut choices: Vec<Choice<'_>> = Vec::new();
    let mut taken: Vec<String> = Vec::new();
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            return error_at(&variant.fields, "a choice is a name alone");
        }
        let Options { rename, aliases, .. } = Options::parse(&variant.attrs, &KEYS)?;
        let own = rename.unwrap_or_else(|| {
            LitStr::new(&variant.ident.unraw().to_string().to_lowercase(), variant.ident.span())
        });
        let names: Vec<LitStr> = std::iter::once(own).chain(aliases).collect();
        for name in &names {
            if taken.contains(&name.value()) {
                return error_at(name, "this name is taken");
            }
            taken.push(name.value());
        }
        choices.push(Choice { variant: &variant.ident, names });
    }
    if choices.is_empty() {
        return error_at(&input.ident, "there is nothing to choose from");
    }
    let name = &input.ident;
    let own = choices.iter().filter_map(|choice| choice.names.first());
    let aliases = choices.iter().flat_map(|choice| choice.names.iter().skip(1));
    let read = choices.iter().map(|Choice { variant, names }| quote!(#(#names)|* => Self::#variant));
    let written = choices
        .iter()
        .filter_map(|Choice { variant, names }| names.first().map(|name| quote!(Self::#variant => #name)));
    Ok(quote! {
        #[automatically_derived]
        impl ::porthole_sdk::Argument for #name {
            const TYPE: &'static str = "string";
            const EXPECTED: &'static str = "a string";
            const CHOICES: &'static [&'static str] = &[#(#own,)* #(#aliases,)*];

            fn from_json(value: &::porthole_sdk::Value) -> ::core::option::Option<Self> {
                ::core::option::Option::Some(match value.as_str()? {
                    #(#read,)*
                    _ => return ::core::option::Option::None,
                })
            }

            fn to_json(&self) -> ::porthole_sdk::Value {
                ::porthole_sdk::Value::from(match self { #(#written,)* })
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn derived(input: DeriveInput) -> String {
        derive(&input).map_or_else(|error| error.to_string(), |tokens| tokens.to_string())
    }

    #[test]
    fn names_come_before_aliases() {
        let tokens = derived(parse_quote! {
            enum Output {
                #[argument(alias = "wide")]
                Table,
                #[argument(rename = "as-yaml")]
                Yaml,
                r#Type,
            }
        });
        assert!(tokens.contains(r#"& ["table" , "as-yaml" , "type" , "wide" ,]"#), "{tokens}");
        assert!(tokens.contains(r#""table" | "wide" => Self :: Table"#), "{tokens}");
    }

    #[test]
    fn misuse_is_refused() {
        let cases: [(DeriveInput, &str); 4] = [
            (
                parse_quote!(
                    struct Output;
                ),
                "only an enum",
            ),
            (
                parse_quote!(
                    enum Output {
                        Table(u32),
                    }
                ),
                "a name alone",
            ),
            (
                parse_quote!(
                    enum Output {
                        A,
                        #[argument(alias = "a")]
                        B,
                    }
                ),
                "this name is taken",
            ),
            (
                parse_quote!(
                    enum Output {}
                ),
                "nothing to choose from",
            ),
        ];
        for (input, expected) in cases {
            let message = derived(input);
            assert!(message.contains(expected), "{expected} is not in {message}");
        }
    }
}
