//! The subject that a caller names.

use std::collections::BTreeSet;

use porthole_diagnosis::rbac::{self, User};
use porthole_sdk::{
    field_path::{MAX_ECHO, echo},
    one_line,
    prelude::*,
};

use crate::grants::Bindings;

/// Max accounts of one name that are listed.
const MAX_PLACES: usize = 10;
/// Groups that are known by their names.
const GROUPS: [&str; 5] = [
    "system:authenticated",
    "system:unauthenticated",
    "system:serviceaccounts",
    "system:masters",
    "system:nodes",
];

/// A subject of bindings, and how an answer calls it.
pub(crate) struct Subject {
    pub(crate) user: User,
    /// `ServiceAccount shop/web`, `group devs`
    pub(crate) title: String,
    /// True for a user, whose groups its authenticator knows and no object of the cluster.
    pub(crate) has_unknown_groups: bool,
}

impl Subject {
    /// `ns/name`, `system:serviceaccount:ns:name`, `user:name`, `group:name`; a name alone is what bindings call so, and a
    /// user otherwise.
    pub(crate) fn parse(text: &str, namespace: Option<&str>, bindings: &Bindings) -> Result<Self, Error> {
        let text = text.trim();
        if text.is_empty() || text.len() > 2 * MAX_ECHO {
            return Err(format!(
                "subject parameter must be a ServiceAccount ns/name, a user or a group, not {}",
                echo(text)
            )
            .into());
        }
        if let Some((namespace, name)) = rbac::account(text).or_else(|| account(text)) {
            return Ok(Self::account(namespace, name));
        }
        if let Some(name) = text.strip_prefix("group:") {
            return Ok(Self::group(name));
        }
        if let Some(name) = text.strip_prefix("user:") {
            return Ok(Self::user(name));
        }
        if GROUPS.contains(&text) || text.starts_with("system:serviceaccounts:") {
            return Ok(Self::group(text));
        }
        if !bindings.name("User", text) {
            if bindings.name("Group", text) {
                return Ok(Self::group(text));
            }
            let places: BTreeSet<&str> = bindings.namespaces("ServiceAccount", text).collect();
            let preferred = namespace.map(str::to_owned).or_else(call::preferred_namespace);
            match (preferred.filter(|preferred| places.contains(preferred.as_str())), places.first()) {
                (Some(preferred), _) => return Ok(Self::account(&preferred, text)),
                (None, Some(place)) if namespace.is_none() && places.len() == 1 => {
                    return Ok(Self::account(place, text));
                }
                (None, Some(_)) if namespace.is_none() => return Err(several(text, &places)),
                (None, _) => {}
            }
        }
        Ok(Self::user(text))
    }

    fn account(namespace: &str, name: &str) -> Self {
        let title = format!("ServiceAccount {namespace}/{name}");
        Self { user: User::account(namespace, name), title, has_unknown_groups: false }
    }

    fn group(name: &str) -> Self {
        Self {
            user: User::member(name),
            title: format!("group {}", one_line(name)),
            has_unknown_groups: false,
        }
    }

    fn user(name: &str) -> Self {
        Self { user: User::named(name), title: format!("user {}", one_line(name)), has_unknown_groups: true }
    }
}

/// The error for an account's name in several namespaces.
fn several(name: &str, places: &BTreeSet<&str>) -> Error {
    let shown = places.iter().take(MAX_PLACES).map(|place| format!("{}/{}", one_line(place), one_line(name)));
    let shown = shown.collect::<Vec<_>>().join(", ");
    let more = places.len().saturating_sub(MAX_PLACES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let name = echo(name);
    format!("several ServiceAccounts are called {name}. Ask again with one as subject: {shown}{more}").into()
}

/// `shop/web`; users and groups of other systems may hold slashes too.
fn account(text: &str) -> Option<(&str, &str)> {
    let (namespace, name) = text.split_once('/')?;
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte))
    };
    (is_name(namespace) && is_name(name)).then_some((namespace, name))
}
