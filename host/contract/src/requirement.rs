//! `admin.requires`: the right in the cluster that a visitor of the operator's page must have.

use std::fmt;

use serde::Deserialize;

use crate::Echo;

/// The verbs of Kubernetes' own resources, and all of them together
/// (<https://kubernetes.io/docs/reference/access-authn-authz/authorization/#determine-the-request-verb>). Another one would
/// be granted to nobody but an account that may do everything.
const VERBS: [&str; 9] =
    ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "*"];

/// A right, as an access review asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Requirement {
    /// A verb of Kubernetes, or `*`.
    pub verb: String,
    /// Empty for the core group.
    pub group: String,
    /// A plural: `deployments`.
    pub resource: String,
    /// None for any name.
    pub name: Option<String>,
    /// None for the namespace that Porthole runs in.
    pub namespace: Option<String>,
}

impl Default for Requirement {
    /// The right to look at Porthole's own Deployment.
    fn default() -> Self {
        Self {
            verb: "get".to_owned(),
            group: "apps".to_owned(),
            resource: "deployments".to_owned(),
            name: Some("porthole".to_owned()),
            namespace: None,
        }
    }
}

impl Requirement {
    /// Checks that every part is what an access review takes; an empty one would ask for something else.
    pub fn checked(self) -> Result<Self, String> {
        if !VERBS.contains(&self.verb.as_str()) {
            let known = VERBS.join(", ");
            return Err(format!("admin.requires.verb: {} is none; there are {known}", Echo(&self.verb)));
        }
        let plain = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.*".contains(&b))
        };
        let parts = [
            ("group", Some(&self.group).filter(|group| !group.is_empty())),
            ("resource", Some(&self.resource)),
            ("name", self.name.as_ref()),
            ("namespace", self.namespace.as_ref()),
        ];
        for (key, part) in parts {
            if let Some(part) = part
                && !plain(part)
            {
                return Err(format!("admin.requires.{key}: {part:?} is not a name"));
            }
        }
        Ok(self)
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, group, resource, name, .. } = self;
        let dot = if group.is_empty() { "" } else { "." };
        write!(f, "{verb} {resource}{dot}{group}")?;
        name.as_ref().map_or(Ok(()), |name| write!(f, " {name}"))
    }
}
