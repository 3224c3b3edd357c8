//! Manifest loader: parses YAML documents, flattens lists, resolves `$now`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    accounts::{self, Account},
    defaults,
    kinds::{self, Kind},
    objects::Object,
    timestamps,
};

/// Files of the built-in shop, from `shop/`.
const SHOP: &[(&str, &str)] = &[
    ("cluster.yaml", include_str!("../shop/cluster.yaml")),
    ("shop.yaml", include_str!("../shop/shop.yaml")),
    ("payments.yaml", include_str!("../shop/payments.yaml")),
    ("events.yaml", include_str!("../shop/events.yaml")),
    ("metrics.yaml", include_str!("../shop/metrics.yaml")),
];
const SHOP_LOGS: &str = include_str!("../shop/logs.txt");

/// Error when a manifest is rejected.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file or folder cannot be read.
    #[error("{}: {cause}", path.display())]
    Unreadable {
        /// Path of the file or folder.
        path: PathBuf,
        /// Error of the file system.
        cause: std::io::Error,
    },
    /// A document is not a Kubernetes object.
    #[error("{file}, line {line}: {cause}")]
    Invalid {
        /// Path of the file.
        file: String,
        /// Line of the error, or the first of its document; counted from 1.
        line: u64,
        /// Description of the error.
        cause: String,
    },
    /// A folder without manifests.
    #[error("{}: no *.yaml, *.yml or *.json file in it", .0.display())]
    Empty(PathBuf),
}

/// Contents of the cluster.
#[derive(Debug)]
pub(crate) struct Manifests {
    pub(crate) kinds: Vec<Kind>,
    pub(crate) objects: Vec<Object>,
    /// Container logs by `<namespace>/<pod>/<container>.log`.
    pub(crate) logs: BTreeMap<String, String>,
    /// Accounts with a token.
    pub(crate) accounts: Vec<Account>,
}

/// Objects with their collection paths, and logs.
type OrderedShop = (Vec<(String, Value)>, BTreeMap<String, String>);

impl Manifests {
    /// Loads the built-in shop.
    pub(crate) fn shop() -> Result<Self, ManifestError> {
        let (documents, logs) = shop()?;
        Self::of_documents(documents, logs)
    }

    /// The shop's objects with their collection paths, in file order, and its logs.
    pub(crate) fn shop_in_order() -> Result<OrderedShop, ManifestError> {
        let (mut documents, logs) = shop()?;
        let kinds: Vec<Kind> = kinds::everywhere().into_iter().chain(kinds::metrics()).collect();
        let mut objects = Vec::new();
        for document in &mut documents {
            let served = |kind: &&Kind| {
                document["kind"] == kind.kind.as_str()
                    && document["apiVersion"] == kind.api_version().as_str()
            };
            if let Some(kind) = kinds.iter().find(served) {
                defaults::fill(document, kind);
                objects.push((kind.collection(document["metadata"]["namespace"].as_str()), document.take()));
            }
        }
        Ok((objects, logs))
    }

    pub(crate) fn of_folder(folder: &Path) -> Result<Self, ManifestError> {
        let mut files = Vec::new();
        let mut logs = BTreeMap::new();
        walk(folder, folder, &mut files, &mut logs)?;
        files.sort();
        if files.is_empty() {
            return Err(ManifestError::Empty(folder.to_owned()));
        }
        let mut documents = Vec::new();
        for path in files {
            let text = std::fs::read_to_string(&path);
            let text = text.map_err(|cause| ManifestError::Unreadable { path: path.clone(), cause })?;
            read(&path.display().to_string(), &text, &mut documents)?;
        }
        Self::of_documents(documents, logs)
    }

    fn of_documents(written: Vec<Value>, logs: BTreeMap<String, String>) -> Result<Self, ManifestError> {
        let accounts = accounts::make(&namespaces(&written));
        // Before the others, so that a ClusterRole of the same name in the manifests overrides it.
        let mut documents = accounts::manifests(&accounts);
        documents.extend(written);
        let mut kinds = kinds::everywhere();
        for document in documents.iter().filter(|document| document["kind"] == "CustomResourceDefinition") {
            kinds.extend(Kind::from_definition(document));
        }
        if documents.iter().any(|document| document["apiVersion"] == "metrics.k8s.io/v1beta1") {
            kinds.retain(|kind| kind.group != "metrics.k8s.io");
            kinds.extend(kinds::metrics());
        }
        // Of several objects with one name the last wins, as with `kubectl apply`.
        let mut objects = BTreeMap::new();
        for mut document in documents {
            let (api_version, kind_name) = (text(&document["apiVersion"]), text(&document["kind"]));
            let known = kinds.iter().find(|kind| kind.kind == kind_name && kind.api_version() == api_version);
            let kind = match known {
                Some(kind) => kind.clone(),
                None => {
                    let namespaced = document["metadata"]["namespace"].is_string();
                    let kind = Kind::guess(&api_version, &kind_name, namespaced);
                    kinds.push(kind.clone());
                    kind
                }
            };
            defaults::fill(&mut document, &kind);
            let object = Object::new(kind, document);
            if let Some(namespace) = &object.namespace {
                let kind = kinds.iter().find(|kind| kind.qualified_name() == "namespaces").cloned();
                if let Some(kind) = kind {
                    let mut missing =
                        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
                    defaults::fill(&mut missing, &kind);
                    let missing = Object::new(kind, missing);
                    objects.entry(missing.key()).or_insert(missing);
                }
            }
            objects.insert(object.key(), object);
        }
        let mut objects: Vec<Object> = objects.into_values().collect();
        for (object, version) in objects.iter_mut().zip(1001u64..) {
            object.json["metadata"]["resourceVersion"] = Value::String(version.to_string());
        }
        Ok(Self { kinds, objects, logs, accounts })
    }
}

fn shop() -> Result<(Vec<Value>, BTreeMap<String, String>), ManifestError> {
    let mut documents = Vec::new();
    for (file, text) in SHOP {
        read(file, text, &mut documents)?;
    }
    let parts = SHOP_LOGS.split("==> ").filter_map(|part| part.split_once(" <==\n"));
    Ok((documents, parts.map(|(name, text)| (name.to_owned(), text.to_owned())).collect()))
}

/// Namespaces that are declared or used, in order.
fn namespaces(documents: &[Value]) -> Vec<String> {
    let written = documents.iter().filter(|document| document["kind"] == "Namespace");
    let written = written.filter_map(|document| document["metadata"]["name"].as_str());
    let used = documents.iter().filter_map(|document| document["metadata"]["namespace"].as_str());
    written.chain(used).map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn walk(
    root: &Path,
    folder: &Path,
    files: &mut Vec<PathBuf>,
    logs: &mut BTreeMap<String, String>,
) -> Result<(), ManifestError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |cause| ManifestError::Unreadable { path, cause }
    };
    for entry in std::fs::read_dir(folder).map_err(unreadable(folder))? {
        let path = entry.map_err(unreadable(folder))?.path();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if path.is_dir() {
            walk(root, &path, files, logs)?;
        } else if let Ok(log) = path.strip_prefix(root.join("logs")) {
            let bytes = std::fs::read(&path).map_err(unreadable(&path))?;
            logs.insert(log.display().to_string(), String::from_utf8_lossy(&bytes).into_owned());
        } else if matches!(extension, "yaml" | "yml" | "json") {
            files.push(path);
        }
    }
    Ok(())
}

/// Parses the objects of a file into `documents`.
fn read(file: &str, text: &str, documents: &mut Vec<Value>) -> Result<(), ManifestError> {
    let now = timestamps::now();
    for (first, part) in parts(text) {
        let invalid =
            |line: u64, cause: String| ManifestError::Invalid { file: file.to_owned(), line, cause };
        let parsed: Option<Value> = serde_saphyr::from_str(part).map_err(|error| {
            let line = error.location().map_or(1, |location| location.line());
            let message = error.to_string();
            let cause = message.lines().next().unwrap_or_default().to_owned();
            invalid((first + line).saturating_sub(1), cause)
        })?;
        let Some(mut document) = parsed else { continue };
        timestamps::fill(&mut document, now).map_err(|text| {
            invalid(line_of(part, &text, first), format!("{text:?} is not a moment; one is $now-3d4h"))
        })?;
        let items = if document["kind"].as_str().is_some_and(|kind| kind.ends_with("List"))
            && document["items"].is_array()
        {
            document["items"].as_array().cloned().unwrap_or_default()
        } else {
            vec![document]
        };
        // kubectl too skips comments before the first line of a document.
        let blank = part.lines().take_while(|line| line.trim().is_empty() || line.starts_with('#')).count();
        for item in items {
            let at = first + u64::try_from(blank).unwrap_or_default();
            for (field, value) in [
                ("apiVersion", &item["apiVersion"]),
                ("kind", &item["kind"]),
                ("metadata.name", &item["metadata"]["name"]),
            ] {
                if value.as_str().is_none_or(str::is_empty) {
                    return Err(invalid(at, format!("this is not a Kubernetes object: it has no {field}")));
                }
            }
            documents.push(item);
        }
    }
    Ok(())
}

fn line_of(part: &str, text: &str, first: u64) -> u64 {
    let before = part.lines().take_while(|line| !line.contains(text)).count();
    first + u64::try_from(before).unwrap_or_default()
}

/// Documents of a file, each with the number of its first line. `---` at the start of a line always separates documents
/// in YAML.
fn parts(text: &str) -> Vec<(u64, &str)> {
    let (mut parts, mut begin, mut first, mut at) = (Vec::new(), 0, 1u64, 0);
    for (number, line) in (1u64..).zip(text.split_inclusive('\n')) {
        let end = at;
        at += line.len();
        if line.strip_prefix("---").is_some_and(|rest| rest.trim().is_empty() || rest.starts_with([' ', '#']))
        {
            parts.push((first, text.get(begin..end).unwrap_or_default()));
            (begin, first) = (at, number + 1);
        }
    }
    parts.push((first, text.get(begin..).unwrap_or_default()));
    parts.retain(|(_, part)| part.lines().any(|line| !line.trim().is_empty() && !line.starts_with('#')));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        read("pods.yaml", text, &mut Vec::new()).err().map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn a_bad_file_is_named_with_its_line() {
        let good = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n";
        assert_eq!(refused(good), "");
        assert!(
            refused(&format!("{good}---\n# a comment\nkind: Pod\n"))
                .starts_with("pods.yaml, line 6: this is not")
        );
        assert!(refused(&format!("{good}---\n{good}spec: [a\n")).starts_with("pods.yaml, line "));
        assert!(
            refused(&format!("{good}spec:\n  a: $now-yesterday\n"))
                .starts_with("pods.yaml, line 5: \"$now-yes")
        );
        assert!(refused("just words").contains("line 1: this is not"));
    }

    #[test]
    fn a_list_as_kubectl_writes_it_is_taken_apart() {
        let list = "apiVersion: v1\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n- {apiVersion: v1, kind: Pod, metadata: {name: b}}\nkind: List\n";
        let mut documents = Vec::new();
        assert!(read("x", list, &mut documents).is_ok());
        assert_eq!(documents.len(), 2);
    }
}
