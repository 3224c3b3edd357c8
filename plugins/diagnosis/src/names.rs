//! Names that are nearly the one that was looked for.

use std::collections::{BTreeMap, BTreeSet};

/// Names that are offered.
const OFFERED: usize = 3;
/// Bytes by which the first words of a name may differ in length from what was looked for.
const DIFFERENCE: usize = 2;

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

/// The items that a person may have meant by `name`, at most a few, the nearest first: those whose name is nearly it, or
/// begins with words that are, or is the name of what made it (`web` of `web-6d4f-x2x`).
pub fn alike<'n, T: Clone + Ord>(name: &str, items: impl Iterator<Item = (&'n str, T)>) -> Vec<T> {
    let mut named: BTreeMap<&str, BTreeSet<T>> = BTreeMap::new();
    for (own, item) in items {
        let words = own.match_indices('-').filter_map(|(at, _)| own.get(..at));
        let words = words.filter(|words| words.len().abs_diff(name.len()) <= DIFFERENCE);
        for text in words.chain([own]) {
            named.entry(text).or_default().insert(item.clone());
        }
    }
    let is_maker =
        |own: &&str| own.len() > 1 && name.strip_prefix(own).is_some_and(|rest| rest.starts_with('-'));
    let mut makers: Vec<&str> = named.keys().copied().filter(is_maker).collect();
    makers.sort_by_key(|own| std::cmp::Reverse(own.len()));
    let near = near(name, named.keys().copied());
    let mut offered: Vec<T> = Vec::new();
    for item in makers.into_iter().take(1).chain(near).filter_map(|own| named.get(own)).flatten() {
        if !offered.contains(item) {
            offered.push(item.clone());
        }
    }
    offered.truncate(OFFERED);
    offered
}

/// A small number for near names; None for others.
fn distance(one: &str, other: &str) -> Option<usize> {
    let (short, long) = if one.len() < other.len() { (one, other) } else { (other, one) };
    // Two letters in the wrong order are one error.
    let edits = strsim::osa_distance(one, other);
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

    #[test]
    fn first_words_and_makers_are_alike() {
        let all = ["checkout-api", "checkout-worker", "cart", "web", "cheap-out-let"];
        let alike = |name| alike(name, all.into_iter().enumerate().map(|(at, name)| (name, at)));
        assert_eq!(alike("chekout"), [0, 1]);
        assert_eq!(alike("chekout-api"), [0]);
        assert_eq!(alike("web-6d4f-x2x"), [3]);
        assert_eq!(alike("crat"), [2]);
        assert_eq!(alike("cra"), Vec::<usize>::new());
        assert_eq!(alike("orders"), Vec::<usize>::new());
    }
}
