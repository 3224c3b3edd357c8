//! Search of bytes for canaries, in every encoding that a program may put them into.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD, prelude::BASE64_URL_SAFE_NO_PAD};
use regex::bytes::{Regex, RegexBuilder};

/// Memory of the one expression that holds all forms.
const PROGRAM: usize = 256 << 20;

/// Forms of all canaries.
pub(super) struct Search {
    forms: Regex,
    /// Canary and encoding of a form.
    meanings: BTreeMap<Vec<u8>, String>,
}

impl Search {
    /// Of canaries with the places that they were put into.
    pub(super) fn of(canaries: &[(String, String)]) -> Self {
        let mut meanings = BTreeMap::new();
        for (place, canary) in canaries {
            assert!(canary.len() >= 16, "a canary this short would be found by chance: {place}");
            for (encoding, form) in forms(canary) {
                meanings.entry(form.into_bytes()).or_insert_with(|| format!("{place}, {encoding}"));
            }
        }
        let alternatives: Vec<String> = meanings
            .keys()
            .map(|form| regex::escape(std::str::from_utf8(form).expect("forms are ASCII")))
            .collect();
        let forms = RegexBuilder::new(&alternatives.join("|")).unicode(false).size_limit(PROGRAM).build();
        Self { forms: forms.expect("literals"), meanings }
    }

    /// Canaries in a text, with their encodings and what stands around each.
    pub(super) fn find(&self, bytes: &[u8]) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for at in self.forms.find_iter(bytes) {
            let meaning = &self.meanings[at.as_bytes()];
            if found.iter().any(|known| known.starts_with(meaning.as_str())) {
                continue;
            }
            let around = &bytes[at.start().saturating_sub(100)..bytes.len().min(at.end() + 40)];
            found.push(format!("{meaning}: …{}…", String::from_utf8_lossy(around).escape_debug()));
        }
        found
    }
}

/// A canary as it may stand in a text, with the name of the encoding.
fn forms(canary: &str) -> Vec<(&'static str, String)> {
    let hex = |bytes: &str| bytes.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let each = |before: &str| canary.bytes().map(|byte| format!("{before}{byte:02x}")).collect::<String>();
    let mut forms = vec![
        ("raw", canary.to_owned()),
        ("hex", hex(canary)),
        ("hex", hex(canary).to_uppercase()),
        ("URL-escaped", each("%")),
        ("URL-escaped", canary.bytes().map(|byte| format!("%{byte:02X}")).collect()),
        ("JSON-escaped", each("\\u00")),
        ("JSON-escaped", canary.bytes().map(|byte| format!("\\u00{byte:02X}")).collect()),
        ("JSON-escaped twice", each("\\\\u00")),
        ("JSON-escaped twice", canary.bytes().map(|byte| format!("\\\\u00{byte:02X}")).collect()),
        ("URL-escaped twice", each("%25")),
        ("URL-escaped twice", canary.bytes().map(|byte| format!("%25{byte:02X}")).collect()),
        ("hex", canary.bytes().map(|byte| format!("\\x{byte:02x}")).collect()),
    ];
    for once in base64(canary) {
        // As it stands in the JSON of a Secret whose value was base64 already, such as Helm's.
        forms.extend(base64(&once).into_iter().map(|twice| ("base64 twice", twice)));
        forms.extend([("hex of base64", hex(&once)), ("base64", once)]);
    }
    forms
}

/// Parts of a base64 text that do not depend on what stands around: at each of the three alignments, in both alphabets.
fn base64(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for skip in 0..3 {
        let rest = &text.as_bytes()[skip..];
        let whole = &rest[..rest.len() / 3 * 3];
        parts.extend([BASE64_STANDARD_NO_PAD.encode(whole), BASE64_URL_SAFE_NO_PAD.encode(whole)]);
    }
    parts.dedup();
    parts
}

#[test]
fn a_planted_leak_is_found_in_every_encoding() {
    use base64::prelude::BASE64_STANDARD;
    // Its base64 differs between the alphabets.
    let canary = "c4n07>>>???~~~0123456789";
    let search =
        Search::of(&[("another".into(), "c4n08aaaaaaaaaaaa".into()), ("the place".into(), canary.into())]);
    let percent = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let mut leaks = vec![("raw", canary.to_owned()), ("URL-escaped", percent(canary))];
    for before in ["", "x", "xy", "a longer text"] {
        let text = format!("{before}{canary} and more");
        leaks.extend([
            ("base64", BASE64_STANDARD.encode(&text)),
            ("base64", BASE64_URL_SAFE_NO_PAD.encode(&text)),
            ("hex", text.bytes().map(|byte| format!("{byte:02x}")).collect()),
            ("hex", text.bytes().map(|byte| format!("{byte:02X}")).collect()),
            ("JSON-escaped", text.bytes().map(|byte| format!("\\u00{byte:02x}")).collect()),
            ("JSON-escaped twice", text.bytes().map(|byte| format!("\\\\u00{byte:02X}")).collect()),
            ("URL-escaped twice", percent(&text).replace('%', "%25")),
        ]);
        for again in ["", "x", "xy"] {
            let twice = format!("{again}{}", BASE64_STANDARD.encode(&text));
            leaks.push(("base64 twice", BASE64_STANDARD.encode(twice)));
        }
    }
    for (encoding, leak) in leaks {
        let found = search.find(format!("before {leak} after").as_bytes());
        assert_eq!(found.len(), 1, "{encoding} {leak}: {found:?}");
        assert!(found[0].starts_with(&format!("the place, {encoding}")), "{encoding} {leak}: {found:?}");
    }
    let innocent = format!("c4n07 {} {}", &canary[1..], BASE64_STANDARD.encode(&canary[3..]));
    assert_eq!(search.find(innocent.as_bytes()), Vec::<String>::new());
}
