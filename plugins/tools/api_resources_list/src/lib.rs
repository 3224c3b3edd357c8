//! api_resources_list: which kinds the cluster serves.

use porthole_sdk::{prelude::*, tool};

#[derive(Arguments)]
struct Request {
    /// Only this API group, e.g. apps; core for v1
    group: Option<String>,
    /// Only kinds whose names contain this
    search: Option<String>,
    /// Only namespaced (true) or cluster-scoped (false) kinds
    namespaced: Option<bool>,
}

/// The kinds that the cluster serves, custom ones too: name, short names, apiVersion, scope.
#[tool(title = "List kinds")]
fn api_resources_list(request: Request) -> Answer {
    let Request { group, search, namespaced } = request;
    let search = search.map(|search| search.to_lowercase());
    let group =
        group.map(|group| if matches!(group.as_str(), "core" | "v1") { String::new() } else { group });
    let kinds = kube_read::kinds()?;
    let all = kinds.len();
    let mut table = Table::new(["NAME", "SHORT", "APIVERSION", "NAMESPACED", "KIND"]);
    for kind in kinds {
        let names = || [&kind.plural, &kind.kind].into_iter().chain(&kind.short_names);
        let found = search.as_ref().is_none_or(|part| names().any(|name| name.to_lowercase().contains(part)));
        // A group may be given with its version.
        let in_group = group.as_ref().is_none_or(|requested| {
            kind.group == *requested || format!("{}/{}", kind.group, kind.version) == *requested
        });
        if !found || !in_group || namespaced.is_some_and(|requested| requested != kind.namespaced) {
            continue;
        }
        if !kind.verbs.iter().any(|verb| verb == "get" || verb == "list") {
            continue;
        }
        let version = match kind.group.as_str() {
            "" => kind.version,
            group => format!("{group}/{}", kind.version),
        };
        table.row([kind.plural, kind.short_names.join(","), version, kind.namespaced.to_string(), kind.kind]);
    }
    if table.is_empty() {
        return text(format!("No kinds that match, of {all}; look with search, or without arguments."));
    }
    table.answer("kinds")
}
