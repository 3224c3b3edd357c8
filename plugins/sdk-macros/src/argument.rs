//! `#[argument(…)]` and doc comments, as fields and variants have them.

use proc_macro2::Span;
use syn::{Attribute, Error, Expr, ExprLit, ExprUnary, Lit, LitStr, Meta, Result, UnOp, spanned::Spanned};

/// The keys of `#[argument(…)]` on a field or a variant.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) default: Option<Expr>,
    pub(crate) min: Option<Expr>,
    pub(crate) max: Option<Expr>,
    pub(crate) rename: Option<LitStr>,
    pub(crate) aliases: Vec<LitStr>,
    pub(crate) flatten: Option<Span>,
}

impl Options {
    /// Reads the attributes; a key that is not in `allowed` is an error at its span.
    pub(crate) fn parse(attributes: &[Attribute], allowed: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("argument")) {
            attribute.parse_nested_meta(|meta| {
                let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
                if !allowed.contains(&key.as_str()) {
                    return Err(meta.error(format!("no such key here; there are {}", allowed.join(", "))));
                }
                let twice = match key.as_str() {
                    "flatten" => options.flatten.replace(meta.path.span()).is_some(),
                    "rename" => options.rename.replace(meta.value()?.parse()?).is_some(),
                    "alias" => {
                        options.aliases.push(meta.value()?.parse()?);
                        false
                    }
                    "default" => options.default.replace(meta.value()?.parse()?).is_some(),
                    "min" => options.min.replace(meta.value()?.parse()?).is_some(),
                    _ => options.max.replace(meta.value()?.parse()?).is_some(),
                };
                if twice { Err(meta.error("given twice")) } else { Ok(()) }
            })?;
        }
        Ok(options)
    }
}

/// The doc comment on one line; empty if there is none.
pub(crate) fn doc(attributes: &[Attribute]) -> String {
    let lines =
        attributes.iter().filter(|attribute| attribute.path().is_ident("doc")).filter_map(|attribute| {
            match &attribute.meta {
                Meta::NameValue(pair) => literal(&pair.value),
                _ => None,
            }
        });
    let lines: Vec<String> =
        lines.map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}

/// A literal string; in a macro's output it may stand in a group.
fn literal(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        Expr::Group(group) => literal(&group.expr),
        _ => None,
    }
}

/// The number that a literal is; None for any other expression.
pub(crate) fn number(expression: &Expr) -> Option<f64> {
    match expression {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse().ok(),
        Expr::Lit(ExprLit { lit: Lit::Float(number), .. }) => number.base10_parse().ok(),
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => number(expr).map(|number| -number),
        Expr::Group(group) => number(&group.expr),
        _ => None,
    }
}

/// An error at this token.
pub(crate) fn error_at<T>(at: impl Spanned, message: impl std::fmt::Display) -> Result<T> {
    Err(Error::new(at.span(), message))
}
