//! Error text for tools that are not served, or not to this caller; names other servers' write tools explicitly.

use porthole_contract::{Echo, nearest};
use porthole_guard::Ceiling;

use super::Snapshot;

/// Write tools of popular servers. A prompt written for those servers gets an explanation instead of "unknown tool".
const WRITE_TOOLS: [&str; 22] = [
    "pods_delete",
    "pods_exec",
    "pods_run",
    "resources_create_or_update",
    "resources_delete",
    "resources_scale",
    "helm_install",
    "helm_uninstall",
    "kubectl_apply",
    "kubectl_create",
    "kubectl_delete",
    "kubectl_patch",
    "kubectl_scale",
    "kubectl_rollout",
    "kubectl_generic",
    "exec_in_pod",
    "install_helm_chart",
    "upgrade_helm_chart",
    "uninstall_helm_chart",
    "node_management",
    "cleanup_pods",
    "port_forward",
];
/// Maximum number of suggested names.
const MAX_SUGGESTIONS: usize = 3;

/// Error text for a call of a tool that the operator's policy closes to the caller.
pub(super) fn closed_tool(name: &str) -> String {
    format!("{name} is not open to this caller: the operator's policy (`policy`) leaves it out of its tools.")
}

/// Error text for a call of a tool that is not served; suggests what is open to the caller.
pub(super) fn unknown_tool(name: &str, snapshot: &Snapshot, ceiling: &Ceiling) -> String {
    if WRITE_TOOLS.contains(&name) {
        return format!(
            "{name} changes the cluster, and Porthole only reads: it has no tool that writes, and a command in a container counts as writing. Say what should be changed, and let a person do it."
        );
    }
    if snapshot.disabled.contains(name) {
        return format!(
            "{name} is not served here: the operator has closed it (tools.enabled, tools.disabled)."
        );
    }
    if snapshot.tools.is_empty() {
        return "no tool is served. The operator sees why at /readyz.".to_owned();
    }
    // No similarity threshold: some suggestion is always better than none.
    let open = snapshot.tools.keys().map(|name| &**name).filter(|name| ceiling.allows_tool(name));
    let nearest_names = nearest(name, open, -1.0, MAX_SUGGESTIONS);
    if nearest_names.is_empty() {
        return "no tool is open to this caller: the operator's policy (`policy`) leaves it none.".to_owned();
    }
    format!(
        "there is no tool {} here. The nearest: {}; tools/list has all of them.",
        Echo(name),
        nearest_names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writing_tool_is_refused_in_a_sentence() {
        assert!(unknown_tool("pods_exec", &Snapshot::default(), &Ceiling::default()).contains("only reads"));
        assert!(
            unknown_tool("whatever", &Snapshot::default(), &Ceiling::default()).contains("no tool is served")
        );
    }
}
