//! Lines of logs that report trouble, by the words that most loggers use: one list for the search in the cluster and for
//! what is said of its result.

use std::collections::BTreeSet;

// Each list is separated by `|`.

/// Words that may be the end of a longer one: `KeyError`, `ConnectException`.
const ENDINGS: &str = "error|errors|exception|exceptions";
/// Words and phrases that stand alone.
const WORDS: &str = "err|fatal|panic|panicked|fail|failed|failing|fails|failure|refused|denied|forbidden|\
    unauthorized|unavailable|timeout|timed out|unreachable|no such host|no such file|\
    no route to host|no response|not permitted|not accessible|cannot|can't|could not|unable|lost|\
    killed|crashed|critical|severe|emerg|segfault|deadlock|out of memory|no space left|\
    connection reset|broken pipe|not known|temporary failure|too many open files|\
    certificate has expired|unknown host|read-only file system|econnrefused|econnreset|etimedout|\
    enotfound|eai_again|eacces|bad address|down";
/// Words of lines that report trouble although their level is that of information.
const HARD: &str = "refused|exception|panic|no such host|timed out|timeout|unreachable|permission denied|\
    internal server error|service unavailable|failed to|cannot|unable to|lost connection";
/// Words that tell why a process ended, beside those.
const REASONS: &str = "not found|missing|invalid|required|usage|undefined|unknown|no module|unsupported|\
    must|is not set|not allowed";
/// Words before `down` that mean no trouble.
const DOWN: &str = "shut|shutting|scale|scaling|cool|slow|spin|break|tear";
/// Words of a change, which often is the cause of the errors after it.
const CHANGES: &str = "reload|reloading|reloaded|config|configuration|settings|changed|change|was|switched|switching|\
    updated|update|upgrade|upgraded|version|deploy|deployed|restarted|restarting|migration|rotated|\
    revoked|expired|mismatch|using";
/// Endings of files: `main.go:12` is no host.
const FILES: &str = ".go|.py|.java|.js|.ts|.rs|.rb|.php|.c|.cc|.cpp|.cs|.kt|.scala|.h|.sh";
/// Phrases before the name of a host.
const BEFORE_HOST: [&str; 9] = [
    "lookup ",
    "host name ",
    "enotfound ",
    "eai_again ",
    "unknownhostexception: ",
    "unknown host ",
    "host: ",
    "server on ",
    "no such host: ",
];
/// Bytes of a line that are looked at.
const LOOKED_AT: usize = 4096;
/// Hosts of a few lines.
const HOSTS: usize = 4;

/// The regular expression of lines that may report trouble; [`is_trouble`] is stricter.
pub(crate) fn pattern() -> String {
    format!(r#"(?i)((error|exception)s?\b|\b({})\b|http/\S+ 5\d\d\b)"#, WORDS.replace(' ', r"\s"))
}

/// True if a line reports trouble: not `0 errors`, not a line of level INFO without a hard word.
pub(crate) fn is_trouble(line: &str) -> bool {
    let line = lowercase(line);
    let has_word = WORDS.split('|').any(|word| has(&line, word, false))
        || ENDINGS.split('|').any(|word| has(&line, word, true));
    let is_5xx = line.split("http/").skip(1).any(|rest| {
        let code = rest.split(' ').nth(1).unwrap_or_default();
        code.len() == 3 && code.starts_with('5')
    });
    if !is_information(&line) {
        return has_word || is_5xx;
    }
    is_5xx || (has_word && HARD.split('|').any(|word| has(&line, word, true)))
}

/// True if a line of the end of a crashed container's log may tell why: trouble, or something that is missing or wrong.
pub(crate) fn is_reason(line: &str) -> bool {
    is_trouble(line) || {
        let line = lowercase(line);
        !is_information(&line) && REASONS.split('|').any(|word| has(&line, word, false))
    }
}

/// True if a line tells of a change: a new configuration, version or setting.
pub(crate) fn is_change(line: &str) -> bool {
    let line = lowercase(line);
    CHANGES.split('|').any(|word| has(&line, word, false))
        || line.contains("=false")
        || line.contains("=true")
}

/// The hosts that a line names, with their ports: `db:5432`.
pub(crate) fn hosts(line: &str) -> Vec<String> {
    let line = line.get(..line.floor_char_boundary(LOOKED_AT)).unwrap_or(line);
    let mut hosts: Vec<(&str, String)> = Vec::new();
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | ':' | '_');
    for token in line.split(|letter: char| !is_part(letter)) {
        if let Some((host, port)) = token.trim_end_matches([':', '.']).rsplit_once(':')
            && is_host(host)
            && port.parse::<u16>().is_ok_and(|port| port > 9)
        {
            hosts.push((host, port.to_owned()));
        }
    }
    // ASCII case folding keeps the places of all bytes.
    let lower = line.to_ascii_lowercase();
    for before in BEFORE_HOST {
        for (at, _) in lower.match_indices(before) {
            let rest = line.get(at + before.len()..).unwrap_or_default().trim_start_matches(['"', '\'', ' ']);
            let end = rest.find(|letter: char| !is_part(letter) || letter == ':').unwrap_or(rest.len());
            let host = rest.get(..end).unwrap_or_default().trim_end_matches('.');
            let after = rest.get(end..).unwrap_or_default().to_ascii_lowercase();
            let port = after.strip_prefix(", port: ").or(after.strip_prefix(" port: ")).unwrap_or_default();
            let port: String = port.chars().take_while(char::is_ascii_digit).take(5).collect();
            if is_host(host) && !hosts.iter().any(|(known, _)| *known == host) {
                hosts.push((host, port));
            }
        }
    }
    let text = |(host, port): (&str, String)| {
        if port.is_empty() { host.to_owned() } else { format!("{host}:{port}") }
    };
    hosts.into_iter().map(text).collect()
}

/// The hosts of several lines, each once.
pub(crate) fn all_hosts<'l>(lines: impl Iterator<Item = &'l str>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    lines.flat_map(hosts).filter(|host| seen.insert(host.clone())).take(HOSTS).collect()
}

fn is_host(text: &str) -> bool {
    let is_address = text.split('.').count() == 4 && text.split('.').all(|part| part.parse::<u8>().is_ok());
    let has_letter = text.bytes().any(|letter| letter.is_ascii_alphabetic());
    let is_name = has_letter
        && text.len() <= 253
        && text.bytes().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'.'))
        && text.bytes().next().is_some_and(|letter| letter.is_ascii_alphanumeric())
        && !FILES.split('|').any(|ending| text.ends_with(ending))
        // A time such as `2026-11-24T10:05`.
        && !text.bytes().take(4).all(|letter| letter.is_ascii_digit());
    is_address || is_name
}

fn lowercase(line: &str) -> String {
    line.get(..line.floor_char_boundary(LOOKED_AT)).unwrap_or(line).to_ascii_lowercase()
}

/// True if a lower-case line has a word that means what it says.
fn has(line: &str, word: &str, is_ending: bool) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).unwrap_or_default();
        let after = line.get(at + word.len()..).unwrap_or_default();
        let is_letter = |letter: char| letter.is_alphanumeric() || letter == '_';
        (is_ending || !before.ends_with(is_letter))
            && !after.starts_with(is_letter)
            && !is_denied(before, word, after)
    })
}

/// True for `0 errors`, `no error`, `error=null`, `error.log`, `shutting down`.
fn is_denied(before: &str, word: &str, after: &str) -> bool {
    let last = before.trim_end().rsplit([' ', '\t', '"', '=', ':', '(']).next().unwrap_or_default();
    let value = after.trim_start_matches(['"', '\'']).strip_prefix([':', '=']);
    let is_nothing = |value: &str| {
        let value = value.trim_start_matches(' ');
        let word: String =
            value.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '.').collect();
        matches!(word.as_str(), "0" | "0.0" | "null" | "none" | "nil" | "false") || value.starts_with("\"\"")
    };
    matches!(last, "0" | "no" | "without" | "zero" | "any" | "if" | "on")
        || value.is_some_and(is_nothing)
        || after.starts_with(".log")
        || before.ends_with(['/', '-'])
        || (word == "down" && DOWN.split('|').any(|word| word == last))
}

/// True if a lower-case line says that its level is below a warning.
fn is_information(line: &str) -> bool {
    let head = line.get(..line.floor_char_boundary(160)).unwrap_or(line);
    let words = head.split(|letter: char| !letter.is_alphanumeric());
    let levels = words.take(24).filter_map(|word| match word {
        "info" | "debug" | "trace" | "notice" | "verbose" => Some(true),
        "warn" | "warning" | "error" | "err" | "fatal" | "critical" | "severe" | "panic" | "alert" => {
            Some(false)
        }
        _ => None,
    });
    // klog: `I1124 11:59:00.000000`
    let is_klog = |letter: char| {
        line.strip_prefix(letter)
            .is_some_and(|rest| rest.bytes().take(4).filter(u8::is_ascii_digit).count() == 4)
    };
    let first = levels.into_iter().next();
    is_klog('i') || first == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_judged_by_what_it_says() {
        for line in [
            "[ERROR] Failed to connect to database: Connection refused (db:5432)",
            r#"{"level":"ERROR","message":"Lost connection to Redis"}"#,
            "KeyError: 'DB_URL'",
            "Caused by: java.net.ConnectException: Connection refused",
            "Peer down",
            r#"INFO:     10.0.0.1:4242 - "GET / HTTP/1.1" 500 Internal Server Error"#,
            "level=info msg=\"dial tcp: lookup db: no such host\"",
            "\"root\" execution of the PostgreSQL server is not permitted.",
            "db:5432 - no response",
            "wget: bad address 'smtp-relay'",
            "E1124 11:59:00.000000 1 main.go:1] \"Unhandled\" err=\"x\"",
        ] {
            assert!(is_trouble(line), "{line}");
        }
        for line in [
            "INFO: all systems healthy",
            "2026/11/24 GET / 200 0 errors",
            r#"{"level":"info","error":null,"msg":"done"}"#,
            "level=info msg=\"retry after failed attempt succeeded\"",
            "I1124 11:59:00.000000 1 main.go:1] \"no error\" errors=0",
            "shutting down gracefully",
            "writing to /var/log/nginx/error.log",
            "processed 12 items, failed=0",
            "listening on 0.0.0.0:8080",
        ] {
            assert!(!is_trouble(line), "{line}");
        }
    }

    #[test]
    fn hosts_are_those_that_the_line_names() {
        for (line, host) in [
            ("Failed: Connection refused (db-staging.internal:5432)", vec!["db-staging.internal:5432"]),
            ("Target host: prod-db, port: 3333", vec!["prod-db:3333"]),
            ("dial tcp: lookup cache on 10.96.0.10:53: no such host", vec!["10.96.0.10:53", "cache"]),
            ("getaddrinfo ENOTFOUND api.shop", vec!["api.shop"]),
            ("2026-11-24T10:05:01Z main.go:123 at 10:05:01 failed", vec![]),
            ("Get \"http://10.0.0.5:8080/healthz\": refused", vec!["10.0.0.5:8080"]),
            ("could not translate host name \"db\" to address", vec!["db"]),
        ] {
            assert_eq!(hosts(line), host, "{line}");
        }
    }

    #[test]
    fn an_error_of_nothing_is_none_and_the_first_level_of_a_line_counts() {
        for (line, expected) in [
            ("request done, error: nil", false),
            ("request done, error=none", false),
            ("request done, error=0, items=3", false),
            ("request done, error=0.0", false),
            ("request done, error=0.5", true),
            ("level=error msg=\"the info service failed\"", true),
            ("level=warn msg=\"the info service failed\"", true),
            ("level=info msg=\"the error service failed\"", false),
        ] {
            assert_eq!(is_trouble(line), expected, "{line}");
        }
    }

    #[test]
    fn a_host_is_an_address_or_a_name_and_no_file_or_time() {
        for (text, expected) in [
            ("10.0.0.5", true),
            ("10.0.0", false),
            ("10.0.0.256", false),
            ("5", false),
            ("my-db.shop", true),
            ("my_db$", false),
            ("a$b", false),
            ("-db", false),
            ("2026-11-24T10", false),
        ] {
            assert_eq!(is_host(text), expected, "{text}");
        }
        assert!(!is_host(&"a".repeat(254)));
    }

    #[test]
    fn a_status_of_a_request_is_an_error_from_500_on() {
        for (line, expected) in [
            ("\"GET / HTTP/1.1\" 503 0", true),
            ("\"GET / HTTP/1.1\" 204 0", false),
            ("\"GET / HTTP/1.1\" 5 0", false),
        ] {
            assert_eq!(is_trouble(line), expected, "{line}");
        }
    }

    #[test]
    fn a_line_tells_of_a_change_by_its_words() {
        assert!(is_change("cache.enabled=false"));
        assert!(!is_change("GET / 200"));
    }
}
