//! Splitting of a list at its commas.

/// The entries of a comma-separated list, trimmed, without empty ones. Commas inside of brackets or quotes separate
/// nothing: `metadata.labels['a,b'],spec.nodeName` has two entries.
pub fn split(list: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    let mut quote = None;
    let parts = list.split(|letter| {
        match (quote, letter) {
            (Some(open), letter) if open == letter => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(letter),
            (None, '[') => depth = depth.saturating_add(1),
            (None, ']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0 && quote.is_none()
    });
    parts.map(str::trim).filter(|entry| !entry.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_brackets_and_quotes_separate_nothing() {
        assert_eq!(
            split(" .spec.nodeName, metadata.labels['a,b'],"),
            [".spec.nodeName", "metadata.labels['a,b']"]
        );
        assert_eq!(split("a ~ 'x,y', b=1"), ["a ~ 'x,y'", "b=1"]);
        assert_eq!(split(r#"a['"'],b"#), [r#"a['"']"#, "b"]);
        assert_eq!(split(""), [""; 0]);
    }
}
