//! Form of a test call, generated from the tool's input schema.

use maud::{Markup, html};
use porthole_contract::PrintableLines;
use porthole_identity::Authenticator;
use porthole_tools::Tool;
use serde_json::{Map, Value};

use super::Fields;
use crate::layout::layout;

/// Name of the token field. No argument can have this name.
pub(super) const TOKEN: &str = ":token";
/// Arguments that identify an object, in the order of their fields.
const IDENTIFYING: [&str; 3] = ["kind", "name", "namespace"];

/// Form of one tool.
pub(super) struct ToolForm<'f> {
    name: &'f str,
    summary: &'f str,
    input_schema: &'f Map<String, Value>,
    /// Submitted values, without the token.
    submitted: &'f Fields,
    requires_token: bool,
}

impl<'f> ToolForm<'f> {
    /// Creates a tool's form with the submitted values.
    pub(super) fn of(tool: &'f Tool, submitted: &'f Fields, authenticator: &Authenticator) -> Self {
        Self {
            name: &tool.description.name,
            summary: &tool.description.summary,
            input_schema: &tool.description.input_schema,
            submitted,
            requires_token: authenticator.requires_token(),
        }
    }

    /// Renders the page with a message above the form.
    pub(super) fn page(&self, message: &Markup) -> Markup {
        let content = html! {
            p { a href="/" { "Porthole" } }
            h1 { (self.name) }
            p { (PrintableLines(self.summary)) }
            (message)
            h2 { "Try it" }
            form method="post" action={ "/tools/" (self.name) } autocomplete="off" {
                @for argument in self.arguments() { (self.field(&argument)) }
                @if self.requires_token { (token_field()) }
                button { "Call" }
            }
        };
        layout(self.name, &content)
    }

    /// Returns the arguments: required ones first, then those that identify an object.
    fn arguments(&self) -> Vec<Argument<'f>> {
        let properties = self.input_schema.get("properties").and_then(Value::as_object);
        let required = self.input_schema.get("required").and_then(Value::as_array);
        let is_required =
            |name: &str| required.is_some_and(|names| names.iter().any(|required| required == name));
        let mut arguments: Vec<Argument<'f>> = properties
            .into_iter()
            .flatten()
            .map(|(name, schema)| Argument { name, schema, required: is_required(name) })
            .collect();
        arguments.sort_by_key(|argument| {
            let identifying = IDENTIFYING.iter().position(|name| *name == argument.name);
            (!argument.required, identifying.unwrap_or(IDENTIFYING.len()))
        });
        arguments
    }

    fn field(&self, argument: &Argument<'_>) -> Markup {
        let name = argument.name;
        // Not made printable: the browser sends it again with the next call.
        let value = self.submitted.get(name).map_or("", String::as_str);
        html! {
            div.field {
                label for=(name) { (name) }
                p.quiet { (PrintableLines(argument.text("description"))) }
                @match argument.text("type") {
                    "boolean" => {
                        select id=(name) name=(name) {
                            option value="" { "default" }
                            @for choice in ["true", "false"] {
                                option selected[value == choice] { (choice) }
                            }
                        }
                    }
                    "integer" => {
                        input id=(name) name=(name) type="number" min="0" value=(value) required[argument.required];
                    }
                    _ => { input id=(name) name=(name) value=(value) required[argument.required]; }
                }
            }
        }
    }
}

/// An argument of the tool.
struct Argument<'f> {
    name: &'f str,
    schema: &'f Value,
    required: bool,
}

impl<'f> Argument<'f> {
    /// Text of a keyword of its schema; empty if there is none.
    fn text(&self, keyword: &str) -> &'f str {
        self.schema.get(keyword).and_then(Value::as_str).unwrap_or_default()
    }
}

fn token_field() -> Markup {
    html! {
        div.field {
            label for="token" { "Token" }
            p.quiet { "Used for this call and forgotten: kubectl create token NAME -n NAMESPACE" }
            input id="token" name=(TOKEN) type="password" autocomplete="off" required;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::hostile;

    #[test]
    fn a_hostile_declaration_is_text() {
        let hostile = hostile::TEXT;
        let property = |kind: &str| json!({"type": kind, "description": hostile});
        let schema = json!({"properties": {
            "flag": property("boolean"),
            "count": property("integer"),
            "text": property("string"),
            "other": property(hostile),
        }});
        let form = ToolForm {
            name: "attacker",
            summary: hostile,
            input_schema: schema.as_object().unwrap(),
            submitted: &Fields::new(),
            requires_token: true,
        };
        hostile::assert_text(&form.page(&Markup::default()).into_string(), 5);
    }

    #[test]
    fn a_submitted_value_comes_back_unchanged_and_ends_no_attribute() {
        let schema = json!({"properties": {"name": {"type": "string"}, "limit": {"type": "integer"}}});
        let submitted = Fields::from([
            ("name".to_owned(), "\"><script>&quot;".to_owned()),
            ("limit".to_owned(), "\" autofocus".to_owned()),
        ]);
        let form = ToolForm {
            name: "pods_get",
            summary: "",
            input_schema: schema.as_object().unwrap(),
            submitted: &submitted,
            requires_token: false,
        };
        let page = form.page(&Markup::default()).into_string();
        for field in [
            "name=\"name\" value=\"&quot;&gt;&lt;script&gt;&amp;quot;\">",
            "name=\"limit\" type=\"number\" min=\"0\" value=\"&quot; autofocus\">",
        ] {
            assert!(page.contains(field), "no {field:?} in {page}");
        }
    }
}
