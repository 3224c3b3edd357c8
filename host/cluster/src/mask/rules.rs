//! Forms of secrets. The one place where a rule is added.
//!
//! All rules are one alternation in linear time. No rule reads further than a bounded number of bytes before it is
//! decided, or else it matches from there on: a search that reads to the end of the line and then fails would make a
//! line of many candidates quadratic. Forms are those of gitleaks (`config/gitleaks.toml`, MIT) unless a rule names
//! another source. No crate keeps them for use in a library, and gitleaks' generic rules rest on entropy, which masks
//! digests and identifiers of Kubernetes; keys with values have rules of their own here.

use std::{ops::Range, sync::LazyLock};

use regex::bytes::Regex;

/// Separators and values of a key. A value in quotes ends at the quote, and else at whitespace or a separator.
macro_rules! keyed {
    // JSON, also within a string of JSON: the key and the value are quoted.
    (json $key:literal) => {
        concat!(
            "(?i:",
            $key,
            r#")(?:["']\s{0,3}(?::|=>?)\s{0,3}(?:"((?:[^"\\]|\\.)+)|'((?:[^'\\]|\\.)+))"#,
            r#"|\\{1,3}["']\s{0,3}[:=]\s{0,3}\\{1,3}["']([^"'\\]+))"#
        )
    };
    // `key=value`; with spaces on both sides or on none, because `token= user=x` has no token.
    (equals $key:literal) => {
        concat!(
            "(?i:",
            $key,
            r#")(?:=|\s{1,3}=\s{1,3})(?:"((?:[^"\\]|\\.)+)|'((?:[^'\\]|\\.)+)"#,
            r#"|\\{1,3}"([^"\\]+)|([^\s"'\\,;&=<(\[{)}\]][^\s"'\\,;&]*))"#
        )
    };
    // `key: value`, as in YAML and in headers.
    (colon $key:literal) => {
        concat!(
            "(?i:",
            $key,
            r#"):\s{0,3}(?:"((?:[^"\\]|\\.)+)|'((?:[^'\\]|\\.)+)"#,
            r#"|([^\s"'\\,;&<(\[{)}\]][^\s"'\\,;&]*))"#
        )
    };
}

/// Condition beyond the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    None,
    /// Prose behind a colon is no value: `token: expected a comma`.
    NotProse,
    /// A key's value: neither a placeholder nor the `namespace/name` of a Secret.
    Value,
    /// The match is the second part of a JWT, and its first part stands before it.
    JwtHeader,
}

/// A form of secrets.
pub(super) struct Rule {
    /// Kind as it stands in the mask.
    pub(super) kind: &'static str,
    pattern: &'static str,
    condition: Condition,
}

const fn rule(kind: &'static str, pattern: &'static str, condition: Condition) -> Rule {
    Rule { kind, pattern, condition }
}

/// The rules. Of those that begin at the same byte the first applies. Each has groups around what is masked.
const ALL: &[Rule] = &[
    // RFC 7235 and 6750; gitleaks `curl-auth-header` has them within commands only.
    rule(
        "authorization",
        r#"(?i:authorization)\\{0,3}["']?\s{0,3}[:=]\s{0,3}\\{0,3}["'\[]{0,2}(?i:basic|bearer|token|apikey|negotiate|digest)\s{1,3}([^\s"'\\,;<]+)"#,
        Condition::None,
    ),
    rule(
        "authorization",
        r#"(?i:authorization)\\{0,3}["']?\s{0,3}[:=]\s{0,3}\\{0,3}["'\[]{0,2}([^\s"'\\,;<]{8,})"#,
        Condition::NotProse,
    ),
    rule("bearer token", r"(?i:\bbearer)(?:\s{1,4}|%20)([A-Za-z0-9._~+/-]{8,}=*)", Condition::NotProse),
    // RFC 7519: header and claims are JSON objects, so both begin with `{"`, in base64 `eyJ`.
    rule("jwt", r"\.(eyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?)", Condition::JwtHeader),
    rule("aws access key id", r"\b((?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16})\b", Condition::None),
    // AWS documents 40 characters of base64 under this name; as a key with a value, because the form alone is a SHA-1.
    rule("aws secret access key", keyed!(json "secret[_-]?access[_-]?key"), Condition::Value),
    rule("aws secret access key", keyed!(equals "secret[_-]?access[_-]?key"), Condition::Value),
    rule("aws secret access key", keyed!(colon "secret[_-]?access[_-]?key"), Condition::Value),
    rule("github token", r"(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})", Condition::None),
    rule("gitlab token", r"(gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent)-[A-Za-z0-9_-]{20,})", Condition::None),
    rule("slack token", r"(xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,})", Condition::None),
    rule(
        "slack webhook",
        r"(?:hooks\.slack\.com/(?:services|workflows)/)([A-Za-z0-9+/_-]{20,})",
        Condition::None,
    ),
    rule("google api key", r"\b(AIza[A-Za-z0-9_-]{35})", Condition::None),
    // Microsoft's documentation of connection strings of Azure Storage; also `SharedAccessKey` of Service Bus.
    rule("azure key", r"(?i:accountkey|sharedaccesskey)\s?=\s?([A-Za-z0-9+/]{20,}={0,2})", Condition::None),
    rule("stripe key", r"((?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{10,})", Condition::None),
    rule("npm token", r"\b(npm_[A-Za-z0-9]{36,})", Condition::None),
    // RFC 3986, userinfo; gitleaks `generic` and trufflehog `uri`.
    rule("url password", r#"://[^/\s:@"'<>]{0,128}:([^/\s"'<>]{1,256})@"#, Condition::None),
    rule("password", keyed!(json "password|passwd|passphrase"), Condition::Value),
    rule("password", keyed!(equals "password|passwd|passphrase"), Condition::Value),
    rule("password", keyed!(colon "password|passwd|passphrase"), Condition::Value),
    rule("api key", keyed!(json "api[_-]?key"), Condition::Value),
    rule("api key", keyed!(equals "api[_-]?key"), Condition::Value),
    rule("api key", keyed!(colon "api[_-]?key"), Condition::Value),
    rule("secret", keyed!(json "secret|secret[_-]?key"), Condition::Value),
    rule("secret", keyed!(equals "secret|secret[_-]?key"), Condition::Value),
    rule(
        "secret",
        r#"(?i:secret|secret[_-]?key):\s{0,3}["']?([A-Za-z0-9+/_.=~-]{12,})"#,
        Condition::NotProse,
    ),
    rule("token", keyed!(json "token"), Condition::Value),
    rule("token", keyed!(equals "token"), Condition::Value),
    rule("token", r#"(?i:token):\s{0,3}["']?([A-Za-z0-9+/_.=~-]{12,})"#, Condition::NotProse),
];

/// The compiled rules.
pub(super) static RULES: LazyLock<Rules> = LazyLock::new(Rules::compile);

/// All rules as one program.
pub(super) struct Rules {
    /// `None` if a rule does not compile, which a test rules out; nothing would be masked then.
    regex: Option<Regex>,
    /// Rule of each group.
    groups: Vec<&'static Rule>,
}

impl Rules {
    fn compile() -> Self {
        let mut groups = Vec::new();
        for rule in ALL {
            let alone = regex::bytes::RegexBuilder::new(rule.pattern).unicode(false).build();
            let count = alone.map_or(0, |regex| regex.captures_len().saturating_sub(1));
            groups.extend(std::iter::repeat_n(rule, count));
        }
        let whole: Vec<String> = ALL.iter().map(|rule| format!("(?:{})", rule.pattern)).collect();
        let regex = regex::bytes::RegexBuilder::new(&whole.join("|")).unicode(false).build().ok();
        Self { regex, groups }
    }

    /// The first candidate from `at` on, with its rule.
    pub(super) fn find(&self, text: &[u8], at: usize) -> Option<(&'static Rule, Range<usize>)> {
        let regex = self.regex.as_ref()?;
        // Most lines have no candidate, and groups cost more than a search.
        let begin = regex.find_at(text, at)?.start();
        let captures = regex.captures_at(text, begin)?;
        let mut found = captures.iter().skip(1).zip(&self.groups);
        found.find_map(|(group, rule)| Some((*rule, group?.range())))
    }
}

impl Rule {
    /// The masked part of a candidate; `None` if it is no secret. `from` is the first byte that is not masked yet.
    pub(super) fn secret(&self, text: &[u8], found: Range<usize>, from: usize) -> Option<Range<usize>> {
        let value = text.get(found.clone())?;
        match self.condition {
            Condition::None => Some(found),
            Condition::NotProse => is_random(value).then_some(found),
            Condition::Value => (!is_placeholder(value) && !is_reference(self.kind, value)).then_some(found),
            Condition::JwtHeader => {
                // The header is found from its end, so that no run of bytes is searched for one that has none.
                let before = text.get(from..found.start.saturating_sub(1))?;
                let part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
                let run = before.iter().rev().take_while(|byte| part(byte)).count();
                let run_start = before.len().saturating_sub(run);
                let header = memchr::memmem::find(before.get(run_start..)?, b"eyJ")?;
                Some(from.saturating_add(run_start).saturating_add(header)..found.end)
            }
        }
    }
}

/// True unless the value reads like a word, or like the name of an object.
fn is_random(value: &[u8]) -> bool {
    let digits = value.iter().any(u8::is_ascii_digit);
    let upper = value.iter().any(u8::is_ascii_uppercase);
    let lower = value.iter().any(u8::is_ascii_lowercase);
    let joined = value.iter().any(|byte| matches!(byte, b'-' | b'.' | b'/'));
    digits && (upper || !joined) && (upper || lower || value.len() >= 24) || value.len() >= 40 && !joined
}

/// True for a value that stands for none.
fn is_placeholder(value: &[u8]) -> bool {
    const NONE: [&[u8]; 8] =
        [b"null", b"nil", b"none", b"true", b"false", b"undefined", b"<redacted>", b"[redacted]"];
    NONE.iter().any(|none| value.eq_ignore_ascii_case(none))
        || value.iter().all(|byte| *byte == b'*')
        || value.starts_with(b"${")
        || (value.starts_with(OPEN) && value.ends_with(b">"))
}

const OPEN: &[u8] = super::OPEN.as_bytes();

/// True for `namespace/name`, as controllers write a reference to a Secret.
fn is_reference(kind: &str, value: &[u8]) -> bool {
    let name = |part: &[u8]| {
        !part.is_empty()
            && part
                .iter()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.'))
    };
    let mut parts = value.split(|byte| *byte == b'/');
    kind == "secret"
        && matches!((parts.next(), parts.next(), parts.next()), (Some(one), Some(two), None) if name(one) && name(two))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_compiles_and_marks_what_it_masks() {
        for rule in ALL {
            let regex = Regex::new(rule.pattern).unwrap();
            assert!(regex.captures_len() > 1, "{}", rule.kind);
        }
        assert!(RULES.regex.is_some());
    }
}
