//! The kinds that are searched, and the fields of each that a word may stand in.

use std::collections::BTreeSet;

use porthole_diagnosis::Kind;
use porthole_sdk::{ListEnd, list_pages, prelude::*, table_rows};

/// Objects in a page.
const PAGE: u32 = 500;
/// Pages of one kind.
const PAGES: usize = 24;

/// A kind that is searched.
pub(crate) struct Searchable {
    pub(crate) kind: Kind,
    /// Fields beside name, namespace, labels and annotations. None: the API server's table, a tenth of the objects' bytes,
    /// with IP and node; pods are by far the most.
    fields: Option<&'static [&'static str]>,
}

const TEMPLATE: &[&str] = &[
    "spec.replicas",
    "status.readyReplicas",
    "spec.template.spec.containers[].image",
    "spec.template.spec.initContainers[].image",
];

pub(crate) const KINDS: [Searchable; 14] = [
    Searchable { kind: Kind::Deployment, fields: Some(TEMPLATE) },
    Searchable { kind: Kind::StatefulSet, fields: Some(TEMPLATE) },
    Searchable {
        kind: Kind::DaemonSet,
        fields: Some(&["status.numberReady", "spec.template.spec.containers[].image"]),
    },
    Searchable {
        kind: Kind::Job,
        fields: Some(&["status.succeeded", "spec.template.spec.containers[].image"]),
    },
    Searchable {
        kind: Kind::CronJob,
        fields: Some(&["spec.schedule", "spec.jobTemplate.spec.template.spec.containers[].image"]),
    },
    // For the images that pods run, also beside a newer template.
    Searchable { kind: Kind::ReplicaSet, fields: Some(TEMPLATE) },
    Searchable { kind: Kind::Pod, fields: None },
    Searchable {
        kind: Kind::Service,
        fields: Some(&[
            "spec.clusterIP",
            "spec.externalName",
            "spec.externalIPs",
            "status.loadBalancer.ingress",
        ]),
    },
    Searchable {
        kind: Kind::Ingress,
        fields: Some(&[
            "spec.rules[].host",
            "spec.tls[].hosts",
            "spec.ingressClassName",
            "status.loadBalancer.ingress",
        ]),
    },
    Searchable { kind: Kind::ConfigMap, fields: Some(&[]) },
    Searchable {
        kind: Kind::PersistentVolumeClaim,
        fields: Some(&["status.phase", "spec.volumeName", "spec.storageClassName"]),
    },
    Searchable { kind: Kind::HorizontalPodAutoscaler, fields: Some(&["spec.scaleTargetRef.name"]) },
    Searchable { kind: Kind::Node, fields: Some(&["status.addresses[].address"]) },
    Searchable { kind: Kind::Namespace, fields: Some(&["status.phase"]) },
];
/// Fields of the metadata that every kind is searched in.
const METADATA: [&str; 4] =
    ["metadata.name", "metadata.namespace", "metadata.labels", "metadata.annotations"];

impl Searchable {
    fn query(&self, namespace: Option<&str>) -> ListQuery {
        let namespace = namespace.filter(|_| self.kind.is_namespaced()).map(str::to_owned);
        let fields: Vec<&str> = METADATA.iter().chain(self.fields.unwrap_or_default()).copied().collect();
        let query =
            ListQuery { limit: Some(PAGE), ..list_all_of(kind(self.kind.resource()), namespace, &fields) };
        if self.fields.is_none() { ListQuery { view: View::Table, ..query } } else { query }
    }
}

/// An object that may have the word.
pub(crate) struct Object {
    pub(crate) kind: Kind,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) status: String,
    /// Names of fields with their texts.
    pub(crate) texts: Vec<(String, String)>,
}

/// All objects that could be read.
#[derive(Default)]
pub(crate) struct Searched {
    pub(crate) objects: Vec<Object>,
    /// Kinds that could not be read, with the reason.
    pub(crate) unread: Vec<String>,
    /// Kinds of which only a part was read.
    pub(crate) partly: Vec<&'static str>,
    /// Namespaces that were read where not all may be.
    pub(crate) namespaces: BTreeSet<String>,
}

/// Reads all objects of some kinds.
pub(crate) fn search(kinds: &[&'static Searchable], namespace: Option<&str>) -> Searched {
    let queries: Vec<ListQuery> = kinds.iter().map(|searchable| searchable.query(namespace)).collect();
    let mut searched = Searched::default();
    let ends = list_pages(
        &queries,
        |_| PAGES,
        |number, namespace, page| {
            let Some(searchable) = kinds.get(number) else { return Ok(()) };
            searched.objects.extend(searchable.objects(page, namespace)?);
            Ok(())
        },
    );
    for (searchable, end) in kinds.iter().zip(ends) {
        match end {
            Ok(ListEnd::Whole) => {}
            Ok(ListEnd::PageLimit | ListEnd::Failed(_)) => searched.partly.push(searchable.kind.name()),
            Ok(ListEnd::Namespaces(read)) => searched.namespaces.extend(read),
            Err(error) => {
                let reason =
                    if error.reason == Reason::Forbidden { "forbidden" } else { error.message.as_str() };
                searched.unread.push(format!("{} ({reason})", searchable.kind));
            }
        }
    }
    searched
}

impl Searchable {
    fn objects(&self, json: &str, namespace: Option<&str>) -> Result<Vec<Object>, String> {
        if self.fields.is_none() {
            return self.rows(json, namespace);
        }
        let items: Vec<Value> = parsed(json)?;
        Ok(items.iter().map(|item| self.object(item)).collect())
    }

    fn object(&self, item: &Value) -> Object {
        let text =
            |pointer: &str| item.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = |pointer: &str| item.pointer(pointer).and_then(Value::as_u64);
        let status = match (number("/spec/replicas"), number("/status/numberReady")) {
            (Some(replicas), _) => {
                format!("{}/{replicas} ready", number("/status/readyReplicas").unwrap_or(0))
            }
            (None, Some(ready)) => format!("{ready} ready"),
            (None, None) => text("/status/phase"),
        };
        let mut texts = Vec::new();
        collect("", item, &mut texts);
        Object {
            kind: self.kind,
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
            status,
            texts,
        }
    }

    fn rows(&self, json: &str, namespace: Option<&str>) -> Result<Vec<Object>, String> {
        let rows = table_rows(json)?.into_iter().map(|row| {
            let given = namespace.unwrap_or_default().to_owned();
            let namespace =
                Some(row.cell("namespace")).filter(|namespace| !namespace.is_empty()).unwrap_or(given);
            let texts = ["ip", "node"].map(|title| (title.to_owned(), row.cell(title))).into();
            Object { kind: self.kind, namespace, name: row.cell("name"), status: row.cell("status"), texts }
        });
        Ok(rows.collect())
    }
}

/// The texts of a value, each with the name of the nearest field, and of labels with their keys.
fn collect(name: &str, value: &Value, texts: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => texts.push((name.to_owned(), text.clone())),
        Value::Array(items) => items.iter().for_each(|item| collect(name, item, texts)),
        Value::Object(fields) => {
            for (key, value) in fields {
                match (name, value) {
                    ("labels" | "annotations", Value::String(text)) => {
                        let field = name.trim_end_matches('s');
                        texts.push((field.to_owned(), format!("{key}={text}")));
                    }
                    // They are compared as names.
                    ("metadata", Value::String(_)) => {}
                    _ => collect(key, value, texts),
                }
            }
        }
        _ => {}
    }
}
