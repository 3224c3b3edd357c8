//! Test calls: a form generated from a tool's schema, with a token that is used for one call and not stored.
//!
//! The form is posted, so the token never appears in a URL. The response never contains it, and nothing is logged but
//! the audit line of the call.

use std::{collections::HashMap, fmt::Write as _, sync::Arc, time::Instant};

use axum::{
    Form,
    extract::{Path, State},
    http::{Extensions, StatusCode},
    response::{Html, IntoResponse, Response},
};
use porthole_contract::{Content, Token};
use porthole_http::peer;
use porthole_tools::{Answer, Call, Tool};
use serde_json::{Map, Value};

use super::{
    Admin,
    escape::text,
    page::{layout, milliseconds},
};

/// Name of the token field. No argument can have this name.
const TOKEN: &str = ":token";

pub(super) async fn form(State(admin): State<Arc<Admin>>, Path(name): Path<String>) -> Response {
    match admin.calls.catalog().current().tools.get(name.as_str()) {
        Some(tool) => Html(page(tool, &HashMap::new(), &admin, "")).into_response(),
        None => not_found(&name),
    }
}

pub(super) async fn call(
    State(admin): State<Arc<Admin>>,
    Path(name): Path<String>,
    extensions: Extensions,
    Form(mut fields): Form<HashMap<String, String>>,
) -> Response {
    let field = fields.remove(TOKEN).unwrap_or_default();
    let parsed = Some(field.trim()).filter(|token| !token.is_empty()).map(Token::parse);
    drop(field);
    let Some(tool) = admin.calls.catalog().current().tools.get(name.as_str()).cloned() else {
        return not_found(&name);
    };
    let Ok(token) = parsed.transpose() else {
        let message = "<p class=\"ill\">What stands in the field is not a token.</p>";
        return (StatusCode::BAD_REQUEST, Html(page(&tool, &fields, &admin, message))).into_response();
    };
    let caller = match admin.authenticator.authenticate(token.as_ref(), peer(&extensions)).await {
        Ok(caller) => caller,
        Err(unknown) => {
            let message = format!("<p class=\"ill\">{}</p>", text(&unknown.to_string()));
            return (StatusCode::UNAUTHORIZED, Html(page(&tool, &fields, &admin, &message))).into_response();
        }
    };
    let arguments: Map<String, Value> = fields
        .iter()
        .filter(|(_, value)| !value.trim().is_empty())
        .map(|(name, value)| (name.clone(), Value::from(value.clone())))
        .collect();
    let began = Instant::now();
    let call = Call { tool: name, arguments, client: Some("the operator's page".to_owned()), notes: None };
    let report = admin.calls.call(call, &caller).await;
    let took = milliseconds(began.elapsed());
    let (class, output) = match report.answer {
        Answer::Outcome { content, .. } => {
            ("", content.iter().map(content_text).collect::<Vec<_>>().join("\n"))
        }
        Answer::Error(error) => ("ill", error),
        Answer::Overlong { error, text } => ("ill", format!("{error}\n{text}")),
    };
    let message = format!(
        "<h2>Answer</h2>\n<p class=\"quiet\">as {}, {took}, {} bytes</p>\n<pre class=\"{class}\">{}</pre>\n",
        text(&caller.owner.username),
        output.len(),
        text(&output)
    );
    Html(page(&tool, &fields, &admin, &message)).into_response()
}

fn content_text(content: &Content) -> String {
    match content {
        Content::Text(text) => text.clone(),
        Content::Embedded(embedded) => embedded.text.clone(),
        Content::Image(media) | Content::Audio(media) => {
            format!("[{}, {} bytes]", media.mime_type, media.data.len())
        }
    }
}

fn not_found(name: &str) -> Response {
    let body = format!(
        "<h1>No such tool</h1>\n<p>{} is not served now. <a href=\"/\">All tools</a></p>",
        text(name)
    );
    (StatusCode::NOT_FOUND, Html(layout("No such tool", &body))).into_response()
}

/// Renders the form with the submitted values, without the token, and with a message.
fn page(tool: &Tool, submitted: &HashMap<String, String>, admin: &Admin, message: &str) -> String {
    let description = &tool.description;
    let name = text(&description.name);
    let mut body = format!(
        "<p><a href=\"/\">Porthole</a></p>\n<h1>{name}</h1>\n<p>{}</p>\n{message}\n<h2>Try it</h2>\n<form method=\"post\" action=\"/tools/{name}\" autocomplete=\"off\">\n",
        text(&description.summary)
    );
    let empty = Map::new();
    let properties = tool.input_schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let required: Vec<&str> = tool
        .input_schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let mut fields: Vec<(&String, &Value)> = properties.iter().collect();
    // Required arguments first, then those that identify an object.
    let identifying = ["kind", "name", "namespace"];
    fields.sort_by_key(|(name, _)| {
        let place =
            identifying.iter().position(|identifying| identifying == name).unwrap_or(identifying.len());
        (!required.contains(&name.as_str()), place)
    });
    for (argument, property) in fields {
        field(&mut body, argument, property, required.contains(&argument.as_str()), submitted);
    }
    if admin.authenticator.requires_token() {
        let _ = write!(
            body,
            "<div class=\"field\"><label for=\"token\">Token</label>\n<p class=\"quiet\">Used for this call and forgotten: kubectl create token NAME -n NAMESPACE</p>\n<input id=\"token\" name=\"{TOKEN}\" type=\"password\" autocomplete=\"off\" required></div>\n"
        );
    }
    body.push_str("<button>Call</button>\n</form>\n");
    layout(&description.name, &body)
}

fn field(
    body: &mut String,
    argument: &str,
    property: &Value,
    required: bool,
    submitted: &HashMap<String, String>,
) {
    let name = text(argument);
    let about = text(property.get("description").and_then(Value::as_str).unwrap_or_default());
    let value = submitted.get(argument).map(|value| text(value)).unwrap_or_default();
    let required_text = if required { " required" } else { "" };
    let _ = write!(
        body,
        "<div class=\"field\"><label for=\"{name}\">{name}</label>\n<p class=\"quiet\">{about}</p>\n"
    );
    let _ = match property.get("type").and_then(Value::as_str) {
        Some("boolean") => {
            let chosen = |option: &str| if value == option { " selected" } else { "" };
            writeln!(
                body,
                "<select id=\"{name}\" name=\"{name}\"><option value=\"\">default</option><option{}>true</option><option{}>false</option></select>",
                chosen("true"),
                chosen("false")
            )
        }
        Some("integer") => writeln!(
            body,
            "<input id=\"{name}\" name=\"{name}\" type=\"number\" min=\"0\" value=\"{value}\"{required_text}>"
        ),
        _ => writeln!(body, "<input id=\"{name}\" name=\"{name}\" value=\"{value}\"{required_text}>"),
    };
    body.push_str("</div>\n");
}
