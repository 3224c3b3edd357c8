//! Log check after the whole run: no log of any host contains a token, a part of one or base64 of one.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop with a panic")]

use std::path::PathBuf;

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use porthole_testbed::prepared;

/// Forbidden forms of a token: itself, its claims, its signature, and its base64 at each alignment.
fn forms(token: &str) -> Vec<Vec<u8>> {
    let mut forms: Vec<String> = vec![token.to_owned()];
    // Without the header, which is the same in every token of a cluster.
    forms.extend(token.split('.').skip(1).map(str::to_owned));
    forms.push(BASE64_STANDARD.encode(token));
    for skip in 1..3 {
        // Base64 of a longer text that contains the token, such as a header: only the middle is invariant.
        let shifted = BASE64_STANDARD_NO_PAD.encode(token.get(skip..).unwrap_or_default());
        forms.push(shifted.get(..shifted.len().saturating_sub(4)).unwrap_or_default().to_owned());
    }
    forms.push(BASE64_URL_SAFE_NO_PAD.encode(token));
    forms.into_iter().map(String::into_bytes).collect()
}

#[test]
fn no_log_holds_a_token() {
    let tokens = std::fs::read_to_string(prepared::path("PORTHOLE_TEST_TOKENS")).unwrap_or_default();
    let mut tokens: Vec<&str> = tokens.lines().collect();
    tokens.sort_unstable();
    tokens.dedup();
    let logs: Vec<PathBuf> = std::fs::read_dir(prepared::path("PORTHOLE_TEST_LOGS"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    if logs.is_empty() {
        // Only suites without a host were selected.
        return;
    }
    assert!(!tokens.is_empty(), "{} logs, and no token to look for", logs.len());
    assert!(tokens.iter().all(|token| token.len() > 20), "a line that is no token would be found everywhere");
    let mut traced = false;
    for log in &logs {
        let text = std::fs::read(log).unwrap();
        traced |= memchr::memmem::find(&text, b" TRACE ").is_some();
        for token in &tokens {
            for form in forms(token) {
                assert!(memchr::memmem::find(&text, &form).is_none(), "{} holds a token", log.display());
            }
        }
    }
    // A suite run alone may have no host at this level.
    let is_whole = std::env::var_os("PORTHOLE_TEST_WHOLE").is_some();
    assert!(traced || !is_whole, "no host logged at the most verbose level: this test would prove nothing");
}

#[test]
fn a_token_would_be_found() {
    let token = "aGVhZGVy.Y2xhaW1z.c2lnbmF0dXJl";
    let log = format!("x Bearer {token}");
    assert!(forms(token).iter().any(|form| memchr::memmem::find(log.as_bytes(), form).is_some()));
    for prefix in ["", "a", "ab"] {
        let log = BASE64_STANDARD.encode(format!("{prefix}Bearer {token} and more"));
        assert!(
            forms(token).iter().any(|form| memchr::memmem::find(log.as_bytes(), form).is_some()),
            "{prefix:?}"
        );
    }
}
