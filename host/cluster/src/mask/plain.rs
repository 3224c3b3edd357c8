//! Short texts that no rule can match: names, addresses, states.
//!
//! Answers for most cells of a table in a few nanoseconds. It may only say "plain" of a text that the rules leave as it
//! is, so a new rule is held against it by the test below.

use memchr::memmem;

use super::terminal;

/// Bytes of the shortest secret with what marks it: `://:x@`.
const MIN_MARKED: usize = 6;
/// Bytes of the shortest secret of letters and digits alone: an AWS access key id.
const MIN_ALPHANUMERIC: usize = 20;
/// Beginnings of the secrets that have neither a capital letter nor a byte outside of names.
const PREFIXES: [&[u8]; 3] = [b"gl", b"xox", b"xapp"];

/// True if no rule masks a part of the text, and it has no control sequence; false says nothing.
pub(crate) fn is_plain(text: &[u8]) -> bool {
    if text.len() < MIN_MARKED {
        return !terminal::has_sequence(text);
    }
    if text.len() < MIN_ALPHANUMERIC && text.iter().all(u8::is_ascii_alphanumeric) {
        return true;
    }
    let of_name =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    text.iter().all(of_name) && PREFIXES.iter().all(|prefix| memmem::find(text, prefix).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::mask_lines;

    /// Words of every rule, and the classes of bytes that they are made of.
    const PIECES: &[&str] = &[
        "",
        " ",
        ".",
        "-",
        "_",
        "/",
        ":",
        "=",
        "\"",
        "@",
        "://",
        "%20",
        "\n",
        "\\",
        "\u{1b}",
        "\u{9b}",
        "\u{1b}[m",
        "a",
        "Z9",
        "0123456789",
        "abcdefghijklmnopqrst",
        "a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6q7r8",
        "A1B2C3D4E5F6G7H8",
        "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0",
        "aSyD1234567890abcdefghijklmnopqrstu",
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj",
        "authorization",
        "basic",
        "bearer",
        "eyJ",
        ".eyJabcd",
        "AKIA",
        "A3T",
        "secretaccesskey",
        "ghp_",
        "github_pat_",
        "glpat-",
        "gldt-",
        "glsoat-",
        "xoxb-",
        "xapp-",
        "hooks.slack.com/services/",
        "AIza",
        "accountkey",
        "sk_live_",
        "npm_",
        "password",
        "passwd",
        "passphrase",
        "apikey",
        "secret",
        "token",
        "-----BEGIN ",
        "PRIVATE KEY-----",
    ];

    #[test]
    fn a_plain_text_is_what_the_rules_leave_as_it_is() {
        let (mut plain, mut secret) = (0_u32, 0_u32);
        for one in PIECES {
            for two in PIECES {
                for three in PIECES {
                    let text = [*one, two, three].concat();
                    if is_plain(text.as_bytes()) {
                        plain += 1;
                        assert_eq!(mask_lines(&text), text);
                    } else if mask_lines(&text) != text {
                        secret += 1;
                    }
                }
            }
        }
        // Every prefix that is named above stands for a rule.
        for prefix in PREFIXES {
            assert!(PIECES.iter().any(|piece| piece.as_bytes().starts_with(prefix)));
        }
        assert!(plain > 1000 && secret > 1000, "{plain} plain, {secret} with a secret");
    }

    #[test]
    fn the_cells_of_a_table_of_pods_are_plain() {
        for cell in [
            "checkout-7d9f8b6c5d-x2x1z",
            "1/1",
            "Running",
            "CrashLoopBackOff",
            "0",
            "10.244.0.13",
            "node-1",
            "<none>",
        ] {
            assert_eq!(is_plain(cell.as_bytes()), cell != "<none>", "{cell}");
        }
    }
}
