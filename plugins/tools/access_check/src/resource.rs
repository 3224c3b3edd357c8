//! The resource that a caller names, as rules name it.

use porthole_diagnosis::rbac::Resource;
use porthole_sdk::{field_path::echo, prelude::*};

/// The plural and the group of a kind in any form, with its subresource: `pods/log`, `deploy`, `Deployment`, `*`.
pub(crate) fn find(kind: &str, api_version: Option<&str>) -> Result<Resource, Error> {
    let (name, subresource) = match kind.split_once('/') {
        Some((name, subresource)) => (name, Some(subresource)),
        None => (kind, None),
    };
    let name = name.to_lowercase();
    let with_subresource = |plural: &str| match subresource {
        Some(subresource) => format!("{plural}/{subresource}"),
        None => plural.to_owned(),
    };
    if name == "*" {
        return Ok(Resource { group: "*".to_owned(), name: with_subresource("*") });
    }
    let (plain, group) = match name.split_once('.') {
        Some((plain, group)) => (plain, Some(group.to_owned())),
        // `apps/v1`; the core group has none.
        None => (
            name.as_str(),
            api_version.map(|version| version.rsplit_once('/').map_or("", |(group, _)| group).to_owned()),
        ),
    };
    let kinds = kube_read::kinds()?;
    let found = kinds.iter().find(|info| {
        let mut names = [&info.plural, &info.kind].into_iter().chain(&info.short_names);
        names.any(|other| other.to_lowercase() == plain)
            && group.as_ref().is_none_or(|group| *group == info.group)
    });
    match found {
        Some(info) => Ok(Resource { group: info.group.clone(), name: with_subresource(&info.plural) }),
        None => {
            Err(format!("no kind is called {}; api_resources_list has those there are", echo(kind)).into())
        }
    }
}
