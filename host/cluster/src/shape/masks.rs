//! Values that the operator masks in objects: at field paths, and in environments of containers.
//!
//! The masks are part of the copy, so fields, conditions, searches and limits see them and never the value.

#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;

use std::cell::Cell;

use porthole_contract::{Echo, Failure, Reason};
use serde::Deserialize;

use super::{FieldSelection, Projection, credentials::is_credential};

/// Mask of a value at a path that the operator named. It hides the length too.
pub(crate) const CONFIGURED: &str = "<masked: configured>";
/// Mask of an environment variable's value.
const ENVIRONMENT: &str = "<masked: environment>";
/// Mask of an annotation that repeats an object, with the values that are masked in it.
const COPY: &str = "<masked: copy of an object>";

/// Annotations that hold a copy of the object in a form that is not recognized as one: Rancher compresses it.
const COPIES: [&str; 2] = ["objectset.rio.cattle.io/applied", "banzaicloud.com/last-applied"];

/// Fields that can be asked for by selectors or by name: a mask of them would be an oracle.
const SELECTABLE: [&[&str]; 5] =
    [&["apiVersion"], &["kind"], &["metadata", "name"], &["metadata", "namespace"], &["metadata", "labels"]];

/// Values that are masked in objects of one kind; by default none.
#[derive(Debug, Default, PartialEq)]
pub struct ValueMasks {
    fields: Option<Projection>,
    environment: bool,
}

impl ValueMasks {
    /// Masks what is at `paths` and below; with `environment` also the values of environment variables whose names look
    /// like those of credentials, and credentials within the values of others.
    ///
    /// # Errors
    ///
    /// If a path is malformed, if there are too many, or if one covers a field that selectors ask for.
    pub fn new(paths: &[String], environment: bool) -> Result<Self, Failure> {
        let fields = (!paths.is_empty()).then(|| Projection::parse(paths)).transpose()?;
        if let Some(selectable) = SELECTABLE
            .iter()
            .find(|names| fields.as_ref().is_some_and(|fields| fields.touches(names.iter().copied())))
        {
            return Err(Failure::new(
                Reason::Invalid,
                format!(
                    "{} cannot be masked, because reads ask for it by name or by selector; deny the kind instead",
                    selectable.join(".")
                ),
            ));
        }
        Ok(Self { fields, environment })
    }

    /// Masks every value.
    pub fn all() -> Self {
        Self { fields: Some(Projection::all()), environment: true }
    }

    /// True if fields are masked by their paths.
    pub(crate) fn has_fields(&self) -> bool {
        self.fields.is_some()
    }

    /// True if environment variables are masked.
    pub(crate) fn has_environment(&self) -> bool {
        self.environment
    }

    /// Rejects a field selector on a masked field: the number of objects found would tell the value.
    pub(crate) fn check_selector(&self, selector: Option<&str>) -> Result<(), Failure> {
        let Some((fields, selector)) = self.fields.as_ref().zip(selector) else { return Ok(()) };
        // An escaped comma within a value makes one term two, which rejects too much at worst.
        let masked = selector.split(',').find(|term| {
            let field = term.split(['=', '!']).next().unwrap_or(term).trim();
            let path = field.parse::<porthole_field_path::Path>();
            path.is_ok_and(|path| fields.touches(path.names().iter().map(String::as_str)))
        });
        masked.map_or(Ok(()), |term| {
            Err(Failure::new(
                Reason::NotGranted,
                format!("fieldSelector {}: the operator of Porthole masks this field", Echo(term)),
            ))
        })
    }

    /// The masks at the root of an object, which count in `tally`.
    pub(super) fn root<'m>(&'m self, tally: &'m Cell<u64>) -> MaskPosition<'m> {
        MaskPosition {
            fields: self.fields.as_ref().map(Projection::selection),
            is_active: self.environment || self.fields.is_some(),
            environment: self.environment,
            place: Place::Elsewhere,
            tally,
        }
    }
}

/// Position in the object, as far as the operator's masks depend on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct MaskPosition<'m> {
    /// Masked fields below; `All` if this is one.
    fields: Option<FieldSelection<'m>>,
    /// True if anything is masked in objects of this kind.
    is_active: bool,
    environment: bool,
    place: Place,
    tally: &'m Cell<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Elsewhere,
    /// Below `annotations`, of the object or of a template in it.
    Annotations,
    /// An annotation: masked if it is a copy of an object.
    Annotation,
    /// An annotation that is known to be a copy.
    Copy,
    /// Below `env`: the elements of a list are variables.
    Environment,
    /// A variable, by whether its name looks like a credential's.
    Variable(bool),
    /// Value of such a variable.
    Credential,
    /// Value of another variable: credentials within it are masked by their form.
    Value,
    /// Deeper in a variable. No other environment begins here: each has a parser of its own, and the depth of parsers
    /// within parsers would have no bound.
    InVariable,
}

impl<'m> MaskPosition<'m> {
    /// The position below `key`.
    pub(super) fn below(self, key: &str) -> Self {
        let place = match (self.place, key) {
            (Place::Annotations, _) if COPIES.contains(&key) => Place::Copy,
            (Place::Annotations, _) => Place::Annotation,
            (Place::Variable(true), "value") => Place::Credential,
            (Place::Variable(false), "value") => Place::Value,
            (Place::Variable(_), _) => Place::InVariable,
            (Place::Elsewhere, "env") if self.environment => Place::Environment,
            (Place::Elsewhere | Place::Environment, "annotations") if self.is_active => Place::Annotations,
            (Place::Environment, _) => Place::Elsewhere,
            (place, _) => place,
        };
        Self { fields: self.fields.and_then(|fields| fields.below(key)), place, ..self }
    }

    /// True for a list of environment variables.
    pub(super) fn is_environment(self) -> bool {
        self.place == Place::Environment
    }

    /// The position of an environment variable, judged by its JSON: a parser that streams may see the value first.
    pub(super) fn variable(self, json: &str) -> Self {
        Self { place: Place::Variable(names_credential(json)), ..self }
    }

    /// True for a scalar that is masked, but for a copy of the object.
    pub(super) fn is_value(self) -> bool {
        let is_named = self.fields == Some(FieldSelection::All);
        is_named || matches!(self.place, Place::Credential | Place::Variable(true))
    }

    /// The mask of a scalar here, counted.
    pub(super) fn mask(self) -> Option<&'static str> {
        let mask = match self.place {
            _ if self.fields == Some(FieldSelection::All) => CONFIGURED,
            Place::Credential | Place::Variable(true) => ENVIRONMENT,
            Place::Copy => COPY,
            _ => return None,
        };
        self.count(1);
        Some(mask)
    }

    /// The mask of a text here that depends on the text, counted.
    pub(super) fn mask_of(self, text: &str) -> Option<&'static str> {
        if self.place == Place::Annotation && is_object(text) {
            self.count(1);
            return Some(COPY);
        }
        self.mask()
    }

    /// True if credentials within texts are masked by their form.
    pub(super) fn is_by_form(self) -> bool {
        matches!(self.place, Place::Value | Place::Variable(false))
    }

    pub(super) fn count(self, masks: u64) {
        self.tally.set(self.tally.get().saturating_add(masks));
    }
}

/// True if the variable's name looks like a credential's, or if it has not exactly one name.
fn names_credential(json: &str) -> bool {
    #[derive(Deserialize)]
    struct Variable {
        name: String,
    }

    // `NAME=value`, as some custom resources write it.
    if let Ok(text) = serde_json::from_str::<String>(json) {
        return is_credential(text.split('=').next().unwrap_or_default());
    }
    serde_json::from_str::<Variable>(json).map_or(true, |variable| is_credential(&variable.name))
}

/// True for the text of an object of Kubernetes, as kapp and others keep it in an annotation.
fn is_object(text: &str) -> bool {
    let begins = text.trim_start().starts_with(['{', '[']);
    begins && ["\"kind\"", "\"spec\"", "\"data\"", "\"env\""].iter().any(|key| text.contains(key))
}
