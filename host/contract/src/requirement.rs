//! `admin.requires`: the cluster right that a visitor of the admin page must have.

use std::fmt;

use serde::Deserialize;

use crate::Echo;

/// Verbs of Kubernetes' own resources, and `*`
/// (<https://kubernetes.io/docs/reference/access-authn-authz/authorization/#determine-the-request-verb>). Any other
/// verb would only be granted to an account that may do everything.
const VERBS: [&str; 9] =
    ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "*"];

/// A right, in the fields of an access review.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Requirement {
    /// A Kubernetes verb, or `*`.
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
    /// The right to read Porthole's own Deployment.
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
    /// Validates every part for an access review; an empty part would ask a different question.
    pub fn validate(self) -> Result<Self, String> {
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
