//! Oracle of discovery: only names of Kubernetes become parts of a path.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an oracle speaks by a panic"
)]

use super::{Arc, Group, Groups, Kind, KindName, KindRef, MAX_NAMES};

/// The kinds of a discovery document have names that can stand in a path; what a name finds is called so. The first line
/// is a kind and, after a blank, an apiVersion.
pub fn kinds(data: &[u8]) {
    let (first, json) = crate::fuzz::line(data);
    let (kind, api_version) = first.split_once(' ').map_or((first.as_str(), None), |(k, v)| (k, Some(v)));
    let asked = KindRef { kind: kind.to_owned(), api_version: api_version.map(str::to_owned) };
    let groups = serde_json::from_slice::<Groups>(json).map(|groups| groups.items).unwrap_or_default();
    let kinds: Vec<Arc<Kind>> = groups.into_iter().flat_map(Group::kinds).map(Arc::new).collect();
    for kind in &kinds {
        let parts = [&kind.group, &kind.version, &kind.plural, &kind.kind, &kind.singular];
        let names = parts.into_iter().chain(&kind.short_names).chain(&kind.verbs);
        for name in names {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
            assert!(name.bytes().all(plain) && name.len() <= 253 && !name.contains(".."), "{name:?}");
        }
        assert!(![&kind.version, &kind.plural, &kind.kind].iter().any(|name| name.is_empty()));
        assert!(kind.short_names.len() <= MAX_NAMES && kind.verbs.len() <= MAX_NAMES);
    }
    let name = match KindName::parse(&asked) {
        Ok(name) => name,
        Err(failure) => return assert!(failure.message.len() < 1000, "{failure}"),
    };
    match name.find(&kinds) {
        Some(kind) => {
            assert!(kind.has_name(&name.name));
            assert!(name.version.is_none() || name.group.as_ref() == Some(&kind.group));
        }
        None => {
            let failure = name.unknown(&kinds);
            assert!(failure.message.len() < 5000, "{} bytes", failure.message.len());
        }
    }
}
