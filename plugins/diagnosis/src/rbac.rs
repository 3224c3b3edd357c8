//! RBAC, as the API server evaluates it: who a binding is for, and what a role allows.
//!
//! Source: kubernetes/pkg/registry/rbac/validation/rule.go, kubernetes/pkg/apis/rbac/v1/evaluation_helpers.go,
//! kubernetes/plugin/pkg/auth/authorizer/rbac/rbac.go.

use serde_json::Value;

use crate::object::{list, text};

/// Wildcard of a rule.
const ALL: &str = "*";
/// The prefix of the user that a ServiceAccount is.
const ACCOUNT: &str = "system:serviceaccount:";

/// A user, as the API server authenticates one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Empty for any member of the groups.
    pub name: String,
    /// The groups that the user is known to be in.
    pub groups: Vec<String>,
}

impl User {
    /// A ServiceAccount, with the groups that all of them are in.
    pub fn account(namespace: &str, name: &str) -> Self {
        let groups = ["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
        Self { name: format!("{ACCOUNT}{namespace}:{name}"), groups: groups.into() }.authenticated()
    }

    /// A user of this name, whose own groups are not known.
    pub fn named(name: &str) -> Self {
        if let Some((namespace, name)) = account(name) {
            return Self::account(namespace, name);
        }
        Self { name: name.to_owned(), groups: Vec::new() }.authenticated()
    }

    /// Any member of a group.
    pub fn member(group: &str) -> Self {
        let mut groups = vec![group.to_owned()];
        if group.starts_with("system:serviceaccounts:") {
            groups.push("system:serviceaccounts".to_owned());
        }
        Self { name: String::new(), groups }.authenticated()
    }

    fn authenticated(mut self) -> Self {
        let group = match self.name.as_str() {
            "system:anonymous" => "system:unauthenticated",
            _ if self.is_in("system:unauthenticated") => return self,
            _ => "system:authenticated",
        };
        if !self.is_in(group) {
            self.groups.push(group.to_owned());
        }
        self
    }

    fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|other| other == group)
    }

    /// True if a subject of a binding is this user or a group of it; `namespace` is that of a RoleBinding.
    pub fn is(&self, subject: &Value, namespace: &str) -> bool {
        let name = text(subject, "/name");
        match text(subject, "/kind") {
            "User" => !self.name.is_empty() && name == self.name,
            "Group" => self.is_in(name),
            "ServiceAccount" => {
                let of = match text(subject, "/namespace") {
                    "" => namespace,
                    of => of,
                };
                !of.is_empty() && account(&self.name) == Some((of, name))
            }
            _ => false,
        }
    }
}

/// Namespace and name of the ServiceAccount that a user is.
pub fn account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix(ACCOUNT)?.split_once(':')?;
    (!namespace.is_empty() && !name.is_empty() && !name.contains(':')).then_some((namespace, name))
}

/// A resource that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Empty for the core group.
    pub group: String,
    /// The plural, with a subresource: `pods/log`.
    pub name: String,
}

impl std::fmt::Display for Resource {
    /// `deployments.apps/scale`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.group.as_str(), self.name.split_once('/')) {
            ("", _) => f.write_str(&self.name),
            (group, None) => write!(f, "{}.{group}", self.name),
            (group, Some((plural, sub))) => write!(f, "{plural}.{group}/{sub}"),
        }
    }
}

/// A rule of a role.
#[derive(Debug, Clone, Copy)]
pub struct RoleRule<'v>(&'v Value);

impl<'v> RoleRule<'v> {
    /// The rules of a Role or ClusterRole. Those of an aggregated ClusterRole are written into it by its controller.
    pub fn of(role: &'v Value) -> impl Iterator<Item = Self> {
        Self::all(list(role, "/rules"))
    }

    /// Rules as a role lists them.
    pub(crate) fn all(rules: &'v [Value]) -> impl Iterator<Item = Self> {
        rules.iter().map(Self)
    }

    fn texts(self, field: &str) -> impl Iterator<Item = &'v str> {
        list(self.0, field).iter().filter_map(Value::as_str)
    }

    /// The verbs that it lists.
    pub fn verbs(self) -> Vec<&'v str> {
        self.texts("/verbs").collect()
    }

    /// The resources that it lists.
    pub fn resources(self) -> Vec<&'v str> {
        self.texts("/resources").collect()
    }

    /// The API groups that it lists.
    pub fn groups(self) -> Vec<&'v str> {
        self.texts("/apiGroups").collect()
    }

    /// The paths beside resources that it lists: `/healthz`.
    pub fn paths(self) -> Vec<&'v str> {
        self.texts("/nonResourceURLs").collect()
    }

    /// The only names that it is about; none for any name.
    pub fn names(self) -> Vec<&'v str> {
        self.texts("/resourceNames").collect()
    }

    /// True if it is about a resource.
    pub fn covers(self, resource: &Resource) -> bool {
        let subresource = resource.name.split_once('/').map(|(_, subresource)| subresource);
        let is_named = |listed: &str| {
            listed == ALL
                || listed == resource.name
                // Only a whole `*` stands for a resource.
                || listed.strip_prefix("*/").is_some_and(|listed| Some(listed) == subresource)
        };
        self.texts("/apiGroups").any(|group| group == ALL || group == resource.group)
            && self.texts("/resources").any(is_named)
    }

    /// True if it is about an object of this name; `None` for a request that names none.
    pub fn is_about(self, name: Option<&str>) -> bool {
        let mut names = self.texts("/resourceNames").peekable();
        names.peek().is_none() || names.any(|listed| Some(listed) == name)
    }

    /// True if it lists a verb.
    pub fn lists(self, verb: &str) -> bool {
        self.texts("/verbs").any(|listed| listed == ALL || listed == verb)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resource(group: &str, name: &str) -> Resource {
        Resource { group: group.to_owned(), name: name.to_owned() }
    }

    #[test]
    fn a_rule_is_about_what_the_api_server_says() {
        for (resources, asked, expected) in [
            ("pods", "pods", true),
            ("pods", "pods/log", false),
            ("pods/log", "pods/log", true),
            ("pods/log", "pods", false),
            ("*", "pods/log", true),
            ("*/log", "pods/log", true),
            ("*/log", "log", false),
            ("*/scale", "pods/log", false),
            ("pods/*", "pods/log", false),
        ] {
            let role = json!({"rules": [{"apiGroups": [""], "resources": [resources], "verbs": ["get"]}]});
            let covers = RoleRule::of(&role).any(|rule| rule.covers(&resource("", asked)));
            assert_eq!(covers, expected, "{resources} {asked}");
            assert!(!RoleRule::of(&role).any(|rule| rule.covers(&resource("apps", asked))));
        }
        let role = json!({"rules": [{"apiGroups": ["*"], "resources": ["secrets"], "resourceNames": ["db"], "verbs": ["*"]}]});
        let rule = RoleRule::of(&role).next().unwrap_or_else(|| panic!("a rule"));
        assert!(rule.covers(&resource("any", "secrets")) && rule.lists("delete"));
        assert!(rule.is_about(Some("db")) && !rule.is_about(Some("web")) && !rule.is_about(None));
        assert!(RoleRule::of(&json!({"rules": null})).next().is_none());
    }

    #[test]
    fn a_rule_lists_what_it_is_about() {
        let role = json!({"rules": [{"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get"],
            "resourceNames": ["web"], "nonResourceURLs": ["/healthz"]}]});
        let rule = RoleRule::of(&role).next().unwrap();
        assert_eq!((rule.groups(), rule.resources()), (vec!["apps"], vec!["deployments/scale"]));
        assert_eq!((rule.verbs(), rule.names(), rule.paths()), (vec!["get"], vec!["web"], vec!["/healthz"]));
    }

    #[test]
    fn a_resource_is_shown_with_its_group_before_its_subresource() {
        for (group, name, expected) in [
            ("", "pods/log", "pods/log"),
            ("apps", "deployments", "deployments.apps"),
            ("apps", "deployments/scale", "deployments.apps/scale"),
        ] {
            assert_eq!(resource(group, name).to_string(), expected);
        }
    }

    #[test]
    fn a_binding_is_for_users_groups_and_accounts() {
        let account = User::named("system:serviceaccount:shop:web");
        assert_eq!(account, User::account("shop", "web"));
        let is = |user: &User, kind: &str, name: &str, namespace: &str| {
            user.is(&json!({"kind": kind, "name": name, "namespace": namespace}), "here")
        };
        assert!(is(&account, "ServiceAccount", "web", "shop"));
        assert!(
            !is(&account, "ServiceAccount", "web", "") && !is(&account, "ServiceAccount", "web", "other")
        );
        assert!(is(&User::account("here", "web"), "ServiceAccount", "web", ""));
        assert!(is(&account, "User", "system:serviceaccount:shop:web", ""));
        for group in ["system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"] {
            assert!(is(&account, "Group", group, ""), "{group}");
        }
        assert!(!is(&account, "Group", "system:serviceaccounts:other", ""));
        assert!(is(&User::member("devs"), "Group", "devs", "") && !is(&User::member("devs"), "User", "", ""));
        assert_eq!(User::named("system:anonymous").groups, ["system:unauthenticated"]);
        assert_eq!(User::member("system:unauthenticated").groups.len(), 1);
        for user in
            ["system:serviceaccount:shop", "system:serviceaccount::web", "system:serviceaccount:a:b:c", "web"]
        {
            assert_eq!(super::account(user), None, "{user}");
        }
    }
}
