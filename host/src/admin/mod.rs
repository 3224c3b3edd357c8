//! The operator's port: for now a bare page that says what this is.

use axum::{Router, response::Html, routing::get};

/// The routes of the admin port.
pub(crate) fn routes() -> Router {
    Router::new().route(
        "/",
        get(|| async {
            Html(concat!(
                "<!doctype html><html lang=en><meta charset=utf-8><title>Porthole</title><h1>Porthole ",
                env!("CARGO_PKG_VERSION"),
                "</h1><p>What is served stands at <code>/readyz</code> of the main port."
            ))
        }),
    )
}
