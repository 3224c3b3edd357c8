//! Request bodies: JSON, or the protobuf that newer clients send for built-in kinds.
//!
//! Only self-subject reviews can be posted, so only their messages are declared; the tags are those of
//! `generated.proto` in `k8s.io/api/authorization/v1` and `k8s.io/apimachinery/pkg/runtime`.

use prost::Message;
use serde_json::{Value, json};

/// Prefix of protobuf in Kubernetes (`serializer/protobuf`).
const MAGIC: &[u8] = b"k8s\0";

/// Envelope: `runtime.Unknown`.
#[derive(Message)]
struct Envelope {
    #[prost(message, optional, tag = "1")]
    ty: Option<TypeMeta>,
    #[prost(bytes = "vec", tag = "2")]
    raw: Vec<u8>,
}

#[derive(Message)]
struct TypeMeta {
    #[prost(string, tag = "1")]
    api_version: String,
    #[prost(string, tag = "2")]
    kind: String,
}

/// A SelfSubjectAccessReview or SelfSubjectRulesReview.
#[derive(Message)]
struct Review {
    #[prost(bytes = "vec", tag = "2")]
    spec: Vec<u8>,
}

#[derive(Message)]
struct AccessSpec {
    #[prost(message, optional, tag = "1")]
    resource: Option<ResourceAttributes>,
    #[prost(message, optional, tag = "2")]
    path: Option<PathAttributes>,
}

#[derive(Message)]
struct ResourceAttributes {
    #[prost(string, tag = "1")]
    namespace: String,
    #[prost(string, tag = "2")]
    verb: String,
    #[prost(string, tag = "3")]
    group: String,
    #[prost(string, tag = "4")]
    version: String,
    #[prost(string, tag = "5")]
    resource: String,
    #[prost(string, tag = "6")]
    subresource: String,
    #[prost(string, tag = "7")]
    name: String,
}

#[derive(Message)]
struct PathAttributes {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(string, tag = "2")]
    verb: String,
}

#[derive(Message)]
struct RulesSpec {
    #[prost(string, tag = "1")]
    namespace: String,
}

/// Parses a posted object; `None` if it is neither JSON nor protobuf.
pub(crate) fn read(body: &[u8]) -> Option<Value> {
    match body.strip_prefix(MAGIC) {
        Some(message) => from_protobuf(message).ok(),
        None => serde_json::from_slice(body).ok().filter(Value::is_object),
    }
}

fn from_protobuf(message: &[u8]) -> Result<Value, prost::DecodeError> {
    let Envelope { ty, raw } = Envelope::decode(message)?;
    let ty = ty.unwrap_or_default();
    let mut object = json!({"kind": ty.kind, "apiVersion": ty.api_version, "metadata": {}});
    let spec = Review::decode(raw.as_slice())?.spec;
    match ty.kind.as_str() {
        "SelfSubjectAccessReview" => {
            let AccessSpec { resource, path } = AccessSpec::decode(spec.as_slice())?;
            if let Some(requested) = resource {
                object["spec"]["resourceAttributes"] = json!({
                    "namespace": requested.namespace, "verb": requested.verb, "group": requested.group, "version": requested.version,
                    "resource": requested.resource, "subresource": requested.subresource, "name": requested.name,
                });
            }
            if let Some(requested) = path {
                object["spec"]["nonResourceAttributes"] =
                    json!({"path": requested.path, "verb": requested.verb});
            }
        }
        "SelfSubjectRulesReview" => {
            object["spec"] = json!({"namespace": RulesSpec::decode(spec.as_slice())?.namespace});
        }
        _ => {}
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_review_is_the_same_in_both_encodings() {
        let requested =
            ResourceAttributes { verb: "list".into(), resource: "pods".into(), ..Default::default() };
        let spec = AccessSpec { resource: Some(requested), path: None }.encode_to_vec();
        let ty = TypeMeta {
            api_version: "authorization.k8s.io/v1".into(),
            kind: "SelfSubjectAccessReview".into(),
        };
        let envelope = Envelope { ty: Some(ty), raw: Review { spec }.encode_to_vec() };
        let read_back = read(&[MAGIC, &envelope.encode_to_vec()].concat()).unwrap_or_default();
        assert_eq!(read_back["kind"], "SelfSubjectAccessReview");
        assert_eq!(read_back["spec"]["resourceAttributes"]["verb"], "list");
        assert_eq!(read(read_back.to_string().as_bytes()), Some(read_back));
        for nonsense in [&b"k8s\0\xff\xff"[..], b"", b"[]", b"{"] {
            assert_eq!(read(nonsense), None);
        }
    }
}
