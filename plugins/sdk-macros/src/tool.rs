//! `#[tool(…)]`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{
    Error, FnArg, Ident, ItemFn, LitStr, Result, ReturnType, Token, Type, parenthesized,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
};

use crate::argument::{doc, error_at};

/// Bytes that the host accepts of a title and of a summary.
const MAX_TITLE: usize = 128;
const MAX_SUMMARY: usize = 4 << 10;

/// The keys of `#[tool(…)]`.
#[derive(Default)]
struct Keys {
    name: Option<LitStr>,
    title: Option<LitStr>,
    summary: Option<LitStr>,
    reads: Vec<Read>,
}

/// `get_list("batch": "jobs")`
struct Read {
    verbs: Vec<Ident>,
    group: LitStr,
    resources: Vec<LitStr>,
}

impl Parse for Keys {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut keys = Self::default();
        let mut seen: Vec<Ident> = Vec::new();
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            if seen.contains(&key) {
                return error_at(&key, "given twice");
            }
            match key.to_string().as_str() {
                "reads" => {
                    let reads;
                    parenthesized!(reads in input);
                    keys.reads =
                        Punctuated::<Read, Token![,]>::parse_terminated(&reads)?.into_iter().collect();
                }
                word @ ("name" | "title" | "summary") => {
                    input.parse::<Token![=]>()?;
                    let text = Some(input.parse()?);
                    match word {
                        "name" => keys.name = text,
                        "title" => keys.title = text,
                        _ => keys.summary = text,
                    }
                }
                _ => return error_at(&key, "no such key; there are name, title, summary, reads"),
            }
            seen.push(key);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(keys)
    }
}

impl Parse for Read {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let verb: Ident = input.parse()?;
        let verbs: &[&str] = match verb.to_string().as_str() {
            "get" => &["Get"],
            "list" => &["List"],
            "get_list" => &["Get", "List"],
            _ => return error_at(&verb, "a tool reads by get, list, or get_list, which is both"),
        };
        let inside;
        parenthesized!(inside in input);
        if inside.is_empty() {
            return error_at(&verb, "name a resource: get(\"pods\"), or get(\"apps\": \"deployments\")");
        }
        let group = if inside.peek2(Token![:]) {
            let group = inside.parse()?;
            inside.parse::<Token![:]>()?;
            group
        } else {
            LitStr::new("", verb.span())
        };
        let resources = Punctuated::<LitStr, Token![,]>::parse_separated_nonempty(&inside)?.into_iter();
        let resources: Vec<LitStr> = resources.collect();
        if let Some(resource) = resources.iter().find(|resource| !is_resource(&resource.value())) {
            return error_at(
                resource,
                "resources are plural and in lower case, as RBAC names them: pods, pods/log",
            );
        }
        Ok(Self { verbs: verbs.iter().map(|name| Ident::new(name, verb.span())).collect(), group, resources })
    }
}

fn is_resource(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || b"0123456789-./*".contains(&byte))
}

pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let keys: Keys = syn::parse2(attribute)?;
    let function: ItemFn = syn::parse2(item)?;
    let signature = &function.sig;
    let ident = &signature.ident;
    let name = keys.name.unwrap_or_else(|| LitStr::new(&ident.to_string(), ident.span()));
    if !is_tool_name(&name.value()) {
        return error_at(&name, "a tool's name is 1 to 64 of a-z, 0-9 and _");
    }
    let Some(title) = keys.title else {
        return Err(Error::new(Span::call_site(), "title is missing: #[tool(title = \"Log of pods\")]"));
    };
    check_line(&title, MAX_TITLE)?;
    let summary = keys.summary.unwrap_or_else(|| LitStr::new(&doc(&function.attrs), ident.span()));
    if summary.value().is_empty() {
        return error_at(ident, "say for models what it answers: in its doc comment, or as summary = \"…\"");
    }
    check_line(&summary, MAX_SUMMARY)?;
    let (arguments, call) = parse_signature(&function)?;
    let reads = keys.reads.iter().map(|Read { verbs, group, resources }| {
        quote! {
            ::porthole_sdk::Reads {
                group: #group,
                resources: &[#(#resources),*],
                verbs: &[#(::porthole_sdk::types::Verb::#verbs),*],
            }
        }
    });
    Ok(quote! {
        #function

        const _: () = {
            struct Component;

            impl ::porthole_sdk::bindings::Guest for Component {
                fn describe() -> ::porthole_sdk::types::Description {
                    ::porthole_sdk::About {
                        name: #name,
                        version: ::core::env!("CARGO_PKG_VERSION"),
                        title: #title,
                        summary: #summary,
                        reads: &[#(#reads),*],
                    }
                    .describe::<#arguments>()
                }

                fn run(
                    arguments: ::std::string::String,
                ) -> ::core::result::Result<::porthole_sdk::types::Outcome, ::std::string::String> {
                    ::porthole_sdk::answer(&arguments, #call)
                }
            }

            ::porthole_sdk::bindings::export!(Component with_types_in ::porthole_sdk::bindings);
        };
    })
}

/// The type of the function's arguments, and what to call with them.
fn parse_signature(function: &ItemFn) -> Result<(Type, TokenStream)> {
    let signature = &function.sig;
    let ident = &signature.ident;
    if let Some(word) = &signature.asyncness {
        return error_at(word, "a tool is not async: reads wait for their answer");
    }
    if !signature.generics.params.is_empty() {
        return error_at(&signature.generics, "a tool has no generics");
    }
    if matches!(signature.output, ReturnType::Default) {
        return error_at(signature, "a tool returns an Answer: fn(…) -> Answer");
    }
    let mut inputs = signature.inputs.iter();
    match (inputs.next(), inputs.next()) {
        (None, _) => Ok((syn::parse_quote!(()), quote_spanned!(ident.span()=> |()| #ident()))),
        (Some(FnArg::Typed(argument)), None) => Ok(((*argument.ty).clone(), quote!(#ident))),
        (Some(FnArg::Receiver(receiver)), _) => error_at(receiver, "a tool is a function, not a method"),
        (_, Some(more)) => error_at(more, "a tool takes one struct with #[derive(Arguments)], or nothing"),
    }
}

/// Refuses a text that the host would not serve.
fn check_line(text: &LitStr, max: usize) -> Result<()> {
    let value = text.value();
    if value.trim().is_empty() || value.len() > max || value.contains(char::is_control) {
        return error_at(text, format!("it is one line of 1 to {max} bytes"));
    }
    Ok(())
}

fn is_tool_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(attribute: TokenStream, item: TokenStream) -> String {
        expand(attribute, item).map_or_else(|error| error.to_string(), |tokens| tokens.to_string())
    }

    #[test]
    fn name_and_summary_are_the_functions_own() {
        let tokens = expanded(
            quote!(title = "Log", reads(get("pods/log"), get_list("batch": "jobs", "cronjobs"))),
            quote!(
                /// Last lines
                /// of a log.
                fn pods_log(logs: Logs) -> Answer {}
            ),
        );
        for part in [
            r#"name : "pods_log""#,
            r#"summary : "Last lines of a log.""#,
            r#"group : "" , resources : & ["pods/log"] , verbs : & [:: porthole_sdk :: types :: Verb :: Get]"#,
            r#"group : "batch" , resources : & ["jobs" , "cronjobs"]"#,
            "describe :: < Logs > ()",
            "answer (& arguments , pods_log)",
        ] {
            assert!(tokens.contains(part), "{part} is not in {tokens}");
        }
        let bare = expanded(
            quote!(title = "T", summary = "S"),
            quote!(
                fn t() -> Answer {}
            ),
        );
        assert!(bare.contains("describe :: < () > ()") && bare.contains("| () | t ()"), "{bare}");
    }

    #[test]
    fn misuse_is_refused() {
        let plain = quote!(
            fn t() -> Answer {}
        );
        for (attribute, item, expected) in [
            (quote!(summary = "S"), plain.clone(), "title is missing"),
            (quote!(title = "T"), plain.clone(), "say for models"),
            (quote!(title = "T", titel = "T"), plain.clone(), "no such key"),
            (quote!(title = "T", title = "T"), plain.clone(), "given twice"),
            (quote!(title = "a\nb", summary = "S"), plain.clone(), "it is one line"),
            (quote!(name = "T", title = "T", summary = "S"), plain.clone(), "a tool's name"),
            (quote!(reads(watch("pods"))), plain.clone(), "get, list, or get_list"),
            (quote!(reads(get())), plain.clone(), "name a resource"),
            (quote!(reads(get("Pod"))), plain.clone(), "plural and in lower case"),
            (
                quote!(title = "T", summary = "S"),
                quote!(
                    async fn t() -> Answer {}
                ),
                "not async",
            ),
            (
                quote!(title = "T", summary = "S"),
                quote!(
                    fn t() {}
                ),
                "returns an Answer",
            ),
            (
                quote!(title = "T", summary = "S"),
                quote!(
                    fn t(a: A, b: B) -> Answer {}
                ),
                "one struct",
            ),
        ] {
            let message = expanded(attribute, item);
            assert!(message.contains(expected), "{expected} is not in {message}");
        }
    }
}
