//! Test calls: a form generated from a tool's schema, with a token that is used for one call and not stored.
//!
//! The form is posted, so the token never appears in a URL. The response never contains it, and nothing is logged but
//! the audit line of the call.

mod answer;
mod form;

use std::{collections::HashMap, sync::Arc, time::Instant};

use axum::{
    Form,
    extract::{Path, State},
    http::{Extensions, StatusCode},
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use porthole_contract::{InvalidToken, Printable, PrintableLines, Token};
use porthole_http::peer;
use porthole_tools::{Call, Tool};
use serde_json::{Map, Value};

use super::{Admin, layout::layout};
use answer::answer;
use form::{TOKEN, ToolForm};

/// Values of a posted form, by name.
type Fields = HashMap<String, String>;

/// Handles GET `/tools/{tool}`: the empty form.
pub(super) async fn form(State(admin): State<Arc<Admin>>, Path(name): Path<String>) -> Response {
    match served(&admin, &name) {
        Some(tool) => {
            ToolForm::of(&tool, &Fields::new(), &admin.authenticator).page(&Markup::default()).into_response()
        }
        None => not_found(&name).into_response(),
    }
}

/// Handles POST `/tools/{tool}`: calls the tool, and answers with the filled form below the result.
pub(super) async fn call(
    State(admin): State<Arc<Admin>>,
    Path(name): Path<String>,
    extensions: Extensions,
    Form(mut fields): Form<Fields>,
) -> Response {
    let token = extract_token(&mut fields);
    let Some(tool) = served(&admin, &name) else { return not_found(&name).into_response() };
    let form = ToolForm::of(&tool, &fields, &admin.authenticator);
    let Ok(token) = token else {
        let page = form.page(&error("What stands in the field is not a token."));
        return (StatusCode::BAD_REQUEST, page).into_response();
    };
    let caller = match admin.authenticator.authenticate(token.as_ref(), peer(&extensions)).await {
        Ok(caller) => caller,
        Err(unknown) => {
            let page = form.page(&error(&unknown.to_string()));
            return (StatusCode::UNAUTHORIZED, page).into_response();
        }
    };
    let began = Instant::now();
    let client = Some("the operator's page".to_owned());
    let call = Call { tool: name, arguments: arguments(&fields), client, notes: None };
    let report = admin.calls.call(call, &caller).await;
    form.page(&answer(&report.answer, &caller.owner.username, began.elapsed())).into_response()
}

fn served(admin: &Admin, name: &str) -> Option<Arc<Tool>> {
    admin.calls.catalog().current().tools.get(name).cloned()
}

/// Removes the token from a form; `None` if the field is empty.
fn extract_token(fields: &mut Fields) -> Result<Option<Token>, InvalidToken> {
    let field = fields.remove(TOKEN).unwrap_or_default();
    Some(field.trim()).filter(|token| !token.is_empty()).map(Token::parse).transpose()
}

/// Arguments of a call: an empty field is an argument that was not given.
fn arguments(fields: &Fields) -> Map<String, Value> {
    let given = fields.iter().filter(|(_, value)| !value.trim().is_empty());
    given.map(|(name, value)| (name.clone(), Value::from(value.clone()))).collect()
}

fn error(message: &str) -> Markup {
    html! { p.error { (PrintableLines(message)) } }
}

fn not_found(name: &str) -> (StatusCode, Markup) {
    let content = html! {
        h1 { "No such tool" }
        p { (Printable(name)) " is not served now. " a href="/" { "All tools" } }
    };
    (StatusCode::NOT_FOUND, layout("No such tool", &content))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile;

    #[test]
    fn a_hostile_name_in_the_address_is_text() {
        let (_, page) = not_found(hostile::TEXT);
        hostile::assert_text(&page.into_string(), 1);
    }

    #[test]
    fn a_hostile_message_is_text() {
        hostile::assert_text(&error(hostile::TEXT).into_string(), 1);
    }
}
