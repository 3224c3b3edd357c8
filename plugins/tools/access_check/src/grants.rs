//! Bindings and roles, read with the caller's own rights.

use std::collections::BTreeMap;

use porthole_diagnosis::rbac::RoleRule;
use porthole_sdk::{one_line, prelude::*};

use crate::subject::Subject;

/// The maximum number of roles that are read.
const MAX_ROLES: usize = 128;
/// The maximum number of reads of one batch.
const BATCH: usize = 64;
/// Groups of which every account is a member.
const GENERAL: [&str; 3] = ["system:authenticated", "system:unauthenticated", "system:serviceaccounts"];

/// Bindings, before it is known whose they are.
#[derive(Default)]
pub(crate) struct Bindings {
    all: Vec<Binding>,
    /// Each kind of object that could not be read, with the reason.
    unread: Vec<String>,
}

/// A RoleBinding, or a ClusterRoleBinding if it has no namespace.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Binding {
    metadata: porthole_sdk::pod::Metadata,
    role_ref: RoleRef,
    subjects: Option<Vec<Value>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RoleRef {
    kind: String,
    name: String,
}

/// A role that a binding gives to a subject.
pub(crate) struct Grant {
    /// `RoleBinding shop/watch`
    pub(crate) binding: String,
    /// `ClusterRole view`
    pub(crate) role: String,
    /// The namespace that it holds in; None: everywhere.
    pub(crate) namespace: Option<String>,
    /// True if it is made for all accounts, and not for this one.
    pub(crate) is_general: bool,
    object: Value,
}

/// All that is given to a subject.
pub(crate) struct Grants {
    pub(crate) all: Vec<Grant>,
    /// Bindings whose role does not exist.
    pub(crate) dangling: Vec<String>,
    /// Reads that failed, with the reason. Nothing that is missing is known then.
    pub(crate) unread: Vec<String>,
}

impl Grant {
    pub(crate) fn rules(&self) -> impl Iterator<Item = RoleRule<'_>> {
        RoleRule::of(&self.object)
    }

    /// True if it holds in a namespace, or for `None` in all of them.
    pub(crate) fn holds_in(&self, namespace: Option<&str>) -> bool {
        self.namespace.is_none() || self.namespace.as_deref() == namespace
    }
}

impl Bindings {
    /// True if a binding has this subject.
    pub(crate) fn name(&self, kind: &str, name: &str) -> bool {
        self.namespaces(kind, name).next().is_some()
    }

    /// The namespaces of the subjects of this kind and name.
    pub(crate) fn namespaces<'b>(&'b self, kind: &'b str, name: &'b str) -> impl Iterator<Item = &'b str> {
        let text =
            |subject: &'b Value, field: &str| subject.get(field).and_then(Value::as_str).unwrap_or_default();
        self.all.iter().flat_map(move |binding| {
            let named = binding.subjects.iter().flatten();
            let named =
                named.filter(move |subject| text(subject, "kind") == kind && text(subject, "name") == name);
            named.map(move |subject| match text(subject, "namespace") {
                "" => binding.metadata.namespace.as_str(),
                namespace => namespace,
            })
        })
    }
}

/// The bindings that hold in a namespace, or all of them.
pub(crate) fn bindings(namespace: Option<&str>) -> Bindings {
    let fields = ["metadata.name", "metadata.namespace", "roleRef", "subjects"];
    let queries = [
        list_all_of(rbac("clusterrolebindings"), None, &fields),
        list_all_of(rbac("rolebindings"), namespace.map(str::to_owned), &fields),
    ];
    let mut bindings = Bindings::default();
    for (what, page) in ["ClusterRoleBindings", "RoleBindings"].into_iter().zip(kube_read::list_all(&queries))
    {
        let read = page.map_err(String::from).and_then(|page| {
            // A page that is not the last would be a smaller list in silence.
            match page.continue_token {
                None => parsed::<Vec<Binding>>(&page.items),
                Some(_) => Err("there are more than one page of them".to_owned()),
            }
        });
        match read {
            Ok(read) => bindings.all.extend(read),
            Err(error) => bindings.unread.push(format!("{what}: {}", one_line(&error))),
        }
    }
    bindings
}

impl Grants {
    /// The roles that bindings give to a subject.
    pub(crate) fn read(subject: &Subject, bindings: Bindings) -> Self {
        let Bindings { mut all, mut unread } = bindings;
        all.retain(|binding| binding.matching(subject).next().is_some());
        let mut roles: BTreeMap<(String, String), Option<Value>> =
            all.iter().map(|binding| (binding.role(), None)).collect();
        if roles.len() > MAX_ROLES {
            unread.push(format!("{} of its {} roles: too many", roles.len() - MAX_ROLES, roles.len()));
        }
        let names: Vec<(String, String)> = roles.keys().take(MAX_ROLES).cloned().collect();
        for batch in names.chunks(BATCH) {
            let queries: Vec<GetQuery> = batch.iter().map(query).collect();
            for (name, read) in batch.iter().zip(kube_read::get_all(&queries)) {
                let role = match read {
                    Ok(json) => parsed(&json),
                    Err(error) if error.reason == Reason::NotFound => Ok(Value::Null),
                    Err(error) => Err(error.into()),
                };
                match role {
                    Ok(role) => {
                        roles.insert(name.clone(), Some(role));
                    }
                    Err(error) => unread.push(format!("{}: {}", title(name), one_line(&error))),
                }
            }
        }
        let mut grants = Self { all: Vec::new(), dangling: Vec::new(), unread };
        for binding in &all {
            let name = binding.role();
            let (title, binding_title) = (title(&name), binding.title());
            match roles.get(&name).and_then(Option::as_ref) {
                None => {}
                Some(Value::Null) => {
                    grants.dangling.push(format!("{binding_title} names {title}, which does not exist"))
                }
                Some(object) => grants.all.push(Grant {
                    binding: binding_title,
                    role: title,
                    namespace: Some(binding.metadata.namespace.clone())
                        .filter(|namespace| !namespace.is_empty()),
                    is_general: binding.is_general(subject),
                    object: object.clone(),
                }),
            }
        }
        grants
    }
}

impl Binding {
    fn matching<'b>(&'b self, subject: &'b Subject) -> impl Iterator<Item = &'b Value> {
        let namespace = &self.metadata.namespace;
        self.subjects.iter().flatten().filter(move |other| subject.user.is(other, namespace))
    }

    /// True if it matches by a group of all accounts alone, and that is not the subject itself.
    fn is_general(&self, subject: &Subject) -> bool {
        self.matching(subject).all(|other| {
            let name = other.get("name").and_then(Value::as_str).unwrap_or_default();
            let is_group = other.get("kind").and_then(Value::as_str) == Some("Group");
            is_group && GENERAL.contains(&name) && subject.title != format!("group {name}")
        })
    }

    /// Namespace and name of its role; a ClusterRole has no namespace.
    fn role(&self) -> (String, String) {
        let namespace = match self.role_ref.kind.as_str() {
            "Role" => self.metadata.namespace.clone(),
            _ => String::new(),
        };
        (namespace, self.role_ref.name.clone())
    }

    fn title(&self) -> String {
        let name = one_line(&self.metadata.name);
        match self.metadata.namespace.as_str() {
            "" => format!("ClusterRoleBinding {name}"),
            namespace => format!("RoleBinding {namespace}/{name}"),
        }
    }
}

fn title((namespace, name): &(String, String)) -> String {
    let name = one_line(name);
    if namespace.is_empty() { format!("ClusterRole {name}") } else { format!("Role {namespace}/{name}") }
}

fn query((namespace, name): &(String, String)) -> GetQuery {
    let is_cluster = namespace.is_empty();
    GetQuery {
        kind: rbac(if is_cluster { "clusterroles" } else { "roles" }),
        namespace: (!is_cluster).then(|| namespace.clone()),
        name: name.clone(),
        view: View::Fields(vec!["rules".to_owned()]),
    }
}

fn rbac(resource: &str) -> KindRef {
    kind(&format!("{resource}.rbac.authorization.k8s.io"))
}
