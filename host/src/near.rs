//! Names that somebody may have meant, for what is said about one that is not there.

use crate::foreign::cut;

/// Bytes of a name that are compared. Comparing takes the product of both lengths, and the name that was asked for comes
/// from outside: twenty clients that asked for a tool of 920 kB once stopped the host for 16 s.
const MAX_NAME: usize = 128;

/// The names that are most alike, the nearest first: at most `most`, each more alike than `alike` (1: the same).
pub(crate) fn nearest<'n>(
    name: &str,
    names: impl Iterator<Item = &'n String>,
    alike: f64,
    most: usize,
) -> Vec<&'n str> {
    let name = cut(name, MAX_NAME);
    let scored = names.map(|other| (strsim::jaro_winkler(name, cut(other, MAX_NAME)), other.as_str()));
    let mut near: Vec<(f64, &str)> = scored.filter(|(score, _)| *score > alike).collect();
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    near.into_iter().take(most).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_near_to_the_right_one() {
        let all = ["default", "kube-system", "payments", "shop"].map(str::to_owned);
        assert_eq!(nearest("shpo", all.iter(), 0.75, 3), ["shop"]);
        assert_eq!(nearest("payment", all.iter(), 0.75, 3), ["payments"]);
        assert!(nearest("zzz", all.iter(), 0.75, 3).is_empty());
        assert_eq!(nearest("shop", all.iter(), -1.0, 2).len(), 2);
        // Not cut, this would compare for an hour.
        assert!(nearest(&"z".repeat(10 << 20), [&"z".repeat(10 << 20)].into_iter(), 0.9, 3).len() == 1);
    }
}
