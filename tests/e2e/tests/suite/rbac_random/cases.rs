//! Questions: of which kind, where, and by which tool.

use serde_json::{Value, json};

use super::world::{Draw, Grant, World};

/// A kind that is read.
pub(super) struct Kind {
    pub(super) group: &'static str,
    version: &'static str,
    pub(super) plural: &'static str,
    is_namespaced: bool,
    /// Of a new object, without metadata.
    pub(super) body: fn() -> Value,
}

pub(super) const KINDS: &[Kind] = &[
    // Twice, because of its subresource.
    Kind { group: "", version: "v1", plural: "pods", is_namespaced: true, body: pod },
    Kind { group: "", version: "v1", plural: "pods", is_namespaced: true, body: pod },
    Kind { group: "", version: "v1", plural: "configmaps", is_namespaced: true, body: || json!({}) },
    Kind { group: "", version: "v1", plural: "secrets", is_namespaced: true, body: || json!({}) },
    Kind {
        group: "",
        version: "v1",
        plural: "services",
        is_namespaced: true,
        body: || json!({"spec": {"clusterIP": "None", "selector": {"app": "x"}}}),
    },
    Kind { group: "apps", version: "v1", plural: "deployments", is_namespaced: true, body: deployment },
    Kind {
        group: "coordination.k8s.io",
        version: "v1",
        plural: "leases",
        is_namespaced: true,
        body: || json!({"spec": {}}),
    },
    Kind {
        group: "rbac.authorization.k8s.io",
        version: "v1",
        plural: "roles",
        is_namespaced: true,
        body: || json!({"rules": []}),
    },
    Kind { group: "", version: "v1", plural: "namespaces", is_namespaced: false, body: || json!({}) },
    Kind {
        group: "storage.k8s.io",
        version: "v1",
        plural: "storageclasses",
        is_namespaced: false,
        body: || json!({"provisioner": "example.com/none"}),
    },
    Kind {
        group: "rbac.authorization.k8s.io",
        version: "v1",
        plural: "clusterroles",
        is_namespaced: false,
        body: || json!({"rules": []}),
    },
];

fn pod() -> Value {
    json!({"spec": {"nodeName": "node-1", "containers": [{"name": "app", "image": "x"}]}})
}

fn deployment() -> Value {
    let labels = json!({"app": "random-rights"});
    json!({"spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
        "spec": {"containers": [{"name": "app", "image": "x"}]}}}})
}

impl Kind {
    /// Path of the kind's collection.
    pub(super) fn collection(&self, namespace: Option<&str>) -> String {
        let Self { group, version, plural, .. } = self;
        let prefix =
            if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        match namespace {
            Some(namespace) if self.is_namespaced => format!("{prefix}/namespaces/{namespace}/{plural}"),
            _ => format!("{prefix}/{plural}"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Verb {
    Get,
    List,
    /// The list of one name, which `resourceNames` may permit.
    ListOne,
    Log,
}

/// A read, as the API server is asked for it.
pub(super) struct Question {
    kind: &'static Kind,
    verb: Verb,
    namespace: Option<String>,
    name: String,
}

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}", self.verb, self.attributes())
    }
}

impl Question {
    /// True if no name is asked for.
    pub(super) fn is_broad(&self) -> bool {
        self.verb == Verb::List
    }

    pub(super) fn path(&self) -> String {
        let collection = self.kind.collection(self.namespace.as_deref());
        match self.verb {
            Verb::Get => format!("{collection}/{}", self.name),
            Verb::List => format!("{collection}?limit=1"),
            Verb::ListOne => format!("{collection}?fieldSelector=metadata.name%3D{}", self.name),
            Verb::Log => format!("{collection}/{}/log", self.name),
        }
    }

    /// `resourceAttributes` of a review.
    pub(super) fn attributes(&self) -> Value {
        let verb = if matches!(self.verb, Verb::Get | Verb::Log) { "get" } else { "list" };
        let mut attributes = json!({"verb": verb, "group": self.kind.group, "resource": self.kind.plural});
        if let Some(namespace) = &self.namespace {
            attributes["namespace"] = namespace.as_str().into();
        }
        if self.verb != Verb::List {
            attributes["name"] = self.name.as_str().into();
        }
        if self.verb == Verb::Log {
            attributes["subresource"] = "log".into();
        }
        // A namespace lies in itself: a Role there may permit it to be read.
        if self.kind.plural == "namespaces" && self.verb == Verb::Get {
            attributes["namespace"] = self.name.as_str().into();
        }
        attributes
    }

    /// Words after `kubectl auth can-i`.
    pub(super) fn for_kubectl(&self) -> Vec<String> {
        let attributes = self.attributes();
        let text = |field: &str| attributes[field].as_str().map(str::to_owned);
        let mut resource = self.kind.plural.to_owned();
        if !self.kind.group.is_empty() {
            resource = format!("{resource}.{}", self.kind.group);
        }
        if let Some(name) = text("name") {
            resource = format!("{resource}/{name}");
        }
        let mut words = vec![text("verb").unwrap(), resource];
        match text("namespace") {
            Some(namespace) => words.extend(["-n".to_owned(), namespace]),
            None => words.push("-A".to_owned()),
        }
        words.extend(text("subresource").map(|subresource| format!("--subresource={subresource}")));
        words
    }
}

/// A question, and the call of a tool that asks it.
pub(super) struct Case {
    pub(super) question: Question,
    pub(super) tool: &'static str,
    pub(super) arguments: Value,
    /// Part of an answer that is allowed.
    pub(super) expected: String,
}

impl Case {
    /// Draws a question, more often one that a grant of the account is about.
    pub(super) fn draw(draw: &mut Draw, world: &World, grants: &[&Grant]) -> Self {
        let grant = draw.chance(80).then(|| *draw.one_of(grants));
        let kind = grant.map_or_else(|| draw.one_of(KINDS), |grant| grant.kind);
        let namespace = match grant.and_then(|grant| grant.within.clone()) {
            Some(within) if draw.chance(80) => within,
            _ => draw.one_of(&world.namespaces).clone(),
        };
        let mut verb = *draw.one_of(&[Verb::Get, Verb::Get, Verb::List, Verb::ListOne]);
        if let Some(grant) = grant.filter(|_| draw.chance(60)) {
            verb = match *grant.verbs.first().unwrap_or(&"get") {
                "list" => Verb::List,
                "get" => Verb::Get,
                _ => verb,
            };
        }
        if kind.plural == "pods" && draw.chance(45) {
            verb = Verb::Log;
        }
        let everywhere = !kind.is_namespaced || verb == Verb::List && draw.chance(30);
        // The one that does not exist is asked for less often.
        let number = if draw.chance(15) { 2 } else { draw.below(2) };
        let mut name = world.object(kind, number);
        if kind.plural == "namespaces" && draw.chance(60) {
            name = namespace.clone();
        }
        let question = Question { kind, verb, namespace: (!everywhere).then_some(namespace), name };
        Self::of(draw, world, question)
    }

    fn of(draw: &mut Draw, world: &World, question: Question) -> Self {
        let Question { kind, verb, namespace, name } = &question;
        let mut arguments = json!({});
        if let Some(namespace) = namespace {
            arguments["namespace"] = namespace.as_str().into();
        }
        match verb {
            Verb::Get | Verb::Log => arguments["name"] = name.as_str().into(),
            Verb::List => {}
            Verb::ListOne => arguments["fieldSelector"] = format!("metadata.name={name}").into(),
        }
        let own = draw.chance(50);
        let tool = match (kind.plural, verb, namespace) {
            (_, Verb::Log, _) => "pods_log",
            ("pods", Verb::Get, _) if own => "pods_get",
            ("pods", _, Some(_)) if own => "pods_list_in_namespace",
            ("pods", _, None) if own => "pods_list",
            ("deployments", Verb::List | Verb::ListOne, _) if own => "deployments_list",
            ("namespaces", Verb::List | Verb::ListOne, _) if own => "namespaces_list",
            (_, Verb::Get, _) => "resources_get",
            _ => "resources_list",
        };
        if tool.starts_with("resources") {
            arguments["kind"] = kind.plural.into();
            if !kind.group.is_empty() {
                arguments["apiVersion"] = format!("{}/{}", kind.group, kind.version).into();
            }
        }
        let gone = name.contains("-gone-");
        let expected = match verb {
            _ if gone => String::new(),
            Verb::Log => world.mark.clone(),
            // Of a Secret the value of an annotation is blank.
            Verb::Get if !matches!(kind.plural, "secrets" | "namespaces") => world.mark.clone(),
            // A list of all namespaces, or of a kind that has none, has more than an answer shows.
            Verb::List if namespace.is_none() => String::new(),
            Verb::List => world.object(kind, 0),
            _ => name.clone(),
        };
        Self { tool, arguments, expected, question }
    }
}
