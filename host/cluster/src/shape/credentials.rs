//! Names of environment variables that look like those of credentials.

use porthole_contract::{plain_name, words_of_name};

/// Parts of names, without separators: `DB_PASSWORD`, `dbPassword`, `API_KEY`.
const PARTS: [&str; 9] = [
    "password",
    "passwd",
    "passphrase",
    "token",
    "secret",
    "credential",
    "apikey",
    "accesskey",
    "privatekey",
];
/// Whole words of names, too short to be looked for as parts: `KEYCLOAK_URL` has no key.
const WORDS: [&str; 12] =
    ["pass", "pwd", "pw", "key", "keys", "auth", "cred", "creds", "jwt", "cookie", "otp", "pem"];
/// Ends of words: `DBPASS`, `SSHKEY`, `OAUTH`.
const ENDS: [&str; 4] = ["pass", "pwd", "key", "auth"];
/// Words with such an end that are none of a credential.
const HARMLESS: [&str; 6] = ["monkey", "turkey", "hockey", "donkey", "compass", "bypass"];
/// Bytes of a name that are looked at. The API server allows no longer names than this for what containers are given.
const MAX_NAME: usize = 1 << 10;

/// True if a variable of this name looks like a credential.
pub(super) fn is_credential(name: &str) -> bool {
    // Nothing has such a name, and what does is not shown.
    if name.len() > MAX_NAME {
        return true;
    }
    let plain = plain_name(name);
    if PARTS.iter().any(|part| plain.contains(part)) {
        return true;
    }
    words_of_name(name).iter().map(String::as_str).any(|word| {
        let ends = ENDS.iter().any(|end| word.ends_with(end)) && !HARMLESS.contains(&word);
        ends || WORDS.contains(&word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_credentials_are_known_in_every_spelling() {
        for name in [
            "PASSWORD",
            "DB_PASSWORD",
            "dbPassword",
            "PGPASSWD",
            "MYSQL_PWD",
            "REDIS_PASS",
            "TOKEN",
            "GITHUB_TOKEN",
            "tokens",
            "SECRET",
            "CLIENT_SECRET",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_ACCESS_KEY_ID",
            "API_KEY",
            "apiKey",
            "X-Api-Key",
            "KEY",
            "encryption.key",
            "KEYS",
            "PRIVATE_KEY",
            "SSH_PASSPHRASE",
            "CREDENTIALS",
            "DB_CREDS",
            "BASIC_AUTH",
            "JWT",
            "COOKIE",
            "TLS_PEM",
            "KEY1",
            "SECRET_KEY_BASE",
            "PASSWORD_FILE",
            "DBPASS",
            "DBPASS2",
            "PGPASS",
            "ROOTPWD",
            "SSHKEY",
            "MASTERKEY_ID",
            "signingkey",
            "OAUTH",
            "OAUTH2",
        ] {
            assert!(is_credential(name), "{name}");
        }
        for name in [
            "",
            "HOME",
            "PATH",
            "PORT",
            "LOG_LEVEL",
            "KEYCLOAK_URL",
            "MONKEY",
            "TURKEY_PORT",
            "HOCKEY",
            "donkey",
            "KEYBOARD",
            "COMPASS",
            "BYPASS",
            "AUTHOR",
            "POD_NAME",
            "DATABASE_URL",
            "JAVA_OPTS",
            "PASSENGER",
        ] {
            assert!(!is_credential(name), "{name}");
        }
        assert!(is_credential(&"x".repeat(2 << 10)), "a name beyond all bounds");
    }
}
