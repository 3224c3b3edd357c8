//! Names that are nearly the one that was looked for.

/// Names that are offered.
const OFFERED: usize = 3;

/// The names among `candidates` that a person may have meant by `name`, the nearest first.
pub fn near<'n>(name: &str, candidates: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let mut near: Vec<(usize, &str)> = candidates
        .filter(|other| *other != name)
        .filter_map(|other| Some((distance(name, other)?, other)))
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().map(|(_, name)| name).take(OFFERED).collect()
}

/// A small number for near names; None for others.
fn distance(one: &str, other: &str) -> Option<usize> {
    let (short, long) = if one.len() < other.len() { (one, other) } else { (other, one) };
    let edits = strsim::levenshtein(one, other);
    let allowed = (short.len() / 4).clamp(1, 3);
    if edits <= allowed && short.len() > 2 {
        return Some(edits);
    }
    // `app-config` and `app-configuration`, `config` and `app-config`.
    let is_part = short.len() > 3 && (long.starts_with(short) || long.ends_with(short));
    let words = |text: &str| -> Vec<String> {
        let mut words: Vec<String> =
            text.split(|letter: char| !letter.is_alphanumeric()).map(str::to_lowercase).collect();
        words.sort_unstable();
        words
    };
    if is_part || is_short_form(short, long) {
        return Some(4 + long.len() - short.len());
    }
    (words(one) == words(other)).then_some(4)
}

/// True for `app-cfg` of `app-config`: some letters are left out, and the beginning is the same.
fn is_short_form(short: &str, long: &str) -> bool {
    let mut letters = long.chars();
    let is_contained = short.chars().all(|letter| letters.any(|other| other == letter));
    is_contained && short.len() > 3 && long.get(..3) == short.get(..3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_typing_errors_and_longer_forms() {
        let all = ["app-configuration", "app-cfg", "redis", "ap-config", "config-app"];
        assert_eq!(near("app-config", all.into_iter()), ["ap-config", "config-app", "app-cfg"]);
        assert_eq!(near("db", ["dc", "database"].into_iter()), Vec::<&str>::new());
        assert_eq!(near("cache", ["redis-cache", "mail"].into_iter()), ["redis-cache"]);
        assert_eq!(near("postgers", ["postgres"].into_iter()), ["postgres"]);
    }
}
