//! The kinds that are searched, and the columns and fields of each that a word may stand in.

use std::borrow::Cow;

use porthole_diagnosis::Kind;
use porthole_sdk::{OUTLINES, TableRow, prelude::*, table_rows};

/// Objects in a page.
pub(crate) const PAGE: u32 = 500;

/// A column of the API server's table, by its title in lower case, and the name of the field that it shows.
type Column = (&'static str, &'static str);

/// A kind that is searched.
pub(crate) struct Searchable {
    pub(crate) kind: Kind,
    /// Columns that a word may stand in. They come with the names, and cost nothing more.
    columns: &'static [Column],
    /// Fields beside the metadata's, for the details of an object. None: its columns are all, since there are too many.
    fields: Option<&'static [&'static str]>,
    /// Bytes of an object as the API server sends it, in a cluster of large ones: the fields are chosen by the host only.
    pub(crate) bytes: usize,
}

const IMAGES: &[Column] = &[("images", "image")];
const TEMPLATE: &[&str] = &[
    "spec.replicas",
    "status.readyReplicas",
    "spec.template.spec.containers[].image",
    "spec.template.spec.initContainers[].image",
];

/// In the order of reading: kinds with few objects first, so that a limit stops the long lists.
pub(crate) const KINDS: [Searchable; 14] = [
    Searchable { kind: Kind::Namespace, columns: &[], fields: Some(&["status.phase"]), bytes: 1 << 10 },
    Searchable {
        kind: Kind::Node,
        columns: &[("internal-ip", "address"), ("external-ip", "address")],
        fields: Some(&["status.addresses[].address"]),
        bytes: 16 << 10,
    },
    Searchable {
        kind: Kind::Service,
        columns: &[("cluster-ip", "clusterIP"), ("external-ip", "externalIPs")],
        fields: Some(&[
            "spec.clusterIP",
            "spec.externalName",
            "spec.externalIPs",
            "status.loadBalancer.ingress",
        ]),
        bytes: 2 << 10,
    },
    Searchable {
        kind: Kind::Ingress,
        columns: &[("hosts", "host"), ("address", "ip"), ("class", "ingressClassName")],
        fields: Some(&[
            "spec.rules[].host",
            "spec.tls[].hosts",
            "spec.ingressClassName",
            "status.loadBalancer.ingress",
        ]),
        bytes: 3 << 10,
    },
    Searchable {
        kind: Kind::PersistentVolumeClaim,
        columns: &[("volume", "volumeName"), ("storageclass", "storageClassName")],
        fields: Some(&["status.phase", "spec.volumeName", "spec.storageClassName"]),
        bytes: 3 << 10,
    },
    Searchable {
        kind: Kind::HorizontalPodAutoscaler,
        columns: &[("reference", "scaleTargetRef")],
        fields: Some(&["spec.scaleTargetRef.name"]),
        bytes: 4 << 10,
    },
    Searchable { kind: Kind::Deployment, columns: IMAGES, fields: Some(TEMPLATE), bytes: 6 << 10 },
    Searchable { kind: Kind::StatefulSet, columns: IMAGES, fields: Some(TEMPLATE), bytes: 6 << 10 },
    Searchable {
        kind: Kind::DaemonSet,
        columns: IMAGES,
        fields: Some(&["status.numberReady", "spec.template.spec.containers[].image"]),
        bytes: 6 << 10,
    },
    Searchable {
        kind: Kind::CronJob,
        columns: &[("images", "image"), ("schedule", "schedule")],
        fields: Some(&["spec.schedule", "spec.jobTemplate.spec.template.spec.containers[].image"]),
        bytes: 6 << 10,
    },
    Searchable {
        kind: Kind::Job,
        columns: IMAGES,
        fields: Some(&["status.succeeded", "spec.template.spec.containers[].image"]),
        bytes: 5 << 10,
    },
    Searchable { kind: Kind::ConfigMap, columns: &[], fields: Some(&[]), bytes: 8 << 10 },
    Searchable { kind: Kind::Pod, columns: &[("ip", "ip"), ("node", "node")], fields: None, bytes: 8 << 10 },
    // For the images that pods run, also beside a newer template.
    Searchable { kind: Kind::ReplicaSet, columns: IMAGES, fields: Some(TEMPLATE), bytes: 5 << 10 },
];
/// Fields of the metadata that every kind is searched in.
const METADATA: [&str; 4] =
    ["metadata.name", "metadata.namespace", "metadata.labels", "metadata.annotations"];
/// An empty cell of the API server's table.
const NONE: &str = "<none>";

/// An object that may have the word.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) kind: Kind,
    /// Empty for a cluster-scoped kind. None: unknown, in a list of all namespaces without their names.
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
    pub(crate) status: String,
    /// Names of fields with their texts.
    pub(crate) texts: Vec<(Cow<'static, str>, String)>,
}

impl Searchable {
    /// The kind's entry.
    pub(crate) fn of(kind: Kind) -> Option<&'static Self> {
        KINDS.iter().find(|searchable| searchable.kind == kind)
    }

    /// True if names are no reason to read it: the name of a ReplicaSet is that of its Deployment, which is found itself.
    pub(crate) fn is_for_details_only(&self) -> bool {
        self.kind == Kind::ReplicaSet
    }

    fn query(&self, namespace: Option<&str>, fields: &[&str]) -> ListQuery {
        let namespace = namespace.filter(|_| self.kind.is_namespaced()).map(str::to_owned);
        ListQuery { limit: Some(PAGE), ..list_all_of(kind(self.kind.resource()), namespace, fields) }
    }

    /// All objects as the API server's table without namespaces, a twentieth of their bytes.
    pub(crate) fn outline(&self, namespace: Option<&str>) -> ListQuery {
        ListQuery { view: View::Outline, limit: Some(OUTLINES), ..self.query(namespace, &[]) }
    }

    /// All objects with their labels, annotations and fields; None if the kind's columns are all that is searched.
    pub(crate) fn details(&self, namespace: Option<&str>) -> Option<ListQuery> {
        let fields: Vec<&str> = METADATA.iter().chain(self.fields?).copied().collect();
        Some(self.query(namespace, &fields))
    }

    /// The objects of a name in all namespaces, with these; `max` objects, or all.
    pub(crate) fn named(&self, name: &str, max: Option<u32>) -> ListQuery {
        ListQuery {
            field_selector: Some(format!("metadata.name={name}")),
            view: View::Table,
            // Without a limit the API server answers out of its cache.
            limit: max,
            ..self.query(None, &[])
        }
    }

    /// The objects of a page of [`details`](Self::details).
    pub(crate) fn objects(&self, page: &str) -> Result<Vec<Object>, String> {
        let items: Vec<Value> = parsed(page)?;
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
            namespace: Some(text("/metadata/namespace")),
            name: text("/metadata/name"),
            status,
            texts,
        }
    }

    /// The objects of a page of [`outline`](Self::outline) or [`named`](Self::named), which was read in `namespace`.
    pub(crate) fn rows(&self, page: &str, namespace: Option<&str>) -> Result<Vec<Object>, String> {
        Ok(table_rows(page)?.iter().map(|row| self.row(row, namespace)).collect())
    }

    fn row(&self, row: &TableRow, read_in: Option<&str>) -> Object {
        let own = Some(row.cell("namespace")).filter(|own| !own.is_empty());
        let namespace = match self.kind.is_namespaced() {
            true => own.or_else(|| read_in.map(str::to_owned)),
            false => Some(String::new()),
        };
        let shown = |(title, field): &Column| (Cow::Borrowed(*field), row.cell(title));
        let texts = self.columns.iter().map(shown).filter(|(_, text)| !matches!(text.as_str(), "" | NONE));
        let status = match self.kind {
            Kind::Deployment | Kind::StatefulSet => format!("{} ready", row.cell("ready")),
            Kind::DaemonSet => format!("{} ready", row.number("ready")),
            Kind::ReplicaSet => format!("{}/{} ready", row.number("ready"), row.number("desired")),
            Kind::Pod | Kind::PersistentVolumeClaim | Kind::Namespace => row.cell("status"),
            _ => String::new(),
        };
        Object { kind: self.kind, namespace, name: row.cell("name"), status, texts: texts.collect() }
    }
}

/// The texts of a value, each with the name of the nearest field, and of labels with their keys.
fn collect(name: &str, value: &Value, texts: &mut Vec<(Cow<'static, str>, String)>) {
    match value {
        Value::String(text) => texts.push((name.to_owned().into(), text.clone())),
        Value::Array(items) => items.iter().for_each(|item| collect(name, item, texts)),
        Value::Object(fields) => {
            for (key, value) in fields {
                match (name, value) {
                    ("labels" | "annotations", Value::String(text)) => {
                        let field = name.trim_end_matches('s');
                        texts.push((field.to_owned().into(), format!("{key}={text}")));
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
