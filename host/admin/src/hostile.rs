//! Foreign text that attacks a page, for the tests of its templates.

use porthole_contract::controls_display;

/// Ends an element and an attribute, reverses the text after it, and clears a terminal.
pub(crate) const TEXT: &str = "<script>alert(1)</script>\"><img src=x onerror=alert(1)>\u{202e}\u{1b}[2J";
/// [`TEXT`] in a page where it is nothing but text.
const SHOWN: &str =
    r"&lt;script&gt;alert(1)&lt;/script&gt;&quot;&gt;&lt;img src=x onerror=alert(1)&gt;\u{202e}\u{1b}[2J";

/// Asserts that [`TEXT`] stands in a page as text, so many times, and nothing else of it does.
pub(crate) fn assert_text(page: &str, times: usize) {
    assert_eq!(page.matches(SHOWN).count(), times, "{page}");
    let rest = page.replace(SHOWN, "");
    for part in ["alert", "<script", "<img", "onerror"] {
        assert!(!rest.contains(part), "{part:?} in {page}");
    }
    assert!(!page.chars().any(|letter| controls_display(letter) && letter != '\n'), "{page:?}");
}
