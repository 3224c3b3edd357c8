//! Answer of a test call, as a part of the tool's page.

use std::time::Duration;

use maud::{Markup, html};
use porthole_contract::{Content, Printable, PrintableLines};
use porthole_tools::Answer;

use crate::layout::milliseconds;

/// Renders the answer to a call by `username`.
pub(super) fn answer(answer: &Answer, username: &str, took: Duration) -> Markup {
    let (is_error, output) = match answer {
        Answer::Outcome { content, .. } => (false, content.iter().map(text).collect::<Vec<_>>().join("\n")),
        Answer::Error(error) => (true, error.clone()),
        Answer::Overlong { error, text } => (true, format!("{error}\n{text}")),
    };
    html! {
        h2 { "Answer" }
        p.quiet { "as " (Printable(username)) ", " (milliseconds(took)) ", " (output.len()) " bytes" }
        pre.error[is_error] { (PrintableLines(&output)) }
    }
}

fn text(content: &Content) -> String {
    match content {
        Content::Text(text) => text.clone(),
        Content::Embedded(embedded) => embedded.text.clone(),
        Content::Image(media) | Content::Audio(media) => {
            format!("[{}, {} bytes]", media.mime_type, media.data.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use porthole_contract::{Embedded, Media};

    use super::*;
    use crate::hostile;

    #[test]
    fn a_hostile_answer_is_text() {
        let hostile = || hostile::TEXT.to_owned();
        let media = || Media { data: Vec::new(), mime_type: hostile() };
        let content = vec![
            Content::Text(hostile()),
            Content::Embedded(Embedded { uri: hostile(), mime_type: hostile(), text: hostile() }),
            Content::Image(media()),
            Content::Audio(media()),
        ];
        for (result, times) in [
            (Answer::Outcome { content, structured: None }, 4),
            (Answer::Error(hostile()), 1),
            (Answer::Overlong { error: hostile(), text: hostile() }, 2),
        ] {
            // The user name comes from the API server.
            hostile::assert_text(&answer(&result, hostile::TEXT, Duration::ZERO).into_string(), times + 1);
        }
    }

    #[test]
    fn an_answer_keeps_its_lines_and_columns() {
        let page = answer(&Answer::Error("a\tb\nc".to_owned()), "visitor", Duration::from_millis(3));
        assert_eq!(
            page.into_string(),
            "<h2>Answer</h2><p class=\"quiet\">as visitor, 3.0 ms, 5 bytes</p><pre class=\"error\">a\tb\nc</pre>"
        );
    }
}
