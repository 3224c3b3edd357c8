//! Reads of all namespaces by a caller who may not read them all.

use porthole_diagnosis::line;

use crate::source::{Read, Source, Unread};

/// Bytes of the names of the namespaces that were read.
const NAMES: usize = 160;

/// A read of a namespace, or of all; if all are refused, of those that the caller may read.
pub(crate) fn within_reach<S: Source, T>(
    source: &mut S,
    namespace: Option<&str>,
    read: impl Fn(&mut S, Option<&str>) -> Read<T>,
) -> Read<T> {
    let whole = read(source, namespace);
    if namespace.is_some() || whole.1 != Some(Unread::Forbidden) {
        return whole;
    }
    let (mut items, mut reached, mut failure) = (whole.0, Vec::new(), None);
    for namespace in source.namespaces() {
        let (more, unread) = read(source, Some(&namespace));
        items.extend(more);
        match unread {
            None => reached.push(namespace),
            Some(Unread::Failed(why)) => failure = Some(Unread::Failed(why)),
            Some(_) => {}
        }
    }
    // A part of a namespace says more than which namespaces there are.
    let unread = match (failure, reached.as_slice()) {
        (Some(failure), _) => failure,
        (None, []) => Unread::Forbidden,
        (None, reached) => Unread::Failed(format!("only in {}", line(&reached.join(", "), NAMES))),
    };
    (items, Some(unread))
}

#[cfg(test)]
mod tests {
    use crate::{recorded::Recorded, tests::pod};

    #[test]
    fn an_account_of_one_namespace_is_answered_about_that_one() {
        let cluster = Recorded::default()
            .written("configmaps", "settings", "kubectl-edit", "2026-11-24T11:50:00Z", &["data.mode"])
            .only("shop");
        let answer = cluster.clone().ask_for("", "1h", "");
        assert!(answer.starts_with("1 change in all namespaces") && answer.contains("settings"), "{answer}");
        assert!(answer.contains("writes to configmaps") && answer.contains("(only in shop)"), "{answer}");
        assert!(answer.contains("writes to nodes (forbidden)"), "{answer}");
        // What may be read nowhere is forbidden, and no namespace is named.
        let answer = cluster.deny(&["configmaps"]).ask_for("", "1h", "");
        assert!(answer.contains("writes to configmaps, writes to nodes (forbidden)"), "{answer}");
    }

    /// A list of all namespaces is refused, so that each pod is read in its own.
    #[test]
    fn pods_that_restarted_are_read_in_their_namespace() {
        let killed = pod("web-6d4f9c7b8d-k8pq2", "OOMKilled", 137, "2026-11-24T11:54:00Z");
        let answer = Recorded::default().with("pods", killed).only("shop").ask_for("", "1h", "");
        assert!(answer.contains("killed for its memory"), "{answer}");
    }

    #[test]
    fn a_namespace_that_is_asked_about_is_the_only_one_read() {
        let answer = Recorded::default()
            .written("configmaps", "settings", "kubectl-edit", "2026-11-24T11:50:00Z", &["data.mode"])
            .only("shop")
            .ask_for("default", "1h", "");
        assert!(answer.starts_with("no change seen in namespace default"), "{answer}");
        assert!(!answer.contains("only in"), "{answer}");
    }
}
