//! OpenAPI v3 for `kubectl explain`: fields and types, inferred from the objects.
//!
//! The real descriptions are megabytes. A stand-in that declares itself as such, and lists every field it holds, is
//! more honest than an excerpt.

use serde_json::{Map, Value, json};

use crate::{kinds::Kind, manifests::Manifests};

const ABOUT: &str =
    "As the objects of this embedded cluster have it; a real API server documents every field.";

/// Document at a path; `None` if there is none.
pub(crate) fn answer(path: &str, manifests: &Manifests) -> Option<Value> {
    let version_path = |kind: &Kind| {
        if kind.group.is_empty() {
            format!("api/{}", kind.version)
        } else {
            format!("apis/{}/{}", kind.group, kind.version)
        }
    };
    let requested = path.strip_prefix("/openapi/v3")?.trim_matches('/');
    if requested.is_empty() {
        let paths: Map<String, Value> = manifests
            .kinds
            .iter()
            .map(|kind| {
                (
                    version_path(kind),
                    json!({"serverRelativeURL": format!("/openapi/v3/{}", version_path(kind))}),
                )
            })
            .collect();
        return Some(json!({"paths": paths}));
    }
    let kinds: Vec<&Kind> = manifests.kinds.iter().filter(|kind| version_path(kind) == requested).collect();
    if kinds.is_empty() {
        return None;
    }
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    for kind in kinds {
        let gvk = json!({"group": kind.group, "version": kind.version, "kind": kind.kind});
        let name = format!("{}.{}.{}", kind.group, kind.version, kind.kind).trim_matches('.').to_owned();
        let place = if kind.namespaced { "namespaces/{namespace}/" } else { "" };
        let reference = json!({"$ref": format!("#/components/schemas/{name}")});
        let response =
            json!({"200": {"description": "OK", "content": {"application/json": {"schema": reference}}}});
        let get = json!({"x-kubernetes-action": "get", "x-kubernetes-group-version-kind": gvk, "responses": response});
        paths.insert(format!("/{requested}/{place}{}/{{name}}", kind.plural), json!({"get": get}));
        let mut schema = json!({"type": "object", "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"},
            "metadata": {"type": "object", "properties": {"name": {"type": "string"}}}}});
        let objects = manifests.objects.iter().filter(|object| object.kind == *kind);
        objects.for_each(|object| learn(&mut schema, &object.json));
        schema["description"] = format!("{}. {ABOUT}", kind.kind).into();
        schema["x-kubernetes-group-version-kind"] = json!([gvk]);
        schemas.insert(name, schema);
    }
    Some(
        json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "embedded"}, "paths": paths, "components": {"schemas": schemas}}),
    )
}

/// Extends a schema by the fields of one more value.
fn learn(schema: &mut Value, value: &Value) {
    match value {
        Value::Object(fields) => {
            schema["type"] = "object".into();
            // The keys of such a map are data, not fields.
            let texts = !fields.is_empty() && fields.values().all(Value::is_string);
            if texts && fields.keys().any(|key| key.contains(['.', '/', '-'])) {
                schema["additionalProperties"] = json!({"type": "string"});
                return;
            }
            for (name, field) in fields {
                if !schema["properties"][name].is_object() {
                    schema["properties"][name] = json!({"description": ABOUT});
                }
                learn(&mut schema["properties"][name], field);
            }
        }
        Value::Array(items) => {
            schema["type"] = "array".into();
            if !schema["items"].is_object() {
                schema["items"] = json!({"type": "string"});
            }
            items.iter().for_each(|item| learn(&mut schema["items"], item));
        }
        Value::String(_) => schema["type"] = "string".into(),
        Value::Number(_) => schema["type"] = "integer".into(),
        Value::Bool(_) => schema["type"] = "boolean".into(),
        Value::Null => {}
    }
}
