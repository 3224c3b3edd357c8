//! Words of a name in any spelling: `DB_PASSWORD`, `dbPassword`, `db-password`.

/// Letters and digits of a name, in lower case: `dbpassword`.
pub fn plain_name(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Words of a name, in lower case. A word ends before a non-letter, and between a lower-case and an upper-case letter.
pub fn words_of_name(name: &str) -> Vec<String> {
    let mut words = String::new();
    let mut small = false;
    for letter in name.chars() {
        if !letter.is_alphabetic() || (small && letter.is_uppercase()) {
            words.push(' ');
        }
        small = letter.is_lowercase();
        words.extend(letter.to_lowercase());
    }
    words.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_same_words_in_every_spelling() {
        for name in ["DB_PASSWORD", "dbPassword", "db-password", "db.password_"] {
            assert_eq!(words_of_name(name), ["db", "password"], "{name}");
            assert_eq!(plain_name(name), "dbpassword", "{name}");
        }
        assert_eq!(words_of_name("v2Key"), ["v", "key"]);
        assert!(words_of_name("_1").is_empty());
    }
}
