//! A cluster of recorded objects, as the source of an answer in tests.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use porthole_diagnosis::time;
use serde_json::Value;

use crate::{List, PodRow, Read, Release, Request, Source, Unread, Write, changes};

/// Time of every question.
pub(crate) const NOW: &str = "2026-11-24T12:00:00Z";

/// A cluster of recorded objects.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorded {
    pub(crate) objects: Vec<(&'static str, Value)>,
    pub(crate) writes: Vec<(&'static str, Write)>,
    pub(crate) releases: Vec<Release>,
    pub(crate) denied: BTreeSet<&'static str>,
    /// The only namespace that may be read.
    pub(crate) only: Option<&'static str>,
}

impl Recorded {
    pub(crate) fn with(mut self, resource: &'static str, object: Value) -> Self {
        self.objects.push((resource, object));
        self
    }

    /// A write to an object of the namespace shop; of one that is older than it.
    pub(crate) fn written(
        mut self,
        resource: &'static str,
        name: &str,
        manager: &str,
        time: &str,
        fields: &[&str],
    ) -> Self {
        self.writes.push((
            resource,
            Write {
                namespace: if resource == "nodes" { String::new() } else { "shop".to_owned() },
                name: name.to_owned(),
                created: "2026-10-01T00:00:00Z".to_owned(),
                manager: manager.to_owned(),
                time: time.to_owned(),
                subresource: String::new(),
                fields: fields.iter().map(|field| (*field).to_owned()).collect(),
                more_fields: 0,
            },
        ));
        self
    }

    pub(crate) fn deny(mut self, resources: &[&'static str]) -> Self {
        self.denied.extend(resources);
        self
    }

    /// Forbids everything outside of a namespace.
    pub(crate) fn only(mut self, namespace: &'static str) -> Self {
        self.only = Some(namespace);
        self
    }

    pub(crate) fn ask(self, since: &str, name: &str) -> String {
        self.ask_for("shop", since, name)
    }

    pub(crate) fn ask_for(mut self, namespace: &str, since: &str, name: &str) -> String {
        let given = |text: &str| Some(text.to_owned());
        let request = Request { since: given(since), namespace: given(namespace), name: given(name) };
        changes(&request, &mut self, 32 << 10).unwrap_or_else(|error| format!("ERROR: {error}"))
    }

    fn read<T>(&self, resource: &str, namespace: Option<&str>, items: Vec<T>) -> Read<T> {
        let is_outside = self.only.is_some() && self.only != namespace;
        match is_outside || self.denied.contains(resource) {
            true => (Vec::new(), Some(Unread::Forbidden)),
            false => (items, None),
        }
    }
}

/// True if an object fits a field selector.
fn selects(selector: &str, object: &Value) -> bool {
    selector.split(',').filter(|term| !term.is_empty()).all(|term| {
        let (path, value) = term.split_once('=').unwrap();
        object.pointer(&format!("/{}", path.replace('.', "/"))).and_then(Value::as_str) == Some(value)
    })
}

impl Source for Recorded {
    fn now(&self) -> u64 {
        time::parse(NOW).unwrap()
    }

    fn namespaces(&mut self) -> Vec<String> {
        vec!["default".to_owned(), "shop".to_owned()]
    }

    fn lists(&mut self, lists: &[List]) -> Vec<Read<Value>> {
        let list = |list: &List| {
            let selector = list.field_selector.clone().unwrap_or_default();
            let fits = |(resource, object): &&(&'static str, Value)| {
                let namespace = list.namespace.as_ref();
                *resource == list.resource
                    && namespace.is_none_or(|namespace| object["metadata"]["namespace"] == **namespace)
                    && selects(&selector, object)
            };
            let items = self.objects.iter().filter(fits).map(|(_, object)| object.clone()).collect();
            self.read(list.resource, list.namespace.as_deref(), items)
        };
        lists.iter().map(list).collect()
    }

    fn pods(&mut self, namespace: Option<&str>) -> Read<PodRow> {
        // The table is read as far as the caller may.
        let namespace = namespace.or(self.only);
        let pods = self.objects.iter().filter(|(resource, _)| *resource == "pods");
        let rows = pods.map(|(_, pod)| {
            let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            PodRow {
                namespace: Some(text("/metadata/namespace").to_owned()),
                name: text("/metadata/name").to_owned(),
                status: text("/status/reason").to_owned(),
                restarts: text("/test/restarts").to_owned(),
            }
        });
        self.read("pods", namespace, rows.collect())
    }

    fn writes(&mut self, resource: &'static str, namespace: Option<&str>, since: &str) -> Read<Write> {
        let is_within = |write: &Write| namespace.is_none_or(|namespace| write.namespace == namespace);
        let writes = self
            .writes
            .iter()
            .filter(|(of, write)| *of == resource && write.time.as_str() >= since && is_within(write));
        self.read(resource, namespace, writes.map(|(_, write)| write.clone()).collect())
    }

    fn releases(&mut self, namespace: Option<&str>) -> Read<Release> {
        let newest = self.releases.iter().filter(|release| {
            self.releases.iter().all(|other| other.name != release.name || other.revision <= release.revision)
        });
        self.read("releases", namespace, newest.cloned().collect())
    }

    fn history(&mut self, _: &str, name: &str) -> Read<Release> {
        (self.releases.iter().filter(|release| release.name == name).cloned().collect(), None)
    }
}
