//! Pure paths: a list cut apart and masked, a Secret redacted, a JSON-RPC message, a schema and its arguments.

use serde_json::{Value, json};

use crate::{allocator::cost_of, limits::Measured};

/// Elements of the list.
const ELEMENTS: usize = 100;
/// Bytes of a chunk: what a connection hands over at once.
const CHUNK: usize = 16 << 10;

pub(crate) fn measure() -> Measured {
    let list = list();
    let split_to = |paths: &[&str]| cost_of(|| split(&list, paths));
    let secret = secret(40);
    let redact = || porthole_cluster::costs::redact(&secret).unwrap();
    assert!(!String::from_utf8(redact()).unwrap().contains("c2VjcmV0"));
    let message = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": {"name": "pods_list_in_namespace", "arguments": arguments()}});
    let message = message.to_string();
    let parse = || porthole_mcp::costs::message(message.as_bytes()).unwrap();
    assert_eq!(parse(), "pods_list_in_namespace");
    let Value::Object(schema) = schema() else { panic!("a schema is an object") };
    let parsed = || porthole_tools::costs::Schema::parse(&schema).unwrap();
    let parameters = parsed();
    let Value::Object(arguments) = arguments() else { panic!("arguments are an object") };
    let coerce = || parameters.coerce(arguments.clone()).unwrap();
    [
        ("path: a list of 100 pods, whole", split_to(&[])),
        (
            "path: a list of 100 pods, three fields",
            split_to(&["metadata.name", "status.phase", "spec.nodeName"]),
        ),
        ("path: a Secret of 40 keys, redacted", cost_of(redact)),
        ("path: a message of tools/call", cost_of(parse)),
        ("path: a schema, parsed", cost_of(parsed)),
        ("path: arguments, coerced", cost_of(coerce)),
    ]
    .map(|(path, cost)| (path.to_owned(), cost))
    .into()
}

/// A list of pods, as the API server sends it.
pub(crate) fn list() -> Vec<u8> {
    json!({"kind": "PodList", "items": (0..ELEMENTS).map(pod).collect::<Vec<_>>()}).to_string().into_bytes()
}

/// Cuts a list apart, and copies these paths of its elements, or all of them. Returns the bytes that remain.
pub(crate) fn split(list: &[u8], paths: &[&str]) -> usize {
    let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    let (elements, bytes) = porthole_cluster::costs::split(list, CHUNK, &paths).unwrap();
    assert_eq!(elements, ELEMENTS);
    bytes
}

/// A pod as a controller writes it, with an escape and a message.
pub(crate) fn pod(number: usize) -> Value {
    let container = |name: &str| json!({"name": name, "image": "registry.example/web:1.8", "env": [{"name": "A", "value": "\"b\"\n"}]});
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("web-{number:04}"), "namespace": format!("team-{}", number % 4),
            "labels": {"app": "web", "tier": "front"},
            "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:status": {"f:phase": {}, "f:podIP": {}}}}]},
        "spec": {"nodeName": "node-1", "containers": [container("web"), container("sidecar")]},
        "status": {"phase": "Running", "podIP": "10.0.0.1", "message": "started with password=hunter2hunter2",
            "containerStatuses": [{"name": "web", "ready": true, "restartCount": 0, "image": "registry.example/web:1.8"}]},
    })
}

/// A Secret with so many values.
pub(crate) fn secret(values: usize) -> Vec<u8> {
    let data: serde_json::Map<String, Value> =
        (0..values).map(|n| (format!("key-{n}"), json!("c2VjcmV0IHZhbHVl"))).collect();
    let object = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": data,
        "metadata": {"name": "keys", "namespace": "team-0", "annotations": {"note": "c2VjcmV0", "other": "c2VjcmV0"}}});
    object.to_string().into_bytes()
}

/// A schema as a list tool declares it.
fn schema() -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    json!({"type": "object", "required": ["namespace"], "properties": {
        "namespace": text("Namespace"), "labelSelector": text("Labels"), "fieldSelector": text("Fields"),
        "fields": {"type": "array", "items": {"type": "string"}}, "continue": text("Token of the next page"),
        "limit": {"type": "integer", "minimum": 1, "maximum": 500},
        "output": {"type": "string", "enum": ["table", "json", "names", "count"]},
        "all": {"type": "boolean"}, "ratio": {"type": "number"},
    }})
}

/// Arguments as models write them: numbers and lists in strings too.
fn arguments() -> Value {
    json!({"namespace": "team-0", "labelSelector": "app=web", "fields": ["metadata.name", "status.phase"], "limit": "20",
        "output": "table", "all": "true", "ratio": 0.5})
}
