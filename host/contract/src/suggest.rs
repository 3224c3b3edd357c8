//! Similar names to suggest when a lookup fails.

use crate::truncate;

/// Max bytes of a name to compare. Cost is the product of both lengths, and the requested name is outside input: twenty
/// clients that requested a tool name of 920 kB once stalled the host for 16 s.
const MAX_NAME: usize = 128;

/// Similarity of two names, from 0 to 1 (equal). Only the first 128 bytes of each count.
pub fn similarity(name: &str, other: &str) -> f64 {
    strsim::jaro_winkler(truncate(name, MAX_NAME), truncate(other, MAX_NAME))
}

/// Up to `limit` names whose similarity exceeds `threshold`, best first.
pub fn nearest<'n>(
    name: &str,
    names: impl Iterator<Item = &'n str>,
    threshold: f64,
    limit: usize,
) -> Vec<&'n str> {
    let scored = names.map(|other| (similarity(name, other), other));
    let mut near: Vec<(f64, &str)> = scored.filter(|(score, _)| *score > threshold).collect();
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    near.into_iter().take(limit).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_near_to_the_right_one() {
        let all = ["default", "kube-system", "payments", "shop"].map(str::to_owned);
        assert_eq!(nearest("shpo", all.iter().map(String::as_str), 0.75, 3), ["shop"]);
        assert_eq!(nearest("payment", all.iter().map(String::as_str), 0.75, 3), ["payments"]);
        assert!(nearest("zzz", all.iter().map(String::as_str), 0.75, 3).is_empty());
        assert_eq!(nearest("shop", all.iter().map(String::as_str), -1.0, 2).len(), 2);
        // Without the cut, this would compare for an hour.
        assert!(
            nearest(&"z".repeat(10 << 20), ["z".repeat(10 << 20).as_str()].into_iter(), 0.9, 3).len() == 1
        );
    }
}
