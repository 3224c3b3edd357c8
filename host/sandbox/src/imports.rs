//! Permitted imports of a component, checked by name before anything is linked.
//!
//! Linking alone is no check: an import of an empty `wasi:http/types` links with anything, and a link error names only
//! the first interface, with a misleading reason.

use porthole_contract::{MAX_ECHO, Printable, truncate};

/// Whole interfaces, without their version.
const INTERFACES: [&str; 23] = [
    "porthole:tool/types",
    "porthole:tool/kube-read",
    "porthole:tool/call",
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:filesystem/types",
    "wasi:filesystem/preopens",
    "wasi:clocks/wall-clock",
    "wasi:clocks/monotonic-clock",
    "wasi:random/random",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
];

/// Class of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Import {
    /// Part of the contract.
    Needed,
    /// Wanted by a standard library: present, and empty.
    Empty,
    /// The host does not serve a tool that has it.
    Refused,
}

/// Class of this import.
pub(super) fn classify(import: &str) -> Import {
    if !denied(std::iter::once(import)).is_empty() {
        Import::Refused
    } else if import.starts_with("porthole:tool") {
        Import::Needed
    } else {
        Import::Empty
    }
}

/// Returns the imports that are not allowed.
pub(super) fn denied<'n>(imports: impl Iterator<Item = &'n str>) -> Vec<String> {
    let allowed = |import: &str| {
        let interface = import.split('@').next().unwrap_or(import);
        INTERFACES.contains(&interface)
    };
    imports.filter(|import| !allowed(import)).map(str::to_owned).collect()
}

/// The names of imports for a reason: the first few, each cut short, none of them able to end a line.
pub(super) fn list_names(imports: &[String]) -> String {
    /// Imports that a reason names; a component can have thousands.
    const MAX_NAMED: usize = 8;
    let mut names: Vec<String> =
        imports.iter().take(MAX_NAMED).map(|name| Printable(truncate(name, MAX_ECHO)).to_string()).collect();
    if let Some(more) = imports.len().checked_sub(MAX_NAMED).filter(|more| *more > 0) {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

/// Explanation of refused imports, for the operator.
pub(super) fn reason(refused: &[String]) -> &'static str {
    let any = |prefix: &str| refused.iter().any(|import| import.starts_with(prefix));
    if any("wasi:sockets") || any("wasi:http") {
        "tools have no network"
    } else if any("porthole:tool") {
        "this host does not know it: the tool was built for another version of the contract"
    } else {
        "tools may import porthole:tool and the plain parts of wasi only (see wit/README.md)"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_is_refused_by_name_and_the_standard_library_is_not() {
        let imports = [
            "wasi:cli/environment@0.2.6",
            "wasi:http/types@0.2.0",
            "porthole:tool/kube-read@0.1.0",
            "wasi:sockets/tcp@0.2.6",
            "wasi:random/insecure-seed@0.2.3",
            "anything",
        ];
        let found = denied(imports.into_iter());
        assert_eq!(found, ["wasi:http/types@0.2.0", "wasi:sockets/tcp@0.2.6", "anything"]);
        assert_eq!(reason(&found), "tools have no network");
    }
}
