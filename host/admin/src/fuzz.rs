//! Entries into this crate's parsers for tests/fuzz, so that nothing private becomes public. Each holds an oracle and
//! panics if an input breaks it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an oracle speaks by a panic"
)]

use maud::html;
use porthole_contract::{Printable, PrintableLines, controls_display};

/// Foreign text is no markup, within an element and within an attribute, and steers nothing; a browser shows what was
/// made printable.
pub fn html_text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let name = Printable(&text);
    let page = html! { p title=(name) { (PrintableLines(&text)) } }.into_string();
    let inner = page.strip_prefix("<p title=\"").and_then(|page| page.strip_suffix("</p>")).unwrap();
    let (attribute, element) = inner.split_once("\">").unwrap();
    for (rendered, printable) in [(attribute, name.to_string()), (element, PrintableLines(&text).to_string())]
    {
        assert!(!rendered.contains(['<', '>', '"']), "{rendered}");
        assert!(
            !rendered.chars().any(|letter| controls_display(letter) && !matches!(letter, '\n' | '\t')),
            "{rendered:?}"
        );
        let mut shown = rendered.to_owned();
        for (entity, letter) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")] {
            shown = shown.replace(entity, letter);
        }
        assert_eq!(shown, printable);
    }
}
