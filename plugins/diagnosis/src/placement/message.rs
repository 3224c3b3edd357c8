//! The scheduler's message about a pod that no node can take.

/// The part that says why: without the outcome of preemption.
pub fn reasons(message: &str) -> &str {
    let end =
        [" no new claims to deallocate", " preemption:"].iter().filter_map(|mark| message.find(mark)).min();
    message.get(..end.unwrap_or(message.len())).unwrap_or(message).trim_end_matches([',', ' '])
}

/// The reasons, each with the number of its nodes; 0 if it is one of the pod itself.
pub fn parts(message: &str) -> Vec<(usize, &str)> {
    let reasons = reasons(message);
    let parts = reasons.split_once("nodes are available:").map_or(reasons, |(_, parts)| parts);
    let parts = parts.split(", ").map(|part| part.trim().trim_end_matches('.'));
    parts
        // The end of how Kubernetes 1.23 and before put a taint.
        .filter(|part| !part.is_empty() && *part != "that the pod didn't tolerate")
        .map(|part| match part.split_once(' ') {
            Some((count, reason)) if count.parse::<usize>().is_ok() => (count.parse().unwrap_or(0), reason),
            _ => (0, part),
        })
        .collect()
}

/// The name in quotes after `mark`: of the claim in `persistentvolumeclaim "data" not found`.
pub fn quoted_after<'m>(message: &'m str, mark: &str) -> Option<&'m str> {
    let (_, rest) = message.split_once(mark)?;
    rest.trim_start().strip_prefix('"')?.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reasons_of_a_message_are_counted_by_node() {
        let message = "0/4 nodes are available: 1 node(s) had untolerated taint {gpu: true}, 3 Insufficient cpu. \
            no new claims to deallocate, preemption: 0/4 nodes are available: 4 Preemption is not helpful.";
        assert_eq!(
            parts(message),
            [(1, "node(s) had untolerated taint {gpu: true}"), (3, "Insufficient cpu")]
        );
        let message = "persistentvolumeclaim \"data\" not found";
        assert_eq!(parts(message), [(0, message)]);
        assert_eq!(quoted_after(message, "persistentvolumeclaim"), Some("data"));
        assert_eq!(quoted_after("x", "y"), None);
    }
}
